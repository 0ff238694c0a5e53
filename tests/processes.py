"""`python -m mcp_instantly` as a process of its own, started a hundred times without a hundred imports of the SDK.

Where it can, a process is a fork of this one, which has imported everything already: it has its own pipes, signals,
folder and environment, and goes through `main()` to its exit status like any other. What is about the start itself (the
examples, the commands on the pages, hosts that are driven by the SDK, an installed wheel) starts Python anew.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import faulthandler
import gc
import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.api.network import TLS_VARIABLES, certificates_of

ROOT = Path(__file__).parent.parent

HEAVY = (
    *("cli", "api.client", "commands.demo", "diagnosis.host_check", "diagnosis.reach", "diagnosis.trial"),
    *("invocation", "sandbox", "server", "service.web", "transports.stdio"),
)
"""Modules that a command imports when it needs them."""

COMMAND = [sys.executable, "-m", "mcp_instantly"]
MAIN = "mcp_instantly.cli:main"

NewProcess = subprocess.Popen
"""What starts a new interpreter, also while processes are forked in its place."""


def start(
    *arguments: str, environment: Mapping[str, str], fork: bool = True, main: str = MAIN, **more: Any
) -> subprocess.Popen[Any]:
    """`mcp-instantly ARGUMENTS` under way, or another function with these arguments in `sys.argv`, `module:function`;
    keywords go to Popen. Python's own variables need a new interpreter."""
    module, _, function = main.partition(":")
    named = COMMAND if main == MAIN else [sys.executable, "-c", f"from {module} import {function}; {function}()"]
    command = [*named, *arguments]
    more = {"cwd": ROOT, "env": environment} | more
    if not (fork and can_fork(environment)):
        return NewProcess(command, **more)
    load()
    with without_warnings_of_threads():
        return subprocess.Popen(command, preexec_fn=lambda: become(arguments, environment, main), **more)


def run(
    *arguments: str, environment: Mapping[str, str], stdin: Any = None, text: bool = True, **more: Any
) -> subprocess.CompletedProcess[Any]:
    """`mcp-instantly ARGUMENTS` to its end, which comes within a minute; keywords go to start()."""
    pipes = {"stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE}
    pipes |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = start(*arguments, environment=environment, text=text, **pipes, **more)
    with process, ended(process):
        out, err = process.communicate(stdin)
        code = process.wait()
    assert code != -signal.SIGKILL, f"not at its end after a minute: {arguments}"
    return subprocess.CompletedProcess(arguments, code, out, err)


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


@contextlib.contextmanager
def without_warnings_of_threads() -> Iterator[None]:
    """Newer Pythons warn of threads of the parent; the child waits for none of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def load() -> None:
    for name in HEAVY:
        importlib.import_module(f"mcp_instantly.{name}")
    # Certificates take as long to read as some commands take in all.
    certificates_of(False, *[None for _ in TLS_VARIABLES])


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a fork would be what a new interpreter is in this environment."""
    return sys.platform == "linux" and own_variables(environment) == own_variables(os.environ)


def own_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What only a new interpreter heeds; where the package is, a fork knows."""
    found = {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    found.pop("PYTHONIOENCODING", None)
    return {name: value for name, value in found.items() if (name, value) != ("PYTHONPATH", str(ROOT))}


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Within, our command is forked whoever starts it."""
    before = subprocess.Popen
    subprocess.Popen = Offspring  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = before  # type: ignore[misc]


class Offspring(subprocess.Popen[Any]):
    """A process that a fork starts: a fork too, where it is our command."""

    def __init__(self, args: Any, **more: Any):
        environment = dict(os.environ if more.get("env") is None else more["env"])
        ours = isinstance(args, (list, tuple)) and list(args[:3]) == COMMAND and more.get("preexec_fn") is None
        if ours and can_fork(environment):
            arguments = tuple(args[3:])
            load()
            more["preexec_fn"] = lambda: become(arguments, environment)
        with without_warnings_of_threads():
            super().__init__(args, **more)


def become(arguments: tuple[str, ...], environment: Mapping[str, str], main: str = MAIN) -> None:
    """In a fork whose pipes and folder are set: be the command, and never return."""
    code = 1
    try:
        gc.freeze()
        faulthandler.disable()
        atexit._clear()
        forget_the_parent()
        os.closerange(3, 4096)
        os.environ.clear()
        os.environ.update(environment)
        subprocess.Popen = Offspring  # type: ignore[misc]
        sys.argv = ["mcp-instantly", *arguments]
        encoding = environment.get("PYTHONIOENCODING", "utf-8")
        sys.stdin = open(0, encoding=encoding, errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
        module, _, function = main.partition(":")
        code = status_of(getattr(importlib.import_module(module), function))
        threading._shutdown()
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def status_of(main: Callable[[], None]) -> int:
    try:
        contextvars.Context().run(main)
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
