"""Addresses are verified, each once: from the call, a file, a list or a campaign."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import anyio

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.errors import CallError, InstantlyError, NotFound
from mcp_instantly.jobs.desk import TRIES, Desk, Planner, Position, Turn, ends_the_job, is_of_the_row
from mcp_instantly.jobs.job import CATCH_ALL, COLLECTED, DUPLICATE, ERROR, INVALID, PENDING, SENT, VERIFIED, Plan
from mcp_instantly.jobs.mapping import map_columns
from mcp_instantly.jobs.reading import columns_of
from mcp_instantly.jobs.sources import count_rows, rows_behind, settle_file
from mcp_instantly.text import error_text, shorten
from mcp_instantly.workflows.parts.rows import as_sent

BATCH = 100
"""Rows that a process works on at once, while others work on others."""

TAKEN_ROWS = 1_000
"""Rows of a file that are read in a turn."""

COUNTED_PAGES = 5
"""Pages that are read beforehand to count leads."""

AT_ONCE = 16
"""Calls that are under way at the same time."""

OTHERS_SECONDS = 0.5
"""Until it is looked whether others have finished their rows."""

PENDING_SECONDS = 5.0
PENDING_ROUNDS = 24
"""How often, and how many times, results that take longer are asked for."""

Todo = tuple[int, str, bool]
"""A row's number and address, and whether it may have been sent before."""


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    settled: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    rows: int | None = None
    if "addresses" in arguments:
        rows = len(arguments["addresses"])
    elif "file" in arguments:
        settled = settle_file(arguments["file"], planner.folders)
        path = Path(settled["file"])
        rows = await anyio.to_thread.run_sync(count_rows, path)
        settled["column"] = facts["address_column"] = _column(path, arguments.get("column"))
    else:
        rows, counted = await count_leads(planner, arguments)
        facts |= counted
    facts |= await credits_left(planner)
    return Plan(rows, rows, rows, facts, settled)


