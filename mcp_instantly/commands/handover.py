"""Options of a command that are handed on to a server, which is started from another folder."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mcp_instantly.commands.entry_checks import has_password
from mcp_instantly.commands.http_options import http_options
from mcp_instantly.commands.options import options, sandbox_option, selection_options
from mcp_instantly.commands.serve_options import stdio_options, stdio_parameters, transport_options
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.settings import absolute

_COMMAND = click.command()(options(selection_options, sandbox_option)(lambda **_: None))
"""What has the options that are handed on by a command which takes a few of them, and does nothing."""

WORLD = ("sandbox", "scenario", "state", "budgets")
"""What an entry is for, the sandbox or Instantly: each time anew as it is given, since a sandbox is tried first."""

CHOICE = ("toolsets", "tools")
"""What chooses tools together: one that is kept beside a new one would offer more than was meant."""

LOOSE = ("no_agent_check", "no_host_confirm", "raw_text", "reveal_secrets", "repeat_window")
"""What may do no harm in the sandbox, and is not taken from there to Instantly."""

DATABASE_FILE = "sqlite:///"

FILLED_IN = re.compile(r"\$\{|\$\(|^\$\w|^%\w+%$")
"""What a host replaces by a value of its own."""

UNKNOWN = object()
"""The value of an option that only the host knows."""

SET_BEFORE = re.compile(r"(?:-e|--env=)?([A-Za-z_]\w*(?==)|INSTANTLY_\w+)")
"""A variable among words that start the server, as env and containers take them."""


def selection_arguments(chosen: dict[str, Any]) -> list[str]:
    """The options of a selection, and --sandbox, as `serve` takes them from any folder. Raises ConfigError."""
    given = {option.name or "": chosen[option.name or ""] for option in _COMMAND.params}
    return _words(_options_in(_COMMAND.params), given)


def given_options(context: click.Context) -> tuple[dict[str, Any], list[str]]:
    """What the command was given of the options of `serve`, as arguments and in variables, by parameter; and the
    variables among them that are left out, since a password would get into a file. Raises ConfigError for an argument
    with one."""
    given, left_out = {}, []
    for option in stdio_parameters():
        name = option.name or ""
        source, value = context.get_parameter_source(name), context.params[name]
        if source not in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT) or not _says_something(value):
            continue
        if not has_password(value):
            given[name] = value
        elif source is ParameterSource.ENVIRONMENT:
            left_out.append(str(option.envvar))
        else:
            raise ConfigError(
                f"{option.opts[0]} has a password, which does not belong into the file of a host. Nothing was written."
            )
    return given, left_out


def entry_options(arguments: Sequence[str]) -> dict[str, Any]:
    """What the arguments of an entry say, by parameter; nothing where they do not start `serve`. Raises ConfigError."""
    words = list(arguments)
    if "serve" not in words:
        return {}
    command = _serve()
    try:
        context = command.make_context("serve", words[words.index("serve") + 1 :])
    except (click.ClickException, click.exceptions.Exit, ConfigError) as error:
        which = f", {error.option_name}" if isinstance(error, click.NoSuchOption) else ""
        raise ConfigError(
            f"The entry that is there has arguments that serve does not take{which}. Correct them, or take the entry "
            "out with mcp-instantly uninstall first. Nothing was written."
        ) from None
    given = {name: value for name, value in context.params.items() if _is_given(context, name)}
    return {name: value for name, value in given.items() if _says_something(value)}


def variable_options(environment: Mapping[str, Any], handed_over: Iterable[str]) -> dict[str, Any]:
    """What the variables of an entry say, by parameter: UNKNOWN for those that a host fills in, or hands over of its
    own environment. Raises ConfigError."""
    by_variable = {str(option.envvar): option for option in stdio_parameters() if option.envvar}
    texts: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for variable, value in {**dict.fromkeys(handed_over), **environment}.items():
        if (option := by_variable.get(variable)) is None or option.name is None:
            continue
        if value is None or FILLED_IN.search(text := str(value)):
            found[option.name] = UNKNOWN
        elif text:
            texts[option.name] = option.type.split_envvar_value(text) if option.multiple else text
    try:
        read = _serve().make_context("serve", [], default_map=texts).params
    except (click.ClickException, ConfigError) as error:
        parameter = error.param if isinstance(error, click.BadParameter) else None
        which = [variable for variable, option in by_variable.items() if parameter and option.name == parameter.name]
        raise ConfigError(
            f"The entry that is there has a variable that serve does not take{''.join(f', {one}' for one in which)}. "
            "Correct it, or take the entry out with mcp-instantly uninstall first. Nothing was written."
        ) from None
    return found | {name: read[name] for name in texts if _says_something(read[name])}


def refuse_variables_before_serve(arguments: Sequence[str]) -> None:
    """Raise ConfigError for an entry whose arguments set variables, which a new command would leave out."""
    words = [str(word) for word in arguments]
    before = words[: words.index("serve")] if "serve" in words else words
    names = [found[1] for word in before if (found := SET_BEFORE.match(word))]
    if names:
        raise ConfigError(
            f"The entry that is there sets {', '.join(names)} among its arguments, which would be lost. Put that into "
            "its variables instead, or take the entry out with mcp-instantly uninstall first. Nothing was written."
        )


def serve_words(options: Mapping[str, Any]) -> list[str]:
    """Options as arguments of `serve`, with paths as they are."""
    return _words(_serve_options(), options, anchored=False)


def known_here(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options whose values mean the same in every folder, and are not for a host to fill in."""
    return {name: value for name, value in options.items() if _is_known_here(name, value)}


