"""Leads, the lists they lie in, and the labels they are given."""

from __future__ import annotations

from typing import Any

from .demo import (
    BOOK_A_CALL,
    CALL_BACK,
    DAY,
    FINTECH,
    HOUR,
    INES,
    LOGISTICS,
    MAYA,
    MAYA_EMAIL,
    OWNER,
    REP,
    TOM,
)
from .observer import Observer, assert_holds, changed, effect, items_of, without

SKIPS = {"skip_if_in_workspace", "skip_if_in_campaign", "skip_if_in_list"}


def _place(fields: dict[str, Any]) -> dict[str, Any]:
    """The campaign or list that arguments name, as list_leads takes it."""
    if "list_id" in fields:
        return {"list_id": fields["list_id"]}
    return {"campaign": fields.get("campaign") or fields["campaign_id"]}


async def _leads(see: Observer, **where: Any) -> dict[str, dict[str, Any]]:
    return {lead["id"]: lead for lead in await see.all("list_leads", **where)}


FREED = 700
"""Seconds after which a deleted lead does not count against the plan any more."""


async def _count(see: Observer) -> int:
    """The leads that the plan counts: those in campaigns."""
    return (await see.ask("get_workspace_plan"))["subscriptions"]["outreach"]["current_lead_count"]


# one lead


@effect
async def create_lead(see: Observer) -> None:
    count, own = await _count(see), see.given.get("custom_variables", {})
    shown = await see.creates("get_lead", "list_leads", hidden={*SKIPS, "custom_variables"}, **_place(see.given))
    assert_holds(shown["payload"], own)
    assert shown["status"] == 1
    assert await _count(see) == count + ("campaign" in see.given)
    if "campaign" in see.given:
        campaign = await see.ask("get_campaign", id=see.given["campaign"])
        assert set(own) <= set(campaign.get("custom_variables", {}))
        assert shown["campaign"] in await see.ids("search_campaigns_by_contact", search=shown["email"])
    entry = await see.logged()
    assert (entry["activity_type"], entry["affected_count"]) == (9, 1)
    if see.given.get("skip_if_in_workspace"):
        # Nor is this person taken for another campaign now.
        again = await see.ask("create_lead", **{**see.given, "campaign": FINTECH})
        assert again["id"] == shown["id"]


@effect
async def get_lead(see: Observer) -> None:
    after = await see.reads("update_lead", job_title="Seen", also={"timestamp_updated", "payload"})
    assert after["payload"]["jobTitle"] == "Seen"


@effect
async def update_lead(see: Observer) -> None:
    name, changes = {"id": see.given["id"]}, without(see.written, "id", "custom_variables")
    custom = see.given.get("custom_variables", {})
    await see.ask("update_lead", **name, phone="+46 70 000 00 00")
    before = await see.ask("get_lead", **name)
    assert not [field for field in changes if before.get(field) == changes[field]]
    assert not [field for field in custom if before["payload"].get(field) == custom[field]]
    await see.act()
    after = await see.ask("get_lead", **name)
    assert_holds(after, changes)
    assert_holds(after["payload"], custom)
    assert changed(before, after) <= {*changes, "payload", "timestamp_updated"}
    assert not custom or "country" not in after["payload"], "custom variables are replaced as a whole"


@effect
async def delete_lead(see: Observer) -> None:
    count = await _count(see)
    lead = await see.ask("get_lead", id=see.given["id"])
    await see.deletes("get_lead", "list_leads", campaign=lead["campaign"])
    assert (await see.logged())["activity_type"] == 2
    assert await _count(see) == count
    see.wait(FREED)
    assert await _count(see) == count - 1


@effect
async def list_leads(see: Observer) -> None:
    if "list_id" in see.given:
        # Nobody in the list has opened anything yet: somebody who has comes into it.
        await see.outcome(await see.ask("move_leads", ids=[MAYA], campaign=FINTECH, to_list_id=see.given["list_id"]))
    before = {lead["id"]: lead for lead in items_of(await see.act())}
    assert before[MAYA]["job_title"] == "CFO"
    await see.ask("update_lead", id=MAYA, job_title="Seen")
    if "contacts" not in see.given:
        # The same person elsewhere is somebody else.
        await see.ask("create_lead", campaign=LOGISTICS, email=MAYA_EMAIL, lt_interest_status=1)
    after = await _leads(see, **see.given)
    assert after[MAYA]["job_title"] == "Seen"
    for lead in after.values():
        assert lead.get("campaign") == see.given.get("campaign", lead.get("campaign"))
        assert lead.get("list_id") == see.given.get("list_id", lead.get("list_id"))
        assert "filter" not in see.given or lead["lt_interest_status"] == 1
        assert "queries" not in see.given or lead["email_open_count"] > 1
        assert lead["email"] in see.given.get("contacts", [lead["email"]])
    first = items_of(await see.act())
    assert [lead["id"] for lead in first] == list(after)[: see.given.get("limit", 10)]
    await see.ask("delete_lead", id=MAYA)
    assert MAYA not in {lead["id"] for lead in items_of(await see.act())}


