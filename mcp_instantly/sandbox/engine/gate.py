"""Serializes requests: one at a time, at one instant each, with faults injected."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from mcp_instantly.sandbox.engine import request_log
from mcp_instantly.sandbox.engine.faults import HEADER, Fault, Reply, reply_with_error
from mcp_instantly.sandbox.engine.origins import refuse_foreign
from mcp_instantly.sandbox.engine.request_log import MAX_BODY_BYTES
from mcp_instantly.sandbox.engine.routes import API
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.clock import http_date
from mcp_instantly.sandbox.state.world import World

LOG = logging.getLogger("mcp_instantly.sandbox")
CONTROL = "/_sandbox/"

CLOCK_TICK_REQUEST: Scope = {
    "type": "http",
    "http_version": "1.1",
    "scheme": "http",
    "method": "POST",
    "path": f"{CONTROL}clock",
    "raw_path": f"{CONTROL}clock".encode(),
    "query_string": b"",
    "root_path": "",
    "headers": [],
    "client": None,
    "server": None,
}


class Keeper(Protocol):
    """What writes requests down before they are answered."""

    def keep(self, scope: Scope, body: bytes) -> tuple[Reply, float]: ...

    def catch_up(self) -> bool:
        """Try to write down what could not be written; whether all is."""
        ...

    def close(self) -> None: ...


class Gate(Starlette):
    """The application around workspaces.

    What is asked of the API or the control path is done without a pause in between, so that no request ever sees
    another one half done; and, where there is a journal, it is written there before it is answered.
    """

    workspaces: Workspaces
    journal: Keeper | None = None
    collect: Callable[[World], None]  # takes in what receivers of webhooks have answered
    pause = 1.0  # seconds of real time between two looks at what has become due, where a server runs it

    def close(self, patience: float = 0.0) -> None:
        """The orderly end: no request comes in any more, and nothing is delivered to webhooks.

        Deliveries that are under way may take `patience` seconds longer, so that their responses are still noted.
        """
        try:
            if patience:
                self.workspaces.courier.wait(patience)
                self.run_due_work()
            self.workspaces.courier.close()
        finally:
            if self.journal:
                self.journal.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refuse_foreign(scope) if scope["type"] == "http" else None
        if refused:
            await _send(reply_with_error(*refused), send)
            return
        if scope["type"] != "http" or not scope["path"].startswith((API, CONTROL)):
            await super().__call__(scope, receive, send)
            return
        body = await _read(receive)
        if len(body) > MAX_BODY_BYTES and scope["path"].startswith(CONTROL):
            await _send(reply_with_error(413, "Request body is too large"), send)
            return
        reply, pause = self.answer(scope, body)
        if pause:
            await asyncio.sleep(pause)
        if reply.dropped:
            await _drop_connection(receive, send)
            return
        reply.headers = [*reply.headers, (b"date", http_date(self.workspaces.clock.now()))]
        await _send(reply, send)

    def answer(self, scope: Scope, body: bytes) -> tuple[Reply, float]:
        """The reply to a request, and the seconds of real time by which it is to be late."""
        with self.workspaces.lock, self.workspaces.clock.held():
            return self.journal.keep(scope, body) if self.journal else self.handle(scope, body)

    def handle(self, scope: Scope, body: bytes) -> tuple[Reply, float]:
        """Carry the request out, or not, as the faults in force want it; first of all what has become due by now."""
        self.workspaces.run_due()
        for world in list(self.workspaces.worlds):
            self.collect(world)
        header = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER.encode()), None)
        faults = self.workspaces.faults
        if scope["path"].startswith(CONTROL) or not (header or faults.active):
            return self._work(scope, body), 0.0
        operation = self.operation(scope)
        try:
            fault = faults.choose(operation, header)
        except ValueError as error:
            request_log.log(self.workspaces.home, scope, body, 400)
            return reply_with_error(400, f"{HEADER}: {error}"), 0.0
        if fault is None:
            return self._work(scope, body), 0.0
        return self._respond_with_fault(fault, operation, scope, body), fault.real_latency

    def run_due_work(self) -> None:
        """Do what has become due between requests: a request that moves a running clock by nothing."""
        workspaces = self.workspaces
        with workspaces.lock:
            if self.journal and not self.journal.catch_up():
                return
            if workspaces.clock.running and workspaces.has_due_work():
                self.answer(CLOCK_TICK_REQUEST, b"")

    def _respond_with_fault(self, fault: Fault, operation: str | None, scope: Scope, body: bytes) -> Reply:
        if fault.kind == "latency" and not fault.real_latency:
            self.workspaces.clock.advance(fault.given["latency"])
            self.workspaces.run_due()
        if fault.when == "before":
            reply, worked = fault.apply(None), None
            request_log.log(self.workspaces.home, scope, body, None)
        else:
            done = self._work(scope, body)
            reply, worked = fault.apply(done), done.status
        self.workspaces.requests[-1]["fault"] = fault.id
        faults = self.workspaces.faults
        faults.note(fault, operation, scope["path"], worked, reply)
        return reply

    def operation(self, scope: Scope) -> str | None:
        """The operation that a request means, `GET /campaigns/{id}`."""
        for route in self.routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return f"{scope['method']} {found.get('route', route).path[len(API) :]}"
        return None

    def _work(self, scope: Scope, body: bytes) -> Reply:
        """The response of the application, which never waits for anything."""
        reply = Reply(500, [], b"")

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], list(message["headers"])
            else:
                reply.body += message.get("body", b"")

        _finish(super().__call__(dict(scope), receive, send))
        return reply


def _finish(work: Coroutine[Any, Any, None]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("a handler waited for something; handlers answer at once")


@contextlib.asynccontextmanager
async def served(app: Gate) -> AsyncIterator[None]:
    """The life of a gate that a server runs: with its clock, the world goes on by itself."""

    async def run_clock() -> None:
        is_failing = False
        while True:
            await asyncio.sleep(app.pause)
            try:
                app.run_due_work()
                is_failing = False
            except Exception:
                # What goes wrong at one look must not end all others; it is reported once until it works again.
                if not is_failing:
                    LOG.exception("The sandbox could not do what has become due; it will try again")
                is_failing = True

    task = asyncio.create_task(run_clock())
    try:
        yield
    finally:
        task.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            app.close()


async def _send(reply: Reply, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _read(receive: Receive) -> bytes:
    """The body of a request, or as much of it as shows that it is too long."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        if size <= MAX_BODY_BYTES:
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _drop_connection(receive: Receive, send: Send) -> None:
    """Break the connection: for real on a port, in process as httpx would report it."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        import httpx

        raise httpx.ReadError("The connection was lost, as the sandbox was asked to")
    peer = transport.get_extra_info("socket")
    if peer is not None:
        # Without lingering, closing sends a reset instead of an orderly end.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
