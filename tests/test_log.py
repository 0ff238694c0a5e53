"""Logging: structured, on stderr, without keys and with personal data masked."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.log import configure_logging, get_logger
from mcp_instantly.text import UNSEEN

from .conftest import ROOT, clean_environment

KEY = "a-very-secret-key"


pytestmark = pytest.mark.usefixtures("restored_logging")


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


def test_a_log_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "calls.log"
    configure_logging(file=file)
    assert file.stat().st_mode & 0o077 == 0


HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eevil\u2028\u200b\ufeff"


@pytest.mark.parametrize("style", ["json", "console"])
def test_nothing_in_an_event_steers_a_terminal_or_is_without_end(
    style: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "calls.log"
    configure_logging(style=style, file=file)
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    get_logger().info(
        "tool_call",
        tool=HOSTILE + "x" * 3_000_000,
        request_id="7" * 1_000_000,
        client_version=HOSTILE,
        number=10**5000,
        wide=["x" * 900] * 100,
        deep=deep,
        named={HOSTILE + "x" * 100_000: float("inf")},
        raw="\udcff\ud83d",
        other=Path(HOSTILE),
    )
    logging.getLogger("other.library").warning("client %s said\nsecond line %s", HOSTILE, "x" * 1_000_000)
    try:
        raise RuntimeError(HOSTILE + "x" * 1_000_000)
    except RuntimeError:
        get_logger().exception("crashed")
    err = capsys.readouterr().err
    events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [event["event"].split()[0] for event in events] == ["tool_call", "client", "crashed"]
    assert len(err) < 100_000
    for written in (err, file.read_text(encoding="utf-8"), *map(str, events)):
        assert not UNSEEN.search(written.replace("\n", ""))
    assert events[0]["tool"].startswith("<U+001B>]0;owned<U+0007><U+009B>31m<U+202E>evil")
    assert events[0]["raw"] == "<U+DCFF><U+D83D>"
    assert "Traceback" in events[2]["exception"]
    assert "\n" in events[2]["exception"]


def test_events_can_be_written_whatever_the_encoding_of_stderr() -> None:
    code = "from mcp_instantly.log import *; configure_logging(); get_logger().info('x', tool='Zoë 🎉')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=clean_environment(PYTHONIOENCODING="cp1252"), cwd=ROOT
    )
    assert json.loads(done.stderr)["tool"] == "Zoë 🎉"


def test_a_reader_that_stops_holds_up_no_call_and_reads_later_how_much_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stderr", os.fdopen(write, "w"))
    configure_logging()
    total = 20_000
    for number in range(total):
        get_logger().info("tool_call", number=number, filler="x" * 100)
    seen: list[int] = []
    missed = [0]

    def listen() -> None:
        with os.fdopen(read) as lines:
            while len(seen) + sum(missed) < total:
                event = json.loads(lines.readline())
                if event["event"] == "log_events_dropped":
                    missed.append(event["count"])
                else:
                    seen.append(event["number"])

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert len(seen) + sum(missed) == total
    assert seen == list(range(len(seen)))
    assert len(seen) > 1000 and sum(missed) > 1000
    sys.stderr.close()
