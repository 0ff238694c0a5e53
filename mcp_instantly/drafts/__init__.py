"""Replies that wait for a person."""
