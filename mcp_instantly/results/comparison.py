"""Whether a record that came back is what was sent: a new one, with the values that were given."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import name_some, read_instant
from mcp_instantly.tools.operation import Operation

SAME_MOMENT_SECONDS = 60
"""What has just been made was changed no longer than this after it was made."""

MAX_COMPARED_CHARACTERS = 200
"""Characters of a text that is compared with what came back: longer ones may come back reformatted."""

PLACES = {"campaign": "campaign", "list_id": "list"}
"""Fields of a lead that say where it is."""

LEAD_TEXTS = ("first_name", "last_name", "company_name", "job_title", "phone", "website", "personalization")
"""Fields of a lead that an answer shows where they are set."""


def other_state(operation: Operation, sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    """A create or update whose answer shows other values than it was given: an older record, or values not taken."""
    given = {name: value for name, value in sent.items() if name not in operation.placeholders}
    different = [name for name, value in given.items() if name in payload and same_value(value, payload[name]) is False]
    custom, shown = given.get("custom_variables"), payload.get("payload")
    if isinstance(custom, dict) and isinstance(shown, dict):
        different += [name for name in custom if name in shown and same_value(custom[name], shown[name]) is False]
    if operation.name == "create_lead":
        yield from _older_lead(given, payload, different)
    elif operation.name == "create_inbox_manager_guidance" and _is_older(payload):
        yield f"The basics exist once: those of {payload['timestamp_created']} were overwritten."
    elif operation.name.startswith("create_") and _is_older(payload):
        yield f"Nothing was made: this was there already, since {payload['timestamp_created']}."
    elif different:
        names = name_some(different)
        yield f"{names} came back with other values than were sent: read the record before relying on it."


def _older_lead(given: dict[str, Any], payload: dict[str, Any], different: list[str]) -> Iterator[str]:
    """A known address is not added again: the lead that is there comes back as it was."""
    asked = {name: given[name] for name in PLACES if given.get(name)}
    found = {name: payload[name] for name in PLACES if payload.get(name)}
    missing = [name for name, value in given.items() if name in LEAD_TEXTS and value and name not in payload]
    if "id" in payload and not found:
        yield (
            "The lead is in no campaign and no list, so nothing is sent to it: call create_lead again with campaign or "
            f"list_id, and delete_lead with the id {payload['id']}."
        )
    if found and not any(found.get(name) == place for name, place in asked.items()):
        where = " and ".join(f"{PLACES[name]} {place}" for name, place in found.items())
        yield f"Nothing was added: this is an older lead with the same address, in {where}. move_leads can copy it."
    elif _is_older(payload):
        lost = f" Not taken over: {name_some(different + missing)}." if different or missing else ""
        yield f"Nothing was added: this is an older lead with the same address.{lost} update_lead changes it."
    elif different or missing:
        yield (
            f"{name_some(different + missing)} did not come back as sent: this may be an older lead with the same "
            "address, which create_lead leaves as it was. update_lead changes it."
        )


def _is_older(payload: dict[str, Any]) -> bool:
    """Whether a record that should be new shows a life before the call: changes or contacts after it was made."""
    made, changed = (_instant(payload.get(name)) for name in ("timestamp_created", "timestamp_updated"))
    later = made and changed and abs((changed - made).total_seconds()) > SAME_MOMENT_SECONDS
    return bool(later or payload.get("timestamp_last_contact"))


def _instant(text: Any) -> dt.datetime | None:
    try:
        return read_instant(text)
    except (TypeError, ValueError):
        return None


def same_value(sent: Any, shown: Any) -> bool | None:
    """Whether a value came back as it was sent; how it is written does not count. None where that cannot be told."""
    if sent == shown:
        return True
    one, other = _plain(sent), _plain(shown)
    return None if one is None or other is None else one == other


def _plain(value: Any) -> str | None:
    """A value without its spelling, empty for nothing, false and 0.

    None for what cannot be compared: structures, instants, long or marked-up text.
    """
    if value is None or value is False:
        return ""
    if isinstance(value, (int, float)):
        return repr(float(value)) if value else ""
    if not isinstance(value, str) or len(value) > MAX_COMPARED_CHARACTERS:
        return None
    if "<" in value or re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    text = re.sub(r"^https?://(www\.)?", "", value.strip().casefold())
    if text in ("true", "false"):
        return _plain(text == "true")
    if re.fullmatch(r"-?\d{1,15}(\.\d+)?", text):
        return _plain(float(text))
    return re.sub(r"[\W_]+", "", text)
