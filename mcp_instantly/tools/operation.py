"""One operation of the API, read from its schema file: the tool that a model sees, and the request behind it."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.tools.schema_paths import merge_rules, with_null

PLACEHOLDER = re.compile(r"\{([^}]+)\}")

CLEAR = "clear"
"""The argument that names fields to empty, since null means that an argument was not given."""

CURSOR = "starting_after"
"""The argument that asks for the page after a record."""

WAIT_SECONDS = "wait_seconds"
"""The argument that says how long to wait for the end of what goes on after the response."""


EVERY_FIELD = "*"
"""In `strangers`: all that a tool answers."""

UPDATES = ("PATCH", "PUT")
"""Methods of requests that overwrite some fields of what there is."""

STRANGERS_TEXT = "third_party_text"
"""The effect of a tool whose answers hold what strangers wrote."""


@dataclasses.dataclass(frozen=True)
class Narrowing:
    """What keeps a call to the things that are meant, and what happens without it.

    `by` are the arguments that narrow. `blank` is what a blank one of them would do, as the end of a sentence. Of
    `one_of` at least one is needed; `without` is what would happen otherwise. On a read, `without` is what the result
    covers when none of `by` is given. Of `picks`, one must be given where others of them are null: they choose among
    what the rest of the call names; `everything` is how a caller says that all of that is meant.
    """

    by: tuple[str, ...] = ()
    blank: str = ""
    one_of: tuple[str, ...] = ()
    without: str = ""
    picks: tuple[str, ...] = ()
    everything: str = ""


def read_narrowing(data: dict[str, Any]) -> Narrowing:
    """The `narrowing` of a schema file, {} for none."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Narrowing(**fields)


@dataclasses.dataclass(frozen=True)
class Waiting:
    """How the end of work is found out that goes on after a response.

    An operation that tells states has them at the path `state` of its response, and `done` are those that are final.
    One that begins the work has `ask` instead: such an operation, and where each of its arguments stands: `given.email`
    in the arguments of the call, `answer.id` in its response. The first is asked whose arguments are all there.
    """

    state: str = ""
    done: tuple[Any, ...] = ()
    ask: tuple[tuple[str, dict[str, str]], ...] = ()


def read_waiting(data: dict[str, Any]) -> Waiting:
    """The `waiting` of a schema file, {} for none."""
    asked = tuple((one["tool"], one["arguments"]) for one in data.get("ask", ()))
    return Waiting(data.get("state", ""), tuple(data.get("done", ())), asked)


