"""Whoever wants to know what goes on: which clients are open, and how each call ended."""

from __future__ import annotations

from typing import Any, Protocol

from mcp_instantly.api.client import InstantlyClient


class Watch(Protocol):
    """Told of each client that is opened and closed, and of the log event of each call."""

    def opened(self, client: InstantlyClient) -> None: ...

    def closed(self, client: InstantlyClient) -> None: ...

    def called(self, event: dict[str, Any]) -> None: ...


class Watches:
    """Tells several of them."""

    def __init__(self, *watches: Watch):
        self._watches = watches

    def opened(self, client: InstantlyClient) -> None:
        for watch in self._watches:
            watch.opened(client)

    def closed(self, client: InstantlyClient) -> None:
        for watch in self._watches:
            watch.closed(client)

    def called(self, event: dict[str, Any]) -> None:
        for watch in self._watches:
            watch.called(event)
