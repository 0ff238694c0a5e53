"""Sending accounts, their warmup and their tags."""
