"""A server that asks before what cannot be taken back, and people at its clients."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import mcp_types as types
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.discovery import Discovery
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.confirmation import Confirmation, Mode, Rules
from mcp_instantly.guards.forms import GO_AHEAD
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.guards.seals import Seals
from mcp_instantly.invocation import Invoker
from mcp_instantly.jobs.jobs import Jobs
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import everything, no_sleep

KEY = b"a key of thirty-two bytes or more"

DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
"""A campaign that has not been launched."""


class Clock:
    """Seconds since 1970 that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Human:
    """Answers forms, in a fixed way, and keeps what they said. `before` is called with each, before the answer."""

    def __init__(self, action: str = "accept", ticked: Any = True, before: Callable[[], None] = lambda: None):
        self.action = action
        self.ticked = ticked
        self.before = before
        self.forms: list[types.ElicitRequestFormParams] = []

    async def __call__(self, _: Any, params: Any) -> types.ElicitResult:
        self.forms.append(params)
        self.before()
        content = {GO_AHEAD: self.ticked} if self.action == "accept" else None
        return types.ElicitResult(action=self.action, content=content)  # type: ignore[arg-type]


@dataclasses.dataclass
class Desk:
    """What a confirming server is made of."""

    catalog: Catalog
    world: World
    settings: Settings
    clock: Clock = dataclasses.field(default_factory=Clock)

    def seals(self, key: bytes = KEY, audience: str = "here") -> Seals:
        return Seals(key, audience, 300, self.clock)

    @contextlib.asynccontextmanager
    async def client(
        self,
        human: Any = None,
        *,
        mode: str = "auto",
        seals: Seals | None = None,
        discovery: bool = False,
        chosen: Any = None,
        guards: Any = (),
        drafts: Drafts | None = None,
        jobs: Jobs | None = None,
        lock: CampaignLock = UNLOCKED,
        confirm: Mode = "auto",
        **rules: Any,
    ) -> AsyncIterator[Client]:
        """A client of a server with these rules; a human at it shows that it has forms."""
        decided = Rules(mode=confirm, **rules)
        tokens = decided.require_preview or "lockdown" in rules
        selection = with_preview(select(self.catalog, **chosen) if chosen else everything(), tokens=tokens)
        guard = Confirmation(decided, seals or self.seals(), self.catalog.operations, drafts)
        transport = httpx.ASGITransport(create_app(self.world))
        settings = dataclasses.replace(self.settings, host_confirm=decided.host_asks)
        async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
            kind = Discovery if discovery else Invoker
            invoker = kind(selection, http, settings, [*guards, guard], lock, drafts=drafts, jobs=jobs)
            async with Client(build_server(invoker), mode=mode, elicitation_callback=human) as client:
                client.session._tool_output_schemas.update(dict.fromkeys(tool["name"] for tool in invoker.offered))
                yield client

    def writes(self) -> list[str]:
        """What has been changed, as the sandbox saw it: methods and paths of requests that are no reads."""
        return [f"{one['method']} {one['path']}" for one in self.world.requests if is_write(one)]


READS = ("/leads/list", "/count-leads-from-supersearch", "/accounts/warmup-analytics")


def is_write(request: dict[str, Any]) -> bool:
    return request["method"] != "GET" and not request["path"].endswith(READS)
