"""What stands in for a register that cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_instantly.log import get_logger

AWAY_SECONDS = 5.0
"""After a failure, a register is not asked for so long."""


class Fallback:
    """Stands in for a register that cannot be reached, so that no call fails for it, and says so once.

    Each process then knows what it has done itself. `error` is what tells of it, `event` what the log says.
    """

    def __init__(self, event: str, error: type[Exception], now: Callable[[], float]):
        self._event = event
        self._error = error
        self._now = now
        self._away_until = 0.0
        self._is_away = False

    def ask(self, question: Callable[[], Any], otherwise: Any) -> Any:
        """What the register answers; `otherwise` while it is away."""
        if self._now() < self._away_until:
            return otherwise
        try:
            found = question()
        except self._error as error:
            self._away_until = self._now() + AWAY_SECONDS
            if not self._is_away:
                get_logger().warning(self._event, error_class=type(error).__name__, affects="repeats of calls, seals")
            self._is_away = True
            return otherwise
        self._is_away = False
        return found