@dataclasses.dataclass(frozen=True)
class Paging:
    """How the next page is asked for where a response has no cursor, as the vendor's document has it.

    `by` is the argument: `starting_after` then takes the id of the last record, and any other counts records. `where`
    is an argument without which responses have cursors all the same.
    """

    by: str = ""
    where: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """A file of `tool_schemas/<toolset>/`. Each is equal to itself only, so that it can be the key of a cache.

    `tool` is the object that goes over the wire (name, title, description, inputSchema, annotations, _meta). The
    other fields stay at home: the request (`send` is query, body, or None when the path takes every argument), `extras`
    (arguments that are ours and never reach the API), `rules` (a JSON Schema that is enforced beside inputSchema),
    `poll` (tools that tell when the work is done), `examples`, `narrowing`, and `uncertain` (arguments by their paths,
    `payload.configuration_type`, of which the documents say too little for a refusal: what is wrong there is sent, with
    a warning).

    A key needs one of `scopes`, and one of `also_scopes` where there are any. `moving` are enums, by the paths of their
    arguments (`signals[].key`), that the vendor keeps adding to: an unknown value is sent, with a warning.
    `default_fields` are the paths of each record that are shown when `fields` is not given, all where there are none;
    `mail` is the field of them that holds the text of an email. `waiting` belongs to wait_seconds. `tells` names the
    read (`tool`, `arguments`, in which `{email}` stands for an argument) that shows what a write has done, where
    tells.py does not find it by itself. `quoted` are the fields, at any depth, in which responses hold what strangers
    wrote; None where the effects say whether all of them do. `secrets` are fields of responses that hold passwords and
    keys, `new_secrets` those that a call has just made. `emptied` are arguments that `clear` empties by an empty list
    or object, as the API takes no null for them; `meant_empty` are fields by their paths in which an empty list says
    something, and what must stand beside each: fields with their values, where null is any value that is not blank.
    `paging` is of lists that have no cursor. With `answers_failures`, a response that tells of a
    failure is what was asked for. `nothing_done` are fields of a failure with the values by which it tells that nothing
    was done. `refusals` say what a status means here, if it is not about the key.
    """

    tool: dict[str, Any]
    toolset: str
    method: str
    path: str
    send: str | None
    operation_id: str | None
    scopes: tuple[str, ...]
    scopes_inferred: bool
    effects: tuple[str, ...]
    poll: tuple[str, ...]
    extras: tuple[str, ...]
    rules: dict[str, Any]
    examples: tuple[dict[str, Any], ...]
    narrowing: Narrowing = Narrowing()
    uncertain: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    also_scopes: tuple[str, ...] = ()
    waiting: Waiting = Waiting()
    default_fields: tuple[str, ...] = ()
    mail: str | None = None
    tells: dict[str, Any] | None = None
    quoted: tuple[str, ...] | None = None
    secrets: tuple[str, ...] = ()
    new_secrets: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    meant_empty: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    paging: Paging = Paging()
    answers_failures: bool = False
    nothing_done: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    refusals: dict[int, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def name(self) -> str:
        return str(self.tool["name"])

    @functools.cached_property
    def title(self) -> str:
        return str(self.tool["title"])

    @functools.cached_property
    def description(self) -> str:
        return str(self.tool["description"])

    @functools.cached_property
    def input_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = self.tool["inputSchema"]
        return schema

    @functools.cached_property
    def read_only(self) -> bool:
        return self._hint("readOnlyHint")

    @functools.cached_property
    def destructive(self) -> bool:
        return self._hint("destructiveHint")

    @functools.cached_property
    def idempotent(self) -> bool:
        """Whether repeating the same call has no further effect: what the model reads and the retry obeys."""
        return self._hint("idempotentHint")

    def _hint(self, name: str) -> bool:
        hint: bool = self.tool["annotations"][name]
        return hint

    @property
    def effect(self) -> str:
        """What a call does, in a word: reads, changes, or deletes. What an update overwrites can be written again."""
        if self.read_only:
            return "reads"
        return "deletes" if self.destructive and self.method not in UPDATES else "changes"

    @property
    def strangers(self) -> tuple[str, ...]:
        """The fields in which answers hold what strangers wrote, EVERY_FIELD for all."""
        if self.quoted is not None:
            return self.quoted
        return (EVERY_FIELD,) if STRANGERS_TEXT in self.effects else ()

    @property
    def scope_groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of scopes: a key needs one of each."""
        return (self.scopes, self.also_scopes) if self.also_scopes else (self.scopes,)

    @functools.cached_property
    def full_schema(self) -> dict[str, Any]:
        """The inputSchema with what the rules know of the same arguments: shapes and lists that are not advertised."""
        facts = {key: value for key, value in self.rules.items() if key in ("properties", "required")}
        schema: dict[str, Any] = merge_rules(self.input_schema, facts)
        return schema

    @functools.cached_property
    def request_schema(self) -> dict[str, Any]:
        """The full schema of what goes to the API: without arguments of ours, and with null where `clear` writes it."""
        properties = {name: child for name, child in self.full_schema["properties"].items() if name not in self.extras}
        schema: dict[str, Any] = {**self.full_schema, "properties": properties}
        for path in self.nullable:
            schema = with_null(schema, path.split("."))
        return schema

    @functools.cached_property
    def clearable(self) -> tuple[str, ...]:
        """Arguments, or fields inside of them (`payload.monthly_credit_budget`), that `clear` can name."""
        if CLEAR not in self.extras:
            return ()
        return tuple(self.input_schema["properties"][CLEAR]["items"]["enum"])

    @functools.cached_property
    def nullable(self) -> tuple[str, ...]:
        """Those of them that the API lets be null."""
        return tuple(name for name in self.clearable if name not in self.emptied)

    @functools.cached_property
    def placeholders(self) -> tuple[str, ...]:
        """Arguments that go into the path, in their order there."""
        return tuple(PLACEHOLDER.findall(self.path))


NO_REQUEST: dict[str, Any] = {"method": "", "path": "", "send": None, "operation_id": None, "scopes": (), "poll": ()}
"""Fields of a tool that has no request of its own."""

AS_GIVEN = "asGiven"
"""In a rule, of the arguments of another tool: that one reads them, nulls among them, as they were given."""

CARRIES_ARGUMENTS: dict[str, Any] = {"properties": {"arguments": {AS_GIVEN: True}}}
"""The rules of a tool that runs another one, or says what it would do."""

WIRE = ("name", "title", "description", "inputSchema", "annotations", "_meta")
"""What goes over the wire; `_meta`, what some hosts want to know of a tool, stands only where there is any."""

META = "_meta"

RESULT_SIZE = "anthropic/maxResultSizeChars"
"""In `_meta`: the characters of a result that Claude Code lets a model read; longer ones it puts into a file."""


def read_quoted(data: dict[str, Any]) -> tuple[str, ...] | None:
    """The `strangers` of a schema file, None for none."""
    return tuple(data["strangers"]) if "strangers" in data else None


def read_operation(file: Path) -> Operation:
    """Read one schema file. Its name is the tool's name, its folder the toolset; ConfigError when it is damaged."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        http = data["http"]
        return Operation(
            tool={key: data[key] for key in WIRE if key in data or key != META},
            toolset=file.parent.name,
            method=http["method"],
            path=http["path"],
            send=http["send"],
            operation_id=http["operation_id"],
            scopes=tuple(http["scopes"]),
            scopes_inferred=http.get("scopes_inferred", False),
            effects=tuple(http["effects"]),
            poll=tuple(http.get("poll", ())),
            extras=tuple(data.get("extras", ())),
            rules=data.get("rules", {}),
            examples=tuple(data["examples"]),
            narrowing=read_narrowing(data.get("narrowing", {})),
            uncertain=tuple(data.get("uncertain", ())),
            moving=tuple(data.get("moving", ())),
            also_scopes=tuple(http.get("also_scopes", ())),
            waiting=read_waiting(data.get("waiting", {})),
            default_fields=tuple(data.get("fields", {}).get("default", ())),
            mail=data.get("fields", {}).get("mail"),
            tells=data.get("tells"),
            quoted=read_quoted(data),
            secrets=tuple(data.get("secrets", ())),
            new_secrets=tuple(data.get("new_secrets", ())),
            emptied=tuple(data.get("emptied", ())),
            meant_empty=data.get("meant_empty", {}),
            paging=Paging(**data.get("paging", {})),
            answers_failures=http.get("answers_failures", False),
            nothing_done=http.get("nothing_done", {}),
            refusals={int(status): said for status, said in http.get("refusals", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"The schema file {file} cannot be used: {error!r}.") from None
