"""Who has read strangers' text, and may since be doing what a stranger wants."""

from __future__ import annotations

from structlog.contextvars import get_contextvars


class Exposure:
    """Remembers, as long as the server runs, to whom a result showed strangers' text.

    Over stdio a process is one connection. Over HTTP every call stands on its own and is known by its caller's token;
    callers without one are taken for one, since nothing tells them apart.
    """

    def __init__(self) -> None:
        self._callers: set[str] = set()

    def remember(self) -> None:
        """Note that whoever makes the current call reads strangers' text now."""
        self._callers.add(_caller())

    def has_read_strangers_text(self) -> bool:
        """Whether whoever makes the current call has read strangers' text by now."""
        return _caller() in self._callers


def _caller() -> str:
    """The name that the transport gave the current call in its log events, empty where there is none."""
    return str(get_contextvars().get("caller", ""))
