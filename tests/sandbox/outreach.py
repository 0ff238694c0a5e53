"""What the tests of sending share: campaigns that run, with leads and senders of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpx

MINUTE, HOUR, DAY = 60, 3600, 86400
Wait = Callable[[float], None]

ALWAYS = {
    "schedules": [
        {
            "name": "Always",
            "timing": {"from": "00:00", "to": "23:59"},
            "days": {str(day): True for day in range(7)},
            "timezone": "America/Detroit",
        }
    ]
}


def step(*variants: tuple[str, str], delay: float = 2, **more: Any) -> dict[str, Any]:
    """A step with these subjects and bodies; a greeting without any."""
    found = variants or (("Hello", "<p>Hello</p>"),)
    return {
        "type": "email",
        "delay": delay,
        "variants": [{"subject": subject, "body": body} for subject, body in found],
        **more,
    }


async def sender(api: httpx.AsyncClient, email: str, *, provider: int = 2, **more: Any) -> str:
    """An account of its own that may send a thousand emails a day."""
    mailbox = {f"{kind}_{field}": "x" for kind in ("imap", "smtp") for field in ("username", "password", "host")}
    body = {"first_name": "S", "last_name": "T", **mailbox, "imap_port": 993, "smtp_port": 587, "daily_limit": 1000}
    answer = await api.post("/accounts", json={"email": email, "provider_code": provider, **body, **more})
    assert answer.status_code == 200, answer.text
    return email


async def started(
    api: httpx.AsyncClient, people: Iterable[str], *, steps: list[dict[str, Any]] | None = None, **more: Any
) -> str:
    """An active campaign with these addresses as leads, which sends every minute."""
    body = {
        "name": "Test",
        "campaign_schedule": ALWAYS,
        "sequences": [{"steps": steps or [step()]}],
        "open_tracking": True,
        "link_tracking": True,
        "stop_on_reply": True,
        "email_gap": 1,
        **more,
    }
    created = await api.post("/campaigns", json=body)
    assert created.status_code == 200, created.text
    campaign_id = created.json()["id"]
    await add(api, campaign_id, people)
    await api.post(f"/campaigns/{campaign_id}/activate")
    return campaign_id


async def add(api: httpx.AsyncClient, campaign_id: str, people: Iterable[str]) -> None:
    leads = [{"email": address} for address in people]
    for first in range(0, len(leads), 1000):
        body = {"campaign_id": campaign_id, "leads": leads[first : first + 1000]}
        assert (await api.post("/leads/add", json=body)).status_code == 200


async def mails(api: httpx.AsyncClient, campaign_id: str, **query: Any) -> list[dict[str, Any]]:
    """The first hundred of the campaign's own emails, oldest first."""
    wanted = {"campaign_id": campaign_id, "limit": 100, "sort_order": "asc", "email_type": "sent", **query}
    answer = await api.get("/emails", params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def campaign(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    return (await api.get(f"/campaigns/{campaign_id}")).json()


async def leads(api: httpx.AsyncClient, campaign_id: str) -> list[dict[str, Any]]:
    return (await api.post("/leads/list", json={"campaign": campaign_id, "limit": 100})).json()["items"]


async def diagnosis(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    """The details of the sending status, or its summary where there are none."""
    found = (await api.get(f"/campaigns/{campaign_id}/sending-status")).json()
    return found["diagnostics"] or found["summary"]
