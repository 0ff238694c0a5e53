"""What deletes is done only after a plan of it was shown: whoever has seen it gives its token back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.desk import Desk, Position

APPROVED = "approved"
"""Under what the token that was given is kept with what a job settled."""

TOKEN_CHARACTERS = 10


def token_of(acts: Iterable[str]) -> str:
    """What stands for these acts, each with what it is done to, and for no others."""
    found = hashlib.sha256()
    for act in acts:
        found.update(act.encode() + b"\n")
    return found.hexdigest()[:TOKEN_CHARACTERS]


def with_consent(settled: dict[str, Any], approved: str | None) -> dict[str, Any]:
    """What is settled of a job, with the token that was approved, if one was."""
    return settled if approved is None else {**settled, APPROVED: approved}


def without_consent(settled: dict[str, Any]) -> dict[str, Any]:
    """What is settled of a job, whatever was approved."""
    return {name: value for name, value in settled.items() if name != APPROVED}


def awaited(position: Position, settled: dict[str, Any]) -> dict[str, Any]:
    """What waits for consent, and the token; {} where nothing does."""
    token = position.get("token")
    if token is None or settled.get(APPROVED) == token:
        return {}
    return {"would": position["would"], "plan_token": token}


def refuse_without_consent(desk: Desk, position: Position, state: str) -> None:
    """Raise CallError, which stops the job, where nobody has given the token of what it would do; `state` is that of
    the rows it is about.
    """
    waits = awaited(position, desk.job.settled)
    if waits:
        would = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in waits["would"].items())
        raise CallError(
            f"It waits for consent, and nothing was changed yet. It would {would}. Look at those with get_job_rows "
            f"(state {state}); then call start_job with the same arguments and plan_token {waits['plan_token']!r}."
        )
