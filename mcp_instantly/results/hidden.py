"""What a text holds that its reader would not see: hidden parts of HTML, remote images, characters without a shape."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

from mcp_instantly.results.markup import COMMENT, END, START, TEXT, Piece, attributes, pieces
from mcp_instantly.results.protection import MARK
from mcp_instantly.text import UNSEEN

IMAGES, LINKS, PARTS, CHARACTERS = "image", "link", "hidden part", "invisible character"
"""What is taken out or disarmed, as it is counted."""

HIDDEN_PART = f"{MARK}: hidden text]"
"""What stands in the place of text that a reader would not see."""

MAX_HTML_CHARACTERS = 200_000
"""Of a text with HTML that is read; the rest is left out."""

MAX_DEPTH = 200
"""Of elements inside of each other that are followed; what is deeper counts as part of what is above it."""

MAX_RULE_CHARACTERS = 2_000
"""Of a rule in a style sheet."""

MAX_NAME_CHARACTERS = 60
"""Of the text and the host of an image, where it stood."""

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))

SCRIPTED = frozenset(("script", "iframe", "object", "embed", "link", "base", "svg"))
"""Elements that load or run something."""

_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?<![-\w])opacity\s*:\s*0*\.?0+\s*(?:%|;|!|$)"
    r"|font-size\s*:\s*(?:0*\.?0+|0*1|0?\.\d+)\s*(?:px|pt|em|rem|%)?\s*(?:;|!|$)"
    r"|text-indent\s*:\s*-\d{3}|(?<![-\w])(?:left|top|right)\s*:\s*-\d{3}|mso-hide\s*:\s*all"
    r"|(?<![-\w])color\s*:\s*transparent",
    re.IGNORECASE,
)
_NO_SIZE = re.compile(r"(?<![-\w])(?:max-)?(?:height|width)\s*:\s*[01](?:px|pt)?\s*(?:;|!|$)", re.IGNORECASE)
_NO_OVERFLOW = re.compile(r"overflow\s*:\s*hidden", re.IGNORECASE)
_WHITE = re.compile(
    r"(?<![-\w])color\s*:\s*(?:#fff(?:fff)?\b|white\b|rgba?\(\s*255\s*,\s*255\s*,\s*255\b)", re.IGNORECASE
)
_CLASS = re.compile(r"\.([\w-]+)\s*(?:,|$)")
_TELLING = re.compile(r"style|hidden|class|color|src|alt", re.IGNORECASE)
_SUSPICIOUS = re.compile(
    r"<!|<(?:font|img|svg|iframe|object|embed|script|link|base|input)\b|style\s*=|<\w[^<>]*\b(?:hidden|class)\b",
    re.IGNORECASE,
)

_NOTHING_SAID = re.compile(
    # How an HTML page begins, and comments without a word.
    r"""<!doctype\s+html(?:\s+(?:public|system)(?:\s*"[^"]*"|\s*'[^']*'){0,2})?\s*>|<\?xml\s[^<>]*>|<!--\W*-->""",
    re.IGNORECASE,
)

_IMAGE = re.compile(
    r"!\[([^\[\]]{0,300})\](?:\(\s*<?([^()\s<>]{1,2000})[^()\n]{0,300}\)|\[[^\[\]\n]{0,200}\])?",
)
_LINK = re.compile(r"\[([^\[\]]{0,300})\]\(\s*<?((?:[a-zA-Z][\w+.-]*:|//)[^()\s<>]{1,2000})>?[^()\n]{0,300}\)")

_UNSEEN_HERE = re.compile(
    # Controls but tab and line feed, what text.UNSEEN knows, fillers, and variation selectors in a row, which can
    # hold a message of their own; one alone chooses the look of a sign.
    r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}|[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\U000e0080-\U000e00ff]|"
    + UNSEEN.pattern
)
_KEPT = frozenset("\t\n\r")
_JOINERS = frozenset("\u200c\u200d")


def disarm(text: str, found: Counter[str]) -> str:
    """A text in which nothing is hidden, and no image or link can carry data away; `found` counts what there was."""
    if not text.isprintable() or not text.isascii():
        text = without_unseen(text, found)
    if "<" in text and _SUSPICIOUS.search(text):
        text = visible_html(text, found)
    if "![" in text:
        text = _IMAGE.sub(lambda image: _image(image[1], image[2], found), text).replace("![", "! [")
    if "](" in text:
        text = _LINK.sub(lambda link: _link(link, found), text)
    return text


