"""The wheel: an installed package lists the same tools as the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from mcp_instantly.guidance.manual import jobs, reference_pages

from .conftest import ROOT, clean_environment


def test_a_wheel_installed_in_an_empty_place_lists_the_same_tools(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(place),
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    assert not [name for name in names if name.startswith(("tests", "examples", "tool_schemas", "skills"))]
    assert "mcp_instantly/sandbox/pages/templates/overview.html" in names
    assert "mcp_instantly/py.typed" in names
    assert {f"mcp_instantly/guides/jobs/{name}.md" for name in jobs()} <= set(names)
    assert {f"mcp_instantly/guides/pages/{name}.md" for name in reference_pages()} <= set(names)
    listing = ["-m", "mcp_instantly", "tools", "--json", "--toolsets", "all"]
    environment = clean_environment(PYTHONPATH=str(place), PYTHONSAFEPATH="1")
    where = [sys.executable, "-c", "import mcp_instantly; print(mcp_instantly.__file__)"]
    origin = subprocess.run(
        where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert str(place) in origin.stdout
    installed = subprocess.run(
        [sys.executable, *listing],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    checkout = subprocess.run(
        [sys.executable, *listing],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert installed.stdout == checkout.stdout
