"""The block list, and what it keeps from being sent."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

RIVAL, RITA = "3b10c0de-4d5e-4f60-8a71-8293a4b5c601", "3b10c0de-4d5e-4f60-8a71-8293a4b5c602"
LOGISTICS = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
ENTRIES = "/block-lists-entries"
DAY = 86400


async def values(api: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await api.get(ENTRIES, params=query)
    assert answer.status_code == 200
    return [entry["bl_value"] for entry in answer.json()["items"]]


async def block(api: httpx.AsyncClient, value: str) -> dict[str, Any]:
    answer = await api.post(ENTRIES, json={"bl_value": value})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def imported(api: httpx.AsyncClient, *emails: str) -> dict[str, Any]:
    leads = [{"email": email} for email in emails]
    return (await api.post("/leads/add", json={"campaign_id": LOGISTICS, "leads": leads})).json()


async def started(api: httpx.AsyncClient, *emails: str) -> None:
    """Send these people an email from Chloe, as soon as the clock moves."""
    always = {"name": "Always", "timing": {"from": "00:00", "to": "23:59"}, "timezone": "America/Detroit"}
    days = {str(day): True for day in range(7)}
    step = {"type": "email", "delay": 1, "variants": [{"subject": "Hello", "body": "<p>Hello</p>"}]}
    settings = {
        "email_list": ["chloe@brightpath.example"],
        "campaign_schedule": {"schedules": [{**always, "days": days}]},
        "sequences": [{"steps": [step]}],
    }
    assert (await api.patch(f"/campaigns/{LOGISTICS}", json=settings)).status_code == 200
    await imported(api, *emails)
    await api.post(f"/campaigns/{LOGISTICS}/activate")


async def lead(api: httpx.AsyncClient, email: str) -> dict[str, Any]:
    (found,) = (await api.post("/leads/list", json={"contacts": [email]})).json()["items"]
    return found


async def test_addresses_and_domains_are_told_apart(api: httpx.AsyncClient) -> None:
    domain, person = await block(api, " Rival.Example "), await block(api, "Luis@Portico.example")
    assert (domain["bl_value"], domain["is_domain"]) == ("rival.example", True)
    assert (person["bl_value"], person["is_domain"]) == ("luis@portico.example", False)
    assert (await api.get(f"{ENTRIES}/{person['id']}")).json() == person


@pytest.mark.parametrize("value", ["", "rival", "two words.example", "@", "who@", "10.0.0.1", "https://rival.example"])
async def test_what_is_neither_is_refused(api: httpx.AsyncClient, value: str) -> None:
    answer = await api.post(ENTRIES, json={"bl_value": value})
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    assert (await api.patch(f"{ENTRIES}/{RIVAL}", json={"bl_value": value})).status_code == 400
    assert await values(api) == ["rita.kold@oldclient.example", "competitor.example"]


async def test_nobody_is_blocked_twice(api: httpx.AsyncClient) -> None:
    assert (await block(api, "COMPETITOR.example"))["id"] == RIVAL
    assert (await api.patch(f"{ENTRIES}/{RITA}", json={"bl_value": "competitor.example"})).status_code == 400
    assert len(await values(api)) == 2


async def test_many_come_in_at_once_and_the_unusable_are_counted(api: httpx.AsyncClient) -> None:
    wanted = ["rival.example", "nobody", "RIVAL.example", "competitor.example", "a@b.example"]
    answer = (await api.post(f"{ENTRIES}/bulk-create", json={"bl_values": wanted})).json()
    assert (answer["valid_count"], answer["invalid_count"]) == (4, 1)
    assert [entry["bl_value"] for entry in answer["items"]] == ["rival.example", "competitor.example", "a@b.example"]
    assert len(await values(api)) == 4


@pytest.mark.parametrize(("path", "name"), [("bulk-create", "bl_values"), ("bulk-delete", "ids")])
async def test_in_bulk_there_are_one_to_a_thousand(api: httpx.AsyncClient, path: str, name: str) -> None:
    empty = await api.post(f"{ENTRIES}/{path}", json={name: []})
    assert (empty.status_code, empty.json()["message"]) == (400, f"body/{name} must NOT have fewer than 1 items")
    many = [f"d{number}.example" for number in range(1001)]
    assert (await api.post(f"{ENTRIES}/{path}", json={name: many})).status_code == 400
    assert (await api.post(f"{ENTRIES}/{path}", json={name: many[1:]})).status_code == 200


async def test_entries_are_found_by_text_and_kind(api: httpx.AsyncClient) -> None:
    assert await values(api) == ["rita.kold@oldclient.example", "competitor.example"]
    assert await values(api, domains_only="true") == ["competitor.example"]
    assert await values(api, search="Kold@") == ["rita.kold@oldclient.example"]
    assert await values(api, search="kold", domains_only="true") == []


async def test_pages_follow_the_id_of_the_last_entry(api: httpx.AsyncClient) -> None:
    for number in range(3):
        await block(api, f"d{number}.example")
    first = (await api.get(ENTRIES, params={"limit": 3})).json()
    assert first["next_starting_after"] == first["items"][-1]["id"]
    assert await values(api, starting_after=first["next_starting_after"]) == [
        "rita.kold@oldclient.example",
        "competitor.example",
    ]


async def test_the_list_comes_as_a_table(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{ENTRIES}/download")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(answer.text.split("\r\n"))
    assert head == ["Blocked Email", "Date"]
    assert [row[0] for row in rows] == ["rita.kold@oldclient.example", "competitor.example"]
    assert all(row[1].endswith("Z") for row in rows)
    assert "rita" not in (await api.get(f"{ENTRIES}/download", params={"domains_only": "true"})).text


async def test_an_entry_takes_another_value(api: httpx.AsyncClient) -> None:
    changed = (await api.patch(f"{ENTRIES}/{RIVAL}", json={"bl_value": "Boss@competitor.example"})).json()
    assert (changed["id"], changed["bl_value"], changed["is_domain"]) == (RIVAL, "boss@competitor.example", False)
    assert (await imported(api, "sales@competitor.example", "boss@competitor.example"))["in_blocklist"] == 1
    assert (await api.patch(f"{ENTRIES}/{RIVAL}", json={})).status_code == 400


async def test_deleted_entries_come_back_in_the_answer(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"{ENTRIES}/{RITA}")).json()["id"] == RITA
    assert (await api.delete(f"{ENTRIES}/{RITA}")).status_code == 404
    gone = (await api.post(f"{ENTRIES}/bulk-delete", json={"ids": [RIVAL, RITA, RIVAL, NOWHERE]})).json()
    assert [entry["id"] for entry in gone] == [RIVAL]
    assert await values(api) == []


async def test_the_whole_list_goes_or_what_is_asked_for(api: httpx.AsyncClient) -> None:
    gone = (await api.delete(ENTRIES, params={"search": "oldclient"})).json()
    assert [entry["id"] for entry in gone] == [RITA]
    await block(api, "a@b.example")
    assert [entry["id"] for entry in (await api.delete(ENTRIES, params={"domains_only": "true"})).json()] == [RIVAL]
    assert await values(api) == ["a@b.example"]
    assert len((await api.delete(ENTRIES)).json()) == 1
    assert (await api.delete(ENTRIES)).json() == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_unknown_entries_are_not_found(api: httpx.AsyncClient, method: str) -> None:
    body = {"json": {"bl_value": "a@b.example"}} if method == "PATCH" else {}
    assert (await api.request(method, f"{ENTRIES}/{NOWHERE}", **body)).status_code == 404
    assert (await api.request(method, f"{ENTRIES}/rival", **body)).status_code == 400


async def test_imports_leave_out_who_is_blocked(api: httpx.AsyncClient) -> None:
    await block(api, "one@portico.example")
    answer = await imported(api, "one@portico.example", "two@portico.example", "any@competitor.example")
    assert (answer["in_blocklist"], answer["leads_uploaded"]) == (2, 1)


async def test_who_is_blocked_after_the_import_gets_no_email(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    await started(api, "one@portico.example", "two@portico.example")
    await block(api, "one@portico.example")
    wait(DAY)
    skipped, written = await lead(api, "one@portico.example"), await lead(api, "two@portico.example")
    assert (skipped["status"], "timestamp_last_contact" in skipped) == (-3, False)
    assert "timestamp_last_contact" in written


async def test_who_is_unblocked_in_time_gets_emails(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    entry = await block(api, "portico.example")
    await api.post("/leads", json={"campaign": LOGISTICS, "email": "three@portico.example"})
    await api.delete(f"{ENTRIES}/{entry['id']}")
    await started(api, "four@portico.example")
    wait(DAY)
    assert "timestamp_last_contact" in await lead(api, "three@portico.example")


@pytest.mark.parametrize("wished", [True, False])
async def test_unsubscribing_blocks_where_the_workspace_wishes_it(
    api: httpx.AsyncClient, world: World, wait: Callable[[float], None], wished: bool
) -> None:
    world.workspace["add_unsub_to_block"] = wished
    await started(api, "unsubscribe@portico.example")
    wait(DAY)
    assert (await lead(api, "unsubscribe@portico.example"))["status"] == -2
    assert ("unsubscribe@portico.example" in await values(api)) == wished


async def test_who_is_blocked_under_way_gets_no_further_email(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    first, second = (
        {"type": "email", "delay": 1, "variants": [{"subject": subject, "body": "<p>Hello</p>"}]} for subject in "AB"
    )
    await started(api, "ann.silent@portico.example", "bob.silent@mail.portico.example")
    await api.patch(f"/campaigns/{LOGISTICS}", json={"sequences": [{"steps": [first, second, first]}]})
    wait(DAY / 2)
    await block(api, "portico.example")
    under_way = await lead(api, "ann.silent@portico.example")
    assert (under_way["status"], "timestamp_last_contact" in under_way) == (1, True)
    wait(3 * DAY)
    sent = (await api.get("/emails", params={"campaign_id": LOGISTICS, "email_type": "sent", "limit": 100})).json()
    steps = {(mail["lead"], mail["step"]) for mail in sent["items"] if "portico" in mail["lead"]}
    # A domain blocks itself alone, and not the one below it.
    assert steps == {
        ("ann.silent@portico.example", "0_0_0"),
        *(("bob.silent@mail.portico.example", f"0_{step}_0") for step in range(3)),
    }
    assert (await lead(api, "ann.silent@portico.example"))["status"] == -3


async def test_who_was_skipped_stays_so_when_the_entry_goes(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    await started(api, "ann@portico.example")
    entry = await block(api, "portico.example")
    wait(DAY)
    await api.delete(f"{ENTRIES}/{entry['id']}")
    wait(DAY)
    skipped = await lead(api, "ann@portico.example")
    assert (skipped["status"], "timestamp_last_contact" in skipped) == (-3, False)


async def test_a_reply_by_hand_to_somebody_blocked_is_sent(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    await started(api, "ann.replies@portico.example")
    wait(DAY / 2)
    await block(api, "ann.replies@portico.example")
    query = {"lead": "ann.replies@portico.example", "email_type": "received"}
    (received,) = (await api.get("/emails", params=query)).json()["items"]
    answer = {
        "eaccount": received["eaccount"],
        "reply_to_uuid": received["id"],
        "subject": "Re",
        "body": {"text": "Hi"},
    }
    assert (await api.post("/emails/reply", json=answer)).json()["to_address_email_list"] == received["lead"]
