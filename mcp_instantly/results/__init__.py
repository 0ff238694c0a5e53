"""What the model reads: how much of it, what must be said with it, and what strangers wrote in it."""
