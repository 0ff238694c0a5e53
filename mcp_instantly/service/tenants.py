"""Callers with keys of their own: for each key what calls tools with it, open while it is used, and a while longer."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from mcp_instantly.caller import Caller
from mcp_instantly.guards.guards import WRITE
from mcp_instantly.log import get_logger
from mcp_instantly.service.narrowed import Narrowing, narrow
from mcp_instantly.service.owners import Owner
from mcp_instantly.service.refusal import Refused
from mcp_instantly.settings import MAX_OPEN_KEYS

IDLE_SECONDS = 600.0
"""A key that was not used for so long is closed."""

COUNTED_SECONDS = 60.0
"""What a key has used of the API's budgets is remembered for as long as these count."""

SWEEP_SECONDS = 30.0

KEPT_VIEWS = 8
"""Narrowings of one key that are kept."""

Open = Callable[[Owner, Callable[[dict[str, Any]], None]], AbstractAsyncContextManager[Caller]]
"""Opens what calls tools for an owner; it tells of the event of each call."""


class Tenant:
    """One key at work. `held_until` is the time before which what it remembers must not be lost: writes that must not
    be repeated, forms and previews that were used."""

    def __init__(self, now: Callable[[], float], hold_seconds: float):
        self.caller: Caller
        self.users = 0
        self.stack = contextlib.AsyncExitStack()
        self._now = now
        self._hold_seconds = hold_seconds
        self.used = now()
        self.held_until = now()
        self._views: OrderedDict[Narrowing, Caller] = OrderedDict()

    def note(self, event: dict[str, Any]) -> None:
        if event.get(WRITE) in ("done", "unknown"):
            self.held_until = max(self.held_until, self._now() + self._hold_seconds)
        elif event.get("http_status") not in (None, 401):
            self.held_until = max(self.held_until, self._now() + COUNTED_SECONDS)

    def view(self, narrowing: Narrowing) -> Caller:
        """What calls the tools that a narrowing leaves."""
        if not narrowing:
            return self.caller
        if narrowing not in self._views:
            self._views[narrowing] = self.caller.narrowed(lambda selection: narrow(selection, narrowing))
            while len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(narrowing)
        return self._views[narrowing]


class Tenants:
    """Tenants by the identity of their owner, `most` at once; whoever was not used for the longest goes first.

    `hold_seconds` is how long a write is remembered. `now` are seconds of a clock that never goes back.
    """

    def __init__(
        self,
        open_caller: Open,
        *,
        hold_seconds: float,
        most: int = MAX_OPEN_KEYS,
        idle_seconds: float = IDLE_SECONDS,
        now: Callable[[], float] = anyio.current_time,
    ):
        self._open_caller = open_caller
        self._hold_seconds = hold_seconds
        self._most = most
        self._idle_seconds = idle_seconds
        self._now = now
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()
        self._opening = anyio.Lock()

    @contextlib.asynccontextmanager
    async def using(self, owner: Owner) -> AsyncIterator[Tenant]:
        """The tenant of an owner, which stays open meanwhile. Raises Refused where there is no room for one more."""
        async with self._opening:
            await self.close_idle()
            tenant = self._tenants.get(owner.identity) or await self._open(owner)
            tenant.users += 1
        self._tenants.move_to_end(owner.identity)
        try:
            yield tenant
        finally:
            tenant.users -= 1
            tenant.used = self._now()

    async def _open(self, owner: Owner) -> Tenant:
        if len(self._tenants) >= self._most:
            await self._make_room()
        tenant = Tenant(self._now, self._hold_seconds)
        tenant.caller = await tenant.stack.enter_async_context(self._open_caller(owner, tenant.note))
        self._tenants[owner.identity] = tenant
        return tenant

    async def _make_room(self) -> None:
        now = self._now()
        for identity, tenant in self._tenants.items():
            if not tenant.users and tenant.held_until <= now:
                await self._close(identity)
                return
        get_logger().warning("too_many_keys", open=len(self._tenants))
        raise Refused(503, "Nothing was sent: too many keys are in use; call again in a minute.", Retry_After="60")

    async def close_idle(self) -> None:
        """Close what was not used for long enough."""
        now = self._now()
        for identity, tenant in list(self._tenants.items()):
            if not tenant.users and tenant.held_until <= now and now - tenant.used >= self._idle_seconds:
                await self._close(identity)

    async def sweep(self, sleep: Callable[[float], Awaitable[Any]] = anyio.sleep) -> None:
        """Close what is idle, from time to time, until it is cancelled."""
        while True:
            await sleep(SWEEP_SECONDS)
            async with self._opening:
                await self.close_idle()

    async def _close(self, identity: str) -> None:
        await self._tenants.pop(identity).stack.aclose()

    async def aclose(self) -> None:
        """Close all of them."""
        for identity in list(self._tenants):
            await self._close(identity)
