"""Scenarios: worlds as data, by name or from a file.

A scenario is a JSON object. Its `workspaces` are one admin workspace and, behind it, the members of its group; a
request acts in a member with the header `x-as-workspace`. Everything in a workspace is optional:

    {
      "description": "Two senders, one of them broken, and a campaign that has been running for three days",
      "start": "2026-09-07T13:00:00Z",
      "workspaces": [
        {
          "name": "Acme",
          "id": "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7d01",
          "keys": [{"key": "readonly", "scopes": ["all:read"]}],
          "accounts": [
            {"email": "sender{n}@acme.example", "count": 4, "days_old": 90, "daily_limit": 30},
            {"email": "broken@acme.example", "status": -1, "spam": 0.7}
          ],
          "lists": [{"name": "Prospects", "leads": [{"email": "lead{n}@prospect.example", "count": 50}]}],
          "campaigns": [
            {
              "name": "Autumn",
              "status": "active",
              "days_ago": 3,
              "senders": ["sender1@acme.example"],
              "steps": [{"subject": "Hello {{firstName}}", "body": "<p>...</p>", "wait_days": 3}],
              "leads": [{"email": "replies@customer.example", "first_name": "Rita"}]
            }
          ],
          "company_lists": [{"name": "Targets", "domains": ["prospect.example"], "ready_in_hours": 2}],
          "calls": [{"request": "POST /custom-tags", "body": {"label": "Mine"}, "days_ago": 1}]
        }
      ]
    }

- An entry with a `count` stands for so many; `{n}` in its texts is 1, 2, 3 and so on.
- An account takes the API's own fields, and besides `days_old`, and `spam`, the share of its warmup mail that lands
  there. A lead takes what can be set on one.
- A campaign takes the API's own fields too. `senders` are all accounts where they are not named. What it has done
  since `days_ago` happens while the world is made: mail was sent, people have answered.
- `company_lists` are what SuperSearch's `company_list_id` names; one can be used `ready_in_hours` after the start.
- `settings` are the API's fields of the workspace, its plans for instance; with `"plan_id": null` the API answers
  402, as it does to whoever does not pay.
- `calls` are requests to the API, for everything else; one that the API refuses is an error in the scenario.
- `"base": "demo"` begins with the demo workspace instead of an empty one.
- A member has no key but those in `keys`; in the admin workspace, the key `sandbox` may do everything.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
import zoneinfo
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from mcp_instantly.sandbox.directory.company_lists import add_company_list
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import API, ROUTES, Call
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    Validator,
    array,
    boolean,
    choice,
    date_time,
    fields,
    integer,
    is_address,
    nullable,
    number,
    read_json,
    text,
    uuid,
)
from mcp_instantly.sandbox.engine.workspaces import Seed, Workspaces
from mcp_instantly.sandbox.resources.accounts import accounts
from mcp_instantly.sandbox.resources.accounts.accounts import PROVIDER
from mcp_instantly.sandbox.resources.campaigns import campaigns
from mcp_instantly.sandbox.resources.leads.records import WRITABLE, build_lead
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key
from mcp_instantly.sandbox.resources.workspace.group import ACCEPTED, add_member
from mcp_instantly.sandbox.sending.flows import enroll, start
from mcp_instantly.sandbox.sending.warmup import rate
from mcp_instantly.sandbox.state.clock import START, Clock, parse, stamp
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds import demo
from mcp_instantly.sandbox.worlds.demo.people import FIRST, LAST

Entry = dict[str, Any]

STATUSES = {"draft": 0, "active": 1, "paused": 2, "completed": 3}
MEMBER_ID = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b8000"

_MANY = {"count": integer(minimum=1, maximum=100_000)}
_AGO = number(minimum=0, maximum=3650)
_LEADS = array(fields("email", CLOSED, email=text(), **WRITABLE, **_MANY))
_ACCOUNT = fields(
    "email",
    CLOSED,
    email=text(),
    days_old=_AGO,
    spam=number(minimum=0, maximum=1),
    status=choice(1, 2, 3, -1, -2, -3),
    status_message={"type": "object"},
    warmup_status=choice(0, 1, -1, -2, -3),
    provider_code=PROVIDER,
    setup_pending=boolean(),
    is_managed_account=boolean(),
    reply_to=nullable(text()),
    **accounts.SETTINGS,
    **_MANY,
)
_PLAN = nullable(text())
_SETTINGS = fields(
    "",
    CLOSED,
    **{f"plan_id{of}": _PLAN for of in ("", "_bundle", "_leadfinder", "_crm", "_website_visitor", "_inbox_placement")},
    plan_id_verification={"type": "object"},
    add_unsub_to_block=nullable(boolean()),
    default_opportunity_value=nullable(number()),
    org_logo_url=nullable(text()),
    org_client_domain=nullable(text()),
)
_WORKSPACE = fields(
    "",
    CLOSED,
    base=choice("demo", "empty"),
    name=text(minLength=1),
    id=uuid(),
    settings=_SETTINGS,
    keys=array(fields("key", CLOSED, key=text(minLength=1), scopes=array(text()))),
    accounts=array(_ACCOUNT),
    lists=array(fields("name", CLOSED, name=text(), id=uuid(), leads=_LEADS)),
    campaigns=array(
        fields(
            "name",
            CLOSED,
            name=text(),
            id=uuid(),
            status=choice(*STATUSES),
            days_ago=_AGO,
            timezone=text(),
            senders=array(text()),
            steps=array(fields("subject body", CLOSED, subject=text(), body=text(), wait_days=number(minimum=0))),
            leads=_LEADS,
            **{name: shape for name, shape in campaigns.SETTINGS.items() if name != "name"},
        )
    ),
    blocked=array(text()),
    company_lists=array(
        fields("name domains", CLOSED, name=text(), id=uuid(), domains=array(text(), minItems=1), ready_in_hours=_AGO)
    ),
    calls=array(fields("request", CLOSED, request=text(), body={"type": "object"}, days_ago=_AGO)),
)
SHAPE = Validator(
    fields("workspaces", CLOSED, description=text(), start=date_time(), workspaces=array(_WORKSPACE, minItems=1))
)


class ScenarioError(ValueError):
    """A scenario that does not exist or cannot be made into a world."""


def names() -> list[str]:
    """The scenarios that come with the sandbox."""
    folder = resources.files("mcp_instantly.sandbox.worlds")
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".json"))


def read_scenario(wanted: str | Path | Entry) -> Entry:
    """The scenario of this name or in this file, checked. Raises ScenarioError."""
    try:
        if isinstance(wanted, dict):
            return _checked(read_json(json.dumps(wanted).encode()))
        if str(wanted) in names():
            found = (resources.files("mcp_instantly.sandbox.worlds") / f"{wanted}.json").read_text("utf-8")
        else:
            found = Path(wanted).read_text("utf-8")
        return _checked(read_json(found.encode()))
    except OSError as error:
        known = ", ".join(names())
        raise ScenarioError(f"{wanted} is no file that can be read ({error.strerror}), nor one of {known}") from None
    except (TypeError, ValueError) as error:
        name = "the scenario" if isinstance(wanted, dict) else wanted
        raise error if isinstance(error, ScenarioError) else ScenarioError(f"{name} is no JSON: {error}") from None


def _checked(scenario: Any) -> Entry:
    try:
        SHAPE.check(scenario, "scenario")
        if "start" in scenario:
            Clock().set(parse(scenario["start"]))
    except ApiRefusal as refusal:
        raise ScenarioError(str(refusal)) from None
    except ValueError as error:
        raise ScenarioError(f"scenario/start: {error}") from None
    found: dict[str, Any] = scenario
    return found


def build_workspaces(wanted: str | Path | Entry, seed: int = 1, *, clock: Clock | None = None) -> Workspaces:
    """The workspaces of a scenario. Raises ScenarioError."""
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
    workspaces = Workspaces(World(seed, clock=clock, seed_data=fill_home), members)
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
    planned: list[Entry] = [*workspace.get("campaigns", ()), *workspace.get("calls", ())]
    # In the order in which they happened; what follows from one is there before the next.
    for entry in sorted(planned, key=lambda entry: -entry.get("days_ago", 0)):
        with world.during(_ago(world, entry)):
            if "request" in entry:
                _perform(world, entry)
            else:
                _add_campaign(world, entry)
    world.run_due()


def _name(world: World, workspace: Entry) -> None:
    given: Entry = {name: workspace[name] for name in ("id", "name") if name in workspace}
    world.workspace.update({**given, **workspace.get("settings", {})})


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
        raise ScenarioError(f"{email!r} is no e-mail address")


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


__all__ = ["START", "ScenarioError", "build_workspaces", "names", "read_scenario"]
