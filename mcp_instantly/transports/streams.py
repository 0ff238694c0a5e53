"""Two functions as the streams that the SDK reads messages from and writes answers to, without queues in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

T = TypeVar("T")
Self = TypeVar("Self", bound="_Stream")


class _Stream:
    async def aclose(self) -> None:
        """There is nothing to close: what the functions work on is not the stream's own."""

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class ReadStream(_Stream, Generic[T]):
    """Messages from a function that waits for the next one, and returns None at the end."""

    def __init__(self, read: Callable[[], Awaitable[T | None]]):
        self._read = read
        self._ended = False

    async def receive(self) -> T:
        """The next message. Raises anyio.EndOfStream after the last."""
        item = None if self._ended else await self._read()
        if item is None:
            self._ended = True
            raise anyio.EndOfStream
        return item

    def __aiter__(self) -> ReadStream[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class WriteStream(_Stream, Generic[T]):
    """Messages to a function that returns once it has taken one."""

    def __init__(self, write: Callable[[T], Awaitable[None]]):
        self._write = write

    async def send(self, item: T, /) -> None:
        await self._write(item)
