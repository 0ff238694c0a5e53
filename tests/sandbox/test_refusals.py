"""Every refusal of every operation: its status is one that the document declares, its body one of the known shapes."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.engine.rate_limits import PER_SECOND
from mcp_instantly.sandbox.engine.routes import ROUTES
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from ..cases import for_each
from .asking import send
from .refusals import check_envelope

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())
NAMES = [operation.name for operation in OPERATIONS]

WITHOUT_PLAN = [operation for operation in OPERATIONS if "/oauth/" in operation.path]
"""What is open to a workspace that nobody pays for: the document declares no 402 here."""

SILENT = {"mark_thread_as_read": "an unknown thread is a success, as was seen on the real API"}


def check(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body of a refusal in the common envelope, with this status; the client has looked whether it is declared."""
    assert answer.status_code == status, answer.text
    return check_envelope(answer.json(), status)


def with_key(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"authorization": f"Bearer {key}"}}


@for_each("operation", OPERATIONS)
async def test_without_a_key_the_answer_is_401(api: httpx.AsyncClient, operation: Operation) -> None:
    check(await send(api, operation, operation.examples[0], **with_key("revoked")), 401)
    key = api.headers.pop("authorization")
    check(await send(api, operation, operation.examples[0]), 401)
    api.headers["authorization"] = key


@for_each("operation", OPERATIONS)
async def test_without_its_scope_the_answer_is_403(api: httpx.AsyncClient, world: World, operation: Operation) -> None:
    key = add_key(world, "Audit only", ["audit_logs:read"])["key"]
    answer = await send(api, operation, operation.examples[0], **with_key(key))
    needed = next(known.scope for known in ROUTES if (known.method, known.path) == (operation.method, operation.path))
    if needed in (None, "audit_logs:read"):
        assert answer.is_success
    else:
        check(answer, 403)


async def test_without_a_plan_the_answer_is_402(api: httpx.AsyncClient, world: World) -> None:
    world.workspace["plan_id"] = None
    for operation in OPERATIONS:
        answer = await send(api, operation, operation.examples[0])
        if operation in WITHOUT_PLAN:
            assert answer.status_code != 402
        else:
            check(answer, 402)


async def test_when_the_budget_is_spent_the_answer_is_429(api: httpx.AsyncClient, world: World) -> None:
    world.budgets = True
    current = next(operation for operation in OPERATIONS if operation.name == "get_workspace")
    for _ in range(PER_SECOND):
        assert (await send(api, current, {})).status_code == 200
    for operation in OPERATIONS:
        check(await send(api, operation, operation.examples[0]), 429)
    world.clock.advance(1)
    assert (await send(api, current, {})).status_code == 200


@for_each(
    "operation",
    [operation for operation in OPERATIONS if operation.placeholders and operation.name not in SILENT],
)
async def test_what_does_not_exist_is_404(api: httpx.AsyncClient, operation: Operation) -> None:
    """Each placeholder in turn is something of its kind that is not there."""
    for name in operation.placeholders:
        known = operation.examples[0][name]
        answer = await send(api, operation, {**operation.examples[0], name: unlike(known)})
        body = check(answer, 404)
        assert "not found" in body["message"].lower()


def unlike(known: str) -> str:
    if "@" in known:
        return "nobody@nowhere.example"
    if known.startswith("rule-"):
        return "rule-9"
    return re.sub("[0-9a-f]", "0", known[:-1]) + "9" if re.fullmatch("[0-9a-f-]{24,36}", known) else f"no-{known}"


def wrong_kinds(operation: Operation) -> list[tuple[str, Any]]:
    """Values of the wrong kind for the arguments of an operation that are not part of its path."""
    wrong: dict[str, Any] = {"string": {}, "array": "x", "object": 1, "boolean": "perhaps", "number": "many"}
    wrong["integer"] = wrong["number"]
    found = []
    for name, shape in operation.request_schema["properties"].items():
        kinds = shape.get("type")
        if name in operation.placeholders or not isinstance(kinds, str):
            continue
        if operation.send == "query" and kinds in ("string", "array"):
            continue  # any text is a string
        found.append((name, wrong[kinds]))
    return found


@for_each("operation", [operation for operation in OPERATIONS if wrong_kinds(operation)])
async def test_a_value_of_the_wrong_kind_is_400_and_named(api: httpx.AsyncClient, operation: Operation) -> None:
    where = "querystring" if operation.send == "query" else "body"
    for name, value in wrong_kinds(operation):
        answer = await send(api, operation, {**operation.examples[0], name: value})
        body = check(answer, 400)
        assert body["message"].startswith(f"{where}/{name} must "), body["message"]
        assert body["code"] == "FST_ERR_VALIDATION"
