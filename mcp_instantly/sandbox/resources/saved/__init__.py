"""Sales flows and templates that are kept for later."""
