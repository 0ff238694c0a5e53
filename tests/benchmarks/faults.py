"""Calls through everything that can go wrong: `python tests/benchmarks/faults.py [CALLS] [SEED] [--record]`.

A client, the server and a sandbox in one process, on a clock that runs ahead to whatever is due next, so that an hour
of pauses and time-outs takes no time and the same seed gives the same run. Every other round has `--reconcile`. Nearly
half of the requests go wrong: refused, lost before or after they were carried out, cut, late, replaced by a page,
without end, without any answer, or given up by the client.

Afterwards the sandbox is asked what is true. A write of which the server said that it was done is there once; one that
was refused or not sent is not there; one whose outcome is unknown is there at most once. What a read answers is right.
Each call ends within its time, and memory does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import dataclasses
import gc
import json
import os
import random
import selectors
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp import Client

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

import structlog

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.reconciliation import OVERTIME_SECONDS, Reconcile
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox.state.table import Table
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import load_catalog, select
from tests.benchmarks.figures import add_option, record

CALLS_A_ROUND = 1_000
CALLERS = 16
"""How many call at once."""

CALL_SECONDS = 20.0
MAX_BYTES = 200_000
"""Of a response; the server's own limit is larger."""

MAX_GROWTH_BYTES = 24 * 1024 * 1024
"""By which memory may be larger in the second half of many rounds than in the first, the first rounds left out."""

WARM_ROUNDS = 5

REFUSALS = (400, 401, 402, 403, 409, 413, 422, 429)
DOUBTS = (408, 500, 501, 502, 503, 504, 520)
FAULTS: list[dict[str, Any]] = [
    *({"status": status, "rate": 0.006} for status in REFUSALS),
    *({"status": status, "when": when, "rate": 0.008} for status in DOUBTS for when in ("before", "after")),
    {"status": 429, "retry_after": 4, "rate": 0.03},
    {"status": 503, "retry_after": 2, "when": "after", "rate": 0.01},
    {"latency": 3, "real": True, "rate": 0.02},
    {"latency": 30, "real": True, "rate": 0.02},
    {"latency": 60, "rate": 0.01},
    *({"reset": True, "when": when, "rate": 0.03} for when in ("before", "after")),
    {"truncated": True, "rate": 0.03},
    *({"html": status, "when": when, "rate": 0.01} for status in (200, 502, 503) for when in ("before", "after")),
    {"html": 403, "rate": 0.01},
    {"html": 404, "rate": 0.01},
    *({"status": 404, "rate": 0.01, "operation": name} for name in ("POST /lead-lists", "PATCH /leads/{id}")),
    *({"error": {"error": "no"}, "when": when, "rate": 0.01} for when in ("before", "after")),
]
"""What the sandbox does. Two lies are not among it, since nobody could tell: a refusal that was carried out all
the same, and a read that says of what is there that it is not.
"""

RATES_OF_THE_WIRE = {"unreachable": 0.03, "silent": 0.01, "endless": 0.01, "dripping": 0.01, "breaking": 0.02}
GIVEN_UP = 0.05
"""The share of calls that their client cancels."""

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
QUIET_CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
EMAIL = {
    "reply_to_uuid": "01991f80-0027-7000-8000-000000000027",
    "eaccount": "ben@brightpath.example",
    "subject": "Re: Hi",
}
TOOLS = (
    "create_lead_list", "delete_lead_list", "create_custom_tag", "create_lead", "reply_to_email", "update_lead",
    "get_lead", "list_leads", "count_leads",
)  # fmt: skip


