"""A page for each host: where its configuration is, what goes into it, and what to know of it."""

from __future__ import annotations

from pathlib import Path

from mcp_instantly.hosts.entries import put
from mcp_instantly.hosts.known import HOSTS, KEY, Host, Machine, has_key_place, make_entry
from mcp_instantly.tools.catalog import Catalog

COMMAND = "/absolute/path/to/mcp-instantly"

HOME = Path("/home/you")
MACHINES = {
    "Linux": Machine("linux", HOME, {}),
    "macOS": Machine("darwin", HOME, {}),
    "Windows": Machine("win32", HOME, {"APPDATA": "/%APPDATA%"}),
}

LANGUAGES = {"json": "json", "jsonc": "json", "toml": "toml", "yaml": "yaml"}

KEYS = {
    "vscode": "VS Code asks for the key when it starts the server, and keeps it.",
    "codex": f"Codex hands `{KEY}` over from the environment in which it is started: the entry names it.",
    "goose": f"goose looks for `{KEY}` among its own secrets, then in the environment: the entry names it.",
}
"""How a host comes by the key where neither a file nor `login` has it."""


def host_pages(catalog: Catalog) -> dict[str, str]:
    """The pages, by the names of their files."""
    return {f"{name}.md": host_page(host, catalog) for name, host in HOSTS.items()}


def host_page(host: Host, catalog: Catalog) -> str:
    """How to connect one host, and to try and undo it."""
    preset = largest_preset(catalog, host.max_tools)
    size = len(catalog.preset(preset))
    takes = f"It takes {host.max_tools} tools" if host.max_tools else "No limit of its tools is known"
    lines = [
        f"# {host.title}",
        "",
        GENERATED,
        "",
        f"{takes}; the preset `{preset}` has {size}.",
        "",
        "## Connect it",
        "",
        "To try it without a key, with the sandbox:",
        "",
        *_shell(f"mcp-instantly install {host.name} --sandbox --yes"),
        "",
        "With your key, which `login` asks for and keeps outside of the configuration:",
        "",
        *_shell("mcp-instantly login", f"mcp-instantly install {host.name} --yes"),
        "",
        f"{_restart(host)} Then ask: *What is going on in my Instantly workspace?*",
        "",
        "## What is written",
        "",
        *_places(host),
        "",
        "The entry of the sandbox, to write it by hand. Only the path of the command is yours:",
        "",
        *_entry(host, preset),
        "",
        _key(host),
        "",
        "## When it does not work",
        "",
        "`mcp-instantly doctor` [reads the same file](../setup.md#when-something-does-not-work), starts the server",
        "once, and says what to do.",
        "",
        "To take the entry out again:",
        "",
        *_shell(f"mcp-instantly uninstall {host.name} --yes"),
        "",
        "[Hosts and frameworks](../hosts.md) has the options of `install`, and what holds for all hosts;",
        "[time limits of hosts](../timeouts.md) what to set where calls end too early.",
    ]
    return "\n".join(lines) + "\n"


GENERATED = "<!-- written by mcp-instantly docs -->"


def largest_preset(catalog: Catalog, limit: int | None) -> str:
    """The largest preset that a host takes which has this limit, with preview_call, which is on top of each."""
    return next(name for name in ("default", "core") if limit is None or len(catalog.preset(name)) < limit)


def _shell(*commands: str) -> list[str]:
    return ["```sh", *commands, "```"]


def _restart(host: Host) -> str:
    return f"Restart {host.title}."


def _places(host: Host) -> list[str]:
    places = {system: _shown(host.user_file(machine)) for system, machine in MACHINES.items()}
    rows = [f"| {system} | `{place}` |" for system, place in places.items()]
    if host.project_file:
        rows.append(f"| a project, with `--scope project` | `{host.project_file}` |")
    return ["| where | file |", "| --- | --- |", *rows]


def _shown(place: Path) -> str:
    """A path as people write it, with ~ and %APPDATA%."""
    text = place.as_posix()
    if text.startswith("/%APPDATA%"):
        return text[1:].replace("/", "\\")
    return text.replace(HOME.as_posix(), "~")


def _entry(host: Host, preset: str) -> list[str]:
    chosen = [] if preset == "default" else ["--toolsets", preset]
    entry = make_entry(host, "instantly", [COMMAND, "serve", "--sandbox", *chosen], variables={}, needs_key=False)
    return [f"```{LANGUAGES[host.syntax]}", *put(host, "", "instantly", entry).rstrip().splitlines(), "```"]


def _key(host: Host) -> str:
    entry = make_entry(host, "instantly", [COMMAND, "serve"], variables={}, needs_key=True)
    first = "The key is never written into it: the server reads what `login` keeps, or the file that the variable "
    first += "`INSTANTLY_API_KEY_FILE` names."
    if host.name in KEYS:
        return f"{first} {KEYS[host.name]}"
    assert not has_key_place(entry)
    return first
