"""Bulk work that survives: jobs of many rows, each a durable workflow that goes on where it was after a kill.

`job` says what a job is, `store` keeps jobs and what became of their rows, `engine` runs them on DBOS, and `kinds` has
a module for each kind. DBOS, SQLAlchemy and the readers of files are imported where they are used (extra `jobs`).
"""