class Loop(asyncio.SelectorEventLoop):
    """A loop in which nothing is waited for: when nobody has anything to do, its clock is set to what is due next."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.seconds


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: Loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout:
            self._loop.seconds += timeout
        return ready


class Wire(httpx.AsyncBaseTransport):
    """The way to the sandbox, which fails by itself too; `kinds` counts how."""

    def __init__(self, sandbox: Sandbox, chances: random.Random):
        self.kinds: collections.Counter[str] = collections.Counter()
        self._inner = sandbox.transport
        self._chances = chances

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        drawn, at = self._chances.random(), 0.0
        kind = ""
        for name, rate in RATES_OF_THE_WIRE.items():
            at += rate
            if drawn < at:
                kind = name
                break
        self.kinds[kind] += 1
        if kind == "unreachable":
            raise httpx.ConnectError("refused")
        response: httpx.Response = await self._inner.handle_async_request(request)
        if kind == "silent":
            await anyio.sleep_forever()
        if kind in ("endless", "dripping", "breaking"):
            headers = {"content-type": "application/json"}
            return httpx.Response(200, headers=headers, stream=_Rude(kind))
        return response


class _Rude(httpx.AsyncByteStream):
    def __init__(self, kind: str):
        self._kind = kind

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" " * (1 if self._kind == "dripping" else 4096)
            if self._kind == "breaking":
                raise httpx.RemoteProtocolError("cut")
            await anyio.sleep(1 if self._kind == "dripping" else 0)


@dataclasses.dataclass
class Figures:
    calls: int = 0
    requests: int = 0
    faults: int = 0
    said: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    true: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    kinds: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    longest: float = 0.0
    clock: float = 0.0
    memory: list[int] = dataclasses.field(default_factory=list)


def said_of(result: Any) -> str:
    """What the text of a result says of a write: done, refused, not sent, unknown, held."""
    text = result.content[0].text
    if not result.is_error:
        return "done"
    if "the same call of" in text:
        return "held"
    for words, outcome in (("unknown", "unknown"), ("not carried out", "refused"), ("nothing was sent", "not sent")):
        if words in text.lower():
            return outcome
    raise AssertionError(f"no outcome in: {text}")


ALLOWED = {"done": {1}, "refused": {0}, "not sent": {0}, "unknown": {0, 1}, "cancelled": {0, 1}}
"""How often a write may be found, by what was said of it."""


def how_often(table: Table, field: str, value: str) -> int:
    return sum(record[field] == value for record in table)


class Caller:
    """One that makes calls one after the other, each with a marker of its own, and compares what it is told."""

    def __init__(self, client: Client, sandbox: Sandbox, name: str, lead: str, seed: str, figures: Figures):
        self._client, self._world, self._name, self._lead, self._figures = client, sandbox.world, name, lead, figures
        self._chances = random.Random(seed)
        self._jobs: list[Callable[[str], Awaitable[None]]] = [
            self.make_list, self.make_tag, self.add_lead, self.reply, self.update, self.read, self.read_many,
            self.count, self.delete,
        ]  # fmt: skip
        self.left = 0

    async def work(self, calls: int) -> None:
        self.left = calls
        number = 0
        while self.left > 0:
            number += 1
            await self._chances.choice(self._jobs)(f"{self._name}n{number}")

    async def ask(self, tool: str, **arguments: Any) -> tuple[str, Any]:
        """What was said of a call, and its answer."""
        self.left -= 1
        self._figures.calls += 1
        began = anyio.current_time()
        patience = self._chances.uniform(0, 2) if self._chances.random() < GIVEN_UP else CALL_SECONDS + 10
        said, answer = "cancelled", None
        with anyio.move_on_after(patience):
            result = await self._client.call_tool(tool, arguments)
            said = said_of(result) if tool in WRITES or not result.is_error else "error"
            answer = None if result.is_error else json.loads(result.content[0].text)
        took = anyio.current_time() - began
        assert took <= CALL_SECONDS + OVERTIME_SECONDS + 1e-6, f"{tool} took {took:.1f} s"
        assert said != "cancelled" or patience < CALL_SECONDS, f"{tool} never ended"
        self._figures.longest = max(self._figures.longest, took)
        self._figures.said[said] += 1
        return said, answer

    def check(self, tool: str, said: str, found: int) -> None:
        assert found in ALLOWED[said], f"{tool}: said {said}, found {found} times"
        if said == "unknown":
            self._figures.true["unknown, carried out" if found else "unknown, not carried out"] += 1

    async def make_list(self, marker: str) -> None:
        said, _ = await self.ask("create_lead_list", name=marker)
        self.check("create_lead_list", said, how_often(self._world.lead_lists, "name", marker))

    async def make_tag(self, marker: str) -> None:
        said, _ = await self.ask("create_custom_tag", label=marker)
        self.check("create_custom_tag", said, how_often(self._world.custom_tags, "label", marker))

    async def add_lead(self, marker: str) -> None:
        email = f"{marker}@prospect.example"
        said, answer = await self.ask("create_lead", campaign=CAMPAIGN, email=email)
        self.check("create_lead", said, self._world.leads.count(email=email))
        assert said != "done" or answer["email"] == email

    def _emails(self, marker: str) -> int:
        return sum(marker in json.dumps(email.get("body")) for email in list(self._world.emails)[-200:])

    async def reply(self, marker: str) -> None:
        """An email, and once more, as a model that was told of an error does it."""
        text = f"Thanks {marker}."
        said, _ = await self.ask("reply_to_email", **EMAIL, body={"text": text})
        self.check("reply_to_email", said, self._emails(text))
        if said == "done":
            return
        again, _ = await self.ask("reply_to_email", **EMAIL, body={"text": text})
        found = self._emails(text)
        assert found <= 1, f"sent twice: {said}, then {again}"
        if again == "held":
            assert said in ("unknown", "cancelled")
        elif said not in ("unknown", "cancelled"):
            self.check("reply_to_email", again, found)

    async def update(self, marker: str) -> None:
        said, answer = await self.ask("update_lead", id=self._lead, first_name=marker)
        self.check("update_lead", said, int(self._world.leads[self._lead]["first_name"] == marker))
        assert said != "done" or answer["first_name"] == marker

    async def read(self, _: str) -> None:
        said, answer = await self.ask("get_lead", id=self._lead)
        if said == "done":
            lead = self._world.leads[self._lead]
            assert (answer["id"], answer["first_name"]) == (self._lead, lead["first_name"])

    async def read_many(self, _: str) -> None:
        said, answer = await self.ask("list_leads", campaign=QUIET_CAMPAIGN, max_items=150)
        if said == "done":
            quiet = {lead["id"] for lead in self._world.leads.where(campaign=QUIET_CAMPAIGN)}
            found = [lead["id"] for lead in answer["items"]]
            assert len(found) == len(set(found)) and set(found) <= quiet
            assert set(found) == quiet or "next_starting_after" in answer or "_note" in answer

    async def count(self, _: str) -> None:
        said, answer = await self.ask("count_leads", campaign=QUIET_CAMPAIGN)
        if said == "done":
            there = self._world.leads.count(campaign=QUIET_CAMPAIGN)
            assert answer["leads"] == there or (answer["leads"] < there and not answer["complete"]), answer

    async def delete(self, marker: str) -> None:
        said, answer = await self.ask("create_lead_list", name=marker)
        if said != "done":
            return
        said, _ = await self.ask("delete_lead_list", id=answer["id"])
        self.check("delete_lead_list", said, 1 - how_often(self._world.lead_lists, "name", marker))


WRITES = {tool for tool in TOOLS if not tool.startswith(("get_", "list_", "count_"))}


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def run_round(number: int, calls: int, seed: int, figures: Figures) -> None:
    catalog = load_catalog()
    settings = Settings(
        base_url=SANDBOX_URL, api_key=SANDBOX_KEY, sandbox=True, full=True, raw_text=True,
        call_timeout=CALL_SECONDS, max_response_bytes=MAX_BYTES, agent_check=False,
    )  # fmt: skip
    random.seed(f"{seed} {number}")
    with Sandbox() as sandbox:
        for place, fault in enumerate(FAULTS):
            sandbox.faults.add(**{**fault, "seed": seed * 1_000_000 + number * 1_000 + place})
        wire = Wire(sandbox, random.Random(f"{seed} {number} wire"))
        guards = [Repeats(60), *([Reconcile(catalog.operations, call_timeout=CALL_SECONDS)] if number % 2 else [])]
        before = len(asyncio.all_tasks())
        async with InstantlyClient(settings, transport=wire) as http:
            server = build_server(Invoker(select(catalog, tools=[*TOOLS]), http, settings, guards))
            async with Client(server) as client, anyio.create_task_group() as tasks:
                await client.list_tools()
                leads = [lead["id"] for lead in sandbox.world.leads][:CALLERS]
                for place, lead in enumerate(leads):
                    caller = Caller(client, sandbox, f"r{number}c{place}", lead, f"{seed} {number} {place}", figures)
                    tasks.start_soon(caller.work, calls // CALLERS)
        assert len(asyncio.all_tasks()) == before, "something is left running"
        figures.requests += wire.kinds.total()
        figures.kinds.update({name: count for name, count in wire.kinds.items() if name})
        figures.kinds.update(entry["kind"] for entry in sandbox.faults.log)
        figures.clock += anyio.current_time()
    figures.memory.append(resident_bytes())


def run_many(calls: int, seed: int = 1) -> Figures:
    """Raises AssertionError as soon as something was done twice, was told wrongly, or took too long."""
    figures = Figures()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        number = 0
        while figures.calls < calls:
            size = max(CALLERS, min(CALLS_A_ROUND, calls - figures.calls))
            anyio.run(run_round, number, size, seed, figures, backend_options={"loop_factory": Loop})
            number += 1
    finally:
        structlog.reset_defaults()
    warm = figures.memory[WARM_ROUNDS:]
    if len(warm) >= 10:
        half = len(warm) // 2
        growth = max(warm[half:]) - max(warm[:half])
        assert growth < MAX_GROWTH_BYTES, f"memory grew by {growth:,} bytes"
    return figures


def warm_memory(figures: Figures) -> list[int]:
    """The bytes that the process had after each round, once it was warm."""
    return figures.memory[min(WARM_ROUNDS, len(figures.memory) - 1) :]


def lines_of(figures: Figures) -> list[str]:
    """The figures, as they are printed."""
    faulty = sum(figures.kinds.values())
    counted = lambda counter: ", ".join(f"{name} {count:,}" for name, count in counter.most_common())  # noqa: E731
    warm = warm_memory(figures)
    return [
        f"{figures.calls:,} calls, {figures.requests:,} requests, {faulty:,} of them faulty ({counted(figures.kinds)})",
        f"told: {counted(figures.said)}",
        f"of the unknown outcomes: {counted(figures.true)}",
        f"written twice: 0, answered wrongly: 0, longest call {figures.longest:.1f} s of {CALL_SECONDS:g} s and a look "
        "at what is true",
        f"{figures.clock / 3600:,.1f} h on the clock of the calls; memory {warm[0] / 2**20:.0f} MB at first, "
        f"{warm[-1] / 2**20:.0f} MB at last, {max(warm) / 2**20:.0f} MB at most",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("calls", type=int, nargs="?", default=100_000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    add_option(parser)
    given = parser.parse_args()
    began = time.perf_counter()
    figures = run_many(given.calls, given.seed)
    took = time.perf_counter() - began
    print("\n".join(lines_of(figures)))
    print(f"seed {given.seed}, in {took:.0f} s")
    if given.record:
        warm = warm_memory(figures)
        record(
            f"{figures.calls:,} calls, {figures.requests:,} requests, {sum(figures.kinds.values()):,} of them faulty "
            f"in {len(figures.kinds)} ways: nothing was written twice, nothing answered wrongly; memory "
            f"{warm[0] / 2**20:.0f} MB at first, {max(warm) / 2**20:.0f} MB at most; {took:,.0f} s"
        )


if __name__ == "__main__":
    main()
