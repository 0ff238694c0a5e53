"""Sending accounts, however they come: connected, ordered, warmed up, tagged, tested."""

from __future__ import annotations

from .observer import Observer, Record, changed, effect, ids, named, shows

HOUR, DAY = 3600.0, 86_400.0
PASSWORDS = ("imap_username", "imap_password", "imap_host", "imap_port", "smtp_username", "smtp_password")
SERVERS = (*PASSWORDS, "smtp_host", "smtp_port")
WARM = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"


def addresses(accounts: list[Record]) -> list[str]:
    return ids(accounts, "email")


@effect("create_account")
async def create_account(see: Observer) -> None:
    before = await see.read("list_accounts")
    await see.act()
    shown = await see.read("get_account", email=see.given["email"])
    shows(shown, see.given, *SERVERS)
    assert "not-a-real-password" not in str(shown)
    assert set(addresses(await see.read("list_accounts"))) == {*addresses(before), see.given["email"]}
    assert await see.read("list_account_campaign_mappings", email=see.given["email"]) == []
    vitals = await see.read("test_account_vitals", accounts=[see.given["email"]])
    assert [found["domain"] for found in vitals["success_list"]] == ["brightpath.example"]


@effect("update_account")
async def update_account(see: Observer) -> None:
    await changed(see, "get_account", email=see.given["email"])


