"""API keys: where they come from, are kept, and are checked."""
