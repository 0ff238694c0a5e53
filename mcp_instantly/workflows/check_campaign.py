"""Whether a campaign can be launched: what blocks it, what to know before, and three emails as people read them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.text import ADDRESS, compact, quotable, shorten
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.campaign_figures import STOPPED, high_bounces, named
from mcp_instantly.workflows.parts.lead_states import LABELS
from mcp_instantly.workflows.parts.partial import Parts, Record, amount, some
from mcp_instantly.workflows.parts.preflight import (
    NO_LEADS_AT_ALL,
    NONE_LEFT,
    Verdict,
    estimate_finish,
    judge_copy,
    judge_hours,
    judge_leads,
    judge_variables,
    render_samples,
    variables_of_leads,
)
from mcp_instantly.workflows.parts.senders import fall, weaknesses, why_not_sending
from mcp_instantly.workflows.parts.standstill import NO_LEADS, may_pass, settings_against, status_against

DRAFT, ACTIVE = 0, 1

MAX_LEADS = 1_000
MAX_ACCOUNTS = 1_000
MAX_BLOCKED = 1_000
MAX_CAMPAIGNS = 300
MAX_COMPARED = 300
"""What is read of each kind; of so many leads, other campaigns are looked for."""

MAX_FINDINGS = 12
"""Blockers, and warnings, that the answer has."""

BOUNCES, SENDING, SENDERS, WARMUP, DNS, LEADS, BLOCK_LIST, OVERLAP = (
    "bounces so far",
    "why it does not send",
    "senders",
    "warmup by day",
    "dns",
    "leads",
    "block list",
    "leads in other campaigns",
)
OTHERS, MANAGERS, FINDERS, SALES = "other campaigns", "AI inbox managers", "AI lead finders", "AI sales agents"
"""The parts, as `unknown` names them."""

HIDE_BLOCKERS = (BOUNCES, SENDING, SENDERS, DNS, LEADS)
"""The parts in which blockers may be; in the others are warnings at most."""

MOST_LEADS = 20_000
"""What `max_items` may be: two hundred pages, for which the time of the call may have to be set higher."""

ALL_ACCOUNTS = "default"
"""In the place of a tag, this stands for the accounts that no tag names."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read the campaign, which must be there, and then each part; `unknown` says which were not read, and why."""
    campaign = await context.call("get_campaign", id=arguments["id"])
    parts, verdict = Parts(context), Verdict()
    now = context.now()
    judge_copy(campaign, verdict)
    verdict.blockers += settings_against(campaign, now)
    await _history(parts, campaign, verdict)
    senders = await _senders(parts, campaign, verdict)
    await context.progress(1, 4, "senders checked")
    leads = await _leads(parts, campaign, arguments.get("max_items", MAX_LEADS))
    blocked = await _blocked(parts)
    await context.progress(2, 4, "leads read")
    able = [account for account in senders if not why_not_sending(account)]
    answer: Record = {"campaign": named(campaign)}
    if senders or SENDERS not in parts.unknown:
        answer["senders"] = {"found": len(senders), "can_send": len(able)}
    waiting: list[Record] = []
    if leads is not None:
        waiting = judge_leads(campaign, leads, blocked, verdict, complete=LEADS not in parts.unknown)
        answer["leads"] = {"read": len(leads), "to_be_written_to": len(waiting), "by_verification": _verified(leads)}
    judge_variables(campaign, waiting, able, verdict)
    answer["schedule"] = judge_hours(campaign, waiting, now, verdict)
    if waiting and SENDERS in parts.unknown:
        parts.unknown["days to finish"] = "they depend on the senders"
    elif waiting:
        answer["finish"] = estimate_finish(campaign, waiting, able, now, verdict)
    if campaign.get("status") == ACTIVE:
        await _sending(parts, campaign, verdict)
    await _overlaps(context, parts, campaign, waiting, verdict)
    await context.progress(3, 4, "other campaigns read")
    await _agents(parts, campaign, verdict)
    found: Record = {"verdict": _verdict(campaign, verdict, parts), "blockers": verdict.blockers[:MAX_FINDINGS]}
    found |= {"warnings": verdict.warnings[:MAX_FINDINGS], **answer}
    found["samples"] = render_samples(campaign, waiting, able)
    left = sum(max(0, len(kind) - MAX_FINDINGS) for kind in (verdict.blockers, verdict.warnings))
    if left:
        context.notes.append(f"{amount(left, 'finding')} more: fix these first, then check again.")
    if not parts.unknown:
        return found
    hiding = [part for part in HIDE_BLOCKERS if part in parts.unknown]
    if LEADS in hiding and not variables_of_leads(campaign) and answer.get("finish", {}).get("emails_left"):
        # Another lead is one more to be written to, with the same text, whoever it is.
        hiding.remove(LEADS)
    return {**found, "unknown": parts.unknown, "may_hide_blockers": hiding}


