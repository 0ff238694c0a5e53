"""What can be done about a finding of the deliverability agent: complete it, or let it pause accounts."""

from __future__ import annotations

import collections
import datetime as dt

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import uuid
from mcp_instantly.sandbox.resources.accounts.accounts import PAUSED, change
from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.deliverability_records import BASE, UPDATE
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

ITEM = f"{BASE}/feed-items/{{id}}"
PAUSE_DAYS = 14
BOTH = (UPDATE, "accounts:update")
PROVIDERS = {1: "custom_imap_smtp", 2: "google", 3: "microsoft", 8: "airmail"}


def _item(world: World, call: Call, action_code: str | None) -> Record:
    """The item, if it is of this kind and waits or is done. Raises a 400, 404 or 409."""
    item = world.deliverability_items.get(call.path["id"])
    if item is None:
        raise not_found("Feed item")
    if item["kind"] != "recommendation" or item.get("action_code") != action_code:
        raise ApiRefusal(400, "This is not a feed item of the kind that this operation takes")
    # What a run has closed was not accepted by anybody, so nothing can be told of it.
    is_done = item["status"] == "done" and (action_code is None or "result_payload" in item)
    if item["status"] != "todo" and not is_done:
        raise ApiRefusal(409, "The feed item is not pending")
    return item


def _finish(world: World, item: Record, result: Record) -> Record:
    at = world.stamp()
    acted = "completed" if item.get("action_code") else None
    new = {"status": "done", "completed_at": at, "timestamp_updated": at, "action_status": acted}
    world.deliverability_items.change(item, **new, result_payload=result)
    return {"item": public(item), **result}


@route("POST", f"{ITEM}/complete", scope=UPDATE, id=uuid())
def complete_item(world: World, call: Call) -> Record:
    item = _item(world, call, None)
    if item["status"] == "done":
        return {"item": public(item)}
    if runs.affected(world, runs.SETTINGS):
        raise ApiRefusal(409, "The cause of this recommendation is still there")
    return _finish(world, item, {})


@route("POST", f"{ITEM}/pause-affected-accounts", scope=BOTH, id=uuid())
def pause_affected_accounts(world: World, call: Call) -> Record:
    item = _item(world, call, runs.PAUSE_ACCOUNTS)
    if item["status"] == "done":
        return {"item": public(item), **item["result_payload"]}
    confirmed = set(runs.affected(world, item["feed_code"]))
    emails = [email for email in item["payload"]["accounts"] if email in confirmed]
    if not emails:
        raise ApiRefusal(409, "The new check did not confirm the recommendation")
    paused = [change(world, world.accounts[email], status=PAUSED) for email in emails]
    kinds = collections.Counter(PROVIDERS.get(account["provider_code"], "other") for account in paused)
    managed = sum(account["is_managed_account"] for account in paused)
    result = {
        "affected_account_count": len(emails),
        "affected_domain_count": len({email.partition("@")[2] for email in emails}),
        "paused_account_count": len(paused),
        "paused_provider_counts": {kind: kinds[kind] for kind in (*PROVIDERS.values(), "other")},
        "paused_managed_account_count": managed,
        "paused_self_managed_account_count": len(paused) - managed,
    }
    _note(world, item, "accounts_paused", emails)
    return _finish(world, item, result)


@route("POST", f"{ITEM}/pause-campaign-sending", scope=BOTH, id=uuid())
def pause_campaign_sending(world: World, call: Call) -> Record:
    """Managed and ready-made accounts are counted and left as they are."""
    item = _item(world, call, runs.PAUSE_CAMPAIGNS)
    if item["status"] == "done":
        return {"item": public(item), **item["result_payload"]}
    named = [account for email in item["payload"]["accounts"] if (account := world.accounts.get(email))]
    ready_made = [account for account in named if account.get("_prewarmed")]
    own = [account for account in named if not account["is_managed_account"] and account not in ready_made]
    active = [account for account in own if account["status"] == 1]
    emails, pause = [account["email"] for account in active], world.number()
    for account in active:
        change(world, account, status=PAUSED, _pause=pause)
    world.later(PAUSE_DAYS * 86400, "end_deliverability_pause", item["agent_id"], emails, pause)
    result = {
        "affected_account_count": len(named),
        "paused_account_count": len(active),
        "already_paused_account_count": sum(account["status"] == PAUSED for account in own) - len(active),
        "managed_account_count": sum(account["is_managed_account"] for account in named),
        "ready_made_account_count": len(ready_made),
        "pause_sending_campaigns_until": stamp(world.now() + dt.timedelta(days=PAUSE_DAYS)),
        "duration_days": PAUSE_DAYS,
    }
    _note(world, item, "campaign_sending_paused", emails)
    return _finish(world, item, result)


def _note(world: World, item: Record, code: str, emails: list[str]) -> None:
    runs.note_action(world, item["agent_id"], code, emails, item["source_activity_id"])


@action
def end_deliverability_pause(world: World, agent_id: str, emails: list[str], pause: int) -> None:
    # Whoever has paused or resumed an account since then has ended this pause.
    named = [account for email in emails if (account := world.accounts.get(email))]
    still = [account for account in named if account.get("_pause") == pause]
    for account in still:
        change(world, account, status=1)
    if still:
        runs.note_action(world, agent_id, "campaign_sending_resumed", [account["email"] for account in still])
