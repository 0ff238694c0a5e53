"""Passwords and keys in results, hidden unless the server was started with --reveal-secrets."""

from __future__ import annotations

import operator
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
"""Names of which it is kept that they are not those of secrets, and how long they may be."""

_harmless: set[str] = set()


def conceal(operation: Operation, structured: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The object without its secrets, and what must be said of that. What the call has just made is shown."""
    found = _without(operation, structured, MAX_DEPTH)
    said = [SAID] if found is not structured else []
    if any(structured.get(name) for name in operation.new_secrets):
        said.append(NEW.format(names=" and ".join(operation.new_secrets)))
    return found, said


def _without(operation: Operation, value: Any, depth: int) -> Any:
    """A value without secrets; the same object where it holds none."""
    if not depth or not isinstance(value, (dict, list)):
        return value
    if isinstance(value, list):
        items = [_without(operation, item, depth - 1) for item in value]
        return value if all(map(operator.is_, items, value)) else items
    changed = {}
    for name, item in value.items():
        if operation.new_secrets and name.rpartition(".")[2] in operation.new_secrets:
            continue
        if (name not in _harmless and _is_secret(name)) or (operation.secrets and _is_named(operation, name)):
            masked = _masked(item, depth)
            if masked != item:
                changed[name] = masked
        elif isinstance(item, (dict, list)):
            inside = _without(operation, item, depth - 1)
            if inside is not item:
                changed[name] = inside
    return {**value, **changed} if changed else value


def _is_named(operation: Operation, name: str) -> bool:
    return name in operation.secrets or name.partition(".")[0] in operation.secrets


def _is_secret(name: str) -> bool:
    """Whether fields of this name, or of its last part, hold secrets; names that do not are kept."""
    found = SECRET_NAME.fullmatch(name.rpartition(".")[2]) is not None
    if not found and len(name) <= MAX_KEPT_CHARACTERS:
        if len(_harmless) >= KEPT_NAMES:
            _harmless.clear()
        _harmless.add(name)
    return found


def _masked(value: Any, depth: int) -> Any:
    """A value with every text in it hidden; what it is, and the names inside, are seen."""
    if isinstance(value, dict) and depth:
        return {name: _masked(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list) and depth:
        return [_masked(item, depth - 1) for item in value]
    return HIDDEN if value and not isinstance(value, bool) else value
