"""Emails that are written by hand: replies, forwarded ones, and test emails."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, commas, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, date_time, fields, text, uuid
from mcp_instantly.sandbox.resources.emails.unibox import find_email
from mcp_instantly.sandbox.sending.emails import MANUAL, add_email
from mcp_instantly.sandbox.sending.reactions import schedule_reply
from mcp_instantly.sandbox.sending.templates import wrapped
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

TESTS_PER_MINUTE = 10

BODY = fields(html=text(), text=text())

FORWARD_NEEDS = {
    "anyOf": [
        {
            "required": ["body"],
            "properties": {
                "body": {
                    "type": "object",
                    "anyOf": [
                        {"required": ["html"], "properties": {"html": {"type": "string", "minLength": 1}}},
                        {"required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
                    ],
                }
            },
        },
        {"required": ["include_original_body"], "properties": {"include_original_body": {"enum": [True]}}},
    ]
}


@route(
    "POST",
    "/emails/test",
    scope="emails:create",
    body=fields(
        "eaccount to_address_email_list subject body",
        eaccount=text(),
        to_address_email_list=text(),
        subject=text(),
        body=fields("html", html=text()),
    ),
)
def send_test(world: World, call: Call) -> Record:
    """Nothing of it stays in the Unibox; a sender that cannot send is reported with status 200."""
    count_call(world, "send_test", TESTS_PER_MINUTE)
    account = world.accounts.get(call.body["eaccount"].strip().lower())
    if account is None:
        return {"error": "ACC_NOT_FOUND"}
    if account["status"] < 0:
        return {"error": "ACC_AUTH_ERROR" if account["status"] == -1 else "ACC_UNKNOWN_ERROR"}
    return {"status": "success"}


@route(
    "POST",
    "/emails/reply",
    scope="emails:create",
    body=fields(
        "eaccount reply_to_uuid subject body",
        eaccount=text(),
        reply_to_uuid=text(),
        subject=text(),
        body=BODY,
        additional_recipients=array(text(format="email")),
        cc_address_email_list=text(),
        bcc_address_email_list=text(),
        reminder_ts=date_time(),
        assigned_to=uuid(),
    ),
)
def reply(world: World, call: Call) -> Record:
    """Goes to the sender of the email that is replied to, which for one of our own is ourselves."""
    given = call.body
    answered = find_email(world, given["reply_to_uuid"])
    account = _sender(world, given, answered)
    markup = _markup(given["body"])
    if not markup:
        raise ApiRefusal(400, "body must have html or text")
    to = [answered["from_address_email"], *given.get("additional_recipients", ())]
    email = _send(world, given, answered, account, ",".join(to), markup, reminder_ts=given.get("reminder_ts"))
    lead = world.leads.get(answered.get("lead_id", ""))
    if lead is not None:
        at = world.stamp()
        fields_now = dict.fromkeys(("timestamp_last_contact", "timestamp_last_touch", "timestamp_updated"), at)
        world.leads.change(lead, **fields_now, last_contacted_from=account["email"])
        world.leads.change(lead, assigned_to=given.get("assigned_to") or lead.get("assigned_to"))
        if lead.get("email") in to:
            schedule_reply(world, lead, email)
    return _as_sent(world, email)


@route(
    "POST",
    "/emails/forward",
    scope="emails:create",
    body=fields(
        "eaccount reply_to_uuid to_address_email_list subject",
        FORWARD_NEEDS,
        eaccount=text(),
        reply_to_uuid=text(),
        to_address_email_list=text(),
        subject=text(),
        body=BODY,
        cc_address_email_list=text(),
        bcc_address_email_list=text(),
        reply_to=text(format="email"),
        forwarded_attachments=text(),
        include_original_body=boolean(),
        assigned_to=uuid(),
    ),
)
def forward(world: World, call: Call) -> Record:
    given = call.body
    original = find_email(world, given["reply_to_uuid"])
    account = _sender(world, given, original)
    markup = _markup(given.get("body") or {})
    if given.get("include_original_body"):
        markup += _quoted(original)
    to = ",".join(commas(given["to_address_email_list"]))
    email = _send(world, given, original, account, to, markup, reply_to=given.get("reply_to"))
    lead = world.leads.get(original.get("lead_id", ""))
    if lead is not None and given.get("assigned_to"):
        world.leads.change(lead, assigned_to=given["assigned_to"], timestamp_updated=world.stamp())
    return _as_sent(world, email)


def _sender(world: World, given: dict[str, Any], about: Record) -> Record:
    """The account that is to send. Raises where it is unknown, broken, or not the mailbox of the thread."""
    account = world.accounts.get(given["eaccount"].strip().lower())
    if account is None:
        raise not_found("Email account")
    if account["email"] != about["eaccount"]:
        raise ApiRefusal(400, "The email does not belong to this email account")
    if account["status"] < 0:
        raise ApiRefusal(400, "The email account has a connection error")
    return account


def _as_sent(world: World, email: Record) -> Record:
    """An email as the call that sends it answers: with the milliseconds that are gone when it is read later."""
    return {**public(email), **dict.fromkeys(("timestamp_created", "timestamp_email"), world.stamp())}


def _markup(body: dict[str, str]) -> str:
    return body.get("html") or (wrapped(body["text"]) if body.get("text") else "")


def _quoted(original: Record) -> str:
    head = (
        ("From", original["from_address_email"]),
        ("Date", original["timestamp_email"]),
        ("Subject", original["subject"]),
        ("To", original["to_address_email_list"]),
    )
    lines = "<br/>".join(f"{name}: {value}" for name, value in head)
    return f"<br/><br/>---------- Forwarded message ----------<br/>{lines}<br/><br/>{original['body'].get('html', '')}"


def _send(
    world: World, given: dict[str, Any], about: Record, account: Record, to: str, markup: str, **more: Any
) -> Record:
    return add_email(
        world,
        ue_type=MANUAL,
        sender=account["email"],
        to=to,
        subject=given["subject"],
        markup=markup,
        eaccount=account["email"],
        cc_address_email_list=given.get("cc_address_email_list"),
        bcc_address_email_list=given.get("bcc_address_email_list"),
        thread_id=about["thread_id"],
        **{field: about.get(field) for field in ("campaign_id", "subsequence_id", "list_id", "lead", "lead_id")},
        **more,
    )
