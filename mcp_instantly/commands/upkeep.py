"""Commands for a checkout: docs writes what is generated, bundle makes the one for hosts, drift looks at the vendor's
documents."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import click

from mcp_instantly.commands.console import fail, print_json
from mcp_instantly.commands.option_types import NamedPath
from mcp_instantly.errors import ConfigError
from mcp_instantly.maintenance.docs import pages
from mcp_instantly.maintenance.drift import catalog_facts, compare
from mcp_instantly.maintenance.openapi import merged_facts, record
from mcp_instantly.text import file_fault, one_line
from mcp_instantly.tools.catalog import load_catalog

PUBLISHED = "https://api.instantly.ai/openapi/api_v2.json"
"""Where the vendor publishes its document."""

RECORD = Path("tests/upstream.json")
DIFFERENCES = Path("tests/differences.json")

MAX_DRIFT_CHARACTERS = 10_000
"""Of the line about one difference, which may list a long enum."""


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a page is out of date.")
@click.option(
    "--site",
    type=NamedPath(file_okay=False),
    help="Change nothing; write the pages of the site, with the reference of all tools, into this folder.",
)
def docs(check: bool, site: Path | None) -> None:
    """Write what is generated in a checkout: tool_schemas/, skills/, plugins/ and their lists, server.json,
    gemini-extension.json, blocks of README.md and docs/."""
    if site is not None:
        import anyio

        from mcp_instantly.handbook.reference import tool_reference
        from mcp_instantly.handbook.site import check_checkout, write_site

        check_checkout(Path.cwd())
        write_site(Path.cwd(), site, anyio.run(tool_reference, load_catalog()))
        return
    cli = click.get_current_context().find_root().command
    assert isinstance(cli, click.Group)
    found = pages(Path.cwd(), load_catalog(), cli)
    outdated = {page: text for page, text in found.items() if not _is(page, text)}
    if check and outdated:
        sys.exit(fail(f"Out of date, run mcp-instantly docs: {', '.join(map(str, outdated))}.", 1))
    for page, text in outdated.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        print(page)


@click.command()
@click.option(
    "--output",
    type=NamedPath(dir_okay=False),
    help="Where to write it; otherwise dist/mcp-instantly-VERSION.mcpb.",
)
def bundle(output: Path | None) -> None:
    """Make the .mcpb bundle of a checkout, which Claude Desktop and others install with one click.

    The same checkout gives the same bytes. Prints the file and its SHA-256.
    """
    from mcp_instantly.bundles import mcpb
    from mcp_instantly.bundles.project import read_project

    project = read_project(Path.cwd())
    content = mcpb.bundle(project)
    file = output or Path("dist") / f"mcp-instantly-{project.version}.mcpb"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {file_fault(error)}.") from None
    print(f"{file}  sha256:{hashlib.sha256(content).hexdigest()}")


def _is(page: Path, text: str) -> bool:
    return page.exists() and page.read_text(encoding="utf-8") == text


@click.command()
@click.argument("documents", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.option("--record", "recording", is_flag=True, help="Write the facts of the documents to tests/upstream.json.")
def drift(documents: tuple[Path, ...], as_json: bool, recording: bool) -> None:
    """Compare the catalogue with DOCUMENTS, the vendor's OpenAPI file and its supplements, and say what to change.

    What a later document says of an operation is what holds. Exit status 1 when anything differs that
    tests/differences.json does not explain, 2 when a document cannot be used. Schema files are never written.
    """
    if not documents:
        raise ConfigError(
            "Name a document: Instantly describes the API at https://developer.instantly.ai/ and publishes its OpenAPI "
            f"document at {PUBLISHED}; get it with curl -o openapi.json {PUBLISHED} and run mcp-instantly drift "
            "openapi.json, or compare with what was recorded last: mcp-instantly drift tests/upstream.json."
        )
    texts = [_read_document(document) for document in documents]
    theirs = merged_facts(json.loads(text) for text in texts)
    try:
        explained = json.loads(DIFFERENCES.read_text(encoding="utf-8")) if DIFFERENCES.exists() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{DIFFERENCES} cannot be read: {file_fault(error)}.") from None
    if recording:
        try:
            RECORD.write_text(record(texts), encoding="utf-8")
        except (OSError, UnicodeEncodeError) as error:
            raise ConfigError(f"{RECORD} cannot be written: {file_fault(error)}; run this in a checkout.") from None
    found = [one for one in compare(catalog_facts(load_catalog()), theirs) if one.where not in explained]
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    else:
        print(
            "\n".join(one_line(str(one), MAX_DRIFT_CHARACTERS) for one in found)
            or f"{len(theirs)} operations, no difference."
        )
    sys.exit(1 if found else 0)


def _read_document(document: Path) -> str:
    """The text of a document with which the catalogue can be compared. Raises ConfigError that names the file."""
    try:
        text = document.read_text(encoding="utf-8")
        merged_facts([json.loads(text)])
    except ConfigError as error:
        raise ConfigError(f"{document} cannot be used. {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{document} cannot be read: {error}.") from None
    return text
