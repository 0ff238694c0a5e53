"""Jobs of many rows that are killed again and again while calls fail, and what they cost.

    python -m tests.benchmarks.jobs [import|verify|export|shared|memory|engine ...] [--rows N] [--kills K] [--budget C]
                                    [--record]

`import`, `verify` and `export` run against a sandbox that keeps to rate limits, in which one call in a hundred
fails in each of the ways that calls fail, and a process is killed with SIGKILL at random moments. Then each row is
looked up in the sandbox, and in what the job reports. `shared` has two workers verify on PostgreSQL within one budget
of C calls a second, which each gets half of; then once more, and one of them is killed. `memory` imports plain rows
into a stub, and `engine` measures what a turn costs, and a call in a job beside one alone.

--budget changes what the workers keep to and what the sandbox allows alike. Faults that are a 429 slow a budget as if
others drew from it, to a fifth with one call in a hundred: 120,000 verifications within the API's own budget take two
hours, and as long as the machine needs with `--budget 6000`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.sandbox.engine import rate_limits
from mcp_instantly.sandbox.testing import Sandbox

from ..json_handler import JsonHandler
from ..postgresql import postgresql
from ..redis_server import running_redis
from . import figures

ROOT = Path(__file__).parent.parent.parent
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 500},
    {"status": 503, "when": "after"},
    {"status": 429},
    {"reset": True},
    {"reset": True, "when": "after"},
    {"truncated": True},
    {"html": 200},
)
FAULT_RATE = 0.01
CALLS_PER_SECOND = 100
"""What the API allows a workspace in the long run."""

SHARED_CALLS_PER_SECOND = 40
SHARED_SECONDS = 60
"""The budget that two workers share where no other is given, and for how long at most."""

VERIFICATION = "/api/v2/email-verification"


@dataclasses.dataclass
class Run:
    """A command that is run again until it ends by itself. `seconds` are those in which it worked."""

    folder: Path
    environment: dict[str, str]
    kills: int
    chance: random.Random
    budget: int | None
    seconds: float = 0.0
    killed: int = 0

    def to_the_end(self, *arguments: str, begun: tuple[float, float]) -> str:
        """`begun`: after how many seconds at least and at most a process is killed."""
        whole = [*command(self.budget), "jobs", *arguments]
        while True:
            began = time.monotonic()
            process = subprocess.Popen(
                whole, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            try:
                patience = self.chance.uniform(*begun) if self.killed < self.kills else None
                out, err = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                self.killed += 1
                self.seconds += time.monotonic() - began
                continue
            self.seconds += time.monotonic() - began
            if process.returncode == 1 and "stopped" in out:
                print("  stopped:", out.splitlines()[0][:160])
                for path in self.folder.glob("out.csv*"):
                    path.unlink()
                continue
            if process.returncode == 2 and "Traceback" not in err:
                # A fault met the plan, which nobody asks for again.
                print("  not started:", err.splitlines()[-1][:160])
                continue
            assert process.returncode == 0, (out, err[-2000:])
            return out


@contextlib.contextmanager
def started(options: argparse.Namespace, name: str) -> Iterator[tuple[Sandbox, Run]]:
    with (
        Sandbox("demo", running=True, budgets=True) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        contextlib.ExitStack() as stack,
    ):
        for number, fault in enumerate(FAULTS):
            sandbox.faults.add(rate=FAULT_RATE, seed=options.seed + number, **fault)
        stack.enter_context(enforced(options.budget))
        print(f"{name}: {options.rows:,} rows, {options.kills} kills", flush=True)
        chance = random.Random(options.seed)
        yield sandbox, Run(Path(folder), environment_of(sandbox, folder), options.kills, chance, options.budget)


def environment_of(sandbox: Sandbox, folder: Path | str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "INSTANTLY_API_KEY": sandbox.key,
        "INSTANTLY_BASE_URL": sandbox.url,
        "INSTANTLY_JOBS_DATABASE": f"sqlite:///{folder}/jobs.sqlite",
        "XDG_DATA_HOME": str(folder),
    }


def command(budget: int | None) -> list[str]:
    """`mcp-instantly`, which keeps to a budget of so many calls a second."""
    if budget is None:
        return [sys.executable, "-m", "mcp_instantly"]
    code = (
        "import sys\n"
        "from mcp_instantly.budgets import documented\n"
        "limits = (documented.Limit({0}, 1), documented.Limit(60 * {0}, 60))\n"
        "documented.WORKSPACE = documented.Shared('workspace', limits)\n"
        "from mcp_instantly.cli import main\n"
        "main()\n"
    )
    return [sys.executable, "-c", code.format(budget)]


def write_table(file: Path, rows: int) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["Email", "First Name", "Last Name", "Company", "fleet_size"])
        for number in range(1, rows + 1):
            writer.writerow([address(number), f"First{number}", f"Last{number}", f"Company {number}", number % 400])


def address(number: int) -> str:
    return f"p{number}@firm{number}.example"


def reported(file: Path) -> Counter[str]:
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [int(row["row"]) for row in rows] == list(range(1, len(rows) + 1)), "rows are missing in the report"
    return Counter(row["state"] for row in rows)


def tell(run: Run, sandbox: Sandbox, calls: int, rows: int, **more: Any) -> None:
    failed = len(sandbox.faults.log)
    refused = sum(one["status"] == 429 for one in sandbox.requests) - sum(
        "429" in str(one) for one in sandbox.faults.log
    )
    print(
        f"  {run.killed} kills, {failed} calls that failed on purpose, {max(0, refused)} others refused with 429; "
        f"{rows / run.seconds:,.0f} rows a second in {run.seconds:,.0f} s; "
        f"the budget alone takes {calls / (run.budget or CALLS_PER_SECOND):,.0f} s for {calls:,} calls"
    )
    for name, value in more.items():
        print(f"  {name}: {value}")


def measure_import(options: argparse.Namespace) -> str:
    with started(options, "import") as (sandbox, run):
        table, out = run.folder / "leads.csv", run.folder / "out.csv"
        write_table(table, options.rows)
        size = min(1000, max(20, options.rows // 200))
        asked = ["import", str(table), "--list-id", LIST, "--rows-per-call", str(size), "--yes", "--out", str(out)]
        run.to_the_end(*asked, begun=(2.5, 7.0))
        there = Counter(str(lead.get("email")) for lead in sandbox.world.leads if lead.get("list_id") == LIST)
        wrong = [number for number in range(1, options.rows + 1) if there[address(number)] != 1]
        states = reported(out)
        tell(run, sandbox, -(-options.rows // size), options.rows, reported=dict(states), not_there_once=len(wrong))
        assert not wrong and states == {"created": options.rows}, (wrong[:5], states)
    return (
        f"{options.rows:,} leads imported under {100 * FAULT_RATE:g} % of each of {len(FAULTS)} faults, the process "
        f"killed {run.killed} times: each row is there once, as the report says; {run.seconds:,.0f} s"
    )


def measure_verification(options: argparse.Namespace) -> str:
    with started(options, "verify") as (sandbox, run):
        table, out = run.folder / "leads.csv", run.folder / "out.csv"
        write_table(table, options.rows)
        sandbox.world.verification_credits = 2 * options.rows
        run.to_the_end("verify", str(table), "--yes", "--out", str(out), begun=(2.5, 7.0))
        used = 2 * options.rows - sandbox.world.verification_credits
        states = reported(out)
        tell(run, sandbox, options.rows, options.rows, reported=dict(states), credits=used)
        assert used == options.rows and states == {"verified": options.rows}
    return (
        f"{options.rows:,} addresses verified under the same faults with {run.killed} kills: {used:,} credits; "
        f"{run.seconds:,.0f} s"
    )


def measure_export(options: argparse.Namespace) -> str:
    with started(options, "export") as (sandbox, run):
        for number in range(1, options.rows + 1):
            lead = {"id": sandbox.world.uuid7(), "email": address(number), "list_id": LIST, "status": 0, "payload": {}}
            stamp = sandbox.world.stamp()
            sandbox.world.leads.add({**lead, "timestamp_created": stamp, "timestamp_updated": stamp})
        leads = Counter(lead["id"] for lead in sandbox.world.leads if lead.get("list_id") == LIST)
        file = run.folder / "leads.csv"
        run.to_the_end("export-leads", str(file), "--list-id", LIST, "--yes", begun=(2.5, 7.0))
        with file.open(newline="") as opened:
            taken = Counter(row["id"] for row in csv.DictReader(opened))
        lost, doubled = len(leads - taken), len(taken - leads)
        tell(run, sandbox, -(-len(leads) // 100), len(leads), lost=lost, doubled=doubled)
        assert taken == leads
    return f"{len(leads):,} leads exported with {run.killed} kills: none lost or doubled; {run.seconds:,.0f} s"


def measure_sharing(options: argparse.Namespace) -> str:
    budget = options.budget or SHARED_CALLS_PER_SECOND
    rows = min(options.rows, SHARED_SECONDS * budget)
    with shared(rows, budget, redis=options.redis) as (sandbox, workers):
        began, posted = time.monotonic(), verified(sandbox)
        while verified(sandbox) < rows:
            time.sleep(0.02)
        seconds = time.monotonic() - began
        cost = 1000 * sum(map(processor_seconds, workers)) / rows
        alone = (rows - posted) / budget
        said = (
            f"{rows:,} rows verified by two workers in {seconds:.1f} s, which the budget of {budget} calls a second "
            f"allows in {alone:.1f} s ({100 * (seconds / alone - 1):+.1f} %); {refused(sandbox)} refused with 429"
        )
        print(
            f"shared: {said}; {cost:.1f} ms of processor time for a row, the start of the workers included", flush=True
        )
    with shared(rows, budget, redis=options.redis) as (sandbox, workers):
        while verified(sandbox) < rows // 3:
            time.sleep(0.02)
        workers[0].kill()
        while verified(sandbox) < rows:
            time.sleep(0.02)
        time.sleep(2)
        paid = Counter(one["body"]["email"] for one in sandbox.requests if is_verification(one))
        used = 2 * rows - sandbox.world.verification_credits
        assert used == len(paid) == rows == paid.total(), (used, len(paid), paid.total())
        print(f"shared: the same, and one of them killed: none lost, none paid for twice; {refused(sandbox)} with 429")
    return f"{said}. With one of them killed: none lost, none paid for twice"


@contextlib.contextmanager
def shared(rows: int, budget: int, *, redis: bool) -> Iterator[tuple[Sandbox, list[subprocess.Popen[bytes]]]]:
    """Two workers that have begun to verify so many rows. With `redis`, each may use what the other one leaves."""
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox("demo", running=True, budgets=True))
        stack.enter_context(enforced(budget))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(postgresql())
        sharing = ["--replicas", str(round(2 * CALLS_PER_SECOND / budget))]
        if redis:
            assert budget == CALLS_PER_SECOND, "a budget in Redis is the whole one"
            sharing = ["--redis", stack.enter_context(running_redis(folder)).url, "--replicas", "2"]
        table = folder / "leads.csv"
        write_table(table, rows)
        sandbox.world.verification_credits = 2 * rows
        environment = environment_of(sandbox, folder) | {"INSTANTLY_JOBS_DATABASE": url, "INSTANTLY_FILES": str(folder)}
        quiet: dict[str, Any] = {"env": environment, "cwd": ROOT, "stdout": subprocess.DEVNULL}
        command = [sys.executable, "-m", "mcp_instantly"]
        workers = []
        for number in range(2):
            log = stack.enter_context((folder / f"worker{number}.log").open("w"))
            workers.append(subprocess.Popen([*command, "worker", *sharing], stderr=log, **quiet))
            stack.callback(workers[-1].wait)
            stack.callback(workers[-1].kill)
        while not all("Working on jobs" in (folder / f"worker{number}.log").read_text() for number in range(2)):
            time.sleep(0.05)
        # The call that starts the job is not within their budget, and must not count in their first second.
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        given = json.dumps({"verify_emails": {"file": str(table)}})
        subprocess.run([*command, "call", "start_job", given, "--log-level", "error"], check=True, **quiet)
        time.sleep(1.1)
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        while not verified(sandbox):
            time.sleep(0.005)
        yield sandbox, workers


@contextlib.contextmanager
def enforced(budget: int | None) -> Iterator[None]:
    """Have sandboxes allow so many calls a second, and no more in a minute than that comes to."""
    before = rate_limits.PER_SECOND, rate_limits.PER_MINUTE
    if budget is not None:
        rate_limits.PER_SECOND, rate_limits.PER_MINUTE = budget, 60 * budget
    try:
        yield
    finally:
        rate_limits.PER_SECOND, rate_limits.PER_MINUTE = before


def verified(sandbox: Sandbox) -> int:
    return sum(map(is_verification, list(sandbox.requests)))


def is_verification(request: dict[str, Any]) -> bool:
    return request["path"] == VERIFICATION and request["method"] == "POST" and request["status"] == 200


def refused(sandbox: Sandbox) -> int:
    return sum(one["status"] == 429 for one in list(sandbox.requests))


def processor_seconds(process: subprocess.Popen[Any]) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stub(JsonHandler):
    """Takes every lead."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.read())
        created = [{"index": place, "id": f"{place}", "email": one["email"]} for place, one in enumerate(body["leads"])]
        self.answer({"leads_uploaded": len(created), "created_leads": created, "total_sent": len(created)})

    def do_GET(self) -> None:
        self.answer({"id": LIST, "name": "Stub"})


