"""What a placement test does by itself when its results are bad, or good again."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.resources.accounts.accounts import change
from mcp_instantly.sandbox.resources.accounts.custom_tags import ACCOUNT, assign, unassign
from mcp_instantly.sandbox.resources.inbox_placement.reports import rows_of_run
from mcp_instantly.sandbox.resources.webhooks.deliveries import tell
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

DAY = 86400
MAX_PAUSE_DAYS = 3650
"""A longer pause ends after it."""


def apply_automations(world: World, test: Record, changes: dict[str, int]) -> None:
    """Look at the run that has just ended; `changes` tells by how many blacklists each domain has become worse."""
    placement = _placement(world, test)
    for automation in test.get("automations") or ():
        when, then = automation["when"], automation["then"]
        concerned = _concerned(placement, when, changes)
        for email in concerned:
            account = world.accounts.get(email)
            if account:
                _act(world, account, then)
        if concerned and then.get("webhook_url"):
            tell(world, then["webhook_url"], _payload(world, test, when, {e: placement[e] for e in concerned}))


def _placement(world: World, test: Record) -> dict[str, float | None]:
    """How much of each sender's email has reached the inbox in the last run, in percent; None if nothing arrived."""
    results: dict[str, list[bool]] = {}
    for row in rows_of_run(world, test):
        landed = results.setdefault(row["sender_email"], [])
        if "is_spam" in row:
            landed.append(not row["is_spam"])
    return {email: 100 * sum(landed) / len(landed) if landed else None for email, landed in results.items()}


def _concerned(placement: dict[str, float | None], when: dict[str, Any], changes: dict[str, int]) -> list[str]:
    """The senders for whom the condition holds."""
    condition, value = when["condition"], when.get("condition_value") or 0
    if condition == "placement_goes_below":
        return [email for email, share in placement.items() if share is not None and share < value]
    if condition == "placement_goes_above":
        return [email for email, share in placement.items() if share is not None and share > value]
    sign = 1 if condition == "added_to_blacklists" else -1
    return [email for email in placement if sign * changes.get(email.rpartition("@")[2], 0) > 0]


def _payload(world: World, test: Record, when: dict[str, Any], concerned: dict[str, float | None]) -> dict[str, Any]:
    """What is reported of an automation, once for all its senders."""
    return {
        "timestamp": world.stamp(),
        "event_type": "inbox_placement_automation",
        "workspace": world.workspace["id"],
        "test_id": test["id"],
        "test_name": test["name"],
        "condition": when["condition"],
        "condition_value": when.get("condition_value"),
        "senders": [
            {"email": email, "inbox_placement": None if share is None else round(share, 1)}
            for email, share in concerned.items()
        ],
    }


def _act(world: World, account: Record, then: dict[str, Any]) -> None:
    settings: dict[str, Any] = {}
    days = then.get("pause_sending_campaigns_for")
    if (then.get("pause") or days) and account["status"] == 1:
        settings["status"] = 2
        if days and not then.get("pause"):
            settings["_pause"] = world.number()
            wait = min(max(days, 0), MAX_PAUSE_DAYS) * DAY
            world.later(wait, "end_placement_pause", account["email"], settings["_pause"])
    if then.get("enable_slow_ramp") or then.get("disable_slow_ramp"):
        settings["enable_slow_ramp"] = bool(then.get("enable_slow_ramp"))
    if settings:
        change(world, account, **settings)
    for tag_id in then.get("add_tags", ()):
        if tag_id in world.custom_tags:
            assign(world, tag_id, account["email"], ACCOUNT)
    for tag_id in then.get("remove_tags", ()):
        unassign(world, tag_id, account["email"], ACCOUNT)


@action
def end_placement_pause(world: World, email: str, pause: int) -> None:
    account = world.accounts.get(email)
    # An account that was paused or resumed since then has left this pause.
    if account and account.get("_pause") == pause:
        change(world, account, status=1)
