"""Settings: servers, keys, and what never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_text import read_key
from mcp_instantly.settings import Settings, resolve_server


@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("production", "https://api.instantly.ai/"),
        ("mock", "https://developer.instantly.ai/_mock/"),
        ("https://api.instantly.ai", "https://api.instantly.ai/"),
        ("https://api.instantly.ai/api/v2/", "https://api.instantly.ai/"),
        ("https://gateway.example/instantly/", "https://gateway.example/instantly/"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787/"),
        ("http://[::1]:8787/", "http://[::1]:8787/"),
        ("http://localhost:1/x", "http://localhost:1/x/"),
    ],
)
def test_a_server_is_a_name_or_a_url_that_keeps_the_key_safe(name: str, base_url: str) -> None:
    assert resolve_server(name) == base_url


@pytest.mark.parametrize(
    "name",
    [
        "prod",
        "",
        "ftp://api.instantly.ai/",
        "http://api.instantly.ai/",
        "http://10.0.0.1/",
        "http://localhost.example.com/",
        "http://foo.localhost/",
        "https://api.instantly.ai/" + "a" * 70_000,
        "https://",
        "https://user:secret@api.instantly.ai/",
        "https://api.instantly.ai/?a=b",
        "https://api.instantly.ai:port/",
        "http://127.0.0.1.example.com/",
        "https://@api.instantly.ai/",
        "https://api instantly.ai/",
        "https://api.instantly.ai/\n",
    ],
)
def test_any_other_server_ends_the_start(name: str) -> None:
    with pytest.raises(ConfigError):
        resolve_server(name)


def test_a_key_is_read_from_its_variable_or_its_file_without_white_space(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("  abc123==\n")
    assert read_key(None, file) == "abc123=="
    assert read_key(" abc ", None) == "abc"
    assert read_key(None, None) is None


@pytest.mark.parametrize(
    "content",
    [
        b"abc123==",
        b"\xef\xbb\xbfabc123==\r\n",
        b"# the key of the agency\n\n  abc123==\n# end\n",
    ],
    ids=["plain", "byte order mark", "comments"],
)
def test_a_key_file_may_have_a_byte_order_mark_and_comments(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert read_key(None, file) == "abc123=="


def test_a_key_file_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("abc123==")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert read_key(None, Path("~/key")) == "abc123=="


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("# only a comment", "is empty"),
        ('"abc123=="', "quotes"),
        ("'abc123=='", "quotes"),
        ("<abc123>", "brackets"),
        ("INSTANTLY_API_KEY=abc123==", "NAME="),
        ("export KEY=abc123==", "NAME="),
        ('INSTANTLY_API_KEY = "abc123=="', "NAME="),
        ("Bearer abc123==", "the word Bearer"),
        ("Authorization: Bearer abc123==", "the name of a header"),
        ("${INSTANTLY_KEY_abc123}", "a variable"),
        ("$abc123", "a variable"),
        ("%abc123%", "a variable"),
        ("{{ abc123 }}", "a variable"),
        ("abc123==\nabc123==", "more than one line"),
        ("\ufeff\ufeffabc123==", "byte order mark"),
        ("two abc123", "contains a space"),
        ("abc123é", "characters that no API key has"),
    ],
)
@pytest.mark.parametrize("kept", ["in a file", "in the variable"])
def test_an_unusable_key_ends_the_start_with_what_is_wrong_and_is_not_repeated(
    tmp_path: Path, content: str, words: str, kept: str
) -> None:
    file = tmp_path / "key"
    file.write_text(content, encoding="utf-8")
    if kept == "in the variable" and content.startswith("#"):
        pytest.skip("a variable has no comments")
    with pytest.raises(ConfigError, match=words) as caught:
        read_key(None, file) if kept == "in a file" else read_key(content, None)
    assert "abc123" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_file_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    utf16 = tmp_path / "utf-16"
    utf16.write_bytes("abc123".encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_key(None, utf16)
    for file in (tmp_path / "none", tmp_path, Path("~nobody-of-this-name/key"), Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_key(None, file)
    with pytest.raises(ConfigError, match="not both"):
        read_key("a", utf16)


@pytest.mark.parametrize("key", ["abc123==", "a=", "MzQ1Njc4OTA+/w==", "eyJhbGciOi.eyJzdWIi.c2ln-_", "export"])
def test_a_key_may_look_like_base64(key: str) -> None:
    assert read_key(key, None) == key


def test_the_key_does_not_show_in_a_repr() -> None:
    settings = Settings(base_url="https://api.instantly.ai/", api_key="very-secret-key")
    assert "very-secret-key" not in f"{settings!r} {settings}"
    assert settings.origin == "https://api.instantly.ai"
