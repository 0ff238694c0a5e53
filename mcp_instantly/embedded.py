"""The sandbox in this process, for servers and calls that are started with --sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.keys import KEYS_FILE

if TYPE_CHECKING:
    from mcp_instantly.sandbox.engine.gate import Gate

STATE_WAIT_SECONDS = 20.0
"""Seconds to wait for another process that has the sandbox's file open: some hosts start one for every call."""

DELIVERY_WAIT_SECONDS = 2.0
"""Seconds that the sandbox's deliveries to webhooks may still take at the end."""


@contextlib.contextmanager
def open_embedded(options: dict[str, Any]) -> Iterator[Gate]:
    """The sandbox in this process, with the world that the options describe. Raises ConfigError."""
    from mcp_instantly.sandbox import open_sandbox

    try:
        app = open_sandbox(
            options["scenario"], state=options["state"], budgets=options["budgets"], patience=STATE_WAIT_SECONDS
        )
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    try:
        yield app
    finally:
        app.close(DELIVERY_WAIT_SECONDS)


def refuse_foreign_keys(app: Gate, keys: Mapping[str, str]) -> None:
    """Raise ConfigError for keys of a file that are none of the sandbox: they may be real ones."""
    from mcp_instantly.sandbox import is_key

    foreign = [name for name, key in keys.items() if not is_key(app.workspaces, key)]
    if foreign:
        raise ConfigError(
            f"{KEYS_FILE} has keys that the sandbox's world does not know, for {', '.join(foreign)}: name a file with "
            "keys of this world, or unset it."
        )
