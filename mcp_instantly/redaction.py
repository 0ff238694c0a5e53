"""Striking secrets out of whatever is shown or written down."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote


class Redactor:
    """Replaces secrets, as they are and as a URL quotes them, by `[key]`.

    Secrets are visible ASCII. Those of fewer than `shortest` characters are left: they would be ordinary words.
    """

    def __init__(self, secrets: Iterable[str], *, shortest: int = 1):
        forms = {form for secret in secrets if len(secret) >= shortest for form in (secret, quote(secret, safe=""))}
        # One may hold another.
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        escapable = {character for form in forms for character in form} & set('/\\"')
        self._escaped = re.compile("|".join([r"\\u00[2-7]", *(re.escape(f"\\{one}") for one in escapable)]))

    def may_be_in(self, json_text: str) -> bool:
        """Whether JSON could hold a secret, plain or escaped. False is certain, and quick to find out."""
        return bool(self._forms) and (
            any(form in json_text for form in self._forms)
            or ("\\" in json_text and self._escaped.search(json_text) is not None)
        )

    def redact(self, text: str) -> str:
        """A text without the secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, "[key]")
        return text

    def redact_all(self, value: Any) -> Any:
        """A JSON value whose texts and names are without the secrets."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(name)): self.redact_all(item) for name, item in value.items()}
        return [self.redact_all(item) for item in value] if isinstance(value, (list, tuple)) else value
