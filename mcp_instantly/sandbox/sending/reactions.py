"""What recipients do with an email: open it, click, reply, send it back, unsubscribe.

A script decides it where there is one (see scripts.py), or words in the local part of an address (see
`ADDRESS_KEYWORDS`); for everyone else it follows from the seed and the address, so that two worlds of one seed meet the
same people.
"""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.sending.bounce_protection import note_bounce
from mcp_instantly.sandbox.sending.emails import find_any, is_plain, new_words, reply_email
from mcp_instantly.sandbox.sending.flows import (
    BOUNCED,
    CLICKED,
    COMPLETED,
    OPENED,
    UNSUBSCRIBED,
    WAITING,
    consider_subsequences,
    finish_lead,
)
from mcp_instantly.sandbox.sending.reply_texts import AUTOMATIC, REPLY_KINDS, reply_text
from mcp_instantly.sandbox.sending.scripts import schedule_script, write_reply, write_report
from mcp_instantly.sandbox.state.events import announce
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

MINUTE, HOUR = 60.0, 3600.0

ADDRESS_KEYWORDS = ("bounce", "unsubscribe", "ooo", "silent", "reply", "replies")
"""Words in an address and what its owner does with the first email; who is "silent" never does anything, and who
"replies" replies to later ones by hand too."""

BOUNCES, ANSWERS, IS_AWAY, UNSUBSCRIBES, OPENS, CLICKS, ANSWERS_AGAIN = 0.02, 0.07, 0.03, 0.008, 0.5, 0.12, 0.3
"""How likely the others are to do so, per email; a bounce or an out-of-office note only with the first one."""

LABELLED_AFTER = (2.8, 14.5)
"""The shortest and the longest time, in seconds, from a reply until it is labelled, as it was recorded."""

WITH_HEADER = 3
"""How many times as many unsubscribe where the mail's header lets their programs offer it."""


def schedule_reactions(world: World, lead: Record, email: Record) -> None:
    """Put on the agenda what the recipient will do with an email of a campaign."""
    if schedule_script(world, lead, email):
        return
    first = lead.get("_step", 0) <= 1 and "subsequence_id" not in email
    local = lead["email"].partition("@")[0]
    word = next((word for word in ADDRESS_KEYWORDS if word in local), None)
    if word:
        if first:
            _schedule_keyword_reactions(world, email, word)
        return
    key = (lead["email"], email.get("subsequence_id", ""), email["step"])

    def happens(what: str, likelihood: float) -> bool:
        return world.chance(what, *key) < likelihood

    def between(what: str, least: float, most: float) -> float:
        # Most people react soon and a few late: the exponent is what is drawn evenly.
        return float(least * (most / least) ** world.chance("when", what, *key))

    if first and happens("bounce", BOUNCES):
        world.later(between("bounce", 20, 3 * MINUTE), "bounce_email", email["id"])
        return
    if first and happens("away", IS_AWAY):
        world.later(between("away", 15, 2 * MINUTE), "answer_email", email["id"], AUTOMATIC)
        return
    answers = happens("answer", ANSWERS)
    if answers or happens("open", OPENS):
        opened = between("open", 4 * MINUTE, 20 * HOUR)
        world.later(opened, "open_email", email["id"])
        if happens("open again", 0.35):
            world.later(opened + between("open again", 5 * MINUTE, 30 * HOUR), "open_email", email["id"])
        if "href=" in email["body"]["html"] and happens("click", CLICKS):
            world.later(opened + between("click", 5, 2 * MINUTE), "click_email", email["id"])
        if answers:
            kind = REPLY_KINDS[int(world.chance("kind", *key) * len(REPLY_KINDS))]
            world.later(opened + between("answer", 3 * MINUTE, 6 * HOUR), "answer_email", email["id"], kind)
        elif happens("unsubscribe", UNSUBSCRIBES * (WITH_HEADER if _has_header(world, email) else 1)):
            world.later(opened + 40, "unsubscribe_email", email["id"])


