"""The requests of a client on stdio that have not been answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import anyio
import mcp_types as types
from mcp.shared.dispatcher import coerce_request_id


@dataclasses.dataclass
class OpenCall:
    """A request that waits for its answer; `count` more than one where a client used its id again."""

    id: types.RequestId
    tool: str | None
    came: float
    count: int = 1


class OpenCalls:
    """The requests that have not been answered."""

    def __init__(self) -> None:
        self.any_answered = False
        self._open: dict[types.RequestId, OpenCall] = {}
        self._none_open: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenCall]:
        return iter(list(self._open.values()))

    def begin(self, identity: types.RequestId, tool: str | None, now: float) -> None:
        key = coerce_request_id(identity)
        if (call := self._open.get(key)) is not None:
            call.count += 1
        else:
            self._open[key] = OpenCall(identity, tool, now)

    def find(self, identity: types.RequestId | None) -> OpenCall | None:
        return None if identity is None else self._open.get(coerce_request_id(identity))

    def end(self, identity: types.RequestId | None) -> None:
        self.any_answered = True
        if (call := self.find(identity)) is not None:
            call.count -= 1
            if not call.count:
                self.drop(identity)

    def drop(self, identity: Any) -> None:
        if isinstance(identity, (str, int)):
            self._open.pop(coerce_request_id(identity), None)
            if self._none_open is not None and not self._open:
                self._none_open.set()
                self._none_open = None

    async def all_answered(self) -> None:
        if self._open:
            if self._none_open is None:
                self._none_open = anyio.Event()
            await self._none_open.wait()
