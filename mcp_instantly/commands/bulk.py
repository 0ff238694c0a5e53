"""The commands about jobs that are there: jobs list, show, rows, cancel, resume; and worker.

Those that start one stand in bulk_start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from mcp_instantly.commands import bulk_start
from mcp_instantly.commands.bulk_run import ask_tool, common, run_work
from mcp_instantly.commands.console import Group, print_json
from mcp_instantly.commands.watching import call, is_dry, refuse_to_overwrite, rows_of, see_through
from mcp_instantly.errors import ConfigError

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller


@click.group(cls=Group)
def jobs() -> None:
    """Work on thousands of rows, which survives whatever ends it: verify, import, export, clean."""


for command in bulk_start.COMMANDS:
    jobs.add_command(command)


@jobs.command("list")
@common
def list_jobs(**given: Any) -> None:
    """List jobs, the newest first."""
    found = ask_tool("list_jobs", {"limit": 100}, given)["jobs"]
    for job in found:
        counted = ", ".join(f"{state} {count}" for state, count in job["rows"].items())
        print(f"{job['job_id']}  {job['kind']:14}  {job['state']:9}  {job['started_at']}  {counted}")
    if not found:
        print("There are no jobs.", file=sys.stderr)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@common
def show(job_id: str, **given: Any) -> None:
    """Show JOB: how far it is, and what was planned."""
    print_json(ask_tool("get_job", {"job_id": job_id}, given))


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("--only", metavar="STATE", help="Only rows in this state, such as refused.")
@common
def rows(job_id: str, only: str | None, **given: Any) -> None:
    """Print what became of the rows of JOB, a JSON object on each line."""

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        async for row in rows_of(caller, job_id, where, only):
            print_json(row, indent=None)
        return 0

    sys.exit(run_work(work, given))


@jobs.command()
@click.argument("job_id", metavar="JOB")
@common
def cancel(job_id: str, **given: Any) -> None:
    """Stop JOB at its next row; what it did stays."""
    if given["dry_run"]:
        raise ConfigError("Nothing was cancelled: --dry-run is set.")
    if given["read_only"]:
        raise ConfigError("Nothing was cancelled: --read-only (INSTANTLY_READ_ONLY) is set.")
    ask_tool("cancel_job", {"job_id": job_id}, given)
    print(f"{job_id} stops at its next row. To go on with it: mcp-instantly jobs resume {job_id}")


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("--yes", is_flag=True, help="Do not ask before it deletes.")
@click.option("--out", type=bulk_start.NEW_FILE, metavar="FILE", help="As in jobs verify.")
@common
def resume(job_id: str, out: Path | None, yes: bool, **given: Any) -> None:
    """Go on with JOB, where it was cut off, stopped or cancelled; or watch it where it is going on."""
    refuse_to_overwrite(out)
    told = ask_tool("get_job", {"job_id": job_id}, given)
    arguments = told["arguments"]
    file = Path(arguments["file"]) if "file" in arguments else None
    # What a client started names its file as it lies below a folder; the file of an export is told with its folder.
    whole = Path(told["file"]) if "file" in told else file
    if whole is not None and whole.is_absolute():
        given["files"] = (*given["files"], _folder_of(whole, arguments["file"]))

    reads = None if told["kind"].startswith("export_") else file

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        again = {told["kind"]: arguments, "key": told["key"]}
        found = await call(caller, "start_job", {**again, **where})
        if is_dry(found):
            bulk_start.print_plan(found["would"])
            return 0
        print(f"{job_id}: {found['next']}", file=sys.stderr)
        return await see_through(caller, {**again, **where}, found, out, reads, yes=yes)

    sys.exit(run_work(work, given, works=True))


def _folder_of(whole: Path, named: str) -> Path:
    """The folder in which a file goes by the name that it was given; that which holds it, for a whole path."""
    return next((folder for folder in whole.parents if (folder / named).resolve() == whole), whole.parent)


@click.command()
@common
def worker(**given: Any) -> None:
    """Work on the jobs of this key until it is stopped; as many as you like may share one database."""
    if given["dry_run"]:
        raise ConfigError("A worker sends what jobs are about, and --dry-run sends nothing: leave one of them out.")

    async def work(_: Caller, __: dict[str, Any]) -> int:
        print("Working on jobs; stop it with Ctrl-C.", file=sys.stderr, flush=True)
        await anyio.sleep_forever()
        return 0

    sys.exit(run_work(work, given, works=True))
