"""Drafts of replies: kept, approved by a person, sent once; through real clients, processes and a terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import importlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import httpx
import pytest
from mcp import Client

from mcp_instantly import cli
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import Response
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.errors import CallError
from mcp_instantly.guards.drafts_only import DraftsOnly
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from . import processes
from .conftest import Connected, answer_of, clean_environment, command, everything, informed, no_sleep, over_stdio
from .json_handler import JsonHandler

pytestmark = pytest.mark.anyio

MAYAS_REPLY = "01991f80-0002-7000-8000-000000000002"
MAYAS_THREAD = "c0-demoThread0000000000001"
MAYA, ADA = "maya.lindqvist@fjordpay.example", "ada@brightpath.example"
WRITTEN = {"reply_to_uuid": MAYAS_REPLY, "body": {"text": "Thursday <at ten> & not later.\n\nAda"}}
REPLY = "POST /emails/reply"

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@dataclasses.dataclass
class Service(Connected):
    """A server with every tool, the drafts that it keeps, and the sandbox behind it."""

    drafts: Drafts
    faults: Faults

    async def drafted(self, **more: Any) -> str:
        """The id of a draft."""
        return str((await self.call("draft_reply", **{**WRITTEN, **more}))["draft_id"])

    def approve(self, draft_id: str, **more: Any) -> None:
        """A person has read the draft as it is now."""
        self.drafts.approve(draft_id, "Ada", content=self.drafts.find(draft_id).content, **more)

    async def state(self, draft_id: str) -> Any:
        (draft,) = (await self.call("list_drafts", draft_id=draft_id))["drafts"]
        return draft["state"]

    async def answers(self) -> list[Any]:
        """What was written by hand in Maya's thread, the newest first."""
        page = await self.call("list_emails", search=f"thread:{MAYAS_THREAD}", email_type="manual", fields=["*"])
        return list(page["items"])

    async def answered_by_somebody(self) -> None:
        """Somebody else answers in the app."""
        text = {"text": "It is settled by phone."}
        reply = {"reply_to_uuid": MAYAS_REPLY, "eaccount": ADA, "subject": "Re: a call", "body": text}
        await self.call("reply_to_email", **reply)


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Service]]


@pytest.fixture
def serve(world: World, catalog: Catalog, settings: Settings, tmp_path: Path) -> Serve:
    @contextlib.asynccontextmanager
    async def served(
        *, guards: tuple[Any, ...] = (), now: Callable[[], float] | None = None, mode: str = "auto", **chosen: Any
    ) -> AsyncIterator[Service]:
        app = create_app(world)
        selection = select(catalog, **chosen) if chosen else everything()
        drafts = Drafts(tmp_path / "drafts.sqlite", settings.api_key, **({"now": now} if now else {}))
        async with InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http:
            invoker = Invoker(selection, http, settings, guards, drafts=drafts)
            async with Client(build_server(invoker), mode=mode) as client:
                yield Service(informed(client, selection), drafts, app.workspaces.faults)

    return served


# drafting


async def test_a_draft_says_whom_it_answers_and_sends_nothing(serve: Serve) -> None:
    async with serve() as service:
        draft = await service.call("draft_reply", **WRITTEN)
        assert (draft["state"], draft["to"], draft["eaccount"]) == ("draft", [MAYA], ADA)
        assert draft["subject"].startswith("Re: ")
        assert draft["answers"]["from"] == MAYA and draft["answers"]["excerpt"]
        assert draft["body"] == WRITTEN["body"]
        file = str(service.drafts.path)
        assert draft["next"].endswith(f"mcp-instantly drafts approve {draft['draft_id']} --drafts-file {file}")
        assert await service.answers() == []
        (listed,) = (await service.call("list_drafts"))["drafts"]
        assert (listed["draft_id"], listed["state"]) == (draft["draft_id"], "draft")


