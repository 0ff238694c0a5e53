"""Every operation against a recorder: what is accepted is sent exactly, what is refused is not sent at all.

The recorder answers what the vendor's document says of the answer; the values of arguments are made from the schemas.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.arguments.narrowing import is_blank
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.invocation import Invoker
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Selection, load_catalog, select
from mcp_instantly.tools.operation import WAIT_SECONDS, Operation
from mcp_instantly.tools.schema_paths import COMMA_SEPARATED, enums_at, opened

from .cases import for_each
from .conftest import no_sleep

pytestmark = pytest.mark.anyio

CATALOG = load_catalog()
VIEW = ("fields", "max_items", "format")
"""Arguments of ours about what is shown of an answer; tests/test_fields.py is about them."""


def of_the_api(operation: Operation) -> Operation:
    """The operation without them."""
    schema, rules = copy.deepcopy((operation.input_schema, operation.rules))
    for name in VIEW:
        if name in operation.extras:
            del schema["properties"][name]
            rules.get("properties", {}).pop(name, None)
    tool = {**operation.tool, "inputSchema": schema}
    return dataclasses.replace(operation, tool=tool, rules=rules, extras=tuple(set(operation.extras) - set(VIEW)))


OPERATIONS = [of_the_api(operation) for operation in CATALOG.operations.values()]
every_operation = for_each("operation", OPERATIONS)

RECORD = json.loads((Path(__file__).parent / "upstream.json").read_text())["operations"]

TEXTS = {
    "uuid": "01991f00-0001-7000-8000-0000000000aa",
    "date": "2026-09-07",
    "date-or-time": "2026-09-07",
    "date-time": "2026-09-07T13:00:00.000Z",
    "email": "someone@example.com",
    "uri": "https://example.com/hook",
}
PATTERNED = ("09:30", "https://example.com", TEXTS["uuid"], "rule-0", "some text")


# values that fit a schema


def samples(schema: dict[str, Any]) -> Iterator[Any]:
    """Values that fit: of each alternative one, of an enum every one, of an object the smallest and the fullest."""
    for word in ("anyOf", "oneOf"):
        if word in schema and "properties" not in schema:
            for branch in schema[word]:
                yield from samples(branch)
            return
    if "enum" in schema:
        yield from (value for value in schema["enum"] if value is not None)
        return
    if COMMA_SEPARATED in schema:
        each = [str(value) for value in samples(schema[COMMA_SEPARATED])]
        yield from (*each, ",".join(each * 2))
        return
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        yield from _samples_of(kind, schema)


def _samples_of(kind: str, schema: dict[str, Any]) -> Iterator[Any]:
    if kind == "null":
        yield None
    elif kind == "boolean":
        yield from (True, False)
    elif kind in ("integer", "number"):
        low, high = schema.get("minimum"), schema.get("maximum")
        yield from dict.fromkeys(
            value for value in (low, high, 1 if low is None and high is None else None) if value is not None
        )
    elif kind == "string":
        text = TEXTS.get(schema.get("format", ""), "some text"[: schema.get("maxLength", 99)])
        if "pattern" in schema:
            text = next(text for text in PATTERNED if re.search(schema["pattern"], text))
        yield text
    elif kind == "array":
        items = list(samples(schema.get("items", {"type": "string"})))
        need = schema.get("minItems", 1)
        yield (items * need)[: max(need, 1)]
        if len(items) > 1 and schema.get("maxItems", 99) >= len(items):
            yield items
    elif kind == "object":
        properties = schema.get("properties", {})
        first = {name: next(samples(child)) for name, child in properties.items()}
        small = {name: first[name] for name in schema.get("required", ())}
        if len(small) < schema.get("minProperties", 0):
            small |= dict(list(first.items())[: schema["minProperties"]])
        yield small
        if len(first) > len(small):
            yield first
        for name, child in properties.items():
            yield from ({**small, name: value} for value in list(samples(child))[1:])
        if isinstance(schema.get("additionalProperties"), dict):
            yield from ({"some_key": value} for value in samples(schema["additionalProperties"]))


def fits(operation: Operation, arguments: dict[str, Any]) -> bool:
    try:
        check_arguments(operation, arguments)
    except InvalidArguments:
        return False
    return True


def with_argument(operation: Operation, name: str, value: Any) -> dict[str, Any] | None:
    """Arguments that hold this one and otherwise as little as the rules between arguments allow."""
    bases = [{}, *operation.examples]
    bases += [{k: v for k, v in example.items() if k != left} for example in operation.examples for left in example]
    required = {key: operation.examples[0][key] for key in operation.input_schema.get("required", ())}
    for base in bases:
        arguments = {**required, **base, name: value}
        if fits(operation, arguments):
            return arguments
    return None


# the recorder


def answer_of(operation: Operation) -> Any:
    """An answer with a value of its kind for each field that the document names."""
    facts = RECORD.get(f"{operation.method} {operation.path}", {}).get("response", {"": "object"})
    answer: Any = {"array": [], "object": {}}.get(facts.get("", "object").rstrip("!"))
    values = {"string": "text", "number": 1, "integer": 1, "boolean": True, "null": None, "array": [], "object": {}}
    for path, kind in facts.items():
        name = path.removeprefix("items[].")
        if isinstance(answer, dict) and path and "." not in path and "[" not in path and "{" not in path:
            answer[name] = copy.copy(values[kind.rstrip("!").split("|")[0]])
    for name in ("error", "order_error", "payment_failure_reason"):
        if isinstance(answer, dict):
            answer.pop(name, None)
    return answer


class Recorder:
    """Instantly as an ASGI application that keeps requests and answers success."""

    def __init__(self, operation: Operation):
        self.requests: list[tuple[str, bytes, list[tuple[str, str]], bytes, dict[bytes, bytes]]] = []
        self.answer = json.dumps(answer_of(operation)).encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        headers = dict(scope["headers"])
        self.requests.append((scope["method"], scope["raw_path"], query, body, headers))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": self.answer})


@functools.cache
def selection_of(tool: str) -> Selection:
    return select(CATALOG, tools=[tool])


class Bench:
    """An operation behind the real invocation and client, in front of a recorder."""

    def __init__(self, operation: Operation):
        self.operation = operation
        self.recorder = Recorder(operation)
        self.settings = Settings(base_url="http://recorder.localhost/", api_key="key-of-the-test", agent_check=False)
        self.selection = selection_of(operation.name)

    async def __aenter__(self) -> Bench:
        self.client = InstantlyClient(self.settings, transport=httpx.ASGITransport(self.recorder), sleep=no_sleep)
        self.invoker = Invoker(self.selection, self.client, self.settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def sends(self, arguments: dict[str, Any], meant: dict[str, Any] | None = None) -> None:
        """The call succeeds, and one request goes out that says exactly this, or what is `meant`."""
        self.recorder.requests.clear()
        result = await self.invoker.invoke(self.operation.name, arguments)
        assert result.error is None, result.text
        ((method, path, query, body, headers), *later) = self.recorder.requests
        rest = dict(arguments if meant is None else meant)
        waits = rest.pop(WAIT_SECONDS, 0)
        assert all(waits and request[0] == "GET" for request in later)
        for field in rest.pop("clear", ()):
            rest = without_value(self.operation, rest, field)
        wanted = self.operation.path
        for name in [part[1:-1] for part in wanted.split("/") if part.startswith("{")]:
            wanted = wanted.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
        assert (method, path.decode()) == (self.operation.method, wanted)
        if self.operation.send == "query":
            assert sorted(query) == sorted(pairs(rest))
            assert body == b""
        elif self.operation.send == "body" and (rest or method != "DELETE"):
            assert query == []
            assert json.loads(body) == rest
            assert headers[b"content-type"] == b"application/json"
        else:
            assert (query, body) == ([], b"")
        assert (b"content-type" in headers) == bool(body)

    async def refuses(self, arguments: dict[str, Any], *words: str) -> None:
        """The call is refused in words, and nothing goes out."""
        self.recorder.requests.clear()
        result = await self.invoker.invoke(self.operation.name, arguments)
        assert isinstance(result.error, InvalidArguments), arguments
        assert all(word in result.text for word in words), result.text
        assert self.recorder.requests == []


def with_value(fields: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    name, *inner = path
    return {**fields, name: with_value(fields.get(name, {}), inner, value) if inner else value}


def without_value(operation: Operation, fields: dict[str, Any], field: str) -> dict[str, Any]:
    """The fields with one that is cleared: null, or what is empty of its kind."""
    if field not in operation.emptied:
        return with_value(fields, field.split("."), None)
    return {**fields, field: [] if "array" in accepted(operation.full_schema["properties"][field]) else {}}


def schema_at(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for name in path:
        schema = schema["properties"][name.removesuffix("{}")]
        schema = schema["additionalProperties"] if name.endswith("{}") else schema
    return schema


def pairs(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield name, {True: "true", False: "false"}.get(one, str(one)) if isinstance(one, bool) else str(one)


@every_operation
async def test_the_minimal_call_and_every_example_are_sent_exactly(operation: Operation) -> None:
    async with Bench(operation) as bench:
        for example in operation.examples:
            await bench.sends(example)


@every_operation
async def test_every_argument_is_sent_with_every_kind_of_value(operation: Operation) -> None:
    """Each optional argument alone, each value of an enum, each alternative, each nested field."""
    schema = operation.full_schema
    unproven = []
    async with Bench(operation) as bench:
        for name, child in schema["properties"].items():
            sent = 0
            given = [example[name] for example in operation.examples if name in example]
            for value in [*samples(child), *given, *KNOWN.get(name, ())]:
                arguments = with_argument(operation, name, value)
                if arguments is not None:
                    await bench.sends(arguments)
                    sent += 1
            if not sent:
                unproven.append(name)
    assert unproven == []


@every_operation
async def test_all_arguments_together_are_sent_exactly(operation: Operation) -> None:
    full: dict[str, Any] = {key: operation.examples[0][key] for key in operation.examples[0]}
    for name, child in operation.full_schema["properties"].items():
        for value in [*samples(child), *KNOWN.get(name, ())]:
            if name not in full and fits(operation, {**full, name: value}):
                full[name] = value
    async with Bench(operation) as bench:
        await bench.sends(full)
    left_out = set(operation.full_schema["properties"]) - set(full) - set(operation.extras)
    assert left_out <= EXCLUSIVE.get(operation.name, set())


EXCLUSIVE = {
    "bulk_add_leads": {"list_id"},
    "create_enrichment": {"integration_actions"},
    "create_inbox_manager_guidance": {"instruction"},
    "list_inbox_manager_activity": {"job_type"},
}
"""Arguments that a rule forbids beside others."""

KNOWN: dict[str, list[Any]] = {
    "filter": ["FILTER_VAL_ACTIVE"],
    "filters": [[{"column_name": "jobTitle", "type": 1, "value": ["CTO"]}]],
    "end_date": ["2026-09-30"],
    "limit": [5],
}
"""Values of arguments whose form is a rule of ours: the document only describes it, or takes one that says nothing."""


@every_operation
async def test_what_is_missing_or_unknown_is_refused(operation: Operation) -> None:
    async with Bench(operation) as bench:
        base = operation.examples[0]
        for name in operation.input_schema.get("required", ()):
            await bench.refuses({key: value for key, value in base.items() if key != name}, f"{name}: missing")
        await bench.refuses({**base, "no_such_argument": 1}, "no_such_argument: unknown")
        for name in operation.input_schema["properties"]:
            if f"{name}x" not in operation.input_schema["properties"]:
                await bench.refuses({**base, f"{name}x": 1}, f"{name}x: unknown")


def _picking(operation: Operation) -> dict[str, Any]:
    """The first example that stays narrow where nulls are added to it."""
    required = operation.input_schema.get("required", ())
    picks = set(operation.narrowing.picks) or {name for name in operation.narrowing.by if name not in required}
    return max(operation.examples, key=lambda example: bool(picks & set(example)))


@every_operation
async def test_null_is_sent_for_nothing_but_what_is_cleared(operation: Operation) -> None:
    """Null means "not given", alone and for all that is optional at once, as frameworks send it."""
    base = _picking(operation)
    optional = [name for name in operation.input_schema["properties"] if name not in base]
    async with Bench(operation) as bench:
        for nulls in [*([name] for name in optional), optional]:
            await bench.sends({**base, **dict.fromkeys(nulls)}, base)
        for name in operation.input_schema.get("required", ()):
            await bench.refuses({**base, name: None}, f"{name}: missing")


@every_operation
async def test_the_text_null_is_not_given_where_no_string_fits(operation: Operation) -> None:
    base = _picking(operation)
    async with Bench(operation) as bench:
        for name, child in operation.full_schema["properties"].items():
            if name not in base and "string" not in accepted(child):
                for text in ("null", " NULL\n"):
                    if "bulk" in operation.effects:
                        await bench.refuses({**base, name: text}, f"{name}: ")
                    else:
                        await bench.sends({**base, name: text}, base)


KEPT = {"update_webhook": "event_type"}
"""By a rule not all can be cleared: one that is kept."""


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.clearable], ids=lambda op: op.name)
async def test_what_is_cleared_is_sent_as_null_or_empty_and_nothing_else_is(operation: Operation) -> None:
    required = {key: operation.examples[0][key] for key in operation.input_schema.get("required", ())}
    async with Bench(operation) as bench:
        for name in operation.clearable:
            path = name.split(".")
            await bench.sends({**required, "clear": [name]}, without_value(operation, required, name))
            value = next(samples(schema_at(operation.full_schema, path)))
            given = with_value(required, path, value)
            await bench.refuses({**given, "clear": [name]}, f"{name}: is given and named in clear")
        at_once = [name for name in operation.clearable if name != KEPT.get(operation.name)]
        await bench.sends({**required, "clear": at_once})
        await bench.sends({**operation.examples[0], "clear": []}, operation.examples[0])
        for name in set(operation.full_schema["properties"]) - set(operation.clearable):
            await bench.refuses({**operation.examples[0], "clear": [name]}, "clear[0]: ")


WRONG: list[Any] = ["\u0000text", 1.5, True, ["x", {}], {"x": 1}]


@every_operation
async def test_what_is_of_a_wrong_type_is_refused(operation: Operation) -> None:
    async with Bench(operation) as bench:
        for name, child in operation.input_schema["properties"].items():
            kinds = accepted(child)
            for value in WRONG:
                if kind_of(value) not in kinds and not (
                    kind_of(value) == "number" and "integer" in kinds and "number" in kinds
                ):
                    await bench.refuses({**operation.examples[0], name: value}, f"{name}")


@every_operation
async def test_what_is_out_of_bounds_is_refused_and_what_is_blank_in_a_read_left_out(operation: Operation) -> None:
    async with Bench(operation) as bench:
        for name, child in certain(operation)["properties"].items():
            rest = {key: value for key, value in operation.examples[0].items() if key != name}
            for value in outside(child):
                if operation.read_only and is_blank(value) and fits(operation, rest):
                    await bench.sends({**rest, name: value}, rest)
                else:
                    await bench.refuses({**rest, name: value})


def accepted(schema: dict[str, Any]) -> set[str]:
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return set().union(*(accepted(option) for option in options))
    kinds = schema.get("type", ["object", "array", "string", "number", "boolean", "null"])
    return set(kinds if isinstance(kinds, list) else [kinds])


def kind_of(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def certain(operation: Operation) -> dict[str, Any]:
    """The full schema without the bounds of what is uncertain, and without moving enums, which refuse nothing."""
    schema = copy.deepcopy(opened(operation.full_schema, operation.moving))
    for path in operation.uncertain:
        child = schema_at(schema, path.split("."))
        kind = child["type"]
        child.clear()
        child["type"] = kind
    return schema


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.uncertain], ids=lambda op: op.name)
async def test_what_is_uncertain_is_sent_with_a_warning_and_never_refused(operation: Operation) -> None:
    async with Bench(operation) as bench:
        for path in operation.uncertain:
            for value in outside(schema_at(operation.full_schema, path.split("."))):
                arguments = with_value(operation.examples[0], path.split("."), value)
                await bench.sends(arguments)
                result = await bench.invoker.invoke(operation.name, arguments)
                assert result.structured is not None
                assert f"{path}: expected" in result.structured["_note"]
                assert "uncertain" in result.structured["_note"]


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op.moving], ids=lambda op: op.name)
async def test_an_unknown_value_of_a_moving_enum_is_sent_with_a_note_and_a_blank_one_is_not(
    operation: Operation,
) -> None:
    async with Bench(operation) as bench:
        for path in operation.moving:
            (known, *_) = enums_at(operation.full_schema, path)
            new = "brand new" if isinstance(known["enum"][0], str) else "99"
            name, is_list, key = re.fullmatch(r"(\w+)(\[\])?(?:\.(\w+))?", path).groups()  # type: ignore[union-attr]
            is_list = is_list and "array" in accepted(operation.full_schema["properties"][name])
            place = path.replace("[]", "[0]" if is_list else "")
            for value in (new, "  "):
                item = {key: value} if key else value
                arguments = {**operation.examples[0], name: [item] if is_list else item}
                if value.strip():
                    await bench.sends(arguments)
                    result = await bench.invoker.invoke(operation.name, arguments)
                    assert result.structured is not None
                    assert f'{place}: "{new}" is not among the ' in result.structured["_note"]
                elif operation.read_only:
                    await bench.sends(arguments, {key: one for key, one in arguments.items() if key != name})
                else:
                    await bench.refuses(arguments)


def outside(schema: dict[str, Any]) -> Iterator[Any]:
    """Values of the right type that break a bound, a format, a pattern or an enum."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options and "properties" not in schema:
        typed = [option for option in options if option.get("type") != "null"]
        if len(typed) == 1:
            yield from outside(typed[0])
        return
    if "enum" in schema:
        yield "no such value" if isinstance(schema["enum"][0], str) else 987654321
    if "minimum" in schema:
        yield schema["minimum"] - 1
    if "maximum" in schema:
        yield schema["maximum"] + 1
    if "maxLength" in schema:
        yield "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield ""
    if schema.get("format") in TEXTS or ("pattern" in schema and not re.search(schema["pattern"], " ")):
        yield " "
    if schema.get("type") == "array":
        valid = next(samples(schema.get("items", {})))
        if schema.get("minItems"):
            yield []
        if schema.get("maxItems", 2000) < 2000:
            yield [valid] * (schema["maxItems"] + 1)
        yield from ([value] for value in outside(schema.get("items", {})))
    if schema.get("type") == "object" or "properties" in schema:
        small = next(samples(schema))
        for name in schema.get("required", ()):
            yield {key: value for key, value in small.items() if key != name}
        for name, child in schema.get("properties", {}).items():
            yield from ({**small, name: value} for value in outside(child))
        if schema.get("minProperties"):
            yield {}
