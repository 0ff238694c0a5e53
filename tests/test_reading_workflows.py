"""The workflows that only read: their numbers are counted again from what the sandbox holds."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import zoneinfo
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, build_workspaces, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.workflows.parts.senders import fall

from .conftest import answer_of, everything, fresh_world, informed, no_sleep
from .test_size import tokens

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
FINISHED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"

NAMES = ("get_workspace_overview", "check_campaign", "report_campaigns")

MOST_CHARACTERS = 6000
"""Of an answer, which are 1,500 tokens."""

Ask = Callable[..., Awaitable[Any]]


@contextlib.asynccontextmanager
async def connected(
    catalog: Catalog, world: World, settings: Settings, broken: str | None = None, **chosen: Any
) -> AsyncIterator[Client]:
    selection = select(catalog, **chosen) if chosen else everything()
    app = create_app(world)
    if broken:
        app.workspaces.faults.add(every=1, operation=broken, status=500)
    transport = httpx.ASGITransport(app)
    async with (
        InstantlyClient(settings, transport=transport, sleep=no_sleep) as http,
        Client(build_server(Invoker(selection, http, settings))) as client,
    ):
        yield informed(client, selection)


@pytest.fixture
def ask(catalog: Catalog, world: World, settings: Settings) -> Ask:
    """Calls a tool in the demo world or, with `of`, in another; the rest are settings, scopes, and arguments."""

    async def asked(
        tool: str, of: World | None = None, changed: Any = None, chosen: Any = None, **arguments: Any
    ) -> Any:
        used = dataclasses.replace(settings, **(changed or {}))
        async with connected(catalog, of or world, used, **(chosen or {})) as client:
            result = await client.call_tool(tool, arguments)
        assert len(result.content[0].text) <= MOST_CHARACTERS
        return answer_of(result)

    return asked


def world_of(**workspace: Any) -> World:
    return build_workspaces({"workspaces": [{"name": "Mine", **workspace}]}).home


@pytest.fixture
def unhealthy() -> World:
    return fresh_world("unhealthy")


def campaign_of(world: World, identity: str) -> dict[str, Any]:
    found = world.campaigns.get(identity)
    assert found is not None
    return found


def why_of(answer: Any, part: str, key: str, name: str) -> list[str]:
    found: list[str] = next(one["why"] for one in answer[part]["problems"] if one[key] == name)
    return found


def test_they_read_only_and_their_definitions_are_small(catalog: Catalog) -> None:
    found = [catalog.workflows[name] for name in NAMES]
    assert all(workflow.read_only and workflow.idempotent for workflow in found)
    assert sum(tokens(workflow) for workflow in found) <= 600


# the overview


async def test_the_overview_counts_the_replies_that_wait_by_interest_and_day(ask: Ask, world: World) -> None:
    answer = await ask("get_workspace_overview")
    unread = [email for email in world.emails if email["ue_type"] == 2 and email.get("is_unread")]
    newest = {email["thread_id"]: email for email in sorted(unread, key=lambda email: email["timestamp_email"])}
    waiting = [email for email in newest.values() if not email.get("is_auto_reply")]
    assert waiting
    replies = answer["replies"]
    assert (replies["waiting"], replies["automatic"]) == (len(waiting), len(newest) - len(waiting))
    assert replies["by_day_utc"] == dict(Counter(email["timestamp_email"][:10] for email in waiting))
    assert replies["by_interest"]["interested"] == sum(email.get("i_status") == 1 for email in waiting)
    assert replies["oldest"]["received"] == min(email["timestamp_email"] for email in waiting)


async def test_the_overview_of_a_healthy_workspace_has_few_problems(ask: Ask, world: World) -> None:
    answer = await ask("get_workspace_overview")
    assert answer["campaigns"]["total"] == len(world.campaigns)
    assert answer["campaigns"]["by_status"] == {"active": 1, "draft": 1, "completed": 1}
    assert answer["campaigns"]["problems"] == []
    assert answer["senders"]["can_send"] == sum(one["status"] == 1 for one in world.accounts)
    assert [one["email"] for one in answer["senders"]["problems"]] == ["eva@brightpath-mail.example"]
    assert answer["plan"]["leads_used"] == sum("campaign" in lead for lead in world.leads)
    assert "unknown" not in answer and "_note" not in answer
    assert sum(answer["_calls"].values()) <= 12


async def test_the_overview_says_which_campaigns_and_senders_suffer_and_why(ask: Ask, unhealthy: World) -> None:
    answer = await ask("get_workspace_overview", of=unhealthy)
    bounced = sum(lead["status"] == -1 for lead in unhealthy.leads)
    sent_to = {email["lead"] for email in unhealthy.emails if email["ue_type"] == 1}
    (why,) = why_of(answer, "campaigns", "name", "Bad addresses")
    assert why.startswith(f"bounced {bounced} of {len(sent_to)} (") and "small sample" in why
    assert "none of its senders can send" in why_of(answer, "campaigns", "name", "Nobody left to send")[0]
    assert "Authentication failed" in why_of(answer, "senders", "email", "login1@ailing.example")[0]
    failing = {one["email"] for one in unhealthy.accounts if one["status"] < 0}
    shown = [one["email"] for one in answer["senders"]["problems"]]
    assert set(shown[: len(failing)]) == failing, "those that fail come before those that are weak"
    weak = sum(one["status"] == 1 and one["stat_warmup_score"] < 80 for one in unhealthy.accounts)
    assert len(shown) + answer["senders"].get("more_problems", 0) == len(failing) + weak


async def test_the_overview_sees_campaigns_without_senders_and_with_senders_that_fail(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    world.campaigns.change(campaign, email_list=["eva@brightpath-mail.example"])
    why = why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE)
    assert why == ["none of its senders can send", "not sending: all_accounts_unhealthy"]
    world.campaigns.change(campaign, email_list=[])
    assert "it has no senders" in why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE)


async def test_every_tool_that_the_overview_names_next_exists(ask: Ask, unhealthy: World, catalog: Catalog) -> None:
    answer = await ask("get_workspace_overview", of=unhealthy)
    advice = [one["next"] for part in ("campaigns", "senders") for one in answer[part]["problems"]]
    named = re.findall(r"[a-z]+(?:_[a-z]+)+", " ".join([*advice, answer["replies"]["next"]]))
    assert set(named) - {"is_unread", "latest_of_thread"} <= set(catalog.tools)


async def test_the_overview_names_next_what_is_offered_alone(ask: Ask, unhealthy: World, catalog: Catalog) -> None:
    unhealthy.workspace["_lead_limit"] = 1
    whole = await ask("get_workspace_overview", of=unhealthy)
    assert whole["plan"]["next"] == "get_workspace_subscription"
    assert whole["senders"]["problems"][0]["next"] == "get_account, then mark_account_fixed"
    default = await ask("get_workspace_overview", of=unhealthy, chosen={"toolsets": ["default"]})
    assert "next" not in default["plan"] and default["senders"]["problems"][0]["next"].startswith("get_account")
    chosen = {"tools": ["get_workspace_overview", "get_account"]}
    few = await ask("get_workspace_overview", of=unhealthy, chosen=chosen)
    assert "next" not in few["replies"] and "next" not in few["campaigns"]["problems"][0]
    assert few["senders"]["problems"][0]["next"] == "get_account"


@pytest.mark.parametrize(("over", "said"), [(0, "is reached"), (-1, "is reached"), (1, "is nearly reached")])
async def test_the_overview_tells_a_full_plan_from_one_that_is_nearly_full(
    ask: Ask, world: World, over: int, said: str
) -> None:
    world.workspace["_lead_limit"] = sum("campaign" in lead for lead in world.leads) + over
    assert (await ask("get_workspace_overview"))["plan"]["problems"] == [f"the lead limit {said}"]


async def test_a_part_that_the_key_may_not_read_is_unknown_and_the_others_are_there(ask: Ask) -> None:
    world = world_of(base="demo", keys=[{"key": "campaigns", "scopes": ["campaigns:read", "workspace_billing:read"]}])
    answer = await ask("get_workspace_overview", of=world, changed={"api_key": "campaigns"})
    assert set(answer["unknown"]) == {"replies", "senders"}
    assert all("403" in why or "401" in why for why in answer["unknown"].values())
    assert answer["campaigns"]["total"] == 3 and answer["plan"]["name"] == "Hypergrowth"
    assert "replies" not in answer and "senders" not in answer


async def test_an_operation_that_fails_makes_its_part_unknown_and_says_nothing_of_it(ask: Ask) -> None:
    broken = {"toolsets": ["all"], "broken": "GET /accounts"}
    answer = await ask("get_workspace_overview", chosen=broken)
    assert list(answer["unknown"]) == ["senders"] and "500" in answer["unknown"]["senders"]
    assert answer["campaigns"]["problems"] == []
    answer = await ask("check_campaign", id=ACTIVE, chosen=broken)
    assert list(answer["unknown"]) == ["senders", "days to finish"] and answer["blockers"] == []
    assert "senders" not in answer and "finish" not in answer
    assert all("EMPTY" not in sample["text"] for sample in answer["samples"])
    assert answer["verdict"] == "no blocker in what was read: see unknown"
    assert answer["leads"]["read"] == 120
    answer = await ask("report_campaigns", chosen={"toolsets": ["all"], "broken": "GET /campaigns"})
    assert len(answer["campaigns"]) == 2 and "sent_nothing" not in answer
    assert list(answer["unknown"]) == ["names, tracking, and campaigns that sent nothing"]


async def test_a_part_that_the_selection_leaves_out_is_unknown_and_not_asked_for(ask: Ask) -> None:
    answer = await ask("get_workspace_overview", chosen={"toolsets": ["all"], "scopes": ["campaigns:read"]})
    assert set(answer["unknown"]) == {"replies", "senders", "plan"}
    assert answer["unknown"]["senders"].startswith("list_accounts is left out on this server")
    assert set(answer["_calls"]) == {"list_campaigns", "get_campaign_analytics", "get_campaign_sending_status"}


async def test_an_overview_without_time_says_what_it_did_not_read(ask: Ask, world: World) -> None:
    answer = await ask("get_workspace_overview", changed={"call_timeout": 1})
    assert set(answer["unknown"]) == {"replies", "senders", "campaigns", "plan"}
    assert world.requests == []


async def test_an_overview_of_which_nothing_can_be_read_is_an_error(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    unpaid = world_of(base="demo", settings={"plan_id": None})
    async with connected(catalog, unpaid, settings) as client:
        result = await client.call_tool("get_workspace_overview", {})
    assert result.is_error and "402" in result.content[0].text


async def test_the_overview_asks_few_of_many_active_campaigns_and_says_so(ask: Ask) -> None:
    steps = [{"subject": "Hello", "body": "<p>Hello</p>"}]
    many = [
        {"name": f"Campaign {number}", "status": "active", "senders": ["one@mine.example"], "steps": steps}
        for number in range(14)
    ]
    world = world_of(accounts=[{"email": "one@mine.example"}], campaigns=many)
    answer = await ask("get_workspace_overview", of=world)
    assert answer["_calls"]["get_campaign_sending_status"] == 10
    assert answer["unknown"] == {"why active campaigns do not send": "asked for 10 of 14 active campaigns"}


def test_warmup_falls_when_its_share_in_the_inbox_does() -> None:
    good, bad = {"sent": 20, "landed_inbox": 19, "landed_spam": 1}, {"sent": 20, "landed_inbox": 10, "landed_spam": 10}
    dates = [f"2026-09-0{day}" for day in range(1, 8)]
    falling = dict(zip(dates, [good] * 4 + [bad] * 3, strict=True))
    assert fall(falling) == "warmup in the inbox fell from 95% to 50% in the last 3 days"
    assert fall(dict(zip(dates, [good] * 7, strict=True))) is None
    assert fall(dict(zip(dates, [bad] * 4 + [good] * 3, strict=True))) is None
    assert fall(dict.fromkeys(dates[:3], bad)) is None, "too little is known"


# the report


def counted(world: World, campaign: str, first: str = "", last: str = "~") -> dict[str, Any]:
    """What a report must say, from the emails alone."""
    emails = [one for one in world.emails if one.get("campaign_id") == campaign]
    inside = [one for one in emails if first <= one["timestamp_email"][:10] <= last]
    sent = [one for one in inside if one["ue_type"] == 1]
    replies = [one for one in inside if one["ue_type"] == 2]
    people = {one["lead"] for one in sent}
    bounced = {one["lead"] for one in emails if first <= one.get("_bounced", "-")[:10] <= last and "_bounced" in one}
    return {
        "contacted": len(people),
        "emails_sent": len(sent),
        "replied": rate(len({one["lead"] for one in replies if not one.get("is_auto_reply")}), len(people)),
        "automatic_replies": len({one["lead"] for one in replies if one.get("is_auto_reply")}),
        "bounced": rate(len(bounced), len(people)),
    }


def rate(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.1f}%)" if total else f"{count} of {total}"


async def test_a_report_has_rates_with_denominators_and_what_sent_nothing(ask: Ask, world: World) -> None:
    answer = await ask("report_campaigns")
    assert answer["range"] == "all time"
    assert [one["id"] for one in answer["campaigns"]] == [FINISHED, ACTIVE]
    for row in answer["campaigns"]:
        expected = counted(world, row["id"])
        assert {name: row[name] for name in expected} == expected
        assert row["small_sample"] is True
    assert answer["sent_nothing"] == [{"id": DRAFT, "name": "Logistics pilots", "status": "draft"}]
    assert answer["total"]["contacted"] == sum(row["contacted"] for row in answer["campaigns"])
    assert "small_sample: fewer than 100" in answer["_note"]


@pytest.mark.parametrize(("first", "last"), [("2026-09-04", "2026-09-04"), ("2026-09-05", "2026-09-07")])
async def test_both_days_of_a_range_are_in_the_report(ask: Ask, world: World, first: str, last: str) -> None:
    answer = await ask("report_campaigns", ids=[ACTIVE], start_date=first, end_date=last)
    (row,) = answer["campaigns"]
    expected = counted(world, ACTIVE, first, last)
    assert {name: row[name] for name in expected} == expected
    assert expected["contacted"] > 0 or expected["replied"] != "0 of 0"
    assert answer["range"] == f"{first} to {last}, both days included, in UTC"


async def test_a_campaign_that_sent_nothing_in_the_range_is_in_the_report(ask: Ask) -> None:
    answer = await ask("report_campaigns", start_date="2026-09-01")
    assert [one["id"] for one in answer["campaigns"]] == [ACTIVE]
    assert {one["id"] for one in answer["sent_nothing"]} == {DRAFT, FINISHED}


async def test_rates_of_what_is_not_tracked_are_not_told(ask: Ask, unhealthy: World) -> None:
    (row,) = (await ask("report_campaigns", of=unhealthy))["campaigns"]
    campaign = campaign_of(unhealthy, row["id"])
    assert (row["clicked"] == "not tracked") == (not campaign.get("link_tracking"))
    unhealthy.campaigns.change(campaign, text_only=True)
    (row,) = (await ask("report_campaigns", of=unhealthy))["campaigns"]
    assert row["opened"] == row["clicked"] == "not tracked"
    assert row["automatic_replies"] == counted(unhealthy, row["id"])["automatic_replies"] > 0


async def test_a_range_that_ends_before_it_begins_is_refused_with_nothing_sent(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    async with connected(catalog, world, settings) as client:
        for wrong in ({"start_date": "2026-09-05", "end_date": "2026-09-04"}, {"end_date": "last week"}):
            result = await client.call_tool("report_campaigns", wrong)
            assert result.is_error and "end_date" in result.content[0].text
    assert world.requests == []


async def test_a_report_is_bounded_and_says_what_is_left_out(ask: Ask) -> None:
    answer = await ask("report_campaigns", max_items=1)
    assert len(answer["campaigns"]) == len(answer["sent_nothing"]) == 1
    assert "1 campaigns are left out" in answer["_note"]
    unknown = "c0a80101-ffff-4f3a-8b4c-5d6e7f8a9b01"
    answer = await ask("report_campaigns", ids=[ACTIVE, unknown])
    assert answer["unknown"] == {"ids": f"not found: {unknown}"}


# the check


def said(answer: Any, kind: str, part: str) -> str:
    (found,) = [one for one in answer[kind] if part in one]
    return str(found)


async def test_a_sender_that_no_account_is_stands_there_as_it_is_saved(ask: Ask, world: World) -> None:
    world.campaigns.change(campaign_of(world, ACTIVE), email_list=["Ada@brightpath.example", " Ben@brightpath.example"])
    found = said(await ask("check_campaign", id=ACTIVE), "warnings", "sender")
    assert found == '1 sender not an account of the workspace: " Ben@brightpath.example"'


async def test_a_campaign_in_order_has_no_blocker_and_three_samples(ask: Ask, world: World) -> None:
    answer = await ask("check_campaign", id=ACTIVE)
    waiting = [lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1]
    assert answer["blockers"] == []
    assert answer["verdict"] == "no blocker, and it is active already"
    assert answer["leads"] == {"read": 120, "to_be_written_to": len(waiting), "by_verification": {"verified": 120}}
    assert [sample["variant"] for sample in answer["samples"]] == ["A", "B", "A"]
    for sample in answer["samples"]:
        lead = next(lead for lead in waiting if lead["email"] == sample["to"])
        assert lead["first_name"] in sample["text"] and "{{" not in sample["text"] + sample["subject"]


async def test_how_long_a_campaign_takes_follows_from_its_limits(ask: Ask, world: World) -> None:
    waiting = [lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1]
    left = sum(1 if lead["status_summary"].get("lastStep") else 2 for lead in waiting)
    finish = (await ask("check_campaign", id=ACTIVE))["finish"]
    assert (finish["emails_left"], finish["per_day"]) == (left, 60)
    assert finish["days_at_least"] >= math.ceil(left / 60)
    world.campaigns.change(campaign_of(world, ACTIVE), daily_limit=None, email_gap=60)
    finish = (await ask("check_campaign", id=ACTIVE))["finish"]
    assert (finish["per_day"], finish["limited_by"]) == (16, "its senders"), "two senders, eight hours, one an hour"
    days = math.ceil(left / 16)
    assert finish["days_at_least"] == days // 5 * 7 + days % 5


async def test_a_draft_without_senders_and_leads_is_blocked(ask: Ask) -> None:
    answer = await ask("check_campaign", id=DRAFT)
    assert answer["verdict"].startswith("not ready")
    assert answer["blockers"] == ["it has no senders: give email_list with update_campaign", "it has no leads"]


async def test_a_variable_that_a_lead_lacks_is_a_blocker_unless_it_has_a_fallback(ask: Ask, world: World) -> None:
    lead = next(lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1)
    lead["payload"] = {**lead["payload"], "country": " "}
    answer = await ask("check_campaign", id=ACTIVE)
    total = answer["leads"]["to_be_written_to"]
    hole = said(answer, "blockers", "{{country}}")
    assert hole == f"{{{{country}}}} (step 1, variant A) is empty for {rate(1, total)} leads: {lead['email']}"
    assert "[country IS EMPTY]" in next(one["text"] for one in answer["samples"] if one["to"] == lead["email"])
    campaign = campaign_of(world, ACTIVE)
    for variant in campaign["sequences"][0]["steps"][0]["variants"]:
        variant["body"] = variant["body"].replace("{{country}}", "{{country|your country}}")
    answer = await ask("check_campaign", id=ACTIVE)
    assert answer["blockers"] == []
    assert "your country" in next(one["text"] for one in answer["samples"] if one["to"] == lead["email"])


async def test_a_variable_in_other_letters_is_a_blocker_with_the_one_that_is_meant(ask: Ask, world: World) -> None:
    variant = campaign_of(world, ACTIVE)["sequences"][0]["steps"][0]["variants"][0]
    variant["subject"] = "For {{FirstName}} & {{companyName}"
    answer = await ask("check_campaign", id=ACTIVE)
    assert said(answer, "blockers", "{{FirstName}}").endswith("is filled for no lead. Did you mean firstName?")
    assert said(answer, "blockers", "broken braces")
    variant["v_disabled"] = True
    assert (await ask("check_campaign", id=ACTIVE))["blockers"] == [], "what is switched off is not sent"


async def test_a_variant_behind_the_last_letter_is_told_by_its_number(ask: Ask, world: World) -> None:
    variants = campaign_of(world, ACTIVE)["sequences"][0]["steps"][0]["variants"]
    variants += [dict(variants[0]) for _ in range(27 - len(variants))]
    variants.append({**variants[0], "body": "<p>{{sector}}</p>"})
    blocker = said(await ask("check_campaign", id=ACTIVE), "blockers", "{{sector}}")
    assert "(step 1, variant 28)" in blocker


async def test_samples_read_as_the_lead_will_and_take_values_as_they_are(ask: Ask, world: World) -> None:
    lead = next(lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1)
    lead["payload"] = {**lead["payload"], "companyName": "{{firstName}} & Sons"}
    variant = campaign_of(world, ACTIVE)["sequences"][0]["steps"][0]["variants"][0]
    variant["subject"] = "{{RANDOM|Hi {{firstName}}|Hello}} of {{companyName}}, {{nickname|friend}}"
    answer = await ask("check_campaign", id=ACTIVE)
    assert answer["blockers"] == []
    assert answer["samples"][0]["subject"] == f"Hi {lead['first_name']} of {{{{firstName}}}} & Sons, friend"


async def test_settings_that_harm_and_an_end_that_comes_too_early_are_warned_of(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    schedule = {**campaign["campaign_schedule"], "start_date": "2026-09-07", "end_date": "2026-09-08"}
    changes = {"campaign_schedule": schedule, "stop_on_reply": False, "disable_bounce_protect": True}
    world.campaigns.change(campaign, **changes, daily_max_leads=10)
    answer = await ask("check_campaign", id=ACTIVE)
    new = sum(
        lead.get("campaign") == ACTIVE and lead["status"] == 1 and not lead["status_summary"].get("lastStep")
        for lead in world.leads
    )
    days = math.ceil(new / 10)
    assert answer["finish"]["days_at_least"] == days // 5 * 7 + days % 5
    assert said(answer, "warnings", "it ends on 2026-09-08")
    assert said(answer, "warnings", "stop_on_reply") and said(answer, "warnings", "bounce protection is off")
    closed = {**schedule["schedules"][0], "days": {"1": False}}
    world.campaigns.change(campaign, campaign_schedule={"schedules": [closed]})
    assert (await ask("check_campaign", id=ACTIVE))["blockers"] == ["its schedule has no hour in which it sends"]


NEVER_SENDS = {
    "past": ({"campaign_schedule": {"start_date": "2026-08-01", "end_date": "2026-08-20"}}, "ended on 2026-08-20"),
    "past, without a start": ({"campaign_schedule": {"end_date": "2026-09-06"}}, "ended on 2026-09-06"),
    "no email a day": ({"daily_limit": 0}, "daily_limit is 0"),
}


@pytest.mark.parametrize("case", NEVER_SENDS)
async def test_settings_by_which_nothing_is_ever_sent_block_and_are_a_problem_of_the_workspace(
    ask: Ask, world: World, case: str
) -> None:
    changes, why = NEVER_SENDS[case]
    campaign = campaign_of(world, ACTIVE)
    if "campaign_schedule" in changes:
        changes = {"campaign_schedule": {**campaign["campaign_schedule"], **changes["campaign_schedule"]}}
    world.campaigns.change(campaign, **changes)
    answer = await ask("check_campaign", id=ACTIVE)
    assert why in said(answer, "blockers", why) and answer["verdict"].startswith("not ready")
    assert why in why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE)[0]
    world.campaigns.change(campaign, status=2)
    assert said(await ask("check_campaign", id=ACTIVE), "blockers", why), "before it is active, too"
    assert (await ask("get_workspace_overview"))["campaigns"]["problems"] == [], "a paused one is meant to rest"


async def test_an_end_is_of_the_zone_of_the_schedule_and_of_the_clock_of_the_api(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    window = campaign["campaign_schedule"]["schedules"][0]

    async def blockers(end: str, zone: str) -> list[str]:
        schedule = {"end_date": end, "schedules": [{**window, "timezone": zone}]}
        world.campaigns.change(campaign, campaign_schedule=schedule)
        return [one for one in (await ask("check_campaign", id=ACTIVE))["blockers"] if "ended" in one]

    assert world.now().isoformat().startswith("2026-09-07T13:00")
    assert await blockers("2026-09-07", "America/Detroit") == [], "nine in the morning of its last day"
    assert len(await blockers("2026-09-07", "Asia/Hong_Kong")) == 1, "nine in the evening of it"
    world.clock.advance(12 * 3600)
    assert len(await blockers("2026-09-07", "America/Detroit")) == 1, "nine in the evening of it"
    assert len(await blockers("2026-09-07", "Asia/Hong_Kong")) == 1, "the day after it"
    assert await blockers("2026-09-08", "Asia/Hong_Kong") == []


async def test_new_leads_who_are_never_written_to_block_where_no_follow_ups_are_left(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    world.campaigns.change(campaign, daily_max_leads=0)
    answer = await ask("check_campaign", id=ACTIVE)
    assert said(answer, "warnings", "daily_max_leads is 0") and answer["blockers"] == []
    for lead in world.leads:
        if lead["status_summary"].get("lastStep"):
            world.leads.change(lead, status=3)
    answer = await ask("check_campaign", id=ACTIVE)
    assert said(answer, "blockers", "daily_max_leads is 0")
    why = why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE)
    assert why == ["not sending: new_lead_limit_met"]


async def test_senders_that_may_send_nothing_a_day_block(ask: Ask, world: World) -> None:
    for account in world.accounts:
        world.accounts.change(account, daily_limit=0)
    answer = await ask("check_campaign", id=ACTIVE)
    assert said(answer, "blockers", "the daily_limit of its senders is 0")
    assert why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE) == ["none of its senders can send"]


async def test_why_an_active_campaign_does_not_send_blocks_in_the_words_of_its_status(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    nobody = [{"action": "send", "recipient_esp": ["all"], "sender_esp": ["outlook"]}]
    world.campaigns.change(campaign, provider_routing_rules=nobody)
    for lead in world.leads:
        if lead["status_summary"].get("lastStep"):
            world.leads.change(lead, status=3)
    why = why_of(await ask("get_workspace_overview"), "campaigns", "id", ACTIVE)
    assert why == ["not sending: waiting_for_esp_match"]
    (told,) = (await ask("check_campaign", id=ACTIVE))["blockers"]
    assert told.startswith("it is active, and not sending: waiting_for_esp_match (The leads that are left wait")
    world.campaigns.change(campaign, status=2)
    answer = await ask("check_campaign", id=ACTIVE)
    assert answer["blockers"] == [] and "get_campaign_sending_status" not in answer["_calls"]


async def test_the_daily_limit_of_a_company_passes_by_itself(ask: Ask, world: World) -> None:
    limit = {"mode": "custom", "daily_limit": 1, "scope": "per-campaign"}
    world.campaigns.change(campaign_of(world, ACTIVE), limit_emails_per_company_override=limit)
    for lead in world.leads:
        if lead.get("campaign") == ACTIVE and lead["status"] == 1:
            world.leads.change(lead, company_domain="one.example")
    world.clock.advance(2 * 3600)
    assert (await ask("get_campaign_sending_status", id=ACTIVE))["summary"]["status"] == "domain_limit_reached"
    assert (await ask("check_campaign", id=ACTIVE))["blockers"] == []
    assert (await ask("get_workspace_overview"))["campaigns"]["problems"] == []


async def test_a_matching_sender_that_is_at_its_limit_today_is_waited_for_with_a_warning(
    ask: Ask, world: World
) -> None:
    first, *others = campaign_of(world, ACTIVE)["email_list"]
    for account in world.accounts:
        world.accounts.change(account, provider_code=3)
    world.accounts.change(world.accounts[first], provider_code=2, daily_limit=2)
    by_google = [{"action": "send", "recipient_esp": ["all"], "sender_esp": ["google"]}]
    world.campaigns.change(campaign_of(world, ACTIVE), provider_routing_rules=by_google)
    for lead in world.leads:
        if lead["status_summary"].get("lastStep"):
            world.leads.change(lead, status=3)
    world.clock.advance(2 * 3600)
    answer = await ask("check_campaign", id=ACTIVE)
    assert others and answer["blockers"] == []
    assert said(answer, "warnings", "waiting_for_esp_match").endswith("a sender that is at its limit today may match")
    assert (await ask("get_workspace_overview"))["campaigns"]["problems"] == []


@pytest.mark.parametrize("left", ["none at all", "none to be written to"])
async def test_that_no_lead_is_left_is_said_once(ask: Ask, world: World, left: str) -> None:
    for lead in [lead for lead in world.leads if lead.get("campaign") == ACTIVE]:
        world.leads.change(lead, **({"campaign": DRAFT} if left == "none at all" else {"status": 3}))
    world.campaigns.change(campaign_of(world, ACTIVE), status=1)
    sentence = "it has no leads" if left == "none at all" else "no lead is left to be written to"
    assert (await ask("check_campaign", id=ACTIVE))["blockers"] == [sentence]


async def test_a_check_without_the_sending_status_may_hide_a_blocker(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    async with connected(catalog, world, settings, broken="GET /campaigns/{id}/sending-status") as client:
        answer = answer_of(await client.call_tool("check_campaign", {"id": ACTIVE}))
    assert answer["blockers"] == [] and list(answer["unknown"]) == ["why it does not send"]
    assert answer["may_hide_blockers"] == ["why it does not send"]


async def test_hours_over_midnight_are_hours_in_which_it_sends(ask: Ask, world: World) -> None:
    campaign = campaign_of(world, ACTIVE)
    window = {**campaign["campaign_schedule"]["schedules"][0], "timing": {"from": "18:00", "to": "06:00"}}
    world.campaigns.change(campaign, campaign_schedule={"end_date": "2026-09-07", "schedules": [window]})
    answer = await ask("check_campaign", id=ACTIVE)
    assert answer["blockers"] == [] and answer["schedule"]["own_zone"].startswith("18:00-06:00 ")
    assert answer["finish"]["per_day"] and said(answer, "warnings", "outside 07:00-20:00")
    world.clock.advance(18 * 3600)
    assert not [one for one in (await ask("check_campaign", id=ACTIVE))["blockers"] if "ended" in one], "03:00 of it"
    world.clock.advance(3 * 3600)
    assert said(await ask("check_campaign", id=ACTIVE), "blockers", "its schedule ended on 2026-09-07")


async def test_leads_that_will_be_skipped_are_counted_and_do_not_block(ask: Ask, world: World) -> None:
    first, second, third, *_ = [lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1]
    before = (await ask("check_campaign", id=ACTIVE))["leads"]["to_be_written_to"]
    world.leads.change(first, verification_status=-1)
    world.leads.change(second, verification_status=None)
    entry = next(iter(world.block_list))
    entry["bl_value"] = third["email"].rpartition("@")[2]
    blocked = [
        lead["email"]
        for lead in world.leads
        if lead.get("campaign") == ACTIVE and lead["status"] == 1 and lead["email"].endswith(f"@{entry['bl_value']}")
    ]
    assert not {first["email"], second["email"]} & set(blocked)
    answer = await ask("check_campaign", id=ACTIVE)
    assert answer["blockers"] == []
    assert answer["leads"]["to_be_written_to"] == before - 1 - len(blocked)
    assert said(answer, "warnings", "are skipped").startswith(rate(1, before))
    assert said(answer, "warnings", "never verified").startswith(rate(1, before))
    assert blocked[0] in said(answer, "warnings", "block list")


async def test_hours_are_told_by_the_clocks_of_the_leads(ask: Ask, world: World) -> None:
    waiting = [lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1]
    for lead in waiting:
        lead["payload"] = {**lead["payload"], "country": "Japan"}
    waiting[0]["payload"]["timezone"] = "America/Detroit"
    waiting[1]["payload"]["country"] = "United States"
    answer = await ask("check_campaign", id=ACTIVE)
    now = world.now()
    offsets = [now.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() for zone in ("Asia/Tokyo", "America/Detroit")]
    assert offsets[0] is not None and offsets[1] is not None
    begin = (9 + int((offsets[0] - offsets[1]).total_seconds()) // 3600) % 24
    hours = f"{begin:02}:00-{(begin + 8) % 24:02}:00"
    zones = answer["schedule"]["leads_zones"]
    assert zones == {"Japan": f"{hours} ({len(waiting) - 2})", "America/Detroit": "09:00-17:00 (1)"}
    assert answer["schedule"]["leads_without_known_zone"] == 1
    assert f"Japan {hours}" in said(answer, "warnings", "outside 07:00-20:00")


async def test_people_who_are_under_way_elsewhere_and_agents_at_work_are_warned_of(ask: Ask, world: World) -> None:
    lead = next(lead for lead in world.leads if lead.get("campaign") == ACTIVE and lead["status"] == 1)
    other = campaign_of(world, DRAFT)
    world.leads.add({**lead, "id": world.uuid7(), "campaign": DRAFT})
    assert not [one for one in (await ask("check_campaign", id=ACTIVE))["warnings"] if "under way" in one]
    world.campaigns.change(other, status=1, email_list=["ada@brightpath.example"])
    for agent in (*world.inbox_managers, *world.lead_finders):
        agent["status"] = 1
    answer = await ask("check_campaign", id=ACTIVE)
    assert said(answer, "warnings", "under way in") == (
        f"1 lead under way in the active campaign Logistics pilots: {lead['email']}"
    )
    assert said(answer, "warnings", "limits are shared").endswith("Logistics pilots")
    assert "Brightpath replies" in said(answer, "warnings", "AI inbox manager")
    assert "Operations heads in logistics" in said(await ask("check_campaign", id=DRAFT), "warnings", "lead finder")


async def test_senders_that_fail_and_domains_without_records_are_told(ask: Ask, unhealthy: World) -> None:
    dead = next(one["id"] for one in unhealthy.campaigns if one["name"] == "Nobody left to send")
    answer = await ask("check_campaign", of=unhealthy, id=dead)
    assert "none of its senders can send" in answer["blockers"]
    assert answer["senders"] == {"found": 2, "can_send": 0}
    assert "stopped: none of its senders can send" in answer["warnings"]
    sick = next(one["id"] for one in unhealthy.campaigns if one["name"] == "Bad addresses")
    answer = await ask("check_campaign", of=unhealthy, id=sick)
    assert "spam1@ailing-mail.example" in said(answer, "warnings", "land in spam")
    bounced = sum(lead["status"] == -1 for lead in unhealthy.leads)
    assert said(answer, "blockers", "bounced").startswith(f"bounced {bounced} of ")
    steps = [{"subject": "Hello", "body": "<p>Hello {{firstName}}</p>"}]
    mine = {"name": "Mine", "senders": ["a@no-dkim.example"], "steps": steps, "leads": [{"email": "x@y.example"}]}
    world = world_of(accounts=[{"email": "a@no-dkim.example"}], campaigns=[mine])
    answer = await ask("check_campaign", of=world, id=next(iter(world.campaigns))["id"])
    assert said(answer, "blockers", "no-dkim.example").startswith("the domain no-dkim.example fails dkim:")


async def test_what_the_check_may_not_read_is_unknown_and_the_verdict_says_so(ask: Ask) -> None:
    scopes = ["campaigns:read", "leads:read"]
    answer = await ask("check_campaign", id=ACTIVE, chosen={"toolsets": ["all"], "scopes": scopes})
    assert {"senders", "block list", "AI inbox managers", "AI lead finders"} <= set(answer["unknown"])
    assert answer["blockers"] == []
    assert answer["verdict"] == "no blocker in what was read: see unknown"


async def test_leads_that_were_not_read_are_no_reason_to_say_that_none_is_left(ask: Ask, world: World) -> None:
    leads = [lead for lead in world.leads if lead.get("campaign") == ACTIVE]
    for lead in leads[:60]:
        world.leads.change(lead, status=3)
    answer = await ask("check_campaign", id=ACTIVE, max_items=50)
    assert answer["leads"]["to_be_written_to"] == 0 and answer["blockers"] == []
    assert answer["verdict"] == "no blocker in what was read: see unknown"
    for lead in leads:
        world.leads.change(lead, status=3)
    assert (await ask("check_campaign", id=ACTIVE))["blockers"] == ["no lead is left to be written to"]


@pytest.mark.parametrize(("most", "complete"), [(50, False), (119, False), (120, True), (20_000, True)])
async def test_leads_that_were_not_read_are_said(ask: Ask, most: int, complete: bool) -> None:
    answer = await ask("check_campaign", id=ACTIVE, max_items=most)
    assert answer["leads"]["read"] == min(most, 120)
    assert ("unknown" not in answer) == complete


@pytest.mark.parametrize(
    ("copy", "status", "hides"),
    [
        ("<p>Hi {{firstName}},</p><p>ten minutes?</p>", 1, ["leads"]),
        ("<p>Hi {{firstName|there}},</p><p>ten minutes?</p><p>{{accountSignature}}</p>", 1, []),
        ("<p>Hi {{firstName|there}},</p><p>ten minutes?</p>", 3, ["leads"]),
    ],
    ids=["a variable that each lead must have", "none", "none, and nobody yet who is to be written to"],
)
async def test_leads_that_were_not_read_may_hide_blockers_where_one_could_come_from_them(
    ask: Ask, world: World, copy: str, status: int, hides: list[str]
) -> None:
    steps = [{"type": "email", "delay": 0, "variants": [{"subject": "Ten minutes", "body": copy}]}]
    world.campaigns.change(world.campaigns[ACTIVE], sequences=[{"steps": steps}])
    for lead in [lead for lead in world.leads if lead.get("campaign") == ACTIVE][:60]:
        world.leads.change(lead, status=status, status_summary=None)
    answer = await ask("check_campaign", id=ACTIVE, max_items=50)
    assert "leads" in answer["unknown"] and answer["may_hide_blockers"] == hides


async def test_a_large_campaign_is_checked_within_bounds(ask: Ask) -> None:
    busy = fresh_world("busy")
    identity = next(one["id"] for one in busy.campaigns if one["name"] == "Region west")
    answer = await ask("check_campaign", of=busy, id=identity)
    assert answer["leads"]["read"] == 1000
    assert set(answer["unknown"]) == {"leads", "leads in other campaigns"}
    assert sum(answer["_calls"].values()) <= 40


async def test_a_campaign_that_does_not_exist_is_an_error(catalog: Catalog, world: World, settings: Settings) -> None:
    async with connected(catalog, world, settings) as client:
        result = await client.call_tool("check_campaign", {"id": "c0a80101-ffff-4f3a-8b4c-5d6e7f8a9b01"})
    assert result.is_error and "404" in result.content[0].text


async def test_the_check_changes_nothing(ask: Ask, world: World) -> None:
    await ask("check_campaign", id=ACTIVE)
    read_with_post = {"/api/v2/leads/list", "/api/v2/accounts/warmup-analytics", "/api/v2/accounts/test/vitals"}
    assert all(one["method"] == "GET" or one["path"] in read_with_post for one in world.requests)
