"""Commands that say what is in a selection, and need no key: tools, scopes."""

from __future__ import annotations

import sys
from typing import Any

import click

from mcp_instantly.commands.console import print_json
from mcp_instantly.commands.options import default_workspace_option, sandbox_option, selection_options
from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_sources import choose_workspaces
from mcp_instantly.maintenance.lint import lint
from mcp_instantly.maintenance.providers import PROVIDERS
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.startup import make_selection, select_all
from mcp_instantly.tools.catalog import minimum_scopes, stand_ins
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

EVERY_PROVIDER = "all"

MOST_FOUND = 10
"""Tools that a search prints."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Everything about the tools, as a JSON array.")
@click.option(
    "--lint",
    "provider",
    is_flag=False,
    flag_value=EVERY_PROVIDER,
    type=click.Choice([EVERY_PROVIDER, *PROVIDERS]),
    metavar="[PROVIDER]",
    help=f"Check them against what hosts and model APIs refuse; exit 1 if they break a rule. Or against one of "
    f"{', '.join(PROVIDERS)}.",
)
@click.option(
    "--search",
    metavar="WORDS",
    help=f"The {MOST_FOUND} tools that fit these words best, the best first: of all, unless a selection is given.",
)
@selection_options
@sandbox_option
@default_workspace_option
def tools(as_json: bool, provider: str | None, search: str | None, **options: Any) -> None:
    """List the tools of a selection. Needs no key; with several, the tools are as they are with these."""
    selection = make_selection(options if search is None else select_all(options))
    names, default = choose_workspaces(options)
    if names:
        from mcp_instantly.workspaces import select_for

        selection = select_for(selection, names, default)
    chosen = list(selection.tools.values())
    if search is not None:
        from mcp_instantly.tools.search_index import SearchIndex

        if provider:
            raise ConfigError("--lint checks a selection; leave out --search.")
        chosen = SearchIndex(selection.catalog, chosen).find(search, MOST_FOUND)
        if not chosen:
            raise ConfigError("No tool has any of these words; say in other words what is to be done.")
    if provider:
        named = None if provider == EVERY_PROVIDER else provider
        problems = lint(list(selection.tools.values()), SERVER_NAME, named)
        by = f" by the rules of {PROVIDERS[named].title}" if named else ""
        print("\n".join(problems) or f"{len(selection.tools)} tools, no problems found{by}.")
        sys.exit(1 if problems else 0)
    if as_json:
        print_json([describe(op) for op in chosen])
        return
    rows = [(op.toolset, op.name, op.effect, op.title) for op in chosen]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in sorted(rows) if search is None else rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    print(f"\n{len(rows)} tools of {len(selection.catalog.tools)}", file=sys.stderr)


def describe(op: Operation) -> dict[str, Any]:
    """A tool as `tools --json` prints it."""
    return {
        "name": op.name,
        "title": op.title,
        "toolset": op.toolset,
        "operation_id": op.operation_id,
        "method": op.method or None,
        "path": op.path or None,
        "calls": list(op.parts) if isinstance(op, Workflow) else [],
        "scopes": list(op.scopes),
        "also_scopes": list(op.also_scopes),
        "scopes_inferred": op.scopes_inferred,
        "effects": list(op.effects),
        "read_only": op.read_only,
        "destructive": op.destructive,
        "idempotent": op.idempotent,
        "description": op.description,
        "input_schema": op.input_schema,
    }


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@selection_options
def scopes(as_json: bool, **options: Any) -> None:
    """Print the smallest set of scopes that a key needs for the selected tools.

    The scopes of ai_agent_guidances, engage_items and supersearch_enrichments cannot be granted to an API key; what to
    ask for instead is printed, and what for.
    """
    chosen = make_selection(options).operations.values()
    needed, replaced = minimum_scopes(chosen), stand_ins(chosen)
    if as_json:
        print_json(list(needed))
        return
    for scope, stated in needed.items():
        said = [] if stated else ["inferred; Instantly states none"]
        if scope in replaced:
            said.append(f"instead of {', '.join(replaced[scope])}, which cannot be granted to an API key")
        print(f"{scope}  ({'; '.join(said)})" if said else scope)
