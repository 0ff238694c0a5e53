"""A connection that httptools reads: faster than h11, and bounded here, as its parser bounds nothing by itself."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mcp_instantly.transports.bounds import Bounded

MAX_HEAD_BYTES = 64 * 1024
"""Of the head of a request; and of trailers and the lines between chunks, before some of the body comes."""

PIECE_BYTES = 16 * 1024
"""The parser is given so much at a time, so that what is too long is noticed before it is kept."""


class FastConnection(Bounded, HttpToolsProtocol):
    """Refuses heads, trailers and lines of chunks without an end. Trailers are not taken for headers."""

    _unread = 0
    """Bytes that came since the parser last told of something that is bounded elsewhere: a head, or some of a body."""

    _in_head = True

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
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread = 0
        super().on_message_complete()
