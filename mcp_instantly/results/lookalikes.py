"""Letters that look like others: addresses, domains and names that are not what they seem to be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from mcp_instantly.text import cut

MAX_NAMED = 3
"""Addresses and names that a text is looked through for."""

MAX_CHARACTERS = 60
"""Of one of them as it is shown."""

MAX_LOOKED_AT = 20_000
"""Characters of a text that are looked through."""

_WORD = re.compile(r"[^\W_]+(?:[-'\u2019][^\W_]+)*")
_ADDRESS = re.compile(
    r"(?<![^\s@<>,;:\"()\[\]])[^\s@<>,;:\"()\[\]]{1,64}@[^\s@<>,;:\"()\[\]/]{1,250}"
    r"|(?<![\w-])\w[\w-]{0,62}(?:[.\u3002\uff0e\uff61][\w-]{1,63}){1,20}"
)
"""An address or a domain, with whatever letters; IDNA takes other dots too."""

_TOGETHER = (
    frozenset({"LATIN"}),
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that are written together in one word."""

_LIKE_LATIN = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u043a\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u04cf"  # Cyrillic
    "\u03bf\u03bd\u03c5\u03b1\u03c1\u03b9\u03ba\u03c7\u03f2\u03f3"  # Greek
    "\u0585\u057d\u0578\u0570\u0581"  # Armenian
)
"""Small letters of other scripts of which a whole word can be made that is read as a Latin one."""


def lookalikes(text: str, *, names: bool = False) -> list[str]:
    """The addresses and domains in a text, with `names` also its words, whose letters pretend to be others.

    Each is written with the code points of those letters: `fj<U+043E>rdpay.example`; MAX_NAMED at most.
    """
    if text.isascii() and "xn--" not in text.lower():
        return []
    found: dict[str, None] = {}
    begun = text[:MAX_LOOKED_AT]
    for address in _ADDRESS.findall(begun):
        if (shown := _address(address)) is not None:
            found[shown] = None
    rest = _ADDRESS.sub(" ", begun) if names else ""
    found.update((_spelled(word), None) for word in _WORD.findall(rest) if any(map(_pretends, word.split("-"))))
    return list(found)[:MAX_NAMED]


def _address(address: str) -> str | None:
    """An address or domain as it is spelled, where it is not what it seems to be."""
    user, at, domain = address.rpartition("@")
    read = ".".join(map(_decoded, re.split("[.\u3002\uff0e\uff61]", domain)))
    labels = [user, *read.split(".")]
    # A name that is wholly of another script is honest under an ending of this script.
    deceives = any(map(_pretends, labels)) or (labels[-1].isascii() and any(map(_is_read_as_latin, labels)))
    if not deceives and (read == domain or read.isascii()):
        return None
    if not deceives:
        # Punycode that stands for an honest name says so all the same: nobody can read it.
        return f"{address[:MAX_CHARACTERS]} (read {_spelled(read)})"
    return _spelled(f"{user}{at}{read}")


def _decoded(label: str) -> str:
    if not label.lower().startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def _is_read_as_latin(label: str) -> bool:
    letters = [sign for sign in label.lower() if sign.isalpha()]
    return bool(letters) and all(sign in _LIKE_LATIN for sign in letters)


def _pretends(word: str) -> bool:
    """Whether letters of several scripts stand in a word, or ASCII in disguise: of full width, or of mathematics."""
    if word.isascii():
        return False
    letters = [sign for sign in word if unicodedata.category(sign) in ("Ll", "Lu", "Lo", "Lm")]
    if any(_is_disguised(sign) for sign in letters):
        return True
    scripts = frozenset(_script(sign) for sign in letters if unicodedata.normalize("NFKC", sign) == sign)
    return len(scripts) > 1 and not any(scripts <= group for group in _TOGETHER)


def _is_disguised(sign: str) -> bool:
    plain = unicodedata.normalize("NFKC", sign)
    return sign != plain and len(plain) == 1 and plain.isascii() and unicodedata.category(sign) in ("Ll", "Lu")


def _script(sign: str) -> str:
    return unicodedata.name(sign, "UNKNOWN").split(" ")[0].split("-")[0]


def _spelled(text: str) -> str:
    shown = "".join(sign if sign.isascii() else f"<U+{ord(sign):04X}>" for sign in text)
    return cut(re.sub(r"[^\w.@<>+'-]", "", shown), MAX_CHARACTERS)


def said_of(found: Iterable[str]) -> str:
    """A sentence about what `lookalikes` has found."""
    return f"Letters that look like others: {', '.join(found)}. It is not the name or domain that it seems to be."
