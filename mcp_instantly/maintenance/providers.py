"""What model APIs and frameworks refuse of a tool: rules per provider, each with the place where it was seen.

A rule looks at one schema at a time, the whole input first and then every schema inside it, as the server lists them.
Frameworks change a schema on its way to a model; what they take away by themselves is not a problem of a tool.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

from mcp_instantly.arguments.schema import Schema, kinds_of
from mcp_instantly.tools.operation import Operation

Rule = Callable[[Schema, bool], Iterator[str]]
"""A schema, and whether it is the whole input; what is wrong with it, once for each fault."""

COMBINATORS = ("anyOf", "oneOf", "allOf", "not", "if")
TYPES = ("string", "number", "integer", "boolean", "array", "object")


@dataclasses.dataclass(frozen=True)
class Provider:
    """`most_tools`: how many a request takes. `values_arrive`: whether additionalProperties reach the provider."""

    title: str
    rules: tuple[Rule, ...]
    most_tools: int | None = None
    values_arrive: bool = True


def walk(schema: Schema, path: str = "input", *, values: bool = True) -> Iterator[tuple[str, Schema]]:
    """A schema and every schema inside it, with the way there; `values` are those of free-form objects."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}", values=values)
    if isinstance(schema.get("items"), dict):
        yield from walk(schema["items"], f"{path}[]", values=values)
    if values and isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}{{}}", values=values)
    for word in COMBINATORS:
        for branch in schema.get(word, ()) if isinstance(schema.get(word), list) else ():
            yield from walk(branch, path, values=values)


def misfits(operation: Operation, provider: Provider) -> Iterator[str]:
    """What a provider refuses of one tool, loses of it or reads otherwise."""
    for path, schema in walk(operation.input_schema, values=provider.values_arrive):
        for rule in provider.rules:
            yield from (f"{path}: {fault}" for fault in rule(schema, path == "input"))


# rules


def object_at_the_top(schema: Schema, top: bool) -> Iterator[str]:
    # openai/openai-agents-python#449, anomalyco/opencode#35516, langchain-ai/langchain#39271
    if top and (schema.get("type") != "object" or "properties" not in schema):
        yield "the input is not an object with properties"
    yield from (f"{word} stands at the top" for word in COMBINATORS if top and word in schema)


def plain_names(schema: Schema, top: bool) -> Iterator[str]:
    # One bad key fails every request: freee/freee-mcp#15, twilio-labs/mcp#49
    for name in schema.get("properties", ()):
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
            yield f"the property name {name!r} is refused"


def arrays_have_items(schema: Schema, top: bool) -> Iterator[str]:
    # backstage/backstage#34038; "items: missing field", kkrishnan90/gemini-desktop#7
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        yield "an array has no items"


def one_type_each(schema: Schema, top: bool) -> Iterator[str]:
    # "Proto field is not repeating": taylorwilsdon/google_workspace_mcp#1099. Gemini CLI skips what has no type:
    # arben-adm/mcp-sequential-thinking#12. AutoGen: "Unsupported or missing type", _json_to_pydantic.py of 0.7.5.
    if "anyOf" not in schema and schema.get("type") not in TYPES:
        yield "it has no type, or more than one"


def enums_are_texts(schema: Schema, top: bool) -> Iterator[str]:
    # "Invalid value at ...enum[0] (TYPE_STRING)": microsoft/azure-devops-mcp#145, hyperdxio/hyperdx#2967;
    # "enum only allowed for STRING type": decolua/9router#380
    if "enum" in schema:
        if schema.get("type") != "string" or not all(isinstance(value, str) for value in schema["enum"]):
            yield "an enum holds something else than texts"
        if not schema["enum"]:
            yield "an enum is empty"


def gemini_keywords(schema: Schema, top: bool) -> Iterator[str]:
    # "Unknown name": pizza-bot-app/pizza-bot#62. The fields of Schema, https://ai.google.dev/api/caching#Schema;
    # every client takes additionalProperties away by itself.
    known = {"type", "format", "title", "description", "nullable", "enum", "example", "anyOf", "minimum", "maximum"}
    known |= {"items", "minItems", "maxItems", "minLength", "maxLength", "pattern", "properties", "required"}
    known |= {"minProperties", "maxProperties", "propertyOrdering", "additionalProperties"}
    yield from (f"{word} is not a field that Gemini knows" for word in schema if word not in known)


def gemini_formats(schema: Schema, top: bool) -> Iterator[str]:
    # "only 'enum' and 'date-time' are supported for STRING type": google-gemini/gemini-cli#3178
    known = {"string": ("enum", "date-time"), "number": ("float", "double"), "integer": ("int32", "int64")}
    if "format" in schema and schema["format"] not in known.get(schema.get("type", ""), ()):
        yield f"the format {schema['format']} is refused"


def alternatives_stand_alone(schema: Schema, top: bool) -> Iterator[str]:
    # "When using any_of, it must be the only field set": anomalyco/opencode#14659, patlux/pi-commandcode-provider#103
    if "anyOf" in schema and len(schema) > 1:
        yield "something stands beside anyOf"


