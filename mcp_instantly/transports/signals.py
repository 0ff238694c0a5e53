"""The signals that ask for an orderly end."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator

import anyio


@contextlib.contextmanager
def stop_signals() -> Iterator[AsyncIterator[signal.Signals]]:
    """SIGINT, SIGTERM and SIGHUP as they come, from now on; not those that the process is set to ignore (nohup).

    On Windows none come: Ctrl-C cancels what runs.
    """
    numbers: list[signal.Signals] = []
    if sys.platform != "win32":
        asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        numbers = [number for number in asked if signal.getsignal(number) is not signal.SIG_IGN]
    if not numbers:
        yield _none()
        return
    with anyio.open_signal_receiver(*numbers) as received:
        yield received


async def _none() -> AsyncIterator[signal.Signals]:
    nothing: tuple[signal.Signals, ...] = ()
    for number in nothing:
        yield number
