"""Sending accounts, their warmup, and how a mailbox is connected."""

from __future__ import annotations

from .demo import A_LOOK, ADA, CHLOE, DEV, EVA, FINTECH, HOUR, SENDERS, SISTER, WARM_SENDERS, WEEKDAYS, WORKSPACE
from .observer import Observer, changed, effect, items_of

MAILBOX = {
    f"{protocol}_{field}": value
    for protocol in ("imap", "smtp")
    for field, value in (("username", "x"), ("password", "x"), ("host", "mail.brightpath.example"), ("port", 993))
}


@effect
async def create_account(see: Observer) -> None:
    secret = {name for name in see.given if name.startswith(("imap_", "smtp_"))}
    shown = await see.creates("get_account", "list_accounts", key="email", hidden=secret)
    assert "not-a-real-password" not in str(shown)
    entry = await see.logged()
    assert (entry["activity_type"], entry["audit_metadata"]["email"]) == (6, see.given["email"])


@effect
async def delete_account(see: Observer) -> None:
    email = see.given["email"]
    await see.ask("toggle_custom_tag", tag_ids=[WARM_SENDERS], resource_type=1, assign=True, resource_ids=[email])
    assert email in await see.ids("list_custom_tag_mappings", key="resource_id")
    await see.deletes("get_account", "list_accounts", key="email")
    assert email not in await see.ids("list_custom_tag_mappings", key="resource_id")
    assert (await see.logged())["activity_type"] == 7


@effect
async def get_account(see: Observer) -> None:
    await see.reads("update_account", key="email", signature="Seen", sending_gap=17)


@effect
async def list_accounts(see: Observer) -> None:
    async def put_dev_to_work() -> str:
        await see.ask("resume_account", email=DEV)
        await see.outcome(await see.ask("enable_account_warmup", emails=[DEV]))
        await see.ask("toggle_custom_tag", tag_ids=[WARM_SENDERS], resource_type=1, assign=True, resource_ids=[DEV])
        return DEV

    async def leave_eva() -> str:
        return EVA

    if see.given:
        shown = await see.lists(put_dev_to_work, besides=leave_eva, key="email")
    else:
        # Without a filter the account is there before, as another one.
        before = {item["email"]: item for item in items_of(await see.act())}
        await put_dev_to_work()
        shown = {item["email"]: item for item in items_of(await see.act())}[DEV]
        assert changed(before[DEV], shown) == {"status", "warmup_status", "timestamp_updated"}
    assert (shown["status"], shown["warmup_status"]) == (1, 1)
    if see.given.get("sort_by"):
        scores = [item[see.given["sort_by"]] for item in items_of(await see.act())]
        assert scores == sorted(scores, reverse=see.given["sort_order"] == "desc")
    if see.given.get("include_tags"):
        assert [tag["id"] for tag in shown["tags"]] == [WARM_SENDERS]


@effect
async def update_account(see: Observer) -> None:
    first = {"daily_limit": 7}
    await see.updates("get_account", key="email", first=first, also={"timestamp_updated"})
    assert (await see.logged())["activity_type"] == 36


@effect
async def pause_account(see: Observer) -> None:
    before = await see.ask("get_account", email=see.given["email"])
    await see.act()
    after = await see.ask("get_account", email=see.given["email"])
    assert (before["status"], after["status"]) == (1, 2)
    assert changed(before, after) == {"status", "timestamp_updated"}
    assert see.given["email"] in await see.ids("list_accounts", key="email", filter="ACC_FILTER_PAUSED")


@effect
async def resume_account(see: Observer) -> None:
    assert see.given["email"] in await see.ids("list_accounts", key="email", filter="ACC_FILTER_PAUSED")
    await see.act()
    assert (await see.ask("get_account", email=see.given["email"]))["status"] == 1
    assert see.given["email"] not in await see.ids("list_accounts", key="email", filter="ACC_FILTER_PAUSED")


@effect
async def mark_account_fixed(see: Observer) -> None:
    email = see.given["email"]
    before = await see.ask("get_account", email=email)
    await see.act()
    after = await see.ask("get_account", email=email)
    assert (before["status"], after["status"]) == (-1, 1)
    assert "status_message" not in after
    # Nobody has mended the connection.
    see.wait(HOUR)
    later = await see.ask("get_account", email=email)
    assert (later["status"], later["status_message"]) == (-1, before["status_message"])


@effect
async def bulk_pause_accounts(see: Observer) -> None:
    before = {item["email"]: item["status"] for item in await see.all("list_accounts")}
    await see.act()
    after = {item["email"]: item["status"] for item in await see.all("list_accounts")}
    assert after == {**before, **dict.fromkeys(see.given["emails"], 2)} != before
    status = await see.ask("get_campaign_sending_status", id=FINTECH)
    unavailable = status["diagnostics"]["accounts_summary"]["unavailable"]
    assert unavailable["disconnected"] == len({*SENDERS} & {*see.given["emails"]})


