"""The HTTP service: what it tells of itself, what a request leaves out, and how much it does at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from mcp_instantly.settings import SANDBOX_KEY

from .conftest import answer_of, clean_environment, served
from .frames import call, request
from .held import SECONDS, held
from .many import HTTP, TOKEN, connected
from .processes import run

pytestmark = pytest.mark.anyio

ACCEPT = {"Accept": "application/json, text/event-stream"}
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
KEY = "key-of-the-test-0123"


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        yield client


def beside(url: str, path: str) -> str:
    return url.removesuffix("/mcp") + path


def answer_in(response: httpx.Response) -> Any:
    """What a model reads of a call that worked, out of a response that is JSON or an event."""
    text = response.text
    frame = json.loads(text.split("data: ", 1)[1] if text.startswith("event:") else text)
    assert not frame["result"]["isError"], frame
    return json.loads(frame["result"]["content"][0]["text"])


def figures(text: str) -> dict[str, float]:
    """The figures of a page for Prometheus, by name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def failed(*arguments: str, **environment: str) -> str:
    done = run(*arguments, environment=clean_environment(**environment))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


# Health


def test_a_server_says_that_it_is_alive_and_ready_to_whoever_has_no_token(http: httpx.Client) -> None:
    with served(*HTTP, "--sandbox", INSTANTLY_AUTH_TOKENS=f"alice={TOKEN}") as (_, url):
        for path, said in (("/healthz", "alive"), ("/readyz", "ready")):
            response = http.get(beside(url, path))
            assert (response.status_code, response.json()) == (200, {"status": said})
            assert http.post(beside(url, path)).status_code == 405
            assert http.get(beside(url, path), headers={"Host": "evil.example"}).status_code == 421
            assert http.get(beside(url, path), headers={"Origin": "https://evil.example"}).status_code == 403
        assert http.get(beside(url, "/metrics")).status_code in (401, 404)


@pytest.mark.parametrize("wrong", ["key", "nobody"])
def test_a_server_that_cannot_work_with_its_key_is_not_ready_and_does_not_say_why(
    http: httpx.Client, wrong: str
) -> None:
    with served("sandbox", "--frozen") as (sandbox, base):
        if wrong == "nobody":
            sandbox.kill()
            sandbox.wait()
        with served(*HTTP, "--server", base, "--call-timeout", "1", INSTANTLY_API_KEY=KEY) as (process, url):
            for _ in range(3):
                response = http.get(beside(url, "/readyz"))
                assert (response.status_code, response.json()) == (503, {"status": "not ready"})
            assert http.get(beside(url, "/healthz")).status_code == 200
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=SECONDS)
    # It was found out once, and the reason stands in the log.
    assert err.count('"not_ready"') == 1 and KEY not in err


def test_a_workspace_whose_rate_limit_is_used_up_is_ready(http: httpx.Client) -> None:
    with served("sandbox", "--frozen") as (_, base):
        key = {"Authorization": f"Bearer {SANDBOX_KEY}"}
        fault = {"status": 429, "retry_after": 45, "next": 1}
        assert http.post(base.removesuffix("/api/v2") + "/_sandbox/faults", json=fault, headers=key).is_success
        with served(*HTTP, "--server", base, "--call-timeout", "1", INSTANTLY_API_KEY=SANDBOX_KEY) as (_, url):
            refused = http.post(url, json=call(1, "list_campaigns"), headers=ACCEPT)
            assert "call again in" in refused.text
            assert http.get(beside(url, "/readyz")).status_code == 200


def test_readiness_asks_the_api_once_however_often_it_is_asked(http: httpx.Client) -> None:
    with held() as upstream:
        upstream.release.set()
        with served(*HTTP, "--server", upstream.url, INSTANTLY_API_KEY=KEY) as (_, url):
            assert [http.get(beside(url, "/readyz")).status_code for _ in range(20)] == [200] * 20
        assert upstream.answered == ["GET /api/v2/workspaces/current"]


async def test_a_server_that_stops_is_alive_and_not_ready() -> None:
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, INSTANTLY_API_KEY=KEY) as (process, url),
    ):
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http, anyio.create_task_group() as tasks:

            async def post() -> None:
                response = await http.post(url, json=call(1, "create_lead_list", name="A"), headers=ACCEPT)
                assert response.status_code == 200

            tasks.start_soon(post)
            await anyio.to_thread.run_sync(upstream.wait)
            process.send_signal(signal.SIGTERM)
            while '"stopping"' not in process.stderr.readline():
                pass
            assert (await http.get(beside(url, "/healthz"))).status_code == 200
            assert (await http.get(beside(url, "/readyz"))).status_code == 503
            upstream.release.set()


# Figures


