"""What a workspace holds, and its time."""
