"""What happened in the demo's campaigns before the sandbox's first instant."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.resources.leads.records import set_interest
from mcp_instantly.sandbox.resources.leads.reply_labels import label_received
from mcp_instantly.sandbox.sending.dispatch import mark_sent
from mcp_instantly.sandbox.sending.emails import MANUAL, add_email, campaign_email, reply_email
from mcp_instantly.sandbox.sending.flows import Flow, delay_after, enroll, find_flow, finish_lead, join_subsequence
from mcp_instantly.sandbox.sending.reactions import (
    bounce_email,
    click_email,
    open_email,
    take_reply,
    unsubscribe_email,
)
from mcp_instantly.sandbox.sending.reply_texts import as_html
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import FINTECH, SENDERS, WEBINAR, add_subsequence
from mcp_instantly.sandbox.worlds.demo.people import lead_id

YES = (
    "Hi Ada,\n\nseven days is about right, and I would like it to be three. "
    "Could you show us on Thursday at ten?\n\nMaya"
)
MAYBE = (
    "Hello Ben,\n\nbefore I say yes or no: what would it cost for a team of twelve, and do you have a customer "
    "in retail banking?\n\nTom"
)
SHOW = "Hi Ben,\n\nthis comes at the right moment. Please send me some slots for next week.\n\nSofia"
NO = "Hello Ben,\n\nwe renewed with our supplier in June. No need to follow up.\n\nRegards"
AWAY = "Thank you for your message. I am out of the office until Wednesday and read mail only now and then."
GLADLY = "<div>Hi Sofia,<br/><br/>gladly. You will get a link with free slots from me.<br/><br/>Ben</div>"
THANKS = "Thanks for the worksheet, we have used it already. Could you call me about the paid version?"
LEAVE = "Please take me off, I only came for the speaker."

# Lead, sender, variant and number of the email, in the order of sending: two every ten minutes.
AUTUMN = (
    (1, 0, 0, 1), (2, 1, 1, 3), (3, 0, 0, 5), (4, 1, 1, 6), (5, 0, 1, 8), (7, 1, 0, 9),
    (8, 0, 0, 11), (9, 1, 1, 12), (10, 0, 1, 14), (11, 1, 0, 15), (12, 0, 0, 16), (13, 1, 1, 17),
)  # fmt: skip


def email_id(n: int) -> str:
    return f"01991f80-{n:04x}-7000-8000-{n:012x}"


def thread_id(n: int) -> str:
    return f"c0-demoThread{n:013d}"


class Story:
    """Events of one campaign, given in any order and then carried out in the order of their instants.

    Instants are hours from the story's beginning.
    """

    def __init__(self, world: World, campaign_id: str, beginning: dt.datetime):
        self.world = world
        self.beginning = beginning
        flow = find_flow(world, campaign_id)
        if flow is None:
            raise LookupError(campaign_id)
        self.flow: Flow = flow
        self._events: list[tuple[float, Callable[[], object]]] = []

    def at(self, hours: float, happen: Callable[..., object], *arguments: Any) -> None:
        self._events.append((hours, functools.partial(happen, *arguments)))

    def tell(self) -> None:
        for hours, happen in sorted(self._events, key=lambda event: event[0]):
            with self.world.during(self.beginning + dt.timedelta(hours=hours)):
                happen()

    def lead(self, n: int) -> Record:
        lead = self.world.leads.get(lead_id(n))
        if lead is None:
            raise LookupError(n)
        return lead

    def email(self, n: int) -> Record:
        email = self.world.emails.get(email_id(n))
        if email is None:
            raise LookupError(n)
        return email

    def send(self, n: int, sender: int, variant: int, number: int, thread: int) -> None:
        """Send the first step to lead `n`, as email `number`."""
        lead, account, step = self.lead(n), self.world.accounts.get(SENDERS[sender]), self.flow.steps[0]
        email = campaign_email(
            self.world,
            lead,
            account or {},
            step["variants"][variant],
            step=f"0_0_{variant}",
            id=email_id(number),
            thread_id=thread_id(thread),
        )
        mark_sent(self.world, self.flow, lead, email)
        if len(self.flow.steps) > 1:
            enroll(self.world, lead, self.world.now() + delay_after(step))
        else:
            finish_lead(self.world, lead, 3)

    def reply(self, n: int, to: int, number: int, text: str, *, automatic: bool = False, unread: int = 0) -> None:
        """Lead `n` replies to email `to`, and is labelled at once."""
        email = reply_email(
            self.world,
            self.email(to),
            self.lead(n),
            as_html(text),
            automatic=automatic,
            id=email_id(number),
            is_unread=unread,
        )
        take_reply(self.world, self.lead(n), self.flow.campaign, email)
        label_received(self.world, email["id"])

    def answer_by_hand(self, to: int, number: int, markup: str) -> None:
        answered = self.email(to)
        add_email(
            self.world,
            ue_type=MANUAL,
            sender=answered["eaccount"],
            to=answered["from_address_email"],
            subject=answered["subject"],
            markup=markup,
            eaccount=answered["eaccount"],
            id=email_id(number),
            **{field: answered[field] for field in ("campaign_id", "lead", "lead_id", "thread_id")},
        )

    def rate(self, n: int, value: int) -> None:
        """Give lead `n` an interest status by hand."""
        set_interest(self.world, [lead_id(n)], value)

    def opened(self, *openings: tuple[int, float]) -> None:
        """Emails that were opened, by number and hour."""
        for number, hours in openings:
            self.at(hours, open_email, self.world, email_id(number))


def tell_spring(world: World) -> None:
    """A webinar's follow-up: twenty emails, two replies, and it was over."""
    story = Story(world, WEBINAR, world.now() - dt.timedelta(days=145) + dt.timedelta(hours=1))
    for place, n in enumerate(range(121, 141)):
        story.at(place // 2 / 6, story.send, n, place % 2, 0, 19 + place, 17 + place)
    story.opened(*((19 + place, 2 + place * 1.7) for place in range(20) if place % 3 != 1 and place != 11))
    story.at(2, bounce_email, world, email_id(30))
    story.at(7.2, click_email, world, email_id(22))
    story.at(20, story.reply, 122, 20, 39, THANKS)
    story.at(90, story.rate, 122, 2)
    story.at(27, story.reply, 128, 26, 40, LEAVE)
    story.tell()
    world.campaigns.change(
        story.flow.campaign, status=3, timestamp_updated=stamp(story.beginning + dt.timedelta(hours=2))
    )


def tell_autumn(world: World) -> None:
    """The running campaign: it was activated on the last working day, an hour before closing time."""
    story = Story(world, FINTECH, world.now() - dt.timedelta(days=2, hours=17))
    for place, sent in enumerate(AUTUMN):
        story.at(place // 2 / 6, story.send, *sent, place + 1)
    story.opened((6, 0.4), (1, 2.1), (5, 15.5), (9, 16), (17, 17.2), (3, 19), (14, 40), (1, 57), (3, 63.9))
    story.at(0.55, functools.partial(story.reply, 9, 12, 13, AWAY, automatic=True))
    story.at(0.7, story.reply, 4, 6, 7, SHOW)
    story.at(0.85, bounce_email, world, email_id(16))
    story.at(0.9, story.answer_by_hand, 7, 18, GLADLY)
    story.at(17.3, unsubscribe_email, world, email_id(17))
    story.at(18, story.reply, 7, 9, 10, NO)
    story.at(58.6, functools.partial(story.reply, 1, 1, 2, YES, unread=1))
    # The subsequence is younger than both interests, so no lead entered it.
    story.at(63, add_subsequence, world)
    story.at(63.5, _move_to_subsequence, story, 4)
    story.at(64.2, functools.partial(story.reply, 2, 3, 4, MAYBE, unread=1))
    story.tell()


def _move_to_subsequence(story: Story, n: int) -> None:
    for subsequence in story.world.subsequences.where(parent_campaign=story.flow.id):
        join_subsequence(story.world, story.lead(n), subsequence)
