"""The server's own keys, pasted where an argument belongs."""

from __future__ import annotations

from typing import Any

from mcp_instantly.arguments.depth import refuse_deep
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.redaction import MIN_KEY_CHARACTERS, Redactor
from mcp_instantly.settings import Settings
from mcp_instantly.tools.operation import Operation

PASTED = "They hold the API key of this server, which no call needs; leave it out, and keep it out of texts."


class OwnKeys:
    """Recognises the keys of a server's settings; shorter ones than MIN_KEY_CHARACTERS could be words."""

    def __init__(self, settings: Settings) -> None:
        self._keys = Redactor((settings.api_key, *settings.other_keys), shortest=MIN_KEY_CHARACTERS)

    def redact(self, text: str) -> str:
        """The text without them."""
        return self._keys.redact(text)

    def refuse_in(self, operation: Operation, arguments: dict[str, Any]) -> None:
        """Raise InvalidArguments where one stands anywhere in the arguments, or these are too deep to look through."""
        refuse_deep(operation, arguments)
        if self._keys.is_in(arguments):
            raise InvalidArguments(operation.name, [PASTED])
