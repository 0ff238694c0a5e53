"""Subsequences: what a campaign goes on with when something happens to a lead; flows.py knows who comes into one."""

from __future__ import annotations

import copy

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, changes, choice, fields, nullable, number, text, uuid
from mcp_instantly.sandbox.resources.campaigns.campaigns import SCHEDULE, STEP, with_units
from mcp_instantly.sandbox.resources.campaigns.campaigns import find as find_campaign
from mcp_instantly.sandbox.resources.campaigns.sending_status import report_status
from mcp_instantly.sandbox.sending import flows
from mcp_instantly.sandbox.sending.flows import ACTIVE, COMPLETED, FINISHED, IDLE, ONLY_SUBSEQUENCES, PAUSED, WAITING
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SWITCHED_OFF = fields("v_disabled", v_disabled={"enum": [True]})
VARIANTS = {
    **STEP["properties"]["variants"],
    "minItems": 1,
    "maxItems": 26,
    "contains": {"type": "object", "not": SWITCHED_OFF},
}
STEPS = array({**STEP, "properties": {**STEP["properties"], "variants": VARIANTS}})

SETTINGS = {
    "name": text(),
    "conditions": fields(
        crm_status=array(number(minimum=-30000, maximum=30000)),
        lead_activity=array(choice(flows.CLICKED, flows.COMPLETED_WITHOUT_REPLY, flows.OPENED)),
        reply_contains=text(),
    ),
    "subsequence_schedule": SCHEDULE,
    "sequences": array(fields("steps", steps=STEPS)),
    "auto_variant_select": nullable(fields("trigger", trigger=choice("reply_rate", "click_rate", "open_rate"))),
    "daily_limit_mode": choice("inherit", "custom", "unlimited"),
    "daily_limit": nullable(number()),
    "ignore_account_daily_limit": boolean(),
}


def find(world: World, subsequence_id: str) -> Record:
    """The subsequence with this id. Raises a 404."""
    subsequence = world.subsequences.get(subsequence_id)
    if not subsequence:
        raise not_found("Subsequence")
    return subsequence


def add_draft(world: World, parent_campaign: str, settings: Record) -> Record:
    """A new subsequence of a campaign, as a draft; without a schedule of its own it keeps to the campaign's."""
    draft = {
        "id": world.uuid4(),
        "timestamp_created": world.stamp(),
        "timestamp_leads_updated": world.stamp(),
        "parent_campaign": parent_campaign,
        "workspace": world.workspace["id"],
        "status": IDLE,
    }
    return world.subsequences.add({**draft, **settings})


@route(
    "POST",
    "/subsequences",
    scope="subsequences:create",
    body=fields("parent_campaign name conditions", parent_campaign=uuid(), **SETTINGS),
)
def create_subsequence(world: World, call: Call) -> Record:
    """A draft: no lead enters it until it is resumed."""
    campaign = find_campaign(world, call.body["parent_campaign"])
    settings = call.given(SETTINGS, nulls=False)
    return public(add_draft(world, campaign["id"], with_units(settings)))


@route(
    "GET",
    "/subsequences",
    scope="subsequences:read",
    query={**PAGE, "parent_campaign": uuid(), "parent_campaign_not": uuid(), "search": text()},
)
def list_subsequences(world: World, call: Call) -> Record:
    """In the order of ids, from the highest, as campaigns."""
    query = call.query
    words, last = query.get("search", "").strip().lower(), query.get("starting_after")
    found = [
        subsequence
        for subsequence in world.subsequences
        if words in subsequence["name"].lower()
        and query.get("parent_campaign") in (None, subsequence["parent_campaign"])
        and query.get("parent_campaign_not") != subsequence["parent_campaign"]
        and (last is None or subsequence["id"] < last)
    ]
    return page(sorted(found, key=lambda subsequence: subsequence["id"], reverse=True), query)


