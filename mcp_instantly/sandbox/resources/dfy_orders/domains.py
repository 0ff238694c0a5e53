"""Domains that mailboxes can be ordered on: which are free, which resemble one, which stand ready."""

from __future__ import annotations

import re

from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import ApiRefusal, envelope
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, choice, fields, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

TLDS = ("com", "org")
BRANDS = (
    "amazon",
    "equifax",
    "facebook",
    "google",
    "hubspot",
    "instantly",
    "linkedin",
    "microsoft",
    "netflix",
    "outlook",
    "paypal",
    "salesforce",
)
MIN_NAME_CHARACTERS = 5
"""Of the name before the dot; all shorter ones have been sold long ago."""

MAX_SUGGESTIONS = 67
FRONTS = ("get", "try", "go", "meet", "use", "join", "hello", "with", "ask", "my", "team", "the")
BACKS = ("hq", "mail", "team", "app", "now", "hub", "group", "works", "reach", "desk", "connect", "online", "direct")

GOOGLE, AIRMAIL, MICROSOFT = 1, 2, 3
PREWARMED = {
    "northpath-example.com": GOOGLE,
    "pathfinder-desk-example.com": GOOGLE,
    "ledgerpath-example.org": AIRMAIL,
    "clearclose-example.com": AIRMAIL,
    "tidybooks-example.co": GOOGLE,
    "monthend-team-example.com": AIRMAIL,
}
"""Domains with warm mailboxes, and the mailbox product of each."""

PER_MINUTE, PER_HOUR = 30, 900

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+")


def is_domain(domain: str) -> bool:
    return _NAME.fullmatch(domain) is not None


def brand_in(domain: str) -> str | None:
    """The well-known name that a domain contains."""
    return next((brand for brand in BRANDS if brand in domain), None)


def is_free(world: World, domain: str) -> bool:
    """Whether a domain can be bought: not if it is short, ordered already, or has `taken` in its name."""
    name, _, tld = domain.rpartition(".")
    sold = len(name) < MIN_NAME_CHARACTERS or "taken" in name or world.dfy_orders.count(domain=domain)
    return is_domain(domain) and "." not in name and tld in TLDS and not sold


@route(
    "POST",
    "/dfy-email-account-orders/domains/check",
    scope="dfy_email_account_orders:create",
    body=fields("domains", domains=array(text(), maxItems=50)),
)
def check_domains(world: World, call: Call) -> Record:
    count_call(world, "check_domains", PER_MINUTE)
    count_call(world, "check_domains_hourly", PER_HOUR, seconds=3600)
    return {"results": [_check(world, domain.strip().lower()) for domain in call.body["domains"]]}


def _check(world: World, domain: str) -> Record:
    brand = brand_in(domain)
    if brand:
        return {"domain": domain, "available": False, "unavailable_reason": "restricted", "restricted_keyword": brand}
    return {"domain": domain, "available": is_free(world, domain)}


@route(
    "POST",
    "/dfy-email-account-orders/domains/similar",
    scope="dfy_email_account_orders:create",
    body=fields("domain", domain=text(), tlds=array({**choice(*TLDS), "maximum": 2})),
)
def suggest_domains(world: World, call: Call) -> Record:
    domain = call.body["domain"].strip().lower()
    brand = brand_in(domain)
    if brand:
        message = f"The domain contains a restricted keyword: {brand}"
        raise ApiRefusal(400, message, body={**envelope(400, message, "restricted_domain"), "keyword": brand})
    name = re.sub(r"[^a-z0-9-]", "", domain.split(".")[0]).strip("-")
    if not name:
        raise ApiRefusal(400, "Invalid domain")
    names = [name, *(f + name for f in FRONTS), *(name + b for b in BACKS), *(f"{name}-{b}" for b in BACKS)]
    found = []
    for tld in dict.fromkeys(call.body.get("tlds", TLDS)):
        similar = (f"{other}.{tld}" for other in names if f"{other}.{tld}" != domain)
        found += [other for other in similar if is_free(world, other)][:MAX_SUGGESTIONS]
    return {"domains": found}


@route(
    "POST",
    "/dfy-email-account-orders/domains/pre-warmed-up-list",
    scope="dfy_email_account_orders:read",
    body=fields(extensions=array(choice("com", "org", "co")), search=text()),
)
def list_prewarmed(world: World, call: Call) -> Record:
    """Those that have not been bought yet."""
    endings, words = call.body.get("extensions", ["com", "org", "co"]), call.body.get("search", "").lower()
    found = [
        {"domain": domain, "account_type": product}
        for domain, product in PREWARMED.items()
        if domain.rpartition(".")[2] in endings and words in domain and not world.dfy_orders.count(domain=domain)
    ]
    return {"domains": [entry["domain"] for entry in found], "domains_with_type": found}
