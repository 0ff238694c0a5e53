"""Rules for tools: those that hold for every host, and what each provider refuses, loses or reads otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from mcp_instantly.maintenance.providers import COMBINATORS, OPTIONAL, PROVIDERS, Provider, misfits, walk
from mcp_instantly.tools.operation import Operation

NAME = re.compile(r"[a-z][a-z0-9_]{2,45}")
PROPERTY = re.compile(r"[A-Za-z0-9_.-]{1,64}")

SERVER_AND_NAME_LIMIT = 60
"""Characters of server name, separator and tool name together (Cursor)."""

DESCRIPTION_LIMIT = 1000
"""Characters; OpenAI refuses over 1,024 (getsentry/sentry-mcp#106), Claude Code cuts after 2 KB."""


def lint(operations: Collection[Operation], server_name: str, provider: str | None = None) -> list[str]:
    """One sentence per violation, none when all is well: for every host and provider, or for one provider of these."""
    chosen = [provider] if provider else [name for name in PROVIDERS if name != OPTIONAL]
    found = [] if provider else [f"{op.name}: {problem}" for op in operations for problem in _problems(op, server_name)]
    for name in chosen:
        found += _refused(operations, PROVIDERS[name])
    return found


def _refused(operations: Collection[Operation], provider: Provider) -> Iterator[str]:
    if provider.most_tools and len(operations) > provider.most_tools:
        yield f"{provider.title}: a request takes {provider.most_tools} tools, and these are {len(operations)}"
    for op in operations:
        yield from (f"{provider.title}: {op.name}: {fault}" for fault in misfits(op, provider))


def _problems(op: Operation, server_name: str) -> Iterator[str]:
    schema = op.input_schema
    if not NAME.fullmatch(op.name):
        yield "the name must be 3 to 46 lower-case letters, digits and underscores"
    if len(f"{server_name}:{op.name}") > SERVER_AND_NAME_LIMIT:
        yield f"server and tool name have over {SERVER_AND_NAME_LIMIT} characters together"
    if not op.description or len(op.description) > DESCRIPTION_LIMIT:
        yield f"the description must have 1 to {DESCRIPTION_LIMIT} characters"
    if "outputSchema" in op.tool:
        yield "an outputSchema makes hosts drop the tool or refuse its results"
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        yield "the input must be an object with properties, even if there are none"
    if schema.get("additionalProperties") is not False:
        yield "unknown arguments must be refused (additionalProperties false)"
    yield from (f"{word} stands at the top of the input" for word in COMBINATORS if word in schema)
    for path, node in walk(schema):
        yield from (f"{path}: {problem}" for problem in _node_problems(node))


def _node_problems(node: dict[str, Any]) -> Iterator[str]:
    if "$ref" in node:
        yield "$ref is not resolved by every host"
    if isinstance(node.get("type"), list):
        yield "several types are spelled anyOf"
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        yield "an array needs items"
    if "enum" in node and not node["enum"]:
        yield "an enum needs values"
    yield from (
        f"the property name {json.dumps(name)}" for name in node.get("properties", {}) if not PROPERTY.fullmatch(name)
    )
