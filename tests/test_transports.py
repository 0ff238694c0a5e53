"""Real transports: a subprocess over stdio, and a port over HTTP, each with the newest revision and a 2025 one."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

from mcp_instantly.tools.catalog import Catalog

from .conftest import answer_of, clean_environment, command, over_stdio, served
from .processes import run, start

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
LEAD = "01991f00-0001-7000-8000-000000000001"


async def use(client: Client, catalog: Catalog) -> None:
    """What any client does: list, call, call wrongly, call what does not exist."""
    listed = {tool.name for tool in (await client.list_tools()).tools}
    assert listed == {*catalog.preset("default"), "preview_call"}
    found = await client.call_tool("get_lead", {"id": LEAD})
    assert answer_of(found)["email"] == "maya.lindqvist@fjordpay.example"
    wrong = await client.call_tool("get_lead", {"id": 5})
    assert wrong.is_error
    assert 'id: expected an id (UUID), got "5"' in wrong.content[0].text
    with pytest.raises(MCPError):
        await client.call_tool("no_such_tool", {})


@MODES
async def test_a_client_uses_the_server_over_stdio(catalog: Catalog, tmp_path: Path, mode: str, revision: str) -> None:
    log = tmp_path / "stderr"
    start_it = stdio_client if mode == "auto" else over_stdio
    with log.open("w") as errlog, anyio.fail_after(60):
        async with Client(start_it(command("serve", "--sandbox"), errlog=errlog), mode=mode) as client:
            assert client.protocol_version == revision
            assert "sandbox" in client.instructions
            await use(client, catalog)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["tool"] for event in events if event["event"] == "tool_call"] == [
        "get_lead",
        "get_lead",
        "no_such_tool",
    ]


@pytest.mark.parametrize(
    ("flags", "environment"), [((), {}), (("--structured",), {}), ((), {"INSTANTLY_STRUCTURED": "1"})]
)
def test_results_are_given_as_structure_too_only_where_that_is_asked_for(
    flags: tuple[str, ...], environment: dict[str, str]
) -> None:
    pipe = Pipe("--sandbox", *flags, **environment)
    result = pipe.frames[1]["result"]
    text = json.loads(result["content"][0]["text"])
    assert result.get("structuredContent") == ({**text, "_outcome": "done"} if flags or environment else None)
    pipe.end()


@MODES
async def test_a_client_uses_the_server_over_http(catalog: Catalog, mode: str, revision: str) -> None:
    with served("serve", "--sandbox", "--transport", "http") as (process, url), anyio.fail_after(60):
        assert url.endswith("/mcp")
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == revision
            await use(client, catalog)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert out == ""
    assert all(json.loads(line) for line in err.splitlines())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
async def test_a_page_of_another_origin_is_turned_away(host: str) -> None:
    with served("serve", "--sandbox", "--transport", "http", "--host", host) as (_, url):
        async with httpx.AsyncClient(trust_env=False) as http:
            call = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            response = await http.post(url, json=call, headers={**accept, "Origin": "https://evil.example"})
            assert response.status_code == 403
            response = await http.post(url, json=call, headers={**accept, "Host": "evil.example"})
            assert response.status_code == 421


def handshake() -> str:
    frames = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "raw", "version": "0"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "verify_email", "arguments": {"email": "a@b.example"}},
        },
    ]
    return "".join(json.dumps(frame) + "\n" for frame in frames)


class Pipe:
    """The server as a host starts it: frames on stdin, frames on stdout, logs on stderr."""

    def __init__(self, *arguments: str, **environment: str):
        self.process = start(
            "serve",
            *arguments,
            environment=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.process.stdin.write(handshake())
        self.process.stdin.flush()
        self.frames = [self.frame(), self.frame()]

    def frame(self) -> dict[str, Any]:
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def test_only_protocol_frames_reach_stdout_and_the_log_holds_no_key() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        key = "a-very-secret-key-0123456789"
        server = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        pipe = Pipe("--log-level", "debug", "--log-arguments", INSTANTLY_API_KEY=key, INSTANTLY_BASE_URL=server)
        code, out, err = pipe.end()
    assert code == 0
    assert out == ""
    assert [frame["id"] for frame in pipe.frames] == [1, 2]
    assert pipe.frames[1]["result"]["isError"] is True
    assert "could not be reached" in pipe.frames[1]["result"]["content"][0]["text"]
    assert key not in err + json.dumps(pipe.frames)
    assert "Unreachable" in err


@pytest.mark.parametrize(
    "value", ['"\\ud800"', "9" * 5000, "{", "[" * 1000 + "]" * 1000], ids=["half", "big", "cut", "deep"]
)
def test_a_message_that_cannot_be_read_is_answered_and_logged(value: str) -> None:
    pipe = Pipe("--sandbox")
    call = (
        '{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "get_lead", "arguments": {"id": %s}}}'
    )
    pipe.process.stdin.write(call % value + "\n")
    pipe.process.stdin.flush()
    answer = pipe.frame()
    assert answer["id"] == 7
    assert "error" in answer or answer["result"]["isError"]
    code, _, err = pipe.end()
    assert code == 0
    assert len([line for line in err.splitlines() if json.loads(line)]) == 2


MEANT = ['{"limit": 1}', json.dumps('{"limit": 1}'), "", "null", []]
"""Arguments that are no object and leave no doubt: JSON text, once and twice, and what stands for none."""

MEANT_NOT = ["limit 1", "[1]", [1], 5, "[" * 100_000]


def call_with(arguments: Any, identity: int) -> dict[str, Any]:
    params = {"name": "list_campaigns", "arguments": arguments}
    return {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": params}


def check_meant(answer: dict[str, Any], arguments: Any) -> None:
    items = json.loads(answer["result"]["content"][0]["text"])["items"]
    assert (len(items) == 1) == ("limit" in str(arguments)), items


def check_not_meant(answer: dict[str, Any], kind: str) -> None:
    said = answer["error"]["message"]
    assert said.startswith("Nothing was sent: the arguments of a call are one JSON object") and kind in said, said


def test_arguments_that_came_as_text_are_unpacked_or_refused_in_a_sentence_over_stdio() -> None:
    pipe = Pipe("--sandbox")
    for number, arguments in enumerate([*MEANT, *MEANT_NOT], 10):
        pipe.process.stdin.write(json.dumps(call_with(arguments, number)) + "\n")
        pipe.process.stdin.flush()
        answer = pipe.frame()
        assert answer["id"] == number
        if arguments in MEANT:
            check_meant(answer, arguments)
        else:
            check_not_meant(answer, "a text" if isinstance(arguments, str) else "a")
    _, _, err = pipe.end()
    events = [json.loads(line) for line in err.splitlines()]
    assert [e["tool"] for e in events if e["event"] == "tool_call"] == [
        "verify_email",
        *["list_campaigns"] * len(MEANT),
    ]
    refused = [event for event in events if event["event"] == "arguments_unreadable"]
    assert [event["tool"] for event in refused] == ["list_campaigns"] * len(MEANT_NOT)


async def test_arguments_that_came_as_text_are_unpacked_or_refused_in_a_sentence_over_http() -> None:
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    with served("serve", "--sandbox", "--transport", "http") as (_, url):
        async with httpx.AsyncClient(timeout=30) as http:
            for arguments in (MEANT[0], MEANT_NOT[0], MEANT_NOT[2]):
                text = (await http.post(url, json=call_with(arguments, 2), headers=accept)).text
                answer = json.loads(text.partition("data: ")[2] or text)
                if arguments in MEANT:
                    check_meant(answer, arguments)
                else:
                    check_not_meant(answer, "a")


def test_a_closed_stdin_ends_the_server_in_peace() -> None:
    pipe = Pipe("--sandbox")
    pipe.process.stdin.close()
    code, out, err = pipe.process.wait(timeout=20), pipe.process.stdout.read(), pipe.process.stderr.read()
    pipe.process.stdout.close()
    pipe.process.stderr.close()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_without_a_traceback(number: signal.Signals) -> None:
    pipe = Pipe("--sandbox")
    pipe.process.send_signal(number)
    code = pipe.process.wait(timeout=20)
    err = pipe.process.stderr.read()
    for stream in (pipe.process.stdin, pipe.process.stdout, pipe.process.stderr):
        stream.close()
    assert code == 128 + number
    assert "Traceback" not in err


def test_a_client_that_goes_away_leaves_no_traceback() -> None:
    pipe = Pipe("--sandbox")
    pipe.process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        pipe.process.stdin.write('{"jsonrpc": "2.0", "id": 3, "method": "ping"}\n' * 3)
        pipe.process.stdin.close()
    pipe.process.wait(timeout=20)
    err = pipe.process.stderr.read()
    pipe.process.stderr.close()
    assert "Traceback" not in err


async def test_the_sandbox_serves_any_client_on_a_port() -> None:
    with served("sandbox", "--frozen") as (process, url):
        async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer sandbox"}) as http:
            workspace = (await http.get(f"{url}/workspaces/current")).json()
            page = await http.get(f"{url.removesuffix('/api/v2')}/")
        assert workspace["name"] == "Brightpath"
        assert "Brightpath" in page.text
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 130


def test_a_kept_sandbox_comes_back_after_an_end_of_either_kind(tmp_path: Path) -> None:
    arguments = ("sandbox", "--scenario", "fresh", "--state", str(tmp_path / "state.db"))
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sandbox"}) as http:
        for number, end in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)):
            with served(*arguments) as (process, url):
                tags = http.get(f"{url}/custom-tags").json()["items"]
                assert sorted(tag["label"] for tag in tags) == [f"Tag {n}" for n in range(number)]
                assert http.post(f"{url}/custom-tags", json={"label": f"Tag {number}"}).status_code == 200
                process.send_signal(end)
                process.communicate(timeout=20)
            # After an orderly end everything is in one file.
            assert (tmp_path / "state.db-wal").exists() == (end == signal.SIGKILL)


def test_on_a_port_the_budgets_of_the_api_hold_unless_the_clock_stands_still() -> None:
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sandbox"}) as http:
        for more, last in (((), 429), (("--frozen",), 200), (("--no-budgets",), 200)):
            with served("sandbox", *more) as (_, url):
                codes = [http.get(f"{url}/emails").status_code for _ in range(21)]
            assert codes == [200] * 20 + [last]


def test_the_sandbox_refuses_to_listen_beyond_this_machine() -> None:
    done = run("sandbox", "--host", "0.0.0.0", environment=clean_environment())
    assert done.returncode == 2
    assert "loopback" in done.stderr
