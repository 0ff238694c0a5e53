"""Text from elsewhere: whatever an API, a page, a client or a file says, it is visible, short and steers nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.text import MAX_ERROR_CHARACTERS, UNSEEN, clip, error_text, escape_json, one_line, reveal, shorten
from mcp_instantly.tools.catalog import Catalog

from .conftest import Connect, clean_environment, everything, no_sleep
from .processes import start

HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202eevil\u2066 \u2028 \u200b\ufeff \x7f"


def test_the_unseen_are_those_that_python_does_not_print_either() -> None:
    unseen = [chr(code) for code in range(sys.maxunicode + 1) if UNSEEN.match(chr(code))]
    assert not any(character.isprintable() for character in unseen)
    steering = {
        chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    }
    assert steering <= set(unseen)
    assert {"\u2028", "\u2029", "\u200b", "\u200d", "\ufeff", "\ud800"} <= set(unseen)


def test_what_is_unseen_is_shown_by_its_number_and_all_else_stays() -> None:
    assert reveal("Zoë 🎉 שלום 日本") == "Zoë 🎉 שלום 日本"
    assert reveal("a\x1b[2Jb\udc9fc") == "a<U+001B>[2Jb<U+DC9F>c"
    assert one_line("two\nlines\r\n\tof  it ", 40) == "two lines of it"
    assert not UNSEEN.search(one_line(HOSTILE, 300))


@pytest.mark.parametrize("size", [0, 10, 11, 100, 5_000_000])
def test_a_line_never_exceeds_its_limit(size: int) -> None:
    for text in ("x" * size, "\x1b" * size, " " * size + "x"):
        assert len(one_line(text, 10)) <= 10
        assert len(shorten(text)) <= 300
        assert len(clip(text, 200)) <= 200
        assert len(error_text(text)) <= MAX_ERROR_CHARACTERS


def test_a_long_error_keeps_both_of_its_ends() -> None:
    shown = error_text("It was sent. " + "x" * 100_000 + " Read the state first.")
    assert shown.startswith("It was sent. ")
    assert shown.endswith(" Read the state first.")


def test_json_with_escapes_means_the_same() -> None:
    # As in JSON that was printed without indentation: its only control characters stand in strings.
    everything = "".join(chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF)
    value = {"text": everything, everything[:0x3000]: [1, "é\u202e"]}
    escaped = escape_json(json.dumps(value, indent=2, ensure_ascii=False))
    assert json.loads(escaped) == value
    assert {found[0] for found in UNSEEN.finditer(escaped)} == {"\n"}
    assert "é" in escaped


# where it enters


async def calls(catalog: Catalog, settings: Settings, response: httpx.Response, tool: str, arguments: Any) -> str:
    """The text of a call through a real client, when the API answers with `response`."""

    async def answer(_: httpx.Request) -> httpx.Response:
        return response

    async with (
        InstantlyClient(settings, transport=httpx.MockTransport(answer), sleep=no_sleep) as http,
        Client(build_server(Invoker(everything(), http, settings))) as client,
    ):
        return (await client.call_tool(tool, arguments)).content[0].text  # type: ignore[union-attr]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(400, json={"message": HOSTILE + "x" * 9000}),
        httpx.Response(400, json={"error": {HOSTILE: "x" * 9000}}),
        httpx.Response(418, text=HOSTILE + "x" * 9000),
        httpx.Response(404, text=f"<html><title>{HOSTILE}{'x' * 9000}</title>"),
        httpx.Response(200, json={"success": False, "message": HOSTILE + "x" * 9000}),
    ],
)
async def test_the_words_of_the_api_are_quoted_visibly_and_briefly(
    catalog: Catalog, settings: Settings, response: httpx.Response
) -> None:
    said = await calls(catalog, settings, response, "pause_campaign", {"id": "01991f00-0001-7000-8000-000000000001"})
    assert "<U+001B>]0;owned<U+0007>" in said or "\\u001b" in said
    assert not UNSEEN.search(said)
    assert len(said) < 1000


LONG = "n" * 5_000_000


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("list_campaigns", {LONG: 1}, "unknown"),
        ("list_campaigns", {"search": [LONG]}, "search: expected"),
        ("create_lead", {"custom_variables": {LONG: [1]}}, "custom_variables.nnn"),
        ("create_lead", {"custom_variables": {LONG: "\ud800"}}, "custom_variables.nnn"),
        ("create_campaign", {LONG: {LONG: {LONG: "\ud800"}}}, "surrogate"),
        ("get_lead", {"id": LONG}, "id: expected"),
        ("create_campaign", {"name": "x", "campaign_schedule": {"schedules": [{"timezone": LONG}]}}, "timezone"),
        ("list_campaigns", {f"{index} {HOSTILE}": 1 for index in range(5000)}, "<U+001B>"),
    ],
)
async def test_an_error_about_arguments_is_visible_and_short_whatever_they_are(
    connect: Connect, tool: str, arguments: dict[str, Any], words: str
) -> None:
    async with connect() as client:
        said = (await client.call_tool(tool, arguments)).content[0].text  # type: ignore[union-attr]
    assert said.startswith("Nothing was sent")
    assert words in said
    assert len(said) <= MAX_ERROR_CHARACTERS
    assert not UNSEEN.search(said)


@pytest.mark.anyio
async def test_a_tool_of_any_name_is_refused_briefly(connect: Connect) -> None:
    async with connect() as client:
        for name in (LONG, HOSTILE):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, {})
            assert str(caught.value).startswith("There is no tool")
            assert len(str(caught.value)) < 300
            assert not UNSEEN.search(str(caught.value))


def talk(style: str, messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """The answers of a server on stdio to messages, one after the other, and its stderr."""
    with start(
        *("serve", "--sandbox", "--log-arguments", "--log-format", style),
        environment=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as server:
        assert server.stdin and server.stdout and server.stderr
        answers = []
        for message in messages:
            server.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
            server.stdin.flush()
            if "id" in message:
                answers.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        return answers, server.stderr.read()


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_a_client_calls_itself_and_its_requests_is_logged_visibly_and_briefly(style: str) -> None:
    client = {"name": HOSTILE + "x" * 1_000_000, "version": "\x1b[2J"}
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
    lead = {"id": "01991f00-0001-7000-8000-000000000001", "Maya Lindqvist": 1}
    answers, err = talk(
        style,
        [
            {"id": 1, "method": "initialize", "params": begin},
            {"method": "notifications/initialized"},
            {"id": "r" * 1_000_000, "method": "tools/call", "params": {"name": "get_lead", "arguments": lead}},
            {"id": HOSTILE, "method": "tools/call", "params": {"name": "\x1b[2J" + "x" * 3_000_000, "arguments": lead}},
        ],
    )
    assert [answer["id"] for answer in answers] == [1, "r" * 1_000_000, HOSTILE]
    assert len(json.dumps(answers[2])) < 1000
    assert err.count("tool_call") == 2
    assert len(err) < 20_000
    assert not UNSEEN.search(err.replace("\n", ""))
    assert "<U+001B>[2J" in err
    assert "Maya" not in err
