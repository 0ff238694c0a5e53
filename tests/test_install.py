"""`install` and `uninstall`: what becomes of the configuration files of hosts, in temporary homes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import tomlkit
from mcp import Client, StdioServerParameters
from ruamel.yaml import YAML

from mcp_instantly.cli import main
from mcp_instantly.commands.handover import WORLD
from mcp_instantly.commands.history import NO_SELECTION
from mcp_instantly.commands.options import selection_options
from mcp_instantly.commands.serve_options import stdio_parameters
from mcp_instantly.hosts import entries, json_text
from mcp_instantly.hosts.broken import BrokenText
from mcp_instantly.hosts.known import HOSTS, Machine
from mcp_instantly.hosts.names import HOST_NAMES
from mcp_instantly.startup import make_selection
from mcp_instantly.tools.catalog import load_catalog

from . import processes
from .conftest import ROOT, clean_environment, command, over_stdio

Run = Callable[..., "subprocess.CompletedProcess[str]"]

USER_FILES = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "claude-code": ".claude.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".config/Code/User/mcp.json",
    "windsurf": ".codeium/windsurf/mcp_config.json",
    "gemini-cli": ".gemini/settings.json",
    "codex": ".codex/config.toml",
    "goose": ".config/goose/config.yaml",
}

STRICT_JSON = {
    "spaces": """{
  "globalShortcut": "Alt+Space",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/zoë/Docs"],
      "env": {"NODE_ENV": "production"}
    }
  },
  "preferences": {"sidebarMode": "chat"}
}
""",
    "tabs, no end of line": '{\n\t"mcpServers": {\n\t\t"gh": {\n\t\t\t"command": "x"\n\t\t}\n\t}\n}',
    "one line": '{"numStartups":12,"projects":{"/home/a":{"history":["} // {"]}},"mcpServers":{"a":{"command":"b"}}}',
    "one line, no servers": '{"numStartups":12, "tips": [1, 2.5e3, null, true]}\n',
    "no servers in it": '{\n    "mcpServers": {},\n    "other": "☃ \\u2603 \\" }"\n}\n',
    "empty object": "{}",
    "empty object over lines": "{\n}\n",
    "blank": "  \n\n",
    "empty": "",
    "half a pair": '{"emoji": "\\ud83d", "mcpServers": {\n  "a": {}}\n}\n',
}

COMMENTED_JSON = {
    "comments everywhere": """// mine
{
  /* the servers,
     all of them */
  "OUTER": { // here
    "gh": { "command": "npx", "url": "https://a//b" }, // after gh
    // about fetch
    "fetch": { "command": "uvx" /* inside */ } // after fetch, without a comma
    // the end of the list
  }, // after the list
  "theme": "GitHub" // "last": {}
}
// after everything
""",
    "trailing commas": """{
\t"OUTER": {
\t\t"gh": {
\t\t\t"command": "npx",
\t\t\t"args": ["a", "b",],
\t\t}, // why
\t},
}
""",
    "a comment alone in the object": '{\n  "OUTER": {\n    // none yet\n  }\n}\n',
    "nothing but a comment": "// put servers here\n",
    "one line with a comment": '{ "OUTER": { "a": {} /* } */ } }\n',
    "with inputs": """{
  "inputs": [
    // asked once
    {"type": "promptString", "id": "other", "password": true}
  ],
  "OUTER": {}
}
""",
    "with empty inputs": '{"inputs": [], "OUTER": {}}\n',
}

TOML = {
    "usual": """# my configuration
model = "gpt-5" # the best
notify = ["python3", "/Users/zoë/notify.py"]

[mcp_servers.github] # of work
command = "npx"
args = [
  "-y", # yes
  "server",
]
[mcp_servers.github.env]
GITHUB_HOST = "github.example"

[profiles.fast]
model = "mini"
# the end
""",
    "no servers": 'model = "gpt-5"',
    "out of order": '[mcp_servers.a]\ncommand = "a"\n\n[tui]\ntheme = "x"\n\n[mcp_servers.b]\ncommand = "b"\n',
    "inline": 'mcp_servers = { a = { command = "a" } } # short\n[tui]\ntheme = "x"\n',
    "dotted": 'mcp_servers.a.command = "a"\nmodel = "x"\n',
    "long texts": "a = \"\"\"\n[mcp_servers.instantly]\n\"\"\"\n[[items]]\nname = '''\n[x]'''\n",
    "blank lines": "\n\n# only this\n\n\n",
    "empty": "",
}

YAML_FILES = {
    "usual": """GOOSE_PROVIDER: openai # of work
GOOSE_MODEL: 'gpt-4o'
extensions: # all of them
    # comes with goose
    developer:
        enabled: true
        type: builtin
        args:
        - a
        - "b: c"
    # mine
    fetch: {type: stdio, cmd: uvx, args: [mcp-fetch]}

    notes:
        description: |
            several
            lines: here
        enabled: no
# after the list
experiments: [a, b]
""",
    "no extensions": "GOOSE_PROVIDER: openai\n",
    "no end of line": "GOOSE_PROVIDER: openai",
    "extensions with nothing": "extensions:\nGOOSE_PROVIDER: openai\n",
    "extensions with nothing at the end": "GOOSE_PROVIDER: openai\nextensions:",
    "empty extensions": "extensions: {}\nGOOSE_PROVIDER: openai\n",
    "flow": "extensions: {developer: {type: builtin}} # short\n",
    "anchors": "base: &base {enabled: true}\nextensions:\n  developer:\n    <<: *base\n    type: builtin\n",
    "marked document": "---\n# goose\nextensions:\n  developer:\n    type: builtin\n",
    "only a comment": "# nothing yet\n",
    "empty": "",
}


def files_of(host: str) -> dict[str, str]:
    """Hard files for a host, by what is hard about them."""
    known = HOSTS[host]
    if known.syntax == "toml":
        return TOML
    if known.syntax == "yaml":
        return YAML_FILES
    strict = {name: text.replace("mcpServers", known.container) for name, text in STRICT_JSON.items()}
    if known.syntax == "json":
        return strict
    return strict | {name: text.replace("OUTER", known.container) for name, text in COMMENTED_JSON.items()}


FIRST_OF_SYNTAX = {known.syntax: host for host, known in reversed(HOSTS.items())}.values()
"""Hosts with which every text is tried in every form: how a text is changed depends on the syntax."""

TWINS = ("windsurf", "gemini-cli")
"""Hosts whose files are those of Cursor but for their place: one text is enough for them."""

CASES = [
    pytest.param(host, text, id=f"{host}-{what}".replace(" ", "-"))
    for host in HOSTS
    for what, text in list(files_of(host).items())[: 1 if host in TWINS else None]
]

IN_EVERY_FORM = [
    pytest.param(*case.values, mark, line_end, id=f"{case.id}{form}")
    for case in CASES
    for form, mark, line_end in (
        ("", "", "\n"),
        ("-CRLF", "", "\r\n"),
        ("-BOM", "\ufeff", "\n"),
        ("-BOM-CRLF", "\ufeff", "\r\n"),
    )
    if not form or case.values[0] in FIRST_OF_SYNTAX
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with a project in it that is the current one."""
    for name in [name for name in os.environ if name.startswith("INSTANTLY_")]:
        monkeypatch.delenv(name)
    for name in [name for name in os.environ if re.match("SSL_CERT_|(https?|all|no)_proxy$", name, re.IGNORECASE)]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "CODEX_HOME", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["mcp-instantly", *arguments])
            patched.setattr(sys, "stdin", io.StringIO(stdin))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out, err)

    return run_main


