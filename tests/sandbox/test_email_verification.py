"""Verification of addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio


async def verify(api: httpx.AsyncClient, email: str, **more: str) -> dict[str, Any]:
    answer = await api.post("/email-verification", json={"email": email, **more})
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("email", "verdict", "catch_all"),
    [
        ("grace@portico.example", "verified", False),
        ("grace.invalid@portico.example", "invalid", False),
        ("catchall.grace@portico.example", "verified", True),
        ("no address", "invalid", False),
    ],
)
async def test_what_an_address_is_follows_from_the_words_in_it(
    api: httpx.AsyncClient, email: str, verdict: str, catch_all: bool
) -> None:
    found = await verify(api, email)
    assert (found["verification_status"], found["catch_all"], found["status"]) == (verdict, catch_all, "success")


async def test_a_slow_verification_is_pending_for_a_while(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    async def look() -> dict[str, Any]:
        return (await api.get("/email-verification/Pending.grace%40portico.example")).json()

    asked = await verify(api, "pending.grace@portico.example")
    assert (asked["verification_status"], asked["catch_all"]) == ("pending", "pending")
    wait(11)
    assert (await look())["verification_status"] == "pending"
    wait(2)
    assert ((await look())["verification_status"], (await look())["catch_all"]) == ("verified", False)


async def test_the_result_of_a_slow_verification_goes_to_its_webhook(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    async def told(url: str) -> list[dict[str, Any]]:
        return (await api.get("/webhook-events", params={"search": url})).json()["items"]

    url = "https://hooks.brightpath.example/verified"
    await verify(api, "grace@portico.example", webhook_url=url)
    await verify(api, "pending.grace@portico.example", webhook_url=url)
    await verify(api, "pending.alan@portico.example", webhook_url="http://[no address")
    wait(11)
    assert await told(url) == []
    wait(2)
    (event,) = await told(url)
    assert event["payload"] == (await api.get("/email-verification/pending.grace%40portico.example")).json()
    assert (event["success"], event["payload"]["verification_status"]) == (True, "verified")
    (dropped,) = await told("http://[no address")
    assert (dropped["success"], dropped["payload"]["email"]) == (False, "pending.alan@portico.example")


async def test_a_receiver_on_this_machine_gets_the_result(
    api: httpx.AsyncClient,
    wait: Callable[[float], None],
    listening: Callable[[int], Any],
    delivered: Callable[[], None],
) -> None:
    with listening(200) as (url, received_answers):
        await verify(api, "pending.invalid.grace@portico.example", webhook_url=url)
        wait(13)
        delivered()
    (payload,) = received_answers
    assert (payload["email"], payload["verification_status"]) == ("pending.invalid.grace@portico.example", "invalid")


async def test_every_verification_takes_a_credit_and_a_look_takes_none(api: httpx.AsyncClient) -> None:
    first = await verify(api, "grace@portico.example")
    await api.get("/email-verification/grace%40portico.example")
    second = await verify(api, "grace@portico.example")
    assert (first["credits_used"], first["credits"] - second["credits"]) == (1, 1)


async def test_without_credits_nothing_is_verified(api: httpx.AsyncClient, world: World) -> None:
    world.verification_credits = 0
    answer = await api.post("/email-verification", json={"email": "grace@portico.example"})
    assert answer.status_code == 402
    assert (await api.get("/email-verification/grace%40portico.example")).status_code == 404


async def test_a_look_wants_an_address_that_was_verified(api: httpx.AsyncClient) -> None:
    malformed = await api.get("/email-verification/grace")
    assert (malformed.status_code, malformed.json()["message"]) == (400, 'params/email must match format "email"')
    assert (await api.get("/email-verification/nobody%40nowhere.example")).status_code == 404
