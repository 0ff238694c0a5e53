"""The commands that start jobs: verify, import, export, clean, block-list."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcp_instantly.commands.bulk_run import common, run_work
from mcp_instantly.commands.console import confirm
from mcp_instantly.commands.option_types import Whole
from mcp_instantly.commands.options import option_group
from mcp_instantly.commands.watching import call, is_dry, refuse_to_overwrite, see_through
from mcp_instantly.errors import ConfigError
from mcp_instantly.jobs.job import DONE
from mcp_instantly.text import reveal

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller


NEW_FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

exported = option_group(
    click.option("--filters", metavar="JSON", default="{}", help="More filters, as the list's tool takes them."),
    click.option("--field", "fields", multiple=True, metavar="NAME", help="A column, such as body.text; repeatable."),
)
starting = option_group(
    click.option("--key", metavar="NAME", help="Names the job; otherwise its file and options do."),
    click.option("--plan", "only_plan", is_flag=True, help="Only tell what it would take."),
    click.option("--yes", is_flag=True, help="Do not ask before it begins, and before it deletes."),
)
out_option = option_group(
    click.option(
        "--out",
        type=NEW_FILE,
        metavar="FILE",
        help="Write what became of each row to a new file: .csv, .jsonl or .parquet.",
    ),
)


@click.command()
@click.argument("file", required=False, type=EXISTING_FILE)
@click.option("--column", metavar="NAME", help="The column of addresses, where it is not obvious.")
@click.option("--list-id", metavar="ID", help="Instead of FILE: a lead list.")
@click.option("--campaign-id", metavar="ID", help="Instead of FILE: a campaign.")
@out_option
@starting
@common
def verify(file: Path | None, column: str | None, list_id: str | None, campaign_id: str | None, **given: Any) -> None:
    """Verify the addresses of FILE, a list or a campaign; each once."""
    arguments = {"file": file and str(file.resolve()), "column": column, "list_id": list_id, "campaign_id": campaign_id}
    _start("verify_emails", arguments, file, **given)


@click.command("import")
@click.argument("file", type=EXISTING_FILE)
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
@click.option("--rows-per-call", type=Whole(1, 1000), metavar="N", help="Leads of one call.  [default: 1000]")
@out_option
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
    found: dict[str, str] = {}
    for one in mapped:
        column, _, field = one.rpartition("=")
        if not column:
            raise ConfigError("--map takes COLUMN=FIELD, as in --map Boss=manager_name.")
        if column in found:
            raise ConfigError(f"--map names {column} twice; a column is one field.")
        found[column] = field
    return found or None


@click.command("export-leads")
@click.argument("file", type=NEW_FILE)
@click.option("--campaign-id", metavar="ID", help="Only leads of this campaign.")
@click.option("--list-id", metavar="ID", help="Only leads of this list.")
@exported
@starting
@common
def export_leads(
    file: Path, campaign_id: str | None, list_id: str | None, filters: str, fields: tuple[str, ...], **given: Any
) -> None:
    """Write leads to FILE (.csv, .jsonl or .parquet), a row each."""
    chosen = {"campaign": campaign_id, "list_id": list_id}
    _export("export_leads", file, _filters(filters, chosen), fields, given)


@click.command("export-emails")
@click.argument("file", type=NEW_FILE)
@click.option("--campaign-id", metavar="ID", help="Only emails of this campaign.")
@exported
@starting
@common
def export_emails(file: Path, campaign_id: str | None, filters: str, fields: tuple[str, ...], **given: Any) -> None:
    """Write emails to FILE (.csv, .jsonl or .parquet), a row each."""
    _export("export_emails", file, _filters(filters, {"campaign_id": campaign_id}), fields, given)


@click.command("export-analytics")
@click.argument("file", type=NEW_FILE)
@click.option(
    "--report",
    type=click.Choice(("campaigns", "days", "steps", "account_days")),
    required=True,
    help="Totals of campaigns, figures of their days or steps, or of sending accounts by day.",
)
@click.option("--campaign-id", "campaign_ids", multiple=True, metavar="ID", help="Of this campaign; may be repeated.")
@click.option("--start-date", metavar="YYYY-MM-DD", help="The first day.  [default: 30 days in all]")
@click.option("--end-date", metavar="YYYY-MM-DD", help="The last day.  [default: today]")
@starting
@common
def export_analytics(
    file: Path,
    report: str,
    campaign_ids: tuple[str, ...],
    start_date: str | None,
    end_date: str | None,
    **given: Any,
) -> None:
    """Write figures to FILE (.csv, .jsonl or .parquet)."""
    days = {"start_date": start_date, "end_date": end_date}
    arguments = {"file": str(file.resolve()), "report": report, "campaign_ids": list(campaign_ids) or None, **days}
    _start("export_analytics", arguments, file, reads=False, **given)


@click.command()
@click.option("--list-id", metavar="ID", help="The lead list that is cleaned.")
@click.option("--campaign-id", metavar="ID", help="Instead: a campaign.")
@click.option(
    "--drop",
    multiple=True,
    type=click.Choice(("invalid", "catch_all")),
    help="What goes; may be repeated.  [default: invalid]",
)
@click.option("--move-to-list-id", metavar="ID", help="Move what fails to this list, and delete nothing.")
@out_option
@starting
@common
def clean(
    list_id: str | None, campaign_id: str | None, drop: tuple[str, ...], move_to_list_id: str | None, **given: Any
) -> None:
    """Verify the leads of a list or campaign; then delete or move those that fail, once you have seen how many."""
    arguments = {"list_id": list_id, "campaign_id": campaign_id, "drop": list(drop) or None}
    _start("clean_list", {**arguments, "move_to_list_id": move_to_list_id}, None, **given)


@click.command("block-list")
@click.argument("file", type=EXISTING_FILE)
@click.option("--column", metavar="NAME", help="The column of the entries, where it is not obvious.")
@click.option("--skip-invalid-rows", is_flag=True, help="Remove entries although rows of FILE cannot be read.")
@out_option
@starting
@common
def sync_block_list(file: Path, column: str | None, skip_invalid_rows: bool, **given: Any) -> None:
    """Make the block list equal to FILE, once you have seen what is added and removed."""
    arguments = {"file": str(file.resolve()), "column": column, "skip_invalid_rows": skip_invalid_rows or None}
    _start("sync_block_list", arguments, file, **given)


COMMANDS = (verify, import_leads, export_leads, export_emails, export_analytics, clean, sync_block_list)


def _filters(text: str, chosen: dict[str, str | None]) -> dict[str, Any]:
    """The filters of a text and of options. Raises ConfigError for what is not a JSON object, or says two things."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError('--filters takes a JSON object, such as \'{"filter": "FILTER_VAL_REPLIED"}\'.')
    given = {name: value for name, value in chosen.items() if value is not None}
    for name, value in given.items():
        if found.get(name, value) != value:
            raise ConfigError(f"--filters has {name}, and an option names another one; give one of them.")
    return {**found, **given}


