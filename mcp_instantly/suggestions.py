"""Which known name an unknown one means. Silence is better than a name that means the opposite.

A model does what "Did you mean" says, so a name is only suggested when it is the same words in another form, has a slip
of the finger in a word, or is the only longer or shorter form of the same name. Words that turn a meaning (exclude,
remove, to, min, every verb) must stand in both names, and a word that is known in its own right is never taken for a
misspelling of another.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from operator import ne

MAX_NAME_CHARACTERS_COMPARED = 100
"""Characters; a longer name is not taken for a misspelling."""

MIN_WORD_LETTERS = 3
"""Letters; in a shorter word a slip cannot be told from another word."""

MAX_CLOSE = 3
"""Known values that are named for one that only looks like them."""

MAX_LISTED_NAMES = 60
"""Known names that are listed where no one can be suggested."""


def _read(text: str) -> frozenset[str]:
    return frozenset(text.split())


TURNING = _read("""
    all any bulk each every everything none no non not never only except without
    exclude include skip ignore allow disallow permit forbid enable disable on off yes
    add create insert new append set assign unassign attach detach toggle put
    update edit change replace overwrite patch modify rename reset clear empty
    remove removal delete cancel purge drop destroy erase archive unarchive restore undo keep
    get list read fetch find search show view count preview export download import upload check verify validate
    start begin stop end finish pause resume activate deactivate launch run rerun schedule unschedule
    send reply forward respond test draft
    move copy merge split duplicate clone share block unblock subscribe unsubscribe mark unmark lock unlock
    enrich accept reject approve deny open close connect disconnect
    sort order with user min minimum max maximum least most more less before after since until from to by of in out into
    first last next previous old sent received incoming outgoing unread seen unseen
    cc bcc source destination target sender recipient imap smtp
    positive negative interested hard soft up down asc desc ascending descending ascend descend
    public private active inactive paused completed success failed won lost inbound outbound
    increase decrease win lose unsubscribed bounced opened replied clicked contacted
""")
"""Words that change what a name means when they are added, left out or exchanged, in their plain form."""

EVERYDAY = _read("""
    account address age amount api app area array attachment auto base batch body bool box brand budget button campaign
    case category city click client clock cloud code color column comment company config contact content context
    copyright cost country credit currency cursor custom daily data date day delay description detail domain draft
    duration email emails entry error event expert extra fact field file filter flag folder format free full group
    guide header health host hour html icon id image index industry info input integer interest item job json key
    keyword kind label language lead left length level limit line link load local location login log mailbox main
    manager map match member message meta method minute mode model module money month more name note number object
    offset option order organization owner page parent password path pattern people percent person phone photo pin plan
    plain point pool port position post prefix price priority profile project prompt property provider query quota
    random range rank rate reason record region report resource result right role root row rule sale sample scope score
    second secret section seed segment sequence server service session setting side signal signature site size sort
    space stage start stat state static statistic stats status step string style subject subsequence success suffix tag
    task team template term text theme thing thread time timestamp timezone title token tool topic tracking type unit
    url usage use used user value variable variant version warm warmup web webhook website week word work workspace
    year zone table labels hook tail cell node move live love like lost cast past part pace face race rage wage game
    same safe save
""")
"""Common words: each is meant as it stands."""

FILLERS = _read("address detail details existing field flag info number option setting string text url value")
"""Words that a name may carry on top of a known one and still mean it."""

VAGUE = _read("""
    account campaign code count data date domain email field filter id item key label lead limit link list mode name
    number object order page query resource size sort status tag template text time tracking type url user value
    workspace
""")
"""Words that do not tell which of the longer names is meant."""

PREFIXES = ("un", "in", "im", "dis", "de", "re", "non", "not", "sub", "auto", "over", "under", "out", "pre", "anti")
"""What turns one word into another one: read and unread, move and remove, source and resource."""


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known name that is meant, or nothing."""
    meant = find_meant(name, list(known))
    return f" Did you mean {meant}?" if meant else ""


def suggest_or_list(name: str, known: Iterable[str]) -> str:
    """As `suggest`; where nothing can be suggested, the known names, if they are few."""
    names = list(known)
    listed = f" Allowed: {', '.join(names)}." if 0 < len(names) <= MAX_LISTED_NAMES else ""
    return suggest(name, names) or listed


def find_meant(name: str, known: Sequence[str]) -> str | None:
    """The known name that is meant: misspelt, or the only one that is a longer or shorter form of it."""
    if len(name) > MAX_NAME_CHARACTERS_COMPARED:
        return None
    slip = misspelt(name, known)
    if slip:
        return slip
    asked = frozenset(split_words(name))
    forms = [one for one, words in _read_names(tuple(known)).sets if _is_form(asked, words)]
    return forms[0] if len(forms) == 1 else None