async def test_the_same_draft_is_kept_once_and_another_one_to_the_thread_is_named(serve: Serve) -> None:
    async with serve() as service:
        first = await service.drafted()
        again = await service.call("draft_reply", **WRITTEN)
        assert again["draft_id"] == first and "no second one is kept" in again["_note"]
        other = await service.call("draft_reply", **{**WRITTEN, "body": {"text": "Friday."}})
        assert f"Other drafts answer the same thread: {first}." in other["_note"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": {"text": " \n"}}, "body: is blank"),
        ({"reply_to_uuid": "01991f80-0001-7000-8000-000000000001"}, "is not a received email"),
        ({"eaccount": "ben@brightpath.example"}, "leave it out"),
        ({"additional_recipients": ["nobody"]}, "additional_recipients"),
        ({"approved": True}, "approved: unknown"),
    ],
)
async def test_what_could_not_be_sent_is_refused_when_it_is_drafted(
    serve: Serve, change: dict[str, Any], said: str
) -> None:
    async with serve() as service:
        assert said in await service.refused("draft_reply", **{**WRITTEN, **change})
        assert (await service.call("list_drafts"))["drafts"] == []


async def test_a_thread_that_was_answered_already_is_told_when_it_is_drafted(serve: Serve) -> None:
    async with serve() as service:
        await service.answered_by_somebody()
        assert f"newer emails, from {ADA}" in (await service.call("draft_reply", **WRITTEN))["_note"]


# sending


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_draft_is_sent_once_and_only_after_a_person_approved_it(serve: Serve, mode: str) -> None:
    async with serve(mode=mode) as service:
        draft_id = await service.drafted(cc_address_email_list="nora@brightpath.example")
        for _ in range(2):
            assert "is not approved. A person approves it with" in await service.refused(
                "send_draft", draft_id=draft_id
            )
        assert "approved: unknown" in await service.refused("send_draft", draft_id=draft_id, approved=True)
        assert not service.drafts.is_approved(draft_id) and await service.answers() == []
        service.approve(draft_id)
        assert service.drafts.is_approved(draft_id)
        sent = await service.call("send_draft", draft_id=draft_id)
        assert (sent["outcome"], sent["to"], sent["approved_by"]) == ("done", [MAYA], "Ada")
        (mail,) = await service.answers()
        assert (mail["id"], mail["cc_address_email_list"]) == (sent["email_id"], "nora@brightpath.example")
        again = await service.call("send_draft", draft_id=draft_id)
        assert again["email_id"] == mail["id"] and "nothing was sent now" in again["_note"]
        assert len(await service.answers()) == 1 and await service.state(draft_id) == "sent"


