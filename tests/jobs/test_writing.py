"""Tables are written so that no row is lost or doubled, whatever ends the process and whenever."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.reading import read_rows
from mcp_instantly.jobs.writing import escaped, open_writer, part_of, parts_of

from .. import processes

COLUMNS = ["email", "n", "note"]
every_kind = pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])


def row(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@x.example", "n": number, "note": 'a "quote",\r\nand é' if number % 3 else "=1+1"}


def rows_of(path: Path) -> list[dict[str, str]]:
    found = [one for batch in read_rows(path) for one in batch]
    assert not any(one.problem for one in found)
    return [one.values for one in found]


def as_text(count: int) -> list[dict[str, str]]:
    return [{name: str(value) for name, value in row(number).items()} for number in range(count)]


@every_kind
def test_what_is_written_is_read_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    with open_writer(path, COLUMNS) as writer:
        writer.write(map(row, range(5)))
        writer.write(map(row, range(5, 10)))
        assert writer.flush() == 10 and not path.exists()
        writer.close()
        writer.close()
    assert rows_of(path) == as_text(10)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@every_kind
def test_it_is_resumed_behind_the_rows_that_are_known_to_be_kept(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    with open_writer(path, COLUMNS) as writer:
        writer.write(map(row, range(7)))
        assert writer.flush() == 7
        # These are cut off again, the last of them in its middle.
        writer.write([{"email": "lost@x.example"}, {"note": "lost\n"}])
    part = tmp_path / f"out.{kind}.part"
    os.truncate(part, part.stat().st_size - 2)
    with open_writer(path, COLUMNS, resume_at=7) as writer:
        assert writer.rows == 7
        writer.write(map(row, range(7, 12)))
        writer.close()
    assert rows_of(path) == as_text(12)


@every_kind
def test_resuming_what_is_finished_changes_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    with open_writer(path, COLUMNS) as writer:
        writer.write(map(row, range(4)))
        writer.close()
    before = path.read_bytes()
    # As it is when it is killed between the name and the end of the part.
    os.link(path, f"{path}.tmp" if kind == "parquet" else f"{path}.part")
    with open_writer(path, COLUMNS, resume_at=4) as writer:
        writer.close()
        with pytest.raises(CallError, match="is finished"):
            writer.write([row(5)])
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == [path.name]
    with pytest.raises(CallError, match="has 4 rows, not the 3"):
        open_writer(path, COLUMNS, resume_at=3)


@every_kind
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    path.write_text("mine")
    with pytest.raises(CallError, match=rf"out\.{kind} exists already, and no file is overwritten"):
        open_writer(path, COLUMNS)
    path.unlink()
    with open_writer(path, COLUMNS) as writer:
        writer.write([row(1)])
        with pytest.raises(CallError, match=r"part exists already"):
            open_writer(path, COLUMNS)
        path.write_text("mine")
        with pytest.raises(CallError, match="made by something else meanwhile; the rows are kept in"):
            writer.close()
    assert path.read_text() == "mine" and Path(f"{path}.part").exists()


@every_kind
def test_a_part_that_somebody_changed_is_not_resumed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    with open_writer(path, COLUMNS) as writer:
        writer.write(map(row, range(3)))
    with pytest.raises(CallError, match="has fewer than the 4 rows"):
        open_writer(path, COLUMNS, resume_at=4)
    if kind == "csv":
        with pytest.raises(CallError, match="has other columns"):
            open_writer(path, ["email", "other"], resume_at=2)
    Path(f"{path}.part").unlink()
    with pytest.raises(CallError, match="is gone"):
        open_writer(path, COLUMNS, resume_at=3)


@every_kind
def test_a_table_without_rows_is_a_file_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    with open_writer(path, COLUMNS, resume_at=0) as writer:
        writer.close()
    with open_writer(path, COLUMNS, resume_at=0) as writer:
        writer.close()
    if kind == "parquet":
        assert pyarrow.parquet.read_table(path).column_names == COLUMNS
    else:
        assert path.read_text() == ("email,n,note\n" if kind == "csv" else "")


def test_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"ends in \.csv, \.jsonl or \.parquet"):
        open_writer(tmp_path / "out.xlsx", COLUMNS)
    with pytest.raises(CallError, match="need a name each"):
        open_writer(tmp_path / "out.csv", ["a", "a"])


def test_types_of_parquet_are_those_of_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with open_writer(path, ["int", "float", "bool", "mixed", "nested", "none"]) as writer:
        writer.write([{"int": 1, "float": 1, "bool": True, "mixed": 1, "nested": {"a": [1]}}])
        writer.write([{"int": None, "float": 1.5, "bool": False, "mixed": "x", "none": None}])
        writer.close()
    assert pyarrow.parquet.read_table(path).to_pylist() == [
        {"int": 1, "float": 1.0, "bool": True, "mixed": "1", "nested": '{"a":[1]}', "none": None},
        {"int": None, "float": 1.5, "bool": False, "mixed": "x", "nested": None, "none": None},
    ]


FORMULAS = ["=1+1", "@SUM(A1)", "+cmd|'/c calc'!A0", "-2+3+cmd", "\t=1", "\r=1", "\n=1", "'=1", "''=1", "\uff1d1"]
HARMLESS = ["+49 (0)30 123-4", "-5.5", "plain", "a=b", "it's", "'quoted'", ""]


def test_no_cell_is_a_formula_to_a_spreadsheet_and_each_is_read_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_writer(path, ["=name", "b"]) as writer:
        writer.write({"=name": text, "b": "x"} for text in FORMULAS + HARMLESS)
        writer.close()
    assert [escaped(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]
    assert [escaped(text) for text in HARMLESS] == HARMLESS
    assert path.read_text().startswith("'=name,b\n'=1+1,x\n'@SUM(A1),x\n")
    assert [values["=name"] for values in rows_of(path)] == FORMULAS + HARMLESS


def write_2000_rows() -> None:
    """As a process: go on with a file from where it was last known to be kept, and say after each piece how far."""
    path, known = Path(sys.argv[1]), Path(sys.argv[1] + ".known")
    with open_writer(path, COLUMNS, resume_at=int(known.read_text())) as writer:
        while writer.rows < 2000:
            numbers = range(writer.rows, writer.rows + 50)
            writer.write({"email": f"p{n}@x.example", "n": n, "note": 'a "b",\n' * (n % 5)} for n in numbers)
            kept = writer.flush()
            new = Path(sys.argv[1] + ".new")
            new.write_text(str(kept))
            new.rename(known)
            print(kept, flush=True)
        writer.close()


@every_kind
def test_a_process_that_is_killed_again_and_again_loses_and_doubles_no_row(tmp_path: Path, kind: str) -> None:
    path, chance = tmp_path / f"out.{kind}", random.Random(7)
    known = tmp_path / f"{path.name}.known"
    known.write_text("0")
    kills = 0
    writing = {"environment": os.environ, "main": f"{__name__}:{write_2000_rows.__name__}"}
    for _ in range(25):
        with processes.start(str(path), stdout=subprocess.PIPE, **writing) as process:
            assert process.stdout is not None
            # The first are killed at once, the last ones at their end.
            for _ in range(chance.randrange(0, 10)):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            code = process.wait()
        kills += code != 0
        if code == 0:
            break
    assert processes.run(str(path), **writing).returncode == 0
    assert kills >= 4
    found = rows_of(path)
    assert [values["n"] for values in found] == [str(number) for number in range(2000)]
    assert found[4]["note"] == 'a "b",\n' * 4
    assert json.loads(known.read_text()) == 2000


def test_a_parquet_of_as_many_rows_that_another_made_is_not_taken_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    parts = [part_of(path, job_id) for job_id in ("job-0a", "job-0b")]
    for number, part in enumerate(parts):
        with open_writer(path, COLUMNS, resume_at=0, part=part) as writer:
            writer.write([row(number)])
            writer.flush()
    with open_writer(path, COLUMNS, resume_at=1, part=parts[0]) as writer:
        writer.close()
    with pytest.raises(CallError, match="made by something else"):
        open_writer(path, COLUMNS, resume_at=1, part=parts[1])
    assert parts_of(path) == [parts[1]]


def test_a_parquet_that_was_made_of_a_part_that_is_there_still_is_finished(tmp_path: Path) -> None:
    """As it is when it is killed between the name and the end of the part."""
    path, kept = tmp_path / "out.parquet", tmp_path / "kept"
    with open_writer(path, COLUMNS) as writer:
        writer.write([row(1)])
        writer.flush()
        os.link(part_of(path), kept)
        writer.close()
    kept.rename(part_of(path))
    open_writer(path, COLUMNS, resume_at=1).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name] and len(rows_of(path)) == 1
