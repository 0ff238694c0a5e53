"""A page of this machine that asks for the key, once, and is gone.

Its path holds a token that only the person at this machine knows; pages of other sites can neither read it nor post to
it, since `Host` and `Origin` are checked.
"""

from __future__ import annotations

import contextlib
import hmac
import html
import secrets
import sys
import webbrowser
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mcp_instantly.errors import InstantlyError
from mcp_instantly.keys.key_check import KeyRefused

PAGE_SECONDS = 300.0
MAX_BODY_BYTES = 30_000
MAX_ATTEMPTS = 5

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # Under no-referrer, browsers would send a form with the origin null.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>mcp-instantly login</title>
<style>body{{font:16px/1.5 system-ui;max-width:36em;margin:4em auto}}input{{width:100%;padding:.5em}}</style>
<h1>mcp-instantly</h1>{body}</html>"""
FORM = """<p>{said}</p><form method="post" autocomplete="off"><label>API key (in Instantly under Settings &gt;
Integrations &gt; API)<input type="password" name="key" autofocus required autocomplete="off"></label>
<p><button>Check and keep it on this machine</button></p></form>"""


class LoginPage:
    """The application. `store` takes the key, and raises what the page says; `done` is set when the page has done its
    work, and `problem` is why not, empty when the key is stored."""

    def __init__(self, store: Callable[[str], Awaitable[None]]):
        self.token = secrets.token_urlsafe(24)
        self.done = anyio.Event()
        self.problem = "Nobody typed a key in time, so nothing was stored."
        self.origin = ""
        self._store = store
        self._attempts = 0
        self._lock = anyio.Lock()
        self.app = Starlette(routes=[Route("/{token}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        if f"http://{request.headers.get('host', '')}" != self.origin:
            return Response("This page is for this machine.", 421, HEADERS)
        # As bytes: a path may hold what is not ASCII.
        if self.done.is_set() or not hmac.compare_digest(request.path_params["token"].encode(), self.token.encode()):
            return Response("There is no such page.", 404, HEADERS)
        if request.method != "POST":
            return self._form("The key is checked, and then kept on this machine. It goes nowhere else.")
        if request.headers.get("origin") != self.origin:
            return Response("The form was not sent by this page.", 403, HEADERS)
        async with self._lock:
            return await self._take(request)

    async def _take(self, request: Request) -> Response:
        if self.done.is_set():
            return Response("There is no such page.", 404, HEADERS)
        key = await _key_in(request)
        self._attempts += 1
        try:
            await self._store(key)
        except Exception as error:
            known = isinstance(error, InstantlyError)
            said = str(error) if known else "The key could not be stored."
            if self._attempts < MAX_ATTEMPTS and known:
                return self._form(said, 400)
            self.problem = said
            self.done.set()
            return HTMLResponse(PAGE.format(body=f"<p>{html.escape(said)}</p>"), 400, HEADERS)
        self.problem = ""
        self.done.set()
        return HTMLResponse(PAGE.format(body="<p>The key is stored. You can close this page.</p>"), 200, HEADERS)

    def _form(self, said: str, status: int = 200) -> Response:
        return HTMLResponse(PAGE.format(body=FORM.format(said=html.escape(said))), status, HEADERS)


async def _key_in(request: Request) -> str:
    """The key of a form, empty where there is none."""
    body = b""
    with contextlib.suppress(ClientDisconnect):
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return ""
    return parse_qs(body.decode("ascii", "replace")).get("key", [""])[0]


async def ask_in_browser(store: Callable[[str], Awaitable[None]]) -> None:
    """Open the page and wait until the key is stored. Raises KeyRefused when it was not."""
    from mcp_instantly.transports.port import running_app

    page = LoginPage(store)
    async with running_app(page.app) as page.origin:
        url = f"{page.origin}/{page.token}"
        print(
            f"Type the key on this page of your machine, within {PAGE_SECONDS / 60:g} minutes: {url}",
            file=sys.stderr,
            flush=True,
        )
        # Some browsers of the text terminal return only when they are left.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: anyio.to_thread.run_sync(webbrowser.open, url, abandon_on_cancel=True))
            with anyio.move_on_after(PAGE_SECONDS):
                await page.done.wait()
            tasks.cancel_scope.cancel()
    if page.problem:
        raise KeyRefused(page.problem)
