"""OpenTelemetry: spans of calls and of their requests, and where they are exported to.

Without a tracer provider nothing here costs anything. No span holds an argument, a URL with an id or an address in it,
or the words of an error: they may be personal, and whoever keeps spans is another party. Nothing of a trace is sent to
Instantly.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.trace import (
    ProxyTracerProvider,
    SpanKind,
    StatusCode,
    get_current_span,
    get_tracer,
    get_tracer_provider,
)

from mcp_instantly.errors import ConfigError, InstantlyError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from mcp_instantly.api.request import Response
    from mcp_instantly.tools.operation import Operation

NAME = "mcp_instantly"

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTERS = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

CLOSING_SECONDS = 2.0
"""How long the last spans may take at the end of the process."""

SHOWN = {
    "tool": "tool",
    "operation_id": "operation",
    "workflow": "workflow",
    "outcome": "outcome",
    "write": "write",
    "attempts": "attempts",
    "bytes": "response.bytes",
    "error_class": "error",
}
"""What of the event of a call stands on its span, behind `instantly.`."""


def is_tracing() -> bool:
    """Whether spans go anywhere."""
    return not isinstance(get_tracer_provider(), ProxyTracerProvider)


@contextlib.contextmanager
def tracing(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Export spans as the standard variables say, while the context is open.

    Raises ConfigError where they ask for what is not installed or not known. A provider that somebody else has set, as
    `opentelemetry-instrument` does, is left alone.
    """
    wanted = environment.get(EXPORTERS, "").strip().lower()
    if wanted == "none" or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or is_tracing():
        yield
        return
    if not wanted and not any(environment.get(name) for name in ENDPOINTS):
        yield
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter = _exporter(wanted or "otlp", environment)
    except ImportError:
        raise ConfigError(
            "The OTEL_ variables ask for traces, and what exports them is not installed: "
            "pip install 'mcp-instantly[otel]', or set OTEL_TRACES_EXPORTER=none."
        ) from None
    from opentelemetry.trace import set_tracer_provider

    own = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": "mcp-instantly"}
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    set_tracer_provider(provider)
    try:
        yield
    finally:
        _finish(provider)


def _exporter(wanted: str, environment: Mapping[str, str]) -> SpanExporter:
    """The exporter of this name. Raises ImportError where it is not installed, ConfigError where it is not known."""
    if wanted == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        # stdout belongs to the protocol.
        return ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n")
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if wanted != "otlp" or protocol != "http/protobuf":
        raise ConfigError(
            f"{EXPORTERS} may be otlp, console or none, and the protocol of otlp http/protobuf; for others, start the "
            "server with opentelemetry-instrument."
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _finish(provider: Any) -> None:
    """Send what is left, for CLOSING_SECONDS at most: nobody waits for a collector that is not there."""
    ending = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
    ending.start()
    ending.join(CLOSING_SECONDS)


@contextlib.contextmanager
def span(name: str) -> Iterator[None]:
    """A span of our own around an operation that a workflow calls."""
    if not is_tracing():
        yield
        return
    with get_tracer(NAME).start_as_current_span(name, record_exception=False, set_status_on_exception=False):
        yield


def annotate(event: Mapping[str, Any]) -> None:
    """Have the span of a call say what its log event says, but for what may be personal."""
    current = get_current_span()
    if not current.is_recording():
        return
    known = event.get("operation_id") is not None or event.get("error_class") not in ("UnknownTool", "ToolNotEnabled")
    for name, shown in SHOWN.items():
        # The name of a tool that does not exist is anybody's words.
        if event.get(name) is not None and (known or name != "tool"):
            current.set_attribute(f"instantly.{shown}", event[name])
    if event["outcome"] in ("error", "crashed", "cancelled"):
        current.set_attribute("error.type", str(event["error_class"]))
        current.set_status(StatusCode.ERROR)


async def traced(operation: Operation, origin: str, repeat: int, work: Awaitable[Response]) -> Response:
    """The response of an attempt, as a span of the kind that HTTP clients have. `repeat` is 0 for the first attempt."""
    if not is_tracing():
        return await work
    host = urlsplit(origin)
    attributes: dict[str, Any] = {
        "http.request.method": operation.method,
        "url.template": operation.path,
        "server.address": host.hostname or "",
        "server.port": host.port or (443 if host.scheme == "https" else 80),
    }
    if repeat:
        attributes["http.request.resend_count"] = repeat
    with get_tracer(NAME).start_as_current_span(
        f"{operation.method} {operation.path}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            response = await work
        except BaseException as error:
            status = error.status if isinstance(error, InstantlyError) else None
            if status is not None:
                current.set_attribute("http.response.status_code", status)
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(StatusCode.ERROR)
            raise
        current.set_attribute("http.response.status_code", response.status)
        return response
