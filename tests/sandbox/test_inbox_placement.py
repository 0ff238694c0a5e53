"""Inbox placement: tests that take hours, the rows they leave, and what is counted from the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import mails, sender, started

pytestmark = pytest.mark.anyio

Wait = Callable[[float], None]

HOUR, DAY = 3600, 86400
ONCE, WEEKLY = "11ace001-8d9e-4fa0-b1c2-3d4e5f6a7b01", "11ace001-8d9e-4fa0-b1c2-3d4e5f6a7b02"
US_GOOGLE = {"region": "North America", "sub_region": "US", "type": "Professional", "esp": "Google"}
GERMANY = {"region": "Europe", "sub_region": "Germany", "type": "Personal", "esp": "Web.de"}
MONDAYS = {"days": {"1": True}, "timing": {"from": "10:00"}, "timezone": "America/Detroit"}
MAILBOX = {
    **dict.fromkeys(("first_name", "last_name"), "Ada"),
    **{f"{kind}_{part}": "ada" for kind in ("imap", "smtp") for part in ("username", "password", "host")},
    **{"provider_code": 1, "imap_port": 993, "smtp_port": 465},
}
ADA, CHLOE = "ada@brightpath.example", "chloe@brightpath.example"


def described(**more: Any) -> dict[str, Any]:
    given = {
        "name": "First look",
        "type": 1,
        "sending_method": 1,
        "delivery_mode": 2,
        "email_subject": "Month-end close",
        "email_body": "<p>How long does it take?</p>",
        "emails": [ADA],
        "recipients_labels": [US_GOOGLE],
    }
    return {name: value for name, value in {**given, **more}.items() if value is not None}


async def create(api: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    created = await api.post("/inbox-placement-tests", json=described(**more))
    assert created.status_code == 200, created.text
    return created.json()


async def get(api: httpx.AsyncClient, test: dict[str, Any]) -> dict[str, Any]:
    return (await api.get(f"/inbox-placement-tests/{test['id']}")).json()


async def rows(api: httpx.AsyncClient, test_id: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        params = {"test_id": test_id, "limit": 7, **query, **cursor}
        answer = (await api.get("/inbox-placement-analytics", params=params)).json()
        found += answer["items"]
        if "next_starting_after" not in answer:
            return found
        cursor = {"starting_after": answer["next_starting_after"]}


async def test_a_test_is_completed_after_hours_and_not_before(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api)
    assert (test["status"], len(test["recipients"])) == (1, 3)
    wait(60)
    assert [row["record_type"] for row in await rows(api, test["id"])] == [1, 1, 1]
    assert (await get(api, test))["status"] == 1
    wait(4 * HOUR)
    assert (await get(api, test))["status"] == 3
    received = [row for row in await rows(api, test["id"]) if row["record_type"] == 2]
    assert received
    assert all(row["spf_pass"] and row["sender_esp"] == 1 and "is_spam" in row for row in received)


async def test_every_sender_writes_to_every_recipient_once(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api, emails=[ADA, CHLOE], recipients_labels=[US_GOOGLE, GERMANY])
    wait(DAY)
    sent = [
        (row["sender_email"], row["recipient_email"]) for row in await rows(api, test["id"]) if row["record_type"] == 1
    ]
    assert sorted(sent) == sorted((sender, to) for sender in (ADA, CHLOE) for to in test["recipients"])


async def test_emails_that_go_one_by_one_take_their_time(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api, delivery_mode=1)
    wait(60)
    assert len(await rows(api, test["id"])) == 1


async def test_all_numbers_can_be_counted_from_the_rows(api: httpx.AsyncClient) -> None:
    received = [row for row in await rows(api, ONCE) if row["record_type"] == 2]
    spam = sum(row["is_spam"] for row in received)
    category = sum(row["has_category"] for row in received)
    inbox = len(received) - spam - category
    (stats,) = (await api.post("/inbox-placement-analytics/stats-by-test-id", json={"test_ids": [ONCE]})).json()
    assert len(received) == stats["count"] > 0
    assert (stats["spam_count"], stats["category_count"], stats["inbox_count"]) == (spam, category, inbox)
    assert stats["spam_percent"] == round(100 * spam / len(received), 2)
    assert stats["spam_percent"] + stats["category_percent"] + stats["inbox_percent"] == pytest.approx(100, abs=0.1)

    days = (await api.post("/inbox-placement-analytics/stats-by-date", json={"test_id": ONCE})).json()
    assert sum(day["spam_count"] for day in days) == spam
    assert sum(day["received_count"] for day in days) == len(received)
    assert sum(day["sent_count"] for day in days) == len(
        [row for row in await rows(api, ONCE) if row["record_type"] == 1]
    )

    for pair in (await api.post("/inbox-placement-analytics/deliverability-insights", json={"test_id": ONCE})).json():
        mine = [row for row in received if row["recipient_esp"] == pair["recipient_esp"]]
        assert pair["spam_percentage"] == round(100 * sum(row["is_spam"] for row in mine) / len(mine), 2)
        assert "prev_spam_percentage" not in pair


async def test_rows_are_chosen_by_recipient_sender_and_date(api: httpx.AsyncClient) -> None:
    assert {row["recipient_esp"] for row in await rows(api, ONCE)} == {1, 2}
    chosen = await rows(api, ONCE, recipient_esp="2", sender_email=ADA)
    assert {(row["recipient_esp"], row["sender_email"]) for row in chosen} == {(2, ADA)}
    assert await rows(api, ONCE, recipient_geo="2,3") == []
    assert await rows(api, ONCE, date_to="2026-09-02") == []
    assert len(await rows(api, ONCE, date_from="2026-09-03")) == len(await rows(api, ONCE))
    stats = {"test_ids": [ONCE], "recipient_esp": [2], "sender_email": ADA}
    (entry,) = (await api.post("/inbox-placement-analytics/stats-by-test-id", json=stats)).json()
    assert entry["count"] == sum(row["record_type"] == 2 for row in chosen)


async def test_insights_set_an_earlier_time_beside_the_present_one(api: httpx.AsyncClient) -> None:
    asked = {"test_id": WEEKLY, "date_from": "2026-09-01", "date_to": "2026-09-07", "show_previous": True}
    (pair,) = (await api.post("/inbox-placement-analytics/deliverability-insights", json=asked)).json()
    assert (pair["previous_from"], pair["previous_to"]) == ("2026-08-25", "2026-08-31")
    assert "inbox_percentage" in pair
    assert "prev_inbox_percentage" in pair


async def test_an_automated_test_runs_by_its_schedule(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api, type=2, schedule=MONDAYS)
    assert test["timestamp_next_run"] == "2026-09-07T14:00:00.000Z"
    wait(8 * DAY)
    days = (await api.post("/inbox-placement-analytics/stats-by-date", json={"test_id": test["id"]})).json()
    assert [day["timestamp_created_date"] for day in days] == ["2026-09-07", "2026-09-14"]
    after = await get(api, test)
    assert (after["status"], after["timestamp_next_run"]) == (1, "2026-09-21T14:00:00.000Z")


async def test_a_paused_test_does_not_run_until_it_is_resumed(api: httpx.AsyncClient, wait: Wait) -> None:
    path = f"/inbox-placement-tests/{WEEKLY}"
    before = len(await rows(api, WEEKLY))
    paused = (await api.patch(path, json={"status": 2})).json()
    assert (paused["status"], "timestamp_next_run" in paused) == (2, False)
    wait(7 * DAY)
    assert len(await rows(api, WEEKLY)) == before
    assert "timestamp_next_run" in (await api.patch(path, json={"status": 1})).json()
    wait(7 * DAY)
    assert len(await rows(api, WEEKLY)) > before


async def test_a_run_that_is_interrupted_goes_on_where_it_stopped(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api, delivery_mode=1)
    wait(60)
    path = f"/inbox-placement-tests/{test['id']}"
    await api.patch(path, json={"status": 2})
    wait(DAY)
    assert sum(row["record_type"] == 1 for row in await rows(api, test["id"])) == 1
    await api.patch(path, json={"status": 1})
    wait(DAY)
    assert sum(row["record_type"] == 1 for row in await rows(api, test["id"])) == 3
    assert (await get(api, test))["status"] == 3


async def test_the_daily_limit_of_a_sender_spreads_a_test_over_days(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.patch(f"/accounts/{ADA}", json={"inbox_placement_test_limit": 2})
    await api.patch(f"/inbox-placement-tests/{WEEKLY}", json={"status": 2})
    test = await create(api)
    wait(HOUR)
    assert (await get(api, test))["not_sending_status"] == "daily_limits_hit"
    wait(2 * DAY)
    after = await get(api, test)
    assert (after["status"], "not_sending_status" in after) == (3, False)


async def test_a_one_time_test_can_wait_for_its_hour(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api, timestamp_next_run="2026-09-08T08:00:00Z")
    wait(12 * HOUR)
    assert await rows(api, test["id"]) == []
    wait(12 * HOUR)
    assert await rows(api, test["id"])


async def test_bad_placement_pauses_the_sender_for_as_long_as_was_asked(api: httpx.AsyncClient, wait: Wait) -> None:
    then = {"pause_sending_campaigns_for": 3, "add_tags": ["7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102"]}
    low = {"when": {"condition": "placement_goes_below", "condition_value": 101}, "then": then}
    await create(api, emails=[CHLOE], automations=[low])
    wait(DAY)
    account = (await api.get("/accounts", params={"search": "chloe", "include_tags": True})).json()["items"][0]
    assert (account["status"], [tag["label"] for tag in account["tags"]]) == (2, ["Q4"])
    wait(3 * DAY)
    assert (await api.get(f"/accounts/{CHLOE}")).json()["status"] == 1


async def test_campaigns_go_on_at_once_when_such_a_pause_ends(api: httpx.AsyncClient, wait: Wait) -> None:
    then = {"pause_sending_campaigns_for": 1}
    low = {"when": {"condition": "placement_goes_below", "condition_value": 101}, "then": then}
    held, full = await sender(api, "held@ours.example"), await sender(api, "full@ours.example", daily_limit=0)
    people = [f"p{number}@company{number}.example" for number in range(99)]
    campaign = await started(api, people, email_list=[held, full], email_gap=30)
    await create(api, emails=[held], automations=[low])

    async def wait_for_status(wanted: int) -> None:
        for _ in range(30 * 6):
            if (await api.get(f"/accounts/{held}")).json()["status"] == wanted:
                return
            wait(600)
        raise AssertionError(f"the account never had the status {wanted}")

    await wait_for_status(2)
    before = len(await mails(api, campaign))
    await wait_for_status(1)
    assert len(await mails(api, campaign)) <= before + 1
    wait(600)
    assert len(await mails(api, campaign)) == before + 1


async def test_a_sender_that_somebody_has_paused_meanwhile_stays_paused(api: httpx.AsyncClient, wait: Wait) -> None:
    low = {
        "when": {"condition": "placement_goes_below", "condition_value": 101},
        "then": {"pause_sending_campaigns_for": 3},
    }
    await create(api, emails=[CHLOE], automations=[low])
    wait(DAY)
    assert (await api.post(f"/accounts/{CHLOE}/pause")).json()["status"] == 2
    wait(4 * DAY)
    assert (await api.get(f"/accounts/{CHLOE}")).json()["status"] == 2


async def test_an_automation_tells_its_webhook_once_of_all_senders_it_is_about(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    url = "https://hooks.brightpath.example/placement"
    low = {"when": {"condition": "placement_goes_below", "condition_value": 101}, "then": {"webhook_url": url}}
    high = {"when": {"condition": "placement_goes_above", "condition_value": 100}, "then": {"webhook_url": url}}
    test = await create(api, emails=[ADA, CHLOE], automations=[low, high])
    wait(DAY)
    (event,) = (await api.get("/webhook-events", params={"search": url})).json()["items"]
    payload = event["payload"]
    assert (event["success"], payload["test_id"], payload["condition"]) == (True, test["id"], "placement_goes_below")
    stats = {"test_ids": [test["id"]], "sender_email": ADA}
    (counted,) = (await api.post("/inbox-placement-analytics/stats-by-test-id", json=stats)).json()
    shares = {sender["email"]: sender["inbox_placement"] for sender in payload["senders"]}
    assert set(shares) == {ADA, CHLOE}
    assert shares[ADA] == pytest.approx(100 - counted["spam_percent"], abs=0.1)


async def test_an_automation_whose_webhook_fails_tells_it_again(api: httpx.AsyncClient, wait: Wait) -> None:
    url = "https://hooks.brightpath.example/status/503"
    listed = {"when": {"condition": "added_to_blacklists"}, "then": {"webhook_url": url}}
    await api.post("/accounts", json={**MAILBOX, "email": "ada@blacklisted.example"})
    await create(api, emails=["ada@blacklisted.example", ADA], automations=[listed])
    wait(DAY)
    (event,) = (await api.get("/webhook-events", params={"search": url})).json()["items"]
    assert "ada@blacklisted.example" in [sender["email"] for sender in event["payload"]["senders"]]
    assert (event["success"], event["retry_count"], event["will_retry"]) == (False, 3, False)


async def test_a_pushy_text_scores_worse(api: httpx.AsyncClient, wait: Wait) -> None:
    scores = []
    for subject in ("Month-end close", "FREE MONEY, ACT NOW!!"):
        test = await create(api, email_subject=subject)
        wait(DAY)
        (report,) = (await api.get("/inbox-placement-reports", params={"test_id": test["id"]})).json()["items"]
        scores.append(report["spam_assassin_score"])
        points = [float(rule["score"]) for rule in report["spam_assassin_report"]["report"]]
        assert sum(points) == pytest.approx(report["spam_assassin_score"])
    assert scores[0] < scores[1]


async def test_the_long_parts_of_a_report_can_be_left_out(api: httpx.AsyncClient) -> None:
    asked = {"test_id": ONCE, "skip_blacklist_report": True}
    (report,) = (await api.get("/inbox-placement-reports", params=asked)).json()["items"]
    assert "blacklist_report" not in report
    assert "blacklist_report" in (await api.get(f"/inbox-placement-reports/{report['id']}")).json()


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"emails": []}, 400, "Either tags or emails must be provided"),
        ({"emails": ["maya.lindqvist@fjordpay.example"]}, 404, "Account not found"),
        ({"delivery_mode": None}, 400, "delivery_mode is required when the test is sent from Instantly"),
        ({"type": 2}, 400, "schedule is required for automated tests"),
        ({"run": True}, 400, "body must NOT have additional properties"),
        (
            {"recipients_labels": [{**US_GOOGLE, "esp": "AOL"}]},
            400,
            "recipients_labels must be among the email service provider options",
        ),
    ],
)
async def test_a_test_that_cannot_be_sent_is_refused(
    api: httpx.AsyncClient, more: dict[str, Any], status: int, message: str
) -> None:
    refused = await api.post("/inbox-placement-tests", json=described(**more))
    assert (refused.status_code, refused.json()["message"]) == (status, message)


async def test_each_kind_of_test_needs_its_plan(api: httpx.AsyncClient, world: World) -> None:
    world.workspace["plan_id_inbox_placement"] = "pid_ip_g"
    assert (await api.post("/inbox-placement-tests", json=described())).status_code == 200
    assert (await api.post("/inbox-placement-tests", json=described(type=2, schedule=MONDAYS))).status_code == 402
    del world.workspace["plan_id_inbox_placement"]
    assert (await api.post("/inbox-placement-tests", json=described())).status_code == 402


async def test_an_email_from_outside_is_known_by_a_code(api: httpx.AsyncClient, wait: Wait) -> None:
    outside = {"sending_method": 2, "delivery_mode": None, "recipients_labels": None, "emails": []}
    test = await create(api, **outside, test_code="autumn-1")
    assert test["test_code"] == "ptid_autumn-1"
    assert (await create(api, **outside))["test_code"].startswith("ptid_")
    wait(DAY)
    assert (await get(api, test))["status"] == 1


async def test_metadata_names_campaign_and_tags(api: httpx.AsyncClient) -> None:
    shown = (await api.get(f"/inbox-placement-tests/{WEEKLY}", params={"with_metadata": True})).json()["metadata"]
    assert shown["campaign"]["name"] == "Fintech CFOs, autumn"
    assert [tag["label"] for tag in shown["tags"].values()] == ["Warm senders"]


async def test_a_deleted_test_takes_its_results_along(api: httpx.AsyncClient, wait: Wait) -> None:
    test = await create(api)
    wait(60)
    row = (await rows(api, test["id"]))[0]
    await api.delete(f"/inbox-placement-tests/{test['id']}")
    wait(DAY)
    for path in (f"/inbox-placement-tests/{test['id']}", f"/inbox-placement-analytics/{row['id']}"):
        assert (await api.get(path)).status_code == 404
    asked = {"test_ids": [test["id"]]}
    assert (await api.post("/inbox-placement-analytics/stats-by-test-id", json=asked)).status_code == 404


async def test_tests_are_listed_newest_first_unless_asked_otherwise(api: httpx.AsyncClient) -> None:
    newest = await create(api, name="Latest")
    listed = (await api.get("/inbox-placement-tests", params={"limit": 1})).json()
    assert [test["id"] for test in listed["items"]] == [newest["id"]]
    following = {"starting_after": listed["next_starting_after"], "limit": 2}
    assert len((await api.get("/inbox-placement-tests", params=following)).json()["items"]) == 2
    oldest_first = (await api.get("/inbox-placement-tests", params={"sort_order": "asc"})).json()["items"]
    assert oldest_first[-1]["id"] == newest["id"]
    assert (await api.get("/inbox-placement-tests", params={"search": "late"})).json()["items"] == [newest]


async def test_a_paused_sender_is_accepted_and_left_out_without_an_error(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(f"/accounts/{CHLOE}/pause")
    test = await create(api, emails=[ADA, CHLOE])
    wait(DAY)
    ended = await get(api, test)
    assert (ended["status"], ended["not_sending_status"]) == (3, "other")
    assert {row["sender_email"] for row in await rows(api, test["id"])} == {ADA}


async def test_a_sender_that_is_paused_under_way_sends_no_more(api: httpx.AsyncClient, wait: Wait) -> None:
    async def sent() -> int:
        return sum(row["record_type"] == 1 for row in await rows(api, test["id"]))

    test = await create(api, delivery_mode=1)
    wait(400)
    before = await sent()
    await api.post(f"/accounts/{ADA}/pause")
    wait(DAY)
    assert (await get(api, test))["status"] == 3
    assert await sent() == before == 2
