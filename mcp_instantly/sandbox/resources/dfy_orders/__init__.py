"""Ordered domains and mailboxes."""
