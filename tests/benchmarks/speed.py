"""Run by hand: what a call through the server costs above the least that it could cost, measured in the same run.

python tests/benchmarks/speed.py [--operation list_leads] [--fastmcp VENV_DIR] [--rounds N] [--rows TEXT] [--record]

Nothing leaves the machine. An upstream with one fixed answer runs in a process of its own, and four ways lead to it:

- no-op: a tool of the SDK's low-level server that answers with the word "ok". What MCP costs.
- httpx: a GET or POST of httpx from this process. What the request costs.
- ours: the same operation through `mcp-instantly serve`, logging and all, as it is by default.
- FastMCP: the same through `FastMCP.from_openapi`, over a document with every tool that ours offers, in the virtual
  environment that `--fastmcp` names and that is made when it is not there.

A server in front of an API does both: it answers over MCP and it sends a request. So the sum of the first two is what
ours is held against, and it may be at most TARGET times that. One at a time, the sum is that of two waits. With many at
once, what counts is how many calls are done in a second: a server that spends 1/a seconds on MCP and 1/b on the
request does 1/(1/a + 1/b) calls a second. Both are the same sum when a cost is the wall time of a batch divided by its
calls, which is what the columns show, in milliseconds.

The ways take turns within each round, in another order each time, so that whatever else the machine does hits all of
them. Ratios are formed within a round; the table shows their median and, in brackets, their quartiles. `missed` and
`met` need quartiles on one side of the target; otherwise the row says `unclear`: the machine is too busy to tell.

The CPU columns are steadier: processor time of the server's process per call in the round where it was least, where
httpx counts as the time of this process while it sends. They leave out the client and the upstream, which cost the same
each time. Linux only.

Two clients ask: the SDK's, as a host would, and one that only writes and reads frames, which takes its own cost out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[2]))

from mcp_instantly.api.request import build_request
from mcp_instantly.sandbox import KEY, create_app, demo_world
from mcp_instantly.tools.catalog import load_catalog, select
from mcp_instantly.tools.operation import Operation
from tests.benchmarks import figures

TARGET = 1.15
"""How many times the sum of no-op and httpx a call of ours may cost."""

SEQUENTIAL_CALLS = 50
"""Calls of one way in a round, one at a time."""

AT_ONCE = 32
CALLS_EACH = 4
"""Calls of one way in a round for each of the workers, when there are many."""

START_SECONDS = 60
CALL_SECONDS = 30
REVISION = "2026-07-28"
LEAD = "01991f00-0001-7000-8000-000000000001"
ARGUMENTS: dict[str, dict[str, Any]] = {"get_lead": {"id": LEAD}, "list_leads": {"limit": 10}}
NOOP = "noop"

UNHURRIED = """
import functools, sys
sys.modules["uvloop"] = None
from mcp_instantly.budgets import budgets, documented
from mcp_instantly.budgets.budget import Budget
from mcp_instantly.cli import main

high = documented.Shared("workspace", (documented.Limit(10**6, 1), documented.Limit(10**8, 60)))
budgets.Budget = functools.partial(Budget, workspace=high)
main()
"""
"""Our command with a rate limit that is kept as ever, and never reached: what counts here is what a call costs.

It runs as it is installed by default, without the extra `fast`; the no-op is served by what the SDK requires.
"""

Call = Callable[[], Awaitable[None]]


# What runs in processes of its own


def listen() -> socket.socket:
    # With its protocol named, asyncio switches off Nagle's algorithm on what it accepts.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


async def serve(app: Any) -> None:
    """Serve an ASGI application on a free port, which the first line of stderr names."""
    with listen() as sock:
        print(f"http://127.0.0.1:{sock.getsockname()[1]}", file=sys.stderr, flush=True)
        # Connections are idle while the other ways have their turns; they stay open for longer than that. The protocol
        # is what the SDK brings along, whatever else is installed here.
        config = uvicorn.Config(app, http="h11", log_config=None, access_log=False, timeout_keep_alive=CALL_SECONDS * 4)
        await uvicorn.Server(config).serve([sock])


def fixed_app(answer: bytes) -> Any:
    """An ASGI application that answers every request alike, once it has read it."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def noop_server() -> Any:
    """The least that the SDK can serve: one tool that takes anything and says "ok"."""
    import mcp_types as types
    from mcp.server.lowlevel import Server

    schema: dict[str, Any] = {"type": "object"}
    listed = types.ListToolsResult(tools=[types.Tool(name=NOOP, input_schema=schema)])

    async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
        return listed

    async def call_tool(_: Any, __: Any) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text="ok")])

    schemas = {NOOP: schema}
    return Server(NOOP, get_tool_input_schema=schemas.get, on_list_tools=list_tools, on_call_tool=call_tool)


