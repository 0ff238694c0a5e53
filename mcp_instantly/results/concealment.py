"""Passwords and keys in results, hidden unless the server was started with --reveal-secrets."""

from __future__ import annotations

import functools
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

KEPT_NAMES = 4096
MAX_KEPT_CHARACTERS = 60
"""Names of which it is kept whether they are those of secrets, and how long they may be."""


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
        last = name.rpartition(".")[2] if "." in name else name
        if operation.new_secrets and last in operation.new_secrets:
            found[name] = item
        elif (_is_known(last) if len(last) <= MAX_KEPT_CHARACTERS else SECRET_NAME.fullmatch(last)) or (
            operation.secrets and (name in operation.secrets or name.partition(".")[0] in operation.secrets)
        ):
            found[name] = _masked(item, depth)
        elif isinstance(item, (dict, list)):
            found[name] = _without(operation, item, depth - 1)
        else:
            found[name] = item
    return found


@functools.lru_cache(KEPT_NAMES)
def _is_known(name: str) -> bool:
    return SECRET_NAME.fullmatch(name) is not None


def _masked(value: Any, depth: int) -> Any:
    """A value with every text in it hidden; what it is, and the names inside, are seen."""
    if isinstance(value, dict) and depth:
        return {name: _masked(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list) and depth:
        return [_masked(item, depth - 1) for item in value]
    return HIDDEN if value and not isinstance(value, bool) else value
