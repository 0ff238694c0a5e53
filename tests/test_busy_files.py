"""Files that processes share: whoever waits for one holds up nobody else, and leaves nothing half done."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.enforcement import PolicyGuard
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.ledger import Ledger
from mcp_instantly.guards.policy_file import read_policy
from mcp_instantly.guards.shared_register import FileRegister
from mcp_instantly.guards.shared_repeats import SharedRepeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.jobs.store import Store
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog

from .conftest import Connect, answer_of, everything, no_sleep

pytestmark = pytest.mark.anyio

RECEIVED = "01991f80-0002-7000-8000-000000000002"
VERIFY = "POST /api/v2/email-verification"


@contextlib.contextmanager
def kept_busy(file: Path) -> Iterator[Callable[[], None]]:
    """Another process writes into a file, until it is told to end."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield lambda: other.execute("rollback") and None


def policy_guard(folder: Path) -> tuple[PolicyGuard, Ledger]:
    file = folder / "policy.toml"
    file.write_text("[limits.credits]\nper_day = 1\n")
    ledger = Ledger(folder / "ledger.sqlite3", "http://test")
    return PolicyGuard(read_policy(file, load_catalog().tools), ledger), ledger


def repeats(folder: Path) -> SharedRepeats:
    return SharedRepeats(60, FileRegister(str(folder / "register.sqlite3")), "one key")


def writes(world: World) -> list[str]:
    return [f"{one['method']} {one['path']}" for one in world.requests if one["method"] != "GET"]


@pytest.mark.parametrize(
    ("name", "tool", "arguments"),
    [
        ("ledger.sqlite3", "verify_email", {"email": "ok@a.example"}),
        ("register.sqlite3", "verify_email", {"email": "ok@a.example"}),
        ("drafts.sqlite", "draft_reply", {"reply_to_uuid": RECEIVED, "body": {"text": "Thursday."}}),
        ("jobs.sqlite", "start_job", {"verify_emails": {"addresses": ["ok@a.example"]}}),
    ],
)
async def test_a_call_that_waits_for_a_file_holds_up_no_other_call(
    connect: Connect, world: World, tmp_path: Path, name: str, tool: str, arguments: dict[str, Any]
) -> None:
    guards = {"ledger.sqlite3": [policy_guard(tmp_path)[0]], "register.sqlite3": [repeats(tmp_path)]}
    Drafts(tmp_path / "drafts.sqlite").check()
    Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}").close()
    ended: list[str] = []
    async with connect(guards=guards.get(name, ())) as client:

        async def act() -> None:
            answer_of(await client.call_tool(tool, arguments))
            ended.append(tool)

        with kept_busy(tmp_path / name) as let_go, anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(act)
                await anyio.wait_all_tasks_blocked()
                answer_of(await client.call_tool("list_campaigns", {"limit": 1}))
                ended.append("list_campaigns")
                let_go()
    assert ended == ["list_campaigns", tool]


@pytest.mark.parametrize("name", ["ledger.sqlite3", "register.sqlite3"])
async def test_a_call_that_is_cancelled_while_it_waits_is_not_sent_and_counts_for_nothing(
    world: World, settings: Settings, catalog: Catalog, tmp_path: Path, name: str
) -> None:
    guard, ledger = policy_guard(tmp_path)
    stands: Guard = guard if name == "ledger.sqlite3" else repeats(tmp_path)
    given = {"email": "ok@a.example"}
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world)), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [stands])
        with kept_busy(tmp_path / name) as let_go, anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(invoker.invoke, "verify_email", given)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
                let_go()
        assert writes(world) == []
        ledger.refuse_too_much({"credits": 1}, {"credits": 1})
        with anyio.fail_after(10):
            assert (await invoker.invoke("verify_email", given)).error is None
    assert writes(world) == [VERIFY]
