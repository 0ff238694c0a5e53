"""One call of a tool, and what the tools around it show before and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mcp import Client

from mcp_instantly.catalog import load_catalog
from mcp_instantly.operation import Operation
from mcp_instantly.sandbox import World

from ..facts import is_array, misfits

OPERATIONS = load_catalog().operations

Record = dict[str, Any]
Effect = Callable[["Observer"], Awaitable[None]]

EFFECTS: dict[str, Effect] = {}
"""By tool: what is asserted of a call of it. Filled by the modules of this package."""


def effect(*tools: str) -> Callable[[Effect], Effect]:
    """Register the entry of these tools: it calls `see.act()` once, and looks around before and after."""

    def register(entry: Effect) -> Effect:
        for tool in tools:
            assert tool not in EFFECTS, f"{tool} has an entry already"
            EFFECTS[tool] = entry
        return entry

    return register


class Observer:
    """`given` are the arguments of the example that the entry is run for."""

    def __init__(self, client: Client, world: World, operation: Operation, given: Record):
        self.client = client
        self.world = world
        self.operation = operation
        self.given = given
        self.acted = False

    async def act(self) -> Any:
        """Call the tool itself, with its example; it must succeed with what the document describes."""
        assert not self.acted, "an entry calls its tool once"
        self.acted = True
        return await self._call(self.operation, self.given)

    async def read(self, tool: str, **arguments: Any) -> Any:
        """What a neighbour answers; for lists, all their pages."""
        operation = OPERATIONS[tool]
        assert operation.read_only, f"{tool} is no read"
        answer = await self._call(operation, arguments)
        if "starting_after" not in operation.input_schema["properties"] or "items" not in answer:
            return answer["items"] if isinstance(answer, dict) and set(answer) == {"items"} else answer
        items = answer["items"]
        while "next_starting_after" in answer:
            more = {**arguments, "starting_after": answer["next_starting_after"]}
            answer = await self._call(operation, more)
            items += answer["items"]
        return items

    async def write(self, tool: str, **arguments: Any) -> Any:
        """Another change, which the tool's own needs or is told from."""
        return await self._call(OPERATIONS[tool], arguments)

    async def is_gone(self, tool: str, **arguments: Any) -> None:
        """Assert that a neighbour does not find it any more."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        assert "Instantly answered 404" in result.content[0].text

    def wait(self, seconds: float) -> None:
        """Let time pass in the sandbox, with all that happens in it."""
        self.world.clock.advance(seconds)
        self.world.settle()

    async def _call(self, operation: Operation, arguments: Record) -> Any:
        result = await self.client.call_tool(operation.name, arguments)
        assert not result.is_error, f"{operation.name}: {result.content[0].text}"
        answer = {name: value for name, value in result.structured_content.items() if name != "_note"}
        if not answer:
            return None
        plain = answer["items"] if is_array(operation) else answer
        assert misfits(operation, plain) == []
        return plain


async def changed(see: Observer, tool: str, **where: Any) -> Record:
    """Act, and assert that a neighbour shows what was given, as it did not before. Returns what it shows."""
    before = await see.read(tool, **where)
    await see.act()
    after = await see.read(tool, **where)
    assert any(not contains(before.get(name), value) for name, value in see.given.items()), "it was so before"
    shows(after, see.given)
    return after


def shows(record: Record, given: Record, *besides: str) -> None:
    """Assert that a record has what was given; an argument that was null has unset its field."""
    for name, value in given.items():
        if name not in besides:
            assert contains(record.get(name), value), f"{name}: {record.get(name)!r}, given was {value!r}"


def contains(found: Any, given: Any) -> bool:
    """Whether all that was given is there; the API may have filled in more."""
    if isinstance(given, dict) and isinstance(found, dict):
        return all(contains(found.get(name), value) for name, value in given.items())
    if isinstance(given, list) and isinstance(found, list):
        return len(found) == len(given) and all(map(contains, found, given))
    return bool(found == given)


def ids(records: list[Record], key: str = "id") -> list[Any]:
    return [record[key] for record in records]


def named(records: list[Record], **wanted: Any) -> Record:
    """The one record with these values."""
    (found,) = [record for record in records if all(record.get(name) == value for name, value in wanted.items())]
    return found
