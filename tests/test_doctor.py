"""The doctor: each thing that can be wrong is found, is one line with what to do, and shows no secret."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from mcp_instantly.commands.doctor import serve_arguments
from mcp_instantly.commands.entry_options import misspelt_variables
from mcp_instantly.diagnosis.finding import Finding
from mcp_instantly.diagnosis.host_check import check_hosts
from mcp_instantly.diagnosis.key_findings import check_key, looks_like_key
from mcp_instantly.diagnosis.reach import check_clock
from mcp_instantly.diagnosis.trial import try_start
from mcp_instantly.hosts.known import HOSTS, Machine
from mcp_instantly.sandbox import Sandbox

from . import processes
from .conftest import ROOT, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="homes are made as on other systems")

SECRET = "secretsecretsecret0123456789secret=="
NETWORK = re.compile("SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|(https?|all|no)_proxy", re.IGNORECASE)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def run_doctor(home: Path, *arguments: str, fork: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """`mcp-instantly doctor` for a user with an empty home, in that folder."""
    inherited = {name: value for name, value in clean_environment().items() if not NETWORK.fullmatch(name)}
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "PYTHONPATH": str(ROOT), "CODEX_HOME": ""}
    return processes.run("doctor", *arguments, environment=inherited | own | environment, cwd=home, fork=fork)


def found(home: Path, *arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    """What `doctor --json` finds, by what was looked at; nothing of SECRET may be in it."""
    done = run_doctor(home, "--tools", "list_campaigns,delete_lead", "--json", *arguments, **environment)
    assert done.stderr == ""
    assert SECRET not in done.stdout
    assert SECRET[6:20] not in done.stdout
    findings = json.loads(done.stdout)
    failed = any(one["level"] == "fail" for one in findings)
    assert done.returncode == int(failed)
    assert all(one["advice"] for one in findings if one["level"] not in ("ok", "skip"))
    worst = sorted(findings, key=lambda one: ["ok", "skip", "warn", "fail"].index(one["level"]))
    return {one["check"]: one for one in worst}


def key_with(sandbox: Sandbox, *scopes: str) -> str:
    body = {"name": "of the test", "scopes": scopes}
    created = httpx.post(f"{sandbox.url}/api/v2/api-keys", headers=sandbox.headers, json=body, trust_env=False)
    return str(created.json()["key"])


def test_all_is_well_in_the_sandbox_and_each_finding_is_a_line(tmp_path: Path) -> None:
    done = run_doctor(tmp_path, "--sandbox", "--tools", "list_campaigns", fork=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(re.fullmatch(r"ok    [a-z]+: .+", line) for line in lines), lines
    checks = [line.split()[1].rstrip(":") for line in lines]
    assert checks == ["versions", "key", "network", "api", "access", "scopes", "host", "start"]
    assert re.search(r"lists 1 tools? within", lines[-1])


def test_without_a_key_the_network_is_examined_all_the_same(tmp_path: Path, sandbox: Sandbox) -> None:
    findings = found(tmp_path, "--server", sandbox.url)
    assert findings["key"]["level"] == "fail"
    assert "mcp-instantly login" in findings["key"]["advice"]
    assert findings["api"]["level"] == "ok"
    assert findings["start"]["level"] == "warn"
    assert "access" not in findings


def test_a_line_says_what_to_do(tmp_path: Path, sandbox: Sandbox) -> None:
    done = run_doctor(tmp_path, "--server", sandbox.url)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert re.fullmatch(r"fail  key: there is none  -> create a key in Instantly .+", line)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f'"{SECRET}"', "quotes"),
        (f"INSTANTLY_API_KEY={SECRET}", "NAME="),
        (f"\ufeff{SECRET}", "byte order mark"),
        (f"{SECRET} {SECRET}", "contains a space"),
        (f"{SECRET}\n{SECRET}", "more than one line"),
        ("  ", "is empty"),
        ("${INSTANTLY_KEY}", "a variable"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_plainly_and_the_key_is_not_shown(
    tmp_path: Path, sandbox: Sandbox, value: str, words: str
) -> None:
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=value)
    assert findings["key"]["level"] == "fail"
    assert words in findings["key"]["what"]
    assert sandbox.requests[-1]["status"] == 401


def test_a_key_file_is_named_and_a_file_that_all_can_read_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    file.chmod(0o644)
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY_FILE=str(file))
    assert findings["key"]["level"] == "warn"
    assert findings["key"]["advice"] == f"run chmod 600 {file}"
    file.chmod(0o600)
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY_FILE=str(file))
    assert findings["key"]["what"] == "it comes from INSTANTLY_API_KEY_FILE"


def test_a_stored_key_is_found(tmp_path: Path, sandbox: Sandbox) -> None:
    environment = clean_environment(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path / ".config"))
    key = key_with(sandbox, "all:all")
    stored = processes.run("login", "--file", "--server", sandbox.url, environment=environment, stdin=key)
    assert stored.returncode == 0, stored.stderr
    findings = found(tmp_path, "--server", sandbox.url)
    assert findings["key"]["what"] == "it comes from the file in which login stored it, profile default"
    assert (findings["scopes"]["level"], findings["start"]["level"]) == ("ok", "ok")
    assert found(tmp_path, "--server", sandbox.url, "--profile", "other")["key"]["level"] == "fail"


def test_every_named_key_is_examined_under_its_name(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / "keys"
    file.write_text(f"north = {key_with(sandbox, 'all:all')}\nsouth = {SECRET}\n")
    file.chmod(0o600)
    done = run_doctor(tmp_path, "--server", sandbox.url, INSTANTLY_KEYS_FILE=str(file))
    lines = done.stdout.splitlines()
    assert "ok    key: there are 2 with names, from INSTANTLY_KEYS_FILE: north, south" in lines
    assert "ok    access: north: the key" in done.stdout
    assert "fail  access: south: the key is not accepted (401" in done.stdout
    assert any(line.startswith("ok    start: the server starts") for line in lines)
    assert SECRET not in done.stdout and done.returncode == 1


def test_named_keys_with_which_all_is_well_are_no_fault(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / "keys"
    file.write_text(f"north = {key_with(sandbox, 'all:all')}\nsouth = {key_with(sandbox, 'all:read')}\n")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_KEYS_FILE=str(file))
    levels = {check: one["level"] for check, one in findings.items()}
    assert (levels["key"], levels["access"], levels["start"]) == ("warn", "ok", "ok")
    assert findings["key"]["advice"] == f"run chmod 600 {file}"
    assert findings["scopes"]["what"].startswith("south: ")


def test_named_keys_that_cannot_be_used_are_told_in_the_words_of_the_server(tmp_path: Path, sandbox: Sandbox) -> None:
    file = tmp_path / "keys"
    file.write_text(f"north {SECRET.rstrip('=')}\n")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_KEYS_FILE=str(file))
    assert findings["key"]["level"] == "fail" and "is not NAME = KEY" in findings["key"]["what"]
    file.write_text(f"north = {SECRET}\n")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_KEYS_FILE=str(file), INSTANTLY_API_KEY=SECRET)
    assert findings["key"]["level"] == "fail" and "a key without a name beside those" in findings["key"]["what"]


def test_a_key_that_does_not_look_like_one_draws_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTANTLY_API_KEY", "v1key_that_is_no_base64")
    findings, key = check_key("default", "https://api.instantly.ai/")
    assert [one.level for one in findings] == ["ok", "warn"]
    assert key == "v1key_that_is_no_base64"
    assert key not in "".join(one.line for one in findings)
    assert looks_like_key("NWYwYjUxZjctZGM5ZC00MmI4LWI2MDctYzFjMzRhNTBmMDRiOnh4eHh4eHh4eA==")


def test_a_wrong_key_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=SECRET)
    assert findings["access"]["level"] == "fail"
    assert "the key is not accepted (401" in findings["access"]["what"]
    assert findings["start"]["level"] == "ok"


def test_scopes_are_read_where_the_key_may_list_keys(tmp_path: Path, sandbox: Sandbox) -> None:
    key = key_with(sandbox, "campaigns:read", "api_keys:read")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=key)
    assert findings["access"]["level"] == "ok"
    assert findings["scopes"]["what"] == "the key lacks leads:delete, for 1 of the 2 tools of the selection"
    enough = key_with(sandbox, "campaigns:read", "api_keys:read", "leads:all")
    assert found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=enough)["scopes"]["level"] == "ok"


def test_scopes_for_reading_are_tried_where_it_may_not(tmp_path: Path, sandbox: Sandbox) -> None:
    key = key_with(sandbox, "leads:all")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=key)
    assert findings["access"]["level"] == "ok"
    assert findings["scopes"]["what"] == "the key may not read what needs campaigns:read"
    key = key_with(sandbox, "campaigns:read")
    findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=key)
    assert findings["scopes"]["level"] == "ok"
    assert "scopes to change things are not tried" in findings["scopes"]["what"]


def test_nothing_but_reads_is_sent(tmp_path: Path, sandbox: Sandbox) -> None:
    before = len(sandbox.requests)
    found(tmp_path, "--server", sandbox.url, "--toolsets", "all", INSTANTLY_API_KEY=sandbox.key)
    assert {request["method"] for request in sandbox.requests[before:]} == {"GET"}


def test_a_workspace_without_a_plan_is_told(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.world.workspace["plan_id"] = None
        findings = found(tmp_path, "--server", sandbox.url, INSTANTLY_API_KEY=sandbox.key)
    assert findings["access"]["level"] == "fail"
    assert "no paid plan" in findings["access"]["what"]


def test_a_workspace_that_the_key_does_not_reach_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    findings = found(tmp_path, "--server", sandbox.url, "--workspace", other, INSTANTLY_API_KEY=sandbox.key)
    assert findings["access"]["level"] == "fail"
    assert "requested workspace" in findings["access"]["what"]


class Stub:
    """A server on a port of this machine that gives the same response to everything, and remembers what it was sent."""

    def __init__(self, status: int = 401, body: str = '{"message": "no key"}', **headers: str):
        stub = self
        self.authorizations: list[str | None] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.authorizations.append(self.headers["authorization"])
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.handler = Handler

    @contextlib.contextmanager
    def running(self, context: ssl.SSLContext | None = None) -> Iterator[Stub]:
        """On a free port, which is its `port` meanwhile."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.port = server.server_address[1]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        # Broken handshakes are what is tested, and no news.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_an_unreachable_host_is_told_and_so_is_a_closed_port(tmp_path: Path) -> None:
    findings = found(tmp_path, "--server", "http://127.0.0.1:9/", INSTANTLY_API_KEY=SECRET)
    assert findings["network"]["what"].startswith("127.0.0.1:9 takes no connection (")
    assert "access" not in findings
    findings = found(tmp_path, "--server", "https://nowhere.invalid/", INSTANTLY_API_KEY=SECRET)
    assert findings["network"]["level"] == "fail"
    assert "nowhere.invalid" in findings["network"]["what"]


