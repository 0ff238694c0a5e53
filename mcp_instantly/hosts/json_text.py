"""JSON as a text that people keep: a member is put in, replaced or taken out, and every other character stays.

Comments and commas behind the last item are understood where the host that reads the file understands them. Values
here are what `json` makes of them; a path is the keys from the outermost object inwards.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

from mcp_instantly.hosts.broken import broken_at

SPACE = " \t\r\n"
NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}
DEFAULT_INDENT = "  "


@dataclasses.dataclass
class Node:
    """A value in the text, from `start` up to `end`. `items` are those of an object or array."""

    start: int
    end: int
    value: Any
    items: list[Item] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Item:
    """A member of an object, or an item of an array (with `key` None). `comma` is where the one behind it stands."""

    start: int
    key: str | None
    node: Node
    comma: int | None = None


class _Parser:
    def __init__(self, text: str, *, comments: bool) -> None:
        self.text, self.comments, self.at = text, comments, 0

    def document(self) -> Node | None:
        self.skip()
        if self.at == len(self.text):
            return None
        node = self.value()
        self.skip()
        if self.at < len(self.text):
            raise broken_at(self.text, self.at, "there is something after the end of the JSON")
        return node

    def skip(self) -> None:
        text = self.text
        while self.at < len(text):
            if text[self.at] in SPACE:
                self.at += 1
            elif self.comments and text.startswith("//", self.at):
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif self.comments and text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end < 0:
                    raise broken_at(text, self.at, "this comment has no end")
                self.at = end + 2
            else:
                return

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def value(self) -> Node:
        start, mark = self.at, self.peek()
        if mark in ("{", "["):
            return self.container("}" if mark == "{" else "]")
        if mark == '"':
            text = self.string()
            return Node(start, self.at, text)
        if number := NUMBER.match(self.text, start):
            self.at = number.end()
            return Node(start, self.at, self.number(number[0]))
        for word, value in WORDS.items():
            if self.text.startswith(word, start):
                self.at += len(word)
                return Node(start, self.at, value)
        if self.text.startswith(("//", "/*"), start):
            raise broken_at(self.text, start, "there is a comment, which this host does not understand")
        raise broken_at(self.text, start, "a value is missing" if mark else "the text ends too early")

    def number(self, text: str) -> int | float:
        try:
            value: int | float = json.loads(text)
        except ValueError:
            raise broken_at(self.text, self.at - len(text), "this number is too long") from None
        return value

    def string(self) -> str:
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            raise broken_at(self.text, error.pos, f"the text in quotes is not valid ({error.msg})") from None
        return str(value)

    def container(self, closing: str) -> Node:
        node = Node(self.at, 0, {} if closing == "}" else [])
        self.at += 1
        self.skip()
        while self.peek() != closing:
            if node.items and node.items[-1].comma is None:
                raise broken_at(
                    self.text, self.at, f"a comma or {closing} is missing" if self.peek() else "it ends early"
                )
            self.item(node)
            self.skip()
            if self.peek() == ",":
                node.items[-1].comma = self.at
                self.at += 1
                self.skip()
                if self.peek() == closing and not self.comments:
                    raise broken_at(self.text, node.items[-1].comma or 0, "there is a comma behind the last item")
        self.at += 1
        node.end = self.at
        return node

    def item(self, node: Node) -> None:
        start, key = self.at, None
        if isinstance(node.value, dict):
            if self.peek() != '"':
                raise broken_at(self.text, self.at, "a name in double quotes is missing")
            key = self.string()
            if key in node.value:
                raise broken_at(self.text, start, f'"{key}" appears twice')
            self.skip()
            if self.peek() != ":":
                raise broken_at(self.text, self.at, f'a colon is missing behind "{key}"')
            self.at += 1
            self.skip()
        inner = self.value()
        if key is None:
            node.value.append(inner.value)
        else:
            node.value[key] = inner.value
        node.items.append(Item(start, key, inner))


def parse(text: str, *, comments: bool) -> Node | None:
    """The text as a tree, or None when there is nothing in it. Raises BrokenText; its outermost value is an object."""
    try:
        root = _Parser(text, comments=comments).document()
    except RecursionError:
        raise broken_at(text, 0, "it is nested too deeply") from None
    if root is not None and not isinstance(root.value, dict):
        raise broken_at(text, root.start, "an object in braces is expected")
    return root


def put(text: str, path: Sequence[str], value: Any, *, comments: bool) -> str:
    """The text with `value` at `path`, in the style of what is around it. Raises BrokenText."""
    root = parse(text, comments=comments)
    if root is None:
        lead = f"{text.rstrip()}\n" if text.strip() else ""
        return lead + _dump(_nested(path, value), DEFAULT_INDENT, "") + "\n"
    parent = root
    for depth, key in enumerate(path):
        if not isinstance(parent.value, dict):
            raise broken_at(text, parent.start, f'"{path[depth - 1]}" is not an object')
        item = _member(parent, key)
        if item is None:
            return _insert(
                text, root, parent, f"{json.dumps(key, ensure_ascii=False)}: ", _nested(path[depth + 1 :], value)
            )
        if depth == len(path) - 1:
            return _replace(text, root, parent, item, value)
        parent = item.node
    raise ValueError("the path is empty")


def append(text: str, key: str, value: Any, *, comments: bool) -> str:
    """The text with `value` at the end of the array of this name at the top. Raises BrokenText."""
    root = parse(text, comments=comments)
    item = _member(root, key) if root else None
    if root is None or item is None:
        return put(text, [key], [value], comments=comments)
    if not isinstance(item.node.value, list):
        raise broken_at(text, item.node.start, f'"{key}" is not an array')
    return _insert(text, root, item.node, "", value)


def remove(text: str, path: Sequence[str | int], *, comments: bool) -> str:
    """The text without what is at `path`, of which the last may be an index; unchanged when nothing is there."""
    node = parse(text, comments=comments)
    for depth, key in enumerate(path):
        if node is None:
            return text
        item = node.items[key] if isinstance(key, int) else _member(node, key)
        if item is None:
            return text
        if depth == len(path) - 1:
            return _cut(text, node, item)
        node = item.node
    return text


def _member(node: Node, key: str) -> Item | None:
    return next((item for item in node.items if item.key == key), None)


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _dump(value: Any, unit: str | None, indent: str) -> str:
    """JSON over several lines, those after the first with `indent`; without a unit, in one line."""
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"\n{indent}")


def _lead(text: str, position: int) -> str | None:
    """The blanks from the start of the line to this position, or None when there is something else."""
    before = text[text.rfind("\n", 0, position) + 1 : position]
    return before if not before.strip(SPACE + "\ufeff") else None


def _line_indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str, root: Node) -> str:
    """What one level is indented by."""
    if root.items and "\n" in text[root.start : root.items[0].start]:
        return _lead(text, root.items[0].start) or DEFAULT_INDENT
    return DEFAULT_INDENT


def _insert(text: str, root: Node, node: Node, label: str, value: Any) -> str:
    """The text with another item at the end of `node`."""
    last = node.items[-1] if node.items else None
    several_lines = "\n" in text[node.start : node.end]
    if not several_lines and (last or (root.items and "\n" not in text[root.start : root.end])):
        added = label + _dump(value, None, "")
        if last is None:
            return text[: node.end - 1] + added + text[node.end - 1 :]
        if last.comma is not None:
            return f"{text[: last.comma + 1]} {added},{text[last.comma + 1 :]}"
        return f"{text[: last.node.end]}, {added}{text[last.node.end :]}"
    unit, outer = _unit(text, root), _line_indent(text, node.start)
    indent = (_lead(text, node.items[0].start) if node.items else None) or outer + unit
    inside = text[: node.end - 1]
    content_end = len(inside.rstrip(SPACE))
    added = f"\n{indent}{label}{_dump(value, unit, indent)}"
    if last is not None and last.comma is not None:
        added += ","
    rest = text[content_end:]
    if "\n" not in text[content_end : node.end - 1]:
        rest = f"\n{outer}{text[node.end - 1 :]}"
    head = text[:content_end]
    if last is not None and last.comma is None:
        head = f"{text[: last.node.end]},{text[last.node.end : content_end]}"
    return head + added + rest


def _replace(text: str, root: Node, parent: Node, item: Item, value: Any) -> str:
    node = item.node
    unit = _unit(text, root) if "\n" in text[parent.start : node.start] else None
    return text[: node.start] + _dump(value, unit, _line_indent(text, node.start)) + text[node.end :]


def _cut(text: str, node: Node, item: Item) -> str:
    """The text without an item: with its line, its comma, and the comma before it when it was the last."""
    start = len(text[: item.start].rstrip(SPACE)) if item is not node.items[0] else item.start
    lead = _lead(text, item.start)
    if lead is not None and "\n" in text[: item.start]:
        start = item.start - len(lead) - 1
        if text[:start].endswith("\r"):
            start -= 1
    end = item.node.end if item.comma is None else item.comma + 1
    kept = text[:start] + text[end:]
    index = node.items.index(item)
    before = node.items[index - 1].comma if index else None
    if item.comma is None and before is not None:
        kept = kept[:before] + kept[before + 1 :]
    elif start == item.start:
        kept = kept[:start] + kept[start:].lstrip(" ")
    if len(node.items) == 1:
        opening, closing = node.start + 1, node.end - 1 - (len(text) - len(kept))
        if not kept[opening:closing].strip(SPACE):
            kept = kept[:opening] + kept[closing:]
    return kept