@effect
async def merge_leads(see: Observer) -> None:
    source, into = see.given["lead_id"], see.given["destination_lead_id"]
    await see.ask("update_lead", id=source, phone="+46 70 111 22 33")
    see.wait(2 * HOUR)
    before, address = await see.ask("get_lead", id=into), (await see.ask("get_lead", id=source))["email"]
    assert "phone" not in before
    await see.act()
    assert "not found" in await see.refused("get_lead", id=source)
    after = await see.ask("get_lead", id=into)
    assert (after["email"], after["phone"]) == (before["email"], "+46 70 111 22 33")
    # The mail to the one is the other's now.
    assert {mail["lead_id"] for mail in await see.all("list_emails", lead=address)} == {into}
    assert (await see.logged())["activity_type"] == 10


@effect
async def update_lead_interest_status(see: Observer) -> None:
    email, value = see.given["lead_email"], see.written["interest_value"]

    async def interest(campaign: str = FINTECH) -> Any:
        (lead,) = await see.all("list_leads", contacts=[email], campaign=campaign)
        return lead.get("lt_interest_status")

    # The same person in another campaign is meant as well, unless a campaign is named.
    await see.ask("create_lead", campaign=LOGISTICS, email=email, lt_interest_status=2)
    before = await interest()
    assert before != value
    await see.act()
    assert await interest() == before
    see.wait(2)
    assert await interest() == value
    assert await interest(LOGISTICS) == (2 if "campaign_id" in see.given else value)
    asked = {1: "FILTER_LEAD_INTERESTED", -1: "FILTER_LEAD_NOT_INTERESTED"}
    for known, name in asked.items():
        found = await see.ids("list_leads", key="email", campaign=FINTECH, filter=name)
        assert (email in found) == (known == value)


# subsequences


@effect
async def move_lead_to_subsequence(see: Observer) -> None:
    lead, subsequence = see.given["id"], see.given["subsequence_id"]
    assert "subsequence_id" not in await see.ask("get_lead", id=lead)
    await see.act()
    after = await see.ask("get_lead", id=lead)
    assert (after["subsequence_id"], after["status"]) == (subsequence, 1)
    assert lead in await see.ids("list_leads", campaign=FINTECH, filter="FILTER_VAL_IN_SUBSEQUENCE")
    assert (await see.logged())["activity_type"] == 8
    see.wait(1.2 * DAY)
    assert (subsequence, lead) in await _subsequence_emails(see)


@effect
async def remove_lead_from_subsequence(see: Observer) -> None:
    lead = see.given["id"]
    assert (await see.ask("get_lead", id=lead))["subsequence_id"] == BOOK_A_CALL
    await see.ask("move_lead_to_subsequence", id=MAYA, subsequence_id=BOOK_A_CALL)
    await see.act()
    assert "subsequence_id" not in await see.ask("get_lead", id=lead)
    see.wait(1.2 * DAY)
    # Whoever stayed in it gets the email.
    assert await _subsequence_emails(see) == {(BOOK_A_CALL, MAYA)}


async def _subsequence_emails(see: Observer) -> set[tuple[str, str]]:
    mails = await see.emails(FINTECH)
    return {(mail["subsequence_id"], mail["lead_id"]) for mail in mails if "subsequence_id" in mail}


# many leads


@effect
async def bulk_add_leads(see: Observer) -> None:
    count, before = await _count(see), await _leads(see, **_place(see.given))
    answer = await see.act()
    assert answer["leads_uploaded"] == len(see.given["leads"])
    after = await _leads(see, **_place(see.given))
    assert set(after) == {*before, *(made["id"] for made in answer["created_leads"])}
    for made in answer["created_leads"]:
        lead, given = await see.ask("get_lead", id=made["id"]), see.given["leads"][made["index"]]
        assert_holds(lead, without(given, "custom_variables"))
        assert_holds(lead["payload"], given.get("custom_variables", {}))
        assert lead["assigned_to"] == see.given.get("assigned_to", OWNER)
    assert await _count(see) == count + ("campaign_id" in see.given) * len(see.given["leads"])
    # The same people are not taken a second time, as far as they have an address.
    addressed = sum("email" in lead for lead in see.given["leads"])
    again = await see.ask("bulk_add_leads", **without(see.given, "skip_if_in_workspace"))
    assert again["duplicated_leads"] == addressed
    if see.given.get("skip_if_in_workspace"):
        elsewhere = await see.ask("bulk_add_leads", **{**see.given, "campaign_id": FINTECH})
        assert (elsewhere["leads_uploaded"], elsewhere["skipped_count"]) == (0, addressed)


