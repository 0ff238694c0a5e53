"""Connecting a mailbox by OAuth, with the consent page that stands in for the provider's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import mails, sender, started

pytestmark = pytest.mark.anyio

Wait = Callable[[float], None]


async def start(api: httpx.AsyncClient, provider: str = "google") -> dict[str, Any]:
    return (await api.post(f"/oauth/{provider}/init")).json()


async def status(api: httpx.AsyncClient, session: dict[str, Any]) -> httpx.Response:
    return await api.get(f"/oauth/session/status/{session['session_id']}")


async def decide(
    api: httpx.AsyncClient, session: dict[str, Any], decision: str = "allow", **more: str
) -> httpx.Response:
    form = {"email": "sam@brightpath.example", "name": "Sam Rivers", "decision": decision, **more}
    return await api.post(session["auth_url"], data=form)


@pytest.mark.parametrize(("provider", "code"), [("google", 2), ("microsoft", 3)])
async def test_consent_adds_the_mailbox(api: httpx.AsyncClient, provider: str, code: int) -> None:
    session = await start(api, provider)
    assert (await status(api, session)).json() == {"status": "pending"}
    assert "<form" in (await api.get(session["auth_url"])).text
    assert (await api.get("/accounts/sam@brightpath.example")).status_code == 404
    assert (await decide(api, session)).status_code == 200
    account = (await api.get("/accounts/sam@brightpath.example")).json()
    assert (account["provider_code"], account["first_name"], account["status"]) == (code, "Sam", 1)
    done = (await status(api, session)).json()
    assert done == {"status": "success", "email": "sam@brightpath.example", "name": "Sam Rivers"}


async def test_the_result_is_given_once(api: httpx.AsyncClient) -> None:
    session = await start(api)
    await decide(api, session, "deny")
    denied = (await status(api, session)).json()
    assert (denied["status"], denied["error"]) == ("error", "access_denied")
    assert (await status(api, session)).status_code == 404
    assert (await api.get("/accounts/sam@brightpath.example")).status_code == 404


async def test_a_session_lasts_ten_minutes(api: httpx.AsyncClient, wait: Wait) -> None:
    session, decided = await start(api), await start(api)
    assert session["expires_at"] == "2026-09-07T13:10:00.000Z"
    await decide(api, decided)
    wait(599)
    assert (await status(api, session)).json() == {"status": "pending"}
    wait(1)
    assert (await decide(api, session)).status_code == 410
    assert (await status(api, session)).json() == {"status": "expired"}
    assert (await status(api, session)).status_code == 404
    assert (await status(api, decided)).status_code == 404


async def test_a_decision_is_final(api: httpx.AsyncClient) -> None:
    session = await start(api)
    await decide(api, session, "deny")
    assert (await decide(api, session)).status_code == 410
    assert (await status(api, session)).json()["status"] == "error"


async def test_consent_mends_a_broken_connection(api: httpx.AsyncClient) -> None:
    email = "eva@brightpath-mail.example"
    assert (await api.get(f"/accounts/{email}")).json()["status"] == -1
    await decide(api, await start(api), email=email, name="")
    mended = (await api.get(f"/accounts/{email}")).json()
    assert (mended["status"], mended["first_name"], "status_message" in mended) == (1, "Eva", False)


async def test_campaigns_go_on_at_once_with_a_mended_mailbox(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    broken, full = await sender(api, "broken@ours.example"), await sender(api, "full@ours.example", daily_limit=0)
    world.accounts.change(world.accounts.get(broken), status=-1)
    campaign_id = await started(api, ["ann@portico.example"], email_list=[broken, full])
    wait(600)
    assert await mails(api, campaign_id) == []
    await decide(api, await start(api), email=broken)
    wait(600)
    assert len(await mails(api, campaign_id)) == 1


async def test_the_form_asks_again_for_an_address_that_is_none(api: httpx.AsyncClient) -> None:
    session = await start(api)
    again = await decide(api, session, email="<b>nobody</b>")
    assert (again.status_code, "<form" in again.text, "<b>" in again.text) == (400, True, False)
    assert (await status(api, session)).json() == {"status": "pending"}


async def test_sessions_cannot_be_guessed_or_used_with_another_provider(api: httpx.AsyncClient) -> None:
    session = await start(api)
    assert (await api.get(session["auth_url"].replace("google", "microsoft"))).status_code == 404
    assert (await api.get("/oauth/session/status/unknown")).status_code == 404


async def test_sessions_are_started_seventy_five_times_a_minute(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    world.budgets = True
    for _ in range(75):
        await start(api)
    assert (await api.post("/oauth/google/init")).status_code == 429
    assert (await api.post("/oauth/microsoft/init")).status_code == 200
    wait(61)
    assert (await api.post("/oauth/google/init")).status_code == 200