def _is_known_here(name: str, value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_known_here(name, one) for one in value)
    text = str(value)
    if VARIABLE.search(text):
        return False
    if text.startswith(DATABASE_FILE):
        return os.path.isabs(text[len(DATABASE_FILE) :])
    is_path = isinstance(value, Path) or (name == "scenario" and not text.isidentifier())
    return not is_path or text.startswith("~") or os.path.isabs(text)


@dataclasses.dataclass(frozen=True)
class Handover:
    """What an entry is to say: `given` now, `kept` of the arguments of the entry that was there, and `variables` of its
    variables, which stay there. `dropped` is what it does not say any more since it was for the sandbox, and `removed`
    what its variables said."""

    given: Mapping[str, Any]
    kept: Mapping[str, Any]
    variables: Mapping[str, Any]
    dropped: tuple[str, ...]
    removed: tuple[str, ...]

    def arguments(self) -> list[str]:
        """What it says as arguments of `serve`, in the order of its options. Raises ConfigError."""
        # What is kept has paths as somebody wrote them, for a folder that is not known here.
        return [word for one in _serve_options() for word in self._words_of(one)]

    def known_arguments(self) -> list[str]:
        """Those that can be checked: not what is kept for a folder that is not known here, or for the host to fill in.
        Raises ConfigError."""
        return dataclasses.replace(self, kept=known_here(self.kept)).arguments()

    def options(self) -> dict[str, Any]:
        """The options of a server with this entry that can be checked here: not what is kept for another folder or for
        the host to fill in, and no paths in its variables. Raises click's errors."""
        paths = [option.name for option in stdio_parameters() if isinstance(option.type, click.Path)]
        known = {name: value for name, value in self.variables.items() if value is not UNKNOWN and name not in paths}
        return {**_serve().make_context("serve", self.known_arguments()).params, **known}

    def removed_variables(self) -> list[str]:
        return [str(option.envvar) for option in _serve_options() if option.name in self.removed]

    def _words_of(self, option: click.Option) -> list[str]:
        given = option.name in self.given
        return _words([option], self.given if given else self.kept, anchored=given)

    def told(self) -> list[str]:
        """What became of the entry that was there, a sentence each."""
        said = []
        if self.kept or self.variables:
            said.append(
                f"It keeps {_named([*self.kept, *self.variables])} of the entry that was there; --without NAME takes "
                "one of them away."
            )
        if self.dropped:
            said.append(
                f"It does not keep {_named(self.dropped)} of the entry that was there, which was for the sandbox."
            )
        if self.removed:
            said.append(f"It does not keep the variables {', '.join(self.removed_variables())}.")
        return said


