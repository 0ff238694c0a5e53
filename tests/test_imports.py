"""Imports point down, and only where the design allows it."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

from .cases import for_each

PACKAGE = Path(__file__).parent.parent / "mcp_instantly"

ALLOWED = {
    "__init__": set(),
    "text": set(),
    "body": set(),
    "redaction": {"body"},
    "masking": set(),
    "errors": set(),
    "refusals": {"errors", "text"},
    "suggestions": set(),
    "foreign_names": {"suggestions"},
    "timezones": {"suggestions"},
    "log": {"errors", "redaction", "text"},
    "schema_paths": set(),
    "operation": {"errors", "schema_paths"},
    "settings": {"errors"},
    "keys": {"errors", "settings"},
    "narrowing": {"operation", "text"},
    "composition": {"errors", "operation"},
    "catalog": {"composition", "errors", "foreign_names", "operation", "suggestions", "text"},
    "schema": set(),
    "repair": {"operation", "schema"},
    "explanations": {"errors", "foreign_names", "operation", "schema", "suggestions", "text", "timezones"},
    "array_limits": {"errors", "operation", "schema"},
    "quick_check": {"explanations", "schema"},
    "arguments": {
        "array_limits",
        "errors",
        "explanations",
        "narrowing",
        "operation",
        "quick_check",
        "repair",
        "schema",
        "schema_paths",
        "suggestions",
        "text",
    },
    "request": {"errors", "operation"},
    "retry": {"errors", "operation", "request"},
    "progress": set(),
    "tracing": {"errors", "operation", "request"},
    "network": {"errors", "settings", "text"},
    "client": {
        "body",
        "errors",
        "network",
        "operation",
        "progress",
        "redaction",
        "refusals",
        "request",
        "retry",
        "settings",
        "tracing",
    },
    "waiting": {"errors", "operation", "progress", "request", "schema_paths"},
    "guards": {"errors", "operation", "request"},
    "costs": {"operation"},
    "touched": {"costs", "guards", "operation"},
    "policy": {"costs", "text"},
    "policy_file": {"costs", "errors", "operation", "policy", "suggestions"},
    "private_file": set(),
    "redis_url": {"errors"},
    "lookalikes": set(),
    "ledger": {"errors", "private_file"},
    "enforcement": {
        "costs",
        "errors",
        "guards",
        "ledger",
        "log",
        "operation",
        "policy",
        "policy_file",
        "request",
        "text",
        "touched",
    },
    "locks": {"errors", "guards", "operation", "request", "text", "touched"},
    "repeats": {"errors", "guards", "operation", "request", "settings", "text"},
    "dry_run": {"guards", "masking", "request"},
    "policy_check": {
        "arguments",
        "catalog",
        "composition",
        "console",
        "enforcement",
        "errors",
        "ledger",
        "operation",
        "policy",
        "policy_file",
        "safeguards",
        "settings",
        "suggestions",
        "touched",
    },
    "risks": {"composition", "operation"},
    "seals": {"errors"},
    "offering": {"operation", "risks", "settings"},
    "preview": {"catalog", "composition", "operation", "risks"},
    "foresight": {
        "campaign_figures",
        "errors",
        "guards",
        "lookalikes",
        "operation",
        "paging",
        "prices",
        "risks",
        "sending_hours",
        "text",
    },
    "confirmation": {
        "asking",
        "draft_form",
        "drafts",
        "errors",
        "foresight",
        "guards",
        "operation",
        "request",
        "risks",
        "seals",
        "text",
    },
    "person": {"asking"},
    "agent_check": {"client", "errors", "operation", "request", "text"},
    "paging": set(),
    "protection": {"errors", "operation", "text"},
    "tells": {"errors", "guards", "operation", "protection", "text"},
    "snapshot": {"masking", "operation", "paging", "tells", "text"},
    "inverse": {"operation", "snapshot"},
    "audit_file": {"errors", "text"},
    "audit": {"audit_file", "errors", "guards", "inverse", "log", "masking", "operation", "request", "snapshot"},
    "reconciliation": {
        "comparison",
        "errors",
        "guards",
        "mail",
        "operation",
        "paging",
        "refusals",
        "request",
        "settings",
        "snapshot",
        "tells",
    },
    "markup": set(),
    "hidden": {"markup", "protection", "text"},
    "strangers": {"hidden", "lookalikes", "mail", "operation", "protection"},
    "concealment": {"operation", "protection"},
    "exposure": set(),
    "truncation": {"paging", "protection", "text"},
    "mail": {"hidden", "markup", "protection"},
    "batch": {"errors", "text", "workflows"},
    "draft": set(),
    "draft_file": {"errors", "private_file"},
    "drafts": {"draft", "draft_file", "errors"},
    "drafts_only": {"composition", "errors", "guards", "request"},
    "replies": {"paging"},
    "draft_page": {"draft", "lookalikes", "replies", "text"},
    "draft_form": {"draft", "draft_page", "drafts", "errors", "guards", "replies", "text"},
    "table": {"paging"},
    "projection": {"errors", "mail", "operation", "paging", "suggestions", "text"},
    "collection": {"errors", "paging", "request"},
    "returns": {"operation"},
    "sequences": {"text"},
    "rows": {"errors", "text"},
    "partial": {"errors", "paging", "text", "workflows"},
    "campaign_figures": {"partial"},
    "senders": {"text"},
    "placeholders": set(),
    "sending_hours": set(),
    "preflight": {"partial", "placeholders", "sending_hours", "suggestions", "text"},
    "comparison": {"operation", "text"},
    "unsaid": {"operation", "text"},
    "notes": {"comparison", "operation", "paging", "request", "schema_paths", "suggestions", "text", "unsaid"},
    "result": {
        "concealment",
        "errors",
        "notes",
        "operation",
        "paging",
        "projection",
        "protection",
        "request",
        "strangers",
        "table",
        "text",
        "truncation",
    },
    "presentation": {"catalog", "operation", "projection", "protection", "request", "result", "settings", "strangers"},
    "call_log": {"errors", "log", "masking", "operation", "tracing"},
    "caller": {"catalog", "result", "workflows"},
    "invocation": {
        "agent_check",
        "arguments",
        "call_log",
        "catalog",
        "client",
        "collection",
        "composition",
        "drafts",
        "errors",
        "exposure",
        "guards",
        "locks",
        "narrowing",
        "notes",
        "offering",
        "operation",
        "own_keys",
        "paging",
        "presentation",
        "preview",
        "progress",
        "projection",
        "protection",
        "request",
        "result",
        "risks",
        "settings",
        "strangers",
        "tells",
        "text",
        "tracing",
        "truncation",
        "waiting",
        "workflows",
    },
    "manual": {"errors"},
    "completion": {"caller", "errors", "paging"},
    "resources": {"caller", "composition", "errors", "log", "manual", "operation"},
    "prompts": {"caller", "completion", "manual", "resources", "suggestions"},
    "search_index": {"catalog", "errors", "operation"},
    "discovery": {
        "arguments",
        "catalog",
        "client",
        "drafts",
        "errors",
        "exposure",
        "guards",
        "invocation",
        "locks",
        "offering",
        "operation",
        "result",
        "risks",
        "search_index",
        "settings",
        "text",
        "workflows",
    },
    "server": {
        "asking",
        "caller",
        "catalog",
        "errors",
        "log",
        "person",
        "progress",
        "prompts",
        "resources",
        "settings",
        "text",
        "tracing",
    },
    "workspaces": {
        "arguments",
        "catalog",
        "discovery",
        "errors",
        "invocation",
        "operation",
        "result",
        "settings",
        "text",
        "workflows",
    },
    "frames": set(),
    "signals": set(),
    "pipes": {"frames"},
    "stdio": {"errors", "frames", "log", "pipes", "signals"},
    "access": {"errors", "settings"},
    "connection": {"fast_connection"},
    "fast_connection": {"connection"},
    "port": {"connection", "errors", "signals"},
    "web": {
        "access",
        "caller",
        "exchange",
        "frames",
        "log",
        "metrics",
        "port",
        "probes",
        "refusal",
        "router",
        "settings",
        "signals",
        "tenants",
    },
    "hosting": {
        "access",
        "caller",
        "catalog",
        "console",
        "discovery",
        "errors",
        "log",
        "metrics",
        "owners",
        "per_request",
        "port",
        "probes",
        "readiness",
        "safeguards",
        "server",
        "settings",
        "startup",
        "tenants",
        "tracing",
        "watch",
        "web",
        "workers",
    },
    "facts": set(),
    "openapi": {"errors", "facts"},
    "drift": {"catalog", "facts", "operation"},
    "lint": {"operation", "providers"},
    "providers": {"operation"},
    "docs": {
        "bundles",
        "catalog",
        "composition",
        "errors",
        "guide_pages",
        "host_pages",
        "hosts",
        "manual",
        "operation",
        "retry",
        "returns",
    },
    "demo": {"log", "port", "sandbox", "text"},
    "console": {"errors", "text"},
    "finding": {"text"},
    "host_check": {"errors", "finding", "hosts", "settings"},
    "stored_key": {"errors", "settings"},
    "key_check": {"catalog", "client", "errors", "operation", "refusals", "request", "text"},
    "reach": {"body", "errors", "finding", "network", "refusals", "settings", "text"},
    "trial": {"finding", "text"},
    "login_page": {"errors", "key_check", "port"},
    "login": {
        "catalog",
        "client",
        "console",
        "errors",
        "key_check",
        "log",
        "login_page",
        "options",
        "settings",
        "stored_key",
    },
    "doctor": {
        "catalog",
        "client",
        "console",
        "errors",
        "finding",
        "host_check",
        "hosts",
        "key_check",
        "log",
        "options",
        "port",
        "reach",
        "refusals",
        "sandbox",
        "sdk",
        "settings",
        "startup",
        "stored_key",
        "text",
        "trial",
    },
    "sdk": set(),
    "upkeep": {"bundles", "catalog", "console", "docs", "drift", "errors", "openapi", "reference", "site", "text"},
    "options": {"errors", "settings"},
    "listing": {
        "catalog",
        "composition",
        "console",
        "errors",
        "key_sources",
        "lint",
        "operation",
        "options",
        "providers",
        "search_index",
        "settings",
        "startup",
        "workspaces",
    },
    "history": {
        "audit_file",
        "catalog",
        "console",
        "errors",
        "guard_options",
        "options",
        "snapshot",
        "startup",
        "text",
    },
    "guard_options": {"options", "settings"},
    "key_sources": {"errors", "keys", "settings", "stored_key"},
    "safeguards": {
        "audit",
        "audit_file",
        "catalog",
        "confirmation",
        "drafts",
        "drafts_only",
        "dry_run",
        "enforcement",
        "errors",
        "exposure",
        "guards",
        "ledger",
        "locks",
        "memory",
        "policy",
        "policy_file",
        "reconciliation",
        "repeats",
        "seals",
        "settings",
        "text",
        "together",
    },
    "startup": {
        "caller",
        "catalog",
        "client",
        "discovery",
        "drafts",
        "embedded",
        "errors",
        "exposure",
        "folders",
        "invocation",
        "key_sources",
        "log",
        "preview",
        "redis_url",
        "safeguards",
        "search_index",
        "settings",
        "watch",
        "workspaces",
    },
    "approval": {
        "catalog",
        "console",
        "draft",
        "draft_page",
        "drafts",
        "errors",
        "guard_options",
        "mail",
        "options",
        "replies",
        "startup",
        "text",
    },
    "installation": {"errors", "hosts", "options", "settings", "startup"},
    "__main__": {"cli"},
    "writing": {"delimited", "errors", "parquet_files", "reading"},
    "delimited": {"errors", "text_files"},
    "json_values": {"text"},
    "parquet_files": {"reading"},
    "folders": {"errors", "text"},
    "query": {"errors", "folders"},
    "mapping": {"errors", "text"},
    "reading": {"delimited", "errors", "json_values", "text", "text_files"},
    "text_files": {"errors"},
    "sql_process": set(),
    "asking": {"errors"},
    "prices": {"costs", "operation", "paging"},
    "own_keys": {"errors", "operation", "redaction", "settings"},
    "narrowed": {"catalog", "errors", "operation", "preview", "refusal", "risks", "suggestions"},
    "owners": {"access", "errors", "refusal", "settings"},
    "metrics": {"client", "errors"},
    "router": {"access", "caller", "narrowed", "owners", "per_request", "redaction", "tenants"},
    "watch": {"client"},
    "workers": {"errors", "log", "metrics", "safeguards", "seals"},
    "probes": {"metrics", "readiness"},
    "together": {"errors", "guards", "memory", "repeats", "request", "seals", "text"},
    "memory": {"log"},
    "readiness": {"catalog", "client", "errors", "key_check", "log", "refusals", "request"},
    "exchange": {"frames"},
    "tenants": {"caller", "log", "narrowed", "owners", "refusal", "settings"},
    "per_request": {"caller", "catalog", "result", "workflows"},
    "refusal": set(),
    "windows": {"documented"},
    "line": {"windows"},
    "sharing": {"documented", "log", "shared_log", "windows"},
    "registry": {"budget", "documented", "settings", "shared_log", "windows"},
    "budget": {"documented", "errors", "line", "log", "progress", "settings", "shared_log", "sharing", "windows"},
    "shared_log": {"documented"},
    "documented": set(),
    "embedded": {"errors", "keys", "sandbox"},
    "http_options": {"options", "settings"},
    "reference": {"catalog", "client", "drafts", "invocation", "operation", "sandbox", "settings", "text"},
    "site": {"errors"},
    "host_pages": {"catalog", "hosts"},
    "guide_pages": {"catalog", "host_pages", "manual"},
}
MAX_LINES = 300
LONGER: dict[str, int] = {"invocation": 320}
"""Modules that still hold more than one thing, and the lines that each may have: a number here may only fall."""
SDK = {
    "prompts": {"mcp", "mcp_types"},
    "resources": {"mcp", "mcp_types"},
    "server": {"mcp", "mcp_types"},
    "frames": {"mcp_types"},
    "person": {"mcp", "mcp_types"},
    "stdio": {"mcp", "mcp_types"},
    "web": {"mcp", "mcp_types"},
    "router": {"mcp"},
    "exchange": {"mcp_types"},
    "demo": {"mcp"},
}


ROOMS_OF_THEIR_OWN = ("bundles", "guides", "hosts", "sandbox", "workflows")
"""Folders that have rules of their own below, or hold no modules."""


def _modules() -> list[Path]:
    """The files that the table is about."""
    folders = [PACKAGE, PACKAGE / "workflows" / "parts"]
    folders += [folder for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name not in ROOMS_OF_THEIR_OWN]
    return [file for folder in folders for file in folder.glob("*.py") if file.stem != "__init__" or folder == PACKAGE]


FILES = {file.stem: file for file in _modules()}


def _room(file: Path) -> str:
    """A folder; of the modules at the top each is a room."""
    return file.stem if file.parent == PACKAGE else file.parent.name


def imports(file: Path) -> set[str]:
    """The dotted names of all modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def inside(names: set[str]) -> set[str]:
    """The modules of the package among imported names; a folder that holds tools of one kind counts as one."""
    found = set()
    for name in names:
        first, *rest = name.split(".")
        if first != "mcp_instantly" or not rest:
            continue
        if rest[0] in ("bundles", "hosts", "sandbox") or (rest[0] == "workflows" and rest[1:2] != ["parts"]):
            found.add(rest[0])
        else:
            ends = [PACKAGE.joinpath(*rest[:length]).with_suffix(".py") for length in range(1, len(rest) + 1)]
            found.update(end.stem for end in ends if end in FILES.values())
    return found