async def serve_noop(transport: str) -> None:
    server = noop_server()
    if transport == "http":
        await serve(server.streamable_http_app(stateless_http=True))
        return
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


FASTMCP = """
import asyncio, json, socket, sys
import httpx2
from fastmcp import FastMCP

document, upstream, key, transport = sys.argv[1:]
client = httpx2.AsyncClient(base_url=upstream, headers={"Authorization": f"Bearer {key}"}, trust_env=False)
server = FastMCP.from_openapi(json.load(open(document)), client=client)
if transport == "stdio":
    asyncio.run(server.run_stdio_async(show_banner=False, log_level="ERROR"))
else:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
    quiet = {"access_log": False, "log_level": "error"}
    asyncio.run(server.run_http_async(
        show_banner=False, log_level="ERROR", path="/mcp", stateless_http=True, uvicorn_config=quiet, sockets=[sock],
    ))
"""


def openapi_document(operations: list[Operation]) -> dict[str, Any]:
    """The requests of these operations as OpenAPI 3.1, for whoever makes tools out of such a document."""
    paths: dict[str, Any] = {}
    for op in operations:
        schema = op.input_schema
        required = set(schema.get("required", ()))
        rest = {name: value for name, value in schema["properties"].items() if name not in op.placeholders}
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": schema["properties"][name]}
            for name in op.placeholders
        ]
        item: dict[str, Any] = {"operationId": op.name, "summary": op.title, "description": op.description}
        if op.send == "query":
            parameters += [
                {"name": name, "in": "query", "required": name in required, "schema": value}
                for name, value in rest.items()
            ]
        elif op.send == "body":
            body = {"type": "object", "properties": rest, "required": sorted(required - set(op.placeholders))}
            item["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        item |= {"parameters": parameters, "responses": {"200": {"description": "The answer."}}}
        paths.setdefault(op.path, {})[op.method.lower()] = item
    return {"openapi": "3.1.0", "info": {"title": "The same operations", "version": "1"}, "paths": paths}


def python_with_fastmcp(folder: Path) -> Path | None:
    """The interpreter of an environment that has FastMCP, made now if need be; None, with a word why, if not."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        if subprocess.run([str(python), "-c", "import fastmcp"], capture_output=True).returncode:
            install = [str(python), "-m", "pip", "install", "--quiet", "fastmcp>=4.2,<5"]
            subprocess.run(install, check=True, capture_output=True, timeout=600)
        code = "import fastmcp, sys; sys.stdout.write(fastmcp.__version__)"
        told = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"FastMCP is left out: an environment with it could not be made in {folder} ({type(error).__name__}).")
        return None
    print(f"FastMCP {told.stdout} in {folder}")
    return python


# Processes and clients


@dataclass
class Command:
    """How to start a server: its name, its command line without the transport, and what chooses HTTP."""

    name: str
    line: list[str]
    http: list[str]
    tool: str
    stdio: list[str] = field(default_factory=list)
    path: str = ""


@contextlib.asynccontextmanager
async def running(line: list[str], environment: dict[str, str], errors: Path) -> AsyncIterator[tuple[int, str]]:
    """A process until the block ends: its id, and the first URL that it writes to stderr."""
    with errors.open("w") as file:
        process = subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL, stderr=file)
    try:
        with anyio.fail_after(START_SECONDS):
            while not (found := re.search(r"(http://127\.0\.0\.1:\d+[^\s\",]*)[\s\"]", errors.read_text())):
                if process.poll() is not None:
                    sys.exit(f"{line} ended: {errors.read_text()[-2000:]}")
                await anyio.sleep(0.05)
        yield process.pid, found[1]
    finally:
        process.terminate()
        with anyio.CancelScope(shield=True):
            for _ in range(100):
                if process.poll() is not None:
                    break
                await anyio.sleep(0.05)
        process.kill()
        process.wait()


def frame(number: int, tool: str, arguments: dict[str, Any]) -> bytes:
    """The call as it stands on the wire in the newest revision, which needs no handshake."""
    prefix = "io.modelcontextprotocol"
    meta = {
        f"{prefix}/protocolVersion": REVISION,
        f"{prefix}/clientInfo": {"name": "speed", "version": "1"},
        f"{prefix}/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return json.dumps(message, separators=(",", ":")).encode()


class Frames:
    """A client of a process's stdin and stdout that reads no more of an answer than its id and whether it is right."""

    def __init__(self, process: asyncio.subprocess.Process, command: Command, arguments: dict[str, Any], proof: bytes):
        self.process = process
        self._command, self._arguments, self._proof = command, arguments, proof
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)

    async def read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            found = re.search(rb'"id":(\d+)', line[:60]) or re.search(rb'"id":\s*(\d+)\}?\s*$', line)
            if found is None:
                continue
            waiting = self._waiting.pop(int(found[1]))
            if self._proof in line:
                waiting.set_result(None)
            else:
                waiting.set_exception(RuntimeError(f"{self._command.name}: {line[:500]!r}"))

    async def call(self) -> None:
        assert self.process.stdin
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(frame(number, self._command.tool, self._arguments) + b"\n")
        await waiting


