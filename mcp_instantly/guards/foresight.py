"""What a call would do, in numbers that are read just before: three bounded reads at most, unknown where one fails."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import anyio

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.errors import InstantlyError
from mcp_instantly.guards.guards import GuardedCall, Warn
from mcp_instantly.guards.prices import price_before, price_told
from mcp_instantly.guards.risks import SENDS, SPENDS, risks_of, without_token
from mcp_instantly.results.lookalikes import lookalikes, said_of
from mcp_instantly.results.strangers import without_marks
from mcp_instantly.text import compact, one_line
from mcp_instantly.tools.operation import Operation
from mcp_instantly.workflows.parts.campaign_figures import count, state
from mcp_instantly.workflows.parts.sending_hours import next_opening, read_hours

READS = 3
"""Reads before a call, at most."""

SECONDS = 4.0
"""That all of them together may take."""

UNKNOWN = "unknown"

VALUE_CHARACTERS = 300
"""Of a value as it is shown; the longest of them are texts of strangers or of the model."""

WARNING_CHARACTERS = 600

CAMPAIGNS = ("to_campaign_id", "campaign_id", "campaign")
"""Arguments that name the campaign that a call acts on; where leads are moved, the one that will mail them."""

FILTERED = ("move_leads", "bulk_delete_leads", "bulk_assign_leads")
"""Tools that act on all leads that their filters match."""

LEAD_FILTERS = (
    "search", "filter", "campaign", "list_id", "in_campaign", "in_list", "ids", "excluded_ids", "queries",
    "contacts", "esg_code", "smart_view_id",
)  # fmt: skip
"""Those of them that list_leads takes too."""

OTHER_FILTERS = {
    "move_leads": ("esp_code",),
    "bulk_delete_leads": ("status",),
    "bulk_assign_leads": ("assigned_to", "has_clause"),
}
"""Those that it does not take, by tool: they narrow the number further, and nobody knows how far."""

NAMES = ("name", "label", "subject", "email", "title", "domain", "bl_value", "id")
"""Fields of a record by which people know it, the best first."""

SUBJECT_CHARACTERS = 80
"""Of what a stranger wrote, which a model reads in a preview too."""

Facts = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Reading:
    """A read, the facts that it is for, and how they are told of its payload; `otherwise`, another one for them."""

    operation: str
    arguments: dict[str, Any]
    about: tuple[str, ...]
    tell: Callable[[Any], Facts]
    otherwise: Reading | None = None


async def foresee(call: GuardedCall, operations: Mapping[str, Operation]) -> Facts:
    """The facts of a call by name. Raises nothing of its own: what could not be read in time is unknown."""
    readings = list(_readings(call, operations))[:READS]
    facts: Facts = {name: UNKNOWN for reading in readings for name in reading.about}

    async def read(reading: Reading) -> None:
        try:
            found = reading.tell(await call.read(reading.operation, SECONDS, **reading.arguments))
        except (InstantlyError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            if reading.otherwise:
                await read(reading.otherwise)
            return
        facts.update({name: value for name, value in found.items() if name in reading.about})

    async def ask(own: Callable[[], Awaitable[Facts]]) -> None:
        try:
            facts.update({name: _shown(value) for name, value in (await own()).items()})
        except InstantlyError as error:
            # What shows it marks the whole of it.
            facts["would_fail"] = _short(without_marks(str(error)))

    async def warn(warning: Warn) -> None:
        if told := await warning(call.operation, call.arguments):
            facts["warning"] = _short(told, WARNING_CHARACTERS)

    with anyio.move_on_after(SECONDS):
        async with anyio.create_task_group() as tasks:
            if call.facts:
                tasks.start_soon(ask, call.facts)
            if call.warning:
                tasks.start_soon(warn, call.warning)
            for reading in readings:
                tasks.start_soon(read, reading)
    if SPENDS in risks_of(call.operation):
        facts.setdefault("price", price_before(call.operation, call.arguments) or UNKNOWN)
        if facts["price"] == UNKNOWN and isinstance(call.arguments.get("limit"), int):
            facts["records_paid_for_at_most"] = call.arguments["limit"]
    return facts


def _readings(call: GuardedCall, operations: Mapping[str, Operation]) -> Iterator[Reading]:
    arguments = call.arguments
    campaign = _campaign_of(call.operation, arguments)
    if call.operation.name in FILTERED:
        yield _matches(call.operation.name, arguments)
    if "search_filters" in arguments:
        given = {"search_filters": arguments["search_filters"]}
        yield Reading("count_supersearch_leads", given, ("people_matched",), _people)
    if SPENDS in risks_of(call.operation):
        if told := price_told(call.operation, arguments):
            yield Reading(told.operation, told.arguments, ("price",), told.tell)
        yield Reading("get_workspace_plan", {}, ("credits_left",), _credits_of(call.operation))
    if email := arguments.get("reply_to_uuid") or arguments.get("email_id"):
        yield Reading("get_email", {"id": email}, ("replies_to", "subject_of_that_email"), _correspondent)
    if campaign:
        about: tuple[str, ...] = ("campaign", "status")
        if SENDS in risks_of(call.operation):
            about += ("senders", "first_email_not_before")
        yield Reading("get_campaign", {"id": campaign}, about, _campaign)
        # A campaign that was never launched may have no figures.
        given = {"campaign": campaign, "limit": LARGEST_PAGE}
        counted = (
            None
            if SPENDS in risks_of(call.operation)
            else Reading("list_leads", given, ("leads", "contacted_so_far"), _leads)
        )
        yield Reading("get_campaign_analytics", {"id": campaign}, ("leads", "contacted_so_far"), _figures, counted)
    elif target := _target_of(call.operation, operations):
        given = {name: arguments[name] for name in target.placeholders}
        if target.name == "get_email":
            yield Reading(target.name, given, ("subject_of_that_email",), _correspondent)
        else:
            yield Reading(target.name, given, ("acts_on",), _name)


def _campaign_of(operation: Operation, arguments: dict[str, Any]) -> str | None:
    if operation.path.startswith("/api/v2/campaigns/{id}"):
        return str(arguments["id"])
    found = next((arguments[name] for name in CAMPAIGNS if arguments.get(name)), None)
    return found if isinstance(found, str) else None


def _target_of(operation: Operation, operations: Mapping[str, Operation]) -> Operation | None:
    """The read of the object that the path of an operation names: the same path, or the longest beginning of it."""
    path = operation.path
    reads = {one.path: one for one in operations.values() if one.method == "GET" and one.placeholders and one.read_only}
    while "{" in path:
        if path in reads:
            return reads[path]
        path = path.rpartition("/")[0]
    return None


def _matches(tool: str, arguments: dict[str, Any]) -> Reading:
    given = {name: arguments[name] for name in LEAD_FILTERS if name in arguments}
    if "campaign_id" in arguments:
        given["campaign"] = arguments["campaign_id"]
    most = arguments.get("limit")

    def tell(page: Any) -> Facts:
        found = len(records_of(page))
        more = found == LARGEST_PAGE and page.get("next_starting_after")
        if isinstance(most, int):
            return {"leads_matched": min(found, most) if not more or most <= found else f"{found} or more"}
        return {"leads_matched": f"{found} or more" if more else found}

    if any(arguments.get(name, False) is not False for name in OTHER_FILTERS[tool]):
        return Reading("list_leads", {**given, "limit": LARGEST_PAGE}, ("leads_matched",), lambda _: {})
    return Reading("list_leads", {**given, "limit": LARGEST_PAGE}, ("leads_matched",), tell)


def _people(payload: Any) -> Facts:
    return {"people_matched": payload["number_of_leads"]}


def _correspondent(email: Any) -> Facts:
    sender = email.get("from_address_email") or email.get("lead") or UNKNOWN
    alike = lookalikes(str(sender))
    return {
        "replies_to": _short(sender) + (f" ({said_of(alike)})" if alike else ""),
        "subject_of_that_email": _short(email.get("subject") or "", SUBJECT_CHARACTERS),
    }


def _campaign(campaign: Any) -> Facts:
    senders = campaign.get("email_list") or []
    tags = campaign.get("email_tag_list") or []
    by_tag = f"{len(senders)} named, and the accounts of {len(tags)} tags" if tags else len(senders)
    return {
        "campaign": _short(campaign["name"]),
        "status": state(campaign.get("status")),
        "senders": by_tag,
        "first_email_not_before": first_email(campaign, dt.datetime.now(dt.timezone.utc)),
    }


def _figures(rows: Any) -> Facts:
    (row,) = records_of({"items": rows} if isinstance(rows, list) else rows)
    return {"leads": count(row, "leads_count"), "contacted_so_far": count(row, "contacted_count")}


def _leads(page: Any) -> Facts:
    found = len(records_of(page))
    more = found == LARGEST_PAGE and page.get("next_starting_after")
    return {"leads": f"{found} or more" if more else found, "contacted_so_far": UNKNOWN}


def _name(record: Any) -> Facts:
    known = next((record[name] for name in NAMES if record.get(name)), UNKNOWN)
    return {"acts_on": _short(known)}


def _credits_of(operation: Operation) -> Callable[[Any], Facts]:
    """What is left of the credits that an operation spends: placement tests have a plan of their own."""
    plan_name = "inbox_placement" if operation.toolset == "inbox_placement" else "credits"

    def tell(plan: Any) -> Facts:
        left = plan["subscriptions"][plan_name]["available_credits"]
        return {"credits_left": UNKNOWN if left is None else left}

    return tell


def first_email(campaign: Mapping[str, Any], now: dt.datetime) -> str:
    """When the schedule of a campaign lets its first email go, from `now` on; each schedule by its own clock."""
    schedule = campaign.get("campaign_schedule") or {}
    opened = [found for hours in read_hours(schedule) if (found := next_opening(hours, schedule, now)) is not None]
    if not opened:
        return UNKNOWN
    return min(opened).astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def shown_arguments(arguments: dict[str, Any]) -> Facts:
    """The arguments as people read them: short, on one line each, lists with their length."""
    return {name: _shown(value) for name, value in without_token(arguments).items()}


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        begun = ", ".join(_short(item, 60) for item in value[:3])
        return f"{len(value)}: {begun}{', ...' if len(value) > 3 else ''}"
    return value if isinstance(value, (bool, int, float)) else _short(value)


def _short(value: Any, limit: int = VALUE_CHARACTERS) -> str:
    return one_line(value if isinstance(value, str) else compact(value), limit)