def test_every_module_has_its_place_in_the_table() -> None:
    assert set(FILES) == set(ALLOWED) | {"cli"}


def test_no_two_modules_have_one_name() -> None:
    names = [file.stem for file in _modules()]
    assert sorted(names) == sorted(set(names))


@for_each("module", ALLOWED, str)
def test_a_module_imports_only_from_below(module: str) -> None:
    assert inside(imports(FILES[module])) <= ALLOWED[module]


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
        assert "httpx" not in roots or file.stem in ("client", "network", "startup", "reference", "demo", "reach")


def test_workflows_reach_the_api_through_their_context_alone() -> None:
    below = {
        "schema_paths",
        *(
            "workflows",
            "batch",
            "composition",
            "errors",
            "mail",
            "narrowing",
            "operation",
            "paging",
            "progress",
            "rows",
        ),
        *("sequences", "text", "partial", "campaign_figures", "senders", "placeholders", "preflight"),
        *("draft", "drafts", "replies", "folders", "query"),
    }
    for file in (PACKAGE / "workflows").glob("*.py"):
        assert inside(imports(file)) <= below, file.name


def test_files_of_hosts_are_changed_without_the_rest_of_the_package() -> None:
    for file in (PACKAGE / "hosts").glob("*.py"):
        assert inside(imports(file)) <= {"hosts", "errors", "text"}, file.name
        assert file.read_text().count("\n") <= MAX_LINES, file.name


def test_what_hosts_install_is_made_from_the_guides_and_little_else() -> None:
    for file in (PACKAGE / "bundles").glob("*.py"):
        assert inside(imports(file)) <= {"bundles", "errors", "manual"}, file.name
        assert file.read_text().count("\n") <= MAX_LINES, file.name


def test_the_sandbox_shares_nothing_with_the_package() -> None:
    files = list((PACKAGE / "sandbox").rglob("*.py"))
    assert files
    for file in files:
        assert inside(imports(file)) <= {"sandbox"}, file.name


@for_each("module", [*ALLOWED, "cli"], str)
def test_a_module_is_short_enough_to_be_read_at_once(module: str) -> None:
    lines = FILES[module].read_text().count("\n")
    assert lines <= LONGER.get(module, MAX_LINES)
    assert module not in LONGER or lines > MAX_LINES, "it needs no exception any more"
