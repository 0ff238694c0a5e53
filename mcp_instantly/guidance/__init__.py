"""What the server offers beside tools: prompts, resources, completions."""
