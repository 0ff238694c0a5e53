"""Passwords and keys in results, hidden unless the server was started with --reveal-secrets."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.results.protection import HIDDEN
from mcp_instantly.tools.operation import Operation

SECRET_NAME = re.compile(
    r"(?:.*[_-])?(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?token|refresh[_-]?token|private[_-]?key"
    r"|authorization)|[a-z]+(?:Password|Secret|ApiKey|AccessToken|RefreshToken)",
)
"""Fields that hold a secret wherever they stand, beside those that schema files name."""

SAID = f"Passwords and keys are hidden ({HIDDEN}); --reveal-secrets on the server's command line shows them."

NEW = "{names} is new and shown this once: have the user put it away safely, and repeat it nowhere else."

MAX_DEPTH = 64


def conceal(operation: Operation, structured: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The object without its secrets, and what must be said of that. What the call has just made is shown."""
    found = _without(operation, structured, MAX_DEPTH)
    said = [SAID] if found != structured else []
    if any(structured.get(name) for name in operation.new_secrets):
        said.append(NEW.format(names=" and ".join(operation.new_secrets)))
    return found, said


def _without(operation: Operation, value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_without(operation, item, depth - 1) for item in value] if depth else value
    if not isinstance(value, dict) or not depth:
        return value
    found = {}
    for name, item in value.items():
        last = name.rpartition(".")[2]
        if last in operation.new_secrets:
            found[name] = item
        elif name in operation.secrets or name.partition(".")[0] in operation.secrets or SECRET_NAME.fullmatch(last):
            found[name] = _masked(item, depth)
        else:
            found[name] = _without(operation, item, depth - 1)
    return found


def _masked(value: Any, depth: int) -> Any:
    """A value with every text in it hidden; what it is, and the names inside, are seen."""
    if isinstance(value, dict) and depth:
        return {name: _masked(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list) and depth:
        return [_masked(item, depth - 1) for item in value]
    return HIDDEN if value and not isinstance(value, bool) else value