def put_file(home: Path, host: str, content: str | bytes) -> Path:
    file = home / USER_FILES[host]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def data_of(host: str, text: str) -> dict[str, Any]:
    """What a text says, by means other than those under test where there are some."""
    syntax = HOSTS[host].syntax
    plain = text.removeprefix("\ufeff")
    if syntax == "toml":
        return dict(tomlkit.parse(plain).unwrap())
    if syntax == "yaml":
        return YAML(typ="safe", pure=True).load(plain) or {}
    if syntax == "json":
        return dict(json.loads(plain)) if plain.strip() else {}
    root = json_text.parse(plain, comments=True)
    return dict(root.value) if root else {}


def entry_of(host: str, file: Path) -> dict[str, Any]:
    return dict(data_of(host, file.read_bytes().decode())[HOSTS[host].container]["instantly"])


def only_added(before: str, after: str) -> bool:
    """Whether the text before can be had by leaving out characters of the one after."""
    rest = iter(after)
    return all(character in rest for character in before.rstrip())


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, ""), done
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(("host", "text", "mark", "line_end"), IN_EVERY_FORM)
def test_an_entry_is_added_and_nothing_else_is_touched_and_comes_out_again_to_the_byte(
    host: str, text: str, mark: str, line_end: str, home: Path, run: Run
) -> None:
    before = (mark + text).replace("\n", line_end)
    file = put_file(home, host, before)
    files = tree(home)
    assert run("install", host, "--yes").returncode == 0
    after = file.read_bytes().decode()
    assert only_added(before, after)
    if line_end == "\r\n" and "\n" in text:
        assert after.count("\n") == after.count("\r\n")
    was, now = data_of(host, before), data_of(host, after)
    container = HOSTS[host].container
    entry = now[container].pop("instantly")
    assert Path(entry.get("command") or entry["cmd"]).is_absolute()
    if host == "vscode":
        asked = now["inputs"].pop()
        assert asked["id"] == "instantly-key"
        now["inputs"] = now["inputs"] or was.get("inputs", [])
        was.setdefault("inputs", [])
    assert now == {**was, container: was.get(container) or {}}
    assert "already there" in run("install", host, "--yes").stdout
    assert file.read_bytes().decode() == after
    # An update in between changes nothing about that.
    assert run("install", host, "--yes", "--read-only", "--sandbox").returncode == 0
    assert "--read-only" in entry_of(host, file)["args"]
    assert run("uninstall", host, "--yes").returncode == 0
    assert tree(home) == files


@pytest.mark.parametrize(("host", "text"), CASES)
def test_an_entry_comes_out_of_a_file_that_has_changed_since(host: str, text: str, home: Path, run: Run) -> None:
    file = put_file(home, host, text)
    run("install", host, "--yes")
    for backup in file.parent.glob("*.instantly-backup*"):
        backup.unlink()
    changed = file.read_text() + "\n\n"
    file.write_bytes(changed.encode())
    done = run("uninstall", host, "--yes")
    assert done.returncode == 0, done.stderr
    after = file.read_text()
    assert only_added(after, changed)
    was, now = data_of(host, text), data_of(host, after)
    container = HOSTS[host].container
    assert {**now, container: now.get(container) or {}, "inputs": now.get("inputs") or []} == {
        **was,
        container: was.get(container) or {},
        "inputs": was.get("inputs") or [],
    }
    for comment in re.findall(r"(?://|#) [a-z ]+", text):
        assert comment in after
    assert [backup.read_text() for backup in file.parent.glob("*.instantly-backup")] == [changed]


def test_every_host_can_be_named() -> None:
    assert list(HOST_NAMES) == list(HOSTS) == list(USER_FILES)
    for twin in TWINS:
        alike = [(known.syntax, known.container, known.typed) for known in (HOSTS[twin], HOSTS["cursor"])]
        assert alike[0] == alike[1]


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_is_not_there_is_made_with_its_folder_and_goes_again(host: str, home: Path, run: Run) -> None:
    done = run("install", host, "--yes", "--sandbox")
    assert done.returncode == 0, done.stderr
    assert list(tree(home)) == [USER_FILES[host]]
    assert entry_of(host, home / USER_FILES[host])["args"][-1] == "--sandbox"
    assert "Deleted" in run("uninstall", host, "--yes").stdout
    assert tree(home) == {}
    assert "There is no instantly" in run("uninstall", host, "--yes").stdout


@pytest.mark.parametrize("host", [host for host in HOSTS if HOSTS[host].project_file])
def test_a_project_has_a_file_of_its_own(host: str, home: Path, run: Run) -> None:
    done = run("install", host, "--yes", "--scope", "project", "--uvx")
    assert "may be shared" in done.stdout
    file = home / "project" / str(HOSTS[host].project_file)
    entry = entry_of(host, file)
    assert (entry["command"], entry["args"][:2]) == ("uvx", ["mcp-instantly", "serve"])
    # Codex would give up before a first start with uvx has downloaded everything.
    assert entry.get("startup_timeout_sec", 0) == (120 if host == "codex" else 0)
    assert run("uninstall", host, "--yes", "--scope", "project").returncode == 0
    assert not file.exists()


def test_a_host_without_configuration_per_project_says_so(run: Run) -> None:
    assert "leave out --scope project" in refused(run("install", "goose", "--scope", "project", "--yes"))


