"""What the live API was recorded to do, a fact at a time, each with its source.

A fact is a function of the `Story` below, under `@recorded(source)`. What it is called says what holds. Where the
recordings and the vendor's documentation differ, the recordings are right here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.sending.reactions import receive_reply

from .outreach import DAY, HOUR, MINUTE, Wait, sender, started, step

pytestmark = pytest.mark.anyio

WORKSPACE = "recorded in one production workspace, September to November 2025: 735 contacted leads"
REPLIES = "recorded in production, September to November 2025: 10 replies by people and 16 leads with an automatic one"
EMAILS = "recorded in production, September and November 2025: 100 emails of one campaign"
EXCHANGES = "recorded exchanges with the live API, June 2026"
RECEIVED = "a received email as the live API returned it, October 2026"
WEBHOOKS = "captured webhook bodies, October 2024, June and July 2025"
TEST_EVENT = "a captured webhook body, January 2025"

OURS = "out@ours.example"
# Of themselves, the silent ones do nothing.
ANN, DAN, EVE, BOB = "ann.silent@x.example", "dan.silent@y.example", "eve.silent@z.example", "bob.bounce@b.example"
YES = "Yes please, thanks! Tell me more."
NO = "Not interested, thank you."
NEITHER = "We are in the middle of an audit. Ask me again in January."
AWAY = "I am out of the office and back on 17 September 2026. For urgent matters call our front desk."
SHORT = "Hello from us"
VALUE = 400


@dataclasses.dataclass
class Story:
    """An active campaign of two steps, the first of which has been sent, and ways to go on with it.

    Its emails go out from nine to five in Detroit, every day, the second two days after the first.
    """

    api: httpx.AsyncClient
    world: World
    wait: Wait
    campaign: str

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.api.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def lead(self, email: str) -> dict[str, Any]:
        body = {"campaign": self.campaign, "contacts": [email]}
        return (await self.api.post("/leads/list", json=body)).json()["items"][0]

    async def emails(self, lead: str, kind: str = "sent", campaign: str | None = None) -> list[dict[str, Any]]:
        """The emails of a lead, oldest first: sent, manual or received."""
        query = {"campaign_id": campaign or self.campaign, "lead": lead, "email_type": kind, "sort_order": "asc"}
        return (await self.get("/emails", **query))["items"]

    async def reply(self, lead: str, words: str, *, automatic: bool = False, seconds: float = 15) -> dict[str, Any]:
        """Let a lead reply to its last email, wait for what that brings about, and return the reply."""
        last = (await self.emails(lead))[-1]["id"]
        email, record = self.world.emails[last], self.world.leads.first(email=lead, campaign=self.campaign)
        assert record is not None
        receive_reply(self.world, email, record, f"<div>{words}</div>", automatic=automatic)
        self.wait(seconds)
        return (await self.emails(lead, "received"))[-1]

    async def answer(self, email: dict[str, Any], text: str = "Gladly.") -> dict[str, Any]:
        """Reply by hand."""
        given = {"reply_to_uuid": email["id"], "eaccount": email["eaccount"], "subject": "Re", "body": {"text": text}}
        return (await self.api.post("/emails/reply", json=given)).json()

    async def webhooks(self) -> list[dict[str, Any]]:
        """The payloads that webhooks were told, oldest first."""
        found = (await self.get("/webhook-events", limit=100))["items"]
        return [
            event["payload"] for event in sorted(found, key=lambda event: (event["timestamp_created"], event["id"]))
        ]

    async def row(self) -> dict[str, Any]:
        return (await self.get("/campaigns/analytics", id=self.campaign))[0]


@dataclasses.dataclass(frozen=True)
class Fact:
    source: str
    holds: Callable[[Story], Awaitable[None]]

    @property
    def name(self) -> str:
        return self.holds.__name__


FACTS: list[Fact] = []


def recorded(source: str) -> Callable[[Callable[[Story], Awaitable[None]]], Callable[[Story], Awaitable[None]]]:
    """Add a function of the story to the facts that are tested."""

    def add(holds: Callable[[Story], Awaitable[None]]) -> Callable[[Story], Awaitable[None]]:
        FACTS.append(Fact(source, holds))
        return holds

    return add


@pytest.fixture
async def story(api: httpx.AsyncClient, world: World, wait: Wait) -> Story:
    await sender(api, OURS, first_name="Olga", last_name="Ours")
    steps = [step((SHORT, "<p>Hi,</p><p>may we talk?</p>"), delay=2), step(("Another subject", "<p>Again</p>"))]
    window = {
        "name": "Hours",
        "timing": {"from": "09:00", "to": "17:00"},
        "days": {str(day): True for day in range(7)},
        "timezone": "America/Detroit",
    }
    await api.post("/webhooks", json={"target_hook_url": "https://h.ours.example/x", "event_type": "all_events"})
    campaign = await started(
        api,
        [],
        steps=steps,
        email_list=[OURS],
        pl_value=VALUE,
        is_evergreen=True,
        campaign_schedule={"schedules": [window]},
    )
    people = {ANN: ("Ann", "Archer"), DAN: ("Dan", "Dahl"), EVE: ("Eve", "Evers"), BOB: ("Bob", "Berg")}
    leads = [{"email": email, "first_name": first, "last_name": last} for email, (first, last) in people.items()]
    await api.post("/leads/add", json={"campaign_id": campaign, "leads": leads})
    wait(6 * MINUTE)
    return Story(api, world, wait, campaign)


def instant(stamp: str) -> dt.datetime:
    return dt.datetime.fromisoformat(stamp.replace("Z", "+00:00"))


# replies are labelled


@recorded(REPLIES)
async def a_willing_reply_is_labelled_as_interested(story: Story) -> None:
    await story.reply(ANN, YES)
    assert (await story.lead(ANN))["lt_interest_status"] == 1


@recorded(REPLIES)
async def a_refusal_is_labelled_as_not_interested(story: Story) -> None:
    await story.reply(ANN, NO)
    assert (await story.lead(ANN))["lt_interest_status"] == -1


@recorded(f"{REPLIES}; 10 of 12 labels came 2.8 to 14.5 seconds after the reply")
async def the_label_comes_some_seconds_after_the_reply(story: Story) -> None:
    await story.reply(ANN, YES, seconds=2)
    assert "lt_interest_status" not in await story.lead(ANN)
    story.wait(13)
    lead = await story.lead(ANN)
    took = instant(lead["timestamp_last_interest_change"]) - instant(lead["timestamp_last_reply"])
    assert 2.8 <= took.total_seconds() <= 14.5


@recorded(f"{REPLIES}; 2 of the 10 had no label")
async def a_reply_that_is_neither_stays_without_a_label(story: Story) -> None:
    await story.reply(ANN, NEITHER)
    assert "lt_interest_status" not in await story.lead(ANN)


@recorded(WEBHOOKS)
async def a_willing_reply_is_told_as_lead_interested_too(story: Story) -> None:
    await story.reply(ANN, YES)
    events = [event["event_type"] for event in await story.webhooks() if event.get("lead_email") == ANN]
    assert events[-2:] == ["reply_received", "lead_interested"]


@recorded(TEST_EVENT)
async def a_refusal_is_told_as_lead_not_interested(story: Story) -> None:
    await story.reply(ANN, NO)
    assert (await story.webhooks())[-1]["event_type"] == "lead_not_interested"


@recorded(RECEIVED)
async def a_received_email_carries_the_label_as_i_status(story: Story) -> None:
    assert (await story.reply(ANN, YES))["i_status"] == 1


@recorded(f"{WORKSPACE}; two of them labelled as interested")
async def labelled_leads_are_opportunities_worth_the_campaigns_value(story: Story) -> None:
    await story.reply(ANN, YES)
    await story.reply(DAN, YES)
    row = await story.row()
    assert (row["total_opportunities"], row["total_opportunity_value"]) == (2, 2 * VALUE)


@recorded(WORKSPACE)
async def opportunities_stand_in_the_row_of_the_day_of_the_reply(story: Story) -> None:
    story.wait(DAY)
    await story.reply(ANN, YES)
    rows = await story.get("/campaigns/analytics/daily", campaign_id=story.campaign)
    assert [(row["date"][-2:], row["opportunities"]) for row in rows if row["opportunities"]] == [("08", 1)]


# out-of-office notes


@recorded(f"{REPLIES}; 15 of the 16 leads had the status, some seconds after the note")
async def an_out_of_office_note_is_labelled_as_such(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    assert (await story.lead(DAN))["lt_interest_status"] == 0


@recorded(REPLIES)
async def an_out_of_office_note_leaves_the_lead_active(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    assert (await story.lead(DAN))["status"] == 1


@recorded(f"{REPLIES}; 15 of the 16 leads had it")
async def the_date_of_the_return_is_in_the_payload_as_pause_until(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    assert (await story.lead(DAN))["payload"]["pause_until"] == "2026-09-17T00:00:00.000Z"


@recorded(f"{REPLIES}; one lead had no date")
async def a_note_without_a_date_pauses_nothing(story: Story) -> None:
    await story.reply(DAN, "I am out of the office at present.", automatic=True)
    assert "pause_until" not in (await story.lead(DAN))["payload"]
    story.wait(3 * DAY)
    assert len(await story.emails(DAN)) == 2


@recorded(
    "recorded in production, September 2025: delay 2 days, away until the 17th, next step on the 17th as it opens"
)
async def the_next_step_waits_for_the_first_window_after_the_return(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    story.wait(12 * DAY)
    first, second = await story.emails(DAN)
    # Nine o'clock in Detroit.
    assert (first["timestamp_email"][:10], second["timestamp_email"][:16]) == ("2026-09-07", "2026-09-17T13:00")


@recorded("recorded in production, September to November 2025: seven leads had their next step after a note")
async def those_who_are_present_are_not_kept_waiting(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    story.wait(3 * DAY)
    assert (len(await story.emails(EVE)), len(await story.emails(DAN))) == (2, 1)


@recorded("recorded in production, October and November 2025: 6 of 6 leads; not yet so in September 2025")
async def an_automatic_reply_counts_among_the_replies_of_the_lead(story: Story) -> None:
    await story.reply(DAN, AWAY, automatic=True)
    lead = await story.lead(DAN)
    assert lead["email_reply_count"] == 1
    assert {"email_replied_step", "timestamp_last_reply"} <= set(lead)


# replies quote the email


@recorded(WEBHOOKS)
async def the_text_of_a_reply_quotes_our_email(story: Story) -> None:
    said = (await story.reply(ANN, YES))["body"]["text"]
    quote = rf"On Mon, Sep 7, 2026 at 1:\d\d PM Olga Ours <{OURS}> wrote:\n\n> Hi,\n>\n> may we talk\?\n"
    assert re.fullmatch(rf"{re.escape(YES)}\n\n{quote}", said)


@recorded(WEBHOOKS)
async def the_html_of_a_reply_quotes_our_email(story: Story) -> None:
    said = (await story.reply(ANN, YES))["body"]["html"]
    assert re.search(r'class="gmail_quote".*wrote:.*<blockquote class="gmail_quote".*may we talk\?', said)


@recorded(WEBHOOKS)
async def a_webhook_is_told_the_quote_as_well(story: Story) -> None:
    await story.reply(ANN, YES)
    told = [event for event in await story.webhooks() if event["event_type"] == "reply_received"][-1]
    assert "\n> may we talk?" in told["reply_text"] and "gmail_quote" in told["reply_html"]


@recorded(f'{WEBHOOKS}: "Yes please, thanks! \\n\\n"')
async def the_snippet_holds_the_new_words_and_line_breaks(story: Story) -> None:
    await story.reply(ANN, YES)
    told = [event for event in await story.webhooks() if event["event_type"] == "reply_received"][-1]
    assert told["reply_text_snippet"] == f"{YES} \n\n"


@recorded(f'{WEBHOOKS}: "\\n\\n\\n" for a reply that is only an image, or empty')
async def the_snippet_of_an_empty_reply_is_line_breaks_alone(story: Story) -> None:
    await story.reply(ANN, "")
    told = [event for event in await story.webhooks() if event["event_type"] == "reply_received"][-1]
    assert told["reply_text_snippet"] == "\n\n\n"


# replies are counted


async def _one_of_each(story: Story) -> None:
    await story.reply(ANN, YES)
    await story.reply(DAN, AWAY, automatic=True)


@recorded(f"{REPLIES}; the campaign's reply_count was 10")
async def the_reply_count_of_a_campaign_leaves_out_automatic_ones(story: Story) -> None:
    await _one_of_each(story)
    row = await story.row()
    assert (row["reply_count"], row["reply_count_unique"], row["reply_count_automatic"]) == (1, 1, 1)


@recorded(f"{REPLIES}; the replies of all days were 10")
async def the_replies_of_a_day_leave_out_automatic_ones(story: Story) -> None:
    await _one_of_each(story)
    (day,) = await story.get("/campaigns/analytics/daily", campaign_id=story.campaign)
    assert (day["replies"], day["replies_automatic"]) == (1, 1)


@recorded(f"{REPLIES}; the replies of the two steps were 7 and 3")
async def the_replies_of_a_step_leave_out_automatic_ones(story: Story) -> None:
    await _one_of_each(story)
    rows = await story.get("/campaigns/analytics/steps", campaign_id=story.campaign)
    assert [row["replies"] for row in rows if row["step"] == "0"] == [1]


@recorded(REPLIES)
async def a_reply_ends_the_steps_of_a_campaign_that_stops_on_replies(story: Story) -> None:
    await story.reply(ANN, YES)
    assert (await story.lead(ANN))["status"] == 3


@recorded(WORKSPACE)
async def a_bounce_shows_in_the_status_of_the_lead(story: Story) -> None:
    assert (await story.lead(BOB))["status"] == -1


# threads


@recorded(f"{EMAILS}; {EXCHANGES}: 9 of 9")
async def a_thread_is_named_after_the_campaign_and_the_lead(story: Story) -> None:
    (email,) = await story.emails(ANN)
    assert re.fullmatch(rf"{story.campaign[:2]}-[\w-]{{23}}", email["thread_id"])


@recorded(f"{EXCHANGES}: 31-b83pey3V… and d7-b83pey3V…")
async def two_campaigns_name_the_threads_of_a_lead_alike_but_for_two_digits(story: Story) -> None:
    other = await started(story.api, [ANN], email_list=[OURS], campaign_schedule=(await _schedule(story)))
    story.wait(HOUR)
    here, there = (await story.emails(ANN))[0], (await story.emails(ANN, campaign=other))[0]
    assert here["thread_id"][2:] == there["thread_id"][2:]
    assert there["thread_id"].startswith(other[:2])


async def _schedule(story: Story) -> dict[str, Any]:
    return (await story.get(f"/campaigns/{story.campaign}"))["campaign_schedule"]


@recorded(EMAILS)
async def all_steps_of_a_lead_share_a_thread_whatever_their_subject(story: Story) -> None:
    story.wait(3 * DAY)
    first, second = await story.emails(EVE)
    assert (first["subject"], second["subject"]) == (SHORT, "Another subject")
    assert first["thread_id"] == second["thread_id"]


@recorded(EXCHANGES)
async def replies_of_both_sides_stand_in_that_thread_too(story: Story) -> None:
    (sent,) = await story.emails(ANN)
    received = await story.reply(ANN, YES)
    assert {received["thread_id"], (await story.answer(received))["thread_id"]} == {sent["thread_id"]}


# the fields of emails, by kind


@recorded(f"{EMAILS}; {EXCHANGES}")
async def the_body_of_a_campaign_email_is_html_alone(story: Story) -> None:
    assert list((await story.emails(ANN))[0]["body"]) == ["html"]


@recorded(f"{EMAILS}; {EXCHANGES}")
async def a_campaign_email_has_neither_preview_nor_parsed_addresses(story: Story) -> None:
    (email,) = await story.emails(ANN)
    assert not {"content_preview", "from_address_json", "to_address_json", "is_auto_reply"} & set(email)


@recorded(f"{EMAILS}; {EXCHANGES}")
async def the_message_id_of_a_campaign_email_is_its_id(story: Story) -> None:
    (email,) = await story.emails(ANN)
    assert email["message_id"] == f"<{email['id']}@ours.example>"


@recorded(f"{EMAILS}; {EXCHANGES}")
async def the_times_of_emails_are_whole_seconds(story: Story) -> None:
    story.wait(0.25)
    received = await story.reply(ANN, YES)
    sent = await story.answer(received)
    shown = [*await story.emails(ANN), received, await story.get(f"/emails/{sent['id']}")]
    stamps = [email[name] for email in shown for name in ("timestamp_created", "timestamp_email")]
    assert {stamp[-5:] for stamp in stamps} == {".000Z"}


@recorded(EXCHANGES)
async def the_call_that_sends_a_reply_answers_with_milliseconds(story: Story) -> None:
    received = await story.reply(ANN, YES, seconds=15.25)
    assert not (await story.answer(received))["timestamp_created"].endswith(".000Z")


@recorded(EXCHANGES)
async def an_email_by_hand_has_html_a_preview_and_empty_copies(story: Story) -> None:
    sent = await story.answer(await story.reply(ANN, YES), "Gladly.")
    assert (list(sent["body"]), sent["content_preview"], sent["is_focused"]) == (["html"], "Gladly.", 1)
    assert (sent["cc_address_email_list"], sent["bcc_address_email_list"]) == ("", "")


@recorded(EXCHANGES)
async def an_email_by_hand_has_no_read_mark_and_no_parsed_addresses(story: Story) -> None:
    sent = await story.answer(await story.reply(ANN, YES))
    assert not {"is_unread", "from_address_json", "to_address_json", "is_auto_reply", "step"} & set(sent)


@recorded(EXCHANGES)
async def the_message_id_of_an_email_by_hand_has_a_prefix(story: Story) -> None:
    sent = await story.answer(await story.reply(ANN, YES))
    assert re.fullmatch(r"<ins-u-1-[0-9a-f-]{36}@ours\.example>", sent["message_id"])


@recorded(RECEIVED)
async def a_received_email_has_text_html_and_the_name_of_its_sender(story: Story) -> None:
    email = await story.reply(ANN, YES)
    assert set(email["body"]) == {"text", "html"}
    assert email["from_address_json"] == [{"address": ANN, "name": "Ann Archer"}]


@recorded(RECEIVED)
async def a_received_email_is_created_some_seconds_after_it_was_sent(story: Story) -> None:
    email = await story.reply(ANN, YES)
    took = instant(email["timestamp_created"]) - instant(email["timestamp_email"])
    assert 1 <= took.total_seconds() <= 15


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
async def test_what_was_recorded_holds_here(fact: Fact, story: Story) -> None:
    await fact.holds(story)


def test_every_fact_has_a_source() -> None:
    assert all(re.search(r"20\d\d", fact.source) for fact in FACTS)
    assert len({fact.name for fact in FACTS}) == len(FACTS) >= 20
