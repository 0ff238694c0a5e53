"""The routes of the API by method and place, so that a request is compared with a few of them."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from mcp_instantly.sandbox.engine.routes import API

Key = tuple[str, str, int]
"""The method, the first word behind /api/v2, which no route leaves open, and how many slashes there are."""


class RouteIndex(BaseRoute):
    """Many routes as one, tried in the order in which they were given. A match tells which one as `route`."""

    def __init__(self, routes: Iterable[Route]):
        self._routes: dict[Key, list[Route]] = collections.defaultdict(list)
        for route in routes:
            for method in route.methods or ():
                self._routes[_key(method, route.path)].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"].startswith(API):
            for route in self._routes.get(_key(scope["method"], scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    return match, {**found, "route": route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["route"].handle(scope, receive, send)


def _key(method: str, path: str) -> Key:
    # As Starlette reads a path, it may have one more line break at its end.
    return method, path[len(API) + 1 :].partition("/")[0].removesuffix("\n"), path.count("/")
