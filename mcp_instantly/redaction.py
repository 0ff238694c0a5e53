"""Striking secrets out of whatever is shown or written down, in whatever form they come back."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

from mcp_instantly.body import parse_json, to_text

MIN_KEY_CHARACTERS = 12
"""A shorter key is left in responses, and what a caller brings in the log: it would be an ordinary word in them."""

ESCAPES = re.compile(rb"\\u(?:00[2-7]|[dD][89a-fA-F])")
"""In JSON: a character that a key may hold, or half of one outside the basic plane."""


_forms_here: ContextVar[tuple[str, ...]] = ContextVar("forms", default=())


@contextlib.contextmanager
def struck_out(secret: str) -> Iterator[None]:
    """Have every redactor strike out this one too, inside. Anybody may bring it, and any word as one: a short one is
    left."""
    own = Redactor([secret], shortest=MIN_KEY_CHARACTERS).forms
    token = _forms_here.set((*_forms_here.get(), *own))
    try:
        yield
    finally:
        _forms_here.reset(token)


def strike_out_here(text: str) -> str:
    """A text without the secrets that are struck out just now; each caller has others."""
    return _without(_forms_here.get(), text)


class Redactor:
    """Replaces secrets, as they are and as URLs quote them, by `[key]`.

    Secrets are visible ASCII. Those of fewer than `shortest` characters are left.
    """

    def __init__(self, secrets: Iterable[str], *, shortest: int = 1):
        forms = {form for secret in secrets if len(secret) >= shortest for form in _forms(secret)}
        # One may hold another.
        self.forms = tuple(sorted(forms, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """A text without the secrets, and those that are struck out just now."""
        return strike_out_here(self.redact_own(text))

    def redact_own(self, text: str) -> str:
        """A text without the redactor's own secrets, which is the same for every caller."""
        return _without(self.forms, text)

    def is_in(self, value: Any) -> bool:
        """Whether a secret stands anywhere in a JSON value."""
        if isinstance(value, str):
            return any(form in value for form in self.forms)
        if isinstance(value, dict):
            return any(self.is_in(name) or self.is_in(item) for name, item in value.items())
        return isinstance(value, (list, tuple)) and any(map(self.is_in, value))

    def redact_all(self, value: Any) -> Any:
        """A JSON value whose texts and names are without the secrets."""
        if not self.forms:
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(name)): self.redact_all(item) for name, item in value.items()}
        return [self.redact_all(item) for item in value] if isinstance(value, (list, tuple)) else value


class ResponseRedactor:
    """Strikes keys out of responses, and replaces lone surrogates, which cannot be sent on, by question marks.

    Both may stand in JSON in escaped form, so they are looked for in what it means; but only where the bytes hold
    anything of the kind, since most responses do not.
    """

    def __init__(self, *keys: str):
        self._redactor = Redactor(keys, shortest=MIN_KEY_CHARACTERS)
        self._patterns = [form.encode() for form in self._redactor.forms]
        self._slash = any("/" in key for key in keys)
        self._any_escape = any('"' in key or "\\" in key for key in keys)

    def clean(self, raw: bytes, value: Any) -> Any:
        """`value`, which was read from `raw`; itself where there is nothing to replace."""
        return self._walk(value) if self._concerns(raw) else value

    def clean_text(self, raw: bytes) -> str:
        """The text of an error's body, in whatever form it came."""
        text = to_text(raw)
        if not self._concerns(raw):
            return text
        try:
            return json.dumps(self._walk(parse_json(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return str(self._walk(text))

    def _concerns(self, raw: bytes) -> bool:
        if any(pattern in raw for pattern in self._patterns):
            return True
        if b"\\" not in raw:
            return False
        return self._any_escape or (self._slash and b"\\/" in raw) or ESCAPES.search(raw) is not None

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            value = self._redactor.redact(value)
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        if isinstance(value, dict):
            return {self._walk(name): self._walk(item) for name, item in value.items()}
        return [self._walk(item) for item in value] if isinstance(value, list) else value


def _without(forms: tuple[str, ...], text: str) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, "[key]")
    return text


def _forms(secret: str) -> set[str]:
    encoded = quote(secret, safe="")
    return {secret, encoded, quote(secret), re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), encoded)}
