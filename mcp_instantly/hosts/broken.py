"""What is wrong with the text of a configuration file, and where."""

from __future__ import annotations


class BrokenText(Exception):
    """A text that cannot be changed as it is. `line` and `column` count from 1; `reason` is the rest of a sentence."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason, self.line, self.column = reason, line, column


def broken_at(text: str, position: int, reason: str) -> BrokenText:
    """A BrokenText for an index into the text."""
    line_start = text.rfind("\n", 0, position) + 1
    return BrokenText(reason, text.count("\n", 0, position) + 1, position - line_start + 1)
