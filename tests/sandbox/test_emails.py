"""The Unibox: finding, reading, marking and deleting e-mails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

ACTIVE, COMPLETED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
ADA, BEN = "ada@brightpath.example", "ben@brightpath.example"
THREAD = "c0-demoThread0000000000001"
Wait = Callable[[float], None]


def email_id(n: int) -> str:
    return f"01991f80-{n:04x}-7000-8000-{n:012x}"


async def listed(api: httpx.AsyncClient, **query: Any) -> list[int]:
    """The numbers of the demo's e-mails on one page."""
    answer = await api.get("/emails", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    return [int(email["id"][-12:], 16) for email in answer.json()["items"]]


async def unread(api: httpx.AsyncClient) -> int:
    return (await api.get("/emails/unread/count")).json()["count"]


async def test_the_newest_emails_come_first(api: httpx.AsyncClient) -> None:
    page = (await api.get("/emails")).json()
    stamps = [email["timestamp_created"] for email in page["items"]]
    assert len(stamps) == 10 and stamps == sorted(stamps, reverse=True)
    following = (await api.get("/emails", params={"starting_after": page["next_starting_after"]})).json()
    assert following["items"][0]["timestamp_created"] <= stamps[-1]
    assert sorted(await listed(api)) == list(range(1, 41))
    assert await listed(api) == (await listed(api, sort_order="asc"))[::-1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"email_type": "received", "is_unread": "true", "latest_of_thread": "true"}, {4, 2}),
        ({"email_type": "manual"}, {18}),
        ({"search": f"thread:{THREAD}"}, {2, 1}),
        ({"search": "tom.okafor@ledgerly.example"}, {4, 3}),
        ({"lead": "sofia.brandt@kontor.example"}, {6, 7, 18}),
        ({"lead": "sofia.brandt@kontor.example", "latest_of_thread": "true"}, {18}),
        ({"campaign_id": COMPLETED, "email_type": "received"}, {39, 40}),
        ({"campaign_id": ACTIVE, "eaccount": ADA, "email_type": "sent"}, {1, 5, 8, 11, 14, 16}),
        ({"eaccount": f"{ADA},{BEN}", "email_type": "received", "campaign_id": ACTIVE}, {2, 4, 7, 10, 13}),
        ({"mode": "emode_others"}, {13}),
        ({"company_domain": "ledgerly.example"}, {3, 4}),
        ({"min_timestamp_created": "2026-09-07T00:00:00.000Z"}, {2, 4}),
        ({"max_timestamp_created": "2026-04-15T14:00:00Z"}, {19, 20}),
        ({"i_status": 1}, {2, 7}),
        ({"i_status": 2}, {39}),
        ({"has_reminder": "true"}, set()),
        ({"scheduled_only": "true"}, set()),
    ],
)
async def test_filters_find_what_they_say(api: httpx.AsyncClient, query: dict[str, Any], found: set[int]) -> None:
    assert set(await listed(api, **query)) == found


async def test_a_preview_leaves_the_body_out(api: httpx.AsyncClient) -> None:
    (email,) = (await api.get("/emails", params={"preview_only": "true", "limit": 1})).json()["items"]
    assert email["body"] == {} and email["content_preview"].startswith("Hello Ben")


async def test_the_twenty_first_listing_in_a_minute_is_too_many(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    world.budgets = True
    codes = [(await api.get("/emails")).status_code for _ in range(21)]
    assert codes == [200] * 20 + [429]
    assert await unread(api) == 2
    wait(61)
    assert (await api.get("/emails")).status_code == 200


async def test_an_email_can_be_read_and_found_again_by_its_thread(api: httpx.AsyncClient) -> None:
    email = (await api.get(f"/emails/{email_id(2)}")).json()
    assert (email["ue_type"], email["is_unread"], email["thread_id"]) == (2, 1, THREAD)
    assert (email["from_address_email"], email["eaccount"]) == ("maya.lindqvist@fjordpay.example", ADA)
    assert (await api.get(f"/emails/{email_id(99)}")).status_code == 404


async def test_flags_are_numbers(api: httpx.AsyncClient) -> None:
    changed = await api.patch(
        f"/emails/{email_id(2)}", json={"is_unread": 0, "reminder_ts": "2026-09-10T13:00:00.000Z"}
    )
    assert (changed.json()["is_unread"], changed.json()["reminder_ts"]) == (0, "2026-09-10T13:00:00.000Z")
    assert await unread(api) == 1
    assert await listed(api, has_reminder="true") == [2]
    refused = await api.patch(f"/emails/{email_id(2)}", json={"is_unread": False})
    assert refused.json()["message"] == "body/is_unread must be number,null"
    assert (await api.patch(f"/emails/{email_id(2)}", json={"reminder_ts": "soon"})).status_code == 400


async def test_a_thread_is_read_as_a_whole_and_an_unknown_one_too(api: httpx.AsyncClient) -> None:
    for thread in (THREAD, "31-nothing"):
        assert (await api.post(f"/emails/threads/{thread}/mark-as-read")).json() == {"success": True}
    assert await unread(api) == 1


async def test_a_deleted_email_is_gone(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"/emails/{email_id(2)}")).json()["id"] == email_id(2)
    assert (await api.delete(f"/emails/{email_id(2)}")).status_code == 404
    assert await unread(api) == 1
