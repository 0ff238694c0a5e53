"""Leads, their lists, labels and verification, and who must not be written to."""

from __future__ import annotations

from typing import Any

from .observer import Observer, Record, changed, effect, ids, named, shows

MOVED = 60.0
"""Seconds after which a move is done."""


def place_of(given: Record) -> Record:
    """Where list_leads finds the leads that a call put somewhere."""
    campaign = given.get("campaign") or given.get("campaign_id")
    return {"campaign": campaign} if campaign else {"list_id": given["list_id"]}


def plain(record: Record) -> Record:
    """What a lead was given under the names under which it is shown."""
    hidden = ("skip_if_in_workspace", "skip_if_in_campaign", "skip_if_in_list", "custom_variables", "leads")
    return {name: value for name, value in record.items() if name not in hidden}


@effect("create_lead")
async def create_lead(see: Observer) -> None:
    before = await see.read("list_leads", **place_of(see.given))
    made = await see.act()
    shown = await see.read("get_lead", id=made["id"])
    shows(shown, plain(see.given))
    shows(shown.get("payload", {}), see.given.get("custom_variables", {}))
    assert ids(await see.read("list_leads", **place_of(see.given))) == [*ids(before), made["id"]]
    if "email" in see.given:
        found = await see.read("search_campaigns_by_contact", search=see.given["email"])
        assert ids(found) == [see.given["campaign"]]


@effect("bulk_add_leads")
async def bulk_add_leads(see: Observer) -> None:
    before = ids(await see.read("list_leads", **place_of(see.given)))
    made = await see.act()
    assert made["leads_uploaded"] == len(made["created_leads"]) > 0
    after = await see.read("list_leads", **place_of(see.given))
    assert ids(after) == [*before, *ids(made["created_leads"])]
    for entry in made["created_leads"]:
        given = see.given["leads"][entry["index"]]
        shown = await see.read("get_lead", id=entry["id"])
        shows(shown, plain(given))
        shows(shown.get("payload", {}), given.get("custom_variables", {}))
        if "assigned_to" in see.given:
            assert shown["assigned_to"] == see.given["assigned_to"]


@effect("update_lead")
async def update_lead(see: Observer) -> None:
    await see.act()
    shown = await see.read("get_lead", id=see.given["id"])
    shows(shown, see.given, "custom_variables")
    shows(shown.get("payload", {}), see.given.get("custom_variables", {}))


@effect("delete_lead")
async def delete_lead(see: Observer) -> None:
    before = await see.read("get_lead", **see.given)
    await see.act()
    await see.is_gone("get_lead", **see.given)
    assert see.given["id"] not in ids(await see.read("list_leads", contacts=[before["email"]]))
    assert (await see.read("list_audit_logs", activity_type=2))[0]["affected_count"] == 1


@effect("bulk_delete_leads")
async def bulk_delete_leads(see: Observer) -> None:
    before = await see.read("list_leads", **place_of(see.given))
    counted = (await see.act())["count"]
    after = await see.read("list_leads", **place_of(see.given))
    gone = [lead for lead in before if lead["id"] not in ids(after)]
    assert (len(gone), len(before) - len(after)) == (counted, counted)
    assert counted > 0
    if "ids" in see.given:
        assert ids(gone) == see.given["ids"]
    if "status" in see.given:
        assert {lead["status"] for lead in gone} == {see.given["status"]}
    await see.is_gone("get_lead", id=gone[0]["id"])


@effect("bulk_assign_leads")
async def bulk_assign_leads(see: Observer) -> None:
    wanted = {name: value for name, value in see.given.items() if name not in ("organization_user_ids", "limit")}
    concerned = ids(await see.read("list_leads", **wanted))[: see.given.get("limit")]
    assert concerned or "queries" in see.given
    before = {lead["id"]: lead.get("assigned_to") for lead in await see.read("list_leads")}
    await see.act()
    see.wait(MOVED)
    after = {lead["id"]: lead.get("assigned_to") for lead in await see.read("list_leads")}
    assert {after[lead] for lead in concerned} == set(see.given["organization_user_ids"][: len(concerned)])
    assert {lead for lead in after if after[lead] != before[lead]} <= set(concerned)
    members = await see.read("list_workspace_members")
    assert {after[lead] for lead in concerned} <= {member.get("user_id") for member in members}


