"""The call that takes a write back, where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_instantly.guards.costs import RECIPIENTS
from mcp_instantly.guards.snapshot import INTEREST, INTEREST_FIELD, TAGS, VARIABLES, State, holds_hidden
from mcp_instantly.tools.operation import CLEAR, Operation

OPPOSITES = {
    "activate_campaign": "pause_campaign",
    "pause_campaign": "activate_campaign",
    "resume_account": "pause_account",
    "pause_account": "resume_account",
    "resume_subsequence": "pause_subsequence",
    "pause_subsequence": "resume_subsequence",
}

MAKING = ("create_", "bulk_add_", "duplicate_")
"""How the names of tools begin that make something new."""

EMPTY: tuple[Any, ...] = ("", [], {})
"""What an update refuses as blank."""

RUNNING = 1
"""The status of a campaign, a subsequence and an account that is at work."""


class NoInverse(Exception):
    """A write cannot be taken back; the text says why, in a sentence."""


def inverse_of(
    operation: Operation, arguments: Mapping[str, Any], before: State | None, after: State | None
) -> tuple[str, dict[str, Any]]:
    """Tool and arguments that undo a write which changed `before` to `after`, both without what did not change.

    None is a state that is not known. Raises NoInverse.
    """
    if operation.destructive and operation.method == "DELETE":
        raise NoInverse("What was deleted cannot be brought back.")
    if operation.name not in (INTEREST, TAGS, *OPPOSITES) and operation.method not in ("PATCH", "PUT"):
        raise NoInverse(_why_not(operation))
    if before is None:
        raise NoInverse("What there was before is not known.")
    if after is None:
        raise NoInverse("What it was changed to is not known.")
    if not after:
        raise NoInverse("It changed nothing.")
    if operation.name in OPPOSITES:
        return _switched(operation, arguments, before)
    if operation.name == INTEREST:
        return operation.name, _interest(arguments, before[INTEREST_FIELD])
    if operation.name == TAGS:
        return operation.name, _tags(arguments, after)
    return operation.name, _restored(operation, arguments, before, after)


def _why_not(operation: Operation) -> str:
    if operation.name in RECIPIENTS:
        return "A sent email cannot be recalled."
    if operation.name.startswith(MAKING):
        return f"What {operation.name} made is not deleted by undo; a person decides that."
    return f"There is no tool that takes {operation.name} back."


def _switched(operation: Operation, arguments: Mapping[str, Any], before: State) -> tuple[str, dict[str, Any]]:
    was_running = before.get("status") == RUNNING
    if operation.name.startswith("pause_") and not was_running:
        raise NoInverse(f"It was not running before (status {before.get('status')}), so there is nothing to resume.")
    return OPPOSITES[operation.name], {name: arguments[name] for name in operation.placeholders}


def _interest(arguments: Mapping[str, Any], before: Any) -> dict[str, Any]:
    more = {"ai_interest_value", "disable_auto_interest"} & set(arguments)
    if more:
        raise NoInverse(f"It also set {' and '.join(sorted(more))}, of which no read shows what there was before.")
    where = {name: arguments[name] for name in ("lead_email", "campaign_id", "list_id") if arguments.get(name)}
    return {**where, CLEAR: ["interest_value"]} if before is None else {**where, "interest_value": before}


def _tags(arguments: Mapping[str, Any], after: State) -> dict[str, Any]:
    """One call for all pairs that changed; those that were as they are before it stay."""
    tags = [tag for tag in arguments["tag_ids"] if any(pair.startswith(f"{tag} on ") for pair in after)]
    resources = [one for one in arguments["resource_ids"] if any(pair.endswith(f" on {one}") for pair in after)]
    if len(after) != len(tags) * len(resources):
        raise NoInverse("Some of these tags were there before on some of these, which one call cannot tell apart.")
    return {
        "tag_ids": tags,
        "resource_ids": resources,
        "resource_type": arguments["resource_type"],
        "assign": not arguments["assign"],
    }


def _restored(operation: Operation, arguments: Mapping[str, Any], before: State, after: State) -> dict[str, Any]:
    given: dict[str, Any] = {name: arguments[name] for name in operation.placeholders}
    cleared = []
    for name in after:
        was = before.get(name)
        if name not in before or holds_hidden(was):
            raise NoInverse(f"What {name} was before is not known: it is secret, too long, or not shown.")
        if was is None or was in EMPTY:
            if name not in operation.clearable:
                raise NoInverse(f"{name} was empty before, and {operation.name} cannot empty it.")
            cleared.append(name)
            continue
        now = after[name]
        # Where something of it is gone, it was replaced as a whole, and will be again.
        replaced = name == VARIABLES and set(was) - set(now)
        if isinstance(was, dict) and isinstance(now, dict) and set(now) - set(was) and not replaced:
            added = ", ".join(sorted(set(now) - set(was)))
            raise NoInverse(f"{name} had no {added} before, and {operation.name} cannot take that away.")
        given[name] = was
    return {**given, **({CLEAR: cleared} if cleared else {})}
