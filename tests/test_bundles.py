"""What hosts install: the bundle, the plugins, the extension, the entry of the registry; and a first answer."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from mcp_instantly import __version__
from mcp_instantly.bundles import mcpb
from mcp_instantly.bundles.plugins import FOLDER
from mcp_instantly.bundles.project import COMMAND, SERVER, SUMMARY, read_project
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError
from mcp_instantly.guidance.manual import jobs
from mcp_instantly.hosts.known import is_ours

from .conftest import ROOT, clean_environment
from .processes import run

TOOL = "@anthropic-ai/mcpb@2.1.2"
"""The format's own tool."""

TOOL_FOLDER = ROOT / "build" / "mcpb"

RESOLVE = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";
import { readFileSync } from "node:fs";
const [folder, settings] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf-8"));
const said = { manifest, extensionPath: folder, systemDirs: {}, userConfig: JSON.parse(settings), pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(said)));
"""
"""What a host makes of the manifest and of what a person has set."""


def missing(what: str) -> None:
    """Skip a test for which something is missing on this machine; fail where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def node(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def tool() -> Path:
    """The folder of the format's tool, installed with npm where it is missing."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed, which brings the tool of the bundle's format")
    elif not (TOOL_FOLDER / "node_modules" / ".bin" / "mcpb").exists():
        install = [npm, "install", "--prefix", str(TOOL_FOLDER), "--no-audit", "--no-fund", "--ignore-scripts", TOOL]
        done = subprocess.run(install, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if done.returncode:
            missing(f"npm cannot install {TOOL}: {done.stderr[-500:]}")
    return TOOL_FOLDER


def run_bundle(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`mcp-instantly bundle`, in this folder."""
    return run("bundle", *arguments, environment=clean_environment(PYTHONPATH=str(ROOT)), cwd=cwd)


@pytest.fixture(scope="module")
def bundle() -> bytes:
    """The bundle of this checkout."""
    return mcpb.bundle(read_project(ROOT))


def files_of(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.anyio
async def test_the_bundle_is_taken_by_the_tool_of_its_format_and_its_server_answers(tmp_path: Path, tool: Path) -> None:
    command = str(tool / "node_modules" / ".bin" / "mcpb")
    made = run_bundle("--output", str(tmp_path / "instantly.mcpb"), cwd=ROOT)
    assert made.returncode == 0, made.stderr
    assert re.search(r"instantly\.mcpb  sha256:[0-9a-f]{64}$", made.stdout)
    folder = tmp_path / "unpacked"
    assert "unpacked successfully" in node(command, "unpack", str(tmp_path / "instantly.mcpb"), str(folder))
    assert "passes" in node(command, "validate", str(folder / "manifest.json"))
    script = tool / "resolve.mjs"
    script.write_text(RESOLVE)
    settings = {"sandbox": True, "read_only": True}
    started = json.loads(node("node", str(script), str(folder), json.dumps(settings), cwd=tool))
    assert started["env"] == {"INSTANTLY_API_KEY": "", "INSTANTLY_READ_ONLY": "true", "INSTANTLY_SANDBOX": "true"}
    uv = shutil.which(started["command"], path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        missing("uv is not installed, which starts the server of a bundle")
    assert uv is not None
    python = {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    server = StdioServerParameters(command=uv, args=started["args"], env=clean_environment(**python, **started["env"]))
    with open(tmp_path / "log", "w") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("list_campaigns", {"max_items": 1})
    assert tools and all(one.annotations and one.annotations.read_only_hint for one in tools)
    assert "Spring webinar" in result.content[0].text  # type: ignore[union-attr]


def test_the_same_checkout_gives_the_same_bundle_whenever_it_was_written(tmp_path: Path, bundle: bytes) -> None:
    copy = tmp_path / "elsewhere"
    for name in ("mcp_instantly", "tool_schemas"):
        shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copyfile)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copyfile(ROOT / name, copy / name)
    (copy / "mcp_instantly" / "__pycache__").mkdir(exist_ok=True)
    (copy / "mcp_instantly" / "__pycache__" / "left.pyc").write_bytes(b"left")
    assert mcpb.bundle(read_project(copy)) == bundle


def test_the_bundle_asks_for_the_key_as_a_secret_and_for_two_switches(bundle: bytes) -> None:
    found = files_of(bundle)
    manifest = json.loads(found["manifest.json"])
    assert (manifest["manifest_version"], manifest["server"]["type"]) == ("0.4", "uv")
    assert manifest["version"] == __version__
    assert manifest["server"]["entry_point"] in found
    asked = manifest["user_config"]
    assert asked["api_key"]["type"] == "string" and asked["api_key"]["sensitive"] is True
    assert {name for name, one in asked.items() if one["type"] == "boolean"} == {"read_only", "sandbox"}
    variables = {param.envvar for param in cli.commands["serve"].params} | {"INSTANTLY_API_KEY"}
    assert set(manifest["server"]["mcp_config"]["env"]) <= variables
    package = {name for name in found if name.startswith("server/mcp_instantly/")}
    assert {f"server/mcp_instantly/guides/jobs/{name}.md" for name in jobs()} < package
    assert "server/mcp_instantly/tool_schemas/toolsets.json" in package


def test_a_bundle_without_a_key_says_what_to_do(tmp_path: Path, bundle: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        archive.extractall(tmp_path)
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    home["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    for left in ("", "${user_config.api_key}"):
        done = subprocess.run(
            [sys.executable, str(tmp_path / mcpb.ENTRY_POINT), "serve"],
            env=clean_environment(INSTANTLY_API_KEY=left, **home),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "There is no API key" in done.stderr


def test_a_bundle_is_made_in_a_checkout_only(tmp_path: Path) -> None:
    done = run_bundle(cwd=tmp_path)
    assert done.returncode == 2
    assert "is not a checkout of mcp_instantly" in done.stderr and "Traceback" not in done.stderr
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "LICENSE", tmp_path)
    with pytest.raises(ConfigError, match="mcp_instantly or tool_schemas is missing"):
        mcpb.bundle(read_project(tmp_path))


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def test_the_entry_of_the_registry_is_one_and_names_this_version() -> None:
    entry = read("server.json")
    schema = read("tests/server_schema.json")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(entry)
    (package,) = entry["packages"]
    assert (entry["version"], package["version"]) == (__version__, __version__)
    variables = {param.envvar for param in cli.commands["serve"].params} | {"INSTANTLY_API_KEY"}
    assert {one["name"] for one in package["environmentVariables"]} <= variables
    (key,) = [one for one in package["environmentVariables"] if one["name"] == "INSTANTLY_API_KEY"]
    assert key["isSecret"]
    # The registry looks for its name in the description of the package.
    assert re.search(rf"mcp-name: {re.escape(entry['name'])}\s", (ROOT / "README.md").read_text(encoding="utf-8"))


PLUGINS = [
    f"{FOLDER.as_posix()}/{folder}/plugin.json" for folder in (".claude-plugin", ".codex-plugin", ".cursor-plugin")
]


@pytest.mark.parametrize("name", [*PLUGINS, "gemini-extension.json"])
def test_a_plugin_starts_this_version_of_the_server_and_has_no_key(name: str) -> None:
    plugin = read(name)
    assert (plugin["name"], plugin["version"], plugin["description"]) == (SERVER, __version__, SUMMARY)
    entry = plugin["mcpServers"][SERVER]
    assert is_ours(entry)
    assert (entry["command"], entry["args"][0]) == ("uvx", f"{COMMAND}@{__version__}")
    # Below the program, as its help is kept from the first time on.
    with (
        cli.make_context("mcp-instantly", []) as program,
        cli.commands["serve"].make_context("serve", entry["args"][2:], parent=program),
    ):
        assert entry["args"][1] == "serve"
    assert "env" not in entry
    skills = ROOT / ("skills" if name == "gemini-extension.json" else f"{FOLDER.as_posix()}/skills")
    assert {file.parent.name for file in skills.glob("*/SKILL.md")} == {guide.skill_name for guide in jobs().values()}


def test_what_a_plugin_says_keeps_to_what_its_host_takes() -> None:
    cursor, codex = read(PLUGINS[2]), read(PLUGINS[1])
    known = {"name", "displayName", "description", "version", "author", "homepage", "repository", "license"}
    assert set(cursor) <= known | {"keywords", "skills", "mcpServers"} and set(cursor["author"]) <= {"name", "email"}
    assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", cursor["name"])
    assert "core" in cursor["mcpServers"][SERVER]["args"]
    prompts = codex["interface"]["defaultPrompt"]
    assert len(prompts) <= 3 and all(len(one) <= 128 for one in prompts)
    for folder in (".claude-plugin", ".cursor-plugin", ".agents/plugins"):
        (listed,) = read(f"{folder}/marketplace.json")["plugins"]
        source = listed["source"] if isinstance(listed["source"], str) else listed["source"]["path"]
        assert source.startswith("./") and (ROOT / source).is_dir() and listed["name"] == SERVER


def test_gemini_cli_asks_for_the_key_as_a_secret_since_it_hands_over_none_of_its_environment() -> None:
    (key,) = read("gemini-extension.json")["settings"]
    assert (key["envVar"], key["sensitive"]) == ("INSTANTLY_API_KEY", True)
    assert "mcp-instantly login" in key["description"]


def test_a_first_answer_comes_through_the_file_of_a_host() -> None:
    # All three, and from the README on, is what CI runs beside the tests.
    script = [sys.executable, str(ROOT / "scripts" / "first_answer"), "--installed", "--host", "codex"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"codex: a first answer: \d+ tools, and a campaign called", done.stdout)
