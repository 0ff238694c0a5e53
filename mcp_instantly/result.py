"""What a model reads: an answer of the API as one JSON object, with what must be said about it in words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from mcp_instantly.client import Reply
from mcp_instantly.errors import FailedInside, InstantlyError, shorten
from mcp_instantly.operation import Operation

NOTE = "_note"
"""The name under which our own words stand beside the API's fields."""


@dataclasses.dataclass(frozen=True)
class Result:
    """`text` is the compact JSON of `structured`, or the sentence of an `error`, which has no structure."""

    text: str
    structured: dict[str, Any] | None = None
    error: InstantlyError | None = None


def failure(error: InstantlyError) -> Result:
    """The result of a call that did not work."""
    return Result(str(error), error=error)


def success(operation: Operation, reply: Reply, limit: int) -> Result:
    """The result of an answer: objects as they are, arrays under `items`, text under `text`, notes under `_note`.

    An answer longer than `limit` characters is cut, between records where it has any. Raises FailedInside for a
    success that carries an error.
    """
    payload = reply.payload
    if isinstance(payload, dict):
        _raise_inner_error(operation, payload)
        structured = payload
    elif isinstance(payload, list):
        structured = {"items": payload}
    elif payload is None:
        structured = {}
    else:
        structured = {"text": payload}
    notes = list(_notes(operation, reply))
    text = _render(structured, notes)
    if len(text) > limit:
        structured, cut = _cut(structured, limit - len(_render({}, notes)))
        notes.append(cut)
    if notes:
        structured = {**structured, NOTE: " ".join(notes)}
    return Result(compact(structured), structured)


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _render(structured: dict[str, Any], notes: list[str]) -> str:
    return compact({**structured, NOTE: " ".join(notes)} if notes else structured)


def _raise_inner_error(operation: Operation, payload: dict[str, Any]) -> None:
    """A read may tell of an error that happened elsewhere; where something was to be done, an error inside is ours."""
    if operation.read_only:
        return
    message = payload.get("error") or payload.get("order_error") or payload.get("payment_failure_reason")
    if message or payload.get("success") is False or payload.get("status") == "error":
        said = message or payload.get("message") or compact(payload)
        raise FailedInside(200, shorten(said if isinstance(said, str) else compact(said)))


# What must be said in words


def _notes(operation: Operation, reply: Reply) -> Iterator[str]:
    payload = reply.payload
    if payload is None:
        yield f"Done: {operation.name} answers with no content."
    if reply.media_type == "text/csv":
        yield f"CSV with {max(0, len(payload.strip().splitlines()) - 1)} rows below its header."
    if reply.status == 202:
        asked = f" {_either(operation.poll)} tells when it is done." if operation.poll else ""
        yield f"Accepted, not done yet.{asked}"
    if isinstance(payload, dict):
        yield from _unfinished(operation, reply.status, payload)
        yield from _nothing_happened(operation, payload)


def _unfinished(operation: Operation, status: int, payload: dict[str, Any]) -> Iterator[str]:
    pending = any(payload.get(name) in ("pending", "in-progress") for name in ("status", "verification_status"))
    if pending and status != 202:
        ask = operation.poll or ((operation.name,) if operation.read_only else ())
        yield f"Not finished yet{f': ask {_either(ask)} again later' if ask else ''}."


def _nothing_happened(operation: Operation, payload: dict[str, Any]) -> Iterator[str]:
    """An answer of 200 that did nothing, or not all of it."""
    data = payload.get("data") if isinstance(payload.get("data"), dict) else {}
    failed = payload.get("failed_count") or data.get("failed_count")
    if failed:
        yield f"{failed} of the items failed, although the status may say success; see the details per item."
    if payload.get("failed_emails") and isinstance(payload["failed_emails"], list):
        yield f"{len(payload['failed_emails'])} of the accounts failed; see failed_emails."
    if payload.get("leads_uploaded") == 0:
        counted = {
            "duplicated_leads": "already there",
            "duplicate_email_count": "twice in the call",
            "skipped_count": "skipped",
            "in_blocklist": "on the block list",
            "invalid_email_count": "with an invalid address",
            "incomplete_count": "incomplete",
        }
        why = ", ".join(f"{payload[key]} {words}" for key, words in counted.items() if payload.get(key))
        yield f"No lead was added{f': {why}' if why else ''}."
    if payload.get("count") == 0 and operation.destructive:
        yield "Nothing was deleted: nothing matched."
    if data.get("total_leads") == 0 and payload.get("status") == "success":
        yield "The job found no lead to work on; check the source it was given."


