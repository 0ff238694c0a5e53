"""`python -m mcp_instantly` as a process of its own, started a hundred times without a hundred imports of the SDK.

Where it can, a process is a fork of this one, which has imported everything already: it has its own pipes, signals,
folder and environment, and goes through `main()` to its exit status like any other. So is, where a test asks for it, a
script. What is about the start itself (the first examples, hosts that are driven by the SDK, an installed wheel) starts
Python anew.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import faulthandler
import functools
import gc
import importlib
import inspect
import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp.client.stdio import stdio_client

from mcp_instantly.cli import main
from mcp_instantly.sandbox import create_app, demo_world
from mcp_instantly.tools.catalog import load_catalog

ROOT = Path(__file__).parent.parent

HEAVY = (
    *("api.client", "budgets.budgets", "commands.demo", "diagnosis.host_check", "diagnosis.reach", "diagnosis.trial"),
    *("guards.policy_file", "guards.repeats", "hosts.entries", "hosts.yaml_text", "hosts.toml_text", "invocation"),
    *("guards.draft_form", "hosting", "hosts.advice", "hosts.changes", "sandbox.storage.journal", "service.watch"),
    *("server", "service.web", "transports.fast_connection", "transports.stdio"),
)
HEAVY_OF_OTHERS = (
    *("anyio._backends._asyncio", "aiohappyeyeballs", "httpcore", "ruamel.yaml", "tomlkit"),
    "uvicorn.protocols.http.httptools_impl",
    # The lock that it registers for forks must not come while one is under way.
    "concurrent.futures.thread",
)
"""Modules that a command imports when it needs them."""

WITH_JOBS = {"all", "jobs", "worker"}
"""Words of a command that has to do with jobs, whose engine takes most of a second to import."""

COMMAND = [sys.executable, "-m", "mcp_instantly"]
FUNCTION = re.compile(r"from ([\w.]+) import (\w+); \2\(\)")
"""How a function is run with `python -c`."""

FROM_STDIN = "import sys;exec(eval(sys.stdin.readline()))"
"""How execnet, through which pytest-xdist starts its workers, has a new interpreter take its program."""

FIRST_STDERR = inspect.signature(stdio_client).parameters["errlog"].default
"""What the SDK takes for stderr: that of the process which imported it."""

FULL_AT_BYTES = 3_000_000

NewProcess = subprocess.Popen
"""What starts a new interpreter, also while processes are forked in its place."""

FORKING: set[object] = set()
"""One for each forking() that has not ended."""


def start(
    *arguments: str, environment: Mapping[str, str], fork: bool = True, main: str | None = None, **more: Any
) -> subprocess.Popen[Any]:
    """`mcp-instantly ARGUMENTS` under way, or another function with these arguments in `sys.argv`, `module:function`;
    keywords go to Popen. Python's own variables need a new interpreter."""
    named = COMMAND
    if main is not None:
        module, _, function = main.partition(":")
        named = [sys.executable, "-c", f"from {module} import {function}; {function}()"]
    more = {"cwd": ROOT, "env": environment} | more
    return (Offspring if fork else NewProcess)([*named, *arguments], **more)


def start_heard(*arguments: str, environment: Mapping[str, str], **more: Any) -> subprocess.Popen[Any]:
    """The same with nothing to read, and pipes for what it prints, as text if nothing else is said."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return start(*arguments, environment=environment, **(pipes | more))


def run(
    *arguments: str, environment: Mapping[str, str], stdin: Any = None, text: bool = True, **more: Any
) -> subprocess.CompletedProcess[Any]:
    """`mcp-instantly ARGUMENTS` to its end, which comes within a minute; keywords go to start()."""
    pipes = {} if stdin is None else {"stdin": subprocess.PIPE}
    process = start_heard(*arguments, environment=environment, text=text, **pipes, **more)
    with process, ended(process):
        out, err = process.communicate(stdin)
        code = process.wait()
    assert code != -signal.SIGKILL, f"not at its end after a minute: {arguments}"
    return subprocess.CompletedProcess(arguments, code, out, err)


def interrupted(question: str, *arguments: str, environment: Mapping[str, str], **more: Any) -> tuple[int, str]:
    """`mcp-instantly ARGUMENTS` at a terminal, ended by one Ctrl-C at a question: its exit status, and what it says."""
    import pty

    master, slave = pty.openpty()
    pipes: dict[str, Any] = {"stdin": slave, "stderr": subprocess.STDOUT, "text": False, "bufsize": 0}
    process = start_heard(*arguments, environment=environment, start_new_session=True, **(pipes | more))
    with process, ended(process, 30):
        said = b""
        while question.encode() not in said:
            character = process.stdout.read(1) if process.stdout else b""
            assert character, said
            said += character
        # A signal that comes shortly before the read of the answer would be heard only after it.
        until(lambda: system_call(process)[1:2] == ["0x0"], 30)
        process.send_signal(signal.SIGINT)
        said += process.communicate()[0]
    os.close(master)
    os.close(slave)
    return process.returncode, said.decode()


def system_call(process: subprocess.Popen[Any]) -> list[str]:
    """The number of the system call that its main thread waits in, and the arguments; of a read, stdin's is `0x0`."""
    return Path(f"/proc/{process.pid}/syscall").read_text().split()


