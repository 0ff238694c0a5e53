"""The block list becomes what a file says: what it lacks is added; after consent, what the file lacks is removed."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.errors import CallError
from mcp_instantly.jobs.consent import refuse_without_consent, token_of
from mcp_instantly.jobs.desk import NO_ID, Desk, Planner, Position, Turn
from mcp_instantly.jobs.job import ADDED, DUPLICATE, ERROR, KEPT, REFUSED, REMOVED, SENT, TO_ADD, TO_REMOVE, Job, Plan
from mcp_instantly.jobs.reading import columns_of, read_rows
from mcp_instantly.jobs.sources import rows_behind, settle_file
from mcp_instantly.results.strangers import quoting
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows.parts.rows import as_sent, domain_as_sent

BATCH = 1000
"""Entries that the API takes at once."""

SKIP = "skip_invalid_rows"

NAMES = ("email", "e-mail", "domain", "value", "bl_value", "blocked email", "address", "entry")
"""Columns that are taken for that of the entries, the surest first."""

DOMAIN_WRITTEN = re.compile(r"(?:https?://)?@?([^/@]+)/?", re.IGNORECASE)
"""A domain as it is often written: as an address of the web, or as the end of one of email."""

NOT_AN_ENTRY = "neither an address nor a domain"


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    settled = settle_file(arguments["file"], planner.folders)
    path = Path(settled["file"])
    settled["column"] = _column(path, arguments.get("column"))
    wanted, rows, bad = await in_thread(lambda: _wanted(path, settled["column"]))
    there = _listed(await planner.call("download_block_list"))
    add, remove = len(wanted - there), len(there - wanted)
    acts_by = {"bulk_create_block_list_entries": add, "bulk_delete_block_list_entries": remove}
    planner.require("list_block_list_entries", *(name for name, count in acts_by.items() if count))
    trials: list[tuple[str, dict[str, Any]]] = []
    if add:
        trials.append(("bulk_create_block_list_entries", {"bl_values": [next(iter(wanted - there))]}))
    if remove:
        trials.append(("bulk_delete_block_list_entries", {"ids": [NO_ID]}))
    batches = sum(math.ceil(count / BATCH) for count in (rows, add, remove))
    calls = batches + math.ceil(len(there) / LARGEST_PAGE)
    facts: dict[str, Any] = {"column": settled["column"], "adds": add, "removes": remove, "rows_not_valid": bad}
    if remove and bad and not arguments.get(SKIP):
        facts["then"] = f"it stops and changes nothing, since rows are not valid: fix them, or give {SKIP}"
    elif remove:
        acts = [*(f"{TO_ADD} {one}" for one in wanted - there), *(f"{TO_REMOVE} {one}" for one in there - wanted)]
        facts["plan_token"] = token_of([*sorted(acts), *_skipped(bad)])
        facts["then"] = "without plan_token, it stops and asks for consent before it changes anything"
    return Plan(rows, calls, 0, facts, settled, trials=tuple(trials))


def _column(path: Path, named: str | None) -> str:
    """The column of the entries. Raises CallError where it is not obvious."""
    columns = columns_of(path)
    if named is not None and named in columns:
        return named
    found = {name.strip().lower(): name for name in columns}
    guessed = next((found[name] for name in NAMES if name in found), columns[0] if len(columns) == 1 else None)
    if named is not None or guessed is None:
        said = f"has no column {shorten(named, 60)!r}" if named else "does not say which column holds the entries"
        raise CallError(f"Nothing was sent: {path.name} {said}; there are {quoting()(name_some(columns))}.")
    return guessed


def _wanted(path: Path, column: str) -> tuple[set[str], int, int]:
    """The entries of a file, the number of its rows, and of those that are not valid."""
    wanted: set[str] = set()
    rows = bad = 0
    for batch in read_rows(path):
        for row in batch:
            rows += 1
            entry = None if row.problem else entry_of(row.values.get(column, ""))
            if entry is None:
                bad += 1
            else:
                wanted.add(entry)
    return wanted, rows, bad


def entry_of(written: str) -> str | None:
    """An address or a domain as it is kept; None for what is neither."""
    written = written.strip()
    domain = DOMAIN_WRITTEN.fullmatch(written)
    entry = domain_as_sent(domain[1]) if domain else as_sent(written)
    return entry.lower() if entry else None


def _skipped(bad: int) -> list[str]:
    """What is agreed to beside the entries."""
    return [f"{SKIP} {bad}"] if bad else []


def _listed(text: Any) -> set[str]:
    """The entries in the CSV of the whole list. Raises CallError where it is none."""
    if not isinstance(text, str):
        raise CallError("Nothing was changed: Instantly did not answer the block list as a table.")
    return {cells[0].strip().lower() for cells in list(csv.reader(io.StringIO(text)))[1:] if cells}


def is_outdated(_: Job) -> bool:
    """Somebody may have changed the list since."""
    return True


async def run(desk: Desk, position: Position) -> Turn:
    phase = position.get("phase", "file")
    if phase == "file":
        return _take_file(desk, position.get("at", 0))
    if phase == "entries":
        return await _take_entries(desk, position)
    if phase == "add" and not position.get("begun"):
        if position.get("attempt") != desk.job.attempt:
            return _compare_again(desk, position)
        refuse_without_consent(desk, position, TO_REMOVE)
        return Turn({**position, "begun": True}, 1)
    if phase == "add":
        return await _add(desk, position)
    return await _remove(desk, position)


def _take_file(desk: Desk, at: int) -> Turn:
    """Rows of the file are to be added, until the list is known to have them."""
    rows = rows_behind(desk, at, BATCH)
    if not rows:
        return Turn({"phase": "entries", "file_rows": at, "next": at + 1}, 1)
    column = desk.job.settled["column"]
    entries = {row.number: None if row.problem else entry_of(row.values.get(column, "")) for row in rows}
    firsts = desk.store.firsts(desk.job.id, [entry for entry in entries.values() if entry])
    told = []
    for row in rows:
        entry = entries[row.number]
        if entry is None:
            why = row.problem or NOT_AN_ENTRY
            told.append({"number": row.number, "subject": None, "state": ERROR, "why": why})
        elif (same := firsts.setdefault(entry, row.number)) < row.number:
            told.append({"number": row.number, "subject": entry, "state": DUPLICATE, "why": f"as row {same}"})
        else:
            told.append({"number": row.number, "subject": entry, "state": TO_ADD})
    desk.put(told)
    return Turn({"phase": "file", "at": rows[-1].number}, len(rows))


async def _take_entries(desk: Desk, position: Position) -> Turn:
    """A page of the list: an entry that the file has is kept, another is to be removed."""
    after = {"starting_after": position["cursor"]} if "cursor" in position else {}
    page = await desk.call("list_block_list_entries", **after, limit=LARGEST_PAGE)
    entries = {str(one["bl_value"]).lower(): str(one["id"]) for one in records_of(page)}
    firsts = desk.store.firsts(desk.job.id, list(entries))
    number = position["next"]
    told = []
    for entry, entry_id in entries.items():
        same = firsts.get(entry)
        if same is not None and same <= position["file_rows"]:
            told.append({"number": same, "subject": entry, "state": KEPT, "lead_id": entry_id})
        elif same is None or same >= position["next"]:
            told.append({"number": number, "subject": entry, "state": TO_REMOVE, "lead_id": entry_id})
            number += 1
    desk.put(told)
    cursor = cursor_behind(page, set(after.values()))
    if cursor is not None:
        return Turn({**position, "next": number, "cursor": cursor}, len(entries))
    return Turn(_asked(desk, position["file_rows"]), max(1, len(entries)))


def _compare_again(desk: Desk, position: Position) -> Turn:
    """Since the list was read, somebody may have changed it: what is consented to is what would be done now."""
    kept = ({**row, "state": TO_ADD} for row in _rows(desk, [KEPT]))
    while batch := list(itertools.islice(kept, BATCH)):
        desk.put(batch)
    # Jobs from before this was done do not keep it.
    file_rows = position.get("file_rows", desk.job.plan["rows"])
    desk.forget_behind(file_rows)
    return Turn({"phase": "entries", "file_rows": file_rows, "next": file_rows + 1}, 1)


def _asked(desk: Desk, file_rows: int) -> Position | None:
    """What is to be done. Consent is asked for where something is removed.

    Raises CallError where rows that are not valid may be what would keep it.
    """
    added = removed = 0
    acts = []
    for row in _rows(desk, [TO_ADD, TO_REMOVE]):
        if row["state"] == TO_ADD:
            added += 1
        else:
            removed += 1
        acts.append(f"{row['state']} {row['subject']}")
    if not acts:
        return None
    position = {"phase": "add", "attempt": desk.job.attempt, "file_rows": file_rows}
    if not removed:
        return position
    bad = desk.store.counts(desk.job.id).get(ERROR, 0)
    if bad and not desk.job.arguments.get(SKIP):
        raise CallError(_unread(desk, bad, removed))
    would = {"add": added, "remove": removed, **({SKIP: bad} if bad else {})}
    return {**position, "token": token_of([*sorted(acts), *_skipped(bad)]), "would": would}


def _unread(desk: Desk, bad: int, removed: int) -> str:
    first = desk.store.page(desk.job.id, [ERROR], 0, 1)[0]
    rows = "1 row" if bad == 1 else f"{bad:,} rows"
    are = "is not an entry" if bad == 1 else "are not entries"
    return (
        f"Nothing was changed: {rows} of {Path(desk.job.settled['file']).name} {are}, such as row {first['number']} "
        f"({first['why']}), and without them {removed:,} would be removed. Look at them with get_job_rows (state "
        f"{ERROR}) and fix the file; or start it with {SKIP} (--skip-invalid-rows)."
    )


def _rows(desk: Desk, states: list[str]) -> Iterator[dict[str, Any]]:
    at = 0
    while rows := desk.store.page(desk.job.id, states, at, BATCH):
        yield from rows
        at = rows[-1]["number"]


async def _add(desk: Desk, position: Position) -> Turn:
    doubtful = desk.store.page(desk.job.id, [SENT], 0, BATCH)
    if doubtful:
        there = _listed(await desk.call("download_block_list"))
        desk.put([{**row, "state": ADDED if row["subject"] in there else TO_ADD} for row in doubtful])
        return Turn(position, 1)
    rows = desk.store.page(desk.job.id, [TO_ADD], 0, BATCH)
    if not rows:
        return Turn({**position, "phase": "remove"}, 1)
    desk.put([{**row, "state": SENT} for row in rows])
    answer = await desk.call("bulk_create_block_list_entries", bl_values=[row["subject"] for row in rows])
    there = {str(one["bl_value"]).lower() for one in records_of(answer)}
    refused = {"state": REFUSED, "why": "Instantly did not take it"}
    desk.put([{**row, **({"state": ADDED} if row["subject"] in there else refused)} for row in rows])
    return Turn(position, len(rows))


async def _remove(desk: Desk, position: Position) -> Turn:
    """Entries are removed by their ids: once more, after a kill, changes nothing."""
    rows = desk.store.page(desk.job.id, [TO_REMOVE], 0, BATCH)
    if not rows:
        return Turn(None, 1)
    await desk.call("bulk_delete_block_list_entries", ids=[row["lead_id"] for row in rows])
    desk.put([{**row, "state": REMOVED} for row in rows])
    return Turn(position, len(rows))
