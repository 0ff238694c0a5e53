"""The command with which a person reads, changes and approves drafts: drafts list, show, approve, edit, discard."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mcp_instantly.commands import console
from mcp_instantly.commands.console import fail
from mcp_instantly.commands.editing import edited
from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.options import connection_options, drafts_file_option, world_options
from mcp_instantly.drafts.draft import DISCARDED, SENDING, SENT, STATES, UNKNOWN, Draft
from mcp_instantly.errors import CallError, ConfigError, InstantlyError
from mcp_instantly.guards.draft_page import UNREAD, look, page, warnings
from mcp_instantly.startup import make_drafts, make_settings, open_invoker, start_logging
from mcp_instantly.text import error_text, one_line, reveal, when
from mcp_instantly.tools.catalog import load_catalog, select

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts

LOOK_SECONDS = 15.0
"""For the look into the thread before a person decides."""

AGREED = "yes"
AGREED_AGAIN = "send again"

SUBJECT = "Subject:"
PART = "--- {} (keep this line)"


class _Desk(console.Group):
    """Turns what a person can act on into one line and exit status 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except CallError as error:
            raise ConfigError(str(error)) from None


@click.group(cls=_Desk, invoke_without_command=True)
@click.pass_context
def drafts(context: click.Context) -> None:
    """Read, change and approve drafts of replies: what draft_reply keeps, and send_draft sends once approved."""
    if context.invoked_subcommand is None:
        # Not context.invoke: it would not read the environment.
        with list_drafts.make_context("list", [], parent=context) as listing:
            list_drafts.invoke(listing)


@drafts.command("list")
@drafts_file_option
@click.option("--state", type=click.Choice(STATES), help="Only drafts in this state.")
def list_drafts(drafts_file: Path | None = None, state: str | None = None) -> None:
    """List the drafts, the newest first. Needs no key."""
    found = [draft for draft in _kept(drafts_file).all() if state in (None, draft.state)]
    for draft in found:
        to = one_line(", ".join(draft.to), 40)
        subject = one_line(str(draft.arguments["subject"]), 60)
        print(f"{draft.id}  {draft.state:9}  {when(draft.created)}  {to}  {subject}")
    if not found:
        print("There are no drafts.", file=sys.stderr)


@drafts.command()
@drafts_file_option
@click.argument("draft_id", metavar="DRAFT")
def show(drafts_file: Path | None, draft_id: str) -> None:
    """Show DRAFT in full, with what it answers. Needs no key."""
    print("\n".join(page(_kept(drafts_file).find(draft_id))))


@drafts.command()
@drafts_file_option
@safety_options
@connection_options
@confirmation_options
@trust_options
@world_options
@click.argument("draft_id", metavar="DRAFT")
def approve(drafts_file: Path | None, draft_id: str, **options: Any) -> None:
    """Let DRAFT be sent as it is shown, after a look at what has happened in its thread.

    It asks at a terminal. With a key it reads the thread; without one it says that it could not.
    """
    if not sys.stdin.isatty():
        raise ConfigError("Approval needs a terminal, and stdin is not one; run this in a terminal window.")
    kept = _kept(drafts_file)
    draft = kept.find(draft_id)
    known, said = _looked_at(kept, draft, {**options, "drafts_file": drafts_file})
    draft = kept.find(draft_id)
    if draft.state == SENT:
        print(f"{draft.id} was sent already ({when(draft.sent)}); there is nothing to approve.")
        return
    if draft.state in (SENDING, DISCARDED):
        raise ConfigError(f"{draft.id} is {draft.state}, so it cannot be approved.")
    print("\n".join(page(draft)))
    for warning in said:
        print(f"WARNING: {reveal(warning)}")
    person = _person()
    word, question = AGREED, "Type yes to let it be sent"
    if draft.state == UNKNOWN:
        print("WARNING: It may have been sent already. Look into its thread first.")
        word, question = AGREED_AGAIN, f"Type {AGREED_AGAIN} if it was not sent and should be"
    if click.prompt(question, default="no", show_default=True).strip().lower() != word:
        sys.exit(fail(f"{draft.id} was not approved.", 1))
    kept.approve(draft.id, person, content=draft.content, known=known, again=word == AGREED_AGAIN)
    print(f"Approved: send_draft sends {draft.id} as it stands, once.")


