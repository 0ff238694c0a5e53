"""What a refusal of the API may look like: a status that the document declares, and a body in one of few shapes."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import httpx

from mcp_instantly.sandbox.engine.responses import REASONS
from mcp_instantly.sandbox.engine.routes import ROUTES

RECORD = json.loads((Path(__file__).parent.parent / "upstream.json").read_text())["operations"]

UNDECLARED = {400, 403, 413, 415}
"""Statuses that any operation of the real API may answer although its document does not declare them."""

_UNPAID = {"statusCode", "error", "message", "creditsRequired", "creditsAvailable"}

OTHER_SHAPES: dict[str, tuple[set[str], ...]] = {
    "POST /accounts/test/vitals": ({"error"},),
    "GET /accounts/analytics/daily": ({"message"},),
    "GET /campaigns/analytics": ({"message"},),
    "GET /campaigns/analytics/daily": ({"message"},),
    "GET /campaigns/analytics/overview": ({"message"},),
    "GET /campaigns/analytics/steps": ({"message"},),
    "GET /subsequences/{id}/analytics/steps": ({"message"},),
    "POST /campaigns/{id}/from-export": ({"message"},),
    "POST /dfy-email-account-orders/domains/similar": ({"statusCode", "code", "error", "message", "keyword"},),
    "POST /lead-labels/ai-reply-label": ({"error"},),
    "POST /leads/update-interest-status": ({"error"},),
    "POST /leads/bulk-assign": ({"message"},),
    "POST /supersearch-enrichment/run": ({"message"},),
    "POST /supersearch-enrichment/count-leads-from-supersearch": ({"errorCode", "message"},),
    "POST /supersearch-enrichment/preview-leads-from-supersearch": ({"errorCode", "message"},),
    "POST /supersearch-enrichment/enrich-leads-from-supersearch": (
        {"errorCode", "message"},
        {"error", "creditsRequired", "creditsAvailable", "creditsReserved"},
        {"error", "errorCode", "creditsRequired", "creditsAvailable", "creditsReserved"},
    ),
    "POST /supersearch-enrichment/company-lists": (_UNPAID,),
    "POST /supersearch-enrichment/integrations/run": (_UNPAID,),
}
"""Operations that refuse in shapes of their own too: their fields."""

TEMPLATES = {
    operation: re.compile(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(operation)))
    for operation in sorted(
        (f"{route.method} {route.path}" for route in ROUTES), key=lambda operation: (operation.count("{"), operation)
    )
}


def operation_of(request: httpx.Request) -> str | None:
    """The operation that a request means, `GET /api/v2/leads/{id}`."""
    return _template_of(f"{request.method} {request.url.raw_path.decode().partition('?')[0]}")


@functools.lru_cache(1000)
def _template_of(asked: str) -> str | None:
    return next((known for known, pattern in TEMPLATES.items() if pattern.fullmatch(asked)), None)


def check_refusal(answer: httpx.Response) -> Any:
    """Assert that a refusal has a declared status and a known shape. Returns its body."""
    operation = operation_of(answer.request)
    if operation is None:
        return check_envelope(answer.json(), answer.status_code)
    if answer.text == "error code: 1010":
        return answer.text
    recorded = RECORD.get(operation)
    # What the document says of the OAuth operations leaves out what holds everywhere.
    if recorded and "/oauth/" not in operation:
        assert answer.status_code in {*recorded["errors"], *UNDECLARED}, f"{operation} does not declare it"
    body = answer.json()
    if set(body) not in OTHER_SHAPES.get(operation.replace("/api/v2", ""), ()):
        check_envelope(body, answer.status_code)
    return body


def check_envelope(body: Any, status: int) -> Any:
    assert {"statusCode", "error", "message"} <= set(body) <= {"statusCode", "code", "error", "message"}, body
    assert (body["statusCode"], body["error"]) == (status, REASONS[status])
    assert isinstance(body["message"], str)
    assert body["message"]
    return body
