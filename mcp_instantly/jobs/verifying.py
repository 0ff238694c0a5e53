"""Addresses are verified, each once: what all kinds of jobs that verify do with their rows, in phases.

They are taken from the call or a file, or collected from a list or campaign; then verified by as many processes as
there are, each of which claims some; then results that take longer are waited for.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import anyio
from anyio.to_thread import run_sync as in_thread

from mcp_instantly.api.paging import cursor_behind, records_of
from mcp_instantly.errors import InstantlyError, NotFound
from mcp_instantly.jobs.counting import page_of
from mcp_instantly.jobs.crew import Crew
from mcp_instantly.jobs.desk import TRIES, Desk, Position, Turn, ends_the_job, is_of_the_row, wait_after
from mcp_instantly.jobs.job import CATCH_ALL, COLLECTED, DUPLICATE, ERROR, INVALID, PENDING, SENT, VERIFIED, RowRecord
from mcp_instantly.jobs.sources import rows_behind
from mcp_instantly.text import error_text, shorten
from mcp_instantly.workflows.parts.rows import as_sent

CLAIMED_ROWS = 5_000
"""Rows that a process works on in a turn, while others work on others: many, as a turn ends with its slowest call."""

FEWEST = 5
SHARE = 10
"""Of the rows that are left at least so many are claimed, and one in so many: towards the end less and less, so that
all processes end together.
"""

TAKEN_ROWS = 1_000
"""Rows of a file that are read in a turn."""

OTHERS_SECONDS = 0.5
"""Until it is looked whether others have finished their rows."""

ASSIST_SECONDS = 5.0
"""How long at most a process waits that works on rows of another's job, before it looks at the job again."""

PENDING_SECONDS = 5.0
PENDING_ROUNDS = 24
"""How often, and how many times, results that take longer are asked for."""


async def verify(desk: Desk, position: Position) -> Turn:
    """A turn of a job that verifies: rows are read, or leads collected; then verified, then waited for."""
    if position["phase"] == "collect":
        return await _collect(desk, position)
    if position["phase"] == "take":
        return _take(desk, position["at"])
    if position["phase"] == "rows":
        return await _verify_rows(desk, position)
    return await _wait(desk, position)


def leads_of(arguments: dict[str, Any]) -> dict[str, str]:
    """The list or campaign, as list_leads calls them."""
    if "list_id" in arguments:
        return {"list_id": arguments["list_id"]}
    return {"campaign": arguments["campaign_id"]}


async def _collect(desk: Desk, position: Position) -> Turn:
    """A page of leads becomes rows; the cursor is the next position."""
    after = {"starting_after": position["cursor"]} if "cursor" in position else {}
    page = await page_of(desk.call, "list_leads", {**leads_of(desk.job.arguments), **after})
    leads = [lead for lead in records_of(page) if lead.get("email")]
    at = position["at"]
    desk.put({"number": at + place, **_collected(lead)} for place, lead in enumerate(leads, 1))
    cursor = cursor_behind(page, set(after.values()))
    if cursor is None:
        return Turn({"phase": "rows", "total": at + len(leads)}, max(1, len(leads)))
    return Turn({"phase": "collect", "at": at + len(leads), "cursor": cursor}, len(leads))


def _collected(lead: dict[str, Any]) -> RowRecord:
    email, lead_id = lead["email"], lead.get("id")
    if isinstance(email, str) and isinstance(lead_id, str):
        return {"subject": email.lower(), "lead_id": lead_id, "state": COLLECTED}
    return {"subject": None, "state": ERROR, "why": "Instantly tells no address and id of this lead"}


def _take(desk: Desk, at: int) -> Turn:
    """Rows of the file are written down, so that several processes can share them, and know which are there twice."""
    rows = rows_behind(desk, at, TAKEN_ROWS)
    if not rows:
        return Turn({"phase": "rows", "total": at}, 1)
    column = desk.job.settled.get("column", "email")
    told: list[RowRecord] = []
    for row in rows:
        written = row.values.get(column, "").strip()
        email = as_sent(written)
        # Cells of a row that is bad may be another's: no later row is a duplicate of it.
        subject = None if row.problem else (email or written).lower() or None
        base = {"number": row.number, "subject": subject}
        why = row.problem or ("no address" if not written else None if email else "not an address")
        told.append({**base, "state": ERROR, "why": why} if why else {**base, "state": COLLECTED})
    desk.put(told)
    return Turn({"phase": "take", "at": rows[-1].number}, len(rows))


