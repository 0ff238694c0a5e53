"""Files as programs and people write them are read row by row; what is bad in them is told, and ends nothing."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.reading import Row, columns_of, look_at, read_rows

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of text or bytes, `leads.csv` unless it is named."""

    def written(contents: str | bytes, name: str = "leads.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode(encoding))
        return path

    return written


def rows(path: Path, **given: int) -> list[Row]:
    return [row for batch in read_rows(path, **given) for row in batch]


def values(path: Path) -> list[dict[str, str]]:
    found = rows(path)
    assert [row.problem for row in found] == [None] * len(found)
    return [row.values for row in found]


def problems(path: Path) -> dict[int, str]:
    return {row.number: row.problem for row in rows(path) if row.problem}


PEOPLE = (
    "Email,Vorname,Firma\nanja.grün@bäckerei.example,Anja,Bäckerei Grün\nluís@padaria.example,Luís,Padaria São José\n"
)
READ = [
    {"Email": "anja.grün@bäckerei.example", "Vorname": "Anja", "Firma": "Bäckerei Grün"},
    {"Email": "luís@padaria.example", "Vorname": "Luís", "Firma": "Padaria São José"},
]


# CSV: encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_encoding_is_found(write: Write, encoding: str, end: str) -> None:
    assert values(write(PEOPLE.replace("\n", end), encoding=encoding)) == READ


def test_a_byte_order_mark_of_either_order_is_no_part_of_the_first_name(write: Write) -> None:
    path = write(codecs.BOM_UTF16_BE + PEOPLE.encode("utf-16-be"))
    assert columns_of(path)[0] == "Email" and values(path) == READ


def test_what_is_guessed_is_said(write: Write) -> None:
    assert "was read as Windows-1252" in look_at(write(PEOPLE, encoding="cp1252")).notes[0]
    assert "was read as UTF-16-LE" in look_at(write(PEOPLE, encoding="utf-16-le")).notes[0]
    assert look_at(write(PEOPLE)).notes == look_at(write(PEOPLE, encoding="utf-16")).notes == ()


def test_a_damaged_byte_in_utf8_costs_its_row_alone(write: Write) -> None:
    path = write(PEOPLE.encode() + b"x@y.example,Ren\xe9,Z\n" + "z@y.example,Zoë,Ö\n".encode())
    assert problems(path) == {3: "line 4 holds a byte that is not UTF-8"}
    assert rows(path)[2].values["Vorname"] == "Ren\ufffd"
    assert rows(path)[3].values["Vorname"] == "Zoë"


# CSV: delimiters, quotes, records


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_delimiter_is_found_where_cells_hold_the_others(write: Write, delimiter: str) -> None:
    cells = [
        ["email", "company", "note"],
        ["a@b.example", '"Müller, Söhne; Co|KG"', '"1\t2"'],
        ["c@d.example", "", "x"],
    ]
    path = write("".join(delimiter.join(line) + "\n" for line in cells))
    assert values(path) == [
        {"email": "a@b.example", "company": "Müller, Söhne; Co|KG", "note": "1\t2"},
        {"email": "c@d.example", "company": "", "note": "x"},
    ]


def test_decimal_commas_do_not_win_over_semicolons(write: Write) -> None:
    path = write("email;score\na@b.example;1,5\nc@d.example;2,5\n")
    assert values(path)[0] == {"email": "a@b.example", "score": "1,5"}


def test_the_line_in_which_excel_names_the_delimiter_is_not_the_header(write: Write) -> None:
    path = write('sep=;\r\nemail;name\r\na@b.example;"A, B"\r\n')
    assert columns_of(path) == ["email", "name"] and values(path) == [{"email": "a@b.example", "name": "A, B"}]


@pytest.mark.parametrize("blank", [" \n", "\t\n", "  ; \n", "\n \n"])
def test_blank_lines_before_the_header_change_nothing(write: Write, blank: str) -> None:
    text = 'email;name;firm\na@x.example;"Joe;Acme\nb@x.example;Bob;B"\nc@x.example;Cy;C\n'
    plain, after_blanks = write(text, "plain.csv"), write(blank + text, "blank.csv")
    assert columns_of(after_blanks) == ["email", "name", "firm"]
    assert [row.values for row in rows(after_blanks)] == [row.values for row in rows(plain)]
    assert len(problems(plain)) == 1 and rows(plain)[1].values["email"] == "b@x.example"


def test_one_column_is_a_table_too(write: Write) -> None:
    assert values(write("email\na@b.example\n\nc@d.example\n")) == [{"email": "a@b.example"}, {"email": "c@d.example"}]


def test_quotes_doubled_quotes_and_line_breaks_within_cells(write: Write) -> None:
    path = write('email,note\r\na@b.example,"He said ""hi"",\r\nthen left\n"\r\nc@d.example,5" pipe\r\n')
    assert values(path)[0]["note"] == 'He said "hi",\r\nthen left\n'
    assert values(path)[1]["note"] == '5" pipe'
    assert [row.line for row in rows(path)] == [2, 5]


def test_zeros_and_numbers_stay_as_they_were_written(write: Write) -> None:
    assert values(write("email,zip,phone\na@b.example,01067,+49 30 123\n"))[0]["zip"] == "01067"


def test_three_hundred_columns(write: Write) -> None:
    names = ["Email", *(f"Question {number}: how much?" for number in range(1, 300))]
    path = write(",".join(names) + "\n" + ",".join(["a@b.example", *map(str, range(1, 300))]) + "\n")
    assert columns_of(path) == names
    assert values(path)[0]["Question 299: how much?"] == "299"


def test_blank_and_repeated_names_of_columns_each_get_their_own(write: Write) -> None:
    path = write("Email,,Email, Phone  Number ,,Email\na@b.example,1,2,3,4,5\n")
    assert columns_of(path) == ["Email", "column 2", "Email (2)", "Phone Number", "column 5", "Email (3)"]
    assert values(path)[0]["Email (3)"] == "5"
    assert look_at(path).notes == (
        "Columns without a name are called column 2, column 5.",
        "Names that stood twice became Email (2), Email (3).",
    )


def test_rows_with_other_numbers_of_cells_are_told_and_the_others_read(write: Write) -> None:
    path = write(
        "email,a,b\none@x.example,1,2\ntwo@x.example,1\nthree@x.example,1,2,3\nfour@x.example,1,2,,\n,,\nfive@x.example,1,2"
    )
    assert problems(path) == {
        2: "line 3 has 2 cells, the header 3",
        3: "line 4 has 4 cells, the header 3",
        5: "line 6 is empty",
    }
    assert [row.values.get("email") for row in rows(path)] == [
        *("one@x.example", "two@x.example", "three@x.example", "four@x.example", "", "five@x.example")
    ]


def test_a_quote_that_is_not_closed_costs_its_line_alone(write: Write) -> None:
    good = "".join(f"p{number}@x.example,Name\n" for number in range(20_000))
    path = write(f'email,name\nbad@x.example,"Open\n{good}')
    assert problems(path) == {1: "line 2 has a quote that is not closed, or a cell of more than 131,072 characters"}
    assert len(rows(path)) == 20_001 and rows(path)[20_000].values["email"] == "p19999@x.example"


def test_a_quote_that_is_open_at_the_end_costs_its_line_alone(write: Write) -> None:
    path = write('email,name\nbad@x.example,"Open\ngood@x.example,Name\n')
    assert list(problems(path)) == [1] and rows(path)[1].values == {"email": "good@x.example", "name": "Name"}


def test_rows_between_two_stray_quotes_are_read_where_they_make_no_record(write: Write) -> None:
    people = [f"p{number}@x.example,Acme,n{number}" for number in range(60)]
    people[4], people[49] = 'p4@x.example,"Acme,n4', 'p49@x.example,Acme,27"'
    path = write("\n".join(["email,firm,note", *people]))
    assert problems(path) == {5: "line 6 has 2 cells, the header 3, and more lines: a quote may be missing"}
    assert [row.values["email"] for row in rows(path)][5:] == [f"p{number}@x.example" for number in range(5, 60)]


@pytest.mark.parametrize(
    ("columns", "first", "between", "last"),
    [
        ("email,firm,note", 'a@x.example,"Acme,1', "b@x.example,Acme,2\n", 'c@x.example,Monitor 27",3'),
        ("email,firm,note", 'a@x.example,"Acme,1', "", 'c@x.example,Monitor 27",3'),
        ("firm;email", '"Acme;a@x.example', "Acme;b@x.example\n", 'Monitor 27";c@x.example'),
        ("email", '"a@x.example', "b@x.example\n", 'c@x.example"'),
    ],
    ids=["rows", "one row", "addresses behind", "one column"],
)
def test_a_cell_that_holds_other_rows_is_told_with_their_lines(
    write: Write, columns: str, first: str, between: str, last: str
) -> None:
    path = write(f"{columns}\n{first}\n{between}{last}\n{first.replace(chr(34), '')}\n")
    end = 4 if between else 3
    assert problems(path) == {1: f"line 2 has a cell that goes on to line {end} and holds other rows: a quote is stray"}
    assert rows(path)[1].problem is None


def test_notes_of_several_lines_may_have_addresses(write: Write) -> None:
    note = '"Met Bo, who wrote:\nbo@x.example\nTo: a@x.example, c@x.example\n\nBye, Bo"'
    path = write(f"email,name,note\na@x.example,A,{note}\nb@x.example,B,\n")
    assert len(values(path)) == 2


@pytest.mark.parametrize(
    ("columns", "record"),
    [
        ("email,notes", 'ada@x.example,"Colleagues:\nbob@x.example, CFO\ncy@x.example, CTO"'),
        ("name,email,notes", 'Ada,ada@x.example,"Team:\nBob, bob@x.example\nCy"'),
        ("email,notes,city", 'ada@x.example,"Met Bob\nbob@x.example",Oslo'),
        ("email,firm,notes", 'ada@x.example,Acme,"Team:\nbob@x.example,CFO,Oslo\nBye"'),
        ("email,firm,notes", '"ada@x.example",Acme,"Team, all of it:\nbob@x.example, CFO, Oslo"'),
        ("email,firm,notes", 'ada@x.example,Acme,"Team:\nbob@x.example,CFO,Oslo\nBye, Bo"'),
        ("email,notes", 'ada@x.example,"Ends with a line.\n\n"'),
    ],
)
def test_a_cell_of_several_lines_that_are_not_rows_is_read(write: Write, columns: str, record: str) -> None:
    ends = "".join(f",{number}" for number in range(columns.count(",")))
    path = write(f"{columns}\n{record}\neve@x.example{ends}\n")
    assert problems(path) == {} and len(rows(path)) == 2
    assert "\n" in "".join(rows(path)[0].values.values())


def test_a_stray_quote_is_found_where_a_row_that_it_swallows_is_bad_or_blank(write: Write) -> None:
    people = [f"p{number}@x.example,Acme,n{number}" for number in range(8)]
    people[1], people[2], people[3] = 'p1@x.example,"Acme,n1', "no address,Acme,n20", ""
    people[6] = 'p6@x.example,Monitor 27",n6'
    path = write("\n".join(["email,firm,note", *people]))
    assert problems(path) == {2: "line 3 has a cell that goes on to line 8 and holds other rows: a quote is stray"}
    assert [row.values["email"] for row in rows(path)] == ["p0@x.example", "p1@x.example", "p7@x.example"]


@pytest.mark.parametrize("odd", ["b@x.example,Bob", "b@x.example,Bob,1,2", "no address,Bob,1"])
def test_a_stray_quote_is_found_where_one_of_three_lines_is_odd(write: Write, odd: str) -> None:
    path = write(f'email,name,note\na@x.example,Ann,"5\n{odd}\nc@x.example,Cy,6"\nd@x.example,Di,7\n')
    assert problems(path)[1] == "line 2 has a cell that goes on to line 4 and holds other rows: a quote is stray"
    assert [row.values["email"] for row in rows(path)][-1] == "d@x.example"


def test_a_stray_quote_is_found_beside_cells_that_are_quoted_and_blank_ones(write: Write) -> None:
    people = ['a@x.example,"Acme, Inc.","n1,', "b@x.example,Acme,n2,", 'c@x.example,"",27",', "d@x.example,Acme,n4,"]
    path = write("\n".join(["email,firm,note,", *people]))
    assert list(problems(path)) == [1] and rows(path)[-1].values["email"] == "d@x.example"


def test_a_quote_within_quotes_is_not_guessed_at(write: Write) -> None:
    path = write('email,name\na@x.example,"The "best" firm"\nb@x.example,B\n')
    assert problems(path) == {1: "line 2 has text behind a closing quote: a quote within a cell is written twice"}
    assert rows(path)[1].values["name"] == "B"


def test_a_nul_is_told(write: Write) -> None:
    path = write("email,name\na@x.example,A\0B\nc@x.example,C\n")
    assert problems(path) == {1: "line 2 holds a NUL character"} and rows(path)[1].values["name"] == "C"


def test_a_line_without_end_is_told_and_skipped(write: Write) -> None:
    path = write("email,name\n" + "x" * 9_000_000 + "\na@x.example,A\n")
    assert problems(path) == {1: "line 2 is longer than 4,000,000 characters"}
    assert rows(path)[1].values["name"] == "A"


@pytest.mark.parametrize(
    ("contents", "name", "said"),
    [
        ("", "a.csv", "is empty"),
        ("\n\n  \n", "a.csv", "is empty"),
        (b"PK\x03\x04....", "a.csv", "Excel workbook or a ZIP"),
        (b"\x1f\x8b\x08", "a.csv", "gzip"),
        (("\ufeff" + PEOPLE).encode("utf-32-le"), "a.csv", "is in UTF-32: save it as UTF-8"),
        (("\ufeff" + PEOPLE).encode("utf-32-be"), "a.csv", "is in UTF-32: save it as UTF-8"),
        (bytes(range(256)) * 9 + bytes(2000), "a.csv", "not a file of text"),
        ("anna@x.example,Anna\nben@x.example,Ben\n", "a.csv", "The first line .* row of data"),
        (",".join(map(str, range(2001))) + "\n", "a.csv", "2,001 columns"),
        ('"open\n', "a.csv", r"The header of a\.csv \(line 1\) has a quote that is not closed"),
        ("email\n", "a.parquet", "not a Parquet file"),
        (b"PAR1" + b"x" * 100, "a.parquet", "damaged, or not whole"),
        ('[\n{"email": 1},\n]\n', "a.jsonl", "one object in each line, no array"),
        ("email\n", "a.jsonl", "no line with a JSON object"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(write: Write, contents: Any, name: str, said: str) -> None:
    path = write(contents, name)
    for ask in (columns_of, rows):
        with pytest.raises(CallError, match=said) as told:
            ask(path)
        assert "\n" not in str(told.value) and str(told.value).endswith(".")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"none\.csv cannot be read: No such file"):
        columns_of(tmp_path / "none.csv")
    with pytest.raises(CallError, match="cannot be read: Is a directory"):
        columns_of(tmp_path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_nul_in_other_kinds_of_files_is_told_too(write: Write, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"leads.{kind}"
    found = [{"email": "a\0b@x.example"}, {"email": "c@x.example"}]
    if kind == "jsonl":
        write("\n".join(map(json.dumps, found)), path.name)
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(found), path)
    said = "line 1" if kind == "jsonl" else "row 1"
    assert problems(path) == {1: f"{said} holds a NUL character"} and rows(path)[0].values == {}
    assert rows(path)[1].values == found[1]


def test_half_a_character_at_the_end_of_utf16_is_told(write: Write) -> None:
    path = write(codecs.BOM_UTF16_LE + "email,name\na@x.example,A\n".encode("utf-16-le") + b"\x41")
    assert rows(path)[0].values == {"email": "a@x.example", "name": "A"}
    assert problems(path) == {2: "line 3 holds a byte that is not UTF-16-LE"}


# restarts


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_numbers_are_the_same_wherever_reading_begins(write: Write, tmp_path: Path, kind: str) -> None:
    emails = [f"p{number}@x.example" for number in range(1, 38)]
    if kind == "csv":
        path = write(
            "email,n\n" + "".join(f'{email},"a\nb"\n\n' if n % 3 else f"{email}\n" for n, email in enumerate(emails))
        )
    elif kind == "jsonl":
        path = write("".join(f'{{"email":"{email}"}}\n\n' for email in emails), "leads.jsonl")
    else:
        path = tmp_path / "leads.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"email": emails}), path, row_group_size=5)
    whole = rows(path)
    assert [row.number for row in whole] == list(range(1, 38))
    assert [row.values["email"] for row in whole] == emails
    for skip in (0, 1, 4, 5, 6, 36, 37, 100):
        assert rows(path, skip=skip, batch=4) == whole[skip:]
    assert [len(batch) for batch in read_rows(path, batch=10)] == [10, 10, 10, 7]


# JSONL


def test_jsonl_is_read_with_what_is_wrong_in_it(write: Write) -> None:
    lines = [
        '{"email": "anja@x.example", "n": 1.50, "big": 12345678901234567890, "yes": true, "no": null}',
        "",
        '{"email": "b@x.example", "tags": ["a", {"b": 1.5}], "extra": "ü"}',
        '{"email": "broken',
        '["a list"]',
        '{"email": "x", "email": "y"}',
        '{"n": NaN}',
        '{"email": "\\ud800"}',
        "[" * 100_000,
        '{"email": "last@x.example"}',
    ]
    path = write("\n".join(lines), "leads.jsonl")
    assert columns_of(path) == ["email", "n", "big", "yes", "no", "tags", "extra"]
    found = rows(path)
    assert found[0].values == {
        "email": "anja@x.example",
        "n": "1.50",
        "big": "12345678901234567890",
        "yes": "true",
        "no": "",
    }
    assert json.loads(found[1].values["tags"]) == ["a", {"b": 1.5}]
    told = problems(path)
    assert list(told) == [3, 4, 5, 6, 7, 8]
    assert told[3].startswith("line 4 is not JSON (") and told[4] == "line 5 is not a JSON object"
    assert "a name twice" in told[5] and "NaN is not JSON" in told[6] and "half of a character" in told[7]
    assert found[-1].values == {"email": "last@x.example"}


# Parquet


def test_parquet_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    table = {
        "email": ["a@x.example", None],
        "employees": [120, None],
        "score": [1.5, 3.0],
        "price": [Decimal("9.90"), None],
        "active": [True, False],
        "since": [date(2026, 1, 2), None],
        "seen": [datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc), None],
        "tags": [["a", "b"], None],
    }
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    assert columns_of(path) == list(table)
    assert rows(path)[0].values == {
        "email": "a@x.example",
        "employees": "120",
        "score": "1.5",
        "price": "9.90",
        "active": "true",
        "since": "2026-01-02",
        "seen": "2026-01-02T03:04:00+00:00",
        "tags": '["a", "b"]',
    }
    assert rows(path)[1].values["email"] == "" and rows(path)[1].values["score"] == "3"


def test_a_cell_of_parquet_that_is_not_text_costs_its_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    text = pyarrow.array([b"A", b"\xff\xfe", b"C"]).view(pyarrow.string())
    pyarrow.parquet.write_table(pyarrow.table({"email": ["a", "b", "c"], "name": text}), path)
    assert list(problems(path)) == [2] and rows(path)[2].values["name"] == "C"


# memory


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.{kind}"
        with path.open("w") as file:
            file.write("email,name\n" if kind == "csv" else "")
            for number in range(count):
                line = f"p{number}@x.example"
                file.write(f"{line},Näme\n" if kind == "csv" else json.dumps({"email": line, "name": "N"}) + "\n")
        tracemalloc.start()
        assert sum(map(len, read_rows(path))) == count
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = peak(2_000), peak(10_000)
    # The text of the file alone would be more, and its rows are four times as much.
    assert large < small + 1_100_000
