"""Text from elsewhere (the API, a page, a client, a file), made fit for a sentence, a log and a terminal."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence

compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""JSON without spaces, of what came out of JSON: it holds no cycles."""

MAX_QUOTE_CHARACTERS = 300
"""Characters of the API's own message that an error quotes."""

MAX_ERROR_CHARACTERS = 4_000
"""Characters of an error as it is shown, whatever went into it."""

MAX_NAMED_ITEMS = 8
"""Words of a list that a sentence names; of more only their number is told."""

ADDRESS = re.compile(r"[^\s@,;<>\"]{1,64}@[^\s@,;<>\"]{1,250}")
"""What can be an address of email, alone; one in quotes is left out."""

UNSEEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, ESC and BEL among them
    "\xad\u200b-\u200f\u2060-\u2064\ufeff"  # of no width
    "\u061c\u202a-\u202e\u2066-\u2069"  # they turn the direction of what follows
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u180e\u206a-\u206f\ufff9-\ufffb\U000e0000-\U000e007f"  # deprecated marks and tags
    "\ud800-\udfff"  # halves of surrogate pairs, which no encoding takes
    "]"
)
"""Characters that are not seen, or that steer a terminal. None of them is printable to Python."""


def reveal(text: str) -> str:
    """The same text with `<U+001B>` in place of each unseen character."""
    if text.isprintable():
        return text
    return UNSEEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters; an ellipsis ends what was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def one_line(text: str, limit: int) -> str:
    """At most `limit` characters in one line, all of them visible; an ellipsis ends what was cut."""
    # Of a text of megabytes only the beginning is looked at.
    begun = text[: 4 * limit]
    line = reveal(" ".join(begun.split()))
    return line if len(line) <= limit and begun == text else line[: limit - 1] + "…"


def parse_fault(error: ValueError | RecursionError) -> str:
    """Why a text could not be parsed, as a clause. Of a number with too many digits, Python tells how to program."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a number in it has too many digits" if "integer string conversion" in str(error) else str(error)


def file_fault(error: Exception) -> str:
    """Why a file cannot be used, as a clause."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def read_instant(text: str) -> dt.datetime:
    """An instant of ISO 8601, in UTC where it names no zone. Raises ValueError."""
    # Python 3.10 does not take the Z.
    found = dt.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    return found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)


def shorten(text: str, limit: int = MAX_QUOTE_CHARACTERS) -> str:
    """As `one_line`, without a full stop at the end, to be quoted within a sentence."""
    return one_line(text, limit).rstrip(".")


def join_words(words: Sequence[str], last: str) -> str:
    """Words as a list in a sentence, with `last` before the last one: `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def clip(text: str, limit: int) -> str:
    """At most `limit` characters (100 or more): of a longer text the middle is left out, since both ends matter."""
    if len(text) <= limit:
        return text
    gap = f" … [{len(text) - limit} characters left out] … "
    tail = limit // 4
    return f"{text[: limit - tail - len(gap)]}{gap}{text[-tail:]}"


def error_text(error: Exception | str) -> str:
    """What is shown of an error: one line, visible, of at most MAX_ERROR_CHARACTERS; its advice stands at the end."""
    return clip(reveal(" ".join(clip(str(error), MAX_ERROR_CHARACTERS).split())), MAX_ERROR_CHARACTERS)


def escape_json(text: str) -> str:
    """JSON of the same meaning in which every unseen character but the newline is written as `\\u001b`."""
    return UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def quotable(address: object) -> str:
    """An address, to stand in a sentence of ours; what could be read as a sentence itself is not one, and not told."""
    return address if isinstance(address, str) and ADDRESS.fullmatch(address) else "somebody"


def name_some(words: list[str], most: int = MAX_NAMED_ITEMS, characters: int = 60) -> str:
    """These words, each shortened, with commas; of more than `most` the first, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(shorten(word, characters) for word in words[:most]) + more


def as_cell(value: object) -> str:
    """A value without parts as text: booleans as JSON has them, whole numbers without a fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def when(seconds: float | None) -> str | None:
    """A Unix time as it is shown, in UTC; None for none."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
