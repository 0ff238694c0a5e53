"""Inputs that nobody would write: `python tests/benchmarks/fuzz.py [INPUTS] [SEED] [--record]`.

Hypothesis makes arguments for every tool, lines on stdin, and bodies over HTTP: half of what the schemas and the
protocol want, half of anything. Arguments go through the server's invocation to a sandbox in this process, lines and
bodies to a server of their own. Nothing may crash, hang, show a traceback, or go without its answer.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import httpx
import structlog
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import load_catalog, select
from tests.benchmarks.faults import Loop
from tests.benchmarks.figures import add_option, record
from tests.conftest import clean_environment
from tests.frames import META, call, modern, request
from tests.processes import ended, start

CALLS_A_WORLD = 100
"""After so many calls the sandbox begins again: most have deleted what others need."""

HANG_SECONDS = 60.0
PROCESS_SECONDS = 4 * 3_600.0

SHARES = {"arguments": 0.5, "stdio": 0.3, "http": 0.2}

UUIDS = ("c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "01991f00-0001-7000-8000-000000000001")
ODD_TEXTS = (
    "", " ", "\x00", "a\x00b", "..", "../../webhooks", "%2e%2e%2f", "..%2f", "\uff0e\uff0e/", "a/b", "?x=1",
    "#", "\\..\\",
    "\r\nx-injected: 1", "\n{}", "\x1b[2J", "\u202e", "\ud800", "\udfff", "\ufeff", "null", "None", "NaN", "1e999",
    "-0",
    "true", "[]", "{}", '{"a":1}', "'", '"', "<b>", "{{x}}", "a" * 5_000, "\U0001f600" * 300, "2026-02-30", "25:61",
    "someone@example.com", "@", "https://example.com/hook", "javascript:1", "2026-09-07", "2026-09-07T13:00:00Z",
    "Etc/GMT+12", "09:30", *UUIDS,
)  # fmt: skip
ODD_NUMBERS = (0, -0.0, -1, 1, 2, 100, 101, 2**31, 2**53 + 1, 2**63, -(2**63), 10**40, 0.1, 1e308, 1e-320)

texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=30)
numbers = st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What more or less fits a schema: types and enums, not all of its bounds."""
    for word in ("anyOf", "oneOf"):
        if word in schema and "properties" not in schema:
            return st.one_of([fitting(branch) for branch in schema[word]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    return st.one_of([_of_kind(kind, schema) for kind in (kinds if isinstance(kinds, list) else [kinds])])


def _of_kind(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(schema.get("minimum", -5), schema.get("maximum", 200))
    if kind == "number":
        return numbers
    if kind == "array":
        return st.lists(mostly(schema.get("items", {})), max_size=3)
    if kind == "object":
        return objects(schema)
    return st.none() if kind == "null" else texts


def mostly(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What fits, three times of four, or anything."""
    fit = fitting(schema)
    return st.integers(0, 3).flatmap(lambda drawn: fit if drawn else anything)


def objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    properties = {name: mostly(child) for name, child in schema.get("properties", {}).items()}
    needed = {name: properties.pop(name) for name in schema.get("required", ()) if name in properties}
    known = st.fixed_dictionaries(needed, optional=properties)
    return known | st.builds(
        lambda fields, more: {**fields, **more}, known, st.dictionaries(texts, anything, max_size=2)
    )


def calls() -> st.SearchStrategy[tuple[str, Any]]:
    """A tool and arguments: an example with changes, or what the schema says."""
    return st.sampled_from(sorted(load_catalog().tools)).flatmap(_call_of)


@functools.cache
def _call_of(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    tool = load_catalog().tools[name]
    made = objects(tool.input_schema)
    changed = [
        st.builds(lambda given, more: {**given, **dict(list(more.items())[:2])}, st.just(example), made)
        for example in tool.examples
    ]
    return st.tuples(st.just(name), st.one_of([made, *changed]))


def frames() -> st.SearchStrategy[bytes]:
    """Messages of JSON-RPC, whole, changed and broken."""
    identities = st.integers(0, 5) | st.sampled_from(["a", "", None, 1.5, "\ud800", [1], 10**40, True])
    methods = st.sampled_from(
        [
            "ping", "tools/list", "tools/call", "prompts/get", "prompts/list", "resources/read", "initialize",
            "completion/complete", "server/discover", "notifications/cancelled", "notifications/initialized", "x",
        ]
    )  # fmt: skip
    real = st.builds(lambda it: call(1, it[0], **_named(it[1])), calls())
    members = {"jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2]), "method": methods | anything}
    loose = st.fixed_dictionaries(
        members, optional={"id": identities, "params": anything | st.just({"_meta": META}), "result": anything}
    )
    whole = (real | real.map(modern) | loose | anything).map(_encoded)
    deep = st.integers(1, 3_000).map(lambda depth: _deep(depth))
    return st.one_of(whole, whole, whole.flatmap(broken), st.binary(max_size=60), deep)


def _named(arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in ("identity", "tool")}


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _deep(depth: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"[" * depth + b"]" * depth + b"}}"


def broken(frame: bytes) -> st.SearchStrategy[bytes]:
    """A message cut, with bytes in it that do not belong there, or with something twice."""
    place = st.integers(0, len(frame))
    junk = st.sampled_from([b"\x00", b"\xff", b"\\", b'"', b"}", b"\xed\xa0\xbd", b"1e999", b",", b'"id":7,', b"\r"])
    return st.one_of(
        place.map(lambda at: frame[:at]),
        st.builds(lambda at, more: frame[:at] + more + frame[at:], place, junk),
        st.just(frame.replace(b'"id":', b'"id": 3, "id":', 1)),
    )


@dataclasses.dataclass
class Figures:
    inputs: Counter[str] = dataclasses.field(default_factory=Counter)
    ends: Counter[str] = dataclasses.field(default_factory=Counter)


def explore(strategy: st.SearchStrategy[Any], count: int, number: int, check: Callable[[Any], None]) -> None:
    """Have `check` look at so many inputs, always the same ones for a seed."""
    rules = settings(
        max_examples=count,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate, Phase.shrink],
    )
    seed(number)(rules(given(strategy)(check)))()


def fuzz_arguments(count: int, number: int, figures: Figures) -> None:
    """Arguments of every tool."""
    own = Settings(base_url=SANDBOX_URL, api_key=SANDBOX_KEY, sandbox=True)
    random.seed(number)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with Sandbox() as sandbox, anyio.from_thread.start_blocking_portal("asyncio", {"loop_factory": Loop}) as portal:
        http = portal.wrap_async_context_manager(InstantlyClient(own, transport=sandbox.transport))
        with http as client:
            invoker = Invoker(select(load_catalog(), toolsets=["all", "drafts"]), client, own)

            def check(asked: tuple[str, Any]) -> None:
                figures.inputs["arguments"] += 1
                if figures.inputs["arguments"] % CALLS_A_WORLD == 0:
                    sandbox.reset()
                found = portal.start_task_soon(invoker.invoke, *asked).result(HANG_SECONDS)
                json.dumps(found.text, ensure_ascii=False).encode()
                assert found.text and "Traceback" not in found.text
                figures.ends[type(found.error).__name__ if found.error else "answered"] += 1

            try:
                explore(calls(), count, number, check)
            finally:
                structlog.reset_defaults()


def fuzz_stdio(count: int, number: int, figures: Figures) -> None:
    """Lines on stdin. Every request among them is answered, and the server answers on."""
    process = start(
        "serve", "--sandbox", environment=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "0"}}
    with ended(process, PROCESS_SECONDS), contextlib.closing(process.stdin), contextlib.closing(process.stdout):

        def ask(line: bytes) -> None:
            process.stdin.write(line + b"\n")
            process.stdin.flush()

        def answers_until(identity: str) -> Iterator[dict[str, Any]]:
            while True:
                answer = json.loads(process.stdout.readline() or b"null")
                assert answer, "the server has ended"
                if answer.get("id") == identity:
                    return
                yield answer

        ask(_encoded(request("hello", "initialize", **hello)))
        list(answers_until("hello"))
        ask(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')

        def check(frame: bytes) -> None:
            figures.inputs["stdio"] += 1
            line = frame.replace(b"\n", b" ")
            ask(line)
            wanted = _owed(line)
            mark = f"mark {figures.inputs['stdio']}"
            ask(_encoded(request(mark, "ping")))
            found = list(answers_until(mark))
            # Calls are answered when they are done, pings at once.
            while len(found) < wanted:
                answer = json.loads(process.stdout.readline() or b"null")
                assert answer, "the server has ended"
                found.append(answer)
            for answer in found:
                assert "Traceback" not in json.dumps(answer)
                assert "The MCP server failed" not in json.dumps(answer), answer
            figures.ends["a line answered" if found else "a line without an answer"] += 1

        explore(frames(), count, number, check)


def _owed(line: bytes) -> int:
    """Whether the line is a request for certain, which has one answer."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return 0
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0" or "result" in value:
        return 0
    identity, method = value.get("id"), value.get("method")
    named = isinstance(identity, (int, str)) and not isinstance(identity, bool)
    return int(named and isinstance(method, str) and method in ("ping", "tools/list", "prompts/list", "tools/call"))


def fuzz_http(count: int, number: int, figures: Figures) -> None:
    """Bodies over HTTP. Each has a response, none says that the server failed, and it answers on."""
    process = start(
        "serve", "--sandbox", "--transport", "http", "--port", "0", environment=clean_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with (
        ended(process, PROCESS_SECONDS),
        contextlib.closing(process.stderr),
        httpx.Client(trust_env=False, timeout=HANG_SECONDS) as http,
    ):
        url = json.loads(process.stderr.readline())["url"]
        accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

        def check(asked: tuple[bytes, dict[str, str]]) -> None:
            figures.inputs["http"] += 1
            body, more = asked
            try:
                response = http.post(url, content=body, headers={**accept, **more})
            except httpx.RemoteProtocolError:
                # The connection was idle for as long as an input took to make, and closed meanwhile: on a new one.
                response = http.post(url, content=body, headers={**accept, **more})
            assert response.status_code < 500 or response.status_code == 501, (response.status_code, response.text)
            assert "Traceback" not in response.text and "The MCP server failed" not in response.text, response.text
            figures.ends[f"HTTP {response.status_code}"] += 1

        headers = st.dictionaries(
            st.sampled_from(["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Content-Type", "Mcp-Session-Id"]),
            st.sampled_from(["2025-06-18", "2026-07-28", "ping", "tools/call", "x", "", "text/plain", "a" * 500]),
            max_size=3,
        )
        explore(st.tuples(frames(), headers), count, number, check)


WAYS = {"arguments": fuzz_arguments, "stdio": fuzz_stdio, "http": fuzz_http}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("inputs", type=int, nargs="?", default=200_000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    add_option(parser)
    asked = parser.parse_args()
    count, number = asked.inputs, asked.seed
    figures = Figures()
    began = time.perf_counter()
    for name, share in SHARES.items():
        WAYS[name](int(count * share), number, figures)
    print(", ".join(f"{name} {done:,}" for name, done in figures.inputs.items()))
    print(", ".join(f"{name} {done:,}" for name, done in figures.ends.most_common()))
    took = time.perf_counter() - began
    print(f"no crash, no hang, no traceback, no answer missing; seed {number}, {took:.0f} s")
    if asked.record:
        record(
            f"{count:,} inputs, as arguments of every tool, lines on stdio and bodies over HTTP: no crash, no hang, no "
            f"traceback, no answer missing; {took:,.0f} s"
        )


if __name__ == "__main__":
    main()