@effect("delete_account")
async def delete_account(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_account", **see.given)
    assert see.given["email"] not in addresses(await see.read("list_accounts"))
    assert (await see.read("list_audit_logs", activity_type=7))[0]["audit_metadata"]["email"] == see.given["email"]


@effect("pause_account", "resume_account", "mark_account_fixed")
async def set_status(see: Observer) -> None:
    wanted = 2 if see.operation.name == "pause_account" else 1
    assert (await see.read("get_account", **see.given))["status"] != wanted
    assert see.given["email"] not in addresses(await see.read("list_accounts", status=wanted))
    await see.act()
    assert (await see.read("get_account", **see.given))["status"] == wanted
    assert see.given["email"] in addresses(await see.read("list_accounts", status=wanted))


@effect("bulk_pause_accounts")
async def bulk_pause_accounts(see: Observer) -> None:
    await see.act()
    assert set(see.given["emails"]) <= set(addresses(await see.read("list_accounts", status=2)))


@effect("move_accounts")
async def move_accounts(see: Observer) -> None:
    members = await see.read("list_workspace_group_members")
    assert see.given["destination_workspace_id"] in ids(members, "sub_workspace_id")
    await see.act()
    for email in see.given["emails"]:
        await see.is_gone("get_account", email=email)
    assert not set(see.given["emails"]) & set(addresses(await see.read("list_accounts")))


@effect("enable_account_warmup", "disable_account_warmup")
async def switch_warmup(see: Observer) -> None:
    wanted = 1 if see.operation.name == "enable_account_warmup" else 0
    job = await see.act()
    see.wait(60)
    done = await see.read("get_background_job", id=job["id"])
    assert (done["status"], done["data"]["failed_count"]) == ("success", 0)
    changed = [entry["email"] for entry in done["data"]["processed_emails"]]
    assert changed
    assert {(await see.read("get_account", email=email))["warmup_status"] for email in changed} == {wanted}
    assert not set(see.given.get("excluded_emails", ())) & set(changed)
    figures = await see.read("get_warmup_analytics", emails=changed)
    assert set(figures["email_date_data"]) <= set(changed)


@effect("create_custom_tag")
async def create_custom_tag(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_custom_tag", id=made["id"]), see.given)
    assert ids(await see.read("list_custom_tags", search=see.given["label"])) == [made["id"]]


@effect("update_custom_tag")
async def update_custom_tag(see: Observer) -> None:
    await changed(see, "get_custom_tag", id=see.given["id"])
    shows(named(await see.read("list_custom_tags"), id=see.given["id"]), see.given)


@effect("delete_custom_tag")
async def delete_custom_tag(see: Observer) -> None:
    assert see.given["id"] in ids(await see.read("list_custom_tag_mappings"), "tag_id")
    await see.act()
    await see.is_gone("get_custom_tag", **see.given)
    assert see.given["id"] not in ids(await see.read("list_custom_tags"))
    assert see.given["id"] not in ids(await see.read("list_custom_tag_mappings"), "tag_id")


@effect("toggle_custom_tag")
async def toggle_custom_tag(see: Observer) -> None:
    (tag,) = see.given["tag_ids"]

    async def tagged() -> set[str]:
        return {m["resource_id"] for m in await see.read("list_custom_tag_mappings") if m["tag_id"] == tag}

    before = await tagged()
    await see.act()
    after = await tagged()
    assert (after > before) == see.given["assign"]
    assert (after < before) == (not see.given["assign"])
    changed = after ^ before
    if "resource_ids" in see.given:
        assert changed == set(see.given["resource_ids"])
    else:
        assert not changed & set(see.given["excluded_resource_ids"])
        assert changed <= set(addresses(await see.read("list_accounts", tag_ids=tag)))


@effect("start_google_oauth", "start_microsoft_oauth")
async def start_oauth(see: Observer) -> None:
    """The session is pending until a person has consented; the tool that tells so is no read, since it tells once."""
    made = await see.act()
    answer = await see.write("get_oauth_session_status", sessionId=made["session_id"])
    assert answer["status"] == "pending"
    see.wait(11 * 60)
    answer = await see.write("get_oauth_session_status", sessionId=made["session_id"])
    assert answer["status"] == "expired"


@effect("get_oauth_session_status")
async def get_oauth_session_status(see: Observer) -> None:
    assert (await see.act())["status"] == "pending"
    see.wait(11 * 60)
    assert (await see.write("get_oauth_session_status", **see.given))["status"] == "expired"
    result = await see.client.call_tool("get_oauth_session_status", see.given)
    assert result.is_error, "the last answer is given once"


@effect("create_dfy_order")
async def create_dfy_order(see: Observer) -> None:
    domains = [item["domain"] for item in see.given["items"]]
    orders, mailboxes = await see.read("list_dfy_orders"), await see.read("list_dfy_accounts")
    new = see.given["order_type"] == "dfy"
    if new:
        (found,) = (await see.read("check_domain_availability", domains=domains))["results"]
        assert found["available"]
    placed = (await see.act())["order_placed"]
    assert placed == (not see.given["simulation"])
    after = await see.read("list_dfy_accounts")
    wanted = [f"{a['email_address_prefix']}@{item['domain']}" for item in see.given["items"] for a in item["accounts"]]
    assert {m["email"] for m in after if m["id"] not in ids(mailboxes)} == (set(wanted) if placed else set())
    assert len(await see.read("list_dfy_orders")) == len(orders) + (placed and new)
    if placed:
        (found,) = (await see.read("check_domain_availability", domains=domains))["results"]
        assert not found["available"]
        see.wait(2 * DAY)
        assert set(wanted) <= set(addresses(await see.read("list_accounts")))


@effect("list_prewarmed_domains")
async def list_prewarmed_domains(see: Observer) -> None:
    """What is ordered is no longer on the list."""
    found = (await see.act())["domains"]
    assert found
    order = {"order_type": "pre_warmed_up", "items": [{"domain": found[0]}], "simulation": False}
    assert (await see.write("create_dfy_order", **order))["order_placed"]
    assert found[0] not in (await see.read("list_prewarmed_domains", **see.given))["domains"]


@effect("suggest_similar_domains")
async def suggest_similar_domains(see: Observer) -> None:
    """What is suggested can be had."""
    found = (await see.act())["domains"]
    assert found
    assert all(domain.endswith(tuple(see.given.get("tlds", ("com", "org")))) for domain in found)
    checked = (await see.read("check_domain_availability", domains=found[:3]))["results"]
    assert all(one["available"] for one in checked)


@effect("cancel_dfy_accounts")
async def cancel_dfy_accounts(see: Observer) -> None:
    await see.act()
    for email in see.given["accounts"]:
        mailbox = named(await see.read("list_dfy_accounts"), email=email)
        assert mailbox["timestamp_cancelled"].startswith("2026-09-07")
    see.wait(31 * DAY)
    assert not set(see.given["accounts"]) & set(addresses(await see.read("list_accounts")))


@effect("get_tracking_domain_status")
async def get_tracking_domain_status(see: Observer) -> None:
    """An account names the domain that it is about."""
    told = await see.act()
    assert told["host"] == see.given["host"]
    other = await see.read("get_tracking_domain_status", host="nothing.brightpath.example")
    assert other != told


@effect("list_inbox_placement_providers")
async def list_inbox_placement_providers(see: Observer) -> None:
    """Its options are what a test takes, and what its recipients then are."""
    options = await see.act()
    made = await see.write(
        "create_inbox_placement_test",
        name="Every provider",
        type=1,
        sending_method=1,
        delivery_mode=1,
        email_subject="Hello",
        email_body="<p>Hello</p>",
        emails=["ada@brightpath.example"],
        recipients_labels=options,
    )
    assert len(made["recipients"]) >= len(options)


@effect("create_inbox_placement_test")
async def create_inbox_placement_test(see: Observer) -> None:
    made = await see.act()
    shown = await see.read("get_inbox_placement_test", id=made["id"])
    shows(shown, see.given, "run_immediately", "emails", "recipients_labels", "schedule")
    assert made["id"] in ids(await see.read("list_inbox_placement_tests"))
    see.wait(8 * DAY)
    rows = await see.read("list_inbox_placement_analytics", test_id=made["id"])
    assert rows
    assert (await see.read("get_inbox_placement_analytics", id=rows[0]["id"]))["test_id"] == made["id"]
    (counted,) = await see.read("get_inbox_placement_stats_by_test", test_ids=[made["id"]])
    assert counted["count"] == len([row for row in rows if row["record_type"] == 2])
    days = await see.read("get_inbox_placement_stats_by_date", test_id=made["id"])
    assert sum(day["received_count"] for day in days) == counted["count"]
    insights = await see.read("get_deliverability_insights", test_id=made["id"])
    assert {pair["recipient_esp"] for pair in insights} == {row["recipient_esp"] for row in rows}
    reports = await see.read("list_inbox_placement_reports", test_id=made["id"])
    assert (await see.read("get_inbox_placement_report", id=reports[0]["id"]))["test_id"] == made["id"]


@effect("update_inbox_placement_test")
async def update_inbox_placement_test(see: Observer) -> None:
    await changed(see, "get_inbox_placement_test", id=see.given["id"])
    if "status" in see.given:
        assert see.given["id"] in ids(await see.read("list_inbox_placement_tests", status=see.given["status"]))


@effect("delete_inbox_placement_test")
async def delete_inbox_placement_test(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_inbox_placement_test", **see.given)
    assert see.given["id"] not in ids(await see.read("list_inbox_placement_tests"))
    assert await see.read("list_inbox_placement_analytics", test_id=see.given["id"]) == []
