"""YAML as a text that people keep: a mapping is put in or taken out, and every other character stays.

The library reads, and says where things stand; it does not write, which would lay out the whole file anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcp_instantly.hosts.broken import BrokenText

INDENT = "  "


def data_of(text: str) -> dict[str, Any]:
    """What the text says, {} for nothing. Raises BrokenText."""
    from ruamel.yaml import YAML

    return _read(lambda: YAML(typ="safe", pure=True).load(text)) or {}


def put(text: str, path: Sequence[str], value: dict[str, Any]) -> str:
    """The text with the mapping `value` at `path`, which is a name inside a mapping. Raises BrokenText."""
    outer, name = path
    root = _root(text)
    if root is None or _pair(root, outer) is None:
        if root is not None and root.flow_style:
            return _into_flow(text, root, f"{outer}: {_flow({name: value})}")
        lead = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{lead}{outer}:\n{_block(name, value, INDENT)}"
    key, node = _found(root, outer)
    if node.tag.endswith(":null") and node.start_mark.index == node.end_mark.index:
        return _after_line(text, key.end_mark.index, _block(name, value, INDENT))
    if not _is_mapping(node):
        raise BrokenText(f"{outer} is not a mapping", node.start_mark.line + 1, node.start_mark.column + 1)
    pair = _pair(node, name)
    if node.flow_style:
        if pair is None:
            return _into_flow(text, node, f"{name}: {_flow(value)}")
        return text[: pair[1].start_mark.index] + _flow(value) + text[pair[1].end_mark.index :]
    indent = " " * node.value[0][0].start_mark.column
    if pair is None:
        return _after_line(text, key.end_mark.index, _block(name, value, indent))
    start, end = _lines_of(text, pair)
    return text[:start] + _block(name, value, indent) + text[end:]


def remove(text: str, path: Sequence[str]) -> str:
    """The text without the mapping at `path`; unchanged when there is none."""
    outer, name = path
    root = _root(text)
    mapping = _pair(root, outer) if root is not None else None
    pair = _pair(mapping[1], name) if mapping and _is_mapping(mapping[1]) else None
    if mapping is None or pair is None:
        return text
    node = mapping[1]
    if not node.flow_style and len(node.value) > 1:
        start, end = _lines_of(text, pair)
        return text[:start] + text[end:]
    if not node.flow_style:
        end = _last(pair[1]).end_mark.index
        return f"{text[: node.start_mark.index]}{{}}{text[end:]}"
    start, end = pair[0].start_mark.index, pair[1].end_mark.index
    rest = text[end:].lstrip()
    if rest.startswith(","):
        return text[:start] + rest[1:].lstrip()
    before = text[:start].rstrip()
    return before.removesuffix(",") + text[end:]


def _read(read: Any) -> Any:
    """What the library reads; its errors as BrokenText."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        found = read()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "it is not valid YAML"
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise BrokenText(reason.splitlines()[0], line, column) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise BrokenText(str(error).splitlines()[0] or "it is not valid YAML", 1, 1) from None
    if found is not None and not (isinstance(found, dict) or _is_mapping(found)):
        raise BrokenText("a mapping is expected", 1, 1)
    return found


def _root(text: str) -> Any:
    from ruamel.yaml import YAML

    return _read(lambda: YAML(typ="safe", pure=True).compose(text))


def _is_mapping(node: Any) -> bool:
    from ruamel.yaml.nodes import MappingNode

    return isinstance(node, MappingNode)


def _pair(node: Any, name: str) -> tuple[Any, Any] | None:
    return next(((key, value) for key, value in node.value if key.value == name), None)


def _found(node: Any, name: str) -> tuple[Any, Any]:
    pair = _pair(node, name)
    assert pair is not None
    return pair


def _last(node: Any) -> Any:
    """The innermost node at the end of a block, whose end is where the text of it ends."""
    from ruamel.yaml.nodes import CollectionNode

    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if _is_mapping(node) else node.value[-1]
    return node


def _lines_of(text: str, pair: tuple[Any, Any]) -> tuple[int, int]:
    """The whole lines of a key and its value in a block."""
    start = text.rfind("\n", 0, pair[0].start_mark.index) + 1
    end = text.find("\n", _last(pair[1]).end_mark.index)
    return start, len(text) if end < 0 else end + 1


def _after_line(text: str, position: int, block: str) -> str:
    """The text with lines put behind the line of a position."""
    end = text.find("\n", position)
    return f"{text}\n{block}" if end < 0 else text[: end + 1] + block + text[end + 1 :]


def _into_flow(text: str, node: Any, added: str) -> str:
    opening = node.start_mark.index + 1
    return f"{text[:opening]}{added}{', ' if node.value else ''}{text[opening:]}"


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _block(name: str, value: dict[str, Any], indent: str) -> str:
    """A key and a mapping in lines; texts are in double quotes where YAML may read them as something else."""
    lines = [f"{indent}{name}:"]
    for key, inner in value.items():
        if isinstance(inner, list) and inner:
            lines += [f"{indent}{INDENT}{key}:", *(f"{indent}{INDENT}- {_flow(item)}" for item in inner)]
        elif isinstance(inner, dict) and inner:
            lines += [f"{indent}{INDENT}{key}:", *(f"{indent}{INDENT * 2}{k}: {_flow(v)}" for k, v in inner.items())]
        else:
            lines.append(f"{indent}{INDENT}{key}: {_flow(inner)}")
    return "\n".join(lines) + "\n"
