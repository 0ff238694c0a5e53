"""Verification of addresses: what an address turns out to be follows from words in it."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import fields, is_address, text
from mcp_instantly.sandbox.resources.webhooks.deliveries import tell
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

TAKES = 12
"""Seconds that a slow verification takes; the API waits for ten."""


def verdict(email: str) -> dict[str, Any]:
    """What a verification finds, in the end."""
    name = email.partition("@")[0].lower()
    if not is_address(email) or "invalid" in name:
        return {"verification_status": "invalid", "catch_all": False}
    return {"verification_status": "verified", "catch_all": "catchall" in name}


def spend_credits(world: World, count: int) -> None:
    """Take verification credits. Raises a 402 where there are not enough."""
    if world.verification_credits < count:
        raise ApiRefusal(402, "Not enough verification credits")
    world.verification_credits -= count


@route(
    "POST",
    "/email-verification",
    scope="email_verifications:create",
    body=fields("email", email=text(), webhook_url=text()),
)
def verify_email(world: World, call: Call) -> Record:
    """Most addresses are known at once; one with `pending` in it takes its time."""
    email = call.body["email"].strip().lower()
    spend_credits(world, 1)
    slow = "pending" in email.partition("@")[0].lower()
    found = {"verification_status": "pending", "catch_all": "pending"} if slow else verdict(email)
    record = {"status": "success", "email": email, **found, "credits": world.verification_credits, "credits_used": 1}
    world.verifications.remove(email)
    world.verifications.add(record)
    if slow:
        world.later(TAKES, "end_verification", email, call.body.get("webhook_url"))
    return public(record)


@action
def end_verification(world: World, email: str, webhook_url: str | None = None) -> None:
    """Note what was found, and report it to the webhook that the request named, if any."""
    record = world.verifications.get(email)
    if record:
        world.verifications.change(record, **verdict(record["email"]))
        if webhook_url:
            tell(world, webhook_url, public(record))


@route("GET", "/email-verification/{email}", scope="email_verifications:read", email=text(format="email"))
def get_verification(world: World, call: Call) -> Record:
    record = world.verifications.get(call.path["email"].lower())
    if not record:
        raise not_found("Email verification")
    return public(record)
