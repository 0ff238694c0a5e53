"""Jobs of many rows: they survive a kill at any moment, and no row is lost, sent or paid for twice."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_instantly.api.paging import LARGEST_PAGE
from mcp_instantly.api.request import Response
from mcp_instantly.budgets.documented import OPERATIONS
from mcp_instantly.cli import main
from mcp_instantly.errors import CallError
from mcp_instantly.guards.confirmation import Confirmation, Rules
from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.guards.enforcement import PolicyGuard
from mcp_instantly.guards.guards import Guard, GuardedCall, Proceed
from mcp_instantly.guards.ledger import Ledger
from mcp_instantly.guards.locks import CampaignLock
from mcp_instantly.guards.policy_file import read_policy
from mcp_instantly.guards.seals import Seals
from mcp_instantly.jobs.job import OPEN
from mcp_instantly.jobs.kinds import export_analytics
from mcp_instantly.jobs.reading import read_rows
from mcp_instantly.jobs.store import Store
from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.tools.catalog import Catalog

from . import processes
from .confirming import KEY, Clock, Human
from .conftest import ROOT, Connect, answer_of, clean_environment
from .processes import ended

pytestmark = pytest.mark.anyio

DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LIST, OTHER_LIST = (f"1157c0de-2b3c-4d5e-9f60-718293a4b50{n}" for n in (2, 1))
KNOWN = "maya.lindqvist@fjordpay.example"

PATIENCE_SECONDS = 120
"""For what comes to its end in seconds on a machine that has nothing else to do."""

ADD, VERIFY, LIST_LEADS = "/api/v2/leads/add", "/api/v2/email-verification", "/api/v2/leads/list"


@pytest.fixture(autouse=True)
def impatient_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of jobs, for the sake of a database or of the API, take a moment, also in forks."""
    monkeypatch.setattr("mcp_instantly.jobs.engine.AGAIN_SECONDS", 0.2)
    monkeypatch.setattr("mcp_instantly.jobs.kinds.clean_list.LOOK_SECONDS", 0.2)


# killed


class Deadly:
    """A sandbox's application that kills a process while it waits for an answer: before the call is carried out, or
    after.
    """

    def __init__(self, app: Any):
        self._app = app
        self._kill: Callable[[], None] | None = None

    def kill_at(self, path: str, number: int, *, after: bool, kill: Callable[[], None]) -> None:
        self._path, self._left, self._after, self._kill = path, number, after, kill

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self._kill is None or (scope["method"], scope["path"]) != ("POST", self._path):
            await self._app(scope, receive, send)
            return
        self._left -= 1
        if self._left:
            await self._app(scope, receive, send)
            return
        kill, self._kill = self._kill, None
        if self._after:
            await self._app(scope, receive, self._swallow)
        kill()

    async def _swallow(self, _: Any) -> None:
        """The process that would read it is about to be gone."""

    def close(self) -> None:
        self._app.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("demo") as found:
        found.app = Deadly(found.app)  # type: ignore[assignment]
        yield found


Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Run:
    """`mcp-instantly ARGUMENTS` against the sandbox on a port, with the jobs of this test."""
    environment = clean_environment(
        INSTANTLY_API_KEY=sandbox.key,
        INSTANTLY_BASE_URL=sandbox.url,
        INSTANTLY_JOBS_DATABASE=f"sqlite:///{tmp_path / 'jobs.sqlite'}",
        XDG_DATA_HOME=str(tmp_path),
    )

    def started(*arguments: str, **more: Any) -> subprocess.Popen[str]:
        return processes.start_heard(*arguments, environment=environment, **more)

    return started


def to_its_end(process: subprocess.Popen[str]) -> str:
    """What a process prints that ends by itself, and well."""
    with process, ended(process):
        out, err = process.communicate()
    assert process.returncode == 0, (out, err)
    return out


def killed(sandbox: Sandbox, process: subprocess.Popen[str], path: str, number: int, *, after: bool) -> None:
    """Have a process be killed while it waits for the answer to its so many-th call."""
    deadly: Any = sandbox.app
    deadly.kill_at(path, number, after=after, kill=process.kill)
    with process, ended(process):
        process.communicate()
    assert process.returncode == -9


def write_table(file: Path, rows: int) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["Email", "First Name", "fleet_size"])
        writer.writerows([f"p{number}@firm{number}.example", f"P{number}", number] for number in range(1, rows + 1))
        writer.writerow(["one cell"])
        writer.writerow(["not an address", "N", "1"])
        writer.writerow(["P7@Firm7.example", "Again", "7"])