@effect
async def bulk_delete_leads(see: Observer) -> None:
    count, before = await _count(see), await _leads(see, **_place(see.given))
    answer = await see.act()
    after = await _leads(see, **_place(see.given))
    gone = set(before) - set(after)
    assert len(gone) == answer["count"] > 0
    if "ids" in see.given:
        assert gone == set(see.given["ids"])
    else:
        assert {before[lead]["status"] for lead in gone} == {see.given["status"]}
        assert len(gone) == see.given["limit"]
        assert any(lead["status"] == see.given["status"] for lead in after.values())
    for lead in gone:
        assert "not found" in await see.refused("get_lead", id=lead)
    entry = await see.logged()
    assert (entry["activity_type"], entry["affected_count"]) == (2, len(gone))
    see.wait(FREED)
    assert await _count(see) == count - sum("campaign" in before[lead] for lead in gone)


@effect
async def bulk_assign_leads(see: Observer) -> None:
    users = see.given["organization_user_ids"]
    # Somebody interested, in another campaign.
    await see.ask("create_lead", campaign=LOGISTICS, email=MAYA_EMAIL, lt_interest_status=1, assigned_to=OWNER)
    if "list_id" in see.given:
        # Nobody in the list has answered yet: two who have come into it.
        await see.ask("update_lead", id=TOM, assigned_to=OWNER)
        await see.outcome(
            await see.ask("move_leads", ids=[MAYA, TOM], campaign=FINTECH, to_list_id=see.given["list_id"])
        )
    chosen = await _leads(see, **without(see.given, "organization_user_ids", "limit"))
    assert chosen
    before = {lead["id"]: lead.get("assigned_to") for lead in await see.all("list_leads")}
    await see.act()
    see.wait(2)
    after = {lead["id"]: lead.get("assigned_to") for lead in await see.all("list_leads")}
    assert {lead for lead in after if after[lead] != before[lead]} <= set(chosen)
    assert after != before
    owners = [after[lead] for lead in chosen]
    assert set(owners) == set(users[: len(owners)])
    assert max(map(owners.count, users)) - min(map(owners.count, users)) <= 1
    mine = await see.ids("list_leads", organization_user_ids=users[-1:])
    assert mine == {lead for lead, owner in after.items() if owner == users[-1]}


@effect
async def move_leads(see: Observer) -> None:
    target = {"list_id": see.given["to_list_id"]} if "to_list_id" in see.given else {}
    target = target or {"campaign": see.given["to_campaign_id"]}
    if "check_duplicates" in see.given:
        # One of those who are meant is in the list already.
        (known, *_) = await see.all("list_leads", campaign=see.given["campaign"], filter=see.given["filter"])
        await see.ask("create_lead", **target, email=known["email"])
    if "reset_interest_status" in see.given:
        for lead in await see.ids("list_leads", list_id=see.given["list_id"]):
            await see.ask("update_lead", id=lead, lt_interest_status=1)
    selection = {name: see.given[name] for name in ("ids", "campaign", "list_id", "filter") if name in see.given}
    meant = await see.ids("list_leads", key="email", **selection)
    source_before, target_before = await _leads(see, **_place(see.given)), await _leads(see, **target)
    job = await see.act()
    assert (await see.logged())["activity_type"] == 8
    assert await _leads(see, **target) == target_before
    data = await see.outcome(job)
    source, there = await _leads(see, **_place(see.given)), await _leads(see, **target)
    assert 0 < data["moved_leads"] == len(there) - len(target_before)
    new = {lead["email"]: lead for lead_id, lead in there.items() if lead_id not in target_before}
    assert set(new) == set(data["moved_lead_emails"]) <= meant
    assert not set(new) & {lead.get("email") for lead in target_before.values()}
    assert {lead.get("lt_interest_status") for lead in new.values()} == {None}
    if see.given.get("copy_leads"):
        assert source == source_before
        assert not {lead["id"] for lead in new.values()} & set(source)
    else:
        assert {lead["id"] for lead in new.values()} == set(source_before) - set(source)
    if "ids" in see.given:
        assert {lead["id"] for lead in new.values()} == set(see.given["ids"])
    if "esp_code" in see.given:
        assert {lead["esp_code"] for lead in new.values()} == {see.given["esp_code"]}
        assert len(new) <= see.given["limit"]


