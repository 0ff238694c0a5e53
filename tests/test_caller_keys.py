"""Callers that bring keys of their own: each acts in its own workspace, and nothing of one reaches another."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp_types import PromptReference

from mcp_instantly.service.owners import Owner
from mcp_instantly.service.refusal import Refused
from mcp_instantly.service.tenants import COUNTED_SECONDS, Tenants

from .conftest import answer_of, clean_environment, served
from .frames import call, modern
from .many import CALLERS, HTTP, TOKEN, connected, key_of, sandbox_of_many
from .processes import run

pytestmark = pytest.mark.anyio

ACCEPT = {"Accept": "application/json, text/event-stream"}
CALLER_KEYS = (*HTTP, "--caller-keys")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    with sandbox_of_many(tmp_path) as base:
        yield base


def message_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


async def test_twenty_callers_at_once_each_see_and_change_their_own_workspace_alone(upstream: str) -> None:
    seen: dict[int, list[str]] = {}

    async def work(number: int) -> None:
        headers = {"x-instantly-api-key": key_of(number)}
        async with connected(url, headers, "auto" if number % 2 else "legacy") as client:
            workspace = answer_of(await client.call_tool("get_workspace", {}))
            assert workspace["name"] == f"Workspace {number}"
            for turn in range(3):
                made = await client.call_tool("create_lead_list", {"name": f"Made {number}.{turn}"})
                assert answer_of(made)["name"] == f"Made {number}.{turn}"
            lists = answer_of(await client.call_tool("list_lead_lists", {}))
            seen[number] = sorted(one["name"] for one in lists["items"])

    with served(*CALLER_KEYS, "--server", upstream) as (process, url), anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for number in range(CALLERS):
                tasks.start_soon(work, number)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert seen == {
        number: [f"List {number}", *(f"Made {number}.{turn}" for turn in range(3))] for number in range(CALLERS)
    }
    events = [json.loads(line) for line in err.splitlines()]
    callers = {event["caller"] for event in events if event["event"] == "tool_call"}
    assert len(callers) == CALLERS
    assert not any(key_of(number) in err for number in range(CALLERS))


async def test_a_key_in_any_place_of_a_call_is_in_no_log_line(upstream: str) -> None:
    key = key_of(3)
    with served(*CALLER_KEYS, "--server", upstream, "--log-arguments") as (process, url), anyio.fail_after(60):
        async with httpx.AsyncClient(trust_env=False) as http:
            for frame in (call(1, key), call(2, "get_lead", id=key), call(3, "list_leads", search=key)):
                await http.post(
                    url, json=frame, headers=ACCEPT | {"x-instantly-api-key": key, "User-Agent": f"agent {key}"}
                )
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert err.count('"tool_call"') == 3
    assert key not in err


async def test_a_word_that_one_caller_brings_as_a_key_is_blanked_in_no_event_of_another(upstream: str) -> None:
    words = ("tool_call", "list_campaigns", "python-httpx", "info", "ok")
    with served(*CALLER_KEYS, "--server", upstream, "--log-level", "info") as (process, url), anyio.fail_after(60):
        async with httpx.AsyncClient(trust_env=False) as http:
            for key in (*words, key_of(1)):
                headers = ACCEPT | {"x-instantly-api-key": key, "User-Agent": "python-httpx"}
                await http.post(url, json=call(1, "list_campaigns"), headers=headers)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    *others, last = [event for event in map(json.loads, err.splitlines()) if "tool" in event]
    told = ("event", "tool", "client_name", "level", "outcome")
    assert [last[name] for name in told] == ["tool_call", "list_campaigns", "python-httpx", "info", "ok"]
    # A key is blanked in the caller's own events, where it is long enough to be one.
    assert [event["event"] for event in others] == ["tool_call"] * len(words)
    assert [event["tool"] for event in others].count("[key]") == 1


@pytest.mark.parametrize("narrowed", [{}, {"x-mcp-toolsets": "default"}], ids=["whole", "narrowed"])
async def test_nobody_is_offered_the_names_of_anothers_lists(upstream: str, narrowed: dict[str, str]) -> None:
    async def offered(key: str) -> list[str]:
        async with connected(url, {"x-instantly-api-key": key, **narrowed}) as client:
            found = await client.complete(PromptReference(name="import-leads"), {"name": "list", "value": ""})
            return found.completion.values

    with served(*CALLER_KEYS, "--server", upstream) as (_, url), anyio.fail_after(60):
        # Whoever asks first, and fails, takes nothing from the others either.
        for key, lists in (
            ("a-key-that-nobody-knows", []),
            (key_of(1), ["List 1"]),
            (key_of(2), ["List 2"]),
            ("another-key-that-nobody-knows", []),
            (key_of(1), ["List 1"]),
        ):
            assert await offered(key) == lists


async def test_an_agency_is_offered_the_lists_of_the_workspace_that_it_names(upstream: str) -> None:
    async def offered(**headers: str) -> list[str]:
        async with connected(url, {name.replace("_", "-"): value for name, value in headers.items()}) as client:
            found = await client.complete(PromptReference(name="import-leads"), {"name": "list", "value": ""})
            return found.completion.values

    with served(*CALLER_KEYS, "--server", upstream) as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-instantly-api-key": key_of(4)}) as client:
            member = answer_of(await client.call_tool("get_workspace", {}))["id"]
        assert await offered(x_instantly_api_key="sandbox", x_as_workspace=member) == ["List 4"]
        assert await offered(x_instantly_api_key="sandbox") == []


@pytest.mark.parametrize("revision", ["2025", "2026"])
async def test_a_request_without_a_usable_key_is_refused_and_nothing_is_asked(upstream: str, revision: str) -> None:
    frame = call(1, "get_workspace")
    named = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get_workspace"}
    more = named if revision == "2026" else {}
    frame = modern(frame) if revision == "2026" else frame
    tokens = {"INSTANTLY_AUTH_TOKENS": f"alice={TOKEN}"}
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with served(*CALLER_KEYS, "--server", upstream, "--log-level", "info", **tokens) as (process, url):
        async with httpx.AsyncClient(trust_env=False) as http:

            async def post(headers: Any) -> httpx.Response:
                return await http.post(url, json=frame, headers=httpx.Headers([*(ACCEPT | more).items(), *headers]))

            key = ("x-instantly-api-key", key_of(1))
            assert (await post([key])).status_code == 401
            none = await post(bearer.items())
            assert none.status_code == 401 and "x-instantly-api-key" in message_of(none)
            for wrong, said in (
                ([("x-instantly-api-key", f"Bearer {key_of(1)}")], "begins with the word Bearer"),
                ([("x-instantly-api-key", TOKEN)], "holds a token for this server"),
                ([key, ("x-instantly-api-key", key_of(2))], "must come once"),
                ([key, ("x-as-workspace", "a b")], "contains a space"),
                ([("x-instantly-api-key", "k" * 600)], "at most 512"),
            ):
                response = await post([*bearer.items(), *wrong])
                assert response.status_code == 400 and said in message_of(response)
                assert key_of(1) not in response.text and TOKEN not in response.text
            assert (await post([*bearer.items(), key])).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    calls = [json.loads(line) for line in err.splitlines() if '"tool_call"' in line]
    assert [(one["caller"], one["outcome"]) for one in calls] == [("alice", "ok")]
    assert calls[0]["key"].startswith("key-")


async def test_a_server_with_a_key_of_its_own_does_not_act_with_it_for_who_brings_one() -> None:
    with served(*HTTP, "--sandbox") as (_, url):
        async with httpx.AsyncClient(trust_env=False) as http:
            for header in ("x-instantly-api-key", "x-as-workspace"):
                response = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT | {header: "anything"})
                assert response.status_code == 400 and header in message_of(response)


async def test_an_agency_acts_in_the_workspace_that_it_names(upstream: str) -> None:
    with served(*CALLER_KEYS, "--server", upstream) as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-instantly-api-key": key_of(4)}) as client:
            member = answer_of(await client.call_tool("get_workspace", {}))
        headers = {"x-instantly-api-key": "sandbox", "x-as-workspace": member["id"]}
        async with connected(url, headers) as client:
            assert answer_of(await client.call_tool("get_workspace", {}))["name"] == "Workspace 4"
        async with connected(url, {"x-instantly-api-key": "sandbox"}) as client:
            assert answer_of(await client.call_tool("get_workspace", {}))["name"] == "Agency"


async def test_a_key_that_the_api_does_not_know_gets_its_refusal_and_no_other_key_is_tried(upstream: str) -> None:
    with served(*CALLER_KEYS, "--server", upstream) as (_, url), anyio.fail_after(60):
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(url.replace("/mcp", "/readyz"))).status_code == 200
        async with connected(url, {"x-instantly-api-key": "a-key-that-nobody-knows"}) as client:
            refused = await client.call_tool("get_workspace", {})
    assert refused.is_error and "a-key-that-nobody-knows" not in refused.content[0].text


@pytest.mark.parametrize(
    "given",
    [{"INSTANTLY_API_KEY": "key-of-the-server-01"}, {"INSTANTLY_WORKSPACE": "w"}, {"INSTANTLY_KEYS_FILE": "keys"}],
)
def test_a_key_of_the_servers_beside_those_of_callers_ends_the_start(given: dict[str, str], tmp_path: Path) -> None:
    if "INSTANTLY_KEYS_FILE" in given:
        (tmp_path / "keys").write_text("one = key-of-the-server-01\ntwo = key-of-the-server-02\n")
        given = {"INSTANTLY_KEYS_FILE": str(tmp_path / "keys")}
    done = run(*CALLER_KEYS, "--port", "0", environment=clean_environment(**given))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--caller-keys" in done.stderr and "key-of-the-server" not in done.stderr


@pytest.mark.parametrize("tokens", [{}, {"INSTANTLY_AUTH_TOKENS": f"alice={TOKEN}"}], ids=["keys", "keys and tokens"])
async def test_the_audit_says_who_changed_something_and_where(
    upstream: str, tmp_path: Path, tokens: dict[str, str]
) -> None:
    file = tmp_path / "audit.jsonl"
    bearer = {"Authorization": f"Bearer {TOKEN}"} if tokens else {}
    more = ("--server", upstream, "--audit", str(file))
    with served(*CALLER_KEYS, *more, **tokens) as (process, url), anyio.fail_after(60):
        async with connected(url, {"x-instantly-api-key": key_of(4), **bearer}) as client:
            member = answer_of(await client.call_tool("get_workspace", {}))["id"]
            await client.call_tool("create_lead_list", {"name": "By its own key"})
        headers = {"x-instantly-api-key": "sandbox", "x-as-workspace": member, **bearer}
        async with connected(url, headers) as client:
            await client.call_tool("create_lead_list", {"name": "By the agency"})
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    logged = [event for event in map(json.loads, err.splitlines()) if event.get("tool") == "create_lead_list"]
    shown = run("audit", str(file), "--json", environment=clean_environment()).stdout
    own, agency = json.loads(shown)
    who = ("caller", "key")
    assert [[entry[name] for name in who] for entry in (own, agency)] == [
        [event.get(name) for name in who] for event in logged
    ]
    assert own["caller"] == "alice" if tokens else own["caller"] != agency["caller"]
    assert (own["sub_workspace"], agency["sub_workspace"]) == (None, member)
    digest = logged[1]["key" if tokens else "caller"]
    said = f"(by alice with {digest}; " if tokens else f"(by {digest}; "
    lines = run("audit", str(file), environment=clean_environment()).stdout.splitlines()
    assert f"{said}sub-workspace {member}" in lines[1] and "sub-workspace" not in lines[0]
    assert not any(key in file.read_text() for key in (key_of(4), TOKEN))


@pytest.mark.parametrize("more", [("--files", "."), ("--files", ".", "--no-auth"), ()], ids=["", "no auth", "variable"])
def test_a_folder_that_every_key_would_open_ends_the_start(more: tuple[str, ...]) -> None:
    given = {} if more else {"INSTANTLY_FILES": "."}
    done = run(*CALLER_KEYS, *more, "--sandbox", "--port", "0", environment=clean_environment(**given))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--files" in done.stderr and "--caller-keys" in done.stderr


@pytest.mark.parametrize("asked", [("--toolsets", "default,jobs"), ("--tools", "list_jobs")])
def test_jobs_that_no_key_would_be_there_for_end_the_start(asked: tuple[str, str]) -> None:
    done = run(*CALLER_KEYS, *asked, "--sandbox", "--port", "0", environment=clean_environment())
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--caller-keys" in done.stderr and "there are no jobs" in done.stderr


async def test_tools_for_jobs_are_not_among_all_tools(upstream: str) -> None:
    with served(*CALLER_KEYS, "--server", upstream, "--toolsets", "all") as (_, url), anyio.fail_after(60):
        async with connected(url, {"x-instantly-api-key": key_of(1)}) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            resources = {str(resource.uri) for resource in (await client.list_resources()).resources}
    assert "list_campaigns" in names
    assert not names & {"start_job", "get_job", "get_job_rows", "list_jobs", "cancel_job", "query_exports"}
    assert "instantly://exports" not in resources


# Room for keys


class Opened:
    """Opens callers that do nothing, and knows which are open."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.notes: dict[str, Callable[[dict[str, Any]], None]] = {}

    @contextlib.asynccontextmanager
    async def __call__(self, owner: Owner, note: Callable[[dict[str, Any]], None]) -> AsyncIterator[Any]:
        self.open.append(owner.key)
        self.notes[owner.key] = note
        try:
            yield object()
        finally:
            self.open.remove(owner.key)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def use(tenants: Tenants, key: str) -> None:
    async with tenants.using(Owner(key, None)):
        pass


