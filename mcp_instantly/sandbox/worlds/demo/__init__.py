"""The demo workspace: Brightpath, a small company that sells to finance teams.

What happened before the sandbox's first instant is made by the functions that make it happen later on, each at its
own instant; so every counter, thread and analytics row agrees with the others.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

from mcp_instantly.sandbox.resources.leads.records import build_lead, share_variables, status_of
from mcp_instantly.sandbox.sending.flows import LISTED, WAITING, enroll, start
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo import campaigns
from mcp_instantly.sandbox.worlds.demo.agents import add_agents
from mcp_instantly.sandbox.worlds.demo.deliverability import add_deliverability
from mcp_instantly.sandbox.worlds.demo.enrichments import add_company_lists, add_enrichments
from mcp_instantly.sandbox.worlds.demo.extras import add_extras
from mcp_instantly.sandbox.worlds.demo.finders import add_finders
from mcp_instantly.sandbox.worlds.demo.follow_up import add_follow_up
from mcp_instantly.sandbox.worlds.demo.history import tell_autumn, tell_spring
from mcp_instantly.sandbox.worlds.demo.people import BADGE_LIST, CFO_LIST, lead_id, person
from mcp_instantly.sandbox.worlds.demo.sales_agent import add_sales_agents
from mcp_instantly.sandbox.worlds.demo.senders import add_accounts, add_tags
from mcp_instantly.sandbox.worlds.demo.team import SISTER, add_log, add_office, add_webhooks

WORKSPACE = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c01"

MOST_COPIES = 4
COPYING = threading.Lock()
COPIES: dict[tuple[int, dt.datetime], bytes | None] = {}
"""By seed and first instant, what worlds began with; None after the first, as most processes have no second."""


def seed_data(world: World) -> None:
    """Fill an empty world with the demo workspace, everything in relation to its present, to the second.

    Who makes many worlds, one for each test for instance, gets copies from the third on.
    """
    begins = world.clock.now().replace(microsecond=0)
    if copied := COPIES.get((world.seed, begins)):
        world.take_contents(copied)
        return
    with world.clock.held(begins):
        _tell(world)
    copied = world.copy_contents() if (world.seed, begins) in COPIES else None
    with COPYING:
        COPIES[world.seed, begins] = copied
        if len(COPIES) > MOST_COPIES:
            del COPIES[next(iter(COPIES))]


def _tell(world: World) -> None:
    _add_workspace(world)
    add_accounts(world)
    campaigns.add_campaigns(world)
    _add_lists(world)
    # In the order of their ids, which is the order in which the API lists them.
    with world.during(world.now() - dt.timedelta(days=2, hours=18)):
        _add_leads(world, range(1, 121), campaign=campaigns.FINTECH)
    with world.during(world.now() - dt.timedelta(days=149)):
        _add_leads(world, range(121, 141), campaign=campaigns.WEBINAR)
    with world.during(world.now() - dt.timedelta(days=40)):
        _add_leads(world, range(141, 181), list_id=CFO_LIST)
    with world.during(world.now() - dt.timedelta(days=12)):
        _add_leads(world, range(181, 201), list_id=BADGE_LIST)
    tell_spring(world)
    tell_autumn(world)
    add_tags(world)
    _add_jobs(world)
    _add_block_list(world)
    add_follow_up(world)
    _share_webinar(world)
    _remember_verification(world)
    add_office(world)
    add_webhooks(world)
    add_log(world)
    _go_live(world)
    add_extras(world)
    add_enrichments(world, CFO_LIST)
    add_company_lists(world)
    add_agents(world)
    add_finders(world)
    add_sales_agents(world, CFO_LIST)
    add_deliverability(world)


def _go_live(world: World) -> None:
    """The past is over; from here on the active campaign sends by itself."""
    world.agenda.clear()
    world.ticks.clear()
    campaign = world.campaigns[campaigns.FINTECH]
    world.campaigns.change(campaign, status=1, timestamp_updated=_ago(world, days=2, hours=17))
    start(world, campaigns.FINTECH)


def _share_webinar(world: World) -> None:
    """The finished campaign was shared two days ago, so for five days more anybody can copy it."""
    campaign = world.campaigns[campaigns.WEBINAR]
    world.campaigns.change(campaign, _shared_until=stamp(world.now() + dt.timedelta(days=5)))


def _remember_verification(world: World) -> None:
    """The address of the first lead was verified before it was written to."""
    verified = {"status": "success", "verification_status": "verified", "catch_all": False}
    world.verifications.add({"email": person(1)["email"], **verified, "credits": world.verification_credits})


def _ago(world: World, **past: float) -> str:
    return stamp(world.now() - dt.timedelta(**past))


def _add_workspace(world: World) -> None:
    world.workspace = {
        "id": WORKSPACE,
        "name": "Brightpath",
        "owner": campaigns.OWNER,
        "timestamp_created": _ago(world, days=310),
        "timestamp_updated": _ago(world, days=12),
        "plan_id": "pid_hg_v1",
        "plan_id_verification": {
            "quantity": 1,
            "product_id": "pid_verify_v1_monthly",
            "timestamp_updated": _ago(world, days=30),
        },
        "default_opportunity_value": 1000,
        "org_logo_url": "https://brightpath.example/logo.png",
        "add_unsub_to_block": False,
    }
    world.sister_workspaces.add(SISTER)
    for user, first, last, role in (
        (campaigns.OWNER, "Nora", "Vance", "owner"),
        (campaigns.REP, "Leo", "Marsh", "editor"),
    ):
        email = f"{first.lower()}@brightpath.example"
        world.users.add({"id": user, "email": email, "name": {"first": first, "last": last}, "role": role})


def _add_lists(world: World) -> None:
    for list_id, name, owner, days in (
        (CFO_LIST, "Fintech CFOs EU", campaigns.OWNER, 41),
        (BADGE_LIST, "Conference badge scans", campaigns.REP, 13),
    ):
        world.lead_lists.add(
            {
                "id": list_id,
                "organization_id": WORKSPACE,
                "has_enrichment_task": False,
                "owned_by": owner,
                "name": name,
                "timestamp_created": _ago(world, days=days),
            }
        )


def _add_leads(world: World, numbers: range, *, campaign: str | None = None, list_id: str | None = None) -> None:
    for n in numbers:
        given = person(n)
        status = WAITING if campaign else LISTED
        more: dict[str, Any] = {"id": lead_id(n), "upload_method": "manual", "status": status}
        if list_id != BADGE_LIST:
            more["verification_status"] = _verified_as(n, given["email"])
        if campaign:
            more["assigned_to"] = campaigns.OWNER
        lead = world.leads.add(build_lead(world, given, campaign=campaign, list_id=list_id, **more))
        if campaign:
            enroll(world, lead)
            share_variables(world, campaign, [lead])


def _verified_as(n: int, email: str) -> int:
    """Most addresses are good; in the list of CFOs some are not."""
    odd = {147: -1, 163: -1, 151: -2, 158: -2, 169: -2, 155: -3, 160: -3, 172: -3, 177: -3, 174: -4}
    return odd.get(n, status_of(email))


def _add_jobs(world: World) -> None:
    emails = [world.leads[lead_id(n)]["email"] for n in range(1, 121)]
    moved = {
        "filters": {"list_id": CFO_LIST, "to_campaign_id": campaigns.FINTECH},
        "total_leads": 120,
        "moved_leads": 120,
        "moved_lead_emails": emails,
        "duplicated_leads": 0,
        "leads_missing_email": None,
        "leads_in_other_campaigns": 0,
        "ignored_leads_from_blocklist": 0,
    }
    addresses = ["ada@brightpath.example", "ben@brightpath.example", "chole@brightpath.example"]
    processed = [{"email": address, "status": "success"} for address in addresses]
    processed[2] = {"email": addresses[2], "status": "failed", "error": "Account not found"}
    warmed = {
        "filters": {
            "emails": addresses,
            "includeAllEmails": None,
            "excludedEmails": None,
            "filter": None,
            "search": None,
        },
        "warmup_status": 1,
        "step": "DONE",
        "pending_emails": [],
        "processed_emails": processed,
        "total_to_process": 3,
        "success_count": 2,
        "failed_count": 1,
    }
    for job, kind, entity, entity_type, data, hours in (
        ("66d5a0c0f1e2d3c4b5a69701", "move-leads", campaigns.FINTECH, "campaign", moved, 66),
        ("66d5a0c0f1e2d3c4b5a69702", "update-warmup-accounts", WORKSPACE, "workspace", warmed, 45),
    ):
        world.jobs.add(
            {
                "id": job,
                "workspace_id": WORKSPACE,
                "type": kind,
                "entity_id": entity,
                "entity_type": entity_type,
                "data": data,
                "progress": 100,
                "status": "success",
                "created_at": _ago(world, hours=hours),
                "updated_at": _ago(world, hours=hours, seconds=-2),
            }
        )


def _add_block_list(world: World) -> None:
    world.block_list.add(
        {
            "id": "3b10c0de-4d5e-4f60-8a71-8293a4b5c601",
            "timestamp_created": _ago(world, days=90),
            "organization_id": WORKSPACE,
            "bl_value": "competitor.example",
            "is_domain": True,
        }
    )
