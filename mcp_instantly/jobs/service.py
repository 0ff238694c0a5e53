"""Jobs in a server: their database is opened, and the engine started, once there is something to do."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.ledger import data_folder
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.jobs import Jobs
from mcp_instantly.log import get_logger

if TYPE_CHECKING:
    from mcp_instantly.jobs.job import Job
    from mcp_instantly.jobs.store import Store
    from mcp_instantly.workflows import Context


class Opener(Protocol):
    """What calls tools with a key."""

    def open_work(self, name: str, arguments: dict[str, Any], **context: Any) -> Context:
        """What a job that a tool has started reaches the API through."""


TOOL = "start_job"
"""The tool whose work goes on in a job."""


def default_url() -> str:
    """A file in the user's data folder."""
    return f"sqlite:///{data_folder() / 'jobs.sqlite3'}"


class Service:
    """The jobs of one or several keys. With `works`, this process works on them."""

    def __init__(self, url: str | None, files: Sequence[Path], *, works: bool):
        self._url = url
        self._folders = Folders(files)
        self._works = works
        self._wanted: anyio.Event | None = None
        self._jobs: list[Jobs] = []

    @functools.cached_property
    def _store(self) -> Store:
        from mcp_instantly.jobs.store import Store

        return Store(self._url or default_url())

    def jobs_of(self, api_key: str, place: str) -> Jobs:
        """The jobs of a key; those of all keys have one database."""
        found = Jobs(lambda: self._store, api_key, place, self._folders, self._wake if self._works else None)
        self._jobs.append(found)
        return found

    def _wake(self) -> None:
        if self._wanted:
            self._wanted.set()

    @contextlib.asynccontextmanager
    async def at_work(self, invokers: Iterable[Opener], *, now: bool = False) -> AsyncIterator[None]:
        """Work on jobs while the context is open, from the first that there is on; with `now`, from its beginning, and
        raise ConfigError where that cannot be.
        """
        if not self._works:
            yield
            return
        self._wanted = anyio.Event()
        owners = list(zip(self._jobs, invokers, strict=True))
        try:
            if now:
                async with (await self._engine(owners)).at_work():
                    yield
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._work_when_wanted, owners)
                yield
                tasks.cancel_scope.cancel()
        finally:
            if "_store" in vars(self):
                self._store.close()

    async def _work_when_wanted(self, owners: list[tuple[Jobs, Opener]]) -> None:
        assert self._wanted is not None
        try:
            if not await anyio.to_thread.run_sync(self._has_work):
                await self._wanted.wait()
            async with (await self._engine(owners)).at_work():
                await anyio.sleep_forever()
        except ConfigError as error:
            get_logger().error("jobs_not_worked_on", reason=str(error))

    def _has_work(self) -> bool:
        """Whether jobs were left by a process that is gone. No database is made to find out."""
        url = self._url or default_url()
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
            return False
        return bool(self._store.open_jobs([jobs.owner for jobs in self._jobs]))

    async def _engine(self, owners: list[tuple[Jobs, Opener]]) -> Any:
        def load() -> Any:
            from mcp_instantly.jobs.engine import Engine

            return Engine(self._store, {jobs.owner: _opener(invoker) for jobs, invoker in owners}, self._folders)

        # DBOS takes a second to import; calls go on meanwhile.
        return await anyio.to_thread.run_sync(load)


def _opener(invoker: Opener) -> Callable[[Job], Context]:
    def opened(job: Job) -> Context:
        return invoker.open_work(TOOL, {job.kind: job.arguments}, job_id=job.id, client_name="mcp-instantly jobs")

    return opened