def hand_over(
    given: Mapping[str, Any], earlier: Mapping[str, Any], variables: Mapping[str, Any], without: Collection[str]
) -> Handover:
    """What an entry is to say: what is given, and of the arguments and variables of the earlier entry what nobody took
    away or replaced."""
    if not {*CHOICE}.isdisjoint(given):
        without = {*without, *CHOICE}
    # An argument counts before a variable.
    said = {**variables, **earlier}
    left = {name: value for name, value in said.items() if name not in without and name not in given}
    kept = {name: value for name, value in left.items() if name not in WORLD or given.get("sandbox")}
    dropped: tuple[str, ...] = ()
    if said.get("sandbox") and not given.get("sandbox"):
        dropped = tuple(name for name, value in kept.items() if name in LOOSE or (name, value) == ("confirm", "never"))
    kept = {name: value for name, value in kept.items() if name not in dropped}
    return Handover(
        given,
        {name: value for name, value in kept.items() if name in earlier},
        {name: value for name, value in kept.items() if name not in earlier},
        dropped,
        tuple(name for name in variables if name not in kept),
    )


def taken_away(words: Iterable[str], context: click.Context) -> dict[str, str | None]:
    """The parameters that --without names, with their variables. Raises ConfigError."""
    known = {option.opts[0].lstrip("-"): option for option in _serve_options()}
    found: dict[str, str | None] = {}
    for word in words:
        option = known.get(word.lstrip("-"))
        if option is None or option.name is None:
            raise ConfigError("--without takes the name of an option of serve, such as --without policy.")
        if option.name in context.params and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"--without takes {option.opts[0]} away, and it is given too; choose one of them.")
        found[option.name] = str(option.envvar) if option.envvar else None
    return found


def _words(parameters: Iterable[click.Option], given: Mapping[str, Any], *, anchored: bool = True) -> list[str]:
    """Options as arguments; with `anchored`, paths hold in every folder. Raises ConfigError."""
    found = []
    for option in parameters:
        value: Any = given.get(option.name or "")
        word = option.opts[0]
        if not _says_something(value):
            continue
        if option.is_flag:
            found.append(word)
        elif option.multiple and not isinstance(option.type, click.Path):
            found += [word, ",".join(value)]
        else:
            values = value if option.multiple else [value]
            found += [part for one in values for part in (word, _text(one, word) if anchored else _plain(one))]
    return found


def _text(value: Any, word: str) -> str:
    """A value as an argument that means the same in every folder."""
    if isinstance(value, Path):
        return str(absolute(value, word))
    if word == "--scenario" and Path(value).is_file():
        return str(absolute(Path(value), word))
    if isinstance(value, str) and value.startswith(DATABASE_FILE):
        return DATABASE_FILE + str(absolute(Path(value[len(DATABASE_FILE) :]), word))
    return _plain(value)


def _plain(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _says_something(value: Any) -> bool:
    """Whether an option has a value; 0 is one."""
    return value is not None and value is not False and value != ()


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


@functools.cache
def _serve() -> click.Command:
    """What reads the arguments of `serve`, variables of this process aside, and does nothing."""
    command = click.command()(options(transport_options, http_options, stdio_options)(lambda **_: None))
    for option in _options_in(command.params):
        option.envvar = None
        if not option.is_flag:
            option.type = _OrVariable(option.type)
    return command


class _OrVariable(click.types.UnprocessedParamType):
    """A type that takes besides what a host fills in, as it is."""

    name = "value"

    def __init__(self, own: click.ParamType[Any]):
        self._own = own

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and VARIABLE.search(value):
            return value
        return self._own.convert(value, param, ctx)


def _serve_options() -> list[click.Option]:
    """The options of `serve`, with their variables."""
    command = click.command()(options(transport_options, http_options)(lambda **_: None))
    return [*_options_in(command.params), *stdio_parameters()]


def _options_in(parameters: Iterable[click.Parameter]) -> list[click.Option]:
    return [one for one in parameters if isinstance(one, click.Option)]


def _named(names: Collection[str]) -> str:
    return ", ".join(option.opts[0] for option in _serve_options() if option.name in names)
