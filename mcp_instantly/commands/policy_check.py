"""The command that explains a policy: each rule in a sentence, and whether a call would be let through."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mcp_instantly.commands.console import Group, read_object
from mcp_instantly.errors import ConfigError, InvalidArguments, PolicyRefusal, never_called
from mcp_instantly.guards.safeguards import open_ledger
from mcp_instantly.settings import resolve_server
from mcp_instantly.suggestions import suggest
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

if TYPE_CHECKING:
    from mcp_instantly.guards.policy import Policy


@click.group(cls=Group)
def policy() -> None:
    """Explain the limits that a person sets for calls."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--tool",
    "call",
    type=(str, str),
    metavar="NAME ARGUMENTS",
    help="Also say whether a call of this tool with these arguments, a JSON object, would be let through now.",
)
def check(file: Path, call: tuple[str, str] | None) -> None:
    """Say in a sentence what each rule of the policy in FILE means. Needs no key, and sends nothing.

    Exit status: 1 when the call of --tool would be refused, 2 when the file or the call cannot be used.
    """
    from mcp_instantly.guards.policy_file import read_policy

    found = read_policy(file, load_catalog().tools)
    for sentence in found.sentences():
        print(sentence)
    if not list(found.sentences()):
        print("There is no rule in it: everything is allowed.")
    if call is not None:
        sys.exit(_say_of_call(found, *call))


def _say_of_call(found: Policy, name: str, text: str) -> int:
    """Print whether a call would be let through; the exit status."""
    from mcp_instantly.arguments.arguments import check_arguments

    tool = load_catalog().tools.get(name)
    if tool is None:
        raise ConfigError(f"There is no tool {name!r}.{suggest(name, list(load_catalog().tools))}")
    try:
        arguments = check_arguments(tool, read_object(text))
    except InvalidArguments as error:
        raise ConfigError(str(error)) from None
    try:
        _refuse(found, tool, arguments)
    except PolicyRefusal as error:
        print(f"{name} would be refused. {error.reason} (Rule: {error.rule}.)")
        return 1
    print(f"{name} would be let through now{_as_far_as_known(found, tool, arguments)}.")
    return 0


def _refuse(found: Policy, tool: Operation, arguments: dict[str, Any]) -> None:
    """Raise PolicyRefusal as the server would, as far as that is known without asking Instantly."""
    from mcp_instantly.guards.enforcement import utc_now
    from mcp_instantly.guards.ledger import LedgerUnusable
    from mcp_instantly.guards.prohibitions import refuse_by_arguments

    if tool.name in found.never_call:
        raise never_called(tool.name)
    if tool.read_only or isinstance(tool, Workflow):
        return
    url = urlsplit(resolve_server(os.environ.get("INSTANTLY_BASE_URL", "production")))
    ledger = open_ledger(found, f"{url.scheme}://{url.netloc}") if found.needs_ledger else None
    try:
        refuse_by_arguments(found, tool, arguments, utc_now(), ledger)
    except LedgerUnusable as error:
        raise ConfigError(f"The ledger cannot be read: {error}.") from None


def _as_far_as_known(found: Policy, tool: Operation, arguments: dict[str, Any]) -> str:
    """What is not known yet, as the end of a sentence."""
    from mcp_instantly.guards.mailboxes import reaches_more
    from mcp_instantly.guards.touched import owned_things

    if isinstance(tool, Workflow):
        return f"; each of what it calls is held to the rules by itself ({', '.join(tool.parts)})"
    if tool.read_only:
        return ""
    if tool.name == "reply_to_email" and "replies" in found.recipients:
        return ", if the sender of the email is one that replies may go to: that is read when it is called"
    if (found.campaigns or found.lists) and owned_things(tool, arguments):
        return ", if what it acts on belongs to nothing protected: that is read when it is called"
    if found.accounts and reaches_more(tool.name):
        return ", if it reaches no protected account by a tag or as a sender: that is read when it is called"
    return ""
