"""People and companies are not written to any more: blocked, taken out of subsequences, and what is left is said."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.errors import InstantlyError, InvalidArguments, Locked
from mcp_instantly.text import error_text, name_some
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.batch import NOT_DONE, RESERVED_SECONDS, UNKNOWN, Batch, outcome_of

MAX_LEADS = 1_000
"""Leads that are read at most, and as many of a domain."""

MAX_SHOWN = 100
"""Leads under way that the answer names; the others are counted."""

MAX_NAME_PAGES = 5
"""Pages that are read for the names of campaigns and subsequences."""

STATUSES = {1: "active", 2: "paused"}
"""A lead's status with which it may get email from its campaign."""

ADDRESS = re.compile(r"[^\s@,;<>]+@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")

SHARED_DOMAINS = frozenset(
    (
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "ymail.com",
        "icloud.com",
        "me.com",
        "aol.com",
        "proton.me",
        "protonmail.com",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "web.de",
        "t-online.de",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
    )
)
"""Domains at which people of all companies have their mailboxes."""

NOT_STOPPED = (
    "A block stops campaign email of the whole workspace, also in subsequences. It does not stop replies and forwards "
    "by hand or emails scheduled by hand, and covers no subdomains. A lead keeps its status until its next email would "
    "be due."
)

