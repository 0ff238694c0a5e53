"""Inbox placement tests."""
