"""Which leads an operation means: the filters that listing, moving and assigning share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.shapes import Shape, array, boolean, choice, fields, number, text, uuid
from mcp_instantly.sandbox.resources.leads.labels import NEGATIVE, POSITIVE, side_of
from mcp_instantly.sandbox.resources.leads.records import INVALID, RISKY, VERIFIED
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

Test = Callable[[Record], bool]

MAX_OCCURRENCE_DAYS = 36_500
"""Days of a smart view's period; longer periods make no difference."""


def _has_status(status: int) -> Test:
    return lambda lead: lead["status"] == status


def _has_interest(value: int) -> Test:
    return lambda lead: lead.get("lt_interest_status") == value


def _has_own_label(lead: Record) -> bool:
    return bool(abs(lead.get("lt_interest_status", 0)) > 4)


def _is_verified_as(status: int) -> Test:
    return lambda lead: lead.get("verification_status") == status


def _contacted(lead: Record) -> bool:
    return "timestamp_last_contact" in lead


def _replied(lead: Record) -> bool:
    return bool(lead["email_reply_count"] > 0)


def _opened(lead: Record) -> bool:
    return bool(lead["email_open_count"] > 0)


FILTERS: dict[str, Test] = {
    "FILTER_VAL_CONTACTED": _contacted,
    "FILTER_VAL_NOT_CONTACTED": lambda lead: not _contacted(lead),
    "FILTER_VAL_COMPLETED": _has_status(3),
    "FILTER_VAL_UNSUBSCRIBED": _has_status(-2),
    "FILTER_VAL_ACTIVE": _has_status(1),
    "FILTER_LEAD_INTERESTED": _has_interest(1),
    "FILTER_LEAD_NOT_INTERESTED": _has_interest(-1),
    "FILTER_LEAD_MEETING_BOOKED": _has_interest(2),
    "FILTER_LEAD_MEETING_COMPLETED": _has_interest(3),
    "FILTER_LEAD_CLOSED": _has_interest(4),
    "FILTER_LEAD_OUT_OF_OFFICE": _has_interest(0),
    "FILTER_LEAD_WRONG_PERSON": _has_interest(-2),
    "FILTER_LEAD_LOST": _has_interest(-3),
    "FILTER_LEAD_NO_SHOW": _has_interest(-4),
    "FILTER_LEAD_CUSTOM_LABEL_POSITIVE": _has_own_label,
    "FILTER_LEAD_CUSTOM_LABEL_NEGATIVE": _has_own_label,
    "FILTER_VAL_BOUNCED": _has_status(-1),
    "FILTER_VAL_SKIPPED": _has_status(-3),
    "FILTER_VAL_RISKY": _is_verified_as(RISKY),
    "FILTER_VAL_INVALID": _is_verified_as(INVALID),
    "FILTER_VAL_VALID": _is_verified_as(VERIFIED),
    "FILTER_VAL_IN_SUBSEQUENCE": lambda lead: "subsequence_id" in lead,
    "FILTER_VAL_OPENED_NO_REPLY": lambda lead: _opened(lead) and not _replied(lead),
    "FILTER_VAL_COMPLETED_NO_REPLY": lambda lead: lead["status"] == 3 and not _replied(lead),
    "FILTER_VAL_NO_OPENS": lambda lead: _contacted(lead) and not _opened(lead),
    "FILTER_VAL_REPLIED": _replied,
    "FILTER_VAL_LINK_CLICKED": lambda lead: lead["email_click_count"] > 0,
}
SIDES = {"FILTER_LEAD_CUSTOM_LABEL_POSITIVE": POSITIVE, "FILTER_LEAD_CUSTOM_LABEL_NEGATIVE": NEGATIVE}
"""On which side a lead's own label must be, for the filters that ask."""

QUERY = fields(
    "actionType values",
    actionType=choice("reply", "email-open", "last-contacted", "link-click", "lead-status", "lead-status-change"),
    values=fields(
        **{
            "occurrence-days": number(),
            "occurrence-count": fields(condition=choice("more", "less", "equal"), count=number()),
            "lead-status": fields(status=number(), condition=choice("is", "is-not")),
        }
    ),
)

SELECTION: dict[str, Shape] = {
    "search": text(),
    "filter": text(),
    "campaign": uuid(),
    "list_id": uuid(),
    "in_campaign": boolean(),
    "in_list": boolean(),
    "ids": array(uuid()),
    "queries": array(QUERY),
}
"""The filters that listing, moving and assigning have in common."""

ESP = choice(0, 1, 2, 3, 8, 9, 10, 12, 13, 999, 1000)
ESG = choice("0", "1", "2", "3", "4", "all", "none")

# What a query counts on a lead, and when that last happened.
_ACTIVITY = {
    "reply": ("email_reply_count", "timestamp_last_reply"),
    "email-open": ("email_open_count", "timestamp_last_open"),
    "link-click": ("email_click_count", "timestamp_last_click"),
    "last-contacted": (None, "timestamp_last_contact"),
    "lead-status-change": (None, "timestamp_last_interest_change"),
}


