"""One start of the server as a host would do it: over stdio, to the list of its tools."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc

from mcp_instantly import __version__
from mcp_instantly.diagnosis.finding import Finding, fail, ok, warn
from mcp_instantly.text import shorten

TRIAL_SECONDS = 30.0
SLOW_SECONDS = 10.0
"""Some hosts give a server ten seconds to start."""

END_SECONDS = 1.0
"""How long a server that has closed its pipes may take to be gone."""

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
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None, where: str = ""
) -> Finding:
    """Start `mcp-instantly ARGUMENTS`, initialize, and list the tools; the process is gone afterwards.

    `environment` and `folder` are those of this process where nothing is said. `where` begins what is found.
    """
    command = [sys.executable, "-m", "mcp_instantly", *arguments]
    lead = f"{where}: " if where else ""
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        try:
            with anyio.fail_after(TRIAL_SECONDS):
                tools = await _list_tools(command, log, environment, folder)
        except TimeoutError:
            return fail("start", f"{lead}the server gave no list of tools within {TRIAL_SECONDS:g} s", _advice(log))
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError, ValueError):
            return fail("start", f"{lead}the server ended before it gave a list of tools", _advice(log))
    seconds = time.monotonic() - began
    what = f"{lead}the server starts over stdio and lists {tools} tools within {seconds:.1f} s"
    if seconds > SLOW_SECONDS:
        return warn("start", what, "have the host wait longer for it; the first start after an update takes longest")
    return ok("start", what)


async def _list_tools(
    command: list[str], log: IO[bytes], environment: Mapping[str, str] | None, folder: Path | None
) -> int:
    pipe = subprocess.PIPE
    process = await anyio.open_process(command, stdin=pipe, stdout=pipe, stderr=log, env=environment, cwd=folder)
    try:
        assert process.stdin is not None and process.stdout is not None
        for message in MESSAGES:
            await process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        waiting = b""
        while True:
            waiting += await process.stdout.receive()
            *lines, waiting = waiting.split(b"\n")
            for line in filter(None, lines):
                answer = json.loads(line)
                if answer.get("id") == 2:
                    return len(answer["result"]["tools"])
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        # It is at its end. To kill it now could take its exit status from the event loop, which would log that.
        with anyio.move_on_after(END_SECONDS):
            await process.wait()
        raise
    except KeyError:
        raise ValueError("the list was refused") from None
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _advice(log: IO[bytes]) -> str:
    """What the server said last on stderr, as far as that is for people."""
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    said = [line.removeprefix("mcp-instantly: ") for line in lines if line.startswith("mcp-instantly: ")]
    return shorten(said[-1], 400) if said else "run mcp-instantly serve in a terminal, and see what it says on stderr"
