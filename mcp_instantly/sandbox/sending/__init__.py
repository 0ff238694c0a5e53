"""Campaigns at work: who is written to, when, by whom, and what the reader does."""
