"""A person is asked before what cannot be taken back, as whoever sits at a client sees it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client
from structlog.contextvars import bound_contextvars

from mcp_instantly.api.request import Response
from mcp_instantly.guards.audit import Audit
from mcp_instantly.guards.audit_file import AuditFile, read_trail
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.guards.offering import offer
from mcp_instantly.guards.policy import Policy
from mcp_instantly.guards.prices import price_told
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.guards.risks import DELETES, HANDS_OVER, HOST_ASKS, SENDS, SPENDS, risks_of
from mcp_instantly.guards.safeguards import make_seals
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog
from mcp_instantly.workflows import Context, stop_contacting

from .confirming import DRAFT, KEY, Desk, Human
from .conftest import answer_of, clean_environment, command, over_stdio, served
from .processes import run
from .test_busy_files import VERIFY, policy_guard, repeats

pytestmark = pytest.mark.anyio

linux = pytest.mark.skipif(sys.platform != "linux", reason="where the data folder is told by XDG_DATA_HOME")
GENERATIONS = pytest.mark.parametrize("mode", ["auto", "legacy"])

ACTIVATE = f"POST /api/v2/campaigns/{DRAFT}/activate"
ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LEAD = "01991f00-0001-7000-8000-000000000001"
RECEIVED = "01991f80-0002-7000-8000-000000000002"
ALL = list(load_catalog().tools.values())


@pytest.fixture
def desk(catalog: Catalog, world: World, settings: Settings) -> Desk:
    return Desk(catalog, world, settings)


@pytest.fixture(autouse=True)
def quiet(events: list[dict[str, Any]]) -> None:
    """Log events are kept, and not printed."""


def refusal_of(result: Any) -> str:
    assert result.is_error
    return str(result.content[0].text)


# which calls


def test_what_sends_spends_deletes_or_hands_over_is_told_by_its_file(catalog: Catalog) -> None:
    expected = {
        "reply_to_email": [SENDS],
        "activate_campaign": [SENDS],
        "bulk_add_leads": [SENDS, SPENDS],
        "create_dfy_order": [SPENDS, HANDS_OVER],
        "delete_campaign": [DELETES],
        "merge_leads": [DELETES],
        "bulk_delete_leads": [DELETES],
        "create_api_key": [HANDS_OVER],
        "change_workspace_owner": [DELETES, HANDS_OVER],
        "update_email_template": [],
        "pause_campaign": [],
        "list_api_keys": [],
        "handle_reply": [SENDS],
        "count_leads": [],
    }
    assert {name: risks_of(catalog.tools[name]) for name in expected} == expected


def test_nothing_that_reads_has_a_risk_and_every_costly_effect_is_one() -> None:
    for tool in ALL:
        if tool.read_only:
            assert not risks_of(tool), tool.name
        elif {"sends_email", "spends_credits", "spends_money", "administration"} & set(tool.effects):
            assert risks_of(tool), tool.name


# hosts


def test_hosts_are_told_to_ask_before_what_mails_spends_or_hands_over(settings: Settings) -> None:
    for tool in ALL:
        asks = bool({SENDS, SPENDS, HANDS_OVER} & set(risks_of(tool)))
        assert offer(tool, settings).get("_meta", {}).get(HOST_ASKS, False) is asks, tool.name


@GENERATIONS
@pytest.mark.parametrize("host_asks", [True, False])
async def test_the_wish_goes_over_the_wire_unless_it_is_turned_off(desk: Desk, mode: str, host_asks: bool) -> None:
    async with desk.client(mode=mode, host_asks=host_asks) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    asking = {name for name, tool in tools.items() if (tool.meta or {}).get(HOST_ASKS)}
    assert ("reply_to_email" in asking and "handle_reply" in asking) is host_asks
    assert "list_leads" not in asking
    assert tools["reply_to_email"].annotations.destructive_hint is False


async def test_the_runner_of_writes_asks_where_any_of_them_should(desk: Desk) -> None:
    for chosen, asks in (({"toolsets": ["all"]}, {"run_write_tool"}), ({"tools": ["pause_campaign"]}, set())):
        async with desk.client(discovery=True, chosen=chosen) as client:
            tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools if (tool.meta or {}).get(HOST_ASKS)} == asks


# forms


@GENERATIONS
async def test_a_launch_is_asked_about_with_the_numbers_of_the_moment(desk: Desk, mode: str) -> None:
    human = Human()
    campaign = desk.world.campaigns[DRAFT]
    campaign["email_list"] = ["anna@trybrightpath.example", "ben@trybrightpath.example"]
    async with desk.client(human, mode=mode) as client:
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert desk.writes() == [ACTIVATE]
    (form,) = human.forms
    lines = dict(line.split(": ", 1) for line in form.message.splitlines()[1:] if ": " in line)
    assert "Activate" in form.message.splitlines()[0] and "this can send email." in form.message.splitlines()[0]
    assert lines["campaign"] == campaign["name"]
    assert lines["status"] == "draft"
    assert lines["senders"] == "2"
    assert lines["leads"].isdigit()
    assert lines["first email not before"].endswith("UTC")
    assert len([one for one in desk.world.requests if one["method"] == "GET"]) <= 3
    (field,) = form.requested_schema["properties"].values()
    assert (field["type"], field["default"]) == ("boolean", False)


@GENERATIONS
@pytest.mark.parametrize(
    ("human", "said"),
    [
        (Human("decline"), "The user declined this call."),
        (Human("cancel"), "The user closed the question"),
        (Human("accept", False), "The user declined this call."),
        (Human("accept", None), "The user declined this call."),
        (Human("accept", "true"), "The user declined this call."),
        (Human("accept", 1), "The user declined this call."),
    ],
)
async def test_a_no_is_an_answer_and_nothing_is_sent(desk: Desk, mode: str, human: Human, said: str) -> None:
    async with desk.client(human, mode=mode) as client:
        answer = answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert desk.writes() == []
    assert answer["confirmed"] is False
    assert answer["_note"].startswith(said)
    assert "Nothing was sent. Do not make this call again" in answer["_note"]


async def test_a_call_that_is_given_up_while_its_form_is_open_was_not_sent(desk: Desk, tmp_path: Path) -> None:
    audit = Audit(AuditFile(tmp_path / "audit.jsonl"), desk.catalog.operations)
    policy, _ = policy_guard(tmp_path)
    stands = [audit, Repeats(60), repeats(tmp_path), policy]
    given = ("verify_email", {"email": "ok@a.example"})
    async with desk.client(Human(before=lambda: scope.cancel()), mode="legacy", guards=stands) as client:
        with anyio.CancelScope() as scope:
            await client.call_tool(*given)
    assert scope.cancelled_caught and desk.writes() == []
    # Its policy allows one, and the same call is not held.
    async with desk.client(Human(), mode="legacy", guards=stands) as client:
        answer_of(await client.call_tool(*given))
    assert desk.writes() == [VERIFY]
    assert [entry["outcome"] for entry in read_trail(tmp_path / "audit.jsonl").entries.values()] == ["not_sent", "done"]


@GENERATIONS
async def test_what_has_no_risk_is_not_asked_about(desk: Desk, mode: str) -> None:
    human = Human("decline")
    async with desk.client(human, mode=mode) as client:
        answer_of(await client.call_tool("create_lead_list", {"name": "A"}))
        answer_of(await client.call_tool("stop_contacting", {"who": ["kontor.example"], "preview": True}))
    assert human.forms == []


@GENERATIONS
async def test_a_workflow_is_asked_about_once_before_it_begins(
    desk: Desk, mode: str, events: list[dict[str, Any]]
) -> None:
    given = {"email_id": RECEIVED, "body": {"text": "Thursday suits us."}}
    no, yes = Human("decline"), Human()
    async with desk.client(no, mode=mode) as client:
        assert answer_of(await client.call_tool("handle_reply", given))["confirmed"] is False
    assert desk.writes() == []
    async with desk.client(yes, mode=mode) as client:
        assert answer_of(await client.call_tool("handle_reply", given))["answer"]["outcome"] == "done"
    assert len(no.forms) == len(yes.forms) == 1
    assert "replies to: " in yes.forms[0].message and "Thursday suits us." in yes.forms[0].message
    assert "POST /api/v2/emails/reply" in desk.writes()
    told = [event["confirmed"] for event in events if event.get("tool") == "reply_to_email"]
    assert told == ["form"]


async def test_a_workflow_that_was_to_change_nothing_can_call_nothing_with_a_risk(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(context: Context, _: dict[str, Any]) -> dict[str, Any]:
        return {"done": await context.call("remove_lead_from_subsequence", id=LEAD)}

    monkeypatch.setattr(stop_contacting, "run", run)
    given = {"who": ["kontor.example"], "preview": True}
    async with desk.client() as client:
        said = refusal_of(await client.call_tool("stop_contacting", given))
    assert "stop_contacting was not confirmed to call remove_lead_from_subsequence" in said
    assert desk.writes() == []


@GENERATIONS
async def test_a_number_that_cannot_be_read_is_unknown_and_the_form_comes_all_the_same(desk: Desk, mode: str) -> None:
    human = Human("decline")
    missing = "c0a80101-ffff-4f3a-8b4c-5d6e7f8a9bff"
    async with desk.client(human, mode=mode) as client:
        await client.call_tool("activate_campaign", {"id": missing})
    assert "campaign: unknown" in human.forms[0].message
    assert "senders: unknown" in human.forms[0].message


ORDER = {
    "order_type": "dfy",
    "items": [
        {
            "domain": "brightpath-outreach-example.com",
            "accounts": [{"email_address_prefix": "noor", "first_name": "Noor", "last_name": "Haddad"}],
        }
    ],
}
COMPANIES = {
    "name": "Shops",
    "provider_id": "builtwith",
    "company_source_id": "technology_search",
    "filters": {"technologies": ["Shopify"]},
    "limit": 1000,
}
EXAMPLE_OF_PLACEMENT = load_catalog().tools["create_inbox_placement_test"].examples[0]
MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
LOOKUP = {"provider_id": "hunter", "action_id": "find_email", "inputs": {"domain": "clearhouse.example"}}


@pytest.mark.parametrize(
    ("tool", "arguments", "price"),
    [
        ("verify_email", {"email": "x@y.example"}, "1 credit at most"),
        ("create_lead", {"campaign": ACTIVE, "email": "x@y.example"}, "no credits"),
        (
            "bulk_add_leads",
            {"campaign_id": ACTIVE, "leads": [{"email": "x@y.example"}] * 3, "verify_leads_on_import": True},
            "3 credits at most",
        ),
        ("import_rows", {"campaign_id": ACTIVE, "rows": [{"email": "x@y.example"}]}, "no credits"),
        (
            "import_rows",
            {"campaign_id": ACTIVE, "rows": [{"email": "x@y.example"}], "verify_leads_on_import": True},
            "1 credit at most",
        ),
        ("create_company_list", COMPANIES, "2,000 credits at most (2 for each of up to 1,000 records)"),
        ("create_company_list", {**COMPANIES, "company_source_id": "gone"}, "unknown"),
        ("run_integration", {**LOOKUP, "credential_source": "instantly_key"}, "2 credits at most"),
        (
            "run_integration",
            {**LOOKUP, "credential_source": "workspace_key"},
            "no credits; the workspace's own account at the provider pays",
        ),
        ("create_dfy_order", ORDER, "unknown; the same call with simulation true tells it"),
        ("create_dfy_order", {**ORDER, "simulation": True}, "nothing: it only asks for it"),
        (
            "update_inbox_manager",
            {"id": MANAGER, "payload": {"monthly_credit_budget": 1_234_567}},
            "up to 1,234,567 credits a month (monthly_credit_budget)",
        ),
    ],
)
async def test_a_form_has_the_price_where_instantly_tells_it(
    desk: Desk, tool: str, arguments: dict[str, Any], price: str
) -> None:
    human = Human("decline")
    async with desk.client(human) as client:
        await client.call_tool(tool, arguments)
    lines = human.forms[0].message.splitlines()
    assert f"price: {price}" in lines
    (left,) = [line for line in lines if line.startswith("credits left: ")]
    assert left != "credits left: unknown"
    assert len([one for one in desk.world.requests if one["method"] == "GET"]) <= 3
    assert desk.writes() == []


@pytest.mark.parametrize(
    ("cost", "price"),
    [
        (50, "3,276,800 credits at most (50 for each of up to 65,536 records)"),
        (1_234_567.25, "80,908,599,296 credits at most (1,234,567.25 for each of up to 65,536 records)"),
        (0.00001, "0.65536 credits at most (0.00001 for each of up to 65,536 records)"),
    ],
)
def test_a_price_has_all_its_digits_however_large_or_small_it_is(catalog: Catalog, cost: float, price: str) -> None:
    asked = price_told(catalog.operations["create_company_list"], {**COMPANIES, "limit": 65_536})
    source = {name: COMPANIES[name] for name in ("provider_id", "company_source_id")}
    assert asked is not None
    assert asked.tell({"items": [{**source, "credit_cost_per_saved_record": cost}]}) == {"price": price}


async def test_the_credits_of_a_placement_test_are_those_of_its_own_plan(desk: Desk) -> None:
    human = Human("decline")
    async with desk.client(human) as client:
        await client.call_tool("create_inbox_placement_test", dict(EXAMPLE_OF_PLACEMENT))
    # The sandbox says, as Instantly does where there is no number, null.
    assert "credits left: unknown" in human.forms[0].message.splitlines()


@GENERATIONS
@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("verify_email", {"email": "maya.lindqvist@fjordpay.example"}, r"credits left: "),
        ("bulk_delete_leads", {"campaign_id": DRAFT}, r"leads matched: "),
        ("delete_lead_list", {"id": "1157c0de-2b3c-4d5e-9f60-718293a4b501"}, r"acts on: "),
        (
            "reply_to_email",
            {
                "reply_to_uuid": RECEIVED,
                "eaccount": "anna@trybrightpath.example",
                "subject": "Re: Hello",
                "body": {"text": "x"},
            },
            r"replies to: ",
        ),
        (
            "enrich_leads_from_supersearch",
            {"search_filters": {"title": {"include": ["CFO"]}}, "limit": 20, "work_email_enrichment": True},
            "people matched: ",
        ),
    ],
)
async def test_a_form_has_the_numbers_that_matter_for_its_tool(
    desk: Desk, mode: str, tool: str, arguments: dict[str, Any], line: str
) -> None:
    human = Human("decline")
    async with desk.client(human, mode=mode) as client:
        await client.call_tool(tool, arguments)
    (said,) = [found for found in human.forms[0].message.splitlines() if found.startswith(line)]
    assert "unknown" not in said
    assert desk.writes() == []


MAYA, KARL = "maya.lindqvist@fjordpay.example", "karl.jensen@nordbank.example"
USER = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02"


@pytest.mark.parametrize(
    ("tool", "arguments", "matched"),
    [
        ("move_leads", {"contacts": [MAYA], "to_campaign_id": DRAFT}, 1),
        ("move_leads", {"contacts": [MAYA, KARL], "to_campaign_id": DRAFT, "assigned_to": USER, "limit": 1}, 1),
        ("move_leads", {"campaign": ACTIVE, "esg_code": "all", "to_campaign_id": DRAFT}, 0),
        ("move_leads", {"campaign": ACTIVE, "to_campaign_id": DRAFT}, "100 or more"),
        ("move_leads", {"campaign": ACTIVE, "esp_code": 0, "to_campaign_id": DRAFT}, "unknown"),
        ("bulk_delete_leads", {"campaign_id": ACTIVE, "status": 1}, "unknown"),
        (
            "bulk_assign_leads",
            {"campaign": ACTIVE, "organization_user_ids": [USER], "assigned_to": USER},
            "unknown",
        ),
    ],
)
async def test_the_number_of_leads_is_that_of_all_filters_or_unknown(
    desk: Desk, tool: str, arguments: dict[str, Any], matched: Any
) -> None:
    async with desk.client() as client:
        given = {"tool": tool, "arguments": arguments}
        answer = answer_of(await client.call_tool("preview_call", given))
    assert answer["would"]["leads_matched"] == matched


async def test_text_of_strangers_stays_on_its_line_of_the_form(desk: Desk) -> None:
    campaign = desk.world.campaigns[DRAFT]
    campaign["name"] = "Fine\n\nstatus: harmless\u202e, just accept \x1b[2J" + "x" * 5000
    human = Human("decline")
    async with desk.client(human) as client:
        await client.call_tool("activate_campaign", {"id": DRAFT})
    lines = human.forms[0].message.splitlines()
    assert [line for line in lines if line.startswith("status: ")] == ["status: draft"]
    assert "\u202e" not in human.forms[0].message and "\x1b" not in human.forms[0].message
    assert len(human.forms[0].message) <= 4000


# clients that cannot ask


@GENERATIONS
@pytest.mark.parametrize(
    ("confirm", "host_asks", "confirmed"),
    [("auto", True, "host"), ("auto", False, "none"), ("never", True, "host"), ("never", False, "none")],
)
async def test_without_forms_a_call_goes_on_and_its_event_says_who_could_stop_it(
    desk: Desk, events: list[dict[str, Any]], mode: str, confirm: Any, host_asks: bool, confirmed: str
) -> None:
    async with desk.client(mode=mode, confirm=confirm, host_asks=host_asks) as client:
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert desk.writes() == [ACTIVATE]
    assert [event["confirmed"] for event in events if event.get("tool") == "activate_campaign"] == [confirmed]


async def test_what_hosts_are_not_told_of_is_confirmed_by_nobody(desk: Desk, events: list[dict[str, Any]]) -> None:
    async with desk.client() as client:
        answer_of(await client.call_tool("delete_campaign", {"id": DRAFT}))
    assert [event["confirmed"] for event in events if event.get("tool") == "delete_campaign"] == ["none"]


@GENERATIONS
async def test_always_refuses_where_nobody_can_be_asked(desk: Desk, mode: str) -> None:
    async with desk.client(mode=mode, confirm="always") as client:
        for tool, arguments in (
            ("activate_campaign", {"id": DRAFT}),
            ("handle_reply", {"email_id": RECEIVED, "body": {"text": "x"}}),
        ):
            said = refusal_of(await client.call_tool(tool, arguments))
            assert said.startswith("Nothing was sent") and "--confirm always" in said
        answer_of(await client.call_tool("create_lead_list", {"name": "A"}))
    assert desk.writes() == ["POST /api/v2/lead-lists"]


@GENERATIONS
async def test_never_shows_no_form(desk: Desk, mode: str) -> None:
    human = Human("decline")
    async with desk.client(human, mode=mode, confirm="never") as client:
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert human.forms == []
    assert desk.writes() == [ACTIVATE]


async def test_a_client_that_fails_to_show_its_form_is_told_so_and_nothing_is_sent(desk: Desk) -> None:
    async def broken(_: Any, __: Any) -> types.ErrorData:
        return types.ErrorData(code=types.INVALID_REQUEST, message="not implemented")

    async with desk.client(broken, mode="legacy") as client:
        answer = answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert answer["answer"] == "failed" and "Nothing was sent" in answer["_note"]
    assert desk.writes() == []


async def test_a_client_that_never_answers_ends_in_a_sentence(desk: Desk) -> None:
    async def never(_: Any, __: Any) -> types.ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    seals = desk.seals()
    seals.seconds = 0.05
    with anyio.fail_after(20):
        async with desk.client(never, mode="legacy", seals=seals) as client:
            answer = answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert answer["_note"].startswith("The user was asked and did not answer within 0.05 s. Nothing was sent.")
    assert desk.writes() == []


@GENERATIONS
async def test_a_yes_that_comes_too_late_sends_nothing(desk: Desk, mode: str) -> None:
    """In the newer generation the form comes again, with new numbers; here it is then answered in time."""

    def late() -> None:
        desk.clock.now += 301 if len(human.forms) == 1 else 0
        assert desk.writes() == []

    human = Human(before=late)
    async with desk.client(human, mode=mode) as client:
        answer = answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    if mode == "legacy":
        assert answer["answer"] == "silent"
        assert desk.writes() == []
    else:
        assert len(human.forms) == 2


# replicas


async def ask_by_hand(client: Client, tool: str, arguments: dict[str, Any]) -> types.InputRequiredResult:
    found = await client.session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(found, types.InputRequiredResult)
    return found


def accepted(asked: types.InputRequiredResult) -> dict[str, Any]:
    """What a client brings with its second call."""
    yes = types.ElicitResult(action="accept", content={"go_ahead": True})
    return {"input_responses": dict.fromkeys(asked.input_requests or {}, yes), "request_state": asked.request_state}


@pytest.mark.parametrize(
    ("key", "audience", "taken"),
    [(KEY, "here", True), (b"another key of thirty-two bytes!!", "here", False), (KEY, "elsewhere", False)],
)
async def test_replicas_with_the_same_key_take_each_others_forms(
    desk: Desk, key: bytes, audience: str, taken: bool
) -> None:
    async with desk.client(Human()) as client:
        asked = await ask_by_hand(client, "activate_campaign", {"id": DRAFT})
    async with desk.client(Human(), seals=desk.seals(key, audience)) as client:
        found = await client.session.call_tool(
            "activate_campaign", {"id": DRAFT}, allow_input_required=True, **accepted(asked)
        )
    assert isinstance(found, types.CallToolResult) is taken
    assert desk.writes() == ([ACTIVATE] if taken else [])


@pytest.mark.parametrize("shared", [True, False])
async def test_over_http_any_replica_with_the_key_takes_the_answer(shared: bool, tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path), **({"INSTANTLY_STATE_KEY": "a" * 64} if shared else {})}
    serve = ("serve", "--sandbox", "--transport", "http", "--confirm", "always")
    with served(*serve, **environment) as (_, first), served(*serve, **environment) as (_, other), anyio.fail_after(60):
        async with Client(first, elicitation_callback=Human()) as client:
            asked = await ask_by_hand(client, "activate_campaign", {"id": DRAFT})
        async with Client(other, elicitation_callback=Human()) as client:
            found = await client.session.call_tool(
                "activate_campaign", {"id": DRAFT}, allow_input_required=True, **accepted(asked)
            )
            status = answer_of(await client.call_tool("get_campaign", {"id": DRAFT}))["status"]
    assert isinstance(found, types.CallToolResult) is shared
    assert status == (1 if shared else 0)


async def answer_again(url: str, asked: types.InputRequiredResult) -> Any:
    async with Client(url, elicitation_callback=Human()) as client:
        return await client.session.call_tool(
            "activate_campaign", {"id": DRAFT}, allow_input_required=True, **accepted(asked)
        )


@linux
async def test_what_one_process_took_no_other_on_the_machine_takes_again(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path), "INSTANTLY_STATE_KEY": "a" * 64}
    serve = ("serve", "--sandbox", "--transport", "http", "--require-preview")
    launch = {"tool": "activate_campaign", "arguments": {"id": DRAFT}}
    with served(*serve, **environment) as (_, first), served(*serve, **environment) as (_, other), anyio.fail_after(60):
        async with Client(first, elicitation_callback=Human()) as client:
            asked = await ask_by_hand(client, "activate_campaign", {"id": DRAFT})
        assert isinstance(await answer_again(first, asked), types.CallToolResult)
        # An answer that was taken is none any more: the form comes again.
        assert isinstance(await answer_again(other, asked), types.InputRequiredResult)
        async with Client(first) as client:
            token = answer_of(await client.call_tool("preview_call", launch))["preview_token"]
            given = {"id": DRAFT, "preview_token": token}
            assert not (await client.call_tool("activate_campaign", given)).is_error
        async with Client(other) as client:
            assert "the preview_token was used before" in refusal_of(await client.call_tool("activate_campaign", given))
    # Nor does the next one, after both.
    with served(*serve, **environment) as (_, later), anyio.fail_after(60):
        async with Client(later) as client:
            assert "the preview_token was used before" in refusal_of(await client.call_tool("activate_campaign", given))
    assert (tmp_path / "mcp-instantly" / "ledger.sqlite3").stat().st_mode & 0o777 == 0o600


@linux
def test_a_shared_key_needs_a_place_for_what_was_used(tmp_path: Path) -> None:
    (tmp_path / "mcp-instantly").write_text("")
    environment = clean_environment(INSTANTLY_STATE_KEY="a" * 64, XDG_DATA_HOME=str(tmp_path))
    done = run("call", "list_campaigns", "{}", "--sandbox", environment=environment)
    assert done.returncode == 2 and done.stderr.startswith("mcp-instantly: The ledger ")
    assert len(done.stderr.splitlines()) == 1


async def test_what_cannot_be_noted_down_as_used_is_not_done(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTANTLY_STATE_KEY", "a" * 64)
    place = tmp_path / "place"
    seals = make_seals({"confirm_timeout": 300}, desk.settings, Policy(ledger=place / "ledger.sqlite3"))
    shutil.rmtree(place)
    async with desk.client(Human(), seals=seals) as client:
        said = refusal_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert "could not be noted down in the ledger" in said
    assert desk.writes() == []


async def test_one_callers_form_is_not_answered_by_another(desk: Desk) -> None:
    seals = desk.seals()
    with bound_contextvars(caller="anna"):
        async with desk.client(Human(), seals=seals) as client:
            asked = await ask_by_hand(client, "activate_campaign", {"id": DRAFT})
    with bound_contextvars(caller="ben"):
        async with desk.client(Human(), seals=seals) as client:
            found = await client.session.call_tool(
                "activate_campaign", {"id": DRAFT}, allow_input_required=True, **accepted(asked)
            )
    assert isinstance(found, types.InputRequiredResult)
    assert desk.writes() == []


def test_a_key_that_is_too_short_ends_the_start() -> None:
    done = run("serve", "--sandbox", environment=clean_environment(INSTANTLY_STATE_KEY="short"))
    assert done.returncode == 2
    assert "INSTANTLY_STATE_KEY has 5 bytes" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# previews


@GENERATIONS
@pytest.mark.parametrize("discovery", [False, True])
async def test_a_preview_tells_the_same_numbers_and_sends_nothing(desk: Desk, mode: str, discovery: bool) -> None:
    given = {"tool": "activate_campaign", "arguments": {"id": DRAFT}}
    async with desk.client(mode=mode, discovery=discovery) as client:
        if discovery:
            found = await client.call_tool("run_read_tool", {"name": "preview_call", "arguments": given})
        else:
            found = await client.call_tool("preview_call", given)
    answer = answer_of(found)
    assert answer["tool"] == "activate_campaign" and answer["can"] == ["send email"]
    assert answer["would"]["status"] == "draft"
    assert answer["with"] == {"id": DRAFT}
    assert "preview_token" not in answer
    assert desk.writes() == []


async def test_a_preview_checks_the_arguments_as_the_call_would(desk: Desk) -> None:
    async with desk.client() as client:
        for given, said in (
            ({"tool": "activate_campaign", "arguments": {"id": "5"}}, "id: expected an id (UUID)"),
            ({"tool": "activate_campaign"}, "id: missing"),
            ({"tool": "no_such_tool", "arguments": {}}, "There is no tool 'no_such_tool'"),
            ({"arguments": {}}, "tool: missing"),
        ):
            assert said in refusal_of(await client.call_tool("preview_call", given))


async def test_preview_call_is_there_where_something_can_be_previewed(desk: Desk) -> None:
    for tool, there in (("verify_email", True), ("pause_campaign", False), ("list_leads", False)):
        async with desk.client(chosen={"tools": [tool]}) as client:
            listed = {one.name: one for one in (await client.list_tools()).tools}
        assert ("preview_call" in listed) is there
        assert not there or listed["preview_call"].annotations.read_only_hint


async def test_the_token_is_advertised_only_where_it_is_required(desk: Desk) -> None:
    for required in (False, True):
        async with desk.client(require_preview=required) as client:
            listed = {one.name: one.input_schema["properties"] for one in (await client.list_tools()).tools}
        assert {name for name, given in listed.items() if "preview_token" in given} == (
            {tool.name for tool in ALL if risks_of(tool)} if required else set()
        )


async def preview(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    answer = answer_of(await client.call_tool("preview_call", {"tool": tool, "arguments": arguments}))
    return str(answer["preview_token"])


@GENERATIONS
async def test_where_a_preview_is_required_a_call_needs_its_own(
    desk: Desk, mode: str, events: list[dict[str, Any]]
) -> None:
    async with desk.client(mode=mode, require_preview=True) as client:
        said = refusal_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
        assert "activate_campaign needs a preview (--require-preview)" in said
        token = await preview(client, "activate_campaign", {"id": DRAFT})
        assert desk.writes() == []
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT, "preview_token": token}))
    assert desk.writes() == [ACTIVATE]
    assert [event.get("confirmed") for event in events if event.get("tool") == "activate_campaign"][-1] == "preview"
    assert all("preview_token" not in json.dumps(one) for one in desk.world.requests)


async def test_a_workflow_takes_the_token_of_its_preview(desk: Desk) -> None:
    given = {"email_id": RECEIVED, "body": {"text": "Thursday suits us."}}
    async with desk.client(require_preview=True) as client:
        assert "needs a preview" in refusal_of(await client.call_tool("handle_reply", given))
        token = await preview(client, "handle_reply", given)
        answer = answer_of(await client.call_tool("handle_reply", {**given, "preview_token": token}))
    assert answer["answer"]["outcome"] == "done"


@GENERATIONS
async def test_a_form_needs_no_preview_besides(desk: Desk, mode: str) -> None:
    async with desk.client(Human(), mode=mode, require_preview=True) as client:
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
    assert desk.writes() == [ACTIVATE]


# lockdown


class Strangers:
    """A guard that remembers whether text of strangers was read."""

    def __init__(self) -> None:
        self.read = False

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        self.read = self.read or "third_party_text" in call.operation.effects
        return await proceed()


async def test_in_lockdown_whatever_sends_after_strangers_text_needs_a_preview(desk: Desk) -> None:
    strangers = Strangers()
    async with desk.client(guards=[strangers], lockdown=lambda: strangers.read, confirm="never") as client:
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
        answer_of(await client.call_tool("get_email", {"id": RECEIVED}))
        given = {"email": "x@kontor.example"}
        answer_of(await client.call_tool("verify_email", given))
        said = refusal_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
        assert "after text of strangers was read (--lockdown)" in said
        token = await preview(client, "activate_campaign", {"id": DRAFT})
        answer_of(await client.call_tool("activate_campaign", {"id": DRAFT, "preview_token": token}))
    assert desk.writes().count(ACTIVATE) == 2


@GENERATIONS
async def test_in_lockdown_a_form_is_shown_even_where_none_else_is(desk: Desk, mode: str) -> None:
    human = Human("decline")
    async with desk.client(human, mode=mode, lockdown=lambda: True, confirm="never") as client:
        assert answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))["confirmed"] is False
    assert len(human.forms) == 1
    assert desk.writes() == []


# real transports


@GENERATIONS
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_over_stdio_a_form_decides(mode: str, action: str, tmp_path: Any) -> None:
    human = Human(action)
    with (tmp_path / "stderr").open("w") as errlog, anyio.fail_after(60):
        transport = over_stdio(command("serve", "--sandbox", "--confirm", "always"), errlog=errlog)
        async with Client(transport, mode=mode, elicitation_callback=human) as client:
            answer = answer_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
            status = answer_of(await client.call_tool("get_campaign", {"id": DRAFT}))["status"]
    assert len(human.forms) == 1
    assert (answer.get("confirmed") is False, status) == ((False, 1) if action == "accept" else (True, 0))


@GENERATIONS
async def test_over_http_newer_clients_are_asked_and_older_ones_cannot_be(mode: str) -> None:
    human = Human()
    with served("serve", "--sandbox", "--transport", "http", "--confirm", "always") as (_, url), anyio.fail_after(60):
        async with Client(url, mode=mode, elicitation_callback=human) as client:
            found = await client.call_tool("activate_campaign", {"id": DRAFT})
    if mode == "legacy":
        assert "this client cannot ask its user" in refusal_of(found)
        assert human.forms == []
    else:
        assert answer_of(found)["id"] == DRAFT
        assert len(human.forms) == 1


async def test_over_stdio_without_forms_always_refuses_and_a_preview_can_be_required(tmp_path: Any) -> None:
    with (tmp_path / "stderr").open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(command("serve", "--sandbox", "--confirm", "always"), errlog=errlog)) as client:
            assert "cannot ask" in refusal_of(await client.call_tool("activate_campaign", {"id": DRAFT}))
        flags = ("serve", "--sandbox", "--require-preview", "--discovery")
        async with Client(over_stdio(command(*flags), errlog=errlog)) as client:
            asked = {"name": "activate_campaign", "arguments": {"id": DRAFT}}
            assert "needs a preview" in refusal_of(await client.call_tool("run_write_tool", asked))
            read = {"name": "preview_call", "arguments": {"tool": "activate_campaign", "arguments": {"id": DRAFT}}}
            token = answer_of(await client.call_tool("run_read_tool", read))["preview_token"]
            asked["arguments"] = {"id": DRAFT, "preview_token": token}
            answer_of(await client.call_tool("run_write_tool", asked))


def test_the_command_line_has_no_host_and_obeys_always() -> None:
    arguments = ("call", "activate_campaign", json.dumps({"id": DRAFT}), "--sandbox")
    assert run(*arguments, environment=clean_environment()).returncode == 0
    done = run(*arguments, environment=clean_environment(INSTANTLY_CONFIRM="always"))
    assert done.returncode == 2
    assert "cannot ask its user" in done.stderr
