"""Web pages of other sites that may call: what their browsers ask beforehand, and want to see in responses (CORS)."""

from __future__ import annotations

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("POST", "GET", "DELETE")
"""Those of MCP's transport, also the ones that are refused here: a client that cannot see the refusal gives up."""

SHOWN = ("WWW-Authenticate", "Retry-After", "Mcp-Session-Id")
"""Headers of responses that scripts of a page may read, beside those that they always may."""


def open_to_pages(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """The application, for pages of these origins too. With none it is the same.

    Their scripts may send any header, such as a token, a key, or one of MCP; cookies are not asked for. A page on this
    machine may call without being named, but its script reads responses only where its origin is named.
    """
    if not origins:
        return app
    found = CORSMiddleware(
        app, allow_origins=tuple(origins), allow_methods=METHODS, allow_headers=("*",), expose_headers=SHOWN
    )
    # A page of the Internet asks this of a server on its own machine. Older versions do not know it.
    found.allow_private_network = True
    return found
