"""What each tool does, told by its neighbours: one entry per tool, in a module per group of toolsets."""
