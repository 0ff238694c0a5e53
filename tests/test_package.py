"""The wheel: an installed package lists the same tools as the checkout, and two builds are the same."""

from __future__ import annotations

import email
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from mcp_instantly.bundles.project import read_project
from mcp_instantly.diagnosis.sdk import BELOW, LOWEST
from mcp_instantly.guidance.manual import jobs, reference_pages

from . import processes
from .conftest import ROOT, clean_environment
from .deployment import compose
from .test_imports import imports

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


PARTS = {"mcp_types", "pydantic_core"}
"""What mcp and pydantic bring along, each in the one version that fits."""


NAMES_OF_CLICK_8_1 = {
    *("Abort", "BadParameter", "Choice", "ClickException", "Command", "Context", "FloatRange", "Group"),
    *("HelpFormatter", "IntRange", "NoSuchOption", "Option", "ParamType", "Parameter", "Path", "UsageError"),
    *("argument", "command", "confirm", "core", "core.ParameterSource", "edit", "exceptions.Exit"),
    *("get_current_context", "group", "option", "pass_context", "progressbar", "prompt"),
    *("types.UnprocessedParamType", "version_option"),
}
"""Look a new one up in that version, since the one that is installed here may be newer than a user's."""


def built(folder: Path, checkout: Path = ROOT, target: str = "wheel") -> Path:
    """The wheel of a checkout, or its sdist."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    environment = clean_environment(SOURCE_DATE_EPOCH="1700000000")
    subprocess.run(build, cwd=checkout, check=True, capture_output=True, timeout=120, env=environment)
    (file,) = folder.iterdir()
    return file


def copy_as_container(folder: Path) -> None:
    """Copy what the container file copies, and .gitignore, which says what belongs into no package."""
    lines = re.findall(r"^COPY (.+) /src\S*$", (ROOT / "deploy" / "Containerfile").read_text(), re.MULTILINE)
    for name in (*(name for line in lines for name in line.split()), ".gitignore"):
        if (ROOT / name).is_file():
            shutil.copyfile(ROOT / name, folder / name)
        else:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored, copy_function=shutil.copyfile)


def test_two_wheels_one_of_what_the_container_file_copies_are_the_same_to_the_byte(tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    copy_as_container(copy)
    assert {path.name for path in copy.iterdir()}.isdisjoint({"deploy", ".git", ".venv"})
    first, second = built(tmp_path / "first"), built(tmp_path / "second", copy)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_keys_that_lie_beside_the_compose_file_are_in_no_source_package(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    copy.mkdir()
    copy_as_container(copy)
    shutil.copytree(ROOT / "deploy", copy / "deploy")
    secrets = {secret["file"] for secret in compose()["secrets"].values()}
    for name in secrets:
        (copy / "deploy" / name).write_text("ada=s3cret-of-ada")
    with tarfile.open(built(tmp_path / "built", copy, "sdist")) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert "deploy/compose.yaml" in files
    assert {f"deploy/{name.removeprefix('./')}" for name in secrets}.isdisjoint(files)


def test_the_wheel_has_every_file_of_the_package_and_says_all_about_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(built(tmp_path)) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        facts = email.message_from_bytes(archive.read(metadata))
    expected = {
        f"mcp_instantly/{file.relative_to(folder.parent if folder.name == 'tool_schemas' else folder).as_posix()}"
        for folder in (ROOT / "mcp_instantly", ROOT / "tool_schemas")
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert facts["Requires-Python"] == said["requires-python"]
    assert set(facts.get_all("Provides-Extra", [])) == set(said["optional-dependencies"])
    links = {link.split(", ")[0] for link in facts.get_all("Project-URL", [])}
    assert links == {"Homepage", "Repository", "Documentation", "Changelog", "Issues"}
    classifiers = facts.get_all("Classifier", [])
    assert "Typing :: Typed" in classifiers and "Programming Language :: Python :: 3.10" in classifiers
    assert facts["Description-Content-Type"] == "text/markdown"


def test_the_sdk_that_is_asked_for_is_the_one_that_is_looked_for() -> None:
    (sdk,) = [one for one in read_project(ROOT).dependencies if re.match(r"mcp\b", one)]
    assert sdk == f"mcp>={'.'.join(map(str, LOWEST))},<{BELOW}"


def test_whatever_the_package_imports_is_declared() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_plain(one) for ones in (said["dependencies"], *said["optional-dependencies"].values()) for one in ones}
    provided = {name for one in declared for name in _provided_by(one)}
    imported = {name.split(".")[0] for file in (ROOT / "mcp_instantly").rglob("*.py") for name in imports(file)}
    # Where Python has no tomllib yet, tomli takes its place.
    assert not imported - provided - {*sys.stdlib_module_names, "mcp_instantly", "tomllib", *PARTS}


def test_every_name_of_click_that_is_used_is_one_of_the_oldest_that_is_allowed() -> None:
    assert "click>=8.1" in read_project(ROOT).dependencies
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "mcp_instantly").rglob("*.py")]
    used = {name for text in texts for name in re.findall(r"(?<![\w.])click\.((?:[a-z_]+\.)*\w+)", text)}
    imported = {line for text in texts for line in re.findall(r"^ *from (click\b.*)", text, re.MULTILINE)}
    assert used <= NAMES_OF_CLICK_8_1
    assert imported == {"click.core import ParameterSource"}


def _provided_by(distribution: str) -> set[str]:
    """The names at the top of a distribution, its own where it is not installed."""
    try:
        record = importlib.metadata.distribution(distribution).read_text("RECORD") or ""
    except importlib.metadata.PackageNotFoundError:
        return {distribution}
    return {re.split("[/,]", line)[0].removesuffix(".py") for line in record.splitlines()}


def _plain(requirement: str) -> str:
    """The name of a distribution, as it is compared."""
    (name,) = re.findall(r"^[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_wheel_installed_in_an_empty_place_lists_the_same_tools(tmp_path: Path) -> None:
    wheel = built(tmp_path)
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
        "--no-compile",
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
    checkout = processes.run("tools", "--json", "--toolsets", "all", environment=clean_environment())
    assert checkout.returncode == 0 and installed.stdout == checkout.stdout
