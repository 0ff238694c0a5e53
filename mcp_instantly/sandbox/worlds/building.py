"""Scenarios made into worlds: accounts, leads, campaigns, and what has happened in them."""

from __future__ import annotations

import datetime as dt
import functools
import re
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.sandbox.directory.company_lists import add_company_list
from mcp_instantly.sandbox.engine.people import add_person
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import API, ROUTES, Call
from mcp_instantly.sandbox.engine.shapes import is_address
from mcp_instantly.sandbox.engine.workspaces import Seed, Workspaces
from mcp_instantly.sandbox.resources.campaigns import campaigns
from mcp_instantly.sandbox.resources.leads.records import build_lead, share_variables
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key
from mcp_instantly.sandbox.resources.workspace.group import ACCEPTED, add_member
from mcp_instantly.sandbox.sending.flows import enroll, start
from mcp_instantly.sandbox.sending.warmup import rate
from mcp_instantly.sandbox.state.clock import Clock, parse, stamp
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds import demo
from mcp_instantly.sandbox.worlds.agents import AGENTS
from mcp_instantly.sandbox.worlds.demo.people import FIRST, LAST
from mcp_instantly.sandbox.worlds.scenarios import MEMBER_ID, STATUSES, Entry, ScenarioError, read_scenario


def build_workspaces(
    wanted: str | Path | Entry, seed: int = 1, *, clock: Clock | None = None, filled: bool = True
) -> Workspaces:
    """The workspaces of a scenario; with `filled` false, empty until they are reset. Raises ScenarioError."""
    scenario = read_scenario(wanted)
    clock = clock or Clock()
    if "start" in scenario:
        clock.set(parse(scenario["start"]))
    home, *others = scenario["workspaces"]
    others = [
        {"id": MEMBER_ID[:-3] + f"{n:03d}", "name": f"Workspace {n}", **other} for n, other in enumerate(others, 1)
    ]

    def fill_home(world: World) -> None:
        if home.get("base") == "demo":
            demo.seed_data(world)
        _name(world, home)
        for other in others:
            neighbour = world.neighbours.add({"id": other["id"], "name": other["name"]})
            add_member(world, neighbour, status=ACCEPTED)
            world.sister_workspaces.add(other["id"])
        fill(world, home)

    members: dict[str, Seed] = {other["id"]: functools.partial(_fill_member, other) for other in others}
    workspaces = Workspaces(World(seed, clock=clock, seed_data=fill_home, filled=filled), members, filled=filled)
    workspaces.scenario = scenario
    return workspaces


def _fill_member(workspace: Entry, world: World) -> None:
    if workspace.get("base") == "demo":
        raise ScenarioError("only the first workspace can begin as the demo")
    fill(world, workspace)


def fill(world: World, workspace: Entry) -> None:
    """Add to a world what a scenario says of one workspace."""
    _name(world, workspace)
    for key in workspace.get("keys", ()):
        add_key(world, key["key"], key.get("scopes", ["all:all"]), key=key["key"])
    for account in _each(workspace.get("accounts", ())):
        _add_account(world, account)
    for value in workspace.get("blocked", ()):
        _perform(world, {"request": "POST /block-lists-entries", "body": {"bl_value": value}})
    for person in _each(workspace.get("people", ())):
        try:
            add_person(world, person)
        except ValueError as error:
            raise ScenarioError(f"people, {person.get('lead')!r}: {error}") from None
    for found in workspace.get("lists", ()):
        made = world.lead_lists.add(
            {
                "id": found.get("id") or world.uuid4(),
                "organization_id": world.workspace["id"],
                "has_enrichment_task": False,
                "owned_by": world.workspace["owner"],
                "name": found["name"],
                "timestamp_created": world.stamp(),
            }
        )
        _add_leads(world, found.get("leads", ()), list_id=made["id"])
    for found in workspace.get("company_lists", ()):
        wait = 3600 * found.get("ready_in_hours", 0)
        add_company_list(world, found["name"], {"domains": found["domains"]}, list_id=found.get("id"), ready_in=wait)
    planned: list[tuple[Entry, Callable[[World, Entry], None]]] = [
        *((entry, _add_campaign) for entry in workspace.get("campaigns", ())),
        *((entry, add) for kind, add in AGENTS.items() for entry in workspace.get(kind, ())),
        *((entry, _perform) for entry in workspace.get("calls", ())),
    ]
    # In the order in which they happened; what follows from one is there before the next.
    for entry, make in sorted(planned, key=lambda plan: -plan[0].get("days_ago", 0)):
        with world.during(_ago(world, entry)):
            make(world, entry)
    world.run_due()


def _name(world: World, workspace: Entry) -> None:
    given: Entry = {name: workspace[name] for name in ("id", "name") if name in workspace}
    settings = dict(workspace.get("settings", {}))
    if "lead_limit" in settings:
        given["_lead_limit"] = settings.pop("lead_limit")
    world.workspace.update({**given, **settings})


