"""A sandbox kept in a file."""
