"""The text of an email once: from its HTML where it has no other, and without the history that it quotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from html import unescape
from typing import Any

from mcp_instantly.results.hidden import visible_html
from mcp_instantly.results.markup import END, START, TEXT, pieces
from mcp_instantly.results.protection import MARK

QUOTED = f"{MARK}: quoted history"

MANUAL = 3
"""The ue_type of an email that was written by hand, or by a tool."""
PREVIEW, PREVIEW_CHARACTERS = "content_preview", 140
"""The field with the beginning of an email, and where Instantly cuts it without a word."""

PREVIEW_IS_CUT = "… [preview: Instantly cuts it here]"

MIN_QUOTED_CHARACTERS = 80
"""Less quoted text than this costs no more than to say that it was cut."""

MAX_CHARACTERS_SEARCHED = 100_000
"""Of a text for the line above what it quotes."""

_HEADS = re.compile(
    # "On Monday, Ada <ada@example.com> wrote:", also over two lines and in other languages, which end alike.
    r"^[ \t]*(?:On|Am|Le|El|Il|Em|Op|Den|W dniu)\b[^\n]{0,200}(?:\n[^\n]{0,100})?"
    r"(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|napisał\(a\))[^\n]{0,80}:[ \t]*$"
    r"|^[ \t]*-{2,}[ \t]*(?:Original Message|Forwarded message|Ursprüngliche Nachricht|Message d'origine)[ \t]*-{2,}"
    r"|^[ \t]*_{10,}[ \t]*\n[ \t]*From:"
    r"|^[ \t]*From:[^\n]{1,200}\n[ \t]*(?:Sent|Date):",
    re.MULTILINE,
)


def mail_text(body: Any) -> str | None:
    """The text of a body (`text` and `html`), with what it quotes cut and said so; None where it has neither."""
    if not isinstance(body, dict):
        return body if isinstance(body, str) else None
    text, html = body.get("text"), body.get("html")
    if not isinstance(text, str) or not text.strip():
        if not isinstance(html, str):
            return None
        text = _from_html(html)
    return _without_quotes(text)


def written_in(mails: Iterable[dict[str, Any]], body: Any) -> dict[str, Any] | None:
    """The first of some emails that was written by hand and says what a body says; None where none does."""
    words = _words(body)
    ours = (mail for mail in mails if mail.get("ue_type") == MANUAL and words in _words(mail.get("body")))
    return next(ours, None) if words else None


def _words(body: Any) -> str:
    """What a body says, on one line."""
    if isinstance(body, dict) and body.get("html"):
        body = {"html": body["html"]}
    return " ".join((mail_text(body) or "").split())


def preview_text(preview: str) -> str:
    """A preview that says so where it is cut."""
    return f"{preview}{PREVIEW_IS_CUT}" if len(preview) >= PREVIEW_CHARACTERS else preview


def _without_quotes(text: str) -> str:
    """A text without the history below it. Nothing is cut where new text stands below, or nothing would be left."""
    text = text.replace("\r\n", "\n")
    head = _HEADS.search(text, 0, MAX_CHARACTERS_SEARCHED)
    begin = head.start() if head else _begin_of_quote(text)
    if begin is None or not text[:begin].strip() or len(text) - begin < MIN_QUOTED_CHARACTERS:
        return text
    if head and _answers_below(text[head.end() :]):
        return text
    return f"{text[:begin].rstrip()}\n{QUOTED}, {len(text) - begin} characters]"


def _begin_of_quote(text: str) -> int | None:
    """Where the lines begin that are quoted with `>` up to the end of a text."""
    lines = text.rstrip().split("\n")
    place = len(lines)
    while place and (lines[place - 1].lstrip().startswith(">") or not lines[place - 1].strip()):
        place -= 1
    return None if place == len(lines) else sum(len(line) + 1 for line in lines[:place])


def _answers_below(rest: str) -> bool:
    """Whether somebody wrote between the quoted lines: some are quoted with `>`, and others behind them are not."""
    lines = [line for line in rest.split("\n") if line.strip()]
    quoted = [line.lstrip().startswith(">") for line in lines]
    return any(quoted) and not all(quoted)


_BREAKS = frozenset(("br", "p", "div", "tr", "li", "h1", "h2", "h3", "blockquote"))
_UNSEEN = frozenset(("style", "script", "head", "title"))


def _from_html(html: str) -> str:
    """What a reader of a page would see, with a line for each block."""
    # Pictures are not text.
    html = visible_html(html, Counter(), images=False)
    parts: list[str] = []
    unseen = 0
    for piece in pieces(html):
        if piece.kind in (START, END):
            if piece.name in _UNSEEN:
                unseen = max(0, unseen + (1 if piece.kind == START else -1))
            if piece.name in _BREAKS:
                parts.append("\n")
        elif piece.kind == TEXT and not unseen:
            parts.append(unescape(html[piece.begin : piece.end]))
    return re.sub(r"\n\s*\n+", "\n\n", "".join(parts)).strip()
