"""The Unibox, webhooks, templates, and people from SuperSearch with their enrichment."""

from __future__ import annotations

from .observer import Observer, Record, changed, effect, ids, named, shows

MINUTE, HOUR = 60.0, 3600.0
RUNNING, ENDED = 1, 3


async def is_done(see: Observer, resource_id: str) -> Record:
    """Wait until an enrichment has ended."""
    see.wait(10 * MINUTE)
    told = await see.read("get_enrichment", resource_id=resource_id)
    assert told["in_progress"] is False
    return told


@effect("reply_to_email", "forward_email")
async def send_by_hand(see: Observer) -> None:
    to = see.given.get("to_address_email_list")
    answered = await see.read("get_email", id=see.given["reply_to_uuid"])
    before = await see.read("list_emails", eaccount=see.given["eaccount"], email_type="manual")
    sent = await see.act()
    shown = await see.read("get_email", id=sent["id"])
    assert (shown["ue_type"], shown["subject"]) == (3, see.given["subject"])
    assert shown["from_address_email"] == see.given["eaccount"]
    assert shown["to_address_email_list"] == (to or answered["from_address_email"])
    shows(shown, {name: see.given[name] for name in ("cc_address_email_list",) if name in see.given})
    after = await see.read("list_emails", eaccount=see.given["eaccount"], email_type="manual")
    assert set(ids(after)) - set(ids(before)) == {sent["id"]}, "one mail, and one only"
    if to is None:
        thread = await see.read("list_emails", search=f"thread:{answered['thread_id']}")
        assert sent["id"] in ids(thread)


@effect("send_test_email")
async def send_test_email(see: Observer) -> None:
    """A mail of a test is in no thread and counts nowhere; the record of requests has it."""
    before = await see.read("list_emails")
    assert (await see.act())["status"] == "success"
    assert ids(await see.read("list_emails")) == ids(before)
    (request,) = [request for request in see.world.requests if request["path"].endswith("/emails/test")]
    assert request["body"]["to_address_email_list"] == see.given["to_address_email_list"]


@effect("update_email")
async def update_email(see: Observer) -> None:
    unread = (await see.read("count_unread_emails"))["count"]
    was = (await see.read("get_email", id=see.given["id"])).get("is_unread", 0)
    await changed(see, "get_email", id=see.given["id"])
    assert (await see.read("count_unread_emails"))["count"] == unread + see.given["is_unread"] - was


@effect("mark_thread_as_read")
async def mark_thread_as_read(see: Observer) -> None:
    thread = f"thread:{see.given['thread_id']}"
    unread = await see.read("list_emails", search=thread, is_unread=True)
    count = (await see.read("count_unread_emails"))["count"]
    assert unread
    await see.act()
    assert await see.read("list_emails", search=thread, is_unread=True) == []
    assert (await see.read("count_unread_emails"))["count"] == count - len(unread)


@effect("delete_email")
async def delete_email(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_email", **see.given)
    assert see.given["id"] not in ids(await see.read("list_emails"))


@effect("create_webhook")
async def create_webhook(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_webhook", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_webhooks"))


@effect("update_webhook")
async def update_webhook(see: Observer) -> None:
    await changed(see, "get_webhook", id=see.given["id"])
    shows(named(await see.read("list_webhooks"), id=see.given["id"]), see.given)


