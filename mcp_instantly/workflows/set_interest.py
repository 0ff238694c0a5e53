"""The interest of many leads is set, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.errors import InstantlyError, InvalidArguments
from mcp_instantly.text import join_words
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.batch import RESERVED_SECONDS, Batch

MAX_PAGES = 3
"""Pages of leads that are read afterwards, to see what has changed by then."""

Change = dict[str, Any]
"""Arguments of update_lead_interest_status."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Set each; `confirmed` shows already, `accepted` is queued at Instantly."""
    changes = list(_changes(arguments))
    _refuse_contradictions(changes)
    batch: Batch[Change] = Batch(_name)
    await batch.run(context, changes, lambda change: context.call("update_lead_interest_status", **change), "leads set")
    seen = await _seen(context, batch.done)
    confirmed = [change for change in batch.done if _shows(change, seen)]
    accepted = [change for change in batch.done if change not in confirmed]
    found: dict[str, Any] = {}
    if confirmed:
        found["confirmed"] = list(map(_name, confirmed))
    if accepted:
        found["accepted"] = list(map(_name, accepted))
        context.notes.append("accepted: queued and not seen yet.")
    return {**found, **batch.told()}


def _changes(arguments: dict[str, Any]) -> Iterator[Change]:
    """What to set, lead by lead; the same thing once. Raises InvalidArguments for a lead without a value."""
    if arguments.get("reset") and "interest_value" in arguments:
        raise InvalidArguments("set_interest", ["Give interest_value or reset, not both."])
    problems: list[str] = []
    seen: list[Change] = []
    for place, lead in enumerate(arguments["leads"]):
        value = lead.get("interest_value", arguments.get("interest_value"))
        change: Change = {"lead_email": lead["lead_email"].strip().lower()}
        campaign = lead.get("campaign_id", arguments.get("campaign_id"))
        if campaign is not None:
            change["campaign_id"] = campaign
        if value is not None:
            change["interest_value"] = value
        elif arguments.get("reset"):
            change["clear"] = ["interest_value"]
        else:
            problems.append(f"leads[{place}].interest_value: missing, and there is none for all leads.")
        if change not in seen:
            seen.append(change)
    if problems:
        raise InvalidArguments("set_interest", problems)
    yield from seen


def _refuse_contradictions(changes: list[Change]) -> None:
    """Two values for one lead where one would overwrite the other. Raises InvalidArguments."""
    twice: dict[str, None] = {}
    for place, change in enumerate(changes):
        for other in changes[:place]:
            campaigns = {other.get("campaign_id"), change.get("campaign_id")}
            same_place = len(campaigns) == 1 or None in campaigns
            if other["lead_email"] == change["lead_email"] and same_place and _value(other) != _value(change):
                twice[change["lead_email"]] = None
    if twice:
        named = join_words(list(twice)[:8], "and")
        raise InvalidArguments("set_interest", [f"leads: different values for {named} in one campaign; give one each."])


def _value(change: Change) -> float | None:
    value: float | None = change.get("interest_value")
    return value


def _name(change: Change) -> Any:
    """A lead in the answer: its address, with the campaign where one is named."""
    return {name: change[name] for name in ("lead_email", "interest_value", "campaign_id") if name in change}


async def _seen(context: Context, changes: list[Change]) -> list[dict[str, Any]]:
    """The leads that were changed as they are now; none where they cannot be read."""
    found: list[dict[str, Any]] = []
    emails = list(dict.fromkeys(change["lead_email"] for change in changes))
    campaigns = {change.get("campaign_id") for change in changes}
    only = campaigns.pop() if len(campaigns) == 1 else None
    where = {"campaign": only} if only else {}
    if not emails or not context.may_call("list_leads") or context.seconds_left < RESERVED_SECONDS:
        return found
    pages = 0
    try:
        async for page in context.pages("list_leads", contacts=emails, **where):
            found += page
            pages += 1
            if pages == MAX_PAGES:
                # Of an address whose leads are not all read, nothing is known.
                return []
    except InstantlyError:
        return []
    return found


def _shows(change: Change, leads: list[dict[str, Any]]) -> bool:
    """Whether all leads that a change is about have its value."""
    meant = [lead for lead in leads if str(lead.get("email")).lower() == change["lead_email"]]
    if "campaign_id" in change:
        meant = [lead for lead in meant if lead.get("campaign") == change["campaign_id"]]
    return bool(meant) and all(lead.get("lt_interest_status") == _value(change) for lead in meant)
