"""The application: authenticate, route, parse, validate, answer."""

from __future__ import annotations

import importlib
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute

from mcp_instantly.sandbox import audit_logs, unwritten
from mcp_instantly.sandbox.answers import Answer, Refusal, envelope
from mcp_instantly.sandbox.control import control_routes
from mcp_instantly.sandbox.oauth_consent import consent_routes
from mcp_instantly.sandbox.routes import API, ROUTES, Call, Route
from mcp_instantly.sandbox.shapes import coerce_query
from mcp_instantly.sandbox.world import World

RESOURCES = (
    "account_analytics",
    "account_checks",
    "account_warmup",
    "accounts",
    "analytics",
    "api_keys",
    "audit_logs",
    "background_jobs",
    "block_lists",
    "campaign_copies",
    "campaign_status",
    "campaigns",
    "custom_tags",
    "dfy_accounts",
    "dfy_domains",
    "dfy_orders",
    "email_templates",
    "email_verification",
    "emails",
    "lead_imports",
    "lead_labels",
    "lead_lists",
    "lead_moves",
    "leads",
    "manual_emails",
    "oauth",
    "phone_numbers",
    "placement_analytics",
    "placement_reports",
    "placement_seeds",
    "placement_tests",
    "prompt_templates",
    "sales_flows",
    "sending",
    "subsequences",
    "webhook_events",
    "webhooks",
    "workspace_admin",
    "workspace_billing",
    "workspace_group",
    "workspace_members",
    "workspaces",
)
for _name in RESOURCES:
    importlib.import_module(f"mcp_instantly.sandbox.{_name}")

BODY_LIMIT = 10_000_000
"""Bytes of a request body above which the answer is 413."""


def create_app(world: World) -> Starlette:
    """A Starlette application that is Instantly's API v2 over `world`, with `/_sandbox/...` to steer it."""
    routes = [*control_routes(world), *consent_routes(world)]
    # A fixed path must be tried before one with a placeholder in the same place.
    for known in sorted(ROUTES, key=lambda r: [("{" in part, part) for part in r.path.split("/")]):
        routes.append(StarletteRoute(known.path, _endpoint(world, known), methods=[known.method]))
    for method, path in unwritten.OPERATIONS:
        routes.append(StarletteRoute(API + path, _not_written(world, method, path), methods=[method]))
    app = Starlette(routes=routes, exception_handlers={404: _no_route(world), 405: _no_route(world)})
    app.router.redirect_slashes = False
    return app


def _endpoint(world: World, known: Route):
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        world.settle()
        try:
            _authenticate(world, request)
            call = _parse(known, request, body)
            answer = known.handler(world, call)
            audit_logs.note_call(world, known, call, answer, request)
            response = _render(answer)
        except Refusal as refusal:
            response = _refuse(refusal)
        return _record(world, request, body, response)

    return endpoint


def _authenticate(world: World, request: Request) -> None:
    if request.headers.get("user-agent", "").startswith("Python-urllib"):
        # The proxy before the API turns such clients away, in plain text.
        raise Refusal(403, "blocked", body="error code: 1010")
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not key:
        raise Refusal(401, "Missing authorization header")
    if scheme.lower() != "bearer" or (key not in world.keys and not world.api_keys.first(key=key)):
        raise Refusal(401, "Invalid API key")
    wanted = request.headers.get("x-as-workspace")
    if wanted and wanted != world.workspace.get("id"):
        raise Refusal(403, "This API key has no access to the requested workspace")


def _parse(known: Route, request: Request, body: bytes) -> Call:
    path = dict(request.path_params)
    known.params.check(path, "params")
    query = coerce_query(request.query_params.multi_items(), known.query.shape)
    known.query.check(query, "querystring")
    is_json = request.headers.get("content-type", "").split(";")[0].strip() == "application/json"
    if is_json and not body and request.method != "GET":
        raise Refusal(
            400,
            "Body cannot be empty when content-type is set to 'application/json'",
            code="FST_ERR_CTP_EMPTY_JSON_BODY",
        )
    if len(body) > BODY_LIMIT:
        raise Refusal(413, "Request body is too large", code="FST_ERR_CTP_BODY_TOO_LARGE")
    if body and not is_json:
        raise Refusal(415, "Unsupported Media Type", code="FST_ERR_CTP_INVALID_MEDIA_TYPE")
    try:
        value: Any = json.loads(body) if body else None
    except ValueError:
        raise Refusal(400, "Body is not valid JSON but content-type is set to 'application/json'") from None
    if known.body is None or (
        value is None and not (known.body.shape.get("required") or known.body.shape.get("minProperties"))
    ):
        value = {}
    else:
        known.body.check(value, "body")
    return Call(path, query, value, f"{request.url.scheme}://{request.url.netloc}")


def _render(answer: Any) -> Response:
    if not isinstance(answer, Answer):
        return JSONResponse(answer)
    if answer.payload is None:
        return Response(status_code=answer.status)
    if answer.media_type == "application/json":
        return JSONResponse(answer.payload, answer.status)
    return Response(answer.payload, answer.status, media_type=answer.media_type)


def _refuse(refusal: Refusal) -> Response:
    if isinstance(refusal.body, str):
        return PlainTextResponse(refusal.body, refusal.status)
    return JSONResponse(refusal.body, refusal.status)


def _record(world: World, request: Request, body: bytes, response: Response) -> Response:
    try:
        sent: Any = json.loads(body) if body else None
    except ValueError:
        sent = body.decode(errors="replace")
    world.requests.append(
        {
            "at": world.stamp(),
            "method": request.method,
            "path": request.scope["raw_path"].decode() if request.scope.get("raw_path") else request.url.path,
            "query": request.query_params.multi_items(),
            "body": sent,
            "content_type": request.headers.get("content-type"),
            "user_agent": request.headers.get("user-agent"),
            "workspace": request.headers.get("x-as-workspace"),
            "status": response.status_code,
        }
    )
    return response


def _not_written(world: World, method: str, path: str):
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            _authenticate(world, request)
            response = JSONResponse(envelope(501, f"The sandbox has no {method} {API}{path} yet"), 501)
        except Refusal as refusal:
            response = _refuse(refusal)
        return _record(world, request, body, response)

    return endpoint


def _no_route(world: World):
    async def endpoint(request: Request, _: Exception) -> Response:
        body = await request.body()
        message = f"Route {request.method}:{request.url.path} not found"
        return _record(world, request, body, JSONResponse(envelope(404, message), 404))

    return endpoint
