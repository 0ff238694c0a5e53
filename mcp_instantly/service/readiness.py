"""Whether the server can do its work: whether the API can be reached, and takes the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anyio

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.errors import ApiError, InstantlyError, OverBudget, RateLimited, RefusedByProxy, ServerError
from mcp_instantly.keys.key_check import check_acceptance
from mcp_instantly.log import get_logger
from mcp_instantly.tools.catalog import Catalog

KEPT_SECONDS = 15.0
"""For which what was found holds."""

CHECK_SECONDS = 5.0
"""How long a check may take."""


class Readiness:
    """Asks the API at most once in KEPT_SECONDS, however often it is asked itself; a call that the API answered
    meanwhile tells as much. With several keys, one that works is enough. Without a key of its own (`keyless`), that
    anything of the API answers is all that can be known.
    """

    def __init__(self, catalog: Catalog, *, keyless: bool = False, now: Callable[[], float] = anyio.current_time):
        self._catalog = catalog
        self._keyless = keyless
        self._now = now
        self._clients: list[InstantlyClient] = []
        self._found: tuple[float, bool] | None = None
        self._checking = anyio.Lock()

    def opened(self, client: InstantlyClient) -> None:
        self._clients.append(client)

    def closed(self, client: InstantlyClient) -> None:
        if client in self._clients:
            self._clients.remove(client)

    def called(self, event: dict[str, Any]) -> None:
        if event.get("http_status") == 200:
            self._found = (self._now(), True)

    async def is_ready(self) -> bool:
        """Whether the API could be reached within the last seconds."""
        async with self._checking:
            if self._found is None or self._now() - self._found[0] >= KEPT_SECONDS:
                ready = await self._check(self._clients[:1] if self._keyless else self._clients)
                self._found = (self._now(), ready)
            return self._found[1]

    async def _check(self, clients: Iterable[InstantlyClient]) -> bool:
        found = False

        async def check(client: InstantlyClient) -> None:
            nonlocal found
            with anyio.move_on_after(CHECK_SECONDS) as time:
                found = await self._answers(client) or found
            if time.cancelled_caught:
                get_logger().warning("not_ready", reason=f"no answer within {CHECK_SECONDS:g} s")

        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(check, client)
        return found

    async def _answers(self, client: InstantlyClient) -> bool:
        try:
            if self._keyless:
                first = self._catalog.operations["get_workspace"]
                await client.send(first, build_request(first, {}), CHECK_SECONDS)
            else:
                await check_acceptance(client, self._catalog, seconds=CHECK_SECONDS)
        except (RateLimited, OverBudget):
            # The API is there, and has had enough for now.
            return True
        except InstantlyError as error:
            if not (self._keyless and _is_the_api(error)):
                get_logger().warning("not_ready", error_class=type(error).__name__, http_status=error.status)
                return False
        return True


def _is_the_api(error: InstantlyError) -> bool:
    """Whether the API itself refused, as it does without a key."""
    return isinstance(error, ApiError) and not isinstance(error, (ServerError, RefusedByProxy))
