"""Options of a command that are handed on to a server, which is started from another folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mcp_instantly.commands.options import options, sandbox_option, selection_options
from mcp_instantly.settings import absolute

_COMMAND = click.command()(options(selection_options, sandbox_option)(lambda **_: None))
"""What has the options that are handed on, and does nothing."""


def selection_arguments(chosen: dict[str, Any]) -> list[str]:
    """The options of a selection, and --sandbox, as `serve` takes them from any folder. Raises ConfigError."""
    found = []
    for option in _COMMAND.params:
        value, word = chosen[option.name or ""], option.opts[0]
        if isinstance(option, click.Option) and option.is_flag:
            found += [word] if value else []
        elif isinstance(option.type, click.Path):
            paths = [value] if isinstance(value, Path) else value or ()
            found += [part for path in paths for part in (word, str(absolute(path, word)))]
        elif value:
            found += [word, ",".join(value)]
    return found
