"""Commands about what was changed: audit shows the file of --audit, undo takes one of its writes back."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mcp_instantly import __version__
from mcp_instantly.commands import console
from mcp_instantly.commands.console import fail, print_json
from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.options import (
    NO_SELECTION,
    WHOLE_CHARACTERS,
    connection_options,
    read_only_option,
    world_options,
)
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.audit_file import Entry, Trail, read_trail
from mcp_instantly.guards.snapshot import Place, place_of
from mcp_instantly.results.result import NOTE
from mcp_instantly.results.strangers import Quotation
from mcp_instantly.startup import make_selection, make_settings, open_invoker, select_all, start_logging
from mcp_instantly.suggestions import suggest
from mcp_instantly.text import compact, one_line, read_instant
from mcp_instantly.tools.catalog import Catalog, load_catalog
from mcp_instantly.tools.composition import Workflow

OUTCOMES = ("done", "not_sent", "refused", "unknown")

UNITS = {"m": "minutes", "h": "hours", "d": "days"}

CONFIRMATIONS = {
    "form": "a person agreed in a form",
    "preview": "previewed",
    "host": "left to the host to ask",
    "none": "nobody was asked",
}
"""How a call that sends, spends, deletes or hands over was confirmed, in words."""

MAX_LINE_CHARACTERS = 400
MAX_VALUE_CHARACTERS = 120

file_argument = click.argument("file", type=click.Path(path_type=Path))


def _since(_: click.Context, __: click.Parameter, text: str | None) -> dt.datetime | None:
    """An instant, from a date, an instant, or a time until now such as 30m, 12h or 7d."""
    if text is None:
        return None
    try:
        found = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
        if found:
            return dt.datetime.now(dt.timezone.utc) - dt.timedelta(**{UNITS[found[2]]: int(found[1])})
        return read_instant(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(f"--since {text!r} is not a time: give 30m, 12h, 7d, or a date such as 2026-01-31.") from None


@click.command()
@file_argument
@click.option("--tool", "names", multiple=True, metavar="NAME", help="Only calls of this tool; may be repeated.")
@click.option(
    "--since", callback=_since, metavar="TIME", help="Only later ones: 30m, 12h, 7d, a date or an instant (UTC)."
)
@click.option("--outcome", type=click.Choice(OUTCOMES), multiple=True, help="Only those that ended so.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array, with everything that is known.")
def audit(
    file: Path, names: tuple[str, ...], since: dt.datetime | None, outcome: tuple[str, ...], as_json: bool
) -> None:
    """Show what was changed, from the FILE of --audit: the oldest first."""
    for name in names:
        _check_is_audited(name)
    trail = read_trail(file)
    found = [
        entry
        for entry in trail.entries.values()
        if (not names or entry["tool"] in names)
        and (not outcome or entry["outcome"] in outcome)
        and (since is None or _time(entry) >= since)
    ]
    if trail.torn:
        lines = "1 line" if trail.torn == 1 else f"{trail.torn} lines"
        print(f"mcp-instantly: {lines} of {file} cannot be read: cut, or of something else.", file=sys.stderr)
    if as_json:
        print_json(found)
        return
    undone = _undone(trail)
    for entry in found:
        print(one_line(_line(entry, undone.get(entry["id"])), MAX_LINE_CHARACTERS))


def _check_is_audited(name: str) -> None:
    """Raise ConfigError for a tool that no entry can be of."""
    tool = load_catalog().tools.get(name)
    if tool is None:
        raise ConfigError(f"There is no tool {name!r}.{suggest(name, load_catalog().tools)}")
    parts = tool.parts.values() if isinstance(tool, Workflow) else [tool]
    writes = [one.name for one in parts if not one.read_only]
    if not writes:
        raise ConfigError(f"{name} changes nothing at Instantly, so the audit has nothing of it.")
    if name not in writes:
        raise ConfigError(f"{name} is written down by the calls that it makes: ask for {', '.join(writes)}.")


def _time(entry: Entry) -> dt.datetime:
    """When it began; the end of time where that cannot be read, so that it is always shown."""
    try:
        return read_instant(entry["time"])
    except ValueError:
        return dt.datetime.max.replace(tzinfo=dt.timezone.utc)


def _undone(trail: Trail) -> dict[str, str]:
    """The ids of writes that were taken back, with those of the writes that did it or may have."""
    ends = ("done", "unknown")
    return {
        str(one["undoes"]): one["id"] for one in trail.entries.values() if "undoes" in one and one["outcome"] in ends
    }


def _line(entry: Entry, undone_by: str | None) -> str:
    """An entry in one line: what became of it before what was asked for, which may be cut."""
    parts = [entry["time"], entry["id"], entry["outcome"], entry["tool"]]
    notes = "; ".join(_notes(entry, undone_by))
    parts.append(f"({notes})" if notes else "")
    if isinstance(entry.get("after"), dict) and isinstance(entry.get("before"), dict):
        parts.append(_changes(entry["before"], entry["after"]))
    parts.append(compact(entry.get("arguments", {})))
    return "  ".join(part for part in map(str, parts) if part)


def _notes(entry: Entry, undone_by: str | None) -> Iterator[str]:
    if entry.get("error"):
        yield str(entry["error"])
    if entry.get("workflow"):
        yield f"in {entry['workflow']}"
    who = " with ".join(str(entry[name]) for name in ("caller", "key") if entry.get(name))
    if who:
        yield f"by {who}"
    if entry.get("workspace"):
        yield f"workspace {entry['workspace']}"
    if entry.get("sub_workspace"):
        yield f"sub-workspace {entry['sub_workspace']}"
    if entry.get("confirmed"):
        yield CONFIRMATIONS.get(str(entry["confirmed"]), f"confirmed by {entry['confirmed']}")
    if entry.get("undoes"):
        yield f"undoes {entry['undoes']}"
    if undone_by:
        yield f"undone by {undone_by}"
    elif isinstance(entry.get("inverse"), dict):
        yield "can be undone"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {_shown(before.get(name))} -> {_shown(after[name])}" for name in after)


def _shown(value: Any) -> str:
    return one_line(compact(value), MAX_VALUE_CHARACTERS)


@click.command()
@file_argument
@click.argument("entry_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@read_only_option
@safety_options
@connection_options
@confirmation_options
@trust_options
@world_options
def undo(file: Path, entry_id: str, yes: bool, **options: Any) -> None:
    """Take back the write ID of FILE, where a true inverse exists and nobody has changed the same since.

    It shows what it will do and asks. What it does is written to the same FILE. Exit status: 1 when the API or the
    network failed, 2 when nothing was undone since it cannot be, or the answer is no.
    """
    if options["read_only"]:
        raise ConfigError("Nothing was undone: --read-only (INSTANTLY_READ_ONLY) is set, and undo changes something.")
    catalog = load_catalog()
    trail = read_trail(file)
    entry = _undoable(trail, entry_id)
    options = select_all({**NO_SELECTION, **options, "audit": file})
    selection = make_selection(options)
    # What there is now is compared as a whole, and as it is stored.
    asked = make_settings(options)
    _refuse_elsewhere(entry, asked.workspace)
    settings = dataclasses.replace(asked, full=True, raw_text=True, result_limit=WHOLE_CHARACTERS)
    start_logging(options, settings)

    async def run() -> Any:
        async with open_invoker(selection, settings, options) as invoker:
            client: dict[str, Any] = {"client_name": "mcp-instantly undo", "client_version": __version__}
            inverse = entry["inverse"]
            place = _place(catalog, inverse)
            where = _workspace(entry, invoker.workspaces)
            found = await invoker.invoke(place.tool, {**place.arguments, **where}, **client)
            if found.error is not None:
                return found
            _refuse_changed(entry, place.state(found.structured))
            _ask(entry, yes)
            return await invoker.invoke(inverse["tool"], {**inverse["arguments"], **where}, undoes=entry_id, **client)

    result = console.run(run)
    if result.error is not None:
        sys.exit(fail(result.text, 2 if isinstance(result.error, CallError) else 1))
    quotation = Quotation(catalog.operations[entry["inverse"]["tool"]], raw=asked.raw_text, lockdown=asked.lockdown)
    print_json(quotation.enclose(quotation.quote(result.structured), NOTE, whole=True))


def _undoable(trail: Trail, entry_id: str) -> Entry:
    """The entry of an id. Raises ConfigError with why it cannot be undone."""
    entry = trail.entries.get(entry_id)
    if entry is None:
        raise ConfigError(f"There is no entry {entry_id!r} in this file; mcp-instantly audit shows them.")
    undone = _undone(trail).get(entry_id)
    if undone:
        raise ConfigError(f"{entry_id} was undone already, or may have been, by {undone}.")
    if entry["outcome"] in ("not_sent", "refused"):
        raise ConfigError(f"{entry_id} cannot be undone: {entry['tool']} changed nothing ({entry['outcome']}).")
    if entry["outcome"] != "done":
        raise ConfigError(f"{entry_id} cannot be undone: whether {entry['tool']} was carried out is not known.")
    if not isinstance(entry.get("inverse"), dict):
        raise ConfigError(f"{entry_id} cannot be undone: {entry.get('no_inverse', 'no inverse of it is known')}")
    if not all(isinstance(entry.get(name), dict) for name in ("before", "after")):
        raise ConfigError(f"{entry_id} cannot be undone: what its fields were and became is damaged.")
    return entry


def _refuse_elsewhere(entry: Entry, sub_workspace: str | None) -> None:
    """Raise ConfigError where the key would act in another sub-workspace than the entry's, as far as that is known."""
    there = entry.get("sub_workspace", sub_workspace)
    if there != sub_workspace:
        how = f"add --workspace {there}" if there else "leave --workspace out"
        raise ConfigError(f"{entry['id']} cannot be undone from here: it was made in another sub-workspace; {how}.")


