"""Jobs of many rows that are killed again and again while calls fail, and what they cost.

    python -m tests.benchmarks.bulk_jobs [import|verify|export|shared|memory|engine ...] [--rows N] [--kills K]
                                         [--record]

`import`, `verify` and `export` run against a sandbox that keeps to rate limits, in which one call in a hundred
fails in each of the ways that calls fail, and a process is killed with SIGKILL at random moments. Then each row is
looked up in the sandbox, and in what the job reports. `memory` imports plain rows into a stub, and `engine` measures
what a step of DBOS costs.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import http.server
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.sandbox.testing import Sandbox

from ..postgresql import free_port, postgresql
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


@dataclasses.dataclass
class Run:
    """A command that is run again until it ends by itself. `seconds` are those in which it worked."""

    folder: Path
    environment: dict[str, str]
    kills: int
    chance: random.Random
    seconds: float = 0.0
    killed: int = 0

    def to_the_end(self, *arguments: str, begun: tuple[float, float]) -> str:
        """`begun`: after how many seconds at least and at most a process is killed."""
        command = [sys.executable, "-m", "mcp_instantly", "jobs", *arguments]
        while True:
            began = time.monotonic()
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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
                continue
            assert process.returncode == 0, (out, err[-2000:])
            return out


@contextlib.contextmanager
def started(options: argparse.Namespace, name: str) -> Iterator[tuple[Sandbox, Run]]:
    with Sandbox("demo", running=True, budgets=True) as sandbox, tempfile.TemporaryDirectory() as folder:
        for number, fault in enumerate(FAULTS):
            sandbox.faults.add(rate=FAULT_RATE, seed=options.seed + number, **fault)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": folder,
            "INSTANTLY_API_KEY": sandbox.key,
            "INSTANTLY_BASE_URL": sandbox.url,
            "INSTANTLY_JOBS_DATABASE": f"sqlite:///{folder}/jobs.sqlite",
            "XDG_DATA_HOME": folder,
        }
        print(f"{name}: {options.rows:,} rows, {options.kills} kills", flush=True)
        yield sandbox, Run(Path(folder), environment, options.kills, random.Random(options.seed))


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
        f"the budget alone takes {calls / CALLS_PER_SECOND:,.0f} s for {calls:,} calls"
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
    return f"{options.rows:,} addresses verified with {run.killed} kills: each paid for once; {run.seconds:,.0f} s"


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
    """Two workers, one job in PostgreSQL, and one budget in Redis; the second half of the time is the steady one."""
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox("demo", running=True, budgets=True))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, port = stack.enter_context(postgresql()), free_port()
        redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)], stdout=-3)
        stack.callback(redis.kill)
        table = folder / "leads.csv"
        write_table(table, options.rows)
        sandbox.world.verification_credits = 2 * options.rows
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "INSTANTLY_API_KEY": sandbox.key,
            "INSTANTLY_BASE_URL": sandbox.url,
            "INSTANTLY_JOBS_DATABASE": url,
            "INSTANTLY_FILES": str(folder),
            "XDG_DATA_HOME": str(folder),
        }
        command = [sys.executable, "-m", "mcp_instantly"]
        shared = ["--redis", f"redis://127.0.0.1:{port}", "--replicas", "2"]
        given = json.dumps({"verify_emails": {"file": str(table)}})
        subprocess.run([*command, "call", "start_job", given], env=environment, cwd=ROOT, check=True, stdout=-3)
        for _ in range(2):
            worker = subprocess.Popen([*command, "worker", *shared], env=environment, cwd=ROOT, stdout=-3)
            stack.callback(worker.wait)
            stack.callback(worker.kill)

        def verified() -> int:
            return sum(one["path"].endswith("verification") and one["status"] == 200 for one in sandbox.requests)

        while not verified():
            time.sleep(0.05)
        began = time.monotonic()
        while verified() < options.rows:
            time.sleep(0.05)
        seconds = time.monotonic() - began
        refused = sum(one["status"] == 429 for one in sandbox.requests)
        alone = f"the budget alone {options.rows / CALLS_PER_SECOND:.1f} s"
        said = f"{options.rows:,} rows in {seconds:.1f} s, {alone}; {refused} refused with 429"
        print(f"shared: {said}")
    return f"Two workers and one job in PostgreSQL: {said}"


class Stub(http.server.BaseHTTPRequestHandler):
    """Takes every lead."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        created = [{"index": place, "id": f"{place}", "email": one["email"]} for place, one in enumerate(body["leads"])]
        self.answer({"leads_uploaded": len(created), "created_leads": created, "total_sent": len(created)})

    def do_GET(self) -> None:
        self.answer({"id": LIST, "name": "Stub"})

    def answer(self, payload: dict[str, Any]) -> None:
        data = json.dumps(payload).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


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


def measure_engine(_: argparse.Namespace) -> str:
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
    return f"DBOS takes {said}"


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
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-rows", type=int, nargs="+", default=[10_000, 1_000_000])
    figures.add_option(parser)
    options = parser.parse_args()
    found = [MEASURES[name](options) for name in options.measures or MEASURES]
    if options.record:
        figures.record(". ".join(filter(None, found)))


if __name__ == "__main__":
    main()
