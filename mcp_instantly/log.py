"""structlog on stderr, and in a file if asked; keys never appear, and no field is without end."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from mcp_instantly.errors import ConfigError
from mcp_instantly.redaction import Redactor
from mcp_instantly.text import clip, one_line, reveal

MAX_FIELD_CHARACTERS = 1_000
"""Of a text in an event; a list or an object may take ten times as many, a traceback twenty times."""

MAX_DEPTH = 12
"""Of lists and objects in an event."""


class _Tidy:
    """The last guard of an event: no key in it, nothing that steers a terminal, and an end to every field.

    Nothing should put a key there, but names and versions of clients, tools and requests are anybody's words.
    """

    def __init__(self, secrets: Iterable[str]):
        self._redactor = Redactor(secrets)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        # structlog keeps the record of another library's event under a name with an underscore.
        return {name: value if name.startswith("_") else self._field(name, value) for name, value in event.items()}

    def _field(self, name: str, value: Any) -> Any:
        if name == "exception" and isinstance(value, str):
            lines = self._redactor.redact(value).expandtabs(4).splitlines()
            return clip("\n".join(map(reveal, lines)), 20 * MAX_FIELD_CHARACTERS)
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
        return one_line(self._redactor.redact(text), MAX_FIELD_CHARACTERS)


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
    as_json = structlog.processors.JSONRenderer()
    as_text = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_formatter(shared, as_json if style == "json" else as_text))
    if file is not None:
        try:
            # For its owner alone: it may hold arguments.
            os.close(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"The log file {file} cannot be written: {error.strerror}.") from None
        handlers[1].setFormatter(_formatter(shared, as_json))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    # httpx writes whole URLs, and so addresses, at info.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("mcp_instantly").setLevel(level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer], foreign_pre_chain=shared
    )


def get_logger() -> Any:
    """The package's logger."""
    return structlog.get_logger("mcp_instantly")
