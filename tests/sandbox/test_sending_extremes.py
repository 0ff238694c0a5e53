"""Settings far beyond what anybody means, and many leads that must wait: the sandbox bears them."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import ALWAYS, DAY, Wait, diagnosis, mails, sender, started, step

pytestmark = pytest.mark.anyio

PEOPLE = [f"person{number}@company{number}.example" for number in range(3)]


@pytest.fixture
async def own(api: httpx.AsyncClient) -> list[str]:
    """One sender, as campaigns name them."""
    return [await sender(api, "own@sender.example")]


async def test_gaps_and_delays_without_end_send_nothing_more(
    api: httpx.AsyncClient, wait: Wait, own: list[str]
) -> None:
    steps = [step(("A", "<p>A</p>"), delay=1e308), step()]
    campaign_id = await started(api, PEOPLE, steps=steps, email_list=own, email_gap=1e308, random_wait_max=1e308)
    wait(30 * DAY)
    assert len(await mails(api, campaign_id)) == 1


@pytest.mark.parametrize("dates", [{"start_date": "9999-12-31"}, {"end_date": "0001-01-01"}])
async def test_a_schedule_can_lie_beyond_all_time(
    api: httpx.AsyncClient, wait: Wait, own: list[str], dates: dict[str, str]
) -> None:
    campaign_id = await started(api, PEOPLE, campaign_schedule={**ALWAYS, **dates}, email_list=own)
    wait(30 * DAY)
    assert await mails(api, campaign_id) == []
    assert (await diagnosis(api, campaign_id))["status"] == "out_of_schedule"


async def test_a_campaign_of_many_leads_that_wait_for_their_company_is_soon_worked_through(
    api: httpx.AsyncClient, wait: Wait, world: World, own: list[str]
) -> None:
    """Leads that must wait are looked at once a day, and not again with every email."""
    rule = {"mode": "custom", "daily_limit": 1, "scope": "per_campaign"}
    people = [f"person{number}@company{number % 3}.example" for number in range(900)]
    campaign_id = await started(api, people, limit_emails_per_company_override=rule, email_list=own)
    before = world.number()
    wait(2 * DAY)
    assert 0 < len(await mails(api, campaign_id)) <= 9
    assert world.number() - before < 20 * 900
