"""structlog on stderr, and in a file if asked; keys never appear, personal data is masked."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import structlog

from mcp_instantly.errors import ConfigError, shorten

EMAIL = re.compile(r"([A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]*(@[A-Za-z0-9.-]+\.[A-Za-z]{2,})")

IMPERSONAL = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}"  # ids
    r"|\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?"  # dates and instants
    r"|[A-Z]+(_[A-Z]+)+",  # constants such as FILTER_VAL_ACTIVE
)
"""Texts that say nothing about a person; every other one is masked."""

SECRET = re.compile(r"password|secret|token|api_?key|headers|^sec$", re.IGNORECASE)
"""Arguments whose values never appear, whatever they look like."""

FREE = re.compile(r"custom_variables|ai_enrichment")
"""Arguments whose names are the user's own."""

LARGEST_NUMBER = 1_000_000
"""Larger numbers may be telephone numbers."""


class _Redact:
    """Replaces the key wherever it stands in an event: the last guard, since nothing should put it there."""

    def __init__(self, secrets: tuple[str, ...]):
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, _: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {name: self._clean(value) for name, value in event.items()} if self._secrets else event

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[key]")
            return value
        if isinstance(value, dict):
            return {self._clean(k): self._clean(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(v) for v in value]
        return value


def mask(value: Any, name: str = "") -> Any:
    """Arguments for the log: addresses as `a***@example.com`, texts as their length, nothing of what is secret."""
    if SECRET.search(name):
        return "[secret]"
    if isinstance(value, dict):
        if FREE.search(name):
            return f"[{len(value)} fields]"
        return {shorten(key, 64): mask(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item, name) for item in value]
    if isinstance(value, str):
        if EMAIL.fullmatch(value):
            return EMAIL.sub(r"\1***\2", value)
        return value if IMPERSONAL.fullmatch(value) else f"[{len(value)} characters]"
    if isinstance(value, (int, float)) and not abs(value) < LARGEST_NUMBER:
        return "[number]"
    return value


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
        _Redact(secrets),
    ]
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    as_text = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
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
