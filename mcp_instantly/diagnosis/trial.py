"""One start of the server as a host would do it: over stdio, to the list of its tools."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc

from mcp_instantly import __version__
from mcp_instantly.diagnosis.finding import Finding, fail, ok, warn
from mcp_instantly.redaction import Redactor
from mcp_instantly.text import shorten

TRIAL_SECONDS = 30.0
SLOW_SECONDS = 10.0
"""Some hosts give a server ten seconds to start."""

END_SECONDS = 1.0
"""How long a server that has closed its pipes may take to be gone."""

MAX_ANSWER_BYTES = 20_000_000
"""More than all tools take."""

SECRET_VARIABLE = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD)", re.IGNORECASE)
"""What may name a secret of the command, or of this server."""

SHORTEST_SECRET_CHARACTERS = 6
"""What is shorter is no secret, and stands in many a sentence."""

REPLACE = "mcp-instantly install HOST has the host start this installation"

PROTOCOL = "2025-06-18"
MESSAGES: tuple[dict[str, Any], ...] = (
    {
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": {"name": "mcp-instantly doctor", "version": __version__},
        },
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/list"},
)


async def try_start(
    command: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None, where: str = ""
) -> Finding:
    """Start a command, initialize, and list the tools; the process is gone afterwards, with those that it started.

    `environment` and `folder` are those of this process where nothing is said. `where` begins what is found. What the
    command says is repeated without the secrets of its environment.
    """
    given = (os.environ if environment is None else environment).items()
    secrets = [
        value.strip() for name, value in given if SECRET_VARIABLE.fullmatch(name) and value.strip().isprintable()
    ]
    hide = Redactor(secrets, shortest=SHORTEST_SECRET_CHARACTERS).redact
    lead = f"{where}: " if where else ""
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        try:
            with anyio.fail_after(TRIAL_SECONDS):
                version, tools = await _ask(command, log, environment, folder)
        except TimeoutError:
            return fail(
                "start", f"{lead}the server gave no list of tools within {TRIAL_SECONDS:g} s", _advice(log, hide)
            )
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            return fail(
                "start",
                f"{lead}it cannot be started ({reason})",
                f"check that the command and its folder exist; {REPLACE}",
            )
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return fail("start", f"{lead}the server ended before it gave a list of tools", _advice(log, hide))
        except ValueError:
            return fail("start", f"{lead}it does not talk MCP on stdout", REPLACE)
    seconds = time.monotonic() - began
    version = shorten(hide(version), 40)
    what = f"{lead}the server starts over stdio and lists {tools} tools within {seconds:.1f} s"
    if version != __version__:
        return warn("start", f"{what}, of version {version}, while this is {__version__}", f"update it; {REPLACE}")
    if seconds > SLOW_SECONDS:
        return warn("start", what, "have the host wait longer for it; the first start after an update takes longest")
    return ok("start", what)


async def _ask(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str] | None, folder: Path | None
) -> tuple[str, int]:
    """The version of a server, and how many tools it lists. Raises ValueError for what is no answer of one."""
    pipe = subprocess.PIPE
    process = await anyio.open_process(
        command, stdin=pipe, stdout=pipe, stderr=log, env=environment, cwd=folder, start_new_session=True
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        for message in MESSAGES:
            await process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        waiting, version = b"", ""
        while True:
            waiting += await process.stdout.receive()
            *lines, waiting = waiting.split(b"\n")
            if len(waiting) > MAX_ANSWER_BYTES:
                raise ValueError("it has no end")
            for line in filter(None, lines):
                answer = json.loads(line)
                if answer.get("id") == 1:
                    version = str(answer["result"]["serverInfo"]["version"])
                if answer.get("id") == 2:
                    return version, len(answer["result"]["tools"])
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        # It is at its end. To kill it now could take its exit status from the event loop, which would log that.
        with anyio.move_on_after(END_SECONDS):
            await process.wait()
        raise
    except (AttributeError, KeyError, TypeError, RecursionError):
        raise ValueError("it is not an answer of an MCP server") from None
    finally:
        _kill(process)
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _kill(process: anyio.abc.Process) -> None:
    """End a process, and on POSIX those that it started, which it may have left behind: a command may be a script
    around the server."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.returncode is None:
        process.kill()


def _advice(log: IO[bytes], hide: Callable[[str], str]) -> str:
    """What the server said last on stderr, as far as that is for people."""
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    said = [line.removeprefix("mcp-instantly: ") for line in lines if line.startswith("mcp-instantly: ")]
    if said:
        return shorten(hide(said[-1]), 400)
    if any("No module named" in line and "mcp_instantly" in line for line in lines[-1:]):
        return f"mcp_instantly is not installed there; {REPLACE}"
    return "run its command in a terminal, and see what it says on stderr"
