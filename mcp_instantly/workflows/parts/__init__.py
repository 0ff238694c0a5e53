"""What workflows have in common."""
