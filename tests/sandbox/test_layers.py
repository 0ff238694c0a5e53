"""The rooms of the sandbox: imports point down, from folder to folder and from family to family."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from ..cases import for_each

SANDBOX = Path(__file__).parents[2] / "mcp_instantly" / "sandbox"
NAME = "mcp_instantly.sandbox"

BELOW = {
    "state": set(),
    "engine": {"state"},
    "directory": {"state", "engine"},
    "sending": {"state", "engine"},
    "resources": {"state", "engine", "directory", "sending"},
    "pages": {"state", "engine", "sending", "resources"},
    "worlds": {"state", "engine", "directory", "sending", "resources"},
    "app": {"state", "engine", "resources", "pages"},
    "storage": {"state", "engine", "resources", "worlds", "app"},
    "testing": {"state", "engine", "worlds", "app"},
    "__init__": {"state", "engine", "worlds", "app", "storage", "testing"},
}
"""What each room may import from, besides itself."""

FAMILIES = (
    "workspace",
    "webhooks",
    "accounts",
    "leads",
    "emails",
    "campaigns",
    "analytics",
    "supersearch",
    "inbox_placement",
    "agents",
    "dfy_orders",
    "saved",
)
"""The folders of resources/, from the lowest up: each may import from those before it."""

FILES = sorted(SANDBOX.rglob("*.py"))


def place(file: Path) -> tuple[str, ...]:
    """The names that lead to a module, `("resources", "leads", "moves")`."""
    return file.relative_to(SANDBOX).with_suffix("").parts


@functools.cache
def imported(file: Path) -> frozenset[tuple[str, ...]]:
    """The places of the sandbox's modules that a file imports from, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(f"{NAME}."):
            inner = tuple(node.module.removeprefix(NAME).strip(".").split(".")) if node.module != NAME else ()
            found.update((*inner, alias.name) for alias in node.names)
    return frozenset(found)


def test_every_room_and_every_family_has_its_place() -> None:
    assert {place(file)[0] for file in FILES} == set(BELOW)
    families = {file.name for file in (SANDBOX / "resources").iterdir() if file.is_dir()} - {"__pycache__"}
    assert families == set(FAMILIES)


@for_each("file", FILES, lambda file: "/".join(place(file)))
def test_a_room_imports_only_from_those_below(file: Path) -> None:
    room = place(file)[0]
    assert {parts[0] for parts in imported(file)} <= BELOW[room] | {room}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_imports_only_from_those_before_it(family: str) -> None:
    allowed = FAMILIES[: FAMILIES.index(family) + 1]
    for file in (SANDBOX / "resources" / family).glob("*.py"):
        used = {parts[1] for parts in imported(file) if parts[0] == "resources"}
        assert used <= set(allowed), file.name


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {place(file): file for file in FILES if file.stem != "__init__"}
    graph = {}
    for name, file in modules.items():
        used = imported(file)
        graph[name] = {parts for parts in (*used, *(parts[:-1] for parts in used)) if parts in modules}
    left = dict(graph)
    while free := [name for name, used in left.items() if not used & left.keys()]:
        for name in free:
            del left[name]
    assert not left


@for_each("file", FILES, lambda file: "/".join(place(file)))
def test_a_module_is_short_enough_to_be_read_at_once(file: Path) -> None:
    assert file.read_text().count("\n") <= 300
