"""AI inbox managers, which answer what leads write, and the list of all agents."""

from __future__ import annotations

from typing import Any

from .demo import MAYA_EMAIL, MAYAS_ANSWER, MINUTE, WARM_SENDERS
from .observer import STAMPS, Fields, Observer, assert_holds, changed, effect, holds, items_of, without

MANAGER, MANAGERS = "get_inbox_manager", "list_inbox_managers"
DEMO = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
COPILOT = {"configuration_type": 1}


async def _hired(see: Observer, **settings: Any) -> str:
    """Another inbox manager, active from now on."""
    made = await see.ask("create_inbox_manager", name="Seen", payload={**COPILOT, **settings})
    return str(made["id"])


async def _answers_to_maya(see: Observer) -> list[Fields]:
    """What she has been sent since the demo began, by agents and by hand."""
    return [mail for mail in await see.all("list_emails", lead=MAYA_EMAIL) if mail["ue_type"] == 3]


async def _replies(see: Observer, agent: str = DEMO, **filters: Any) -> list[Fields]:
    return await see.all("list_inbox_manager_replies", id=agent, **filters)


# managers


@effect
async def create_inbox_manager(see: Observer) -> None:
    shown = await see.creates(MANAGER, MANAGERS)
    assert shown["status"] == 1
    see.wait(10 * MINUTE)
    sent = await _answers_to_maya(see)
    assert [mail["ai_agent_id"] for mail in sent] == [shown["id"]]
    states = {reply["lead"]: reply.get("sending_status") for reply in await _replies(see, shown["id"])}
    assert states[MAYA_EMAIL] == 1


@effect
async def get_inbox_manager(see: Observer) -> None:
    shown = await see.reads("update_inbox_manager", name="Seen", payload={"tags": [WARM_SENDERS]}, also=_ALSO)
    if see.given.get("with_metadata"):
        (tag,) = await see.all("list_custom_tags", tag_ids=WARM_SENDERS)
        assert shown["metadata"]["tags"][WARM_SENDERS]["label"] == tag["label"]
    else:
        assert "metadata" not in shown


_ALSO = {*STAMPS, "metadata"}


@effect
async def list_inbox_managers(see: Observer) -> None:
    async def hire() -> str:
        made = await _hired(see)
        if "status" in see.given:
            await see.ask("update_inbox_manager", id=made, name="Seen at Brightpath", status=0)
        return made

    async def hire_another() -> str:
        return await _hired(see)

    await see.lists(hire, besides=hire_another)


@effect
async def update_inbox_manager(see: Observer) -> None:
    before = await see.ask(MANAGER, id=DEMO)
    await see.act()
    after = await see.ask(MANAGER, id=DEMO)
    assert_holds(after, without(see.given, "id", "clear"))
    assert changed(before, after) <= {*see.given, "payload", *STAMPS}
    if "clear" in see.given:
        assert holds(before, {"payload": {"monthly_credit_budget": 50}})
        assert after["payload"]["monthly_credit_budget"] is None
    see.wait(10 * MINUTE)
    assert len(await _answers_to_maya(see)) == see.given.get("status", 0)


@effect
async def delete_inbox_manager(see: Observer) -> None:
    await see.ask("update_inbox_manager", id=DEMO, status=1)
    await see.deletes(MANAGER, MANAGERS)
    see.wait(10 * MINUTE)
    assert await _answers_to_maya(see) == []


# guidances


GUIDANCE, GUIDANCES = "get_inbox_manager_guidance", "list_inbox_manager_guidances"
OTHER = {"label": "Seen", "category": 4, "instruction": "Say please.", "status": 1}


async def _first_line(see: Observer) -> str:
    """How the demo's manager begins an answer."""
    await see.ask("update_inbox_manager", id=DEMO, status=1)
    see.wait(10 * MINUTE)
    (mail,) = await _answers_to_maya(see)
    return str(mail["content_preview"].partition(",")[0])


@effect
async def create_inbox_manager_guidance(see: Observer) -> None:
    before = {one["id"]: one for one in await see.all(GUIDANCES, id=DEMO)}
    made = await see.act()
    assert_holds(made, without(see.given, "id"))
    after = {one["id"]: one for one in await see.all(GUIDANCES, id=DEMO)}
    assert after[made["id"]] == made
    if see.given["category"] == 0:
        # The basics are there once, so these are the old ones.
        assert (set(after), made["status"], made["instruction"]) == (set(before), 1, "")
        assert await _first_line(see) == "Dear Maya"
    else:
        assert set(after) - set(before) == {made["id"]}


@effect
async def get_inbox_manager_guidance(see: Observer) -> None:
    await see.act()
    await see.ask("update_inbox_manager_guidance", **see.given, instruction="It costs nothing.")
    assert (await see.act())["instruction"] == "It costs nothing."


