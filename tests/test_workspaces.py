"""Several workspaces behind one server: every call names one, and nothing of one reaches another."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.discovery import Discovery
from mcp_instantly.guards.confirmation import Confirmation, Rules
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.guards.seals import Seals
from mcp_instantly.invocation import Invoker
from mcp_instantly.maintenance.lint import lint
from mcp_instantly.sandbox import Sandbox
from mcp_instantly.server import build_server, instructions
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, SERVER_NAME, Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.workspaces import WORKSPACE, Workspaces, select_for, settings_of

from .conftest import ROOT, Connected, answer_of, clean_environment, command, everything, no_sleep, over_stdio

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
KEYS = {"agency": SANDBOX_KEY, "harbour": "agency-harbour", "kestrel": "agency-kestrel"}
KEYS_FILE = str(ROOT / "examples" / "agency_keys.txt")
OVERVIEW = "instantly://workspace/overview"

MAYAS_REPLY = "01991f80-0002-7000-8000-000000000002"
HANDLED = {"email_id": MAYAS_REPLY, "body": {"text": "Thursday at ten."}}
MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"


class Recorder(httpx.AsyncBaseTransport):
    """The way to a sandbox; `asked` is the key and the path of every request."""

    def __init__(self, app: Any):
        self._inner = httpx.ASGITransport(app)
        self.asked: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append((key, request.url.path.removeprefix("/api/v2")))
        assert WORKSPACE not in request.url.params
        return await self._inner.handle_async_request(request)

    @property
    def keys(self) -> set[str]:
        return {key for key, _ in self.asked}

    def paths(self, key: str) -> list[str]:
        return [path for other, path in self.asked if other == key]


@dataclasses.dataclass
class Service(Connected):
    """A connected client, and what its calls asked of the API."""

    recorder: Recorder


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Service]]


@pytest.fixture(scope="module")
def agency() -> Iterator[Sandbox]:
    """For all tests, since it takes long to build: what one of them adds, others find."""
    with Sandbox("agency") as sandbox:
        yield sandbox


@pytest.fixture
def serve(agency: Sandbox, catalog: Catalog) -> Serve:
    """`async with serve() as service`: mcp.Client, our server with three keys, the agency's sandbox.

    `apps` gives single workspaces a sandbox of their own.
    """

    @contextlib.asynccontextmanager
    async def connected(
        *,
        mode: str = "auto",
        default: str | None = None,
        discovery: bool = False,
        apps: dict[str, Any] | None = None,
        keys: dict[str, str] = KEYS,
        previews: bool = False,
        **changed: Any,
    ) -> AsyncIterator[Service]:
        settings = Settings(SANDBOX_URL, "", sandbox=True, keys=keys, default_workspace=default, **changed)
        selection = with_preview(everything(), tokens=True) if previews else everything()
        make = Discovery if discovery else Invoker
        recorder = Recorder(agency.app)
        async with contextlib.AsyncExitStack() as stack:
            invokers: dict[str, Invoker] = {}
            for name in keys:
                own = settings_of(settings, name)
                transport = Recorder(apps[name]) if apps else recorder
                client = InstantlyClient(own, transport=transport, sleep=no_sleep)
                rules = Rules(mode="never", require_preview=True)
                guard = Confirmation(rules, Seals(b"k" * 32, name, 300.0), catalog.operations)
                guards = [guard] if previews else []
                invokers[name] = make(selection, await stack.enter_async_context(client), own, guards)
            several = Workspaces(invokers, default, settings.result_limit)
            client = await stack.enter_async_context(Client(build_server(several, sandbox=True), mode=mode))
            yield Service(client, recorder)

    return connected


# schemas


@MODES
async def test_every_tool_asks_for_a_workspace_first(serve: Serve, catalog: Catalog, mode: str) -> None:
    async with serve(mode=mode) as service:
        tools = (await service.client.list_tools()).tools
        said = service.client.instructions
    assert [tool.name for tool in tools] == list(catalog.tools)
    for tool in tools:
        (first, *others) = tool.input_schema["properties"]
        assert first == WORKSPACE and tool.input_schema["required"][0] == WORKSPACE
        assert tool.input_schema["properties"][WORKSPACE]["enum"] == list(KEYS)
        assert others == list(catalog.tools[tool.name].input_schema["properties"])
    assert "3 workspaces: agency, harbour, kestrel" in said


async def test_a_default_is_for_reads_and_never_for_what_changes_something(serve: Serve, catalog: Catalog) -> None:
    async with serve(default="kestrel") as service:
        for tool in (await service.client.list_tools()).tools:
            required = tool.input_schema.get("required", [])
            assert (WORKSPACE in required) != catalog.tools[tool.name].read_only
        assert (await service.call("list_campaigns"))["_workspace"] == "kestrel"
        assert (await service.call("list_campaigns", workspace=None))["_workspace"] == "kestrel"
        assert (await service.call("list_campaigns", workspace="harbour"))["_workspace"] == "harbour"
        before = len(service.recorder.asked)
        assert "workspace: missing" in await service.refused("create_lead_list", name="A list")
        assert "workspace: name one of" in await service.refused("list_campaigns", workspace="")
        assert len(service.recorder.asked) == before


def test_the_tools_of_several_workspaces_keep_to_the_rules_of_hosts(catalog: Catalog) -> None:
    several = select_for(select(catalog), tuple(KEYS), "harbour")
    assert lint(list(several.tools.values()), SERVER_NAME) == []


def test_the_name_of_a_workspace_never_reaches_the_api(catalog: Catalog) -> None:
    several = select_for(everything(), tuple(KEYS), None)
    for tool in several.tools.values():
        for example in tool.examples:
            checked = check_arguments(tool, example)
            assert checked[WORKSPACE] == "agency"
            if tool.path:
                request = build_request(tool, checked)
                assert WORKSPACE not in (request.body or {}) and f"{WORKSPACE}=" not in request.target


def test_the_instructions_stay_short_however_many_workspaces_there_are(catalog: Catalog) -> None:
    several = select_for(everything(), names := [f"{'x' * 29}{n}" for n in range(100, 400)], None)
    assert len(instructions(several, sandbox=True, workspaces=names).encode()) <= 2048


# calls


@MODES
async def test_a_call_acts_in_the_workspace_that_it_names_and_says_so(serve: Serve, mode: str, events: Any) -> None:
    async with serve(mode=mode) as service:
        made = await service.call("create_lead_list", workspace="harbour", name=f"Warm leads, {mode}")
        there = await service.call("list_lead_lists", workspace="harbour", search=f"Warm leads, {mode}")
        elsewhere = await service.call("list_lead_lists", workspace="kestrel", search=f"Warm leads, {mode}")
    assert next(iter(made)) == "_workspace"
    assert [made["_workspace"], there["_workspace"], elsewhere["_workspace"]] == ["harbour", "harbour", "kestrel"]
    assert [one["id"] for one in there["items"]] == [made["id"]]
    assert elsewhere["items"] == []
    assert [key for key, _ in service.recorder.asked] == ["agency-harbour", "agency-harbour", "agency-kestrel"]
    logged = [event["workspace"] for event in events if event["event"] == "tool_call"]
    assert logged == ["harbour", "harbour", "kestrel"]


@MODES
@pytest.mark.parametrize(
    "name", [..., None, "", " harbour", "Harbour", "orchard", "all", "null", 1, ["harbour"]], ids=str
)
async def test_a_call_that_names_no_workspace_asks_nobody(serve: Serve, name: Any, mode: str) -> None:
    named = {} if name is ... else {"workspace": name}
    async with serve(mode=mode) as service:
        for tool, given in (("list_campaigns", {}), ("create_lead_list", {"name": "A"}), ("triage_replies", {})):
            said = await service.refused(tool, **given, **named)
            assert "Nothing was sent" in said and "workspace" in said
            assert "harbour" in said
        assert service.recorder.asked == []


async def test_all_problems_of_a_call_without_a_workspace_are_told_at_once(serve: Serve, events: Any) -> None:
    async with serve() as service:
        said = await service.refused("get_lead", id=5)
    assert "2 problems" in said
    (event,) = [event for event in events if event["event"] == "tool_call"]
    assert (event["tool"], event["outcome"], event["error_class"]) == ("get_lead", "error", "InvalidArguments")
    assert "workspace" not in event


async def test_an_id_of_another_workspace_is_not_found_and_the_error_says_who_was_asked(serve: Serve) -> None:
    async with serve() as service:
        (campaign, *_) = (await service.call("list_campaigns", workspace="harbour"))["items"]
        assert (await service.call("get_campaign", workspace="harbour", id=campaign["id"]))["name"] == campaign["name"]
        said = await service.refused("get_campaign", workspace="kestrel", id=campaign["id"])
    assert "Instantly answered 404" in said
    assert "The workspace that was asked is kestrel; it does not know the ids of another one." in said


async def test_an_error_of_the_arguments_says_for_which_workspace_the_call_was(serve: Serve) -> None:
    async with serve() as service:
        said = await service.refused("get_campaign", workspace="kestrel", id=5)
        assert said.endswith("The call was for the workspace kestrel.")
        with pytest.raises(MCPError, match="no tool 'get_campaing'"):
            await service.client.call_tool("get_campaing", {"workspace": "kestrel"})


async def test_a_key_that_is_refused_is_told_by_its_name(serve: Serve) -> None:
    async with serve(keys={"harbour": "agency-harbour", "kestrel": "no-longer-a-key"}) as service:
        said = await service.refused("list_campaigns", workspace="kestrel")
        assert "Instantly answered 401" in said
        assert said.endswith("The workspace that was asked is kestrel: its key is the one of this name.")
        assert (await service.call("list_campaigns", workspace="harbour"))["items"]


async def test_a_long_result_and_the_name_of_its_workspace_fit_into_the_limit(serve: Serve) -> None:
    async with serve(result_limit=3_000, full=True) as service:
        found = await service.client.call_tool("list_leads", {"workspace": "harbour", "limit": 100})
        sized = [tool.meta for tool in (await service.client.list_tools()).tools if tool.meta]
    assert answer_of(found)["_workspace"] == "harbour"
    assert len(found.content[0].text) <= 3_000
    assert {meta.get("anthropic/maxResultSizeChars", 3_000) for meta in sized} == {3_000}


async def test_records_as_csv_come_with_their_workspace(serve: Serve) -> None:
    async with serve() as service:
        found = await service.call("list_campaigns", workspace="harbour", format="csv")
    assert found["_workspace"] == "harbour"


async def test_whatever_a_workflow_calls_it_calls_in_its_workspace(serve: Serve, events: Any) -> None:
    async with serve() as service:
        found = await service.call("get_workspace_overview", workspace="kestrel")
        assert service.recorder.keys == {"agency-kestrel"}
    assert found["_workspace"] == "kestrel"
    calls = [event for event in events if event["event"] == "tool_call"]
    assert len(calls) > 3
    assert {event["workspace"] for event in calls} == {"kestrel"}


async def test_a_key_of_any_workspace_is_struck_out_of_the_responses_of_all(serve: Serve) -> None:
    async with serve() as service:
        # In an argument of ours they would be refused.
        own = {"Authorization": "Bearer agency-harbour"}
        async with httpx.AsyncClient(transport=service.recorder, headers=own, base_url=SANDBOX_URL) as api:
            made = await api.post("/api/v2/lead-lists", json={"name": "agency-kestrel agency-harbour"})
            found = await service.call("get_lead_list", workspace="harbour", id=made.json()["id"])
    assert found["name"] == "[key] [key]"


def test_keys_do_not_show_in_a_repr() -> None:
    settings = Settings(SANDBOX_URL, "", keys=KEYS)
    assert "agency-" not in f"{settings!r} {settings_of(settings, 'harbour')!r}"


# what is kept between calls


async def test_an_answer_in_doubt_in_one_workspace_holds_up_nothing_in_another(serve: Serve) -> None:
    with Sandbox() as one, Sandbox() as other:
        apps = {"one": one.app, "other": other.app}
        async with serve(apps=apps, keys=dict.fromkeys(apps, SANDBOX_KEY)) as service:
            one.faults.add(operation="POST /emails/reply", reset=True)
            doubtful = await service.call("handle_reply", workspace="one", **HANDLED)
            assert doubtful["answer"]["outcome"] == "unknown"
            assert "under way or its outcome unknown" in await service.refused(
                "handle_reply", workspace="one", **HANDLED
            )
            done = await service.call("handle_reply", workspace="other", **HANDLED)
            assert done["answer"]["outcome"] == "done"


async def test_inbox_managers_of_one_workspace_are_not_told_of_in_another(serve: Serve) -> None:
    reply = {
        "reply_to_uuid": MAYAS_REPLY,
        "eaccount": "ada@brightpath.example",
        "subject": "Re: Month-end close",
        "body": {"text": "Yes."},
    }
    with Sandbox() as one, Sandbox() as other:
        apps = {"one": one.app, "other": other.app}
        async with serve(apps=apps, keys=dict.fromkeys(apps, SANDBOX_KEY)) as service:
            await service.call("update_inbox_manager", workspace="one", id=MANAGER, status=1)
            assert "AI inbox manager" in (await service.call("reply_to_email", workspace="one", **reply))["_note"]
            assert "AI inbox manager" not in str(await service.call("reply_to_email", workspace="other", **reply))


@MODES
async def test_suggestions_come_from_the_workspace_that_was_chosen_before(serve: Serve, mode: str) -> None:
    async def suggested(service: Service, **chosen: str) -> list[str]:
        found = await service.client.complete(
            PromptReference(name="launch-campaign"), {"name": "campaign", "value": ""}, context_arguments=chosen
        )
        return found.completion.values

    async with serve(mode=mode) as service:
        for _ in range(2):
            assert all("Harbour" in name for name in await suggested(service, workspace="harbour"))
            assert all("Kestrel" in name for name in await suggested(service, workspace="kestrel"))
            assert await suggested(service, workspace="nobody") == await suggested(service) == []
        assert service.recorder.paths("agency-harbour") == service.recorder.paths("agency-kestrel") == ["/campaigns"]
        names = await service.client.complete(
            PromptReference(name="launch-campaign"), {"name": "workspace", "value": "ha"}
        )
        assert names.completion.values == ["harbour"]


@MODES
async def test_every_prompt_asks_for_the_workspace(serve: Serve, mode: str) -> None:
    async with serve(mode=mode) as service:
        for prompt in (await service.client.list_prompts()).prompts:
            assert (prompt.arguments[0].name, prompt.arguments[0].required) == (WORKSPACE, True)
        (message,) = (await service.client.get_prompt("handle-replies", {"workspace": "harbour"})).messages
        assert 'workspace, as the user gave it: "harbour"' in message.content.text


@MODES
async def test_each_workspace_has_an_overview_of_its_own(serve: Serve, mode: str) -> None:
    async with serve(mode=mode) as service:
        listed = [str(one.uri) for one in (await service.client.list_resources()).resources]
        assert [uri for uri in listed if uri.startswith(OVERVIEW)] == [f"{OVERVIEW}/{name}" for name in KEYS]
        (content,) = (await service.client.read_resource(f"{OVERVIEW}/kestrel")).contents
        assert json.loads(content.text)["_workspace"] == "kestrel"
        assert service.recorder.keys == {"agency-kestrel"}
        with pytest.raises(MCPError):
            await service.client.read_resource(OVERVIEW)


# all tools behind four


@MODES
async def test_the_tools_that_run_others_ask_for_the_workspace(serve: Serve, mode: str, events: Any) -> None:
    async with serve(mode=mode, discovery=True) as service:
        tools = {tool.name: tool.input_schema for tool in (await service.client.list_tools()).tools}
        assert [WORKSPACE in schema.get("required", ()) for schema in tools.values()] == [False, False, True, True]
        assert (await service.call("search_tools", query="pause a campaign"))["tools"]
        described = await service.call("describe_tools", names=["list_campaigns"])
        assert WORKSPACE not in described["tools"][0]["inputSchema"]["properties"]
        found = await service.call("run_read_tool", workspace="harbour", name="get_workspace_overview")
        assert found["_workspace"] == "harbour"
        made = await service.call(
            "run_write_tool", workspace="harbour", name="create_lead_list", arguments={"name": "A list"}
        )
        assert made["_workspace"] == "harbour"
        assert service.recorder.keys == {"agency-harbour"}
    run = [event for event in events if event.get("via") or event.get("workflow")]
    assert {event["workspace"] for event in run} == {"harbour"}


async def test_a_workspace_among_the_arguments_of_a_tool_that_is_run_is_taken_and_two_are_refused(serve: Serve) -> None:
    inside = {"name": "list_campaigns", "arguments": {"workspace": "harbour"}}
    async with serve(discovery=True, default="kestrel") as service:
        assert (await service.call("run_read_tool", name="list_campaigns"))["_workspace"] == "kestrel"
        assert (await service.call("run_read_tool", **inside))["_workspace"] == "harbour"
        assert (await service.call("run_read_tool", workspace="harbour", **inside))["_workspace"] == "harbour"
        before = len(service.recorder.asked)
        assert "give one" in await service.refused("run_read_tool", workspace="kestrel", **inside)
        text = {"name": "list_campaigns", "arguments": '{"workspace": "harbour"}'}
        assert "workspace: unknown" in await service.refused("run_read_tool", **text)
        for name in ("create_lead_list", "list_campaigns"):
            given = {"name": name, "arguments": {"name": "A list"}}
            assert "workspace: missing" in await service.refused("run_write_tool", **given)
        assert "create_lead_list" in await service.refused("create_lead_list", workspace="harbour", name="A list")
        assert len(service.recorder.asked) == before


# previews


VERIFIED = {"email": "ann@prospect.example"}


@pytest.mark.parametrize("discovery", [False, True], ids=["by_itself", "discovery"])
async def test_a_preview_takes_the_arguments_of_the_call_as_they_are_with_their_workspace(
    serve: Serve, discovery: bool
) -> None:
    async def ask(service: Service, tool: str, arguments: dict[str, Any], **beside: Any) -> Any:
        if discovery:
            runner = "run_read_tool" if tool == "preview_call" else "run_write_tool"
            arguments, tool = {"name": tool, "arguments": arguments, **beside}, runner
        else:
            arguments = {**arguments, **beside}
        return await service.client.call_tool(tool, arguments)

    call = {"workspace": "harbour", **VERIFIED}
    async with serve(default="kestrel", discovery=discovery, previews=True) as service:
        refused = await ask(service, "verify_email", call)
        assert refused.is_error and "preview_call" in refused.content[0].text
        for beside in ({"workspace": "harbour"}, {}):
            previewed = answer_of(
                await ask(service, "preview_call", {"tool": "verify_email", "arguments": call}, **beside)
            )
            assert previewed["_workspace"] == "harbour" and previewed["with"] == VERIFIED
        token = {"preview_token": previewed["preview_token"]}
        elsewhere = await ask(service, "verify_email", {"workspace": "agency", **VERIFIED, **token})
        assert elsewhere.is_error and "agency" in elsewhere.content[0].text
        assert answer_of(await ask(service, "verify_email", {**call, **token}))["_workspace"] == "harbour"
        before = len(service.recorder.asked)
        two = await ask(service, "preview_call", {"tool": "verify_email", "arguments": call}, workspace="agency")
        assert two.is_error and "give one" in two.content[0].text
        unknown = {"tool": "verify_email", "arguments": {**call, "workspace": "nobody"}}
        nobody = await ask(service, "preview_call", unknown)
        assert nobody.is_error and "workspace: expected one of" in nobody.content[0].text
        assert len(service.recorder.asked) == before


# the command


@MODES
async def test_a_server_with_a_file_of_keys_serves_every_workspace(tmp_path: Path, mode: str) -> None:
    log = tmp_path / "stderr"
    served = command("serve", "--sandbox", "--scenario", "agency", INSTANTLY_KEYS_FILE=KEYS_FILE)
    with log.open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(served, errlog=errlog), mode=mode) as client:
            names = (await client.list_tools()).tools[0].input_schema["properties"][WORKSPACE]["enum"]
            assert names == ["agency", "harbour", "kestrel", "lumen", "orchard"]
            found = {}
            for name in names:
                answer = answer_of(await client.call_tool("list_campaigns", {"workspace": name}))
                assert answer["_workspace"] == name
                found[name] = {one["id"] for one in answer["items"]}
    assert sum(map(len, found.values())) == len(set().union(*found.values()))
    assert [json.loads(line)["workspace"] for line in log.read_text().splitlines()] == names
    assert "agency-" not in log.read_text()


def test_the_keyring_is_loaded_only_where_it_is_asked_for() -> None:
    code = "import sys; import mcp_instantly.cli, mcp_instantly.workspaces; print('keyring' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=clean_environment(), check=True
    )
    assert done.stdout.strip() == "False"
