"""The leads of a list or campaign are verified; those that fail are deleted, or moved to a list, after consent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.api.paging import records_of
from mcp_instantly.errors import CallError
from mcp_instantly.jobs.consent import refuse_without_consent, token_of
from mcp_instantly.jobs.counting import page_of
from mcp_instantly.jobs.desk import NO_ID, SOME_ADDRESS, TRIES, Desk, Planner, Position, Turn
from mcp_instantly.jobs.job import DELETED, DUPLICATE, INVALID, MOVED, SKIPPED, UNKNOWN, Plan, RowRecord
from mcp_instantly.jobs.kinds.verify_emails import count_leads, credits_left
from mcp_instantly.jobs.verifying import assist as assist
from mcp_instantly.jobs.verifying import leads_of, verify

BATCH = 100
"""Leads of one call: as many as a look at what is left of them takes."""

PART = ("there", "last")
"""What a position says of the rows that are being cleared: the leads that were found there, and the last row."""

LOOK_SECONDS = 5.0
"""Until leads that are still there are looked for again."""


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    place = _place(arguments)
    if arguments.get("move_to_list_id") == place.get("list_id", ""):
        raise CallError("Nothing was sent: move_to_list_id is the list itself.")
    clears = "move_leads" if "move_to_list_id" in arguments else "bulk_delete_leads"
    planner.require("verify_email", "get_email_verification", clears)
    kind = "get_campaign" if "campaign_id" in place else "get_lead_list"
    found = await planner.call(kind, id=next(iter(place.values())))
    facts: dict[str, Any] = {"of": found.get("name")}
    if "move_to_list_id" in arguments:
        target = await planner.call("get_lead_list", id=arguments["move_to_list_id"])
        facts["moves_to"] = target.get("name")
    rows, counted = await count_leads(planner, arguments)
    facts |= counted | await credits_left(planner)
    verb = "moved" if "move_to_list_id" in arguments else "deleted for good"
    facts["then"] = f"it stops, says how many would be {verb} ({', '.join(_dropped(arguments))}), and asks for consent"
    trials = (("verify_email", {"email": SOME_ADDRESS}), (clears, _clearing(arguments, [NO_ID])))
    return Plan(rows, rows, rows, facts, trials=trials)


def _place(arguments: dict[str, Any]) -> dict[str, str]:
    return {name: arguments[name] for name in ("list_id", "campaign_id") if name in arguments}


def _dropped(arguments: dict[str, Any]) -> list[str]:
    """The states of rows whose leads go."""
    return list(arguments.get("drop") or [INVALID])


async def run(desk: Desk, position: Position) -> Turn:
    if position.get("phase") == "clean":
        return await _clean(desk, position)
    turn = await verify(desk, position or {"phase": "collect", "at": 0})
    return turn if turn.position is not None else Turn(_asked(desk), max(1, turn.done))


def _asked(desk: Desk) -> Position | None:
    """What is to be done, and the token that stands for it; None where it is nothing."""
    rows = [f"{row['number']} {row['lead_id']}" for batch in _batches(desk, 0) for row in batch]
    verb = "move" if "move_to_list_id" in desk.job.arguments else "delete"
    return {"phase": "clean", "at": 0, "token": token_of(rows), "would": {verb: len(rows)}} if rows else None


def _batches(desk: Desk, at: int) -> Iterator[list[RowRecord]]:
    """The rows behind one whose leads go: those that failed, and those with the address of one that did."""
    dropped = _dropped(desk.job.arguments)
    while rows := desk.store.page(desk.job.id, [*dropped, DUPLICATE], at, BATCH):
        at = rows[-1]["number"]
        again = [row["subject"] for row in rows if row["state"] == DUPLICATE]
        firsts = desk.store.firsts(desk.job.id, again) if again else {}
        fate = {number: desk.store.between(desk.job.id, number, number)[number]["state"] for number in firsts.values()}
        gone = {*dropped, DELETED, MOVED, SKIPPED}
        yield [row for row in rows if row["state"] != DUPLICATE or fate[firsts[row["subject"]]] in gone]


async def _clean(desk: Desk, position: Position) -> Turn:
    if "there" in position:
        return await _clear(desk, position)
    refuse_without_consent(desk, position, " or ".join(_dropped(desk.job.arguments)))
    rows = next((batch for batch in _batches(desk, position["at"]) if batch), None)
    if rows is None:
        return Turn(None, 1)
    last = rows[-1]["number"]
    # Without ids, everything in the list would go.
    rows = [row for row in rows if row["lead_id"]]
    there = await _left(desk, {str(row["lead_id"]) for row in rows}) if rows else set()
    gone = [row for row in rows if row["lead_id"] not in there]
    desk.put(map(_not_there, gone))
    if not there:
        return Turn({**position, "at": last}, max(1, len(gone)))
    return Turn({**position, "there": sorted(there), "last": last}, max(1, len(gone)))


async def _clear(desk: Desk, position: Position) -> Turn:
    """Delete or move the leads of some rows that were there, and write down what became of them.

    The job may have been stopped since they were found there, for days: they are looked up again.
    """
    last, ids = position["last"], set(position["there"])
    tries = desk.tried(("clean", position["at"]))
    found = desk.store.between(desk.job.id, position["at"] + 1, last).values()
    open_states = (*_dropped(desk.job.arguments), DUPLICATE)
    rows = [row for row in found if row["lead_id"] in ids and row["state"] in open_states]
    left = await _left(desk, ids)
    if tries == 1 and left != ids:
        away = await _taken_elsewhere(desk, ids - left)
        desk.put(_not_there(row) for row in rows if row["lead_id"] in away)
        rows = [row for row in rows if row["lead_id"] not in away]
    if left:
        await _act(desk, sorted(left))
        left = await _left(desk, ids)
    if left and tries < TRIES:
        # A move goes on after its call.
        return Turn(position, 0, f"{len(left)} leads are still there", wait=LOOK_SECONDS)
    desk.put([_told(desk, row, left) for row in rows])
    return Turn({name: value for name, value in position.items() if name not in PART} | {"at": last}, max(1, len(rows)))


async def _taken_elsewhere(desk: Desk, ids: set[str]) -> set[str]:
    """Of leads that are not there any more, those that this job has not taken away before it was interrupted."""
    target = desk.job.arguments.get("move_to_list_id")
    if target is None:
        return await _among(desk, ids)
    return ids - await _among(desk, ids, list_id=target)


async def _act(desk: Desk, ids: list[str]) -> None:
    """Delete or move leads by their ids: what is gone already stays so, when it is done once more after a kill."""
    given = desk.job.arguments
    await desk.call("move_leads" if "move_to_list_id" in given else "bulk_delete_leads", **_clearing(given, ids))


def _clearing(given: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """What leads are deleted or moved with."""
    if "move_to_list_id" not in given:
        return {**_place(given), "ids": ids}
    return {**leads_of(given), "ids": ids, "to_list_id": given["move_to_list_id"], "wait_seconds": 50}


async def _left(desk: Desk, ids: set[str]) -> set[str]:
    """Those that are still there."""
    return await _among(desk, ids, **leads_of(desk.job.arguments))


async def _among(desk: Desk, ids: set[str], **place: str) -> set[str]:
    """Those of some leads that are in a place; without one, those that there are."""
    page = await page_of(desk.call, "list_leads", {**place, "ids": sorted(ids)})
    return {str(lead.get("id")) for lead in records_of(page)}


def _not_there(row: RowRecord) -> RowRecord:
    return {**row, "state": SKIPPED, "why": f"{row['state']}, but not there any more"}


def _told(desk: Desk, row: RowRecord, left: set[str]) -> RowRecord:
    if row["lead_id"] in left:
        return {**row, "state": UNKNOWN, "why": f"{row['state']}, and still there after the call"}
    state = MOVED if "move_to_list_id" in desk.job.arguments else DELETED
    return {**row, "state": state, "why": row["state"]}
