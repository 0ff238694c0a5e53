"""Login and logout: where the key goes, who may find it there, and what is never stored."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_instantly.commands.login import how_to_use
from mcp_instantly.errors import ConfigError
from mcp_instantly.keys import stored_key
from mcp_instantly.sandbox import Sandbox

from . import processes
from .conftest import ROOT, clean_environment

PLAINTEXT_KEYRING = """
import json, os
from pathlib import Path
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

FILE = Path(os.environ["KEYRING_OF_THE_TEST"])

class Keyring(KeyringBackend):
    priority = 1
    name = "keyring of the test"

    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self._all() | {f"{service} {username}": password}))

    def delete_password(self, service, username):
        kept = self._all()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError
        FILE.write_text(json.dumps(kept))

class Broken(Keyring):
    def set_password(self, service, username, password):
        raise RuntimeError(f"no bus for {password}")
    get_password = delete_password = lambda self, *given: (_ for _ in ()).throw(RuntimeError("no bus"))

class Forgetful(Keyring):
    def set_password(self, service, username, password):
        pass

class Kept(Keyring):
    def delete_password(self, service, username):
        raise PasswordDeleteError("locked")
"""
"""Backends of `keyring`: one that works, and others that fail as those of real systems do."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def key(sandbox: Sandbox) -> str:
    """A key of the sandbox that looks like one of Instantly's, for reading campaigns alone."""
    created = httpx.post(
        f"{sandbox.url}/api/v2/api-keys",
        headers=sandbox.headers,
        json={"name": "of the test", "scopes": ["campaigns:read"]},
        trust_env=False,
    )
    return str(created.json()["key"])


