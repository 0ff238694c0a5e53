"""stdin and stdout as hosts use and misuse them: raw frames to a real process, and pipes in this one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import stdio_client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.transports.frames import Unreadable
from mcp_instantly.transports.pipes import (
    EDGE_BYTES,
    LINE_LIMIT_BYTES,
    PARSED_AT_ONCE_BYTES,
    End,
    Lines,
    Reader,
    Writer,
)
from mcp_instantly.transports.stdio import Connection

from .conftest import ROOT, clean_environment, command
from .frames import call, modern, request
from .held import SECONDS, Held, held
from .processes import ended, start

INITIALIZE = request(
    0,
    "initialize",
    protocolVersion="2025-06-18",
    capabilities={},
    clientInfo={"name": "raw", "version": "0"},
)
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
NOT_FOR_STDIO = {
    *("httptools", "uvloop", "mcp_instantly.hosting", "mcp_instantly.oauth"),
    *("dbos", "duckdb", "polars", "pyarrow", "sqlalchemy"),
}
DISCOVER = modern(request("probe", "server/discover"))


def lines(*frames: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)


class Process:
    """`mcp-instantly serve` with bytes on its pipes; nothing is written that a test does not write."""

    def __init__(
        self, *arguments: str, fork: bool = True, preexec_fn: Callable[[], Any] | None = None, **environment: str
    ):
        self.process = start(
            "serve",
            *arguments,
            environment=clean_environment(**environment),
            fork=fork,
            preexec_fn=preexec_fn,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, *frames: dict[str, Any]) -> None:
        self.write(lines(*frames))

    def read(self) -> dict[str, Any]:
        return json.loads(self.process.stdout.readline())

    def open(self) -> None:
        """The handshake, as a client that waits for answers does it."""
        self.send(INITIALIZE)
        assert self.read()["id"] == 0
        self.send(INITIALIZED)

    def stop(self, number: signal.Signals) -> None:
        """Send a signal, and wait until it has been heard."""
        self.process.send_signal(number)
        while b'"stopping"' not in (line := self.process.stderr.readline()):
            assert line, "the server ended without a word"

    def close_stdin(self) -> None:
        self.process.stdin.close()
        self.process.stdin = None

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Close stdin; the exit status, the rest of the answers, and the log."""
        out, err = self.process.communicate(timeout=SECONDS)
        assert b"Traceback" not in err
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


@contextlib.contextmanager
def process(*arguments: str, **more: Any) -> Iterator[Process]:
    one = Process(*arguments, **more)
    try:
        with ended(one.process):
            yield one
    finally:
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            with contextlib.suppress(BrokenPipeError, AttributeError):
                stream.close()


@contextlib.contextmanager
def waiting_for(upstream: Held) -> Iterator[Process]:
    with process("--server", upstream.url, INSTANTLY_API_KEY="key-of-the-test-0123") as one:
        yield one


# The end of stdin


@pytest.mark.parametrize("revision", ["2025", "2026"])
def test_twenty_piped_calls_give_twenty_answers(revision: str) -> None:
    calls = [call(number, "list_campaigns", limit=2) for number in range(1, 21)]
    frames = [INITIALIZE, INITIALIZED, *calls] if revision == "2025" else list(map(modern, calls))
    with process("--sandbox") as server:
        server.write(lines(*frames).rstrip(b"\n"))
        code, answers, _ = server.end()
    assert code == 0
    assert sorted(answer["id"] for answer in answers if answer["id"]) == list(range(1, 21))
    assert not any("error" in answer or answer["result"].get("isError") for answer in answers)


def test_a_slow_call_at_the_end_of_stdin_is_finished_and_answered() -> None:
    with held() as upstream, waiting_for(upstream) as server:
        server.send(INITIALIZE, INITIALIZED, call(1, "create_lead_list", name="A"))
        upstream.wait()
        server.close_stdin()
        assert server.read()["id"] == 0
        upstream.release.set()
        code, answers, _ = server.end()
    assert (code, [answer["id"] for answer in answers]) == (0, [1])
    assert upstream.answered == ["POST /api/v2/lead-lists"]


@pytest.mark.parametrize("end", ["stdin", "signal"])
def test_a_form_that_nobody_can_answer_any_more_ends_its_call(end: str) -> None:
    shows_forms = {**INITIALIZE, "params": {**INITIALIZE["params"], "capabilities": {"elicitation": {}}}}
    with process("--sandbox", "--grace", "0.05") as server:
        server.send(shows_forms, INITIALIZED, call(1, "verify_email", email="a@b.example"))
        assert server.read()["id"] == 0
        assert server.read()["method"] == "elicitation/create"
        if end == "signal":
            server.stop(signal.SIGTERM)
            said = server.read()["result"]["content"][0]["text"]
            assert "went away, before the user answered. Nothing was sent." in said
        code, _, log = server.end()
    assert code == (143 if end == "signal" else 0)
    assert '"outcome": "ok"' in log and '"write": "not sent"' in log


