"""A request comes in, a response goes out."""
