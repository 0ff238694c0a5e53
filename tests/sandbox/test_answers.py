"""Every answer of the sandbox against the recorded facts of the vendor's response schemas: names, kinds, required."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.catalog import load_catalog
from mcp_instantly.operation import Operation

from ..answers import RECORD, misfits
from .asking import send

pytestmark = pytest.mark.anyio

DOCUMENTED = [op for op in load_catalog().operations.values() if f"{op.method} {op.path}" in RECORD]
EXAMPLES = [(op, number) for op in DOCUMENTED for number in range(len(op.examples))]


@pytest.mark.parametrize(("operation", "number"), EXAMPLES, ids=[f"{op.name}-{number}" for op, number in EXAMPLES])
async def test_an_answer_has_the_fields_and_kinds_of_the_document(
    api: httpx.AsyncClient, operation: Operation, number: int
) -> None:
    response = await send(api, operation, operation.examples[number])
    assert response.is_success, response.text
    if "json" in response.headers.get("content-type", ""):
        assert misfits(operation, response.json()) == []
