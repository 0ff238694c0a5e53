"""Commands that write this server into the configuration of a host, and take it out again.

What they need is imported where they run: the server starts without it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from mcp_instantly.commands.entry_checks import check_values
from mcp_instantly.commands.entry_options import entry_options, refuse_variables_before_serve, variable_options
from mcp_instantly.commands.handover import (
    Handover,
    given_options,
    hand_over,
    taken_away,
)
from mcp_instantly.commands.options import option_group
from mcp_instantly.commands.serve_options import stdio_parameters
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.guards.safeguards import make_lock
from mcp_instantly.hosts.names import HOST_NAMES
from mcp_instantly.settings import SERVER_NAME, absolute, resolve_server
from mcp_instantly.startup import allowed_folders, check_options, make_selection, select_all

NAME = re.compile(r"[A-Za-z0-9_-]{1,20}")
"""Names that every host takes, and that leave room for those of tools: some hosts count both together."""

DISCOVERY_TOOLS = 4
"""Tools that are listed where all others are reached through them."""

common = option_group(
    click.argument("host", metavar="HOST", type=click.Choice(HOST_NAMES)),
    click.option(
        "--scope",
        type=click.Choice(["user", "project"]),
        default="user",
        show_default=True,
        help="Your own configuration of the host, or that of the project in this folder.",
    ),
    click.option(
        "--name", default=SERVER_NAME, show_default=True, help="Name of the server, where one host has several."
    ),
    click.option("--dry-run", "only_show", is_flag=True, help="Show the change, and write nothing."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


@click.command()
@common
@click.option("--uvx", is_flag=True, help="Have the host start `uvx mcp-instantly`, not this installation.")
@click.option(
    "--without",
    multiple=True,
    metavar="NAME,...",
    help="Options of the entry that is there to take away, such as policy; the others are kept.",
)
@click.option(
    "--serve-dry-run",
    "dry_run",
    is_flag=True,
    envvar="INSTANTLY_DRY_RUN",
    show_envvar=True,
    help="Have the host start serve with --dry-run, which sends nothing that changes something.",
)
def install(
    host: str, scope: str, name: str, only_show: bool, yes: bool, uvx: bool, without: tuple[str, ...], **options: Any
) -> None:
    """Write this server into the configuration of HOST, after showing the change.

    HOST is claude-desktop, claude-code, cursor, vscode, windsurf, gemini-cli, codex or goose.

    The file is found, backed up beside itself and changed in this one place. Options of serve, and their variables, get
    into the entry; an entry that is there keeps those that are not given anew, except --sandbox and what goes with
    it. The key never goes into it: set INSTANTLY_API_KEY_FILE, and the entry names that file.
    """
    from mcp_instantly.hosts import entries
    from mcp_instantly.hosts.advice import hints
    from mcp_instantly.hosts.changes import change, check_ours, former_of, open_place
    from mcp_instantly.hosts.known import (
        HOSTS,
        UVX,
        make_entry,
        updated,
        without_variables,
    )

    if not NAME.fullmatch(name):
        raise ConfigError("--name takes up to 20 letters, digits, - and _.")
    known = HOSTS[host]
    context = click.get_current_context()
    given, left_out = given_options(context)
    away = taken_away([word.strip() for words in without for word in words.split(",")], context)
    place = open_place(known, scope, alone=yes)
    old = place.find(name)
    if old is not None:
        check_ours(place, name, old)
        refuse_variables_before_serve(old.get("args") or ())
    earlier, in_variables = _said_by(old) if old is not None else ({}, {})
    given = {word: value for word, value in given.items() if word not in away}
    said = hand_over(given, earlier, in_variables, away)
    options, chosen = _checked(said)
    chooses = options["toolsets"] or options["tools"] or "toolsets" in said.variables
    if known.max_tools and chosen > known.max_tools and not chooses:
        said = hand_over({**given, "toolsets": ("core",)}, earlier, in_variables, away)
        chosen = _count_listed(said.options())
    # A profile that the host fills in cannot be checked, and is one all the same.
    options["profile"] = options["profile"] or said.kept.get("profile")
    variables = variables_of_keys(options) | folders_of_user()
    new = make_entry(
        known,
        name,
        [*([UVX, "mcp-instantly"] if uvx else _this_command()), "serve", *said.arguments()],
        variables=variables,
        needs_key=not (options["sandbox"] or options["profile"] or variables_of_keys(options)),
    )
    if old is not None:
        gone = {*filter(None, away.values()), *said.removed_variables()}
        new = without_variables(updated(old, new, has_profile="profile" in said.given), gone)
    _refuse_profile_beside_key(options, new)
    if old == new:
        print(f"{name} is already there, in {place.file}.")
    else:
        # An update begins with what was there before the entry, where that is known: it can then be taken back as well.
        former = former_of(place, name, old) if old is not None else None
        begun = (former.text if former else place.before) or ""
        after = place.read(lambda: entries.put(known, begun, name, new))
        change(place, after, added=new, name=name, dry_run=only_show, yes=yes)
        if not only_show:
            print(f"Restart {known.title}, or have it read its servers again.")
    for line in [*said.told(), *(f"{variable} is left out: it has a password." for variable in left_out)]:
        print(line)
    if old != new:
        for hint in hints(known, scope, new, chosen, sandbox=options["sandbox"], profile=options["profile"]):
            print(hint)


# Its own --dry-run writes nothing; that of serve has another name here.
install.params += [option for option in stdio_parameters() if option.name != "dry_run"]


@click.command()
@common
def uninstall(host: str, scope: str, name: str, only_show: bool, yes: bool) -> None:
    """Take this server out of the configuration of HOST, after showing the change.

    A file in which nothing else has changed becomes what it was before, to the byte.
    """
    from mcp_instantly.hosts import entries, files
    from mcp_instantly.hosts.changes import change, check_ours, former_of, open_place
    from mcp_instantly.hosts.known import HOSTS

    known = HOSTS[host]
    place = open_place(known, scope, alone=yes)
    old = place.find(name)
    if old is None:
        print(f"There is no {name} in {place.file}.")
        return
    check_ours(place, name, old)
    former = former_of(place, name, old)
    if former is not None:
        after = former.text
    else:
        after = place.read(lambda: entries.take_out(known, place.before or "", name))
    change(place, after, added=None, name=name, dry_run=only_show, yes=yes, keep_backup=former is None)
    if former is not None and not only_show:
        for backup in former.unneeded:
            files.delete(backup)


def _said_by(old: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the arguments and the variables of the entry that is there say. Raises ConfigError."""
    from mcp_instantly.hosts.known import environment_of, handed_over

    try:
        return entry_options(old.get("args") or ()), variable_options(environment_of(old), handed_over(old))
    except ConfigError as error:
        raise ConfigError(
            f"The entry that is there has {error}. Correct that, or take the entry out with mcp-instantly uninstall "
            "first. Nothing was written."
        ) from None


