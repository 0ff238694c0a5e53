"""A connection that httptools reads: faster than h11, and bounded here, as its parser bounds nothing by itself."""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcp_instantly.transports.bounds import Bounded

MAX_HEAD_BYTES = 64 * 1024
"""Of the head of a request; and of trailers and the lines between chunks, before some of the body comes."""

PIECE_BYTES = 16 * 1024
"""The parser is given so much at a time, so that what is too long is noticed before it is kept."""


class _Parser(HttpRequestParser):
    """Reads a request that offers another protocol (Upgrade) like any other, as RFC 9110 has it.

    httptools takes its body for what that protocol says, and what comes next for another request. So the head is read
    once more without the offer, by a parser that knows nothing of it.
    """

    def __init__(self, connection: FastConnection):
        super().__init__(connection)
        # As uvicorn's own: a request after one that closes the connection does not take away its response.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._connection = connection

    def feed_data(self, data: Any) -> None:
        parser = self
        while True:
            try:
                super(_Parser, parser).feed_data(data)
                return
            except HttpParserUpgrade as offer:
                data = self._connection.head_without_offer() + data[offer.args[0] :]
                parser = self._connection.parser = _Parser(self._connection)


class FastConnection(Bounded, HttpToolsProtocol):
    """Refuses heads, trailers and lines of chunks without an end. Trailers are not taken for headers."""

    _unread = 0
    """Bytes that came since the parser last told of something that is bounded elsewhere: a head, or some of a body."""

    _in_head = True

    _offers = False
    """Whether the head that was read offers another protocol, and is read again without that."""

    def __init__(self, *given: Any, **more: Any):
        super().__init__(*given, **more)
        self.parser = _Parser(self)

    def head_without_offer(self) -> bytes:
        """The head that was read, as if it offered no other protocol."""
        self._offers = False
        first = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        named = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([first, *named, b"", b""])

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self._unread += len(piece)
            super().data_received(piece)
            if self.transport.is_closing() or self.parser is None:
                return
            if self._unread > MAX_HEAD_BYTES:
                self.send_400_response("The head of the request is too long.")
                return

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unread = 0
        self._offers = self.parser.should_upgrade()
        if not self._offers:
            super().on_headers_complete()
        elif self.parser.get_method() == b"CONNECT":
            raise HttpParserError("There is no tunnel here.")

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        if not self._offers:
            super().on_message_complete()
