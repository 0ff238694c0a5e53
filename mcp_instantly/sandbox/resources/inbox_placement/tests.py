"""Inbox placement tests: emails to seed inboxes, once or by a schedule, to see where they land."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    array,
    boolean,
    choice,
    fields,
    mapping,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.engine.timezones import TIMEZONES
from mcp_instantly.sandbox.resources.inbox_placement import runs
from mcp_instantly.sandbox.resources.inbox_placement.runs import (
    ACTIVE,
    AUTOMATED,
    COMPLETED,
    INSTANTLY,
    ONCE,
    OUTSIDE,
    PAUSED,
)
from mcp_instantly.sandbox.resources.inbox_placement.seeds import SEEDS, choose_recipients
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PLANS = {"pid_ip_g": (ONCE,), "pid_ip_hg": (ONCE, AUTOMATED)}
"""The placement plans, and which types of test each allows."""

SCHEDULE = fields(days=mapping(boolean()), timing=fields(**{"from": text()}), timezone=choice(*TIMEZONES))
AUTOMATION = fields(
    "when then",
    when=fields(
        "condition",
        condition=choice(
            "placement_goes_below", "placement_goes_above", "added_to_blacklists", "removed_from_blacklists"
        ),
        condition_value=nullable(number()),
    ),
    then=fields(
        "",
        {"minProperties": 1},
        webhook_url=text(),
        pause_sending_campaigns_for=number(),
        pause=boolean(),
        enable_slow_ramp=boolean(),
        disable_slow_ramp=boolean(),
        add_tags=array(uuid()),
        remove_tags=array(uuid()),
    ),
)
STATUS = choice(ACTIVE, PAUSED, COMPLETED)
CHANGEABLE = {
    "name": text(),
    "schedule": SCHEDULE,
    "automations": nullable(array(AUTOMATION, minItems=0)),
    "status": nullable(STATUS),
}
LABEL = fields("region sub_region type esp", region=text(), sub_region=text(), type=text(), esp=text())
SETTINGS = {
    **CHANGEABLE,
    "delivery_mode": nullable(choice(1, 2)),
    "description": nullable(text()),
    "type": choice(ONCE, AUTOMATED),
    "sending_method": choice(INSTANTLY, OUTSIDE),
    "campaign_id": nullable(uuid()),
    "email_subject": text(),
    "email_body": text(),
    "emails": array(text()),
    "test_code": nullable(text(pattern=r"^\s*$|^(ptid_)?(?!ptid_)[A-Za-z0-9_-]{1,45}$")),
    "tags": nullable(array(uuid())),
    "text_only": nullable(boolean()),
    "recipients_labels": array(LABEL),
    "timestamp_next_run": nullable(text()),
    "not_sending_status": nullable(choice("daily_limits_hit", "other")),
}


def find(world: World, test_id: str) -> Record:
    """The test with this id. Raises a 404."""
    test = world.placement_tests.get(test_id)
    if not test:
        raise not_found("Inbox placement test")
    return test


@route(
    "POST",
    "/inbox-placement-tests",
    scope="inbox_placement_tests:create",
    body=fields(
        "name type sending_method email_subject email_body emails",
        CLOSED,
        **SETTINGS,
        run_immediately=boolean(),
    ),
)
def create_test(world: World, call: Call) -> Record:
    body = call.body
    if body["type"] not in PLANS.get(world.workspace.get("plan_id_inbox_placement", ""), ()):
        raise ApiRefusal(402, "Your inbox placement plan does not include this type of test")
    _check_senders(world, body)
    _check_schedule(body)
    if body.get("campaign_id") and body["campaign_id"] not in world.campaigns:
        raise not_found("Campaign")
    first_run = _first_run(world, body)
    test = add_test(world, body)
    if first_run:
        world.placement_tests.change(test, timestamp_next_run=first_run)
    if test["status"] == ACTIVE:
        runs.activate(world, test, now=body.get("run_immediately", False))
    return public(test)


def _check_senders(world: World, body: dict[str, Any]) -> None:
    if body["sending_method"] == OUTSIDE:
        return
    if not body["emails"] and not body.get("tags"):
        raise ApiRefusal(400, "Either tags or emails must be provided")
    for name in ("delivery_mode", "recipients_labels"):
        if not body.get(name):
            raise ApiRefusal(400, f"{name} is required when the test is sent from Instantly")
    if any(email.lower() not in world.accounts for email in body["emails"]):
        raise not_found("Account")
    if any(tag not in world.custom_tags for tag in body.get("tags") or ()):
        raise not_found("Custom tag")


def _check_schedule(body: dict[str, Any]) -> None:
    schedule = body.get("schedule")
    if schedule is None:
        if body.get("type") == AUTOMATED:
            raise ApiRefusal(400, "schedule is required for automated tests")
        return
    begins = schedule.get("timing", {}).get("from", runs.MORNING)
    try:
        dt.time.fromisoformat(begins)
    except ValueError:
        raise ApiRefusal(400, "body/schedule/timing/from must be a time of day, HH:MM") from None


def _first_run(world: World, body: dict[str, Any]) -> str | None:
    """When a one-time test is to start, if that is neither now nor past."""
    wanted = body.get("timestamp_next_run")
    if not wanted or body["type"] == AUTOMATED or body.get("run_immediately"):
        return None
    try:
        instant = parse(wanted)
    except ValueError:
        raise ApiRefusal(400, "body/timestamp_next_run must be a timestamp") from None
    return stamp(instant) if instant > world.now() else None


def add_test(world: World, body: dict[str, Any], **more: Any) -> Record:
    """A test as the request describes it; it does not run yet."""
    labels = body.get("recipients_labels") or []
    left_out = {"test_code", "timestamp_next_run", "not_sending_status"}
    return world.placement_tests.add(
        {
            "id": world.uuid7(),
            "organization_id": world.workspace["id"],
            **{name: body[name] for name in SETTINGS if name not in left_out and body.get(name) is not None},
            "emails": [email.lower() for email in body["emails"]],
            "recipients": choose_recipients(labels) if labels else list(SEEDS),
            "timestamp_created": world.stamp(),
            "status": body.get("status") or ACTIVE,
            **_code(world, body),
            **runs.IDLE,
            **more,
        }
    )


def _code(world: World, body: dict[str, Any]) -> Record:
    """The mark of emails that are sent from outside, with its prefix; made up where none was given."""
    given = (body.get("test_code") or "").strip()
    if not given and body["sending_method"] == INSTANTLY:
        return {}
    given = given or f"{world.random.getrandbits(80):020x}"
    return {"test_code": given if given.startswith("ptid_") else f"ptid_{given}"}


@route(
    "GET",
    "/inbox-placement-tests",
    scope="inbox_placement_tests:read",
    query={**PAGE, "search": text(), "status": STATUS, "sort_order": choice("asc", "desc")},
)
def list_tests(world: World, call: Call) -> Record:
    """Newest first, unless asked otherwise."""
    query = call.query
    words = query.get("search", "").lower()
    newest_first = query.get("sort_order", "desc") == "desc"
    tests = world.placement_tests.after(query.get("starting_after"), newest_first=newest_first)
    found = (
        test
        for test in tests
        if words in test["name"].lower() and query.get("status", test["status"]) == test["status"]
    )
    return page(found, query)


@route(
    "GET",
    "/inbox-placement-tests/{id}",
    scope="inbox_placement_tests:read",
    query={"with_metadata": boolean()},
    id=uuid(),
)
def get_test(world: World, call: Call) -> Record:
    test = find(world, call.path["id"])
    if not call.query.get("with_metadata"):
        return public(test)
    campaign = world.campaigns.get(test.get("campaign_id", ""))
    tags = [tag for tag in map(world.custom_tags.get, test.get("tags", ())) if tag]
    metadata: Record = {"tags": {tag["id"]: {"id": tag["id"], "label": tag["label"]} for tag in tags}}
    if campaign:
        metadata["campaign"] = {"id": campaign["id"], "name": campaign["name"]}
    return {**public(test), "metadata": metadata}


@route(
    "PATCH",
    "/inbox-placement-tests/{id}",
    scope="inbox_placement_tests:update",
    body=fields("", {**CLOSED, "minProperties": 1}, **CHANGEABLE),
    id=uuid(),
)
def update_test(world: World, call: Call) -> Record:
    """Schedule and automations are replaced whole. A test whose status becomes active goes on where it stopped."""
    test, body = find(world, call.path["id"]), call.body
    _check_schedule(body)
    before = test["status"]
    settings = {name: body[name] for name in CHANGEABLE if name in body and (name != "status" or body[name])}
    world.placement_tests.change(test, **settings)
    if test["status"] != ACTIVE:
        runs.halt(world, test)
    elif before != ACTIVE:
        runs.activate(world, test)
    elif "schedule" in body:
        runs.plan_next(world, test)
    return public(test)


@route("DELETE", "/inbox-placement-tests/{id}", scope="inbox_placement_tests:delete", id=uuid())
def delete_test(world: World, call: Call) -> Record:
    """A test goes with its results."""
    test = find(world, call.path["id"])
    world.placement_tests.remove(test["id"])
    for results in (world.placement_rows, world.placement_reports):
        for row in results.where(test_id=test["id"]):
            results.remove(row["id"])
    return public(test)