def _checked(said: Handover) -> tuple[dict[str, Any], int]:
    """The options with which a server starts, as far as that is seen without a key, and how many tools it lists. Raises
    ConfigError."""
    try:
        return _check(said)
    except ConfigError as error:
        kept = said.of_the_old()
        if not kept or _is_wrong(dataclasses.replace(said, kept={}, variables={})):
            raise
        raise ConfigError(
            f"{error} It would keep {kept} of the entry that is there; --without NAME takes one of them away."
        ) from None


def _is_wrong(said: Handover) -> bool:
    try:
        _check(said)
    except ConfigError:
        return True
    return False


def _check(said: Handover) -> tuple[dict[str, Any], int]:
    from mcp_instantly.keys.stored_key import check_profile

    values = said.values()
    check_values(values, Path.cwd())
    allowed_folders(values.get("files", ()))
    options = said.options()
    check_options(options)
    resolve_server(options["server"])
    check_profile(options["profile"])
    make_lock(options)
    return options, _count_listed(options)


def _count_listed(options: dict[str, Any]) -> int:
    """How many tools the server lists with these options."""
    if options["discovery"]:
        make_selection(select_all(options))
        return DISCOVERY_TOOLS
    return len(with_preview(make_selection(options), tokens=False).tools)


def variables_of_keys(options: dict[str, Any]) -> dict[str, str]:
    """The variables that say where keys are, with paths that hold in every folder. Raises ConfigError."""
    from mcp_instantly.hosts.known import KEY_FILE, PLACES_OF_KEYS
    from mcp_instantly.keys.keys import KEYRING

    found = {name: value for name in PLACES_OF_KEYS if (value := os.environ.get(name))}
    if options["sandbox"]:
        found = {name: value for name, value in found.items() if name not in (KEY_FILE, KEYRING)}
    if KEY_FILE in found and len(found) > 1:
        raise ConfigError(f"{' and '.join(found)} are set; leave {KEY_FILE} out, or the others.")
    return {name: value if name == KEYRING else str(absolute(Path(value), name)) for name, value in found.items()}


def folders_of_user() -> dict[str, str]:
    """The variables that put the user's files elsewhere than they would be without, as absolute paths."""
    from mcp_instantly.hosts.known import FOLDERS

    usual = {"XDG_CONFIG_HOME": Path.home() / ".config", "XDG_DATA_HOME": Path.home() / ".local" / "share"}
    found = {name: absolute(Path(value), name) for name in FOLDERS if (value := os.environ.get(name, "").strip())}
    return {name: str(path) for name, path in found.items() if sys.platform != "linux" or path != usual[name]}


def _refuse_profile_beside_key(options: dict[str, Any], entry: dict[str, Any]) -> None:
    """Raise ConfigError for an entry with which no server starts, as it names two keys."""
    from mcp_instantly.hosts.known import KEY, KEY_FILE, environment_of

    if options["profile"] is None or options["sandbox"]:
        return
    beside = [name for name in (KEY, KEY_FILE) if os.environ.get(name) or environment_of(entry).get(name)]
    if beside:
        raise ConfigError(
            f"--profile names a key that login stored, beside {' and '.join(beside)}: unset that, or take the profile "
            "away with --without profile. Nothing was written."
        )


def _this_command() -> list[str]:
    """The command of this installation, by its absolute path."""
    if re.search(r"[/\\]uv[/\\](?:cache[/\\])?archive-v\d+[/\\]", sys.prefix):
        raise ConfigError("This installation of uvx does not last; add --uvx, so that the host starts uvx itself.")
    script = shutil.which("mcp-instantly", path=str(Path(sys.executable).parent))
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "mcp_instantly"]
