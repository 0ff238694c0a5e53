"""Warmup of accounts, switched on and off by background jobs."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import fields
from mcp_instantly.sandbox.resources.accounts.accounts import change
from mcp_instantly.sandbox.resources.accounts.filters import SELECTION, in_state, named_like
from mcp_instantly.sandbox.resources.workspace.background_jobs import fresh, start_job
from mcp_instantly.sandbox.sending.matching import tag_ids
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action


@route("POST", "/accounts/warmup/enable", audit=audit.ACCOUNT_UPDATE, body=fields(**SELECTION))
def enable_warmup(world: World, call: Call) -> Record:
    return _start(world, call.body, 1)


@route("POST", "/accounts/warmup/disable", audit=audit.ACCOUNT_UPDATE, body=fields(**SELECTION))
def disable_warmup(world: World, call: Call) -> Record:
    return _start(world, call.body, 0)


def _start(world: World, body: dict[str, Any], warmup_status: int) -> Record:
    if not body.get("emails") and not body.get("include_all_emails"):
        raise ApiRefusal(400, "Either emails or include_all_emails must be provided")
    filters = {
        "emails": body.get("emails"),
        "includeAllEmails": body.get("include_all_emails"),
        "excludedEmails": body.get("excluded_emails"),
        "filter": body.get("filter"),
        "search": body.get("search"),
    }
    data = {"filters": filters, "warmup_status": warmup_status}
    job = start_job(
        world, "update-warmup-accounts", data=data, finish="switch_warmup", arguments=[filters, warmup_status]
    )
    return fresh(job)


@action
def switch_warmup(world: World, filters: dict[str, Any], warmup_status: int) -> dict[str, Any]:
    """Switch the accounts that the job means; one that cannot be switched is reported in the job's data."""
    processed = [_switch(world, email, warmup_status) for email in _selected(world, filters)]
    failed = sum(entry["status"] == "failed" for entry in processed)
    return {
        "step": "DONE",
        "pending_emails": [],
        "processed_emails": processed,
        "transition_emails": [],
        "domains_to_check": [],
        "valid_mx_domains": [],
        "mx_check_offset": 0,
        "update_status_offset": 0,
        "total_to_process": len(processed),
        "success_count": len(processed) - failed,
        "failed_count": failed,
        "verification_offset": 0,
    }


def _selected(world: World, filters: dict[str, Any]) -> list[str]:
    if not filters["includeAllEmails"]:
        return list(dict.fromkeys(filters["emails"]))
    excluded = {email.lower() for email in filters["excludedEmails"] or ()}
    wanted = filters["filter"] or {}
    return [
        account["email"]
        for account in world.accounts
        if account["email"] not in excluded
        and named_like(account, filters["search"])
        and in_state(account, wanted.get("filter"))
        and ("tag_id" not in wanted or wanted["tag_id"] in tag_ids(world, account["email"]))
    ]


def _switch(world: World, email: str, warmup_status: int) -> Record:
    account = world.accounts.get(email.lower())
    if not account:
        return {"email": email, "status": "failed", "error": "Account not found"}
    if account["warmup_status"] < 0:
        return {"email": email, "status": "failed", "error": "Warmup of this account is suspended"}
    began = account.get("timestamp_warmup_start") or (world.stamp() if warmup_status else None)
    change(world, account, warmup_status=warmup_status, timestamp_warmup_start=began)
    return {"email": email, "status": "success"}
