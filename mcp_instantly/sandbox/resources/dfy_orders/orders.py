"""Orders of domains with mailboxes: checked, priced, and placed unless it is a simulation."""

from __future__ import annotations

import collections
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, fields, is_address, text
from mcp_instantly.sandbox.resources.dfy_orders.accounts import add_mailbox, add_order, is_active
from mcp_instantly.sandbox.resources.dfy_orders.domains import (
    AIRMAIL,
    GOOGLE,
    MICROSOFT,
    PREWARMED,
    TLDS,
    brand_in,
    is_domain,
    is_free,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

NEW, WARM, EXTRA = "dfy", "pre_warmed_up", "extra_accounts"
PER_ACCOUNT = {GOOGLE: 5, AIRMAIL: 4}
PER_MICROSOFT_DOMAIN = 20
PER_DOMAIN_AND_YEAR = 15
"""Dollars. Mailboxes cost by the month; Microsoft's by the domain, however many there are."""

MAX_ACCOUNTS = 5
MICROSOFT_ACCOUNTS = (50, 100)
WARM_ACCOUNTS = (("sam", "Sam", "Rivers"), ("alex", "Alex", "Stone"), ("kim", "Kim", "Field"))

PROBLEMS = {
    "unavailable_domains": "unavailable_domains",
    "blacklist_domains": "blacklist_domains",
    "invalid_domains": "invalid_domains",
    "invalid_forwarding_domains": "invalid_forwarding_domains",
    "missing_domain_orders": "missing_domain_orders",
    "provider_mismatch_domains": "provider_mismatch",
    "unsupported_provider_domains": "unsupported_provider",
    "unavailable_email_providers": "provider_unavailable",
    "domains_without_accounts": "domains_without_accounts",
    "invalid_accounts": "invalid_accounts",
}
"""The fields that list what is wrong with an order, and the error that each stands for."""

Problems = dict[str, list[Any]]


@route(
    "POST",
    "/dfy-email-account-orders",
    scope="dfy_email_account_orders:create",
    body=fields(
        "items order_type",
        items=array(
            fields(
                "domain",
                domain=text(),
                email_provider=choice(GOOGLE, AIRMAIL, MICROSOFT),
                forwarding_domain=text(),
                accounts=array(
                    fields(
                        "email_address_prefix first_name last_name",
                        email_address_prefix=text(),
                        first_name=text(),
                        last_name=text(),
                    ),
                    maxItems=100,
                ),
            )
        ),
        order_type=choice(NEW, WARM, EXTRA),
        simulation=boolean(),
    ),
)
def create_order(world: World, call: Call) -> Record:
    """The response is 200 also where nothing was ordered: it says why."""
    kind, simulation = call.body["order_type"], call.body.get("simulation", False)
    items = [_complete(item, kind) for item in call.body["items"]]
    if not items:
        raise ApiRefusal(400, "At least one item is required")
    found = _examine(world, items, kind)
    error = next((error for name, error in PROBLEMS.items() if found[name]), None)
    card = world.workspace.get("_card") or {}
    answer: Record = {
        "order_placed": not error and not simulation,
        "order_is_valid": not error,
        **found,
        **({"order_error": error} if error else {}),
        "free_domains": [],
        **_price(items, kind),
        "payment_method_last_4_digits": card.get("last4", ""),
        "payment_method_brand": card.get("brand", ""),
        "payment_method_name_on_card": card.get("name", ""),
        "simulation": simulation,
    }
    if answer["order_placed"]:
        refused = "payment_method_not_supported" if not card else card.get("declines")
        if refused:
            return {**answer, "order_placed": False, "order_error": "payment_failed", "payment_failure_reason": refused}
        _place(world, items, kind)
    return answer


def _complete(item: dict[str, Any], kind: str) -> Record:
    """An item with what is understood by itself; a warm domain comes with its own mailboxes and product."""
    domain = item["domain"].strip().lower()
    product, accounts = item.get("email_provider", GOOGLE), item.get("accounts", [])
    if kind == WARM:
        product = PREWARMED.get(domain, GOOGLE)
        accounts = [
            {"email_address_prefix": prefix, "first_name": first, "last_name": last}
            for prefix, first, last in WARM_ACCOUNTS
        ]
    return {**item, "domain": domain, "email_provider": product, "accounts": accounts}


def _examine(world: World, items: list[Record], kind: str) -> Problems:
    found: Problems = {name: [] for name in PROBLEMS}
    times = collections.Counter(item["domain"] for item in items)
    brands = []
    for item in items:
        domain = item["domain"]
        forwarding = item.get("forwarding_domain", "").strip().lower()
        if forwarding and (forwarding == domain or not is_domain(forwarding)):
            found["invalid_forwarding_domains"].append(forwarding)
        if not is_domain(domain) or times[domain] > 1:
            found["invalid_domains"].append(domain)
        elif kind == EXTRA:
            _examine_extra(world, item, found)
        elif kind == WARM:
            if domain not in PREWARMED or world.dfy_orders.count(domain=domain):
                found["unavailable_domains"].append(domain)
        elif brand_in(domain):
            brands.append(brand_in(domain))
            found["blacklist_domains"].append(domain)
        elif domain.rpartition(".")[2] not in TLDS:
            found["invalid_domains"].append(domain)
        elif not is_free(world, domain):
            found["unavailable_domains"].append(domain)
        if not item["accounts"]:
            found["domains_without_accounts"].append(domain)
        found["invalid_accounts"] += _wrong_accounts(world, item, kind)
    lists = {
        name: list(dict.fromkeys(values)) if name != "invalid_accounts" else values for name, values in found.items()
    }
    return {**lists, "blacklist_keywords": list(dict.fromkeys(brands))} if brands else lists


def _examine_extra(world: World, item: Record, found: Problems) -> None:
    domain = item["domain"]
    orders = [order for order in world.dfy_orders.where(domain=domain) if "timestamp_cancelled" not in order]
    products = {box["email_provider"] for box in world.dfy_accounts.where(domain=domain) if is_active(box)}
    if not orders:
        found["missing_domain_orders"].append(domain)
    elif MICROSOFT in products | {item["email_provider"]}:
        found["unsupported_provider_domains"].append(domain)
    elif products - {item["email_provider"]}:
        found["provider_mismatch_domains"].append(domain)


def _wrong_accounts(world: World, item: Record, kind: str) -> list[Record]:
    """The mailboxes of an item that cannot be made, each with the first reason."""
    domain, wrong = item["domain"], []
    present = {box["email"] for box in world.dfy_accounts.where(domain=domain) if is_active(box)}
    fewest, most = MICROSOFT_ACCOUNTS if item["email_provider"] == MICROSOFT else (1, MAX_ACCOUNTS)
    room = most - (len(present) if kind == EXTRA else 0)
    for place, account in enumerate(item["accounts"]):
        email = f"{account['email_address_prefix'].strip()}@{domain}".lower()
        reasons = {
            "First name is required": not account["first_name"].strip(),
            "Last name is required": not account["last_name"].strip(),
            "Email address is invalid": not is_address(email),
            "Email address exists already": email in present,
            f"A domain can have at most {most} accounts": place >= room,
            f"A domain needs at least {fewest} accounts": len(item["accounts"]) < fewest,
        }
        reason = next((text for text, holds in reasons.items() if holds), None)
        if reason:
            names = {name: account[name] for name in ("first_name", "last_name")}
            wrong.append({"domain": domain, **names, "email": email, "reason": reason})
        present.add(email)
    return wrong


def _price(items: list[Record], kind: str) -> Record:
    priced = [_price_item(item, kind) for item in items]
    by_product = {str(product): PER_ACCOUNT[product] for product in PER_ACCOUNT if _has(items, product)}
    domains = sum(item["domain_price"] for item in priced)
    monthly = sum(item["accounts_price"] for item in priced)
    one_price = len(by_product) == 1 and not _has(items, MICROSOFT)
    answer: Record = {
        "number_of_domains_ordered": 0 if kind == EXTRA else len(items),
        "number_of_accounts_ordered": sum(len(item["accounts"]) for item in items),
        "price_per_account_per_month": next(iter(by_product.values())) if one_price else None,
        "price_per_domain_per_month": PER_MICROSOFT_DOMAIN if _has(items, MICROSOFT) else None,
        "price_per_domain_per_year": 0 if kind == EXTRA else PER_DOMAIN_AND_YEAR,
        "total_domains_price_per_year": domains,
        "total_accounts_price_per_month": monthly,
        "total_price_per_month": monthly,
        "total_price_per_year": domains,
        "total_price": domains + monthly,
        "total_discount": 0,
        "order_items": priced,
    }
    return {**answer, "price_per_account_per_month_by_account_type": by_product} if len(by_product) > 1 else answer


def _has(items: list[Record], product: int) -> bool:
    return any(item["email_provider"] == product for item in items)


def _price_item(item: Record, kind: str) -> Record:
    product = item["email_provider"]
    domain = 0 if kind == EXTRA else PER_DOMAIN_AND_YEAR
    by_domain = PER_MICROSOFT_DOMAIN if product == MICROSOFT else None
    monthly = len(item["accounts"]) * PER_ACCOUNT[product] if by_domain is None else by_domain
    return {
        "domain": item["domain"],
        "accounts": item["accounts"],
        "email_provider": product,
        **({"forwarding_domain": item["forwarding_domain"]} if "forwarding_domain" in item else {}),
        "domain_price": domain,
        "accounts_price": monthly,
        "domain_monthly_price": by_domain,
        "total_price": domain + monthly,
        "total_discount": 0,
    }


def _place(world: World, items: list[Record], kind: str) -> None:
    warm = kind == WARM
    for item in items:
        if kind != EXTRA:
            forwarding = item.get("forwarding_domain", "").strip().lower() or None
            add_order(world, item["domain"], forwarding_domain=forwarding, warm=warm)
        for account in item["accounts"]:
            prefix, first, last = (
                account[name].strip() for name in ("email_address_prefix", "first_name", "last_name")
            )
            add_mailbox(world, item["domain"], item["email_provider"], prefix, first, last, warm=warm)


@route("GET", "/dfy-email-account-orders", scope="dfy_email_account_orders:read", query=PAGE)
def list_orders(world: World, call: Call) -> Record:
    """Newest first; the cursor is a number."""
    orders = world.dfy_orders.after(call.query.get("starting_after"), newest_first=True)
    return page((order for order in orders), call.query, cursor=lambda order: order["_number"], render=public)
