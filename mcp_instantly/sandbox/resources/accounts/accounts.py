"""Email accounts, the senders: create, read, change, pause, move."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page_by_time, route
from mcp_instantly.sandbox.engine.shapes import boolean, changes, choice, fields, integer, nullable, number, text
from mcp_instantly.sandbox.resources.accounts.filters import STATE, in_state, named_like
from mcp_instantly.sandbox.sending import warmup
from mcp_instantly.sandbox.sending.flows import start
from mcp_instantly.sandbox.sending.matching import sends_from, tag_ids
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ACTIVE, PAUSED = 1, 2
STATUS = choice(1, 2, 3, -1, -2, -3)
PROVIDER = choice(1, 2, 3, 4, 8, 11)

WARMUP = fields(
    limit=number(),
    advanced=fields(
        warm_ctd=boolean(),
        open_rate=number(),
        important_rate=number(),
        read_emulation=boolean(),
        spam_save_rate=number(),
        weekday_only=boolean(),
    ),
    warmup_custom_ftag=text(),
    increment=choice("disabled", "0", "1", "2", "3", "4"),
    reply_rate=number(),
)
SETTINGS = {
    "first_name": text(),
    "last_name": text(),
    "warmup": WARMUP,
    "daily_limit": nullable(number()),
    "tracking_domain_name": nullable(text()),
    "tracking_domain_status": nullable(text()),
    "enable_slow_ramp": nullable(boolean()),
    "inbox_placement_test_limit": nullable(number(minimum=0)),
    "sending_gap": number(minimum=0, maximum=1440),
    "signature": nullable(text()),
}


def find(world: World, email: str) -> Record:
    """The account with this address, in any case. Raises a 404."""
    account = world.accounts.get(email.lower())
    if not account:
        raise not_found("Account")
    return warmup.rate(world, account)


SENDING = {"status", "setup_pending", "daily_limit", "enable_slow_ramp", "sending_gap"}
"""Settings with which an account may send more or less: its campaigns look at once what they can do."""


def change(world: World, account: Record, **settings: Any) -> Record:
    if "status" in settings:
        # A pause that was to end by itself is over, unless this is one.
        settings.setdefault("_pause", None)
    warmup_before = warmup.history(account)
    changed = world.accounts.change(account, **settings, timestamp_updated=world.stamp())
    if {"warmup", "warmup_status"} & set(settings):
        warmup.note_change(world, account, warmup_before)
    if SENDING & set(settings):
        for campaign in world.campaigns:
            if sends_from(world, campaign, account["email"]):
                start(world, campaign["id"])
    return changed


@route(
    "POST",
    "/accounts",
    scope="accounts:create",
    audit=audit.ACCOUNT_ADDITION,
    body=fields(
        "email first_name last_name provider_code imap_username imap_password imap_host imap_port"
        " smtp_username smtp_password smtp_host smtp_port",
        **{**SETTINGS, "reply_to": text()},
        email=text(format="email"),
        provider_code=PROVIDER,
        imap_username=text(),
        imap_password=text(),
        imap_host=text(),
        imap_port=number(),
        smtp_username=text(),
        smtp_password=text(),
        smtp_host=text(),
        smtp_port=number(),
        warmup_custom_ftag=text(),
        skip_cname_check=boolean(),
    ),
)
def create_account(world: World, call: Call) -> Record:
    body = call.body
    email = body["email"].lower()
    if email in world.accounts:
        raise ApiRefusal(400, "Account already exists")
    account = {
        "email": email,
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        "organization": world.workspace["id"],
        "warmup_status": 0,
        "provider_code": body["provider_code"],
        "setup_pending": False,
        "is_managed_account": False,
        "status": ACTIVE,
        "stat_warmup_score": 0,
    }
    settings = {name: body[name] for name in (*SETTINGS, "reply_to") if body.get(name) is not None}
    if "warmup_custom_ftag" in body:
        settings["warmup"] = {**settings.get("warmup", {}), "warmup_custom_ftag": body["warmup_custom_ftag"]}
    return public(world.accounts.add({**account, **settings}))


@route(
    "GET",
    "/accounts",
    scope="accounts:read",
    query={
        **PAGE,
        "search": text(),
        "status": STATUS,
        "provider_code": PROVIDER,
        "tag_ids": text(),
        "tag_ids_all": text(),
        "include_tags": boolean(),
        "filter": STATE,
        "sort_by": choice("timestamp_created", "email", "stat_warmup_score", "status"),
        "sort_order": choice("asc", "desc"),
        "skip": integer(minimum=0),
    },
)
def list_accounts(world: World, call: Call) -> Record:
    query = call.query
    found = [account for account in world.accounts if _wanted(world, account, query)]

    def render(account: Record) -> Record:
        warmup.rate(world, account)
        tags = [_tag(world, tag_id) for tag_id in tag_ids(world, account["email"])]
        return {**abbreviate(account), "tags": tags} if query.get("include_tags") else abbreviate(account)

    if "sort_by" not in query:
        return page_by_time(found, query, tie="email", name_both=True, render=render)
    column = query["sort_by"]
    if column == "stat_warmup_score":
        for account in found:
            warmup.rate(world, account)
    found.sort(key=lambda account: account.get(column, 0), reverse=query.get("sort_order", "desc") == "desc")
    # A sorted list is paged by `skip`; there is no cursor into it.
    first = query.get("skip", 0)
    return {"items": [render(account) for account in found[first : first + query.get("limit", 10)]]}


def abbreviate(account: Record) -> Record:
    """An account as lists show it: of its warmup only the limit."""
    shown = public(account)
    if "warmup" in shown:
        shown["warmup"] = {name: value for name, value in shown["warmup"].items() if name == "limit"}
    return shown


def _tag(world: World, tag_id: str) -> Record:
    tag = world.custom_tags.get(tag_id) or {"id": tag_id}
    return {name: tag[name] for name in ("id", "label", "description") if name in tag}


def _wanted(world: World, account: Record, query: dict[str, Any]) -> bool:
    if not in_state(account, query.get("filter")) or not named_like(account, query.get("search")):
        return False
    if any(account.get(name) != query[name] for name in ("status", "provider_code") if name in query):
        return False
    if "tag_ids" not in query and "tag_ids_all" not in query:
        return True
    tags = set(tag_ids(world, account["email"]))
    some = "tag_ids" not in query or bool(tags & set(commas(query["tag_ids"])))
    return some and tags >= set(commas(query.get("tag_ids_all", "")))


@route("GET", "/accounts/{email}", scope="accounts:read", email=text())
def get_account(world: World, call: Call) -> Record:
    return public(find(world, call.path["email"]))


@route(
    "PATCH",
    "/accounts/{email}",
    scope="accounts:update",
    audit=audit.ACCOUNT_UPDATE,
    body=changes(
        **SETTINGS,
        reply_to=nullable(text(format="email")),
        skip_cname_check=boolean(),
        remove_tracking_domain=boolean(),
    ),
    email=text(),
)
def update_account(world: World, call: Call) -> Record:
    account = find(world, call.path["email"])
    settings = call.given((*SETTINGS, "reply_to"))
    if call.body.get("remove_tracking_domain"):
        settings.update(tracking_domain_name=None, tracking_domain_status=None)
    return public(change(world, account, **settings))


@route("DELETE", "/accounts/{email}", scope="accounts:delete", audit=audit.ACCOUNT_DELETION, email=text())
def delete_account(world: World, call: Call) -> Record:
    """Campaigns go on naming the address among their senders."""
    account = find(world, call.path["email"])
    remove(world, account)
    return public(account)


def remove(world: World, account: Record) -> None:
    world.accounts.remove(account["email"])
    for mapping in world.custom_tag_mappings.where(resource_id=account["email"]):
        world.custom_tag_mappings.remove(mapping["id"])
