"""The types of what programs read in records, which `tool_schemas/records.json` keeps.

A model sees an answer as it is; a program that takes a text for a number, or nothing for a name, would guess.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_instantly.text import shorten
from mcp_instantly.tools.catalog import read_data

NEEDED = "!"
"""Behind a name or a type: without it, nothing can be done with a record."""

LIST = "[]"
"""Behind a name: each item of the list."""

WORDS = {
    "string": "text",
    "date": "a date",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
}
"""Types in words: those of JSON, and `date` for a text that is empty or begins with a day."""

TYPES: Mapping[str, type] = {"string": str, "array": list, "object": dict}

NARROWER = {
    "is_auto_reply": "boolean",
    **dict.fromkeys(("date", "start_date", "end_date", "timestamp_created"), "date"),
}
"""Fields that programs read as more than the number or text that stands in the document."""

SAME_RECORDS = {"list_accounts": ("items[]", "get_account")}
"""Lists of whose records the document says nothing, where these begin, and the tool that reads one of them."""

_DAYS = tuple(f"schedules[].days.{day}" for day in range(7))
_SCHEDULE = ("start_date", "end_date", "schedules[].timezone", "schedules[].timing.from", "schedules[].timing.to")
_CAMPAIGN = (
    *("id!", "name!", "status!", "email_list[]", "email_tag_list[]", "daily_limit", "daily_max_leads", "text_only"),
    *("open_tracking", "link_tracking", *(f"campaign_schedule.{name}" for name in (*_SCHEDULE, *_DAYS))),
)
_WAITS = ("delay", "delay_unit", "pre_delay", "pre_delay_unit")
_STEP = ("type!", *_WAITS, "variants[].subject", "variants[].body", "variants[].v_disabled")
_SEQUENCES = tuple(f"sequences[].steps[].{name}" for name in _STEP)
_EMAIL = (
    *("id!", "timestamp_created!", "timestamp_email", "thread_id", "subject", "from_address_email", "lead", "ue_type"),
    *("campaign_id", "i_status", "is_auto_reply"),
)
_COUNTERS = ("in_blocklist", "duplicated_leads", "skipped_count", "invalid_email_count", "incomplete_count")
_ACCOUNT = (*("email!", "status", "setup_pending", "daily_limit", "sending_gap", "warmup_status", "stat_warmup_score"),)
_FIGURES = (
    *("contacted_count", "emails_sent_count", "reply_count", "reply_count_unique", "reply_count_automatic_unique"),
    *("bounced_count", "unsubscribed_count", "total_opportunities", "open_count_unique", "link_click_count_unique"),
)
_UNAVAILABLE = "diagnostics.accounts_summary.unavailable"


def _items(*names: str) -> tuple[str, ...]:
    return (*(f"items[].{name}" for name in names), "next_starting_after")


READ: Mapping[str, tuple[str, ...]] = {
    "bulk_add_leads": (
        *("leads_uploaded!", "remaining_in_plan", *_COUNTERS, "duplicate_email_count", "created_leads[].index!"),
        *("created_leads[].id", "created_leads[].email"),
    ),
    "bulk_create_block_list_entries": ("items[].bl_value!",),
    "count_supersearch_leads": ("number_of_leads",),
    "get_campaign": (
        *_CAMPAIGN,
        *_SEQUENCES,
        *("email_gap", "stop_on_reply", "insert_unsubscribe_header", "allow_risky_contacts", "disable_bounce_protect"),
        *("timestamp_updated", "core_variables", "custom_variables", "ai_sdr_id"),
    ),
    "get_campaign_analytics": ("[].campaign_id!", *(f"[].{name}" for name in ("campaign_status", *_FIGURES))),
    "get_campaign_sending_status": (
        *("diagnostics.status", "summary.status", "summary.status_message"),
        *(f"{_UNAVAILABLE}.daily_limit_hit", f"{_UNAVAILABLE}.slow_ramp_limit_hit"),
    ),
    "get_daily_account_analytics": ("[].date",),
    "get_daily_campaign_analytics": ("[].date",),
    "get_email": (*_EMAIL, "eaccount!"),
    "get_lead_list": ("name!",),
    "get_subsequence": ("id!", "name!", "status!", *_SEQUENCES),
    "get_warmup_analytics": ("email_date_data",),
    "get_workspace_plan": (
        *("subscriptions.outreach.plan_name", "subscriptions.outreach.total_lead_limit"),
        *("subscriptions.outreach.current_lead_count", "subscriptions.credits.available_credits"),
    ),
    "list_accounts": _items(*_ACCOUNT),
    "list_block_list_entries": _items("id!", "bl_value!"),
    "list_campaigns": _items(*_CAMPAIGN),
    "list_emails": _items(*_EMAIL),
    "list_inbox_managers": _items("name!", "payload.tags[]"),
    "list_lead_finders": _items("name!", "status!"),
    "list_lead_labels": _items("label!", "interest_status!"),
    "list_leads": _items(
        *("id!", "status!", "email", "campaign", "subsequence_id", "verification_status", "lt_interest_status"),
        *("payload", "status_summary.lastStep.stepID"),
    ),
    "list_sales_agents": _items("id!", "name!"),
    "list_subsequences": _items("id!", "name!"),
    "reply_to_email": ("id", "to_address_email_list", "subject"),
    "test_account_vitals": tuple(f"failure_list[].{name}" for name in ("domain", "mx", "spf", "dkim", "dmarc")),
}
"""What programs read of the answers of each operation; of writes only where programs go by their answers."""


@dataclasses.dataclass
class Shape:
    """What a value may be: its types, and those of its parts, `[]` for the items of a list."""

    types: tuple[str, ...] = ()
    needed: bool = False
    parts: dict[str, Shape] = dataclasses.field(default_factory=dict)

    def misfit(self, value: Any, place: str, whose: str = "") -> str | None:
        """The first place at which a value is not of its type, as a clause; None where there is none."""
        if value is None and not self.needed:
            return None
        if not any(_is(value, one) for one in self.types):
            due = " or ".join(WORDS[one] for one in self.types if one != "null")
            return f"{place}{whose} is {_word(value)}, where {due} is due"
        if isinstance(value, dict):
            whose = f" of {shorten(value['id'], 60)}" if isinstance(value.get("id"), str) else whose
            inside = ((part, f"{place}.{name}".lstrip("."), value.get(name)) for name, part in self.parts.items())
        elif isinstance(value, list) and LIST in self.parts:
            inside = ((self.parts[LIST], f"{place}[{number}]", item) for number, item in enumerate(value))
        else:
            return None
        return next(filter(None, (part.misfit(item, name, whose) for part, name, item in inside)), None)


def misfit(operation: str, payload: Any) -> str | None:
    """What programs would read in an answer, and is not of the type that is documented, as a clause."""
    shape = _shapes().get(operation)
    return None if shape is None else shape.misfit(payload, "")


def records(paths: Mapping[str, str], facts: Mapping[str, Any]) -> str:
    """The file's text, from the recorded facts of the API; `paths` has method and path of each tool."""

    def response(tool: str) -> dict[str, str]:
        found: dict[str, str] = facts.get(paths[tool], {}).get("response") or {}
        if tool in SAME_RECORDS:
            begin, other = SAME_RECORDS[tool]
            found = found | {f"{begin}.{name}" if name else begin: said for name, said in response(other).items()}
        return found

    types = {tool: dict(_typed(names, response(tool))) for tool, names in READ.items()}
    return json.dumps({tool: one for tool, one in types.items() if one}, indent=2) + "\n"


