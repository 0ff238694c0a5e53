"""Tools found by the words that people use for their work: a full-text index in memory, and a file of synonyms."""

from __future__ import annotations

import re
import weakref
from collections.abc import Collection

from mcp_instantly.errors import ConfigError
from mcp_instantly.tools.catalog import Catalog, read_data
from mcp_instantly.tools.operation import Operation

NO_FULL_TEXT_SEARCH = (
    "This Python has no SQLite with full-text search (FTS5), which finding tools by words needs: use another build of "
    "Python, or leave out --discovery and --search."
)

MAX_QUERY_CHARACTERS = 2_000
MAX_QUERY_WORDS = 40
"""Words of a query that are searched for; more say no more."""

COLUMNS = {"name": 8.0, "title": 6.0, "also": 9.0, "description": 1.5, "arguments": 0.4, "toolset": 2.0}
"""What is searched of a tool, and how much a word counts there."""

SYNONYM_COUNTS = 0.5
"""How much a word that is meant counts, beside one that was said."""

LIKELY = {"core": 1.4, "default": 1.2}
"""By preset: how much more likely its tools are meant than the others."""

READ_IS_ASKED = 1.4
"""How much more likely a tool that reads is meant by a question."""


def _read(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ASKING = _read("""
    who what which when where why how is are was were did does do has have can
    list show get read see find check count search look
""")
"""How a question begins."""

STOP_WORDS = _read("""
    a about all am an and any are as at be been before being but by can could did do does for from get gets getting give
    going had has have he her here him his how i if in into is isn it its just let like may me might more most much my
    myself need no not now of on one or our out please s she should show so some still t than that the their them then
    there these they this those to too up us want was we were what when where which who whom why will with would you
    your instantly via able use using used make made many
""")
"""Words that do not tell which tool is meant."""

NAMED = (
    (re.compile(r"[^\s@]{1,80}@\S+"), "contact"),
    (re.compile(r"https?://\S+"), ""),
    (re.compile(r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|co|ai|example)\b"), "domain"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}"), ""),
)
"""Addresses, links, domains and ids: they are whom a call is about, and stand for a word."""


class SearchIndex:
    """Some tools, which can be found by words. Raises ConfigError where this Python has no full-text search."""

    def __init__(self, catalog: Catalog, tools: Collection[Operation]):
        self._tools = list(tools)
        synonyms = read_data("synonyms.json")
        self._meant: dict[str, str] = synonyms["words"]
        also: dict[str, str] = synonyms["tools"]
        self._likely = {name: times for preset, times in reversed(LIKELY.items()) for name in catalog.preset(preset)}
        try:
            import sqlite3
        except ImportError:
            raise ConfigError(NO_FULL_TEXT_SEARCH) from None
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        try:
            self._connection.execute(
                f"CREATE VIRTUAL TABLE tools USING fts5({', '.join(COLUMNS)}, tokenize='porter unicode61')"
            )
        except sqlite3.OperationalError:
            raise ConfigError(NO_FULL_TEXT_SEARCH) from None
        self._connection.executemany(
            f"INSERT INTO tools VALUES ({', '.join('?' * len(COLUMNS))})",
            [_columns(tool, also.get(tool.name, ""), catalog.toolsets[tool.toolset].title) for tool in self._tools],
        )

    def find(self, query: str, most: int) -> list[Operation]:
        """At most `most` tools that fit the words of a query, the best first; those that it names before all others."""
        text = _plain(query)
        scores: dict[int, float] = {}
        for idea in self._ideas(text):
            for place, score in self._fit(idea).items():
                scores[place] = scores.get(place, 0.0) + score
        question = text.split(" ")[0] in ASKING
        for place in scores:
            tool = self._tools[place]
            scores[place] *= self._likely.get(tool.name, 1.0) * (READ_IS_ASKED if question and tool.read_only else 1.0)
        named = re.findall(r"\w+", query[:MAX_QUERY_CHARACTERS].lower())
        ranked = sorted(scores, key=lambda place: (self._tools[place].name not in named, -scores[place], place))
        return [self._tools[place] for place in ranked[:most]]

    def _ideas(self, text: str) -> list[list[tuple[str, float]]]:
        """What a query is about: of each idea the words that may stand for it, and how much they count."""
        said = [word for word in dict.fromkeys(text.split()) if word not in STOP_WORDS][:MAX_QUERY_WORDS]
        ideas = {word: [(word, 1.0)] for word in said}
        for phrase, words in self._meant.items():
            if f" {phrase} " in f" {text} ":
                ideas.setdefault(phrase, []).append((words, SYNONYM_COUNTS))
        return list(ideas.values())

    def _fit(self, idea: list[tuple[str, float]]) -> dict[int, float]:
        """How well the tools, by their places, fit an idea: as well as the best of the words that may stand for it."""
        best: dict[int, float] = {}
        for words, counts in idea:
            for place, score in self._scores(words):
                best[place] = max(best.get(place, 0.0), counts * score)
        return best

    def _scores(self, words: str) -> list[tuple[int, float]]:
        match = " OR ".join(f'"{word}"' for word in words.split())
        weights = ", ".join(str(weight) for weight in COLUMNS.values())
        return self._connection.execute(
            f"SELECT rowid - 1, -bm25(tools, {weights}) FROM tools WHERE tools MATCH ?", (match,)
        ).fetchall()


def _columns(tool: Operation, also: str, toolset: str) -> tuple[str, ...]:
    return (tool.name, tool.title, also, tool.description, " ".join(tool.input_schema["properties"]), toolset)


def _plain(query: str) -> str:
    """A query as lower-case words, with a word in the place of every address and domain."""
    text = query[:MAX_QUERY_CHARACTERS].lower()
    for pattern, word in NAMED:
        text = pattern.sub(f" {word} ", text)
    return " ".join(re.findall(r"[^\W_]+", text))
