"""Options of a command that are handed on to a server, which is started from another folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mcp_instantly.commands.entry_checks import DATABASE_FILE, has_password
from mcp_instantly.commands.entry_options import UNKNOWN, read_serve, says_something
from mcp_instantly.commands.http_options import http_options
from mcp_instantly.commands.options import options_of, sandbox_option, selection_options
from mcp_instantly.commands.serve_options import stdio_parameters, transport_options
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.settings import absolute
from mcp_instantly.suggestions import suggest

WORLD = ("sandbox", "scenario", "state", "budgets")
"""What an entry is for, the sandbox or Instantly: each time anew as it is given, since a sandbox is tried first."""

CHOICE = ("toolsets", "tools")
"""What chooses tools together: one that is kept beside a new one would offer more than was meant."""

LOOSE = ("no_agent_check", "no_host_confirm", "raw_text", "reveal_secrets", "repeat_window")
"""What may do no harm in the sandbox, and is not taken from there to Instantly."""


def selection_arguments(chosen: dict[str, Any]) -> list[str]:
    """The options of a selection, and --sandbox, as `serve` takes them from any folder. Raises ConfigError."""
    options = options_of(selection_options, sandbox_option)
    return _words(options, {option.name or "": chosen[option.name or ""] for option in options})


def given_options(context: click.Context) -> tuple[dict[str, Any], list[str]]:
    """What the command was given of the options of `serve`, as arguments and in variables, by parameter; and the
    variables among them that are left out, since a password would get into a file. Raises ConfigError for an argument
    with one."""
    given, left_out = {}, []
    for option in stdio_parameters():
        name = option.name or ""
        source, value = context.get_parameter_source(name), context.params[name]
        if source not in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT) or not says_something(value):
            continue
        if not has_password(value):
            given[name] = value
        elif source is ParameterSource.ENVIRONMENT:
            left_out.append(str(option.envvar))
        else:
            raise ConfigError(
                f"{option.opts[0]} has a password, which does not belong in the file of a host. Nothing was written."
            )
    return given, left_out


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

    def values(self) -> dict[str, Any]:
        """What it says, by parameter, as far as it can be checked here: nothing that is for another folder, or for the
        host to fill in."""
        variables = {name: value for name, value in self.variables.items() if value is not UNKNOWN}
        return {**known_here(variables), **known_here(self.kept), **self.given}

    def options(self) -> dict[str, Any]:
        """The options of a server with this entry, as far as they can be checked here. Raises click's errors."""
        checkable = dataclasses.replace(self, given=self.values(), kept={})
        return read_serve().make_context("serve", checkable.arguments()).params

    def removed_variables(self) -> list[str]:
        return [str(option.envvar) for option in _serve_options() if option.name in self.removed]

    def _words_of(self, option: click.Option) -> list[str]:
        given = option.name in self.given
        return _words([option], self.given if given else self.kept, anchored=given)

    def of_the_old(self) -> str:
        """The options that it has of the entry that was there, empty for none."""
        return _named([*self.kept, *self.variables])

    def told(self) -> list[str]:
        """What became of the entry that was there, a sentence each."""
        said = []
        if old := self.of_the_old():
            said.append(f"It keeps {old} of the entry that was there; --without NAME takes one of them away.")
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
    # An argument of the command may have the name of an option of serve.
    own = {one.name for one in context.command.params if isinstance(one, click.Option)}
    found: dict[str, str | None] = {}
    for word in words:
        option = known.get(word.lstrip("-"))
        if option is None or option.name is None:
            meant = suggest(word.lstrip("-"), known)
            raise ConfigError(f"--without takes names of options of serve, such as --without policy.{meant}")
        if option.name in own and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            raise ConfigError(f"--without takes {option.opts[0]} away, and it is given too; choose one of them.")
        found[option.name] = str(option.envvar) if option.envvar else None
    return found


def _words(parameters: Iterable[click.Option], given: Mapping[str, Any], *, anchored: bool = True) -> list[str]:
    """Options as arguments; with `anchored`, paths hold in every folder. Raises ConfigError."""
    found = []
    for option in parameters:
        value: Any = given.get(option.name or "")
        word = option.opts[0]
        if not says_something(value):
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


def _serve_options() -> list[click.Option]:
    """The options of `serve`, with their variables."""
    return [*options_of(transport_options, http_options), *stdio_parameters()]


def _named(names: Collection[str]) -> str:
    return ", ".join(option.opts[0] for option in _serve_options() if option.name in names)
