"""Commands that keep the key where it belongs: login, logout."""

from __future__ import annotations

import sys
from typing import Any

import click

from mcp_instantly.commands import console
from mcp_instantly.commands.console import fail
from mcp_instantly.commands.options import profile_option, server_option
from mcp_instantly.errors import ConfigError, InstantlyError, Unauthorized
from mcp_instantly.keys.key_text import clean_key
from mcp_instantly.keys.stored_key import (
    DEFAULT_PROFILE,
    KeyringUnusable,
    Place,
    check_profile,
    file_of,
    keyring_title,
    remove_key,
    store_key,
)
from mcp_instantly.log import configure_logging
from mcp_instantly.settings import SERVERS, Settings, origin_of, resolve_server
from mcp_instantly.tools.catalog import load_catalog

MAX_KEY_CHARACTERS = 10_000
CHECK_SECONDS = 20


@click.command()
@click.argument("words", nargs=-1, metavar="")
@click.option("--keyring", "place", flag_value="keyring", help="Keep the key in the system's keyring, or not at all.")
@click.option("--file", "place", flag_value="file", help="Keep the key in a file that only you can read.")
@click.option("--browser", is_flag=True, help="Ask for the key on a page of this machine, not at the prompt.")
@server_option
@profile_option
def login(words: tuple[str, ...], place: Place | None, browser: bool, server: str, profile: str | None) -> None:
    """Ask for the API key, check it, and keep it for this user.

    Without --keyring or --file it goes into the keyring where there is one (pip install 'mcp-instantly[keyring]'), else
    into a file. A key on standard input is taken as well, from a password manager for instance. The key is used where
    INSTANTLY_API_KEY and INSTANTLY_API_KEY_FILE are not set, and for the server that it was checked against alone. Exit
    status 1 when the key is not accepted or could not be checked: nothing is stored then.
    """
    if words:
        # Where the key was meant, it stands in the shell's history by now; it is not repeated.
        raise ConfigError(
            "login takes no words: the key is asked for, since others can see what stands on a command line."
        )
    name = check_profile(profile)
    base_url = resolve_server(server)
    chosen = choose_place(place)
    configure_logging(level="error")
    from mcp_instantly.keys.key_check import KeyRefused

    kept = Kept(name, base_url, chosen)
    try:
        if browser:
            from mcp_instantly.keys.login_page import ask_in_browser

            console.run(lambda: ask_in_browser(kept.check_and_store))
        else:
            key = _ask()
            console.run(lambda: kept.check_and_store(key))
    except KeyRefused as error:
        sys.exit(fail(str(error), 1))
    print(f"The key{kept.of} is in {kept.where}. {kept.remark}{how_to_use(name, server)}")


def how_to_use(profile: str, server: str) -> str:
    """What it takes for the stored key to be used, as a sentence or two."""
    named = [] if profile == DEFAULT_PROFILE else [f"--profile {profile}"]
    if resolve_server(server) != SERVERS["production"]:
        named.append(f"--server {server}")
    if not named:
        return "It is used by itself from now on."
    options = " ".join(named)
    return (
        f"It is used with {options} alone: start serve with that, and run mcp-instantly install HOST {options} for "
        "each host, whose entry needs it too."
    )


class Kept:
    """A key that is checked and then stored; afterwards `of` and `remark` say what the API said of it."""

    def __init__(self, profile: str, base_url: str, place: Place):
        self._profile = profile
        self._base_url = base_url
        self._place = place
        self.of = ""
        self.remark = ""

    @property
    def where(self) -> str:
        return "the keyring" if self._place == "keyring" else str(file_of(self._profile))

    async def check_and_store(self, text: str) -> None:
        """Store the key in a text. Raises ConfigError for what is not a key or cannot be stored, KeyRefused for a key
        that the API does not take; nothing is stored then."""
        from mcp_instantly.api.client import InstantlyClient
        from mcp_instantly.keys.key_check import KeyRefused, check_acceptance

        key = clean_key(text, "What was typed")
        settings = Settings(base_url=self._base_url, api_key=key, call_timeout=CHECK_SECONDS)
        try:
            async with InstantlyClient(settings) as client:
                accepted = await check_acceptance(client, load_catalog())
        except Unauthorized:
            raise KeyRefused(f"{settings.origin} does not accept this key, so it was not stored.") from None
        except ConfigError:
            raise
        except InstantlyError as error:
            raise KeyRefused(f"The key could not be checked, so it was not stored. {error}") from None
        store_key(self._profile, origin_of(self._base_url), key, self._place)
        self.of = f" of the workspace {accepted.workspace}" if accepted.workspace else ""
        self.remark = (
            "Its workspace has no paid plan, without which the API does nothing. " if accepted.without_plan else ""
        )


def choose_place(asked: Place | None) -> Place:
    """Where the key goes. Raises KeyringUnusable when the keyring is asked for and there is none."""
    if asked == "file":
        return "file"
    try:
        print(f"The key will be kept in the keyring ({keyring_title()}).", file=sys.stderr, flush=True)
    except KeyringUnusable as error:
        if asked == "keyring":
            raise
        reason = str(error).partition(";")[0].rstrip(".")
        print(f"{reason}, so the key will be kept in a file that only you can read.", file=sys.stderr, flush=True)
        return "file"
    return "keyring"


def _ask() -> str:
    """The key as it is typed, unseen, or all of standard input where nobody types. Raises ConfigError."""
    if sys.stdin.isatty():
        prompt = "API key (Instantly: Settings > Integrations > API; it stays hidden)"
        typed: Any = click.prompt(prompt, hide_input=True, err=True)
        return str(typed)
    try:
        text = sys.stdin.buffer.read(MAX_KEY_CHARACTERS + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError("What came on standard input is not text in UTF-8.") from None
    if len(text) > MAX_KEY_CHARACTERS:
        raise ConfigError("What came on standard input is too long for a key.")
    return text


@click.command()
@profile_option
def logout(profile: str | None) -> None:
    """Remove the key that login stored, and nothing else.

    Exit status 1 when there is none. The key itself stays valid until it is deleted in Instantly.
    """
    name = check_profile(profile)
    place = remove_key(name)
    if place is None:
        sys.exit(fail(f"Nothing is stored for the profile {name!r}.", 1))
    print(
        f"The key of the profile {name!r} is removed from the {place}. It stays valid until you delete it in Instantly."
    )