def without_unseen(text: str, found: Counter[str]) -> str:
    """A text without characters that are not seen; joiners stay where they join letters or pictures."""

    def replaced(unseen: re.Match[str]) -> str:
        signs = unseen[0]
        if signs in _KEPT or (signs in _JOINERS and _joins(text, unseen.start())):
            return signs
        found[CHARACTERS] += len(signs)
        return "\n" if signs in ("\u2028", "\u2029") else ""

    return _UNSEEN_HERE.sub(replaced, text)


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands between two signs of a script, or a family of pictures, that has a use for it."""
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return len(around) == 2 and all(ord(sign) >= 0x600 and sign.isprintable() for sign in around)


def _image(words: str, url: str | None, found: Counter[str]) -> str:
    found[IMAGES] += 1
    named = " ".join(re.sub(r"[^\w .,-]", " ", words)[:MAX_NAME_CHARACTERS].split())
    host = _host(url or "")
    return f"{MARK}: image{f' {named!r}' if named else ''}{f' from {host}' if host else ''}]"


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return re.sub(r"[^\w.:-]", "", host)[:MAX_NAME_CHARACTERS]


def _link(link: re.Match[str], found: Counter[str]) -> str:
    """A link with its target in sight, where that has room for data."""
    if "?" not in link[2] and "#" not in link[2]:
        return link[0]
    found[LINKS] += 1
    return f"{link[1]} (link to {link[2]} )"


# HTML


def visible_html(html: str, found: Counter[str], *, images: bool = True) -> str:
    """HTML without what a reader would not see; with `images`, without pictures from elsewhere too.

    Hidden text leaves a mark behind, so that nobody takes what is left for the whole.
    """
    rest = html[MAX_HTML_CHARACTERS:]
    reader = _Cuts(html[:MAX_HTML_CHARACTERS], images)
    parts, place = [], 0
    for begin, end, instead, kind in reader.cuts:
        if begin >= place:
            parts += [html[place:begin], instead]
            place = end
            if kind:
                found[kind] += 1
    kept = "".join([*parts, html[place:MAX_HTML_CHARACTERS]])
    return f"{kept}{MARK}: {len(rest)} more characters of HTML]" if rest else kept


class _Cuts:
    """Finds what is to be cut out of HTML: `cuts` are begin, end, what stands there instead, and what it was, which is
    empty for what hides nothing.
    """

    def __init__(self, html: str, images: bool):
        self.cuts: list[tuple[int, int, str, str]] = []
        self._html = html
        self._images = images
        self._open: list[tuple[str, bool]] = []
        self._hidden: tuple[int, int] | None = None
        self._classes = _hidden_classes(html)
        for piece in pieces(html):
            if piece.kind == START:
                self._start(piece)
            elif piece.kind == END:
                self._close(piece.name, piece.end)
            elif piece.kind == COMMENT and self._hidden is None:
                says_nothing = _NOTHING_SAID.fullmatch(html[piece.begin : piece.end])
                self.cuts.append((piece.begin, piece.end, "", "" if says_nothing else PARTS))
        if self._hidden is not None:
            self._cut(self._hidden[1], len(html))

    def _cut(self, begin: int, end: int) -> None:
        # An element without any text hides nothing.
        part = self._html[begin:end]
        if any(one.kind == TEXT and part[one.begin : one.end].strip() for one in pieces(part)):
            self.cuts.append((begin, end, HIDDEN_PART, PARTS))

    def _start(self, tag: Piece) -> None:
        source = self._html[tag.begin : tag.end]
        given = attributes(source) if _TELLING.search(source) else {}
        inside = self._hidden is not None
        if tag.name == "img" and self._images and not inside:
            known: Counter[str] = Counter()
            self.cuts.append((tag.begin, tag.end, _image(given.get("alt", ""), given.get("src"), known), IMAGES))
        if tag.name in VOID or len(self._open) >= MAX_DEPTH:
            return
        colored = "bgcolor" in given or "background" in given.get("style", "").lower()
        colored = colored or bool(self._open and self._open[-1][1])
        self._open.append((tag.name, colored))
        if not inside and self._hides(tag.name, given, colored):
            self._hidden = (len(self._open), tag.begin)
        if source.endswith("/>"):
            self._close(tag.name, tag.end)

    def _hides(self, tag: str, given: dict[str, str], colored: bool) -> bool:
        style = given.get("style", "")
        return (
            tag in SCRIPTED
            or "hidden" in given
            or _is_hidden(style)
            or (not colored and bool(_WHITE.search(style) or _WHITE.search(f"color:{given.get('color', '')}")))
            or not self._classes.isdisjoint(given.get("class", "").split())
        )

    def _close(self, tag: str, end: int) -> None:
        names = [name for name, _ in self._open]
        if tag not in names:
            return
        place = len(names) - 1 - names[::-1].index(tag)
        del self._open[place:]
        if self._hidden is not None and len(self._open) < self._hidden[0]:
            self._cut(self._hidden[1], end)
            self._hidden = None


def _is_hidden(style: str) -> bool:
    return bool(_HIDDEN_STYLE.search(style) or (_NO_SIZE.search(style) and _NO_OVERFLOW.search(style)))


def _hidden_classes(html: str) -> set[str]:
    """The classes that a style sheet hides."""
    found: set[str] = set()
    style = re.search("<style", html, re.IGNORECASE)
    for rule in html[style.start() :].split("}") if style else ():
        selectors, _, declared = rule.rpartition("{")
        if _is_hidden(declared[-MAX_RULE_CHARACTERS:]):
            found.update(_CLASS.findall(selectors.rpartition("{")[2][-MAX_RULE_CHARACTERS:].strip()))
    return found
