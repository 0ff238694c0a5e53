"""The guidance rules of sales agents: a list of texts in the agent's memory, known by their positions alone."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import changes, fields, text, uuid
from mcp_instantly.sandbox.resources.agents.sales_records import change_agent, find_agent, settings_of
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

MOST = 10
LONGEST_TITLE = 119
TITLE = text(maxLength=LONGEST_TITLE, pattern=r"^[^\n\r]*$")
CONTENT = text(minLength=1)
RULE = text(pattern=r"^rule-(0|[1-9][0-9]*)$")


def rules_of(agent: Record) -> list[str]:
    """The rules as they are kept: the title, then the content from the second line on."""
    return list(settings_of(agent, "memory").get("custom_fields") or ())


def written(title: str, content: str) -> str:
    return f"{title}\n{content}"


def _shown(kept: str, place: int) -> Record:
    """A rule as it is answered. One that came without a title is called by its position."""
    title, line_break, content = kept.partition("\n")
    if not line_break or not title or len(title) > LONGEST_TITLE:
        title, content = _title_at(place), kept.removeprefix("\n")
    return {"id": f"rule-{place}", "title": title, "content": content}


def _title_at(place: int) -> str:
    return f"Rule {place + 1}"


def _keep(world: World, agent: Record, rules: list[str]) -> None:
    memory = {**settings_of(agent, "memory"), "custom_fields": rules}
    change_agent(world, agent, config={**agent["config"], "memory": memory})


def _place(call: Call, rules: list[str]) -> int:
    """The position that the request names. Raises a 404 where no rule stands there."""
    digits = call.path["rule_id"].removeprefix("rule-")
    # Longer numbers than that are not positions, and take long to read.
    if len(digits) > len(str(MOST)) or int(digits) >= len(rules):
        raise not_found("Guidance rule")
    return int(digits)


@route("GET", "/ai-agents/sales/{id}/guidance-rules", scope="ai_sdr:read", id=uuid())
def list_rules(world: World, call: Call) -> Record:
    rules = rules_of(find_agent(world, call.path["id"]))
    return {"items": [_shown(kept, place) for place, kept in enumerate(rules)]}


@route(
    "POST",
    "/ai-agents/sales/{id}/guidance-rules",
    scope="ai_sdr:update",
    body=fields("content", title=TITLE, content=CONTENT),
    id=uuid(),
)
def create_rule(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    rules = rules_of(agent)
    if len(rules) >= MOST:
        raise ApiRefusal(400, f"An agent can have at most {MOST} guidance rules")
    rules.append(written(call.body.get("title") or _title_at(len(rules)), call.body["content"]))
    _keep(world, agent, rules)
    return _shown(rules[-1], len(rules) - 1)


@route(
    "PATCH",
    "/ai-agents/sales/{id}/guidance-rules/{rule_id}",
    scope="ai_sdr:update",
    body=changes(title=TITLE, content=CONTENT),
    id=uuid(),
    rule_id=RULE,
)
def update_rule(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    rules = rules_of(agent)
    place = _place(call, rules)
    rule = {**_shown(rules[place], place), **call.body}
    rules[place] = written(rule["title"] or _title_at(place), rule["content"])
    _keep(world, agent, rules)
    return _shown(rules[place], place)


@route(
    "DELETE",
    "/ai-agents/sales/{id}/guidance-rules/{rule_id}",
    scope="ai_sdr:update",
    id=uuid(),
    rule_id=RULE,
)
def delete_rule(world: World, call: Call) -> Record:
    """The rules behind it move up, and with them what their ids mean."""
    agent = find_agent(world, call.path["id"])
    rules = rules_of(agent)
    del rules[_place(call, rules)]
    _keep(world, agent, rules)
    return {"id": call.path["rule_id"], "deleted": True}
