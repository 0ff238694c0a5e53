"""The workers of pytest-xdist: how many there are, and how they begin.

Where it can, a worker is a fork of the process that runs pytest, which has imported by then what every worker would
import for itself: the SDK, the package, and the modules of all tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import subprocess
import warnings
from pathlib import Path

import pytest

from mcp_instantly.arguments.arguments import quick_checks
from mcp_instantly.sandbox.directory.population import directory
from mcp_instantly.tools.catalog import load_catalog

from .processes import FIRST_STDERR, Offspring, can_fork, load

TESTS = Path(__file__).parent
LONG = (
    *("test_bulk_jobs", "test_shared_budgets", "test_frameworks", "test_paused_workers", "test_bundles", "test_fuzz"),
    *("test_examples", "test_tracing", "test_new_operation", "test_shared_jobs", "test_site", "sandbox/test_journal"),
    *("test_deploy", "test_budgets", "test_failures", "test_package"),
)
"""Modules with tests that take seconds, many of them waiting, the longest first."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three more than there are processors, as some tests wait; who is done takes tests over from who is not."""
    config.option.dist = "worksteal"
    return (os.cpu_count() or 1) + 3


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Import what all workers need, then fork each of them."""
    if not can_fork(os.environ):
        return
    load()
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        import_tests()
        prepare()
    gc.freeze()
    subprocess.Popen = Offspring  # type: ignore[misc]


def spread_long_modules(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have each worker begin with some of the long modules, so that none of them is left for the end."""
    if not hasattr(config, "workerinput"):
        return
    count = config.workerinput["workercount"]
    files = {TESTS / f"{name}.py": number % count for number, name in enumerate(LONG)}
    first = [[item for item in items if files.get(item.path) == number] for number in range(count)]
    others = [item for item in items if item.path not in files]
    ordered: list[pytest.Item] = []
    for number, long in enumerate(first, 1):
        # Each worker is given an equal part, of the items as they stand.
        more = max(0, len(items) * number // count - len(ordered) - len(long))
        ordered += [*long, *others[:more]]
        del others[:more]
    items[:] = ordered + others


def pytest_sessionstart(session: pytest.Session) -> None:
    """In a fork, what the SDK takes for stderr is that of the parent: have it be this worker's, which is captured."""
    if hasattr(session.config, "workerinput"):
        os.dup2(2, FIRST_STDERR.fileno())


def import_tests() -> None:
    """Import the modules of all tests. What is wrong with one is told when it is collected.

    Half of them are compiled by another process meanwhile, where they have not been yet.
    """
    found = sorted(TESTS.rglob("test_*.py"))
    assert {TESTS / f"{name}.py" for name in LONG} <= set(found)
    other = os.fork()
    if other == 0:
        try:
            import_all(found[1::2])
        finally:
            os._exit(0)
    import_all(found[::2])
    os.waitpid(other, 0)
    import_all(found[1::2])


def import_all(files: list[Path]) -> None:
    for file in files:
        with warnings.catch_warnings(), contextlib.suppress(Exception, pytest.skip.Exception):
            warnings.simplefilter("error")
            importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


def prepare() -> None:
    """Make what most workers would make for themselves, and keep."""
    from .conftest import prepared_contents

    directory()
    prepared_contents("busy")
    for operation in load_catalog().operations.values():
        quick_checks(operation)
