"""TOML: a table is put in or taken out; comments, order and everything else stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_instantly.hosts.broken import BrokenText


def data_of(text: str) -> dict[str, Any]:
    """What the text says. Raises BrokenText."""
    return dict(_document(text).unwrap())


def put(text: str, path: Sequence[str], value: dict[str, Any]) -> str:
    """The text with the table `value` at `path`, which is a name inside a table. Raises BrokenText.

    A new table goes behind everything else, as the programs that write such files do it.
    """
    import tomlkit

    document = _document(text)
    outer, name = path
    tables = document.get(outer)
    if tables is not None and not isinstance(tables, dict):
        raise BrokenText(f"{outer} is not a table", *_where(text, outer))
    if tables is not None and _is_inline(tables):
        tables[name] = _inline(value)
        return tomlkit.dumps(document)
    if tables is not None and name in tables:
        table = tables[name]
        if not isinstance(table, dict):
            raise BrokenText(f"{outer}.{name} is not a table", *_where(text, name))
        _become(table, value)
        return tomlkit.dumps(document)
    block = tomlkit.document()
    block[outer] = tomlkit.table(is_super_table=True)
    block[outer][name] = _table(value)
    lead = f"{text.rstrip()}\n\n" if text.strip() else text
    return lead + tomlkit.dumps(block)


def remove(text: str, path: Sequence[str]) -> str:
    """The text without the table at `path`; unchanged when there is none."""
    import tomlkit

    document = _document(text)
    outer, name = path
    tables = document.get(outer)
    if not isinstance(tables, dict) or name not in tables:
        return text
    del tables[name]
    return tomlkit.dumps(document)


def _document(text: str) -> Any:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(text)
    except ParseError as error:
        reason = str(error).rsplit(" at line ", 1)[0]
        raise BrokenText(reason[:1].lower() + reason[1:], error.line, error.col + 1) from None
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise BrokenText(str(error), 1, 1) from None


def _where(text: str, name: str) -> tuple[int, int]:
    """The line and the column of the first line that begins with a name."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(name):
            return number, len(line) - len(line.lstrip()) + 1
    return 1, 1


def _is_inline(table: Any) -> bool:
    from tomlkit.items import InlineTable

    return isinstance(table, InlineTable)


def _table(value: dict[str, Any]) -> Any:
    """A table; objects in it stand in its lines, so that no later line can fall into one of them."""
    import tomlkit

    table = tomlkit.table()
    for key, inner in value.items():
        table[key] = _inline(inner) if isinstance(inner, dict) else inner
    return table


def _inline(value: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update({key: _inline(inner) if isinstance(inner, dict) else inner for key, inner in value.items()})
    return table


def _become(table: Any, value: dict[str, Any]) -> None:
    """Change what differs, so that the comments of the rest stay."""
    for key in [key for key in table if key not in value]:
        del table[key]
    for key, inner in value.items():
        if key in table and table[key] == inner:
            continue
        if isinstance(inner, dict) and isinstance(table.get(key), dict):
            _become(table[key], inner)
        else:
            table[key] = _inline(inner) if isinstance(inner, dict) else inner
