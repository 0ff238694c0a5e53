"""What every command does at the console: run, print, and fail in one line."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import gc
import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

import anyio
import click

from mcp_instantly.errors import ConfigError
from mcp_instantly.text import error_text, escape_json, parse_fault

OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Objects that may be made before the collector looks for cycles among them; a call makes some hundreds."""

MAX_SENTENCE_CHARACTERS = 300

AN_OBJECT = "They are one JSON object, such as '{\"limit\": 10}', in quotes."
"""What to say of arguments of a tool that are written otherwise."""


class OutputLost(Exception):
    """What was printed could not be written; the text says why."""


class _Output:
    """stdout, whose failures are told from all others. A pipe that nobody reads any more fails as ever."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        return int(self._tried(lambda: self._stream.write(text)))

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error.strerror or "it is closed") from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def open_streams() -> Iterator[None]:
    """Within, the standard streams are there: where the process got none, nothing can be read from stdin, writing to
    stdout raises OutputLost, as it does where it fails, and what is written to stderr is for nobody."""
    before = sys.stdin, sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        # Opened in this order they also take the descriptors, which nothing else should have.
        if sys.stdin is None:
            sys.stdin = stack.enter_context(open(os.devnull, encoding="utf-8"))
        # What is opened for reading cannot be written.
        stdout = sys.stdout or stack.enter_context(open(os.devnull, encoding="utf-8"))
        sys.stdout = cast(TextIO, _Output(stdout))
        if sys.stderr is None:
            sys.stderr = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def run(function: Callable[[], Any], *, fast: bool = False) -> Any:
    """Run an async function to its end; Ctrl-C ends the program with status 130, without a word.

    `fast` has it run by uvloop, where that is installed.
    """
    try:
        with_uvloop = fast and importlib.util.find_spec("uvloop") is not None
        return anyio.run(function, backend_options={"use_uvloop": True} if with_uvloop else None)
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Python 3.10 ends an interrupted loop with the latter.
        sys.exit(130)


def confirm(question: str) -> bool:
    """Ask a person at the terminal. Raises click.Abort where they break off.

    Within an event loop the first Ctrl-C would only ask the loop to end, which the question holds up.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def collect_rarely() -> None:
    """Have the collector look for cycles less often, and not at all in what is loaded by now."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def fail(message: str, code: int) -> int:
    """Print a failure, and give the exit status back."""
    print(f"mcp-instantly: {error_text(message)}", file=sys.stderr)
    return code


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print JSON that means the same in every encoding, and in which nothing steers a terminal."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    print(escape_json(json.dumps(value, indent=indent, ensure_ascii=not is_utf8)))


class NoCommand(click.UsageError):
    """A group was named without one of its commands; the message is its help."""


class Group(click.Group):
    """A group that lists its commands with the whole of their first sentences, which click would cut.

    What it says without a command, or of one that is unknown, is the same with every click.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            raise NoCommand(ctx.get_help(), ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            raise click.UsageError(f"{error.format_message()} {ctx.command_path} --help lists all.", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.commands[name].get_short_help_str(MAX_SENTENCE_CHARACTERS)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


def read_object(text: str) -> dict[str, Any]:
    """The arguments of a call as the command line has them; `-` reads them from stdin. Raises ConfigError."""
    try:
        # As bytes: JSON is UTF-8, or UTF-16 with a mark, whatever the encoding of the terminal.
        values = json.loads(sys.stdin.buffer.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The arguments are not valid JSON: {parse_fault(error)}. {AN_OBJECT}") from None
    if not isinstance(values, dict):
        raise ConfigError('The arguments must be a JSON object such as {"limit": 10}.')
    return values
