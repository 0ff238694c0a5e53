"""What a key must be allowed to do."""

from __future__ import annotations

from collections.abc import Iterable

EVERYTHING = "all:all"


def is_allowed(needed: str | None, granted: Iterable[str]) -> bool:
    """Whether a key with the scopes `granted` may call an operation whose narrowest scope is `needed`.

    `campaigns:read` is also granted by `campaigns:all`, `all:read` and `all:all`. Operations without a scope on record
    may be called with any key.
    """
    if needed is None:
        return True
    resource, _, verb = needed.partition(":")
    return not {needed, f"{resource}:all", f"all:{verb}", EVERYTHING}.isdisjoint(granted)
