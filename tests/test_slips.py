"""What frameworks, hosts and models put into a call without meaning it, through client, server and sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from .cases import for_each
from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

OPERATIONS = load_catalog().operations
LEAD = "01991f00-0001-7000-8000-000000000001"
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
WEBHOOK = "9e0b0001-5a6b-4c7d-8e9f-0a1b2c3d4e01"
TAG = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
SCHEDULE = {"name": "Days", "timing": {"from": "09:00", "to": "17:00"}, "days": {"1": True}, "timezone": "Etc/GMT+12"}

LISTS = [op for op in OPERATIONS.values() if "starting_after" in op.input_schema["properties"]]


def with_nulls(tool: str, **arguments: Any) -> dict[str, Any]:
    """The arguments as CrewAI and mcp-use send them: every one that the caller left out is null."""
    return dict.fromkeys(OPERATIONS[tool].input_schema["properties"]) | arguments


@pytest.mark.parametrize(
    ("tool", "read", "record", "change"),
    [
        ("update_lead", "get_lead", LEAD, {"job_title": "CEO"}),
        ("update_campaign", "get_campaign", CAMPAIGN, {"name": "Renamed"}),
        ("update_webhook", "get_webhook", WEBHOOK, {"target_hook_url": "https://hooks.example.com/new"}),
        ("update_lead_list", "get_lead_list", LIST, {"name": "Renamed"}),
    ],
)
async def test_a_change_with_nulls_for_all_the_rest_changes_only_what_was_named(
    connect: Connect, tool: str, read: str, record: str, change: dict[str, Any]
) -> None:
    async with connect() as client:
        before = answer_of(await client.call_tool(read, {"id": record}))
        result = await client.call_tool(tool, with_nulls(tool, id=record, **change))
        assert not result.is_error, result.content[0].text
        after = answer_of(await client.call_tool(read, {"id": record}))
    named = {"jobTitle" if name == "job_title" else name for name in change}
    differs = {name for name in {**before, **after} if before.get(name) != after.get(name)}
    assert differs <= {*change, "payload", "timestamp_updated"}
    payload = [side.get("payload") or {} for side in (before, after)]
    assert {name for name in {**payload[0], **payload[1]} if payload[0].get(name) != payload[1].get(name)} <= named
    assert all(after[name] == value for name, value in change.items())


async def test_a_field_is_emptied_when_it_is_named_and_the_rest_stays(connect: Connect) -> None:
    async with connect() as client:
        await client.call_tool("update_lead", {"id": LEAD, "phone": "+46 70 000 00 00"})
        before = answer_of(await client.call_tool("get_lead", {"id": LEAD}))
        result = await client.call_tool("update_lead", with_nulls("update_lead", id=LEAD, clear=["phone"]))
        assert not result.is_error, result.content[0].text
        after = answer_of(await client.call_tool("get_lead", {"id": LEAD}))
    assert before["phone"] and not after.get("phone")
    assert {name for name in before if before[name] != after.get(name)} <= {"phone", "payload", "timestamp_updated"}


BLANKS: list[tuple[str, dict[str, Any], str]] = [
    ("update_campaign", {"name": "Other", "sequences": []}, "sequences: is blank, and would take the place"),
    ("update_campaign", {"sequences": [{"steps": None}]}, "sequences: is blank"),
    ("update_campaign", {"email_list": []}, "email_list: is blank"),
    ("update_campaign", {"email_list": "[]", "email_tag_list": [""], "cc_list": []}, "to empty it, name it in clear"),
    ("update_campaign", {"campaign_schedule": {}}, "campaign_schedule: is blank"),
    ("update_lead", {"custom_variables": {}}, "custom_variables: is blank"),
    ("update_lead", {"custom_variables": {"country": None}}, "custom_variables.country: null says nothing. Send all"),
    ("update_lead", {"custom_variables": {"city": "Oslo", "country": None}}, "custom_variables.country: null says"),
    ("update_lead", {"first_name": "", "job_title": "CEO"}, "first_name: is blank"),
    ("update_lead", {"personalization": " \u200b"}, "to empty it, name it in clear"),
    ("update_subsequence", {"conditions": {"crm_status": []}}, "conditions: is blank"),
    ("update_subsequence", {"conditions": {"crm_status": None}}, "conditions: is blank"),
    ("update_webhook", {"headers": {}}, "to empty it, name it in clear"),
    ("update_custom_tag", {"label": "A", "description": ""}, "to empty it, name it in clear"),
    ("update_inbox_manager", {"payload": {"tags": []}}, "payload.tags: is blank"),
    ("update_inbox_manager", {"payload": {"tags": [], "handle_followup": True}}, "payload.tags: is blank, and would"),
    ("update_inbox_manager", {"payload": {"no_show": {"fallback_sending_accounts": {"accounts": [""]}}}}, "give []"),
    ("update_inbox_manager", {"payload": {"trigger_on_labels": []}}, 'with trigger_on_labels_mode "include" beside it'),
    (
        "update_inbox_manager",
        {"payload": {"trigger_on_labels": [], "trigger_on_labels_mode": "exclude"}},
        "trigger_on_labels: is blank",
    ),
    ("update_sales_agent", {"config": {"outreach_settings": {"email_list": []}}}, "with email_tag_list beside it"),
    (
        "update_sales_agent",
        {"config": {"outreach_settings": {"email_list": [], "email_tag_list": []}}},
        "outreach_settings.email_list: is blank",
    ),
    ("update_sales_agent", {"config": {"outreach_settings": {"email_tag_list": ""}}}, "email_tag_list: is blank"),
    ("update_sales_agent", {"config": {"outreach_settings": {"email_tag_list": [None]}}}, "email_tag_list"),
    ("update_inbox_manager", {"payload": {"no_show": {}}}, "payload.no_show: is blank, and would"),
    ("update_inbox_manager", {"payload": {"no_show": {"fallback_sending_accounts": {}}}}, "sending_accounts: is blank"),
    ("update_inbox_manager", {"payload": {"integrations": {"slack": {}}}}, "payload.integrations.slack: is blank"),
    ("update_sales_agent", {"config": {"outreach_settings": {}}}, "config.outreach_settings: is blank"),
    ("update_sales_agent", {"config": {"memory": {"icps": [], "company": "Brightpath"}}}, "memory.icps: is blank"),
    ("update_sales_agent", {"config": {"memory": {"company": " "}, "position_details": "x"}}, "memory.company: is"),
    ("update_sales_agent", {"config": {"outreach_settings": {"email_list": [""], "daily_limit": 9}}}, "email_list: is"),
    ("update_sales_agent", {"config": {"slack_connection_id": ""}}, "to empty it, name it in clear"),
    ("update_inbox_placement_test", {"automations": []}, "to empty it, name it in clear"),
    ("update_sales_flow", {"queries": [{}]}, "queries: is blank"),
    ("update_saved_search", {"search_filters": {}}, "search_filters: is blank"),
]


@pytest.mark.parametrize(("tool", "change", "said"), BLANKS)
async def test_a_blank_never_takes_the_place_of_what_is_there(
    connect: Connect, world: World, tool: str, change: dict[str, Any], said: str
) -> None:
    async with connect() as client:
        result = await client.call_tool(tool, {"id": LEAD, **change})
    assert result.is_error and said in result.content[0].text, result.content[0].text
    assert world.requests == []


async def test_lists_and_variables_are_emptied_when_they_are_named(connect: Connect, world: World) -> None:
    names = ["email_list", "email_tag_list", "cc_list", "bcc_list", "provider_routing_rules"]
    async with connect() as client:
        result = await client.call_tool("update_campaign", {"id": CAMPAIGN, "clear": [*names, "daily_limit"]})
        assert not result.is_error, result.content[0].text
        assert world.requests[-1]["body"] == {**{name: [] for name in names}, "daily_limit": None}
        assert not any(world.campaigns[CAMPAIGN].get(name) for name in names)
        answer = answer_of(await client.call_tool("update_lead", {"id": LEAD, "clear": ["custom_variables"]}))
        assert world.requests[-1]["body"] == {"custom_variables": {}}
        assert "country" not in answer["payload"]


async def test_slack_is_disconnected_from_a_sales_agent_by_name_and_never_by_a_frameworks_null(
    connect: Connect, world: World
) -> None:
    agent, slack = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "5d1a0009-6b7c-4d8e-9fa0-b1c2d3e4f501"
    given: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
        ({"config": {"slack_connection_id": slack}}, {"config": {"slack_connection_id": slack}}, slack),
        ({"name": "Finance", "config": {"slack_connection_id": None}}, {"name": "Finance", "config": {}}, slack),
        ({"clear": ["config.slack_connection_id"]}, {"config": {"slack_connection_id": None}}, None),
    ]
    async with connect(toolsets=["all"]) as client:
        for change, sent, connected in given:
            result = await client.call_tool("update_sales_agent", {"id": agent, **change})
            assert not result.is_error, result.content[0].text
            assert world.requests[-1]["body"] == sent
            assert world.sales_agents[agent].get("_slack_connection_id") == connected


async def test_a_part_of_a_merged_object_with_nothing_but_nulls_is_not_sent(connect: Connect, world: World) -> None:
    nothing = {"enabled": None, "fallback_sending_accounts": {"accounts": None}}
    before = world.inbox_managers[INBOX_MANAGER]["payload"].get("no_show")
    async with connect(toolsets=["all"]) as client:
        change = {"id": INBOX_MANAGER, "payload": {"handle_followup": True, "no_show": nothing}}
        result = await client.call_tool("update_inbox_manager", change)
    assert not result.is_error, result.content[0].text
    assert world.requests[-1]["body"] == {"payload": {"handle_followup": True}}
    assert world.inbox_managers[INBOX_MANAGER]["payload"].get("no_show") == before


async def test_an_empty_list_that_says_something_is_sent(connect: Connect, world: World) -> None:
    config = {"enrichment_settings": {"signal_targeting_categories": []}}
    given = {"id": "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "config": {**config, "memory": None}}
    async with connect(toolsets=["all"]) as client:
        result = await client.call_tool("update_sales_agent", given)
    assert not result.is_error, result.content[0].text
    assert world.requests[-1]["body"] == {"config": config}


SALES_AGENT = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501"
INBOX_MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"


@pytest.mark.parametrize(
    ("tool", "agent", "change"),
    [
        (
            "update_sales_agent",
            SALES_AGENT,
            {"config": {"outreach_settings": {"email_list": [], "email_tag_list": [TAG]}}},
        ),
        ("update_sales_agent", SALES_AGENT, {"config": {"outreach_settings": {"email_tag_list": []}}}),
        (
            "update_inbox_manager",
            INBOX_MANAGER,
            {"payload": {"handle_followup": True, "trigger_on_labels": [], "trigger_on_labels_mode": "include"}},
        ),
        (
            "update_inbox_manager",
            INBOX_MANAGER,
            {"payload": {"no_show": {"fallback_sending_accounts": {"accounts": [], "tag_ids": []}}}},
        ),
    ],
)
async def test_a_list_within_what_is_merged_is_emptied_where_that_never_means_everything(
    connect: Connect, world: World, tool: str, agent: str, change: dict[str, Any]
) -> None:
    async with connect(toolsets=["all"]) as client:
        result = await client.call_tool(tool, {"id": agent, **change})
    assert not result.is_error, result.content[0].text
    assert world.requests[-1]["body"] == change


async def test_a_change_of_nothing_but_nulls_says_how_a_field_is_emptied(connect: Connect, world: World) -> None:
    async with connect() as client:
        result = await client.call_tool("update_lead", {"id": LEAD, "phone": None})
        both = await client.call_tool("update_lead", {"id": LEAD, "phone": "1", "clear": ["phone"]})
    assert result.is_error
    assert "name it in clear" in result.content[0].text
    assert "phone: is given and named in clear" in both.content[0].text
    assert world.requests == []


@for_each("operation", LISTS)
async def test_a_blank_cursor_asks_for_the_beginning(connect: Connect, operation: Operation) -> None:
    given = {name: value for name, value in operation.examples[0].items() if name != "starting_after"}
    async with connect() as client:
        first = await client.call_tool(operation.name, given)
        assert not first.is_error, first.content[0].text
        for blank in ("", " \n", "null", None):
            again = await client.call_tool(operation.name, {**given, "starting_after": blank})
            assert answer_of(again) == answer_of(first)


async def test_nulls_deep_inside_are_left_out_and_those_that_are_data_stay(connect: Connect, world: World) -> None:
    schedule = {"start_date": None, "end_date": "null", "schedules": [SCHEDULE]}
    leads = [{"email": "a@b.example", "phone": None, "custom_variables": {"plan": None, "size": 3}}]
    async with connect() as client:
        made = await client.call_tool("create_campaign", {"name": "A", "campaign_schedule": schedule})
        added = await client.call_tool("bulk_add_leads", {"campaign_id": CAMPAIGN, "leads": leads})
    assert not made.is_error and not added.is_error
    campaign, bulk = (request["body"] for request in world.requests)
    assert campaign["campaign_schedule"] == {"schedules": [SCHEDULE]}
    assert bulk["leads"] == [{"email": "a@b.example", "custom_variables": {"plan": None, "size": 3}}]


async def test_null_in_an_array_is_refused_once_and_in_words(connect: Connect, world: World) -> None:
    async with connect() as client:
        listed = await client.call_tool("list_leads", {"contacts": ["a@b.example", None]})
        filters = {"title": {"include": ["CFO", None]}}
        counted = await client.call_tool("count_supersearch_leads", {"search_filters": filters})
    assert listed.content[0].text.endswith("arguments. contacts[1]: null is not an item; leave it out.")
    assert counted.content[0].text.endswith("search_filters.title.include[1]: null is not an item; leave it out.")
    assert world.requests == []


async def test_what_a_required_argument_says_null_is_missing(connect: Connect, world: World) -> None:
    async with connect() as client:
        for nothing in (None, "null", " Null "):
            result = await client.call_tool("get_lead", {"id": nothing})
            assert "id: missing, expected an id (UUID)." in result.content[0].text
    assert world.requests == []


async def test_a_null_that_was_meant_to_reset_gets_advice_on_how(connect: Connect, world: World) -> None:
    email = "tom.okafor@ledgerly.example"
    async with connect() as client:
        result = await client.call_tool("update_lead_interest_status", {"lead_email": email, "interest_value": None})
        assert "interest_value: missing, expected a number; to empty it, name it in clear." in result.content[0].text
        assert world.requests == []
        result = await client.call_tool(
            "update_lead_interest_status", {"lead_email": email, "clear": ["interest_value"]}
        )
        assert not result.is_error, result.content[0].text
    assert world.requests[0]["body"] == {"lead_email": email, "interest_value": None}


async def test_null_as_a_text_never_widens_a_call_about_many(connect: Connect, world: World) -> None:
    async with connect() as client:
        for tool in ("bulk_delete_leads", "move_leads"):
            more = {"to_list_id": LIST, "campaign": CAMPAIGN} if tool == "move_leads" else {"campaign_id": CAMPAIGN}
            result = await client.call_tool(tool, {**more, "ids": "null"})
            assert 'ids: the text "null" says nothing' in result.content[0].text
    assert world.requests == []


@pytest.mark.parametrize("nothing", ["null", "None", "undefined", "n/a", ""])
async def test_a_text_that_is_not_an_address_is_refused_in_a_list_of_addresses(
    connect: Connect, world: World, nothing: str
) -> None:
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("update_campaign", "email_list", {"id": CAMPAIGN}),
        ("update_campaign", "cc_list", {"id": CAMPAIGN}),
        ("create_campaign", "email_list", {"name": "New", "campaign_schedule": {"schedules": [SCHEDULE]}}),
        ("bulk_pause_accounts", "emails", {}),
        ("enable_account_warmup", "emails", {}),
        ("disable_account_warmup", "excluded_emails", {"include_all_emails": True}),
        ("move_accounts", "emails", {"source_workspace_id": LIST, "destination_workspace_id": LIST}),
        ("cancel_dfy_accounts", "accounts", {}),
        ("test_account_vitals", "accounts", {}),
        ("create_inbox_placement_test", "emails", {"name": "New", "type": 1, "sending_method": 1}),
        ("update_sales_agent", "config.outreach_settings.email_list", {"id": LEAD}),
    ]
    async with connect() as client:
        for tool, path, more in calls:
            given: Any = ["ben@brightpath.example", nothing]
            for name in reversed(path.split(".")):
                given = {name: given}
            result = await client.call_tool(tool, {**more, **given})
            assert result.is_error and f"{path}[1]: " in result.content[0].text, (tool, result.content[0].text)
    assert world.requests == []


async def test_null_as_a_text_stays_where_any_text_fits(connect: Connect, world: World) -> None:
    async with connect() as client:
        await client.call_tool("update_lead", {"id": LEAD, "last_name": "Null"})
        after = answer_of(await client.call_tool("get_lead", {"id": LEAD}))
    assert after["last_name"] == "Null"


async def test_what_hosts_add_to_a_call_is_dropped_and_nothing_else_is(connect: Connect, world: World) -> None:
    added = {
        "toolCallId": "call_1",
        "sessionId": "s",
        "task_progress": "- [x] read",
        "_sessionID": "s",
        "wait_for_previous": True,
    }
    async with connect() as client:
        result = await client.call_tool("list_campaigns", {"limit": 1, **added})
        assert not result.is_error, result.content[0].text
        (request,) = world.requests
        assert request["query"] == [["limit", "1"]]
        for name in ("session_id", "action", "_meta", "toolcallid"):
            refused = await client.call_tool("list_campaigns", {name: "x"})
            assert f"{name}: unknown." in refused.content[0].text
