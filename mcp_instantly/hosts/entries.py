"""Entries of a host's configuration: found, put in and taken out of its text, whatever the format.

Line ends and the byte order mark stay as they are. What comes out is read again and compared, so that a text is
never changed into something that says anything else.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from mcp_instantly.hosts import json_text, toml_text, yaml_text
from mcp_instantly.hosts.broken import BrokenText
from mcp_instantly.hosts.known import INPUT, INPUT_ID, INPUT_REFERENCE, Host

MARK = "\ufeff"


def data_of(host: Host, text: str) -> dict[str, Any]:
    """What a whole file says, {} for nothing. Raises BrokenText."""
    return copy.deepcopy(_said(host.syntax, _plain(text)))


@functools.lru_cache(maxsize=16)
def _said(syntax: str, plain: str) -> dict[str, Any]:
    """What a text says; each is read once for all that one change asks of it."""
    if syntax == "toml":
        return toml_text.data_of(plain)
    if syntax == "yaml":
        return yaml_text.data_of(plain)
    root = json_text.parse(plain, comments=syntax == "jsonc")
    return root.value if root else {}


def find(host: Host, text: str, name: str) -> Any:
    """The entry of this name, None when there is none. Raises BrokenText."""
    return _entries(host, _plain(text)).get(name)


def put(host: Host, text: str, name: str, entry: dict[str, Any]) -> str:
    """The text with the entry, in the place of one of this name or as another. Raises BrokenText."""

    def change(plain: str) -> str:
        expected = data_of(host, plain)
        expected[host.container] = {**_entries(host, plain), name: entry}
        path = [host.container, name]
        if host.syntax == "toml":
            changed = toml_text.put(plain, path, entry)
        elif host.syntax == "yaml":
            changed = yaml_text.put(plain, path, entry)
        else:
            comments = host.syntax == "jsonc"
            changed = plain
            inputs = expected.get("inputs") or []
            if _asks(entry) and not any(_is_input(item) for item in inputs):
                changed = json_text.append(changed, "inputs", INPUT, comments=comments)
                expected["inputs"] = [*inputs, INPUT]
            changed = json_text.put(changed, path, entry, comments=comments)
            if not _asks(entry):
                changed = _without_input(changed, expected, host, _entries(host, plain).get(name))
        return _checked(host, changed, expected)

    return _keeping_line_ends(text, change)


def take_out(host: Host, text: str, name: str) -> str:
    """The text without the entry of this name, and without what only that one needed. Raises BrokenText."""

    def change(plain: str) -> str:
        expected = data_of(host, plain)
        entry = expected[host.container].pop(name)
        path = [host.container, name]
        if host.syntax == "toml":
            changed = toml_text.remove(plain, path)
        elif host.syntax == "yaml":
            changed = yaml_text.remove(plain, path)
        else:
            changed = json_text.remove(plain, path, comments=host.syntax == "jsonc")
            changed = _without_input(changed, expected, host, entry)
        return _checked(host, changed, expected)

    return _keeping_line_ends(text, change)


def _without_input(changed: str, expected: dict[str, Any], host: Host, old: Any) -> str:
    """The text without the question for the key, when the old entry had it asked and no other one does.

    `expected` is changed with it.
    """
    inputs = expected.get("inputs")
    asked = any(_asks(other) for other in expected[host.container].values())
    if not _asks(old) or asked or not isinstance(inputs, list) or INPUT not in inputs:
        return changed
    index = inputs.index(INPUT)
    expected["inputs"] = [*inputs[:index], *inputs[index + 1 :]]
    return json_text.remove(changed, ["inputs", index], comments=host.syntax == "jsonc")


def _entries(host: Host, plain: str) -> dict[str, Any]:
    entries = data_of(host, plain).get(host.container)
    return entries if isinstance(entries, dict) else {}


def _plain(text: str) -> str:
    return text.removeprefix(MARK)


def _keeping_line_ends(text: str, change: Callable[[str], str]) -> str:
    """Change a text that has LF alone where it had CRLF alone; mixed ones are changed as they are."""
    plain = _plain(text)
    mark = text[: len(text) - len(plain)]
    if plain.count("\r\n") == plain.count("\n") and "\n" in plain:
        return mark + change(plain.replace("\r\n", "\n")).replace("\n", "\r\n")
    return mark + change(plain)


def _checked(host: Host, changed: str, expected: dict[str, Any]) -> str:
    try:
        found = data_of(host, changed)
    except BrokenText:
        found = {}
    container = found.get(host.container) or {}
    same = {**found, host.container: container} == {**expected, host.container: expected[host.container] or {}}
    if not same:
        raise BrokenText("it is written in a way that cannot be changed safely; change it by hand", 1, 1)
    return changed


def _asks(entry: Any) -> bool:
    env = entry.get("env") if isinstance(entry, dict) else None
    return isinstance(env, dict) and INPUT_REFERENCE in env.values()


def _is_input(item: Any) -> bool:
    return isinstance(item, dict) and item.get("id") == INPUT_ID
