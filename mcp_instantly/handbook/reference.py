"""The reference of tools: a page for each toolset, with each tool's arguments, an example, and the sandbox's answer."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import structlog.testing
from httpx import ASGITransport

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import create_app, demo_world
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.text import one_line
from mcp_instantly.tools.catalog import Catalog, Selection, Toolset, select
from mcp_instantly.tools.operation import Operation

MAX_ANSWER_LINES = 24
MAX_LINE_CHARACTERS = 200
MAX_DESCRIPTION_CHARACTERS = 200

MARK = "7c1e90"
"""In the place of the random id of the marks around text by strangers."""

DRAFT = re.compile(r"draft-[0-9a-f]{8}")


async def tool_reference(catalog: Catalog, toolsets: Collection[str] | None = None) -> dict[str, str]:
    """The pages of these toolsets (None: of all, with a page that leads to them), by the names of their files.

    Each example is called in a demo workspace of its own, whose clock stands still, so that the answers are the same
    every time.
    """
    everything = select(catalog, toolsets=["all"])
    found = {
        f"{toolset.name}.md": await _page(toolset, everything)
        for toolset in catalog.toolsets.values()
        if toolsets is None or toolset.name in toolsets
    }
    return found if toolsets is not None else {"index.md": _index(catalog), **found}


def _index(catalog: Catalog) -> str:
    lines = ["# Reference of the tools", ""]
    lines += ["Every tool, with its arguments, an example, and what the sandbox answers to it.", ""]
    lines += ["| toolset | what it is for |", "| --- | --- |"]
    lines += [f"| [{one.title}]({one.name}.md) | {one.description} |" for one in catalog.toolsets.values()]
    return "\n".join(lines) + "\n"


async def _page(toolset: Toolset, selection: Selection) -> str:
    lines = [f"# {toolset.title}", "", f"The toolset `{toolset.name}`. {toolset.description}", ""]
    for tool in selection.catalog.tools.values():
        if tool.toolset == toolset.name:
            example = tool.examples[0]
            answer = await _answer_of_example(selection, tool)
            lines += [*_tool(tool), *_called(example, answer), ""]
    return "\n".join(lines)


async def _answer_of_example(selection: Selection, tool: Operation) -> str:
    """What a model reads when it calls a tool with its first example, as indented JSON or a sentence."""
    world = demo_world()
    settings = Settings(base_url=SANDBOX_URL, api_key=SANDBOX_KEY, sandbox=True)
    with tempfile.TemporaryDirectory() as folder, structlog.testing.capture_logs():
        drafts = Drafts(Path(folder) / "drafts.sqlite", settings.api_key, now=lambda: world.clock.now().timestamp())
        async with InstantlyClient(settings, transport=ASGITransport(create_app(world)), sleep=_no_sleep) as client:
            result = await Invoker(selection, client, settings, drafts=drafts).invoke(tool.name, tool.examples[0])
    text = result.text.replace(f"{folder}/", "")
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    text = json.dumps(answer, indent=2, ensure_ascii=False)
    if isinstance(answer, dict) and isinstance(answer.get("_end"), str):
        text = text.replace(answer["_end"], MARK)
    return DRAFT.sub("draft-0a1b2c3d", text)


async def _no_sleep(_: float) -> None:
    """Waits between reads of a state, in no time: the clock of the world stands still."""


def _tool(tool: Operation) -> list[str]:
    """Name, description, effects, scopes and arguments."""
    request = f"`{tool.method} {tool.path}`" if tool.method else "several calls in one"
    effects = ", ".join([tool.effect, *(name.replace("_", " ") for name in tool.effects)])
    scopes = " and ".join(f"`{group[0]}`" for group in tool.scope_groups if group) or "none"
    lines = [f"## {tool.name}", "", f"**{tool.title}.** {_escaped(tool.description)}", ""]
    lines += [f"Effect: {effects}. Scope: {scopes}. Request: {request}.", ""]
    properties = tool.full_schema["properties"]
    if properties:
        required = set(tool.input_schema.get("required", ()))
        lines += ["| argument | type | |", "| --- | --- | --- |"]
        lines += [_argument(name, schema, name in required) for name, schema in properties.items()]
        lines.append("")
    return lines


def _argument(name: str, schema: dict[str, Any], required: bool) -> str:
    words = [*(["required."] if required else []), schema.get("description", ""), _values(schema)]
    described = _escaped(one_line(" ".join(word for word in words if word), MAX_DESCRIPTION_CHARACTERS))
    return f"| `{name}` | {_type(schema)} | {described} |"


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "any")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if name == "array" and isinstance(schema.get("items"), dict):
        return f"array of {_type(schema['items'])}"
    return str(schema.get("format", name)) if name == "string" else name


def _values(schema: dict[str, Any]) -> str:
    values = schema.get("enum")
    return f"One of {', '.join(json.dumps(value) for value in values)}." if values else ""


def _escaped(text: str) -> str:
    """Text for a table of Markdown, in which nothing is markup."""
    return re.sub(r"([|<>*_\[\]`{}])", r"\\\1", " ".join(text.split()))


def _called(example: dict[str, Any], answer: str) -> list[str]:
    lines = ["Called with", "", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    language = "json" if answer.startswith(("{", "[")) else "text"
    return [*lines, "the sandbox answers", "", f"```{language}", *_cut(answer), "```"]


def _cut(answer: str) -> list[str]:
    """The beginning of an answer, in lines that are not too long."""
    lines = [_cut_line(line) for line in answer.splitlines()]
    left = len(lines) - MAX_ANSWER_LINES
    return lines if left <= 0 else [*lines[:MAX_ANSWER_LINES], f"... {left} lines more"]


def _cut_line(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]} ..."
