"""Workflows: tools that are composed of operations, and read from schema files with `calls` in the place of `http`."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.tools.operation import META, NO_REQUEST, Operation, read_narrowing, read_quoted

WORKFLOWS = frozenset(("workflows", "drafts", "jobs"))
"""The toolsets, and folders of schema files, that hold them."""

WRITES = "writes"
"""What `local` says of a tool that changes what is kept on this machine; of one that reads it, `reads`."""

WIRE = ("name", "title", "description", "inputSchema")
"""What goes over the wire as the file has it: the hints are those of what is called, and `_meta` may be left out."""


@dataclasses.dataclass(frozen=True, eq=False)
class Workflow(Operation):
    """A tool without a request of its own. What it does, its hints and its scopes are those of what it calls.

    `needed` are operations without which it cannot be; `optional` are those that it does without where a key may not
    call them. `kinds` are arguments that say what kind of work is meant, each with the names of those that it may call.
    `keeps` says whether it changes what is kept on this machine.
    """

    needed: tuple[Operation, ...] = ()
    optional: tuple[Operation, ...] = ()
    kinds: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    keeps: bool = False

    def narrowed(self, arguments: Mapping[str, object]) -> Workflow:
        """The same workflow with no more than it may call for these arguments."""
        given = [kind for kind in self.kinds if kind in arguments]
        if not given:
            return self
        names = {name for kind in given for name in self.kinds[kind]}
        optional = tuple(one for one in self.optional if one.name in names)
        effects = {effect for part in (*self.needed, *optional) for effect in part.effects}
        return dataclasses.replace(self, optional=optional, effects=tuple(sorted(effects)))

    @functools.cached_property
    def parts(self) -> dict[str, Operation]:
        """Every operation that it may call, by name."""
        return {operation.name: operation for operation in (*self.needed, *self.optional)}

    @property
    def effect(self) -> str:
        """What a call may do at most, in a word."""
        if self.read_only:
            return "reads"
        return "deletes" if any(part.effect == "deletes" for part in self.parts.values()) else "changes"

    @property
    def scope_groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of scopes: a key needs one of each."""
        return tuple(dict.fromkeys(group for operation in self.needed for group in operation.scope_groups))


def requests_of(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations themselves: in the place of each workflow, those without which it cannot be."""
    for operation in operations:
        yield from operation.needed if isinstance(operation, Workflow) else (operation,)


def read_workflow(file: Path, operations: Mapping[str, Operation]) -> Workflow:
    """Read one schema file. Its name is the tool's name; ConfigError when it is damaged or calls what there is not."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        needed = tuple(operations[name] for name in data["calls"])
        optional = tuple(operations[name] for name in data.get("may_call", ()))
        parts = (*needed, *optional)
        keeps = data.get("local") == WRITES
        hints = {
            "readOnlyHint": all(part.read_only for part in parts) and not keeps,
            "destructiveHint": any(part.destructive for part in parts),
            "idempotentHint": all(part.idempotent for part in parts) and not keeps,
            "openWorldHint": True,
        }
        return Workflow(
            tool={
                **{key: data[key] for key in WIRE},
                "annotations": hints,
                **({META: data[META]} if META in data else {}),
            },
            toolset=file.parent.name,
            scopes_inferred=all(part.scopes_inferred for part in needed),
            effects=tuple(sorted({effect for part in parts for effect in part.effects})),
            extras=tuple(data.get("extras", ())),
            rules=data.get("rules", {}),
            examples=tuple(data["examples"]),
            narrowing=read_narrowing(data.get("narrowing", {})),
            quoted=read_quoted(data),
            needed=needed,
            optional=optional,
            kinds={kind: tuple(names) for kind, names in data.get("kinds", {}).items()},
            keeps=keeps,
            **NO_REQUEST,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"The schema file {file} cannot be used: {error!r}.") from None
