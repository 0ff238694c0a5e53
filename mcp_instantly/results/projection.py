"""What of each record of an answer is shown: the fields that were asked for, or those that a tool shows by default."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mcp_instantly.api.paging import name_of_records
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.results.mail import QUOTED, mail_text
from mcp_instantly.suggestions import MAX_LISTED_NAMES, find_meant, suggest_or_list
from mcp_instantly.text import name_some, shorten
from mcp_instantly.tools.operation import Operation

FIELDS = "fields"
ALL = "*"

MAX_NAMED_FIELDS = 5
"""Fields that are left out and named; of more only their number is told."""

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class View:
    """What is shown of an answer. `paths` are dotted, None for everything; `by_default`: nobody asked for them.

    `mail` is the field whose text is shown once and without what it quotes, where paths are the default. `full` keeps
    nulls and what is empty; inside of `written` fields they are kept always, since somebody may write them back.
    `unsure` are paths that no document knows, each with what is said of it where no record has it either.
    """

    paths: tuple[str, ...] | None = None
    by_default: bool = False
    mail: str | None = None
    full: bool = True
    written: frozenset[str] = frozenset()
    unsure: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def _names(self) -> dict[str, list[str]]:
        return {path: path.split(".") for path in self.paths or ()}

    @functools.cached_property
    def _tops(self) -> set[str]:
        return {names[0] for names in self._names.values()}

    def show(self, answer: Record) -> tuple[Record, list[str]]:
        """The answer as it is shown, and what must be said of what is not."""
        name = name_of_records(answer)
        records = answer.get(name)
        left_out: dict[str, None] = {}
        quoted = False
        if isinstance(records, list):
            shown = [self._record(one, left_out) for one in records]
            quoted = bool(self.mail) and any(
                QUOTED in str(one.get(f"{self.mail}.text")) for one in shown if isinstance(one, dict)
            )
            rest = {key: value for key, value in answer.items() if key != name}
            found = {**(rest if self.full else self._without_empties(rest)), name: shown}
            found = {key: found[key] for key in answer if key in found}
        else:
            found = self._record(answer, left_out)
            quoted = bool(self.mail) and QUOTED in str(found.get(f"{self.mail}.text"))
        notes = [_left_out(list(left_out))] if self.by_default and left_out else []
        if self.mail and quoted:
            notes.append(f'Quoted history is cut from {self.mail}.text; fields ["{self.mail}.text"] shows all of it.')
        notes += self._missed(records if isinstance(records, list) else [answer])
        return found, notes

    def _missed(self, records: list[Any]) -> Iterator[str]:
        for path, said in self.unsure.items():
            if records and all(_at(record, self._names[path])[0] for record in records):
                yield said

    def _record(self, record: Any, left_out: dict[str, None]) -> Any:
        if not isinstance(record, dict):
            return record
        found = record
        if self.paths is not None:
            found = {}
            for path, names in self._names.items():
                if len(names) > 1:
                    missing, value = _at(record, names)
                    if not missing:
                        found[path] = value
                elif path in record:
                    found[path] = record[path]
            if self.by_default:
                for name, value in record.items():
                    if name not in self._tops and name not in left_out and not _empty(value):
                        left_out[name] = None
            if self.mail and self.by_default:
                text = mail_text(record.get(self.mail))
                found = {name: text if name == f"{self.mail}.text" else value for name, value in found.items()}
                if text and f"{self.mail}.text" not in found:
                    found[f"{self.mail}.text"] = text
        return found if self.full else self._without_empties(found)

    def _without_empties(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._without_empties(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {}
        for name, item in value.items():
            if isinstance(item, (dict, list)) and name not in self.written:
                item = self._without_empties(item)
            # As `_empty` has it; most values are none of these.
            if item or not _empty(item):
                kept[name] = item
        return kept


def _empty(value: Any) -> bool:
    return not value and (value is None or isinstance(value, (str, list, dict)))


def _at(value: Any, names: Sequence[str]) -> tuple[bool, Any]:
    """Whether there is nothing at a path, and the value there; below a list, the values of its items."""
    for place, name in enumerate(names):
        if isinstance(value, list):
            inside = [_at(item, names[place:]) for item in value]
            return all(missing for missing, _ in inside), [item for _, item in inside]
        if not isinstance(value, dict) or name not in value:
            return True, None
        value = value[name]
    return False, value


def _left_out(names: list[str]) -> str:
    named = name_some(names, MAX_NAMED_FIELDS, 40)
    return f'Left out, not empty: {named}; name them in fields, or fields ["*"] for all.'


def listed(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with `fields` as a list where it came as `id, name`, and without it where it names nothing."""
    asked = arguments.get(FIELDS)
    if FIELDS in operation.extras and asked in ([], ""):
        return {name: value for name, value in arguments.items() if name != FIELDS}
    if FIELDS not in operation.extras or not isinstance(asked, str) or asked.lstrip().startswith(("[", '"')):
        return arguments
    return {**arguments, FIELDS: [path.strip() for path in asked.split(",") if path.strip()]}


def view_of(
    operation: Operation,
    arguments: dict[str, Any],
    *,
    full: bool,
    known: Callable[[str], tuple[str, ...]],
    written: frozenset[str],
) -> View:
    """The view that a call asks for. `known` tells the paths of an operation's records, none where they are unknown.

    Raises InvalidArguments for a field that no record has. One that resembles none may be new, and is looked for.
    """
    asked: list[str] = list(dict.fromkeys(arguments.get(FIELDS, ())))
    if ALL in asked:
        return View(full=full, written=written)
    if asked:
        unknown = unknown_fields(asked, known(operation.name))
        tops = [path for path in known(operation.name) if "." not in path]
        unsure = {path: _tell_missed(path, tops) for path in unknown if _may_be_new(path.partition(".")[0], tops)}
        if unknown.keys() > unsure.keys():
            raise InvalidArguments(operation.name, [said for path, said in unknown.items() if path not in unsure])
        return View(tuple(asked), full=full, written=written, unsure=unsure)
    if full or not operation.default_fields:
        return View(full=full, written=written)
    return View(operation.default_fields, by_default=True, mail=operation.mail, written=written, full=False)


def _may_be_new(name: str, known: Sequence[str]) -> bool:
    return name not in known and find_meant(name, known) is None


def _tell_missed(path: str, known: Sequence[str]) -> str:
    listed = f" Known are {', '.join(known)}." if len(known) <= MAX_LISTED_NAMES else ""
    return f"No record has {shorten(path, 60)!r}, and no document names it.{listed}"


def unknown_fields(asked: Sequence[str], known: tuple[str, ...]) -> dict[str, str]:
    """The paths that are not known, where any is, with a sentence for each. One that ends with `.*` stands for any
    below it.
    """
    if not known:
        return {}
    found = {}
    free = tuple(path.removesuffix("*") for path in known if path.endswith(".*"))
    plain = [path for path in known if not path.endswith(".*")]
    for place, path in enumerate(asked):
        if path not in plain and not path.startswith(free):
            # Of a wrong inner name its neighbours are listed, of a wrong one at the top all that stand there.
            inside = path.rpartition(".")[0]
            near = [one for one in plain if one.rpartition(".")[0] == inside] or [
                one for one in plain if "." not in one
            ]
            shown = shorten(path, 60)
            found[path] = f"{FIELDS}[{place}]: unknown field {shown!r}.{suggest_or_list(path, near)}"
    return found
