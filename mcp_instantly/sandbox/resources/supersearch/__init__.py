"""Searching the directory, and enriching leads."""