async def _leads(parts: Parts, campaign: Record, most: int) -> list[Record] | None:
    leads = await parts.records(LEADS, "list_leads", most=most, campaign=campaign["id"])
    if leads is not None and len(leads) == most < MOST_LEADS and LEADS in parts.unknown:
        parts.unknown[LEADS] += f": max_items may be up to {MOST_LEADS}"
    return leads


def _verdict(campaign: Record, verdict: Verdict, parts: Parts) -> str:
    if verdict.blockers:
        return "not ready: fix the blockers, then check again"
    if parts.unknown:
        return "no blocker in what was read: see unknown"
    if campaign.get("status") == ACTIVE:
        return "no blocker, and it is active already"
    return "ready: after a yes of the user, activate_campaign"


async def _history(parts: Parts, campaign: Record, verdict: Verdict) -> None:
    """What has stopped a campaign that was active before, and whether its addresses were bad."""
    if campaign.get("status") == DRAFT:
        return
    if campaign.get("status") in STOPPED:
        verdict.warnings.append(STOPPED[campaign["status"]])
    figures = await parts.call(BOUNCES, "get_campaign_analytics", id=campaign["id"], exclude_total_leads_count=True)
    for row in records_of(figures):
        if row.get("campaign_id") == campaign["id"] and (why := high_bounces(row)):
            verdict.blockers.append(f"{why}: verify the leads that are left, or take them out")


async def _sending(parts: Parts, campaign: Record, verdict: Verdict) -> None:
    """Why an active campaign does not send, where that does not pass by itself."""
    answer = await parts.call(SENDING, "get_campaign_sending_status", id=campaign["id"])
    status, message = status_against(answer)
    if not status or (status == NO_LEADS and not {NONE_LEFT, NO_LEADS_AT_ALL}.isdisjoint(verdict.blockers)):
        return
    told = f"it is active, and not sending: {status}{f' ({message})' if message else ''}"
    if may_pass(answer):
        verdict.warnings.append(f"{told}: a sender that is at its limit today may match")
    else:
        verdict.blockers.append(told)


def _verified(leads: list[Record]) -> dict[str, int]:
    labels = LABELS["verification_status"]
    kinds = (lead.get("verification_status") for lead in leads)
    return dict(Counter(labels.get(kind, f"status {kind}") for kind in kinds).most_common())


async def _senders(parts: Parts, campaign: Record, verdict: Verdict) -> list[Record]:
    """The accounts that the campaign sends from, by address or by tag, and what is wrong with them."""
    named = list(dict.fromkeys(map(str, campaign.get("email_list") or ())))
    tags = [str(tag) for tag in campaign.get("email_tag_list") or ()]
    if not named and not tags:
        verdict.blockers.append("it has no senders: give email_list with update_campaign")
        return []
    found: dict[str, Record] = {}
    if named:
        accounts = await parts.records(SENDERS, "list_accounts", most=MAX_ACCOUNTS) or []
        known = {str(account.get("email", "")).lower(): account for account in accounts}
        missing = [email for email in named if email.lower() not in known]
        found = {email.lower(): known[email.lower()] for email in named if email not in missing}
        if not missing:
            # Whatever accounts there are beyond, these are all that count.
            parts.unknown.pop(SENDERS, None)
        elif SENDERS not in parts.unknown:
            shown = [email if ADDRESS.fullmatch(email) else compact(email) for email in missing]
            verdict.warnings.append(f"{amount(len(missing), 'sender')} not an account of the workspace: {some(shown)}")
    if tags:
        tagged = await parts.records(SENDERS, "list_accounts", most=MAX_ACCOUNTS, tag_ids=",".join(tags)) or []
        found |= {str(account.get("email", "")).lower(): account for account in tagged}
    failing = {email: why for email, account in found.items() if (why := why_not_sending(account))}
    if len(failing) == len(found) and SENDERS not in parts.unknown:
        verdict.blockers.append("none of its senders can send")
    if failing:
        verdict.warnings.append(f"cannot send: {some([f'{email} ({why})' for email, why in failing.items()], 130)}")
    await _deliverability(parts, list(found.values()), verdict)
    return list(found.values())


