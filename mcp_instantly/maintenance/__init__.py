"""What keeps pages and schema files true: docs, drift, lint."""
