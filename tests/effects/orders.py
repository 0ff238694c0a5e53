"""Domains and mailboxes that are ordered from Instantly."""

from __future__ import annotations

from typing import Any

from .demo import DAY
from .observer import Observer, effect, items_of

SAM = {"email_address_prefix": "sam", "first_name": "Sam", "last_name": "Rivers"}


def _order(domain: str, order_type: str = "dfy") -> dict[str, Any]:
    """An order; a domain that is warm already comes with its own mailboxes."""
    accounts = {"accounts": [SAM]} if order_type == "dfy" else {}
    return {"order_type": order_type, "items": [{"domain": domain, **accounts}], "simulation": False}


@effect
async def create_dfy_order(see: Observer) -> None:
    domains = await see.ids("list_dfy_orders", key="domain")
    boxes = await see.ids("list_dfy_accounts", key="email")
    answer = await see.act()
    placed = not see.given["simulation"]
    assert answer["order_placed"] == placed
    (item,) = see.given["items"]
    addresses = {f"{account['email_address_prefix']}@{item['domain']}" for account in item["accounts"]}
    assert answer["number_of_accounts_ordered"] == len(addresses)
    new = {item["domain"]} if placed else set()
    assert await see.ids("list_dfy_orders", key="domain") == domains | new
    assert await see.ids("list_dfy_accounts", key="email") == boxes | (addresses if placed else set())
    if placed:
        (order,) = [one for one in await see.all("list_dfy_orders") if one["domain"] == item["domain"]]
        assert order["forwarding_domain"] == item["forwarding_domain"]
        (checked,) = (await see.ask("check_domain_availability", domains=[item["domain"]]))["results"]
        assert checked["available"] is False
    # A day later the mailboxes stand among the accounts.
    see.wait(DAY)
    accounts = {one["email"]: one for one in await see.all("list_accounts")}
    assert set(accounts) & addresses == (addresses if placed else set())
    assert not placed or {accounts[email]["setup_pending"] for email in addresses} == {False}


@effect
async def cancel_dfy_accounts(see: Observer) -> None:
    (email,) = see.given["accounts"]

    async def cancelled() -> dict[str, str]:
        return {box["email"]: box["timestamp_cancelled"] for box in await see.all("list_dfy_accounts")}

    see.wait(DAY)
    await see.ask("get_account", email=email)
    assert (await cancelled())[email] == ""
    await see.act()
    assert (await cancelled())[email] == "2026-09-08T13:00:00.000Z"
    # It works until the paid month is over.
    await see.ask("get_account", email=email)
    see.wait(30 * DAY)
    assert "not found" in await see.refused("get_account", email=email)


@effect
async def list_dfy_accounts(see: Observer) -> None:
    async def order() -> str:
        await see.ask("create_dfy_order", **_order("brightpath-seen.com"))
        return "sam@brightpath-seen.com"

    shown = await see.lists(order, key="email")
    assert (shown["first_name"], shown["domain"]) == ("Sam", "brightpath-seen.com")
    await see.ask("cancel_dfy_accounts", accounts=["sam@brightpath-seen.com"])
    assert {box["email"] for box in items_of(await see.act()) if box["timestamp_cancelled"]} == {shown["email"]}


@effect
async def list_dfy_orders(see: Observer) -> None:
    async def order() -> str:
        await see.ask("create_dfy_order", **_order("brightpath-seen.com"))
        return "brightpath-seen.com"

    await see.lists(order, key="domain")
    # A domain without mailboxes is cancelled, too.
    await see.ask("cancel_dfy_accounts", accounts=["sam@brightpath-seen.com"])
    ordered = {one["domain"]: one for one in items_of(await see.act())}
    assert ordered["brightpath-seen.com"]["timestamp_cancelled"] == "2026-09-07T13:00:00.000Z"


@effect
async def check_domain_availability(see: Observer) -> None:
    async def available() -> dict[str, bool]:
        return {result["domain"]: result["available"] for result in (await see.act())["results"]}

    before = await available()
    assert before == dict.fromkeys(see.given["domains"], True)
    bought = see.given["domains"][0]
    await see.ask("create_dfy_order", **_order(bought))
    assert await available() == {**before, bought: False}


@effect
async def suggest_similar_domains(see: Observer) -> None:
    before = (await see.act())["domains"]
    assert {domain.rpartition(".")[2] for domain in before} == {*see.given.get("tlds", ("com", "org"))}
    checked = (await see.ask("check_domain_availability", domains=before[:50]))["results"]
    assert {result["available"] for result in checked} == {True}
    await see.ask("create_dfy_order", **_order(before[0]))
    assert (await see.act())["domains"] == before[1:]


@effect
async def list_prewarmed_domains(see: Observer) -> None:
    before = (await see.act())["domains"]
    endings = {domain.rpartition(".")[2] for domain in before}
    assert endings <= {*see.given.get("extensions", endings)}
    assert all(see.given.get("search", "") in domain for domain in before)
    await see.ask("create_dfy_order", **_order(before[0], "pre_warmed_up"))
    after = await see.act()
    assert after["domains"] == [entry["domain"] for entry in after["domains_with_type"]] == before[1:]
    # Its mailboxes come with it, and can send at once.
    see.wait(DAY)
    assert any(box.endswith(before[0]) for box in await see.ids("list_accounts", key="email"))


@effect
async def get_domain_forwarding(see: Observer) -> None:
    assert (await see.act())["forwarding_domain"] == "brightpath.example"
    await see.ask("update_domain_forwarding", **see.given, forwarding_domain="elsewhere.example")
    assert await see.act() == {**see.given, "forwarding_domain": "elsewhere.example", "forwarding_mode": "redirect"}


@effect
async def update_domain_forwarding(see: Observer) -> None:
    young = {**see.given, "domain": "brightpath-team.example"}
    assert "provisioned" in await see.refused("update_domain_forwarding", **young)
    await see.act()
    assert await see.ask("get_domain_forwarding", domain=see.given["domain"]) == see.given
    (order,) = [one for one in await see.all("list_dfy_orders") if one["domain"] == see.given["domain"]]
    assert order["forwarding_mode"] == see.given["forwarding_mode"]
    assert (await see.logged())["activity_type"] == 40


@effect
async def delete_domain_forwarding(see: Observer) -> None:
    nothing = {**see.given, "forwarding_domain": None, "forwarding_mode": None}
    assert await see.ask("get_domain_forwarding", **see.given) != nothing
    assert await see.act() == nothing
    assert await see.act() == nothing
    assert await see.ask("get_domain_forwarding", **see.given) == nothing