def fill_disk() -> None:
    """As `preexec_fn`: have no file of the process grow further, as on a disk that is full."""
    resource = importlib.import_module("resource")
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, FULL_AT_BYTES))


@contextlib.contextmanager
def ended(process: subprocess.Popen[Any], seconds: float = 60) -> Iterator[None]:
    """Afterwards, or at the latest after so many seconds, the process is gone: whatever is read from it ends."""
    watch = threading.Timer(seconds, process.kill)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        process.kill()
        process.wait()


def until(holds: Callable[[], Any], seconds: float) -> None:
    """Wait for something that another process does, so many seconds at most."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextlib.contextmanager
def without_warnings_of_threads() -> Iterator[None]:
    """Newer Pythons warn of threads of the parent; the child waits for none of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@functools.cache
def load() -> None:
    """Import and read here what every fork would import and read for itself."""
    for name in (*(f"mcp_instantly.{name}" for name in HEAVY), *HEAVY_OF_OTHERS):
        importlib.import_module(name)
    load_catalog()
    for _ in range(2):  # from the third on, it is copied
        create_app(demo_world()).close()


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a fork would be what a new interpreter is in this environment."""
    return sys.platform == "linux" and own_variables(environment) == own_variables(os.environ)


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What only a new interpreter heeds; where the package is, a fork knows."""
    found = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    for name in ("PYTHONIOENCODING", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        found.pop(name, None)
    # Where nothing is said, Python takes the locale C.UTF-8 by itself; a query is told where this process looks.
    places = [("PYTHONPATH", str(ROOT)), ("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))]
    same = [*places, ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("LC_CTYPE", "C.UTF-8")]
    return dict(found.items() - same)


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Within, our command and scripts are forked, whoever starts them; until the last of those that overlap ends."""
    within = object()
    FORKING.add(within)
    subprocess.Popen = Offspring  # type: ignore[misc]
    try:
        yield
    finally:
        FORKING.remove(within)
        if not FORKING:
            subprocess.Popen = NewProcess  # type: ignore[misc]


class Offspring(subprocess.Popen[Any]):
    """A process that is a fork where it can be, as are those that it starts."""

    def __init__(self, args: Any, **more: Any):
        environment = dict(os.environ if more.get("env") is None else more["env"])
        program = program_of(args) if can_fork(environment) else None
        prepare = more.get("preexec_fn") or (lambda: None)

        def enter() -> None:
            prepare()
            become(*program, environment)

        if program:
            load()
            if not WITH_JOBS.isdisjoint(program[1]):
                importlib.import_module("mcp_instantly.jobs.engine")
            more["preexec_fn"] = enter
        with without_warnings_of_threads():
            super().__init__(args, **more)


def program_of(args: Any) -> tuple[Callable[[], Any], list[str]] | None:
    """What a command in Python runs, and its `sys.argv`; None for another command."""
    if not isinstance(args, (list, tuple)) or len(args) < 2 or args[0] != sys.executable:
        return None
    if list(args[1:3]) == ["-m", "mcp_instantly"]:
        return main, ["mcp-instantly", *args[3:]]
    if list(args[1:5]) == ["-S", "-X", "utf8", "-m"]:
        # A query, which goes without what a start of Python does.
        return importlib.import_module(args[5]).main, list(args[5:])
    if list(args[1:]) == ["-u", "-c", FROM_STDIN]:
        return be_worker, ["-c"]
    if args[1] == "-c" and (named := FUNCTION.fullmatch(args[2])):
        return getattr(importlib.import_module(named[1]), named[2]), ["-c", *args[3:]]
    if str(args[1]).endswith(".py"):
        return functools.partial(runpy.run_path, args[1], run_name="__main__"), list(args[1:])
    return None


def be_worker() -> None:
    """A worker of pytest-xdist: in its tests, processes start anew again where nobody asks for a fork."""
    subprocess.Popen = NewProcess  # type: ignore[misc]
    exec(FROM_STDIN, {})


def become(program: Callable[[], Any], argv: list[str], environment: Mapping[str, str]) -> None:
    """In a fork whose pipes and folder are set: be the program, and never return."""
    code = 1
    try:
        gc.freeze()
        faulthandler.disable()
        atexit._clear()
        forget_the_parent()
        os.closerange(3, 4096)
        os.dup2(2, FIRST_STDERR.fileno())
        os.environ.clear()
        os.environ.update(environment)
        subprocess.Popen = Offspring  # type: ignore[misc]
        sys.argv = argv
        encoding = environment.get("PYTHONIOENCODING", "utf-8")
        sys.stdin = open(0, encoding=encoding, errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
        code = status_of(program)
        threading._shutdown()
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def status_of(program: Callable[[], Any]) -> int:
    try:
        contextvars.Context().run(program)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def forget_the_parent() -> None:
    """Its event loop, handlers of signals and of logs, and filters of warnings."""
    asyncio._set_running_loop(None)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