@effect
async def list_inbox_manager_guidances(see: Observer) -> None:
    async def instruct() -> str:
        return str((await see.ask("create_inbox_manager_guidance", id=DEMO, **OTHER))["id"])

    async def instruct_for_later() -> str:
        return str((await see.ask("create_inbox_manager_guidance", id=DEMO, **{**OTHER, "status": 0}))["id"])

    wanted = "status" in see.given
    assert_holds(await see.lists(instruct, besides=instruct_for_later if wanted else None), OTHER)


@effect
async def update_inbox_manager_guidance(see: Observer) -> None:
    place = {name: see.given[name] for name in ("id", "guidance_id")}
    before = await see.ask(GUIDANCE, **place)
    change = without(see.given, *place)
    assert not holds(before, change)
    await see.act()
    after = await see.ask(GUIDANCE, **place)
    assert_holds(after, change)
    assert changed(before, after) <= {*change, *STAMPS}
    if before["category"] == 0:
        assert await _first_line(see) == "Maya"


@effect
async def delete_inbox_manager_guidance(see: Observer) -> None:
    before = await see.ids(GUIDANCES, id=DEMO)
    await see.act()
    assert await see.ids(GUIDANCES, id=DEMO) == before - {see.given["guidance_id"]}
    assert "not found" in await see.refused(GUIDANCE, **see.given)


# replies and figures


async def _answer_maya(see: Observer) -> None:
    """Have the demo's manager answer."""
    await see.ask("update_inbox_manager", id=DEMO, status=1)
    see.wait(10 * MINUTE)


@effect
async def list_inbox_manager_replies(see: Observer) -> None:
    before = [reply["id"] for reply in items_of(await see.act())]
    assert all("html" not in reply for reply in items_of(await see.act()))
    await _answer_maya(see)
    new = [reply for reply in items_of(await see.act()) if reply["id"] not in before]
    # It was sent, so no person has to look at it.
    assert [reply["in_reply_to"] for reply in new] == ([] if "requires_hitl" in see.given else [MAYAS_ANSWER])


@effect
async def get_inbox_manager_reply(see: Observer) -> None:
    shown = await see.act()
    listed = next(reply for reply in await _replies(see) if reply["id"] == shown["id"])
    assert without(shown, "html") == listed
    assert shown["html"]
    await see.ask("update_inbox_manager_reply", **see.given, feedback_text="Seen")
    assert (await see.act())["feedback_text"] == "Seen"


@effect
async def update_inbox_manager_reply(see: Observer) -> None:
    place = {name: see.given[name] for name in ("id", "reply_id")}
    before = await see.ask("get_inbox_manager_reply", **place)
    emails = await see.ids("list_emails")
    change = without(see.given, *place)
    assert not holds(before, change)
    await see.act()
    after = await see.ask("get_inbox_manager_reply", **place)
    assert_holds(after, change)
    assert changed(before, after) <= {*change, *STAMPS}
    # Nothing is sent by it.
    assert await see.ids("list_emails") == emails


@effect
async def list_inbox_manager_activity(see: Observer) -> None:
    before = {row["id"] for row in items_of(await see.act())}
    assert before
    await _answer_maya(see)
    new = [row for row in items_of(await see.act()) if row["id"] not in before]
    assert [row["lead_email"] for row in new] == ([] if "action_pending" in see.given else [MAYA_EMAIL])


@effect
async def get_inbox_manager_analytics(see: Observer) -> None:
    before = await see.act()
    await _answer_maya(see)
    after = await see.act()
    assert after["total_actions"] == before["total_actions"] + 1
    assert after["time_saved"] > before["time_saved"]
    rows = items_of(await see.ask("get_inbox_manager_analytics_by_date", **see.given))
    assert sum(row["total_actions"] for row in rows) == after["total_actions"]


@effect
async def get_inbox_manager_analytics_by_date(see: Observer) -> None:
    before = items_of(await see.act())
    await _answer_maya(see)
    after = items_of(await see.act())
    assert [row["date"] for row in after] == [row["date"] for row in before]
    assert after[-1]["replies_count"] == before[-1]["replies_count"] + 1
    assert after[:-1] == before[:-1]


# agents of all kinds


@effect
async def list_agent_items(see: Observer) -> None:
    key = "resource_id"

    async def hire() -> str:
        made = await _hired(see)
        await see.ask("update_inbox_manager", id=made, name="Seen at Brightpath")
        return made

    async def hire_another() -> str:
        return await _hired(see)

    item = await see.lists(hire, besides=hire_another, key=key)
    assert (item["status"], item["metadata"]["ai_agent_type"]) == ("Active", 1)


@effect
async def bulk_delete_agent_items(see: Observer) -> None:
    wanted = [item["id"] for item in see.given["items"]]
    before = await see.ids(MANAGERS)
    answer = await see.act()
    gone = set(wanted) & before
    assert set(answer["deleted_ids"]) == gone
    assert [failure["id"] for failure in answer["failed"]] == [one for one in wanted if one not in gone]
    assert all(failure["reason"] for failure in answer["failed"])
    assert await see.ids(MANAGERS) == before - gone
    assert await see.ids("list_agent_items", key="resource_id") & gone == set()
