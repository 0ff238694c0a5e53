"""What leads write back."""

from __future__ import annotations

import datetime as dt
import html

from mcp_instantly.sandbox.sending.absences import MONTHS
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

AUTOMATIC = "automatic"

REPLY_KINDS = ("interested", "question", "later", "declined", "referred", "interested", "declined", "question")
"""Kinds of reply, weighted by repetition."""

TEXTS = {
    "interested": (
        "Hi {sender},\n\nthis is timely, we have been talking about it since the summer. "
        "Could you do a short call on Thursday or Friday morning?\n\n{name}",
        "Hello {sender},\n\nyes, happy to hear more. Please send me two or three slots for next week.\n\nBest,\n{name}",
        "Thanks for writing, {sender}. Let's talk. I'm free tomorrow after three.\n\n{name}",
    ),
    "question": (
        "Hi {sender},\n\nwhat does this cost for a team of about forty? "
        "And does it work next to the system we already have?\n\n{name}",
        "Hello,\n\ninteresting. Do you have a customer of our size that I could speak to?\n\nRegards,\n{name}",
    ),
    "later": (
        "Hi {sender},\n\nnot a priority this quarter, the budget is spent. Please get back to me in January.\n\n{name}",
        "Thanks, {sender}. We are in the middle of an audit, so not now. Write again in two months?\n\n{name}",
    ),
    "declined": (
        "Hello {sender},\n\nthanks, but we are well served here. No need to follow up.\n\n{name}",
        "Not interested, thank you.\n\n{name}",
    ),
    "referred": (
        "Hi {sender},\n\nI'm not the right person for this. Please try my colleague in operations.\n\nBest,\n{name}",
    ),
    "again": (
        "Thanks, {sender}, that helps. I'll talk to my team and come back to you.\n\n{name}",
        "Sounds good. Please send the invitation.\n\n{name}",
        "Thank you for the quick answer. One more thing: who on your side would look after us?\n\n{name}",
    ),
    AUTOMATIC: (
        "Thank you for your message. I am out of the office until Monday with limited access to email. "
        "In urgent cases please call our front desk.\n\n{name}",
        "I'm on leave until {back} and will reply when I'm back. Your message is not being forwarded.\n\n{name}",
        "Out of office: I return on {back}. Your message is not being forwarded.\n\n{name}",
    ),
}


def reply_text(world: World, lead: Record, to: Record, kind: str) -> str:
    """What a lead replies, as HTML."""
    texts = TEXTS[kind]
    text = texts[int(world.chance("text", lead["email"], to["subject"], kind) * len(texts))]
    account = world.accounts.get(to["eaccount"]) or {}
    name = lead.get("first_name") or lead["email"].partition("@")[0].partition(".")[0].title()
    back = (world.now() + dt.timedelta(days=3 + int(world.chance("away for", lead["email"]) * 10))).date()
    date = f"{back.day} {MONTHS[back.month - 1]}"
    return as_html(text.format(sender=account.get("first_name") or "there", name=name, back=date))


def as_html(text: str) -> str:
    return "<div>" + html.escape(text, quote=False).replace("\n", "<br/>") + "</div>"
