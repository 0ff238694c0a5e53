"""Campaigns and subsequences."""
