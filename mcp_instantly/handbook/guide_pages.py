"""A page for each job: how to ask for it, the steps that the assistant is given, and the tools that it takes."""

from __future__ import annotations

import json

from mcp_instantly.guidance.manual import Argument, Guide, jobs
from mcp_instantly.handbook.host_pages import GENERATED
from mcp_instantly.tools.catalog import Catalog


def job_pages(catalog: Catalog) -> dict[str, str]:
    """The pages, by the names of their files."""
    return {f"{name}.md": job_page(guide, catalog) for name, guide in jobs().items()}


def job_page(guide: Guide, catalog: Catalog) -> str:
    """One job for a person: the prompt with its arguments, the steps, the tools."""
    lines = [
        f"# {guide.title}",
        "",
        GENERATED,
        "",
        guide.description,
        "",
        f"Choose the prompt `{guide.name}` of this server in your host, or the skill `{guide.skill_name}`; or ask for",
        "it in your own words. Try it with the sandbox first (`serve --sandbox`).",
        "",
        *(["## What you can say", "", *map(_argument, guide.arguments), ""] if guide.arguments else []),
        "## What the assistant does",
        "",
        guide.text.rstrip(),
        "",
        "## Its tools",
        "",
        *(_tool(name, catalog) for name in guide.tools),
    ]
    return "\n".join(lines) + "\n"


def _argument(one: Argument) -> str:
    needed = " Required." if one.required else ""
    values = f" For example: {'; '.join(json.dumps(value)[1:-1] for value in one.values)}." if one.values else ""
    return f"- `{one.name}`: {one.description}{needed}{values}"


def _tool(name: str, catalog: Catalog) -> str:
    tool = catalog.tools[name]
    return f"- [{name}](../../tool_schemas/{tool.toolset}/{name}.json): {tool.title}"