@pytest.mark.parametrize(
    ("host", "text", "where"),
    [
        ("claude-desktop", '{\n  "mcpServers": {\n    "a": {},\n  }\n}', "line 3, column 12"),
        ("claude-desktop", '{\n  // mine\n  "mcpServers": {}\n}', "line 2, column 3"),
        ("claude-desktop", '{"a": 1 "b": 2}', "line 1, column 9"),
        ("claude-desktop", '{"a": NaN}', "line 1, column 7"),
        ("claude-desktop", '{"a": "x\ny"}', "line 1, column 9"),
        ("claude-desktop", "[]", "line 1, column 1"),
        ("claude-desktop", "[" * 100_000, "line 1, column 1"),
        ("claude-desktop", f'{{"a": {"9" * 5000}}}', "line 1, column 7"),
        ("codex", f"a = {'9' * 5000}", "line 1, column"),
        ("codex", "a = 2026-02-31", "line 1, column"),
        ("goose", f"a: {'9' * 5000}", "line 1, column"),
        ("claude-code", '{"mcpServers": {}}\n}', "line 2, column 1"),
        ("claude-code", '{"mcpServers": {', "line 1, column 17"),
        ("cursor", '{\r\n  "mcpServers": []\r\n}', "line 2, column 17"),
        ("cursor", '{"mcpServers": {}, "mcpServers": {}}', "line 1, column 20"),
        ("vscode", '{\n  "servers": {}, /* no end\n}', "line 2, column 18"),
        ("codex", 'a = 1\n[mcp_servers\ncommand = "x"\n', "line 2, column"),
        ("codex", 'mcp_servers = "none"\n', "line 1, column 1"),
        ("goose", "a: 1\nextensions:\n  developer: [a\nb: 2\n", "line 4, column"),
        ("goose", "extensions: [a]\n", "line 1, column 13"),
        ("goose", "- a\n", "line 1, column 1"),
    ],
)
def test_a_broken_file_is_refused_with_its_place_and_stays(
    host: str, text: str, where: str, home: Path, run: Run
) -> None:
    put_file(home, host, text)
    files = tree(home)
    assert where in refused(run("install", host, "--yes"))
    assert run("uninstall", host, "--yes").returncode in (0, 2)
    assert tree(home) == files


def test_a_file_in_another_encoding_is_refused(home: Path, run: Run) -> None:
    file = put_file(home, "cursor", '{"mcpServers": {}}'.encode("utf-16"))
    assert "not a text file in UTF-8" in refused(run("install", "cursor", "--yes"))
    assert file.read_bytes() == '{"mcpServers": {}}'.encode("utf-16")


def test_the_entry_names_the_file_of_the_key_and_never_the_key(home: Path, run: Run) -> None:
    for host in HOSTS:
        done = run("install", host, "--yes", INSTANTLY_API_KEY="key-of-somebody-0123456789")
        assert "key-of-somebody" not in done.stdout
    assert not [name for name, content in tree(home).items() if b"key-of-somebody" in content]
    assert entry_of("vscode", home / USER_FILES["vscode"])["env"] == {"INSTANTLY_API_KEY": "${input:instantly-key}"}
    assert entry_of("codex", home / USER_FILES["codex"])["env_vars"] == ["INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE"]
    # goose does not start a server of which it lacks a secret: one that login stored would do for all others.
    assert entry_of("goose", home / USER_FILES["goose"])["env_keys"] == []
    for host in HOSTS:
        done = run("install", host, "--yes", INSTANTLY_API_KEY_FILE="~/instantly.key")
        assert "does not exist yet" in done.stdout
        assert re.search(f"INSTANTLY_API_KEY_FILE.*{home / 'instantly.key'}", done.stdout)
        entry = entry_of(host, home / USER_FILES[host])
        assert entry.get("env", entry.get("envs")) == {"INSTANTLY_API_KEY_FILE": str(home / "instantly.key")}
        assert "env_vars" not in entry and not entry.get("env_keys")
        # The place of the key stays when a later run knows of none.
        assert "already there" in run("install", host, "--yes").stdout
    assert "inputs" not in data_of("vscode", (home / USER_FILES["vscode"]).read_text())


def test_secrets_of_goose_that_somebody_named_stay(home: Path, run: Run) -> None:
    run("install", "goose", "--yes")
    file = home / USER_FILES["goose"]
    file.write_text(file.read_text().replace("env_keys: []", "env_keys: [OTHER, INSTANTLY_API_KEY]"))
    run("install", "goose", "--yes", "--read-only")
    assert entry_of("goose", file)["env_keys"] == ["OTHER", "INSTANTLY_API_KEY"]
    run("install", "goose", "--yes", INSTANTLY_API_KEY_FILE="~/instantly.key")
    assert entry_of("goose", file)["env_keys"] == ["OTHER"]


def test_without_a_key_it_says_what_to_do(run: Run) -> None:
    out = run("install", "cursor", "--yes").stdout
    assert "set INSTANTLY_API_KEY_FILE to that file and run this again" in out and "mcp-instantly login" in out
    assert "INSTANTLY_API_KEY" not in run("install", "windsurf", "--yes", "--sandbox").stdout


@pytest.mark.parametrize("host", HOSTS)
def test_a_key_in_the_environment_is_advised_only_where_the_host_hands_it_over(host: str, run: Run) -> None:
    out = run("install", host, "--yes").stdout
    if host in ("claude-code", "codex"):
        assert ", or set INSTANTLY_API_KEY " in out
    elif host in ("claude-desktop", "cursor", "windsurf", "gemini-cli"):
        assert "does not hand over an INSTANTLY_API_KEY of its own environment" in out
        assert "or set INSTANTLY_API_KEY " not in out


def test_what_somebody_added_to_the_entry_stays(home: Path, run: Run) -> None:
    file = put_file(
        home,
        "cursor",
        '{"mcpServers": {"instantly": {"command": "/old/bin/mcp-instantly", "args": ["serve"], "disabled": true, '
        '"env": {"INSTANTLY_WORKSPACE": "w", "INSTANTLY_API_KEY": "by-hand"}}}}',
    )
    done = run("install", "cursor", "--yes")
    assert "by-hand" not in done.stdout + done.stderr
    entry = entry_of("cursor", file)
    assert entry["disabled"] and entry["env"] == {"INSTANTLY_WORKSPACE": "w", "INSTANTLY_API_KEY": "by-hand"}
    assert entry["command"] != "/old/bin/mcp-instantly"


def test_a_server_of_the_same_name_that_is_not_ours_is_left_alone(home: Path, run: Run) -> None:
    file = put_file(home, "cursor", '{"mcpServers": {"instantly": {"url": "https://mcp.example.com/"}}}')
    for verb in ("install", "uninstall"):
        assert "that is not this one" in refused(run(verb, "cursor", "--yes"))
    assert run("install", "cursor", "--yes", "--name", "instantly-2").returncode == 0
    assert list(json.loads(file.read_text())["mcpServers"]) == ["instantly", "instantly-2"]
    assert "up to 20 letters" in refused(run("install", "cursor", "--yes", "--name", "a b"))


