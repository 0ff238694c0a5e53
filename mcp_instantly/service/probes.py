"""What is asked of a server by machines that look after it: is it alive, is it ready, and its figures."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from mcp_instantly.service.metrics import Metrics
from mcp_instantly.service.readiness import Readiness

ALIVE, READY, METRICS = "/healthz", "/readyz", "/metrics"


class Probes:
    """Answers requests to these three paths; /metrics only with `metrics`.

    Anyone who reaches the port may ask for the first two, which tell nothing beside yes and no. `may_read` says of an
    Authorization header whether its sender may read the figures, which tell what is called and how often.
    """

    def __init__(self, readiness: Readiness, metrics: Metrics | None, may_read: Callable[[str], bool]):
        self._readiness = readiness
        self._metrics = metrics
        self._may_read = may_read

    async def answer(self, scope: Scope, headers: Headers, *, closing: bool) -> Response | None:
        """The response, None for any other path."""
        path = scope["path"]
        if path not in (ALIVE, READY) and not (path == METRICS and self._metrics):
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("This is read with GET.\n", 405, {"Allow": "GET, HEAD"})
        if path == ALIVE:
            return JSONResponse({"status": "alive"})
        if path == READY:
            ready = not closing and await self._readiness.is_ready()
            return JSONResponse({"status": "ready" if ready else "not ready"}, 200 if ready else 503)
        if not self._may_read(headers.get("authorization", "")):
            return PlainTextResponse("Send the token for the figures.\n", 401, {"WWW-Authenticate": "Bearer"})
        assert self._metrics is not None
        page, media_type = self._metrics.page()
        return Response(page, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
