"""structlog on stderr, and in a file if asked; keys never appear, and no field is without end."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from mcp_instantly.descriptors import PIPE_BYTES, write_all
from mcp_instantly.errors import ConfigError
from mcp_instantly.redaction import Redactor, strike_out_here
from mcp_instantly.text import clip, one_line, reveal

MAX_FIELD_CHARACTERS = 1_000
"""Of a text in an event; a list or an object may take ten times as many, a traceback twenty times."""

KEPT_TEXTS, MAX_KEPT_CHARACTERS = 256, 100
"""Texts of which it is kept how they are shown, and how long they may be."""

MAX_DEPTH = 12
"""Of lists and objects in an event."""

MAX_WAITING_BYTES = 1024 * 1024
"""So much of the log waits for a reader that is slow; what comes on top is dropped and counted."""

FLUSH_SECONDS = 1.0
"""How long the end of the process waits for somebody to read the rest of the log."""


class _Tidy:
    """The last guard of an event: no key in it, nothing that steers a terminal, and an end to every field.

    Nothing should put a key there, but names and versions of clients, tools and requests are anybody's words.
    """

    def __init__(self, secrets: Iterable[str]):
        self._redactor = Redactor(secrets)
        # Most texts are those of the event before: names, outcomes, levels. What is kept is the same for all callers.
        self._known = functools.lru_cache(KEPT_TEXTS)(self._visible)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        # structlog keeps the record of another library's event under a name with an underscore.
        return {
            name: value if value is None or name.startswith("_") else self._field(name, value)
            for name, value in event.items()
        }

    def _field(self, name: str, value: Any) -> Any:
        if name == "exception" and isinstance(value, str):
            lines = self._redactor.redact(value).expandtabs(4).splitlines()
            return clip("\n".join(map(reveal, lines)), 20 * MAX_FIELD_CHARACTERS)
        if isinstance(value, str):
            return self._text(value)
        tidied = self._tidy(value, 0)
        if isinstance(tidied, (dict, list)):
            size = len(json.dumps(tidied))
            return tidied if size <= 10 * MAX_FIELD_CHARACTERS else f"[{size} characters of JSON]"
        return tidied

    def _tidy(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            # JSON has no infinity, and readers of logs no integers of more than 64 bits.
            return value if abs(value) < 2**63 else "[number]"
        if isinstance(value, (dict, list, tuple)):
            if depth == MAX_DEPTH:
                return "…"
            if isinstance(value, dict):
                return {self._text(str(name)): self._tidy(item, depth + 1) for name, item in value.items()}
            return [self._tidy(item, depth + 1) for item in value]
        return self._text(repr(value))

    def _text(self, text: str) -> str:
        text = strike_out_here(text)
        return self._known(text) if len(text) <= MAX_KEPT_CHARACTERS else self._visible(text)

    def _visible(self, text: str) -> str:
        text = self._redactor.redact_own(text)
        # One word that can be seen, as most are.
        if len(text) <= MAX_FIELD_CHARACTERS and " " not in text and text.isprintable():
            return text
        return one_line(text, MAX_FIELD_CHARACTERS)


def configure_logging(
    *, style: str = "json", level: str = "info", file: Path | None = None, secrets: tuple[str, ...] = ()
) -> None:
    """Send all logging, structlog's and the standard library's, to stderr and to `file` (appended, always JSON).

    `style` is json or console; console is coloured on a terminal. Raises ConfigError when the file cannot be opened.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Tidy(secrets),
    ]
    as_text = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    outputs = [_Output(_stderr(), _as_json if style == "json" else as_text)]
    if file is not None:
        try:
            # For its owner alone: it may hold arguments.
            os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
            appended = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise ConfigError(f"The log file {file} cannot be written: {error.strerror}.") from None
        outputs.append(_Output(appended, _as_json))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for output in outputs:
        output.handler.setFormatter(_formatter(shared, output.render))
        root.addHandler(output.handler)
    root.setLevel(logging.WARNING)
    # httpx writes whole URLs, and so addresses, at info.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Our own events go to the same handlers, but not through the standard library: a call waits for its event.
    sink = _Sink(outputs)
    structlog.configure(
        processors=[*shared, sink.lines],
        logger_factory=lambda *_: sink,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event)


