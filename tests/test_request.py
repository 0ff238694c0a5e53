"""Requests: what goes into the path, the query and the body."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.api.request import Request, build_request
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.tools.catalog import Catalog

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


def build(catalog: Catalog, tool: str, **arguments: Any) -> Request:
    return build_request(catalog.operations[tool], arguments)


def test_a_path_value_is_encoded_whole(catalog: Catalog) -> None:
    request = build(catalog, "get_account", email="a+b/c?d#e%2F@x.example")
    assert request == Request("GET", "/api/v2/accounts/a%2Bb%2Fc%3Fd%23e%252F%40x.example")


@pytest.mark.parametrize("value", ["", " ", ".", "..", "\t"])
def test_a_path_value_that_would_reach_another_endpoint_is_refused(catalog: Catalog, value: str) -> None:
    with pytest.raises(InvalidArguments, match="Nothing was sent"):
        build(catalog, "get_account", email=value)


def test_query_arrays_are_repeated_keys_and_booleans_are_words(catalog: Catalog) -> None:
    request = build(catalog, "get_campaign_analytics", ids=["a", "b"], exclude_total_leads_count=True)
    assert request.query == (("ids", "a"), ("ids", "b"), ("exclude_total_leads_count", "true"))
    assert request.body is None


def test_a_whole_number_given_as_a_fraction_is_written_as_whole(catalog: Catalog) -> None:
    assert build(catalog, "list_campaigns", limit=10.0).query == (("limit", "10"),)


def test_what_the_path_does_not_take_goes_into_the_body(catalog: Catalog) -> None:
    assert build(catalog, "update_campaign", id=CAMPAIGN, name="New", daily_limit=None) == Request(
        "PATCH", f"/api/v2/campaigns/{CAMPAIGN}", body={"name": "New", "daily_limit": None}
    )


def test_an_operation_without_a_body_sends_none(catalog: Catalog) -> None:
    assert build(catalog, "activate_campaign", id=CAMPAIGN).body is None
    assert build(catalog, "delete_campaign", id=CAMPAIGN).body is None


def test_an_operation_with_a_body_sends_an_empty_object_rather_than_nothing(catalog: Catalog) -> None:
    assert build(catalog, "list_leads").body == {}


def test_a_deletion_can_carry_a_body(catalog: Catalog) -> None:
    request = build(catalog, "bulk_delete_leads", campaign_id=CAMPAIGN, limit=5)
    assert request == Request("DELETE", "/api/v2/leads", body={"campaign_id": CAMPAIGN, "limit": 5})


@pytest.mark.parametrize(
    ("tool", "arguments", "name"),
    [
        ("get_account", {"email": "a" * 70_000 + "@x.example"}, "email"),
        ("get_account", {"email": "é" * 12_000}, "email"),
        ("list_campaigns", {"search": "a" * 70_000, "limit": 5}, "search"),
        ("get_campaign_analytics", {"start_date": "2026-01-01", "ids": [CAMPAIGN] * 1600}, "ids"),
    ],
    ids=["path", "path of two bytes a letter", "query", "list"],
)
def test_what_is_too_long_for_a_url_is_refused_and_named(
    catalog: Catalog, tool: str, arguments: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidArguments, match=f"Nothing was sent.*{name}: too long: [0-9,]+ characters") as caught:
        build(catalog, tool, **arguments)
    assert "at most 60,000" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_just_fits_into_a_url_is_sent(catalog: Catalog) -> None:
    assert build(catalog, "list_campaigns", search="a" * 59_000).target.startswith("/api/v2/campaigns?search=aaa")
