from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

CFOS, BADGES = "1157c0de-2b3c-4d5e-9f60-718293a4b501", "1157c0de-2b3c-4d5e-9f60-718293a4b502"
FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
NOWHERE = "1157c0de-2b3c-4d5e-9f60-718293a4bfff"
ANNA = "01991f00-008d-7000-8000-00000000008d"
ROOT = "/supersearch-enrichment"
OPENER = {"output_column": "opener", "model_version": "gpt-5-mini", "prompt": "Write an opening line."}
Wait = Callable[[float], None]


async def add(api: httpx.AsyncClient, resource_id: str = BADGES, **more: Any) -> dict[str, Any]:
    answer = await api.post(f"{ROOT}/", json={"resource_id": resource_id, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def add_column(api: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await api.post(f"{ROOT}/ai", json={"resource_id": BADGES, "resource_type": 2, **OPENER, **more})


async def leads_in(api: httpx.AsyncClient, list_id: str = BADGES) -> list[dict[str, Any]]:
    return (await api.post("/leads/list", json={"list_id": list_id, "limit": 100})).json()["items"]


async def history(api: httpx.AsyncClient, resource_id: str = BADGES, **query: Any) -> list[dict[str, Any]]:
    return (await api.get(f"{ROOT}/history/{resource_id}", params=query)).json()


async def test_a_new_enrichment_runs_by_itself_and_tells_when_it_is_done(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    assert (await api.get(f"{ROOT}/{BADGES}")).json()["exists"] is False
    made = await add(api, type="technologies")
    assert made["enrichment_payload"] == {"technologies": True}
    assert (await api.get(f"{ROOT}/{BADGES}")).json()["in_progress"] is True
    assert {lead["enrichment_status"] for lead in await leads_in(api)} == {11}
    before = world.verification_credits
    wait(5)
    state = (await api.get(f"{ROOT}/{BADGES}")).json()
    assert (state["exists"], state["in_progress"]) == (True, False)
    leads = await leads_in(api)
    assert all(lead["payload"]["technologies"] for lead in leads)
    assert before - world.verification_credits == len(leads) == 20
    (run,) = await history(api)
    assert (run["status"], run["enriched_leads"], run["credits_used"]) == ("completed", 20, 20)
    assert (await api.get(f"/lead-lists/{BADGES}")).json()["has_enrichment_task"] is True


async def test_a_limit_caps_what_is_spent(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    before = world.verification_credits
    await add(api, type="engagement_score", limit=3)
    wait(5)
    assert before - world.verification_credits == 3
    assert sum("engagementScore" in lead["payload"] for lead in await leads_in(api)) == 3


async def test_verification_keeps_what_is_known_of_an_address(api: httpx.AsyncClient, wait: Wait) -> None:
    path = f"/lead-lists/{CFOS}/verification-stats"
    before = (await api.get(path)).json()
    await add(api, CFOS, type="email_verification")
    wait(5)
    assert (await api.get(path)).json() == before


async def test_missing_addresses_are_found_where_they_can_be(api: httpx.AsyncClient, wait: Wait) -> None:
    leads = [{"first_name": "Ada", "last_name": f"Holm{n}", "website": "https://holm.example"} for n in range(20)]
    made = (await api.post("/lead-lists", json={"name": "Names only"})).json()["id"]
    await api.post("/leads/add", json={"list_id": made, "leads": leads})
    await add(api, made, type="work_email_enrichment")
    wait(5)
    found = await leads_in(api, made)
    with_address = [lead for lead in found if "email" in lead]
    assert 0 < len(with_address) < 20
    assert all(lead["email"] == "ada.holm@holm.example" for lead in with_address)
    assert {lead["enrichment_status"] for lead in found} == {1, -1}


async def test_what_is_wanted_must_be_clear_and_exist(api: httpx.AsyncClient) -> None:
    both = {"type": "news", "integration_actions": {"findymail": {"findymail_find_email": {"mapping": {}}}}}
    for more in ({}, both):
        assert (await api.post(f"{ROOT}/", json={"resource_id": BADGES, **more})).status_code == 400
    assert (await api.post(f"{ROOT}/", json={"resource_id": NOWHERE, "type": "news"})).status_code == 404
    for path in (NOWHERE, f"history/{NOWHERE}", f"ai/{NOWHERE}/in-progress"):
        assert (await api.get(f"{ROOT}/{path}")).status_code == 404


async def test_without_credits_nothing_begins(api: httpx.AsyncClient, world: World) -> None:
    world.verification_credits = 0
    assert (await api.post(f"{ROOT}/", json={"resource_id": BADGES, "type": "news"})).status_code == 402
    assert (await add_column(api)).status_code == 402
    assert (await add_column(api, use_instantly_account=False)).status_code == 200


async def test_an_enrichment_names_the_run_that_it_began(api: httpx.AsyncClient) -> None:
    begun = (await api.post(f"{ROOT}/", json={"resource_id": BADGES, "type": "news"})).json()
    newest, *_ = (await api.get(f"{ROOT}/history/{BADGES}")).json()
    assert begun["job_id"] == newest["id"]


# running again


async def test_a_run_does_what_is_left_and_then_has_nothing_to_do(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    before = world.verification_credits
    assert (await api.post(f"{ROOT}/run", json={"resource_id": CFOS})).status_code == 200
    wait(5)
    # Of forty leads, fifteen were not verified and thirty had no opening line.
    assert before - world.verification_credits == 15 + 30
    assert all(lead["payload"]["icebreaker"] for lead in await leads_in(api, CFOS))
    answer = await api.post(f"{ROOT}/run", json={"resource_id": CFOS})
    assert (answer.status_code, set(answer.json())) == (400, {"message"})


async def test_named_leads_are_enriched_again(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    before = world.verification_credits
    assert (await api.post(f"{ROOT}/run", json={"resource_id": CFOS, "lead_ids": [ANNA]})).status_code == 200
    wait(5)
    assert before - world.verification_credits == 2
    assert (await history(api, CFOS))[0]["total_leads"] == 1


async def test_rows_of_one_column_can_be_filled(api: httpx.AsyncClient, wait: Wait) -> None:
    rows = {"resource_id": CFOS, "column_name": "icebreaker", "starting_row": 9, "count": 4}
    assert (await api.post(f"{ROOT}/run", json=rows)).status_code == 200
    wait(5)
    assert (await history(api, CFOS))[0]["total_leads"] == 2
    assert (await api.post(f"{ROOT}/run", json={**rows, "overwrite": True})).status_code == 200
    wait(5)
    assert (await history(api, CFOS))[0]["total_leads"] == 4


async def test_rows_need_a_column_that_there_is(api: httpx.AsyncClient) -> None:
    for more in ({"starting_row": 2}, {"overwrite": True}, {"column_name": "poem"}):
        assert (await api.post(f"{ROOT}/run", json={"resource_id": CFOS, **more})).status_code == 400
    assert (await api.post(f"{ROOT}/run", json={"resource_id": BADGES})).status_code == 404


async def test_filters_choose_the_leads_of_a_run(api: httpx.AsyncClient, wait: Wait) -> None:
    wanted = [{"column_name": "email", "type": 1, "value": ["anna.weber@tresorio.example"]}]
    await api.post(f"{ROOT}/run", json={"resource_id": CFOS, "lead_ids": [ANNA], "filters": wanted})
    wait(5)
    assert (await history(api, CFOS))[0]["total_leads"] == 1
    wanted[0]["value"] = ["nobody@nowhere.example"]
    answer = await api.post(f"{ROOT}/run", json={"resource_id": CFOS, "lead_ids": [ANNA], "filters": wanted})
    assert answer.status_code == 400


async def test_the_history_goes_back_from_the_newest_run(api: httpx.AsyncClient) -> None:
    assert [run["enrichments"] for run in await history(api, CFOS)] == [["ai:icebreaker"], ["email_verification"]]
    assert [run["enrichments"] for run in await history(api, CFOS, offset=1, limit=5)] == [["email_verification"]]


# settings


async def test_leads_that_come_later_are_enriched_only_where_that_is_wanted(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    async def add_lead(email: str) -> dict[str, Any]:
        lead = (await api.post("/leads", json={"list_id": BADGES, "email": email})).json()
        wait(30)
        return (await api.get(f"/leads/{lead['id']}")).json()

    await add(api, type="engagement_score")
    wait(5)
    assert "engagementScore" not in (await add_lead("early@later.example"))["payload"]
    changed = await api.patch(f"{ROOT}/{BADGES}/settings", json={"auto_update": True})
    assert changed.json()["auto_update"] is True
    assert (await api.get(f"{ROOT}/{BADGES}")).json()["auto_update"] is True
    before = world.verification_credits
    assert "engagementScore" in (await add_lead("late@later.example"))["payload"]
    assert before - world.verification_credits == 1
    await api.post("/leads/move", json={"ids": [ANNA], "list_id": CFOS, "to_list_id": BADGES})
    wait(30)
    assert "engagementScore" in (await api.get(f"/leads/{ANNA}")).json()["payload"]
    await api.patch(f"{ROOT}/{BADGES}/settings", json={"auto_update": False})
    assert "engagementScore" not in (await add_lead("too.late@later.example"))["payload"]


async def test_settings_need_an_enrichment(api: httpx.AsyncClient) -> None:
    assert (await api.patch(f"{ROOT}/{BADGES}/settings", json={"auto_update": True})).status_code == 404


# AI columns


async def test_a_column_is_written_and_shows_how_far_it_is(api: httpx.AsyncClient, wait: Wait) -> None:
    made = (await add_column(api, limit=5)).json()
    assert (made["status"], made["output_column"], made["limit"]) == (1, "opener", 5)
    seen = []
    for _ in range(3):
        (column,) = (await api.get(f"{ROOT}/ai/{BADGES}/in-progress")).json()
        seen.append(column["status"])
        wait(1.5)
    assert seen == [1, 2, 3]
    written = [lead for lead in await leads_in(api) if "opener" in lead["payload"]]
    assert len(written) == 5
    assert all(lead["company_name"] in lead["payload"]["opener"] for lead in written)
    assert "opener" in (await api.get(f"{ROOT}/{BADGES}")).json()["enrichment_payload"]["ai_enrichment"]


async def test_a_column_can_be_written_by_a_saved_prompt(api: httpx.AsyncClient, wait: Wait) -> None:
    saved = "9703e001-e3f4-4506-9728-9d0e1f2a3b01"
    assert (await add_column(api, template_id=saved)).json()["template_id"] == saved
    assert (await add_column(api, template_id="nothing")).status_code == 404
    assert (await add_column(api, prompt="")).status_code == 400
    assert (await add_column(api, resource_type=1)).status_code == 404


async def test_values_that_stand_there_are_kept_unless_they_are_to_be_overwritten(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    first = (await leads_in(api))[0]["id"]
    await api.patch(f"/leads/{first}", json={"custom_variables": {"opener": "Mine"}})
    await add_column(api)
    wait(5)
    assert (await api.get(f"/leads/{first}")).json()["payload"]["opener"] == "Mine"
    await add_column(api, overwrite=True)
    wait(5)
    assert (await api.get(f"/leads/{first}")).json()["payload"]["opener"] != "Mine"


async def test_ones_own_account_costs_no_credits(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    before = world.verification_credits
    await add_column(api, use_instantly_account=False)
    wait(5)
    assert world.verification_credits == before
    await add_column(api, overwrite=True)
    wait(5)
    assert before - world.verification_credits == 20


async def test_a_campaign_can_be_enriched_and_webhooks_hear_of_it(api: httpx.AsyncClient, wait: Wait) -> None:
    hook = {"target_hook_url": "https://hooks.example/done", "event_type": "supersearch_enrichment_completed"}
    assert (await api.post("/webhooks", json=hook)).status_code == 200
    await add(api, FINTECH, type="funding", limit=5)
    wait(5)
    events = (await api.get("/webhook-events", params={"limit": 100})).json()["items"]
    (told,) = [event["payload"] for event in events if event["webhook_url"] == hook["target_hook_url"]]
    assert (told["event_type"], told["campaign_id"]) == ("supersearch_enrichment_completed", FINTECH)
