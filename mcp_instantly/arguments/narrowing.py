"""What keeps a call to the things that are meant: a filter that is blank narrows nothing, and is never taken for one.

Models and hosts fill what they leave out with "", [], {} or 0, and search for "*" where they mean all. On a tool that
changes many things such a filter is refused; on a read it is left out, and the result says so. Null is "not given", but
where only nulls keep a change of many from being narrow, the caller must say that everything is meant.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_instantly.text import compact, join_words
from mcp_instantly.tools.operation import AS_GIVEN, CLEAR, CURSOR, Operation

REQUIRED = "Give a value."
EXCLUDED = "excluded_"
"""How the arguments begin that name what a call does not act on."""

OPTIONAL = "Give a value, or leave it out if that is meant."


SEARCH = "search"
"""Arguments, and fields of filters, that take words of names and addresses."""

WILDCARDS = frozenset("*%?_.@")
"""What models write into a search for everything. Instantly documents no wildcard, so it may find all or nothing; and
every address has a dot and an @.
"""

IS_BLANK, MEANS_ALL = "is blank", "is only a wildcard"
"""Why a filter narrows nothing."""

FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and signs by their category that show nothing."""


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: no character that can be seen, nothing inside, or only what is blank itself."""
    if isinstance(value, str):
        return not any(map(_seen, value))
    if isinstance(value, Mapping):
        return all(is_blank(item) for item in value.values())
    if isinstance(value, list):
        return all(is_blank(item) for item in value)
    return value is None


def _means_all(path: str, value: Any) -> bool:
    """Whether a search looks for nothing but what every name or address has, or what stands for all of them."""
    if not isinstance(value, str) or path.rpartition(".")[2] != SEARCH:
        return False
    return not is_blank(value) and WILDCARDS.issuperset(value.strip())


def _seen(char: str) -> bool:
    # Z are separators; C are controls and formats, such as a zero-width space or a byte order mark.
    return unicodedata.category(char)[0] not in "ZC" and char not in FILLERS


def refused(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The blank filters of a call that changes something: the argument's name, and the sentence that refuses it.

    The name is empty where none of the filters is given that one of is needed. Null is "not given".
    """
    narrowing = operation.narrowing
    if operation.read_only:
        return
    for name in narrowing.by:
        value = arguments.get(name)
        if value is None:
            continue
        advice = REQUIRED if name in operation.input_schema.get("required", ()) else OPTIONAL
        if name == "limit" and isinstance(value, (int, float)) and value < 1:
            yield name, f"limit: {value} limits nothing, so {narrowing.blank}. Give at least 1, or leave it out."
        else:
            path, why = (name, IS_BLANK) if is_blank(value) else next(_saying_nothing(value, name), ("", ""))
            if path:
                yield name, f"{path}: {why} and narrows nothing, so {narrowing.blank}. {advice}"
    if narrowing.one_of and not any(_given(arguments.get(name)) for name in narrowing.one_of):
        yield "", f"Give at least one of {', '.join(narrowing.one_of)}: without one, {narrowing.without}."


