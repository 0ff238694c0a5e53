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
              "id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9c01",
              "status": "active",
              "days_ago": 3,
              "senders": ["sender1@acme.example"],
              "steps": [{"subject": "Hello {{firstName}}", "body": "<p>...</p>", "wait_days": 3}],
              "leads": [{"email": "replies@customer.example", "first_name": "Rita"}]
            }
          ],
          "people": [{"lead": "lead{n}@prospect.example", "count": 2, "on": "step_1", "reply": {"text": "Who?"}}],
          "company_lists": [{"name": "Targets", "domains": ["prospect.example"], "ready_in_hours": 2}],
          "inbox_managers": [{"name": "Replies", "payload": {"configuration_type": 1}, "status": "paused"}],
          "sales_agents": [
            {"name": "Sales", "agent_type": 2, "type": "website", "input": "https://acme.example", "status": "active"}
          ],
          "lead_finders": [
            {
              "name": "More leads",
              "campaign_id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9c01",
              "search_filters": {"title": {"include": ["CFO"]}},
              "min_active_leads": 20,
              "on_exhaustion": "pause"
            }
          ],
          "deliverability_agents": [{"days_ago": 7}],
          "calls": [{"request": "POST /custom-tags", "body": {"label": "Mine"}, "days_ago": 1}]
        }
      ]
    }

- An entry with a `count` stands for so many; `{n}` in its texts is 1, 2, 3 and so on.
- An account takes the API's own fields, and besides `days_old`, and `spam`, the share of its warmup email that lands
  there. A lead takes what can be set on one.
- A campaign takes the API's own fields too. `senders` are all accounts where they are not named. What it has done
  since `days_ago` happens while the world is made: emails were sent, people have replied.
- `people` say what leads do, instead of what their addresses or chance would make them do: see engine/people.py.
- `company_lists` are what SuperSearch's `company_list_id` names; one can be used `ready_in_hours` after the start.
- Agents take the fields with which the API makes one, and begin to work `days_ago`, unless their `status` is paused:
  `inbox_managers` reply to what people write back, `lead_finders` fill up a campaign, which needs an `id`, and the one
  of `deliverability_agents` checks the accounts. `sales_agents` are paused unless their `status` is active.
- `settings` are the API's fields of the workspace, its plans for instance; with `"plan_id": null` the API answers
  402, as it does without a paid plan. Besides, `lead_limit` is how many leads the plan allows, instead of the
  plan's own number: no more come into campaigns than are left of them, except those that the scenario puts there,
  and SuperSearch imports that ask for more are answered with 403.
- `calls` are requests to the API, for everything else; one that the API refuses is an error in the scenario.
- `"base": "demo"` begins with the demo workspace instead of an empty one.
- A member has no key but those in `keys`; in the admin workspace, the key `sandbox` may do everything.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    Validator,
    array,
    boolean,
    choice,
    date_time,
    fields,
    integer,
    nullable,
    number,
    read_json,
    text,
    uuid,
)
from mcp_instantly.sandbox.resources.accounts import accounts
from mcp_instantly.sandbox.resources.accounts.accounts import PROVIDER
from mcp_instantly.sandbox.resources.agents import lead_finders, sales_agents
from mcp_instantly.sandbox.resources.agents.deliverability import SLACK
from mcp_instantly.sandbox.resources.agents.inbox_manager import PAYLOAD
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE
from mcp_instantly.sandbox.resources.campaigns import campaigns
from mcp_instantly.sandbox.resources.leads.records import WRITABLE
from mcp_instantly.sandbox.state.clock import START, Clock, parse

Entry = dict[str, Any]

STATUSES = {"draft": 0, "active": 1, "paused": 2, "completed": 3}
AGENT_STATUSES = {"active": ACTIVE, "paused": INACTIVE}
MEMBER_ID = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b8000"

_MANY = {"count": integer(minimum=1, maximum=100_000)}
_AGO = number(minimum=0, maximum=3650)
AGENT = {"id": uuid(), "status": choice(*AGENT_STATUSES), "days_ago": _AGO}
"""What an agent of any kind has besides the fields with which the API makes one."""

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
    lead_limit=integer(minimum=0),
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
    people=array({"type": "object", "properties": _MANY}),
    company_lists=array(
        fields("name domains", CLOSED, name=text(), id=uuid(), domains=array(text(), minItems=1), ready_in_hours=_AGO)
    ),
    inbox_managers=array(fields("name", CLOSED, name=text(), payload=PAYLOAD, **AGENT)),
    sales_agents=array(fields("name", CLOSED, **{**sales_agents.CREATE["properties"], **AGENT})),
    lead_finders=array(
        fields(
            "name campaign_id search_filters min_active_leads on_exhaustion",
            CLOSED,
            **lead_finders.CREATE["properties"],
            **AGENT,
        )
    ),
    deliverability_agents=array(fields("", CLOSED, **SLACK["properties"], **AGENT), maxItems=1),
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
        raise ScenarioError(f"{wanted} is not a file that can be read ({error.strerror}), nor one of {known}") from None
    except (TypeError, ValueError) as error:
        name = "the scenario" if isinstance(wanted, dict) else wanted
        raise (
            error if isinstance(error, ScenarioError) else ScenarioError(f"{name} is not valid JSON: {error}")
        ) from None


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


__all__ = ["START", "ScenarioError", "names", "read_scenario"]