def misspelt(name: str, known: Sequence[str]) -> str | None:
    """The known name with the same words, or with one slip of the finger in a word; None when several have."""
    if len(name) > MAX_NAME_CHARACTERS_COMPARED:
        return None
    asked, written, names = split_words(name), _written_words(name), _read_names(tuple(known))
    places = [names.joined.get("".join(asked)), names.ordered.get(tuple(sorted(asked)))]
    same = [place for place in places if place is not None]
    if same:
        return names.sets[min(same)][0]
    # A name has as many words in their plain form as it is written with.
    close = [
        one
        for one, words in names.by_count.get(len(asked), ())
        if _slipped(asked, words, names.spelled) or _slipped(written, _written_words(one), names.spelled)
    ]
    return close[0] if len(close) == 1 else None


@dataclasses.dataclass(frozen=True)
class _Names:
    """Known names, read once for all that is asked of them; a place is that of the first such name."""

    sets: list[tuple[str, frozenset[str]]]
    spelled: frozenset[str]
    joined: dict[str, int]
    ordered: dict[tuple[str, ...], int]
    by_count: dict[int, list[tuple[str, tuple[str, ...]]]]


@functools.lru_cache(maxsize=64)
def _read_names(known: tuple[str, ...]) -> _Names:
    split = {one: split_words(one) for one in known}
    sets = [(one, frozenset(split[one])) for one in known]
    names = _Names(sets, frozenset().union(*split.values()), {}, {}, {})
    for place, one in enumerate(known):
        names.joined.setdefault("".join(split[one]), place)
        names.ordered.setdefault(tuple(sorted(split[one])), place)
    for one, words in split.items():
        names.by_count.setdefault(len(words), []).append((one, words))
    return names


def name_close(value: str, known: Sequence[str]) -> str:
    """` Closest: X, Y.` for known values that look like one, or those that begin as it does, as far as a colon."""
    asked = value[:MAX_NAME_CHARACTERS_COMPARED]
    alike = difflib.get_close_matches(asked, known, n=2 * MAX_CLOSE, cutoff=0.6)
    close = [one for one in alike if not opposed(asked, one)][:MAX_CLOSE]
    if close:
        return f" Closest: {', '.join(close)}."
    head, colon, _ = asked.partition(":")
    related = [one for one in known if colon and one.startswith(head + colon)]
    return f" Of {head} there are {', '.join(related[:MAX_LISTED_NAMES])}." if related else ""


def opposed(one: str, other: str) -> bool:
    """Whether two names differ in a word that turns the meaning, or in a word and its opposite (read, unread)."""
    first, second = set(split_words(one)), set(split_words(other))
    return _turned(first - second, second - first)


@functools.lru_cache(maxsize=4096)
def split_words(name: str) -> tuple[str, ...]:
    """The words of a name in their plain form: `toCampaignIds` and `to_campaign_id` are to, campaign, id."""
    return tuple(_plain(word) for word in _written_words(name))


@functools.lru_cache(maxsize=4096)
def _written_words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name))


def _plain(word: str) -> str:
    """Without the ending of a plural or of a participle that stands in a name: ids, replies, excluded, including."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending, stem in (("cluded", "clude"), ("cluding", "clude"), ("abled", "able"), ("sses", "ss"), ("xes", "x")):
        if word.endswith(ending):
            return word.removesuffix(ending) + stem
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def _turned(left: set[str], right: set[str]) -> bool:
    if (left | right) & TURNING:
        return True
    return any(_prefixed(a, b) or _prefixed(b, a) for a in left for b in right)


def _prefixed(word: str, other: str) -> bool:
    return any(word == prefix + other for prefix in PREFIXES)


def _slipped(asked: Sequence[str], words: Sequence[str], spelled: frozenset[str]) -> bool:
    """Whether as many words are those that were asked for, apart from one slip in one or two of them."""
    return 0 < sum(map(ne, asked, words)) <= 2 and all(
        a not in spelled
        and a not in TURNING
        and a not in EVERYDAY
        and min(len(a), len(b)) >= MIN_WORD_LETTERS
        and max(len(a), len(b)) > MIN_WORD_LETTERS
        and _one_slip(a, b)
        and not (_prefixed(a, b) or _prefixed(b, a))
        for a, b in zip(asked, words, strict=True)
        if a != b
    )


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter more, less or other, or two letters in the wrong order, turn one word into the other."""
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    if {a, b} == {"", "d"}:
        # Scheduled is not a misspelling of schedule.
        return False
    return max(len(a), len(b)) <= 1 or (len(a) == len(b) == 2 and a == b[::-1])


def _is_form(asked: frozenset[str], words: frozenset[str]) -> bool:
    """Whether one name is the other with words that turn nothing: interest_status for lt_interest_status."""
    if asked < words:
        more = words - asked
        telling = len(asked) >= len(more) and asked - VAGUE - TURNING and not more & TURNING
        return bool(telling) or more in ({"is"}, {"has"})
    return words < asked and asked - words <= FILLERS and bool(words - FILLERS)
