"""What is generated: three files of `tool_schemas`, the marked blocks of the pages for users, `skills/`, `plugins/` and
what lists them, and the entry of the registry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mcp_instantly.api.retry import FAILURES, Failure
from mcp_instantly.errors import SAID, ConfigError
from mcp_instantly.guidance.manual import jobs, skill_text
from mcp_instantly.handbook.guide_pages import job_pages
from mcp_instantly.handbook.host_pages import host_pages, largest_preset
from mcp_instantly.hosts.known import HOSTS
from mcp_instantly.tools.answers import answers
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation
from mcp_instantly.tools.records import records
from mcp_instantly.tools.returns import returns

BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SKILLS = "skills"
"""The folder of skills, for hosts that read them from disk."""

HELP_WIDTH = 100


def pages(root: Path, catalog: Catalog, cli: click.Group) -> dict[Path, str]:
    """Every page with generated text, as it should be.

    Raises ConfigError outside a checkout, and for a block that is not generated.
    """
    readme = root / "README.md"
    if not readme.exists() or not (root / "tool_schemas").is_dir():
        raise ConfigError(f"{root} is not a checkout of mcp_instantly: README.md or tool_schemas is missing.")
    blocks = {
        "presets": preset_table(catalog),
        "toolsets": toolset_table(catalog),
        "hosts": host_table(catalog),
        "commands": help_text(cli),
        "failures": failure_table(),
        "figures": figure_table(root),
    }
    found = {root / "tool_schemas" / "README.md": tool_page(catalog)}
    record = root / "tests" / "upstream.json"
    if record.exists():
        facts = json.loads(record.read_text(encoding="utf-8"))["operations"]
        found[root / "tool_schemas" / "returns.json"] = returns(catalog.operations.values(), facts)
        found[root / "tool_schemas" / "answers.json"] = answers(catalog.operations.values(), facts)
        paths = {tool.name: f"{tool.method} {tool.path}" for tool in catalog.operations.values()}
        found[root / "tool_schemas" / "records.json"] = records(paths, facts)
    for page in (readme, *sorted((root / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        if BLOCK.search(text):
            found[page] = _fill(page, text, blocks)
    found |= {root / "docs" / "hosts" / name: text for name, text in host_pages(catalog).items()}
    found |= {root / "docs" / "jobs" / name: text for name, text in job_pages(catalog).items()}
    found |= {root / SKILLS / guide.skill_name / "SKILL.md": skill_text(guide) for guide in jobs().values()}
    return found | {root / path: said for path, said in _made_for_hosts(root).items()}


def _made_for_hosts(root: Path) -> dict[Path, str]:
    from mcp_instantly.bundles.plugins import plugin_files
    from mcp_instantly.bundles.project import read_project
    from mcp_instantly.bundles.registry import server_json

    project = read_project(root)
    entry = json.dumps(server_json(project), indent=2) + "\n"
    return {Path("server.json"): entry} | plugin_files(project, jobs())


def _fill(page: Path, text: str, blocks: dict[str, str]) -> str:
    unknown = [match["name"] for match in BLOCK.finditer(text) if match["name"] not in blocks]
    if unknown:
        raise ConfigError(f"{page} has a block {unknown[0]}; those that can be generated are {', '.join(blocks)}.")
    return BLOCK.sub(lambda match: f"{match[1]}{blocks[match['name']]}{match[3]}", text)


PRESETS = {
    "core": "Daily work with campaigns, leads and replies.",
    "default": "Core, workflows, and what people do most in the app.",
    "all": "Every operation, administration and purchases among them.",
}


def preset_table(catalog: Catalog) -> str:
    """The presets, how many tools each has, and what for."""
    lines = ["| preset | tools | what it is for |", "| --- | ---: | --- |"]
    lines += [f"| `{name}` | {len(catalog.preset(name))} | {words} |" for name, words in PRESETS.items()]
    lines += ["", "Each has `preview_call` on top, which says what a call with a risk would do."]
    return "\n".join(lines) + "\n"


def figure_table(root: Path) -> str:
    """What benchmarks recorded when they were last run, and on which machine; nothing where none did."""
    file = root / "tests" / "benchmarks" / "figures.json"
    if not file.exists():
        return ""
    recorded = json.loads(file.read_text(encoding="utf-8"))
    lines = ["| what was measured | by, in `tests/benchmarks/` | on |", "| --- | --- | --- |"]
    lines += [
        f"| {one['result']} | `{one['command']}` | {one['machine']}, {one['month']} |" for one in recorded["figures"]
    ]
    return "\n".join(lines) + "\n"


def toolset_table(catalog: Catalog) -> str:
    """The toolsets with their number of tools, and what the presets take of them."""
    lines = ["| toolset | tools | core | default | what it is for |", "| --- | ---: | ---: | ---: | --- |"]
    for toolset in catalog.toolsets.values():
        tools = [op.name for op in catalog.tools.values() if op.toolset == toolset.name]
        default = len(tools) - len(toolset.beyond_default) if "default" in toolset.presets else 0
        cells = (f"`{toolset.name}`", len(tools), len(toolset.core) or "", default or "", toolset.description)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    totals = (len(catalog.tools), len(catalog.preset("core")), len(catalog.preset("default")))
    lines.append(f"| all | {' | '.join(str(total) for total in totals)} | |")
    return "\n".join(lines) + "\n"


CONFIGURATIONS = {
    "claude-desktop": "[claude_desktop.json](examples/hosts/claude_desktop.json) into `claude_desktop_config.json`",
    "claude-code": "[claude_code.sh](examples/hosts/claude_code.sh)",
    "cursor": "[cursor.json](examples/hosts/cursor.json) into `.cursor/mcp.json`",
    "windsurf": "as Cursor, into `mcp_config.json`",
    "vscode": "[vscode.json](examples/hosts/vscode.json) into `.vscode/mcp.json`",
}
"""Configurations of hosts by hand, as examples."""


def host_table(catalog: Catalog) -> str:
    """How to connect each host, and the largest preset that fits it."""
    lines = ["| host | takes | preset that fits | how | by hand |", "| --- | --- | --- | --- | --- |"]
    rows = [
        (host.title, host.max_tools, f"`mcp-instantly install {name}`", CONFIGURATIONS.get(name, ""))
        for name, host in HOSTS.items()
    ]
    over_http = "`mcp-instantly serve --transport http --port 8000`, then `http://127.0.0.1:8000/mcp`"
    for title, limit, how, by_hand in [*rows, ("any client over HTTP", None, over_http, "")]:
        preset = largest_preset(catalog, limit)
        takes = f"{limit} tools" if limit else "any number"
        lines.append(f"| {title} | {takes} | `{preset}` ({len(catalog.preset(preset))} tools) | {how} | {by_hand} |")
    return "\n".join(lines) + "\n"


def failure_table() -> str:
    """What is sent again after which failure, and what the error of a call says that is not."""
    lines = [
        "| what happened | a tool whose repetition has no further effect | any other tool |",
        "| --- | --- | --- |",
    ]
    for failure in FAILURES:
        again = [f"sent again after {failure.pause:g} s" if yes else _told(failure) for yes in _decisions(failure)]
        lines.append(f"| {failure.name} | {' | '.join(again)} |")
    return "\n".join(lines) + "\n"


def _decisions(failure: Failure) -> tuple[bool, bool]:
    """Whether an idempotent call and any other is sent again."""
    return failure.again != "never", failure.again == "any call"


def _told(failure: Failure) -> str:
    return f"told: {SAID[failure.became][0].lower()}{SAID[failure.became][1:].rstrip('.')}"


def help_text(cli: click.Group) -> str:
    """The help of the program and of every command, as they print it."""
    return "```text\n" + "\n".join(_helps(cli, None, "mcp-instantly")) + "```\n"


def _helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    """The help of a command, and of those below it."""
    yield _help(command, parent, name)
    context = click.Context(command, parent=parent, info_name=name)
    for below, inner in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
        yield from _helps(inner, context, below)


def _help(command: click.Command, parent: click.Context | None, name: str) -> str:
    settings: dict[str, Any] = {"help_option_names": ["-h", "--help"], **command.context_settings}
    context = click.Context(command, parent=parent, info_name=name, terminal_width=HELP_WIDTH, **settings)
    return command.get_help(context) + "\n"


def tool_page(catalog: Catalog) -> str:
    """Every tool, a table per toolset."""
    lines = [
        "# The tools",
        "",
        "One file per tool: the object that a client sees, and beside it the request, the scopes and the examples.",
        "This page is generated by `mcp-instantly docs`.",
    ]
    for toolset in catalog.toolsets.values():
        lines += ["", f"## {toolset.title}", "", f"`{toolset.name}`: {toolset.description}", ""]
        lines += ["| tool | what it does | effect | request | narrowest scope |", "| --- | --- | --- | --- | --- |"]
        tools = [op for op in catalog.tools.values() if op.toolset == toolset.name]
        lines += [_row(op) for op in tools]
    return "\n".join(lines) + "\n"


def _row(op: Operation) -> str:
    scope = f"{' and '.join(f'`{group[0]}`' for group in op.scope_groups)}{' (inferred)' if op.scopes_inferred else ''}"
    effect = ", ".join([op.effect, *(name.replace("_", " ") for name in op.effects)])
    first_sentence = re.split(r"(?<=\.)\s", op.description)[0]
    link = f"[{op.name}]({op.toolset}/{op.name}.json)"
    calls = [f"`{name}`" for name in op.parts] if isinstance(op, Workflow) else [f"`{op.method} {op.path}`"]
    return f"| {link} | {first_sentence} | {effect} | {', '.join(calls)} | {scope} |"
