"""JSON-RPC messages as bytes: whatever a client writes is read or refused under its id, and never raises."""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
from typing import Any

import mcp_types as types
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json

from mcp_instantly.text import parse_fault

Message = types.JSONRPCRequest | types.JSONRPCNotification | types.JSONRPCResponse | types.JSONRPCError

TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:"]|[^\s{}\[\],:"]+', re.DOTALL)
"""Pieces of JSON: whole strings, punctuation, and everything else; a lone quote begins a string without an end."""

WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})")

LAST_MEMBER = re.compile(r'[{,]\s*("id"\s*:\s*(?:"[^"\\]*(?:\\.[^"\\]*)*"|-?\d{1,18}))\s*\}\s*\Z', re.DOTALL)
"""An id that ends an object which ends the text: on a line of JSON that object is the outermost one."""

STOPPING = "The server is shutting down; nothing was sent. Call again after it restarts."

NOT_INITIALIZED = (
    "Nothing was sent: this connection has not begun with initialize, perhaps because the server was started anew. "
    "Connect to it again; no argument changes that."
)

CUT_OFF = (
    "The server was stopped before this call had ended. If it changes something, it may have been carried out: read "
    "before repeating it."
)


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """What is not a message: the id to answer under (None when it is unknown), and what to say."""

    id: str | int | None
    code: int
    sentence: str

    def answer(self) -> bytes:
        """The JSON-RPC error that its sender reads, without a line feed."""
        return error_answer(self.id, self.code, self.sentence)


def error_answer(identity: str | int | None, code: int, sentence: str) -> bytes:
    """A JSON-RPC error as ASCII, so that any id can be given back, half characters too."""
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": sentence}}).encode()


def read_message(line: bytes) -> Message | Unreadable | None:
    """The message on a line; None for a blank one.

    Halves of surrogate pairs, which JSON.stringify writes, are kept: the check of the arguments says where they are.
    """
    line = line.strip().removeprefix(codecs.BOM_UTF8)
    if not line:
        return None
    try:
        value = from_json(line)
    except ValueError:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            identity = _top_level_id(line.decode(errors="replace"))
            return Unreadable(identity, types.PARSE_ERROR, "The message is not UTF-8; nothing was done.")
        try:
            value = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            sentence = f"The message cannot be read as JSON, and nothing was done: {parse_fault(error)[:200]}."
            return Unreadable(_top_level_id(text), types.PARSE_ERROR, sentence)
    return _message(value)


def _message(value: Any) -> Message | Unreadable:
    if not isinstance(value, dict):
        sentence = "A message is one JSON object; batches and other values are not accepted, and nothing was done."
        return Unreadable(None, types.INVALID_REQUEST, sentence)
    is_answer = "method" not in value and ("result" in value or "error" in value)
    try:
        if is_answer:
            return types.jsonrpc_message_adapter.validate_python(value)
        if "id" in value:
            return types.JSONRPCRequest.model_validate(value)
        return types.JSONRPCNotification.model_validate(value)
    except ValidationError as error:
        wrong = ", ".join(dict.fromkeys(str(detail["loc"][0]) for detail in error.errors() if detail["loc"]))
        sentence = f"The message is not valid JSON-RPC 2.0 (see {wrong or 'its members'}); nothing was done."
        identity = value.get("id")
        known = isinstance(identity, (str, int)) and not isinstance(identity, bool) and not is_answer
        return Unreadable(identity if known else None, types.INVALID_REQUEST, sentence)


def called_tool(message: Message | Unreadable | None) -> str | None:
    """The name of the tool that a message calls; None for any other message."""
    if not isinstance(message, types.JSONRPCRequest) or message.method != "tools/call":
        return None
    name = (message.params or {}).get("name")
    return name if isinstance(name, str) else None


def too_long(head: bytes, tail: bytes, limit: int) -> Unreadable:
    """What stands for a message of more than `limit` bytes, of which only both ends were kept."""
    identity = _top_level_id(head.decode(errors="replace"))
    if identity is None and (found := LAST_MEMBER.search(tail.decode(errors="replace"))):
        identity = _top_level_id("{" + found[1] + "}")
    sentence = f"The message is longer than {limit:,} bytes; nothing was done. Send less at a time."
    return Unreadable(identity, types.INVALID_REQUEST, sentence)


def _top_level_id(text: str) -> str | int | None:
    """The id of a request that cannot be parsed, so that its sender does not wait; None where it is unknown.

    Only the outermost object counts: the ids of leads and campaigns stand deeper.
    """
    found: str | int | None = None
    opened: list[str] = []
    before = ["", "", ""]
    for match in TOKEN.finditer(text):
        token = match[0]
        if opened == ["{"] and token in ",}" and before[0] == '"id"' and before[1] == ":":
            found = _id_value(before[2])
        if token in "{[":
            opened.append(token)
        elif token in "}]":
            if not opened or opened.pop() + token not in ("{}", "[]"):
                break
        elif token == '"':
            break
        if not opened:
            break
        before = [before[1], before[2], token]
    return found


def _id_value(token: str) -> str | int | None:
    if WHOLE_NUMBER.fullmatch(token):
        return int(token)
    try:
        value = json.loads(token, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def write_message(message: Message) -> bytes:
    """A message as JSON without a line feed; half characters are escaped where UTF-8 cannot carry them."""
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except PydanticSerializationError:
        return json.dumps(message.model_dump(by_alias=True, exclude_unset=True)).encode()