def measure_memory(options: argparse.Namespace) -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said: list[str] = []
    for rows in options.memory_rows:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "leads.csv"
            write_table(table, rows)
            environment = {
                "PATH": "/usr/bin:/bin",
                "HOME": folder,
                "INSTANTLY_API_KEY": "stub",
                "INSTANTLY_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}",
                "INSTANTLY_JOBS_DATABASE": f"sqlite:///{folder}/jobs.sqlite",
                "XDG_DATA_HOME": folder,
            }
            code = (
                "import resource, sys, atexit\n"
                "peak = lambda: print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
                "atexit.register(peak)\n"
                "from mcp_instantly.cli import main\n"
                f"sys.argv = ['mcp-instantly', 'jobs', 'import', {str(table)!r}, '--list-id', {LIST!r}, '--yes']\n"
                "main()\n"
            )
            began = time.monotonic()
            told = subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
            )
            seconds = time.monotonic() - began
            assert told.returncode == 0 and f"created      {rows}" in told.stdout, told.stderr[-2000:]
            peak = int(told.stderr.rpartition("PEAK ")[2]) / 1024
            said.append(f"{rows:,} plain rows: {peak:,.0f} MB at most, {rows / seconds:,.0f} rows a second")
            print(f"memory: {said[-1]}", flush=True)
    server.shutdown()
    return "; ".join(said)


