"""What a workspace keeps: sales flows, email templates, prompt templates, phone numbers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
CFO_LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
OPENED = {"actionType": "email-open", "values": {"occurrence-days": 7}}

CREATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/sales-flow", {"name": "Warm ones", "queries": [OPENED]}, {"name": "Hot ones"}),
    ("/email-templates", {"name": "Warm ones", "body": "<p>Hi</p>", "subject": "Hello"}, {"subject": None}),
    (
        "/custom-prompt-templates",
        {"name": "Warm ones", "category": 6, "prompt": "Write a line.", "is_public": False},
        {"category": 1},
    ),
]
RESOURCES = pytest.mark.parametrize(("path", "given", "change"), CREATIONS, ids=[path[1:] for path, _, _ in CREATIONS])


@RESOURCES
async def test_what_is_created_can_be_read_changed_and_deleted(
    api: httpx.AsyncClient, path: str, given: dict[str, Any], change: dict[str, Any]
) -> None:
    created = (await api.post(path, json=given)).json()
    assert {name: created[name] for name in given} == given
    mine = f"{path}/{created['id']}"
    assert (await api.get(mine)).json() == created
    changed = (await api.patch(mine, json=change)).json()
    expected = {name: value for name, value in {**created, **change}.items() if value is not None}
    assert changed == expected
    assert (await api.delete(mine)).json() == changed
    assert (await api.get(mine)).status_code == 404
    assert (await api.patch(mine, json=change)).status_code == 404


@RESOURCES
async def test_the_list_is_newest_first_paged_and_searched(
    api: httpx.AsyncClient, path: str, given: dict[str, Any], change: dict[str, Any]
) -> None:
    before = (await api.get(path)).json()["items"]
    created = (await api.post(path, json=given)).json()
    first = (await api.get(path, params={"limit": 1})).json()
    assert first["items"] == [created]
    rest = await api.get(path, params={"starting_after": first["next_starting_after"]})
    assert rest.json()["items"] == before
    assert (await api.get(path, params={"search": "WARM ON"})).json()["items"] == [created]
    assert (await api.get(path, params={"search": "no such thing"})).json()["items"] == []


@RESOURCES
async def test_names_and_changes_must_be_there(
    api: httpx.AsyncClient, path: str, given: dict[str, Any], change: dict[str, Any]
) -> None:
    nameless = await api.post(path, json={name: value for name, value in given.items() if name != "name"})
    assert nameless.json()["message"] == "body must have required property 'name'"
    created = (await api.post(path, json=given)).json()
    unchanged = await api.patch(f"{path}/{created['id']}", json={})
    assert unchanged.json()["message"] == "body must NOT have fewer than 1 properties"


async def test_a_field_that_was_emptied_holds_no_word_to_be_found(api: httpx.AsyncClient) -> None:
    path, given, change = CREATIONS[1]
    created = (await api.post(path, json=given)).json()
    await api.patch(f"{path}/{created['id']}", json=change)
    assert (await api.get(path, params={"search": "none"})).json()["items"] == []


async def test_a_sales_flow_names_its_campaign_and_its_list(api: httpx.AsyncClient) -> None:
    given = {"name": "CFOs", "queries": [OPENED], "campaign_id": FINTECH, "list_id": CFO_LIST}
    flow = (await api.post("/sales-flow", json=given)).json()
    assert (flow["campaign_name"], flow["list_name"]) == ("Fintech CFOs, autumn", "Fintech CFOs EU")
    await api.patch(f"/campaigns/{FINTECH}", json={"name": "CFOs"})
    assert (await api.get(f"/sales-flow/{flow['id']}")).json()["campaign_name"] == "CFOs"
    everything = {"campaign_id": "all-campaigns", "list_id": "all-lists"}
    changed = (await api.patch(f"/sales-flow/{flow['id']}", json=everything)).json()
    assert ("campaign_id" in changed, "campaign_name" in changed, changed["list_id"]) == (False, False, "all-lists")
    unknown = {**given, "campaign_id": CFO_LIST}
    assert (await api.post("/sales-flow", json=unknown)).status_code == 404


async def test_there_is_one_default_sales_flow(api: httpx.AsyncClient) -> None:
    created = await api.post("/sales-flow", json={"name": "New", "queries": [OPENED], "is_default": True})
    flows = (await api.get("/sales-flow")).json()["items"]
    assert [flow["id"] for flow in flows if flow.get("is_default")] == [created.json()["id"]]


async def test_a_prompt_template_tells_who_made_it(api: httpx.AsyncClient) -> None:
    (template,) = (await api.get("/custom-prompt-templates")).json()["items"]
    assert template["creator"]["payload"]["name"] == {"first": "Nora", "last": "Vance"}


async def test_a_phone_number_that_is_given_up_is_gone(api: httpx.AsyncClient) -> None:
    kept, given_up = (await api.get("/crm-actions/phone-numbers")).json()
    answer = (await api.delete(f"/crm-actions/phone-numbers/{given_up['id']}")).json()
    assert (answer["phone_number"], "price" in answer) == (given_up["phone_number"], False)
    assert (await api.get("/crm-actions/phone-numbers")).json() == [kept]
    assert (await api.delete(f"/crm-actions/phone-numbers/{given_up['id']}")).status_code == 404
