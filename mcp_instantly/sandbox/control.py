"""The control path, `/_sandbox/...`: what a test or a demo needs and the real API does not have."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.clock import parse, stamp
from mcp_instantly.sandbox.realm import Realm


def control_routes(realm: Realm) -> list[Route]:
    """Routes to read and move the clock, to begin again, to see what was asked, and to let things go wrong.

    - `GET /_sandbox/clock`; `POST` with `{"advance": seconds}`, `{"to": "ISO instant"}` or `{"running": bool}`
    - `POST /_sandbox/reset` with an optional `{"seed": number}`
    - `GET /_sandbox/requests`: every request so far, oldest first
    - `POST /_sandbox/faults` with a fault (see faults.py); `GET`: those in force, and what had really been done;
      `DELETE`: no more faults, and `DELETE /_sandbox/faults/{id}`: not this one
    - `GET /_sandbox/workspaces`: the workspaces there are
    """

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            try:
                wanted = await _object(request)
                if "advance" in wanted:
                    realm.clock.advance(float(wanted["advance"]))
                if "to" in wanted:
                    realm.clock.advance((parse(wanted["to"]) - realm.clock.now()).total_seconds())
                if "running" in wanted:
                    realm.clock.run(bool(wanted["running"]))
            except (TypeError, ValueError, OverflowError) as error:
                return JSONResponse({"message": str(error)}, 400)
            realm.settle()
        return JSONResponse({"now": stamp(realm.clock.now()), "running": realm.clock.running})

    async def reset(request: Request) -> Response:
        try:
            seed = (await _object(request)).get("seed")
        except ValueError as error:
            return JSONResponse({"message": str(error)}, 400)
        realm.reset(seed)
        return JSONResponse({"seed": realm.home.seed, "now": stamp(realm.clock.now())})

    async def requests(_: Request) -> Response:
        return JSONResponse({"items": realm.requests})

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            try:
                given = await _object(request)
                fault = realm.faults.add(**given)
            except (TypeError, ValueError) as error:
                return JSONResponse({"message": str(error)}, 400)
            return JSONResponse(fault.describe())
        if request.method == "DELETE":
            realm.faults.clear()
        return JSONResponse(realm.faults.describe())

    async def fault(request: Request) -> Response:
        found = realm.faults.remove(request.path_params["id"])
        return JSONResponse(realm.faults.describe(), 200 if found else 404)

    async def workspaces(_: Request) -> Response:
        items = [
            {"id": world.workspace["id"], "name": world.workspace["name"], "admin": world is realm.home}
            for world in realm.worlds
        ]
        return JSONResponse({"items": items})

    return [
        Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/requests", requests, methods=["GET"]),
        Route("/_sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/faults/{id}", fault, methods=["DELETE"]),
        Route("/_sandbox/workspaces", workspaces, methods=["GET"]),
    ]


async def _object(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; an empty one where there is none. Raises ValueError."""
    found = await request.json() if await request.body() else {}
    if not isinstance(found, dict):
        raise ValueError("the body must be a JSON object")
    return found

