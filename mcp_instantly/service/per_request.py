"""Whoever calls tools for a request, where each request may be for another one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from mcp_instantly.caller import Caller
from mcp_instantly.results.result import Result
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.workflows import Report, unreported

_caller: ContextVar[Caller] = ContextVar("caller")


@contextlib.contextmanager
def calling_through(caller: Caller) -> Iterator[None]:
    """The calls inside go to this one."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


class PerRequest:
    """Tools as `template` has them, which has no key; each call goes to the caller of its request alone."""

    workspaces: tuple[str, ...] = ()

    def __init__(self, template: Caller):
        self._template = template
        self.discovery = template.discovery
        self.opens_files = template.opens_files

    @property
    def selection(self) -> Selection:
        return self._template.selection

    @property
    def offered(self) -> list[dict[str, Any]]:
        return self._template.offered

    @property
    def kept(self) -> dict[str, Any]:
        return _caller.get().kept

    async def invoke(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result:
        return await _caller.get().invoke(name, arguments, report=report, **context)

    async def perform(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result:
        return await _caller.get().perform(name, arguments, report=report, **context)

    async def read(self, name: str, arguments: dict[str, Any], seconds: float, **context: Any) -> Any:
        return await _caller.get().read(name, arguments, seconds, **context)

    def narrowed(self, narrow: Callable[[Selection], Selection]) -> PerRequest:
        return PerRequest(self._template.narrowed(narrow))