def test_the_diff_shows_the_change_and_hides_the_secrets_near_it(home: Path, run: Run) -> None:
    put_file(
        home,
        "claude-desktop",
        '{\n  "mcpServers": {\n    "gh": {\n      "args": ["--token", "tiny"],\n'
        '      "env": {"GITHUB_PAT": "github_pat_11ABCDEFG0123", "API_KEY": "s3cret"}\n    }\n  }\n}\n',
    )
    out = run("install", "claude-desktop", "--dry-run").stdout
    assert '+    "instantly": {' in out and out.startswith("--- /") and "Nothing was written" in out
    for secret in ("tiny", "11ABCDEFG0123", "s3cret"):
        assert secret not in out
    put_file(home, "cursor", json.dumps({"mcpServers": {"gh": {"args": ["-y", "--api-key", "tiny"]}}}, indent=2))
    put_file(home, "goose", "extensions:\n  gh:\n    - --token\n    - tiny\n")
    for host in ("cursor", "goose"):
        out = run("install", host, "--dry-run").stdout
        assert "(hidden)" in out and "tiny" not in out
    put_file(home, "claude-code", json.dumps({"oauth": {"accessToken": "t0p"}, "long": "x" * 1000}))
    out = run("install", "claude-code", "--dry-run").stdout
    assert "too long to show" in out and "mcp-instantly" in out and "t0p" not in out and len(out) < 1000


def test_it_asks_and_a_no_changes_nothing(home: Path, run: Run) -> None:
    done = run("install", "cursor", stdin="n\n")
    assert done.returncode == 1 and "Nothing was written" in done.stderr
    assert run("install", "cursor").returncode == 2
    assert "--yes" in run("install", "cursor").stderr
    assert tree(home) == {}
    assert run("install", "cursor", stdin="y\n").returncode == 0
    assert run("uninstall", "cursor", stdin="n\n").returncode == 1
    assert list(tree(home)) == [USER_FILES["cursor"]]


def test_a_dry_run_writes_nothing(home: Path, run: Run) -> None:
    put_file(home, "goose", "a: 1\n")
    files = tree(home)
    assert run("install", "goose", "--dry-run", "--yes").returncode == 0
    assert tree(home) == files


