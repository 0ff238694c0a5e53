"""How deep arguments may be nested, so that whatever looks through them comes to an end."""

from __future__ import annotations

from typing import Any

from mcp_instantly.errors import InvalidArguments
from mcp_instantly.tools.operation import Operation

MAX_LEVELS = 100
TOO_DEEP = f"They are nested more than {MAX_LEVELS} levels deep, which no tool takes; send them flat."


def refuse_deep(operation: Operation, arguments: dict[str, Any]) -> None:
    """Raise InvalidArguments for arguments of more than MAX_LEVELS."""
    if _is_deep(arguments):
        raise InvalidArguments(operation.name, [TOO_DEEP])


def _is_deep(value: Any) -> bool:
    """Whether a JSON value has more than MAX_LEVELS; found without recursion, which would end at as many."""
    level = [value]
    for _ in range(MAX_LEVELS):
        parts = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
        level = [item for part in parts for item in part if isinstance(item, (dict, list))]
        if not level:
            return False
    return True
