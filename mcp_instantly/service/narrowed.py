"""Fewer tools for one request: its headers leave some out of what the server was started with, and never add any."""

from __future__ import annotations

import dataclasses

from mcp_instantly.errors import ToolNotEnabled
from mcp_instantly.guards.preview import NAME as PREVIEW
from mcp_instantly.guards.risks import risks_of
from mcp_instantly.service.refusal import Refused
from mcp_instantly.suggestions import suggest_or_list
from mcp_instantly.tools.catalog import PRESETS, Catalog, Selection
from mcp_instantly.tools.operation import Operation

TOOLSETS, READ_ONLY = "x-mcp-toolsets", "x-mcp-readonly"

MAX_CHARACTERS = 2000
"""Of the list of toolsets."""

YES, NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclasses.dataclass(frozen=True)
class Narrowing:
    """What a request leaves: the tools of some toolsets and presets, None for those of all, and perhaps only reads.

    `lacks` is the scope for want of which an access token leaves only reads.
    """

    toolsets: frozenset[str] | None = None
    read_only: bool = False
    lacks: str | None = None

    def __bool__(self) -> bool:
        return self.toolsets is not None or self.read_only


@dataclasses.dataclass(frozen=True)
class NarrowedSelection(Selection):
    """A selection of which a request left tools out: of `wide`, by what it brings."""

    wide: Selection | None = None
    brings: str = ""
    keeps_writes_out: str = ""

    def find(self, name: str) -> Operation:
        if self.wide is not None and name in self.wide.tools and name not in self.tools:
            raise ToolNotEnabled(
                f"{name} is not enabled for this request, so nothing was sent. Its {self.brings} leaves it "
                "out of the tools that the server offers."
            )
        return super().find(name)

    def refuse_unless_allowed(self, operation: Operation) -> None:
        if self.wide is not None and self.wide.allows(operation) and not self.allows(operation):
            raise ToolNotEnabled(
                f"{operation.name} is not allowed, so nothing was sent. It changes something, and the request's "
                f"{self.keeps_writes_out} leaves out what does."
            )
        super().refuse_unless_allowed(operation)


def read_narrowing(toolsets: list[str], read_only: list[str], catalog: Catalog) -> Narrowing:
    """What the headers of a request ask for, each as often as it came. Raises Refused.

    A name that is not one of a toolset is refused: to overlook it would leave more than was meant.
    """
    names: frozenset[str] | None = None
    if toolsets:
        text = ",".join(toolsets)
        names = frozenset(name.strip() for name in text.split(",") if name.strip())
        if not names or len(text) > MAX_CHARACTERS:
            raise Refused(400, f"{TOOLSETS} is empty or too long; name toolsets, with commas between, or leave it out.")
        for name in sorted(names):
            if name not in PRESETS and name not in catalog.toolsets:
                known = suggest_or_list(name, [*PRESETS, *catalog.toolsets])
                raise Refused(400, f"{TOOLSETS}: there is no toolset {name[:60]!r}.{known}")
    values = {value.strip().lower() for value in read_only}
    if values - {*YES, *NO}:
        raise Refused(400, f"{READ_ONLY} takes true or false.")
    return Narrowing(names, bool(values & set(YES)))


def narrow(selection: Selection, narrowing: Narrowing) -> Selection:
    """The selection without what the request leaves out. Raises Refused where nothing is left."""
    chosen = set(selection.tools) if narrowing.toolsets is None else selection.catalog.named(narrowing.toolsets)
    left = {
        name: tool
        for name, tool in selection.tools.items()
        if name in chosen and (tool.read_only or not narrowing.read_only)
    }
    if not left or set(left) == {PREVIEW}:
        raise Refused(400, f"The server has no tool that the request's {_brings(narrowing)} would leave.")
    if PREVIEW in selection.tools:
        left.pop(PREVIEW, None)
        if any(map(risks_of, left.values())):
            left[PREVIEW] = selection.tools[PREVIEW]
    return NarrowedSelection(
        selection.catalog,
        {name: one for name, one in selection.operations.items() if name in left},
        selection.read_only or narrowing.read_only,
        selection.excluded,
        selection.scopes,
        selection.toolsets,
        {name: one for name, one in selection.workflows.items() if name in left},
        selection.forbidden,
        selection,
        _brings(narrowing),
        _keeps_writes_out(narrowing),
    )


def _brings(narrowing: Narrowing) -> str:
    asked = {f"header {TOOLSETS}": narrowing.toolsets is not None, _keeps_writes_out(narrowing): narrowing.read_only}
    return " and ".join(name for name, given in asked.items() if given).replace(" and header ", " and ")


def _keeps_writes_out(narrowing: Narrowing) -> str:
    return f"access token, which lacks the scope {narrowing.lacks}," if narrowing.lacks else f"header {READ_ONLY}"
