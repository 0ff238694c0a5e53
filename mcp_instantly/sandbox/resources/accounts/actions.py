"""What is done with accounts: pause, resume, mark as fixed, move; and which campaigns they send for."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, page_by_time, route
from mcp_instantly.sandbox.engine.shapes import array, fields, number, text
from mcp_instantly.sandbox.resources.accounts.accounts import ACTIVE, PAUSED, change, find, remove
from mcp_instantly.sandbox.sending.matching import sends_from
from mcp_instantly.sandbox.state.events import announce
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

RELAPSE_SECONDS = 600
"""Seconds after which the error of a broken connection is back, when it was only declared fixed."""


@route("POST", "/accounts/{email}/pause", scope="accounts:update", audit=audit.ACCOUNT_UPDATE, email=text())
def pause_account(world: World, call: Call) -> Record:
    return public(change(world, find(world, call.path["email"]), status=PAUSED))


@route(
    "POST",
    "/accounts/pause",
    scope="accounts:update",
    audit=audit.ACCOUNT_UPDATE,
    body=fields("emails", emails=array(text(), minItems=1, maxItems=100)),
)
def pause_accounts(world: World, call: Call) -> Record:
    answer: Record = {"paused_emails": [], "failed_emails": []}
    for email in dict.fromkeys(call.body["emails"]):
        account = world.accounts.get(email.lower())
        if account and account["status"] != PAUSED:
            change(world, account, status=PAUSED)
            answer["paused_emails"].append(email)
        else:
            answer["failed_emails"].append(email)
    return answer


@route("POST", "/accounts/{email}/resume", scope="accounts:update", audit=audit.ACCOUNT_UPDATE, email=text())
def resume_account(world: World, call: Call) -> Record:
    account = find(world, call.path["email"])
    if account["status"] < 0:
        _declare_fixed(world, account)
    return public(change(world, account, status=ACTIVE))


@route("POST", "/accounts/{email}/mark-fixed", scope="accounts:update", audit=audit.ACCOUNT_UPDATE, email=text())
def mark_account_fixed(world: World, call: Call) -> Record:
    account = find(world, call.path["email"])
    if account["status"] < 0:
        _declare_fixed(world, account)
    return public(account)


def _declare_fixed(world: World, account: Record) -> None:
    """Clear an error. That does not mend the connection, so an error of that kind comes back."""
    if account["status"] != -2:
        fault = {name: account[name] for name in ("status", "status_message", "autofix_failed") if name in account}
        world.later(RELAPSE_SECONDS, "relapse", account["email"], account["timestamp_created"], fault)
    change(world, account, status=ACTIVE, status_message=None, autofix_failed=None)


@action
def relapse(world: World, email: str, created: str, fault: dict[str, Any]) -> None:
    account = world.accounts.get(email)
    if account and account["timestamp_created"] == created and account["status"] == ACTIVE:
        change(world, account, **fault)
        announce(world, "account_error", account=account)


@route(
    "POST",
    "/accounts/move",
    audit=audit.ACCOUNT_UPDATE,
    body=fields(
        "emails source_workspace_id destination_workspace_id",
        emails=array(text(), minItems=1),
        source_workspace_id=text(),
        destination_workspace_id=text(),
    ),
)
def move_accounts(world: World, call: Call) -> Record:
    """Between the workspaces of a group, which only a key of the admin workspace reaches."""
    source = _workspace(world, call.body["source_workspace_id"], "Source")
    destination = _workspace(world, call.body["destination_workspace_id"], "Destination")
    if source is destination:
        raise not_found("Destination workspace")
    moved = [find(source, email) for email in dict.fromkeys(call.body["emails"])]
    if any(account["email"] in destination.accounts for account in moved):
        raise ApiRefusal(400, "An account is in the destination workspace already")
    for account in moved:
        remove(source, account)
        destination.accounts.add({**account, "organization": destination.workspace["id"]})
    return {"status": "success"}


def _workspace(world: World, workspace_id: str, role: str) -> World:
    found = world.workspaces.find(world, workspace_id) if world.workspaces else None
    if found is None:
        raise not_found(f"{role} workspace")
    return found


@route(
    "GET",
    "/account-campaign-mappings/{email}",
    scope="account_campaign_mappings:read",
    query={"limit": number(), "starting_after": text()},
    email=text(),
)
def list_account_campaigns(world: World, call: Call) -> Record:
    """The campaigns that send from an account, by its address or by one of its tags."""
    email = call.path["email"].lower()
    mappings = [_mapping(campaign) for campaign in world.campaigns if sends_from(world, campaign, email)]
    if not mappings:
        find(world, email)
    limit = min(max(int(call.query.get("limit", 10)), 1), 100)
    return page_by_time(mappings, {**call.query, "limit": limit}, tie="campaign_id")


def _mapping(campaign: Record) -> Record:
    return {
        "campaign_id": campaign["id"],
        "campaign_name": campaign["name"],
        "timestamp_created": campaign["timestamp_created"],
        "status": campaign["status"],
    }
