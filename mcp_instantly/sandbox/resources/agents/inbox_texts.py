"""What an inbox manager writes: in the tone of its guidances, with what they tell, and what it leaves to a person."""

from __future__ import annotations

import html
import re

from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

BASICS, COMMUNICATION, CONTEXT, HANDOVER, OTHER = range(5)
"""The values of a guidance's category."""

TOPICS = {
    "prices": r"cost|costs|price|prices|pricing|how much|quote|discount",
    "references": r"a customer|reference|references|case study",
    "contracts": r"contract|terms|security review|dpa|gdpr",
}
"""What leads ask for that nobody can make up: a guidance must tell it, or a person."""

GREETINGS = {
    "friendly": "Hi {name},",
    "neutral": "Hello {name},",
    "matter_of_fact": "{name},",
    "professional": "Dear {name},",
    "humorous": "Hi {name}, your favourite inbox here.",
}
SENTENCES = (
    "Thank you for your reply.",
    "Would a short call later this week suit you?",
    "I can also send a summary beforehand, so that your team can look at it in their own time.",
)
LENGTHS = {"concise": 1, "standard": 2, "thorough": 3}


def _topics(text: str) -> list[str]:
    return [topic for topic, words in TOPICS.items() if re.search(rf"\b({words})\b", text.lower())]


def sort_topics(world: World, manager: Record, text: str) -> tuple[list[str], list[str]]:
    """What a text asks for: that which guidances tell, and that for which a person is needed."""
    told = {topic for guidance in _guidances(world, manager, CONTEXT) for topic in _topics(guidance["instruction"])}
    handed_over = {
        topic for guidance in _guidances(world, manager, HANDOVER) for topic in _topics(guidance["instruction"])
    }
    asked = _topics(text)
    known = [topic for topic in asked if topic in told - handed_over]
    return known, [topic for topic in asked if topic not in known]


def _guidances(world: World, manager: Record, category: int) -> list[Record]:
    found = world.inbox_guidances.where(agent_id=manager["id"])
    return [guidance for guidance in found if guidance["category"] == category and guidance["status"] == ACTIVE]


def _told(world: World, manager: Record, topic: str) -> str:
    """What a guidance tells about a topic."""
    instructions = (guidance["instruction"] for guidance in _guidances(world, manager, CONTEXT))
    return str(next(text for text in instructions if topic in _topics(text)))


def write(world: World, manager: Record, lead: Record, email: Record, known: list[str]) -> str:
    """The text of a reply, as HTML, in the tone and length that the basics say."""
    basics = next(iter(_guidances(world, manager, BASICS)), None)
    style = (basics or {}).get("basic_guidance_options", {"tone": "neutral", "length": "standard"})
    name = lead.get("first_name") or email["from_address_email"]
    sentences = [*SENTENCES[: LENGTHS[style["length"]]], *(_told(world, manager, topic) for topic in known)]
    account = world.accounts.get(email["eaccount"]) or {}
    lines = [GREETINGS[style["tone"]].format(name=name), "", " ".join(sentences), "", account.get("first_name", "")]
    return "<br/>".join(html.escape(line, quote=False) for line in lines)