async def test_nobody_approves_what_is_not_what_they_saw(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        seen = service.drafts.find(draft_id)
        service.drafts.edit(draft_id, {"body": {"text": "Never mind."}}, content=seen.content)
        with pytest.raises(CallError, match="was changed since it was shown"):
            service.drafts.approve(draft_id, "Ada", content=seen.content)
        assert not service.drafts.is_approved(draft_id)


async def test_a_draft_that_is_edited_after_its_approval_needs_another_one(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        content = service.drafts.find(draft_id).content
        service.drafts.edit(draft_id, {"body": {"text": "Friday."}}, content=content)
        assert "not approved any more: it was edited" in await service.refused("send_draft", draft_id=draft_id)
        service.approve(draft_id)
        await service.call("send_draft", draft_id=draft_id)
        (mail,) = await service.answers()
        assert "Friday." in mail["body"]["html"]


@pytest.mark.parametrize("with_hash", [False, True])
async def test_a_draft_that_is_changed_behind_the_back_of_its_approval_is_not_sent(
    serve: Serve, tmp_path: Path, with_hash: bool
) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        with contextlib.closing(sqlite3.connect(tmp_path / "drafts.sqlite")) as base, base:
            base.execute("UPDATE drafts SET arguments = replace(arguments, 'Thursday', 'Friday')")
            if with_hash:
                base.execute("UPDATE drafts SET content = 'another'")
        assert "was changed" in await service.refused("send_draft", draft_id=draft_id)
        assert await service.answers() == []


async def test_an_answer_by_somebody_else_takes_the_approval_back(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        await service.answered_by_somebody()
        text = await service.refused("send_draft", draft_id=draft_id)
        assert "needs to be approved again" in text and f"another email: from {ADA}" in text
        assert "not approved any more" in await service.refused("send_draft", draft_id=draft_id)
        assert len(await service.answers()) == 1
        thread = await service.call("list_emails", search=f"thread:{MAYAS_THREAD}")
        service.approve(draft_id, known=[mail["id"] for mail in thread["items"]])
        assert (await service.call("send_draft", draft_id=draft_id))["outcome"] == "done"


async def test_an_approval_holds_for_a_day(serve: Serve) -> None:
    clock = [1_000_000.0]
    async with serve(now=lambda: clock[0]) as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        clock[0] += 86_401
        assert "more than 24 hours ago" in await service.refused("send_draft", draft_id=draft_id)
        assert await service.answers() == []
        service.approve(draft_id)
        assert (await service.call("send_draft", draft_id=draft_id))["outcome"] == "done"


async def test_of_two_approved_drafts_to_one_thread_the_second_needs_another_approval(
    serve: Serve, settings: Settings
) -> None:
    async with serve() as service:
        first, second = await service.drafted(), await service.drafted(body={"text": "Friday."})
        service.approve(first)
        service.approve(second)
        await service.call("send_draft", draft_id=first)
        # Before the thread shows the first one, the file does.
        draft = service.drafts.find(second)
        with pytest.raises(CallError, match=f"draft {first} answers the same thread, and is sent"):
            service.drafts.claim(second, content=draft.content, seconds=1)
        assert "needs to be approved again" in await service.refused("send_draft", draft_id=second)
        assert len(await service.answers()) == 1


# what goes wrong


@pytest.mark.parametrize("fault", [{"status": 500}, {"reset": True}, {"error": {"error": "x"}}])
async def test_a_lost_response_is_looked_for_in_the_thread(serve: Serve, fault: dict[str, Any]) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        service.faults.add(**fault, when="after", operation=REPLY)
        sent = await service.call("send_draft", draft_id=draft_id)
        (mail,) = await service.answers()
        assert (sent["outcome"], sent["email_id"], await service.state(draft_id)) == ("done", mail["id"], "sent")


async def test_what_may_have_been_sent_is_not_sent_again_without_a_person(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        service.faults.add(status=500, operation=REPLY)
        sent = await service.call("send_draft", draft_id=draft_id)
        assert sent["outcome"] == "unknown" and f'"thread:{MAYAS_THREAD}" tells' in sent["next"]
        text = await service.refused("send_draft", draft_id=draft_id)
        assert "may have been sent" in text and f'"thread:{MAYAS_THREAD}" tells' in text
        with pytest.raises(CallError, match=r"Not approved: draft .* may have been sent"):
            service.approve(draft_id)
        assert await service.answers() == []
        service.approve(draft_id, again=True)
        assert (await service.call("send_draft", draft_id=draft_id))["outcome"] == "done"
        assert len(await service.answers()) == 1


async def test_what_is_found_later_in_the_thread_was_sent(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        service.faults.add(status=500, when="after", operation=REPLY)
        # The look after the lost response fails too; the one before it did not.
        service.faults.add(status=403, every=2, operation="GET /emails")
        assert (await service.call("send_draft", draft_id=draft_id))["outcome"] == "unknown"
        again = await service.call("send_draft", draft_id=draft_id)
        assert again["outcome"] == "done" and "nothing was sent now" in again["_note"]


@pytest.mark.parametrize("status", [400, 402, 429])
async def test_what_instantly_refuses_stays_approved(serve: Serve, status: int) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        service.faults.add(status=status, every=1, operation=REPLY)
        assert f"stopped at reply_to_email: Instantly answered {status}" in await service.refused(
            "send_draft", draft_id=draft_id
        )
        assert await service.state(draft_id) == "approved"


async def test_what_a_guard_answers_in_the_place_of_instantly_stays_approved(serve: Serve) -> None:
    class Dry:
        async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
            if call.operation.name != "reply_to_email":
                return await proceed()
            return Response(200, {"would_send": 1}, "application/json", 0, 0, ("Only tried out.",), False)

    async with serve(guards=(Dry(),)) as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        assert "Only tried out." in (await service.call("send_draft", draft_id=draft_id))["_note"]
        assert await service.state(draft_id) == "approved" and await service.answers() == []


async def test_a_thread_that_cannot_be_read_keeps_a_draft_from_being_sent(serve: Serve) -> None:
    async with serve() as service:
        draft_id = await service.drafted()
        service.approve(draft_id)
        service.faults.add(status=403, every=1, operation="GET /emails")
        assert "send_draft stopped at list_emails" in await service.refused("send_draft", draft_id=draft_id)
        assert service.drafts.is_approved(draft_id)


# one key, one file


async def test_drafts_of_another_key_or_place_are_not_seen_and_no_key_is_stored(
    serve: Serve, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "drafts.sqlite"
    async with serve() as service:
        draft_id = await service.drafted()
        for other in (Drafts(file, "another-key"), Drafts(file, settings.api_key, "another-place")):
            assert other.all() == []
            with pytest.raises(CallError, match="no draft with this id"):
                other.find(draft_id)
        key = "key-0123456789abcdef"
        Drafts(file, key).add({"body": {}}, {}, "thread", [])
    assert key.encode() not in file.read_bytes()
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "drafts.sqlite"
    Drafts(file).check()
    file.chmod(0o644)
    Drafts(tmp_path).check()
    assert os.name != "posix" or file.stat().st_mode & 0o777 == 0o600


# --drafts-only


async def test_with_drafts_only_nothing_is_sent_by_hand_but_approved_drafts(serve: Serve) -> None:
    async with serve(guards=(DraftsOnly(),)) as service:
        text = {"text": "Hello."}
        reply = {"reply_to_uuid": MAYAS_REPLY, "eaccount": ADA, "subject": "Re: a call", "body": text}
        for tool, arguments in (
            ("reply_to_email", reply),
            ("handle_reply", {"email_id": MAYAS_REPLY, "body": text, "interest_value": 1}),
        ):
            assert "keep the reply with draft_reply" in await service.refused(tool, **arguments)
        forward = {**reply, "to_address_email_list": "nora@brightpath.example"}
        assert "--drafts-only" in await service.refused("forward_email", **forward)
        test_mail = {"eaccount": ADA, "to_address_email_list": MAYA, "subject": "Hello", "body": {"html": "x"}}
        assert "--drafts-only" in await service.refused("send_test_email", **test_mail)
        assert await service.answers() == []
        draft_id = await service.drafted()
        assert "is not approved" in await service.refused("send_draft", draft_id=draft_id)
        service.approve(draft_id)
        assert (await service.call("send_draft", draft_id=draft_id))["outcome"] == "done"
        assert len(await service.answers()) == 1


# options


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(**more.pop("environment", {}))
    done: subprocess.CompletedProcess[str] = processes.run(*arguments, environment=environment, **more)
    return done


@pytest.mark.parametrize(
    ("options", "on"),
    [((), False), (("--drafts",), True), (("--drafts-only",), True), (("--tools", "get_email", "--drafts"), True)],
)
def test_the_tools_for_drafts_are_on_when_they_are_asked_for(options: tuple[str, ...], on: bool) -> None:
    listed = run("tools", "--json", *options).stdout
    names = {tool["name"] for tool in json.loads(listed)}
    assert ({"list_drafts", "draft_reply", "send_draft"} <= names) is on
    assert "get_email" in names


def test_a_file_that_is_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, data in (("text", b"no database" * 100), ("other", b"")):
        (tmp_path / name).write_bytes(data)
    with contextlib.closing(sqlite3.connect(tmp_path / "other")) as base, base:
        base.execute("CREATE TABLE theirs (id)")
    for name in ("text", "other"):
        before = (tmp_path / name).read_bytes()
        done = run("serve", "--sandbox", "--drafts-file", str(tmp_path / name), stdin="")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "cannot be used" in done.stderr and (tmp_path / name).read_bytes() == before


async def test_a_server_over_stdio_keeps_drafts_in_the_users_data_folder(tmp_path: Path) -> None:
    data = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    server = command("serve", "--sandbox", "--drafts", "--drafts-only", **data)
    async with Client(over_stdio(server)) as client:
        draft = answer_of(await client.call_tool("draft_reply", WRITTEN))
        sent = await client.call_tool("send_draft", {"draft_id": draft["draft_id"]})
        assert sent.is_error and "is not approved" in sent.content[0].text
    listed = run("drafts", environment=data)
    assert draft["draft_id"] in listed.stdout and listed.returncode == 0


# two processes, with a service of the test's own that can hold its answers


class Held(http.server.ThreadingHTTPServer):
    """Emails of one thread, and replies, which are counted; `both` holds lists until two callers ask at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Any] = []
        self.asked = threading.Event()
        self.hold: threading.Event | None = None
        self.both: threading.Barrier | None = None


class Handler(JsonHandler):
    server: Held
    MAIL: ClassVar[dict[str, Any]] = {
        "id": MAYAS_REPLY,
        "ue_type": 2,
        "thread_id": MAYAS_THREAD,
        "eaccount": ADA,
        "from_address_email": MAYA,
        "subject": "A call\x1b[31m",
        "body": {"text": "When?"},
        "timestamp_created": "2026-09-01T10:00:00.000Z",
    }

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/v2/emails/{MAYAS_REPLY}"):
            self.answer(self.MAIL)
            return
        if self.server.both:
            self.server.both.wait(30)
        self.answer({"items": [self.MAIL]})

    def do_POST(self) -> None:
        self.server.replies.append(json.loads(self.read()))
        self.server.asked.set()
        if self.server.hold:
            self.server.hold.wait(30)
        with contextlib.suppress(OSError):
            self.answer({"id": "01991f80-0099-7000-8000-000000000099"})


@pytest.fixture
def held() -> Iterator[Held]:
    with Held() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            if server.hold:
                server.hold.set()
            server.shutdown()
            thread.join()


class Desk:
    """The command line, with a key for `held` and a file of drafts."""

    def __init__(self, held: Held, file: Path):
        self.file = file
        url = f"http://127.0.0.1:{held.server_address[1]}/"
        self.environment = {"INSTANTLY_API_KEY": "k-1", "INSTANTLY_BASE_URL": url, "INSTANTLY_DRAFTS_FILE": str(file)}

    def call(self, tool: str, **arguments: Any) -> subprocess.CompletedProcess[str]:
        return run("call", tool, json.dumps(arguments), "--no-agent-check", environment=self.environment)

    def start(self, tool: str, **arguments: Any) -> subprocess.Popen[str]:
        return processes.start(
            "call",
            tool,
            json.dumps(arguments),
            "--no-agent-check",
            environment=clean_environment(**self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drafted(self) -> str:
        return str(json.loads(self.call("draft_reply", **WRITTEN).stdout)["draft_id"])

    def drafts(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run("drafts", *arguments, environment={**self.environment, **more})

    def type(self, typed: bytes, *arguments: str, main: str | None = None) -> tuple[int, str]:
        """The status and what is printed of a command at a terminal at which something is typed."""
        import pty

        master, slave = pty.openpty()
        try:
            with (
                processes.start(
                    "drafts",
                    *arguments,
                    environment=clean_environment(**self.environment),
                    main=main,
                    stdin=slave,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                ) as process,
                processes.ended(process),
            ):
                os.write(master, typed)
                printed = process.communicate()[0]
                return process.wait(), printed
        finally:
            os.close(master)
            os.close(slave)


@pytest.fixture
def desk(held: Held, tmp_path: Path) -> Desk:
    return Desk(held, tmp_path / "kept" / "drafts.sqlite")


@posix
def test_of_two_processes_at_once_one_sends_the_draft(held: Held, desk: Desk) -> None:
    draft_id = desk.drafted()
    assert desk.type(b"yes\n", "approve", draft_id)[0] == 0
    held.both = threading.Barrier(2)
    both = [desk.start("send_draft", draft_id=draft_id) for _ in range(2)]
    ended = []
    for process in both:
        with process, processes.ended(process):
            ended.append((process.communicate(), process.wait()))
    held.both = None
    assert len(held.replies) == 1
    assert any(code == 0 and json.loads(out)["outcome"] == "done" for (out, _), code in ended)
    for (_, err), code in ended:
        assert code == 0 or "by another call" in err or "was sent before" in err, err
    assert "sent " in desk.drafts("list").stdout


@posix
def test_a_draft_whose_process_was_killed_while_it_was_sent_is_never_sent_again_by_a_tool(
    held: Held, desk: Desk
) -> None:
    draft_id = desk.drafted()
    assert desk.type(b"yes\n", "approve", draft_id)[0] == 0
    held.hold = threading.Event()
    process = desk.start("send_draft", draft_id=draft_id)
    with process, processes.ended(process):
        assert held.asked.wait(30)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    held.hold.set()
    again = desk.call("send_draft", draft_id=draft_id)
    assert again.returncode == 2 and "is being sent by another call" in again.stderr
    with contextlib.closing(sqlite3.connect(desk.file)) as base, base:
        # The time of that call is over.
        base.execute("UPDATE drafts SET claimed_until = 0")
    again = desk.call("send_draft", draft_id=draft_id)
    assert again.returncode == 2 and "may have been sent" in again.stderr
    assert f'"thread:{MAYAS_THREAD}" tells' in again.stderr
    assert len(held.replies) == 1
    status, printed = desk.type(b"yes\n", "approve", draft_id)
    assert status == 1 and "may have been sent already" in printed
    status, printed = desk.type(b"send again\n", "approve", draft_id)
    assert status == 0, printed
    assert desk.call("send_draft", draft_id=draft_id).returncode == 0
    assert len(held.replies) == 2


@pytest.mark.parametrize(
    ("cut", "left"),
    [("sending", ("unknown", "the call was cut off while it was sent")), ("waiting after 429", ("approved", None))],
)
async def test_a_call_that_is_cancelled_while_it_sends_leaves_the_draft_unknown(
    catalog: Catalog, settings: Settings, tmp_path: Path, cut: str, left: tuple[str, str | None]
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            one = request.url.path.endswith(MAYAS_REPLY)
            return httpx.Response(200, json=Handler.MAIL if one else {"items": [Handler.MAIL]})
        if cut != "sending":
            return httpx.Response(429)
        await end(0)
        raise AssertionError

    async def end(_: float) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    drafts = Drafts(tmp_path / "drafts.sqlite", settings.api_key)
    async with InstantlyClient(settings, transport=httpx.MockTransport(answer), sleep=end) as http:
        invoker = Invoker(select(catalog, toolsets=["drafts"]), http, settings, drafts=drafts)
        with anyio.CancelScope() as scope:
            await invoker.invoke("draft_reply", WRITTEN)
            (draft,) = drafts.all()
            drafts.approve(draft.id, "Ada", content=draft.content)
            await invoker.invoke("send_draft", {"draft_id": draft.id})
    (draft,) = drafts.all()
    assert (draft.state, draft.why) == left


# the command for a person


@posix
def test_a_person_reads_a_draft_and_approves_it_at_a_terminal(held: Held, desk: Desk) -> None:
    draft_id = desk.drafted()
    shown = desk.drafts("show", draft_id).stdout
    assert "A call<U+001B>[31m" in shown and "\x1b" not in shown
    assert "> When?" in shown and WRITTEN["body"]["text"] in shown and f"To:       {MAYA}" in shown
    done = desk.drafts("approve", draft_id)
    assert done.returncode == 2 and "needs a terminal" in done.stderr
    status, printed = desk.type(b"\n", "approve", draft_id)
    assert status == 1 and "was not approved" in printed
    assert desk.call("send_draft", draft_id=draft_id).returncode == 2
    status, printed = desk.type(b"yes\n", "approve", draft_id)
    assert status == 0 and "WARNING" not in printed, printed
    assert "approved" in desk.drafts().stdout
    assert desk.call("send_draft", draft_id=draft_id).returncode == 0
    (reply,) = held.replies
    assert (reply["body"], reply["reply_to_uuid"]) == (WRITTEN["body"], MAYAS_REPLY)


@posix
def test_a_user_without_a_name_approves_by_their_number(held: Held, desk: Desk) -> None:
    draft_id = desk.drafted()
    status, printed = desk.type(b"yes\n", "approve", draft_id, main=f"{__name__}:{run_as_a_number.__name__}")
    assert status == 0 and "Traceback" not in printed, printed
    sent = json.loads(desk.call("send_draft", draft_id=draft_id).stdout)
    assert sent["approved_by"] == f"uid {os.getuid()}"


def run_as_a_number() -> None:
    """The command in a container whose user is in no list."""
    pwd = importlib.import_module("pwd")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        os.environ.pop(name, None)

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    pwd.getpwuid = nobody
    cli.main()


@pytest.mark.parametrize(
    ("system", "quoted"), [("posix", "'{folder}/Jo O'\"'\"'Neil.db'"), ("nt", '"{folder}/Jo O\'Neil.db"')]
)
def test_the_command_that_is_told_is_one_for_the_shell_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, quoted: str
) -> None:
    drafts = Drafts(tmp_path / "Jo O'Neil.db")
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", system)
        command = drafts.command("approve", "draft-1")
    assert command == f"mcp-instantly drafts approve draft-1 --drafts-file {quoted.format(folder=tmp_path)}"


@posix
def test_a_thread_that_changed_is_told_before_a_person_approves(
    held: Held, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft_id = desk.drafted()
    newer = {**Handler.MAIL, "id": "01991f80-0050-7000-8000-000000000050", "timestamp_created": "2026-09-02T10:00:00Z"}

    def do_get(handler: Handler) -> None:
        handler.answer({"items": [newer, Handler.MAIL]})

    monkeypatch.setattr(Handler, "do_GET", do_get)
    status, printed = desk.type(b"yes\n", "approve", draft_id)
    assert status == 0 and f"WARNING: The thread has a newer email: from {MAYA}" in printed, printed
    assert desk.call("send_draft", draft_id=draft_id).returncode == 0


@posix
def test_an_approval_without_a_key_says_that_it_could_not_look(held: Held, desk: Desk) -> None:
    draft_id = desk.drafted()
    del desk.environment["INSTANTLY_API_KEY"]
    status, printed = desk.type(b"yes\n", "approve", draft_id)
    assert (
        status == 0 and "WARNING: The thread could not be read, so it may have changed: There is no API key" in printed
    )


@posix
@pytest.mark.parametrize("typed", [b"\x03", b"\x04"], ids=["Ctrl-C", "end of input"])
def test_a_person_who_breaks_off_approves_nothing_and_sees_no_traceback(desk: Desk, typed: bytes) -> None:
    import pty

    draft_id = desk.drafted()
    master, slave = pty.openpty()
    process = processes.start(
        *("drafts", "approve", draft_id),
        environment=clean_environment(**desk.environment),
        main=f"{__name__}:{lead_the_terminal.__name__}",
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process, processes.ended(process):
        # Only what is typed at the question, not before, is for the question.
        printed = ""
        while "Type yes" not in printed:
            character = process.stdout.read(1)
            assert character, process.stderr.read()
            printed += character
        for _ in range(20):
            # Between two instructions of Python a signal waits for the next key, as a person would press it again.
            os.write(master, typed)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
                break
        out, err = process.communicate()
    os.close(master)
    os.close(slave)
    assert (process.returncode, err.strip()) == (130, ""), err
    assert "draft " in desk.drafts("list").stdout and "Approved" not in out


def lead_the_terminal() -> None:
    """The command, with its stdin as the terminal whose keys reach it."""
    fcntl, termios = map(importlib.import_module, ("fcntl", "termios"))
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    cli.main()


def editor(tmp_path: Path, code: str) -> str:
    """A command that edits the file it is given, by Python code that makes `text` of `text`."""
    script = tmp_path / "editor.py"
    lines = ["import pathlib, sys", "file = pathlib.Path(sys.argv[1])", "text = file.read_text()", code]
    script.write_text("\n".join([*lines, "file.write_text(text)"]))
    return f"{sys.executable} {script}"


@posix
def test_a_person_edits_a_draft_which_ends_its_approval(held: Held, desk: Desk, tmp_path: Path) -> None:
    draft_id = desk.drafted()
    desk.type(b"yes\n", "approve", draft_id)
    changed = editor(tmp_path, "text = text.replace('Thursday', 'Friday').replace('Re: ', 'RE: ', 1)")
    done = desk.drafts("edit", draft_id, EDITOR=changed)
    assert done.returncode == 0 and "was changed. To let it be sent" in done.stdout, done.stderr
    assert desk.call("send_draft", draft_id=draft_id).returncode == 2
    desk.type(b"yes\n", "approve", draft_id)
    assert desk.call("send_draft", draft_id=draft_id).returncode == 0
    (reply,) = held.replies
    assert reply["body"] == {"text": WRITTEN["body"]["text"].replace("Thursday", "Friday")}
    assert reply["subject"].startswith("RE: ")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pass", "was not changed."),
        ("text = ''", "keep the line with the subject"),
        ("text = text[:text.index('---')] + '--- text (keep this line)\\n \\n'", "would be blank"),
        ("sys.exit(1)", "Editing failed"),
    ],
)
def test_an_edit_that_comes_to_nothing_leaves_the_draft_as_it_was(
    desk: Desk, tmp_path: Path, code: str, said: str
) -> None:
    draft_id = desk.drafted()
    before = desk.drafts("show", draft_id).stdout
    done = desk.drafts("edit", draft_id, EDITOR=editor(tmp_path, code))
    assert said in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert desk.drafts("show", draft_id).stdout == before


LOSSES = {
    "another encoding": ("file.write_bytes(text.replace('Thursday', 'Grüße').encode('latin-1')); sys.exit()", "UTF-8"),
    "a failing editor": ("file.write_text(text.replace('Thursday', 'Grüße')); sys.exit(1)", "Editing failed"),
    "a lost line": ("text = text.replace('Thursday', 'Grüße').replace('---', '-')", "keep the line with the subject"),
    "another name": ("file.with_name('new.txt').write_text('Grüße'); file.unlink(); sys.exit()", "left no file"),
}


@posix
@pytest.mark.parametrize(("code", "said"), LOSSES.values(), ids=LOSSES)
def test_what_a_person_wrote_is_kept_when_it_cannot_be_taken(desk: Desk, tmp_path: Path, code: str, said: str) -> None:
    draft_id = desk.drafted()
    before = desk.drafts("show", draft_id).stdout
    done = desk.drafts("edit", draft_id, EDITOR=editor(tmp_path, code), TMPDIR=str(tmp_path))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, said in line) == (2, True), line
    named = Path(line.rpartition("What you wrote is in ")[2].removesuffix("."))
    (file,) = named.iterdir() if named.is_dir() else [named]
    assert b"Gr" in file.read_bytes() and file.parent.stat().st_mode & 0o77 == 0
    assert desk.drafts("show", draft_id).stdout == before


@posix
def test_a_text_that_holds_a_line_that_parts_a_draft_is_not_taken_apart(desk: Desk, tmp_path: Path) -> None:
    body = {"text": "Thursday.\n--- html (keep this line)\n> as before", "html": "<p>Thursday.</p>"}
    draft_id = json.loads(desk.call("draft_reply", **{**WRITTEN, "body": body}).stdout)["draft_id"]
    before = desk.drafts("show", draft_id).stdout
    done = desk.drafts("edit", draft_id, EDITOR=editor(tmp_path, "text += 'x'"))
    assert (
        done.returncode == 2
        and "keep the line with the subject, and those that begin with ---, once each" in done.stderr
    )
    assert desk.drafts("show", draft_id).stdout == before


@posix
def test_a_draft_that_is_discarded_while_it_is_edited_leaves_what_was_written(desk: Desk, tmp_path: Path) -> None:
    draft_id = desk.drafted()
    command = [*processes.COMMAND, "drafts", "discard", draft_id]
    code = f"import subprocess; subprocess.run({command!r}, cwd={str(processes.ROOT)!r}); text += 'One more line.'"
    done = desk.drafts("edit", draft_id, EDITOR=editor(tmp_path, code), TMPDIR=str(tmp_path))
    assert done.returncode == 2 and "Not changed: draft" in done.stderr
    assert "One more line." in Path(done.stderr.rpartition(" is in ")[2].strip().removesuffix(".")).read_text()


@posix
@pytest.mark.parametrize(("code", "said"), [("file.unlink(); sys.exit()", "left no file"), ("pass", "was not changed")])
def test_where_nothing_was_written_no_file_is_left(desk: Desk, tmp_path: Path, code: str, said: str) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    draft_id = desk.drafted()
    done = desk.drafts("edit", draft_id, EDITOR=editor(tmp_path, code), TMPDIR=str(folder))
    assert said in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []
    assert "is not a command" in desk.drafts("edit", draft_id, EDITOR="'").stderr


def test_what_is_discarded_is_not_sent_and_what_is_not_there_is_said(desk: Desk) -> None:
    missing = desk.drafts("list")
    assert missing.returncode == 2 and "no drafts in" in missing.stderr and not desk.file.exists()
    draft_id = desk.drafted()
    assert desk.drafts("discard", draft_id).returncode == 0
    assert "was discarded by a person" in desk.call("send_draft", draft_id=draft_id).stderr
    for verb in ("show", "edit", "discard"):
        done = desk.drafts(verb, "draft-00000000")
        assert done.returncode == 2 and re.fullmatch(r"mcp-instantly: There is no draft .*\n", done.stderr)
