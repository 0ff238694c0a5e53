"""What was changed: the file of --audit, the command that shows it, and the one that takes a write back."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from click.testing import CliRunner
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.audit import Audit
from mcp_instantly.guards.audit_file import AuditFile, read_trail
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, Settings
from mcp_instantly.tools.catalog import Catalog

from . import processes
from .conftest import ROOT, answer_of, clean_environment, everything, informed, no_sleep, served
from .test_cli import one_line, run
from .test_guards import Refuse

pytestmark = pytest.mark.anyio

FINTECH, LOGISTICS = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b0{n}" for n in (1, 2))
MAYA_LEAD = "01991f00-0001-7000-8000-000000000001"
TOM = "tom.okafor@ledgerly.example"
INTEREST, STATUS = "update_lead_interest_status", "lt_interest_status"
MAYAS_REPLY = "01991f80-0002-7000-8000-000000000002"
WARM_SENDERS = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
KESTREL = "5a9d0003-4e5f-4a6b-8c7d-9e0f1a2b3c02"
CHLOE, BEN = "chloe@brightpath.example", "ben@brightpath.example"


Audited = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Faults]]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


class Telling(httpx.AsyncBaseTransport):
    """The sandbox, where updates are answered in other words; nothing is a 204."""

    def __init__(self, sandbox: httpx.AsyncBaseTransport, told: Callable[[Any], Any]):
        self._sandbox = sandbox
        self._told = told

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._sandbox.handle_async_request(request)
        if request.method != "PATCH":
            return response
        told = self._told(json.loads(await response.aread()))
        return httpx.Response(204) if told is None else httpx.Response(200, json=told)


@pytest.fixture
def audited(world: World, catalog: Catalog, settings: Settings, file: Path) -> Audited:
    @contextlib.asynccontextmanager
    async def opened(
        path: Path = file, told: Callable[[Any], Any] | None = None
    ) -> AsyncIterator[tuple[Client, Faults]]:
        """`told` is what becomes of the answer to a PATCH on its way."""
        app = create_app(world)
        selection = everything()
        audit = Audit(AuditFile(path), catalog.operations)
        transport: httpx.AsyncBaseTransport = httpx.ASGITransport(app)
        transport = Telling(transport, told) if told else transport
        async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
            invoker = Invoker(selection, http, settings, [audit, audit.begin])
            async with Client(build_server(invoker)) as client:
                yield informed(client, selection), app.workspaces.faults

    return opened


def entries(file: Path) -> list[dict[str, Any]]:
    return list(read_trail(file).entries.values())


async def test_a_write_is_written_down_with_what_it_changed(audited: Audited, file: Path) -> None:
    async with audited() as (client, _):
        answer_of(await client.call_tool("get_lead", {"id": MAYA_LEAD}))
        answer_of(
            await client.call_tool("update_lead", {"id": MAYA_LEAD, "job_title": "CEO", "last_name": "Lindqvist"})
        )
    (entry,) = entries(file)
    assert (entry["tool"], entry["operation_id"], entry["effect"]) == ("update_lead", "patchLead", "changes")
    assert (entry["outcome"], entry["confirmed"], entry["workflow"]) == ("done", None, None)
    assert (entry["before"], entry["after"]) == ({"job_title": "CFO"}, {"job_title": "CEO"})
    assert entry["arguments"] == {"id": MAYA_LEAD, "job_title": "[3 characters]", "last_name": "[9 characters]"}
    assert len(entry["id"]) == 16 and entry["time"].endswith("Z")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 400}, "refused"),
        ({"reset": True, "when": "after"}, "unknown"),
        ({"status": 500}, "unknown"),
        ({"status": 503, "when": "after"}, "unknown"),
    ],
)
async def test_the_outcome_is_what_became_of_the_write(
    audited: Audited, file: Path, fault: dict[str, Any], outcome: str
) -> None:
    async with audited() as (client, faults):
        faults.add(operation="POST /leads", **fault)
        await client.call_tool("create_lead", {"email": "new@x.example", "campaign": FINTECH})
        await client.call_tool("create_lead", {"emial": "new@x.example"})
    (entry,) = entries(file)
    assert (entry["outcome"], entry["arguments"]["email"]) == (outcome, "n***@x.example")


async def test_the_outcome_of_a_repeat_that_found_nothing_to_do_is_unknown(audited: Audited, file: Path) -> None:
    async with audited() as (client, faults):
        faults.add(operation="POST /accounts/pause", reset=True, when="after")
        for _ in range(2):
            await client.call_tool("bulk_pause_accounts", {"emails": [BEN]})
    assert [entry["outcome"] for entry in entries(file)] == ["unknown", "done"]


async def test_variables_that_an_update_did_not_name_are_written_down_and_their_loss_is_said(
    audited: Audited, file: Path
) -> None:
    changed = {"country": "Norway", "employees": 7}
    async with audited() as (client, _):
        asked = {"id": MAYA_LEAD, "custom_variables": {"country": "Norway"}}
        answer = answer_of(await client.call_tool("update_lead", asked))
        kept = answer_of(await client.call_tool("update_lead", {"id": MAYA_LEAD, "custom_variables": changed}))
    first, second = entries(file)
    assert set(first["before"]["custom_variables"]) == {"country", "employees"}
    assert first["after"]["custom_variables"] == {"country": "Norway"}
    assert "custom_variables were replaced as a whole; no longer there: employees." in answer["_note"]
    assert "no longer there" not in kept.get("_note", "")
    assert second["after"]["custom_variables"] == changed
    assert "had no employees before" in second["no_inverse"]


@pytest.mark.parametrize(
    "told",
    [
        lambda lead: {name: value for name, value in lead.items() if name != "payload"},
        lambda lead: {**lead, "payload": None},
        lambda lead: None,
    ],
    ids=["left out", "null", "no content"],
)
async def test_no_variable_is_called_gone_where_the_answer_shows_none(
    audited: Audited, file: Path, told: Callable[[Any], Any]
) -> None:
    async with audited(told=told) as (client, _):
        shown = answer_of(await client.call_tool("get_lead", {"id": MAYA_LEAD}))["payload"]
        same = {name: shown[name] for name in ("country", "employees")}
        result = await client.call_tool("update_lead", {"id": MAYA_LEAD, "custom_variables": same})
    assert not result.is_error and "no longer there" not in result.content[0].text
    (entry,) = entries(file)
    assert entry["after"] == "unknown" and entry["no_inverse"] == "What it was changed to is not known."


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"api_key": "sk-1", "city": "Oslo"},
            "api_key, city. The audit has what was there, but not api_key: what",
        ),
        ({"api_key": "sk-1"}, "no longer there: api_key. The audit does not have what was there: what may be a secret"),
        ({"notes": "x" * 120_000}, "no longer there: notes. The audit does not have what was there"),
        ({"city": "Oslo"}, "no longer there: city. The audit has what was there."),
    ],
)
async def test_it_is_said_which_variables_are_gone_that_the_audit_does_not_keep(
    audited: Audited, file: Path, variables: dict[str, Any], said: str
) -> None:
    async with audited() as (client, _):
        answer_of(await client.call_tool("update_lead", {"id": MAYA_LEAD, "custom_variables": variables}))
        answer = answer_of(await client.call_tool("update_lead", {"id": MAYA_LEAD, "custom_variables": {"job": "x"}}))
    assert said in answer["_note"]
    assert "sk-1" not in file.read_text()


async def test_what_a_workflow_changes_is_written_down_with_its_name(audited: Audited, file: Path) -> None:
    async with audited() as (client, _):
        given = {"email_id": MAYAS_REPLY, "body": {"text": "Thursday at ten."}, "interest_value": 2}
        answer_of(await client.call_tool("handle_reply", given))
    found = [(entry["tool"], entry["workflow"], entry["outcome"]) for entry in entries(file)]
    assert found == [
        ("reply_to_email", "handle_reply", "done"),
        ("update_lead_interest_status", "handle_reply", "done"),
        ("mark_thread_as_read", "handle_reply", "done"),
    ]
    assert "Thursday" not in file.read_text()


async def test_what_there_was_before_is_unknown_when_it_cannot_be_read(audited: Audited, file: Path) -> None:
    async with audited() as (client, faults):
        faults.add(operation="GET /leads/{id}", status=500, next=3)
        answer_of(await client.call_tool("update_lead", {"id": MAYA_LEAD, "job_title": "CEO"}))
    (entry,) = entries(file)
    assert (entry["before"], entry["after"]) == ("unknown", {"job_title": "CEO"})
    assert entry["no_inverse"] == "What there was before is not known."


async def test_a_write_that_is_cut_off_and_one_that_a_guard_refuses_are_written_down_too(
    catalog: Catalog, settings: Settings, file: Path
) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    audit = Audit(AuditFile(file), catalog.operations)
    selection = everything()
    async with InstantlyClient(settings, transport=httpx.MockTransport(never), sleep=no_sleep) as http:
        invoker = Invoker(selection, http, settings, [audit, audit.begin])
        with anyio.CancelScope() as scope:
            await invoker.invoke("create_lead_list", {"name": "A"})
        refused = await Invoker(selection, http, settings, [audit, Refuse(), audit.begin]).invoke(
            "create_lead_list", {"name": "A"}
        )
    assert refused.text == "Not today. Nothing was sent."
    assert [entry["outcome"] for entry in entries(file)] == ["unknown", "not_sent"]


async def test_secrets_are_not_kept(audited: Audited, file: Path) -> None:
    webhook = "9e0b0001-5a6b-4c7d-8e9f-0a1b2c3d4e01"
    async with audited() as (client, _):
        answer_of(await client.call_tool("update_webhook", {"id": webhook, "headers": {"X-Hook-Token": "new-secret"}}))
    assert "demo-hook-token" not in file.read_text() and "new-secret" not in file.read_text()
    (entry,) = entries(file)
    assert "secret" in entry["no_inverse"]


# The file


SPACE = 2_000_000
"""Bytes that a file may have here by then, so that the limit meets no other file of the tests."""


@contextlib.contextmanager
def room_for(file: Path, size: int) -> Iterator[None]:
    """No file of this process can grow beyond the present size of this one and so many bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_is_refused_before_it_is_sent_where_the_audit_cannot_be_written(
    audited: Audited, world: World, file: Path
) -> None:
    file.write_bytes(b"\n" * SPACE)
    async with audited() as (client, _):
        sent = len(world.requests)
        for room in (0, 20):
            with room_for(file, room):
                refused = await client.call_tool("create_lead_list", {"name": "A"})
                assert refused.is_error
                assert refused.content[0].text.startswith(f"Nothing was sent: the audit file {file} cannot be written")
                assert len(world.requests) == sent
                answer_of(await client.call_tool("get_workspace", {}))
                sent = len(world.requests)
        answer_of(await client.call_tool("create_lead_list", {"name": "A"}))
    assert [entry["outcome"] for entry in entries(file)] == ["done"]