class Home:
    """A user of the machine with nothing stored, in a folder of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox):
        self.folder = folder
        self.sandbox = sandbox
        (folder / "backends.py").write_text(PLAINTEXT_KEYRING)
        self.environment = clean_environment(
            HOME=str(folder),
            XDG_CONFIG_HOME=str(folder / "config"),
            INSTANTLY_BASE_URL=sandbox.url,
            KEYRING_OF_THE_TEST=str(folder / "keyring.json"),
        )
        self.has_keyring("keyring.backends.fail.Keyring")

    def has_keyring(self, backend: str) -> None:
        """From now on `keyring` finds this backend, by the file that it reads for that."""
        file = self.folder / "config" / "python_keyring" / "keyringrc.cfg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[backend]\ndefault-keyring={backend}\nkeyring-path={self.folder}\n")

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return processes.run(*arguments, environment=self.environment | environment, stdin=stdin, cwd=self.folder)

    @property
    def logins(self) -> dict[str, Any]:
        found = (self.folder / "config" / "mcp-instantly").rglob("*")
        return {file.name: json.loads(file.read_text()) for file in found if file.is_file()}

    @property
    def ring(self) -> dict[str, str]:
        file = self.folder / "keyring.json"
        return json.loads(file.read_text()) if file.exists() else {}


WORKING = "backends.Keyring"


@pytest.fixture
def home(tmp_path: Path, sandbox: Sandbox) -> Home:
    return Home(tmp_path, sandbox)


def campaigns(home: Home, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return home.run("call", "list_campaigns", '{"limit": 1}', *arguments, **environment)


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights")
def test_a_key_in_a_file_is_for_its_owner_alone_is_used_by_itself_and_is_gone_after_logout(
    home: Home, key: str
) -> None:
    done = home.run("login", "--file", stdin=f"{key}\n")
    assert done.returncode == 0, done.stderr
    assert "The key is in" in done.stdout or "The key of the workspace" in done.stdout
    assert key not in done.stdout + done.stderr
    (file,) = (home.folder / "config" / "mcp-instantly").rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert campaigns(home).returncode == 0
    assert home.run("logout").stdout.startswith("The key of the profile 'default' is removed from the file.")
    assert home.logins == {}
    again = home.run("logout")
    assert (again.returncode, again.stdout) == (1, "")
    assert "mcp-instantly login" in campaigns(home).stderr


def test_a_key_in_the_keyring_is_in_no_file_and_is_gone_after_logout(home: Home, key: str) -> None:
    home.has_keyring(WORKING)
    done = home.run("login", stdin=key)
    assert done.returncode == 0, done.stderr
    assert "kept in the keyring (keyring of the test)" in done.stderr
    assert home.ring == {"mcp-instantly login default": key}
    kept = {"place": "keyring", "origin": home.sandbox.url, "service": "mcp-instantly login"}
    assert home.logins == {"default.json": kept}
    assert campaigns(home).returncode == 0
    assert home.run("logout").returncode == 0
    assert (home.ring, home.logins) == ({}, {})


def test_the_key_of_a_workspace_is_not_touched_by_a_login_of_the_same_name(home: Home, key: str) -> None:
    home.has_keyring(WORKING)
    of_the_workspace = {"mcp-instantly acme": "a-key-of-a-workspace"}
    (home.folder / "keyring.json").write_text(json.dumps(of_the_workspace))
    assert home.run("login", "--profile", "acme", stdin=key).returncode == 0
    assert home.ring == {**of_the_workspace, "mcp-instantly login acme": key}
    assert campaigns(home, "--profile", "acme").returncode == 0
    # The other one is what the sandbox does not know.
    assert "Invalid API key" in campaigns(home, INSTANTLY_KEYRING="acme").stderr
    assert home.run("logout", "--profile", "acme").returncode == 0
    assert home.ring == of_the_workspace


@pytest.mark.parametrize("then", [["logout"], ["login", "--keyring"], ["login", "--file"]])
def test_a_key_that_an_earlier_version_stored_is_used_and_goes_away(home: Home, key: str, then: list[str]) -> None:
    home.has_keyring(WORKING)
    assert home.run("login", stdin=key).returncode == 0
    (home.folder / "keyring.json").write_text(json.dumps({"mcp-instantly default": key}))
    (file,) = (home.folder / "config" / "mcp-instantly").rglob("*.json")
    file.write_text(json.dumps({"place": "keyring", "origin": home.sandbox.url}))
    assert campaigns(home).returncode == 0
    assert home.run(*then, stdin=key).returncode == 0
    assert "mcp-instantly default" not in home.ring
    assert (campaigns(home).returncode == 0) is (then != ["logout"])


def test_without_a_keyring_the_key_goes_into_a_file_and_that_is_said(home: Home, key: str) -> None:
    done = home.run("login", stdin=key)
    assert "There is no keyring that could keep the key: this system has none" in done.stderr
    assert "in a file that only you can read" in done.stderr
    assert home.logins["default.json"]["place"] == "file"


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("keyring.backends.fail.Keyring", "this system has none that can be used"),
        ("keyring.backends.null.Keyring", "this system has none that can be used"),
        ("backends.Broken", "cannot be used (RuntimeError)"),
        ("backends.Forgetful", "did not give back the key"),
    ],
)
def test_a_keyring_that_is_asked_for_and_cannot_keep_the_key_leaves_nothing_behind(
    home: Home, key: str, backend: str, words: str
) -> None:
    home.has_keyring(backend)
    done = home.run("login", "--keyring", stdin=key)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert key not in done.stderr
    assert home.logins == {}


def test_a_keyring_that_breaks_later_is_one_line_at_the_start(home: Home, key: str) -> None:
    home.has_keyring(WORKING)
    assert home.run("login", "--keyring", stdin=key).returncode == 0
    home.has_keyring("backends.Broken")
    done = campaigns(home)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "The keyring cannot be used (RuntimeError)" in done.stderr
    (home.folder / "keyring.json").unlink()
    home.has_keyring(WORKING)
    assert "has no key for the profile 'default' any more" in campaigns(home).stderr


def test_a_keyring_that_does_not_let_go_of_the_key_fails_the_logout(home: Home, key: str) -> None:
    home.has_keyring(WORKING)
    assert home.run("login", "--keyring", stdin=key).returncode == 0
    home.has_keyring("backends.Kept")
    done = home.run("logout")
    assert done.returncode == 2
    assert "default.json" in home.logins
    assert home.ring == {"mcp-instantly login default": key}


def test_a_key_that_moves_into_a_file_leaves_the_keyring(home: Home, key: str) -> None:
    home.has_keyring(WORKING)
    assert home.run("login", "--keyring", stdin=key).returncode == 0
    assert home.run("login", "--file", stdin=key).returncode == 0
    assert home.ring == {}
    assert home.logins["default.json"]["place"] == "file"


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("a-key-that-nobody-has-0123456789", 1, "does not accept this key"),
        ("", 2, "is empty"),
        ('"a-key-in-quotes"', 2, "quotes"),
        ("INSTANTLY_API_KEY=a-key", 2, "NAME="),
        ("k" * 10_001, 2, "too long"),
    ],
)
def test_a_key_that_cannot_be_used_is_not_stored(home: Home, typed: str, code: int, words: str) -> None:
    done = home.run("login", "--file", stdin=typed)
    assert done.returncode == code
    assert words in done.stderr
    assert not typed or typed not in done.stderr
    assert home.logins == {}


def test_a_wrong_key_leaves_the_one_before_it(home: Home, key: str) -> None:
    assert home.run("login", "--file", stdin=key).returncode == 0
    before = home.logins
    assert home.run("login", "--file", stdin="a-key-that-nobody-has-0123456789").returncode == 1
    assert home.logins == before


def test_a_key_that_could_not_be_checked_is_not_stored(home: Home, key: str) -> None:
    done = home.run("login", "--file", stdin=key, INSTANTLY_BASE_URL="http://127.0.0.1:9/")
    assert done.returncode == 1
    assert "could not be checked, so it was not stored" in done.stderr
    assert home.logins == {}


@pytest.mark.parametrize("arguments", [["a-key-on-the-line"], ["--profile", "A-KEY-ON-THE-LINE=="]])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(home: Home, arguments: list[str]) -> None:
    done = home.run("login", *arguments)
    assert done.returncode == 2
    assert "on-the-line" not in done.stderr.lower()


@pytest.mark.parametrize("name", ["nul", "con", "com1", "lpt9"])
def test_a_profile_that_windows_takes_for_a_device_is_refused_everywhere(home: Home, key: str, name: str) -> None:
    done = home.run("login", "--file", "--profile", name, stdin=key)
    assert done.returncode == 2 and "the name of a device of Windows" in done.stderr
    assert home.run("login", "--file", "--profile", f"{name}-2", stdin=key).returncode == 0
    assert list(home.logins) == [f"{name}-2.json"]


def test_profiles_are_kept_apart_and_a_profile_beside_a_key_of_the_environment_is_refused(home: Home, key: str) -> None:
    assert home.run("login", "--file", "--profile", "agency", stdin=key).returncode == 0
    assert "There is no API key" in campaigns(home).stderr
    assert campaigns(home, "--profile", "agency").returncode == 0
    assert campaigns(home, INSTANTLY_PROFILE="agency").returncode == 0
    refused = campaigns(home, "--profile", "agency", INSTANTLY_API_KEY="sandbox")
    assert refused.returncode == 2
    assert "--profile names a key that login stored" in refused.stderr
    assert home.run("logout").returncode == 1
    assert home.run("logout", "--profile", "agency").returncode == 0


@pytest.mark.parametrize("profile", [None, "agency"])
def test_how_a_stored_key_is_used_is_said_where_it_is_not_used_by_itself(
    home: Home, key: str, profile: str | None
) -> None:
    words = ["--profile", profile] if profile else []
    done = home.run("login", "--file", *words, stdin=key)
    options = " ".join([*words, "--server", home.sandbox.url])
    assert f"It is used with {options} alone" in done.stdout and "by itself" not in done.stdout
    assert f"mcp-instantly install HOST {options}" in done.stdout
    # What is said is enough for a start without any variable.
    assert campaigns(home, *options.split(), INSTANTLY_BASE_URL="production").returncode == 0


def test_a_key_for_instantly_without_a_profile_is_used_by_itself() -> None:
    assert how_to_use("default", "production") == "It is used by itself from now on."
    assert how_to_use("agency", "production").startswith("It is used with --profile agency alone: start serve")


def test_the_environment_goes_before_what_is_stored(home: Home, key: str) -> None:
    assert home.run("login", "--file", stdin=key).returncode == 0
    assert "Invalid API key" in campaigns(home, INSTANTLY_API_KEY="a-key-that-nobody-has").stderr
    file = home.folder / "key"
    file.write_text("a-key-that-nobody-has")
    assert "Invalid API key" in campaigns(home, INSTANTLY_API_KEY_FILE=str(file)).stderr


def test_a_stored_key_goes_to_no_other_server(home: Home, key: str) -> None:
    assert home.run("login", "--file", stdin=key).returncode == 0
    with Sandbox() as other:
        done = campaigns(home, INSTANTLY_BASE_URL=other.url)
        assert done.returncode == 2
        assert "goes to no other server" in done.stderr
        assert other.requests == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"place": "file", "origin": "x"}', '{"place": "moon", "origin": "x"}']
)
def test_a_damaged_login_is_one_line_and_can_be_made_anew(home: Home, key: str, content: str) -> None:
    file = home.folder / "config" / "mcp-instantly" / "logins" / "default.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    done = campaigns(home)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "run mcp-instantly login again" in done.stderr
    assert home.run("login", "--file", stdin=key).returncode == 0
    assert campaigns(home).returncode == 0


def test_keyring_is_imported_only_when_the_key_is_there(home: Home, key: str) -> None:
    assert home.run("login", "--file", stdin=key).returncode == 0
    code = (
        "import sys; sys.argv = ['mcp-instantly', 'call', 'list_campaigns', '{}']\n"
        "from mcp_instantly.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, 'keyring' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=home.environment, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] in ("0 False", "None False"), done.stderr


def test_without_the_package_keyring_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"install mcp-instantly\[keyring\], or use --file"):
        stored_key.keyring_title()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such terminal")
def test_at_a_terminal_the_key_is_asked_for_and_stays_hidden(home: Home, key: str) -> None:
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mcp_instantly", "login", "--file"],
        env=home.environment,
        cwd=home.folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    with processes.ended(process):
        seen = b""
        while b"stays hidden" not in seen:
            seen += os.read(master, 1000)
        os.write(master, f"{key}\n".encode())
        try:
            while more := os.read(master, 1000):
                seen += more
        except OSError:
            pass  # so a terminal says that nobody is there any more
        assert process.wait() == 0, seen
    os.close(master)
    assert key.encode() not in seen
    assert home.logins["default.json"]["key"] == key


@pytest.fixture
def page(home: Home) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`login --browser` under way, and the address of its page; no browser opens."""
    process = processes.start(
        *("login", "--file", "--browser"),
        environment=home.environment | {"BROWSER": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=home.folder,
    )
    with process, processes.ended(process):
        while not (found := re.search(r"http://127\S+", line := process.stderr.readline())):
            assert line, "the page did not come"
        yield process, found[0]


def test_the_page_takes_the_key_once_and_is_gone(home: Home, key: str, page: Any) -> None:
    process, url = page
    origin = url.rpartition("/")[0]
    with httpx.Client(trust_env=False) as browser:
        shown = browser.get(url)
        assert shown.status_code == 200
        assert 'type="password"' in shown.text
        assert shown.headers["cache-control"] == "no-store"
        wrong = browser.post(url, data={"key": "a-key-that-nobody-has-0123456789"}, headers={"origin": origin})
        assert wrong.status_code == 400
        assert "does not accept this key" in wrong.text
        assert "nobody-has" not in wrong.text
        assert home.logins == {}
        right = browser.post(url, data={"key": key}, headers={"origin": origin})
        assert (right.status_code, "You can close this page" in right.text) == (200, True)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert key not in out + err
    assert home.logins["default.json"]["key"] == key
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as on other systems")
def test_ctrl_c_ends_the_page_without_a_word(home: Home, page: Any) -> None:
    process, _ = page
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "")
    assert home.logins == {}


def test_the_page_is_for_nobody_else(home: Home, key: str, page: Any) -> None:
    _, url = page
    origin = url.rpartition("/")[0]
    sent = {"data": {"key": key}}
    with httpx.Client(trust_env=False) as other:
        assert other.get(f"{origin}/").status_code == 404
        assert other.get(f"{origin}/guess").status_code == 404
        assert other.post(f"{origin}/gu%C3%A9ss", headers={"origin": origin}, **sent).status_code == 404
        assert other.get(url, headers={"host": "evil.example"}).status_code == 421
        assert other.post(url, **sent).status_code == 403
        assert other.post(url, headers={"origin": "https://evil.example"}, **sent).status_code == 403
        assert other.post(url, headers={"origin": "null"}, **sent).status_code == 403
    assert home.logins == {}


def test_the_page_gives_up_after_some_wrong_keys(page: Any) -> None:
    process, url = page
    origin = url.rpartition("/")[0]
    with httpx.Client(trust_env=False) as browser:
        for _ in range(5):
            assert browser.post(url, data={"key": ""}, headers={"origin": origin}).status_code == 400
    _, err = process.communicate()
    assert process.returncode == 1
    assert "is empty" in err.splitlines()[-1]
