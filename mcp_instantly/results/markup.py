"""HTML of strangers in pieces, in time that grows with its length alone, however it is written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

TEXT, START, END, COMMENT = "text", "start", "end", "comment"

RAW = frozenset(("script", "style"))
"""Elements whose content is no HTML."""

_NAME = re.compile(r"</?([a-zA-Z][^\s/<>]{0,60})")
_STOP = re.compile(r"""=\s*["']|>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")


@dataclasses.dataclass(frozen=True)
class Piece:
    """A text, a tag or a comment: where it begins and ends. `name` is that of a tag, in lower case."""

    kind: str
    begin: int
    end: int
    name: str = ""


def pieces(html: str) -> Iterator[Piece]:
    """The pieces of an HTML text, in their order and without gaps. What is not a tag is text."""
    place = begun = 0
    quotes = True
    while (place := html.find("<", place)) >= 0:
        piece = None
        if html.startswith("<!--", place):
            end = html.find("-->", place + 4)
            piece = Piece(COMMENT, place, len(html) if end < 0 else end + 3)
        elif html.startswith(("<!", "<?"), place):
            end = html.find(">", place)
            piece = Piece(COMMENT, place, len(html) if end < 0 else end + 1)
        elif named := _NAME.match(html, place):
            end = _end_of_tag(html, named.end()) if quotes else -1
            if end < 0:
                # A quote is open up to the end: from here on quotes do not count, so that nobody searches twice.
                quotes = False
                end = html.find(">", named.end()) + 1
                if not end:
                    break
            piece = Piece(END if html[place + 1] == "/" else START, place, end, named[1].lower())
        if piece is None:
            place += 1
            continue
        if place > begun:
            yield Piece(TEXT, begun, place)
        yield piece
        place = begun = piece.end
        if piece.kind == START and piece.name in RAW:
            close = re.compile(f"</{piece.name}", re.IGNORECASE).search(html, place)
            place = close.start() if close else len(html)
    if begun < len(html):
        yield Piece(TEXT, begun, len(html))


def _end_of_tag(html: str, place: int) -> int:
    """Where a tag ends whose name ends at a place; -1 where it does not."""
    while stop := _STOP.search(html, place):
        if stop[0] == ">":
            return stop.end()
        place = html.find(stop[0][-1], stop.end()) + 1
        if not place:
            break
    return -1


def attributes(tag: str) -> dict[str, str]:
    """The attributes of a start tag, from its source; the first of a name counts."""
    found: dict[str, str] = {}
    named = _NAME.match(tag)
    for one in _ATTRIBUTE.finditer(tag, named.end() if named else 0):
        found.setdefault(one[1].lower(), one[2] or one[3] or one[4] or "")
    return found
