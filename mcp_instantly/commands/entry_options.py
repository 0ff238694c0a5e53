"""What the entry of a host says of the options of `serve`, by its arguments and its variables."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from click.core import ParameterSource

from mcp_instantly.commands.http_options import http_options
from mcp_instantly.commands.options import options_of
from mcp_instantly.commands.serve_options import stdio_options, stdio_parameters, transport_options
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.suggestions import find_meant

UNKNOWN = object()
"""The value of an option that only the host knows."""

OTHER_VARIABLES = (
    "INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE", "INSTANTLY_KEYS_FILE", "INSTANTLY_KEYRING",
    "INSTANTLY_AUTH_TOKENS", "INSTANTLY_METRICS_TOKEN", "INSTANTLY_STATE_KEY", "INSTANTLY_WORKERS_REGISTER",
)  # fmt: skip
"""Variables of the server that stand for no option."""

SET_BEFORE = re.compile(r"(?:-e|--env=)?([A-Za-z_]\w*(?==)|INSTANTLY_\w+)")
"""A variable among words that start the server, as env and containers take them."""


def entry_options(arguments: Sequence[str]) -> dict[str, Any]:
    """What the arguments of an entry say, by parameter; nothing where they do not start `serve`.

    Raises ConfigError, which says what the entry has, without a full stop.
    """
    words = list(arguments)
    if "serve" not in words:
        return {}
    command = read_serve()
    try:
        context = command.make_context("serve", words[words.index("serve") + 1 :])
    except (click.ClickException, click.exceptions.Exit, ConfigError) as error:
        which = f", {error.option_name}" if isinstance(error, click.NoSuchOption) else ""
        raise ConfigError(f"arguments that serve does not take{which}") from None
    given = {name: value for name, value in context.params.items() if _is_given(context, name)}
    return {name: value for name, value in given.items() if says_something(value)}


def variable_options(environment: Mapping[str, Any], handed_over: Iterable[str]) -> dict[str, Any]:
    """What the variables of an entry say, by parameter: UNKNOWN for those that a host fills in, or hands over of its
    own environment. Raises ConfigError, which says what the entry has, without a full stop."""
    by_variable = {str(option.envvar): option for option in stdio_parameters() if option.envvar}
    texts: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for variable, value in {**dict.fromkeys(handed_over), **environment}.items():
        if (option := by_variable.get(variable)) is None or option.name is None:
            continue
        if value is None or VARIABLE.search(text := str(value)):
            found[option.name] = UNKNOWN
        elif text:
            texts[option.name] = option.type.split_envvar_value(text) if option.multiple else text
    try:
        read = read_serve().make_context("serve", [], default_map=texts).params
    except (click.ClickException, ConfigError) as error:
        parameter = error.param if isinstance(error, click.BadParameter) else None
        which = [variable for variable, option in by_variable.items() if parameter and option.name == parameter.name]
        raise ConfigError(f"a variable that serve does not take{''.join(f', {one}' for one in which)}") from None
    return found | {name: read[name] for name in texts if says_something(read[name])}


def misspelt_variables(environment: Iterable[str]) -> dict[str, str]:
    """The names among these that are none of the server's and look like one, each with that one."""
    own = [str(option.envvar) for option in options_of(http_options, stdio_options) if option.envvar]
    known = [*OTHER_VARIABLES, *own]
    unknown = [name for name in environment if name.startswith("INSTANTLY_") and name not in known]
    return {name: meant for name in unknown if (meant := find_meant(name, known))}


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


def says_something(value: Any) -> bool:
    """Whether an option has a value; 0 is one."""
    return value is not None and value is not False and value != ()


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


@functools.cache
def read_serve() -> click.Command:
    """What reads the arguments of `serve`, variables of this process aside, and does nothing."""
    options = options_of(transport_options, http_options, stdio_options)
    for option in options:
        option.envvar = None
        if not option.is_flag:
            option.type = _OrVariable(option.type)
    return click.Command("serve", params=[*options])


class _OrVariable(click.types.UnprocessedParamType):
    """A type that takes besides what a host fills in, as it is."""

    name = "value"

    def __init__(self, own: click.ParamType[Any]):
        self._own = own

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and VARIABLE.search(value):
            return value
        return self._own.convert(value, param, ctx)
