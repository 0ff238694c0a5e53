"""Who calls a tool and asks its neighbours before and after; and the table of what is to be seen of each tool."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.tools.operation import Operation

from ..answers import facts_of, misfits
from ..conftest import answer_of, everything, informed, no_sleep

Fields = dict[str, Any]

STAMPS = {"timestamp_updated"}
"""Fields that every change changes."""

NO_FILTERS = {"limit", "include_tags", "preview_only", "skip", "sort_by", "sort_column", "sort_order", "with_passwords"}
"""Arguments of lists that leave nothing out."""

WHOLE = 10_000_000
"""A limit in characters that no answer reaches."""


Write = Callable[[], Awaitable[Any]]
"""Makes a record through another tool and answers its key."""


class Observer:
    """One example of one tool. Every answer must be a success and fit the vendor's document."""

    def __init__(self, world: World, catalog: Catalog, settings: Settings, operation: Operation, given: Fields):
        self._world = world
        self._catalog = catalog
        self._settings = settings
        self._client: Client
        self.operation = operation
        self.given = given
        self.acted = False
        self.neighbours: set[str] = set()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Observer]:
        """With mcp.Client, our server with every tool, and the sandbox behind it, all in process."""
        # What the neighbours answer is to be seen whole.
        # A reply would make a request of its own before: whether an AI inbox manager answers too.
        settings = dataclasses.replace(self._settings, result_limit=WHOLE, agent_check=False)
        selection = everything()
        transport = httpx.ASGITransport(create_app(self._world))
        async with (
            InstantlyClient(settings, transport=transport, sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, settings))) as client,
        ):
            self._client = informed(client, selection)
            yield self

    def elsewhere(self, workspace: str) -> contextlib.AbstractAsyncContextManager[Observer]:
        """Another observer, who acts in another workspace of the group."""
        settings = dataclasses.replace(self._settings, workspace=workspace)
        return Observer(self._world, self._catalog, settings, self.operation, self.given).connected()

    @property
    def written(self) -> Fields:
        """The fields that the example writes, with null for each that it clears."""
        return {**without(self.given, "clear"), **dict.fromkeys(self.given.get("clear", ()))}

    # calling

    async def act(self) -> Any:
        """Call the tool with its example, which makes the one request that its definition names."""
        self.acted = True
        home = self._world.workspaces.home if self._world.workspaces else self._world
        before = len(home.requests)
        answer = await self._call(self.operation.name, self.given)
        (request,) = home.requests[before:]
        assert request["method"] == self.operation.method
        assert request["path"].count("/") == self.operation.path.count("/")
        return answer

    async def ask(self, tool: str, **arguments: Any) -> Any:
        """Call another tool, to see something or to prepare it."""
        self.neighbours.add(tool)
        return await self._call(tool, arguments)

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What is said where a call does not work."""
        self.neighbours.add(tool)
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error, result.content[0].text
        return result.content[0].text.lower()

    async def all(self, tool: str, **arguments: Any) -> list[Fields]:
        """The items of a list, from all its pages."""
        known = self._catalog.operations[tool].input_schema["properties"]
        if "limit" in known:
            arguments.setdefault("limit", 100)
        items: list[Fields] = []
        while True:
            page = await self.ask(tool, **arguments)
            items += page if isinstance(page, list) else page["items"]
            if isinstance(page, list) or "next_starting_after" not in page:
                return items
            arguments["starting_after"] = page["next_starting_after"]

    async def ids(self, tool: str, *, key: str = "id", **arguments: Any) -> set[Any]:
        return {item[key] for item in await self.all(tool, **arguments)}

    async def _call(self, tool: str, arguments: Fields) -> Any:
        result = await self._client.call_tool(tool, arguments)
        assert not result.is_error, f"{tool}: {result.content[0].text}"
        assert result.structured_content is None
        operation = self._catalog.operations[tool]
        answer = {name: value for name, value in answer_of(result).items() if name != "_note"}
        if facts_of(operation).get("") == "array":
            answer = answer["items"]
        if list(answer) != ["text"]:
            assert misfits(operation, answer) == [], tool
        return answer

    # time, and people outside

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass in the sandbox, with all that happens in them."""
        self._world.clock.advance(seconds)

    async def outcome(self, job: Fields) -> Fields:
        """Wait for a background job; the data of its success."""
        assert (await self.ask("get_background_job", id=job["id"]))["status"] == "pending"
        self.wait(3)
        done = await self.ask("get_background_job", id=job["id"])
        assert (done["status"], done["progress"]) == ("success", 100)
        return done["data"]

    async def consent(self, url: str, **form: str) -> None:
        """Fill in the form that a person sees under an address of the sandbox."""
        transport = httpx.ASGITransport(create_app(self._world))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as browser:
            assert (await browser.post(urlsplit(url).path, data=form)).status_code == 200

    # what many tools have in common

    async def creates(
        self, get: str, listing: str, *, key: str = "id", hidden: set[str] | None = None, **where: Any
    ) -> Fields:
        """A record is made as described, and both reads show it; `hidden` arguments are no fields of it."""
        before = await self.ids(listing, key=key, **where)
        made = await self.act()
        shown = await self.ask(get, **{key: made[key]})
        assert_holds(shown, without(self.given, *(hidden or ())))
        assert made[key] not in before
        assert await self.ids(listing, key=key, **where) == before | {made[key]}
        return shown

    async def updates(self, get: str, *, key: str = "id", first: Fields | None = None, also: set[str] = STAMPS) -> None:
        """The read shows the fields that were given, each of them new, and no other change but in `also`.

        `first` has values to set beforehand for those that have the wanted value already.
        """
        name = {key: self.given[key]} if key else {}
        changes = without(self.written, key)
        other = {field: value for field, value in (first or {}).items() if field in changes}
        if other:
            await self.ask(self.operation.name, **name, **other)
        before = await self.ask(get, **name)
        assert [field for field in changes if holds(before, {field: changes[field]})] == []
        await self.act()
        after = await self.ask(get, **name)
        assert_holds(after, changes)
        assert changed(before, after) <= {*changes, *also}

    async def deletes(self, get: str | None, listing: str, *, key: str = "id", **where: Any) -> None:
        """The record is gone from the list, and the other read refuses it."""
        before = await self.ids(listing, key=key, **where)
        assert self.given[key] in before
        if get:
            await self.ask(get, **{key: self.given[key]})
        await self.act()
        if get:
            assert "not found" in await self.refused(get, **{key: self.given[key]})
        assert await self.ids(listing, key=key, **where) == before - {self.given[key]}

    async def reads(self, update: str, *, key: str = "id", also: set[str] = STAMPS, **change: Any) -> Fields:
        """A read of one record shows what its neighbour has just written, and changes in nothing else."""
        name = {key: self.given[key]} if key else {}
        before = await self.act()
        assert not holds(before, change)
        await self.ask(update, **name, **change)
        after = await self.act()
        assert_holds(after, change)
        assert changed(before, after) <= {*change, *also}
        return after

    async def lists(self, write: Write, *, besides: Write | None = None, key: str = "id") -> Fields:
        """A list has one more record when `write` has made it; `write` answers its key. The answer is the record.

        What `besides` makes no filter lets through: where the example has one, it is not in the list.
        """
        before = {item[key] for item in items_of(await self.act())}
        made = await write()
        assert made not in before
        found = {item[key]: item for item in items_of(await self.act())}
        assert made in found
        if besides and set(self.given) - NO_FILTERS:
            other = await besides()
            assert other not in {item[key] for item in items_of(await self.act())}
        return found[made]

    async def logged(self) -> Fields:
        """The newest entry of the audit log."""
        return (await self.ask("list_audit_logs", limit=1))["items"][0]

    async def emails(self, campaign: str, since: str = "", until: str = "~") -> list[Fields]:
        """What a campaign and its subsequences have sent by themselves."""
        sent = await self.all("list_emails", campaign_id=campaign, sort_order="asc")
        return [mail for mail in sent if mail["ue_type"] == 1 and since <= mail["timestamp_email"] <= until]


def items_of(answer: Any) -> list[Fields]:
    return answer if isinstance(answer, list) else answer["items"]


def without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def holds(whole: Any, part: Any) -> bool:
    """Whether all of `part` is in `whole`, at any depth; null and absent are the same."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(holds(whole.get(name), value) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part


def assert_holds(whole: Fields, part: Fields) -> None:
    wrong = {name: (whole.get(name), value) for name, value in part.items() if not holds(whole.get(name), value)}
    assert wrong == {}


def changed(before: Fields, after: Fields) -> set[str]:
    """The names of fields that differ."""
    return {name for name in {**before, **after} if before.get(name) != after.get(name)}


Effect = Callable[[Observer], Awaitable[None]]
EFFECTS: dict[str, Effect] = {}
"""By the name of the tool, the function that calls it and sees what has become of it."""


def effect(function: Effect) -> Effect:
    """Enter a function into the table under its own name, which is that of a tool."""
    name = function.__name__
    assert name not in EFFECTS, f"{name} has two entries"
    EFFECTS[name] = function
    return function
