"""Every operation by name, and the selection of those that a server offers."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError, ToolNotEnabled, UnknownTool, never_called
from mcp_instantly.suggestions import suggest, suggest_or_list
from mcp_instantly.text import clip
from mcp_instantly.tools.composition import WORKFLOWS, Workflow, read_workflow, requests_of
from mcp_instantly.tools.foreign_names import explain_tool
from mcp_instantly.tools.operation import Operation, read_operation

_PACKAGED = Path(__file__).parent.parent / "tool_schemas"
_CHECKOUT = Path(__file__).parent.parent.parent / "tool_schemas"


@dataclasses.dataclass(frozen=True)
class Toolset:
    """A group of tools. `presets` name those that it is part of; default takes it without `beyond_default`, and `core`
    lists its tools in the core preset.
    """

    name: str
    title: str
    description: str
    presets: tuple[str, ...]
    core: tuple[str, ...]
    beyond_default: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Catalog:
    """All operations, workflows and toolsets, in the order of their names and of `toolsets.json`."""

    operations: Mapping[str, Operation]
    toolsets: Mapping[str, Toolset]
    workflows: Mapping[str, Workflow] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def tools(self) -> Mapping[str, Operation]:
        """Operations and workflows, in the order of their names."""
        return _merged(self.operations, self.workflows)

    def named(self, names: Collection[str]) -> set[str]:
        """The names of the tools in toolsets and presets."""
        in_presets = {tool for name in names if name in PRESETS for tool in self.preset(name)}
        return in_presets.union(tool.name for tool in self.tools.values() if tool.toolset in names)

    def preset(self, name: str) -> list[str]:
        """The names of the tools in a preset: core, default or all."""
        if name == "all":
            return list(self.tools)
        if name == "core":
            return [tool for toolset in self.toolsets.values() for tool in toolset.core]
        return [
            op.name
            for op in self.tools.values()
            if name in self.toolsets[op.toolset].presets and op.name not in self.toolsets[op.toolset].beyond_default
        ]


def _merged(operations: Mapping[str, Operation], workflows: Mapping[str, Workflow]) -> Mapping[str, Operation]:
    return dict(sorted({**operations, **workflows}.items()))


PRESETS = ("core", "default", "all")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The operations and workflows that are on, and why others are off; a policy never calls what is `forbidden`."""

    catalog: Catalog
    operations: Mapping[str, Operation]
    read_only: bool
    excluded: frozenset[str]
    scopes: frozenset[str] | None
    toolsets: tuple[str, ...]
    workflows: Mapping[str, Workflow] = dataclasses.field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()

    @functools.cached_property
    def tools(self) -> Mapping[str, Operation]:
        """What is on, in the order of the names."""
        return _merged(self.operations, self.workflows)

    def find(self, name: str) -> Operation:
        """The operation or workflow of an enabled tool. Raises UnknownTool, PolicyRefusal, or ToolNotEnabled with what
        would help.
        """
        operation = self.tools.get(name)
        if operation is not None:
            return operation
        known = self.catalog.tools.get(name)
        if known is None:
            raise UnknownTool(f"There is no tool {clip(name, 100)!r}.{_meant(name, self.catalog.tools)}")
        toolsets = ",".join([*self.toolsets, known.toolset])
        self._refuse_forbidden(known)
        not_chosen = f"Start the server with --toolsets {toolsets} (or add --tools {name}) to enable it."
        raise ToolNotEnabled(f"{name} is not enabled, so nothing was sent. {self._obstacle(known) or not_chosen}")

    def refuse_unless_allowed(self, operation: Operation) -> None:
        """Raise ToolNotEnabled, or PolicyRefusal, for an operation that a workflow may not call."""
        self._refuse_forbidden(operation)
        obstacle = self._obstacle(operation)
        if obstacle:
            raise ToolNotEnabled(f"{operation.name} is not allowed, so nothing was sent. {obstacle}")

    def allows(self, operation: Operation) -> bool:
        """Whether a workflow that is on may call an operation, which need not be on itself."""
        return not self._obstacle(operation) and _forbidden(operation, self.forbidden) is None

    def _refuse_forbidden(self, operation: Operation) -> None:
        found = _forbidden(operation, self.forbidden)
        if found is not None:
            raise never_called(found, "" if found == operation.name else operation.name)

    def _obstacle(self, operation: Operation) -> str:
        return _obstacle(operation, excluded=self.excluded, read_only=self.read_only, scopes=self.scopes)


@functools.cache
def load_catalog() -> Catalog:
    """Read every schema file, from the checkout or from the installed package."""
    root = _folder()
    toolsets = {
        name: Toolset(
            name,
            entry["title"],
            entry["description"],
            *(tuple(entry.get(key, ())) for key in ("presets", "core", "beyond_default")),
        )
        for name, entry in _read_json(root / "toolsets.json").items()
    }
    files = sorted(root.glob("*/*.json"), key=lambda file: file.stem)
    operations = {file.stem: read_operation(file) for file in files if file.parent.name not in WORKFLOWS}
    workflows = {file.stem: read_workflow(file, operations) for file in files if file.parent.name in WORKFLOWS}
    return Catalog(operations, toolsets, workflows)


def read_data(name: str) -> Any:
    """A JSON file that stands beside the toolsets. Raises ConfigError when it cannot be read."""
    return _read_json(_folder() / name)


def _folder() -> Path:
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@functools.cache
def known_fields(name: str) -> tuple[str, ...]:
    """The paths of the records that a tool answers with, `payload.*` for any below; () where they are not known."""
    return tuple(_fields_of_tools().get(name, ()))