def test_a_file_that_changes_while_it_asks_is_not_overwritten(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put_file(home, "claude-code", "{}")

    class Slow(io.StringIO):
        def readline(self, *args: Any) -> str:
            file.write_text('{"mcpServers": {"new": {}}}')
            return "y\n"

    monkeypatch.setattr(io, "StringIO", lambda text: Slow())
    assert "has changed in the meantime" in run("install", "claude-code").stderr
    assert file.read_text() == '{"mcpServers": {"new": {}}}'


def test_a_link_stays_a_link_and_rights_stay_as_they_are(home: Path, run: Run) -> None:
    (home / "dotfiles").mkdir()
    real = home / "dotfiles" / "config.toml"
    real.write_text('model = "x"\n')
    real.chmod(0o640)
    (home / ".codex").mkdir()
    link = home / ".codex" / "config.toml"
    link.symlink_to(real)
    assert run("install", "codex", "--yes").returncode == 0
    assert link.is_symlink() and "mcp_servers.instantly" in real.read_text()
    backup = real.with_name("config.toml.instantly-backup")
    for file in (real, backup):
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert run("uninstall", "codex", "--yes").returncode == 0
    assert link.is_symlink() and sorted(file.name for file in real.parent.iterdir()) == ["config.toml"]
    assert real.read_text() == 'model = "x"\n'


def test_a_read_only_file_and_what_is_no_file_are_refused(home: Path, run: Run) -> None:
    file = put_file(home, "windsurf", "{}")
    file.chmod(0o444)
    assert "is read-only" in refused(run("install", "windsurf", "--yes"))
    assert file.read_text() == "{}"
    (home / USER_FILES["cursor"]).mkdir(parents=True)
    assert "is not a file" in refused(run("install", "cursor", "--yes"))
    (home / ".gemini").write_text("in the way")
    assert "cannot be" in run("install", "gemini-cli", "--yes").stderr


def test_hosts_that_take_few_tools_get_a_selection_that_fits(home: Path, run: Run) -> None:
    run("install", "cursor", "--yes")
    assert entry_of("cursor", home / USER_FILES["cursor"])["args"] == ["serve", "--toolsets", "core"]
    done = run("install", "cursor", "--yes", "--toolsets", "all", "--exclude-tools", "list_leads", "--read-only")
    assert "takes 40 tools" in done.stdout
    args = entry_of("cursor", home / USER_FILES["cursor"])["args"]
    assert args == ["serve", "--toolsets", "all", "--exclude-tools", "list_leads", "--read-only"]
    assert "toolset" in refused(run("install", "cursor", "--yes", "--toolsets", "nonsense"))


def test_a_limit_of_a_host_counts_what_the_server_lists(home: Path, run: Run) -> None:
    core = ["--toolsets", "core", "--tools"]
    listed = len(make_selection({**NO_SELECTION, "toolsets": ("core",)}).tools) + len(["preview_call"])
    more = [name for name in load_catalog().operations if name.startswith("delete_")][: 40 - listed + 1]
    fits = run("install", "cursor", "--yes", "--sandbox", *core, ",".join(more[:-1]))
    assert (fits.returncode, "takes 40 tools" in fits.stdout) == (0, False)
    over = run("install", "cursor", "--yes", "--sandbox", *core, ",".join(more))
    assert "Cursor takes 40 tools, and these are 41" in over.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such locks")
def test_entries_that_come_at_once_are_all_there_afterwards(home: Path) -> None:
    environment = clean_environment(HOME=str(home))
    names = [f"s{number}" for number in range(6)]
    started = [
        processes.start_heard("install", "cursor", "--yes", "--sandbox", "--name", name, environment=environment)
        for name in names
    ]
    for one in started:
        with one, processes.ended(one):
            _, err = one.communicate()
        assert one.returncode == 0, err
    assert sorted(data_of("cursor", (home / USER_FILES["cursor"]).read_text())["mcpServers"]) == names


def test_every_option_of_a_selection_reaches_the_entry(home: Path, run: Run) -> None:
    (home / "box").mkdir()
    given = {
        "--toolsets": "core,leads",
        "--tools": "get_campaign",
        "--exclude-tools": "delete_lead",
        "--read-only": None,
        "--scopes": "all:all",
        "--drafts": None,
        "--drafts-file": "mine/drafts.sqlite3",
        "--files": "~/box",
        "--drafts-only": None,
    }
    takes = [option.opts[0] for option in click.command()(selection_options(lambda: None)).params]
    assert takes == list(given), "this test gives each of them"
    words = [word for pair in given.items() for word in pair if word is not None]
    kept = str(home / "project" / "mine" / "drafts.sqlite3")
    meant = [*words, "--files", str(home / "project"), "--sandbox"]
    meant[meant.index("mine/drafts.sqlite3")], meant[meant.index("~/box")] = kept, str(home / "box")
    assert run("install", "codex", "--yes", "--sandbox", *words, "--files", ".").returncode == 0
    args = entry_of("codex", home / USER_FILES["codex"])["args"]
    assert sorted(args) == sorted(["serve", *meant])
    assert [args[place + 1] for place, word in enumerate(args) if word == "--files"] == [
        str(home / "box"),
        str(home / "project"),
    ]


def test_options_of_the_environment_reach_the_entry_too(home: Path, run: Run) -> None:
    folders = os.pathsep.join([str(home / "project"), ".."])
    variables = {"INSTANTLY_DRAFTS_ONLY": "1", "INSTANTLY_DRAFTS_FILE": "d.db", "INSTANTLY_FILES": folders}
    run("install", "claude-code", "--yes", "--sandbox", **variables)
    args = entry_of("claude-code", home / USER_FILES["claude-code"])["args"]
    files = ["--files", str(home / "project"), "--files", str(home)]
    drafts = ["--drafts-file", str(home / "project" / "d.db")]
    assert args == ["serve", *drafts, *files, "--drafts-only", "--sandbox"]


VALUES = {
    "grace": "5",
    "toolsets": "core,leads",
    "tools": "get_campaign",
    "exclude_tools": "delete_lead",
    "scopes": "all:all",
    "drafts_file": "mine/drafts.sqlite3",
    "files": "box",
    "jobs_database": "sqlite:///mine/jobs.sqlite3",
    "policy": "policy.toml",
    "only_campaign": "0199aaaa-0000-7000-8000-000000000001",
    "repeat_window": "0",
    "default_workspace": "alpha",
    "server": "mock",
    "workspace": "0199aaaa-0000-7000-8000-000000000002",
    "profile": "agency",
    "user_agent": "mine/1.0",
    "result_limit": "5000",
    "call_timeout": "30",
    "patience": "7",
    "redis": "redis://127.0.0.1:1/0",
    "replicas": "3",
    "max_response_bytes": "5000",
    "log_format": "console",
    "log_level": "debug",
    "log_file": "mine/log.jsonl",
    "confirm": "always",
    "confirm_timeout": "12.5",
    "audit": "mine/audit.jsonl",
    "scenario": "world.json",
    "state": "mine/state.json",
}
"""For every option of serve that takes a value, one that is not its default."""

PATHS = ("drafts_file", "files", "jobs_database", "policy", "log_file", "audit", "scenario", "state")


@pytest.fixture
def things(home: Path) -> Path:
    """What the values above name, in the project folder."""
    folder = home / "project"
    for name in ("box", "mine"):
        (folder / name).mkdir()
    (folder / "policy.toml").write_text('never_call = ["delete_campaign"]\n')
    (folder / "world.json").write_text('{"workspaces": [{"name": "Mine"}]}')
    return folder


def written(option: click.Option, folder: Path) -> list[str]:
    """An option as an entry has it."""
    word, value = option.opts[0], VALUES.get(option.name or "")
    if value is None:
        return [word]
    if option.name in PATHS:
        lead, name = ("sqlite:///", value[10:]) if value.startswith("sqlite:") else ("", value)
        value = f"{lead}{folder / name}"
    return [word, value]


SERVE_OPTIONS = [pytest.param(option, id=option.opts[0]) for option in stdio_parameters()]


def args_of(host: str, home: Path) -> list[str]:
    return list(entry_of(host, home / USER_FILES[host])["args"])


@pytest.mark.parametrize("option", SERVE_OPTIONS)
def test_every_option_of_serve_reaches_the_entry_by_argument_and_by_variable_and_is_kept(
    option: click.Option, home: Path, things: Path, run: Run
) -> None:
    assert option.is_flag or option.name in VALUES, "VALUES has one for it"
    word, value = option.opts[0], VALUES.get(option.name or "")
    base = ["install", "codex", "--yes", "--sandbox"] if option.name in WORLD else ["install", "codex", "--yes"]
    plain = ["serve", *(["--sandbox"] if option.name in WORLD else [])]
    meant = {*plain, *written(option, things)}
    typed = "--serve-dry-run" if word == "--dry-run" else word
    done = run(*base, typed, *([value] if value else []))
    assert done.returncode == 0, done.stderr
    assert {*args_of("codex", home)} == meant
    done = run(*base)
    assert {*args_of("codex", home)} == meant and (option.name == "sandbox" or word in done.stdout)
    if option.name != "sandbox":
        assert run(*base, "--without", word.lstrip("-")).returncode == 0
        assert args_of("codex", home) == plain
    if option.envvar:
        done = run(*base, **{str(option.envvar): value or "1"})
        assert (done.returncode, {*args_of("codex", home)}) == (0, meant), done.stderr


def test_an_update_keeps_the_limits_of_the_entry_that_is_there(home: Path, things: Path, run: Run) -> None:
    limits = ["--policy", str(things / "policy.toml"), "--confirm", "always", "--drafts-only", "--profile", "agency"]
    written = {"command": "/old/mcp-instantly", "args": ["serve", *limits]}
    put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": written}}))
    done = run("install", "cursor", "--yes")
    args = args_of("cursor", home)
    assert done.returncode == 0 and {*limits, "--toolsets", "core"} == {*args[1:]}
    assert "It keeps --drafts-only, --policy, --profile, --confirm of the entry that was there" in done.stdout
    run("install", "cursor", "--yes", "--confirm", "never", "--without", "policy,--drafts-only")
    args = args_of("cursor", home)
    assert args[args.index("--confirm") + 1] == "never" and {"--policy", "--drafts-only"}.isdisjoint(args)
    assert args[args.index("--profile") + 1] == "agency"


def test_a_new_choice_of_tools_replaces_the_old_one_as_a_whole(home: Path, run: Run) -> None:
    run("install", "codex", "--yes", "--toolsets", "all", "--exclude-tools", "delete_lead")
    run("install", "codex", "--yes", "--tools", "list_campaigns")
    assert args_of("codex", home) == ["serve", "--tools", "list_campaigns", "--exclude-tools", "delete_lead"]


def test_what_was_for_the_sandbox_alone_is_not_taken_to_instantly(home: Path, run: Run) -> None:
    loose = ["--confirm", "never", "--reveal-secrets", "--repeat-window", "0"]
    run("install", "codex", "--yes", "--sandbox", "--scenario", "agency", "--read-only", *loose)
    assert run("install", "codex", "--yes", "--sandbox").stdout.count("It keeps") == 1
    assert {"--scenario", "agency", *loose} < {*args_of("codex", home)}
    done = run("install", "codex", "--yes")
    assert args_of("codex", home) == ["serve", "--read-only"]
    assert "It does not keep --repeat-window, --reveal-secrets, --confirm" in done.stdout


def test_a_variable_of_the_entry_is_taken_away_by_the_name_of_its_option(home: Path, run: Run) -> None:
    entry = {"command": "mcp-instantly", "args": ["serve"], "env": {"INSTANTLY_READ_ONLY": "1", "OTHER": "2"}}
    file = put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))
    run("install", "cursor", "--yes")
    assert entry_of("cursor", file)["env"] == {"INSTANTLY_READ_ONLY": "1", "OTHER": "2"}
    run("install", "cursor", "--yes", "--without", "read-only")
    assert entry_of("cursor", file)["env"] == {"OTHER": "2"}


