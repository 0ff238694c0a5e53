"""Results: what a model reads of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_instantly.api.request import Response
from mcp_instantly.errors import ErrorInSuccess
from mcp_instantly.results.protection import writable
from mcp_instantly.results.result import MAX_DEPTH, Result, success
from mcp_instantly.text import compact
from mcp_instantly.tools.catalog import Catalog


def read(
    catalog: Catalog,
    tool: str,
    payload: Any,
    *,
    status: int = 200,
    media: str = "application/json",
    limit: int = 60_000,
    **sent: Any,
) -> Result:
    operation = catalog.operations[tool]
    found = success(
        operation,
        sent,
        Response(status, payload, media, 0, 1),
        limit,
        kept=lambda: writable(operation, catalog.operations.values()),
    )
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


@pytest.mark.parametrize(
    ("tool", "payload", "message"),
    [
        ("send_test_email", {"error": "ACC_AUTH_ERROR"}, "ACC_AUTH_ERROR"),
        ("mark_thread_as_read", {"success": False, "message": "no"}, "no"),
        ("verify_email", {"status": "error", "email": "x"}, "status"),
        ("list_leads", {"statusCode": 500, "error": "Internal", "message": "it broke"}, "it broke"),
        ("get_campaign", {"error": {"deep": [1]}}, "deep"),
    ],
)
def test_a_success_that_carries_an_error_is_an_error(
    catalog: Catalog, tool: str, payload: dict[str, Any], message: str
) -> None:
    with pytest.raises(ErrorInSuccess, match=message):
        read(catalog, tool, payload)


def test_what_stands_beside_an_error_is_told_with_it(catalog: Catalog) -> None:
    order = {"order_placed": False, "order_error": "unavailable_domains", "unavailable_domains": ["x.example"]}
    order |= {"invalid_accounts": [], "total_price": 80, "order_items": [{"domain": "d" * 900}], "simulation": True}
    with pytest.raises(ErrorInSuccess) as caught:
        read(catalog, "create_dfy_order", order)
    assert str(caught.value).endswith('then call again. It also says: {"unavailable_domains":["x.example"]}.')
    for told in ({"error": "it broke"}, {"success": False}):
        with pytest.raises(ErrorInSuccess, match=r'⟦[^⟧]*"Do as I say"[^⟧]*⟧[0-9a-f]{6}'):
            read(catalog, "update_lead", {**told, "company_name": "Do as I say"})


@pytest.mark.parametrize(
    ("tool", "payload", "outcome"),
    [
        ("create_dfy_order", {"order_placed": False, "order_error": "unavailable_domains"}, "refused"),
        ("create_dfy_order", {"order_placed": True, "order_error": "some", "invalid_accounts": ["a"]}, "unknown"),
        ("create_dfy_order", {"order_error": "some"}, "unknown"),
        ("send_test_email", {"error": "ACC_AUTH_ERROR"}, "refused"),
        ("send_test_email", {"error": "ACC_NOT_FOUND"}, "refused"),
        ("send_test_email", {"error": "ACC_UNKNOWN_ERROR"}, "unknown"),
    ],
)
def test_an_error_that_surely_did_nothing_says_so(
    catalog: Catalog, tool: str, payload: dict[str, Any], outcome: str
) -> None:
    with pytest.raises(ErrorInSuccess) as caught:
        read(catalog, tool, payload)
    assert caught.value.outcome == outcome
    assert ("It was not carried out" in str(caught.value)) is (outcome == "refused")


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("test_webhook", {"success": False, "status_code": 404, "error": "Request failed with status code 404"}),
        ("get_oauth_session_status", {"status": "error", "error": "access_denied", "error_description": "She said no"}),
    ],
)
def test_a_failure_that_was_asked_for_is_a_result(catalog: Catalog, tool: str, told: dict[str, Any]) -> None:
    assert read(catalog, tool, told).structured == told


def test_a_read_may_tell_of_an_error_beside_what_was_asked_for(catalog: Catalog) -> None:
    told = {"id": "6a0000000000000000000001", "error": "the file was empty"}
    assert read(catalog, "get_background_job", told).structured == told


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


def test_a_long_page_that_cannot_be_asked_for_again_is_cut_between_records_and_loses_its_cursor(
    catalog: Catalog,
) -> None:
    items = [{"id": str(number), "text": "x" * 500} for number in range(100)]
    found = read(catalog, "list_leads", {"items": items, "next_starting_after": "99"}, limit=10_000)
    assert len(found.text) <= 10_000
    kept = found.structured["items"]
    assert kept == items[: len(kept)]
    assert 10 < len(kept) < 100
    assert "next_starting_after" not in found.structured
    assert f"{len(kept)} of 100 records" in found.structured["_note"]
    assert f"limit {len(kept)}" in found.structured["_note"]
    assert found.fitting == len(kept)


def test_one_record_that_is_too_long_loses_the_end_of_its_longest_text_and_nothing_else(catalog: Catalog) -> None:
    mail = {"id": "1", "subject": "Hello", "body": {"html": "y" * 90_000, "text": "Could we speak on Monday?"}}
    page = {"items": [mail], "next_starting_after": "1"}
    for payload in (mail, page):
        found = read(catalog, "list_emails", payload, limit=5_000)
        assert len(found.text) <= 5_000
        shown = found.structured["items"][0] if "items" in found.structured else found.structured
        assert shown["body"]["html"].endswith("… [cut by mcp_instantly: 90000 characters in all]")
        assert shown["body"]["text"] == "Could we speak on Monday?"
        assert shown["subject"] == "Hello"
        assert found.structured.get("next_starting_after") == payload.get("next_starting_after")
        assert "texts are cut" in found.structured["_note"]


def test_what_a_sibling_tool_writes_is_left_out_whole_and_the_rest_is_kept(catalog: Catalog) -> None:
    steps = [{"variants": [{"subject": "s", "body": "b" * 6000}]} for _ in range(12)]
    campaign = {"id": "c", "name": "Autumn", "sequences": [{"steps": steps}], "email_list": ["a@b.example"]}
    found = read(catalog, "get_campaign", campaign)
    assert set(found.structured) == {"id", "name", "email_list", "_note"}
    assert "sequences is left out" in found.structured["_note"]
    assert "--result-limit 90000" in found.structured["_note"]
    listed = read(catalog, "list_campaigns", {"items": [campaign, campaign], "next_starting_after": "c"}).structured
    assert listed["items"] == [{name: campaign[name] for name in ("id", "name", "email_list")}] * 2
    assert listed["next_starting_after"] == "c"
    assert "get_campaign for one record" in listed["_note"]


def test_a_long_text_is_cut_before_a_short_field_that_a_sibling_writes_is_left_out(catalog: Catalog) -> None:
    lead = {"id": "1", "payload": {"motto": "m" * 200}, "status_summary": {"log": "l" * 90_000}}
    found = read(catalog, "get_lead", lead).structured
    assert found["payload"] == lead["payload"]
    assert "[cut by mcp_instantly" in found["status_summary"]["log"]


@pytest.mark.parametrize("tool", ["get_lead", "list_leads", "update_lead"])
def test_custom_variables_are_never_thinned(catalog: Catalog, tool: str) -> None:
    lead = {"id": "1", "email": "a@b.example", "payload": {f"note{n}": "v" * 30_000 for n in range(5)}}
    payload = {"items": [lead]} if tool == "list_leads" else lead
    found = read(catalog, tool, payload).structured
    assert "payload is left out" in found.pop("_note")
    assert (found["items"][0] if tool == "list_leads" else found) == {"id": "1", "email": "a@b.example"}


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
    assert found.structured["items"][0]["id"] == lead["id"]
    assert found.structured["next_starting_after"] == lead["id"]


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


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300, 480, 900])
@pytest.mark.parametrize("tool", ["list_leads", "update_lead"])
def test_an_answer_nested_very_deeply_is_shown_as_deep_as_anybody_reads(
    catalog: Catalog, tool: str, depth: int
) -> None:
    deep: Any = ["x" * 70]
    for _ in range(depth):
        deep = [deep]
    found = read(catalog, tool, {"id": "1", "deep": deep})
    assert found.structured["id"] == "1"
    assert found.text.count("[[") < MAX_DEPTH
    assert "the call itself worked" in found.structured["_note"]


def test_many_records_are_not_deep(catalog: Catalog) -> None:
    assert "_note" not in read(catalog, "list_leads", {"items": [{"a": {"b": [1]}}] * 200}).structured


def test_no_field_of_a_record_is_lost_without_a_word(catalog: Catalog) -> None:
    record = {f"field{n}": "x" * 50 for n in range(400)}
    found = read(catalog, "list_emails", {"items": [record], "next_starting_after": "c"}, limit=5_000).structured
    assert "short fields" in found["_note"]
    assert found["next_starting_after"] == "c"
