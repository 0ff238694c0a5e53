"""The commands about jobs: jobs verify, import, list, show, rows, cancel, resume; and worker."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from mcp_instantly.commands import console
from mcp_instantly.commands.console import fail, print_json
from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.options import connection_options, files_option, jobs_options, options, world_options
from mcp_instantly.commands.watching import call, refuse_to_overwrite, rows_of, watch
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.jobs import MISSING, is_installed
from mcp_instantly.startup import make_selection, make_settings, open_invoker, start_logging
from mcp_instantly.text import reveal

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller

MAX_RESULT_CHARACTERS = 10_000_000

common = options(
    jobs_options,
    files_option,
    click.option("--workspace-name", metavar="NAME", help="With several keys: the workspace that the job is for."),
    safety_options,
    connection_options,
    confirmation_options,
    trust_options,
    world_options,
)
starting = options(
    click.option("--key", metavar="NAME", help="Names the job; otherwise its file and options do."),
    click.option("--plan", "only_plan", is_flag=True, help="Only tell what it would take."),
    click.option("--yes", is_flag=True, help="Do not ask before it begins."),
    click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write what became of each row to a new file: .csv, .jsonl or .parquet.",
    ),
)


@click.group()
def jobs() -> None:
    """Work on thousands of rows, which survives whatever ends it: verify addresses, import leads."""


@jobs.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--column", metavar="NAME", help="The column of addresses, where it is not obvious.")
@click.option("--list-id", metavar="ID", help="Instead of FILE: a lead list.")
@click.option("--campaign-id", metavar="ID", help="Instead of FILE: a campaign.")
@starting
@common
def verify(file: Path | None, column: str | None, list_id: str | None, campaign_id: str | None, **given: Any) -> None:
    """Verify the addresses of FILE, a list or a campaign; each once."""
    arguments = {"file": file and str(file.resolve()), "column": column, "list_id": list_id, "campaign_id": campaign_id}
    _start("verify_emails", arguments, file, **given)


@jobs.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--campaign-id", metavar="ID", help="The campaign that gets the leads.")
@click.option("--list-id", metavar="ID", help="Instead: the list that gets them.")
@click.option(
    "--map",
    "mapped",
    multiple=True,
    metavar="COLUMN=FIELD",
    help="The field or variable that a column is, where it is not obvious; COLUMN= leaves it out. May be repeated.",
)
@click.option("--verify-first", is_flag=True, help="Verify each address, and drop what fails: a credit each.")
@click.option("--keep-catch-all", is_flag=True, help="With --verify-first: keep addresses of domains that take all.")
@click.option("--skip-if-in-workspace", is_flag=True, help="Skip who is in any campaign or list.")
@click.option("--skip-if-in-campaign", is_flag=True, help="Skip who is in any campaign.")
@click.option("--skip-if-in-list", is_flag=True, help="Skip who is in any list.")
@click.option("--rows-per-call", type=click.IntRange(1, 1000), help="Leads of one call.  [default: 1000]")
@starting
@common
def import_leads(
    file: Path,
    campaign_id: str | None,
    list_id: str | None,
    mapped: tuple[str, ...],
    verify_first: bool,
    keep_catch_all: bool,
    skip_if_in_workspace: bool,
    skip_if_in_campaign: bool,
    skip_if_in_list: bool,
    rows_per_call: int | None,
    **given: Any,
) -> None:
    """Add the rows of FILE to a campaign or list; each once."""
    arguments = {
        "file": str(file.resolve()),
        "campaign_id": campaign_id,
        "list_id": list_id,
        "columns": _mapping(mapped),
        "verify_first": verify_first or None,
        "keep_catch_all": keep_catch_all or None,
        "skip_if_in_workspace": skip_if_in_workspace or None,
        "skip_if_in_campaign": skip_if_in_campaign or None,
        "skip_if_in_list": skip_if_in_list or None,
        "rows_per_call": rows_per_call,
    }
    _start("import_leads", arguments, file, **given)


def _mapping(mapped: tuple[str, ...]) -> dict[str, str] | None:
    found = dict(one.rpartition("=")[::2] for one in mapped)
    if "" in found:
        raise ConfigError("--map takes COLUMN=FIELD, as in --map Boss=manager_name.")
    return found or None


@jobs.command("list")
@common
def list_jobs(**given: Any) -> None:
    """List jobs, the newest first."""
    found = _ask("list_jobs", {"limit": 100}, given)["jobs"]
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
    print_json(_ask("get_job", {"job_id": job_id}, given))


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("--only", "state", metavar="STATE", help="Only rows in this state, such as refused.")
@common
def rows(job_id: str, state: str | None, **given: Any) -> None:
    """Print what became of the rows of JOB, a JSON object on each line."""

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        async for row in rows_of(caller, job_id, where, state):
            print(json.dumps(row, ensure_ascii=False))
        return 0

    sys.exit(_run(work, given))


@jobs.command()
@click.argument("job_id", metavar="JOB")
@common
def cancel(job_id: str, **given: Any) -> None:
    """Stop JOB at its next row; what it did stays."""
    _ask("cancel_job", {"job_id": job_id}, given)
    print(f"{job_id} stops at its next row. To go on with it: mcp-instantly jobs resume {job_id}")


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="As in jobs verify.")
@common
def resume(job_id: str, out: Path | None, **given: Any) -> None:
    """Go on with JOB, where it was cut off, stopped or cancelled; or watch it where it is going on."""

    refuse_to_overwrite(out)
    told = _ask("get_job", {"job_id": job_id}, given)
    arguments = told["arguments"]
    file = Path(arguments["file"]) if "file" in arguments else None
    if file is not None and file.is_absolute():
        given["files"] = (*given["files"], file.parent)

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        again = {told["kind"]: arguments, "key": told["key"]}
        found = await call(caller, "start_job", {**again, **where})
        print(f"{job_id}: {found['next']}", file=sys.stderr)
        return await watch(caller, found, where, out, file)

    sys.exit(_run(work, given, works=True))


@click.command()
@common
def worker(**given: Any) -> None:
    """Work on the jobs of this key until it is stopped; as many as you like may share one database."""

    async def work(_: Caller, __: dict[str, Any]) -> int:
        print("Working on jobs; stop it with Ctrl-C.", file=sys.stderr, flush=True)
        await anyio.sleep_forever()
        return 0

    sys.exit(_run(work, given, works=True))


# what they have in common


def _start(
    kind: str,
    arguments: dict[str, Any],
    file: Path | None,
    *,
    key: str | None,
    only_plan: bool,
    yes: bool,
    out: Path | None,
    **given: Any,
) -> None:
    refuse_to_overwrite(out)
    asked: dict[str, Any] = {kind: {name: value for name, value in arguments.items() if value is not None}}
    if key is not None:
        asked["key"] = key
    if file is not None:
        given["files"] = (*given["files"], file.resolve().parent)

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        planned = await call(caller, "start_job", {**asked, **where, "preview": True})
        _print_plan(planned["plan"])
        if only_plan:
            return 0
        if not yes:
            if not sys.stdin.isatty():
                raise ConfigError("Nothing was started: add --yes where nobody can be asked.")
            if not click.confirm("Begin?", err=True):
                return 1
        told = await call(caller, "start_job", {**asked, **where})
        if told["outcome"] != "started":
            print(f"{told['job_id']}: {told['next']}", file=sys.stderr)
        return await watch(caller, told, where, out, file)

    sys.exit(_run(work, given, works=not only_plan))


def _print_plan(plan: dict[str, Any]) -> None:
    for name, value in plan.items():
        if isinstance(value, dict):
            value = ", ".join(f"{column} -> {target or '(left out)'}" for column, target in value.items())
        print(f"{name.replace('_', ' '):18} {reveal(str(value))}", file=sys.stderr)


def _run(work: Any, given: dict[str, Any], *, works: bool = False) -> int:
    if not is_installed():
        raise ConfigError(MISSING)
    name = given["workspace_name"]
    chosen = {"toolsets": ("jobs",), "tools": (), "exclude_tools": (), "read_only": False, "scopes": ()}
    # Rows are for programs and people here, and come whole.
    given = {**given, **chosen, "result_limit": MAX_RESULT_CHARACTERS, "raw_text": not given["lockdown"]}
    if click.get_current_context().get_parameter_source("log_level") is click.core.ParameterSource.DEFAULT:
        given["log_level"] = "error"
    settings = make_settings(given)
    start_logging(given, settings)
    selection = make_selection(given)

    async def run() -> int:
        async with open_invoker(selection, settings, given, works="now" if works else "no") as caller:
            result: int = await work(caller, {"workspace": name} if name else {})
            return result

    try:
        code: int = console.run(run)
        return code
    except CallError as error:
        return fail(str(error), 2)


def _ask(tool: str, arguments: dict[str, Any], given: dict[str, Any]) -> Any:
    found: list[Any] = []

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        found.append(await call(caller, tool, {**arguments, **where}))
        return 0

    code = _run(work, given)
    if code:
        sys.exit(code)
    return found[0]
