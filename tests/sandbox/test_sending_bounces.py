"""Bounce protection: a campaign of whose emails too many come back stops by itself."""

from __future__ import annotations

import httpx
import pytest

from .outreach import DAY, HOUR, MINUTE, Wait, add, campaign, diagnosis, mails, sender, started

pytestmark = pytest.mark.anyio


def people(name: str, number: int, *, bounce: int = 0) -> list[str]:
    """So many addresses; every so manieth of them sends its email back, and the others are away."""
    words = ("bounce" if bounce and n % bounce == 0 else "ooo" for n in range(number))
    return [f"{name}.{word}{n}@company{n}.example" for n, word in enumerate(words)]


async def sent(api: httpx.AsyncClient, campaign_id: str) -> int:
    (row,) = (await api.get("/campaigns/analytics", params={"id": campaign_id})).json()
    return row["emails_sent_count"]


async def bounced(api: httpx.AsyncClient, campaign_id: str) -> int:
    (row,) = (await api.get("/campaigns/analytics", params={"id": campaign_id})).json()
    return row["bounced_count"]


async def test_a_campaign_with_many_bounces_stops(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 90, bounce=5), email_list=[account])
    wait(30 * MINUTE)
    assert (await campaign(api, campaign_id))["status"] == 1
    wait(2 * HOUR)
    stopped = await campaign(api, campaign_id)
    assert (stopped["status"], "not_sending_status" in stopped) == (-2, False)
    # It takes forty emails to know, and a moment for the last one to come back.
    assert 40 <= await sent(api, campaign_id) <= 45
    found = await diagnosis(api, campaign_id)
    assert found["status"] == "campaign_bounce_protect"
    assert found["issue_started_at"] == stopped["timestamp_updated"]
    wait(2 * DAY)
    assert await sent(api, campaign_id) <= 45
    assert (await campaign(api, campaign_id))["status"] == -2


async def test_a_few_bounces_are_nothing_unusual(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 90, bounce=20), email_list=[account])
    wait(6 * HOUR)
    assert (await sent(api, campaign_id), await bounced(api, campaign_id)) == (90, 5)
    assert (await campaign(api, campaign_id))["status"] == 3


async def test_a_campaign_without_protection_goes_on(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    more = {"disable_bounce_protect": True}
    campaign_id = await started(api, people("a", 60, bounce=3), email_list=[account], **more)
    wait(6 * HOUR)
    assert (await sent(api, campaign_id), await bounced(api, campaign_id)) == (60, 20)
    assert (await campaign(api, campaign_id))["status"] == 3


async def test_only_recent_emails_count(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 200), email_list=[account], is_evergreen=True)
    wait(6 * HOUR)
    assert (await campaign(api, campaign_id))["status"] == 1
    await add(api, campaign_id, people("b", 30, bounce=2))
    wait(HOUR)
    # Nine of a hundred, though not even twenty of all.
    assert (await campaign(api, campaign_id))["status"] == -2
    assert await bounced(api, campaign_id) <= 11


async def test_after_a_new_start_bounces_count_afresh(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 90, bounce=5), email_list=[account], is_evergreen=True)
    wait(2 * HOUR)
    assert (await campaign(api, campaign_id))["status"] == -2
    await api.patch(f"/campaigns/{campaign_id}", json={"name": "Still resting"})
    wait(HOUR)
    assert (await campaign(api, campaign_id))["status"] == -2
    assert (await api.post(f"/campaigns/{campaign_id}/activate")).json()["status"] == 1
    wait(6 * HOUR)
    # The rest bounces as before, but whoever decides to go on is left alone for a week.
    assert (await sent(api, campaign_id), (await campaign(api, campaign_id))["status"]) == (90, 1)
    wait(7 * DAY)
    await add(api, campaign_id, people("b", 30))
    wait(HOUR)
    assert (await campaign(api, campaign_id))["status"] == 1
    await add(api, campaign_id, people("c", 90, bounce=4))
    wait(3 * HOUR)
    assert (await campaign(api, campaign_id))["status"] == -2


async def test_what_bounced_before_a_new_start_is_forgotten(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 46, bounce=5), email_list=[account], is_evergreen=True)
    wait(2 * HOUR)
    assert (await campaign(api, campaign_id))["status"] == -2
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(8 * DAY)
    await add(api, campaign_id, people("b", 1, bounce=1))
    wait(HOUR)
    # Ten of the last fifty came back, but of those since the new start there are too few to say.
    assert (await campaign(api, campaign_id))["status"] == 1
    assert await bounced(api, campaign_id) >= 9


async def test_a_campaign_that_was_stopped_can_be_paused_and_started_again(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people("a", 60, bounce=5), email_list=[account])
    wait(2 * HOUR)
    assert (await api.post(f"/campaigns/{campaign_id}/pause")).json()["status"] == 2
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(2 * HOUR)
    assert (await campaign(api, campaign_id))["status"] == 3
    assert len(await mails(api, campaign_id)) == 60