@MODES
async def test_figures_count_calls_by_tool_and_outcome_and_no_name_that_a_caller_makes_up(mode: str) -> None:
    with served(*HTTP, "--sandbox", "--metrics") as (_, url), anyio.fail_after(60):
        async with Client(url, mode=mode) as client:
            await client.call_tool("list_campaigns", {})
            await client.call_tool("get_workspace_overview", {})
            await client.call_tool("get_lead", {"id": "5"})
            for number in range(3):
                with pytest.raises(Exception, match="no tool"):
                    await client.call_tool(f"made_up_{number}", {})
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.post(url, json=request(1, "ping"), headers={"Host": "evil.example"})).status_code == 421
            response = await http.get(beside(url, "/metrics"))
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "made_up" not in response.text
    found = figures(response.text)
    assert found['mcp_instantly_tool_calls_total{outcome="ok",tool="list_campaigns"}'] == 1
    assert found['mcp_instantly_tool_calls_total{outcome="ok",tool="get_workspace_overview"}'] == 1
    assert found['mcp_instantly_tool_calls_total{outcome="error",tool="get_lead"}'] == 1
    assert found['mcp_instantly_tool_calls_total{outcome="error",tool="other"}'] == 3
    assert found['mcp_instantly_tool_call_seconds_count{tool="list_campaigns"}'] == 1
    assert found['mcp_instantly_refused_requests_total{status="421"}'] == 1
    # What a workflow asks is a request, and no call of a client's.
    assert found['mcp_instantly_api_requests_total{tool="list_accounts"}'] >= 1
    assert 'mcp_instantly_tool_calls_total{outcome="ok",tool="list_accounts"}' not in found


def test_figures_are_shown_only_where_asked_for_and_to_whom_they_are_for(http: httpx.Client, tmp_path: Path) -> None:
    own = "token-for-figures-0123"
    file = tmp_path / "figures"
    file.write_text(f"prometheus={own}\n")

    def status(url: str, token: str | None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return http.get(beside(url, "/metrics"), headers=headers).status_code

    with served(*HTTP, "--sandbox") as (_, url):
        assert status(url, None) == 404
    with served(*HTTP, "--sandbox", "--metrics", INSTANTLY_AUTH_TOKENS=f"alice={TOKEN}") as (_, url):
        assert [status(url, token) for token in (None, own, TOKEN)] == [401, 401, 200]
    more = ("--metrics", "--metrics-token", str(file))
    with served(*HTTP, "--sandbox", *more, INSTANTLY_AUTH_TOKENS=f"alice={TOKEN}") as (_, url):
        assert [status(url, token) for token in (None, own, TOKEN)] == [401, 200, 401]
        bearer = {"Authorization": f"Bearer {own}"}
        assert http.post(url, json=request(1, "ping"), headers=ACCEPT | bearer).status_code == 401


def test_figures_beyond_loopback_want_a_token(tmp_path: Path) -> None:
    beyond = (*HTTP, "--sandbox", "--port", "0", "--host", "0.0.0.0", "--caller-keys", "--metrics")
    assert "--metrics-token FILE" in failed(*beyond)
    assert failed(*HTTP, "--sandbox", "--metrics", "--metrics-token", str(tmp_path)).count("--metrics-token") == 1
    short = failed(*HTTP, "--sandbox", "--metrics", INSTANTLY_METRICS_TOKEN="short")
    assert "INSTANTLY_METRICS_TOKEN takes one token" in short
    assert "add --metrics" in failed(*HTTP, "--sandbox", INSTANTLY_METRICS_TOKEN="token-for-figures-0123")


# Less for one request


@MODES
async def test_a_request_leaves_tools_out_of_lists_and_calls(mode: str) -> None:
    with served(*HTTP, "--sandbox", "--toolsets", "default") as (_, url), anyio.fail_after(60):
        async with connected(url, {}, mode) as client:
            all_of_them = {tool.name for tool in (await client.list_tools()).tools}
        async with connected(url, {"x-mcp-toolsets": "campaigns, lead_lists"}, mode) as client:
            some = {tool.name for tool in (await client.list_tools()).tools}
            refused = await client.call_tool("list_leads", {})
            allowed = await client.call_tool("list_campaigns", {})
        async with connected(url, {"x-mcp-readonly": "true"}, mode) as client:
            listed = (await client.list_tools()).tools
            no_write = await client.call_tool("create_lead_list", {"name": "A"})
        async with connected(url, {"x-mcp-toolsets": "all", "x-mcp-readonly": "false"}, mode) as client:
            not_more = {tool.name for tool in (await client.list_tools()).tools}
            not_on = await client.call_tool("get_audit_logs", {}) if "get_audit_logs" in not_more else None
    assert "list_campaigns" in some and "list_leads" not in some and some < all_of_them
    assert not allowed.is_error
    assert refused.is_error and "x-mcp-toolsets" in refused.content[0].text
    assert all(tool.annotations.read_only_hint for tool in listed) and len(listed) > 10
    assert no_write.is_error and "x-mcp-readonly" in no_write.content[0].text
    assert not_more == all_of_them and not_on is None


async def test_a_request_cannot_widen_what_the_server_was_started_with() -> None:
    with served(*HTTP, "--sandbox", "--read-only", "--toolsets", "campaigns") as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-mcp-toolsets": "all", "x-mcp-readonly": "false"}) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            write = await client.call_tool("delete_campaign", {"id": "01991f10-0001-7000-8000-000000000001"})
            other = await client.call_tool("list_leads", {})
    assert "list_campaigns" in names and not any(name.startswith(("create", "delete", "list_leads")) for name in names)
    assert write.is_error and "--read-only" in write.content[0].text
    assert other.is_error and "--toolsets" in other.content[0].text


async def test_discovery_finds_and_runs_only_what_a_request_leaves() -> None:
    with served(*HTTP, "--sandbox", "--discovery") as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-mcp-readonly": "true", "x-mcp-toolsets": "campaigns"}) as client:
            found = answer_of(await client.call_tool("search_tools", {"query": "delete campaign", "limit": 20}))
            given = {"name": "delete_campaign", "arguments": {"id": "01991f10-0001-7000-8000-000000000001"}}
            run_write = await client.call_tool("run_write_tool", given)
            described = await client.call_tool("describe_tools", {"names": ["list_leads"]})
    assert found["tools"] and {tool["run_with"] for tool in found["tools"]} == {"run_read_tool"}
    assert run_write.is_error and "x-mcp-readonly" in run_write.content[0].text
    assert "x-mcp-toolsets" in described.content[0].text


async def test_what_a_workflow_calls_obeys_the_request_too() -> None:
    with served(*HTTP, "--sandbox", "--toolsets", "all") as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-mcp-readonly": "1"}) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            refused = await client.call_tool("stop_contacting", {"email": "maya.lindqvist@fjordpay.example"})
            resources = (await client.list_resources()).resources
    assert "stop_contacting" not in names and "get_workspace_overview" in names
    assert refused.is_error and "nothing was sent" in refused.content[0].text
    assert resources


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"x-mcp-toolsets": "campains"}, "campaigns"),
        ({"x-mcp-toolsets": ","}, "is empty"),
        ({"x-mcp-readonly": "maybe"}, "true or false"),
        ({"x-mcp-toolsets": "webhooks"}, "no tool"),
    ],
)
def test_a_header_that_cannot_be_heeded_is_refused_and_not_overlooked(
    http: httpx.Client, headers: dict[str, str], said: str
) -> None:
    with served(*HTTP, "--sandbox", "--toolsets", "campaigns") as (_, url):
        response = http.post(url, json=request(7, "ping"), headers=ACCEPT | headers)
    assert response.status_code == 400
    assert response.json()["id"] == 7 and said in response.json()["error"]["message"]


