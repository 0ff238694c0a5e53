"""Rows become leads of a campaign or list, in calls of up to a thousand; each row once, and each accounted for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.errors import InstantlyError
from mcp_instantly.jobs.desk import SOME_ADDRESS, TRIES, Desk, Planner, Position, Turn, ends_the_job, is_of_the_row
from mcp_instantly.jobs.job import (
    CATCH_ALL,
    COLLECTED,
    CREATED,
    DUPLICATE,
    PENDING,
    REFUSED,
    SENT,
    SKIPPED,
    UNKNOWN,
    VERIFIED,
    Plan,
)
from mcp_instantly.jobs.kinds.verify_emails import credits_left
from mcp_instantly.jobs.reading import Row, columns_of
from mcp_instantly.jobs.sources import count_rows, same_rows, settle_file, values_of
from mcp_instantly.jobs.verifying import assist as assist
from mcp_instantly.jobs.verifying import verify
from mcp_instantly.results.strangers import quoting
from mcp_instantly.text import error_text
from mcp_instantly.workflows.import_rows import BLOCKED, FLAGS, HERE, account, known, prepare
from mcp_instantly.workflows.parts.mapping import Mapping, map_columns
from mcp_instantly.workflows.parts.rows import TWICE, Leads

MAX_PER_CALL = 1000
"""Leads that the API takes at once."""

NOT_TAKEN = {BLOCKED, HERE, "known elsewhere", TWICE}
"""Why a lead that was fit to be sent is not taken."""

FOUND_THERE = "found there after an interruption: added by this job, or there before it"
NO_ADDRESS_TO_LOOK_BY = "the job was interrupted while it was sent, and it has no address to look it up by"
NO_ANSWER = "Instantly did not say whether it was added"

Numbered = tuple[int, dict[str, Any]]


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    settled: dict[str, Any] = {}
    planner.require("bulk_add_leads")
    trials = [("bulk_add_leads", {**_place(arguments), "leads": [{"email": SOME_ADDRESS}]})]
    if arguments.get("verify_first"):
        planner.require("verify_email", "get_email_verification")
        trials.append(("verify_email", {"email": SOME_ADDRESS}))
    if "rows" in arguments:
        rows: int = len(arguments["rows"])
        columns = list(dict.fromkeys(str(name) for row in arguments["rows"] for name in row))
    else:
        settled = settle_file(arguments["file"], planner.folders)
        path = Path(settled["file"])
        rows = await in_thread(count_rows, path)
        columns = list(columns_of(path))
    needs_email = "campaign_id" in arguments or bool(arguments.get("verify_first"))
    quote = str if "rows" in arguments else quoting()
    mapping = map_columns(columns, arguments.get("columns"), needs_email=needs_email, quote=quote)
    settled["columns"] = mapping.columns
    calls = math.ceil(rows / arguments.get("rows_per_call", MAX_PER_CALL))
    verifies = bool(arguments.get("verify_first"))
    checks = verifies or arguments.get("verify_leads_on_import")
    if verifies:
        settled["column"] = mapping.fields["email"]
    facts: dict[str, Any] = {"target": await _target(planner, arguments), "columns": mapping.columns}
    if checks:
        facts |= await credits_left(planner)
    return Plan(rows, calls + rows * verifies, rows if checks else 0, facts, settled, trials=tuple(trials))


async def _target(planner: Planner, arguments: dict[str, Any]) -> str:
    """The campaign or list by its name, which is read so that a wrong id is found before the first row."""
    if "campaign_id" in arguments:
        found = await planner.call("get_campaign", id=arguments["campaign_id"])
        active = ", which is active: it mails those who are added" if found.get("status") == 1 else ""
        return f"campaign {found.get('name')!r}{active}"
    found = await planner.call("get_lead_list", id=arguments["list_id"])
    return f"list {found.get('name')!r}"


async def run(desk: Desk, position: Position) -> Turn:
    verifies = desk.job.arguments.get("verify_first")
    position = position or {"phase": "take" if verifies else "import", "at": 0}
    if position["phase"] == "import":
        return await _import(desk, position["at"])
    turn = await verify(desk, position)
    return Turn({"phase": "import", "at": 0}, max(turn.done, 1)) if turn.position is None else turn


async def _import(desk: Desk, at: int) -> Turn:
    given = desk.job.arguments
    rows = same_rows(desk, at, given.get("rows_per_call", MAX_PER_CALL))
    if not rows:
        return Turn(None)
    here = {"phase": "import", "at": at}
    states = {number: row["state"] for number, row in desk.store.between(desk.job.id, at + 1, rows[-1].number).items()}
    doubtful = {number for number, state in states.items() if state == SENT}
    leads = _sorted_out(desk, rows, states)
    if doubtful:
        await _look_for(desk, leads, doubtful)
    if not leads.leads:
        return Turn({"phase": "import", "at": rows[-1].number}, len(rows))
    await _share_variables(desk, leads)
    if desk.is_cancelled:
        return Turn(here)
    try:
        await _add(desk, leads.leads)
    except InstantlyError as error:
        if ends_the_job(error) or desk.tried(("import", at)) < TRIES:
            raise
        # Most of what is found after a lost answer is there; what still is not cannot be told.
        _give_up(desk, rows, error)
    return Turn({"phase": "import", "at": rows[-1].number}, len(rows))


def _sorted_out(desk: Desk, rows: list[Row], states: dict[int, str]) -> Leads:
    """The leads that are to be sent. What is wrong with the others is written down."""
    mapping = Mapping(desk.job.settled["columns"])
    leads = Leads(needs_email="campaign_id" in desk.job.arguments)
    told: list[dict[str, Any]] = []
    may_be_sent = {None, COLLECTED, SENT}
    if desk.job.arguments.get("verify_first"):
        may_be_sent = {VERIFIED, SENT, *([CATCH_ALL] if desk.job.arguments.get("keep_catch_all") else [])}
    for row in rows:
        state = states.get(row.number)
        if state not in may_be_sent:
            if state in (VERIFIED, CATCH_ALL, PENDING):
                told.append({"number": row.number, "state": REFUSED, "why": f"its verification says {state}"})
        elif row.problem:
            told.append({"number": row.number, "state": REFUSED, "why": row.problem})
        else:
            leads.take(row.number, mapping.lead(values_of(desk, row)))
    for number, reason, detail in leads.left_out.reasons():
        if reason == TWICE:
            told.append({"number": number, "state": DUPLICATE, "why": detail})
        else:
            told.append({"number": number, "state": REFUSED, "why": f"{reason} ({detail})" if detail else reason})
    earlier = desk.store.firsts(desk.job.id, [_subject(lead) for _, lead in leads.leads if "email" in lead])
    seen: dict[str, int] = {}
    kept: list[Numbered] = []
    for number, lead in leads.leads:
        subject = _subject(lead)
        same = min(earlier.get(subject, number), seen.setdefault(subject, number)) if subject else number
        if same < number:
            told.append({"number": number, "subject": subject, "state": DUPLICATE, "why": f"as row {same}"})
        else:
            kept.append((number, lead))
    leads.leads[:] = kept
    desk.put(told)
    return leads


def _subject(lead: dict[str, Any]) -> str:
    return str(lead.get("email", "")).lower()


async def _look_for(desk: Desk, leads: Leads, doubtful: set[int]) -> None:
    """Of leads that may have been sent, those that are there are written down; the others are left to be sent.

    Without an address nobody can look, so such a lead is not sent again.
    """
    sent = [(number, lead) for number, lead in leads.leads if number in doubtful]
    desk.context.begin()
    there = await known(
        desk.context, _place(desk.job.arguments), [_subject(lead) for _, lead in sent if "email" in lead]
    )
    told = []
    for number, lead in sent:
        base = {"number": number, "subject": _subject(lead) or None}
        if "email" not in lead:
            told.append({**base, "state": UNKNOWN, "why": NO_ADDRESS_TO_LOOK_BY})
        elif _subject(lead) in there:
            told.append({**base, "state": CREATED, "why": FOUND_THERE})
    desk.put(told)
    settled = {row["number"] for row in told}
    leads.leads[:] = [(number, lead) for number, lead in leads.leads if number not in settled]


def _place(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in ("campaign_id", "list_id") if name in arguments}


async def _share_variables(desk: Desk, leads: Leads) -> None:
    """Make variables known to the campaign that it may not know yet."""
    shared: set[str] = desk.kept.setdefault("variables", set())
    if set(leads.variables) - shared:
        desk.context.begin()
        await prepare(desk.context, _place(desk.job.arguments), leads)
        shared.update(leads.variables)


async def _add(desk: Desk, leads: list[Numbered]) -> None:
    """Add leads in one call, and write down what became of each; a lead that the API refuses is found by halves.

    Raises InstantlyError, with what may have been sent written down as such.
    """
    given = desk.job.arguments
    place, flags = _place(given), {name: given[name] for name in FLAGS if name in given}
    base = [{"number": number, "subject": _subject(lead) or None} for number, lead in leads]
    desk.put([{**row, "state": SENT} for row in base])
    try:
        answer = await desk.call("bulk_add_leads", **place, **flags, leads=[lead for _, lead in leads])
    except InstantlyError as error:
        if error.outcome != "unknown":
            state = VERIFIED if given.get("verify_first") else COLLECTED
            desk.put([{**row, "state": state} for row in base])
        if not is_of_the_row(error) or ends_the_job(error):
            raise
        if len(leads) == 1:
            desk.put([{**base[0], "state": REFUSED, "why": error_text(error)}])
            return
        half = len(leads) // 2
        await _add(desk, leads[:half])
        await _add(desk, leads[half:])
        return
    await _note(desk, place, leads, answer)


async def _note(desk: Desk, place: dict[str, Any], leads: list[Numbered], answer: dict[str, Any]) -> None:
    entries = answer.get("created_leads") or ()
    created = {one["index"]: one for one in entries if 0 <= one["index"] < len(leads)}
    told = {
        number: {"number": number, "subject": _subject(lead) or None, "state": UNKNOWN, "why": NO_ANSWER}
        for number, lead in leads
    }
    if len(created) == answer.get("leads_uploaded"):
        for index, one in created.items():
            told[leads[index][0]].update(state=CREATED, why=None, lead_id=one.get("id"))
            if desk.job.arguments.get("verify_leads_on_import") and "email" in one:
                told[leads[index][0]].update(credits=1)
    # What is certain is written down before anything else is asked.
    certain = [row for row in told.values() if row["state"] == CREATED]
    desk.put(certain)
    if len(certain) == len(leads):
        return
    left = Leads(needs_email=False)
    left.leads[:] = leads
    desk.context.begin()
    await account(desk.context, place, left, answer)
    for number, reason, _ in left.left_out.reasons():
        told[number].update(state=SKIPPED if reason in NOT_TAKEN else REFUSED, why=reason)
    desk.put(told.values())


def _give_up(desk: Desk, rows: list[Row], error: InstantlyError) -> None:
    """The rows of a call that failed again and again."""
    known_rows = desk.store.between(desk.job.id, rows[0].number, rows[-1].number)
    told = [
        {**row, "state": UNKNOWN if row["state"] == SENT else REFUSED, "why": error_text(error)}
        for row in known_rows.values()
        if row["state"] in (SENT, COLLECTED, VERIFIED, CATCH_ALL)
    ]
    desk.put(told)