Lead = dict[str, Any]


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Block first, since from then on nothing is sent; then end the subsequences of those who are surely blocked.

    Raises InvalidArguments, with nothing changed, for what is neither an address nor a domain of one company; and
    Locked where the server works on one campaign alone, as a block holds in all.
    """
    who = _read(arguments["who"])
    refused = _not_for_one(context) if context.only_campaign else ""
    if refused and not arguments.get("preview"):
        raise Locked(refused)
    await context.progress(0, None, "looking for leads")
    leads, complete = await _find(context, who)
    covered = [lead for lead in leads if _is_named(lead, who)]
    under_way = [lead for lead in covered if _is_under_way(lead)]
    found: dict[str, Any] = {"leads_found": len(covered), "under_way": len(under_way)}
    if arguments.get("preview"):
        found = {"preview": True, **({"would_be_refused": refused} if refused else {"would_block": who}), **found}
    else:
        blocks = await _block(context, who)
        found = {"blocked": blocks.done, **blocks.told(), **found}
        found |= await _end_subsequences(context, under_way, blocks.done)
    found |= await _places(context, under_way)
    if not complete:
        holds = "" if refused else "; the block holds for all"
        context.notes.append(f"Not all leads could be read, so there may be more under way{holds}.")
    found |= _not_covered(leads, who)
    if not refused:
        context.notes.append(NOT_STOPPED)
    return found


def _not_for_one(context: Context) -> str:
    """Why nobody is blocked for one campaign, and how email of it is ended."""
    way = context.advise("move_leads") and (
        " To end its email alone, take leads out of it with move_leads (ids, to_list_id); preview names them."
    )
    return (
        f"Nothing was changed: this server works on campaign {context.only_campaign} alone (--only-campaign), and a "
        f"block holds in all campaigns; a person blocks them outside of this server.{way}"
    )


def _read(values: list[str]) -> list[str]:
    who = list(dict.fromkeys(value.strip().lower().rstrip(".") for value in values))
    problems = [problem for value in who for problem in _problems(value)]
    if problems:
        raise InvalidArguments("stop_contacting", problems[:20])
    return who


def _problems(value: str) -> list[str]:
    said = name_some([value])
    if value in SHARED_DOMAINS:
        return [f"who: {said} has the mailboxes of people of all companies; give their addresses."]
    if (ADDRESS if "@" in value else DOMAIN).fullmatch(value):
        return []
    return [f"who: {said} is neither an address nor a domain (acme.com; letters beyond ASCII as punycode)."]


# leads


async def _find(context: Context, who: list[str]) -> tuple[list[Lead], bool]:
    """The leads of these people and domains, those of subdomains too, and whether these are all."""
    addresses = [value for value in who if "@" in value]
    searches: list[dict[str, Any]] = [{"search": value} for value in who if "@" not in value]
    if addresses:
        searches.append({"contacts": addresses})
    found: dict[str, Lead] = {}
    complete = True
    for search in searches:
        read = 0
        async for page in context.pages("list_leads", **search):
            read += len(page)
            found |= {lead["id"]: lead for lead in page if _is_meant(lead, who)}
            await context.progress(len(found), message=f"{len(found)} leads found")
            if read >= MAX_LEADS or context.seconds_left < 2 * RESERVED_SECONDS:
                complete = complete and len(page) < LARGEST_PAGE
                break
    return list(found.values()), complete


def _domain(lead: Lead) -> str:
    return str(lead.get("email", "")).lower().rpartition("@")[2]


def _is_meant(lead: Lead, who: list[str]) -> bool:
    return _is_named(lead, who) or any(_domain(lead).endswith(f".{value}") for value in who if "@" not in value)


def _is_named(lead: Lead, who: list[str]) -> bool:
    """Whether an entry for one of `who` covers a lead."""
    return str(lead.get("email", "")).lower() in who or _domain(lead) in who


def _is_under_way(lead: Lead) -> bool:
    return bool(lead.get("subsequence_id")) or (bool(lead.get("campaign")) and lead.get("status") in STATUSES)


def _not_covered(leads: list[Lead], who: list[str]) -> dict[str, Any]:
    """Subdomains with leads, which an entry for their domain may not cover."""
    left = [lead for lead in leads if not _is_named(lead, who)]
    domains = {_domain(lead): {"leads": 0, "under_way": 0} for lead in left}
    for lead in left:
        domains[_domain(lead)]["leads"] += 1
        domains[_domain(lead)]["under_way"] += _is_under_way(lead)
    return {"subdomains_not_blocked": domains} if domains else {}


# what is done


async def _block(context: Context, who: list[str]) -> Batch[str]:
    """Put them on the block list in one call; of those that its answer leaves out, the list itself tells."""
    batch: Batch[str] = Batch(lambda value: value)
    await context.progress(0, None, "blocking")
    why, outcome = "Instantly did not take it as an address or domain.", NOT_DONE
    try:
        named = _among(who, await context.call("bulk_create_block_list_entries", bl_values=who))
    except InstantlyError as error:
        if outcome_of(error) == NOT_DONE:
            raise
        named = []
        why, outcome = f"{error_text(error)} See list_block_list_entries.", UNKNOWN
    for value in who:
        if value in named or await _is_listed(context, value):
            batch.done.append(value)
        else:
            batch.fail(value, why, outcome)
    return batch


def _among(who: list[str], answer: Any) -> list[str]:
    """Those that an answer of the block list names."""
    listed = {entry["bl_value"].lower() for entry in records_of(answer)}
    return [value for value in who if value in listed]


async def _is_listed(context: Context, value: str) -> bool:
    try:
        return bool(_among([value], await context.call("list_block_list_entries", search=value, limit=LARGEST_PAGE)))
    except InstantlyError:
        return False


async def _end_subsequences(context: Context, under_way: list[Lead], blocked: list[str]) -> dict[str, Any]:
    """Take leads out of their subsequences. Those who are not blocked stay: out of it, their campaign would go on."""
    leads = [lead for lead in under_way if lead.get("subsequence_id")]
    ready = [lead for lead in leads if _is_named(lead, blocked)]
    if not ready or not context.may_call("remove_lead_from_subsequence"):
        return {}
    batch: Batch[Lead] = Batch(lambda lead: lead["email"])
    try:
        await batch.run(
            context,
            ready[:MAX_SHOWN],
            lambda lead: context.call("remove_lead_from_subsequence", id=lead["id"]),
            "leads taken out of subsequences",
        )
    except InstantlyError as error:
        # What was blocked is told all the same.
        batch.leave(ready, error_text(error))
    if ready[MAX_SHOWN:]:
        batch.leave(ready[MAX_SHOWN:], "There are too many for one call: call it again.")
    return {"subsequences": {"removed": [lead["email"] for lead in batch.done], **batch.told()}}


# where they are


async def _places(context: Context, under_way: list[Lead]) -> dict[str, Any]:
    """The leads under way by campaign and subsequence, where they were when the call began."""
    if not under_way:
        return {}
    campaigns = await _names(context, "list_campaigns", {lead["campaign"] for lead in under_way if "campaign" in lead})
    wanted = {lead["subsequence_id"] for lead in under_way if lead.get("subsequence_id")}
    subsequences = await _names(context, "list_subsequences", wanted)
    places: dict[tuple[str, str], dict[str, Any]] = {}
    for lead in under_way[:MAX_SHOWN]:
        campaign, subsequence = lead.get("campaign") or "", lead.get("subsequence_id") or ""
        place: dict[str, Any] = {
            "campaign_id": campaign,
            "campaign": campaigns.get(campaign),
            "subsequence_id": subsequence,
            "subsequence": subsequences.get(subsequence),
            "leads": [],
        }
        kept = {name: value for name, value in place.items() if value or name == "leads"}
        status = STATUSES.get(lead.get("status", 0), lead.get("status"))
        told = {"email": lead.get("email"), "lead_id": lead["id"], "status": status}
        places.setdefault((campaign, subsequence), kept)["leads"].append(told)
    return {"where": list(places.values())}


async def _names(context: Context, tool: str, ids: set[str]) -> dict[str, str]:
    """The names of these campaigns or subsequences, as far as they can be read."""
    found: dict[str, str] = {}
    if not ids or not context.may_call(tool) or context.seconds_left < RESERVED_SECONDS:
        return found
    pages = 0
    with contextlib.suppress(InstantlyError):
        async for page in context.pages(tool):
            found |= {one["id"]: one["name"] for one in page if one["id"] in ids}
            pages += 1
            if len(found) == len(ids) or pages == MAX_NAME_PAGES:
                break
    return found
