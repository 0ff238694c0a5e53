"""AI agents: what works on its own in the workspace, what it has done, and one list of all kinds."""
