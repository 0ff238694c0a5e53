"""What the workspace pays for, and what it has left of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PLANS: dict[str, tuple[str, int, float]] = {
    "pid_g_v1": ("Growth", 1000, 37),
    "pid_g_v2": ("Growth", 1000, 47),
    "pid_hg_v1": ("Hypergrowth", 25000, 97),
    "pid_ls_v1": ("Light Speed", 100000, 358),
}
"""Outreach plans: name, leads, dollars a month."""

PLACEMENT_PLANS: dict[str, tuple[str, float]] = {
    "pid_ip_g": ("Growth Inbox Placement", 47),
    "pid_ip_hg": ("Hypergrowth Inbox Placement", 97),
}
"""Inbox placement plans: name, dollars a month. Only the second has automated tests."""

FREE = ("Free", 0, 0)
CREDITS = ("pid_gic_v1", "Growth Credits", 1000, 47)
LIMIT_REACHED = "The lead limit of your plan is reached"
PERIOD = dt.timedelta(days=30)


def _period_end(world: World) -> int:
    """Periods follow each other from the day on which the workspace was made."""
    begun = parse(world.workspace["timestamp_created"])
    return int((begun + PERIOD * ((world.now() - begun) // PERIOD + 1)).timestamp())


def _paid(world: World) -> Record:
    return {"interval": "month", "current_period_end": _period_end(world), "cancel_at_time": None}


def _unpaid() -> dict[str, Any]:
    names = ("plan_name", "interval", "current_period_end", "cancel_at_time", "price_in_dollars", "product_id")
    return dict.fromkeys(names)


def _lead_plan(world: World) -> tuple[int, int]:
    """How many leads the plan allows, and how many count: those in campaigns, and those deleted a moment ago."""
    allowed = world.workspace.get("_lead_limit", PLANS.get(world.workspace.get("plan_id", ""), FREE)[1])
    return allowed, len(world.leads) - world.leads.count(campaign=None) + world.leads_leaving


def leads_left(world: World) -> int:
    """How many more leads the plan allows in campaigns."""
    allowed, counted = _lead_plan(world)
    return max(allowed - counted, 0)


def need_room(world: World, wanted: int) -> None:
    """Raises a 403 where the plan does not allow so many more leads."""
    left = leads_left(world)
    if wanted > left:
        numbers = {"leadsRemaining": left, "leadsRequested": wanted}
        raise ApiRefusal(403, LIMIT_REACHED, body={"error": LIMIT_REACHED, **numbers})


@route("GET", "/workspace-billing/plan-details", scope="workspace_billing:read")
def get_plan(world: World, call: Call) -> Record:
    plan = world.workspace.get("plan_id")
    name, _, price = PLANS.get(plan or "", FREE)
    leads, counted = _lead_plan(world)
    product, credits_name, included, credits_price = CREDITS
    outreach = {
        "plan_name": name,
        "addons_qty": 0,
        "total_lead_limit": leads,
        "current_lead_count": counted,
        "base_lead_limit": leads,
        **(_paid(world) if plan else _unpaid()),
    }
    credits: Record = {
        "plan_name": credits_name,
        "total_credits": included,
        "available_credits": world.verification_credits,
        **_paid(world),
        "price_in_dollars": credits_price,
        "product_id": product,
        "price_option_id": None,
    }
    others: Record = dict.fromkeys(("crm", "website_visitors", "inbox_placement"), _unpaid())
    placement = world.workspace.get("plan_id_inbox_placement")
    if placement in PLACEMENT_PLANS:
        name_and_price = dict(zip(("plan_name", "price_in_dollars"), PLACEMENT_PLANS[placement], strict=True))
        others["inbox_placement"] = {**_paid(world), **name_and_price, "product_id": placement}
    return {
        "organization_id": world.workspace["id"],
        "organization_name": world.workspace["name"],
        "subscriptions": {
            "outreach": {**outreach, "price_in_dollars": price, "product_id": plan},
            "credits": credits,
            **{other: {**plan, "available_credits": None, "plan_limit": None} for other, plan in others.items()},
        },
    }


@route("GET", "/workspace-billing/subscription-details", scope="workspace_billing:read")
def get_subscription(world: World, call: Call) -> Record:
    plan = world.workspace.get("plan_id")
    paid: list[tuple[str, str, float]] = [("prt_leadfinder", CREDITS[0], CREDITS[3])]
    if plan and plan in PLANS:
        paid.insert(0, ("prt_outreach", plan, PLANS[plan][2]))
    found = [
        {
            "workspace_id": world.workspace["id"],
            **_paid(world),
            "quantity": 1,
            "product_id": product,
            "product_type": kind,
            "plan_type": "plt_primary",
            "price_in_dollars": price,
            "price_id": f"price_{product}_month",
        }
        for kind, product, price in paid
    ]
    return {"subscriptions": found, "all_subs_cancelled": False}
