"""AI agents: those that answer replies, and one list of all kinds."""
