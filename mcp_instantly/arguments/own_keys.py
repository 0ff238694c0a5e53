"""The server's own keys, pasted where an argument belongs."""

from __future__ import annotations

from typing import Any

from mcp_instantly.errors import KEY_IN_ARGUMENTS, InvalidArguments
from mcp_instantly.redaction import MIN_KEY_CHARACTERS, Redactor
from mcp_instantly.settings import Settings
from mcp_instantly.tools.operation import Operation

MAX_LEVELS = 100
TOO_DEEP = f"They are nested more than {MAX_LEVELS} levels deep, which no tool takes; send them flat."


class OwnKeys:
    """Recognises the keys of a server's settings; shorter ones than MIN_KEY_CHARACTERS could be words."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Redactor((settings.api_key, *settings.other_keys), shortest=MIN_KEY_CHARACTERS)

    def redact(self, text: str) -> str:
        """The text without them."""
        return self._keys.redact(text)

    def refuse_in(self, operation: Operation, arguments: dict[str, Any]) -> None:
        """Raise InvalidArguments where one stands anywhere in the arguments, or these are too deep to look through."""
        if _is_deep(arguments):
            raise InvalidArguments(operation.name, [TOO_DEEP])
        if self._keys.is_in(arguments):
            raise InvalidArguments(operation.name, [KEY_IN_ARGUMENTS])


def _is_deep(value: Any) -> bool:
    """Whether a JSON value has more than MAX_LEVELS; found without recursion, which would end at as many."""
    level = [value]
    for _ in range(MAX_LEVELS):
        parts = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
        level = [item for part in parts for item in part if isinstance(item, (dict, list))]
        if not level:
            return False
    return True
