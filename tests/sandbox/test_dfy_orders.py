"""Mailboxes to order: domains, prices, orders that are placed or not, and cancelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import mails, sender, started

pytestmark = pytest.mark.anyio

Wait = Callable[[float], None]

ORDERS = "/dfy-email-account-orders"
HOUR, DAY = 3600, 86400
FREE = "brightpath-outreach-example.com"
NOOR = {"email_address_prefix": "noor", "first_name": "Noor", "last_name": "Haddad"}
MILAN = {"email_address_prefix": "milan", "first_name": "Milan", "last_name": "Novak"}


async def order(api: httpx.AsyncClient, kind: str = "dfy", simulation: bool = False, **item: Any) -> dict[str, Any]:
    given = {"domain": FREE, "accounts": [NOOR], **item}
    answer = await api.post(ORDERS, json={"order_type": kind, "items": [given], "simulation": simulation})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def domains_ordered(api: httpx.AsyncClient) -> list[str]:
    return [order["domain"] for order in (await api.get(ORDERS)).json()["items"]]


async def check(api: httpx.AsyncClient, *domains: str) -> list[dict[str, Any]]:
    return (await api.post(f"{ORDERS}/domains/check", json={"domains": domains})).json()["results"]


async def test_a_simulation_tells_the_price_and_orders_nothing(api: httpx.AsyncClient) -> None:
    before = await domains_ordered(api)
    quote = await order(api, simulation=True, accounts=[NOOR, MILAN])
    assert (quote["order_placed"], quote["order_is_valid"]) == (False, True)
    assert quote["total_price"] == quote["total_domains_price_per_year"] + quote["total_accounts_price_per_month"]
    assert quote["total_accounts_price_per_month"] == 2 * quote["price_per_account_per_month"]
    assert quote["payment_method_last_4_digits"] == "4242"
    assert await domains_ordered(api) == before


async def test_an_ordered_mailbox_becomes_an_account_within_a_day(api: httpx.AsyncClient, wait: Wait) -> None:
    placed = await order(api, forwarding_domain="brightpath.example")
    assert placed["order_placed"]
    (newest, *_) = (await api.get(ORDERS)).json()["items"]
    assert (newest["domain"], newest["forwarding_domain"]) == (FREE, "brightpath.example")
    assert (await api.get(f"/accounts/noor@{FREE}")).status_code == 404
    wait(3 * HOUR)
    account = (await api.get(f"/accounts/noor@{FREE}")).json()
    assert (account["is_managed_account"], account["setup_pending"]) == (True, True)
    listed = (await api.get(f"{ORDERS}/accounts", params={"with_passwords": True})).json()["items"]
    assert [box["password"] for box in listed if box["domain"] == FREE] == [""]
    wait(DAY)
    assert (await api.get(f"/accounts/noor@{FREE}")).json()["setup_pending"] is False
    listed = (await api.get(f"{ORDERS}/accounts", params={"with_passwords": True})).json()["items"]
    assert all(box["password"] for box in listed)


async def test_passwords_are_shown_only_on_request(api: httpx.AsyncClient, wait: Wait) -> None:
    wait(2 * DAY)
    assert all("password" not in box for box in (await api.get(f"{ORDERS}/accounts")).json()["items"])


async def test_an_ordered_domain_is_taken(api: httpx.AsyncClient) -> None:
    assert [found["available"] for found in await check(api, FREE)] == [True]
    await order(api)
    assert [found["available"] for found in await check(api, FREE)] == [False]
    assert (await order(api))["unavailable_domains"] == [FREE]


async def test_brands_and_other_endings_are_not_for_sale(api: httpx.AsyncClient) -> None:
    brand, ending, short = await check(api, "my-google-mail.com", "brightpath-sales.io", "abc.com")
    assert (brand["unavailable_reason"], brand["restricted_keyword"]) == ("restricted", "google")
    assert (ending["available"], short["available"]) == (False, False)
    refused = await api.post(f"{ORDERS}/domains/similar", json={"domain": "google.com"})
    assert (refused.status_code, refused.json()["code"], refused.json()["keyword"]) == (
        400,
        "restricted_domain",
        "google",
    )


async def test_domains_are_checked_thirty_times_a_minute_and_not_oftener(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    world.budgets = True
    for _ in range(30):
        await check(api, FREE)
    assert (await api.post(f"{ORDERS}/domains/check", json={"domains": [FREE]})).status_code == 429
    wait(61)
    assert await check(api, FREE)


async def test_all_suggested_domains_can_be_ordered(api: httpx.AsyncClient) -> None:
    found = (await api.post(f"{ORDERS}/domains/similar", json={"domain": "brightpath.com"})).json()["domains"]
    assert {domain.rpartition(".")[2] for domain in found} == {"com", "org"}
    assert "brightpath.com" not in found
    assert all(result["available"] for result in await check(api, *found[:50]))
    only_org = {"domain": "brightpath.com", "tlds": ["org"]}
    found = (await api.post(f"{ORDERS}/domains/similar", json=only_org)).json()["domains"]
    assert all(domain.endswith(".org") for domain in found)


async def test_a_warm_domain_is_bought_with_its_mailboxes_and_then_gone(api: httpx.AsyncClient, wait: Wait) -> None:
    path, wanted = f"{ORDERS}/domains/pre-warmed-up-list", {"search": "path", "extensions": ["com"]}
    listed = (await api.post(path, json=wanted)).json()
    domain = listed["domains"][0]
    assert {entry["domain"] for entry in listed["domains_with_type"]} == set(listed["domains"])
    placed = await order(api, "pre_warmed_up", domain=domain, accounts=[])
    assert placed["order_placed"]
    assert placed["number_of_accounts_ordered"] > 0
    assert domain not in (await api.post(path, json=wanted)).json()["domains"]
    wait(HOUR)
    accounts = (await api.get("/accounts", params={"search": domain})).json()["items"]
    assert len(accounts) == placed["number_of_accounts_ordered"]
    assert all(not account["setup_pending"] and account["stat_warmup_score"] == 100 for account in accounts)
    assert (await order(api, "pre_warmed_up", domain=domain))["order_error"] == "unavailable_domains"


async def test_an_ordered_mailbox_sends_as_soon_as_it_is_set_up(api: httpx.AsyncClient, wait: Wait) -> None:
    await order(api)
    full = await sender(api, "full@ours.example", daily_limit=0)
    campaign_id = await started(api, ["ann@portico.example"], email_list=[f"noor@{FREE}", full])
    for _ in range(30):
        wait(HOUR)
        account = (await api.get(f"/accounts/noor@{FREE}")).json()
        sent = len(await mails(api, campaign_id))
        if account.get("setup_pending") is False:
            break
        assert sent == 0
    wait(600)
    assert len(await mails(api, campaign_id)) == 1


@pytest.mark.parametrize(
    ("kind", "item", "error", "field"),
    [
        ("dfy", {"domain": "no domain"}, "invalid_domains", ["no domain"]),
        ("dfy", {"domain": "paypal-help.com"}, "blacklist_domains", ["paypal-help.com"]),
        ("dfy", {"forwarding_domain": FREE}, "invalid_forwarding_domains", [FREE]),
        ("dfy", {"accounts": []}, "domains_without_accounts", [FREE]),
        ("dfy", {"email_provider": 3}, "invalid_accounts", None),
        ("dfy", {"accounts": [NOOR, NOOR]}, "invalid_accounts", None),
        ("extra_accounts", {}, "missing_domain_orders", [FREE]),
        (
            "extra_accounts",
            {"domain": "brightpath-team.example", "email_provider": 2},
            "provider_mismatch",
            ["brightpath-team.example"],
        ),
        (
            "extra_accounts",
            {"domain": "brightpath-team.example", "email_provider": 3},
            "unsupported_provider",
            ["brightpath-team.example"],
        ),
    ],
)
async def test_an_order_that_cannot_be_placed_says_why(
    api: httpx.AsyncClient, kind: str, item: dict[str, Any], error: str, field: list[str] | None
) -> None:
    before = await domains_ordered(api)
    answer = await order(api, kind, **item)
    assert (answer["order_placed"], answer["order_is_valid"], answer["order_error"]) == (False, False, error)
    if field is None:
        assert answer["invalid_accounts"][0]["reason"]
    else:
        assert field in (answer.get(error), answer.get(f"{error}_domains"))
    assert await domains_ordered(api) == before


async def test_extra_mailboxes_cost_no_second_domain(api: httpx.AsyncClient) -> None:
    answer = await order(api, "extra_accounts", domain="brightpath-team.example", accounts=[MILAN])
    assert (answer["order_placed"], answer["total_domains_price_per_year"]) == (True, 0)
    assert (await domains_ordered(api)).count("brightpath-team.example") == 1
    boxes = (await api.get(f"{ORDERS}/accounts")).json()["items"]
    assert boxes[0]["email"] == "milan@brightpath-team.example"


async def test_a_microsoft_domain_has_one_price_for_all_its_mailboxes(api: httpx.AsyncClient) -> None:
    many = [{**NOOR, "email_address_prefix": f"noor{n}"} for n in range(50)]
    answer = await order(api, simulation=True, email_provider=3, accounts=many)
    assert (answer["order_is_valid"], answer["total_accounts_price_per_month"]) == (True, 20)
    assert (answer["price_per_account_per_month"], answer["price_per_domain_per_month"]) == (None, 20)


async def test_a_card_that_declines_buys_nothing(api: httpx.AsyncClient, world: World) -> None:
    world.workspace["_card"]["declines"] = "card_expired"
    answer = await order(api)
    assert (answer["order_placed"], answer["order_is_valid"]) == (False, True)
    assert (answer["order_error"], answer["payment_failure_reason"]) == ("payment_failed", "card_expired")
    assert FREE not in await domains_ordered(api)


async def test_a_cancelled_mailbox_works_until_its_month_is_over(api: httpx.AsyncClient, wait: Wait) -> None:
    await order(api)
    wait(2 * DAY)
    email = f"noor@{FREE}"
    (cancelled,) = (await api.post(f"{ORDERS}/accounts/cancel", json={"accounts": [email]})).json()["items"]
    assert cancelled["timestamp_cancelled"] == "2026-09-09T13:00:00.000Z"
    assert (await api.get(ORDERS)).json()["items"][0]["timestamp_cancelled"] == cancelled["timestamp_cancelled"]
    wait(27 * DAY)
    assert (await api.get(f"/accounts/{email}")).status_code == 200
    wait(2 * DAY)
    assert (await api.get(f"/accounts/{email}")).status_code == 404


async def test_cancelling_names_only_ordered_mailboxes(api: httpx.AsyncClient) -> None:
    refused = await api.post(f"{ORDERS}/accounts/cancel", json={"accounts": ["ada@brightpath.example"]})
    assert refused.status_code == 404


async def test_orders_and_mailboxes_are_paged_from_new_to_old(api: httpx.AsyncClient) -> None:
    await order(api)
    for path, name in ((ORDERS, "domain"), (f"{ORDERS}/accounts", "email")):
        first = (await api.get(path, params={"limit": 1})).json()
        second = (await api.get(path, params={"limit": 1, "starting_after": first["next_starting_after"]})).json()
        assert [first["items"][0][name].endswith(FREE), len(second["items"])] == [True, 1]
        assert second["items"] != first["items"]


async def test_the_emails_of_a_cancelled_mailbox_go_with_it(api: httpx.AsyncClient, wait: Wait) -> None:
    await order(api)
    wait(2 * DAY)
    email = f"noor@{FREE}"
    window = {
        "name": "Always",
        "timing": {"from": "00:00", "to": "23:59"},
        "days": dict.fromkeys("0123456", True),
        "timezone": "America/Detroit",
    }
    step = {"type": "email", "delay": 2, "variants": [{"subject": "Hello", "body": "<p>Hi</p>"}]}
    campaign = {
        "name": "From the new mailbox",
        "campaign_schedule": {"schedules": [window]},
        "sequences": [{"steps": [step]}],
        "email_list": [email],
    }
    campaign_id = (await api.post("/campaigns", json=campaign)).json()["id"]
    leads = [{"email": "reply.one@portico.example"}, {"email": "late@portico.example"}]
    late = {"lead": "late@portico.example", "on": "first_email", "after_hours": 40 * 24, "reply": {"text": "Sorry!"}}
    assert (await api.post("http://sandbox/_sandbox/people", json=late)).status_code == 200
    await api.post("/leads/add", json={"campaign_id": campaign_id, "leads": leads})
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(2 * DAY)
    mails = (await api.get("/emails", params={"eaccount": email})).json()["items"]
    assert len(mails) == 3
    figures = (await api.get("/campaigns/analytics", params={"id": campaign_id})).json()
    await api.post(f"{ORDERS}/accounts/cancel", json={"accounts": [email]})
    wait(30 * DAY)
    assert (await api.get("/emails", params={"eaccount": email})).json()["items"] == []
    assert (await api.get(f"/emails/{mails[0]['id']}")).status_code == 404
    # What it sent was sent; what is written to it from now on arrives nowhere.
    wait(15 * DAY)
    assert (await api.get("/emails", params={"eaccount": email})).json()["items"] == []
    (row,) = (await api.get("/campaigns/analytics", params={"id": campaign_id})).json()
    counted = ("emails_sent_count", "contacted_count", "reply_count")
    assert {name: row[name] for name in counted} == {name: figures[0][name] for name in counted}
