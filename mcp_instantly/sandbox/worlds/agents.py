"""AI agents of scenarios: each made as the API makes it, and active or paused as the scenario says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.shapes import Validator
from mcp_instantly.sandbox.resources.agents import deliverability_records, deliverability_runs, lead_finders
from mcp_instantly.sandbox.resources.agents.inbox_manager import add_inbox_manager
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.resources.agents.sales_agents import CREATE, make_agent
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.scenarios import AGENT, AGENT_STATUSES, Entry, ScenarioError

Add = Callable[[World, Entry], Any]

SALES_AGENT, LEAD_FINDER = Validator(CREATE), Validator(lead_finders.CREATE)


def _add_inbox_manager(world: World, given: Entry) -> None:
    payload = given.get("payload", {"configuration_type": 1})
    add_inbox_manager(world, given["name"], payload, status=_status(given, "active"), **_id(given))


def _add_sales_agent(world: World, given: Entry) -> None:
    body = {**_body(given), "status": _status(given, "paused")}
    SALES_AGENT.check(body, "sales_agents")
    make_agent(world, body, agent_id=given.get("id"))


def _add_lead_finder(world: World, given: Entry) -> None:
    LEAD_FINDER.check(_body(given), "lead_finders")
    lead_finders.make_agent(world, _body(given), agent_id=given.get("id"), status=_status(given, "active"))


def _add_deliverability_agent(world: World, given: Entry) -> None:
    if deliverability_records.find_default(world):
        raise ApiRefusal(409, "a workspace has one only")
    more: Entry = {"payload": {"integrations": {"slack": given["slack"]}}} if "slack" in given else {}
    agent = deliverability_records.add_agent(world, status=_status(given, "active"), **_id(given), **more)
    if agent["status"] == ACTIVE:
        deliverability_runs.queue_run(world, agent)


def _body(given: Entry) -> Entry:
    """What the API takes of an entry."""
    return {name: value for name, value in given.items() if name not in AGENT}


def _status(given: Entry, otherwise: str) -> int:
    return AGENT_STATUSES[given.get("status", otherwise)]


def _id(given: Entry) -> Entry:
    return {"id": given["id"]} if "id" in given else {}


def _telling(kind: str, add: Add) -> Callable[[World, Entry], None]:
    def add_or_tell(world: World, given: Entry) -> None:
        try:
            add(world, given)
        except ApiRefusal as refusal:
            raise ScenarioError(f"the {kind} {given.get('name', '')!r}: {refusal}") from None

    return add_or_tell


AGENTS = {
    "inbox_managers": _telling("inbox manager", _add_inbox_manager),
    "sales_agents": _telling("sales agent", _add_sales_agent),
    "lead_finders": _telling("lead finder", _add_lead_finder),
    "deliverability_agents": _telling("deliverability agent", _add_deliverability_agent),
}
"""How an agent of each kind is added, by its name in a scenario. Each raises ScenarioError."""