def select_leads(world: World, wanted: dict[str, Any], after: str | None = None) -> Iterator[Record]:
    """The leads behind the one with the id `after` that pass every filter in `wanted`, in the table's order."""
    tests = _tests(world, wanted)
    return (lead for lead in _candidates(world, wanted, after) if all(test(lead) for test in tests))


def _candidates(world: World, wanted: dict[str, Any], after: str | None) -> Iterable[Record]:
    """Leads among which the wanted ones are, from the narrowest index there is."""
    if "ids" in wanted:
        return world.leads.arrange(wanted["ids"], after)
    if wanted.get("contacts"):
        contacts = {contact.lower() for contact in wanted["contacts"]}
        return world.leads.arrange((lead["id"] for email in contacts for lead in world.leads.where(email=email)), after)
    if "campaign" in wanted:
        return world.leads.select(after, campaign=wanted["campaign"])
    if "list_id" in wanted:
        return world.leads.select(after, list_id=wanted["list_id"])
    return world.leads.after(after)


def _tests(world: World, wanted: dict[str, Any]) -> list[Test]:
    tests: list[Test] = []
    if "smart_view_id" in wanted:
        view = world.sales_flows.get(wanted["smart_view_id"].lower())
        if view is None:
            raise not_found("Smart view")
        tests += _view(world, view)
    tests += [_query(world, query) for query in wanted.get("queries", ())]
    if "filter" in wanted:
        if wanted["filter"] not in FILTERS:
            raise ApiRefusal(400, f"Invalid filter: {wanted['filter']}")
        tests.append(FILTERS[wanted["filter"]])
        if wanted["filter"] in SIDES:
            side = SIDES[wanted["filter"]]
            tests.append(lambda lead: side_of(world, lead["lt_interest_status"]) == side)
    if wanted.get("search"):
        tests.append(_search(wanted["search"]))
    for name, field in (("campaign", "campaign"), ("list_id", "list_id"), ("assigned_to", "assigned_to")):
        if name in wanted:
            tests.append(_equal(field, wanted[name]))
    for name in ("esp_code", "enrichment_status"):
        if name in wanted:
            tests.append(_equal(name, wanted[name]))
    for name, field in (("in_campaign", "campaign"), ("in_list", "list_id")):
        if name in wanted:
            tests.append(_present(field, wanted[name]))
    if "ids" in wanted:
        tests.append(_among("id", wanted["ids"]))
    if wanted.get("contacts"):
        tests.append(_among("email", [contact.lower() for contact in wanted["contacts"]]))
    if wanted.get("excluded_ids"):
        excluded = set(wanted["excluded_ids"])
        tests.append(lambda lead: lead["id"] not in excluded)
    if "is_website_visitor" in wanted:
        tests.append(lambda lead: bool(lead.get("is_website_visitor")) == wanted["is_website_visitor"])
    if "esg_code" in wanted:
        tests.append(_gateway(wanted["esg_code"]))
    return tests


def _equal(field: str, value: Any) -> Test:
    return lambda lead: lead.get(field) == value


def _present(field: str, present: bool) -> Test:
    return lambda lead: (field in lead) == present


def _among(field: str, values: list[str]) -> Test:
    known = set(values)
    return lambda lead: lead.get(field) in known


def _gateway(code: str) -> Test:
    if code in ("all", "none"):
        return _present("esg_code", code == "all")
    return _equal("esg_code", int(code))


def _search(words: str) -> Test:
    """Whether the words occur in the lead's name or address."""
    words = words.strip().lower()

    def test(lead: Record) -> bool:
        name = f"{lead.get('first_name', '')} {lead.get('last_name', '')}"
        return words in name.lower() or words in lead.get("email", "")

    return test


def _view(world: World, view: Record) -> list[Test]:
    """The conditions of a smart view, and the place that it is about."""
    tests = [_query(world, query) for query in view["queries"]]
    if "campaign_id" in view:
        tests.append(_equal("campaign", view["campaign_id"]))
    if "list_id" in view:
        everywhere = view["list_id"] == "all-lists"
        tests.append(_present("list_id", True) if everywhere else _equal("list_id", view["list_id"]))
    return tests


def _query(world: World, query: dict[str, Any]) -> Test:
    """One condition of a smart view."""
    values = query["values"]
    tests: list[Test] = []
    if query["actionType"] == "lead-status":
        status = values.get("lead-status", {})
        same = status.get("condition", "is") == "is"
        return lambda lead: (lead.get("lt_interest_status") == status.get("status")) == same
    counted, when = _ACTIVITY[query["actionType"]]
    if "occurrence-days" in values:
        days = max(-MAX_OCCURRENCE_DAYS, min(values["occurrence-days"], MAX_OCCURRENCE_DAYS))
        since = stamp(world.now() - dt.timedelta(days=days))
        tests.append(lambda lead: lead.get(when, "") >= since)
    if counted and "occurrence-count" in values:
        tests.append(_count(counted, values["occurrence-count"]))
    elif not tests:
        tests.append(lambda lead: when in lead)
    return lambda lead: all(test(lead) for test in tests)


def _count(field: str, wanted: dict[str, Any]) -> Test:
    count, condition = wanted.get("count", 0), wanted.get("condition", "more")
    if condition == "equal":
        return lambda lead: lead[field] == count
    return lambda lead: lead[field] > count if condition == "more" else lead[field] < count
