"""What was used, in a file that processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.ledger import Exhausted, Ledger
from mcp_instantly.private_file import data_folder

from . import processes
from .conftest import clean_environment


def test_each_server_is_counted_by_itself(tmp_path: Path) -> None:
    one, other = (Ledger(tmp_path / "used", scope) for scope in ("https://a", "https://b"))
    one.reserve({"leads": 3}, {"leads": 3})
    other.reserve({"leads": 3}, {"leads": 3})
    with pytest.raises(Exhausted):
        Ledger(tmp_path / "used", "https://a").reserve({"leads": 1}, {"leads": 3})


def test_of_several_amounts_all_are_reserved_or_none(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "used", "x")
    with pytest.raises(Exhausted):
        book.reserve({"leads": 2, "credits": 9}, {"leads": 2, "credits": 8})
    book.reserve({"leads": 2, "credits": 8}, {"leads": 2, "credits": 8})


def test_what_is_settled_makes_room(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "used", "x")
    entries = book.reserve({"leads": 5}, {"leads": 5})
    book.settle(entries, {"leads": 1})
    book.reserve({"leads": 4}, {"leads": 5})
    with pytest.raises(Exhausted):
        book.reserve({"leads": 1}, {"leads": 5})


def test_a_place_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "used", tmp_path):
        with pytest.raises(ConfigError, match=r"The ledger .* cannot be used"):
            Ledger(place, "x")


def test_it_is_kept_where_programs_of_the_user_keep_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    if sys.platform == "linux":
        assert data_folder() == Path("/somewhere/mcp-instantly")
    assert data_folder().name == "mcp-instantly"


def test_processes_at_the_same_time_never_use_more_than_is_allowed(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('ledger = "used"\n[limits.credits]\nper_day = 1\n')
    asked = ("call", "--sandbox", "--policy", str(policy), "verify_email", '{"email": "a@b.example"}')
    started = [
        processes.start(*asked, environment=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ends = []
    for process in started:
        process.communicate(timeout=60)
        ends.append(process.returncode)
    assert sorted(ends) == [0, 2, 2]
