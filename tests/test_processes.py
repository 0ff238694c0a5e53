"""Where the tests fork processes, and where they start them anew."""

from __future__ import annotations

import subprocess

from .processes import NewProcess, Offspring, forking


def test_processes_are_forked_until_the_last_that_asked_for_it_has_ended() -> None:
    first, second = forking(), forking()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert subprocess.Popen is Offspring
    second.__exit__(None, None, None)
    assert subprocess.Popen is NewProcess