def _export(kind: str, file: Path, filters: dict[str, Any], fields: tuple[str, ...], given: dict[str, Any]) -> None:
    arguments = {"file": str(file.resolve()), "filters": filters or None, "fields": list(fields) or None}
    _start(kind, arguments, file, reads=False, **given)


def _start(
    kind: str,
    arguments: dict[str, Any],
    file: Path | None,
    *,
    key: str | None,
    only_plan: bool,
    yes: bool,
    out: Path | None = None,
    reads: bool = True,
    **given: Any,
) -> None:
    """Plan a job, start it and watch it. `file` is what it reads, or else what it writes."""
    refuse_to_overwrite(out)
    asked: dict[str, Any] = {kind: {name: value for name, value in arguments.items() if value is not None}}
    if key is not None:
        asked["key"] = key
    if file is not None:
        given["files"] = (*given["files"], file.resolve().parent)

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        planned = await call(caller, "start_job", {**asked, **where, "preview": True})
        print_plan(planned["plan"])
        earlier = planned.get("earlier_job", {})
        if only_plan:
            if earlier:
                print(f"{earlier['job_id']}  {earlier['state']}: {earlier['next']}")
            return 0
        if not yes and earlier.get("state") != DONE:
            if not sys.stdin.isatty():
                raise ConfigError("Nothing was started: add --yes where nobody can be asked.")
            if not confirm("Begin?"):
                return 1
        told = await call(caller, "start_job", {**asked, **where})
        if is_dry(told):
            return 0
        if told["outcome"] != "started":
            # That nothing was done is what the command comes to, and no message beside it.
            print(f"{told['job_id']}: {told['next']}", file=sys.stdout if told["outcome"] == DONE else sys.stderr)
        return await see_through(caller, {**asked, **where}, told, out, file if reads else None, yes=yes)

    sys.exit(run_work(work, given, works=not only_plan))


def print_plan(plan: dict[str, Any]) -> None:
    """Print on stderr what a job would take, a line for each part of it."""
    for name, value in plan.items():
        if isinstance(value, dict):
            value = ", ".join(f"{column} -> {target or '(left out)'}" for column, target in value.items())
        print(f"{name.replace('_', ' '):18} {reveal(str(value))}", file=sys.stderr)