def _workspace(entry: Entry, names: Sequence[str]) -> dict[str, str]:
    """The argument that names the workspace of an entry, where there are several. Raises ConfigError."""
    if not names:
        return {}
    asked = entry.get("workspace")
    if asked not in names:
        was = f"was in the workspace {asked}" if asked else "names no workspace"
        raise ConfigError(f"{entry['id']} cannot be undone with these keys: it {was}, and they are {', '.join(names)}.")
    return {"workspace": str(asked)}


def _place(catalog: Catalog, inverse: Mapping[str, Any]) -> Place:
    """Where what the inverse changes is read. Raises ConfigError for an entry that was made by something else."""
    operation = catalog.operations.get(str(inverse.get("tool")))
    arguments = inverse.get("arguments")
    place = None
    if operation is not None and isinstance(arguments, dict):
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            place = place_of(operation, arguments, catalog.operations)
    if place is None:
        raise ConfigError("This entry cannot be undone: its inverse is damaged.")
    return place


def _refuse_changed(entry: Entry, now: Mapping[str, Any] | None) -> None:
    """Raise ConfigError unless what is there now is what the write had left."""
    after = entry["after"]
    if now is None:
        raise ConfigError(f"{entry['id']} cannot be undone: what there is now could not be read.")
    changed = [name for name in after if now.get(name) != after[name]]
    if changed:
        said = ", ".join(f"{name} is {_shown(now.get(name))}, not {_shown(after[name])}" for name in changed)
        said = one_line(said, MAX_LINE_CHARACTERS)
        raise ConfigError(f"{entry['id']} cannot be undone: it was changed since, or it is not done yet ({said}).")


def _ask(entry: Entry, yes: bool) -> None:
    """Show what will be done, and raise ConfigError unless a person agrees."""
    inverse = entry["inverse"]
    effects = load_catalog().operations[inverse["tool"]].effects
    lines = [
        f"{entry['tool']} of {entry['time']}: {_changes(entry['before'], entry['after'])}",
        f"To undo it: {inverse['tool']} {one_line(compact(inverse['arguments']), 2000)}",
        *([f"This can have effects: {', '.join(effects)}."] if effects else []),
    ]
    print("\n".join(one_line(line, 4000) for line in lines), file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("Nothing was undone: there is nobody to ask; give --yes.")
    if not console.confirm("Do it?"):
        raise ConfigError("Nothing was undone.")