async def assist(desk: Desk) -> bool:
    """Work on some of the rows of a job that another process has; whether there are more."""
    if desk.job.position.get("phase") != "rows":
        return False
    turn = await _verify_rows(desk, desk.job.position)
    await anyio.sleep(min(turn.wait, ASSIST_SECONDS))
    return turn.done > 0 and turn.position is not None and turn.position["phase"] == "rows" and not turn.wait


async def _verify_rows(desk: Desk, position: Position) -> Turn:
    claimed = desk.store.claims.take(desk.job.id, desk.runner, _share, position["total"])
    if claimed is None:
        if desk.store.claims.any_left(desk.job.id):
            return Turn(position, 1, "others are at work", wait=OTHERS_SECONDS)
        return Turn({"phase": "pending", "at": 0, "round": 0}, 1)
    first, last = claimed
    desk = dataclasses.replace(desk, claim=first)
    todo = await in_thread(_sorted_out, desk, first, last)
    crew = Crew(desk, lambda row: _verify_one(desk, row), intends=True)
    done, failed = await crew.work(todo)
    if crew.is_cancelled:
        return Turn(position, done)
    if crew.over_budget is not None:
        return Turn(position, done, error_text(crew.over_budget), wait=wait_after(crew.over_budget))
    if failed:
        why = error_text(next(iter(failed.values())))
        if desk.tried(("rows", first)) < TRIES or (not done and len(failed) > 1):
            return Turn(position, done, why)
        desk.put(
            {**row, "state": ERROR, "why": error_text(failed[row["number"]])} for row in todo if row["number"] in failed
        )
    desk.store.claims.finish(desk.job.id, desk.runner, first)
    return Turn(position, max(1, done + len(failed)))


def _share(left: int) -> int:
    """How many rows are claimed at once."""
    return min(CLAIMED_ROWS, max(FEWEST, left // SHARE))


def _sorted_out(desk: Desk, first: int, last: int) -> list[RowRecord]:
    """The rows that are to be verified; those with the address of an earlier one are written down."""
    rows = desk.store.between(desk.job.id, first, last)
    left = {number: row for number, row in rows.items() if row["state"] in (COLLECTED, SENT)}
    earlier = desk.store.firsts(desk.job.id, [row["subject"] for row in left.values()])
    todo: list[RowRecord] = []
    told: list[RowRecord] = []
    for number, row in left.items():
        subject = str(row["subject"])
        same = earlier.get(subject, number)
        base = {"number": number, "subject": subject}
        if same < number:
            told.append({**base, "state": DUPLICATE, "why": f"as row {same}"})
        elif as_sent(subject) is None:
            told.append({**base, "state": ERROR, "why": "not an address"})
        else:
            todo.append({**base, "state": row["state"]})
    desk.put(told)
    return todo


async def _verify_one(desk: Desk, row: RowRecord) -> RowRecord:
    """What is found out about an address. Where it may have been sent before, that is looked up first."""
    base = {"number": row["number"], "subject": row["subject"]}
    if row["state"] == SENT:
        with contextlib.suppress(NotFound):
            return _told(base, await desk.call("get_email_verification", email=row["subject"]))
    try:
        return _told(base, await desk.call("verify_email", email=row["subject"]))
    except InstantlyError as error:
        if is_of_the_row(error) and not ends_the_job(error):
            return {**base, "state": ERROR, "why": error_text(error)}
        raise


def _told(base: RowRecord, found: dict[str, Any]) -> RowRecord:
    return {**base, **_verdict(found), "credits": _count(found.get("credits_used"))}


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
    rows = desk.store.page(desk.job.id, [PENDING], position["at"], CLAIMED_ROWS)

    async def ask(row: RowRecord) -> RowRecord | None:
        try:
            found = await desk.call("get_email_verification", email=row["subject"])
        except InstantlyError as error:
            if wait_after(error) or (ends_the_job(error) and not isinstance(error, NotFound)):
                raise
            return None
        if found.get("verification_status") == PENDING:
            return None
        return {"number": row["number"], "subject": row["subject"], **_verdict(found)}

    crew = Crew(desk, ask, intends=False)
    done, _ = await crew.work(rows)
    if crew.is_cancelled:
        return Turn(position, done)
    if crew.over_budget is not None:
        return Turn(position, done, error_text(crew.over_budget), wait=wait_after(crew.over_budget))
    if len(rows) == CLAIMED_ROWS:
        return Turn({**position, "at": rows[-1]["number"]}, max(done, 1))
    left = desk.store.page(desk.job.id, [PENDING], 0, 1)
    if not left or position["round"] >= PENDING_ROUNDS:
        return Turn(None, done)
    return Turn({"phase": "pending", "at": 0, "round": position["round"] + 1}, max(done, 1), wait=PENDING_SECONDS)
