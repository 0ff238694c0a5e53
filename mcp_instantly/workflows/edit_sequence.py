"""Steps and variants of a sequence, changed one by one: read, changed, written whole, read again and compared."""

from __future__ import annotations

from typing import Any, NamedTuple

from mcp_instantly.errors import CallError, ErrorInSuccess, InstantlyError, ServerError, TransportError, Unreachable
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.campaign_figures import state
from mcp_instantly.workflows.parts.sequence_views import differences, overview
from mcp_instantly.workflows.parts.sequences import SequenceEdits


class Target(NamedTuple):
    """What is edited, and by which operations."""

    id: str
    read: str
    write: str


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Make the edits, and tell what was done and how the sequence stands afterwards. Raises CallError for none of it
    done: an edit does not fit the sequence, or the API would lose a text.
    """
    target = _target(arguments)
    before = await context.call(target.read, id=target.id)
    await context.progress(1, 3, "sequence read")
    _refuse_if_older(before, arguments.get("timestamp_updated"))
    edited = SequenceEdits(before.get("sequences") or [])
    problems = [problem for edit in arguments["edits"] if (problem := edited.apply(edit))]
    problems += edited.problems()
    if problems:
        raise CallError(f"Nothing was changed. {' '.join(dict.fromkeys(problems))}")
    context.notes += [*edited.warnings(before, arguments["edits"])]
    status = before.get("status")
    found: dict[str, Any] = {"name": before.get("name"), "status": state(status)}
    if not differences(edited.sequences, before.get("sequences")):
        context.notes.append("The sequence is like that already: nothing was written.")
        return found | {"saved": False, "steps": overview(edited.sequences)}
    changed_at, doubt = await _write(context, target, edited.sequences)
    await context.progress(2, 3, "sequence written")
    after = await _read_again(context, target, doubt)
    await context.progress(3, 3, "sequence compared")
    different = differences(edited.sequences, after.get("sequences"))
    if doubt is not None and different and not differences(before.get("sequences"), after.get("sequences")):
        raise _not_saved(doubt)
    if doubt is not None:
        context.notes.append("No complete response came to the write; what is said here was read afterwards.")
    if different:
        context.notes.append(
            f"What stands there now is not what was written: {name_some(different)}. Instantly took it otherwise, or "
            f"somebody changed it meanwhile: read {target.read}."
        )
    elif changed_at and after.get("timestamp_updated") != changed_at:
        context.notes.append("Something else of it was changed right after this; the sequence is as it was written.")
    if status == 1:
        context.notes.append("It is active: what it sends from now on is the new text.")
    return found | {"saved": not different, "done": edited.done, "steps": overview(after.get("sequences") or [])}


def _target(arguments: dict[str, Any]) -> Target:
    if "campaign_id" in arguments:
        return Target(arguments["campaign_id"], "get_campaign", "update_campaign")
    return Target(arguments["subsequence_id"], "get_subsequence", "update_subsequence")


def _refuse_if_older(before: dict[str, Any], read_at: str | None) -> None:
    now = before.get("timestamp_updated")
    if read_at and not now:
        raise CallError("Nothing was changed: it does not tell when it was changed last. Leave timestamp_updated out.")
    if read_at and read_at != now:
        raise CallError(
            f"Nothing was changed: it was changed at {now}, after you read it. Read the sequence again, and leave "
            "timestamp_updated out or give the new one."
        )


async def _write(context: Context, target: Target, sequences: list[Any]) -> tuple[str | None, InstantlyError | None]:
    """When it was changed as the answer says, and the error after which it is not known whether it was."""
    try:
        answer = await context.call(target.write, id=target.id, sequences=sequences)
    except Unreachable:
        raise
    except (TransportError, ServerError, ErrorInSuccess) as error:
        return None, error
    changed_at = answer.get("timestamp_updated") if isinstance(answer, dict) else None
    return changed_at if isinstance(changed_at, str) else None, None


def _not_saved(doubt: InstantlyError) -> InstantlyError:
    error = InstantlyError(
        f"The edits were not saved ({shorten(str(doubt))}). Read afterwards, the sequence is as it was: call it again."
    )
    error.status = doubt.status
    return error


async def _read_again(context: Context, target: Target, doubt: InstantlyError | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await context.call(target.read, id=target.id)
    except InstantlyError as error:
        written = "It is not known whether the edits were saved" if doubt else "The edits were sent and taken"
        raise InstantlyError(
            f"{written}, but the sequence could not be read again: {error} {target.read} shows it."
        ) from None
    return found
