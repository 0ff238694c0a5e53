"""Leads, lists, labels, verification and the block list."""