@route("GET", "/subsequences/{id}", scope="subsequences:read", id=uuid())
def get_subsequence(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/subsequences/{id}",
    scope="subsequences:update",
    audit=audit.SUBSEQUENCE_UPDATE,
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_subsequence(world: World, call: Call) -> Record:
    """Every field given replaces the old one as a whole."""
    subsequence = find(world, call.path["id"])
    settings = call.given(SETTINGS)
    world.subsequences.change(subsequence, **with_units(settings))
    _line_up(world, subsequence)
    if subsequence["status"] == ACTIVE:
        # New hours, limits or steps count from now on.
        flows.start(world, subsequence["id"])
    return public(subsequence)


def _line_up(world: World, subsequence: Record) -> None:
    """Leads that came while there were no steps begin with the first."""
    flow = flows.find_flow(world, subsequence["id"])
    if flow and flow.steps:
        for lead in _leads(world, subsequence):
            if lead["status"] == WAITING and "_ticket" not in lead:
                flows.enroll(world, lead, world.now() + flows.delay_after(flow.steps[0], "pre_"))


def _leads(world: World, subsequence: Record) -> list[Record]:
    leads = world.leads.where(campaign=subsequence["parent_campaign"])
    return [lead for lead in leads if lead.get("subsequence_id") == subsequence["id"]]


@route("DELETE", "/subsequences/{id}", scope="subsequences:delete", id=uuid())
def delete_subsequence(world: World, call: Call) -> Record:
    """The leads that are in it stay in the campaign and get nothing more; the emails that were sent stay."""
    subsequence = find(world, call.path["id"])
    for lead in _leads(world, subsequence):
        if lead["status"] == WAITING:
            flows.finish_lead(world, lead, COMPLETED)
        world.leads.change(lead, subsequence_id=None, timestamp_added_subsequence=None, _subsequence_step=None)
    world.subsequences.remove(subsequence["id"])
    _settle_parent(world, subsequence)
    return public(subsequence)


@route(
    "POST",
    "/subsequences/{id}/duplicate",
    scope="subsequences:create",
    body=fields("parent_campaign", parent_campaign=uuid(), name=text()),
    id=uuid(),
)
def duplicate_subsequence(world: World, call: Call) -> Record:
    """A draft with the same conditions and steps, without the leads; its name is the old one if none is given."""
    source = find(world, call.path["id"])
    campaign = find_campaign(world, call.body["parent_campaign"])
    settings = copy.deepcopy({name: source[name] for name in SETTINGS if name in source})
    return public(add_draft(world, campaign["id"], {**settings, "name": call.body.get("name") or source["name"]}))


@route("POST", "/subsequences/{id}/pause", scope="subsequences:update", audit=audit.SUBSEQUENCE_UPDATE, id=uuid())
def pause_subsequence(world: World, call: Call) -> Record:
    """Nothing is sent, and no lead enters it; the leads that are in it keep their place."""
    subsequence = find(world, call.path["id"])
    world.subsequences.change(subsequence, status=PAUSED)
    _settle_parent(world, subsequence)
    return public(subsequence)


@route("POST", "/subsequences/{id}/resume", scope="subsequences:update", audit=audit.SUBSEQUENCE_UPDATE, id=uuid())
def resume_subsequence(world: World, call: Call) -> Record:
    """Starts a draft as well; what happened to leads before does not bring them into it."""
    subsequence = find(world, call.path["id"])
    if subsequence["status"] != ACTIVE:
        world.subsequences.change(subsequence, status=ACTIVE)
        _settle_parent(world, subsequence)
        flows.start(world, subsequence["id"])
    return public(subsequence)


def _settle_parent(world: World, subsequence: Record) -> None:
    """A campaign that is through is done only when none of its subsequences has emails to send."""
    campaign = world.campaigns.get(subsequence["parent_campaign"])
    if campaign is None or campaign["status"] not in (FINISHED, ONLY_SUBSEQUENCES):
        return
    # To be done does not change the campaign: its timestamp_updated stays.
    world.campaigns.change(campaign, status=ONLY_SUBSEQUENCES if flows.is_followed(world, campaign["id"]) else FINISHED)


@route(
    "GET",
    "/subsequences/{id}/sending-status",
    scope="subsequences:read",
    query={"with_ai_summary": boolean()},
    id=uuid(),
)
def get_sending_status(world: World, call: Call) -> Record:
    """As for campaigns; a campaign that rests is a reason too."""
    flow = flows.find_flow(world, find(world, call.path["id"])["id"])
    if flow is None:
        raise not_found("Campaign")
    return report_status(world, flow, in_words=call.query.get("with_ai_summary", False))