def _either(tools: tuple[str, ...]) -> str:
    return " or ".join(tools)


# Cutting what is too long


def _cut(structured: dict[str, Any], room: int) -> tuple[dict[str, Any], str]:
    """A shorter object whose JSON has at most about `room` characters, and the sentence that says what is missing.

    A page that lost records loses its cursor too: the next page would begin behind records that nobody saw.
    """
    room -= NOTE_ROOM
    path, records = _longest_list(structured)
    if len(records) < 2:
        found, said = _shorten_texts(structured, room), "The answer was too long; its longest texts are cut."
    else:
        rest = {key: value for key, value in structured.items() if key != "next_starting_after"}
        kept = _first_records(records, room - len(compact(_replaced(rest, path, []))))
        said = f"The answer was too long: {len(kept)} of {len(records)} records in {'.'.join(path)} are shown."
        if not kept:
            kept = [_shorten_texts(records[0], room - len(compact(_replaced(rest, path, []))))]
            said = f"The answer was too long: 1 of {len(records)} records in {'.'.join(path)} is shown, its texts cut."
        found = _replaced(rest, path, kept)
        if "next_starting_after" in structured:
            said += " next_starting_after is left out, so that none is skipped:"
            said += f" ask again with limit {len(kept)}, then page on."
        else:
            said += " Ask for less: a narrower filter, a shorter range, fewer ids."
    if len(compact(found)) > room:
        return {}, f"The answer was too long to be shown ({len(compact(structured))} characters). Ask for less."
    return found, said


NOTE_ROOM = 300
"""Characters that the sentence about a cut may take."""


def _longest_list(value: Any, path: tuple[str, ...] = ()) -> tuple[tuple[str, ...], list[Any]]:
    """The list with the longest JSON that is reached through objects only, and the names that lead to it."""
    best: tuple[tuple[str, ...], list[Any]] = ((), [])
    if isinstance(value, list):
        return path, value
    for key, item in value.items() if isinstance(value, dict) else ():
        found = _longest_list(item, (*path, key))
        if found[1] and len(compact(found[1])) > len(compact(best[1])):
            best = found
    return best


def _replaced(value: dict[str, Any], path: tuple[str, ...], records: list[Any]) -> dict[str, Any]:
    """A copy with other records at the end of the path."""
    name, *deeper = path
    return {**value, name: _replaced(value[name], tuple(deeper), records) if deeper else records}


def _first_records(records: list[Any], room: int) -> list[Any]:
    """As many records as fit into `room` characters."""
    kept = []
    for record in records:
        room -= len(compact(record)) + 1
        if room < 0:
            break
        kept.append(record)
    return kept


def _shorten_texts(value: Any, budget: int) -> Any:
    """The same value with its longest texts cut, so that its JSON has about `budget` characters."""
    longest = max((len(text) for text in _texts(value)), default=0)
    allowed = longest
    while allowed > 20 and len(compact(_limit_texts(value, allowed))) > budget:
        allowed = allowed * 3 // 4
    return _limit_texts(value, allowed)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _limit_texts(value: Any, allowed: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= allowed else f"{value[:allowed]}… [cut, {len(value)} characters]"
    if isinstance(value, dict):
        return {key: _limit_texts(item, allowed) for key, item in value.items()}
    if isinstance(value, list):
        return [_limit_texts(item, allowed) for item in value]
    return value