def _person() -> str:
    """The name of the user at the terminal, as far as the system knows one: a container may run as any number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody at the terminal"


@drafts.command()
@drafts_file_option
@click.argument("draft_id", metavar="DRAFT")
def edit(drafts_file: Path | None, draft_id: str) -> None:
    """Change the subject and the text of DRAFT in $EDITOR; it needs to be approved afterwards."""
    kept = _kept(drafts_file)
    draft = kept.find(draft_id)
    with edited(_as_text(draft), f"{draft.id}.txt") as text:
        changes = None if text is None else _from_text(text, draft)
        if changes is None or all(draft.arguments[name] == value for name, value in changes.items()):
            print(f"{draft.id} was not changed.")
            return
        kept.edit(draft.id, changes, content=draft.content)
    print(f"{draft.id} was changed. To let it be sent: {kept.command('approve', draft.id)}")


@drafts.command()
@drafts_file_option
@click.argument("draft_id", metavar="DRAFT")
def discard(drafts_file: Path | None, draft_id: str) -> None:
    """Never send DRAFT. Its text stays in the file."""
    _kept(drafts_file).discard(draft_id)
    print(f"{draft_id} was discarded.")


def _kept(file: Path | None) -> Drafts:
    """The drafts of every key in a file. Raises ConfigError where there is no file yet."""
    from mcp_instantly.drafts.drafts import Drafts

    kept = Drafts(file)
    if not kept.path.is_file():
        raise ConfigError(f"There are no drafts in {kept.path} yet; start the server with --drafts for draft_reply.")
    return kept


# a draft as a text to edit


def _as_text(draft: Draft) -> str:
    parts = [f"{PART.format(kind)}\n{text}" for kind, text in draft.arguments["body"].items()]
    return "\n".join([f"{SUBJECT} {draft.arguments['subject']}", *parts])


def _from_text(text: str, draft: Draft) -> dict[str, Any]:
    """The subject and body of an edited text. Raises ConfigError where they cannot be told apart, or are blank."""
    lines = text.split("\n")
    marks = [PART.format(kind) for kind in draft.arguments["body"]]
    places = [place for place, line in enumerate(lines) if line in marks]
    whole = lines[0].startswith(SUBJECT) and [lines[place] for place in places] == marks
    if not whole or any(line.strip() for line in lines[1 : places[0]]):
        raise ConfigError(
            f"{draft.id} was not changed: keep the line with the subject, and those that begin with ---, once each."
        )
    subject = lines[0].removeprefix(SUBJECT).strip()
    body = {}
    for (kind, before), place, end in zip(
        draft.arguments["body"].items(), places, [*places[1:], len(lines)], strict=True
    ):
        written = "\n".join(lines[place + 1 : end])
        body[kind] = written if before.endswith("\n") else written.rstrip("\n")
    if not subject or not all(written.strip() for written in body.values()):
        raise ConfigError(f"{draft.id} was not changed: its subject or its text would be blank.")
    return {"subject": subject, "body": body}


# a look into the thread


def _looked_at(kept: Drafts, draft: Draft, options: dict[str, Any]) -> tuple[list[str] | None, list[str]]:
    """The ids of the emails in the thread, None where it could not be read, and what a person should know of it.

    A draft of unknown outcome that stands in the thread is noted down as sent.
    """
    from mcp_instantly.results.mail import written_in

    try:
        settings = make_settings(options)
        if not make_drafts(options, settings).owns(draft):
            raise ConfigError("The draft belongs to another key, server or workspace than this command was given.")
        source = click.get_current_context().get_parameter_source("log_level")
        start_logging({**options, "log_level": "error"} if source is ParameterSource.DEFAULT else options, settings)
        selection = select(load_catalog(), tools=["list_emails"])

        async def read_now() -> list[dict[str, Any]]:
            async with open_invoker(selection, settings, options) as invoker:

                async def read(name: str, **arguments: Any) -> Any:
                    return await invoker.read(name, arguments, LOOK_SECONDS, client_name="mcp-instantly drafts")

                return await look(draft, read)

        thread = console.run(read_now)
    except InstantlyError as error:
        return None, [UNREAD.format(reason=error_text(error))]
    ours = written_in((mail for mail in thread if mail["id"] not in draft.known), draft.arguments["body"])
    if draft.state == UNKNOWN and ours is not None:
        kept.settle(draft, SENT, email=ours["id"], why="The thread shows it.")
    return [mail["id"] for mail in thread], warnings(draft, thread, kept.all())