def _has_header(world: World, email: Record) -> bool:
    campaign = world.campaigns.get(email.get("campaign_id", "")) or {}
    return bool(campaign.get("insert_unsubscribe_header"))


def _schedule_keyword_reactions(world: World, email: Record, word: str) -> None:
    if word == "bounce":
        world.later(45, "bounce_email", email["id"])
    elif word == "ooo":
        world.later(30, "answer_email", email["id"], AUTOMATIC)
    elif word != "silent":
        world.later(4 * MINUTE, "open_email", email["id"])
        if word == "unsubscribe":
            world.later(5 * MINUTE, "unsubscribe_email", email["id"])
        else:
            world.later(12 * MINUTE, "answer_email", email["id"], "interested")


def schedule_reply(world: World, lead: Record, email: Record) -> None:
    """The same for an email written by hand, as a reply in the Unibox."""
    if schedule_script(world, lead, email, by_hand=True) or "silent" in lead["email"]:
        return
    if "replies" in lead["email"] or world.chance("answer by hand", lead["email"], email["subject"]) < ANSWERS_AGAIN:
        delay = 10 * MINUTE * 36 ** world.chance("when by hand", lead["email"], email["subject"])
        world.later(delay, "answer_email", email["id"], "again")


# what then happens


def _email(world: World, email_id: str) -> tuple[Record, Record, Record] | None:
    """The email, its lead and its campaign ({} for none), as long as email and lead are still there."""
    email = find_any(world, email_id)
    lead = world.leads.get(email.get("lead_id", "")) if email else None
    if email is None or lead is None:
        return None
    return email, lead, world.campaigns.get(email.get("campaign_id", "")) or {}


def _answered(world: World, email_id: str) -> tuple[Record, Record, Record] | None:
    """The same, as long as the mailbox is there as well: what is written to one that is gone arrives nowhere."""
    found = _email(world, email_id)
    return found if found and found[0]["eaccount"] in world.accounts else None


def _place(name: str, email: Record) -> dict[str, int]:
    """Step and variant of an email as a lead has them, counted from 0, in the fields that begin with this name.

    Empty for an email by hand, which leaves the lead's fields as they are.
    """
    if "step" not in email:
        return {}
    _, step, variant = email["step"].split("_")
    return {f"{name}_step": int(step), f"{name}_variant": int(variant)}


def _touch(world: World, lead: Record, **fields: Any) -> None:
    world.leads.change(lead, **fields, timestamp_last_touch=world.stamp(), timestamp_updated=world.stamp())


def _untracked(campaign: Record, email: Record) -> bool:
    return is_plain(campaign, email.get("step", ""), email.get("subsequence_id"))


@action
def open_email(world: World, email_id: str) -> None:
    _follow(world, email_id, OPENED)


@action
def click_email(world: World, email_id: str) -> None:
    _follow(world, email_id, CLICKED)


TRACKED = {
    OPENED: ("open_tracking", "_opens", "email_open_count", "email_opened", "timestamp_last_open", "email_opened"),
    CLICKED: (
        "link_tracking",
        "_clicks",
        "email_click_count",
        "email_clicked",
        "timestamp_last_click",
        "email_link_clicked",
    ),
}
"""What an open and a click are called: the setting, the marks on the email, and on the lead the count, the beginning of
the names of its step and variant, and the time; then the event."""


def _follow(world: World, email_id: str, activity: int) -> None:
    """The lead has opened an email or clicked in it: note that where the campaign can see it."""
    found = _email(world, email_id)
    if found is None:
        return
    email, lead, campaign = found
    setting, marks, count, place, latest, event = TRACKED[activity]
    if not campaign.get(setting) or _untracked(campaign, email):
        return
    email.setdefault(marks, []).append(world.stamp())
    _touch(world, lead, **{count: lead[count] + 1, **_place(place, email), latest: world.stamp()})
    announce(world, event, lead=lead, email=email)
    consider_subsequences(world, lead, activity=activity)


