"""How fast the sandbox is, in process: `python tests/benchmarks/sandbox.py [ROUNDS]`.

Each figure is the median of many requests, in milliseconds, and its ratio to a route of Starlette that does nothing,
measured in the same run.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_instantly.sandbox import KEY, create_app, open_sandbox
from mcp_instantly.sandbox.worlds.building import build_workspaces

Request = tuple[str, str, Any]

HEADERS = [(b"authorization", f"Bearer {KEY}".encode()), (b"content-type", b"application/json")]


async def send(app: Any, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A request straight into an ASGI application: what an HTTP client adds is not the sandbox's."""
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": HEADERS if content else HEADERS[:1],
        "client": ("127.0.0.1", 1),
        "server": ("sandbox", 80),
    }
    parts: list[bytes] = []
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def answer(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message["body"])

    await app(scope, receive, answer)
    assert status == 200, (method, path, status, b"".join(parts)[:300])
    return json.loads(b"".join(parts))


async def median(app: Any, requests: Iterator[Request], rounds: int) -> float:
    """The median time of a request, in milliseconds."""
    times = []
    for _ in range(rounds):
        method, path, body = next(requests)
        began = time.perf_counter()
        await send(app, method, path, body)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def always(method: str, path: str, body: Any = None) -> Iterator[Request]:
    while True:
        yield method, path, body


def numbered(make: Callable[[int], Request]) -> Iterator[Request]:
    number = 0
    while True:
        number += 1
        yield make(number)


def empty_route() -> Starlette:
    async def nothing(_: Any) -> JSONResponse:
        return JSONResponse({})

    return Starlette(routes=[Route("/nothing", nothing)])


async def depth_of(app: Any, wanted: int, at_most: int) -> str:
    """The cursor behind so many leads."""
    cursor, seen = "", 0
    while seen < min(wanted, at_most):
        body = {"limit": 100, **({"starting_after": cursor} if cursor else {})}
        page = await send(app, "POST", "/api/v2/leads/list", body)
        cursor, seen = page["next_starting_after"], seen + len(page["items"])
    return cursor


async def measure(scenario: str, rounds: int) -> dict[str, float]:
    workspaces = build_workspaces(scenario)
    app = create_app(workspaces)
    world = workspaces.home
    lead = next(iter(world.leads))
    campaign = next(iter(world.campaigns))["id"]
    api = "/api/v2"
    found = {
        "read: a lead": await median(app, always("GET", f"{api}/leads/{lead['id']}"), rounds),
        "read: a campaign": await median(app, always("GET", f"{api}/campaigns/{campaign}"), rounds),
        "read: ten leads of a campaign": await median(
            app, always("POST", f"{api}/leads/list", {"campaign": campaign}), rounds
        ),
        "read: ten emails": await median(app, always("GET", f"{api}/emails"), rounds),
        "write: a lead": await median(
            app,
            numbered(lambda n: ("POST", f"{api}/leads", {"email": f"new{n}@new.example", "campaign": campaign})),
            rounds,
        ),
        "write: change a lead": await median(
            app, numbered(lambda n: ("PATCH", f"{api}/leads/{lead['id']}", {"first_name": f"N{n}"})), rounds
        ),
        "write: a tag": await median(
            app, numbered(lambda n: ("POST", f"{api}/custom-tags", {"label": f"Tag {n}"})), rounds
        ),
    }
    for wanted in (0, 10_000, 19_900):
        if wanted and wanted > len(world.leads):
            continue
        cursor = await depth_of(app, wanted, len(world.leads))
        body = {"limit": 100, **({"starting_after": cursor} if cursor else {})}
        found[f"page: 100 leads behind {wanted}"] = await median(
            app, always("POST", f"{api}/leads/list", body), max(20, rounds // 10)
        )
    found["bulk: 1,000 leads in one call"] = await median(
        app,
        numbered(
            lambda n: (
                "POST",
                f"{api}/leads/add",
                {"campaign_id": campaign, "leads": [{"email": f"b{n}-{m}@bulk{m}.example"} for m in range(1000)]},
            )
        ),
        5,
    )
    return found


async def measure_kept(rounds: int) -> dict[str, float]:
    """The same with a file behind it: one transaction for each request."""
    with tempfile.TemporaryDirectory() as folder:
        app = open_sandbox("demo", state=Path(folder) / "state.db", running=False)
        lead = next(iter(app.workspaces.home.leads))["id"]
        found = {
            "read: a lead, with --state": await median(app, always("GET", f"/api/v2/leads/{lead}"), rounds),
            "write: a tag, with --state": await median(
                app, numbered(lambda n: ("POST", "/api/v2/custom-tags", {"label": f"Tag {n}"})), rounds
            ),
        }
        app.close()
    return found


async def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    empty = await median(empty_route(), always("GET", "/nothing"), 2000)
    print(f"an empty route of Starlette: {empty:.3f} ms\n")
    small, large = await measure("demo", rounds), await measure("busy", rounds)
    print(f"{'median, and ratio to the empty route':40}{'200 leads':>20}{'20,000 leads':>20}{'growth':>8}")
    for name in large:
        cells = [f"{row[name]:.3f} ms {row[name] / empty:6.1f}x" if name in row else "" for row in (small, large)]
        growth = f"{large[name] / small[name]:.1f}x" if name in small else ""
        print(f"{name:40}{cells[0]:>20}{cells[1]:>20}{growth:>8}")
    for name, value in (await measure_kept(rounds)).items():
        print(f"{name:40}{f'{value:.3f} ms {value / empty:6.1f}x':>20}")


if __name__ == "__main__":
    asyncio.run(main())