def required_is_defined(schema: Schema, top: bool) -> Iterator[str]:
    # Kilo-Org/kilocode#11955; "only allowed for OBJECT type": mastra-ai/mastra#22489, ComposioHQ/composio#4022
    if ("properties" in schema or "required" in schema) and schema.get("type") != "object":
        yield "properties or required stand outside an object"
    for name in schema.get("required", ()):
        if name not in schema.get("properties", {}):
            yield f"{name} is required and not defined"


def no_null(schema: Schema, top: bool) -> Iterator[str]:
    # CrewAI and mcp-use write null for whatever was left out, which empties a field that takes it:
    # crewAIInc/crewAI-tools#302, grll/mcpadapt#38, #49. @langchain/mcp-adapters 1.1.4 loses the type beside null.
    # Gemini: copilot-cli#4623.
    for name, child in schema.get("properties", {}).items():
        if {"type": "null"} in child.get("anyOf", ()) or "null" in kinds_of(child):
            yield f"{name} takes null"


def python_formats(schema: Schema, top: bool) -> Iterator[str]:
    # pydantic reads email only where email-validator is installed, and without it the whole list fails; AutoGen reads
    # uuid as version 4 and refuses formats that it does not know. FORMAT_TYPE_MAP of crewai 1.15.30,
    # FORMAT_MAPPING of autogen-core 0.7.5.
    if "format" in schema:
        yield f"the format {schema['format']} is read by a Python class of its own"


def typed_unions(schema: Schema, top: bool) -> Iterator[str]:
    # "Unsupported or missing type in union": autogen_core/utils/_json_to_pydantic.py, 0.7.5
    for word in ("anyOf", "oneOf"):
        if any("type" not in branch for branch in schema.get(word, ())):
            yield f"an alternative of {word} has no type"


def strict_keywords(schema: Schema, top: bool) -> Iterator[str]:
    # Structured outputs, "Supported schemas": https://developers.openai.com/api/docs/guides/structured-outputs.
    # default: dotnet/extensions#6266. minLength: openai/openai-node#1988 (some models take it).
    # uri: posit-dev/chatlas#255
    known = {"type", "description", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items"}
    known |= {"pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    known |= {"minItems", "maxItems"}
    yield from (f"{word} is refused in strict mode" for word in schema if word not in known)
    if schema.get("format", "date") not in ("date-time", "time", "date", "duration", "email", "hostname", "uuid"):
        yield f"the format {schema['format']} is refused in strict mode"
    if re.search(r"\(\?[=!<]", schema.get("pattern", "")):
        yield "the pattern looks around, which is refused in strict mode"


def closed_objects(schema: Schema, top: bool) -> Iterator[str]:
    # additionalProperties must be false; agents/strict_schema.py of openai-agents 0.24.0 falls back for others.
    if schema.get("type") == "object" and (
        not (schema.get("properties") or top) or schema.get("additionalProperties") not in (None, False)
    ):
        yield "a free-form object cannot be strict"


def strict_size(schema: Schema, top: bool) -> Iterator[str]:
    # The same guide: 10 levels, 5,000 properties, 1,000 values of enums; 15,000 characters in one of over 250.
    if not top:
        return
    inside = list(walk(schema))
    if max(path.count(".") + path.count("[]") for path, _ in inside) > 10:
        yield "it is nested deeper than 10 levels"
    if sum(len(node.get("properties", ())) for _, node in inside) > 5000:
        yield "it has over 5,000 properties"
    if sum(len(node.get("enum", ())) for _, node in inside) > 1000:
        yield "it has over 1,000 values of enums"
    if any(len(node.get("enum", ())) > 250 and sum(map(len, map(str, node["enum"]))) > 15_000 for _, node in inside):
        yield "an enum has over 15,000 characters"


OPTIONAL = "openai-strict"
"""Only asked for by name: a host that cannot be strict with a tool goes on without, as with free-form objects."""

PROVIDERS = {
    # A request takes 128 tools: zed-industries/zed#32946
    "openai": Provider("OpenAI", (object_at_the_top, plain_names, arrays_have_items), most_tools=128),
    OPTIONAL: Provider(
        "OpenAI, strict mode",
        (object_at_the_top, plain_names, arrays_have_items, strict_keywords, closed_objects, strict_size),
        most_tools=128,
    ),
    "anthropic": Provider("Anthropic", (object_at_the_top, plain_names)),
    # The older field `parameters`, which LangChain and gateways fill; parametersJsonSchema takes more.
    "gemini": Provider(
        "Gemini",
        (
            object_at_the_top,
            plain_names,
            arrays_have_items,
            one_type_each,
            enums_are_texts,
            gemini_keywords,
            gemini_formats,
            alternatives_stand_alone,
            required_is_defined,
            no_null,
        ),
        values_arrive=False,
    ),
    "crewai": Provider("CrewAI", (object_at_the_top, arrays_have_items, python_formats, no_null), values_arrive=False),
    # It takes array items with alternatives for texts: two tools lose their objects there, and work with texts.
    "autogen": Provider(
        "AutoGen",
        (object_at_the_top, arrays_have_items, one_type_each, python_formats, typed_unions),
        values_arrive=False,
    ),
    "langchain": Provider("LangChain", (object_at_the_top, arrays_have_items, no_null), values_arrive=False),
}
"""By the name that `tools --lint` takes."""
