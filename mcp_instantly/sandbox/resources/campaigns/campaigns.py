"""Campaigns: create, read, change, start and stop."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, route
from mcp_instantly.sandbox.engine.shapes import (
    array,
    boolean,
    changes,
    choice,
    fields,
    integer,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.engine.timezones import TIMEZONES
from mcp_instantly.sandbox.resources.leads.records import CORE_VARIABLES, remove_lead
from mcp_instantly.sandbox.sending import dispatch
from mcp_instantly.sandbox.sending.matching import tag_ids
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

DRAFT, ACTIVE, PAUSED = 0, 1, 2
STATUS = choice(-99, -1, -2, 0, 1, 2, 3, 4)

RAW_AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-f]+;|[a-z][a-z0-9]*;)", re.IGNORECASE)
"""What makes the API lose the whole body in which it stands, without a word; written as an entity it is harmless."""

TIME = text(pattern="^([01][0-9]|2[0-3]):([0-5][0-9])$")
UNIT = choice("minutes", "hours", "days")

SCHEDULE = fields(
    "schedules",
    start_date=nullable(text(format="date")),
    end_date=nullable(text(format="date")),
    schedules=array(
        fields(
            "name timing days timezone",
            name=text(),
            timing=fields("from to", **{"from": TIME, "to": TIME}),
            days=fields("", {"minProperties": 1}, **{str(day): boolean() for day in range(7)}),
            timezone=choice(*TIMEZONES),
        ),
        minItems=1,
    ),
)
STEP = fields(
    "type delay variants",
    type=choice("email"),
    delay=number(),
    delay_unit=UNIT,
    pre_delay=number(),
    pre_delay_unit=UNIT,
    variants=array(fields("subject body", subject=text(), body=text(), v_disabled=boolean())),
)
SEQUENCES = array(fields("steps", steps=array(STEP)))
PROVIDERS = array(choice("all", "google", "outlook", "other"))

SETTINGS = {
    "name": text(),
    "pl_value": nullable(number()),
    "is_evergreen": nullable(boolean()),
    "campaign_schedule": SCHEDULE,
    "sequences": SEQUENCES,
    "email_gap": nullable(number()),
    "random_wait_max": nullable(number()),
    "text_only": nullable(boolean()),
    "first_email_text_only": nullable(boolean()),
    "email_list": array(text()),
    "daily_limit": nullable(number()),
    "stop_on_reply": nullable(boolean()),
    "email_tag_list": array(uuid()),
    "link_tracking": nullable(boolean()),
    "open_tracking": boolean(),
    "stop_on_auto_reply": nullable(boolean()),
    "daily_max_leads": nullable(integer(minimum=0)),
    "prioritize_new_leads": nullable(boolean()),
    "auto_variant_select": nullable(fields("trigger", trigger=choice("reply_rate", "click_rate", "open_rate"))),
    "match_lead_esp": nullable(boolean()),
    "stop_for_company": nullable(boolean()),
    "insert_unsubscribe_header": nullable(boolean()),
    "allow_risky_contacts": nullable(boolean()),
    "disable_bounce_protect": nullable(boolean()),
    "limit_emails_per_company_override": nullable(
        fields(
            "mode",
            mode=choice("custom", "disabled"),
            daily_limit=number(minimum=1),
            scope=choice("per_campaign", "across_workspace"),
        )
    ),
    "cc_list": array(text(format="email")),
    "bcc_list": array(text(format="email")),
    "owned_by": nullable(uuid()),
    "provider_routing_rules": array(
        fields(action=choice("send", "do_not_send"), recipient_esp=PROVIDERS, sender_esp=PROVIDERS)
    ),
}


def find(world: World, campaign_id: str) -> Record:
    """The campaign with this id. Raises a 404."""
    campaign = world.campaigns.get(campaign_id)
    if not campaign:
        raise not_found("Campaign")
    return campaign


def change(world: World, campaign: Record, **settings: Any) -> Record:
    return world.campaigns.change(campaign, **settings, timestamp_updated=world.stamp())


def add_draft(world: World, settings: Record) -> Record:
    """A new campaign with these settings, as a draft."""
    draft = {
        "id": world.uuid4(),
        "name": settings["name"],
        "status": DRAFT,
        "campaign_schedule": settings["campaign_schedule"],
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        "open_tracking": False,
        "organization": world.workspace["id"],
    }
    return world.campaigns.add({**draft, **settings})


@route(
    "POST",
    "/campaigns",
    scope="campaigns:create",
    body=fields("name campaign_schedule", **SETTINGS, ai_sdr_id=nullable(uuid())),
)
def create_campaign(world: World, call: Call) -> Record:
    """A draft; it sends nothing until it is activated."""
    names = (*SETTINGS, "ai_sdr_id")
    settings = call.given(names, nulls=False)
    return public(add_draft(world, with_units(settings)))


def with_units(settings: Record) -> Record:
    """The settings as they are kept: with the units of delays filled in, and the bodies that are left."""
    if "sequences" not in settings:
        return settings
    sequences = [
        {**sequence, "steps": [_kept_step(step) for step in sequence["steps"]]} for sequence in settings["sequences"]
    ]
    return {**settings, "sequences": sequences}


def _kept_step(step: Record) -> Record:
    variants = [{**variant, "body": _kept_body(variant["body"])} for variant in step["variants"]]
    return {"delay_unit": "days", "pre_delay_unit": "days", **step, "variants": variants}


def _kept_body(body: str) -> str:
    return "" if RAW_AMPERSAND.search(body) else body.replace("&nbsp;", " ")


@route(
    "GET",
    "/campaigns",
    scope="campaigns:read",
    query={
        **PAGE,
        "search": text(),
        "tag_ids": text(),
        "ai_sales_agent_id": uuid(),
        "status": STATUS,
        "exclude_status": STATUS,
    },
)
def list_campaigns(world: World, call: Call) -> Record:
    """In the order of ids, from the highest, which says nothing about age."""
    query = call.query
    found = sorted((c for c in world.campaigns if _wanted(world, c, query)), key=lambda c: c["id"], reverse=True)
    if "starting_after" in query:
        found = [campaign for campaign in found if campaign["id"] < query["starting_after"]]
    return page(found, query)


def _wanted(world: World, campaign: Record, query: dict[str, Any]) -> bool:
    return (
        query.get("search", "").lower() in campaign["name"].lower()
        and query.get("status", campaign["status"]) == campaign["status"]
        and ("exclude_status" not in query or query["exclude_status"] != campaign["status"])
        and ("ai_sales_agent_id" not in query or query["ai_sales_agent_id"] == campaign.get("ai_sdr_id"))
        and ("tag_ids" not in query or bool(set(commas(query["tag_ids"])) & set(tag_ids(world, campaign["id"]))))
    )


@route("GET", "/campaigns/count-launched", scope="campaigns:read")
def count_launched(world: World, call: Call) -> Record:
    return {"count": sum(campaign["status"] != DRAFT for campaign in world.campaigns)}


@route(
    "GET",
    "/campaigns/search-by-contact",
    scope="campaigns:read",
    query={"search": text(), "sort_column": text(), "sort_order": text()},
)
def search_by_contact(world: World, call: Call) -> Record:
    """The campaigns that hold a lead with this address."""
    query = call.query
    email = query.get("search", "").strip().lower()
    ids = {lead.get("campaign") for lead in world.leads.where(email=email)}
    found = [campaign for campaign in world.campaigns if campaign["id"] in ids]
    column = query.get("sort_column", "timestamp_created")
    found.sort(key=lambda campaign: str(campaign.get(column, "")), reverse=query.get("sort_order") == "desc")
    return {"items": [public(campaign) for campaign in found]}


@route("GET", "/campaigns/{id}", scope="campaigns:read", id=uuid())
def get_campaign(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/campaigns/{id}",
    scope="campaigns:update",
    audit=audit.CAMPAIGN_UPDATE,
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_campaign(world: World, call: Call) -> Record:
    """Every field given replaces the old one, lists and sequences as a whole."""
    campaign = find(world, call.path["id"])
    settings = call.given(SETTINGS)
    change(world, campaign, **with_units(settings))
    if campaign["status"] == ACTIVE:
        # New hours, senders or limits count from now on.
        dispatch.start(world, campaign["id"])
    return public(campaign)


@route("DELETE", "/campaigns/{id}", scope="campaigns:delete", audit=audit.CAMPAIGN_DELETION, id=uuid())
def delete_campaign(world: World, call: Call) -> Record:
    """A campaign goes with its leads, subsequences and tags; the emails that were sent stay."""
    campaign = find(world, call.path["id"])
    world.campaigns.remove(campaign["id"])
    for lead in world.leads.where(campaign=campaign["id"]):
        remove_lead(world, lead)
    for subsequence in world.subsequences.where(parent_campaign=campaign["id"]):
        world.subsequences.remove(subsequence["id"])
    for mapping in world.custom_tag_mappings.where(resource_id=campaign["id"]):
        world.custom_tag_mappings.remove(mapping["id"])
    return public(campaign)


@route("POST", "/campaigns/{id}/activate", scope="campaigns:update", audit=audit.CAMPAIGN_LAUNCH, id=uuid())
def activate_campaign(world: World, call: Call) -> Record:
    """Succeeds whatever is missing; a campaign that cannot send shows it in its status later."""
    campaign = find(world, call.path["id"])
    if campaign["status"] != ACTIVE:
        change(world, campaign, status=ACTIVE)
        answer = public(campaign)
        dispatch.start(world, campaign["id"])
        return answer
    return public(campaign)


@route("POST", "/campaigns/{id}/pause", scope="campaigns:update", audit=audit.CAMPAIGN_PAUSE, id=uuid())
def pause_campaign(world: World, call: Call) -> Record:
    return public(change(world, find(world, call.path["id"]), status=PAUSED))


@route(
    "POST",
    "/campaigns/{id}/variables",
    scope="campaigns:update",
    audit=audit.CAMPAIGN_UPDATE,
    body=fields("variables", variables=array(text())),
    id=uuid(),
)
def add_variables(world: World, call: Call) -> Record:
    campaign = find(world, call.path["id"])
    core = {name: True for name in call.body["variables"] if name in CORE_VARIABLES}
    custom = {name: True for name in call.body["variables"] if name not in CORE_VARIABLES}
    return public(
        change(
            world,
            campaign,
            core_variables={**campaign.get("core_variables", {}), **core},
            custom_variables={**campaign.get("custom_variables", {}), **custom},
        )
    )
