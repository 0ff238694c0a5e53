"""Every answer of the sandbox against the recorded facts of the vendor's response schemas: names, kinds, required."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_instantly.catalog import load_catalog
from mcp_instantly.operation import Operation
from mcp_instantly.request import build_request
from mcp_instantly.sandbox import KEY, World, create_app

pytestmark = pytest.mark.anyio

RECORD = json.loads((Path(__file__).parent.parent / "upstream.json").read_text())["operations"]
DOCUMENTED = [op for op in load_catalog().operations.values() if f"{op.method} {op.path}" in RECORD]
EXAMPLES = [(op, number) for op in DOCUMENTED for number in range(len(op.examples))]

KNOWN = {
    "send_test_email.error": "required by the document, which describes the failure only; a success has none",
}
"""Where the real API is known to differ from its document."""


FREE = {"payload", "data", "enrichment_payload"}
"""Objects that hold what a lead, a kind of job or of enrichment brings along, besides the named fields."""


def problems(value: Any, facts: dict[str, str], path: str) -> Iterator[str]:
    """Where a value of an answer does not fit the facts; fields below a path without facts are free."""
    kinds = facts[path].rstrip("!").split("|")
    kind = kind_of(value)
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        yield f"{path}: {kind}, not {facts[path]}"
    prefix = f"{path}." if path else ""
    if isinstance(value, dict):
        children = {
            name.removeprefix(prefix)
            for name in facts
            if name.startswith(prefix)
            and name
            and "." not in name.removeprefix(prefix)
            and "[" not in name.removeprefix(prefix)
        } - {""}
        for name, item in value.items():
            if f"{prefix}{name}" in facts:
                yield from problems(item, facts, f"{prefix}{name}")
            elif children and path.rpartition(".")[2] not in FREE:
                yield f"{prefix}{name}: not in the document"
        for name in children - set(value):
            if facts[f"{prefix}{name}"].endswith("!"):
                yield f"{prefix}{name}: missing"
    elif isinstance(value, list) and f"{path}[]" in facts:
        for item in value:
            yield from problems(item, facts, f"{path}[]")


def kind_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


@pytest.mark.parametrize(("operation", "number"), EXAMPLES, ids=[f"{op.name}-{number}" for op, number in EXAMPLES])
async def test_an_answer_has_the_fields_and_kinds_of_the_document(
    world: World, operation: Operation, number: int
) -> None:
    request = build_request(operation, operation.examples[number])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(world)), headers={"Authorization": f"Bearer {KEY}"}
    ) as api:
        body = {} if request.body is None else {"json": request.body}
        response = await api.request(
            request.method, f"http://sandbox{request.path}", params=list(request.query), **body
        )
    assert response.is_success, response.text
    facts = RECORD[f"{operation.method} {operation.path}"]["response"]
    if "json" in response.headers.get("content-type", "") and facts:
        found = list(problems(response.json(), facts, ""))
        assert [problem for problem in found if f"{operation.name}.{problem.split(': ')[0]}" not in KNOWN] == []
