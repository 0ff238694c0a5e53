"""What a model reads: an answer of the API as one JSON object, with what must be said about it in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mcp_instantly.client import Reply
from mcp_instantly.cutting import compact, cut
from mcp_instantly.errors import FailedInside, InstantlyError
from mcp_instantly.operation import Operation
from mcp_instantly.text import error_text, shorten

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
    return Result(error_text(error), error=error)


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
    try:
        if len(_render(structured, notes)) > limit:
            structured, said = cut(structured, limit - len(_render({}, notes)))
            notes.append(said)
        if notes:
            structured = {**structured, NOTE: " ".join(notes)}
        return Result(compact(structured), structured)
    except RecursionError:
        structured = {NOTE: " ".join([*notes, "The answer is nested too deeply to be shown."])}
        return Result(compact(structured), structured)


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
    if reply.media_type == "text/csv" and isinstance(payload, str):
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
    if failed and isinstance(failed, int):
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
        counts = ((payload.get(key), words) for key, words in counted.items())
        why = ", ".join(f"{count} {words}" for count, words in counts if count and isinstance(count, int))
        yield f"No lead was added{f': {why}' if why else ''}."
    if payload.get("count") == 0 and operation.destructive:
        yield "Nothing was deleted: nothing matched."
    if data.get("total_leads") == 0 and payload.get("status") == "success":
        yield "The job found no lead to work on; check the source it was given."


def _either(tools: tuple[str, ...]) -> str:
    return " or ".join(tools)