# How much at once


async def test_one_request_too_many_is_told_to_come_again() -> None:
    frame = call(1, "create_lead_list", name="A")
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, "--max-concurrency", "2", INSTANTLY_API_KEY=KEY) as (_, url),
    ):
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            answers: list[int] = []

            async def post() -> None:
                answers.append((await http.post(url, json=frame, headers=ACCEPT)).status_code)

            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(post)
                for _ in range(2):
                    await anyio.to_thread.run_sync(upstream.wait)
                refused = await http.post(url, json=frame, headers=ACCEPT)
                assert (await http.get(beside(url, "/healthz"))).status_code == 200
                upstream.release.set()
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert "nothing was done" in refused.json()["error"]["message"]
            assert answers == [200, 200]
            assert (await http.post(url, json=frame, headers=ACCEPT)).status_code == 200
    assert len(upstream.answered) == 3


# Several named keys


@MODES
async def test_several_workspaces_are_served_over_http_as_over_stdio(mode: str) -> None:
    keys = {"INSTANTLY_KEYS_FILE": "examples/agency_keys.txt"}
    with served(*HTTP, "--sandbox", "--scenario", "agency", **keys) as (_, url), anyio.fail_after(60):
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(beside(url, "/readyz"))).status_code == 200
        async with connected(url, {"x-mcp-toolsets": "campaigns", "x-mcp-readonly": "true"}, mode) as client:
            (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "list_campaigns"]
            assert tool.input_schema["properties"]["workspace"]["enum"][:2] == ["agency", "harbour"]
            of = {}
            for name in ("harbour", "kestrel"):
                found = answer_of(await client.call_tool("list_campaigns", {"workspace": name}))
                assert found["_workspace"] == name
                of[name] = {one["id"] for one in found["items"]}
            without = await client.call_tool("list_campaigns", {})
            refused = await client.call_tool("list_leads", {"workspace": "harbour"})
    assert of["harbour"] and of["kestrel"] and not of["harbour"] & of["kestrel"]
    assert without.is_error and "workspace" in without.content[0].text
    assert refused.is_error and "x-mcp-toolsets" in refused.content[0].text
