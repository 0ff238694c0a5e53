"""Every answer of the sandbox against the recorded facts of the vendor's response schemas: names, kinds, required."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.catalog import load_catalog
from mcp_instantly.operation import Operation
from mcp_instantly.request import build_request
from mcp_instantly.sandbox import KEY, World, create_app

from ..answers import RECORD, misfits

pytestmark = pytest.mark.anyio

DOCUMENTED = [op for op in load_catalog().operations.values() if f"{op.method} {op.path}" in RECORD]
EXAMPLES = [(op, number) for op in DOCUMENTED for number in range(len(op.examples))]


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
    if "json" in response.headers.get("content-type", ""):
        assert misfits(operation, response.json()) == []
