"""The file of a policy: what may stand in it, and which line is wrong."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.costs import ADDRESS, CREDITS, KINDS
from mcp_instantly.guards.policy import DAYS, THINGS, WRITTEN, Limit, Policy, Precondition, QuietHours
from mcp_instantly.suggestions import suggest, suggest_or_list
from mcp_instantly.text import file_fault, parse_fault
from mcp_instantly.tools.operation import Operation

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*")

MAX_NUMBER = 1_000_000_000

MAX_MINUTES = 7 * 24 * 60
"""Of a precondition: the ledger keeps no more."""

KeyPath = tuple[str, ...]


class _Fault(Exception):
    """What is wrong at a key, the end of a sentence; `advice` is another one, with a blank before it."""

    def __init__(self, path: KeyPath, fault: str, advice: str = ""):
        super().__init__(fault)
        self.path = path
        self.text = f"{fault}.{advice}"


def read_policy(file: Path, tools: Mapping[str, Operation]) -> Policy:
    """The policy of a TOML file; `tools` are those that there are. Raises ConfigError: the key, and its line."""
    try:
        text = file.expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"The policy {file} is not a text file in UTF-8; save it as one.") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"The policy {file} cannot be read: {file_fault(error)}.") from None
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The policy {file} is not valid TOML: {parse_fault(error)}.") from None
    try:
        return _Reader(tools, file.expanduser().parent).policy(data)
    except _Fault as error:
        line = _line_of(text, error.path)
        where = f", line {line}" if line else ""
        raise ConfigError(f"The policy {file}{where}: {'.'.join(error.path)} {error.text}") from None


class _Reader:
    """Takes the tables of a policy apart."""

    def __init__(self, tools: Mapping[str, Operation], folder: Path):
        self._tools = tools
        self._folder = folder

    def policy(self, data: dict[str, Any]) -> Policy:
        known = ("ledger", "never_call", "protect", "recipients", "limits", "quiet_hours", "before")
        _check_keys(data, known, ())
        protect = _table(data, "protect", ("campaigns", "lists", "accounts"))
        recipients = _table(data, "recipients", tuple(WRITTEN))
        limits = _table(data, "limits", KINDS)
        return Policy(
            never_call=_texts(data, ("never_call",), self._tool),
            campaigns=_texts(protect, ("protect", "campaigns"), _id),
            lists=_texts(protect, ("protect", "lists"), _id),
            accounts=_texts(protect, ("protect", "accounts"), _address),
            recipients={kind: _texts(recipients, ("recipients", kind), _recipient) for kind in recipients},
            limits={kind: _limit(limits, kind) for kind in limits},
            assumed_credits=self._assumed(limits),
            quiet_hours=tuple(_quiet(one, path) for one, path in _tables(data, "quiet_hours")),
            before=tuple(self._precondition(one, path) for one, path in _tables(data, "before")),
            ledger=self._file(data),
        )

    def _tool(self, value: str, path: KeyPath) -> str:
        if value not in self._tools:
            raise _Fault(path, f"names {value!r}, which is not a tool", suggest(value, list(self._tools)))
        return value

    def _file(self, data: Mapping[str, Any]) -> Path | None:
        if "ledger" not in data:
            return None
        name = _text(data, ("ledger",))
        try:
            return self._folder / Path(name).expanduser()
        except RuntimeError:
            raise _Fault(("ledger",), "begins with ~, and there is no home directory") from None

    def _assumed(self, limits: Mapping[str, Any]) -> dict[str, int]:
        path = ("limits", CREDITS, "assumed")
        given = limits.get(CREDITS, {}).get("assumed", {})
        if not isinstance(given, dict):
            raise _Fault(path, "must be a table of credits by tool, such as run_enrichment = 100")
        return {self._tool(name, (*path, name)): _number(given, (*path, name)) for name in given}

    def _precondition(self, given: dict[str, Any], path: KeyPath) -> Precondition:
        _check_keys(given, ("call", "needs", "within_minutes"), path)
        call, needs = (self._tool(_text(given, (*path, key)), (*path, key)) for key in ("call", "needs"))
        for key, tool in (("call", call), ("needs", needs)):
            if not set(THINGS) & set(self._tools[tool].input_schema["properties"]):
                raise _Fault((*path, key), f"names {tool}, which is not about one campaign")
        return Precondition(call, needs, _number(given, (*path, "within_minutes"), 1, MAX_MINUTES))


def _limit(limits: Mapping[str, Any], kind: str) -> Limit:
    path = ("limits", kind)
    own = ("assumed",) if kind == CREDITS else ()
    given = _table(limits, kind, ("per_call", "per_day", *own), ("limits",))
    found = {key: _number(given, (*path, key)) for key in ("per_call", "per_day") if key in given}
    if not found:
        raise _Fault(path, "needs per_call, per_day, or both")
    return Limit(**found)


def _quiet(given: dict[str, Any], path: KeyPath) -> QuietHours:
    _check_keys(given, ("timezone", "from", "to", "days"), path)
    start, until = _minute(given, (*path, "from")), _minute(given, (*path, "to"))
    if start == until or start == 24 * 60:
        raise _Fault((*path, "from"), "and to leave no time between them; the whole day is 00:00 to 24:00")
    days = _texts(given, (*path, "days"), _day) if "days" in given else DAYS
    if not days:
        raise _Fault((*path, "days"), "is empty; leave it out for every day")
    name = _text(given, (*path, "timezone"))
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise _Fault(
            (*path, "timezone"), f"is {name!r}, which is not a time zone; write one like Europe/Berlin"
        ) from None
    return QuietHours(zone, start, until, tuple(DAYS.index(day) for day in days))


def _minute(given: Mapping[str, Any], path: KeyPath) -> int:
    value = given.get(path[-1])
    if isinstance(value, datetime.time):
        return value.hour * 60 + value.minute
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)|24:00", value) if isinstance(value, str) else None
    if not found:
        raise _Fault(path, 'must be a time such as "18:30"')
    return int(found[0][:2]) * 60 + int(found[0][3:])


def _check_keys(given: Mapping[str, Any], known: Collection[str], path: KeyPath) -> None:
    for key in given:
        if key not in known:
            raise _Fault((*path, key), "is not known", suggest_or_list(key, list(known)))


def _table(data: Mapping[str, Any], key: str, known: Collection[str], path: KeyPath = ()) -> dict[str, Any]:
    given = data.get(key, {})
    if not isinstance(given, dict):
        raise _Fault((*path, key), f"must be a table, [{'.'.join((*path, key))}]")
    _check_keys(given, known, (*path, key))
    return given


def _tables(data: Mapping[str, Any], key: str) -> Iterator[tuple[dict[str, Any], KeyPath]]:
    given = data.get(key, [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise _Fault((key,), f"must be written as [[{key}]], once for each")
    for number, one in enumerate(given, 1):
        yield one, (f"{key}[{number}]" if len(given) > 1 else key,)


def _text(given: Mapping[str, Any], path: KeyPath) -> str:
    value = given.get(path[-1])
    if not isinstance(value, str) or not value.strip():
        raise _Fault(path, "must be a text" if path[-1] in given else "is missing")
    return value.strip()


def _number(given: Mapping[str, Any], path: KeyPath, least: int = 0, most: int = MAX_NUMBER) -> int:
    value = given.get(path[-1])
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        said = f"must be a whole number from {least} to {most}"
        raise _Fault(path, said if path[-1] in given else "is missing")
    return value


def _texts(given: Mapping[str, Any], path: KeyPath, read: Callable[[str, KeyPath], str]) -> tuple[str, ...]:
    values = given.get(path[-1], [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _Fault(path, "must be a list of texts")
    return tuple(dict.fromkeys(read(value.strip(), path) for value in values))


def _id(value: str, path: KeyPath) -> str:
    if not ID.fullmatch(value.lower()):
        raise _Fault(path, f"has {value!r}, which is not an id; names are not looked up, write the id (a UUID)")
    return value.lower()


def _address(value: str, path: KeyPath) -> str:
    if not ADDRESS.fullmatch(value):
        raise _Fault(path, f"has {value!r}, which is not an email address")
    return value.lower()


def _recipient(value: str, path: KeyPath) -> str:
    domain = value.lower().removeprefix("@")
    if not (ADDRESS.fullmatch(value) or DOMAIN.fullmatch(domain)):
        raise _Fault(path, f"has {value!r}, which is neither an email address nor a domain such as example.com")
    return domain


def _day(value: str, path: KeyPath) -> str:
    day = value.lower()[:3]
    if day not in DAYS:
        raise _Fault(path, f"has {value!r}; days are {', '.join(DAYS)}")
    return day


def _line_of(text: str, path: KeyPath) -> int | None:
    """The line of a key, or of the table that it stands in or should: as well as it can be found."""
    names = [re.sub(r"\[\d+\]$", "", name) for name in path]
    counted = re.search(r"\[(\d+)\]$", path[0])
    wanted, seen = int(counted[1]) if counted else 1, 0
    table: list[str] = []
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\[\]#]+?)\s*\]+", line)
        key = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if header:
            table = _parts(header[1])
            if table == names[:1]:
                seen += 1
            if table == names[: len(table)] and (not counted or seen == wanted):
                best = number
            if table == names:
                return number
        elif key and (not counted or seen == wanted):
            full = table + _parts(key[1])
            if full == names:
                return number
            if full == names[: len(full)]:
                best = number
    return best


def _parts(name: str) -> list[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]
