"""What may not be cut because another tool writes it, and texts that were cut, which are never taken back."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from mcp_instantly.errors import InvalidArguments
from mcp_instantly.text import shorten
from mcp_instantly.tools.operation import Operation

MARK = "[cut by mcp_instantly"
"""What stands in every text that was cut, and in no text of anybody else's."""

HIDDEN = "[hidden by mcp_instantly]"
"""What stands in the place of a secret."""

SHOWN_AS = {"custom_variables": ("payload",)}
"""Answers show some arguments under other names."""


@dataclasses.dataclass(frozen=True)
class Writable:
    """`fields`: those of an answer that a create or update tool of its toolset takes. `reader` shows them whole.

    `reader` is the tool that reads one such record by its id; None when the answer is that tool's own.
    """

    fields: frozenset[str] = frozenset()
    reader: str | None = None


def writable(operation: Operation, operations: Iterable[Operation]) -> Writable:
    """What may be written back of an operation's answer, read from the schemas of `operations`."""
    siblings = [one for one in operations if one.toolset == operation.toolset]
    taken = {
        name
        for one in siblings
        if one.name.startswith(("create_", "update_"))
        for name in set(one.input_schema["properties"]) - set(one.placeholders)
    }
    shown = {alias for name in taken for alias in SHOWN_AS.get(name, ())}
    # The path of the record: up to its id, or the one below the collection.
    place = operation.path.partition("/{")[0].removesuffix("/list").rstrip("/")
    readers = [one.name for one in siblings if one.method == "GET" and re.fullmatch(place + r"/\{\w+\}", one.path)]
    reader = readers[0] if readers and readers[0] != operation.name else None
    return Writable(frozenset(taken | shown), reader)


def refuse_cut_texts(operation: Operation, arguments: dict[str, Any]) -> None:
    """Raise InvalidArguments for arguments that hold a text which an answer showed cut, at any depth."""
    problems = []
    for name, value in arguments.items():
        left = [value]
        while left:
            item = left.pop()
            if isinstance(item, (dict, list)):
                left += item.values() if isinstance(item, dict) else item
            elif isinstance(item, str) and HIDDEN in item:
                problems.append(
                    f"{shorten(name, 60)}: holds {HIDDEN}, which stands for a secret and would be written over it. "
                    "Leave it out, or have the user give the secret itself."
                )
                break
            elif isinstance(item, str) and MARK in item:
                problems.append(
                    f"{shorten(name, 60)}: holds a text that an answer showed cut ({MARK} …]), and the rest of it "
                    'would be lost. Read the record on its own, with fields ["*"] where it takes them, or have the '
                    "server started with a larger --result-limit (with --raw-text where something was taken out or "
                    "disarmed); then send the whole text, or leave it out."
                )
                break
    if problems:
        raise InvalidArguments(operation.name, problems)