async def test_an_outcome_that_cannot_be_written_is_said_and_logged(audited: Audited, file: Path, events: Any) -> None:
    file.write_bytes(b"\n" * SPACE)
    async with audited() as (client, _):
        answer_of(await client.call_tool("create_lead_list", {"name": "A"}))
        begun = file.read_bytes().strip().splitlines()[0]
        with room_for(file, len(begun) + 20):
            answer = answer_of(await client.call_tool("create_lead_list", {"name": "B"}))
        answer_of(await client.call_tool("create_lead_list", {"name": "C"}))
    assert [entry["outcome"] for entry in entries(file)] == ["done", "unknown", "done"]
    lost = entries(file)[1]
    assert f"could not take how this ended (entry {lost['id']})" in answer["_note"]
    (event,) = [event for event in events if event["event"] == "audit_incomplete"]
    assert (event["id"], event["outcome"]) == (lost["id"], "done")


def test_a_torn_line_is_told_and_the_others_are_read(file: Path) -> None:
    audit = AuditFile(file)
    audit.append({"id": "a", "time": "2026-01-01T00:00:00Z", "tool": "create_lead", "outcome": "done"})
    with file.open("ab") as torn:
        torn.write(b'{"id":"b","time":"2026-')
    assert (list(read_trail(file).entries), read_trail(file).torn) == (["a"], 1)
    audit.append({"id": "c", "time": "2026-01-03T00:00:00Z", "tool": "create_lead", "outcome": "done"})
    assert (list(read_trail(file).entries), read_trail(file).torn) == (["a", "c"], 1)
    shown = run("audit", str(file), "--since", "2026-01-02", "--json")
    assert [entry["id"] for entry in json.loads(shown.stdout)] == ["c"]
    assert "1 line of" in shown.stderr and shown.returncode == 0


