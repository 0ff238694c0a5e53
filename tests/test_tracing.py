"""Traces: what a span says of a call and of its requests, what it never says, and where spans go."""

from __future__ import annotations

import functools
import gzip
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from mcp_instantly.api.tracing import CLOSING_SECONDS, is_tracing, tracing
from mcp_instantly.errors import ConfigError
from mcp_instantly.log import configure_logging

from .conftest import Connect, answer_of, clean_environment
from .frames import call
from .held import SECONDS
from .processes import run
from .test_stdio import INITIALIZE, INITIALIZED, lines

LEAD = "01991f00-0001-7000-8000-000000000001"
ADDRESS = "somebody-private@prospect.example"
KEY = "key-that-was-pasted-0123456789"
META = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


class Kept(SpanExporter):
    """Keeps spans while it is told to."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.keeps = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans if self.keeps else ()
        return SpanExportResult.SUCCESS


@functools.cache
def provider_and_exporter() -> tuple[TracerProvider, Kept]:
    """One for all tests of a process: whoever has a tracer keeps it."""
    provider, exporter = TracerProvider(shutdown_on_exit=False), Kept()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """The spans of a test; afterwards there is no provider again."""
    provider, exporter = provider_and_exporter()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    exporter.spans.clear()
    exporter.keeps = True
    yield exporter
    exporter.keeps = False


def named(exporter: Kept, name: str) -> ReadableSpan:
    (found,) = [span for span in exporter.spans if span.name == name]
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_is_a_span_of_the_server_with_its_request_below(connect: Connect, spans: Kept, mode: str) -> None:
    async with connect(mode=mode) as client:
        answer_of(await client.call_tool("get_lead", {"id": LEAD}, meta=META))
    server, request = named(spans, "tools/call get_lead"), named(spans, "GET /api/v2/leads/{id}")
    assert (server.kind, request.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert request.parent is not None and request.parent.span_id == server.context.span_id
    assert server.attributes is not None and request.attributes is not None
    assert {**server.attributes}.items() >= {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "get_lead",
        "instantly.tool": "get_lead",
        "instantly.operation": "getLead",
        "instantly.outcome": "ok",
        "instantly.attempts": 1,
    }.items()
    assert {**request.attributes} == {
        "http.request.method": "GET",
        "url.template": "/api/v2/leads/{id}",
        "server.address": "sandbox.localhost",
        "server.port": 80,
        "http.response.status_code": 200,
    }


@pytest.mark.anyio
async def test_the_trace_of_a_client_goes_on(connect: Connect, spans: Kept) -> None:
    async with connect() as client:
        await client.call_tool("get_lead", {"id": LEAD}, meta=META)
    server = named(spans, "tools/call get_lead")
    assert f"{server.context.trace_id:032x}" == META["traceparent"].split("-")[1]


@pytest.mark.anyio
async def test_a_workflow_has_a_span_for_each_operation_that_it_calls(connect: Connect, spans: Kept) -> None:
    async with connect() as client:
        await client.call_tool("count_leads", {"campaign": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"})
    server, inner = named(spans, "tools/call count_leads"), named(spans, "list_leads")
    request = named(spans, "POST /api/v2/leads/list")
    assert inner.parent is not None and inner.parent.span_id == server.context.span_id
    assert request.parent is not None and request.parent.span_id == inner.context.span_id
    assert inner.attributes is not None and inner.attributes["instantly.workflow"] == "count_leads"


@pytest.mark.anyio
async def test_each_attempt_is_a_span_and_an_error_is_named_by_its_class_alone(
    connect: Connect, world: Any, spans: Kept
) -> None:
    async with connect() as client:
        missing = "01991f00-0001-7000-8000-00000000dead"
        result = await client.call_tool("get_lead", {"id": missing})
        assert result.is_error
    request, server = named(spans, "GET /api/v2/leads/{id}"), named(spans, "tools/call get_lead")
    assert request.attributes is not None and server.attributes is not None
    assert (request.attributes["http.response.status_code"], request.attributes["error.type"]) == (404, "NotFound")
    assert server.attributes["instantly.error"] == "NotFound"
    assert not request.events and not server.events


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_no_span_of_the_server_has_words_of_the_caller_or_of_an_answer(
    connect: Connect, spans: Kept, mode: str
) -> None:
    async with connect(mode=mode) as client:
        lead = answer_of(await client.call_tool("create_lead", {"email": ADDRESS, "first_name": "Privately"}))
        await client.call_tool("list_leads", {"search": ADDRESS})
        await client.call_tool("get_account", {"email": ADDRESS})
        await client.call_tool("get_lead", {"id": f"{ADDRESS} {KEY}"})
        await client.call_tool("delete_lead", {"id": lead["id"]})
        for method in (client.call_tool, client.get_prompt):
            with pytest.raises(MCPError):
                await method(f"{ADDRESS} {KEY}", {})
        with pytest.raises(MCPError):
            await client.read_resource(f"instantly://{ADDRESS}/{KEY}")
    of_the_server = [span.to_json() for span in spans.spans if not span.name.startswith("MCP send")]
    assert len(of_the_server) > 8
    for text in of_the_server:
        assert ADDRESS not in text and KEY not in text and "Privately" not in text and lead["id"] not in text


@pytest.mark.anyio
async def test_log_events_of_a_call_carry_the_id_of_its_trace(
    connect: Connect, spans: Kept, capsys: pytest.CaptureFixture[str], restored_logging: None
) -> None:
    configure_logging()
    async with connect() as client:
        await client.call_tool("get_lead", {"id": LEAD})
    (event,) = map(json.loads, capsys.readouterr().err.splitlines())
    server = named(spans, "tools/call get_lead")
    assert event["trace_id"] == f"{server.context.trace_id:032x}"
    assert event["span_id"] == f"{server.context.span_id:016x}"


@pytest.mark.anyio
async def test_without_a_provider_there_are_no_spans_and_no_ids(
    connect: Connect, capsys: pytest.CaptureFixture[str], restored_logging: None
) -> None:
    configure_logging()
    async with connect() as client:
        await client.call_tool("get_lead", {"id": LEAD})
    assert not is_tracing()
    assert "trace_id" not in capsys.readouterr().err


# Where spans go


class Collector(HTTPServer):
    """Takes what exporters send."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.services: set[str] = set()


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            self.server.services.add(names["service.name"])
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def serve(**environment: str) -> Any:
    """The end of a server on stdio that was asked for one lead; a fork would have the tracers of this process."""
    frames = lines(INITIALIZE, INITIALIZED, call(1, "get_lead", id=LEAD)).decode()
    return run("serve", "--sandbox", environment=clean_environment(**environment), stdin=frames, fork=False)