async def _deliverability(parts: Parts, accounts: list[Record], verdict: Verdict) -> None:
    """Warmup of the senders, and the DNS records of their domains."""
    emails = [str(account["email"]) for account in accounts]
    weak = [f"{one['email']} ({', '.join(why)})" for one in accounts if (why := weaknesses(one))]
    if weak:
        verdict.warnings.append(f"likely to land in spam: {_many(weak)}")
    if not emails:
        return
    if len(emails) > LARGEST_PAGE:
        parts.unknown[WARMUP] = f"read for {LARGEST_PAGE} of {len(emails)} senders"
    warmup = await parts.call(WARMUP, "get_warmup_analytics", emails=emails[:LARGEST_PAGE])
    days = (warmup or {}).get("email_date_data") or {}
    falling = [f"{email} ({how})" for email in emails if (how := fall(days.get(email)))]
    if falling:
        verdict.warnings.append(f"warmup falls: {_many(falling)}")
    # Records belong to domains: one account of each stands for the others.
    by_domain = {email.rpartition("@")[2]: email for email in emails}
    vitals = await parts.call(DNS, "test_account_vitals", accounts=list(by_domain.values()))
    for row in (vitals or {}).get("failure_list") or ():
        lacks = [name for name in ("mx", "spf", "dkim", "dmarc") if row.get(name) is False]
        # Without a policy of its own, email of the domain is delivered all the same.
        against = verdict.warnings if lacks == ["dmarc"] else verdict.blockers
        against.append(f"the domain {row.get('domain')} fails {', '.join(lacks) or 'its DNS check'}: fix its DNS")


def _many(names: list[str]) -> str:
    return f"{amount(len(names), 'sender')}, {some(names, 130)}"


async def _blocked(parts: Parts) -> set[str]:
    entries = await parts.records(BLOCK_LIST, "list_block_list_entries", most=MAX_BLOCKED) or []
    return {str(entry.get("bl_value", "")).lower() for entry in entries}


async def _overlaps(context: Context, parts: Parts, campaign: Record, leads: list[Record], verdict: Verdict) -> None:
    """Active campaigns that write to the same people, or from the same senders."""
    active = await parts.records(OTHERS, "list_campaigns", most=MAX_CAMPAIGNS, status=ACTIVE)
    if active is None:
        return
    names = {one["id"]: shorten(str(one.get("name")), 60) for one in active if one["id"] != campaign["id"]}
    senders = set(campaign.get("email_list") or ())
    sharing = [names[one["id"]] for one in active if one["id"] in names and senders & set(one.get("email_list") or ())]
    if sharing:
        verdict.warnings.append(f"its senders' daily limits are shared with active campaigns: {some(sharing)}")
    if not names and OTHERS not in parts.unknown:
        return
    if context.only_campaign:
        parts.unknown[OVERLAP] = "this server reads the leads of one campaign alone (--only-campaign)"
        return
    emails = [str(lead.get("email")) for lead in leads]
    met: dict[str, set[str]] = {}
    for start in range(0, min(len(emails), MAX_COMPARED), LARGEST_PAGE):
        chunk = emails[start : min(start + LARGEST_PAGE, MAX_COMPARED)]
        rows = await parts.records(OVERLAP, "list_leads", most=5 * LARGEST_PAGE, contacts=chunk, in_campaign=True)
        if rows is None:
            break
        for row in rows:
            if row.get("campaign") in names and row.get("status") == 1:
                met.setdefault(str(row["campaign"]), set()).add(quotable(row.get("email")))
    if len(emails) > MAX_COMPARED and OVERLAP not in parts.unknown:
        parts.unknown[OVERLAP] = f"looked up for {MAX_COMPARED} of {len(emails)} leads"
    for identity, people in met.items():
        told = f"{amount(len(people), 'lead')} under way in the active campaign {names[identity]}"
        verdict.warnings.append(f"{told}: {some(sorted(people))}")


async def _agents(parts: Parts, campaign: Record, verdict: Verdict) -> None:
    """AI agents at work that answer for the campaign, fill it up or run it."""
    for agent in await parts.records(MANAGERS, "list_inbox_managers", most=LARGEST_PAGE, status=1) or ():
        tags = (agent.get("payload") or {}).get("tags")
        covers = "answers its replies" if not tags or ALL_ACCOUNTS in tags else "answers for senders with its tags"
        verdict.warnings.append(f"the AI inbox manager {_name(agent)} is active and {covers}")
    finders = await parts.records(FINDERS, "list_lead_finders", most=LARGEST_PAGE, campaign_id=campaign["id"])
    for agent in finders or ():
        if agent.get("status") == 1:
            verdict.warnings.append(f"the AI lead finder {_name(agent)} adds leads to it, for credits")
    if campaign.get("ai_sdr_id"):
        for agent in await parts.records(SALES, "list_sales_agents", most=LARGEST_PAGE, status=1) or ():
            if agent.get("id") == campaign["ai_sdr_id"]:
                verdict.warnings.append(f"the AI sales agent {_name(agent)} runs it and may change it")


def _name(agent: Record) -> str:
    return shorten(str(agent.get("name")), 60)
