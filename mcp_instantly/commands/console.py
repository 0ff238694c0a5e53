"""What every command does at the console: run, print, and fail in one line."""

from __future__ import annotations

import asyncio
import codecs
import gc
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any

import anyio

from mcp_instantly.errors import ConfigError
from mcp_instantly.text import error_text, escape_json

OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Objects that may be made before the collector looks for cycles among them; a call makes some hundreds."""


def run(function: Callable[[], Any], *, fast: bool = False) -> Any:
    """Run an async function to its end; Ctrl-C ends the program with status 130, without a word.

    `fast` has it run by uvloop, where that is installed.
    """
    try:
        with_uvloop = fast and importlib.util.find_spec("uvloop") is not None
        return anyio.run(function, backend_options={"use_uvloop": True} if with_uvloop else None)
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Python 3.10 ends an interrupted loop with the latter.
        sys.exit(130)


def collect_rarely() -> None:
    """Have the collector look for cycles less often, and not at all in what is loaded by now."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def fail(message: str, code: int) -> int:
    """Print a failure, and give the exit status back."""
    print(f"mcp-instantly: {error_text(message)}", file=sys.stderr)
    return code


def print_json(value: Any) -> None:
    """Print JSON that means the same in every encoding, and in which nothing steers a terminal."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    print(escape_json(json.dumps(value, indent=2, ensure_ascii=not is_utf8)))


def read_object(text: str) -> dict[str, Any]:
    """The arguments of a call as the command line has them; `-` reads them from stdin. Raises ConfigError."""
    try:
        # As bytes: JSON is UTF-8, or UTF-16 with a mark, whatever the encoding of the terminal.
        values = json.loads(sys.stdin.buffer.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The arguments are not valid JSON: {error}.") from None
    if not isinstance(values, dict):
        raise ConfigError('The arguments must be a JSON object such as {"limit": 10}.')
    return values
