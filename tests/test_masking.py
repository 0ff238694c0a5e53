"""Arguments in the log: nothing of a person, whatever a call holds and wherever it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_instantly.masking import mask
from mcp_instantly.tools.catalog import Catalog

ID = "01991f00-0001-7000-8000-000000000001"


def masked(catalog: Catalog, tool: str, arguments: dict[str, Any]) -> Any:
    return mask(arguments, catalog.operations[tool].full_schema)


PERSONAL = [
    "maya.lindqvist@fjordpay.example",
    "Maya Lindqvist",
    "JOHN_SMITH",
    "FILTER_MAYA_LINDQVIST",
    "1984-03-07",
    "1984-03-07T10:00:00Z",
    "+47 555 123",
    ID.replace("1", "2"),
    "5f0c2a1e7b1d4c559a340d1f",
    555123,
    1234,
    -0.5,
    True,
]


@pytest.mark.parametrize("secret", PERSONAL, ids=str)
@pytest.mark.parametrize(
    ("tool", "place"),
    [
        ("create_lead", lambda x: {"first_name": x, "phone": x, "personalization": x, "pl_value_lead": x}),
        ("create_lead", lambda x: {"custom_variables": {str(x): x}, "email": [x], "campaign": {"id": x}}),
        ("create_lead", lambda x: {str(x): x, f"{x}_id": x, "limit": x, "date_of_birth": x}),
        ("create_ai_enrichment", lambda x: {"filters": [{str(x): x}, [x]], "prompt": x, "output_column": x}),
        ("create_account", lambda x: {"imap_password": x, "smtp_password": [x], "first_name": x}),
        ("create_webhook", lambda x: {"headers": {"X-Auth": x}, "name": x, "target_hook_url": x}),
        ("forward_email", lambda x: {"variables": x, "body": {"html": x, str(x): x}, "subject": x}),
        ("list_leads", lambda x: {"search": x, "filter": x, "contacts": x, "queries": [{"values": [x]}]}),
        ("update_campaign", lambda x: {"sequences": [{"steps": [{"variants": [{"body": x, str(x): {}}]}]}]}),
        ("no_such_tool", lambda x: {"limit": x, "id": x, str(x): x}),
    ],
)
def test_nothing_personal_is_written_by_name_or_by_value(catalog: Catalog, tool: str, place: Any, secret: Any) -> None:
    schema = catalog.operations[tool].full_schema if tool in catalog.operations else {}
    shown = mask(place(secret), schema)
    assert secret not in leaves(shown)
    assert not isinstance(secret, str) or secret not in json.dumps(shown)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


def test_what_the_schema_shows_to_be_impersonal_is_written(catalog: Catalog) -> None:
    given = {
        "campaign": ID,
        "filter": "FILTER_VAL_REPLIED",
        "limit": 10,
        "in_campaign": True,
        "ids": [ID],
        "search": None,
    }
    assert masked(catalog, "list_leads", given) == given
    dates = {"start_date": "2026-09-07", "end_date": "2026-09-08", "campaign_id": ID}
    assert masked(catalog, "get_daily_campaign_analytics", dates) == dates
    assert masked(catalog, "list_campaigns", {}) == {}


def test_an_address_keeps_its_first_letter_and_its_domain(catalog: Catalog) -> None:
    assert masked(catalog, "verify_email", {"email": "ada.lovelace@example.com"}) == {"email": "a***@example.com"}


def test_what_is_masked_keeps_its_size(catalog: Catalog) -> None:
    given = {
        "email": "a@b.example, c@d.example",
        "first_name": "Ada",
        "custom_variables": {"Maya": 1, "Ada": 2},
        "x": 1,
        "y": 2,
        "phone": 555123,
        "skip_if_in_workspace": "yes",
    }
    assert masked(catalog, "create_lead", given) == {
        "email": "[24 characters]",
        "first_name": "[3 characters]",
        "custom_variables": "[2 fields]",
        "[others]": "[2 fields]",
        "phone": "[number]",
        "skip_if_in_workspace": "[3 characters]",
    }


def test_a_call_of_any_size_makes_a_short_event(catalog: Catalog) -> None:
    leads = {"leads": [{"email": f"lead{number}@example.com"} for number in range(1000)]}
    shown = masked(catalog, "bulk_add_leads", leads)
    assert shown == {"leads": [{"email": "l***@example.com"}] * 5 + ["[995 more]"]}
    for op in catalog.operations.values():
        for example in op.examples:
            assert len(json.dumps(mask(example, op.full_schema))) < 4000
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert masked(catalog, "create_lead", {"first_name": deep, "x" * 5_000_000: "x" * 5_000_000}) == {
        "first_name": "[1 item]",
        "[others]": "[1 field]",
    }