@pytest.mark.parametrize(("word", "value"), [("host", "127.0.0.1"), ("port", "8000"), ("transport", "http")])
def test_an_option_that_no_host_uses_is_taken_away_as_the_refusal_advises(
    word: str, value: str, home: Path, run: Run
) -> None:
    entry = {"command": "mcp-instantly", "args": ["serve", f"--{word}", value]}
    put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))
    assert "--without NAME takes one of them away" in run("install", "cursor", "--yes").stderr
    done = run("install", "cursor", "--yes", "--without", word)
    assert done.returncode == 0, done.stderr
    assert f"--{word}" not in args_of("cursor", home)


def test_variables_of_the_entry_follow_the_rules_of_its_arguments(home: Path, run: Run) -> None:
    loose = {"INSTANTLY_TOOLSETS": "all", "INSTANTLY_CONFIRM": "never", "INSTANTLY_RAW_TEXT": "1"}
    kept = {"INSTANTLY_READ_ONLY": "1", "OTHER": "2"}

    def put(args: list[str], env: dict[str, str]) -> Path:
        entry = {"command": "mcp-instantly", "args": args, "env": env}
        return put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))

    file = put(["serve", "--sandbox"], {**loose, **kept})
    done = run("install", "cursor", "--yes", "--tools", "list_leads")
    assert done.returncode == 0, done.stderr
    assert entry_of("cursor", file)["env"] == kept
    assert all(name in done.stdout.partition("does not keep the variables")[2] for name in loose)
    assert "It keeps --read-only of the entry" in done.stdout
    put(["serve"], {"INSTANTLY_SANDBOX": "1", "INSTANTLY_CONFIRM": "always", **kept})
    assert "INSTANTLY_SANDBOX." in run("install", "cursor", "--yes").stdout
    assert entry_of("cursor", file)["env"] == {"INSTANTLY_CONFIRM": "always", **kept}
    put(["serve"], loose)
    run("install", "cursor", "--yes", "--confirm", "always")
    assert entry_of("cursor", file)["env"] == {
        name: loose[name] for name in ("INSTANTLY_TOOLSETS", "INSTANTLY_RAW_TEXT")
    }
    assert args_of("cursor", home) == ["serve", "--confirm", "always"]
    put(["serve"], {"INSTANTLY_TOOLSETS": "${env:CHOICE}", "INSTANTLY_POLICY": "${userHome}/policy.toml"})
    run("install", "cursor", "--yes", "--read-only")
    assert len(entry_of("cursor", file)["env"]) == 2 and args_of("cursor", home) == ["serve", "--read-only"]
    run("install", "cursor", "--yes", "--toolsets", "core")
    assert [*entry_of("cursor", file)["env"]] == ["INSTANTLY_POLICY"]


def test_names_of_variables_that_codex_hands_over_stay(home: Path, run: Run) -> None:
    limits = ["INSTANTLY_READ_ONLY", "INSTANTLY_POLICY"]
    handed_over = json.dumps(["INSTANTLY_API_KEY", *limits])
    text = f'[mcp_servers.instantly]\ncommand = "mcp-instantly"\nargs = ["serve"]\nenv_vars = {handed_over}\n'
    file = put_file(home, "codex", text)
    run("install", "codex", "--yes", "--confirm", "always")
    assert entry_of("codex", file)["env_vars"] == ["INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE", *limits]
    run("install", "codex", "--yes", "--without", "read-only", INSTANTLY_API_KEY_FILE="~/key")
    assert entry_of("codex", file)["env_vars"] == ["INSTANTLY_POLICY"]


@pytest.mark.parametrize(
    ("command", "words", "name"),
    [
        ("env", ["INSTANTLY_READ_ONLY=s3cret", "mcp-instantly", "serve"], "INSTANTLY_READ_ONLY"),
        ("/usr/bin/env", ["HTTPS_PROXY=s3cret", "/opt/mcp-instantly", "serve"], "HTTPS_PROXY"),
        ("docker", ["run", "-eINSTANTLY_POLICY=s3cret", "mcp-instantly", "serve"], "INSTANTLY_POLICY"),
    ],
)
def test_an_entry_that_sets_variables_in_its_arguments_is_not_replaced(
    command: str, words: list[str], name: str, home: Path, run: Run
) -> None:
    entry = {"command": command, "args": words}
    put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))
    files = tree(home)
    line = refused(run("install", "cursor", "--yes"))
    assert f"sets {name} among its arguments" in line and "s3cret" not in line
    assert tree(home) == files
    assert run("uninstall", "cursor", "--yes").returncode == 0


@pytest.mark.parametrize(
    "kept",
    [
        ["--policy", "${workspaceFolder}/p.toml"],
        ["--policy", "p.toml"],
        ["--files", "./x"],
        ["--files", "x", "--files", "${workspaceFolder}"],
        ["--log-level", "${input:x}"],
        ["--result-limit", "${env:LIMIT}"],
        ["--profile", "${input:profile}"],
        ["--toolsets", "${input:toolsets}"],
        ["--only-campaign", "$(campaign)"],
        ["--server", "${env:SERVER}"],
    ],
)
def test_an_update_keeps_what_the_host_fills_in_and_what_lies_in_a_folder_that_it_chooses(
    kept: list[str], home: Path, run: Run
) -> None:
    entry = {"command": "mcp-instantly", "args": ["serve", *kept]}
    put_file(home, "vscode", json.dumps({"servers": {"instantly": entry}}))
    done = run("install", "vscode", "--yes", "--read-only")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(args_of("vscode", home)) == sorted(["serve", "--read-only", *(str(Path(word)) for word in kept)])
    assert "already there" in run("install", "vscode", "--yes", "--read-only").stdout