@effect("merge_leads")
async def merge_leads(see: Observer) -> None:
    into = see.given["destination_lead_id"]
    gone = await see.read("get_lead", id=see.given["lead_id"])
    kept = await see.read("get_lead", id=into)
    await see.act()
    await see.is_gone("get_lead", id=see.given["lead_id"])
    after = await see.read("get_lead", id=into)
    assert after["email"] == kept["email"]
    assert {name for name in gone if name in after} >= {"email", "first_name"}
    assert see.given["lead_id"] not in ids(await see.read("list_leads", contacts=[gone["email"]]))


@effect("move_leads")
async def move_leads(see: Observer) -> None:
    source = {
        name: see.given[name] for name in ("campaign", "list_id", "ids", "filter", "esp_code") if name in see.given
    }
    target = (
        {"campaign": see.given["to_campaign_id"]}
        if "to_campaign_id" in see.given
        else {"list_id": see.given["to_list_id"]}
    )
    if "esp_code" in source:
        code = source.pop("esp_code")
        concerned = [lead for lead in await see.read("list_leads", **source) if lead.get("esp_code") == code]
    else:
        concerned = await see.read("list_leads", **source)
    before = await see.read("list_leads", **target)
    job = await see.act()
    assert job["status"] == "pending"
    see.wait(MOVED)
    done = await see.read("get_background_job", id=job["id"])
    assert done["status"] == "success"
    assert job["id"] in ids(await see.read("list_background_jobs", type="move-leads"))
    after = await see.read("list_leads", **target)
    arrived = {lead["email"] for lead in after} - {lead["email"] for lead in before}
    assert arrived
    assert arrived <= {lead["email"] for lead in concerned}
    left = {lead["email"] for lead in await see.read("list_leads", **place_of(see.given))}
    assert (arrived <= left) == bool(see.given.get("copy_leads"))


@effect("update_lead_interest_status")
async def update_lead_interest_status(see: Observer) -> None:
    where = {"contacts": [see.given["lead_email"]]}
    await see.act()
    see.wait(MOVED)
    concerned = [
        lead
        for lead in await see.read("list_leads", **where)
        if lead.get("campaign") == see.given.get("campaign_id", lead.get("campaign"))
    ]
    assert concerned
    assert {lead.get("lt_interest_status") for lead in concerned} == {see.given["interest_value"]}
    if see.given["interest_value"] == 1:
        interested = await see.read("list_leads", campaign=concerned[0]["campaign"], filter="FILTER_LEAD_INTERESTED")
        assert concerned[0]["id"] in ids(interested)
        told = await see.read("list_webhook_events", search=see.given["lead_email"])
        assert isinstance(told, list)


@effect("create_lead_list")
async def create_lead_list(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_lead_list", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_lead_lists", search=see.given["name"]))
    assert (await see.read("get_lead_list_verification_stats", id=made["id"]))["total_leads"] == 0


@effect("update_lead_list")
async def update_lead_list(see: Observer) -> None:
    await changed(see, "get_lead_list", id=see.given["id"])
    shows(named(await see.read("list_lead_lists"), id=see.given["id"]), see.given)


@effect("delete_lead_list")
async def delete_lead_list(see: Observer) -> None:
    leads = await see.read("list_leads", list_id=see.given["id"])
    await see.act()
    await see.is_gone("get_lead_list", **see.given)
    assert see.given["id"] not in ids(await see.read("list_lead_lists"))
    await see.is_gone("get_lead", id=next(lead["id"] for lead in leads if "campaign" not in lead))


@effect("create_lead_label")
async def create_lead_label(see: Observer) -> None:
    made = await see.act()
    shown = await see.read("get_lead_label", id=made["id"])
    shows(shown, see.given)
    assert made["id"] in ids(await see.read("list_lead_labels", search=see.given["label"]))
    kinds = await see.read("list_webhook_event_types")
    assert named(kinds["event_types"], id=str(shown["interest_status"]))["label"] == see.given["label"]


