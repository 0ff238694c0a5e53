"""What a write changes, as far as one read shows it: before, and afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_instantly.api.paging import records_of
from mcp_instantly.guards.tells import reader_of, tell_of
from mcp_instantly.masking import SECRET, without_secrets
from mcp_instantly.text import compact
from mcp_instantly.tools.operation import CLEAR, Operation

State = dict[str, Any]
"""Fields, or other names of what can change, with their values; null for a field that is empty."""

INTEREST, INTEREST_FIELD = "update_lead_interest_status", "lt_interest_status"
TAGS = "toggle_custom_tag"
VARIABLES, PAYLOAD = "custom_variables", "payload"
SHOWN_AS = {VARIABLES: PAYLOAD}
"""Arguments that come back under another name."""

NAMES = ("firstName", "lastName", "companyName", "jobTitle")
COPIED = frozenset((*NAMES, "email", "website", "phone", "personalization", "campaign", "list_id"))
"""What the payload of a lead repeats of its fields; all else in it are its variables."""

SWITCHES = ("activate_", "pause_", "resume_")

MAX_PAIRS = 100
"""Of a tag and what it is on that one page shows."""

MAX_STATE_CHARACTERS = 100_000
"""Of a value that is kept."""

NOT_KEPT = "[not kept]"
"""In the place of a secret, and of a value that is too long."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the state that a write changes is read: by `tool` with `arguments`. `sent` is what the write makes of it.

    `fields` are those of the record that the read answers with; `kind` says what it answers with else.
    """

    tool: str
    arguments: dict[str, Any]
    fields: tuple[str, ...]
    sent: State
    kind: str = "record"

    def state(self, payload: Any) -> State | None:
        """What a payload shows of the state; None where it does not tell."""
        if self.kind == "tags":
            return self._tags(payload)
        if self.kind == "lead":
            leads = records_of(payload)
            payload = leads[0] if len(leads) == 1 else None
        if not isinstance(payload, dict):
            return None
        found = {name: payload.get(name) for name in self.fields if name != VARIABLES}
        if VARIABLES in self.fields:
            shown = payload.get(PAYLOAD)
            shown = shown if isinstance(shown, dict) else {}
            # All of them: an update may replace those that it does not name.
            found[VARIABLES] = {
                name: value for name, value in shown.items() if value is not None and name not in COPIED
            }
        return found

    def after(self, payload: Any) -> State | None:
        """What a write has left, from its own answer where that shows it, and else as it was sent."""
        shown = self.state(payload) if self.kind == "record" and isinstance(payload, dict) else None
        found = {name: value for name, value in (shown or {}).items() if self._is_shown(name, payload)}
        # Whether variables that were not sent are still there, only an answer can say.
        after = {**{name: value for name, value in self.sent.items() if name not in SHOWN_AS}, **found}
        return after if set(self.fields) <= set(after) else None

    def _is_shown(self, name: str, payload: Mapping[str, Any]) -> bool:
        """Whether an answer tells what a field is now. Null does not, where variables were sent."""
        shown_as = SHOWN_AS.get(name, name)
        return shown_as in payload and (shown_as == name or payload[shown_as] is not None or not self.sent[name])

    def of_sent(self, state: State) -> State:
        """A state without the variables that were not sent."""
        if VARIABLES not in state:
            return state
        return {
            **state,
            VARIABLES: {name: value for name, value in state[VARIABLES].items() if name in self.sent[VARIABLES]},
        }

    def _tags(self, payload: Any) -> State | None:
        rows = [row for row in records_of(payload) if isinstance(row, dict)]
        if isinstance(payload, dict) and len(rows) >= MAX_PAIRS:
            return None
        there = {f"{row.get('tag_id')} on {row.get('resource_id')}" for row in rows}
        return {pair: pair in there for pair in self.fields}


def place_of(operation: Operation, arguments: Mapping[str, Any], operations: Mapping[str, Operation]) -> Place | None:
    """Where the state is read that a write changes; None where no single bounded read shows it."""
    if operation.name == INTEREST:
        tell = tell_of(operation, arguments, operations)
        assert tell is not None
        asked = {**tell.arguments, "limit": 2}
        sent = {INTEREST_FIELD: arguments.get("interest_value")}
        return Place(tell.tool, asked, (INTEREST_FIELD,), sent, "lead")
    if operation.name == TAGS:
        return _tags(operation, arguments, operations)
    reader = reader_of(operation, operations)
    if reader is None or operation.method == "DELETE":
        return None
    asked = {name: arguments[name] for name in reader.placeholders}
    if operation.name.startswith(SWITCHES):
        return Place(reader.name, asked, ("status",), {})
    if operation.method not in ("PATCH", "PUT"):
        return None
    away = {*operation.placeholders, *operation.extras}
    sent = {name: value for name, value in arguments.items() if name not in away}
    sent |= {name.partition(".")[0]: None for name in arguments.get(CLEAR, ()) if CLEAR in operation.extras}
    return Place(reader.name, asked, tuple(sent), sent)


def _tags(operation: Operation, arguments: Mapping[str, Any], operations: Mapping[str, Operation]) -> Place | None:
    ids = arguments.get("resource_ids")
    tell = tell_of(operation, arguments, operations)
    pairs = tuple(f"{tag} on {one}" for tag in arguments["tag_ids"] for one in ids or ())
    if not ids or len(ids) > MAX_PAIRS or len(pairs) > MAX_PAIRS or tell is None:
        return None
    return Place(tell.tool, tell.arguments, pairs, dict.fromkeys(pairs, arguments["assign"]), "tags")


def lost_variables(before: State, after: State) -> list[str]:
    """The custom variables that were there before, and are not afterwards."""
    return sorted(set(before.get(VARIABLES) or ()) - set(after.get(VARIABLES) or ()))


def unkept_variables(before: State, names: Iterable[str]) -> list[str]:
    """Those of some custom variables that were there before and are not written down."""
    there = kept(before)[VARIABLES]
    return [name for name in names if holds_hidden(there if there == NOT_KEPT else there[name])]


def kept(state: State) -> State:
    """A state as it may be written down: without secrets, at any depth, and without what is too long."""
    return {name: _kept(value, name) for name, value in state.items()}


def _kept(value: Any, name: str) -> Any:
    if value not in (None, "", {}, []) and SECRET.search(name):
        return NOT_KEPT
    if isinstance(value, (dict, list, str)) and len(compact(value)) > MAX_STATE_CHARACTERS:
        return NOT_KEPT
    return without_secrets(value, NOT_KEPT)


def holds_hidden(value: Any) -> bool:
    """Whether something of a value was not kept."""
    if isinstance(value, dict):
        return any(map(holds_hidden, value.values()))
    return any(map(holds_hidden, value)) if isinstance(value, list) else value == NOT_KEPT
