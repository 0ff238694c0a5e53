"""Tests of many cheap cases: thousands of them cost more to count, to collect and to report than to run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def for_each(argument: str, cases: Iterable[Any], name: Callable[[Any], str] = lambda case: case.name) -> Any:
    """A decorator: one test that runs all cases, whatever some of them do, and names each that fails.

    `argument` is that of the test which takes the case; its other arguments are fixtures, which all cases share, so it
    is for tests that leave nothing behind. `cases` of the test has those that are left, by name: whoever collects tests
    may leave some out.
    """
    whole = list(cases)
    named = {name(case): case for case in whole}
    assert len(named) == len(whole), "two cases have one name"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        every = dict(named)
        rest = [given for given in inspect.signature(test).parameters.values() if given.name != argument]

        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failed = {}
            for label, case in every.items():
                try:
                    test(**{argument: case}, **fixtures)
                except Exception as error:
                    failed[label] = error
            _report(failed, len(every))

        @functools.wraps(test)
        async def run_async(**fixtures: Any) -> None:
            failed = {}
            for label, case in every.items():
                try:
                    await test(**{argument: case}, **fixtures)
                except Exception as error:
                    failed[label] = error
            _report(failed, len(every))

        made = run_async if inspect.iscoroutinefunction(test) else run
        made.__signature__ = inspect.Signature(rest)  # type: ignore[attr-defined]
        made.cases = every  # type: ignore[attr-defined]
        return made

    assert named, "there are no cases"
    return decorate


def _report(failed: dict[str, Exception], of: int) -> None:
    """Fail with the first error as the cause, so that its traceback is shown, and a line on each of the others."""
    if failed:
        lines = [f"{name}: {(str(error).splitlines() or [repr(error)])[0][:300]}" for name, error in failed.items()]
        text = "\n".join([f"{len(failed)} of {of} cases failed", *lines[:40]])
        raise pytest.fail.Exception(text) from next(iter(failed.values()))