def blank_changes(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The blank values of an update, each of which would take the place of what is there: the argument's name, and the
    sentence that refuses it.
    """
    if operation.method not in ("PATCH", "PUT"):
        return
    away = {*operation.placeholders, *operation.extras, *operation.narrowing.by}
    for name, value in arguments.items():
        if name in away:
            continue
        lost = [key for key, item in value.items() if item is None] if isinstance(value, dict) else []
        if lost:
            yield name, f"{name}.{lost[0]}: null says nothing. Send all that are to stay, and leave out the others."
            continue
        for path, blank, beside in _blank_fields(value, name, arguments, merged=_is_merged(operation, name)):
            wanted = operation.meant_empty.get(path)
            if wanted is None or blank != [] or not all(_stands(beside.get(key), item) for key, item in wanted.items()):
                way = _way_to_empty(operation, path)
                yield (
                    name,
                    f"{path}: is blank, and would take the place of what is there. Leave it out to keep that{way}.",
                )


def _stands(value: Any, wanted: Any) -> bool:
    """Whether what must stand beside an empty list does: that value, or for null, any that is not blank."""
    return not is_blank(value) if wanted is None else bool(value == wanted)


def _way_to_empty(operation: Operation, path: str) -> str:
    """How a field is emptied, as the end of a sentence; empty where it cannot be."""
    if path in operation.clearable:
        return f"; to empty it, name it in {CLEAR}"
    if path not in operation.meant_empty:
        return ""
    beside = [name if item is None else f"{name} {compact(item)}" for name, item in operation.meant_empty[path].items()]
    return f"; to empty it, give []{' with ' + join_words(beside, 'and') + ' beside it' if beside else ''}"


def _is_merged(operation: Operation, name: str) -> bool:
    """Whether the API leaves those fields of an object as they are that an update does not name."""
    return any(path.startswith(f"{name}.") for path in operation.clearable)


def without_parts_of_nulls(operation: Operation, given: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent, without parts of merged objects for whose every field a framework wrote null: they are not given.

    `given` are the arguments of the caller, `sent` those that are left without nulls.
    """
    return {name: _left(given.get(name), it) if _is_merged(operation, name) else it for name, it in sent.items()}


def _left(given: Any, sent: Any) -> Any:
    if not isinstance(given, Mapping) or not isinstance(sent, Mapping):
        return sent
    parts = {name: _left(given.get(name), part) for name, part in sent.items()}
    return {name: part for name, part in parts.items() if part != {} or not given.get(name)}


def _blank_fields(
    value: Any, path: str, beside: Mapping[str, Any], *, merged: bool
) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """A value that is blank, of an object that is merged those within: the path, the value, and the fields `beside` it,
    itself among them. A merged object without any field changes nothing; but how deep the API merges is not documented,
    so an empty one within it may take the place of what is there.
    """
    if merged and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _blank_fields(item, f"{path}.{name}", value, merged=item != {})
    elif is_blank(value):
        yield path, value, beside


def nulls(operation: Operation, given: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[str]:
    """The sentence that refuses a call about many which is only wide because what was to narrow it is null.

    Frameworks write null for each argument that was left out, and models for one they could not fill: the two cannot
    be told apart, so such a call goes out where it would be narrow all the same. `given` are the arguments of the
    caller, `sent` those that are left without nulls.
    """
    narrowing = operation.narrowing
    choices = [name for name in narrowing.by if name not in operation.input_schema.get("required", ())]
    spared = [name for name in choices if name.startswith(EXCLUDED)]
    picks = narrowing.picks or choices
    empty = [name for name in dict.fromkeys((*picks, *spared)) if name in given and name not in sent]
    if not empty or any(name in sent for name in picks):
        return
    if narrowing.picks:
        yield (
            f"{join_words(empty, 'and')}: null picks nothing, so {narrowing.blank}. "
            f"Give {join_words(list(picks), 'or')}; if all of them are meant, {narrowing.everything}."
        )
    elif _acts_on_many(operation) and not all(name in given for name in choices):
        # A framework would have written null for the others too.
        yield f"{join_words(empty, 'and')}: null narrows nothing, so {narrowing.blank}. {OPTIONAL}"


def _acts_on_many(operation: Operation) -> bool:
    """Whether a call reaches all that its arguments do not keep it from; what an update does not name stays."""
    return operation.method != "PATCH" and bool({"bulk", "spends_credits"} & set(operation.effects))


def _given(value: Any) -> bool:
    return value is not False and not is_blank(value)


def _saying_nothing(value: Any, path: str, *, listed: bool = False) -> Iterator[tuple[str, str]]:
    """Where a filter that is not blank holds what is blank or a search for all, and which of them; a `listed`
    condition may be an empty object.
    """
    if isinstance(value, Mapping) and (value or listed):
        for name, item in value.items():
            yield from _saying_nothing(item, f"{path}.{name}", listed=listed)
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from _saying_nothing(item, f"{path}[{place}]", listed=True)
    elif isinstance(value, (str, list, Mapping)) and is_blank(value):
        yield path, IS_BLANK
    elif _means_all(path, value):
        yield path, MEANS_ALL


def leave_out_blanks(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a read without optional ones that are blank or search for all, so that each service takes them
    alike. What belongs to another tool stays as it is.
    """
    if not operation.read_only:
        return arguments
    known, needed = operation.full_schema["properties"], operation.input_schema.get("required", ())
    return {
        name: value
        for name, value in arguments.items()
        if name not in known
        or name in needed
        or AS_GIVEN in known[name]
        or not (is_blank(value) or _means_all(name, value))
    }


def notes_on_scope(operation: Operation, given: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[str]:
    """What to say of the reach of a read: filters that were left out as blank, and a result about everything.

    `given` are the arguments of the caller, `sent` those that were left of them.
    """
    if not operation.read_only:
        return
    known = operation.input_schema["properties"]
    # A blank cursor asks for the first page; that narrows nothing and needs no words.
    blank = [name for name in given if name in known and name not in sent and name != CURSOR]
    blank = [name for name in blank if given[name] is not None]
    if SEARCH in blank and _means_all(SEARCH, given[SEARCH]):
        blank.remove(SEARCH)
        yield f"{SEARCH} {MEANS_ALL} and was left out: it narrows nothing."
    if blank:
        were = "was blank and was left out: it narrows" if len(blank) == 1 else "were blank and left out: they narrow"
        yield f"{join_words(blank, 'and')} {were} nothing."
    narrowing = operation.narrowing
    if narrowing.by and not any(name in sent for name in narrowing.by):
        yield f"Without {join_words(narrowing.by, 'or')}, {narrowing.without}."
