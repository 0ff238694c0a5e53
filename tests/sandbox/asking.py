"""A tool's arguments as a request to the sandbox itself, without client and server in between."""

from __future__ import annotations

from typing import Any

import httpx

from mcp_instantly.api.request import build_request
from mcp_instantly.tools.operation import Operation


async def send(api: httpx.AsyncClient, operation: Operation, arguments: dict[str, Any], **more: Any) -> httpx.Response:
    """`more` goes to the request: headers, for instance."""
    request = build_request(operation, arguments)
    body = {} if request.body is None else {"json": request.body}
    url = f"http://sandbox{request.path}"
    return await api.request(request.method, url, params=list(request.query), **body, **more)
