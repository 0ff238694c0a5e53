"""Types of options: what click's own would let through, and is meant by nobody."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click


class Whole(click.IntRange):
    """A whole number in a range, which click's messages would call a range itself."""

    name = "whole number"


class Seconds(click.FloatRange):
    """A number of seconds in a range; click would let "nan" through, since it compares as neither less nor more."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


class NamedPath(click.Path):
    """A path that is not blank: a blank one would be the current folder, which nobody chose."""

    def __init__(self, *, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("it is blank; name a path, or leave it out.", param, ctx)
        return super().convert(value, param, ctx)