def posts(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    """Those that were carried out: of a process that is killed, half a request may come."""
    return [one for one in sandbox.requests if (one["method"], one["path"], one["status"]) == ("POST", path, 200)]


def test_an_import_that_is_killed_again_and_again_has_every_row_once(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    table, out = tmp_path / "leads.csv", tmp_path / "out.csv"
    write_table(table, 200)
    before = len(sandbox.world.leads)
    asked = ["jobs", "import", str(table), "--campaign-id", DRAFT, "--rows-per-call", "40", "--yes", "--out", str(out)]
    for number, after in [(2, True), (1, False), (2, True)]:
        killed(sandbox, run(*asked), ADD, number, after=after)
    printed = to_its_end(run(*asked))
    added = Counter(lead["email"] for lead in sandbox.world.leads if lead.get("campaign") == DRAFT)
    assert {f"p{number}@firm{number}.example": 1 for number in range(1, 201)}.items() <= added.items()
    assert len(sandbox.world.leads) == before + 200
    # One call was never carried out, and is not on record; none was made twice.
    assert len(posts(sandbox, ADD)) == 5
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [int(row["row"]) for row in rows] == list(range(1, 204))
    assert Counter(row["state"] for row in rows) == {"created": 200, "refused": 2, "duplicate": 1}
    assert "the header 3" in rows[200]["why"]
    assert [row["why"] for row in rows[201:]] == ["invalid address (not an address)", "as row 7"]
    assert "created      200" in printed


def test_a_verification_that_is_killed_again_and_again_pays_for_each_address_once(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    table, out = tmp_path / "leads.csv", tmp_path / "out.csv"
    write_table(table, 70)
    credits = sandbox.world.verification_credits
    asked = ["jobs", "verify", str(table), "--yes", "--out", str(out)]
    for number, after in [(12, True), (20, False), (1, True)]:
        killed(sandbox, run(*asked), VERIFY, number, after=after)
    # Where it cannot be looked up what became of an address, it may still have been paid for.
    sandbox.faults.add(operation=f"GET {VERIFY.removeprefix('/api/v2')}/{{email}}", status=401, every=1)
    early = run(*asked)
    with early, ended(early):
        assert "401" in early.communicate()[0]
    sandbox.faults.clear()
    job_id = to_its_end(run("jobs", "list")).split()[0]
    whole = tmp_path / "whole.csv"
    printed = to_its_end(run("jobs", "resume", job_id, "--yes", "--out", str(whole)))
    verified = Counter(one["body"]["email"] for one in posts(sandbox, VERIFY))
    assert verified == {f"p{number}@firm{number}.example": 1 for number in range(1, 71)}
    assert credits - sandbox.world.verification_credits == 70
    rows = list(csv.DictReader(io.StringIO(whole.read_text())))
    assert Counter(row["state"] for row in rows) == {"verified": 70, "error": 2, "duplicate": 1}
    assert sum(int(row["credits"] or 0) for row in rows) == 70
    assert "credits      70" in printed


def test_a_worker_goes_on_with_what_a_killed_process_left(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "leads.csv"
    write_table(table, 30)
    killed(
        sandbox,
        run("jobs", "import", str(table), "--list-id", LIST, "--rows-per-call", "10", "--yes"),
        ADD,
        2,
        after=False,
    )
    job_id = to_its_end(run("jobs", "list")).split()[0]
    worker = run("worker")
    with worker, ended(worker):
        told = json.loads(to_its_end(run("call", "get_job", json.dumps({"job_id": job_id, "wait_seconds": 40}))))
        worker.terminate()
        worker.communicate()
    assert told["state"] == "done" and told["rows"]["created"] == 30


def test_faults_of_every_kind_cost_no_row_and_no_second_credit(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "leads.csv"
    write_table(table, 60)
    credits = sandbox.world.verification_credits
    for fault in (
        {"status": 503, "when": "after"},
        {"status": 500},
        {"reset": True, "when": "after"},
        {"truncated": True},
        {"html": 200},
    ):
        sandbox.faults.add(operation="POST /email-verification", rate=0.05, seed=len(str(fault)), **fault)
    told = to_its_end(run("jobs", "verify", str(table), "--yes"))
    assert "verified     60" in told and "credits      60" in told
    assert len(sandbox.faults.log) > 3
    assert credits - sandbox.world.verification_credits == 60


def test_a_job_waits_for_a_budget_that_is_used_up_and_then_goes_on(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "leads.csv"
    table.write_text("Email\n" + "".join(f"p{number}@firm{number}.example\n" for number in range(1, 7)))
    # One call in a second, and no call may wait for longer than that.
    told = to_its_end(run("jobs", "verify", str(table), "--yes", "--replicas", "100", "--call-timeout", "2"))
    assert "verified     6\n" in told and "credits      6\n" in told
    assert len(posts(sandbox, VERIFY)) == 6


def test_a_policy_holds_for_the_calls_of_a_job_and_each_is_in_the_audit(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    table, audit, policy = tmp_path / "leads.csv", tmp_path / "audit.jsonl", tmp_path / "policy.toml"
    write_table(table, 20)
    policy.write_text('ledger = "used.sqlite3"\n[limits.credits]\nper_day = 5\n')
    asked = ["jobs", "verify", str(table), "--yes", "--policy", str(policy), "--audit", str(audit)]
    process = run(*asked)
    with process, ended(process):
        out, err = process.communicate()
    written = [json.loads(line) for line in audit.read_text().splitlines()]
    assert process.returncode == 1 and "limits.credits.per_day" in out, (out, err)
    assert "verified     5\n" in out and "credits      5\n" in out
    assert len(posts(sandbox, VERIFY)) == 5
    assert sum("verify_email" in json.dumps(entry) for entry in written) >= 5


def test_a_plan_says_what_it_would_take_and_starts_nothing(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "leads.csv"
    write_table(table, 30)
    process = run("jobs", "import", str(table), "--campaign-id", DRAFT, "--verify-first", "--plan")
    with process, ended(process):
        _, err = process.communicate()
    for words in ("rows               33", "credits at most    33", "Email -> email", "fleet_size -> fleet_size"):
        assert words in err
    assert {one["method"] for one in sandbox.requests} == {"GET"}
    assert to_its_end(run("jobs", "list")) == ""


def test_a_plan_that_fails_is_told_in_a_sentence(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    sandbox.faults.add(operation="POST /leads/list", html=200)
    for arguments, words in [
        (["export-leads", str(tmp_path / "leads.csv"), "--list-id", LIST, "--yes"], "an HTML page"),
        (["export-leads", str(tmp_path / "leads.txt"), "--list-id", LIST, "--yes"], "leads.txt says no kind of table"),
        (["clean", "--list-id", LIST], "add --yes where nobody can be asked"),
    ]:
        process = run("jobs", *arguments)
        with process, ended(process):
            _, err = process.communicate()
        assert process.returncode == 2 and words in err and "Traceback" not in err, err
        sandbox.faults.clear()


# through a client


async def finished(client: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """A job that is started, at its end."""
    return await at_its_end(client, answer_of(await client.call_tool("start_job", arguments)))


async def at_its_end(client: Any, job: dict[str, Any]) -> dict[str, Any]:
    """A job that has ended: the first of a process has to import its engine, which takes long beside other tests."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while job["state"] in OPEN:
            job = answer_of(await client.call_tool("get_job", {"job_id": job["job_id"], "wait_seconds": 30}))
    return job


async def test_a_client_starts_a_job_and_learns_of_each_row(connect: Connect, world: World) -> None:
    addresses = ["ok@a.example", "invalid@b.example", "catchall@c.example", "OK@a.example", "nonsense"]
    credits = world.verification_credits
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {"verify_emails": {"addresses": addresses}, "key": "a"})
        rows = answer_of(await client.call_tool("get_job_rows", {"job_id": job["job_id"]}))["rows"]
        bad = answer_of(await client.call_tool("get_job_rows", {"job_id": job["job_id"], "state": "invalid"}))["rows"]
        listed = answer_of(await client.call_tool("list_jobs", {"state": "done"}))["jobs"]
        again = answer_of(await client.call_tool("start_job", {"verify_emails": {"addresses": addresses}, "key": "a"}))
        other = await client.call_tool("start_job", {"verify_emails": {"addresses": ["x@y.example"]}, "key": "a"})
        unknown = await client.call_tool("get_job", {"job_id": "job-00000000"})
    assert job["state"] == "done" and job["credits_used"] == 3 == credits - world.verification_credits
    assert [row["state"] for row in rows] == ["verified", "invalid", "catch_all", "duplicate", "error"]
    assert [row["address"] for row in bad] == ["invalid@b.example"]
    assert [one["job_id"] for one in listed] == [job["job_id"]]
    assert again["outcome"] == "done" and again["job_id"] == job["job_id"]
    assert other.is_error and "a job with other arguments" in other.content[0].text
    assert unknown.is_error and "There is no job with this id here" in unknown.content[0].text


def spoil(tmp_path: Path, table: str) -> None:
    """Have the engine find something else where it wants to put a table of its own."""
    Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
        base.execute(f"create table {table} (nonsense text)")


async def test_an_engine_that_cannot_start_is_told_and_everything_else_goes_on(
    connect: Connect, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    spoil(tmp_path, "workflow_status")
    given = {"verify_emails": {"addresses": ["ok@a.example"]}}
    async with connect(toolsets=["jobs", "campaigns"], works_on_jobs=True) as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            told = answer_of(await client.call_tool("start_job", given))
            assert "this process cannot work on jobs" in told["next"] and "workflow_status" in told["next"]
            assert answer_of(await client.call_tool("list_campaigns", {"limit": 1}))["items"]
            again = answer_of(await client.call_tool("start_job", given))
            assert again["job_id"] == told["job_id"] and again["next"] == told["next"]
            assert answer_of(await client.call_tool("get_job", {"job_id": told["job_id"]}))["state"] == "waiting"
            with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
                base.execute("drop table workflow_status")
            assert (await finished(client, given))["rows"]["verified"] == 1
    lines = [event for event in events if event["event"] == "jobs_not_worked_on"]
    assert len(lines) == 2 and all("workflow_status" in line["reason"] for line in lines)


async def test_a_database_that_fails_later_is_told_in_a_sentence(connect: Connect, tmp_path: Path) -> None:
    given = {"verify_emails": {"addresses": ["ok@a.example"]}}
    async with connect(toolsets=["jobs"]) as client:
        job = answer_of(await client.call_tool("start_job", given))["job_id"]
        with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
            base.execute("drop table jobs")
        for tool, arguments in [
            ("start_job", given),
            ("get_job", {"job_id": job}),
            ("get_job_rows", {"job_id": job}),
            ("cancel_job", {"job_id": job}),
            ("list_jobs", {}),
        ]:
            told = await client.call_tool(tool, arguments)
            assert told.is_error and "The database of jobs failed (OperationalError)" in told.content[0].text
            assert "may have been carried out" not in told.content[0].text


async def test_a_job_is_not_cancelled_in_a_dry_run(connect: Connect) -> None:
    given = {"verify_emails": {"addresses": ["ok@a.example"]}}
    async with connect(toolsets=["jobs"]) as client:
        job = answer_of(await client.call_tool("start_job", given))["job_id"]
    async with connect(toolsets=["jobs"], guards=[DryRun()]) as client:
        told = answer_of(await client.call_tool("cancel_job", {"job_id": job}))
        assert told["would"] == {"cancel": job, "state": "waiting"} and "--dry-run" in told["_note"]
        unknown = await client.call_tool("cancel_job", {"job_id": "job-00000000"})
        assert unknown.is_error and "There is no job with this id" in unknown.content[0].text
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        assert (await finished(client, given))["rows"]["verified"] == 1


def test_a_worker_whose_engine_cannot_start_says_so_in_one_line(run: Run, tmp_path: Path) -> None:
    spoil(tmp_path, "workflow_status")
    process = run("worker")
    with process, ended(process):
        _, err = process.communicate()
    assert process.returncode == 2 and err.count("\n") == 1, err
    assert "The database of jobs (--jobs-database) cannot be used" in err


async def test_an_import_accounts_for_rows_that_are_not_taken(connect: Connect, world: World) -> None:
    rows = [
        {"Mail": "new@a.example", "Boss": "Layla"},
        {"Mail": KNOWN},
        {"Mail": ""},
        {"Mail": "new@a.example"},
    ]
    given = {"rows": rows, "campaign_id": ACTIVE, "columns": {"Boss": "manager_name"}}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        plan = answer_of(await client.call_tool("start_job", {"import_leads": given, "preview": True}))["plan"]
        assert not any(one["method"] != "GET" for one in world.requests)
        job = await finished(client, {"import_leads": given})
        told = answer_of(await client.call_tool("get_job_rows", {"job_id": job["job_id"]}))["rows"]
    assert plan["columns"] == {"Mail": "email", "Boss": "manager_name"} and "which is active" in plan["target"]
    assert [(row["state"], row.get("why")) for row in told] == [
        ("created", None),
        ("skipped", "already there"),
        ("refused", "no address"),
        ("duplicate", "as row 1"),
    ]
    (lead,) = world.leads.where(email="new@a.example")
    assert lead["payload"]["manager_name"] == "Layla"


async def test_addresses_that_fail_are_not_imported_where_they_are_verified_first(
    connect: Connect, world: World
) -> None:
    rows = [{"Email": f"{name}@corp.example"} for name in ("good", "invalid", "catchall", "fine")]
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {"import_leads": {"rows": rows, "list_id": LIST, "verify_first": True}})
    assert job["rows"] == {"total": 4, "created": 2, "invalid": 1, "refused": 1} and job["credits_used"] == 4
    assert [*world.leads.where(email="fine@corp.example")] and not [*world.leads.where(email="invalid@corp.example")]


@pytest.mark.parametrize("preview", [True, False])
async def test_no_address_is_paid_for_before_its_import_and_with_it(
    connect: Connect, world: World, preview: bool
) -> None:
    def asked(on_import: Any) -> dict[str, Any]:
        rows = [{"Email": "good@corp.example"}]
        given = {"rows": rows, "list_id": LIST, "verify_first": True, "verify_leads_on_import": on_import}
        return {"import_leads": given, "preview": preview}

    credits = world.verification_credits
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        for on_import in (True, "true"):
            refused = await client.call_tool("start_job", asked(on_import))
            assert refused.is_error and "verify_first and verify_leads_on_import would" in refused.content[0].text
            assert "give one of them" in refused.content[0].text
        assert world.verification_credits == credits and not world.requests
        allowed = await client.call_tool("start_job", asked(False))
    assert not allowed.is_error


async def test_values_of_rows_in_the_call_are_those_that_import_rows_sends(connect: Connect, world: World) -> None:
    flat = {"vip": True, "score": 12, "ratio": 1e5, "none": None, "zip": "007", "Phone": 491234567890}
    nested = {"email": "bad@x.example", "tags": ["a", "b"], "more": {"k": None}, "left out": ["c"]}
    columns = {"left out": ""}
    async with connect(toolsets=["jobs", "workflows"], works_on_jobs=True) as client:
        rows = [{"email": "job@x.example", **flat}, nested]
        job = await finished(client, {"import_leads": {"rows": rows, "list_id": LIST, "columns": columns}})
        told = answer_of(await client.call_tool("get_job_rows", {"job_id": job["job_id"]}))["rows"]
        rows = [{"email": "rows@x.example", **flat}, nested]
        await client.call_tool("import_rows", {"rows": rows, "list_id": LIST, "columns": columns})
    (by_job,), (by_rows,) = (world.leads.where(email=f"{name}@x.example") for name in ("job", "rows"))
    assert by_job["payload"] | {"email": ""} == by_rows["payload"] | {"email": ""}
    assert by_job["payload"]["vip"] is True and by_job["payload"]["ratio"] == 1e5 and by_job["payload"]["zip"] == "007"
    assert by_job["phone"] == by_rows["phone"] == "491234567890"
    assert (told[1]["state"], told[1]["why"]) == ("refused", "value not flat (tags, more)")


async def test_a_nul_costs_its_row_alone_in_the_call_too(connect: Connect, world: World) -> None:
    rows = [{"Email": "a@x.example", "Note": "a\0b"}, {"Email": "c\0@x.example"}, {"Email": "d@x.example"}]
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        jobs = [
            await finished(client, {"import_leads": {"rows": rows, "list_id": LIST}}),
            await finished(client, {"verify_emails": {"addresses": [row["Email"] for row in rows[1:]]}}),
        ]
        told = [answer_of(await client.call_tool("get_job_rows", {"job_id": job["job_id"]}))["rows"] for job in jobs]
    assert [row["state"] for row in told[0]] == ["refused", "refused", "created"]
    assert [row["state"] for row in told[1]] == ["error", "verified"]
    assert told[0][0]["why"] == told[0][1]["why"] == told[1][0]["why"] == "holds a NUL character"


@pytest.mark.parametrize("verify_first", [True, False])
async def test_no_call_has_more_rows_than_asked_for(
    connect: Connect, world: World, tmp_path: Path, verify_first: bool
) -> None:
    write_table(tmp_path / "leads.csv", 12)
    given = {"file": "leads.csv", "list_id": LIST, "verify_first": verify_first, "rows_per_call": 5}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {"import_leads": given})
    assert job["rows"]["created"] == 12
    assert [len(one["body"]["leads"]) for one in world.requests if one["path"] == ADD] == [5, 5, 2]


async def test_the_leads_of_a_campaign_are_verified_by_their_pages(connect: Connect, world: World) -> None:
    emails = {lead["email"] for lead in world.leads if lead.get("campaign") == ACTIVE}
    # It goes by addresses and ids: what else a record holds may be of any type.
    world.leads.change(next(lead for lead in world.leads if lead.get("campaign") == ACTIVE), lt_interest_status="odd")
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {"verify_emails": {"campaign_id": ACTIVE}})
    verified = [one["body"]["email"] for one in world.requests if one["path"] == VERIFY]
    assert job["state"] == "done" and sorted(verified) == sorted(emails)


async def test_a_file_outside_of_the_folders_is_refused(connect: Connect, tmp_path: Path) -> None:
    async with connect(toolsets=["jobs"]) as client:
        for file in ("/etc/passwd", "../leads.csv", str(ROOT / "pyproject.toml")):
            refused = await client.call_tool("start_job", {"verify_emails": {"file": file}})
            assert refused.is_error and "lies outside the folders" in refused.content[0].text


# guards


async def test_a_person_is_asked_about_a_job_with_its_numbers_and_its_calls_are_then_covered(
    connect: Connect, catalog: Catalog, world: World
) -> None:
    human = Human()
    guard = Confirmation(Rules(), Seals(KEY, "x", 60, now=Clock()), catalog.operations)
    given = {"verify_emails": {"addresses": ["a@b.example", "c@d.example"]}}
    async with connect(
        toolsets=["jobs"], works_on_jobs=True, guards=[guard], client={"elicitation_callback": human}
    ) as client:
        job = await finished(client, given)
        human.action = "decline"
        refused = answer_of(await client.call_tool("start_job", {**given, "key": "another"}))
    message = human.forms[0].message
    assert "this can spend credits or money" in message and "send email" not in message
    assert "rows: 2" in message and "credits at most: 2" in message and "credits left:" in message
    assert job["state"] == "done" and job["credits_used"] == 2
    assert refused["confirmed"] is False
    assert sum(one["path"] == VERIFY for one in world.requests) == 2


@pytest.mark.parametrize(
    ("guards", "lock", "words"),
    [
        ([DryRun()], CampaignLock(), "dry_run"),
        ([], CampaignLock(ACTIVE), "works on campaign"),
    ],
    ids=["dry run", "lock"],
)
async def test_a_job_is_not_started_around_a_guard(
    connect: Connect, world: World, guards: list[Guard], lock: CampaignLock, words: str
) -> None:
    given = {"import_leads": {"rows": [{"Email": "new@a.example"}], "campaign_id": DRAFT}}
    async with connect(toolsets=["jobs"], works_on_jobs=True, guards=[lock, *guards], lock=lock) as client:
        told = await client.call_tool("start_job", given)
        jobs = answer_of(await client.call_tool("list_jobs", {}))["jobs"]
    assert words in told.content[0].text and jobs == []
    assert not [*world.leads.where(email="new@a.example")]


# what is installed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--sandbox", "--toolsets", "jobs"], "pip install 'mcp-instantly[jobs]'"),
        (["jobs", "list", "--sandbox"], "pip install 'mcp-instantly[jobs]'"),
        (["call", "start_job", "{}", "--sandbox"], "start_job is not enabled"),
    ],
)
def test_where_the_extra_is_not_installed_a_sentence_says_so(arguments: list[str], words: str) -> None:
    without = f"{__name__}:{run_without_the_extra.__name__}"
    told = processes.run(*arguments, environment=clean_environment(), main=without)
    assert told.returncode == 2 and words in told.stderr and "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", "start_job", '{"verify_emails": {"file": "x.parquet"}}'],
        ["jobs", "verify", "x.parquet", "--yes"],
        ["jobs", "verify", "x.csv", "--yes", "--out", "y.parquet"],
        ["jobs", "export-leads", "y.parquet", "--list-id", LIST, "--yes"],
    ],
)
def test_a_job_that_needs_pyarrow_says_that_it_is_missing(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1....PAR1")
    (tmp_path / "x.csv").write_text("Email\nok@a.example\n")
    place = ["--sandbox", "--files", str(tmp_path), "--jobs-database", f"sqlite:///{tmp_path / 'jobs.sqlite'}"]
    told = processes.run(
        *(*arguments, *place),
        environment=clean_environment(),
        cwd=tmp_path,
        main=f"{__name__}:{run_without_pyarrow.__name__}",
    )
    assert told.returncode in (1, 2) and "Traceback" not in told.stderr
    assert "Parquet needs PyArrow: pip install 'mcp-instantly[jobs]'" in told.stdout + told.stderr
    assert "may have been" not in told.stderr and "verified" not in told.stdout


def run_without_pyarrow() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        del sys.modules[name]
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    main()


def run_without_the_extra() -> None:
    """`mcp-instantly` where `jobs` is not installed."""
    for name in ("mcp_instantly.jobs.engine", "mcp_instantly.jobs.durable"):
        sys.modules.pop(name, None)
    sys.modules["dbos"] = None  # type: ignore[assignment]
    main()


async def test_a_job_that_is_cancelled_stops_at_a_row_and_goes_on_from_there(connect: Connect, world: World) -> None:
    addresses = [f"p{number}@firm{number}.example" for number in range(1, 151)]
    given = {"verify_emails": {"addresses": addresses}, "key": "weekly"}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = answer_of(await client.call_tool("start_job", given))
        with anyio.fail_after(PATIENCE_SECONDS):
            while not any(one["path"] == VERIFY for one in world.requests):
                await anyio.sleep(0.01)
        await client.call_tool("cancel_job", {"job_id": job["job_id"]})
        cancelled = await at_its_end(client, job)
        again = answer_of(await client.call_tool("start_job", given))
        done = await at_its_end(client, again)
    verified = Counter(one["body"]["email"] for one in world.requests if one["path"] == VERIFY)
    assert cancelled["state"] == "cancelled" and 0 < cancelled["rows"]["verified"] < 150
    assert cancelled["credits_used"] == cancelled["rows"]["verified"]
    assert again["outcome"] == "continued" and again["job_id"] == job["job_id"]
    assert done["state"] == "done" and done["rows"]["verified"] == 150 == done["credits_used"]
    assert verified == dict.fromkeys(addresses, 1)


# exports


def test_an_export_that_is_killed_has_every_lead_once(sandbox: Sandbox, run: Run, tmp_path: Path) -> None:
    for number in range(450):
        lead = {"id": sandbox.world.uuid7(), "email": f"p{number}@firm.example", "list_id": LIST, "status": 0}
        stamp = sandbox.world.stamp()
        sandbox.world.leads.add({**lead, "payload": {}, "timestamp_created": stamp, "timestamp_updated": stamp})
    file = tmp_path / "leads.csv"
    asked = ["jobs", "export-leads", str(file), "--list-id", LIST, "--yes"]
    # Five pages are read for the plan, and then each once more.
    for number, after in [(7, True), (8, False)]:
        killed(sandbox, run(*asked), LIST_LEADS, number, after=after)
        assert not file.exists()
    to_its_end(run(*asked))
    there = sorted(lead["id"] for lead in sandbox.world.leads if lead.get("list_id") == LIST)
    assert sorted(row["id"] for row in table_of(file)) == there


def test_an_export_is_left_alone_by_processes_whose_folders_do_not_have_its_file(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    elsewhere, here, there = folders = [tmp_path / name for name in ("elsewhere", "here", "there")]
    log = tmp_path / "log"
    for folder in folders:
        folder.mkdir()
    (elsewhere / "f.csv").write_text("Email\nok@a.example\n")
    # Three pages are read for the plan, twice.
    killed(sandbox, run("jobs", "export-leads", str(here / "leads.csv"), "--yes"), LIST_LEADS, 8, after=False)
    # Of the same key, and at work on another job.
    to_its_end(run("jobs", "verify", str(elsewhere / "f.csv"), "--yes"))
    left = to_its_end(run("jobs", "list")).splitlines()[-1].split()
    given = {"export_leads": {"file": "later.csv"}, "key": "later"}
    to_its_end(run("call", "start_job", json.dumps(given), "--toolsets", "jobs", "--files", str(there)))
    worker = run("worker", "--files", str(elsewhere), "--log-level", "info", "--log-file", str(log))
    with worker, ended(worker):
        processes.until(lambda: log.exists() and log.read_text().count("job_left_alone") == 2, 30)
        resumed = to_its_end(run("jobs", "resume", left[0]))
        waiting = to_its_end(run("jobs", "list")).splitlines()[0].split()
        wrong = run("call", "start_job", json.dumps(given), "--toolsets", "jobs", "--files", str(elsewhere))
        with wrong, ended(wrong):
            _, said = wrong.communicate()
        later = to_its_end(run("jobs", "resume", waiting[0]))
        worker.terminate()
        worker.communicate()
    assert (left[1], left[2]) == ("export_leads", "running") and f"{left[0]}  done" in resumed
    assert f"{waiting[0]} is left alone here" in said and f"outside the folders of --files ({elsewhere})" in said
    assert f"{waiting[0]}  done" in later
    for file in (here / "leads.csv", there / "later.csv"):
        assert len(table_of(file)) == len(sandbox.world.leads)


@pytest.mark.skipif(sys.platform == "win32", reason="its files have no limit")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_export_goes_on_once_the_disk_has_room(sandbox: Sandbox, run: Run, tmp_path: Path, kind: str) -> None:
    for number in range(300):
        lead = {"id": sandbox.world.uuid7(), "email": f"p{number}@firm.example", "list_id": LIST, "status": 0}
        stamp = sandbox.world.stamp()
        more = {"personalization": "x" * 15_000, "timestamp_created": stamp, "timestamp_updated": stamp}
        sandbox.world.leads.add({**lead, "payload": {}, **more})
    file = tmp_path / f"leads.{kind}"
    asked = ["jobs", "export-leads", str(file), "--list-id", LIST, "--yes"]
    process = run(*asked, preexec_fn=processes.fill_disk)
    with process, ended(process):
        out, err = process.communicate()
    assert process.returncode == 1 and "Traceback" not in err and not file.exists(), (out, err)
    assert f"stopped: {file.name} cannot be written: File too large" in out and "goes on" in out
    to_its_end(run(*asked))
    there = sorted(lead["id"] for lead in sandbox.world.leads if lead.get("list_id") == LIST)
    assert sorted(row["id"] for row in table_of(file)) == there


def table_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that was exported, as text."""
    return [row.values for batch in read_rows(path) for row in batch]


@pytest.mark.parametrize("name", ["leads.csv", "leads.jsonl", "leads.parquet"])
async def test_every_lead_is_taken_home_once(connect: Connect, world: World, tmp_path: Path, name: str) -> None:
    # Rows are copied as they come, whatever types the fields of a record are of.
    world.leads.change(next(lead for lead in world.leads if lead.get("campaign") == ACTIVE), verification_status="odd")
    given = {"file": name, "filters": {"campaign": ACTIVE}, "fields": ["id", "email", "payload.firstName"]}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        plan = answer_of(await client.call_tool("start_job", {"export_leads": given, "preview": True}))["plan"]
        job = await finished(client, {"export_leads": given})
        again = answer_of(await client.call_tool("start_job", {"export_leads": given}))
        other = await client.call_tool("start_job", {"export_leads": given, "key": "another"})
    leads = [lead for lead in world.leads if lead.get("campaign") == ACTIVE]
    rows = table_of(tmp_path / name)
    assert sorted(row["id"] for row in rows) == sorted(lead["id"] for lead in leads)
    assert set(rows[0]) == {"id", "email", "payload_firstName"}
    assert job["state"] == "done" and job["rows"]["exported"] == len(leads) == plan["rows"]
    assert again["outcome"] == "done"
    assert other.is_error and "exists already" in other.content[0].text


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
async def test_two_exports_never_write_one_file(connect: Connect, world: World, tmp_path: Path, kind: str) -> None:
    def asked(**filters: str) -> dict[str, Any]:
        return {"export_leads": {"file": f"leads.{kind}", "filters": filters}}

    async with connect(toolsets=["jobs"]) as client:
        job = answer_of(await client.call_tool("start_job", asked(campaign=ACTIVE)))
        second = await client.call_tool("start_job", asked(list_id=LIST))
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        told = await at_its_end(client, job)
        third = await client.call_tool("start_job", asked(list_id=LIST))
    said = f"Nothing was started: {job['job_id']} (waiting) writes leads.{kind}. Choose another name."
    assert second.is_error and said in second.content[0].text
    assert third.is_error and "exists already" in third.content[0].text
    leads = [lead["id"] for lead in world.leads if lead.get("campaign") == ACTIVE]
    assert told["state"] == "done" and told["rows"]["exported"] == len(leads)
    assert sorted(row["id"] for row in table_of(tmp_path / f"leads.{kind}")) == sorted(leads)


async def test_exports_to_one_file_that_know_nothing_of_each_other_lose_no_row(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    """As where two processes start them in the same moment, or have a database each."""
    async with connect(toolsets=["jobs"]) as client:
        jobs = []
        for name, filters in (("a.csv", {"campaign": ACTIVE}), ("b.csv", {"list_id": LIST})):
            given = {"export_leads": {"file": name, "filters": filters}}
            jobs.append(answer_of(await client.call_tool("start_job", given)))
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
        base.execute("update jobs set settled = replace(settled, 'b.csv', 'a.csv')")
        base.commit()
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        told = [await at_its_end(client, job) for job in jobs]
    assert sorted(job["state"] for job in told) == ["done", "stopped"]
    (part,) = tmp_path.glob("*.part")
    (stopped,) = (job for job in told if job["state"] == "stopped")
    assert stopped["job_id"] in part.name and "was made by something else" in stopped["why"]
    first, second = (stopped["job_id"] == job["job_id"] for job in jobs)
    assert {bool(row["campaign"]) for row in table_of(tmp_path / "a.csv")} == {not first}
    assert {bool(row["list_id"]) for row in table_of(tmp_path / "a.csv")} == {not second}


async def test_an_export_of_before_goes_on_in_the_part_that_it_began(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    given = {"export_leads": {"file": "a.csv", "filters": {"campaign": ACTIVE}, "fields": ["id"]}}
    leads = [lead["id"] for lead in world.leads if lead.get("campaign") == ACTIVE]
    async with connect(toolsets=["jobs"]) as client:
        job = answer_of(await client.call_tool("start_job", given))["job_id"]
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as base:
        base.execute("update jobs set settled = json_remove(settled, '$.part'), position = ?", ['{"rows": 1}'])
        base.commit()
    (tmp_path / "a.csv.part").write_bytes(b"id\r\nkept-row\r\ncut off")
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        told = await at_its_end(client, {"job_id": job, "state": "waiting"})
    assert told["state"] == "done"
    assert sorted(row["id"] for row in table_of(tmp_path / "a.csv")) == sorted(["kept-row", *leads])
    assert [*tmp_path.glob("*.part")] == []


async def test_an_export_checks_what_its_list_checks(connect: Connect, world: World, tmp_path: Path) -> None:
    def asked(**given: Any) -> dict[str, Any]:
        return {"export_leads": {"file": "leads.csv", **given}, "preview": True}

    async with connect(toolsets=["jobs"]) as client:
        refused = await client.call_tool("start_job", asked(fields=["id", "emial"]))
        inner = await client.call_tool("start_job", asked(fields=["payload.fleet_size", "payload.firstName"]))
        blank = answer_of(await client.call_tool("start_job", asked(filters={"campaign": ACTIVE, "search": ""})))
        null = answer_of(await client.call_tool("start_job", asked(filters={"campaign": ACTIVE, "search": None})))
    assert refused.is_error and "unknown field 'emial'. Did you mean email?" in refused.content[0].text
    assert not inner.is_error, inner
    assert blank["plan"]["note"] == "search was blank and was left out: it narrows nothing."
    assert "note" not in null["plan"]


async def test_emails_and_figures_are_taken_home(connect: Connect, world: World, tmp_path: Path) -> None:
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        emails = await finished(client, {"export_emails": {"file": "emails.jsonl"}})
        for report in ("campaigns", "days", "steps", "account_days"):
            given = {"file": f"{report}.csv", "report": report, "start_date": "2026-06-01", "end_date": "2026-09-07"}
            told = await finished(client, {"export_analytics": given})
            assert told["state"] == "done", told
    assert emails["rows"]["exported"] == len(table_of(tmp_path / "emails.jsonl")) > 10
    days = [row["date"] for row in table_of(tmp_path / "days.csv")]
    assert len(days) == len(set(days)) > 0
    assert {row["email_account"] for row in table_of(tmp_path / "account_days.csv")}


@pytest.mark.parametrize("key", ["daily", None], ids=["its key", "jobs resume"])
async def test_figures_that_were_begun_yesterday_are_gone_on_with(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    yesterday = export_analytics.today() - dt.timedelta(days=1)
    given: dict[str, Any] = {"export_analytics": {"file": "days.csv", "report": "days"}}
    given |= {} if key is None else {"key": key}
    with monkeypatch.context() as patch:
        patch.setattr(export_analytics, "today", lambda: yesterday)
        async with connect(toolsets=["jobs"]) as client:
            begun = answer_of(await client.call_tool("start_job", given))
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {**given, "key": begun["key"]})
    assert job["job_id"] == begun["job_id"] and job["state"] == "done" and job["plan"]["to"] == yesterday.isoformat()


@pytest.mark.parametrize(
    "days",
    [
        {"start_date": "2026-01-01", "end_date": "9999-12-31"},
        {"start_date": "0001-01-05"},
        {"end_date": "0001-01-05"},
        {"start_date": "2014-12-31", "end_date": "2015-02-01"},
        {"start_date": "9999-12-31", "end_date": "9999-12-31"},
    ],
    ids=lambda days: "_".join(days.values()),
)
@pytest.mark.parametrize("report", ["campaigns", "days"])
async def test_days_that_can_have_no_figures_are_refused(
    connect: Connect, report: str, days: dict[str, str], tmp_path: Path
) -> None:
    given = {"export_analytics": {"file": "a.csv", "report": report, **days}}
    async with connect(toolsets=["jobs"]) as client:
        for more in ({"preview": True}, {}):
            refused = await client.call_tool("start_job", {**given, **more})
            assert refused.is_error
            assert "_date must lie between 2015-01-01 and " in refused.content[0].text
    assert not (tmp_path / "a.csv").exists()


async def test_figures_until_the_end_of_the_year_are_no_mistake(connect: Connect) -> None:
    last = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=300)
    given = {"export_analytics": {"file": "a.csv", "report": "days", "end_date": str(last)}}
    async with connect(toolsets=["jobs"]) as client:
        planned = answer_of(await client.call_tool("start_job", {**given, "preview": True}))
    assert planned["plan"]["to"] == str(last)


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="whether it waits is not seen")
def test_one_ctrl_c_at_the_question_is_enough_and_starts_nothing(tmp_path: Path) -> None:
    words = ["--sandbox", "--jobs-database", f"sqlite:///{tmp_path / 'jobs.db'}"]
    export = ["jobs", "export-leads", str(tmp_path / "leads.csv"), *words]
    status, said = processes.interrupted("Begin? [y/N]: ", *export, environment=clean_environment())
    assert status == 130 and said.rstrip().endswith("Begin? [y/N]:"), said
    listed = processes.run("jobs", "list", *words, environment=clean_environment())
    assert listed.stderr == "There are no jobs.\n" and not (tmp_path / "leads.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export-leads", "x.csv", "--filters", '{"campaign": "a"}', "--campaign-id", "b"], "--filters has campaign"),
        (["export-leads", "x.csv", "--filters", '{"list_id": "a"}', "--list-id", "b"], "--filters has list_id"),
        (["export-emails", "x.csv", "--filters", '{"campaign_id": "a"}', "--campaign-id", "b"], "--filters has camp"),
        (["import", __file__, "--map", "X=a", "--map", "Y=c", "--map", "X=b"], "--map names X twice"),
        (["import", __file__, "--map", "X=a", "--map", "X="], "--map names X twice"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_options_that_say_two_things_are_refused(words: list[str], said: str) -> None:
    done = processes.run("jobs", *words, "--sandbox", "--plan", environment=clean_environment())
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and said in line, line


def test_nothing_is_started_or_worked_on_where_only_reads_are_allowed(tmp_path: Path) -> None:
    leads = tmp_path / "leads.csv"
    leads.write_text("email\na@b.example\n")
    world = ["--sandbox", "--state", str(tmp_path / "world"), "--jobs-database", f"sqlite:///{tmp_path / 'jobs.db'}"]
    words = ["import", str(leads), "--campaign-id", DRAFT, "--yes"]
    for more in (["jobs", *words], ["jobs", *words, "--read-only"], ["worker"]):
        environment = clean_environment(**({} if "--read-only" in more else {"INSTANTLY_READ_ONLY": "1"}))
        done = processes.run(*more, *world, environment=environment)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and "--read-only (INSTANTLY_READ_ONLY) is set" in line
    planned = processes.run("jobs", *words, *world, "--plan", environment=clean_environment(INSTANTLY_READ_ONLY="1"))
    assert planned.returncode == 0, planned.stderr
    search = processes.run("call", "list_leads", '{"search": "a@b.example"}', *world, environment=clean_environment())
    assert json.loads(search.stdout)["items"] == []


def test_how_fast_emails_come_is_said_as_the_rate_limit_has_it(catalog: Catalog) -> None:
    (limit,) = OPERATIONS["list_emails"].limits
    said = f"{limit.calls * LARGEST_PAGE:,} in {limit.seconds:g} s"
    schema = catalog.workflows["start_job"].input_schema
    assert said in schema["properties"]["export_emails"]["description"]
    assert said in (ROOT / "docs" / "bulk.md").read_text()


# what deletes


async def test_a_list_is_cleaned_only_after_its_plan_was_seen(connect: Connect, world: World) -> None:
    rows = [{"Email": f"{name}@corp.example"} for name in ("good", "invalid", "invalid2", "fine")]
    given = {"clean_list": {"list_id": LIST}}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        await finished(client, {"import_leads": {"rows": rows, "list_id": LIST}})
        before = {lead["email"] for lead in world.leads if lead.get("list_id") == LIST}
        asked = await finished(client, given)
        assert {lead["email"] for lead in world.leads if lead.get("list_id") == LIST} == before
        wrong = await client.call_tool("start_job", {**given, "plan_token": "0123456789"})
        done = await finished(client, {**given, "plan_token": asked["plan_token"]})
    after = {lead["email"] for lead in world.leads if lead.get("list_id") == LIST}
    gone = asked["would"]["delete"]
    assert asked["state"] == "stopped" and "waits for consent" in asked["why"] and gone == asked["rows"]["invalid"]
    assert wrong.is_error and "not the plan_token" in wrong.content[0].text
    assert done["state"] == "done" and done["rows"]["deleted"] == gone and "plan_token" not in done
    assert "invalid@corp.example" in before - after and len(before - after) == gone
    assert done["credits_used"] == asked["credits_used"]


async def passing_time(world: World) -> None:
    """Time in which what goes on in the background comes to its end."""
    while True:
        world.clock.advance(10)
        await anyio.sleep(0.02)


async def test_leads_that_fail_are_moved_where_the_job_says_so(connect: Connect, world: World) -> None:
    other = next(one["id"] for one in world.lead_lists if one["id"] != LIST)
    given = {"clean_list": {"list_id": LIST, "move_to_list_id": other}}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        rows = [{"Email": "invalid@corp.example"}]
        await finished(client, {"import_leads": {"rows": rows, "list_id": LIST}})
        asked = await finished(client, given)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(passing_time, world)
            done = await finished(client, {**given, "plan_token": asked["plan_token"]})
            tasks.cancel_scope.cancel()
    (lead,) = world.leads.where(email="invalid@corp.example")
    assert lead["list_id"] == other and done["rows"]["moved"] == asked["would"]["move"]


async def test_the_block_list_becomes_what_the_file_says(connect: Connect, world: World, tmp_path: Path) -> None:
    before = {entry["bl_value"] for entry in world.block_list}
    kept = sorted(before)[0]
    (tmp_path / "blocked.csv").write_text(f"Email\n{kept}\nnew.example\nBo@New.example\nbo@new.example\nnot valid\n")
    given: dict[str, Any] = {"sync_block_list": {"file": "blocked.csv"}}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        unread = answer_of(await client.call_tool("start_job", {**given, "preview": True}))["plan"]
        refused = await finished(client, given)
        bad = answer_of(await client.call_tool("get_job_rows", {"job_id": refused["job_id"], "state": "error"}))["rows"]
        given["sync_block_list"]["skip_invalid_rows"] = True
        plan = answer_of(await client.call_tool("start_job", {**given, "preview": True}))["plan"]
        asked = await finished(client, given)
        assert {entry["bl_value"] for entry in world.block_list} == before
        done = await finished(client, {**given, "plan_token": plan["plan_token"]})
    assert {entry["bl_value"] for entry in world.block_list} == {kept, "new.example", "bo@new.example"}
    assert (plan["adds"], plan["removes"], plan["rows_not_valid"]) == (2, len(before) - 1, 1)
    would = {"add": 2, "remove": len(before) - 1, "skip_invalid_rows": 1}
    assert asked["plan_token"] == plan["plan_token"] and asked["would"] == would
    assert "plan_token" not in unread and "skip_invalid_rows" in unread["then"]
    assert refused["state"] == "stopped" and "skip_invalid_rows" in refused["why"] and "plan_token" not in refused
    assert [row["number"] for row in bad] == [5]
    assert done["rows"] == {"total": 5, "kept": 1, "added": 2, "removed": len(before) - 1, "duplicate": 1, "error": 1}


async def test_consent_to_a_block_list_that_has_changed_since_is_asked_for_again(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    kept, *others = sorted(entry["bl_value"] for entry in world.block_list)
    (tmp_path / "blocked.csv").write_text(f"Email\nnew.example\n{kept}\n{kept}\n")
    given = {"sync_block_list": {"file": "blocked.csv"}}
    async with connect(works_on_jobs=True) as client:
        asked = await finished(client, given)
        # What the file keeps is taken out of the list, and what it does not have comes into it.
        (entry,) = world.block_list.where(bl_value=kept)
        await client.call_tool("delete_block_list_entry", {"id": entry["id"]})
        await client.call_tool("create_block_list_entry", {"bl_value": "meanwhile.example"})
        before = sorted(entry["bl_value"] for entry in world.block_list)
        plan = answer_of(await client.call_tool("start_job", {**given, "preview": True}))["plan"]
        again = await finished(client, {**given, "plan_token": asked["plan_token"]})
        assert sorted(entry["bl_value"] for entry in world.block_list) == before
        told = answer_of(await client.call_tool("get_job_rows", {"job_id": again["job_id"], "state": "to_remove"}))
        done = await finished(client, {**given, "plan_token": again["plan_token"]})
    assert asked["would"] == {"add": 1, "remove": len(others)}
    assert again["state"] == "stopped" and again["would"] == {"add": 2, "remove": len(others) + 1}
    assert again["plan_token"] == plan["plan_token"] != asked["plan_token"]
    assert sorted(row["address"] for row in told["rows"]) == sorted([*others, "meanwhile.example"])
    assert done["state"] == "done" and {entry["bl_value"] for entry in world.block_list} == {kept, "new.example"}
    assert done["rows"] == {"total": 3, "added": 2, "removed": len(others) + 1, "duplicate": 1}


async def test_the_token_of_a_preview_is_consent_to_what_it_showed(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    (tmp_path / "blocked.csv").write_text("Email\nnew.example\n")
    given = {"sync_block_list": {"file": "blocked.csv"}}
    async with connect(works_on_jobs=True) as client:
        await finished(client, given)
        await client.call_tool("create_block_list_entry", {"bl_value": "meanwhile.example"})
        plan = answer_of(await client.call_tool("start_job", {**given, "preview": True}))["plan"]
        wrong = await client.call_tool("start_job", {**given, "plan_token": "0123456789"})
        done = await finished(client, {**given, "plan_token": plan["plan_token"]})
    assert wrong.is_error and "not the plan_token" in wrong.content[0].text
    assert done["state"] == "done" and {entry["bl_value"] for entry in world.block_list} == {"new.example"}


def test_a_lead_that_was_deleted_before_a_kill_is_not_said_to_have_been_gone(
    sandbox: Sandbox, run: Run, tmp_path: Path
) -> None:
    for number in range(3):
        lead = {"id": sandbox.world.uuid7(), "email": f"invalid{number}@corp.example", "list_id": LIST, "status": 0}
        stamp = sandbox.world.stamp()
        sandbox.world.leads.add({**lead, "payload": {}, "timestamp_created": stamp, "timestamp_updated": stamp})
    before = len(sandbox.world.leads)
    asked = ["jobs", "clean", "--list-id", LIST, "--yes", "--out", str(tmp_path / "out.csv")]
    # Two pages for each of three plans and to be verified, two before they are deleted; then one to see what is left.
    killed(sandbox, run(*asked), LIST_LEADS, 11, after=False)
    assert len(sandbox.world.leads) < before
    to_its_end(run(*asked))
    states = Counter(row["state"] for row in table_of(tmp_path / "out.csv"))
    assert states["deleted"] == before - len(sandbox.world.leads) and "skipped" not in states


async def test_a_lead_that_is_not_in_the_list_any_more_is_not_said_to_be_deleted(
    connect: Connect, world: World
) -> None:
    rows = [{"Email": f"invalid{number}@corp.example"} for number in range(3)]
    given = {"clean_list": {"list_id": LIST}}
    async with connect(works_on_jobs=True) as client:
        await finished(client, {"import_leads": {"rows": rows, "list_id": LIST}})
        asked = await finished(client, given)
        (moved,), (deleted,) = (world.leads.where(email=row["Email"]) for row in rows[:2])
        world.leads.change(moved, list_id=None, campaign=DRAFT)
        await client.call_tool("delete_lead", {"id": deleted["id"]})
        done = await finished(client, {**given, "plan_token": asked["plan_token"]})
        told = answer_of(await client.call_tool("get_job_rows", {"job_id": done["job_id"]}))["rows"]
    assert [*world.leads.where(email="invalid0@corp.example")] and done["state"] == "done"
    became = {row["address"]: (row["state"], row["why"]) for row in told if row["state"] in ("skipped", "deleted")}
    assert became.pop("invalid2@corp.example") == ("deleted", "invalid")
    gone = {row["Email"]: ("skipped", "invalid, but not there any more") for row in rows[:2]}
    assert gone.items() <= became.items() and asked["would"]["delete"] == done["rows"]["deleted"] + 2


class Once:
    """A guard that refuses a tool once."""

    def __init__(self, tool: str):
        self._tool: str | None = tool

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.operation.name == self._tool:
            self._tool = None
            raise CallError("Nothing was sent: not now.")
        return await proceed()


@pytest.mark.parametrize(
    ("tool", "into", "state"),
    [("bulk_delete_leads", {}, "deleted"), ("move_leads", {"move_to_list_id": OTHER_LIST}, "moved")],
)
async def test_leads_are_looked_up_again_where_a_job_was_stopped_before_they_go(
    connect: Connect, world: World, tool: str, into: dict[str, str], state: str
) -> None:
    rows = [{"Email": f"invalid{number}@corp.example"} for number in range(2)]
    given = {"clean_list": {"list_id": LIST, **into}}
    async with connect(works_on_jobs=True, guards=[Once(tool)]) as client:
        await finished(client, {"import_leads": {"rows": rows, "list_id": LIST}})
        given["plan_token"] = (await finished(client, given))["plan_token"]
        stopped = await finished(client, given)
        (moved,) = world.leads.where(email="invalid0@corp.example")
        world.leads.change(moved, list_id=None, campaign=DRAFT)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(passing_time, world)
            done = await finished(client, given)
            tasks.cancel_scope.cancel()
        told = answer_of(await client.call_tool("get_job_rows", {"job_id": done["job_id"]}))["rows"]
    became = {row["address"]: (row["state"], row.get("why")) for row in told}
    assert stopped["state"] == "stopped" and "not now" in stopped["why"] and done["state"] == "done"
    assert became["invalid0@corp.example"] == ("skipped", "invalid, but not there any more")
    assert became["invalid1@corp.example"] == (state, "invalid")
    assert not any(
        moved["id"] in one["body"]["ids"] for one in world.requests if one["path"] in ("/leads", "/leads/move")
    )
    assert [one["campaign"] for one in world.leads.where(email="invalid0@corp.example")] == [DRAFT]


# once more


async def test_a_block_list_that_was_done_is_compared_once_more(connect: Connect, world: World, tmp_path: Path) -> None:
    entries = sorted(entry["bl_value"] for entry in world.block_list)
    (tmp_path / "blocked.csv").write_text("\n".join(["Email", *entries]))
    given: dict[str, Any] = {"sync_block_list": {"file": "blocked.csv"}}
    async with connect(works_on_jobs=True) as client:
        jobs = [await finished(client, given)]
        await client.call_tool("create_block_list_entry", {"bl_value": "meanwhile.example"})
        jobs.append(await finished(client, given))
        jobs.append(await finished(client, {**given, "plan_token": jobs[1]["plan_token"]}))
        jobs.append(await finished(client, given))
        named = [answer_of(await client.call_tool("start_job", {**given, "key": jobs[0]["key"]}))]
    assert [job["state"] for job in jobs] == ["done", "stopped", "done", "done"]
    assert jobs[1]["job_id"] == jobs[2]["job_id"] and len({job["job_id"] for job in jobs}) == 3
    assert jobs[1]["would"] == {"add": 0, "remove": 1}
    assert sorted(entry["bl_value"] for entry in world.block_list) == entries
    # A key names one job, and that is done.
    assert named[0]["job_id"] == jobs[0]["job_id"] and named[0]["outcome"] == "done"


async def test_a_repeated_call_removes_nothing_by_consent_that_was_used_before(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    entries = sorted(entry["bl_value"] for entry in world.block_list)
    (tmp_path / "blocked.csv").write_text("\n".join(["Email", *entries]))
    given = {"sync_block_list": {"file": "blocked.csv"}}
    async with connect(works_on_jobs=True) as client:
        jobs, consents = [], []
        for blocked in ("a.example", "b.example"):
            await client.call_tool("create_block_list_entry", {"bl_value": blocked})
            consents.append({**given, "plan_token": (await finished(client, given))["plan_token"]})
            jobs.append(await finished(client, consents[-1]))
        assert [job["rows"]["removed"] for job in jobs] == [1, 1]
        for job, consent, blocked in zip(jobs, consents, ("a.example", "b.example"), strict=True):
            await client.call_tool("create_block_list_entry", {"bl_value": blocked})
            told = answer_of(await client.call_tool("start_job", {**consent, "preview": True}))["earlier_job"]
            again = await finished(client, consent)
            assert (again["job_id"], again["outcome"]) == (job["job_id"], "done") and told["job_id"] == job["job_id"]
            assert "Leave out plan_token to do it once more" in again["next"] and told["next"] == again["next"]
            assert world.block_list.where(bl_value=blocked)
            # Who asks anew is told what would be done, and may then agree to the same once more.
            asked = await finished(client, given)
            assert asked["would"] == {"add": 0, "remove": 1} and asked["plan_token"] == consent["plan_token"]
            assert (await finished(client, consent))["job_id"] == asked["job_id"] != job["job_id"]
            assert sorted(entry["bl_value"] for entry in world.block_list) == entries


async def test_an_export_whose_file_is_gone_is_made_once_more(connect: Connect, tmp_path: Path) -> None:
    given = {"export_leads": {"file": "leads.csv", "filters": {"campaign": ACTIVE}}}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        jobs = [await finished(client, given) for _ in range(2)]
        there = answer_of(await client.call_tool("start_job", given))["next"]
        for moved in ("a.csv", "b.csv"):
            (tmp_path / "leads.csv").rename(tmp_path / moved)
            jobs.append(await finished(client, given))
        (tmp_path / "leads.csv").unlink()
        named = answer_of(await client.call_tool("start_job", {**given, "key": jobs[-1]["key"]}))
    assert "nothing was started. Name another file to do it once more." in there
    assert {job["state"] for job in jobs} == {"done"} and jobs[0]["job_id"] == jobs[1]["job_id"]
    assert len({job["job_id"] for job in jobs}) == 3
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert named["outcome"] == "done" and "leads.csv is not there any more. Give another key" in named["next"]


async def test_a_preview_says_what_was_done_before_and_is_not_paid_for_again(
    connect: Connect, world: World, tmp_path: Path
) -> None:
    (tmp_path / "f.csv").write_text("Email\nok@a.example\n")
    given = {"verify_emails": {"file": "f.csv"}, "key": "weekly"}
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        first = answer_of(await client.call_tool("start_job", {**given, "preview": True}))
        job = await finished(client, given)
        credits = world.verification_credits
        again = answer_of(await client.call_tool("start_job", {**given, "preview": True}))
        (tmp_path / "f.csv").write_text("Email\nok@a.example\nok@b.example\n")
        changed = answer_of(await client.call_tool("start_job", given))
    assert "earlier_job" not in first and "leave out preview" in first["_note"]
    assert (again["earlier_job"]["job_id"], again["earlier_job"]["state"]) == (job["job_id"], "done")
    assert "done before, and nothing was started. Give another key" in again["earlier_job"]["next"]
    assert changed["outcome"] == "done" and "f.csv was changed since. Give another key" in changed["next"]
    assert world.verification_credits == credits


async def test_a_preview_says_which_job_it_would_go_on_with(connect: Connect) -> None:
    given = {"verify_emails": {"addresses": ["ok@a.example"]}}
    async with connect(toolsets=["jobs"]) as client:
        job = answer_of(await client.call_tool("start_job", given))["job_id"]
        told = answer_of(await client.call_tool("start_job", {**given, "preview": True}))
    assert told["earlier_job"]["job_id"] == job and "no second one would be started" in told["earlier_job"]["next"]


@pytest.mark.parametrize(
    "given",
    [
        {"verify_emails": {"file": "f.csv"}},
        {"verify_emails": {"addresses": ["other@a.example"]}},
        {"export_leads": {"file": "leads.csv"}},
    ],
)
async def test_a_preview_refuses_a_key_that_is_that_of_another_job_as_a_start_does(
    connect: Connect, tmp_path: Path, given: dict[str, Any]
) -> None:
    (tmp_path / "f.csv").write_text("Email\nok@a.example\n")
    async with connect(toolsets=["jobs"], works_on_jobs=True) as client:
        job = await finished(client, {"verify_emails": {"addresses": ["ok@a.example"]}, "key": "a"})
        said = [
            (await client.call_tool("start_job", {**given, "key": "a", **more})) for more in ({"preview": True}, {})
        ]
    assert all(one.is_error for one in said) and said[0].content[0].text == said[1].content[0].text
    assert f"key 'a' belongs to {job['job_id']}, a job with other arguments" in said[0].content[0].text


async def test_a_preview_refuses_to_go_on_with_a_file_that_was_changed_as_a_start_does(
    connect: Connect, tmp_path: Path
) -> None:
    given = {"verify_emails": {"file": "f.csv"}, "key": "weekly"}
    (tmp_path / "f.csv").write_text("Email\nok@a.example\n")
    async with connect(toolsets=["jobs"]) as client:
        answer_of(await client.call_tool("start_job", given))
        (tmp_path / "f.csv").write_text("Email\nok@a.example\nok@b.example\n")
        said = [(await client.call_tool("start_job", {**given, **more})) for more in ({"preview": True}, {})]
    assert all(one.is_error for one in said) and said[0].content[0].text == said[1].content[0].text
    assert "its file was changed since" in said[0].content[0].text


LIST_ROWS = {"rows": [{"email": "new@corp.example"}], "list_id": LIST}


@pytest.mark.parametrize(
    ("excluded", "given"),
    [
        ("verify_email", {"verify_emails": {"addresses": ["a@corp.example"]}}),
        ("get_email_verification", {"verify_emails": {"list_id": LIST}}),
        ("bulk_add_leads", {"import_leads": LIST_ROWS}),
        ("verify_email", {"import_leads": {**LIST_ROWS, "verify_first": True}}),
        ("verify_email", {"clean_list": {"list_id": LIST}}),
        ("bulk_delete_leads", {"clean_list": {"list_id": LIST}}),
        ("move_leads", {"clean_list": {"list_id": LIST, "move_to_list_id": OTHER_LIST}}),
        ("list_block_list_entries", {"sync_block_list": {"file": "blocked.csv"}}),
        ("bulk_create_block_list_entries", {"sync_block_list": {"file": "blocked.csv"}}),
        ("bulk_delete_block_list_entries", {"sync_block_list": {"file": "blocked.csv"}}),
        ("list_leads", {"export_leads": {"file": "leads.csv"}}),
        ("list_emails", {"export_emails": {"file": "emails.csv"}}),
        ("get_campaign_analytics", {"export_analytics": {"file": "figures.csv", "report": "campaigns"}}),
    ],
)
async def test_a_job_that_the_selection_makes_impossible_is_not_planned_and_costs_nothing(
    connect: Connect, world: World, tmp_path: Path, excluded: str, given: dict[str, Any]
) -> None:
    (tmp_path / "blocked.csv").write_text("Email\nnew.example\n")
    credits = world.verification_credits
    async with connect(toolsets=["jobs"], exclude=[excluded]) as client:
        for started in ({**given, "preview": True}, given):
            refused = await client.call_tool("start_job", started)
            assert refused.is_error and f"{excluded} is not allowed" in refused.content[0].text, refused.content[0].text
            assert "--exclude-tools that names it; leave it out there" in refused.content[0].text
        assert answer_of(await client.call_tool("list_jobs", {}))["jobs"] == []
    assert world.verification_credits == credits


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"clean_list": {"list_id": LIST}}, "list_id takes the place of a campaign"),
        ({"clean_list": {"list_id": LIST, "move_to_list_id": OTHER_LIST}}, "list_id takes the place of a campaign"),
        ({"import_leads": {**LIST_ROWS, "verify_first": True}}, "list_id takes the place of a campaign"),
        ({"import_leads": {"rows": LIST_ROWS["rows"], "campaign_id": DRAFT}}, f"id is {DRAFT}"),
        ({"sync_block_list": {"file": "blocked.csv"}}, "the block list holds in all campaigns"),
    ],
)
async def test_a_job_that_a_lock_would_stop_is_not_planned_and_costs_nothing(
    connect: Connect, world: World, tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    (tmp_path / "blocked.csv").write_text("Email\nnew.example\n")
    credits, lock = world.verification_credits, CampaignLock(ACTIVE)
    async with connect(toolsets=["jobs"], guards=[lock], lock=lock) as client:
        for started in ({**given, "preview": True}, given):
            refused = await client.call_tool("start_job", started)
            assert refused.is_error and why in refused.content[0].text, refused.content[0].text
        assert answer_of(await client.call_tool("list_jobs", {}))["jobs"] == []
    assert world.verification_credits == credits


@pytest.mark.parametrize(
    ("excluded", "given"),
    [
        ("bulk_delete_leads", {"clean_list": {"list_id": LIST, "move_to_list_id": OTHER_LIST}}),
        ("move_leads", {"clean_list": {"list_id": LIST}}),
        ("verify_email", {"import_leads": LIST_ROWS}),
    ],
)
async def test_a_job_needs_no_more_than_its_arguments_ask_for(
    connect: Connect, excluded: str, given: dict[str, Any]
) -> None:
    async with connect(toolsets=["jobs"], exclude=[excluded]) as client:
        assert answer_of(await client.call_tool("start_job", {**given, "preview": True}))["plan"]


@pytest.mark.parametrize(
    ("limits", "given"),
    [
        ("leads.per_day = 1", {"import_leads": LIST_ROWS}),
        ("credits.per_day = 1", {"verify_emails": {"addresses": ["invalid@corp.example"]}}),
        ("credits.per_day = 1", {"clean_list": {"list_id": "new"}}),
    ],
)
async def test_a_job_that_used_up_its_limit_itself_is_gone_on_with_and_told_of(
    connect: Connect, catalog: Catalog, tmp_path: Path, limits: str, given: dict[str, Any]
) -> None:
    (tmp_path / "policy.toml").write_text(f"[limits]\n{limits}\n")
    policy = read_policy(tmp_path / "policy.toml", catalog.tools)
    guard = PolicyGuard(policy, Ledger(tmp_path / "used.sqlite3", "here"), lambda: dt.datetime.now(dt.timezone.utc))
    async with connect(toolsets=["jobs", "lead_lists"], works_on_jobs=True) as client:
        if "clean_list" in given:
            place = answer_of(await client.call_tool("create_lead_list", {"name": "New"}))["id"]
            rows = [{"email": "invalid@corp.example"}]
            await finished(client, {"import_leads": {"rows": rows, "list_id": place}})
            given = {"clean_list": {"list_id": place}}
    async with connect(toolsets=["jobs"], works_on_jobs=True, guards=[guard]) as client:
        job = await finished(client, given)
        if "plan_token" in job:
            given = {**given, "plan_token": job["plan_token"]}
            job = await finished(client, given)
            assert job["rows"]["deleted"] == 1
        again = answer_of(await client.call_tool("start_job", given))
        told = answer_of(await client.call_tool("start_job", {**given, "preview": True}))
        another = await client.call_tool("start_job", {**given, "key": "once more"})
    assert (job["state"], again["job_id"], again["outcome"]) == ("done", job["job_id"], "done")
    assert told["earlier_job"]["job_id"] == job["job_id"]
    assert another.is_error and "needs room for 1" in another.content[0].text