@effect("delete_webhook")
async def delete_webhook(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_webhook", **see.given)
    assert see.given["id"] not in ids(await see.read("list_webhooks"))


@effect("resume_webhook")
async def resume_webhook(see: Observer) -> None:
    for _ in range(3):
        failing = {"target_hook_url": "https://hooks.brightpath.example/status/503", "event_type": "email_sent"}
        await see.write("update_webhook", **see.given, **failing, campaign=None)
        see.wait(24 * HOUR)
    assert (await see.read("get_webhook", **see.given))["status"] == -1
    await see.act()
    assert (await see.read("get_webhook", **see.given))["status"] == 1


@effect("test_webhook")
async def test_webhook(see: Observer) -> None:
    before = await see.read("list_webhook_events")
    counted = await see.read("get_webhook_events_summary")
    answer = await see.act()
    assert answer["success"]
    (event_id,) = set(ids(await see.read("list_webhook_events"))) - set(ids(before))
    event = await see.read("get_webhook_event", id=event_id)
    url = (await see.read("get_webhook", **see.given))["target_hook_url"]
    assert (event["webhook_url"], event["success"]) == (url, True)
    assert await see.read("get_webhook_events_summary") != counted
    days = await see.read("get_webhook_events_summary_by_date")
    assert "2026-09-07" in str(days)


@effect("enrich_leads_from_supersearch")
async def enrich_leads_from_supersearch(see: Observer) -> None:
    found = await see.read("count_supersearch_leads", search_filters=see.given["search_filters"])
    people = await see.read("preview_supersearch_leads", search_filters=see.given["search_filters"])
    assert 0 < len(people["leads"]) <= found["number_of_leads"]
    target = see.given.get("resource_id")
    before = len(await see.read("list_leads", list_id=target)) if target else 0
    started = await see.act()
    told = await is_done(see, started["resource_id"])
    assert told["exists"]
    job = await see.read("get_background_job", id=started["background_job_id"])
    leads = await see.read("list_leads", list_id=started["resource_id"])
    assert len(leads) - before == job["data"]["imported_leads"]
    assert 0 < job["data"]["imported_leads"] <= see.given["limit"]
    if target is None:
        assert started["resource_id"] in ids(await see.read("list_lead_lists"))
    owned = await see.read(
        "count_supersearch_leads", search_filters={**see.given["search_filters"], "skip_owned_leads": True}
    )
    assert owned["number_of_leads"] < found["number_of_leads"] or see.given["search_filters"].get("skip_owned_leads")


@effect("create_enrichment", "run_enrichment", "create_ai_enrichment")
async def enrich(see: Observer) -> None:
    resource = see.given["resource_id"]
    before = await see.read("get_enrichment_history", resource_id=resource)
    await see.act()
    column = see.given.get("output_column") or see.given.get("column_name")
    if column:
        progress = await see.read("get_ai_enrichment_progress", resource_id=resource)
        assert named(progress, output_column=column)["status"] == RUNNING
    else:
        assert (await see.read("get_enrichment", resource_id=resource))["in_progress"]
    await is_done(see, resource)
    after = await see.read("get_enrichment_history", resource_id=resource)
    assert after != before
    if column:
        progress = await see.read("get_ai_enrichment_progress", resource_id=resource)
        assert named(progress, output_column=column)["status"] == ENDED
        leads = await see.read("list_leads", list_id=resource)
        written = [lead for lead in leads if lead.get("payload", {}).get(column)]
        assert 0 < len(written) <= len(leads)


@effect("update_enrichment_settings")
async def update_enrichment_settings(see: Observer) -> None:
    answer = await see.act()
    told = await see.read("get_enrichment", resource_id=see.given["resource_id"])
    shows({**answer, **told}, see.given)


@effect("list_signal_keywords")
async def list_signal_keywords(see: Observer) -> None:
    """The most used come first, and none is without people."""
    found = (await see.act())["keywords"]
    assert [entry["count"] for entry in found] == sorted((entry["count"] for entry in found), reverse=True)
    assert found[-1]["count"] > 0
    assert len(found) <= see.given.get("limit", len(found))
    assert all(entry["keyword"].startswith(see.given.get("prefix", "")) for entry in found)


@effect("create_email_template")
async def create_email_template(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_email_template", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_email_templates"))


@effect("create_custom_prompt_template")
async def create_custom_prompt_template(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_custom_prompt_template", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_custom_prompt_templates"))


@effect("create_sales_flow")
async def create_sales_flow(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_sales_flow", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_sales_flows"))


@effect("update_email_template", "update_custom_prompt_template", "update_sales_flow")
async def update_saved(see: Observer) -> None:
    kind = see.operation.name.removeprefix("update_")
    await changed(see, f"get_{kind}", id=see.given["id"])
    shows(named(await see.read(f"list_{kind}s"), id=see.given["id"]), see.given)


@effect("delete_email_template", "delete_custom_prompt_template", "delete_sales_flow")
async def delete_saved(see: Observer) -> None:
    kind = see.operation.name.removeprefix("delete_")
    await see.act()
    await see.is_gone(f"get_{kind}", **see.given)
    assert see.given["id"] not in ids(await see.read(f"list_{kind}s"))