def test_a_file_that_others_can_read_is_closed_to_them(file: Path) -> None:
    file.write_text("")
    file.chmod(0o644)
    AuditFile(file)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", ["missing/audit.jsonl", "."])
def test_a_file_that_cannot_be_written_keeps_the_server_from_starting(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        AuditFile(tmp_path / place)


def append_without_end() -> None:
    """As a process: write entries under a name into a file, and say which are there."""
    file, name = AuditFile(Path(sys.argv[1])), sys.argv[2]
    for number in range(100_000):
        entry = {"id": f"{name}-{number}", "time": "2026-01-01T00:00:00Z", "tool": "create_lead", "outcome": "done"}
        file.append({**entry, "after": "x" * 3000})
        print(number, flush=True)


def test_processes_share_a_file_and_one_that_is_killed_loses_no_line(file: Path) -> None:
    appending = {"environment": os.environ, "main": f"{__name__}:{append_without_end.__name__}"}
    started = [processes.start(str(file), name, stdout=subprocess.PIPE, text=True, **appending) for name in "abc"]
    written = {}
    for name, process in zip("abc", started, strict=True):
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        # What it has said before it was killed is in the file.
        written[name] = 20 + len([line for line in process.stdout.read().split("\n") if line.strip()])
        process.stdout.close()
        process.wait(20)
    trail = read_trail(file)
    for name, count in written.items():
        mine = [one for one in trail.entries if one.startswith(f"{name}-")]
        assert mine[: count - 1] == [f"{name}-{number}" for number in range(count - 1)]
    # A process that is killed while the system writes its line may leave half of it, and harms no other line.
    assert trail.torn <= len(started)


def test_a_server_that_is_killed_in_the_middle_of_a_write_leaves_it_as_unknown(file: Path) -> None:
    AuditFile(file).append({"id": "a", "time": "2026-01-01T00:00:00Z", "tool": "reply_to_email", "outcome": "begun"})
    shown = run("audit", str(file), "--outcome", "unknown")
    assert "a unknown reply_to_email" in shown.stdout


# The commands


def call(file: Path, state: Path, tool: str, **arguments: Any) -> Any:
    done = run("call", tool, json.dumps(arguments), *sandbox(state), "--raw-text", "--audit", str(file))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sandbox(state: Path) -> list[str]:
    return ["--sandbox", "--state", str(state), "--log-level", "error", "--full"]


CHANGES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("pause_campaign", {"id": FINTECH}, "get_campaign", {"id": FINTECH}),
    ("pause_account", {"email": CHLOE}, "get_account", {"email": CHLOE}),
    ("update_campaign", {"id": FINTECH, "name": "Other", "daily_limit": 7}, "get_campaign", {"id": FINTECH}),
    ("update_campaign", {"id": FINTECH, "cc_list": ["a@b.example"]}, "get_campaign", {"id": FINTECH}),
    ("update_lead", {"id": MAYA_LEAD, "job_title": "CEO"}, "get_lead", {"id": MAYA_LEAD}),
    ("update_lead", {"id": MAYA_LEAD, "custom_variables": {"country": "Norway"}}, "get_lead", {"id": MAYA_LEAD}),
    ("update_lead", {"id": MAYA_LEAD, "custom_variables": {"city": "Oslo"}}, "get_lead", {"id": MAYA_LEAD}),
    (
        "toggle_custom_tag",
        {"tag_ids": [WARM_SENDERS], "resource_type": 1, "assign": True, "resource_ids": [CHLOE, BEN]},
        "list_custom_tag_mappings",
        {"resource_ids": f"{CHLOE},{BEN}"},
    ),
]


