"""Every example is run."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
import yaml
from mcp import Client, StdioServerParameters

from mcp_instantly.keys.keys import read_keys_file
from mcp_instantly.sandbox import Sandbox, create_app, demo_world, is_key
from mcp_instantly.transports.port import running_app

from .conftest import ROOT, clean_environment, over_stdio, served
from .processes import forking

EXAMPLES = ROOT / "examples"
RUN_IN_TEST_FRAMEWORKS = {"langgraph_agent.py", "openai_agents.py", "pydantic_ai_agent.py", "vercel_ai"}
RUN_HERE = {
    "ci",
    "nightly_report.py",
    "stdio_client.py",
    "http_client.py",
    "agent_loop.py",
    "sandbox_curl.sh",
    "test_my_agent.py",
    "scenario.json",
    "agency_keys.txt",
    "hosts",
}

USED_BY_SNIPPETS = {"leads.csv"}


def run(*arguments: str) -> str:
    """What an example prints; it must succeed and write nothing but log events to stderr.

    Within forking() it is a fork, as is the server that it starts: one of each kind is what a reader starts.
    """
    done = subprocess.run(
        list(arguments), cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(json.loads(line) for line in done.stderr.splitlines())
    return done.stdout


def test_every_example_has_a_test_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__"} == (
        RUN_HERE | RUN_IN_TEST_FRAMEWORKS | USED_BY_SNIPPETS
    )


def test_the_stdio_client_lists_calls_and_is_refused() -> None:
    out = run(sys.executable, "examples/stdio_client.py")
    assert "workspace: Brightpath" in out
    assert "campaign: Fintech CFOs, autumn status 1" in out
    assert "refused: Nothing was sent" in out


def test_the_http_client_pages_through_a_list() -> None:
    with served("serve", "--sandbox", "--transport", "http") as (_, url), forking():
        out = run(sys.executable, "examples/http_client.py", url)
    assert out == "Fintech CFOs EU: 40 leads\n"


def test_the_scenario_is_a_world_in_which_things_have_happened() -> None:
    with Sandbox(str(EXAMPLES / "scenario.json")) as sandbox, httpx.Client(base_url=f"{sandbox.url}/api/v2") as api:
        accounts = api.get("/accounts", headers=sandbox.headers).json()["items"]
        readonly = {"authorization": "Bearer readonly"}
        answers = api.get("/emails", params={"email_type": "received"}, headers=readonly).json()["items"]
        assert api.post("/custom-tags", json={"label": "New"}, headers=readonly).status_code == 403
    assert sorted(account["status"] for account in accounts) == [-1, 1, 1, 1]
    assert "replies@customer.example" in {answer["lead"] for answer in answers}
    said = {answer["from_address_email"]: answer["body"]["text"] for answer in answers}
    assert said["buyer1@customer.example"].startswith("What does it cost?")
    assert said["mailer-daemon@customer.example"] == "550 5.1.1 User unknown"


def test_the_agent_replies_to_an_email() -> None:
    with forking():
        out = run(sys.executable, "examples/agent_loop.py")
    assert [line.split()[1] for line in out.splitlines()[:-1]] == [
        "list_emails",
        "get_email",
        "reply_to_email",
        "mark_thread_as_read",
    ]
    assert out.splitlines()[-1].startswith("I answered ")


def test_an_agent_is_tested_against_a_sandbox_of_its_own() -> None:
    assert "6 passed" in run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "examples/test_my_agent.py"
    )


def test_the_agent_in_ci_answers_nobody_twice_and_does_nothing_that_strangers_ask_for() -> None:
    assert "2 passed" in run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "pythonpath=", "examples/ci"
    )


def test_the_workflow_of_ci_runs_what_stands_beside_it() -> None:
    (job,) = yaml.safe_load((EXAMPLES / "ci" / "outreach-agent.yml").read_text())["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert "python -m pytest examples/ci" in commands
    assert "every recipient counts" in run(sys.executable, *shlex.split(commands[1])[1:])


def test_the_nightly_report_names_what_is_wrong_and_ends_with_a_status_of_its_own() -> None:
    with forking():
        done = subprocess.run(
            [sys.executable, "examples/nightly_report.py"],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (3, "")
    assert "2 people wait for a reply." in done.stdout
    assert "- eva@brightpath-mail.example: connection error" in done.stdout
    assert "| Fintech CFOs, autumn | 12 | 4 of 12 (33.3%) |" in done.stdout


@pytest.mark.anyio
async def test_the_sandbox_is_driven_by_curl() -> None:
    if shutil.which("curl") is None:
        pytest.fail("curl is not installed") if os.environ.get("CI") else pytest.skip("curl is not installed")
    async with running_app(create_app(demo_world())) as url:
        out = await anyio.to_thread.run_sync(run, str(EXAMPLES / "sandbox_curl.sh"), url)
    campaign, clock, figures = out.splitlines()
    assert campaign.startswith("campaign ")
    assert json.loads(clock)["now"].startswith("2026-09-10")
    (row,) = json.loads(figures)
    assert row["reply_count"] == 1
    assert row["emails_sent_count"] == 1


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["claude_desktop.json", "cursor.json", "vscode.json"])
async def test_a_host_configuration_starts_the_server_and_ours_finds_its_tools(host: str, tmp_path: Path) -> None:
    """The configuration as it stands, but for the places that a reader fills in; the sandbox answers."""
    configuration = json.loads((EXAMPLES / "hosts" / host).read_text())
    entry = (configuration.get("mcpServers") or configuration["servers"])["instantly"]
    key = tmp_path / "instantly.key"
    key.write_text("key-of-the-reader-0123456789")
    filled = {"/absolute/path/to/instantly.key": str(key), "${input:instantly-key}": "key-of-the-reader-0123456789"}
    assert entry["command"] == "/absolute/path/to/.venv/bin/mcp-instantly"
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_instantly", *entry["args"]],
        env={name: filled[value] for name, value in entry["env"].items()},
        cwd=str(ROOT),
    )
    async with Client(server if host == "vscode.json" else over_stdio(server)) as client:
        assert len((await client.list_tools()).tools) >= 30


def test_the_command_for_claude_code_is_valid_shell_and_names_a_command_that_exists() -> None:
    script = EXAMPLES / "hosts" / "claude_code.sh"
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=20)
    assert script.read_text().rstrip().endswith('/.venv/bin/mcp-instantly" serve')


def test_the_file_of_keys_opens_every_workspace_of_the_agency() -> None:
    keys = read_keys_file(EXAMPLES / "agency_keys.txt")
    with Sandbox("agency") as sandbox:
        assert [is_key(sandbox.workspaces, key) for key in keys.values()] == [True] * len(
            list(sandbox.workspaces.worlds)
        )
