"""The control path, `/_sandbox/...`: what a test or a demo needs and the real API does not have."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.engine.differences import read_differences
from mcp_instantly.sandbox.engine.people import add_person, describe_person
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.shapes import CLOSED, Validator, boolean, fields, integer, number, read_json, text
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.world import World

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
PERSON = Validator(fields())


def control_routes(workspaces: Workspaces) -> list[Route]:
    """Routes to read and move the clock, to begin again, to see what was asked, and to let things go wrong.

    - `GET /_sandbox/clock`; `POST` with `{"advance": seconds}`, `{"to": "ISO instant"}` or `{"running": bool}`
    - `POST /_sandbox/reset` with an optional `{"seed": 2}`, a whole number
    - `GET /_sandbox/requests`: the requests so far, oldest first, with the beginning of a long `body` and its `size`
    - `POST /_sandbox/faults` with a fault (see faults.py); `GET`: those in force, and what had really been done;
      `DELETE`: no more faults, and `DELETE /_sandbox/faults/{id}`: not this one
    - `GET /_sandbox/workspaces`: the workspaces there are
    - `POST /_sandbox/people` with what a lead is to do (see people.py), in the workspace that `x-as-workspace` names;
      `GET`: what was said so far, and what of it has happened; `DELETE`: nothing more of it, and
      `DELETE /_sandbox/people/{id}`: not this entry
    - `GET /_sandbox/differences`: what the sandbox is known not to do as Instantly does
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

    async def people(request: Request) -> Response:
        world = _workspace(workspaces, request)
        if world is None:
            return _refuse(ValueError("x-as-workspace names no workspace of this sandbox"), 404)
        if request.method == "POST":
            try:
                return JSONResponse(describe_person(add_person(world, await _read(request, PERSON))))
            except ValueError as error:
                return _refuse(error)
        if request.method == "DELETE":
            for entry in world.people:
                world.people.remove(entry["id"])
        return JSONResponse({"items": [describe_person(entry) for entry in world.people]})

    async def person(request: Request) -> Response:
        world = _workspace(workspaces, request)
        found = world.people.remove(request.path_params["id"]) if world else None
        if found is None:
            return _refuse(ValueError("there is no such entry; GET /_sandbox/people lists them"), 404)
        return JSONResponse(describe_person(found))

    async def list_differences(_: Request) -> Response:
        return JSONResponse({"items": read_differences()})

    return [
        Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/requests", requests, methods=["GET"]),
        Route("/_sandbox/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/faults/{id}", fault, methods=["DELETE"]),
        Route("/_sandbox/workspaces", list_workspaces, methods=["GET"]),
        Route("/_sandbox/people", people, methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/people/{id}", person, methods=["DELETE"]),
        Route("/_sandbox/differences", list_differences, methods=["GET"]),
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


def _workspace(workspaces: Workspaces, request: Request) -> World | None:
    """The workspace that a request names, the admin one by default; None for one that does not exist."""
    wanted = request.headers.get("x-as-workspace")
    return workspaces.find(workspaces.home, wanted) if wanted else workspaces.home


def _refuse(error: ValueError, status: int = 400) -> Response:
    return JSONResponse({"message": str(error)}, status)