@effect("update_lead_label")
async def update_lead_label(see: Observer) -> None:
    await changed(see, "get_lead_label", id=see.given["id"])
    shows(named(await see.read("list_lead_labels"), id=see.given["id"]), see.given)


@effect("delete_lead_label")
async def delete_lead_label(see: Observer) -> None:
    value = (await see.read("get_lead_label", id=see.given["id"]))["interest_status"]
    lead = (await see.read("list_leads", contacts=["ines.moreau@caissa.example"]))[0]["id"]
    await see.write("update_lead_interest_status", lead_email="ines.moreau@caissa.example", interest_value=value)
    see.wait(MOVED)
    assert (await see.read("get_lead", id=lead))["lt_interest_status"] == value
    await see.act()
    await see.is_gone("get_lead_label", id=see.given["id"])
    assert see.given["id"] not in ids(await see.read("list_lead_labels"))
    see.wait(MOVED)
    assert (await see.read("get_lead", id=lead)).get("lt_interest_status") == see.given.get("reassigned_status")


@effect("test_ai_reply_label")
async def test_ai_reply_label(see: Observer) -> None:
    """The neighbour is the same tool: what a reply says decides its label."""
    answer = await see.act()
    other = await see.write("test_ai_reply_label", reply_text="Please stop writing to me, I am not interested.")
    assert answer != other


def values_of(entries: list[Record]) -> set[Any]:
    return {entry["bl_value"] for entry in entries}


@effect("create_block_list_entry")
async def create_block_list_entry(see: Observer) -> None:
    before = await see.read("list_block_list_entries")
    made = await see.act()
    shows(await see.read("get_block_list_entry", id=made["id"]), see.given)
    assert values_of(await see.read("list_block_list_entries")) - values_of(before) == {see.given["bl_value"]}
    assert see.given["bl_value"] in str(await see.read("download_block_list"))


@effect("bulk_create_block_list_entries")
async def bulk_create_block_list_entries(see: Observer) -> None:
    before = await see.read("list_block_list_entries")
    made = await see.act()
    assert made["valid_count"] == len(see.given["bl_values"])
    assert values_of(await see.read("list_block_list_entries")) - values_of(before) == set(see.given["bl_values"])


@effect("update_block_list_entry")
async def update_block_list_entry(see: Observer) -> None:
    old = (await see.read("get_block_list_entry", id=see.given["id"]))["bl_value"]
    await changed(see, "get_block_list_entry", id=see.given["id"])
    now = values_of(await see.read("list_block_list_entries"))
    assert see.given["bl_value"] in now
    assert old not in now


@effect("delete_block_list_entry")
async def delete_block_list_entry(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_block_list_entry", **see.given)
    assert see.given["id"] not in ids(await see.read("list_block_list_entries"))


@effect("bulk_delete_block_list_entries")
async def bulk_delete_block_list_entries(see: Observer) -> None:
    before = ids(await see.read("list_block_list_entries"))
    await see.act()
    assert set(before) - set(ids(await see.read("list_block_list_entries"))) == set(see.given["ids"])


@effect("delete_all_block_list_entries")
async def delete_all_block_list_entries(see: Observer) -> None:
    before = await see.read("list_block_list_entries")
    concerned = ids(await see.read("list_block_list_entries", **see.given))
    assert 0 < len(concerned) < len(before)
    await see.act()
    assert ids(await see.read("list_block_list_entries")) == [i for i in ids(before) if i not in concerned]


@effect("verify_email")
async def verify_email(see: Observer) -> None:
    def credits(plan: Record) -> float:
        return plan["subscriptions"]["credits"]["available_credits"]

    before = credits(await see.read("get_workspace_plan"))
    told = await see.act()
    assert credits(await see.read("get_workspace_plan")) == before - told["credits_used"]
    assert told["credits_used"] > 0
    pending = see.given["email"].startswith("pending")
    assert (told["verification_status"] == "pending") == pending
    see.wait(MOVED)
    shown = await see.read("get_email_verification", email=see.given["email"])
    assert shown["email"] == see.given["email"]
    assert shown["verification_status"] != "pending"
    if "webhook_url" in see.given:
        (event,) = await see.read("list_webhook_events", search=see.given["webhook_url"])
        assert event["payload"]["email"] == see.given["email"]