# lists


@effect
async def create_lead_list(see: Observer) -> None:
    shown = await see.creates("get_lead_list", "list_lead_lists")
    lead = await see.ask("create_lead", list_id=shown["id"], email="nils.berg@fraktlinje.example")
    assert await see.ids("list_leads", list_id=shown["id"]) == {lead["id"]}


@effect
async def get_lead_list(see: Observer) -> None:
    await see.reads("update_lead_list", name="Seen")


@effect
async def list_lead_lists(see: Observer) -> None:
    async def create() -> str:
        return (await see.ask("create_lead_list", name="Fintech, again"))["id"]

    async def create_another() -> str:
        return (await see.ask("create_lead_list", name="Logistics"))["id"]

    assert (await see.lists(create, besides=create_another))["name"] == "Fintech, again"


@effect
async def update_lead_list(see: Observer) -> None:
    await see.updates("get_lead_list", first={"owned_by": REP})


@effect
async def delete_lead_list(see: Observer) -> None:
    inside = await see.ids("list_leads", list_id=see.given["id"])
    await see.deletes("get_lead_list", "list_lead_lists")
    assert (await see.logged())["affected_count"] == len(inside)
    assert "not found" in await see.refused("get_lead", id=min(inside))


@effect
async def get_lead_list_verification_stats(see: Observer) -> None:
    before = await see.act()
    leads = await see.all("list_leads", list_id=see.given["id"])
    assert before["total_leads"] == len(leads)
    assert before["stats"]["verified"] == sum(lead.get("verification_status") == 1 for lead in leads)
    await see.ask(
        "create_lead", list_id=see.given["id"], email="nils.berg@fraktlinje.example", verify_leads_on_import=True
    )
    see.wait(DAY)
    after = await see.act()
    assert after["total_leads"] == before["total_leads"] + 1
    assert after["stats"]["verified"] == before["stats"]["verified"] + 1


# labels


@effect
async def create_lead_label(see: Observer) -> None:
    shown = await see.creates("get_lead_label", "list_lead_labels")
    number = shown["interest_status"]
    types = (await see.ask("list_webhook_event_types"))["event_types"]
    assert {"id": str(number), "label": see.given["label"], "type": "custom_label"} in types
    await see.ask("update_lead_interest_status", lead_email=MAYA_EMAIL, interest_value=number)
    see.wait(2)
    assert (await see.ask("get_lead", id=MAYA))["lt_interest_status"] == number


@effect
async def get_lead_label(see: Observer) -> None:
    await see.reads("update_lead_label", label="Seen")


@effect
async def list_lead_labels(see: Observer) -> None:
    async def create() -> str:
        return (await see.ask("create_lead_label", label="Call again", interest_status_label="positive"))["id"]

    async def create_another() -> str:
        return (await see.ask("create_lead_label", label="Too small", interest_status_label="negative"))["id"]

    assert (await see.lists(create, besides=create_another))["label"] == "Call again"


@effect
async def update_lead_label(see: Observer) -> None:
    await see.updates("get_lead_label")
    label = await see.ask("get_lead_label", id=see.given["id"])
    types = (await see.ask("list_webhook_event_types"))["event_types"]
    assert {"id": str(CALL_BACK), "label": label["label"], "type": "custom_label"} in types


@effect
async def delete_lead_label(see: Observer) -> None:
    ines = await see.ask("get_lead", id=INES)
    await see.ask("update_lead_interest_status", lead_email=ines["email"], interest_value=CALL_BACK)
    see.wait(2)
    assert (await see.ask("get_lead", id=INES))["lt_interest_status"] == CALL_BACK
    listed = await see.ids("list_lead_labels")
    await see.act()
    assert await see.ids("list_lead_labels") == listed - {see.given["id"]}
    assert "not found" in await see.refused("get_lead_label", id=see.given["id"])
    assert (await see.ask("get_lead", id=INES)).get("lt_interest_status") == see.given.get("reassigned_status")


@effect
async def test_ai_reply_label(see: Observer) -> None:
    """A trial: no lead gets the label, but all labels that may be used are considered."""
    leads = await see.all("list_leads", campaign=FINTECH)
    await see.ask("create_lead_label", label="Wants pricing", interest_status_label="positive", use_with_ai=True)
    await see.ask("create_lead_label", label="By hand", interest_status_label="positive")
    answer = await see.act()
    labels = await see.all("list_lead_labels")
    assert set(answer["custom_labels_considered"]) == {label["label"] for label in labels if label.get("use_with_ai")}
    assert "Wants pricing" in answer["custom_labels_considered"]
    assert await see.all("list_leads", campaign=FINTECH) == leads