def steady(value: Any) -> Any:
    """An answer without what every change moves, and with lists in an order of their own."""
    if isinstance(value, dict):
        moved = ("timestamp_updated", "timestamp_created", "timestamp_last_interest_change", "id")
        return {name: steady(item) for name, item in value.items() if name not in moved and item not in (None, [])}
    return sorted(map(steady, value), key=json.dumps) if isinstance(value, list) else value


@pytest.mark.parametrize(("tool", "arguments", "reader", "asked"), CHANGES, ids=[change[0] for change in CHANGES])
def test_a_write_with_an_inverse_is_undone_once(
    tmp_path: Path, file: Path, tool: str, arguments: dict[str, Any], reader: str, asked: dict[str, Any]
) -> None:
    state = tmp_path / "state.db"
    before = call(file, state, reader, **asked)
    call(file, state, tool, **arguments)
    (entry,) = entries(file)
    assert "inverse" in entry, entry
    asking = run("undo", str(file), entry["id"], *sandbox(state))
    assert "To undo it: " in asking.stderr and "there is nobody to ask" in asking.stderr
    assert asking.returncode == 2
    done = run("undo", str(file), entry["id"], "--yes", *sandbox(state))
    assert done.returncode == 0, done.stderr
    assert steady(call(file, state, reader, **asked)) == steady(before)
    assert entries(file)[-1]["undoes"] == entry["id"]
    assert "was undone already" in one_line(run("undo", str(file), entry["id"], "--yes", *sandbox(state)))
    assert f"undone by {entries(file)[-1]['id']}" in run("audit", str(file)).stdout