PLAIN_CALLS = """
import anyio, time
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.log import configure_logging
from mcp_instantly.settings import Settings
from tests.conftest import everything

async def main():
    configure_logging(level="error")
    settings = Settings(base_url={url!r}, api_key={key!r})
    async with InstantlyClient(settings) as client:
        invoker = Invoker(everything(), client, settings)
        left = list(range({calls}))
        async def work():
            while left:
                result = await invoker.invoke("verify_email", {{"email": f"p{{left.pop()}}@firm.example"}})
                assert result.error is None, result.error
        began = time.process_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(48):
                tasks.start_soon(work)
        print((time.process_time() - began) / {calls})

anyio.run(main)
"""
"""What prints the processor seconds of a call, where many are made at once."""

ROWS_OF_ENGINE = 3000
UNBOUND_CALLS_PER_SECOND = 2000


def measure_engine(options: argparse.Namespace) -> str:
    with Sandbox("demo", running=True) as sandbox, tempfile.TemporaryDirectory() as folder:
        sandbox.world.verification_credits = 3 * ROWS_OF_ENGINE
        code = PLAIN_CALLS.format(url=sandbox.url, key=sandbox.key, calls=ROWS_OF_ENGINE)
        told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
        plain = float(told.stdout)
        table = Path(folder) / "leads.csv"
        write_table(table, ROWS_OF_ENGINE)
        asked = [*command(UNBOUND_CALLS_PER_SECOND), "jobs", "verify", str(table), "--yes"]
        before = verified(sandbox)
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(asked, cwd=ROOT, env=environment_of(sandbox, folder), **quiet) as process:
            while verified(sandbox) - before < ROWS_OF_ENGINE // 10:
                time.sleep(0.02)
            began, used, first = time.monotonic(), processor_seconds(process), verified(sandbox)
            while verified(sandbox) - before < ROWS_OF_ENGINE:
                time.sleep(0.02)
            done = verified(sandbox) - first
            row, seconds = (processor_seconds(process) - used) / done, (time.monotonic() - began) / done
    said = (
        f"{1 / seconds:,.0f} rows a second verified by one worker without a budget; {1000 * row:.2f} ms of processor "
        f"time for a row, {1000 * plain:.2f} ms for a call alone: {100 * (1 - plain / row):.0f} % are the job's own"
    )
    print(f"engine: {said}")
    return f"{said}; {measure_turns()}"


