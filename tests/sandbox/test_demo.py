"""The demo workspace is what the documentation says, and fits together."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import Clock, World, open_sandbox
from mcp_instantly.sandbox.state.clock import START
from mcp_instantly.sandbox.storage.snapshot import write_workspaces
from mcp_instantly.sandbox.worlds.demo import COPIES, MOST_COPIES, seed_data

pytestmark = pytest.mark.anyio

NO_DAY, DAY = dt.timedelta(), dt.timedelta(days=1)
ACTIVE, SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
ADDRESS_KEYWORDS = (
    "reply",
    "replies",
    "bounce",
    "unsubscribe",
    "ooo",
    "silent",
    "invalid",
    "pending",
    "catchall",
    "risky",
)


def lead_id(n: int) -> str:
    return f"01991f00-{n:04x}-7000-8000-{n:012x}"


async def get(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(path)
    assert answer.status_code == 200
    return answer.json()


async def test_the_accounts_are_in_the_states_they_should_be_in(api: httpx.AsyncClient) -> None:
    items = (await get(api, "/accounts"))["items"]
    assert {account["email"].partition("@")[0]: (account["status"], account["warmup_status"]) for account in items} == {
        "ada": (1, 1),
        "ben": (1, 1),
        "chloe": (1, 1),
        "dev": (2, 0),
        "eva": (-1, 0),
    }
    assert "status_message" in await get(api, "/accounts/eva@brightpath-mail.example")


async def test_the_campaigns_are_in_the_states_they_should_be_in(api: httpx.AsyncClient) -> None:
    items = (await get(api, "/campaigns"))["items"]
    assert {campaign["name"]: campaign["status"] for campaign in items} == {
        "Fintech CFOs, autumn": 1,
        "Logistics pilots": 0,
        "Spring webinar follow-up": 3,
    }
    steps = (await get(api, f"/campaigns/{ACTIVE}"))["sequences"][0]["steps"]
    assert [len(step["variants"]) for step in steps] == [2, 1]


async def test_the_people_named_in_examples_are_where_they_should_be(api: httpx.AsyncClient) -> None:
    maya, tom, ines, sofia = [await get(api, f"/leads/{lead_id(n)}") for n in range(1, 5)]
    assert (maya["email"], maya["lt_interest_status"], maya["email_reply_count"]) == (
        "maya.lindqvist@fjordpay.example",
        1,
        1,
    )
    assert (tom["email_reply_count"], "lt_interest_status" in tom) == (1, False)
    assert (ines["status"], ines["email_reply_count"], "timestamp_last_contact" in ines) == (1, 0, True)
    assert sofia["subsequence_id"] == SUBSEQUENCE
    karl, again = [await get(api, f"/leads/{lead_id(n)}") for n in (5, 6)]
    assert (karl["last_name"], again["last_name"], again["company_domain"]) == (
        "Jensen",
        "Jensen",
        karl["company_domain"],
    )


async def test_everything_else_that_examples_name_is_there(api: httpx.AsyncClient) -> None:
    for path in (
        "/lead-lists/1157c0de-2b3c-4d5e-9f60-718293a4b501",
        "/lead-lists/1157c0de-2b3c-4d5e-9f60-718293a4b502",
        "/custom-tags/7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101",
        "/custom-tags/7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102",
        "/background-jobs/66d5a0c0f1e2d3c4b5a69701",
        "/background-jobs/66d5a0c0f1e2d3c4b5a69702",
        *(f"/emails/01991f80-{n:04x}-7000-8000-{n:012x}" for n in range(1, 41)),
    ):
        await get(api, path)


def test_no_name_occurs_twice_or_holds_a_keyword_of_addresses(world: World) -> None:
    emails = [lead["email"] for lead in world.leads]
    assert len(set(emails)) == 200
    assert not [email for email in emails for word in ADDRESS_KEYWORDS if word in email]


def test_leads_and_emails_agree(world: World) -> None:
    sent = Counter(email["lead_id"] for email in world.emails if email["ue_type"] == 1)
    answered = Counter(email["lead_id"] for email in world.emails if email["ue_type"] == 2)
    opened = Counter({email["lead_id"]: len(email["_opens"]) for email in world.emails if "_opens" in email})
    for lead in world.leads:
        assert lead["email_reply_count"] == answered[lead["id"]]
        assert lead["email_open_count"] == opened[lead["id"]]
        assert ("timestamp_last_contact" in lead) == (sent[lead["id"]] > 0)
        assert (lead["status"] == 0) == ("campaign" not in lead)


def test_nothing_lies_in_the_future_and_emails_are_in_order(world: World) -> None:
    stamps = [email["timestamp_created"] for email in world.emails]
    assert stamps == sorted(stamps) and stamps[-1] < world.stamp()
    assert all(lead["timestamp_updated"] <= world.stamp() for lead in world.leads)


def written(days: int = 0, **options: Any) -> str:
    """A new sandbox with the demo, after so many days, as text."""
    app = open_sandbox(running=False, **options)
    app.workspaces.clock.advance(86_400 * days)
    app.workspaces.run_due()
    return write_workspaces(app.workspaces)


def test_the_demo_is_the_same_every_time_and_goes_on_in_the_same_way() -> None:
    for days in (0, 2):
        COPIES.clear()
        assert len({written(days) for _ in range(4)}) == 1


def test_what_is_done_in_one_demo_is_not_in_the_next() -> None:
    COPIES.clear()
    for _ in range(4):
        world = World(seed_data=seed_data)
        for begun in range(2):
            lead, *_ = world.leads
            assert (begun, lead["first_name"], len(lead["payload"])) == (begun, "Maya", 8)
            world.leads.change(lead, first_name="Changed")
            lead["payload"].clear()
            world.reset()


def test_another_seed_and_another_beginning_are_another_demo() -> None:
    COPIES.clear()
    of_seeds = [{written(seed=seed) for _ in range(3)} for seed in (1, 2)]
    assert [len(texts) for texts in of_seeds] == [1, 1]
    assert of_seeds[0] != of_seeds[1]
    first, later = ([World(clock=Clock(START + day), seed_data=seed_data) for _ in range(3)] for day in (NO_DAY, DAY))
    assert {world.workspace["timestamp_created"] for world in first} == {"2025-11-01T13:00:00.000Z"}
    assert {world.workspace["timestamp_created"] for world in later} == {"2025-11-02T13:00:00.000Z"}


def test_of_many_seeds_few_copies_are_kept() -> None:
    for seed in range(20):
        World(seed, seed_data=seed_data)
    assert len(COPIES) <= MOST_COPIES


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
def test_threads_that_look_into_a_copy_at_once_all_see_it() -> None:
    COPIES.clear()
    for _ in range(30):
        world = World(seed_data=seed_data)
        together = threading.Barrier(4)

        def look(world: World = world, together: threading.Barrier = together) -> int:
            together.wait(10)
            return len(world.leads)

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            assert [found.result(10) for found in [threads.submit(look) for _ in range(4)]] == [200] * 4
