"""The Unibox."""
