"""A preview of a call that a limit refuses is refused as the call is, for every tool that changes something."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.drafts_only import DraftsOnly
from mcp_instantly.guards.enforcement import PolicyGuard
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.ledger import Ledger
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.guards.policy_file import read_policy
from mcp_instantly.jobs.service import Service
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .confirming import Desk
from .conftest import answer_of

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
RECEIVED = "01991f80-0002-7000-8000-000000000002"
MAILBOX = "ada@brightpath.example"

WORDS = ("(--only-campaign)", "the policy of this server forbids it", "(--drafts-only)")
"""By which a refusal of a limit is known."""

SUNDAY = datetime.datetime(2026, 9, 6, 12, tzinfo=datetime.timezone.utc)

PROTECT = f'[protect]\ncampaigns = ["{ACTIVE}"]\nlists = ["{LIST}"]\naccounts = ["{MAILBOX}"]'
QUIET = '[[quiet_hours]]\ntimezone = "UTC"\nfrom = "00:00"\nto = "24:00"'
COUNTED = """
[recipients]
replies = ["nobody.example"]
[limits]
leads.per_day = 0
emails.per_call = 0
credits.per_day = 0
[[before]]
call = "activate_campaign"
needs = "check_campaign"
within_minutes = 15
"""

Make = Callable[[Path, Catalog], tuple[list[Guard], CampaignLock]]


def locked_to(campaign: str) -> Make:
    lock = CampaignLock(campaign)
    return lambda folder, catalog: ([lock], lock)


def held_to(text: str) -> Make:
    def make(folder: Path, catalog: Catalog) -> tuple[list[Guard], CampaignLock]:
        (folder / "policy.toml").write_text(text)
        policy = read_policy(folder / "policy.toml", catalog.tools)
        return [PolicyGuard(policy, Ledger(folder / "ledger.sqlite3", "here"), lambda: SUNDAY)], UNLOCKED

    return make


LIMITS: dict[str, Make] = {
    "the active campaign alone": locked_to(ACTIVE),
    "the draft alone": locked_to(DRAFT),
    "drafts only": lambda folder, catalog: ([DraftsOnly()], UNLOCKED),
    "protected things": held_to(PROTECT),
    "quiet hours": held_to(QUIET),
    "counted things": held_to(COUNTED),
}


def is_refusal(result: Any) -> bool:
    """Whether a limit refused a call, or all that a workflow tried."""
    told = result.content[0].text
    if not result.is_error:
        told = str({name: value for name, value in answer_of(result).items() if name != "_note"})
    return any(word in told for word in WORDS)


@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
async def test_a_preview_and_its_call_have_one_verdict(
    catalog: Catalog, world: World, settings: Settings, tmp_path: Path, limit: Make
) -> None:
    guards, lock = limit(tmp_path, catalog)
    desk, refused, differing = Desk(catalog, world, settings), 0, []
    async with desk.client(guards=guards, lock=lock, confirm="never") as client:
        for tool in catalog.tools.values():
            if tool.read_only:
                continue
            given = tool.examples[0]
            before = desk.writes()
            preview = is_refusal(await client.call_tool("preview_call", {"tool": tool.name, "arguments": given}))
            assert desk.writes() == before, tool.name
            result = await client.call_tool(tool.name, given)
            # What is refused behind a first change depends on what that comes to.
            call = is_refusal(result) and desk.writes() == before
            refused += call
            if preview != call:
                differing.append((tool.name, preview, result.content[0].text))
    assert differing == [] and refused


async def test_the_preview_of_a_draft_that_may_not_be_sent_leaves_it_approved(
    catalog: Catalog, world: World, settings: Settings, tmp_path: Path
) -> None:
    guards, lock = held_to(COUNTED)(tmp_path, catalog)
    drafts = Drafts(tmp_path / "drafts.sqlite", settings.api_key)
    desk = Desk(catalog, world, settings)
    async with desk.client(guards=guards, lock=lock, drafts=drafts, confirm="never") as client:
        written = {"reply_to_uuid": RECEIVED, "body": {"text": "Thursday."}}
        given = {"draft_id": answer_of(await client.call_tool("draft_reply", written))["draft_id"]}
        asked = {"tool": "send_draft", "arguments": given}
        early = await client.call_tool("preview_call", asked)
        assert early.is_error and is_refusal(early)
        drafts.approve(given["draft_id"], "Ada", content=drafts.find(given["draft_id"]).content)
        for tool, arguments in (("preview_call", asked), ("send_draft", given)):
            result = await client.call_tool(tool, arguments)
            assert result.is_error and is_refusal(result), tool
            assert drafts.find(given["draft_id"]).state == "approved"
    assert desk.writes() == []


async def test_a_job_is_planned_once_for_its_preview_whatever_limits_there_are(
    catalog: Catalog, world: World, settings: Settings, tmp_path: Path
) -> None:
    desk, read, told = Desk(catalog, world, settings), [], []
    jobs = Service(f"sqlite:///{tmp_path / 'jobs.sqlite'}", [tmp_path], works=False)
    given = {"tool": "start_job", "arguments": {"clean_list": {"campaign_id": ACTIVE}}}
    for guards in ([], held_to('never_call = ["delete_lead"]')(tmp_path, catalog)[0]):
        mine = jobs.jobs_of(settings.api_key, "sandbox")
        before = len(world.requests)
        async with desk.client(guards=guards, jobs=mine, confirm="never") as client:
            told.append(answer_of(await client.call_tool("preview_call", given))["would"])
        read.append(sorted(one["path"] for one in world.requests[before:]))
    assert read[0] == read[1] and told[0] == told[1] and told[0]["job"] == "clean_list"
