"""The body of a response: read within a bound, checked to be whole, and parsed. It knows no key and no operation."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import AsyncIterable, Mapping
from typing import Any

ENCODINGS = "gzip"
"""What responses may be compressed with (Accept-Encoding)."""


class TooLong(Exception):
    """There is more of the body than was to be read; the rest is left unread."""


class Damaged(Exception):
    """The body cannot be what was sent; the text says why, without a full stop."""


async def read_body(chunks: AsyncIterable[bytes], headers: Mapping[str, str], limit: int) -> bytes:
    """All bytes of a body, decompressed. `headers` have lower-case names.

    Never holds more than `limit` bytes, whatever a compressed body would grow to: raises TooLong. Raises Damaged when
    it is shorter than it says, or compressed otherwise than was asked for.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise Damaged(f"it is compressed as {encoding[:40]!r}, which was not asked for")
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding else None
    parts: list[bytes] = []
    received = size = 0
    async for chunk in chunks:
        received += len(chunk)
        if inflater is not None:
            chunk = _inflate(inflater, chunk, limit + 1 - size)
        size += len(chunk)
        if size > limit:
            raise TooLong
        parts.append(chunk)
    if inflater is not None and received and not inflater.eof:
        raise Damaged("the compressed body is cut")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) != received:
        raise Damaged("it is not as long as it says")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflate(inflater: zlib._Decompress, chunk: bytes, room: int) -> bytes:
    """What a chunk decompresses to, `room` bytes at most. Raises Damaged."""
    try:
        inflated = b"" if inflater.eof else inflater.decompress(chunk, room)
    except zlib.error:
        raise Damaged("the compressed body is damaged") from None
    if inflater.eof and (inflater.unused_data or not inflated):
        raise Damaged("something follows the compressed body")
    return inflated


def to_text(raw: bytes) -> str:
    """The text of a body. JSON is UTF-8 (RFC 8259); the charset of a header could name any codec of Python's."""
    return raw.decode("utf-8", "replace").removeprefix("\ufeff")


def _finite(digits: str) -> float | None:
    """A number of a response; JSON has none that is too large for a float."""
    value = float(digits)
    return value if math.isfinite(value) else None


def _same(value: dict[str, Any]) -> dict[str, Any]:
    return value


_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)

# The decoder keeps the interpreter to itself until it calls a function written in Python. This one is called for every
# object, so that the event loop gets its turn while a thread parses: it then waits 50 ms at most instead of all along
# (measured with 20 MB, which take 0.4 s either way).
_YIELDING_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, object_hook=_same)


def parse_json(text: str, *, in_thread: bool = False) -> Any:
    """The value of a JSON text; NaN, Infinity and numbers beyond a float become None.

    Raises ValueError or RecursionError. `in_thread` lets other threads run meanwhile.
    """
    return (_YIELDING_DECODER if in_thread else _DECODER).decode(text)
