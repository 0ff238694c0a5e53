"""Why a campaign or subsequence sends, or does not: the sending status."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import boolean, uuid
from mcp_instantly.sandbox.resources.campaigns.campaigns import ACTIVE, find
from mcp_instantly.sandbox.sending import company_limits, dispatch
from mcp_instantly.sandbox.sending.emails import CAMPAIGN, all_emails
from mcp_instantly.sandbox.sending.flows import BOUNCE_PROTECT, WAITING, Flow
from mcp_instantly.sandbox.sending.matching import PROVIDERS, can_send, is_routed, provider_of_lead, routes_of, senders
from mcp_instantly.sandbox.sending.sender_limits import full_limit, in_gap, limit_on
from mcp_instantly.sandbox.sending.timetable import day_start, next_opening
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RESTING = {
    0: "campaign_draft",
    2: "campaign_paused",
    3: "campaign_completed",
    4: "campaign_running_subsequences",
    -1: "campaign_accounts_unhealthy",
    -2: "campaign_bounce_protect",
    -99: "campaign_account_suspended",
}
MEANING = {
    "campaign_draft": "The campaign has never been activated.",
    "campaign_paused": "The campaign is paused and sends nothing until it is activated again.",
    "campaign_completed": "Every lead has been through all the steps.",
    "campaign_running_subsequences": "The campaign itself is done; only its subsequences still send.",
    "campaign_accounts_unhealthy": "No sending account of the campaign can be used.",
    "campaign_bounce_protect": "Sending stopped because too many emails bounced.",
    "campaign_account_suspended": "The workspace's account is suspended.",
    "out_of_schedule": "It is outside the hours of the campaign's schedule.",
    "all_accounts_unhealthy": "The sending accounts are paused or have lost their connection.",
    "daily_limit_met": "The campaign has sent as much as it may today.",
    "account_daily_limit_met": "Every sending account has reached its limit for today.",
    "new_lead_limit_met": "The campaign has contacted as many new leads as it may today.",
    "waiting_for_esp_match": "The leads that are left wait for a sender at the right email provider.",
    "domain_limit_reached": "The companies of the leads that are left have had as many emails as they get today.",
    "waiting_for_leads": "No leads are waiting to be emailed.",
    "follow_up_delay_not_met": "The leads that are left wait for the delay before their next step.",
    "healthy": "The campaign is sending.",
}


@route("GET", "/campaigns/{id}/sending-status", scope="campaigns:read", query={"with_ai_summary": boolean()}, id=uuid())
def get_sending_status(world: World, call: Call) -> Record:
    campaign = find(world, call.path["id"])
    return report_status(world, Flow(campaign["id"], campaign), in_words=call.query.get("with_ai_summary", False))


def report_status(world: World, flow: Flow, *, in_words: bool) -> Record:
    """Diagnostics exist for what is active only; a summary always does."""
    sent = _emails(world, flow)
    last = max((email["timestamp_email"] for email in sent), default=None)
    if flow.runs:
        found = _diagnose(world, flow, sent, last)
        diagnostics: Record | None = found
        tracking = found["issue_tracking"]
        status, began = found["status"], tracking["issue_first_seen_at"]
        about = flow.record
    else:
        # A subsequence that is active itself waits for its campaign.
        about = flow.record if flow.record["status"] != ACTIVE else flow.campaign
        diagnostics, status, began = None, RESTING[about["status"]], None
        if about["status"] == BOUNCE_PROTECT:
            began = about.get("_stopped_at")
    kind = "subsequence" if about is flow.subsequence else "campaign"
    meaning = MEANING[status].replace("campaign", kind)
    summary = {
        "status": status,
        "status_message": meaning,
        "issue_started_at": began,
        "last_healthy_send_at": last,
        "ai_summary": _in_words(flow, meaning, sent) if in_words else None,
    }
    return {"diagnostics": diagnostics, "summary": summary}


def _emails(world: World, flow: Flow) -> list[Record]:
    """What the flow has sent, a campaign's subsequences apart."""
    own = flow.subsequence["id"] if flow.subsequence else None
    emails = all_emails(world, campaign_id=flow.campaign["id"])
    return [email for email in emails if email["ue_type"] == CAMPAIGN and email.get("subsequence_id") == own]


def _in_words(flow: Flow, meaning: str, sent: list[Record]) -> str:
    count = f"{len(sent)} email{'' if len(sent) == 1 else 's'}"
    return f"{flow.record['name']} has sent {count} so far. {meaning}"


def _diagnose(world: World, flow: Flow, sent: list[Record], last: str | None) -> Record:
    schedule = flow.schedule
    in_schedule = next_opening(schedule, world.now()) == world.now()
    facts: Record = {"schedule_status": {"in_schedule": in_schedule}}
    status = "out_of_schedule"
    if in_schedule:
        today = stamp(day_start(schedule, world.now()))
        state, held = _state(world, flow, sum(email["timestamp_email"] >= today for email in sent))
        facts.update(state)
        status = _worst(facts, held)
    troubled = status != "healthy"
    changed = flow.record.get("timestamp_updated") or flow.record["timestamp_created"]
    return {
        "campaign_id": flow.campaign["id"],
        **({"subsequence_id": flow.id} if flow.subsequence else {}),
        "last_updated": world.stamp(),
        "status": status,
        "issue_tracking": {
            "current_status_code": status if troubled else None,
            "issue_first_seen_at": max(last or "", changed) if troubled else None,
            "consecutive_loops_with_issue": 1 if troubled else 0,
            "last_healthy_send_at": last,
        },
        **facts,
    }


