"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_instantly import __version__
from mcp_instantly.cli import main
from mcp_instantly.text import UNSEEN
from mcp_instantly.tools.catalog import Catalog

from . import processes
from .conftest import ROOT, clean_environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NETWORK = re.compile("SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|(https?|all|no)_proxy", re.IGNORECASE)


def run(*arguments: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, with nothing but `environment` of what concerns it or its network."""
    inherited = {name: value for name, value in clean_environment().items() if not NETWORK.fullmatch(name)}
    return processes.run(*arguments, environment=inherited | environment, stdin=stdin)


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], restored_logging: None) -> Run:
    """The command as `run` runs it, but in this process: for what ends before it serves or calls anybody."""

    def run_main(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for name in [name for name in os.environ if name.startswith("INSTANTLY_") or NETWORK.fullmatch(name)]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["mcp-instantly", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out, err)

    return run_main


def call_unreachable(server: str = "http://127.0.0.1:9/", **environment: str) -> subprocess.CompletedProcess[str]:
    """A call of a server that is not there, with no time to try again."""
    return run("call", "get_workspace", "--server", server, "--call-timeout", "1", **environment)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The only line on stderr of a start that failed, with nothing on stdout and exit status 2."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("mcp-instantly: ")
    return line


@pytest.mark.parametrize("words", [[], ["jobs"], ["drafts"]])
def test_a_list_of_commands_has_whole_sentences(words: list[str], run_here: Run) -> None:
    commands = run_here(*words, "--help").stdout.partition("\nCommands:\n")[2]
    assert commands and "..." not in commands.replace("postgresql://...", "")


def test_a_group_without_a_command_shows_its_help(run_here: Run) -> None:
    done = run_here("policy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: mcp-instantly policy ") and "\n  check  " in done.stderr


def test_the_version_is_printed(run_here: Run) -> None:
    assert run_here("--version").stdout == f"mcp-instantly {__version__}\n"


def test_tools_as_json_has_all_that_programs_read(run_here: Run, catalog: Catalog) -> None:
    done = run_here("tools", "--json", "--toolsets", "all")
    listed = json.loads(done.stdout)
    assert [tool["name"] for tool in listed] == list(catalog.tools)
    verify = next(tool for tool in listed if tool["name"] == "verify_email")
    assert set(verify) >= {"title", "description", "input_schema"}
    assert {key: verify[key] for key in verify if key not in ("title", "description", "input_schema")} == {
        "name": "verify_email",
        "toolset": "email_verification",
        "operation_id": "createEmailVerification",
        "method": "POST",
        "path": "/api/v2/email-verification",
        "calls": [],
        "scopes": ["email_verifications:create", "email_verifications:all", "all:create", "all:all"],
        "also_scopes": [],
        "scopes_inferred": False,
        "effects": ["spends_credits"],
        "read_only": False,
        "destructive": False,
        "idempotent": False,
    }


def test_tools_without_json_is_a_table_for_people(run_here: Run) -> None:
    done = run_here("tools", "--tools", "verify_email,delete_campaign,list_leads")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["campaigns", "delete_campaign", "deletes"],
        ["email_verification", "verify_email", "changes"],
        ["leads", "list_leads", "reads"],
    ]


def test_tools_are_found_by_words_the_best_first(run_here: Run, catalog: Catalog) -> None:
    done = run_here("tools", "--search", "put the campaign on hold")
    names = [line.split()[1] for line in done.stdout.splitlines()]
    assert names[0] == "pause_campaign" and len(names) == 10
    as_json = json.loads(run_here("tools", "--json", "--search", "put the campaign on hold").stdout)
    assert [tool["name"] for tool in as_json] == names
    reads = run_here("tools", "--search", "pause a campaign", "--read-only").stdout
    assert reads and all(line.split()[2] == "reads" for line in reads.splitlines())


def test_tools_into_a_closed_pipe_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mcp_instantly", "tools", "--json", "--toolsets", "all"],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


NO_STREAMS = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is full")


def run_unconnected(
    *arguments: str, close: int | None = None, stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """The command with one of its standard streams closed, as `>&-` and `<&-` have it."""
    prepare = {} if close is None else {"preexec_fn": lambda: os.close(close)}
    return processes.run(*arguments, environment=clean_environment(), fork=False, stdout=stdout, **prepare)


@NO_STREAMS
@pytest.mark.parametrize("words", [["tools", "--json"], ["scopes"], ["--version"], ["--help"]], ids=" ".join)
def test_output_that_is_lost_is_a_line_and_status_1(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = processes.run(*words, environment=clean_environment(), stdout=full)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("mcp-instantly: stdout could not be written (No space left on device)")


@NO_STREAMS
def test_a_write_whose_result_is_lost_says_that_it_was_made(tmp_path: Path) -> None:
    world = ["--sandbox", "--state", str(tmp_path / "world"), "--log-level", "error"]
    lead = json.dumps({"email": "once@corp.example", "campaign": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"})
    with open("/dev/full", "w") as full:
        done = processes.run("call", "create_lead", lead, *world, environment=clean_environment(), stdout=full)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.endswith("What it did is done: look before you run it again.")
    found = run("call", "list_leads", '{"search": "once@corp.example"}', *world)
    assert [lead["email"] for lead in json.loads(found.stdout)["items"]] == ["once@corp.example"]


@NO_STREAMS
def test_a_stdout_that_is_closed_is_a_line_and_status_1() -> None:
    done = run_unconnected("tools", "--json", close=1, stdout=None)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "stdout could not be written (it is closed)" in line) == (1, True)


@NO_STREAMS
def test_a_server_without_stderr_serves(tmp_path: Path) -> None:
    done = run_unconnected("serve", "--sandbox", "--log-file", str(tmp_path / "log"), close=2)
    assert (done.returncode, (tmp_path / "log").exists()) == (0, True)


@NO_STREAMS
def test_a_server_without_stdout_does_not_start() -> None:
    done = run_unconnected("serve", "--sandbox", close=1, stdout=None)
    assert (done.returncode, "stdin and stdout are closed" in done.stderr) == (2, True)


@NO_STREAMS
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["call", "list_campaigns", "-", "--sandbox"], "The arguments are not valid JSON"),
        (["login", "--file"], "What was typed is empty"),
        (["install", "cursor"], "Nobody answered; add --yes"),
        (["drafts", "approve", "draft-1"], "Approval needs a terminal"),
        (["jobs", "verify", __file__, "--column", "x", "--sandbox"], ""),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_stdin_that_is_closed_is_an_empty_one(words: list[str], said: str, tmp_path: Path) -> None:
    data = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    closed: dict[str, Any] = {"stdin": None, "preexec_fn": lambda: os.close(0)}
    done = processes.start_heard(*words, environment=clean_environment(**data), fork=False, **closed)
    with done, processes.ended(done):
        _, err = done.communicate()
    assert done.returncode == 2
    assert said in err and "Traceback" not in err


def test_scopes_are_the_least_that_a_selection_needs(run_here: Run) -> None:
    done = run_here("scopes", "--toolsets", "email_verification")
    assert done.stdout.splitlines() == ["email_verifications:create", "email_verifications:read"]
    assert json.loads(run_here("scopes", "--json", "--tools", "verify_email").stdout) == ["email_verifications:create"]


def test_scopes_that_no_key_can_be_granted_are_replaced_by_what_to_ask_for() -> None:
    done = run("scopes", "--tools", "count_supersearch_leads,get_lead")
    assert done.stdout.splitlines() == [
        "all:read  (instead of supersearch_enrichments:read, which cannot be granted to an API key)",
        "leads:read",
    ]
    asked = json.loads(run("scopes", "--json", "--toolsets", "all").stdout)
    assert not [scope for scope in asked if scope.startswith(("ai_agent_guidances", "engage_items", "supersearch"))]
    said = run("scopes", "--help").stdout
    assert all(group in said for group in ("ai_agent_guidances", "engage_items", "supersearch_enrichments"))


def test_call_prints_the_answer_and_logs_the_call() -> None:
    done = run("call", "get_lead", '{"id": "01991f00-0001-7000-8000-000000000001"}', "--sandbox")
    assert done.returncode == 0
    assert json.loads(done.stdout)["email"] == "maya.lindqvist@fjordpay.example"
    (event,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (event["event"], event["outcome"], event["http_status"]) == ("tool_call", "ok", 200)


def test_call_reads_arguments_from_stdin_and_the_sandbox_from_the_environment() -> None:
    done = run("call", "list_campaigns", "-", stdin='{"limit": 1}', INSTANTLY_SANDBOX="1")
    assert len(json.loads(done.stdout)["items"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get_lead", '{"id": "01991f00-ffff-7000-8000-00000000ffff"}'], 1, "Instantly answered 404"),
        (["get_lead", '{"id": 7}'], 2, "Nothing was sent"),
        (["get_lead", "{}"], 2, "id: missing"),
        (["get_laed", "{}"], 2, "Did you mean get_lead?"),
        (["get_lead", "{"], 2, "not valid JSON"),
        (["get_lead", '{"id": ' + "9" * 5_000 + "}"], 2, "not valid JSON: a number in it has too many digits."),
        (["get_lead", '{"id": ' + "[" * 100_000], 2, "not valid JSON: it is nested too deeply."),
        (["get_background_job", json.dumps({"id": "a" * 70_000})], 2, "id: too long: 70,0"),
        (["list_campaigns", json.dumps({"search": "a" * 70_000})], 2, "search: too long: 70,0"),
        (["get_lead", "[1]"], 2, "must be a JSON object"),
        (["get_lead", "{}", "--exclude-tools", "get_lead"], 2, "--exclude-tools"),
        (["create_lead", "{}", "--read-only"], 2, "--read-only"),
        (["create_lead", "{}", "--scopes", "leads:read"], 2, "leads:create"),
    ],
)
def test_a_call_that_fails_says_why_on_stderr(run_here: Run, arguments: list[str], code: int, words: str) -> None:
    done = run_here("call", *arguments, "--sandbox")
    assert done.returncode == code
    assert done.stdout == ""
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "shift_jis", "utf-8", "utf-16", "utf-32"]

SAID = "Łukasz Zoë 🎉 \\ \x1b[31m \x7f\x9b \u202e \u2028 \ufeff"


def run_bytes(*arguments: str, encoding: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return processes.run(*arguments, environment=clean_environment(PYTHONIOENCODING=encoding), stdin=stdin, text=False)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_answer_is_the_same_json_in_every_encoding_and_steers_no_terminal(encoding: str) -> None:
    done = run_bytes("call", "create_lead_list", json.dumps({"name": SAID}), "--sandbox", encoding=encoding)
    assert done.returncode == 0
    text = done.stdout.decode(encoding)
    assert json.loads(text)["name"] == SAID
    assert not UNSEEN.search(text.replace("\n", ""))
    assert ("Łukasz" in text) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_what_programs_read_is_json_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    responses: dict[str, Any] = {"responses": {}}
    document.write_text(json.dumps({"paths": {f"/{SAID}": {"get": {"operationId": SAID, **responses}}}}))
    assert json.loads(run_bytes("tools", "--json", encoding=encoding).stdout.decode(encoding))
    assert json.loads(run_bytes("scopes", "--json", encoding=encoding).stdout.decode(encoding))
    found = json.loads(run_bytes("drift", str(document), "--json", encoding=encoding).stdout.decode(encoding))
    assert SAID in [one["where"] for one in found]
    shown = run_bytes("drift", str(document), encoding=encoding).stdout.decode(encoding)
    assert "<U+001B>[31m" in shown
    assert not UNSEEN.search(shown.replace("\n", ""))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_arguments_on_stdin_are_read_as_unicode_whatever_the_terminal_is(encoding: str) -> None:
    given = json.dumps({"name": "Zoë 🎉"}, ensure_ascii=False).encode(encoding)
    done = run_bytes("call", "create_lead_list", "-", "--sandbox", encoding="cp1252", stdin=given)
    assert json.loads(done.stdout)["name"] == "Zoë 🎉"


def test_arguments_on_stdin_that_are_not_unicode_are_refused() -> None:
    given = '{"name": "Zoë"}'.encode("latin-1")
    done = run_bytes("call", "create_lead_list", "-", "--sandbox", encoding="latin-1", stdin=given)
    assert done.returncode == 2
    assert b"not valid JSON" in done.stderr


def test_a_failure_is_one_visible_line_of_bounded_length(run_here: Run) -> None:
    name = "\x1b]0;owned\x07\u202e\n" + "x" * 100_000
    for arguments in (["call", name], ["call", "get_lead", json.dumps({name: 1})], ["tools", "--tools", name], [name]):
        done = run_here(*arguments, *(["--sandbox"] if arguments[0] == "call" else []))
        assert done.returncode == 2
        line = done.stderr.splitlines()[-1]
        assert line.startswith("mcp-instantly: ")
        assert len(line) < 4100
        assert not UNSEEN.search(done.stderr.replace("\n", ""))


def test_a_tool_name_of_raw_bytes_is_refused_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    done = subprocess.run(
        [sys.executable, "-m", "mcp_instantly", "call", b"get\xff\xfelead", "--sandbox", "--log-file", str(log)],
        cwd=ROOT,
        env=clean_environment(PYTHONUTF8="1"),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    (event,) = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert (event["tool"], event["outcome"]) == ("get<U+DCFF><U+DCFE>lead", "error")


def test_an_empty_variable_is_an_unset_one(run_here: Run) -> None:
    assert run_here("tools", "--tools", "verify_email", INSTANTLY_SCOPES="").returncode == 0


def test_an_unreachable_server_is_a_failure_of_the_network() -> None:
    done = call_unreachable(INSTANTLY_API_KEY="k" * 20)
    assert done.returncode == 1
    assert "could not be reached" in done.stderr
    assert "k" * 20 not in done.stderr


KEY = {"INSTANTLY_API_KEY": "k" * 20}


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["serve"], {}, "--sandbox"),
        (["call", "get_workspace"], {}, "INSTANTLY_API_KEY"),
        (["serve"], {"INSTANTLY_API_KEY": " "}, "is empty"),
        (["serve"], {"INSTANTLY_API_KEY_FILE": "/nowhere/key"}, "cannot be read"),
        (["serve", "--server", "http://example.com/"], {"INSTANTLY_API_KEY": "k"}, "https"),
        (["serve"], {"INSTANTLY_API_KEY": "k", "INSTANTLY_BASE_URL": "prodution"}, "unknown"),
        (["serve", "--sandbox", "--toolsets", "campain"], {}, "Did you mean campaigns?"),
        (["tools", "--tools", "verify_mail"], {}, "Did you mean verify_email?"),
        (["tools", "--exclude-tools", "verify_mail"], {}, "Did you mean verify_email?"),
        (["tools", "--scopes", "lead:read"], {}, "Did you mean leads:read?"),
        (["tools", "--tools", "verify_email", "--read-only"], {}, "No tool matches"),
        (["serve", "--sandbox", "--log-file", "/nowhere/log"], {}, "cannot be written"),
        (["serve", "--sandbox", "--result-limit", "7"], {}, "--result-limit"),
        (["serve", "--transport", "pigeon"], {}, "pigeon"),
        (["serve", "--sandbox", "--workspace", "a\nb"], {}, "one line"),
        (["tools", "--scopes", ""], {}, "--scopes is empty"),
        (["serve", "--sandbox", "--tools", ","], {}, "--tools is empty"),
        (["serve"], {**KEY, "HTTPS_PROXY": "foo://x"}, "The proxy settings of the environment (HTTPS_PROXY)"),
        (["serve"], {**KEY, "https_proxy": "http://[x"}, "The proxy settings of the environment (https_proxy)"),
        (["serve"], {**KEY, "ALL_PROXY": "http://me:sec/ret@x:1"}, "written as http://HOST:PORT"),
        (["serve"], {**KEY, "ALL_PROXY": "http://127.0.0.1:99999"}, "written as http://HOST:PORT"),
        (["serve"], {**KEY, "ALL_PROXY": "socks5://127.0.0.1:1"}, "socksio"),
        (["serve"], {**KEY, "SSL_CERT_FILE": "/nowhere/ca.pem"}, "(SSL_CERT_FILE) cannot be used: No such file"),
        (["serve"], {**KEY, "SSL_CERT_FILE": __file__}, "The TLS settings of the environment (SSL_CERT_FILE)"),
        (["serve"], {**KEY, "SSL_CERT_DIR": "/nowhere"}, "(SSL_CERT_DIR) cannot be used"),
        (["serve"], {**KEY, "SSLKEYLOGFILE": "/nowhere/keys"}, "(SSLKEYLOGFILE) cannot be used: No such file"),
        (["serve", "--sandbox", "--workspace", ""], {}, "--workspace (INSTANTLY_WORKSPACE) is empty"),
        (["serve", "--sandbox"], {"INSTANTLY_WORKSPACE": " "}, "--workspace (INSTANTLY_WORKSPACE) is empty"),
        (["serve", "--sandbox", "--workspace", "a b"], {}, "contains a space"),
        (["serve", "--sandbox", "--user-agent", " "], {}, "--user-agent (INSTANTLY_USER_AGENT) is empty"),
        (["serve", "--sandbox", "--user-agent", "a\tb"], {}, "one line"),
        (["serve", "--sandbox", "--call-timeout", "0"], {}, "--call-timeout"),
        (["serve", "--sandbox", "--call-timeout", "1.5"], {}, "'1.5' is not a valid whole number."),
        (["serve", "--sandbox", "--grace", "x"], {}, "'x' is not a valid number of seconds."),
        (["help"], {}, "No such command 'help'. mcp-instantly --help lists all."),
        (["jobs", "show-all"], {}, "mcp-instantly jobs --help lists all."),
        (["call", "list_campaigns", "--limit", "3"], {}, """one JSON object, such as '{"limit": 10}', in quotes"""),
        (["call", "list_campaigns", "limit=3"], {}, """one JSON object, such as '{"limit": 10}', in quotes"""),
        (["serve", "--sandbox", "--call-timeout", "nan"], {}, "--call-timeout"),
        (["serve", "--sandbox", "--grace", "nan"], {}, "--grace"),
        (["serve", "--sandbox", "--repeat-window", "nan"], {}, "--repeat-window"),
        (["serve", "--sandbox", "--confirm-timeout", "nan"], {}, "--confirm-timeout"),
        (["serve", "--sandbox", "--max-response-bytes", "10"], {}, "--max-response-bytes"),
        (["serve", "--sandbox", "--files", ""], {}, "INSTANTLY_FILES'): it is blank; name a path, or leave it out"),
        (["serve", "--sandbox"], {"INSTANTLY_FILES": f"{os.pathsep}{ROOT}"}, "--files"),
        (["serve", "--sandbox", "--drafts-file", " "], {}, "--drafts-file"),
        (["serve", "--sandbox", "--state", ""], {}, "--state"),
        (["serve", "--sandbox", "--audit", ""], {}, "--audit"),
        (["serve", "--sandbox", "--policy", ""], {}, "--policy"),
        (["serve", "--sandbox", "--log-file", ""], {}, "--log-file"),
        (["docs", "--site", ""], {}, "--site"),
        (["srve"], {}, "srve"),
        (["tools", "--jsn"], {}, "--jsn"),
        (["tools", "--search", "xyzzy"], {}, "No tool has any of these words"),
        (["tools", "--search", ""], {}, "No tool has any of these words"),
        (["tools", "--search", "leads", "--lint"], {}, "leave out --search"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_status_2(
    run_here: Run, arguments: list[str], environment: dict[str, Any], words: str
) -> None:
    assert words in one_line(run_here(*arguments, **environment))


def test_a_number_that_python_does_not_read_is_one_line_and_status_2(run_here: Run, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[limits.sends]\nper_call = {'9' * 5000}\n")
    assert "is not valid TOML: " in one_line(run_here("policy", "check", str(policy)))
    assert "is not valid TOML: " in one_line(run_here("serve", "--sandbox", "--policy", str(policy)))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "{", "[]", "9" * 5000], ids=lambda text: text[:5])
def test_filters_that_are_not_an_object_are_one_line_and_status_2(run_here: Run, text: str) -> None:
    done = run_here("jobs", "export-leads", "leads.csv", "--sandbox", "--filters", text)
    assert "--filters takes a JSON object" in one_line(done)


GONE = [
    *(["docs"], ["docs", "--site", "x"], ["bundle"], ["install", "cursor", "--scope", "project", "--yes"]),
    *(["doctor", "--sandbox"], ["jobs", "export-leads", "x.csv", "--sandbox"], ["install", "cursor", "--files", "."]),
]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use stays")
@pytest.mark.parametrize("words", GONE, ids=" ".join)
def test_a_current_folder_that_is_gone_is_told_in_a_line(words: list[str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = processes.run(*words, environment=clean_environment(), cwd=gone, preexec_fn=gone.rmdir)
    line = done.stderr.splitlines()[-1]
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "The current folder is gone" in line or "--files names ., which does not exist" in line


@pytest.mark.skipif(sys.platform == "win32", reason="users are known as on other systems")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["install", "cursor", "--yes"], "There is no home folder"),
        (["call", "x", "--sandbox", "--tools", "get_campaign", "--audit", "~nosuch/x"], "--audit names ~nosuch/x"),
        (["call", "get_campaign", "--sandbox", "--policy", "~/x"], "The policy ~/x cannot be read"),
        (["call", "get_campaign", "--sandbox", "--drafts-file", "~/x"], "The drafts in ~/x cannot be used"),
        (["call", "get_campaign", "--sandbox", "--files", "~/x"], "--files names ~/x"),
        (["call", "get_campaign", "--sandbox"], "There is no folder for the data of this user"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_user_without_a_home_folder_is_told_in_a_line(
    run_here: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    import pwd

    def is_unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", is_unknown)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    line = one_line(run_here(*words))
    assert said in line and not line.endswith("..")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "nope"], "nor one of agency, busy, demo, fresh, hostile, unhealthy"),
        (["--state", "/nowhere/state.db"], "cannot be opened"),
    ],
)
def test_a_sandbox_that_cannot_be_built_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    assert words in one_line(run("sandbox", "--port", "0", *arguments))


@pytest.mark.parametrize(
    "option",
    [
        *(
            ["--caller-keys"],
            ["--no-auth"],
            ["--metrics"],
            ["--workers", "2"],
            ["--port", "8000"],
            ["--host", "0.0.0.0"],
        ),
        *(["--oauth-issuer", "https://id.example"], ["--max-concurrency", "100"], ["--allowed-host", "x.example"]),
    ],
    ids=lambda option: option[0],
)
def test_an_option_that_only_http_has_ends_the_start_on_stdio(option: list[str]) -> None:
    assert f"{option[0]} is about --transport http" in one_line(run("serve", "--sandbox", *option))


def test_a_variable_for_http_ends_the_start_on_stdio_only_where_another_key_would_be_used() -> None:
    line = one_line(run("serve", "--sandbox", INSTANTLY_CALLER_KEYS="1"))
    assert "INSTANTLY_CALLER_KEYS (--caller-keys) is about --transport http" in line
    others = {"INSTANTLY_WORKERS": "2", "INSTANTLY_OAUTH_ISSUER": "x", "INSTANTLY_CALLER_KEYS": "0"}
    assert run("serve", "--sandbox", **others).returncode == 0


def test_a_port_in_use_is_one_line_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments in (["sandbox"], ["serve", "--sandbox", "--transport", "http"]):
            assert "cannot be used" in one_line(run(*arguments, "--port", port))


def test_a_key_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-a-file-0123456789\n")
    done = call_unreachable(INSTANTLY_API_KEY_FILE=str(file))
    assert done.returncode == 1
    assert "from-a-file" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no rights of this kind")
def test_a_key_file_that_everybody_can_read_draws_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-a-file-0123456789\n")
    for mode, warned in ((0o644, True), (0o600, False)):
        file.chmod(mode)
        done = call_unreachable(INSTANTLY_API_KEY_FILE=str(file))
        assert ("key_file_open_to_others" in done.stderr) == warned
        assert "from-a-file" not in done.stderr


def test_blanks_around_what_goes_into_a_header_do_no_harm() -> None:
    done = run("call", "list_campaigns", "--sandbox", "--user-agent", " me/1 (x) ", INSTANTLY_WORKSPACE=" w-1 ")
    assert "was sent, but" not in done.stderr
    assert '"http_status": null' not in done.stderr


def test_a_proxy_of_the_environment_is_used_but_never_between_this_machine_and_itself() -> None:
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        port = proxy.getsockname()[1]
        environment = {**KEY, "ALL_PROXY": f"127.0.0.1:{port}", "HTTPS_PROXY": f"http://me:secret@127.0.0.1:{port}"}
        # Nobody listens there; a name under .invalid is never found.
        through = call_unreachable("https://api.invalid/", **environment)
        # To find no such name may take longer than a second.
        beside = run("call", "get_workspace", "--server", "https://api.invalid/", NO_PROXY="api.invalid", **environment)
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            local = f"http://127.0.0.1:{server.getsockname()[1]}/"
            assert "could not be reached" in call_unreachable(local, **environment).stderr
    said = [done.stderr.splitlines()[-1] for done in (through, beside)]
    assert all("could not be reached" in line and "secret" not in line for line in said)
    assert said[0] != said[1]


def test_the_demo_tells_its_story_to_the_end() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.rstrip().endswith("calls behaved as expected. No email was sent.")
    for tool in ("verify_email", "bulk_add_leads", "create_campaign", "activate_campaign", "reply_to_email"):
        assert f"> {tool} " in done.stdout
    assert "log: ok, status 200, 1 sent" in done.stdout


def test_listing_tools_imports_neither_the_sdk_nor_the_sandbox() -> None:
    code = (
        "import sys; sys.argv = ['mcp-instantly', 'tools']\n"
        "from mcp_instantly.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'mcp', 'httpx', 'starlette', 'uvicorn', 'mcp_instantly.sandbox'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]


def test_an_environment_with_an_older_sdk_is_told_in_a_sentence(tmp_path: Path) -> None:
    # As the first versions of the SDK have it: the same names of modules, and none of the newer classes.
    (tmp_path / "mcp" / "server" / "lowlevel").mkdir(parents=True)
    for folder in ("mcp", "mcp/server", "mcp/server/lowlevel"):
        (tmp_path / folder / "__init__.py").write_text("")
    facts = tmp_path / "mcp-1.30.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: mcp\nVersion: 1.30.0\n")
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    for command in ("serve --sandbox", "demo"):
        done = run(*command.split(), **path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is mcp 1.30.0, and the server needs mcp 2.3 or newer, below 3" in done.stderr
        assert "pipx install mcp-instantly" in done.stderr and "Traceback" not in done.stderr
    assert "mcp 1.30.0" in run("doctor", "--sandbox", **path).stdout