@pytest.mark.parametrize(
    ("old", "words", "said"),
    [
        ([], ["--without", "nothing"], "--without takes names of options of serve"),
        ([], ["--without", "polcy"], "Did you mean policy?"),
        ([], ["--without", "policy", "--policy", "p.toml"], "--without takes --policy away, and it is given too"),
        (["--raw-text"], ["--lockdown"], "--raw-text would show what --lockdown keeps back"),
        (["--unheard-of", "s3cret"], [], "arguments that serve does not take, --unheard-of."),
        (["--result-limit", "s3cret"], [], "arguments that serve does not take."),
        (["--policy", "/nowhere/p.toml"], [], "/nowhere/p.toml"),
        ({"INSTANTLY_RAW_TEXT": "1"}, ["--lockdown"], "--raw-text would show what --lockdown keeps back"),
        ({"INSTANTLY_CONFIRM": "s3cret"}, [], "has a variable that serve does not take, INSTANTLY_CONFIRM."),
        (["--redis", "nonsense"], [], "takes redis://HOST:PORT/0"),
        ({"INSTANTLY_REDIS_URL": "http://s3cret"}, ["--read-only"], "takes redis://HOST:PORT/0"),
        (["--toolsets", "campain"], [], "Did you mean campaigns?"),
        ({"INSTANTLY_TOOLSETS": "campain"}, [], "Did you mean campaigns?"),
        ({"INSTANTLY_POLICY": "/nowhere/p.toml"}, [], "/nowhere/p.toml"),
        ({"INSTANTLY_FILES": "/nowhere/files"}, [], "--files names /nowhere/files"),
        ({"INSTANTLY_BASE_URL": "htp://x"}, [], "is unknown; use production"),
        ({"INSTANTLY_USER_AGENT": "é"}, [], "--user-agent must be one line of ASCII text"),
        (["--audit", "/nowhere/a/l"], [], "--audit names /nowhere/a/l, which is in a folder that is not there"),
        ({"INSTANTLY_AUDIT": "/nowhere/a/l"}, [], "--audit names /nowhere/a/l, which is in a folder that is not there"),
        (["--sandbox", "--scenario", "/nowhere/w.json"], ["--sandbox"], "/nowhere/w.json is not a file that can"),
        (["--transport", "http"], [], "a host talks to what it starts over stdio"),
        (["--workers", "2"], [], "--workers is about --transport http"),
        (["--audit", "/nowhere/a/l"], [], "--audit of the entry that is there; --without NAME takes one of them away"),
        ([], ["--jobs-database", "mysql://h/s3cret"], "--jobs-database must begin with sqlite:///"),
        (["--jobs-database", "mysql://h/s3cret"], [], "--jobs-database must begin with sqlite:///"),
        (
            [],
            ["--jobs-database", "sqlite:///../.cursor/mcp.json/jobs"],
            "names ../.cursor/mcp.json/jobs, which is in a",
        ),
        ([], ["--drafts-file", "../.cursor/mcp.json/d"], "names ../.cursor/mcp.json/d, which is in a folder that is"),
        ([], ["--only-campaign", "x"], "must be the id of a campaign"),
        ([], ["--scenario", "agency"], "add --sandbox"),
        ([], ["--redis", "redis://:s3cret@127.0.0.1/0"], "--redis has a password"),
        ([], ["--redis", "redis://:s3#cret@h:6379/0"], "--redis has a password"),
        ([], ["--redis", "redis://me:6/s3cret@h:6379/0"], "--redis has a password"),
        ([], ["--redis", "redis://h:6379/0?pwd=s3cret"], "--redis has a password"),
        ([], ["--redis", "redis://h:6379/0?unheard_of=s3cret"], "must be options of the Python package redis"),
        ([], ["--redis", "redis://h:0/0"], "takes redis://HOST:PORT/0"),
        ([], ["--redis", "nonsense"], "takes redis://HOST:PORT/0"),
        ([], ["--redis", "http://x"], "takes redis://HOST:PORT/0"),
        ([], ["--user-agent", "é"], "--user-agent must be one line of ASCII text"),
        ([], ["--workspace", "a b"], "--workspace contains a space"),
        ([], ["--audit", "/nowhere/a/l"], "--audit names /nowhere/a/l, which is in a folder that is not there"),
        ([], ["--log-file", "."], "--log-file names ., which is a folder"),
        ([], ["--sandbox", "--state", "/nowhere/b/s"], "--state names /nowhere/b/s"),
        ([], ["--sandbox", "--scenario", ".cursor/mcp.json"], ".cursor/mcp.json is not a file that can be read"),
        ([], ["--sandbox", "--scenario", "../.cursor/mcp.json"], "required property 'workspaces'"),
    ],
)
def test_an_entry_that_would_not_start_or_say_what_was_meant_is_refused(
    old: list[str] | dict[str, str], words: list[str], said: str, home: Path, run: Run
) -> None:
    args, env = ([], old) if isinstance(old, dict) else (old, {})
    entry = {"command": "mcp-instantly", "args": ["serve", *args], "env": env}
    put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))
    files = tree(home)
    line = refused(run("install", "cursor", "--yes", *words))
    assert said in line and "s3cret" not in line
    assert tree(home) == files


def test_a_variable_with_a_password_is_named_and_left_out(home: Path, run: Run) -> None:
    urls = {
        "INSTANTLY_REDIS_URL": "redis://me:s3cret@127.0.0.1/0",
        "INSTANTLY_JOBS_DATABASE": "postgresql://127.0.0.1/jobs?password=s3cret",
    }
    done = run("install", "codex", "--yes", **urls)
    assert [f"{name} is left out" in done.stdout for name in urls] == [True, True]
    assert b"s3cret" not in b"".join(tree(home).values()) and "s3cret" not in done.stdout


def test_passwords_that_are_there_are_hidden_in_what_is_shown(home: Path, run: Run) -> None:
    redis = "redis://me:s3cret@127.0.0.1/0"
    servers = {"instantly": {"command": "mcp-instantly", "args": ["serve", "--redis", redis]}}
    put_file(home, "cursor", json.dumps({"mcpServers": servers}, indent=1))
    assert "s3cret" not in run("install", "cursor", "--yes").stdout
    assert redis in args_of("cursor", home)
    servers["instantly"]["env"] = {"INSTANTLY_API_KEY": "by-hand"}
    put_file(home, "claude-code", json.dumps({"mcpServers": servers, "long": "x" * 1000}))
    out = run("install", "claude-code", "--dry-run").stdout
    assert "too long to show" in out and "by-hand" not in out and "s3cret" not in out


@pytest.mark.parametrize("host", HOSTS)
def test_every_place_of_keys_reaches_the_entry_and_replaces_another(host: str, home: Path, run: Run) -> None:
    def variables() -> dict[str, str]:
        entry = entry_of(host, home / USER_FILES[host])
        return dict(entry.get("env", entry.get("envs")) or {})

    (home / "keys").write_text("alpha = a\nbeta = b\n")
    run("install", host, "--yes", INSTANTLY_API_KEY_FILE="~/key")
    run("install", host, "--yes", INSTANTLY_KEYS_FILE="../keys", INSTANTLY_KEYRING="gamma")
    assert variables() == {"INSTANTLY_KEYS_FILE": str(home / "keys"), "INSTANTLY_KEYRING": "gamma"}
    done = run("install", host, "--yes", "--profile", "agency")
    assert variables() == {} and args_of(host, home)[-2:] == ["--profile", "agency"]
    assert "run mcp-instantly login --profile agency" in done.stdout
    for name in ("INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE"):
        line = refused(run("install", host, "--yes", **{name: "~/key"}))
        assert f"--profile names a key that login stored, beside {name}" in line
    assert run("install", host, "--yes", "--without", "profile", INSTANTLY_API_KEY_FILE="~/key").returncode == 0
    assert variables() == {"INSTANTLY_API_KEY_FILE": str(home / "key")}
    twice = run("install", host, "--yes", INSTANTLY_API_KEY_FILE="~/key", INSTANTLY_KEYS_FILE="../keys")
    assert "leave INSTANTLY_API_KEY_FILE out" in refused(twice)