async def count_leads(planner: Planner, arguments: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
    """How many leads a list or campaign has, as far as some pages tell; and what to say where it has more."""
    rows = 0
    after: dict[str, str] = {}
    for _ in range(COUNTED_PAGES):
        page = await planner.call("list_leads", **_where(arguments), **after, limit=LARGEST_PAGE)
        rows += len(records_of(page))
        cursor = cursor_behind(page, set(after.values()))
        if cursor is None:
            return rows, {}
        after = {"starting_after": cursor}
    return None, {"rows": f"more than {rows:,}"}


def _where(arguments: dict[str, Any]) -> dict[str, str]:
    """The list or campaign, as list_leads calls them."""
    if "list_id" in arguments:
        return {"list_id": arguments["list_id"]}
    return {"campaign": arguments["campaign_id"]}


def _column(path: Path, named: str | None) -> str:
    """The column of addresses. Raises CallError where there is none, or several."""
    columns = columns_of(path)
    if named is not None:
        if named not in columns:
            raise CallError(f"Nothing was sent: {path.name} has no column {shorten(named, 60)!r}.")
        return named
    return map_columns(columns).fields["email"]


async def credits_left(planner: Planner) -> dict[str, Any]:
    if not planner.may_call("get_workspace_plan"):
        return {}
    with contextlib.suppress(InstantlyError, LookupError, TypeError):
        found = await planner.call("get_workspace_plan")
        return {"credits_left": found["subscriptions"]["credits"]["available_credits"]}
    return {}


async def run(desk: Desk, position: Position) -> Turn:
    collects = any(name in desk.job.arguments for name in ("list_id", "campaign_id"))
    return await verify(desk, position or {"phase": "collect" if collects else "take", "at": 0})


async def verify(desk: Desk, position: Position) -> Turn:
    """A turn of a job that verifies: rows are read, or leads collected; then verified, then waited for."""
    if position["phase"] == "collect":
        return await _collect(desk, position)
    if position["phase"] == "take":
        return _take(desk, position["at"])
    if position["phase"] == "rows":
        return await _verify_rows(desk, position)
    return await _wait(desk, position)


async def _collect(desk: Desk, position: Position) -> Turn:
    """A page of leads becomes rows; the cursor is the next position."""
    after = {"starting_after": position["cursor"]} if "cursor" in position else {}
    page = await desk.call("list_leads", **_where(desk.job.arguments), **after, limit=LARGEST_PAGE)
    leads = [lead for lead in records_of(page) if lead.get("email")]
    at = position["at"]
    desk.store.put(
        desk.job.id,
        [
            {"number": at + place, "subject": str(one["email"]).lower(), "lead_id": one["id"], "state": COLLECTED}
            for place, one in enumerate(leads, 1)
        ],
    )
    cursor = cursor_behind(page, set(after.values()))
    if cursor is None:
        return Turn({"phase": "rows", "total": at + len(leads)}, max(1, len(leads)))
    return Turn({"phase": "collect", "at": at + len(leads), "cursor": cursor}, len(leads))


def _take(desk: Desk, at: int) -> Turn:
    """Rows of the file are written down, so that several processes can share them, and know which are there twice."""
    rows = rows_behind(desk, at, TAKEN_ROWS)
    if not rows:
        return Turn({"phase": "rows", "total": at}, 1)
    column = desk.job.settled.get("column", "email")
    told: list[dict[str, Any]] = []
    for row in rows:
        written = row.values.get(column, "").strip()
        email = as_sent(written)
        base = {"number": row.number, "subject": (email or written).lower() or None}
        why = row.problem or ("no address" if not written else None if email else "not an address")
        told.append({**base, "state": ERROR, "why": why} if why else {**base, "state": COLLECTED})
    desk.store.put(desk.job.id, told)
    return Turn({"phase": "take", "at": rows[-1].number}, len(rows))


async def assist(desk: Desk) -> bool:
    """Work on some of the rows of a job that another process has; whether there are more."""
    if desk.job.position.get("phase") != "rows":
        return False
    turn = await _verify_rows(desk, desk.job.position)
    return turn.done > 0 and turn.position is not None and turn.position["phase"] == "rows" and not turn.wait


async def _verify_rows(desk: Desk, position: Position) -> Turn:
    claimed = desk.store.claim(desk.job.id, desk.runner, _share(position["total"]), position["total"])
    if claimed is None:
        if desk.store.has_claims(desk.job.id):
            return Turn(position, 1, "others are at work", wait=OTHERS_SECONDS)
        return Turn({"phase": "pending", "at": 0, "round": 0})
    first, last = claimed
    todo = _sorted_out(desk, first, last)
    failed = await _verify_all(desk, todo)
    done = len(todo) - len(failed)
    if desk.is_cancelled:
        return Turn(position, done)
    if failed:
        why = error_text(next(iter(failed.values())))
        if desk.tried(("rows", first)) < TRIES or (not done and len(failed) > 1):
            return Turn(position, done, why)
        desk.store.put(
            desk.job.id,
            [
                {"number": number, "subject": email, "state": ERROR, "why": error_text(failed[number])}
                for number, email, _ in todo
                if number in failed
            ],
        )
    desk.store.finish_claim(desk.job.id, first)
    return Turn(position, max(1, done + len(failed)))


def _share(total: int) -> int:
    """How many rows are claimed at once: of a short job few, so that others have some."""
    return min(BATCH, max(10, total // 10))


def _sorted_out(desk: Desk, first: int, last: int) -> list[Todo]:
    """The rows that are to be verified; those with the address of an earlier one are written down."""
    rows = desk.store.between(desk.job.id, first, last)
    left = {number: row for number, row in rows.items() if row["state"] in (COLLECTED, SENT)}
    earlier = desk.store.firsts(desk.job.id, [row["subject"] for row in left.values()])
    todo: list[Todo] = []
    told: list[dict[str, Any]] = []
    for number, row in left.items():
        subject = str(row["subject"])
        same = earlier.get(subject, number)
        if same < number:
            told.append({"number": number, "subject": subject, "state": DUPLICATE, "why": f"as row {same}"})
        elif as_sent(subject) is None:
            told.append({"number": number, "subject": subject, "state": ERROR, "why": "not an address"})
        else:
            todo.append((number, subject, row["state"] == SENT))
    desk.store.put(desk.job.id, told)
    return todo


async def _verify_all(desk: Desk, todo: list[Todo]) -> dict[int, InstantlyError]:
    """Verify addresses, some at once: the errors of those that are not finished. Raises what ends the job."""
    failed: dict[int, InstantlyError] = {}
    fatal: list[InstantlyError] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def one(row: Todo) -> None:
        async with limit:
            if fatal or desk.is_cancelled:
                return
            try:
                await _verify_one(desk, row)
            except InstantlyError as error:
                if ends_the_job(error):
                    fatal.append(error)
                else:
                    failed[row[0]] = error

    async with anyio.create_task_group() as tasks:
        for row in todo:
            tasks.start_soon(one, row)
    if fatal:
        raise fatal[0]
    return failed


async def _verify_one(desk: Desk, row: Todo) -> None:
    """Write down what is found out about an address. Where it may have been sent before, that is looked up first."""
    number, email, doubtful = row
    base = {"number": number, "subject": email}
    if doubtful:
        with contextlib.suppress(NotFound):
            _note(desk, base, await desk.call("get_email_verification", email=email))
            return
    desk.store.put(desk.job.id, [{**base, "state": SENT}])
    try:
        found = await desk.call("verify_email", email=email)
    except InstantlyError as error:
        if is_of_the_row(error) and not ends_the_job(error):
            desk.store.put(desk.job.id, [{**base, "state": ERROR, "why": error_text(error)}])
            return
        if error.outcome != "unknown":
            desk.store.put(desk.job.id, [{**base, "state": COLLECTED}])
        raise
    _note(desk, base, found)


def _note(desk: Desk, base: dict[str, Any], found: dict[str, Any]) -> None:
    desk.store.put(desk.job.id, [{**base, **_verdict(found), "credits": _count(found.get("credits_used"))}])


def _verdict(found: dict[str, Any]) -> dict[str, Any]:
    status = found.get("verification_status")
    if status == "verified":
        return {"state": CATCH_ALL if found.get("catch_all") is True else VERIFIED}
    if status in (INVALID, PENDING):
        return {"state": status}
    return {"state": ERROR, "why": f"Instantly answered the status {shorten(str(status), 40)}"}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


async def _wait(desk: Desk, position: Position) -> Turn:
    """Ask for results that were pending, some in a turn; the round begins again until there are none, or for long."""
    rows = desk.store.page(desk.job.id, [PENDING], position["at"], BATCH)
    done = 0
    for row in rows:
        if desk.is_cancelled:
            return Turn(position, done)
        try:
            found = await desk.call("get_email_verification", email=row["subject"])
        except InstantlyError as error:
            if ends_the_job(error) and not isinstance(error, NotFound):
                raise
            continue
        if found.get("verification_status") != PENDING:
            desk.store.put(desk.job.id, [{"number": row["number"], "subject": row["subject"], **_verdict(found)}])
            done += 1
    if len(rows) == BATCH:
        return Turn({**position, "at": rows[-1]["number"]}, max(done, 1))
    left = desk.store.page(desk.job.id, [PENDING], 0, 1)
    if not left or position["round"] >= PENDING_ROUNDS:
        return Turn(None, done)
    return Turn({"phase": "pending", "at": 0, "round": position["round"] + 1}, max(done, 1), wait=PENDING_SECONDS)
