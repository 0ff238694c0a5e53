"""`serve --sandbox` and `call --sandbox` with a world of one's own, one that is kept, and one that has rate limits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from .conftest import clean_environment, command, over_stdio
from .processes import run

pytestmark = pytest.mark.anyio


def call(tool: str, arguments: dict[str, Any], *options: str) -> Any:
    done = run("call", tool, json.dumps(arguments), "--sandbox", *options, environment=clean_environment())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def ask(tool: str, arguments: dict[str, Any], *options: str) -> Any:
    """What a host gets that starts a process for this call alone."""
    with anyio.fail_after(60):
        server = over_stdio(command("serve", "--sandbox", *options))
        async with Client(server) as client:
            answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return json.loads(answer.content[0].text)


async def test_hosts_that_start_a_process_for_every_call_find_what_they_did_before(tmp_path: Path) -> None:
    kept = ("--scenario", "fresh", "--state", str(tmp_path / "state.db"))
    made = await ask("create_lead_list", {"name": "Kept"}, *kept)
    assert [found["id"] for found in (await ask("list_lead_lists", {}, *kept))["items"]] == [made["id"]]
    assert call("get_lead_list", {"id": made["id"]}, *kept)["name"] == "Kept"


async def test_processes_for_calls_side_by_side_take_turns(tmp_path: Path) -> None:
    kept = ("--scenario", "fresh", "--state", str(tmp_path / "state.db"))
    names = ["One", "Two", "Three"]
    await asyncio.gather(*(ask("create_lead_list", {"name": name}, *kept) for name in names))
    found = (await ask("list_lead_lists", {}, *kept))["items"]
    assert sorted(one["name"] for one in found) == sorted(names)


def test_the_world_is_that_of_the_scenario(tmp_path: Path) -> None:
    assert call("list_campaigns", {}, "--scenario", "fresh")["items"] == []
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"workspaces": [{"name": "Mine", "accounts": [{"email": "me@mine.example"}]}]}))
    assert call("get_workspace", {}, "--scenario", str(own))["name"] == "Mine"


async def test_rate_limits_hold_when_asked_for() -> None:
    async def count(*options: str) -> list[bool]:
        server = over_stdio(command("serve", "--sandbox", *options))
        async with Client(server) as client:
            answers = [await client.call_tool("list_emails", {"limit": 1}) for _ in range(21)]
        return [answer.is_error for answer in answers]

    with anyio.fail_after(60):
        assert await count() == [False] * 21
        assert await count("--budgets") == [False] * 20 + [True]


def test_a_delivery_is_finished_and_noted_before_the_process_ends(tmp_path: Path) -> None:
    kept = ("--scenario", "fresh", "--state", str(tmp_path / "state.db"))
    webhook = {"target_hook_url": "http://127.0.0.1:9/nobody-listens", "event_type": "all_events"}
    made = call("create_webhook", webhook, *kept)
    call("test_webhook", {"id": made["id"]}, *kept)
    (event,) = call("list_webhook_events", {}, *kept)["items"]
    assert event["success"] is False
    assert "response_time_ms" in event


@pytest.mark.parametrize("name", ["serve", "call"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--state", "x.db"], "--state is about the sandbox; add --sandbox"),
        (["--scenario", "fresh"], "--scenario is about the sandbox; add --sandbox"),
        (["--budgets"], "--budgets is about the sandbox; add --sandbox"),
        (["--sandbox", "--scenario", "nope"], "nor one of agency, busy, demo, fresh, hostile, unhealthy"),
        (["--sandbox", "--state", "/nowhere/state.db"], "/nowhere/state.db cannot be opened: No such file"),
        (["--sandbox", "--state", "pyproject.toml"], "is not a sandbox state file"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_line_and_status_2(name: str, options: list[str], problem: str) -> None:
    done = run(*([name] if name == "serve" else [name, "list_campaigns"]), *options, environment=clean_environment())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("mcp-instantly: ") and problem in line
