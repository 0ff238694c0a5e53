"""Imports point down, and only where the design allows it."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
from pathlib import Path
from typing import Any

from .cases import for_each

PACKAGE = Path(__file__).parent.parent / "mcp_instantly"

TABLE = Path(__file__).parent / "imports.txt"
"""What each module imports of the package: exactly, so that a new way between two rooms is seen by a reviewer."""

MAX_LINES = 300
LONGER: dict[str, int] = {}
"""Modules that still hold more than one thing, and the lines that each may have: a number here may only fall."""
SDK = {
    "prompts": {"mcp", "mcp_types"},
    "resources": {"mcp", "mcp_types"},
    "server": {"mcp", "mcp_types"},
    "frames": {"mcp_types"},
    "person": {"mcp", "mcp_types"},
    "stdio": {"mcp", "mcp_types"},
    "open_calls": {"mcp", "mcp_types"},
    "web": {"mcp", "mcp_types"},
    "router": {"mcp"},
    "exchange": {"mcp_types"},
    "demo": {"mcp"},
    "host_start": {"mcp"},
}


PARTS_OF_STATEMENTS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Where a statement has other statements."""

ROOMS_OF_THEIR_OWN = ("guides", "sandbox", "workflows")
"""Folders that have rules of their own below, or hold no modules; each counts as one module."""


def _modules() -> list[Path]:
    """The files that the table is about."""
    folders = [PACKAGE, PACKAGE / "workflows" / "parts"]
    folders += [folder for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name not in ROOMS_OF_THEIR_OWN]
    return sorted(file for folder in folders for file in folder.glob("*.py") if file.stem != "__init__")


FILES = {file.stem: file for file in _modules()}
NAMES = {".".join(file.relative_to(PACKAGE).with_suffix("").parts): name for name, file in FILES.items()}
"""The modules by their dotted names below the package."""


def _room(file: Path) -> str:
    """A folder; of the modules at the top each is a room."""
    return file.stem if file.parent == PACKAGE else file.parent.name


def _table() -> dict[str, str]:
    """The lines of the table by their modules: of `client: errors log` the part behind the colon."""
    text = re.sub(r"\n +", " ", TABLE.read_text())
    return dict(line.split(":", 1) for line in text.splitlines() if line and line[0] not in "#[")


@functools.cache
def imports(file: Path) -> set[str]:
    """The dotted names of all modules that a file imports, wherever in the file."""
    found = set()
    statements: list[Any] = ast.parse(file.read_text()).body
    # Only statements hold an import: expressions, which are most of a tree, are left out.
    for node in statements:
        statements += [one for part in PARTS_OF_STATEMENTS for one in getattr(node, part, [])]
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def inside(names: set[str]) -> set[str]:
    """The modules of the package among imported names; a folder with rules of its own counts as one."""
    found = set()
    for name in names:
        first, *rest = name.split(".")
        if first != "mcp_instantly" or not rest:
            continue
        if rest[0] in ROOMS_OF_THEIR_OWN and rest[1:2] != ["parts"]:
            found.add(rest[0])
        else:
            ends = [".".join(rest[:length]) for length in range(1, len(rest) + 1)]
            found.update(NAMES[end] for end in ends if end in NAMES)
    return found


def test_the_table_says_exactly_what_each_module_imports() -> None:
    found = {name: " ".join(sorted(inside(imports(file)))) for name, file in FILES.items() if name != "cli"}
    said = {name: " ".join(names.split()) for name, names in _table().items()}
    missing = [f"{name}: {found[name]}" for name in sorted(found) if said.get(name) != found[name]]
    assert not missing, "tests/imports.txt should say:\n" + "\n".join(missing)
    assert set(said) == set(found)


def test_a_module_stands_once_in_the_table_under_its_room() -> None:
    room = "top"
    names = [line.partition(":")[0] for line in TABLE.read_text().splitlines() if line and line[0] not in "[# "]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []
    for line in TABLE.read_text().splitlines():
        if line.startswith("["):
            room = line.strip("[]")
        elif line and line[0] not in "# ":
            folder = FILES[line.partition(":")[0]].parent
            assert room == ("top" if folder == PACKAGE else folder.name), line


def test_no_two_modules_have_one_name() -> None:
    names = [file.stem for file in _modules()]
    assert sorted(names) == sorted(set(names))


def test_a_folder_of_modules_holds_no_code_beside_them() -> None:
    for folder in {file.parent for file in FILES.values()} - {PACKAGE}:
        statements = ast.parse((folder / "__init__.py").read_text()).body
        assert len(statements) == 1 and ast.get_docstring(ast.Module(statements, [])), folder.name


def test_no_two_rooms_import_from_each_other() -> None:
    below: dict[str, set[str]] = {}
    for file in FILES.values():
        room = _room(file)
        below.setdefault(room, set()).update({_room(FILES[name]) for name in inside(imports(file)) if name in FILES})
    order = graphlib.TopologicalSorter({room: needed - {room} for room, needed in below.items()})
    assert set(order.static_order()) >= set(below)  # a circle raises


def test_only_client_and_network_know_httpx_and_only_the_server_and_its_transports_know_the_sdk() -> None:
    for file in FILES.values():
        roots = {name.split(".")[0] for name in imports(file)}
        assert roots & {"mcp", "mcp_types"} <= SDK.get(file.stem, set()), file.name
        # Startup and the reference hand the sandbox to the client as a transport; the demo moves the sandbox's clock;
        # to see who is there, a request without a key is sent.
        knows = ("client", "network", "single_connection", "issuer", "startup", "reference", "demo", "reach")
        assert "httpx" not in roots or file.stem in knows


def test_workflows_reach_the_api_through_their_context_alone() -> None:
    parts = {file.stem for file in (PACKAGE / "workflows" / "parts").glob("*.py")}
    below = {
        "workflows",
        "catalog",
        "composition",
        "errors",
        "mail",
        "narrowing",
        "operation",
        "paging",
        "progress",
        "schema_paths",
    }
    below |= (
        parts
        | {file.stem for file in (PACKAGE / "jobs").glob("*.py")}
        | {"confirmation", "guards", "draft", "drafts", "text"}
    )
    for file in (PACKAGE / "workflows").glob("*.py"):
        assert inside(imports(file)) <= below, file.name


def test_the_sandbox_shares_nothing_with_the_package() -> None:
    files = list((PACKAGE / "sandbox").rglob("*.py"))
    assert files
    for file in files:
        assert inside(imports(file)) <= {"sandbox"}, file.name


@for_each("module", FILES, str)
def test_a_module_is_short_enough_to_be_read_at_once(module: str) -> None:
    lines = FILES[module].read_text().count("\n")
    assert lines <= LONGER.get(module, MAX_LINES)
    assert module not in LONGER or lines > MAX_LINES, "it needs no exception any more"


def test_the_tree_of_exceptions_is_complete() -> None:
    """In `errors.py` each stands below its base, also those that other modules define."""
    trees = [ast.parse(file.read_text()) for file in PACKAGE.rglob("*.py") if "sandbox" not in file.parts]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    bases = {node.name: ast.unparse(node.bases[0]) for node in classes}
    drawn, above = {"InstantlyError": "Exception"}, {0: "InstantlyError"}
    for line in (ast.get_docstring(ast.parse((PACKAGE / "errors.py").read_text())) or "").splitlines()[3:]:
        depth = len(line) - len(line.lstrip())
        for name in re.findall(r"\b[A-Z]\w+", re.split(r" {2,}", line.strip())[0]):
            drawn[name], above[depth] = above[depth - 2], name
    assert drawn == {name: base for name, base in bases.items() if name in drawn or base in drawn}