@action
def bounce_email(world: World, email_id: str) -> None:
    found = _email(world, email_id)
    if found is None:
        return
    email, lead, campaign = found
    email["_bounced"] = world.stamp()
    finish_lead(world, lead, BOUNCED)
    note_bounce(world, campaign)
    announce(world, "email_bounced", lead=lead, email=email)


@action
def unsubscribe_email(world: World, email_id: str) -> None:
    found = _email(world, email_id)
    if found is None:
        return
    email, lead, _ = found
    email["_unsubscribed"] = world.stamp()
    _touch(world, lead)
    # This holds for the lead's campaign only; the same person in another one goes on getting emails.
    finish_lead(world, lead, UNSUBSCRIBED)
    announce(world, "lead_unsubscribed", lead=lead, email=email)


@action
def answer_email(world: World, email_id: str, kind: str) -> None:
    """The lead replies; `kind` says in what spirit (see reply_texts.py)."""
    found = _answered(world, email_id)
    if found is not None:
        email, lead, _ = found
        receive_reply(world, email, lead, reply_text(world, lead, email, kind), automatic=kind == AUTOMATIC)


def receive_reply(
    world: World, to: Record, lead: Record, markup: str, *, automatic: bool = False, **more: Any
) -> Record:
    """A lead's reply to an email of ours comes in, and is labelled some seconds later.

    `markup` is what is new in it; `more` are further fields of the email. Returns the reply.
    """
    reply = reply_email(world, to, lead, markup, automatic=automatic, **more)
    _take_and_label(world, to, lead, reply)
    return reply


def _take_and_label(world: World, to: Record, lead: Record, reply: Record) -> None:
    take_reply(world, lead, world.campaigns.get(to.get("campaign_id", "")) or {}, reply)
    soonest, latest = LABELLED_AFTER
    takes = soonest + (latest - soonest) * world.chance("labelled", lead["email"], reply["subject"])
    world.later(takes, "label_received", reply["id"])


def take_reply(world: World, lead: Record, campaign: Record, reply: Record) -> None:
    """A lead's reply has come in: note it on the lead, and stop what a reply stops. An automatic one counts as well."""
    automatic = bool(reply["is_auto_reply"])
    _touch(
        world,
        lead,
        email_reply_count=lead["email_reply_count"] + 1,
        **_place("email_replied", reply),
        timestamp_last_reply=world.stamp(),
        _automatic_replies=lead.get("_automatic_replies", 0) + 1 if automatic else lead.get("_automatic_replies"),
    )
    if campaign.get("stop_on_auto_reply" if automatic else "stop_on_reply") and lead["status"] > 0:
        # A lead that is away has neither replied nor been through all the steps.
        finish_lead(world, lead, COMPLETED, followed=not automatic)
        if campaign.get("stop_for_company") and not automatic:
            _stop_company(world, lead)
    announce(world, "auto_reply_received" if automatic else "reply_received", lead=lead, email=reply)
    if not automatic:
        consider_subsequences(world, lead, text=new_words(reply))


def _stop_company(world: World, lead: Record) -> None:
    for other in world.leads.where(campaign=lead["campaign"]):
        if other["company_domain"] == lead["company_domain"] and other["status"] == WAITING:
            finish_lead(world, other, COMPLETED, followed=False)


# what people do by their script


@action
def reply_as_scripted(world: World, email_id: str, person_id: str, number: int) -> None:
    found, person = _answered(world, email_id), world.people.get(person_id)
    if found is None or person is None:
        return
    email, lead, _ = found
    _take_and_label(world, email, lead, write_reply(world, email, lead, person["reply"][number]))


@action
def bounce_as_scripted(world: World, email_id: str, person_id: str) -> None:
    found, person = _email(world, email_id), world.people.get(person_id)
    if found is None or person is None:
        return
    email, lead, _ = found
    if _answered(world, email_id):
        write_report(world, email, lead, person["bounce"])
    bounce_email(world, email_id)