AT_A_TERMINAL = pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="whether it waits is not seen")


@AT_A_TERMINAL
def test_one_ctrl_c_at_the_question_is_enough_and_undoes_nothing(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "update_campaign", id=FINTECH, daily_limit=7)
    words = ["undo", str(file), entries(file)[0]["id"], *sandbox(state)]
    status, said = processes.interrupted("Do it? [y/N]: ", *words, environment=clean_environment())
    assert status == 130 and said.rstrip().endswith("Do it? [y/N]:"), said
    assert call(file, state, "get_campaign", id=FINTECH)["daily_limit"] == 7


@pytest.fixture(scope="module")
def changed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audit of one change, and with the world that it was made in."""
    folder = tmp_path_factory.mktemp("changed")
    call(folder / "audit.jsonl", folder / "state.db", "update_campaign", id=FINTECH, daily_limit=7)
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        *({"after": None}, {"after": "x"}, {"before": None}, {"before": []}),
        *({"inverse": {}}, {"inverse": {"tool": []}}, {"inverse": {"tool": "update_campaign", "arguments": []}}),
        *({"confirmed": []}, {"confirmed": {"a": 1}}, {"undoes": []}, {"workspace": {}}, {"error": []}),
        *({"arguments": None}, {"workflow": []}, {"time": ""}),
    ],
    ids=json.dumps,
)
def test_an_entry_that_was_damaged_is_told_and_undone_only_where_all_is_there(
    changed_once: Path, tmp_path: Path, damage: dict[str, Any]
) -> None:
    shutil.copytree(changed_once, tmp_path / "own")
    file, state = tmp_path / "own" / "audit.jsonl", tmp_path / "own" / "state.db"
    damaged = {**entries(file)[0], **damage}
    file.write_text(json.dumps(damaged) + "\n")
    for more in ([], ["--json"], ["--since", "2020-01-01"]):
        shown = CliRunner().invoke(cli, ["audit", str(file), *more])
        assert (shown.exit_code, shown.stderr) == (0, "")
    done = run("undo", str(file), damaged["id"], "--yes", *sandbox(state))
    if set(damage) & {"after", "before", "inverse"}:
        assert "cannot be undone: " in one_line(done)
        assert call(file, state, "get_campaign", id=FINTECH)["daily_limit"] == 7
    else:
        assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("there", "here", "said"), [(KESTREL, None, f"add --workspace {KESTREL}"), (None, KESTREL, "leave --workspace out")]
)
def test_a_write_in_a_sub_workspace_is_not_undone_in_another(
    changed_once: Path, tmp_path: Path, there: str | None, here: str | None, said: str
) -> None:
    shutil.copytree(changed_once, tmp_path / "own")
    file, state = tmp_path / "own" / "audit.jsonl", tmp_path / "own" / "state.db"
    (entry,) = entries(file)
    file.write_text(json.dumps({**entry, "sub_workspace": there}) + "\n")
    chosen = [] if here is None else ["--workspace", here]
    assert said in one_line(run("undo", str(file), entry["id"], "--yes", *sandbox(state), *chosen))


def test_nothing_is_undone_where_only_reads_are_allowed(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "update_campaign", id=FINTECH, daily_limit=7)
    words = ["undo", str(file), entries(file)[0]["id"], "--yes", *sandbox(state)]
    assert "--read-only (INSTANTLY_READ_ONLY) is set" in one_line(run(*words, INSTANTLY_READ_ONLY="1"))
    assert call(file, state, "get_campaign", id=FINTECH)["daily_limit"] == 7


def test_an_interest_status_is_undone_once_it_is_there(tmp_path: Path, file: Path) -> None:
    given = {"lead_email": TOM, "campaign_id": FINTECH, "interest_value": -1}
    with served("sandbox", "--frozen") as (_, page):
        api = page.partition("/api/v2")[0]
        server = ["--server", api, "--log-level", "error"]
        environment = {"INSTANTLY_API_KEY": SANDBOX_KEY}
        audited = [*server, "--audit", str(file)]
        assert run("call", INTEREST, json.dumps(given), *audited, **environment).returncode == 0
        (entry,) = entries(file)
        assert (entry["before"], entry["after"]) == ({STATUS: None}, {STATUS: -1})
        early = one_line(run("undo", str(file), entry["id"], "--yes", *server, **environment))
        assert "or it is not done yet" in early
        httpx.post(f"{api}/_sandbox/clock", json={"advance": 60}).raise_for_status()
        done = run("undo", str(file), entry["id"], "--yes", *server, **environment)
        assert done.returncode == 0, done.stderr
        httpx.post(f"{api}/_sandbox/clock", json={"advance": 60}).raise_for_status()
        asked = json.dumps({"contacts": [TOM], "fields": ["*"]})
        (lead,) = json.loads(run("call", "list_leads", asked, *server, **environment).stdout)["items"]
    assert lead.get(STATUS) is None


def test_a_long_text_of_a_stranger_is_undone_where_results_are_quoted(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    told = "Their CFO spoke about [the close](https://x.example/?lead=17) at the meetup in Oslo."
    call(file, state, "update_lead", id=MAYA_LEAD, personalization=told)
    call(file, state, "update_lead", id=MAYA_LEAD, personalization=told.replace("Oslo", "Bergen"))
    done = run("undo", str(file), entries(file)[-1]["id"], "--yes", *sandbox(state))
    assert done.returncode == 0, done.stderr
    assert call(file, state, "get_lead", id=MAYA_LEAD)["personalization"] == told


def test_tags_that_were_there_before_stay_when_others_are_undone(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "toggle_custom_tag", **CHANGES[-1][1])
    (entry,) = entries(file)
    assert entry["inverse"]["arguments"]["resource_ids"] == [CHLOE]


def test_what_was_changed_since_is_not_undone(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "update_lead", id=MAYA_LEAD, job_title="CEO")
    call(file, state, "update_lead", id=MAYA_LEAD, job_title="COO")
    refused = run("undo", str(file), entries(file)[0]["id"], "--yes", *sandbox(state))
    assert 'it was changed since, or it is not done yet (job_title is "COO", not "CEO")' in one_line(refused)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        (
            "create_lead_list",
            {"name": "A"},
            "What create_lead_list made is not deleted by undo; a person decides that.",
        ),
        ("verify_email", {"email": TOM}, "There is no tool that takes verify_email back."),
        ("delete_lead", {"id": MAYA_LEAD}, "What was deleted cannot be brought back."),
        ("pause_campaign", {"id": LOGISTICS}, "It was not running before (status 0)"),
        ("update_lead", {"id": MAYA_LEAD, "job_title": "CFO"}, "It changed nothing."),
    ],
)
def test_what_has_no_inverse_is_refused_with_why(
    tmp_path: Path, file: Path, tool: str, arguments: dict[str, Any], why: str
) -> None:
    state = tmp_path / "state.db"
    call(file, state, tool, **arguments)
    (entry,) = entries(file)
    assert why in one_line(run("undo", str(file), entry["id"], "--yes", *sandbox(state)))
    assert "There is no entry 'nope'" in one_line(run("undo", str(file), "nope", *sandbox(state)))


def test_a_write_in_one_of_several_workspaces_is_undone_there(tmp_path: Path, file: Path) -> None:
    world = ["--sandbox", "--scenario", "agency", "--state", str(tmp_path / "state.db"), "--log-level", "error"]
    keys = {"INSTANTLY_KEYS_FILE": str(ROOT / "examples" / "agency_keys.txt")}

    def call_there(tool: str, **arguments: Any) -> Any:
        there = [*world, "--workspace-name", "kestrel", "--audit", str(file)]
        done = run("call", tool, json.dumps(arguments), *there, **keys)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    made = call_there("create_lead_list", name="A")["id"]
    call_there("update_lead_list", id=made, name="B")
    entry = entries(file)[-1]
    line = run("audit", str(file), "--tool", "update_lead_list").stdout
    assert "(workspace kestrel; can be undone)" in line
    alone = tmp_path / "keys.txt"
    alone.write_text("agency = sandbox\nlumen = agency-lumen\n")
    alone.chmod(0o600)
    refused = one_line(run("undo", str(file), entry["id"], "--yes", *world, INSTANTLY_KEYS_FILE=str(alone)))
    assert "with these keys: it was in the workspace kestrel, and they are agency, lumen" in refused
    done = run("undo", str(file), entry["id"], "--yes", *world, **keys)
    assert done.returncode == 0, done.stderr
    assert call_there("get_lead_list", id=made)["name"] == "A"
    assert entries(file)[-1]["workspace"] == "kestrel"


def test_the_audit_says_of_a_line_whether_a_person_was_asked_and_what_can_be_undone(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "update_campaign", id=FINTECH, daily_limit=7)
    run("call", "activate_campaign", json.dumps({"id": WARM_SENDERS}), *sandbox(state), "--audit", str(file))
    first, second = run("audit", str(file)).stdout.splitlines()
    assert "done update_campaign (nobody was asked; can be undone) daily_limit: " in first
    assert "refused activate_campaign (NotFound; nobody was asked)" in second


REFUSED_NAMES = {
    "updat_lead": "There is no tool 'updat_lead'. Did you mean update_lead?",
    "list_leads": "list_leads changes nothing at Instantly, so the audit has nothing of it.",
    "triage_replies": "triage_replies changes nothing at Instantly, so the audit has nothing of it.",
    "stop_contacting": "the calls that it makes: ask for bulk_create_block_list_entries, remove_lead_from_subsequence.",
}


def test_the_commands_show_what_was_asked_for(tmp_path: Path, file: Path) -> None:
    state = tmp_path / "state.db"
    call(file, state, "update_lead", id=MAYA_LEAD, job_title="CEO")
    call(file, state, "create_lead_list", name="A")
    (line,) = run("audit", str(file), "--tool", "update_lead", "--outcome", "done", "--since", "1h").stdout.splitlines()
    assert 'job_title: "CFO" -> "CEO"' in line
    assert "is not a time" in one_line(run("audit", str(file), "--since", "yesterday"))
    for text in ("999999d", "2026-13-01", "2026-01-31T25:00"):
        assert "is not a time" in one_line(run("audit", str(file), "--since", text))
    for name, said in REFUSED_NAMES.items():
        with pytest.raises(ConfigError, match=re.escape(said)):
            CliRunner().invoke(cli, ["audit", str(file), "--tool", name], catch_exceptions=False)
    assert "cannot be read" in one_line(run("audit", str(tmp_path / "none")))


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_a_date_begins_where_the_file_says_so_wherever_the_reader_is(file: Path, zone: str) -> None:
    audit = AuditFile(file)
    for day in (30, 31):
        time = f"2026-01-{day}T03:00:00Z"
        audit.append({"id": str(day), "time": time, "tool": "create_lead", "outcome": "done"})
    shown = {
        text: [line.split()[1] for line in run("audit", str(file), "--since", text, TZ=zone).stdout.splitlines()]
        for text in ("0001-01-01", "2026-01-31", "2026-01-31T03:00", "2026-01-30T20:00-08:00", "9999-12-31")
    }
    assert list(shown.values()) == [["30", "31"], ["31"], ["31"], [], []]


def test_the_environment_names_the_file_too(file: Path) -> None:
    assert "INSTANTLY_AUDIT" not in clean_environment()
    done = run("call", "create_lead_list", '{"name": "A"}', "--sandbox", INSTANTLY_AUDIT=str(file))
    assert done.returncode == 0
    assert [entry["tool"] for entry in entries(file)] == ["create_lead_list"]
