"""The control path, `/_sandbox/...`: what a test or a demo needs and the real API does not have."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.clock import parse, stamp
from mcp_instantly.sandbox.world import World


def control_routes(world: World) -> list[Route]:
    """Routes to read and move the clock, to begin again, and to see what was asked.

    - `GET /_sandbox/clock`; `POST` with `{"advance": seconds}`, `{"to": "ISO instant"}` or `{"running": bool}`
    - `POST /_sandbox/reset` with an optional `{"seed": number}`
    - `GET /_sandbox/requests`: every request so far, oldest first
    """

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            wanted = await request.json()
            try:
                if "advance" in wanted:
                    world.clock.advance(float(wanted["advance"]))
                if "to" in wanted:
                    world.clock.advance((parse(wanted["to"]) - world.clock.now()).total_seconds())
                if "running" in wanted:
                    world.clock.run(bool(wanted["running"]))
            except (TypeError, ValueError) as error:
                return JSONResponse({"message": str(error)}, 400)
            world.settle()
        return JSONResponse({"now": stamp(world.clock.now()), "running": world.clock.running})

    async def reset(request: Request) -> Response:
        body = await request.body()
        world.reset((await request.json()).get("seed") if body else None)
        return JSONResponse({"seed": world.seed, "now": stamp(world.clock.now())})

    async def requests(_: Request) -> Response:
        return JSONResponse({"items": world.requests})

    return [
        Route("/_sandbox/clock", clock, methods=["GET", "POST"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/requests", requests, methods=["GET"]),
    ]