@pytest.mark.parametrize("host", HOSTS)
def test_a_proxy_that_the_host_does_not_hand_over_is_told_and_not_copied(host: str, home: Path, run: Run) -> None:
    way = {"https_proxy": "http://me:s3cret@proxy:1", "HTTP_PROXY": "http://x:1", "SSL_CERT_FILE": "/ca.pem"}
    done = run("install", host, "--yes", **way, NO_PROXY="10.0.0.0/8")
    told = "does not hand over https_proxy, NO_PROXY, SSL_CERT_FILE of this shell" in done.stdout
    assert told == (host not in ("claude-code", "vscode", "goose"))
    assert ("name them in env_vars" in done.stdout) == (host == "codex")
    assert b"proxy" not in b"".join(tree(home).values()) and "s3cret" not in done.stdout
    assert "of this shell" not in run("install", host, "--yes", "--sandbox", **way).stdout
    assert "of this shell" not in run("install", host, "--yes", "--read-only", NO_PROXY="10.0.0.0/8").stdout


def test_variables_of_the_way_that_the_entry_has_or_names_are_not_lost(home: Path, run: Run) -> None:
    entry = {"command": "mcp-instantly", "args": ["serve"], "env": {"HTTPS_PROXY": "http://proxy:1"}}
    put_file(home, "cursor", json.dumps({"mcpServers": {"instantly": entry}}))
    assert "of this shell" not in run("install", "cursor", "--yes", "--read-only", https_proxy="http://proxy:1").stdout
    named = '[mcp_servers.instantly]\ncommand = "mcp-instantly"\nargs = ["serve"]\nenv_vars = ["SSL_CERT_FILE"]\n'
    put_file(home, "codex", named)
    assert "of this shell" not in run("install", "codex", "--yes", "--read-only", SSL_CERT_FILE="/ca.pem").stdout


@pytest.mark.parametrize("host", HOSTS)
def test_folders_of_the_user_that_are_elsewhere_reach_the_entry(host: str, home: Path, run: Run) -> None:
    elsewhere = {"XDG_DATA_HOME": "../data", **({} if host == "goose" else {"XDG_CONFIG_HOME": str(home / ".config")})}
    run("install", host, "--yes", "--sandbox", **elsewhere)
    entry = entry_of(host, home / USER_FILES[host])
    # What is where it would be anyway needs no word.
    assert (entry.get("env") or entry["envs"]) == {"XDG_DATA_HOME": str(home / "data")}
    assert "already there" in run("install", host, "--yes", "--sandbox").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--files", "nowhere"], "--files names nowhere, which does not exist"),
        (["--drafts-file", "~nobody-at-all/d.db"], "--drafts-file names ~nobody-at-all/d.db"),
    ],
)
def test_a_path_that_the_server_could_not_use_is_not_written(words: list[str], said: str, home: Path, run: Run) -> None:
    assert said in refused(run("install", "cursor", "--yes", *words))
    assert not (home / USER_FILES["cursor"]).exists()


@pytest.mark.anyio
@pytest.mark.parametrize("host", HOSTS)
async def test_what_is_written_starts_the_server(host: str, home: Path, run: Run) -> None:
    assert run("install", host, "--yes", "--sandbox", "--tools", "list_campaigns").returncode == 0
    entry = entry_of(host, home / USER_FILES[host])
    program = entry.get("command") or entry["cmd"]
    assert program == shutil.which("mcp-instantly", path=str(Path(sys.executable).parent))
    # One of them starts the program itself; with the others it is a fork that takes their arguments.
    real = StdioServerParameters(command=program, args=entry["args"], cwd=str(ROOT))
    fork = over_stdio(command(*entry["args"]), errlog=sys.__stderr__)
    async with Client(real if host == "claude-desktop" else fork) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["list_campaigns"]


@pytest.mark.parametrize(
    ("host", "platform", "file"),
    [
        ("claude-desktop", "darwin", "/home/Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", "/roaming/Claude/claude_desktop_config.json"),
        ("vscode", "darwin", "/home/Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", "/roaming/Code/User/mcp.json"),
        ("vscode", "linux", "/home/.config/Code/User/mcp.json"),
        ("goose", "darwin", "/home/.config/goose/config.yaml"),
        ("goose", "win32", "/roaming/Block/goose/config/config.yaml"),
        ("codex", "win32", "/home/.codex/config.toml"),
        ("cursor", "win32", "/home/.cursor/mcp.json"),
        ("windsurf", "darwin", "/home/.codeium/windsurf/mcp_config.json"),
    ],
)
def test_each_platform_has_its_places(host: str, platform: str, file: str) -> None:
    assert HOSTS[host].user_file(Machine(platform, Path("/home"), {"APPDATA": "/roaming"})) == Path(file)


def test_folders_that_the_environment_names_are_used() -> None:
    environ = {"CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/d", "XDG_CONFIG_HOME": "/x"}
    machine = Machine("linux", Path("/home"), environ)
    assert HOSTS["codex"].user_file(machine) == Path("/c/config.toml")
    assert HOSTS["claude-code"].user_file(machine) == Path("/d/.claude.json")
    assert HOSTS["goose"].user_file(machine) == Path("/x/goose/config.yaml")


def test_mixed_line_ends_stay_mixed() -> None:
    text = '{\r\n  "mcpServers": {\n    "a": {}\r\n  }\n}\r\n'
    after = entries.put(HOSTS["cursor"], text, "instantly", {"command": "x"})
    assert only_added(text, after) and after.startswith('{\r\n  "mcpServers": {\n    "a": {},')
    assert entries.take_out(HOSTS["cursor"], after, "instantly") == text


def test_a_text_that_would_say_something_else_is_not_written() -> None:
    """A literal block at the end keeps its missing line end, or the file is refused."""
    text = "note: |+\n  kept\n\n"
    after = entries.put(HOSTS["goose"], text, "instantly", {"cmd": "x"})
    assert YAML(typ="safe", pure=True).load(after)["note"] == "kept\n\n"
    with pytest.raises(BrokenText, match="by hand"):
        entries.put(HOSTS["goose"], "note: |\n  kept", "instantly", {"cmd": "x"})