_encode = json.JSONEncoder().encode


class _Output(NamedTuple):
    """Where lines of the log go, and how an event becomes one."""

    handler: _Unblocked | logging.StreamHandler[Any]
    render: Callable[[Any, str, MutableMapping[str, Any]], str]


class _Sink:
    """What structlog takes for a logger: it writes each event to all the outputs."""

    def __init__(self, outputs: list[_Output]):
        self._outputs = outputs

    def lines(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> tuple[tuple[list[str]], dict[str, Any]]:
        """The last processor: the event as a line for each output."""
        # A renderer may take the event apart.
        return ([output.render(logger, method, dict(event)) for output in self._outputs],), {}

    def write(self, lines: list[str]) -> None:
        for (handler, _), line in zip(self._outputs, lines, strict=True):
            if isinstance(handler, _Unblocked):
                handler.write(line)
            else:
                _write_to_stream(handler, line)

    debug = info = warning = error = critical = write


def _write_to_stream(handler: logging.StreamHandler[Any], line: str) -> None:
    """Write a line as the handler itself does; a disk that is full loses the line, and ends nothing."""
    with handler.lock or contextlib.nullcontext(), contextlib.suppress(OSError, ValueError):
        handler.stream.write(line + handler.terminator)
        handler.flush()


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
    )


def _stderr() -> _Unblocked | logging.StreamHandler[Any]:
    """A handler for stderr; where that is not a descriptor, as in tests, writing to it cannot block."""
    try:
        return _Unblocked(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return logging.StreamHandler(sys.stderr)


class _Unblocked(logging.Handler):
    """Writes events to a descriptor without ever waiting for its reader: hosts may ignore stderr.

    What cannot be written at once waits for a thread, MAX_WAITING_BYTES at most. The rest is dropped, and an event says
    how much that was as soon as there is room again.
    """

    def __init__(self, descriptor: int):
        super().__init__()
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ready = select.poll() if hasattr(select, "poll") else None
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if self._ready is not None:
            self._ready.register(descriptor, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        self.write(text)

    def write(self, text: str) -> None:
        """Write a line, now or later."""
        line = (text + "\n").encode("utf-8", "backslashreplace")
        with self._changed:
            if self._waiting or not self._write_at_once(line):
                self._wait(line)

    def _write_at_once(self, line: bytes) -> bool:
        if not self._is_file and (self._ready is None or len(line) > PIPE_BYTES or not self._ready.poll(0)):
            return False
        try:
            rest = line[os.write(self._descriptor, line) :]
        except BlockingIOError:
            return False
        except OSError:
            # It cannot be read: stderr is closed, or its disk is full.
            return True
        if rest:
            self._wait(rest)
        return True

    def _wait(self, line: bytes) -> None:
        if self._bytes + len(line) > MAX_WAITING_BYTES:
            self._dropped += 1
            return
        self._waiting.append(line)
        self._bytes += len(line)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                line = self._waiting[0]
            with contextlib.suppress(OSError):
                write_all(self._descriptor, line)
            with self._changed:
                self._waiting.popleft()
                self._bytes -= len(line)
                dropped = self._dropped if self._bytes < MAX_WAITING_BYTES // 2 else 0
                self._dropped -= dropped
                self._changed.notify_all()
            if dropped:
                get_logger().warning("log_events_dropped", count=dropped, reason="stderr was not read")

    def flush(self) -> None:
        """Wait until everything is written, for FLUSH_SECONDS at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout=FLUSH_SECONDS)


def get_logger() -> Any:
    """The package's logger."""
    return structlog.get_logger("mcp_instantly")