def measure_turns() -> str:
    from dbos import DBOS

    steps = 300

    @DBOS.step(name="nothing")
    def nothing(number: int) -> dict[str, Any]:
        return {"position": {"phase": "rows", "at": number}, "done": 100, "why": None, "wait": 0.0, "state": None}

    @DBOS.workflow(name="measured")
    def measured() -> float:
        began = time.perf_counter()
        for number in range(steps):
            nothing(number)
        return (time.perf_counter() - began) / steps

    with tempfile.TemporaryDirectory() as folder:
        DBOS(
            config={
                "name": "measured",
                "system_database_url": f"sqlite:///{folder}/jobs.sqlite",
                "application_version": "1",
                "log_level": "CRITICAL",
            }
        )
        DBOS.launch()
        each = measured()
        DBOS.destroy()
    said = f"{1000 * each:.1f} ms for a turn, in which the budget allows {each * CALLS_PER_SECOND:.2f} calls"
    print(f"engine: {said}")
    return said


MEASURES = {
    "import": measure_import,
    "verify": measure_verification,
    "export": measure_export,
    "shared": measure_sharing,
    "memory": measure_memory,
    "engine": measure_engine,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--rows", type=int, default=120_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--budget", type=int, help="calls a second [default: the API's 100; for shared 40]")
    parser.add_argument("--redis", action="store_true", help="for shared: the budget is kept in Redis")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-rows", type=int, nargs="+", default=[10_000, 1_000_000])
    figures.add_option(parser)
    options = parser.parse_args()
    found = [MEASURES[name](options) for name in options.measures or MEASURES]
    if options.record:
        figures.record(". ".join(found))


if __name__ == "__main__":
    main()
