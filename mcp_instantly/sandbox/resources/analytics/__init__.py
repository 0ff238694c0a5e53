"""Figures counted from emails and leads."""
