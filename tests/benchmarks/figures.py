"""What benchmarks measured, written down by themselves: with `--record`, each writes its entry of figures.json.

README shows the entries, in a block that `mcp-instantly docs` generates. An entry is known by its command; a new one of
the same command takes its place.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import sys
from pathlib import Path

FILE = Path(__file__).with_name("figures.json")
OPTION = "--record"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Have a benchmark take `--record`."""
    parser.add_argument(OPTION, action="store_true", help=f"write the figures into {FILE.name}, for the README")


def record(result: str, file: Path = FILE) -> None:
    """Write down what this command has found, and where and when."""
    whole = json.loads(file.read_text(encoding="utf-8"))
    entry = {"command": command(sys.argv), "result": result, "machine": machine(), "month": f"{dt.date.today():%B %Y}"}
    others = [one["command"] for one in whole["figures"]]
    if entry["command"] in others:
        whole["figures"][others.index(entry["command"])] = entry
    else:
        whole["figures"].append(entry)
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def command(given: list[str]) -> str:
    """How a benchmark was called, without the order to record it, and where things are on this machine."""
    program, *rest = (one for one in given if one != OPTION)
    return " ".join([Path(program).name, *(Path(one).name if Path(one).is_absolute() else one for one in rest)])


def machine() -> str:
    """The processors, what they had to do besides, and the Python."""
    try:
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    model = found[1] if found else platform.processor() or platform.machine()
    model = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", model)
    load = f", load {os.getloadavg()[2]:.1f}" if hasattr(os, "getloadavg") else ""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{os.cpu_count()} cores of {' '.join(model.split())}{load}, Python {python}"
