"""Settings: servers, keys, and what never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import Settings, read_key, resolve_server


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


def test_an_unusable_key_ends_the_start_and_is_not_repeated(tmp_path: Path) -> None:
    empty = tmp_path / "key"
    empty.write_text("\n")
    for key, file in [
        ("", None),
        (None, empty),
        (None, tmp_path / "none"),
        ("two words", None),
        ("a", empty),
        ("é", None),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_key(key, file)
        assert "two words" not in str(caught.value)


def test_the_key_does_not_show_in_a_repr() -> None:
    settings = Settings(base_url="https://api.instantly.ai/", api_key="very-secret-key")
    assert "very-secret-key" not in f"{settings!r} {settings}"
    assert settings.origin == "https://api.instantly.ai"
