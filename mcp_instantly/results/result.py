"""What a model reads: an answer of the API as one JSON object, with what must be said about it in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from mcp_instantly.api.completeness import refuse_odd_fields, refuse_odd_payload
from mcp_instantly.api.paging import NEXT_CURSOR
from mcp_instantly.api.request import Response
from mcp_instantly.errors import ErrorInSuccess, InstantlyError, Outcome
from mcp_instantly.results.concealment import conceal
from mcp_instantly.results.notes import Call, collect_notes, repeats_cursor
from mcp_instantly.results.projection import View
from mcp_instantly.results.protection import MARK, Writable
from mcp_instantly.results.strangers import Quotation, explained, quoting, without_marks
from mcp_instantly.results.table import CSV, as_csv
from mcp_instantly.results.truncation import count_fitting, truncate
from mcp_instantly.text import compact, error_text, one_line, shorten
from mcp_instantly.tools.operation import Operation

NOTE = "_note"
"""The name under which our own words stand beside the API's fields."""

OUTCOME = "_outcome"
"""The name under which programs are told what became of a write."""

WHOLE = View()

MAX_DEPTH = 64
"""Levels of nesting that are shown: more than any answer of the API has, and fewer than any parser refuses."""


@dataclasses.dataclass(frozen=True)
class Result:
    """`text` is the compact JSON of `structured`, or the sentence of an `error`, which has no structure.

    `by_strangers` says whether it holds what strangers wrote.
    `fitting` is set for a page that had to be truncated: the `limit` with which it would fit as a page of its own.
    `outcome` tells what became of a write, and is None for what is only read.
    """

    text: str
    structured: dict[str, Any] | None = None
    error: InstantlyError | None = None
    fitting: int | None = None
    outcome: Outcome | None = None
    by_strangers: bool = False

    @property
    def for_programs(self) -> dict[str, Any] | None:
        """What a program gets: the structure, and of a write under `_outcome` what became of it, an error or not."""
        if self.outcome is None:
            return self.structured
        found = self.structured if self.error is None else {"error": self.text}
        return {**(found or {}), OUTCOME: self.outcome}


def failure(error: InstantlyError, *, raw: bool = False) -> Result:
    """The result of a call that did not work; with `raw`, what it quotes of strangers has no marks."""
    said = error_text(error)
    shown = without_marks(said) if raw else explained(said)
    return Result(shown, error=error, outcome=error.told, by_strangers=shown != said)


def success(
    operation: Operation,
    sent: dict[str, Any],
    reply: Response,
    limit: int,
    *,
    view: View = WHOLE,
    kept: Callable[[], Writable] = Writable,
    more_notes: tuple[str, ...] = (),
    quotation: Quotation | None = None,
    reveal: bool = True,
) -> Result:
    """The result of an answer: objects as they are, arrays under `items`, text under `text`, notes under `_note`.

    `sent` are the arguments of the call, `view` is what of the records is shown. An answer longer than `limit`
    characters is truncated; `kept` tells then what must not be cut. `quotation` is how strangers' text is shown;
    without `reveal`, secrets are hidden. Raises ErrorInSuccess for a success that carries an error.
    """
    structured = _wrap(reply.payload)
    raise_inner_error(operation, reply.payload)
    notes = [*collect_notes(Call(operation, sent, reply)), *more_notes]
    if repeats_cursor(sent, structured):
        structured = {name: value for name, value in structured.items() if name != NEXT_CURSOR}
    structured, said = view.show(structured)
    structured, hidden = (structured, []) if reveal else conceal(operation, structured)
    found = _quoted(operation, structured, [*notes, *said, *hidden], limit, kept, quotation)
    return _in_lines(found, view) if sent.get("format") == CSV else found


def _in_lines(found: Result, view: View) -> Result:
    """The same result with its records as CSV."""
    assert found.structured is not None
    structured = as_csv(found.structured, view.paths)
    return dataclasses.replace(found, structured=structured, text=compact(structured))


def composed(
    workflow: Operation,
    found: dict[str, Any],
    notes: list[str],
    limit: int,
    *,
    quotation: Quotation | None = None,
    reveal: bool = True,
) -> Result:
    """The result of a workflow, with notes under `_note`; one that is longer than `limit` characters is truncated."""
    found, hidden = (found, []) if reveal else conceal(workflow, found)
    return _quoted(workflow, found, [*notes, *hidden], limit, Writable, quotation)


def _quoted(
    operation: Operation,
    structured: dict[str, Any],
    notes: list[str],
    limit: int,
    kept: Callable[[], Writable],
    quotation: Quotation | None,
) -> Result:
    """What is shown, with strangers' text between marks, within the limit all the same."""
    if quotation is None:
        return _shown(operation, structured, notes, limit, kept)
    quoted = quotation.quote(structured)
    found = _enclosed(quoted, notes, limit, quotation)
    if found is not None:
        return found
    found = _shown(operation, quoted, notes, limit - quotation.room, kept)
    assert found.structured is not None
    enclosed = quotation.enclose(found.structured, NOTE, whole=MARK not in found.text)
    return dataclasses.replace(found, structured=enclosed, text=compact(enclosed), by_strangers=quotation.found)


