"""What tests share: the catalogue, a sandbox, and a real client that is connected to our server in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import gc
import itertools
import json
import logging
import os
import re
import signal
import ssl
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import certifi
import httpx
import pytest
import starlette.routing
import structlog
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.discovery import Discovery
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.invocation import Invoker
from mcp_instantly.jobs.service import Service
from mcp_instantly.sandbox import Clock, World, create_app, demo_world
from mcp_instantly.sandbox.worlds.building import build_workspaces
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import Catalog, Selection, load_catalog, select

from .processes import ended, forking, own_variables, start
from .xdist_workers import (
    pytest_sessionstart,
    pytest_xdist_auto_num_workers,
    pytest_xdist_setupnodes,
    spread_long_modules,
)

__all__ = ["pytest_sessionstart", "pytest_xdist_auto_num_workers", "pytest_xdist_setupnodes"]

ROOT = Path(__file__).parent.parent

AUTHORITY = str(ROOT / "tests" / "authority.pem")
OF_THE_SYSTEM = ssl.get_default_verify_paths()
OF_THE_WORLD = {certifi.where(), os.environ.get("SSL_CERT_FILE")}


def _trust_one(make: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    """No test asks anybody beyond this machine, and to read all authorities of the world takes each client 20 ms."""

    def made(*purpose: Any, cafile: str | None = None, **more: Any) -> ssl.SSLContext:
        return make(*purpose, cafile=AUTHORITY if cafile and cafile in OF_THE_WORLD else cafile, **more)

    return made


ssl.create_default_context = _trust_one(ssl.create_default_context)
ssl.get_default_verify_paths = lambda: OF_THE_SYSTEM._replace(openssl_cafile=AUTHORITY)

# Every application over a world compiles the same paths.
starlette.routing.compile_path = functools.cache(starlette.routing.compile_path)

# uvicorn looks ten times a second whether it is to end, and twice more at its end; who ends a server waits for it.
uvicorn.server.asyncio = types.SimpleNamespace(
    **{**vars(asyncio), "sleep": lambda seconds: asyncio.sleep(seconds / 10)}
)

FOLDERS = itertools.count(1)

Connect = Callable[..., contextlib.AbstractAsyncContextManager[Client]]


def pytest_configure() -> None:
    """A shell starts what it puts into the background deaf to Ctrl-C, and so would be every process of a test.

    Nor may a test find what the person at this machine has stored.
    """
    # What is collected stays: the rounds of the garbage collector begin with the tests.
    gc.disable()
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # What one of many processes has compiled, the next ones read.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["XDG_CONFIG_HOME"] = str(ROOT / ".pytest_cache" / "nothing")
    print_events_plainly()


def print_events_plainly() -> None:
    """Without the colors and columns of structlog, which take longer than many a call."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=repr),
        ]
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="Of the cases of each test, run every Nth, the first always.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave cases out as --every says; a test without cases always runs."""
    every = config.getoption("--every")
    seen: dict[str, int] = {}
    left, out = [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        place = seen[name] = seen.get(name, -1) + 1
        (left if place % every == 0 else out).append(item)
        cases = getattr(item.function, "cases", {})  # type: ignore[attr-defined]
        for number, case in enumerate(list(cases)):
            if number % every:
                del cases[case]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = left
    spread_long_modules(config, items)


def pytest_collection_finish() -> None:
    """Keep what all tests share out of the garbage collector's rounds, and have fewer of them."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have recorded, sizes for instance."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@functools.cache
def everything() -> Selection:
    """All tools; selections do not change."""
    return select(load_catalog(), toolsets=["all"])


@functools.cache
def prepared_contents(scenario: str) -> tuple[dt.datetime, bytes]:
    """The first instant of a scenario and what its admin workspace begins with: to build them takes ten times as long
    as to copy them."""
    world = build_workspaces(scenario).home
    return world.now(), world.copy_contents()


def fresh_world(scenario: str = "demo") -> World:
    """The admin workspace of a scenario as it begins, with a frozen clock; only the demo can be reset."""
    if scenario == "demo":
        return demo_world()
    start, contents = prepared_contents(scenario)
    world = World(clock=Clock(start))
    world.take_contents(contents)
    return world


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own. pytest's fixture looks at those of all tests before it to find the next number."""
    number = next(FOLDERS)
    path = tmp_path_factory.getbasetemp() / f"{number}_{re.sub(r'[^0-9A-Za-z_]', '_', request.node.name)[:30]}"
    path.mkdir()
    return path


@pytest.fixture
def world() -> World:
    """The demo workspace, with a frozen clock."""
    return fresh_world()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The sandbox's, with whole records in answers, which are as the API gives them, and a folder with an export."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "leads.csv").write_text("email,status\nana@x.example,1\nben@x.example,3\ncem@x.example,1\n")
    return Settings(
        base_url=SANDBOX_URL,
        api_key=SANDBOX_KEY,
        sandbox=True,
        full=True,
        raw_text=True,
        reveal_secrets=True,
        files=(files,),
    )


@pytest.fixture
def connect(world: World, catalog: Catalog, settings: Settings, tmp_path: Path) -> Connect:
    """`async with connect() as client`: mcp.Client, our server, the sandbox in process. Keywords go to select(), but
    for `guards` and `lock`, `discovery`, with which the tools are behind four, `works_on_jobs`, `broken`, an operation
    that the sandbox fails, and `client`, with what the client is made of.
    """

    @contextlib.asynccontextmanager
    async def connected(
        *,
        mode: str = "auto",
        guards: Sequence[Guard] = (),
        lock: CampaignLock = UNLOCKED,
        discovery: bool = False,
        works_on_jobs: bool = False,
        broken: str | None = None,
        client: Mapping[str, Any] = MappingProxyType({}),
        **chosen: Any,
    ) -> AsyncIterator[Client]:
        selection = select(catalog, **chosen) if chosen else everything()
        app = create_app(world)
        if broken:
            app.workspaces.faults.add(every=1, operation=broken, status=500)
        transport = httpx.ASGITransport(app)
        kind = Discovery if discovery else Invoker
        drafts = Drafts(tmp_path / "drafts.sqlite", settings.api_key)
        jobs = Service(f"sqlite:///{tmp_path / 'jobs.sqlite'}", [tmp_path], works=works_on_jobs)
        mine = jobs.jobs_of(settings.api_key, "sandbox")
        async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
            invoker = kind(selection, http, settings, guards, lock, drafts=drafts, jobs=mine)
            async with jobs.at_work([invoker]), Client(build_server(invoker), mode=mode, **client) as connection:
                yield informed(connection, selection)

    return connected


def informed(client: Client, selection: Selection) -> Client:
    """The client, as one that has listed the tools already: with its first call it would otherwise list them by itself,
    which takes ten times as long as the call."""
    client.session._tool_output_schemas.update(dict.fromkeys(selection.tools))
    return client


def answer_of(result: Any) -> Any:
    """What a model reads of a call that worked: the only block of its result, which is JSON text."""
    (block,) = result.content
    assert not result.is_error, block.text
    return json.loads(block.text)


@dataclasses.dataclass
class Connected:
    """A client that is connected to a server, as a test asks it."""

    client: Client

    async def call(self, tool: str, **arguments: Any) -> Any:
        """What a call that worked answers."""
        return answer_of(await self.client.call_tool(tool, arguments))

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The text of a call that is an error."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        return str(result.content[0].text)


async def no_sleep(_: float) -> None:
    """Waits between attempts, in no time."""


@pytest.fixture
def events() -> Any:
    """The log events of a test, as dictionaries."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """For a test that configures logging: afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    print_events_plainly()


def command(*arguments: str, **environment: str) -> StdioServerParameters:
    """`mcp-instantly ARGUMENTS` as a subprocess of this interpreter, with nothing of Instantly's in its environment."""
    return StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_instantly", *arguments], env=environment, cwd=str(ROOT)
    )


@contextlib.asynccontextmanager
async def over_stdio(server: StdioServerParameters, errlog: Any = None) -> AsyncIterator[Any]:
    """For Client(): a server that the SDK starts, which is a fork of this process. Tests that are about the start
    itself use the stdio_client() of the SDK.
    """
    alike = server.model_copy(update={"env": own_variables(os.environ) | (server.env or {})})
    with forking():
        async with stdio_client(alike, errlog=errlog or sys.stderr) as streams:
            yield streams


def clean_environment(**added: str) -> dict[str, str]:
    """This process's environment without any setting of the server, and with `added`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("INSTANTLY_")} | added


@contextlib.contextmanager
def served(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`mcp-instantly ARGUMENTS` on a free port: the process and the URL that its first event names."""
    process = start(
        *arguments,
        "--port",
        "0",
        environment=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with served_by(process) as url:
        yield process, url


@contextlib.contextmanager
def served_by(process: subprocess.Popen[str]) -> Iterator[str]:
    """The URL that the first event of a process names, which ends afterwards."""
    try:
        with ended(process):
            line = process.stderr.readline()
            found = re.search(r"http://[^\s\",]+", line)
            assert found, f"the server did not start: {line}"
            yield found[0]
    finally:
        process.communicate()
