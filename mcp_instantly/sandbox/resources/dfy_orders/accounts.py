"""Ordered domains and their mailboxes: they are set up in the course of a day, rented by the month, and cancelled."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, fields, text
from mcp_instantly.sandbox.resources.accounts.accounts import change
from mcp_instantly.sandbox.resources.dfy_orders.domains import AIRMAIL, GOOGLE, MICROSOFT
from mcp_instantly.sandbox.sending.emails import delete_email
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

PROVIDER_CODES = {GOOGLE: 2, AIRMAIL: 8, MICROSOFT: 3}
APPEARANCE = 2 * 3600
"""Seconds from the order until a new mailbox stands among the accounts, not yet usable."""

SETUP = 24 * 3600
WARM_SETUP = 900
"""Seconds from the order until a mailbox can send; one that is warm already needs only to be handed over."""

PERIOD = dt.timedelta(days=30)


def add_order(world: World, domain: str, *, forwarding_domain: str | None = None, warm: bool = False) -> Record:
    order = {
        "_number": str(world.number()),
        "workspace_id": world.workspace["id"],
        "domain": domain,
        "is_pre_warmed_up": warm,
        "timestamp_created": world.stamp(),
    }
    if forwarding_domain:
        order.update(forwarding_domain=forwarding_domain, forwarding_mode="redirect")
    return world.dfy_orders.add(order)


def add_mailbox(
    world: World, domain: str, product: int, prefix: str, first: str, last: str, *, warm: bool = False
) -> Record:
    """Order a mailbox; it becomes an account later on."""
    mailbox = world.dfy_accounts.add(
        {
            "id": world.uuid4(),
            "domain": domain,
            "email": f"{prefix}@{domain}".lower(),
            "email_provider": product,
            "first_name": first,
            "last_name": last,
            "is_pre_warmed_up": warm,
            "timestamp_created": world.stamp(),
        }
    )
    world.later(0 if warm else APPEARANCE, "show_mailbox", mailbox["id"])
    world.later(WARM_SETUP if warm else SETUP, "set_up_mailbox", mailbox["id"])
    return mailbox


def is_active(mailbox: Record) -> bool:
    return "timestamp_cancelled" not in mailbox


@action
def show_mailbox(world: World, mailbox_id: str) -> None:
    mailbox = world.dfy_accounts.get(mailbox_id)
    if not mailbox or not is_active(mailbox) or mailbox["email"] in world.accounts:
        return
    world.accounts.add(
        {
            "email": mailbox["email"],
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "organization": world.workspace["id"],
            "first_name": mailbox["first_name"],
            "last_name": mailbox["last_name"],
            "warmup_status": 0,
            "provider_code": PROVIDER_CODES[mailbox["email_provider"]],
            "setup_pending": True,
            "is_managed_account": True,
            "status": 1,
            "stat_warmup_score": 100 if mailbox["is_pre_warmed_up"] else 0,
            "_prewarmed": mailbox["is_pre_warmed_up"],
        }
    )
    audit.note(world, audit.ACCOUNT_ADDITION, audit_metadata={"email": mailbox["email"]})


@action
def set_up_mailbox(world: World, mailbox_id: str) -> None:
    mailbox = world.dfy_accounts.get(mailbox_id)
    if not mailbox or not is_active(mailbox):
        return
    world.dfy_accounts.change(mailbox, _password=f"pw-{mailbox['id'][:13]}")
    account = world.accounts.get(mailbox["email"])
    if account:
        change(world, account, setup_pending=False)


def _show(mailbox: Record, with_password: bool = False) -> Record:
    """The API writes an empty text where a mailbox has not been cancelled, or has no password yet."""
    shown = {"timestamp_cancelled": "", **public(mailbox)}
    return {**shown, "password": mailbox.get("_password", "")} if with_password else shown


@route(
    "GET",
    "/dfy-email-account-orders/accounts",
    scope="dfy_email_account_orders:read",
    query={**PAGE, "with_passwords": boolean()},
)
def list_mailboxes(world: World, call: Call) -> Record:
    """Newest first; the cursor is an id and an instant."""
    last = call.query.get("starting_after")
    mailboxes = world.dfy_accounts.after(last.partition(":")[0] if last else None, newest_first=True)
    return page(
        mailboxes,
        call.query,
        cursor=lambda mailbox: f"{mailbox['id']}:{mailbox['timestamp_created']}",
        render=lambda mailbox: _show(mailbox, call.query.get("with_passwords", False)),
    )


@route(
    "POST",
    "/dfy-email-account-orders/accounts/cancel",
    scope="dfy_email_account_orders:delete",
    body=fields("accounts", accounts=array(text(), minItems=1)),
)
def cancel_mailboxes(world: World, call: Call) -> Record:
    """They work until the paid month is over, and go with their emails. A domain without mailboxes is cancelled too."""
    found = []
    for email in dict.fromkeys(email.lower() for email in call.body["accounts"]):
        ordered = list(world.dfy_accounts.where(email=email))
        if not ordered:
            raise not_found("DFY email account")
        # An address that was cancelled and ordered again stands for its latest order.
        found.append(ordered[-1])
    for mailbox in filter(is_active, found):
        world.dfy_accounts.change(mailbox, timestamp_cancelled=world.stamp())
        begun = parse(mailbox["timestamp_created"])
        world.at(begun + PERIOD * ((world.now() - begun) // PERIOD + 1), "remove_mailbox", mailbox["email"])
        if not any(is_active(other) for other in world.dfy_accounts.where(domain=mailbox["domain"])):
            for order in world.dfy_orders.where(domain=mailbox["domain"]):
                world.dfy_orders.change(order, timestamp_cancelled=world.stamp())
    return {"items": [_show(mailbox) for mailbox in found]}


@action
def remove_mailbox(world: World, email: str) -> None:
    account = world.accounts.get(email)
    if not account or any(is_active(mailbox) for mailbox in world.dfy_accounts.where(email=email)):
        return
    world.accounts.remove(email)
    audit.note(world, audit.ACCOUNT_DELETION, audit_metadata={"email": email})
    for mapping in world.custom_tag_mappings.where(resource_id=email):
        world.custom_tag_mappings.remove(mapping["id"])
    for sent in world.emails:
        if sent.get("eaccount") == email:
            delete_email(world, sent)
