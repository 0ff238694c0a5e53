"""The sending status: why a campaign sends, or does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
ALL_DAY = {
    "name": "Always",
    "timing": {"from": "00:00", "to": "23:59"},
    "days": {str(day): True for day in range(7)},
    "timezone": "America/Detroit",
}
STEP = {"type": "email", "delay": 2, "variants": [{"subject": "Hello", "body": "<p>Hello</p>"}]}
Wait = Callable[[float], None]


async def started(api: httpx.AsyncClient, *, leads: int = 2, days: dict[str, bool] | None = None, **more: Any) -> str:
    """An active campaign of its own, with these leads."""
    window = {**ALL_DAY, "days": days or ALL_DAY["days"]}
    body = {
        "name": "Status",
        "campaign_schedule": {"schedules": [window]},
        "sequences": [{"steps": [STEP, STEP]}],
        "email_list": ["chloe@brightpath.example"],
        **more,
    }
    campaign_id = (await api.post("/campaigns", json=body)).json()["id"]
    people = [{"email": f"person{number}@portico.example"} for number in range(leads)]
    if people:
        await api.post("/leads/add", json={"campaign_id": campaign_id, "leads": people})
    assert (await api.post(f"/campaigns/{campaign_id}/activate")).status_code == 200
    return campaign_id


async def status(api: httpx.AsyncClient, campaign_id: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/campaigns/{campaign_id}/sending-status", params=query)
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("campaign_id", "reason"),
    [
        ("c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02", "campaign_draft"),
        ("c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03", "campaign_completed"),
    ],
)
async def test_a_campaign_that_rests_has_a_summary_and_no_diagnostics(
    api: httpx.AsyncClient, campaign_id: str, reason: str
) -> None:
    found = await status(api, campaign_id)
    assert found["diagnostics"] is None
    assert found["summary"]["status"] == reason
    assert found["summary"]["ai_summary"] is None


async def test_a_paused_campaign_says_so(api: httpx.AsyncClient) -> None:
    await api.post(f"/campaigns/{ACTIVE}/pause")
    assert (await status(api, ACTIVE))["summary"]["status"] == "campaign_paused"


async def test_a_summary_in_words_comes_on_request(api: httpx.AsyncClient) -> None:
    found = await status(api, ACTIVE, with_ai_summary="true")
    assert "Fintech CFOs" in found["summary"]["ai_summary"]


async def test_an_active_campaign_within_its_hours_is_healthy(api: httpx.AsyncClient) -> None:
    found = await status(api, await started(api))
    assert (found["diagnostics"]["status"], found["summary"]["status"]) == ("healthy", "healthy")
    assert found["diagnostics"]["accounts_summary"]["total_connected"] == 1
    assert found["diagnostics"]["issue_tracking"]["current_status_code"] is None


async def test_out_of_hours_the_details_are_missing(api: httpx.AsyncClient) -> None:
    found = await status(api, await started(api, days={"0": True, "1": False}))
    assert found["diagnostics"]["status"] == "out_of_schedule"
    assert found["diagnostics"]["schedule_status"] == {"in_schedule": False}
    assert "accounts_summary" not in found["diagnostics"]


async def test_paused_senders_are_the_reason(api: httpx.AsyncClient) -> None:
    campaign_id = await started(api)
    await api.post("/accounts/chloe%40brightpath.example/pause")
    found = await status(api, campaign_id)
    assert found["diagnostics"]["status"] == "all_accounts_unhealthy"
    assert found["diagnostics"]["accounts_summary"]["unavailable"]["disconnected"] == 1


async def test_limits_of_the_day_are_reasons(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, daily_limit=1)
    wait(1800)
    found = await status(api, campaign_id)
    assert found["diagnostics"]["status"] == "daily_limit_met"
    assert found["diagnostics"]["campaign_daily_limit"] == {"limit": 1, "sent": 1, "limit_hit": True}
    assert found["summary"]["last_healthy_send_at"]


async def test_a_limit_of_new_leads_is_a_reason(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, daily_max_leads=1)
    wait(1800)
    found = await status(api, campaign_id)
    assert found["diagnostics"]["status"] == "new_lead_limit_met"


async def test_a_sender_that_has_sent_its_share_is_a_reason(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.patch("/accounts/chloe%40brightpath.example", json={"daily_limit": 1})
    campaign_id = await started(api)
    wait(1800)
    assert (await status(api, campaign_id))["diagnostics"]["status"] == "account_daily_limit_met"


async def test_a_sender_is_available_again_when_its_own_gap_is_over(api: httpx.AsyncClient, wait: Wait) -> None:
    settings = {"sending_gap": 60, "enable_slow_ramp": False}
    await api.patch("/accounts/chloe%40brightpath.example", json=settings)
    campaign_id = await started(api, email_gap=240)
    seen = []
    for minutes in (1, 58, 2):
        wait(60 * minutes)
        found = (await status(api, campaign_id))["diagnostics"]
        summary = found["accounts_summary"]
        seen.append((found["status"], summary["available"], summary["unavailable"]["global_gap_not_met"]))
    assert seen == [("healthy", 0, 1), ("healthy", 0, 1), ("healthy", 1, 0)]


async def test_leads_between_two_steps_are_waited_for(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, leads=1)
    wait(1800)
    found = (await status(api, campaign_id))["diagnostics"]
    assert found["status"] == "follow_up_delay_not_met"
    assert found["follow_ups_waiting"]["count"] == 1
    assert 0 < found["follow_ups_waiting"]["earliest_wait_time_seconds"] <= 2 * 86400


async def test_a_campaign_without_leads_waits_for_some(api: httpx.AsyncClient) -> None:
    assert (await status(api, await started(api, leads=0)))["diagnostics"]["status"] == "waiting_for_leads"
