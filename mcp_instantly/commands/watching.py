"""A job as a person at a terminal sees it: its progress, what became of its rows, and a file of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from mcp_instantly import __version__
from mcp_instantly.commands.console import confirm
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.jobs.job import UNFINISHED
from mcp_instantly.text import file_fault, reveal

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller

LOOK_SECONDS = 0.3
LOOK_SHARE = 0.05
"""How often the progress is looked at, and for what part of the time at most: counting a million rows takes a while."""

EXIT = {"done": 0, "stopped": 1, "cancelled": 1}
"""The exit status for each state in which a job has ended."""

ROWS_PER_PAGE = 500
RESULT_COLUMNS = ("row", "state", "why", "credits", "lead_id")


async def call(caller: Caller, tool: str, arguments: dict[str, Any]) -> Any:
    """What a tool answers. Raises InstantlyError."""
    result = await caller.perform(tool, arguments, client_name="mcp-instantly jobs", client_version=__version__)
    if result.error is not None:
        raise result.error
    return result.structured


def is_dry(told: dict[str, Any]) -> bool:
    """Whether a job was not started for --dry-run, which is said then."""
    if told.get("dry_run"):
        print("Nothing was started: with --dry-run, it is only told what it would take.", file=sys.stderr)
    return bool(told.get("dry_run"))


async def see_through(
    caller: Caller, asked: dict[str, Any], told: dict[str, Any], out: Path | None, file: Path | None, *, yes: bool
) -> int:
    """Watch a job to its end. What it would delete is told, and done after consent. The exit status.

    `asked` are the arguments that started it.
    """
    where = {"workspace": asked["workspace"]} if "workspace" in asked else {}
    told = await _watch(caller, told, where)
    while "plan_token" in told:
        # Once more, where what it is about changed between the answer and the work.
        would = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in told["would"].items())
        print(f"It would {would}. What: mcp-instantly jobs rows {told['job_id']}", file=sys.stderr)
        if not yes and not (sys.stdin.isatty() and confirm(f"{would.capitalize()}?")):
            break
        told = await call(caller, "start_job", {**asked, "plan_token": told["plan_token"]})
        told = await _watch(caller, told, where)
    _print_summary(told)
    if out is not None:
        await _write(caller, told, where, out, file)
        print(f"{out} has what became of each row.", file=sys.stderr)
    return EXIT[told["state"]]


async def _watch(caller: Caller, told: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    """Show the progress of a job until it has ended; what it then tells."""
    job_id = told["job_id"]
    total = told["rows"].get("total")
    try:
        with _bar(total if isinstance(total, int) else None, job_id) as bar:
            took = 0.0
            while told["state"] not in EXIT:
                await anyio.sleep(max(LOOK_SECONDS, took / LOOK_SHARE))
                began = anyio.current_time()
                told = await call(caller, "get_job", {"job_id": job_id, **where})
                took = anyio.current_time() - began
                finished = sum(count for state, count in told["rows"].items() if state not in ("total", *UNFINISHED))
                bar.update(max(0, finished - bar.pos))
    finally:
        if told["state"] not in EXIT:
            print(f"\nTo continue where it stopped, run: mcp-instantly jobs resume {job_id}", file=sys.stderr)
    return told


def _bar(total: int | None, label: str) -> Any:
    return click.progressbar(length=total or 0, label=label, show_eta=True, show_pos=True, file=sys.stderr)


def _print_summary(told: dict[str, Any]) -> None:
    print(f"{told['job_id']}  {told['state']}{': ' + reveal(told['why']) if told.get('why') else ''}")
    for state, count in told["rows"].items():
        print(f"  {state:12} {count}")
    print(f"  {'credits':12} {told['credits_used']}")


async def rows_of(
    caller: Caller, job_id: str, where: dict[str, Any], state: str | None = None
) -> AsyncIterator[dict[str, Any]]:
    """What became of each row of a job, or of those in one state, in their order. Raises InstantlyError."""
    after = 0
    chosen = {} if state is None else {"state": state}
    while True:
        page = await call(
            caller, "get_job_rows", {"job_id": job_id, "after": after, "limit": ROWS_PER_PAGE, **chosen, **where}
        )
        for row in page["rows"]:
            yield row
        if "next_after" not in page:
            return
        after = page["next_after"]


async def _write(caller: Caller, told: dict[str, Any], where: dict[str, Any], out: Path, file: Path | None) -> None:
    """A table with the rows of the file, and what became of each; it is there when it is whole, and else not at all.

    Raises CallError where the disk does not take it.
    """
    try:
        await _write_rows(caller, told, where, out, file)
    except OSError as error:
        raise CallError(
            f"{out} cannot be written: {file_fault(error)}. Fix that, then run: mcp-instantly jobs resume "
            f"{told['job_id']} --out {out}"
        ) from None


async def _write_rows(
    caller: Caller, told: dict[str, Any], where: dict[str, Any], out: Path, file: Path | None
) -> None:
    from mcp_instantly.jobs.delimited import named_columns
    from mcp_instantly.jobs.writing import open_writer, part_of

    columns, values = _columns_and_values(file)
    # A file may have a column of its own that is called state.
    names, _ = named_columns([*(columns or ["address"]), *RESULT_COLUMNS])
    writer = open_writer(out, names)
    try:
        with writer:
            async for row in rows_of(caller, told["job_id"], where):
                beside: list[Any] = _beside(values, row["number"]) if columns else [row.get("address")]
                # What the file has no row for is in the list that it was compared with.
                missing = [row.get("address") if name == told["plan"].get("column") else None for name in columns]
                cells = [*(beside or missing), row["number"], *(row.get(name) for name in RESULT_COLUMNS[1:])]
                writer.write([dict(zip(names, cells, strict=True))])
            writer.close()
    except BaseException:
        # All of it is known still, and can be written anew.
        part_of(out).unlink(missing_ok=True)
        raise


def refuse_to_overwrite(out: Path | None) -> None:
    """Raise ConfigError, before a job begins, for a file that could not be written at its end."""
    from mcp_instantly.jobs.reading import arrow
    from mcp_instantly.jobs.writing import KINDS, parts_of

    if out is None:
        return
    for file in ([out] if out.exists() else []) + parts_of(out):
        which = "which" if file == out else f"and {file}"
        raise ConfigError(f"--out names {out}, {which} exists already, and no file is overwritten: choose another.")
    if not out.parent.is_dir():
        raise ConfigError(f"--out names {out}. There is no folder {out.parent}: make it first, or choose another.")
    if not os.access(out.parent, os.W_OK):
        raise ConfigError(f"--out names {out}, whose folder may not be written by you: choose another.")
    if out.suffix.lower() not in KINDS:
        raise ConfigError(f"--out names {out}; give a name that ends in {', '.join(KINDS)}.")
    if out.suffix.lower() == ".parquet":
        try:
            arrow()
        except CallError as error:
            raise ConfigError(str(error)) from None


def _columns_and_values(file: Path | None) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    from mcp_instantly.jobs.reading import columns_of, read_rows

    if file is None:
        return [], iter(())
    columns = columns_of(file)
    every = (row for batch in read_rows(file) for row in batch)
    return columns, ((row.number, [row.values.get(name, "") for name in columns]) for row in every)


def _beside(values: Iterator[tuple[int, list[str]]], number: int) -> list[str]:
    with contextlib.suppress(StopIteration):
        while True:
            found, cells = next(values)
            if found == number:
                return cells
    return []
