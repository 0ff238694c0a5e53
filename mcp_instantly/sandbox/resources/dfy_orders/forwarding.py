"""Where ordered domains send their visitors."""

from __future__ import annotations

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, choice, fields, text
from mcp_instantly.sandbox.resources.dfy_orders.accounts import SETUP, WARM_SETUP
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PATH = "/domains/{domain}/forwarding"
DOMAIN = text(minLength=1, pattern=r"^\s*\S+\.[a-zA-Z]{2,}\s*$")
PER_MINUTE, PER_HOUR = 10, 60
"""Changes, setting and removing together."""

UNABLE = "parked"
"""A domain with this in its name cannot forward."""


def _find(world: World, call: Call) -> Record:
    """The latest order of a domain that has not been cancelled. Raises a 404."""
    domain = call.path["domain"].strip().lower()
    orders = [order for order in world.dfy_orders.where(domain=domain) if "timestamp_cancelled" not in order]
    if not orders:
        raise not_found("Domain")
    return orders[-1]


def _find_ready(world: World, call: Call) -> Record:
    """The order, where its forwarding can be changed now. Raises a 404, 409, 422 or 429."""
    count_call(world, "change_forwarding", PER_MINUTE)
    count_call(world, "change_forwarding_hourly", PER_HOUR, seconds=3600)
    order = _find(world, call)
    age = (world.now() - parse(order["timestamp_created"])).total_seconds()
    if age < (WARM_SETUP if order["is_pre_warmed_up"] else SETUP):
        raise ApiRefusal(409, "The domain order is still being provisioned")
    if UNABLE in order["domain"]:
        raise ApiRefusal(422, "This domain does not support forwarding")
    return order


def _show(order: Record) -> Record:
    return {name: order.get(name) for name in ("domain", "forwarding_domain", "forwarding_mode")}


@route("GET", PATH, scope="dfy_email_account_orders:read", domain=DOMAIN)
def get_forwarding(world: World, call: Call) -> Record:
    return _show(_find(world, call))


@route(
    "PUT",
    PATH,
    scope="dfy_email_account_orders:update",
    audit=audit.FORWARDING_CHANGED,
    body=fields("forwarding_domain", CLOSED, forwarding_domain=DOMAIN, forwarding_mode=choice("redirect", "stealth")),
    domain=DOMAIN,
)
def set_forwarding(world: World, call: Call) -> Record:
    target = call.body["forwarding_domain"].strip().lower()
    order = _find_ready(world, call)
    if target == order["domain"]:
        raise ApiRefusal(400, "A domain cannot forward to itself")
    mode = call.body.get("forwarding_mode", "redirect")
    return _show(world.dfy_orders.change(order, forwarding_domain=target, forwarding_mode=mode))


@route("DELETE", PATH, scope="dfy_email_account_orders:delete", audit=audit.FORWARDING_CHANGED, domain=DOMAIN)
def remove_forwarding(world: World, call: Call) -> Record:
    """Where there is none, that is a success too."""
    order = _find_ready(world, call)
    return _show(world.dfy_orders.change(order, forwarding_domain=None, forwarding_mode=None))
