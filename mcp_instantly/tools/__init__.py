"""The schema files, and what is found in them."""
