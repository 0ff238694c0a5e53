"""What the server talks to: tools that can be called, of one workspace or of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mcp_instantly.results.result import Result
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.workflows import Report, unreported


class Caller(Protocol):
    """Tools as a client sees them, and their calls. An Invoker calls those of one workspace, Workspaces of several.

    `discovery`: the tools of the selection are reached through others. `opens_files`: there are folders whose files may
    be read. `workspaces` are the names from which each call chooses, none where there is but one key.
    """

    discovery: bool
    opens_files: bool
    workspaces: tuple[str, ...]

    @property
    def selection(self) -> Selection: ...

    @property
    def offered(self) -> list[dict[str, Any]]: ...

    @property
    def kept(self) -> dict[str, Any]:
        """What is kept for this caller from one request to the next, and seen by no other."""

    async def invoke(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result: ...

    async def perform(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result: ...

    async def read(self, name: str, arguments: dict[str, Any], seconds: float, **context: Any) -> Any: ...

    def narrowed(self, narrow: Callable[[Selection], Selection]) -> Caller: ...