class Requests:
    """A client of an HTTP server that writes requests to kept connections, and reads as little as it must."""

    def __init__(self, url: str, command: Command, arguments: dict[str, Any], proof: bytes):
        self._url, self._command, self._proof = httpx.URL(url), command, proof
        body = frame(1, command.tool, arguments)
        head = (
            f"POST {self._url.path} HTTP/1.1\r\nhost: {self._url.host}:{self._url.port}\r\n"
            f"accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"
            f"mcp-protocol-version: {REVISION}\r\nmcp-method: tools/call\r\nmcp-name: {command.tool}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def call(self) -> None:
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                break
            # The server closes what was idle for some seconds, while the other ways had their turns.
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self._url.host, self._url.port, limit=2**22)
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        answer = await (reader.readexactly(int(length[1])) if length else reader.readuntil(b"\r\n0\r\n\r\n"))
        if self._proof not in answer:
            raise RuntimeError(f"{self._command.name}: {head!r} {answer[:500]!r}")
        self._free.append((reader, writer))

    def close(self) -> None:
        for _, writer in self._free:
            writer.close()


# Measuring


@dataclass
class Way:
    """One way to the answer. `pid` is the process whose processor time counts; None is this process."""

    name: str
    call: Call
    pid: int | None
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    calls: int = 0

    @property
    def cpu_ms(self) -> float:
        return min(self.cpu)

    def processor_seconds(self) -> float:
        if self.pid is None:
            return time.process_time()
        if sys.platform != "linux":
            return float("nan")
        # The clock of another process: clock_getcpuclockid(3), which Python does not have.
        return time.clock_gettime((~self.pid << 3) | 2)

    async def run(self, at_once: int, calls: int) -> None:
        """Make so many calls, and keep how many milliseconds one took: of the whole batch, divided by its calls."""

        async def work(count: int) -> None:
            for _ in range(count):
                await self.call()

        cpu, began = self.processor_seconds(), time.perf_counter()
        with anyio.fail_after(CALL_SECONDS + calls * 0.1):
            if at_once == 1:
                await work(calls)
            else:
                async with anyio.create_task_group() as tasks:
                    for _ in range(at_once):
                        tasks.start_soon(work, calls // at_once)
        self.times.append((time.perf_counter() - began) / calls * 1000)
        self.cpu.append((self.processor_seconds() - cpu) / calls * 1000)
        self.calls += calls


async def measure(title: str, ways: list[Way], at_once: int, rounds: int) -> float:
    """All the ways in turn, so many rounds of it, and one line of the table; the ratio that is held to the target."""
    calls = SEQUENTIAL_CALLS if at_once == 1 else at_once * CALLS_EACH
    for way in ways:
        await way.run(at_once, calls)
        way.times, way.cpu, way.calls = [], [], 0
    for number in range(rounds):
        for place in range(len(ways)):
            await ways[(number + place) % len(ways)].run(at_once, calls)
    return print_row(title, {way.name: way for way in ways})


HEAD = (
    f"{'ms per call (medians)':32}{'calls':>6}{'no-op':>8}{'httpx':>8}{'ours':>8}"
    f"{'ours / (no-op + httpx)':>27}{'':9}{'FastMCP':>8}{'ours / FastMCP':>21}"
    f"   | CPU: {'no-op':>6}{'httpx':>7}{'ours':>7}{'ratio':>7}{'FastMCP':>9}"
)


def print_row(title: str, ways: dict[str, Way]) -> float:
    noop, http, ours = ways["no-op"], ways["httpx"], ways["ours"]
    fast = ways.get("FastMCP")
    ratio, low, high = ratios(ours.times, [a + b for a, b in zip(noop.times, http.times, strict=True)])
    said = "met" if high <= TARGET else "missed" if low > TARGET else "unclear"
    middle = [statistics.median(way.times) for way in (noop, http, ours)]
    line = f"{title:32}{ours.calls:6}" + "".join(f"{value:8.2f}" for value in middle)
    line += f"{f'{ratio:.2f} ({low:.2f} to {high:.2f})':>27}{said:>9}"
    if fast:
        beside, low, high = ratios(ours.times, fast.times)
        line += f"{statistics.median(fast.times):8.2f}{f'{beside:.2f} ({low:.2f} to {high:.2f})':>21}"
    else:
        line += f"{'-':>8}{'-':>21}"
    cpu = ours.cpu_ms / (noop.cpu_ms + http.cpu_ms)
    line += f"   |      {noop.cpu_ms:6.2f}{http.cpu_ms:7.2f}{ours.cpu_ms:7.2f}{cpu:7.2f}"
    print(f"{line}{f'{fast.cpu_ms:9.2f}' if fast else f'{chr(45):>9}'}", flush=True)
    return ratio


def ratios(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """The median of the ratios within each round, and their quartiles."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(above, below, strict=True)], n=4)
    return middle, low, high


# The whole


async def fixed_answer(operation: Operation, arguments: dict[str, Any]) -> bytes:
    """What the sandbox answers to this call."""
    request = build_request(operation, arguments)
    transport = httpx.ASGITransport(app=create_app(demo_world()))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.localhost", headers=headers) as http:
        response = await http.request(request.method, request.path, params=list(request.query), json=request.body)
        return response.raise_for_status().content


def commands(upstream: str, operation: Operation, fastmcp: Path | None, folder: Path) -> list[Command]:
    here = [sys.executable, str(Path(__file__).resolve())]
    found = [
        Command("no-op", [*here, "--role"], ["noop-http"], NOOP, ["noop-stdio"], "/mcp"),
        Command(
            "ours",
            [sys.executable, "-c", UNHURRIED, "serve", "--server", upstream],
            ["--transport", "http", "--port", "0"],
            operation.name,
        ),
    ]
    if fastmcp:
        document = folder / "openapi.json"
        document.write_text(json.dumps(openapi_document(list(select(load_catalog()).operations.values()))))
        line = [str(fastmcp), "-c", FASTMCP, str(document), upstream, KEY]
        found.append(Command("FastMCP", line, ["http"], operation.name, ["stdio"]))
    return found


@contextlib.asynccontextmanager
async def ways_of(
    kind: str, commands: list[Command], arguments: dict[str, Any], environment: dict[str, str], folder: Path
) -> AsyncIterator[list[Way]]:
    """A client of each server: `kind` is stdio or HTTP, with the SDK's client or with frames."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async with contextlib.AsyncExitStack() as stack:
        ways = []
        for command in commands:
            proof = b"ok" if command.tool == NOOP else b"fjordpay"
            errors = folder / f"{command.name} {kind}".replace(" ", "-")
            call: Call
            if kind.startswith("HTTP"):
                line = [*command.line, *command.http]
                pid, url = await stack.enter_async_context(running(line, environment, errors))
                if kind == "HTTP, frames":
                    requests = Requests(url + command.path, command, arguments, proof)
                    stack.callback(requests.close)
                    call = requests.call
                else:
                    client = await stack.enter_async_context(Client(url + command.path))
                    call = checked(client, command, arguments, proof.decode())
            elif kind == "stdio, frames":
                frames, pid = await stack.enter_async_context(frames_of(command, arguments, proof, environment, errors))
                call = frames.call
            else:
                noted = folder / "pid"
                script = 'echo $$ > "$0"; exec "$@"'
                parameters = StdioServerParameters(
                    command="/bin/sh",
                    args=["-c", script, str(noted), *command.line, *command.stdio],
                    env=environment,
                )
                transport = stdio_client(parameters, errlog=stack.enter_context(errors.open("w")))
                client = await stack.enter_async_context(Client(transport))
                pid = int(noted.read_text())
                call = checked(client, command, arguments, proof.decode())
            ways.append(Way(command.name, call, pid))
        yield ways


def checked(client: Any, command: Command, arguments: dict[str, Any], proof: str) -> Call:
    async def call() -> None:
        found = await client.call_tool(command.tool, arguments)
        if found.is_error or proof not in found.content[0].text:
            raise RuntimeError(f"{command.name}: {found}")

    return call


@contextlib.asynccontextmanager
async def frames_of(
    command: Command, arguments: dict[str, Any], proof: bytes, environment: dict[str, str], errors: Path
) -> AsyncIterator[tuple[Frames, int]]:
    with errors.open("w") as file:
        process = await asyncio.create_subprocess_exec(
            *command.line,
            *command.stdio,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            limit=2**22,
        )
    frames = Frames(process, command, arguments, proof)
    reading = asyncio.create_task(frames.read())
    try:
        yield frames, process.pid
    finally:
        process.terminate()
        await process.wait()
        await reading


async def compare(options: argparse.Namespace) -> None:
    operation = load_catalog().operations[options.operation]
    arguments = ARGUMENTS[options.operation]
    python = python_with_fastmcp(options.fastmcp.resolve()) if options.fastmcp else None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INSTANTLY_")}
    environment |= {"INSTANTLY_API_KEY": KEY, "PYTHONDONTWRITEBYTECODE": ""}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        answer = folder / "answer.json"
        answer.write_bytes(await fixed_answer(operation, arguments))
        line = [sys.executable, str(Path(__file__).resolve()), "--role", "upstream", "--answer", str(answer)]
        async with running(line, environment, folder / "upstream") as (_, upstream), raw_client() as http:
            request = build_request(operation, arguments)
            content = None if request.body is None else json.dumps(request.body)
            headers = {"Content-Type": "application/json"} if content else {}

            async def send() -> None:
                response = await http.request(request.method, upstream + request.path, content=content, headers=headers)
                if response.status_code != 200 or b"fjordpay" not in response.content:
                    raise RuntimeError(f"httpx: {response}")

            print(f"{operation.name}, an answer of {answer.stat().st_size} bytes; the target is {TARGET}\n{HEAD}")
            known = commands(upstream, operation, python, folder)
            found: dict[int, list[float]] = {1: [], AT_ONCE: []}
            for kind in ("stdio", "stdio, frames", "HTTP", "HTTP, frames"):
                rows = {f"{kind}, 1 at a time": 1, f"{kind}, {AT_ONCE} at once": AT_ONCE}
                rows = {title: at_once for title, at_once in rows.items() if options.rows in title}
                if not rows:
                    continue
                async with ways_of(kind, known, arguments, environment, folder) as servers:
                    for title, at_once in rows.items():
                        ways = [Way(way.name, way.call, way.pid) for way in servers]
                        ways.insert(1, Way("httpx", send, None))
                        found[at_once].append(await measure(title, ways, at_once, options.rounds))
    if options.record:
        figures.record(
            f"A call costs {_span(found[AT_ONCE])} of the SDK's no-op and httpx together with {AT_ONCE} at once, "
            f"{_span(found[1])} one at a time"
        )


def _span(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "an amount that was not measured"


def raw_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=CALL_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a call costs, against a no-op of the SDK plus a request.")
    parser.add_argument("--operation", choices=list(ARGUMENTS), default="get_lead", help="what is called")
    parser.add_argument("--fastmcp", type=Path, metavar="VENV_DIR", help="compare with FastMCP, in this environment")
    parser.add_argument("--rounds", type=int, default=16, choices=range(4, 41), metavar="4..40", help="default: 16")
    parser.add_argument("--rows", default="", metavar="TEXT", help="only rows with this in their title: stdio, at once")
    figures.add_option(parser)
    parser.add_argument("--role", choices=["upstream", "noop-stdio", "noop-http"], help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role == "upstream":
        app = fixed_app(options.answer.read_bytes())
        anyio.run(serve, app)
    elif options.role:
        anyio.run(serve_noop, options.role.removeprefix("noop-"))
    else:
        try:
            anyio.run(compare, options)
        except Exception as error:
            while inner := getattr(error, "exceptions", ()):
                error = inner[0]
            sys.exit(f"speed.py stopped: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