@effect
async def move_accounts(see: Observer) -> None:
    (email,) = see.given["emails"]
    before = await see.ask("get_account", email=email)
    await see.act()
    assert "not found" in await see.refused("get_account", email=email)
    assert email not in await see.ids("list_accounts", key="email")
    async with see.elsewhere(SISTER) as there:
        moved = await there.ask("get_account", email=email)
        assert changed(before, moved) == {"organization"}
        assert moved["organization"] == SISTER
    # From there it can come back.
    await see.ask("move_accounts", emails=[email], source_workspace_id=SISTER, destination_workspace_id=WORKSPACE)
    assert await see.ask("get_account", email=email) == before


@effect
async def enable_account_warmup(see: Observer) -> None:
    if "emails" in see.given:
        await see.outcome(await see.ask("disable_account_warmup", emails=see.given["emails"]))
    await _switches_warmup(see, 1)


@effect
async def disable_account_warmup(see: Observer) -> None:
    await _switches_warmup(see, 0)


async def _switches_warmup(see: Observer, status: int) -> None:
    chosen = set(see.given.get("emails", ()))
    if see.given.get("include_all_emails"):
        filters = {"tag_ids" if name == "tag_id" else name: value for name, value in see.given["filter"].items()}
        chosen = await see.ids("list_accounts", key="email", **filters) - set(see.given["excluded_emails"])
    before = await _warmups(see)
    assert {before[email] for email in chosen} == {1 - status}
    job = await see.act()
    assert await _warmups(see) == before
    data = await see.outcome(job)
    assert data["success_count"] == len(chosen)
    assert await _warmups(see) == {**before, **dict.fromkeys(chosen, status)}


async def _warmups(see: Observer) -> dict[str, int]:
    return {item["email"]: item["warmup_status"] for item in await see.all("list_accounts")}


@effect
async def test_account_vitals(see: Observer) -> None:
    answer = await see.act()
    domains = {email.partition("@")[2] for email in see.given["accounts"]}
    assert {entry["domain"] for entry in answer["success_list"]} == domains
    assert answer["failure_list"] == []
    # A sender of a domain without DKIM fails here, and its placement test says the same.
    await see.ask(
        "create_account", email="x@no-dkim.example", first_name="X", last_name="Y", provider_code=1, **MAILBOX
    )
    test = await see.ask(
        "create_inbox_placement_test",
        name="Records",
        **A_LOOK,
        delivery_mode=2,
        emails=["x@no-dkim.example"],
        recipients_labels=(await see.all("list_inbox_placement_providers"))[:1],
        run_immediately=True,
    )
    see.wait(6 * HOUR)
    rows = await see.all("list_inbox_placement_analytics", test_id=test["id"])
    received = [row for row in rows if row["record_type"] == 2]
    assert received
    assert {(row["spf_pass"], row["dkim_pass"]) for row in received} == {(True, False)}
    (failure,) = (await see.ask("test_account_vitals", accounts=["x@no-dkim.example"]))["failure_list"]
    assert (failure["spf"], failure["dkim"]) == (True, False)


@effect
async def get_tracking_domain_status(see: Observer) -> None:
    assert (await see.act())["cname"] is False
    await see.ask("update_account", email=CHLOE, tracking_domain_name=see.given["host"])
    assert (await see.act())["cname"] is True
    await see.ask("update_account", email=CHLOE, remove_tracking_domain=True)
    assert (await see.act())["cname"] is False


@effect
async def list_account_campaign_mappings(see: Observer) -> None:
    async def name_it_as_sender() -> str:
        made = await see.ask(
            "create_campaign", name="Another", campaign_schedule=WEEKDAYS, email_list=[see.given["email"]]
        )
        return made["id"]

    shown = await see.lists(name_it_as_sender, key="campaign_id")
    assert (shown["campaign_name"], shown["status"]) == ("Another", 0)


# connecting by OAuth


@effect
async def start_google_oauth(see: Observer) -> None:
    await _connects(see, 2)


@effect
async def start_microsoft_oauth(see: Observer) -> None:
    await _connects(see, 3)


async def _connects(see: Observer, provider_code: int) -> None:
    session = await see.act()
    asked = {"sessionId": session["session_id"]}
    assert await see.ask("get_oauth_session_status", **asked) == {"status": "pending"}
    await see.consent(session["auth_url"], email="sam@brightpath.example", name="Sam Rivers", decision="allow")
    done = await see.ask("get_oauth_session_status", **asked)
    assert (done["status"], done["email"]) == ("success", "sam@brightpath.example")
    account = await see.ask("get_account", email="sam@brightpath.example")
    assert (account["provider_code"], account["first_name"]) == (provider_code, "Sam")


@effect
async def get_oauth_session_status(see: Observer) -> None:
    assert await see.act() == {"status": "pending"}
    page = f"/_sandbox/oauth/google/{see.given['sessionId']}"
    await see.consent(page, email=EVA, name="Eva Lund", decision="allow")
    assert (await see.act())["status"] == "success"
    # The broken account is mended, and the result has been told.
    assert (await see.ask("get_account", email=EVA))["status"] == 1
    assert "not found" in await see.refused("get_oauth_session_status", **see.given)
    assert ADA in await see.ids("list_accounts", key="email")