class Clock:
    """Stands still. It is read when a request comes, and when stdin has ended."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ended = anyio.Event()

    def __call__(self) -> float:
        if self.now:
            self.ended.set()
        return self.now


@contextlib.asynccontextmanager
async def connected(catalog: Catalog, upstream: Held, clock: Clock) -> AsyncIterator[tuple[int, int, Any]]:
    """The server on pipes in this process, after the handshake: where to write, where to read, and until it is done."""
    (stdin, write), (read, stdout) = os.pipe(), os.pipe()
    settings = Settings(base_url=upstream.url, api_key="key-of-the-test-0123")
    done = anyio.Event()

    async with InstantlyClient(settings) as client, anyio.create_task_group() as tasks:
        server = build_server(Invoker(select(catalog), client, settings))
        connection = Connection(server, stdin, stdout, read_only={"get_workspace"}, clock=clock)

        async def serve() -> None:
            await connection.serve()
            done.set()

        tasks.start_soon(serve)
        os.write(write, lines(INITIALIZE))
        assert b'"id":0' in await anyio.to_thread.run_sync(os.read, read, 100_000)
        os.write(write, lines(INITIALIZED))
        yield write, read, done
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    for descriptor in (stdin, read, stdout):
        os.close(descriptor)


@pytest.mark.anyio
async def test_a_write_that_its_client_gave_up_is_finished_in_silence_when_stdin_ends(
    catalog: Catalog, events: list[dict[str, Any]]
) -> None:
    clock = Clock()
    with anyio.fail_after(SECONDS), held() as upstream:
        async with connected(catalog, upstream, clock) as (write, _, done):
            os.write(write, lines(call(1, "create_lead_list", name="A")))
            await anyio.to_thread.run_sync(upstream.wait)
            clock.now += 2
            os.close(write)
            await clock.ended.wait()
            upstream.release.set()
            await done.wait()
    assert upstream.answered == ["POST /api/v2/lead-lists"]
    assert [(event["tool"], event["outcome"]) for event in events] == [("create_lead_list", "ok")]


@pytest.mark.anyio
async def test_a_read_that_its_client_gave_up_keeps_nobody_waiting(
    catalog: Catalog, events: list[dict[str, Any]]
) -> None:
    clock = Clock()
    with anyio.fail_after(SECONDS), held() as upstream:
        async with connected(catalog, upstream, clock) as (write, _, done):
            os.write(write, lines(call(1, "get_workspace")))
            await anyio.to_thread.run_sync(upstream.wait)
            clock.now += 2
            os.close(write)
            await done.wait()
    assert [(event["tool"], event["outcome"]) for event in events] == [("get_workspace", "cancelled")]


def test_a_host_that_stops_reading_ends_the_server_in_peace() -> None:
    with process("--sandbox") as server:
        server.open()
        server.process.stdout.close()
        assert server.process.wait(timeout=SECONDS) == 0
        assert b"Traceback" not in server.process.stderr.read()


def test_a_server_without_stdin_says_what_it_needs() -> None:
    with process("--sandbox", fork=False, preexec_fn=lambda: os.close(0)) as server:
        err = server.process.stderr.read().decode()
        assert server.process.wait(timeout=SECONDS) == 2
    assert err.count("\n") == 1 and "stdin and stdout" in err


def test_a_server_loads_nothing_that_only_http_or_jobs_need() -> None:
    code = (
        "import atexit, sys\n"
        "from mcp_instantly.cli import main\n"
        f"heavy = {NOT_FOR_STDIO}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['mcp-instantly', 'serve', '--sandbox', '--log-level', 'error']\n"
        "main()\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.stderr.strip().endswith("[]")


# The first words of a client


def test_a_handshake_right_behind_a_probe_works() -> None:
    with process("--sandbox") as server:
        server.send(DISCOVER, INITIALIZE, INITIALIZED, call(1, "get_workspace"))
        _, answers, _ = server.end()
    assert [answer["id"] for answer in answers] == ["probe", 0, 1]
    assert answers[0]["result"]["supportedVersions"] == ["2026-07-28"]
    assert answers[1]["result"]["protocolVersion"] == "2025-06-18"
    assert answers[2]["result"]["isError"] is False


def test_a_handshake_long_after_a_probe_works() -> None:
    with process("--sandbox") as server:
        server.send(DISCOVER)
        assert server.read()["result"]["supportedVersions"] == ["2026-07-28"]
        server.send(DISCOVER)
        assert server.read()["id"] == "probe"
        server.open()
        server.send(call(1, "get_workspace"))
        assert server.read()["result"]["isError"] is False


def test_a_probe_followed_by_a_call_stays_with_the_new_revision() -> None:
    with process("--sandbox") as server:
        server.send(DISCOVER)
        server.read()
        server.send(modern(call(1, "get_workspace")))
        assert server.read()["result"]["isError"] is False
        server.send(INITIALIZE)
        assert server.read()["error"]["code"] == -32022


@pytest.mark.anyio
async def test_the_sdk_connects_where_it_is_told_the_revision() -> None:
    """The modes in which it finds out are those of test_transports."""
    with open(os.devnull, "w") as errlog, anyio.fail_after(60):
        async with Client(stdio_client(command("serve", "--sandbox"), errlog=errlog), mode="2026-07-28") as client:
            assert client.protocol_version == "2026-07-28"
            found = await client.call_tool("get_workspace", {})
    assert not found.is_error


def test_a_client_that_took_a_new_server_for_the_old_one_is_told_to_connect_again() -> None:
    with process("--sandbox") as server:
        for frame in (call(1, "list_campaigns"), request("two", "tools/list"), {**call(3, "x"), "params": None}):
            server.send(frame)
            told = server.read()
            assert told["id"] == frame["id"]
            assert "this connection has not begun with initialize" in told["error"]["message"]
        server.open()
        server.send(call(4, "list_campaigns"))
        assert "error" not in server.read()
        _, _, log = server.end()
    assert log.count('"not_initialized"') == 3 and log.count('"tool_call"') == 1


# Lines of all kinds

PING = b'"jsonrpc":"2.0","method":"ping"'
ODD: list[tuple[bytes, Any]] = [
    (b'{"jsonrpc":"2.0","id":007,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":"\\q","method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":"\\u12","method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":"a\tb","method":"ping"}', "a\tb"),
    (b'{"jsonrpc":"2.0","id":"a\x00b","method":"ping"}', "a\x00b"),
    (b'{"jsonrpc":"2.0","id":"\\u0000","method":"ping"}', "\x00"),
    (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', "\ud800"),
    (b'{"jsonrpc":"2.0","id":"\\udc00\\ud800","method":"ping"}', "\udc00\ud800"),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":1e2,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":{"id":3},"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":-5,"method":"ping"}', -5),
    (b'{"jsonrpc":"2.0","id":"","method":"ping"}', ""),
    (b'{"jsonrpc":"2.0","id":"7","method":"ping"}', "7"),
    (b'{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"ping"}', 123456789012345678901234567890),
    (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}', None),
    (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"x":' + b"9" * 5000 + b"}}", 5),
    (b'{"jsonrpc":"1.0","id":5,"method":"ping"}', 5),
    (b'{"id":5,"method":"ping"}', 5),
    (b'{"jsonrpc":"2.0","id":5}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":7}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[1]}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":"x"}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"\\ud83d"}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"no/such\\u0000method"}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"\\ud83d","arguments":{}}}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_lead","arguments":{"\\ud83d":1}}}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_lead","arguments":[]}}', 5),
    (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_lead"', 5),
    (b'{"method":"tools/call","params":{"name":"get_lead","arguments":{"id":"\\q"}},"jsonrpc":"2.0","id":5}', 5),
    (b'{"method":"tools/call","params":{"arguments":{"id":"u","a":\\q}},"jsonrpc":"2.0","id":"five"}', "five"),
    (b'{"method":"tools/call","params":{"arguments":{"id":"u"},"jsonrpc":"2.0"', None),
    (b'{"method":"tools/call","params":{"x":],"id":"u"},"id":5}', None),
    (b'{"method":"id","params":{"id":\\q},"id":5}', 5),
    (b'{"params":{"a":"\\"id\\":3,"},"x":\\q,"id":5}', 5),
    (b'{"x":\\q,"id":5', None),
    (b'{"x":\\q,"id":"cut', None),
    (b'{"id":5,"id":6,"x":\\q}', 6),
    (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"x":"\xff\xfe"}}', 5),
    (b'{"jsonrpc":"2.0","method":"ping","params":{"x":"\xed\xa0\xbd"},"id":5}', 5),
    (b"\xff\xfe{\x00", None),
    (b"[]", None),
    (b'[{"jsonrpc":"2.0","id":5,"method":"ping"}]', None),
    (b"null", None),
    (b"5", None),
    (b'"text"', None),
    (b"{}", None),
    (b"nonsense", None),
    (b"{" * 2000, None),
    (b"[" * 100_000, None),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, None),
    (b'{"jsonrpc":"2.0","method":"ping","params":{"x":' + b"[" * 5000 + b"]" * 5000 + b'},"id":5}', 5),
    (b'{"jsonrpc":"2.0","method":"ping","params":{"x":' + b"[" * 300 + b"]" * 300 + b'},"id":5}', 5),
    (b'{"jsonrpc":"2.0","id":5,"result":7}', None),
    (b"Content-Length: 40", None),
    (b"\x00\x01\x02", None),
]


def test_after_any_line_the_server_answers_on_and_under_the_right_id() -> None:
    with process("--sandbox") as server:
        server.open()
        for number, (line, identity) in enumerate(ODD):
            server.write(line + b"\n")
            answer = server.read()
            assert answer["id"] == identity and type(answer["id"]) is type(identity), line[:120]
            server.send(request(f"after {number}", "ping"))
            assert server.read() == {"jsonrpc": "2.0", "id": f"after {number}", "result": {}}, line[:120]
        code, rest, _ = server.end()
    assert (code, rest) == (0, [])


SILENT = [
    b"",
    b"\r",
    b"   \t",
    b'{"jsonrpc":"2.0","id":99,"result":{}}',
    b'{"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"x"}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    b'{"jsonrpc":"2.0","method":"notifications/none"}',
]


def test_what_needs_no_answer_gets_none_and_harms_nothing() -> None:
    with process("--sandbox") as server:
        server.open()
        for line in SILENT:
            server.write(line + b"\n")
        server.write(b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}\r\n')
        assert server.read()["id"] == 1
        code, rest, _ = server.end()
    assert (code, rest) == (0, [])


@pytest.mark.parametrize("revision", ["2025", "2026"])
def test_half_a_character_is_told_under_the_right_id_wherever_the_id_stands(revision: str) -> None:
    lead = "01991f00-0001-7000-8000-000000000001"
    frame = call(5, "update_lead", id=lead, first_name="Ann \ud83d")
    frame = frame if revision == "2025" else modern(frame)
    last = {name: frame[name] for name in ("method", "params", "jsonrpc", "id")}
    with process("--sandbox") as server:
        if revision == "2025":
            server.open()
        server.send(last)
        answer = server.read()
        server.end()
    assert answer["id"] == 5
    assert answer["result"]["isError"] is True
    text = answer["result"]["content"][0]["text"]
    assert "Nothing was sent" in text and "first_name" in text and "surrogate" in text


def test_a_message_that_is_too_long_is_answered_and_not_kept() -> None:
    filler = b"x" * (1024 * 1024)
    with process("--sandbox") as server:
        server.open()
        server.write(b'{"method":"ping","params":{"id":"u","x":"')
        for _ in range(LINE_LIMIT_BYTES // len(filler) + 1):
            server.write(filler)
        server.write(b'"},"jsonrpc":"2.0","id":5}\n')
        answer = server.read()
        server.send(request(6, "ping"))
        assert server.read()["id"] == 6
    assert answer["id"] == 5
    assert "longer than 33,554,432 bytes" in answer["error"]["message"]


def test_lines_are_put_together_from_chunks_and_bounded() -> None:
    lines, short = Lines(limit=50), Lines(limit=6)
    assert [lines.add(chunk) for chunk in (b"a", b"b\nc", b"\n\n")] == [[], [b"ab"], [b"c", b""]]
    (long,) = [line for chunk in (b"x" * 7, b'"id":1', b"yy\nlast") for line in short.add(chunk)]
    assert isinstance(long, Unreadable)
    assert short.end() == [b"last"]
    edges = Lines(limit=EDGE_BYTES)
    parts = [b'{"id":"first",', *[b"z" * EDGE_BYTES] * 5, b"\n"]
    (long,) = [line for part in parts for line in edges.add(part)]
    assert isinstance(long, Unreadable) and long.id == "first"


def test_what_follows_a_message_that_is_parsed_apart_is_read_behind_it() -> None:
    with process("--sandbox") as server:
        server.open()
        first = call(1, "get_lead", id="x" * 2 * PARSED_AT_ONCE_BYTES)
        server.write(lines(first, request(2, "ping"), first | {"id": 3}, request(4, "ping")))
        answers = {server.read()["id"] for _ in range(4)}
        server.send(request(5, "ping"))
        assert answers == {1, 2, 3, 4} and server.read()["id"] == 5


@pytest.mark.anyio
async def test_a_file_is_read_to_its_end_where_the_loop_would_watch_it_and_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "frames.jsonl"
    file.write_bytes(lines(modern(call(1, "list_campaigns"))))
    # As the kqueue of macOS does.
    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", lambda *_: None)
    send, receive = anyio.create_memory_object_stream[Any](10)
    with send, receive, file.open("rb") as frames, anyio.fail_after(10):
        reader = Reader(frames.fileno(), send.send_nowait)
        reader.start()
        assert len(await receive.receive()) == 1
        reader.taken()
        assert await receive.receive() is End.INPUT


def test_a_file_on_stdin_is_read_like_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "frames.jsonl"
    file.write_bytes(lines(*map(modern, [call(number, "list_campaigns", limit=1) for number in range(5)])))
    with file.open("rb") as frames:
        started = start("serve", "--sandbox", environment=clean_environment(), stdin=frames, stdout=subprocess.PIPE)
    with started, ended(started):
        out, _ = started.communicate(timeout=SECONDS)
    assert started.returncode == 0
    assert sorted(json.loads(line)["id"] for line in out.splitlines()) == list(range(5))


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("revision", ["2025", "2026"])
def test_a_signal_lets_calls_under_way_end_and_takes_no_more(revision: str, number: signal.Signals) -> None:
    wrap = modern if revision == "2026" else dict
    with held() as upstream, waiting_for(upstream) as server:
        if revision == "2025":
            server.open()
        server.send(wrap(call(1, "create_lead_list", name="A")))
        upstream.wait()
        server.stop(number)
        server.send(wrap(call(2, "create_lead_list", name="B")))
        refused = server.read()
        upstream.release.set()
        answer = server.read()
        code, rest, log = server.end()
    assert (refused["id"], answer["id"], rest) == (2, 1, [])
    assert "nothing was sent" in refused["error"]["message"]
    assert answer["result"]["isError"] is False
    assert upstream.answered == ["POST /api/v2/lead-lists"]
    assert code == 128 + number
    assert '"outcome": "ok"' in log


@pytest.mark.parametrize("second", ["grace", "signal"])
def test_a_call_that_is_cut_off_is_told_that_it_may_have_been_carried_out(second: str) -> None:
    grace = "0.05" if second == "grace" else "60"
    with (
        held() as upstream,
        process("--server", upstream.url, "--grace", grace, INSTANTLY_API_KEY="key-of-the-test-0123") as server,
    ):
        server.open()
        server.send(call(1, "create_lead_list", name="A"))
        upstream.wait()
        server.stop(signal.SIGTERM)
        if second == "signal":
            server.send(request(2, "ping"))
            assert server.read()["id"] == 2
            server.process.send_signal(signal.SIGTERM)
        answer = server.read()
        assert server.process.wait(timeout=SECONDS) == 143
        log = server.process.stderr.read().decode()
    assert answer["id"] == 1
    assert "may have been carried out" in answer["error"]["message"]
    assert '"outcome": "cancelled"' in log and "Traceback" not in log


def test_a_signal_that_the_process_was_told_to_ignore_stays_ignored() -> None:
    with process("--sandbox", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as server:
        server.open()
        server.process.send_signal(signal.SIGHUP)
        server.send(request(1, "ping"))
        assert server.read() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert server.end()[0] == 0


# A host that reads little


def test_a_host_that_never_reads_stderr_gets_all_its_answers(tmp_path: Path) -> None:
    with process("--sandbox", "--log-file", str(tmp_path / "log")) as server:
        server.open()
        for number in range(1000):
            server.send(call(number, "get_lead", id="x" * 100))
            assert server.read()["id"] == number
        server.close_stdin()
        assert server.process.wait(timeout=SECONDS) == 0
    assert len((tmp_path / "log").read_text().splitlines()) == 1000


def test_a_host_that_does_not_read_answers_cannot_keep_the_server() -> None:
    with process("--sandbox", "--grace", "0.05") as server:
        server.open()
        server.send(*[request(number, "tools/list") for number in range(20)])
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=SECONDS) == 143


@pytest.mark.anyio
async def test_an_answer_that_nobody_waits_for_any_more_is_written_before_the_next() -> None:
    reading, writing = os.pipe()
    writer = Writer(writing, lambda: None)
    writer.start()
    long, short = b"x" * 300_000 + b"\n", b"y\n"
    with anyio.move_on_after(0):
        await writer.write(long)
    written = b""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.write, short)
        with anyio.fail_after(SECONDS):
            while len(written) < len(long + short):
                await anyio.wait_readable(reading)
                written += os.read(reading, 65_536)
    assert written == long + short
    os.close(reading)
    os.close(writing)
