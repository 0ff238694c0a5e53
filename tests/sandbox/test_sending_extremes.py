"""Settings far beyond what anybody means, and many leads that must wait: the sandbox bears them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .test_sending import DAY, Wait, schedule, started, step

pytestmark = pytest.mark.anyio

PEOPLE = [f"person{number}@company{number}.example" for number in range(40)]


async def begun(api: httpx.AsyncClient, addresses: list[str], **more: Any) -> str:
    """An active campaign with these leads."""
    campaign_id = await started(api, **{"email_gap": 0, **more})
    leads = [{"email": address} for address in addresses]
    assert (await api.post("/leads/add", json={"campaign_id": campaign_id, "leads": leads})).status_code == 200
    return campaign_id


async def sent(api: httpx.AsyncClient, campaign_id: str) -> list[dict[str, Any]]:
    """All mails that a campaign has sent."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"campaign_id": campaign_id, "limit": 100, "sort_order": "asc"}
    while True:
        page = (await api.get("/emails", params=query)).json()
        found += [mail for mail in page["items"] if mail["ue_type"] == 1]
        if "next_starting_after" not in page:
            return found
        query["starting_after"] = page["next_starting_after"]


async def diagnosis(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    return (await api.get(f"/campaigns/{campaign_id}/sending-status")).json()["diagnostics"]


async def test_gaps_and_delays_without_end_send_nothing_more(api: httpx.AsyncClient, wait: Wait) -> None:
    endless = {"delay": 1e308, "variants": [{"subject": "A", "body": "<p>A</p>"}]}
    campaign_id = await begun(api, PEOPLE[:3], steps=[step(**endless), step()], email_gap=1e308, random_wait_max=1e308)
    wait(30 * DAY)
    assert len(await sent(api, campaign_id)) == 1


@pytest.mark.parametrize("dates", [{"start_date": "9999-12-31"}, {"end_date": "0001-01-01"}])
async def test_a_schedule_can_lie_beyond_all_time(api: httpx.AsyncClient, wait: Wait, dates: dict[str, str]) -> None:
    campaign_id = await begun(api, PEOPLE[:3], campaign_schedule=schedule(**dates))
    wait(30 * DAY)
    assert await sent(api, campaign_id) == []
    assert (await diagnosis(api, campaign_id))["status"] == "out_of_schedule"


async def test_a_campaign_of_many_leads_that_wait_for_their_company_is_soon_worked_through(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    """Leads that must wait are looked at once a day, and not again with every letter."""
    rule = {"mode": "custom", "daily_limit": 1, "scope": "per_campaign"}
    people = [f"person{number}@company{number % 3}.example" for number in range(900)]
    campaign_id = await begun(api, people, limit_emails_per_company_override=rule)
    before = world.number()
    wait(2 * DAY)
    assert len(await sent(api, campaign_id)) <= 9
    assert world.number() - before < 20 * 900
