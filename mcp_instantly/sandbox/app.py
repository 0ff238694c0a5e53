"""The application: authenticate, route, parse, validate, answer."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any

from starlette import responses
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route as StarletteRoute

from mcp_instantly.sandbox import resources
from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.auth import authorize
from mcp_instantly.sandbox.engine.control import control_routes
from mcp_instantly.sandbox.engine.gate import Gate, served
from mcp_instantly.sandbox.engine.rate_limits import count_oauth_start, count_request
from mcp_instantly.sandbox.engine.request_log import MAX_BODY_BYTES, log
from mcp_instantly.sandbox.engine.responses import REASONS, ApiRefusal, Response
from mcp_instantly.sandbox.engine.route_index import RouteIndex
from mcp_instantly.sandbox.engine.routes import API, ROUTES, Call, Route
from mcp_instantly.sandbox.engine.shapes import coerce_query, read_json
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.pages.oauth_consent import consent_routes
from mcp_instantly.sandbox.pages.views import page_routes
from mcp_instantly.sandbox.resources.webhooks import deliveries
from mcp_instantly.sandbox.state.world import World

for _module in pkgutil.walk_packages(resources.__path__, f"{resources.__name__}."):
    importlib.import_module(_module.name)


def create_app(world: World | Workspaces) -> Gate:
    """An ASGI application that is Instantly's API v2 over `world`, with `/_sandbox/...` to steer it."""
    workspaces = world if isinstance(world, Workspaces) else Workspaces.of(world)
    routes = [_api_routes(), *control_routes(workspaces), *consent_routes(workspaces), *page_routes()]
    no_route = _no_route(workspaces)
    app = Gate(routes=routes, exception_handlers={404: no_route, 405: no_route}, lifespan=served)
    app.router.redirect_slashes = False
    app.workspaces = workspaces
    app.collect = deliveries.collect
    return app


@functools.cache
def _api_routes() -> RouteIndex:
    """The routes of the API, which all sandboxes of a process share: a request knows its application."""
    # A fixed path must be tried before one with a placeholder in the same place.
    ordered = sorted(ROUTES, key=lambda r: [("{" in part, part) for part in r.path.split("/")])
    return RouteIndex(StarletteRoute(known.path, _endpoint(known), methods=[known.method]) for known in ordered)


def _endpoint(known: Route) -> Callable[[Request], Awaitable[responses.Response]]:
    async def endpoint(request: Request) -> responses.Response:
        workspaces: Workspaces = request.app.workspaces
        body = await request.body()
        try:
            world = _admit(workspaces, request, known)
            call = _parse(known, request, body)
            answer = known.handler(world, call)
            audit.note_call(world, known, call, answer, request)
            response = _render(answer)
        except ApiRefusal as refusal:
            response = _refuse(refusal)
        return _record(workspaces, request, body, response)

    return endpoint


def _admit(workspaces: Workspaces, request: Request, known: Route) -> World:
    """The workspace that a request is about, if its key lets it in and its budgets are not spent."""
    if request.headers.get("user-agent", "").startswith("Python-urllib"):
        # The proxy before the API turns such clients away, in plain text.
        raise ApiRefusal(403, "blocked", body="error code: 1010")
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not key:
        raise ApiRefusal(401, "Missing authorization header")
    if scheme.lower() != "bearer":
        raise ApiRefusal(401, "Invalid API key")
    world = authorize(workspaces, key, known, request.headers.get("x-as-workspace"))
    count_request(world)
    if known.method == "POST" and known.path.startswith(f"{API}/oauth/"):
        count_oauth_start(workspaces.home, request.client.host if request.client else "")
    return world


def _parse(known: Route, request: Request, body: bytes) -> Call:
    path = dict(request.path_params)
    known.params.check(path, "params")
    query = coerce_query(request.query_params.multi_items(), known.query.shape)
    known.query.check(query, "querystring")
    is_json = request.headers.get("content-type", "").split(";")[0].strip() == "application/json"
    if is_json and not body and request.method != "GET":
        raise ApiRefusal(
            400,
            "Body cannot be empty when content-type is set to 'application/json'",
            code="FST_ERR_CTP_EMPTY_JSON_BODY",
        )
    if len(body) > MAX_BODY_BYTES:
        raise ApiRefusal(413, "Request body is too large", code="FST_ERR_CTP_BODY_TOO_LARGE")
    if body and not is_json:
        raise ApiRefusal(415, "Unsupported Media Type", code="FST_ERR_CTP_INVALID_MEDIA_TYPE")
    try:
        value: Any = read_json(body) if body else None
    except ValueError:
        raise ApiRefusal(400, "Body is not valid JSON but content-type is set to 'application/json'") from None
    if known.body is None or (
        value is None and not (known.body.shape.get("required") or known.body.shape.get("minProperties"))
    ):
        value = {}
    else:
        known.body.check(value, "body")
    return Call(path, query, value, f"{request.url.scheme}://{request.url.netloc}")


def _render(answer: Any) -> responses.Response:
    if not isinstance(answer, Response):
        return JSONResponse(answer)
    if answer.payload is None:
        return responses.Response(status_code=answer.status)
    if answer.media_type == "application/json":
        return JSONResponse(answer.payload, answer.status)
    return responses.Response(answer.payload, answer.status, media_type=answer.media_type)


def _refuse(refusal: ApiRefusal) -> responses.Response:
    if isinstance(refusal.body, str):
        return PlainTextResponse(refusal.body, refusal.status, refusal.headers)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


def _record(workspaces: Workspaces, request: Request, body: bytes, response: responses.Response) -> responses.Response:
    log(workspaces.home, request.scope, body, response.status_code)
    return response


def _no_route(workspaces: Workspaces) -> Callable[[Request, Exception], Awaitable[responses.Response]]:
    async def endpoint(request: Request, _: Exception) -> responses.Response:
        body = await request.body()
        query = f"?{request.url.query}" if request.url.query else ""
        message = f"Route {request.method}:{request.url.path}{query} not found"
        refusal = {"message": message, "error": REASONS[404], "statusCode": 404}
        return _record(workspaces, request, body, JSONResponse(refusal, 404))

    return endpoint
