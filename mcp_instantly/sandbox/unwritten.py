"""The operations that have no behaviour here yet: each answers 501 in the API's envelope."""

OPERATIONS: tuple[tuple[str, str], ...] = ()
