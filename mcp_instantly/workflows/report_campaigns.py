"""How campaigns do: rates with their denominators, and the campaigns that sent nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_instantly.api.paging import records_of
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.text import shorten
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.campaign_figures import SMALL_SAMPLE, count, is_empty, rates, state
from mcp_instantly.workflows.parts.partial import Parts, Record

MAX_CAMPAIGNS = 1_000
"""Campaigns that are read."""

ROWS = 12
"""Campaigns of each kind that the answer has by default."""

FIRST_INSTANT, LAST_INSTANT = "T00:00:00.000Z", "T23:59:59.999Z"

SUMMED = (
    "contacted_count",
    "emails_sent_count",
    "reply_count_unique",
    "reply_count_automatic_unique",
    "bounced_count",
    "unsubscribed_count",
    "total_opportunities",
    "open_count_unique",
    "link_click_count_unique",
)

NAMES = "names, tracking, and campaigns that sent nothing"


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read the figures and the list of campaigns, and join them. Raises InvalidArguments for a range without days."""
    span = _span(arguments)
    wanted = arguments.get("ids")
    chosen = {"ids": wanted} if wanted else {}
    figures = await context.call("get_campaign_analytics", exclude_total_leads_count=True, **chosen, **span)
    rows = {row["campaign_id"]: row for row in records_of(figures)}
    await context.progress(1, 2, "figures read")
    parts = Parts(context)
    listed = await parts.records(NAMES, "list_campaigns", most=MAX_CAMPAIGNS)
    shown = wanted or ([context.only_campaign] if context.only_campaign else None)
    campaigns = {one["id"]: one for one in listed or () if not shown or one["id"] in shown}
    sent = [row for row in rows.values() if not is_empty(row)]
    silent = [one for one in campaigns.values() if is_empty(rows.get(one["id"], {}))]
    missing = [one for one in wanted or () if one not in rows and one not in campaigns]
    most = arguments.get("max_items", ROWS)
    found: Record = {
        "range": _told(arguments),
        "people": "rates are of the people contacted (twice where in two campaigns); automatic replies are apart",
    }
    if sent:
        found["total"] = _total(sent, campaigns)
    found["campaigns"] = [_row(row, campaigns) for row in _largest(sent)[:most]]
    if listed is not None:
        found["sent_nothing"] = [_named(one["id"], one.get("name"), one.get("status")) for one in silent[:most]]
    left = max(0, len(sent) - most) + max(0, len(silent) - most)
    if left:
        context.notes.append(f"{left} campaigns are left out here (the total has them): raise max_items, or give ids.")
    if span and sent:
        context.notes.append("Replies and bounces count by the day they came, also to emails sent before the range.")
    if any(count(row, "contacted_count") < SMALL_SAMPLE for row in sent):
        context.notes.append(f"small_sample: fewer than {SMALL_SAMPLE} people contacted, so a rate says little.")
    if missing:
        reason = "not found" if NAMES not in parts.unknown else "without figures, or not found"
        parts.unknown["ids"] = f"{reason}: {', '.join(missing)}"
    return {**found, "unknown": parts.unknown} if parts.unknown else found


def _span(arguments: Record) -> dict[str, str]:
    """The instants between which is counted. A mere date is a whole day, which the API would cut at midnight."""
    first, last = arguments.get("start_date"), arguments.get("end_date")
    if first and last and last < first:
        raise InvalidArguments("report_campaigns", [f"end_date: {last} is before start_date, {first}."])
    found = {"start_date": first and first + FIRST_INSTANT, "end_date": last and last + LAST_INSTANT}
    return {name: instant for name, instant in found.items() if instant}


def _told(arguments: Record) -> str:
    first, last = arguments.get("start_date"), arguments.get("end_date")
    if not first and not last:
        return "all time"
    return f"{first or 'the beginning'} to {last or 'now'}, both days included, in UTC"


def _row(row: Record, campaigns: dict[str, Record]) -> Record:
    campaign = campaigns.get(row["campaign_id"], {})
    told = _named(row["campaign_id"], row.get("campaign_name"), row.get("campaign_status", campaign.get("status")))
    return {**told, **rates(row, opens=_tracks(campaign, "open_tracking"), clicks=_tracks(campaign, "link_tracking"))}


def _tracks(campaign: Record, field: str) -> bool:
    """Whether opens or clicks are tracked; where the campaign is not known, the figures stand as they are."""
    return not campaign or bool(campaign.get(field) and not campaign.get("text_only"))


def _total(rows: list[Record], campaigns: dict[str, Record]) -> Record:
    total: Record = {name: sum(count(row, name) for row in rows) for name in SUMMED}
    known = [campaigns.get(row["campaign_id"], {}) for row in rows]
    # Opens of campaigns without tracking would be counted as not opened.
    opens, clicks = (all(_tracks(one, field) for one in known) for field in ("open_tracking", "link_tracking"))
    found = rates(total, opens=opens, clicks=clicks)
    return {name: value for name, value in found.items() if value != "not tracked"}


def _largest(rows: Iterable[Record]) -> list[Record]:
    return sorted(rows, key=lambda row: -count(row, "contacted_count"))


def _named(identity: str, name: Any, status: Any) -> Record:
    return {"id": identity, "name": shorten(str(name), 60), "status": state(status)}
