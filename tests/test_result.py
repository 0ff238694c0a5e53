"""Results: what a model reads of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_instantly.catalog import Catalog
from mcp_instantly.client import Reply
from mcp_instantly.cutting import compact
from mcp_instantly.errors import FailedInside
from mcp_instantly.result import Result, success


def read(
    catalog: Catalog,
    tool: str,
    payload: Any,
    *,
    status: int = 200,
    media: str = "application/json",
    limit: int = 60_000,
) -> Result:
    found = success(catalog.operations[tool], Reply(status, payload, media, 0, 1), limit)
    assert json.loads(found.text) == found.structured, "the text and the structure say the same"
    return found


def test_an_object_stays_as_it_is_in_compact_json(catalog: Catalog) -> None:
    found = read(catalog, "get_lead", {"id": "1", "name": "Ä", "next": None})
    assert found.text == '{"id":"1","name":"Ä","next":null}'


def test_an_array_is_wrapped_in_an_object(catalog: Catalog) -> None:
    assert read(catalog, "get_campaign_analytics", []).structured == {"items": []}


def test_an_empty_answer_is_said_in_words(catalog: Catalog) -> None:
    note = read(catalog, "share_campaign", None, status=204, media="").structured["_note"]
    assert note == "Done: share_campaign answers with no content."


def test_csv_is_kept_and_counted(catalog: Catalog) -> None:
    found = read(catalog, "list_leads", "email\na@b.example\nc@d.example\n", media="text/csv").structured
    assert found["text"].startswith("email\n")
    assert found["_note"] == "CSV with 2 rows below its header."


def test_accepted_work_says_that_it_is_not_done_and_who_knows_when_it_is(catalog: Catalog) -> None:
    note = read(catalog, "update_lead_interest_status", {"message": "ok"}, status=202).structured["_note"]
    assert note.startswith("Accepted, not done yet. ")
    assert "list_leads" in note


def test_a_job_that_has_begun_says_whom_to_ask(catalog: Catalog) -> None:
    note = read(catalog, "move_leads", {"id": "x", "status": "pending"}).structured["_note"]
    assert note == "Not finished yet: ask get_background_job again later."
    assert "_note" not in read(catalog, "get_background_job", {"id": "x", "status": "success"}).structured


def test_a_pending_verification_names_the_tool_to_ask(catalog: Catalog) -> None:
    pending = {"email": "a@b.example", "status": "success", "verification_status": "pending"}
    assert "get_email_verification" in read(catalog, "verify_email", pending).structured["_note"]


@pytest.mark.parametrize(
    ("tool", "payload", "message"),
    [
        ("send_test_email", {"error": "ACC_AUTH_ERROR"}, "ACC_AUTH_ERROR"),
        ("mark_thread_as_read", {"success": False, "message": "no"}, "no"),
        ("verify_email", {"status": "error", "email": "x"}, "status"),
    ],
)
def test_a_success_that_carries_an_error_is_an_error(
    catalog: Catalog, tool: str, payload: dict[str, Any], message: str
) -> None:
    with pytest.raises(FailedInside, match=message):
        read(catalog, tool, payload)


@pytest.mark.parametrize(
    ("tool", "payload", "note"),
    [
        (
            "bulk_add_leads",
            {"status": "success", "leads_uploaded": 0, "duplicated_leads": 3},
            "No lead was added: 3 already there.",
        ),
        ("bulk_delete_leads", {"count": 0}, "Nothing was deleted: nothing matched."),
        (
            "bulk_pause_accounts",
            {"paused_emails": [], "failed_emails": ["a@b.example"]},
            "1 of the accounts failed; see failed_emails.",
        ),
        (
            "get_background_job",
            {"status": "success", "data": {"failed_count": 2}},
            "2 of the items failed, although the status may say success; see the details per item.",
        ),
        (
            "get_background_job",
            {"status": "success", "data": {"total_leads": 0}},
            "The job found no lead to work on; check the source it was given.",
        ),
    ],
)
def test_a_success_that_did_nothing_says_so(catalog: Catalog, tool: str, payload: dict[str, Any], note: str) -> None:
    assert read(catalog, tool, payload).structured["_note"] == note


def test_counting_nothing_is_no_failure(catalog: Catalog) -> None:
    assert read(catalog, "count_unread_emails", {"count": 0}).structured == {"count": 0}


@pytest.mark.parametrize(
    "payload",
    [
        {"status": ["pending"], "verification_status": {"a": 1}},
        {"failed_emails": 3},
        {"data": [1], "failed_count": None},
        {"error": None},
        {"count": "0", "leads_uploaded": None},
    ],
)
def test_fields_of_unexpected_kinds_are_passed_on(catalog: Catalog, payload: dict[str, Any]) -> None:
    assert read(catalog, "bulk_add_leads", payload).structured == payload


def test_a_long_page_is_cut_between_records_and_loses_its_cursor(catalog: Catalog) -> None:
    items = [{"id": str(number), "text": "x" * 500} for number in range(100)]
    found = read(catalog, "list_leads", {"items": items, "next_starting_after": "99"}, limit=10_000)
    assert len(found.text) <= 10_000
    kept = found.structured["items"]
    assert kept == items[: len(kept)]
    assert 10 < len(kept) < 100
    assert "next_starting_after" not in found.structured
    assert f"{len(kept)} of 100 records" in found.structured["_note"]
    assert f"limit {len(kept)}" in found.structured["_note"]


def test_one_record_that_is_too_long_loses_the_end_of_its_texts(catalog: Catalog) -> None:
    mail = {"id": "1", "subject": "Hello", "body": {"html": "y" * 90_000, "text": "z" * 90_000}}
    for payload in (mail, {"items": [mail, mail]}):
        found = read(catalog, "list_emails", payload, limit=5_000)
        assert len(found.text) <= 5_000
        assert "[cut, 90000 characters]" in found.text
        assert '"subject":"Hello"' in found.text


@pytest.mark.parametrize("limit", [1000, 2000, 5000, 20_000])
def test_nothing_is_longer_than_the_limit(catalog: Catalog, limit: int) -> None:
    payloads: list[Any] = [
        {"items": [{"id": i, "a": "é" * (i * 7 % 300)} for i in range(300)]},
        [{"id": i, "a": "b" * 40} for i in range(2000)],
        {"a": "x" * 100_000},
        {"items": [{f"k{i}": "v" * 30 for i in range(400)}]},
        {"status": "success", "created_leads": [{"id": i} for i in range(3000)], "leads_uploaded": 3000},
    ]
    for payload in payloads:
        assert len(read(catalog, "list_leads", payload, limit=limit).text) <= limit
    assert len(compact(payloads[0])) > limit


def test_ids_and_cursors_are_never_cut(catalog: Catalog) -> None:
    lead = {"id": "0199b3d0-0000-7000-8000-000000000001", "payload": {f"key{n}": "v" * 40 for n in range(1200)}}
    found = read(catalog, "list_leads", {"items": [lead], "next_starting_after": lead["id"]}, limit=20_000)
    assert len(found.text) <= 20_000
    assert "[cut, 36" not in found.text


def test_answers_by_address_are_cut_between_addresses(catalog: Catalog) -> None:
    dates = {f"2026-08-{day:02d}": {"sent": 10, "inbox": 9} for day in range(1, 31)}
    data = {"email_date_data": {f"a{n}@b.example": dates for n in range(60)}, "aggregate": {"total": 1}}
    found = read(catalog, "get_warmup_analytics", data, limit=20_000)
    assert len(found.text) <= 20_000
    assert 5 < len(found.structured["email_date_data"]) < 60
    assert found.structured["email_date_data"]["a0@b.example"] == dates
    assert found.structured["aggregate"] == {"total": 1}


def test_a_page_that_keeps_its_items_keeps_its_cursor(catalog: Catalog) -> None:
    page = {"items": [1, 2, 3], "summary": ["x" * 300] * 6, "next_starting_after": "c"}
    found = read(catalog, "list_leads", page, limit=1500).structured
    assert found["items"] == [1, 2, 3]
    assert found["next_starting_after"] == "c"


@pytest.mark.parametrize(
    "payload",
    [
        {"failed_count": "x" * 70_000},
        {"k" * 29_000: ["x" * 20_000] * 3},
        {"next_starting_after": ["x" * 900] * 90},
        {"id": "made-1", "detail": {f"k{n}": n for n in range(20_000)}},
    ],
)
def test_no_odd_answer_is_longer_than_the_limit(catalog: Catalog, payload: dict[str, Any]) -> None:
    found = read(catalog, "bulk_add_leads", payload)
    assert len(found.text) <= 60_000
    assert "too long" in found.structured["_note"]
    assert found.structured.get("id") == payload.get("id")


def test_an_empty_csv_is_no_fault(catalog: Catalog) -> None:
    assert "no content" in read(catalog, "list_leads", None, media="text/csv").structured["_note"]


def test_an_answer_nested_very_deeply_is_no_fault(catalog: Catalog) -> None:
    deep: Any = ["x" * 70_000]
    for _ in range(600):
        deep = {"a": deep}
    assert "_note" in read(catalog, "list_leads", deep).structured