def _enclosed(quoted: dict[str, Any], notes: list[str], limit: int, quotation: Quotation) -> Result | None:
    """What was quoted, between its marks, as a text that is made in one pass; None where something must be cut."""
    text = _render(quoted)
    if text is None or MARK in text:
        return None
    before, after = quotation.marks(NOTE, " ".join(notes))
    if not quoted.keys().isdisjoint((*before, *after)):
        return None
    inside = (compact(before)[1:-1], text[1:-1], compact(after)[1:-1])
    text = f"{{{','.join(filter(None, inside))}}}"
    if len(text) > limit:
        return None
    return Result(text, {**before, **quoted, **after}, by_strangers=quotation.found)


def _shown(
    operation: Operation, structured: dict[str, Any], notes: list[str], limit: int, kept: Callable[[], Writable]
) -> Result:
    shown = {**structured, NOTE: " ".join(notes)} if notes else structured
    text = _render(shown)
    if text is None:
        notes.append(f"What is nested deeper than {MAX_DEPTH} levels is left out; the call itself worked.")
        structured = _prune(structured, MAX_DEPTH - 1)
        shown = {**structured, NOTE: " ".join(notes)}
        text = compact(shown)
    if len(text) <= limit:
        return Result(text, shown)
    return _truncated(operation, structured, notes, limit, kept())


def _wrap(payload: Any) -> dict[str, Any]:
    if isinstance(payload, dict):
        return payload
    if isinstance(payload, list):
        return {"items": payload}
    return {} if payload is None else {"text": payload}


ENVELOPE = {"code", "error", "errorCode", "message", "statusCode", "success"}
"""What the API's errors consist of."""


MAX_DETAIL_CHARACTERS = 800
"""Of what an answer says beside an error."""


def refuse_unusable(operation: Operation, payload: Any, *, by_programs: bool, fields: bool) -> None:
    """Raise ErrorInSuccess for an answer that carries an error, and NoResponse for an odd one, which models see as it
    is, but programs would take for none; and OddResponse for records whose `fields` programs could not go by.
    """
    raise_inner_error(operation, payload)
    if by_programs:
        refuse_odd_payload(operation, payload)
    if fields:
        refuse_odd_fields(operation, payload)


def raise_inner_error(operation: Operation, payload: Any) -> None:
    """Raise ErrorInSuccess for an answer that carries an error.

    A read may tell of an error that happened elsewhere, unless it has nothing but that to tell; where something was to
    be done, an error inside is ours, unless to tell of failures is what the operation is for.
    """
    if not isinstance(payload, dict) or operation.answers_failures:
        return
    if operation.read_only:
        if payload.get("error") and payload.keys() <= ENVELOPE:
            advice = (
                "Instantly answered success, but with an error in the place of what was asked for; call again later."
            )
            raise ErrorInSuccess(200, _in_words(payload.get("message") or payload["error"]), advice=advice)
        return
    message = payload.get("error") or payload.get("order_error") or payload.get("payment_failure_reason")
    if message or payload.get("success") is False or payload.get("status") == "error":
        # What the API says is its own; the record beside it is not.
        quote = quoting() if operation.strangers else str
        said = message or payload.get("message")
        words = _in_words(said) if said else quote(_in_words(payload))
        nothing_done = any(payload.get(name) in values for name, values in operation.nothing_done.items())
        refused = "It was not carried out: mend what it says, then call again."
        advice = refused if nothing_done else ErrorInSuccess.advice
        details = _details(payload, said)
        error = ErrorInSuccess(200, words, advice=f"{advice} It also says: {quote(details)}." if details else advice)
        if nothing_done:
            error.outcome = "refused"
        raise error


def _details(payload: dict[str, Any], said: Any) -> str:
    """The texts and lists that stand beside an error, as JSON, the shortest first, as far as they are not too long."""
    beside = {name: value for name, value in payload.items() if value and isinstance(value, (str, list))}
    texts = [_render({name: value}) for name, value in beside.items() if value != said]
    found = ""
    for text in sorted(filter(None, texts), key=len):
        if len(found) + len(text) <= MAX_DETAIL_CHARACTERS:
            found += f",{text[1:-1]}"
    return one_line(f"{{{found[1:]}}}", MAX_DETAIL_CHARACTERS) if found else ""


def _in_words(said: Any) -> str:
    return shorten(said if isinstance(said, str) else _render(said) or "")


def _render(value: Any) -> str | None:
    """Compact JSON; None for what is nested too deeply."""
    try:
        text = compact(value)
    except RecursionError:
        return None
    # Few brackets cannot nest deeply: short answers are not looked through.
    return None if text.count("{") + text.count("[") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH) else text


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            item
            for part in level
            for item in (part.values() if isinstance(part, dict) else part)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


def _prune(value: Any, depth: int) -> Any:
    """The same value with a mark in place of what lies more than `depth` levels below."""
    if not isinstance(value, (dict, list)):
        return value
    if depth == 0:
        return f"{MARK}: nested too deeply]"
    if isinstance(value, dict):
        return {name: _prune(item, depth - 1) for name, item in value.items()}
    return [_prune(item, depth - 1) for item in value]


def _truncated(
    operation: Operation, structured: dict[str, Any], notes: list[str], limit: int, kept: Writable
) -> Result:
    room = limit - len(compact({NOTE: " ".join(notes)}))
    known = operation.input_schema["properties"]
    paged = operation.read_only and "limit" in known and ("starting_after" in known or "offset" in known)
    fitting = count_fitting(structured, room) if paged else None
    structured, said = truncate(structured, room, kept, paged=paged)
    structured = {**structured, NOTE: " ".join([*notes, said])}
    return Result(compact(structured), structured, fitting=fitting)