def test_a_certificate_that_is_not_trusted_is_told_before_the_key_is_sent(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Stub().running(context) as stub:
        findings = found(tmp_path, "--server", f"https://127.0.0.1:{stub.port}/", INSTANTLY_API_KEY=SECRET)
    assert findings["tls"]["level"] == "fail"
    assert "is not trusted" in findings["tls"]["what"]
    assert "SSL_CERT_FILE" in findings["tls"]["advice"]
    assert stub.authorizations == []


def test_a_port_that_speaks_no_tls_is_told(tmp_path: Path) -> None:
    with Stub().running() as stub:
        findings = found(tmp_path, "--server", f"https://127.0.0.1:{stub.port}/", INSTANTLY_API_KEY=SECRET)
    assert findings["tls"]["what"].startswith(f"no TLS with https://127.0.0.1:{stub.port}")


@pytest.mark.parametrize(
    ("stub", "level", "words"),
    [
        (Stub(200, "<html><title>Sign in to Hotel WiFi</title></html>"), "fail", "titled Sign in to Hotel WiFi"),
        (Stub(403, "error code: 1010"), "fail", "Cloudflare error 1010"),
        (Stub(302, "", Location="http://wifi.example/login?x=y"), "fail", "redirects to wifi.example"),
        (Stub(503, "{}"), "warn", "responds with 503"),
        (Stub(404, "{}"), "warn", "responds with 404"),
    ],
)
def test_something_else_in_the_place_of_the_api_is_told(tmp_path: Path, stub: Stub, level: str, words: str) -> None:
    with stub.running():
        findings = found(tmp_path, "--server", f"http://127.0.0.1:{stub.port}/", INSTANTLY_API_KEY=SECRET)
    assert findings["api"]["level"] == level
    assert words in findings["api"]["what"]
    if level == "fail":
        assert stub.authorizations == [None]


@pytest.mark.parametrize(("minutes", "said"), [(6, "behind"), (-600, "ahead of"), (4, None), (-4, None)])
def test_a_clock_that_is_off_is_told(minutes: int, said: str | None) -> None:
    now = 1_800_000_000
    (finding,) = check_clock(email.utils.formatdate(now + 60 * minutes), now)
    if said is None:
        assert finding.level == "ok"
    else:
        assert finding.level == "warn"
        assert f"{abs(minutes)} minutes {said}" in finding.what


def test_a_server_on_this_machine_may_have_a_clock_of_its_own(tmp_path: Path) -> None:
    with Stub(Date=email.utils.formatdate(0)).running() as stub:
        findings = found(tmp_path, "--server", f"http://127.0.0.1:{stub.port}/")
    assert findings["api"]["level"] == "ok" and "clock" not in findings


def test_a_proxy_of_the_environment_is_named_without_its_password(tmp_path: Path) -> None:
    with Stub(407, "").running() as stub:
        proxy = f"http://me:{SECRET}@127.0.0.1:{stub.port}"
        findings = found(tmp_path, INSTANTLY_API_KEY=SECRET, HTTPS_PROXY=proxy)
    assert f"127.0.0.1:{stub.port}" in findings["network"]["what"]
    assert findings["proxy"]["level"] == "fail"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HTTPS_PROXY": f"http://me:{SECRET}/x@y:1"}, "HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, "SSL_CERT_FILE"),
    ],
)
def test_settings_of_the_environment_that_cannot_be_used_are_told(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    findings = found(tmp_path, INSTANTLY_API_KEY=SECRET, **environment)
    assert findings["network"]["level"] == "fail"
    assert words in findings["network"]["what"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--toolsets", "campain"], "Did you mean campaigns?"),
        (["--server", "prod"], "unknown"),
        (["--profile", "A B"], "--profile may have"),
        (["--workspace", " "], "is empty"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = run_doctor(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert words in line


@pytest.mark.anyio
async def test_a_server_that_does_not_start_is_told_in_its_own_words() -> None:
    finding = await try_start([*processes.COMMAND, "serve", "--sandbox", "--toolsets", "nothing"])
    assert (finding.level, finding.what) == ("fail", "the server ended before it gave a list of tools")
    assert finding.advice.startswith("There is no toolset 'nothing'")


def test_the_server_is_started_as_it_was_examined() -> None:
    options = {
        "toolsets": ("core", "leads"),
        "tools": (),
        "exclude_tools": ("delete_lead",),
        "scopes": (),
        "read_only": True,
        "drafts": False,
        "drafts_file": None,
        "files": (),
        "drafts_only": True,
        "sandbox": False,
        "workspace": "w",
        "profile": None,
        "server": "production",
    }
    assert " ".join(serve_arguments(options)) == (
        "serve --toolsets core,leads --exclude-tools delete_lead --read-only --drafts-only --workspace w "
        "--server production"
    )


@pytest.mark.parametrize("words", [["--files", "nowhere"], ["--drafts-file", "file/drafts"]])
def test_files_and_drafts_that_keep_the_server_from_starting_are_told(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "file").touch()
    start = found(tmp_path, "--sandbox", *words)["start"]
    assert start["level"] == "fail"
    assert words[1] in start["what"] + start["advice"]


@pytest.mark.parametrize("line", ['ledger = "file/l"', ""])
def test_a_ledger_that_keeps_the_server_from_starting_is_told_and_one_that_is_not_needed_is_not(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "p.toml").write_text(f"{line}\nlimits.emails.per_day = 5\n")
    (tmp_path / "free.toml").write_text(f"{line}\nlimits.emails.per_call = 5\n")
    own = {"XDG_DATA_HOME": str(tmp_path / "file")}
    file = write_entry(tmp_path, "cursor", "user", {})
    servers = {
        name: {"command": "uvx", "args": ["mcp-instantly", "serve", "--sandbox", "--policy", str(policy)], "env": own}
        for name, policy in (("needs", tmp_path / "p.toml"), ("needs none", tmp_path / "free.toml"))
    }
    file.write_text(json.dumps({"mcpServers": servers}))
    needs, needs_none = starts_in(tmp_path, "--sandbox")
    assert needs["level"] == "fail" and "The ledger" in needs["what"] and "folder that is not there" in needs["what"]
    assert needs_none["level"] == "ok"


def starts_in(home: Path, *arguments: str, **environment: str) -> list[dict[str, str]]:
    """What doctor finds of the starts of entries of hosts, without that of its own options."""
    done = run_doctor(home, "--tools", "list_campaigns", "--json", *arguments, **environment)
    return [one for one in json.loads(done.stdout) if one["check"] == "start" and " does, " in one["what"]]


def test_the_server_is_started_as_the_entry_of_a_host_says_with_what_the_host_hands_over(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere"), "INSTANTLY_BASE_URL": sandbox.url}
    environment = clean_environment(HOME=str(tmp_path), **elsewhere)
    key = key_with(sandbox, "all:all")
    assert processes.run("login", "--file", environment=environment, stdin=key).returncode == 0
    by_hand = {"command": "uvx", "args": ["mcp-instantly", "serve", "--server", sandbox.url]}
    write_entry(tmp_path, "cursor", "user", by_hand)
    (start,) = starts_in(tmp_path, **elsewhere)
    assert start["level"] == "fail" and start["advice"].startswith("There is no API key")
    assert f"as Cursor does, {tmp_path}/.cursor/mcp.json, instantly" in start["what"]
    # Claude Code hands over its whole environment.
    write_entry(tmp_path, "claude-code", "user", by_hand)
    assert [one["level"] for one in starts_in(tmp_path, **elsewhere)] == ["ok", "fail"]
    assert processes.run("install", "cursor", "--yes", environment=environment, cwd=tmp_path).returncode == 0
    found = starts_in(tmp_path, **elsewhere)
    assert [one["level"] for one in found] == ["ok", "ok"], found
    assert re.search(r"lists \d+ tools", found[1]["what"])


def test_what_a_host_fills_in_and_what_comes_with_a_project_is_not_started(tmp_path: Path) -> None:
    asks = {"command": "uvx", "args": ["mcp-instantly", "serve"], "env": {"INSTANTLY_API_KEY": "${input:key}"}}
    write_entry(tmp_path, "vscode", "user", asks)
    kept = {"command": "uvx", "args": ["mcp-instantly", "serve"], "env_keys": ["INSTANTLY_API_KEY"]}
    write_entry(tmp_path, "goose", "user", kept)
    foreign = {"command": "uvx", "args": ["mcp-instantly", "serve", "--sandbox"]}
    (tmp_path / ".mcp.json").write_text(json.dumps({"mcpServers": {"instantly": foreign}}))
    starts = starts_in(tmp_path, "--sandbox")
    assert {one["level"] for one in starts} == {"skip"}
    why = [one["what"].partition("not tried, since ")[2] for one in starts]
    assert why == ["its file is that of a project", *["the host fills in a part of it"] * 2]


FILES = {
    "state": "state.json",
    "log-file": "log.jsonl",
    "audit": "new-audit.jsonl",
    "drafts-file": "dr/drafts",
    "jobs-database": "sqlite:///jobs.sqlite3",
}


def tree(folder: Path) -> dict[Path, tuple[float, int, bytes | None]]:
    """Everything in a folder: when it was changed, its rights, and what is in it."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {
        path: (stat.st_mtime_ns, stat.st_mode, None if path.is_dir() else path.read_bytes())
        for path, stat in found.items()
    }


def test_a_start_that_is_tried_neither_makes_nor_opens_files_of_a_server_at_work(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("limits.credits.per_day = 5\n[protect]\ncampaigns = []\n")
    # A server that opens a ledger keeps others from it, and deletes what is old.
    (tmp_path / "own.toml").write_text('ledger = "ledger"\nlimits.credits.per_day = 5\n[protect]\nlists = []\n')
    (tmp_path / "ledger").touch(0o644)
    policy = ["--policy", str(tmp_path / "policy.toml"), "--tools", "list_leads", "--drafts", "--reconcile"]
    words = [word for name, value in FILES.items() for word in (f"--{name}", value)]
    serve = {"command": "uvx", "args": ["mcp-instantly", "serve", "--sandbox", *policy, *words], "cwd": str(tmp_path)}
    write_entry(tmp_path, "windsurf", "user", serve)
    variables = {
        "INSTANTLY_AUDIT": "no/a.jsonl",
        "INSTANTLY_DRAFTS_FILE": "d",
        "INSTANTLY_JOBS_DATABASE": "sqlite:///j",
    }
    # The seals of a key that replicas share are in the ledger, without a policy too.
    shared = {**variables, "INSTANTLY_STATE_KEY": "k" * 32}
    choice = ["--sandbox", "--toolsets", "core,jobs"]
    serve = {"command": "uvx", "args": ["mcp-instantly", "serve", *choice], "env": shared}
    write_entry(tmp_path, "gemini-cli", "user", serve)
    variables |= {"INSTANTLY_AUDIT": "a.jsonl", "INSTANTLY_POLICY": "own.toml", "INSTANTLY_STATE_KEY": "k" * 32}
    here = {**variables, "XDG_DATA_HOME": str(tmp_path / "data"), "INSTANTLY_API_KEY": SECRET}
    before = tree(tmp_path)
    done = run_doctor(tmp_path, "--json", "--drafts", "--server", "http://127.0.0.1:9/", **here)
    first, second, own = [one for one in json.loads(done.stdout) if one["check"] == "start"]
    assert {one["level"] for one in (first, second, own)} == {"ok"}, (first, second, own)
    tools = [int(re.search(r"lists (\d+) tools", one["what"])[1]) for one in (first, second, own)]  # type: ignore[index]
    assert tools[0] > 1, "there are those of drafts"
    assert tree(tmp_path) == before


OTHER_STARTS: dict[str, dict[str, Any]] = {
    "a container": {"command": "docker", "args": ["run", "--env-file", "x", "mcp-instantly", "serve"]},
    "a wrapper": {"command": "env", "args": ["INSTANTLY_API_KEY_FILE=/x", "mcp-instantly", "serve"]},
    "another program of Python": {"command": "python3", "args": ["start.py", "mcp_instantly", "serve"]},
    "a file of variables": {"command": "uvx", "args": ["mcp-instantly", "serve"], "envFile": "/x/.env"},
    "a file of variables for uvx": {"command": "uvx", "args": ["--env-file=/x", "mcp-instantly", "serve"]},
    "switched off by disabled": {"command": "uvx", "args": ["mcp-instantly", "serve"], "disabled": True},
    "switched off by enabled": {"command": "uvx", "args": ["mcp-instantly", "serve"], "enabled": False},
    "a folder to fill in": {"command": "uvx", "args": ["mcp-instantly", "serve"], "cwd": "${workspaceFolder}"},
    "a folder of the host": {"command": "uvx", "args": ["mcp-instantly", "serve", "--policy", "p.toml"]},
    "a world in a folder of the host": {"command": "uvx", "args": ["mcp-instantly", "serve", "--scenario", "w.json"]},
}


def test_an_entry_that_is_switched_off_or_starts_with_more_than_is_known_here_is_not_tried(tmp_path: Path) -> None:
    file = write_entry(tmp_path, "cursor", "user", {})
    file.write_text(json.dumps({"mcpServers": OTHER_STARTS}))
    write_entry(tmp_path, "codex", "user", OTHER_STARTS["switched off by enabled"])
    write_entry(tmp_path, "goose", "user", OTHER_STARTS["switched off by enabled"])
    starts = starts_in(tmp_path, "--sandbox")
    assert len(starts) == len(OTHER_STARTS) + 2
    assert {one["level"] for one in starts} == {"skip"} and all("not tried, since" in one["what"] for one in starts)


@pytest.mark.parametrize("command", ["uvx", sys.executable])
def test_a_server_is_tried_in_the_folder_of_its_entry(tmp_path: Path, command: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "p.toml").write_text('# Prüfung → für alle\nnever_call = ["delete_lead"]\n', "utf-8")
    words = ["mcp-instantly"] if command == "uvx" else ["-m", "mcp_instantly"]
    choice = ["--sandbox", "--tools", "list_leads,delete_lead", "--policy", "p.toml"]
    serve = {"command": command, "args": [*words, "serve", *choice], "cwd": str(tmp_path / "mine")}
    write_entry(tmp_path, "codex", "user", serve)
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = run_doctor(tmp_path, "--json", "--sandbox", fork=command == "uvx", **plain)
    (start, _) = (one for one in json.loads(done.stdout) if one["check"] == "start")
    assert start["level"] == "ok" and "lists 1 tools" in start["what"]
    assert ("with this installation in the place of uvx" in start["what"]) == (command == "uvx")


ANSWERS = [
    {"id": 1, "result": {"serverInfo": {"name": "instantly", "version": "0.0.9"}}},
    {"id": 2, "result": {"tools": [{}, {}, {}]}},
]
OTHER_VERSION = f"""#!/bin/sh
env > "$0.env"
sleep 600 > /dev/null 2>&1 &
echo $! > "$0.pid"
echo '{json.dumps(ANSWERS[0])}'
echo '{json.dumps(ANSWERS[1])}'
wait
"""


def write_command(folder: Path, script: str) -> Path:
    command = folder / "bin" / "mcp-instantly"
    command.parent.mkdir()
    command.write_text(script)
    command.chmod(0o755)
    return command


def test_the_command_of_an_entry_is_started_without_the_key_and_gone_afterwards(tmp_path: Path) -> None:
    command = write_command(tmp_path, OTHER_VERSION)
    own = {"OWN": "1", "FILLED_IN": "${env:OTHER}", "INSTANTLY_AUDIT": "a.jsonl"}
    write_entry(tmp_path, "claude-code", "user", {"command": str(command), "args": ["serve"], "env": own})
    # The keyring of a system without a desktop may be in the folder for data.
    shell = {"INSTANTLY_API_KEY": SECRET, "OF_THE_SHELL": "2", "XDG_DATA_HOME": str(tmp_path / "data")}
    (start,) = starts_in(tmp_path, "--server", "http://127.0.0.1:9/", **shell)
    assert start["level"] == "warn"
    assert "by its command: the server starts" in start["what"] and "lists 3 tools" in start["what"]
    assert "of version 0.0.9, while this is" in start["what"]
    environment = Path(f"{command}.env").read_text().splitlines()
    assert {"OWN=1", "OF_THE_SHELL=2", f"XDG_DATA_HOME={tmp_path}/data"} <= {*environment}
    assert not any(line.startswith(("FILLED_IN=", "INSTANTLY_AUDIT=")) or SECRET in line for line in environment)
    processes.until(lambda: not is_running(int(Path(f"{command}.pid").read_text())), 10)


LEFT_BEHIND = """#!/bin/sh
sleep 600 > /dev/null 2>&1 < /dev/null &
echo $! > "$0.pid"
echo "mcp-instantly: the key $INSTANTLY_API_KEY is wrong" >&2
"""


def test_what_a_command_left_behind_is_gone_and_the_key_that_it_says_is_not_shown(tmp_path: Path) -> None:
    command = write_command(tmp_path, LEFT_BEHIND)
    # Variables may have bytes that are no text.
    own = {"INSTANTLY_API_KEY": SECRET, "OTHER_TOKEN": "\udcff" * 9}
    write_entry(tmp_path, "cursor", "user", {"command": str(command), "args": ["serve", "--sandbox"], "env": own})
    (start,) = starts_in(tmp_path, "--sandbox")
    assert start["level"] == "fail" and start["advice"] == "the key [key] is wrong"
    processes.until(lambda: not is_running(int(Path(f"{command}.pid").read_text())), 10)


def test_a_doctor_that_is_ended_ends_what_it_started(tmp_path: Path) -> None:
    command = write_command(tmp_path, '#!/bin/sh\necho $$ > "$0.new"\nmv "$0.new" "$0.pid"\nexec sleep 600\n')
    pid = Path(f"{command}.pid")
    (tmp_path / "tmp").mkdir()
    write_entry(tmp_path, "cursor", "user", {"command": str(command), "args": ["serve", "--sandbox"]})
    environment = clean_environment(HOME=str(tmp_path), TMPDIR=str(tmp_path / "tmp"))
    with processes.start_heard("doctor", "--sandbox", environment=environment, cwd=tmp_path) as doctor:
        processes.until(pid.exists, 30)
        doctor.terminate()
        doctor.communicate(timeout=30)
    assert doctor.returncode == 130
    processes.until(lambda: not is_running(int(pid.read_text())), 10)
    assert list((tmp_path / "tmp").iterdir()) == []


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended may wait for somebody to ask how."""
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(") ")[2][0] not in "ZX"
    return False


@pytest.mark.parametrize(
    ("script", "level", "words"),
    [
        (None, "skip", "is not there"),
        ("#!/nowhere/python\n", "fail", "it cannot be started (No such file or directory"),
        ("#!/bin/sh\necho ready\nexec cat >&2\n", "fail", "does not talk MCP on stdout"),
        ("#!/bin/sh\necho 1\nexec cat >&2\n", "fail", "does not talk MCP on stdout"),
        (f"#!{sys.executable}\nprint('[' * 200000)\n", "fail", "does not talk MCP on stdout"),
        ("#!/bin/sh\nexec >&-\n", "fail", "ended before it gave a list of tools"),
    ],
)
def test_a_command_of_an_entry_that_is_gone_or_something_else_is_told(
    tmp_path: Path, script: str | None, level: str, words: str
) -> None:
    command = tmp_path / "gone" / "mcp-instantly" if script is None else write_command(tmp_path, script)
    write_entry(tmp_path, "cursor", "user", {"command": str(command), "args": ["serve", "--sandbox"]})
    (start,) = starts_in(tmp_path, "--sandbox")
    assert (start["level"], words in start["what"]) == (level, True), start


def test_an_entry_that_serves_over_http_is_no_server_for_a_host(tmp_path: Path) -> None:
    serve = {"command": "uvx", "args": ["mcp-instantly", "serve", "--transport", "http"]}
    write_entry(tmp_path, "cursor", "user", serve)
    (start,) = starts_in(tmp_path, "--sandbox")
    assert start["level"] == "fail" and "over stdio" in start["what"]


def test_a_variable_that_only_looks_like_one_is_told(tmp_path: Path) -> None:
    own = {"INSTANTLY_READONLY": SECRET, "INSTANTLY_OF_ANOTHER_PROGRAM": "1", "INSTANTLY_LOCKDOWN": "1"}
    write_entry(tmp_path, "cursor", "user", {"command": "uvx", "args": ["mcp-instantly", "serve"], "env": own})
    write_entry(tmp_path, "claude-code", "user", {"command": "uvx", "args": ["mcp-instantly", "serve", "--sandbox"]})
    asks = {"INSTANTLY_API_KEY": "${input:key}", "INSTANTLY_READONLY": "1"}
    write_entry(tmp_path, "vscode", "user", {"command": "uvx", "args": ["mcp-instantly", "serve"], "env": asks})
    done = run_doctor(tmp_path, "--sandbox", INSTANTLY_TOOLSET="core")
    told = [line for line in done.stdout.splitlines() if line.startswith("warn  variable: ")]
    assert len(told) == 3 and SECRET not in done.stdout
    assert "INSTANTLY_TOOLSET is not a variable" in told[0] and told[0].endswith("did you mean INSTANTLY_TOOLSETS?")
    for line, host in zip(told[1:], ("Cursor", "VS Code"), strict=True):
        assert f"as {host} does" in line and line.endswith("has no effect  -> did you mean INSTANTLY_READ_ONLY?")


def test_every_variable_of_the_server_is_known() -> None:
    sources = (path.read_text() for path in (ROOT / "mcp_instantly").rglob("*.py"))
    named = {name for source in sources for name in re.findall(r"INSTANTLY_[A-Z_]+[A-Z]", source)}
    assert {"INSTANTLY_API_KEY", "INSTANTLY_READ_ONLY"} < named
    assert misspelt_variables(named) == {}


def test_arguments_that_serve_does_not_take_are_told_and_not_repeated(tmp_path: Path) -> None:
    serve = {"command": "uvx", "args": ["mcp-instantly", "serve", "--key", SECRET]}
    write_entry(tmp_path, "cursor", "user", serve)
    (start,) = starts_in(tmp_path, "--sandbox")
    assert start["level"] == "fail" and "arguments that serve does not take" in start["what"]
    assert SECRET not in json.dumps(start)


COMMAND = shutil.which("env") or "/usr/bin/env"


def machine(home: Path, **environment: str) -> Machine:
    return Machine("linux", home, {"PATH": os.defpath, **environment})


def findings_in(home: Path) -> list[Finding]:
    return check_hosts(machine(home), home / "project")


def write_entry(home: Path, host: str, scope: str, entry: dict[str, Any]) -> Path:
    """The file of a host, with an entry in its own format."""
    known = HOSTS[host]
    path = home / "project" / (known.project_file or "") if scope == "project" else known.user_file(machine(home))
    path.parent.mkdir(parents=True, exist_ok=True)
    if known.syntax == "toml":
        lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items() if name != "env"]
        inline = ", ".join(f"{name} = {json.dumps(value)}" for name, value in entry.get("env", {}).items())
        path.write_text("\n".join(["# mine", "[mcp_servers.instantly]", *lines, f"env = {{ {inline} }}"]))
    elif known.syntax == "yaml":
        renamed = {{"command": "cmd", "env": "envs"}.get(name, name): value for name, value in entry.items()}
        path.write_text(f"# mine\nextensions:\n  instantly: {json.dumps(renamed)}\n")
    else:
        comment, comma = ("// mine\n", ",") if known.syntax == "jsonc" else ("", "")
        path.write_text(f'{comment}{{"{known.container}": {{"instantly": {json.dumps(entry)}{comma}}}{comma}}}')
    return path


EVERY_FILE = [
    (host.name, scope) for host in HOSTS.values() for scope in ("user", *(["project"] * bool(host.project_file)))
]


@pytest.mark.parametrize(("host", "scope"), EVERY_FILE)
def test_the_entry_of_every_host_is_found_and_left_as_it_is(tmp_path: Path, host: str, scope: str) -> None:
    entry = {"command": COMMAND, "args": ["mcp-instantly", "serve"], "env": {"INSTANTLY_API_KEY": "${input:key}"}}
    path = write_entry(tmp_path, host, scope, entry)
    before = path.read_bytes(), path.stat().st_mtime_ns
    (finding,) = findings_in(tmp_path)
    assert finding.level == "ok"
    assert f"{path}, instantly: {COMMAND} can be started" in finding.what
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize(("host", "scope"), EVERY_FILE)
def test_a_broken_file_of_a_host_is_told_and_the_others_are_read(tmp_path: Path, host: str, scope: str) -> None:
    path = write_entry(tmp_path, host, scope, {"command": "x"})
    path.write_text("\n\n{ : [")
    other = "cursor" if host != "cursor" else "windsurf"
    write_entry(tmp_path, other, "user", {"command": COMMAND, "args": ["mcp-instantly", "serve"]})
    findings = findings_in(tmp_path)
    assert sorted(one.level for one in findings) == ["fail", "ok"]
    (broken,) = [one for one in findings if one.level == "fail"]
    assert re.search(re.escape(str(path)) + r", line [34] cannot be read", broken.what)


@pytest.mark.parametrize(
    ("entry", "level", "words"),
    [
        ({"command": "/nowhere/mcp-instantly"}, "fail", "/nowhere/mcp-instantly is not there"),
        ({"command": str(ROOT / "mcp-instantly")}, "fail", "is not there"),
        ({"command": "~/bin/mcp-instantly"}, "fail", "begins with ~"),
        ({"command": ".venv/bin/mcp-instantly"}, "warn", "is a relative path"),
        ({"command": "mcp-instantly"}, "fail", "there is no command mcp-instantly"),
        ({"command": COMMAND, "args": ["mcp-instantly"]}, "fail", "its arguments lack serve"),
        ({"env": {"INSTANTLY_API_KEY": SECRET}}, "warn", "holds the key as plain text"),
        ({"env": {"INSTANTLY_API_KEY": f"'{SECRET}'"}}, "fail", "quotes"),
        ({"env": {"INSTANTLY_API_KEY_FILE": "/nowhere/key"}}, "fail", "names cannot be read"),
    ],
)
def test_an_entry_that_cannot_work_is_told(tmp_path: Path, entry: dict[str, Any], level: str, words: str) -> None:
    write_entry(tmp_path, "cursor", "user", {"command": COMMAND, "args": ["mcp-instantly", "serve"], **entry})
    (finding,) = findings_in(tmp_path)
    assert (finding.level, words in finding.what) == (level, True), finding
    assert finding.advice
    assert SECRET not in finding.line


@pytest.mark.parametrize(
    ("host", "more", "lost"),
    [
        ("cursor", {}, "Cursor does not hand over HTTPS_PROXY, no_proxy of this shell"),
        ("cursor", {"env": {"https_proxy": "http://x:1"}}, None),
        ("cursor", {"args": ["mcp-instantly", "serve", "--sandbox"]}, None),
        ("cursor", {"env": {"INSTANTLY_SANDBOX": "true"}}, None),
        ("cursor", {"env": {"INSTANTLY_SANDBOX": "0"}}, "Cursor does not hand over HTTPS_PROXY, no_proxy"),
        ("cursor", {"disabled": True}, None),
        ("cursor", {"command": "${HOME}/bin/docker", "args": ["run", "-i", "mcp-instantly", "serve"]}, None),
        ("codex", {"env_vars": ["HTTPS_PROXY"]}, None),
        ("claude-code", {}, None),
    ],
)
def test_a_proxy_that_does_not_reach_the_server_is_told(
    tmp_path: Path, host: str, more: dict[str, Any], lost: str | None
) -> None:
    write_entry(tmp_path, host, "user", {"command": COMMAND, "args": ["mcp-instantly", "serve"], **more})
    way = {"HTTPS_PROXY": f"http://me:{SECRET}@proxy:1", "no_proxy": "localhost"}
    (finding,) = check_hosts(machine(tmp_path, **way), tmp_path / "project")
    assert (finding.level, (lost or "can be started") in finding.what) == ("warn" if lost else "ok", True), finding
    assert SECRET not in finding.line


def test_a_command_that_may_not_be_executed_is_told(tmp_path: Path) -> None:
    command = tmp_path / "mcp-instantly"
    command.write_text("")
    write_entry(tmp_path, "codex", "user", {"command": str(command), "args": ["serve"]})
    (finding,) = findings_in(tmp_path)
    assert (finding.level, "may not be executed" in finding.what) == ("fail", True)


def test_other_servers_and_files_without_servers_are_no_findings(tmp_path: Path) -> None:
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text('{"mcpServers": {"github": {"command": "/nowhere/gh"}, "x": 3}}')
    (tmp_path / ".claude.json").write_text('{"projects": {"/a": {"mcpServers": []}, "/b": 1}, "mcpServers": null}')
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "config.toml").write_text('mcp_servers = "none"')
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_text("")
    (finding,) = findings_in(tmp_path)
    assert finding.what == "no file of a host names this server yet"


def test_claude_code_names_servers_for_each_project_too(tmp_path: Path) -> None:
    entry = {"command": "/nowhere/mcp-instantly", "args": ["serve"]}
    (tmp_path / ".claude.json").write_text(json.dumps({"projects": {"/a": {"mcpServers": {"mine": entry}}}}))
    (finding,) = findings_in(tmp_path)
    assert (finding.level, "mine" in finding.what) == ("fail", True)


def test_a_server_that_is_reached_by_url_is_found(tmp_path: Path) -> None:
    write_entry(tmp_path, "cursor", "user", {"url": "http://127.0.0.1:8000/mcp"})
    (finding,) = findings_in(tmp_path)
    assert finding.what.endswith("instantly: reached by its URL")


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("darwin", {}, "Library/Application Support/Claude/claude_desktop_config.json"),
        ("linux", {}, ".config/Claude/claude_desktop_config.json"),
        ("linux", {"XDG_CONFIG_HOME": "/x"}, "/x/Claude/claude_desktop_config.json"),
        ("win32", {}, "AppData/Roaming/Claude/claude_desktop_config.json"),
        ("win32", {"APPDATA": "/y"}, "/y/Claude/claude_desktop_config.json"),
    ],
)
def test_files_lie_where_each_system_keeps_settings(
    tmp_path: Path, platform: str, environment: dict[str, str], expected: str
) -> None:
    where = Machine(platform, tmp_path, environment)
    assert HOSTS["claude-desktop"].user_file(where) == tmp_path / expected
    goose = HOSTS["goose"].user_file(where).as_posix()
    assert goose.endswith("Block/goose/config/config.yaml" if platform == "win32" else "goose/config.yaml")


def test_codex_and_claude_code_may_have_their_homes_elsewhere(tmp_path: Path) -> None:
    where = machine(tmp_path, CODEX_HOME="/elsewhere", CLAUDE_CONFIG_DIR="/other")
    assert HOSTS["codex"].user_file(where) == Path("/elsewhere/config.toml")
    assert HOSTS["claude-code"].user_file(where) == Path("/other/.claude.json")


def test_a_comment_is_told_where_the_host_takes_none(tmp_path: Path) -> None:
    path = write_entry(tmp_path, "claude-desktop", "user", {"command": COMMAND, "args": ["mcp-instantly", "serve"]})
    path.write_text(f"// mine\n{path.read_text()}")
    (finding,) = findings_in(tmp_path)
    assert (finding.level, "line 1 cannot be read" in finding.what) == ("fail", True)


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    path = write_entry(tmp_path, "cursor", "user", {"command": COMMAND})
    path.write_bytes("{}".encode("utf-16"))
    (finding,) = findings_in(tmp_path)
    assert (finding.level, f"{path} is not a text file in UTF-8" in finding.what) == ("fail", True)
    assert "written" not in finding.line
