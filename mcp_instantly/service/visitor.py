"""Who makes a request, as the gate finds out: anyone, the holder of a token of the server's, or of an issuer's."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from mcp_instantly.service.refusal import Refused
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.transports.access import Access

VISITOR = "mcp_instantly.visitor"
"""Under which the scope of a request has its Visitor."""


@dataclasses.dataclass(frozen=True)
class Visitor:
    """`name` for the log, None for anyone. `lacks` is the scope for want of which only what changes nothing may be
    called, and `challenge` the response's header that asks for a token with it. `token` must not be shown, or passed
    on."""

    name: str | None = None
    lacks: str | None = None
    challenge: str = ""
    token: str | None = dataclasses.field(default=None, repr=False)


class Doorkeeper(Protocol):
    """Who knows the visitors of a server."""

    async def identify(self, headers: Headers) -> Visitor:
        """Who makes a request with these headers. Raises Refused for whoever may not."""

    def answer(self, scope: Scope) -> Response | None:
        """What is told to anybody who asks how to become known; None for any other request."""


class TokenDoorkeeper:
    """Knows the holders of the server's own tokens; without tokens anyone may call."""

    def __init__(self, access: Access):
        self._access = access

    async def identify(self, headers: Headers) -> Visitor:
        if not self._access.digests:
            return Visitor()
        name = self._access.caller(headers.get("authorization", ""))
        if name is None:
            wrong = ', error="invalid_token"' if "authorization" in headers else ""
            raise Refused(
                401,
                "Send a token that the server knows: Authorization: Bearer TOKEN.",
                WWW_Authenticate=f'Bearer realm="{SERVER_NAME}"{wrong}',
            )
        return Visitor(name)

    def answer(self, scope: Scope) -> Response | None:
        return None