def _typed(names: tuple[str, ...], response: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is read, and what it stands in, with the types; what the document does not name is left out."""
    for name in names:
        path = name.rstrip(NEEDED)
        if path not in response:
            continue
        for above in _above(path):
            yield above, response[above].rstrip(NEEDED)
        narrower = NARROWER.get(path.rpartition(".")[2])
        types = response[path].rstrip(NEEDED)
        if narrower:
            types = re.sub("number|string", narrower, types)
        yield path, types + (NEEDED if name.endswith(NEEDED) and response[path].endswith(NEEDED) else "")


def _above(path: str) -> Iterator[str]:
    """The paths that a path goes through, the outermost first."""
    for place, letter in enumerate(path):
        if place and (letter == "." or path.startswith(LIST, place)):
            yield path[:place]


@functools.cache
def _shapes() -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for tool, types in read_data("records.json").items():
        found[tool] = whole = Shape(("array", "object"))
        for path, said in types.items():
            shape = whole
            for name in path.replace(LIST, f".{LIST}").lstrip(".").split("."):
                shape = shape.parts.setdefault(name, Shape())
            shape.types = tuple(said.rstrip(NEEDED).split("|"))
            # Between others, nothing is not an item.
            shape.needed = said.endswith(NEEDED) or path.endswith(LIST)
    return found


def _is(value: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if kind in ("integer", "number"):
        finite = isinstance(value, int) or (kind == "number" and isinstance(value, float) and math.isfinite(value))
        return finite and not isinstance(value, bool)
    if kind == "date":
        return isinstance(value, str) and (not value or _begins_with_a_day(value))
    return isinstance(value, TYPES.get(kind, ()))


def _begins_with_a_day(text: str) -> bool:
    try:
        return bool(dt.date.fromisoformat(text[:10]))
    except ValueError:
        return False


def _word(value: Any) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float):
        return "a fraction" if math.isfinite(value) else "a number without end"
    return WORDS[next(kind for kind in ("integer", "boolean", "string", "array", "object") if _is(value, kind))]
