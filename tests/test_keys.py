"""Keys of several workspaces: where they are read from, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from mcp_instantly.cli import main
from mcp_instantly.errors import ConfigError
from mcp_instantly.keys import stored_key
from mcp_instantly.keys.keys import read_keyring, read_keyring_names, read_keys_file

from .conftest import ROOT

AGENCY = str(ROOT / "examples" / "agency_keys.txt")
SANDBOX = ("--sandbox", "--scenario", "agency")

Run = Callable[..., tuple[int, str, str]]


class InMemory(KeyringBackend):
    """A keyring that has some keys, or is locked."""

    priority = 1  # type: ignore[assignment]

    def __init__(self, keys: dict[str, str], *, fails: Exception | None = None, waits: threading.Event | None = None):
        super().__init__()
        self.keys = keys
        self.fails = fails
        self.waits = waits

    def get_password(self, service: str, username: str) -> str | None:
        assert service == "mcp-instantly"
        if self.waits:
            self.waits.wait()
        if self.fails:
            raise self.fails
        return self.keys.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("the keyring is only read")


@pytest.fixture
def use_keyring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`use_keyring({"harbour": "a key"})`: what the system's keyring has."""

    def use(keys: dict[str, str], **options: Any) -> None:
        monkeypatch.setattr(keyring.core, "_keyring_backend", InMemory(keys, **options))

    return use


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], restored_logging: None) -> Run:
    """The command in this process: its exit status, stdout and stderr."""

    def run_main(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name in ("API_KEY", "API_KEY_FILE", "KEYS_FILE", "KEYRING", "WORKSPACE", "SANDBOX"):
            monkeypatch.delenv(f"INSTANTLY_{name}", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(f"INSTANTLY_{name}", value)
        monkeypatch.setattr(sys, "argv", ["mcp-instantly", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run_main


def keys_file(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    file = folder / "keys"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    "content",
    [
        b"harbour = abc123==\nkestrel=def456",
        b"\xef\xbb\xbfharbour = abc123==\r\nkestrel = def456\r\n",
        b"# of the clients\n\n  harbour=abc123==\n\n# the last one\nkestrel = def456\n",
        b"harbour = \"abc123==\"\nkestrel = 'def456'\n",
    ],
    ids=["plain", "byte order mark", "comments", "quotes"],
)
def test_a_file_has_a_workspace_on_each_line(tmp_path: Path, content: bytes) -> None:
    assert read_keys_file(keys_file(tmp_path, content)) == {"harbour": "abc123==", "kestrel": "def456"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no keys"),
        ("# nothing\n", "has no keys"),
        ("abc123secret", "Line 1 .* is not NAME = KEY"),
        ("abc123secret==", "put a name before the key"),
        ("[harbour]\nkey = abc123secret", "Line 1 .* is not NAME = KEY"),
        ("harbour = ", "Line 1 .* is empty"),
        ("harbour = ''", "quotes"),
        ('harbour = "abc123secret', "quotes"),
        ("harbour = abc123secret # mine", "contains a space"),
        ("harbour = Bearer abc123secret", "the word Bearer"),
        ("harbour = ${abc123secret}", "a variable"),
        ("harbour = KEY=abc123secret", "NAME="),
        ("harbour : abc123secret", "is not NAME = KEY"),
        ("= abc123secret", "no name before"),
        ("9lives = abc123secret", "no name before"),
        ("the harbour = abc123secret", "no name before"),
        ("häfen = abc123secret", "no name before"),
        ("abc123secretabc123secretabc123secret = harbour", "no name before"),
        ("harbour = abc123secret\n\nharbour = def456", "Line 3 .* the same name as line 1"),
        ("harbour = abc123secret\nHarbour = def456", "Line 2 .* the same name as line 1"),
        ("harbour = abc123secret\nkestrel = abc123secret", "Line 2 .* the same key as line 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_by_its_number_and_not_repeated(
    tmp_path: Path, content: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read_keys_file(keys_file(tmp_path, content))
    assert "abc123" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_ends_the_start(tmp_path: Path, run: Run) -> None:
    for file in (tmp_path / "none", tmp_path):
        code, _, said = run("call", "list_campaigns", KEYS_FILE=str(file))
        assert code == 2 and "cannot be read" in said and len(said.splitlines()) == 1
    file = keys_file(tmp_path, "harbour = abc123".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_keys_file(file)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such rights")
def test_a_file_that_others_can_read_is_told_of_in_the_log(tmp_path: Path, run: Run) -> None:
    given = {"KEYS_FILE": str(keys_file(tmp_path, "harbour = abc123secret\nkestrel = def456secret", 0o644))}
    code, _, said = run("call", "list_campaigns", **given)
    assert code == 2
    assert "key_file_open_to_others" in said and "chmod 600" in said
    assert "secret" not in said


# the keyring


def test_the_keyring_gives_the_keys_of_the_names_that_are_asked_for(use_keyring: Callable[..., None]) -> None:
    use_keyring({"harbour": " abc123==\n", "kestrel": "def456", "other": "ghi789"})
    names = read_keyring_names(" harbour, kestrel,")
    assert read_keyring(names) == {"harbour": "abc123==", "kestrel": "def456"}


@pytest.mark.parametrize("text", [",", "harbour,abc/123", "harbour kestrel", "x" * 33])
def test_names_for_the_keyring_that_cannot_be_used_are_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="INSTANTLY_KEYRING") as caught:
        read_keyring_names(text)
    assert "abc" not in str(caught.value) and "xxx" not in str(caught.value)


def test_what_the_keyring_does_not_give_is_told(
    use_keyring: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_keyring({"quoted": '"abc123'})
    with pytest.raises(ConfigError, match="no key for harbour; put it there with: keyring set mcp-instantly harbour"):
        read_keyring(["harbour"])
    with pytest.raises(ConfigError, match="key of quoted in the keyring has quotes") as caught:
        read_keyring(["quoted"])
    assert "abc123" not in str(caught.value)
    use_keyring({}, fails=KeyringLocked("very-secret-words"))
    with pytest.raises(ConfigError, match=r"cannot be read for harbour \(KeyringLocked\)") as caught:
        read_keyring(["harbour"])
    assert "very-secret-words" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'mcp-instantly\[keyring\]'"):
        read_keyring(["harbour"])


def test_a_keyring_that_fails_in_a_way_of_its_own_is_one_line(use_keyring: Callable[..., None], run: Run) -> None:
    use_keyring({}, fails=RuntimeError("very-secret-words"))
    code, _, err = run("call", "get_workspace", KEYRING="harbour,kestrel")
    assert code == 2 and err.count("\n") == 1
    assert "cannot be read for harbour (RuntimeError): unlock it, or use INSTANTLY_KEYS_FILE" in err
    assert "secret" not in err


def test_a_keyring_that_says_nothing_is_not_waited_for_for_ever(
    use_keyring: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_key, "KEYRING_SECONDS", 0.05)
    unlocked = threading.Event()
    use_keyring({}, waits=unlocked)
    try:
        with pytest.raises(ConfigError, match=r"for harbour \(did not respond within 0.05 s\): unlock it"):
            read_keyring(["harbour"])
    finally:
        unlocked.set()


def test_tools_need_the_names_and_not_the_keyring(use_keyring: Callable[..., None], run: Run) -> None:
    use_keyring({}, fails=KeyringLocked("very-secret-words"))
    code, out, _ = run("tools", "--json", "--tools", "list_campaigns", KEYRING="harbour,kestrel")
    (tool,) = json.loads(out)
    assert code == 0
    assert tool["input_schema"]["properties"]["workspace"]["enum"] == ["harbour", "kestrel"]
    assert "workspace" in tool["input_schema"]["required"]


# what goes together


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({"API_KEY": "abc123"}, (), "a key without a name beside those of INSTANTLY_KEYS_FILE"),
        ({"API_KEY_FILE": "abc123"}, (), "a key without a name beside those of INSTANTLY_KEYS_FILE"),
        ({"KEYRING": "HARBOUR"}, (), "The workspace HARBOUR is named twice"),
        ({"WORKSPACE": "abc-123"}, (), "one key act as a sub-workspace, and there are several keys"),
        (
            {},
            ("--default-workspace", "nobody"),
            "--default-workspace is not the name of a workspace; those are",
        ),
        ({}, ("--workspace-name", "nobody"), "--workspace-name is not the name of a workspace; those are"),
    ],
)
def test_settings_that_contradict_each_other_end_the_start(
    run: Run, environment: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, said = run("call", "list_campaigns", "{}", *arguments, **{"KEYS_FILE": AGENCY, **environment})
    assert (code, out, len(said.splitlines())) == (2, "", 1)
    assert words in said
    assert "agency-" not in said


def test_options_about_several_keys_are_refused_where_there_is_one(run: Run) -> None:
    for option in ("--workspace-name", "--default-workspace"):
        code, _, said = run("call", "list_campaigns", "{}", option, "harbour", "--sandbox")
        assert code == 2 and option in said


def test_the_sandbox_refuses_keys_that_are_none_of_its_own(tmp_path: Path, run: Run) -> None:
    file = keys_file(tmp_path, "agency = sandbox\nharbour = a-real-key-perhaps")
    code, out, said = run("call", "list_campaigns", '{"workspace": "agency"}', *SANDBOX, KEYS_FILE=str(file))
    assert (code, out) == (2, "")
    assert "does not know, for harbour:" in said and "a-real-key" not in said


def test_one_key_with_a_name_is_like_one_without(tmp_path: Path, run: Run) -> None:
    file = keys_file(tmp_path, "harbour = agency-harbour")
    code, out, _ = run("call", "get_workspace", *SANDBOX, KEYS_FILE=str(file))
    assert code == 0
    assert json.loads(out)["name"] == "Harbour Logistics" and "_workspace" not in json.loads(out)
    with_name = run("tools", "--json", KEYS_FILE=str(file))
    assert with_name == run("tools", "--json")


def test_call_takes_the_workspace_beside_or_among_the_arguments(run: Run) -> None:
    for arguments in (('{"workspace": "kestrel"}',), ("{}", "--workspace-name", "kestrel")):
        code, out, said = run("call", "get_workspace", *arguments, *SANDBOX, KEYS_FILE=AGENCY)
        assert code == 0
        assert (json.loads(out)["_workspace"], json.loads(out)["name"]) == ("kestrel", "Kestrel Recruiting")
        assert json.loads(said)["workspace"] == "kestrel"
    contradicting = ('{"workspace": "kestrel"}', "--workspace-name", "harbour")
    code, _, said = run("call", "get_workspace", *contradicting, *SANDBOX, KEYS_FILE=AGENCY)
    assert code == 2 and "name another one" in said
    code, _, said = run("call", "get_workspace", "{}", *SANDBOX, KEYS_FILE=AGENCY)
    assert code == 2 and "workspace: missing" in said
    code, out, _ = run("call", "get_workspace", "{}", *SANDBOX, "--default-workspace", "lumen", KEYS_FILE=AGENCY)
    assert code == 0 and json.loads(out)["_workspace"] == "lumen"
