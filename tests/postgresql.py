"""A PostgreSQL that a test starts for itself from the installed binaries (Debian: apt-get install postgresql)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .services import free_port

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
START_SECONDS = 30.0


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """The URL of one on a free port of this machine, in a temporary folder."""
    assert BINARIES is not None, "PostgreSQL is not installed: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="jobs-"))
    # It refuses to run as root.
    account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if account:
        shutil.chown(folder, "postgres")
    data, port = folder / "data", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(
        [*account, str(BINARIES / "initdb"), "-D", str(data), "-A", "trust", "-U", "jobs", "--no-sync"],
        check=True,
        **quiet,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [*account, str(BINARIES / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-t", str(int(START_SECONDS)), "-o", options, "start"], check=True, **quiet)
    try:
        yield f"postgresql://jobs@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **quiet)
        shutil.rmtree(folder, ignore_errors=True)
