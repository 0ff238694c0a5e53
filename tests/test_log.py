"""Logging: structured, on stderr, without keys and with personal data masked."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from mcp_instantly.errors import ConfigError
from mcp_instantly.log import configure_logging, get_logger, mask

KEY = "a-very-secret-key"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_events_are_json_lines_on_stderr_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    get_logger().info("tool_call", tool="x", duration_ms=1.5)
    out, err = capsys.readouterr()
    assert out == ""
    event = json.loads(err)
    assert event["event"] == "tool_call"
    assert event["level"] == "info"
    assert event["timestamp"].endswith("Z")


def test_the_key_is_struck_out_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(secrets=(KEY,))
    get_logger().info(f"one {KEY}", a=KEY, b={"c": [f"x{KEY}y"]})
    try:
        raise RuntimeError(KEY)
    except RuntimeError:
        get_logger().exception("crashed")
    logging.getLogger("other.library").warning("with %s", KEY)
    err = capsys.readouterr().err
    assert KEY not in err
    assert len(err.splitlines()) == 3
    assert all(json.loads(line) for line in err.splitlines())


def test_a_log_file_gets_the_same_events_and_is_only_added_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls.log"
    file.write_text("before\n")
    configure_logging(style="console", file=file)
    get_logger().info("tool_call", tool="x")
    first, second = file.read_text().splitlines()
    assert first == "before"
    assert json.loads(second)["tool"] == "x"
    assert "tool_call" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        configure_logging(file=tmp_path / "none" / "calls.log")


def test_secrets_names_and_numbers_of_people_are_masked_whatever_they_look_like() -> None:
    given = {
        "first_name": "ADA",
        "imap_password": "12345678",
        "smtp_password": "01991f00-0001-7000-8000-000000000001",
        "headers": {"X-Auth": "HUNTER"},
        "phone": "015112345",
        "custom_variables": {"John Smith": 491511234567},
        "number": 491511234567,
        "limit": 100,
    }
    assert mask(given) == {
        "first_name": "[3 characters]",
        "imap_password": "[secret]",
        "smtp_password": "[secret]",
        "headers": "[secret]",
        "phone": "[9 characters]",
        "custom_variables": "[1 fields]",
        "number": "[number]",
        "limit": 100,
    }
    assert mask({"limit": float("inf")}) == {"limit": "[number]"}


def test_a_log_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "calls.log"
    configure_logging(file=file)
    assert file.stat().st_mode & 0o077 == 0


def test_addresses_and_free_text_are_masked_and_ids_are_not() -> None:
    given = {
        "email": "ada.lovelace@example.com",
        "id": "01991f00-0001-7000-8000-000000000001",
        "limit": 10,
        "body": {"html": "Hello Ada, how are you?"},
        "leads": [{"email": "b@example.com", "first_name": "Grace"}],
        "filter": "FILTER_VAL_ACTIVE",
        "start_date": "2026-09-07",
        "list": "a@b.example,c@d.example",
    }
    assert mask(given) == {
        "email": "a***@example.com",
        "id": "01991f00-0001-7000-8000-000000000001",
        "limit": 10,
        "body": {"html": "[23 characters]"},
        "leads": [{"email": "b***@example.com", "first_name": "[5 characters]"}],
        "filter": "FILTER_VAL_ACTIVE",
        "start_date": "2026-09-07",
        "list": "[23 characters]",
    }
