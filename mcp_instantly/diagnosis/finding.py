"""What an examination finds: one line each, with what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mcp_instantly.text import error_text, one_line

Level = Literal["ok", "skip", "warn", "fail"]

MAX_WHAT_CHARACTERS = 400


@dataclasses.dataclass(frozen=True)
class Finding:
    """`check` is what was looked at, in a word; `what` is what was seen; `advice` is what to do, empty for nothing."""

    level: Level
    check: str
    what: str
    advice: str = ""

    @property
    def line(self) -> str:
        """The finding as a line for a terminal, with nothing in it that steers one."""
        said = f"{self.level:<4}  {self.check}: {one_line(self.what, MAX_WHAT_CHARACTERS)}"
        return f"{said}  -> {error_text(self.advice)}" if self.advice else said

    def as_json(self) -> dict[str, str]:
        return dataclasses.asdict(self)


def ok(check: str, what: str) -> Finding:
    return Finding("ok", check, what)


def skip(check: str, what: str) -> Finding:
    """What was not looked at, and why."""
    return Finding("skip", check, what)


def warn(check: str, what: str, advice: str) -> Finding:
    return Finding("warn", check, what, advice)


def fail(check: str, what: str, advice: str) -> Finding:
    return Finding("fail", check, what, advice)