@functools.cache
def _fields_of_tools() -> dict[str, list[str]]:
    found: dict[str, list[str]] = read_data("returns.json")
    return found


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None


def select(
    catalog: Catalog,
    *,
    toolsets: Sequence[str] = (),
    tools: Sequence[str] = (),
    exclude: Sequence[str] = (),
    read_only: bool = False,
    scopes: Iterable[str] | None = None,
    forbidden: Collection[str] = (),
) -> Selection:
    """Choose tools: presets and toolsets, plus single tools; then what is excluded goes, whatever chose it.

    With `tools` alone, only those are on; with neither, the default preset is. `read_only` leaves out everything that
    changes or spends; `scopes` leaves out what these scopes do not allow (a read whose scopes the API does not state
    stays); `forbidden` goes too, as what a policy never calls. A workflow goes with an operation that it needs. Raises
    ConfigError for a name that does not exist.
    """
    names = toolsets or (() if tools else ("default",))
    for name in names:
        if name not in PRESETS and name not in catalog.toolsets:
            raise ConfigError(f"There is no toolset {name!r}.{suggest_or_list(name, [*PRESETS, *catalog.toolsets])}")
    for name in [*tools, *exclude]:
        if name not in catalog.tools:
            raise ConfigError(f"There is no tool {name!r}.{_meant(name, catalog.tools)}")
    granted = None if scopes is None else frozenset(scopes)
    _check_scopes(catalog, granted)
    chosen = {*tools, *catalog.named(names)}
    out = frozenset(exclude)
    never = frozenset(forbidden)

    def is_on(tool: Operation) -> bool:
        if tool.name not in chosen or _obstacle(tool, excluded=out, read_only=read_only, scopes=granted):
            return False
        return not never or _forbidden(tool, never) is None

    operations = {name: one for name, one in catalog.operations.items() if is_on(one)}
    workflows = {name: one for name, one in catalog.workflows.items() if is_on(one)}
    return Selection(catalog, operations, read_only, out, granted, tuple(names), workflows, never)


def _forbidden(operation: Operation, names: Collection[str]) -> str | None:
    """The tool of these names that an operation is, or that a workflow needs."""
    return next((one.name for one in (operation, *requests_of([operation])) if one.name in names), None)


def _obstacle(
    operation: Operation, *, excluded: Collection[str], read_only: bool, scopes: frozenset[str] | None
) -> str:
    """What keeps a tool off whatever chose it, with what would enable it; empty when nothing does."""
    for one in (operation, *requests_of([operation])):
        if one.name in excluded:
            it = "it" if one is operation else f"{one.name}, which it calls"
            return f"The server was started with --exclude-tools that names {it}; leave it out there to enable it."
    if read_only and not operation.read_only:
        return "It changes something and the server was started with --read-only; start it without to enable it."
    if not covers(scopes, operation):
        would_do = ", and also one of these: ".join(", ".join(group) for group in operation.scope_groups)
        return f"The key's scopes do not cover it; one of these would do: {would_do}."
    return ""


def _meant(name: str, tools: Mapping[str, Operation]) -> str:
    """What an unknown tool is called here, or which one it seems to mean, with a blank before it."""
    said = explain_tool(name, tools)
    return f" {said}" if said else suggest(name, list(tools)) or " See the list of tools."


def covers(scopes: frozenset[str] | None, operation: Operation) -> bool:
    """Whether a key with these scopes, None for any, can call an operation.

    Scopes that the API does not state never block a read; for what changes something they are taken as meant.
    """
    if isinstance(operation, Workflow):
        return all(covers(scopes, one) for one in operation.needed)
    return (
        scopes is None
        or (operation.scopes_inferred and operation.read_only)
        or not any(scopes.isdisjoint(group) for group in operation.scope_groups)
    )


def _check_scopes(catalog: Catalog, granted: frozenset[str] | None) -> None:
    known = {scope for op in catalog.operations.values() for group in op.scope_groups for scope in group}
    # A key may have some that no operation asks for: they allow nothing here.
    known.update(catalog.operations["create_api_key"].rules["properties"]["scopes"]["items"]["enum"])
    for scope in sorted((granted or frozenset()) - known):
        raise ConfigError(f"There is no scope {scope!r}.{suggest(scope, known)}")


NOT_GRANTED = ("ai_agent_guidances", "engage_items", "supersearch_enrichments")
"""Resources whose scopes operations state and no API key can be given."""


def is_granted(scope: str) -> bool:
    """Whether an API key can be given a scope."""
    return scope.partition(":")[0] not in NOT_GRANTED


def stand_ins(operations: Iterable[Operation]) -> dict[str, list[str]]:
    """The scopes to ask for instead of those that no key can be given, each with the ones that it stands in for."""
    found: dict[str, set[str]] = {}
    for op in requests_of(operations):
        for group in op.scope_groups:
            if not is_granted(group[0]):
                found.setdefault(_narrowest(group), set()).add(group[0])
    return {scope: sorted(found[scope]) for scope in sorted(found)}


def _narrowest(scopes: Sequence[str]) -> str:
    """The first scope that a key can be given: the narrowest come first."""
    return next(scope for scope in scopes if is_granted(scope))


def minimum_scopes(operations: Iterable[Operation]) -> dict[str, bool]:
    """The narrowest scopes with which all of these can be called, sorted; the value tells whether the API states it.

    The first scope of an operation that a key can be given is its narrowest. A scope that only unstated operations
    want is marked False.
    """
    found: dict[str, bool] = {}
    for op in requests_of(operations):
        for group in op.scope_groups:
            scope = _narrowest(group)
            found[scope] = found.get(scope, False) or not op.scopes_inferred
    return dict(sorted(found.items()))
