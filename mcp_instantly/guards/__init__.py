"""What stands between a checked call and its request, and what is written down of it."""