def _state(world: World, flow: Flow, sent: int) -> tuple[Record, bool]:
    """The facts of an hour within the schedule, and whether leads are held up by the limit of their companies.

    `sent` is the number of today's emails.
    """
    accounts = senders(world, flow.campaign)
    connected = [account for account in accounts if can_send(account)]
    full = [account for account in connected if dispatch.is_full(world, flow, account)]
    limit = dispatch.limit_of(flow)
    # Who is in a subsequence has been written to before.
    new_limit = None if flow.subsequence else flow.campaign.get("daily_max_leads")
    contacted = 0 if flow.subsequence else dispatch.count_begun(world, flow.campaign)
    waiting = _waiting(world, flow)
    follow_ups = {lead["id"] for lead in waiting if lead.get("timestamp_last_contact")}
    earliest = _earliest(world, flow, follow_ups)
    supplied = company_limits.full_companies(world, flow)
    new = [lead for lead in waiting if lead["id"] not in follow_ups]
    fresh = [lead for lead in new if lead.get("company_domain") not in supplied]
    served = _served(flow, connected, full)
    due = earliest == 0 or any(provider_of_lead(lead) in served for lead in fresh)
    facts = {
        "accounts_summary": _accounts(world, flow, connected, full, len(accounts) - len(connected)),
        **({"campaign_daily_limit": _used(limit, sent)} if limit != float("inf") else {}),
        "new_lead_limit": {
            "enabled": new_limit is not None,
            "limit": new_limit,
            "contacted": contacted,
            "limit_hit": new_limit is not None and contacted >= new_limit,
        },
        "esp_routing_status": {
            "enabled": is_routed(flow.campaign),
            "waiting_for_match": bool(fresh) and not due,
            "connected_esps": sorted({account["provider_code"] for account in connected}),
        },
        "domain_limiter": {
            "active": company_limits.limit_of(flow.campaign) is not None,
            "domains_at_limit": len(supplied),
        },
        "follow_ups_waiting": {"count": len(follow_ups), "earliest_wait_time_seconds": earliest},
        "leads_status": {
            "no_leads_ready": not due,
            "account_unavailable_skips": sum(provider_of_lead(lead) not in served for lead in fresh),
            "delay_not_met_skips": 0 if due else len(follow_ups),
        },
    }
    return facts, len(fresh) < len(new)


def _waiting(world: World, flow: Flow) -> list[Record]:
    """The leads that have emails of this flow before them."""
    own = flow.subsequence["id"] if flow.subsequence else None
    leads = world.leads.where(campaign=flow.campaign["id"])
    return [lead for lead in leads if lead.get("status") == WAITING and lead.get("subsequence_id") == own]


def _used(limit: float, sent: int) -> Record:
    return {"limit": limit, "sent": sent, "limit_hit": sent >= limit}


def _served(flow: Flow, connected: list[Record], full: list[Record]) -> set[str]:
    """The providers of recipients whom one of the senders may still write to today."""
    if not is_routed(flow.campaign):
        # Where it does not matter who writes to whom, senders at their limit are a reason of their own.
        return set(PROVIDERS)
    able = {account["email"] for account in connected} - {account["email"] for account in full}
    routes = routes_of(flow.campaign, connected)
    return {recipient for email in able for recipient in routes[email]}


def _accounts(world: World, flow: Flow, connected: list[Record], full: list[Record], disconnected: int) -> Record:
    today = world.now().date()
    ramping = [account for account in full if limit_on(account, today) < full_limit(account)]
    waiting = [account for account in connected if account not in full and in_gap(account, world.now())]
    return {
        "total_connected": len(connected),
        "available": len(connected) - len(full) - len(waiting),
        "unavailable": {
            "daily_limit_hit": len(full) - len(ramping),
            "slow_ramp_limit_hit": len(ramping),
            "disconnected": disconnected,
            "global_gap_not_met": len(waiting),
        },
    }


def _earliest(world: World, flow: Flow, lead_ids: set[str]) -> float | None:
    """Seconds until the first of these leads is due; None where none waits."""
    queues = world.due.get(flow.id, {}).values()
    places = (place for queue in queues for place in queue if place[2] in lead_ids)
    times = [when for when, ticket, lead_id in places if world.leads[lead_id].get("_ticket") == ticket]
    return max(0.0, (min(times) - world.now()).total_seconds()) if times else None


def _worst(facts: dict[str, Any], held: bool) -> str:
    accounts = facts["accounts_summary"]
    if not accounts["total_connected"]:
        return "all_accounts_unhealthy"
    if facts.get("campaign_daily_limit", {}).get("limit_hit"):
        return "daily_limit_met"
    if not accounts["available"] and not accounts["unavailable"]["global_gap_not_met"]:
        return "account_daily_limit_met"
    if not facts["leads_status"]["no_leads_ready"]:
        return "new_lead_limit_met" if facts["new_lead_limit"]["limit_hit"] else "healthy"
    if facts["esp_routing_status"]["waiting_for_match"]:
        return "waiting_for_esp_match"
    if held:
        return "domain_limit_reached"
    return "follow_up_delay_not_met" if facts["follow_ups_waiting"]["count"] else "waiting_for_leads"