def _ago(world: World, entry: Entry) -> dt.datetime:
    return world.now() - dt.timedelta(days=entry.get("days_ago", 0))


def _each(entries: Any) -> Iterator[Entry]:
    """The entries one by one: those with a count so many times, numbered."""
    for entry in entries:
        plain = {name: value for name, value in entry.items() if name != "count"}
        if "count" not in entry:
            yield plain
        for n in range(1, entry.get("count", 0) + 1):
            number = str(n)
            yield {
                name: value.replace("{n}", number) if isinstance(value, str) else value for name, value in plain.items()
            }


def _check_address(email: str) -> None:
    if not is_address(email):
        raise ScenarioError(f"{email!r} is not an email address")


def _add_account(world: World, given: Entry) -> None:
    _check_address(given["email"])
    wire = {name: value for name, value in given.items() if name not in ("days_old", "spam")}
    born = stamp(world.now() - dt.timedelta(days=given.get("days_old", 90)))
    local = given["email"].partition("@")[0]
    account = {
        "timestamp_created": born,
        "timestamp_updated": world.stamp(),
        "first_name": local.split(".")[0].title(),
        "last_name": local.split(".")[-1].title(),
        "organization": world.workspace["id"],
        "added_by": world.workspace["owner"],
        "warmup": {"limit": 20, "increment": "2", "reply_rate": 0.3},
        "warmup_status": 1,
        "timestamp_warmup_start": born,
        "daily_limit": 30,
        "sending_gap": 5,
        "status": 1,
        "provider_code": 2,
        "setup_pending": False,
        "is_managed_account": False,
        **wire,
        "email": given["email"].lower(),
    }
    if "spam" in given:
        account["_spam"] = given["spam"]
    rate(world, account)
    if account["email"] in world.accounts:
        raise ScenarioError(f"there are two accounts {account['email']}")
    world.accounts.add(account)


def _add_leads(world: World, entries: Any, *, campaign: str | None = None, list_id: str | None = None) -> None:
    count, known = len(world.leads), set()
    for entry in _each(entries):
        _check_address(entry["email"])
        if entry["email"].lower() in known:
            raise ScenarioError(f"there are two leads {entry['email']} in one place")
        known.add(entry["email"].lower())
        count += 1
        given = {
            "first_name": FIRST[count % len(FIRST)],
            "last_name": LAST[count % len(LAST)],
            "company_name": entry["email"].rpartition("@")[2].partition(".")[0].title(),
            **entry,
        }
        lead = world.leads.add(build_lead(world, given, campaign=campaign, list_id=list_id))
        if campaign:
            enroll(world, lead)
            share_variables(world, campaign, [lead])


def _add_campaign(world: World, given: Entry) -> None:
    hours = {"name": "Office hours", "timing": {"from": "09:00", "to": "17:00"}}
    days = {str(day): 1 <= day <= 5 for day in range(7)}
    zone = given.get("timezone", "America/Detroit")
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ScenarioError(f"there is no time zone {zone!r}") from None
    steps = [
        {"type": "email", "delay": step.get("wait_days", 3), "variants": [{n: step[n] for n in ("subject", "body")}]}
        for step in given.get("steps", ())
    ]
    settings = {
        "campaign_schedule": {"schedules": [{**hours, "days": days, "timezone": zone}]},
        "stop_on_reply": True,
        "open_tracking": True,
        "email_list": given.get("senders", [account["email"] for account in world.accounts]),
        **({"sequences": [{"steps": steps}]} if steps else {}),
        **{name: value for name, value in given.items() if name in campaigns.SETTINGS},
    }
    more = {"id": given["id"]} if "id" in given else {}
    campaign = campaigns.add_draft(world, {**campaigns.with_units(settings), **more})
    _add_leads(world, given.get("leads", ()), campaign=campaign["id"])
    status = STATUSES[given.get("status", "draft")]
    world.campaigns.change(campaign, status=status)
    if status == STATUSES["active"]:
        start(world, campaign["id"])


def _perform(world: World, entry: Entry) -> None:
    """Carry out a request to the API. Raises ScenarioError where it would be refused."""
    method, _, path = entry["request"].partition(" ")
    for known in sorted(ROUTES, key=lambda known: known.path.count("{")):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(known.path[len(API) :]))
        found = re.fullmatch(pattern, path)
        if known.method == method and found:
            break
    else:
        raise ScenarioError(f"there is no operation {entry['request']!r}")
    body = entry.get("body", {})
    try:
        known.params.check(found.groupdict(), "params")
        if known.body is not None:
            known.body.check(body, "body")
        known.handler(world, Call(found.groupdict(), {}, body))
    except ApiRefusal as refusal:
        raise ScenarioError(f"{entry['request']}: {refusal}") from None
