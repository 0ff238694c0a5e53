"""The control path, `/_sandbox/...`: what a test or a demo needs and the real API does not have."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.shapes import CLOSED, Validator, boolean, fields, integer, number, read_json, text
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.clock import parse, stamp

CLOCK = Validator(
    fields(
        "",
        CLOSED,
        advance=number(minimum=0),
        to=text(),
        running=boolean(),
    )
)
RESET = Validator(
    fields(
        "",
        CLOSED,
        seed=integer(),
    )
)
FAULT = Validator(fields())


def control_routes(workspaces: Workspaces) -> list[Route]:
    """Routes to read and move the clock, to begin again, to see what was asked, and to let things go wrong.

    - `GET /_sandbox/clock`; `POST` with `{"advance": seconds}`, `{"to": "ISO instant"}` or `{"running": bool}`
    - `POST /_sandbox/reset` with an optional `{"seed": 2}`, a whole number
    - `GET /_sandbox/requests`: the requests so far, oldest first, with the beginning of a long `body` and its `size`
    - `POST /_sandbox/faults` with a fault (see faults.py); `GET`: those in force, and what had really been done;
      `DELETE`: no more faults, and `DELETE /_sandbox/faults/{id}`: not this one
    - `GET /_sandbox/workspaces`: the workspaces there are
    """

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            try:
                wanted = await _read(request, CLOCK)
                if "advance" in wanted and "to" in wanted:
                    raise ValueError("the clock goes on by an amount, or to an instant: advance or to, not both")
                if "to" in wanted:
                    workspaces.clock.advance((parse(wanted["to"]) - workspaces.clock.now()).total_seconds())
                workspaces.clock.advance(wanted.get("advance", 0))
                workspaces.clock.run(wanted.get("running", workspaces.clock.running))
            except ValueError as error:
                return _refuse(error)
            workspaces.run_due()
        return JSONResponse({"now": stamp(workspaces.clock.now()), "running": workspaces.clock.running})

    async def reset(request: Request) -> Response:
        try:
            seed = (await _read(request, RESET)).get("seed")
        except ValueError as error:
            return _refuse(error)
        workspaces.reset(seed)
        return JSONResponse({"seed": workspaces.home.seed, "now": stamp(workspaces.clock.now())})

    async def requests(_: Request) -> Response:
        return JSONResponse({"items": workspaces.requests})

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            try:
                fault = workspaces.faults.add(**await _read(request, FAULT))
            except ValueError as error:
                return _refuse(error)
            return JSONResponse(fault.describe())
        if request.method == "DELETE":
            workspaces.faults.clear()
        return JSONResponse(workspaces.faults.describe())

    async def fault(request: Request) -> Response:
        found = workspaces.faults.remove(request.path_params["id"])
        return JSONResponse(workspaces.faults.describe(), 200 if found else 404)

    async def list_workspaces(_: Request) -> Response:
        items = [
            {"id": world.workspace["id"], "name": world.workspace["name"], "admin": world is workspaces.home}
            for world in workspaces.worlds
        ]
        return JSONResponse({"items": items})

    return [
        Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/requests", requests, methods=["GET"]),
        Route("/_sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/faults/{id}", fault, methods=["DELETE"]),
        Route("/_sandbox/workspaces", list_workspaces, methods=["GET"]),
    ]


async def _read(request: Request, validator: Validator) -> dict[str, Any]:
    """The JSON object in a request's body; an empty one where there is none. Raises ValueError."""
    body = await request.body()
    found = read_json(body) if body else {}
    try:
        validator.check(found, "body")
    except ApiRefusal as refusal:
        raise ValueError(str(refusal)) from None
    return found


def _refuse(error: ValueError) -> Response:
    return JSONResponse({"message": str(error)}, 400)
