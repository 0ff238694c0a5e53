"""Jobs in a server: their database is opened, and the engine started, once there is something to do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.to_thread import run_sync as in_thread

from mcp_instantly.errors import ConfigError
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.jobs import Jobs
from mcp_instantly.log import get_logger
from mcp_instantly.private_file import data_folder

if TYPE_CHECKING:
    from mcp_instantly.jobs.job import Job
    from mcp_instantly.jobs.store import Store
    from mcp_instantly.workflows import Context


class Opener(Protocol):
    """What calls tools with a key."""

    def open_work(self, name: str, arguments: dict[str, Any], **context: Any) -> Context:
        """What a job that a tool has started reaches the API through."""


START_SECONDS = 5.0
"""How long a call that starts a job waits until it is known whether this process can work on it."""

TOOL = "start_job"
"""The tool whose work goes on in a job."""


def default_file() -> Path:
    """In the user's data folder."""
    return data_folder() / "jobs.sqlite3"


class Service:
    """The jobs of one or several keys. With `works`, this process works on them."""

    def __init__(self, url: str | None, files: Sequence[Path], *, works: bool):
        self._url = url
        self._folders = Folders(files)
        self._works = works
        self._wanted: anyio.Event | None = None
        self._known = anyio.Event()
        self._trouble: str | None = None
        self._jobs: list[Jobs] = []
        self._opened: Store | None = None
        self._opening = threading.Lock()

    @property
    def _store(self) -> Store:
        """The database, opened once, by whichever thread comes first. Raises ConfigError."""
        from mcp_instantly.jobs.store import Store

        with self._opening:
            if self._opened is None:
                self._opened = Store(self._url or f"sqlite:///{default_file()}")
            return self._opened

    def jobs_of(self, api_key: str, place: str) -> Jobs:
        """The jobs of a key; those of all keys have one database."""
        found = Jobs(lambda: self._store, api_key, place, self._folders, self._wake if self._works else None)
        self._jobs.append(found)
        return found

    async def _wake(self) -> str | None:
        """Have this process work on jobs. What keeps it from that, where it is known soon."""
        if self._wanted is None:
            return None
        if not self._wanted.is_set():
            self._known, self._trouble = anyio.Event(), None
            self._wanted.set()
        with anyio.move_on_after(START_SECONDS):
            await self._known.wait()
        return self._trouble

    @contextlib.asynccontextmanager
    async def at_work(self, invokers: Iterable[Opener], *, now: bool = False) -> AsyncIterator[None]:
        """Work on jobs while the context is open, from the first that there is on; with `now`, from its beginning, and
        raise ConfigError where that cannot be.
        """
        if not self._works:
            yield
            return
        owners = list(zip(self._jobs, invokers, strict=True))
        try:
            if now:
                with _alone():
                    async with (await self._engine(owners)).at_work():
                        yield
                return
            self._wanted = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._work_when_wanted, owners)
                yield
                tasks.cancel_scope.cancel()
        finally:
            if self._opened is not None:
                self._opened.close()

    async def _work_when_wanted(self, owners: list[tuple[Jobs, Opener]]) -> None:
        """Work on jobs for ever. What goes wrong is logged, ends nothing else, and is tried again with the next job."""
        assert self._wanted is not None
        while True:
            try:
                if not await in_thread(self._has_work):
                    await self._wanted.wait()
                self._wanted.set()
                async with (await self._engine(owners)).at_work():
                    self._known.set()
                    await anyio.sleep_forever()
            except Exception as error:
                found = _cause(error)
                self._trouble = str(found) if isinstance(found, ConfigError) else f"{type(found).__name__}, see the log"
                get_logger().error("jobs_not_worked_on", reason=self._trouble, exc_info=error)
                self._known.set()
                self._wanted = anyio.Event()
            await self._wanted.wait()

    def _has_work(self) -> bool:
        """Whether jobs were left by a process that is gone. No database is made to find out."""
        file: Path | None = default_file()
        if self._url:
            from mcp_instantly.jobs.database import file_of

            file = file_of(self._url)
        if file is not None and not file.exists():
            return False
        return bool(self._store.open_jobs([jobs.owner for jobs in self._jobs]))

    async def _engine(self, owners: list[tuple[Jobs, Opener]]) -> Any:
        def load() -> Any:
            from mcp_instantly.jobs.engine import Engine

            return Engine(self._store, {jobs.owner: _opener(invoker) for jobs, invoker in owners}, self._folders)

        # DBOS takes a second to import; calls go on meanwhile.
        return await in_thread(load)


def _cause(error: BaseException) -> BaseException:
    """The first error of a group, which is what went wrong; the error itself where it is none."""
    while inner := getattr(error, "exceptions", None):
        error = inner[0]
    return error


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """A ConfigError out of the engine's task groups comes as it was raised."""
    try:
        yield
    except Exception as error:
        found = _cause(error)
        if isinstance(found, ConfigError):
            raise found from None
        raise


def _opener(invoker: Opener) -> Callable[[Job], Context]:
    def opened(job: Job) -> Context:
        return invoker.open_work(TOOL, {job.kind: job.arguments}, job_id=job.id, client_name="mcp-instantly jobs")

    return opened
