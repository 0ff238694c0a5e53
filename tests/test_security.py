"""What somebody may try, through arguments, messages and headers: a sentence or an error, and nothing leaves."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.discovery import Discovery
from mcp_instantly.errors import ConfigError
from mcp_instantly.invocation import Invoker
from mcp_instantly.log import configure_logging
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings, resolve_server
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.transports.access import make_access

from .conftest import Connect, clean_environment, everything, no_sleep, served
from .frames import call, modern
from .held import SECONDS
from .processes import run
from .test_stdio import INITIALIZE, INITIALIZED
from .test_web import ACCEPT, HTTP, headers_of

KEY = "key/of+the-test=0123456789"
LEAD = "01991f00-0001-7000-8000-000000000001"


def text_of(result: Any) -> str:
    return result.content[0].text


# Arguments that want to be more than a value


PATHS = [
    *(
        "../workspaces/current",
        "..\\workspaces",
        "%2e%2e%2fworkspaces",
        "%252e%252e%252f",
        "..;/x",
        "x/../y",
        "//x.example/",
    ),
    *(
        "\uff0e\uff0e\uff0fworkspaces",
        "\u2024\u2024/x",
        "..\u2215x",
        "..%c0%af",
        "x?a=b",
        "x#y",
        "x\r\nHost: evil",
        "x\x00y",
    ),
    *("http://evil.example/", "@evil.example", "x\u2028y", "x\u202ey", "\ud800", "x y"),
]


@pytest.mark.anyio
@pytest.mark.parametrize("value", PATHS, ids=ascii)
async def test_a_value_stays_one_part_of_the_path_and_brings_no_header(
    connect: Connect, world: World, value: str
) -> None:
    async with connect() as client:
        for tool, name in {"get_account": "email", "mark_thread_as_read": "thread_id", "get_lead": "id"}.items():
            with contextlib.suppress(UnicodeEncodeError):
                # Half a character does not even get through the SDK's client.
                assert text_of(await client.call_tool(tool, {name: value}))
    allowed = ("/api/v2/accounts/", "/api/v2/emails/threads/")
    for request in world.requests:
        assert request["path"].startswith(allowed), request
        inner = request["path"].removeprefix(allowed[0]).removeprefix(allowed[1]).removesuffix("/mark-as-read")
        assert "/" not in inner and "\\" not in inner and inner not in ("", ".", "..")
        assert request["query"] == [] and inner.isascii() and inner.isprintable()


@pytest.mark.anyio
async def test_a_value_brings_no_header_on_the_wire(catalog: Catalog) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"items": []})

    own = Settings(base_url="https://api.example/", api_key=KEY, workspace="w", agent_check=False)
    tools = ["list_leads", "get_background_job", "list_accounts"]
    async with InstantlyClient(own, transport=httpx.MockTransport(answer), sleep=no_sleep) as http:
        invoker = Invoker(select(catalog, tools=tools), http, own)
        evil = "a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1"
        await invoker.invoke("get_background_job", {"id": evil})
        await invoker.invoke("list_accounts", {"search": evil})
        await invoker.invoke("list_leads", {"search": evil})
    assert len(sent) == 3
    for request in sent:
        assert {*request.headers} <= {
            *("host", "authorization", "user-agent", "accept", "accept-encoding", "x-as-workspace"),
            *("content-type", "content-length"),
        }
        assert request.url.host == "api.example"
        assert b"\r" not in request.url.raw_path and b"\n" not in request.url.raw_path


# Where the key may go


@pytest.mark.parametrize(
    "name",
    [
        *(
            "https://user:pw@api.instantly.ai/",
            "https://key@evil.example/",
            "http://192.168.0.1/",
            "http://10.1.2.3:80/",
        ),
        *("http://169.254.169.254/latest/", "http://[fd00::1]/", "http://0.0.0.0/", "http://[::ffff:10.0.0.1]/"),
        *(
            "http://2130706434/",
            "http://0x7f.1.evil.example/",
            "//evil.example/",
            "javascript:alert(1)",
            "file:///etc/x",
        ),
        *("https://api.instantly.ai\\@evil.example/", "https://api.instantly.ai%2f@evil.example/", "https://a\x00b/"),
    ],
    ids=ascii,
)
def test_a_server_with_credentials_or_on_the_network_without_tls_ends_the_start(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_server(name)
    assert ":pw@" not in str(caught.value)


# The key where it does not belong


@contextlib.asynccontextmanager
async def guarded(world: World, catalog: Catalog, kind: type[Invoker] = Invoker) -> AsyncIterator[Client]:
    """A server whose key is long enough to be known when it is seen."""
    world.keys.add(KEY)
    own = Settings(base_url="http://sandbox.localhost/", api_key=KEY, sandbox=True, agent_check=False)
    transport = httpx.ASGITransport(create_app(world))
    async with (
        InstantlyClient(own, transport=transport, sleep=no_sleep) as http,
        Client(build_server(kind(everything(), http, own))) as client,
    ):
        yield client


KEYS = [KEY, KEY.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D"), f"Bearer {KEY}", f"my key: {KEY}."]

PASTED: list[tuple[str, dict[str, Any]]] = [
    ("get_lead", {"id": "KEY"}),
    ("get_account", {"email": "KEY"}),
    ("get_workspace", {"api_key": "KEY"}),
    ("get_workspace", {"KEY": 1}),
    ("create_lead", {"email": "ann@prospect.example", "custom_variables": {"note": "KEY"}}),
    ("list_leads", {"search": "KEY"}),
    ("count_leads", {"search": "KEY"}),
    ("reply_to_email", {"reply_to_uuid": LEAD, "eaccount": "a@b.example", "subject": "x", "body": {"text": "KEY"}}),
]


def pasted(value: Any, key: str) -> Any:
    return json.loads(json.dumps(value).replace("KEY", key))


@pytest.mark.anyio
@pytest.mark.parametrize("key", KEYS, ids=["as it is", "encoded", "bearer", "in a sentence"])
@pytest.mark.parametrize(("tool", "arguments"), PASTED, ids=[f"{tool} {[*given]}" for tool, given in PASTED])
async def test_the_key_in_an_argument_is_recognised_told_and_sent_nowhere(
    world: World, catalog: Catalog, tool: str, arguments: dict[str, Any], key: str
) -> None:
    async with guarded(world, catalog) as client:
        result = await client.call_tool(tool, pasted(arguments, key))
    assert result.is_error
    assert "hold the API key of this server" in text_of(result) and "Nothing was sent" in text_of(result)
    assert KEY not in text_of(result) and world.requests == []


@pytest.mark.anyio
async def test_the_key_is_recognised_behind_a_tool_that_runs_others(world: World, catalog: Catalog) -> None:
    async with guarded(world, catalog, Discovery) as client:
        for tool, arguments in (("run_read_tool", {"name": "get_lead", "arguments": {"id": KEY}}),):
            result = await client.call_tool(tool, arguments)
            assert result.is_error and "API key" in text_of(result) and KEY not in text_of(result)
    assert world.requests == []


@pytest.mark.anyio
async def test_the_key_as_the_name_of_a_tool_is_not_repeated(
    world: World, catalog: Catalog, capsys: pytest.CaptureFixture[str], restored_logging: None
) -> None:
    configure_logging(secrets=(KEY,))
    async with guarded(world, catalog) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(KEY, {})
    assert KEY not in str(caught.value) and KEY not in capsys.readouterr().err


def test_the_key_in_the_path_or_a_header_of_a_message_is_not_repeated() -> None:
    with (
        served(*HTTP, "--server", "http://127.0.0.1:9/", INSTANTLY_API_KEY=KEY, NO_PROXY="*") as (process, url),
        httpx.Client(trust_env=False, timeout=SECONDS) as http,
    ):
        frame = modern(call(1, "get_workspace"))
        answers = [
            http.post(f"{url}/{KEY}", json=frame, headers=ACCEPT),
            http.get(f"{url.removesuffix('/mcp')}/{KEY}?key={KEY}"),
            http.post(url, json=frame, headers=headers_of(frame) | {"Mcp-Name": KEY}),
            http.post(url, json=frame, headers=headers_of(frame) | {"Mcp-Method": KEY}),
            http.post(url, json=frame, headers=ACCEPT | {"MCP-Protocol-Version": KEY}),
            http.post(url, json=frame, headers=ACCEPT | {"Origin": f"https://{KEY}"}),
            http.post(url, json=frame, headers=ACCEPT | {"Host": "evil.example"}),
        ]
        process.terminate()
        _, err = process.communicate(timeout=SECONDS)
    assert [answer.status_code for answer in answers[:2]] == [404, 404]
    assert all(400 <= answer.status_code < 500 for answer in answers)
    # What a client sent in a header of the protocol may come back to it; never into the log.
    assert KEY not in "".join(answer.text for answer in (*answers[:2], *answers[5:]))
    assert KEY not in err and "Traceback" not in err


# Messages that are JSON, and more


DEEP = '{"a":' * 3_000 + "1" + "}" * 3_000
MESSAGES = {
    "1e999": '{"id":"' + LEAD + '","personalization":1e999}',
    "nested": '{"id":' + DEEP + "}",
    "twice": '{"id":"' + LEAD + '","id":"../x"}',
    "nul": '{"id":"\\u0000"}',
    "number": '{"id":' + "9" * 4_000 + "}",
    "not a number": '{"id":NaN}',
}


def exchange(frames: list[bytes]) -> list[dict[str, Any]]:
    """The answers of a server on stdio to its end."""
    lines = b"".join(frame + b"\n" for frame in (json.dumps(INITIALIZE).encode(), json.dumps(INITIALIZED).encode()))
    done = run(
        "serve", "--sandbox", environment=clean_environment(), stdin=lines + b"\n".join(frames) + b"\n", text=False
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()][1:]


def test_odd_json_on_stdio_is_answered_with_a_sentence_each_and_sent_nowhere() -> None:
    frames = [
        f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"delete_lead","arguments":{body}}}}}'.encode()
        for number, body in enumerate(MESSAGES.values(), 1)
    ]
    answers = {answer["id"]: answer for answer in exchange(frames)}
    assert set(answers) == set(range(1, len(MESSAGES) + 1))
    for name, answer in zip(MESSAGES, (answers[number] for number in sorted(answers)), strict=True):
        said = answer["error"]["message"] if "error" in answer else answer["result"]["content"][0]["text"]
        refused = "error" in answer or answer["result"]["isError"]
        assert refused and "The MCP server failed" not in said, (name, said[:300])


@pytest.mark.parametrize("body", [*(name for name in MESSAGES), "utf-8", "raw nul"])
def test_odd_json_over_http_is_answered_with_a_sentence(sandbox_over_http: tuple[httpx.Client, str], body: str) -> None:
    http, url = sandbox_over_http
    given = {"utf-8": b'{"id":"\xff\xfe"}', "raw nul": b'{"id":"a\x00b"}'}
    raw = given.get(body) or MESSAGES[body].encode()
    frame = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_lead","arguments":' + raw + b"}}"
    response = http.post(url, content=frame, headers={**ACCEPT, "Content-Type": "application/json"})
    assert response.status_code in (200, 400)
    text = response.text
    assert '"isError":true' in text or '"error":' in text, text[:300]
    assert "Traceback" not in text and "The MCP server failed" not in text


@pytest.fixture(scope="module")
def sandbox_over_http() -> Iterator[tuple[httpx.Client, str]]:
    with served(*HTTP, "--sandbox") as (_, url), httpx.Client(trust_env=False, timeout=SECONDS) as http:
        yield http, url


# The log


@pytest.mark.anyio
async def test_no_name_of_a_tool_or_argument_forges_a_line_of_the_log(
    connect: Connect, capsys: pytest.CaptureFixture[str], restored_logging: None, settings: Settings
) -> None:
    configure_logging()
    forged = 'x\n{"event": "tool_call", "outcome": "ok", "forged": true}\r\n\x1b[2J\x1b]0;x\x07'
    async with connect() as client:
        with pytest.raises(MCPError):
            await client.call_tool(forged, {})
        await client.call_tool("get_lead", {forged: forged, "id": forged})
    err = capsys.readouterr().err
    events = [json.loads(line) for line in err.splitlines()]
    assert len(events) == 2 and not any("forged" in event for event in events)
    assert "\x1b" not in err and "\x07" not in err


# The tokens


def test_the_check_of_a_token_takes_as_long_whatever_it_has_in_common_with_one() -> None:
    """All are compared by their digests, so that no part of a token can be found out by its time."""
    token = "0123456789abcdef" * 8
    access = make_access("0.0.0.0", "0.0.0.0", tokens={f"n{number}": f"{number:04}{token}" for number in range(50)})
    headers = {"first": f"Bearer 0000{token}", "last": f"Bearer 0049{token}", "near": f"Bearer 0000{token[:-1]}x"}
    headers["far"] = "Bearer " + "z" * len(f"0000{token}")
    taken: dict[str, list[int]] = {name: [] for name in headers}
    for _ in range(300):
        for name, header in headers.items():
            began = time.perf_counter_ns()
            access.caller(header)
            taken[name].append(time.perf_counter_ns() - began)
    quick = {name: statistics.quantiles(times, n=4)[0] for name, times in taken.items()}
    assert max(quick.values()) < 1.5 * min(quick.values()), quick
