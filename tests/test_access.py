"""Who may use the HTTP port: names, origins, tokens, and what is refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.transports.access import Access, make_access, read_tokens

ALICE, BOB = "a" * 16, "b" * 64


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "[::1]", "[::1]:9", "10.0.0.5", "10.0.0.5:8000"],
)
def test_loopback_names_and_the_address_that_was_reached_are_hosts(host: str) -> None:
    assert make_access("0.0.0.0", "0.0.0.0", no_auth=True).allows_host(host, "10.0.0.5")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "localhost:8000@evil.example",
        "127.0.0.1.evil.example:80",
        "10.0.0.6",
        "[::2]",
        "localhost:x",
        "localhost/",
        "mcp.example.com.evil.example",
    ],
)
def test_any_other_host_is_foreign(host: str) -> None:
    access = make_access("0.0.0.0", "0.0.0.0", hosts=["mcp.example.com"], no_auth=True)
    assert not access.allows_host(host, "10.0.0.5")


def test_a_host_is_allowed_with_every_port_or_with_the_one_that_is_named() -> None:
    access = make_access("::", "::", hosts=["MCP.example.com", "proxy:8443", "fd00::1"], no_auth=True)
    for host in ("mcp.example.com", "mcp.example.com:1", "proxy:8443", "[fd00::1]:80", "[fd00::1]"):
        assert access.allows_host(host, "::1"), host
    for host in ("proxy", "proxy:443", "fd00::1"):
        assert not access.allows_host(host, "::1"), host
    assert access.allows_host("10.0.0.5", "::ffff:10.0.0.5")
    assert make_access("box.lan", "127.0.0.1").allows_host("box.lan:8000", "127.0.0.1")


def test_only_listed_origins_and_pages_of_this_machine_may_call() -> None:
    access = make_access("127.0.0.1", "127.0.0.1", origins=["https://App.example.com:443/", "http://box:8080"])
    allowed = ["http://localhost", "http://localhost:6274", "http://127.0.0.2:1", "http://[::1]:80"]
    for origin in (*allowed, "https://app.example.com", "http://box:8080"):
        assert access.allows_origin(origin), origin
    foreign = ["null", "", "https://evil.example", "http://localhost:80@evil.example", "http://localhost.evil.example"]
    for origin in (*foreign, "https://localhost", "http://a.localhost", "http://app.example.com", "http://box"):
        assert not access.allows_origin(origin), origin


@pytest.mark.parametrize("name", ["", "http://a.example", "a b", "a/b", "*"])
def test_what_cannot_be_a_host_or_an_origin_ends_the_start(name: str) -> None:
    with pytest.raises(ConfigError, match="--allowed-host takes a name"):
        make_access("127.0.0.1", "127.0.0.1", hosts=[name])
    with pytest.raises(ConfigError, match="--allowed-origin takes an origin"):
        make_access("127.0.0.1", "127.0.0.1", origins=[name.removeprefix("http://")])


def test_beyond_loopback_callers_have_tokens_or_the_user_says_that_they_have_none() -> None:
    for bound in ("0.0.0.0", "::", "192.168.1.5"):
        with pytest.raises(ConfigError, match=r"--auth-token FILE, .* --caller-keys, or say --no-auth"):
            make_access(bound, bound)
        make_access(bound, bound, no_auth=True)
        make_access(bound, bound, tokens={"alice": ALICE})
    with pytest.raises(ConfigError, match="leave one of them out"):
        make_access("0.0.0.0", "0.0.0.0", tokens={"alice": ALICE}, no_auth=True)


def test_a_token_names_its_caller_and_nothing_else_does() -> None:
    access = make_access("0.0.0.0", "0.0.0.0", tokens={"alice": ALICE, "bob": BOB})
    assert access.caller(f"Bearer {ALICE}") == "alice"
    assert access.caller(f"bearer  {BOB}") == "bob"
    for header in ("", "Bearer", "Bearer ", ALICE, f"Basic {ALICE}", f"Bearer {ALICE[:-1]}", f"Bearer {ALICE}x", "é"):
        assert access.caller(header) is None
    assert ALICE not in repr(access)
    assert Access().caller(f"Bearer {ALICE}") is None


def test_tokens_come_from_a_variable_or_a_file(tmp_path: Path) -> None:
    expected = {"alice": ALICE, "bob": BOB}
    file = tmp_path / "tokens"
    file.write_bytes(f"\ufeff# who calls\r\nalice={ALICE}\r\n\r\n bob = {BOB}\n".encode())
    assert read_tokens(None, file) == expected
    assert read_tokens(f"alice={ALICE}, bob={BOB}", None) == expected
    assert read_tokens(None, None) == {}
    assert read_tokens(f"alice={ALICE}=", None) == {"alice": f"{ALICE}="}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no token"),
        ("# nothing", "holds no token"),
        (ALICE, "needs NAME=TOKEN"),
        (f"={ALICE}", "needs NAME=TOKEN"),
        ("alice=short", "needs NAME=TOKEN"),
        (f"alice={ALICE} x", "needs NAME=TOKEN"),
        (f"al ice={ALICE}", "needs NAME=TOKEN"),
        (f"alice={ALICE},alice={BOB}", "twice"),
        (f"alice={ALICE},bob={ALICE}", "twice"),
    ],
)
def test_tokens_that_cannot_be_used_end_the_start_without_being_shown(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_tokens(text, None)
    assert ALICE not in str(caught.value)


def test_a_token_in_place_of_its_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names a file of lines NAME=TOKEN") as caught:
        read_tokens(None, Path(f"alice={ALICE}"))
    assert ALICE not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(None, tmp_path)
    with pytest.raises(ConfigError, match="not both"):
        read_tokens(f"alice={ALICE}", tmp_path)