async def test_keys_are_closed_when_idle_and_the_least_used_goes_first() -> None:
    opened, clock = Opened(), Clock()
    tenants = Tenants(opened, hold_seconds=300, most=2, idle_seconds=600, now=clock)
    for key in ("a", "b", "a", "c"):
        await use(tenants, key)
    assert opened.open == ["a", "c"]
    clock.now += 601
    await tenants.close_idle()
    assert opened.open == []


async def test_a_key_with_a_fresh_write_is_not_forgotten_for_a_new_one() -> None:
    opened, clock = Opened(), Clock()
    tenants = Tenants(opened, hold_seconds=300, most=1, idle_seconds=10, now=clock)
    await use(tenants, "a")
    opened.notes["a"]({"write": "done", "http_status": 200})
    clock.now += 299
    with pytest.raises(Refused) as refused:
        await use(tenants, "b")
    assert refused.value.status == 503 and refused.value.headers["Retry-After"] == "60"
    assert opened.open == ["a"]
    clock.now += 2
    await use(tenants, "b")
    assert opened.open == ["b"]


async def test_keys_that_the_api_refuses_keep_no_room_and_those_in_use_are_kept() -> None:
    opened, clock = Opened(), Clock()
    tenants = Tenants(opened, hold_seconds=300, most=2, now=clock)
    async with tenants.using(Owner("in use", None)):
        for number in range(50):
            await use(tenants, f"made up {number}")
            opened.notes[f"made up {number}"]({"http_status": 401})
        assert opened.open == ["in use", "made up 49"]
        opened.notes["made up 49"]({"http_status": 200})
        with pytest.raises(Refused):
            await use(tenants, "one more")
        clock.now += COUNTED_SECONDS + 1
        await use(tenants, "one more")
    await tenants.aclose()
    assert opened.open == []


async def test_the_same_key_in_two_workspaces_is_two() -> None:
    assert Owner("a", None).identity != Owner("a", "w").identity
    assert "secret" not in repr(Owner("secret", None))
