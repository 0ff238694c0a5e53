"""Files of text: in which encoding they are written, and their lines, none of which is longer than memory allows."""

from __future__ import annotations

import codecs
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from mcp_instantly.errors import CallError

CHUNK_BYTES = 1 << 20
MAX_LINE_CHARACTERS = 4_000_000
"""Of a line that is read; a longer one is reported, and its rest skipped."""

DAMAGED = re.compile("[\udc80-\udcff\ufffd]")
"""What Python makes of bytes that the encoding does not have, so that the rest of a file can be read."""

WINDOWS = "cp1252"

ENCODING_NAMES = {"utf-8": "UTF-8", "utf-16-le": "UTF-16-LE", "utf-16-be": "UTF-16-BE", WINDOWS: "Windows-1252"}
"""What people call the encodings that are read, by the names that Python has for them."""

_MARK = "\ufeff"
"""The byte order mark, which may stand before the first line and is no part of it."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_OTHER_KINDS = (
    # The mark of UTF-16 LE is how that of UTF-32 LE begins.
    (codecs.BOM_UTF32_LE, "is in UTF-32: save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "is in UTF-32: save it as UTF-8"),
    (b"PK\x03\x04", "is an Excel workbook or a ZIP archive: save the sheet as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook: save the sheet as CSV"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it"),
    (b"%PDF", "is a PDF: save the table as CSV"),
)


@dataclasses.dataclass(frozen=True)
class Encoding:
    """The name that Python has for an encoding, and a sentence where it was guessed."""

    name: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Line:
    """A line with its end, numbered from 1. `problem` says why it cannot be taken as it is."""

    number: int
    text: str
    problem: str = ""


def encoding_of(path: Path) -> Encoding:
    """Which encoding a file is in: by its first bytes, else by all of them, so that the answer is always the same.

    Raises CallError for what is not text, and for an empty file.
    """
    with path.open("rb") as file:
        first = file.read(4096)
    if not first.strip():
        raise CallError(f"{path.name} is empty.")
    for magic, said in _OTHER_KINDS:
        if first.startswith(magic):
            raise CallError(f"{path.name} {said}.")
    for bom, name in _BOMS:
        if first.startswith(bom):
            return Encoding(name)
    # Of text in Latin letters, every other byte of UTF-16 is zero.
    halves = (first[1::2], first[::2])
    for name, zeros, others in (("utf-16-le", *halves), ("utf-16-be", *halves[::-1])):
        if zeros.count(0) > 0.4 * len(zeros) and others.count(0) < 0.1 * len(others):
            return Encoding(name, f"{path.name} says nothing of its encoding and was read as {ENCODING_NAMES[name]}.")
    if first.count(0) > 0.1 * len(first):
        raise CallError(f"{path.name} is not a file of text: give CSV, JSONL or Parquet.")
    return _utf8_or_windows(path)


def _utf8_or_windows(path: Path) -> Encoding:
    """UTF-8 where more of the characters beyond ASCII are valid in it than are not; else Windows-1252."""
    decode = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape").decode
    valid = damaged = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = decode(chunk)
            if not text.isascii():
                wrong = len(_ESCAPED_BYTE.findall(text))
                valid += len(_BEYOND_ASCII.findall(text)) - wrong
                damaged += wrong
    if damaged and damaged >= valid:
        return Encoding(WINDOWS, f"{path.name} is not UTF-8 and was read as Windows-1252: look at names with accents.")
    return Encoding("utf-8")


_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def lines_of(path: Path, encoding: str) -> Iterator[Line]:
    """The lines of a file, at most MAX_LINE_CHARACTERS of each in memory, without NUL characters."""
    # In UTF-16 there is no character for a byte that fits nowhere.
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    with path.open(encoding=encoding, errors=errors, newline="") as file:
        number = 0
        while text := file.readline(MAX_LINE_CHARACTERS):
            number += 1
            text = text.removeprefix(_MARK) if number == 1 else text
            problem = ""
            if len(text) == MAX_LINE_CHARACTERS and not text.endswith(("\n", "\r")):
                problem = f"is longer than {MAX_LINE_CHARACTERS:,} characters"
                text = text[:100]
                _skip_line(file)
            elif "\0" in text:
                problem = "holds a NUL character"
                text = text.replace("\0", "")
            elif not text.isascii() and DAMAGED.search(text):
                problem = f"holds a byte that is not {ENCODING_NAMES[encoding]}"
            yield Line(number, text, problem)


def _skip_line(file: TextIO) -> None:
    while rest := file.readline(MAX_LINE_CHARACTERS):
        if rest.endswith(("\n", "\r")):
            return
