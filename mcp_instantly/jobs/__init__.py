"""Bulk jobs: work on thousands of rows that survives whatever ends it."""