def test_the_standard_variables_have_spans_exported(collector: Collector) -> None:
    url = f"http://127.0.0.1:{collector.server_address[1]}"
    done = serve(OTEL_EXPORTER_OTLP_ENDPOINT=url, NO_PROXY="*")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["id"] == 1
    assert {span.name for span in collector.spans} >= {"tools/call get_lead", "GET /api/v2/leads/{id}"}
    assert collector.services == {"mcp-instantly"}


def test_a_collector_that_is_not_there_harms_no_call_and_does_not_keep_the_server() -> None:
    began = time.monotonic()
    done = serve(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", NO_PROXY="*")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["id"] == 1
    assert time.monotonic() - began < CLOSING_SECONDS + SECONDS
    assert all(json.loads(line) for line in done.stderr.splitlines())


def test_on_the_console_spans_stay_away_from_stdout() -> None:
    done = serve(OTEL_TRACES_EXPORTER="console")
    assert all("jsonrpc" in json.loads(line) for line in done.stdout.splitlines())
    assert '"tools/call get_lead"' in done.stderr


@pytest.mark.parametrize("environment", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_exported_unasked(environment: dict[str, str]) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if environment else {}
    with tracing({**endpoint, **environment}):
        assert not is_tracing()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "may be otlp, console or none"),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
    ],
)
def test_an_exporter_that_is_not_known_ends_the_start(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words), tracing(environment):
        pass


def test_what_is_not_installed_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'mcp-instantly\[otel\]'"),
        tracing({"OTEL_TRACES_EXPORTER": "otlp"}),
    ):
        pass
