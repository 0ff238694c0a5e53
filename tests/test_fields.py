"""Answers that fit: fields, several pages at once, CSV, and what is left out of results by default."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.collection import MAX_ITEMS, Collection
from mcp_instantly.api.request import Response
from mcp_instantly.cli import cli
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import Catalog, known_fields, load_catalog
from mcp_instantly.tools.operation import Operation
from mcp_instantly.workflows import unreported

from .cases import for_each
from .conftest import answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())
WITH_FIELDS = [op for op in OPERATIONS if "fields" in op.extras]
VIEW = {
    "fields": {"type": "array", "items": {"type": "string"}},
    "max_items": {"type": "integer"},
    "format": {"type": "string", "enum": ["json", "csv"]},
}
"""Arguments of ours about what is shown, which are the same everywhere."""

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
CHLOE = "chloe@brightpath.example"
MAYA = "01991f00-0001-7000-8000-000000000001"


class Caller:
    """Calls tools of our server as it is by default, in front of a sandbox."""

    def __init__(self, client: Client, app: Any, world: World):
        self.client = client
        self.app = app
        self.world = world

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        return answer_of(await self.client.call_tool(tool, arguments))

    async def refusal(self, tool: str, **arguments: Any) -> str:
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error
        text: str = result.content[0].text
        return text


Open = Callable[..., contextlib.AbstractAsyncContextManager[Caller]]


@pytest.fixture
def opened(world: World, catalog: Catalog) -> Open:
    @contextlib.asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Caller]:
        settings = Settings(base_url=SANDBOX_URL, api_key=SANDBOX_KEY, sandbox=True, **{"raw_text": True, **changes})
        app = create_app(world)
        async with (
            InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(everything(), http, settings))) as client,
        ):
            yield Caller(informed(client, everything()), app, world)

    return run


# in the schema files


def test_these_arguments_are_the_same_everywhere_and_never_reach_the_api() -> None:
    for operation in OPERATIONS:
        for name, schema in VIEW.items():
            if name in operation.extras:
                assert operation.read_only
                assert operation.input_schema["properties"][name] == schema, operation.name
                assert name not in operation.request_schema["properties"]


def test_every_list_takes_fields_and_follows_its_pages() -> None:
    for operation in OPERATIONS:
        known = operation.input_schema["properties"]
        if operation.read_only and operation.name.startswith("list_") and {"limit", "starting_after"} <= set(known):
            assert {"fields", "max_items"} <= set(operation.extras), operation.name


@for_each("operation", WITH_FIELDS)
def test_what_is_shown_by_default_is_known(operation: Operation) -> None:
    known = known_fields(operation.name)
    free = tuple(path.removesuffix("*") for path in known if path.endswith(".*"))
    for path in operation.default_fields if known else ():
        assert path in known or path.startswith(free), path


@for_each("operation", WITH_FIELDS)
async def test_the_fields_of_every_tool_are_checked_before_anything_is_sent(
    opened: Open, world: World, operation: Operation
) -> None:
    async with opened() as call:
        known = known_fields(operation.name)
        if known:
            sent = len(world.requests)
            wrong = f"{known[0]}.no_such_field"
            said = await call.refusal(operation.name, **operation.examples[0], fields=[wrong])
            assert f"fields[0]: unknown field '{wrong}'." in said
            assert len(world.requests) == sent
        whole = first_of(await call(operation.name, **operation.examples[0], fields=["*"]))
        names = [name for name in whole if name != "_note"] if isinstance(whole, dict) else []
        if names:
            same = first_of(await call(operation.name, **operation.examples[0], fields=names))
            assert set(same) - {"_note"} == set(names)


def first_of(answer: dict[str, Any]) -> Any:
    """The first record of a list, {} for none; or the only one."""
    lists = [answer[name] for name in ("items", "data") if isinstance(answer.get(name), list)]
    return (lists[0] or [{}])[0] if lists else answer


# fields


async def test_a_list_shows_what_is_wanted_of_it_and_says_what_it_left_out(opened: Open) -> None:
    async with opened() as call:
        campaigns = await call("list_campaigns")
        whole = await call("list_campaigns", fields=["*"])
        leads = await call("list_leads", limit=2)
    assert {"id", "name", "status"} <= set(campaigns["items"][0])
    assert all("sequences" not in campaign and "email_list" not in campaign for campaign in campaigns["items"])
    assert campaigns["_note"].startswith("Left out, not empty: ") and 'fields ["*"] for all' in campaigns["_note"]
    assert whole["items"][-1]["sequences"] and "_note" not in whole
    assert len(json.dumps(campaigns)) * 3 < len(json.dumps(whole))
    assert all("payload" not in lead for lead in leads["items"])


async def test_dotted_fields_keep_their_whole_name(opened: Open) -> None:
    async with opened() as call:
        leads = await call("list_leads", limit=1, fields=["email", "payload.country"])
        campaign = await call("get_campaign", id=ACTIVE, fields=["name", "sequences.steps.variants.subject"])
    assert leads["items"] == [{"email": "maya.lindqvist@fjordpay.example", "payload.country": "Germany"}]
    assert campaign == {
        "name": "Fintech CFOs, autumn",
        "sequences.steps.variants.subject": [[["Month-end close", "Your ledger"], [""]]],
    }


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("emial", "Did you mean email?"),
        ("status_summary.lastStep.nowhere", "Allowed: status_summary.lastStep.from,"),
    ],
)
async def test_an_unknown_field_is_refused_with_those_that_are_known(
    opened: Open, world: World, path: str, said: str
) -> None:
    async with opened() as call:
        refused = await call.refusal("list_leads", fields=["id", path])
    assert f"fields[1]: unknown field '{path}'." in refused and said in refused
    assert world.requests == []


async def test_a_field_that_is_not_known_may_be_new_and_is_spoken_of_where_no_record_has_it(opened: Open) -> None:
    async with opened() as call:
        new = await call("list_campaigns", fields=["name", "created_by"])
        none = await call("list_campaigns", fields=["name", "nothing_like_it"])
    assert all(record.keys() == {"name", "created_by"} for record in new["items"]) and "_note" not in new
    assert "No record has 'nothing_like_it', and no document names it. Known are id, name," in none["_note"]
    assert none["items"] and all(record.keys() == {"name"} for record in none["items"])


async def test_a_switch_shows_what_it_adds(opened: Open) -> None:
    async with opened() as call:
        accounts = await call("list_accounts", include_tags=True, search="ada")
    assert accounts["items"][0]["tags"][0]["label"]


@pytest.mark.parametrize("fields", ["id, email", '["id", "email"]'])
async def test_fields_may_come_as_a_text(opened: Open, fields: str) -> None:
    async with opened() as call:
        leads = await call("list_leads", limit=1, fields=fields)
    assert set(leads["items"][0]) == {"id", "email"}


async def test_no_fields_and_the_format_json_are_what_comes_without_them(opened: Open) -> None:
    async with opened() as call:
        given = await call("list_leads", limit=3, fields=[], format="json")
        assert given == await call("list_leads", limit=3)


# emails

REPLY = "Yes, Thursday suits me.\n\nMaya"
HISTORY = "On Mon, 7 Sep 2026 at 08:36, Ada Lovelace\n<ada@brightpath.example> wrote:\n> " + "> Hello Maya,\n" * 20
MAIL = {"id": MAYA, "eaccount": "ada@brightpath.example", "subject": "Re: Close"}


async def shown(call: Caller, body: dict[str, str], **arguments: Any) -> Any:
    call.app.workspaces.faults.add(error={**MAIL, "body": body}, operation="GET /emails/{id}")
    return await call("get_email", id=MAYA, **arguments)


async def test_an_email_shows_its_text_once_without_the_history_that_it_quotes(opened: Open) -> None:
    body = {"text": f"{REPLY}\n\n{HISTORY}", "html": "<p>the same</p>"}
    async with opened() as call:
        mail = await shown(call, body)
        whole = await shown(call, body, fields=["body.text"])
        html = await shown(call, body, fields=["body.html"])
        sent = {"eaccount": mail["eaccount"], "subject": "Re", "body": {"text": mail["body.text"]}}
        refused = await call.refusal("reply_to_email", reply_to_uuid=MAYA, **sent)
    assert mail["body.text"].startswith(f"{REPLY}\n[cut by mcp_instantly: quoted history, ")
    assert "Hello Maya" not in mail["body.text"]
    assert 'Quoted history is cut from body.text; fields ["body.text"] shows all of it.' in mail["_note"]
    assert "html" not in json.dumps({name: value for name, value in mail.items() if name != "_note"})
    assert whole == {"body.text": body["text"]}
    assert html == {"body.html": body["html"]}
    assert "holds a text that an answer showed cut" in refused


@pytest.mark.parametrize(
    "text",
    [
        f"{REPLY}\n\n-----Original Message-----\nFrom: Ada\n" + "Hello Maya, how are you? " * 10,
        f"{REPLY}\n\nFrom: Ada <ada@brightpath.example>\nSent: Monday\nTo: Maya\n\n" + "Hello Maya. " * 10,
        f"{REPLY}\n\n" + "> Hello Maya, this was said before.\n" * 10,
        f"{REPLY}\r\n\r\nAm Mo., 7. Sept. 2026 um 08:36 schrieb Ada:\r\n> " + "Hallo. " * 30,
    ],
)
async def test_history_is_known_by_the_line_above_it_or_its_marks(opened: Open, text: str) -> None:
    async with opened() as call:
        mail = await shown(call, {"text": text})
    assert mail["body.text"].startswith(f"{REPLY}\n[cut by mcp_instantly: quoted history, ")


@pytest.mark.parametrize(
    "text",
    [
        REPLY,
        f"{HISTORY}",
        f"On Monday Ada wrote:\n> {'Is Thursday good? ' * 10}\nYes.\n> And Friday?\nNo.",
        "She said:\n> a short quote",
    ],
)
async def test_new_text_is_never_cut(opened: Open, text: str) -> None:
    async with opened() as call:
        mail = await shown(call, {"text": text})
    assert mail["body.text"] == text


async def test_an_email_that_is_only_html_is_shown_as_text(opened: Open) -> None:
    html = "<head><style>p {color: red}</style></head><p>Yes &amp; no.</p><div>Maya<br>Fjordpay</div>"
    async with opened() as call:
        mail = await shown(call, {"html": html})
    assert mail["body.text"] == "Yes & no.\n\nMaya\nFjordpay"


# what is empty


async def test_nulls_and_empties_are_left_out_and_full_keeps_them(opened: Open, world: World) -> None:
    record = {"id": MAYA, "name": "", "note": None, "list": [], "inner": {"a": None}, "zero": 0, "no": False}
    async with opened() as call:
        call.app.workspaces.faults.add(error=record, operation="GET /lead-lists/{id}")
        short = await call("get_lead_list", id=MAYA)
        nothing = await call("list_leads", contacts=["nobody@elsewhere.example"])
    async with opened(full=True) as call:
        call.app.workspaces.faults.add(error=record, operation="GET /lead-lists/{id}")
        whole = await call("get_lead_list", id=MAYA)
    assert short == {"id": MAYA, "zero": 0, "no": False}
    assert whole == record
    assert nothing["items"] == []


async def test_what_may_be_written_back_keeps_what_is_empty_inside(opened: Open) -> None:
    """A follow-up without a subject stays in the thread: written back without the empty text it would not be valid."""
    async with opened() as call:
        campaign = await call("get_campaign", id=ACTIVE)
    assert campaign["sequences"][0]["steps"][1]["variants"][0]["subject"] == ""


def test_the_command_line_has_a_flag_for_whole_records() -> None:
    given = ["call", "list_campaigns", '{"limit": 1}', "--sandbox"]
    assert "sequences" not in CliRunner().invoke(cli, given).stdout
    assert "sequences" in CliRunner().invoke(cli, [*given, "--full"]).stdout


# several pages


async def test_max_items_follows_the_pages_with_progress(opened: Open, world: World) -> None:
    told: list[tuple[float, float | None]] = []

    async def hear(done: float, total: float | None, _: str | None) -> None:
        told.append((done, total))

    async with opened() as call:
        arguments = {"max_items": 1000, "fields": ["id"]}
        page = answer_of(await call.client.call_tool("list_leads", arguments, progress_callback=hear))
    assert [lead["id"] for lead in page["items"]] == [lead["id"] for lead in world.leads]
    assert "next_starting_after" not in page
    assert page["_note"].startswith(f"{len(page['items'])} records from ")
    assert page["_note"].endswith("there are no more behind them.")
    assert told[:2] == [(100, 1000), (200, 1000)]
    assert all("max_items" not in str(request) for request in world.requests)


@pytest.mark.parametrize(("limit", "most"), [(100, 30), (40, 110), (7, 20)])
@pytest.mark.parametrize("room", [4_000, 60_000])
async def test_every_record_comes_once_whatever_the_pages(
    opened: Open, world: World, limit: int, most: int, room: int
) -> None:
    seen: list[str] = []
    async with opened(result_limit=room) as call:
        arguments: dict[str, Any] = {"campaign": ACTIVE, "limit": limit, "max_items": most}
        while True:
            result = await call.client.call_tool("list_leads", arguments)
            page = answer_of(result)
            assert len(result.content[0].text) <= room
            assert 0 < len(page["items"]) <= most
            seen += [lead["id"] for lead in page["items"]]
            if "next_starting_after" not in page:
                break
            assert "pass next_starting_after as starting_after" in page["_note"]
            arguments["starting_after"] = page["next_starting_after"]
    assert page["_note"].count("there are no more behind them.") == 1
    assert seen == [lead["id"] for lead in world.leads if lead.get("campaign") == ACTIVE]


async def test_whether_more_follow_is_found_out_when_the_number_is_reached(opened: Open, world: World) -> None:
    async with opened() as call:
        exact = await call("list_leads", campaign=ACTIVE, max_items=120, fields=["id"])
        fewer = await call("list_leads", campaign=ACTIVE, max_items=119, fields=["id"])
    assert len(exact["items"]) == 120 and "next_starting_after" not in exact
    assert len(fewer["items"]) == 119 and fewer["next_starting_after"] == fewer["items"][-1]["id"]
    assert "There are more" in fewer["_note"]


async def test_an_error_after_the_first_page_keeps_what_was_read_and_the_cursor(opened: Open) -> None:
    async with opened() as call:
        page = {"items": [{"id": "1"}, {"id": "2"}], "next_starting_after": "2"}
        call.app.workspaces.faults.add(error=page, operation="GET /campaigns")
        call.app.workspaces.faults.add(status=401, every=1, operation="GET /campaigns")
        found = await call("list_campaigns", max_items=50)
    assert found["items"] == [{"id": "1"}, {"id": "2"}]
    assert found["next_starting_after"] == "2"
    assert "It ended early, so there may be more" in found["_note"]


async def test_pages_end_in_time_for_the_call_to_be_answered() -> None:
    left = iter([55.0, 55.0, 30.0, 30.0, 4.0])
    asked: list[Any] = []

    async def send(arguments: dict[str, Any], seconds: float) -> Response:
        asked.append((arguments.get("starting_after"), seconds))
        records = [{"id": f"{len(asked)}-{number}"} for number in range(arguments["limit"])]
        return Response(200, {"items": records, "next_starting_after": records[-1]["id"]}, "application/json", 1, 1)

    collection = Collection(send=send, size=len, report=unreported, seconds_left=lambda: next(left))
    reply, said = await collection.collect({}, 1000)
    assert asked == [(None, 55.0), ("1-99", 30.0)]
    assert len(reply.payload["items"]) == 200
    assert reply.payload["next_starting_after"] == "2-99"
    assert "The time of the call is almost over, and there may be more" in said


async def test_an_error_of_the_first_page_is_the_error_of_the_call(opened: Open) -> None:
    async with opened() as call:
        call.app.workspaces.faults.add(status=401, every=1, operation="GET /campaigns")
        assert "401" in await call.refusal("list_campaigns", max_items=50)


async def test_a_record_that_moves_to_a_later_page_and_a_cursor_in_circles_double_nothing(opened: Open) -> None:
    async with opened() as call:
        for items, cursor in ((["1", "2"], "2"), (["2", "3"], "3"), (["4"], "2")):
            page = {"items": [{"id": number} for number in items], "next_starting_after": cursor}
            call.app.workspaces.faults.add(error=page, operation="GET /campaigns")
        found = await call("list_campaigns", max_items=50)
    assert [one["id"] for one in found["items"]] == ["1", "2", "3", "4"]
    assert "next_starting_after" not in found


def many_accounts(world: World) -> list[str]:
    for number in range(130):
        world.accounts.add({**world.accounts.get(CHLOE), "email": f"mailbox{number:03}@many.example"})
    return sorted(account["email"] for account in world.accounts)


@pytest.mark.parametrize("room", [4_000, 60_000])
@pytest.mark.parametrize("limit", [7, 100])
async def test_a_sorted_list_which_has_no_cursor_is_followed_to_its_end(
    opened: Open, world: World, limit: int, room: int
) -> None:
    expected = many_accounts(world)
    seen: list[str] = []
    async with opened(result_limit=room) as call:
        arguments: dict[str, Any] = {"sort_by": "email", "sort_order": "asc", "limit": limit, "max_items": 90}
        while True:
            page = await call("list_accounts", **arguments)
            seen += [account["email"] for account in page["items"]]
            if "there are no more behind them" in page["_note"]:
                break
            arguments["skip"] = len(seen)
            assert f": pass skip {len(seen)}." in page["_note"]
    assert seen == expected


async def test_a_list_without_cursors_goes_on_behind_its_last_record(opened: Open, world: World) -> None:
    for number in range(130):
        world.webhooks.add({"id": world.uuid7(), "target_hook_url": f"https://hooks.example/{number}"})
    async with opened() as call:
        whole = await call("list_webhooks", max_items=500, fields=["id"])
        some = await call("list_webhooks", max_items=110, fields=["id"])
        one = await call("list_webhooks", limit=10, fields=["id"])
    assert [webhook["id"] for webhook in whole["items"]] == [webhook["id"] for webhook in world.webhooks]
    assert whole["_note"].endswith("there are no more behind them.")
    assert some["next_starting_after"] == some["items"][109]["id"] and "There are more" in some["_note"]
    assert one["_note"] == f"There may be more records: pass starting_after {one['items'][-1]['id']}."


async def test_a_full_page_of_a_sorted_list_says_how_to_go_on(opened: Open, world: World) -> None:
    many_accounts(world)
    async with opened(result_limit=4_000) as call:
        usual = await call("list_accounts", sort_by="email", fields=["email"])
        last = await call("list_accounts", sort_by="email", skip=130, fields=["email"])
        shortened = await call("list_accounts", sort_by="email", limit=100, fields=["*"])
        plain = await call("list_accounts", limit=2, fields=["email"])
    assert usual["_note"] == "There may be more records: pass skip 10."
    assert "_note" not in last and "_note" not in plain
    assert f"pass skip {len(shortened['items'])}." in shortened["_note"] and 0 < len(shortened["items"]) < 100


async def test_a_list_that_gives_the_same_page_again_is_not_read_for_ever(opened: Open) -> None:
    async with opened() as call:
        page = {"items": [{"email": "a@many.example"}, {"email": "b@many.example"}]}
        call.app.workspaces.faults.add(error=page, every=1, operation="GET /accounts")
        found = await call("list_accounts", sort_by="email", limit=2, max_items=50)
    assert [account["email"] for account in found["items"]] == ["a@many.example", "b@many.example"]
    assert "There may be more." in found["_note"]


@pytest.mark.parametrize("arguments", [{"skip": 2}, {"sort_order": "asc"}, {"skip": 100, "max_items": 500}])
async def test_an_offset_into_a_list_that_is_not_sorted_is_refused(
    opened: Open, world: World, arguments: dict[str, Any]
) -> None:
    async with opened() as call:
        assert "sort_by: missing" in await call.refusal("list_accounts", **arguments)
        assert (await call("list_accounts", skip=0, limit=1))["items"]
    assert len(world.requests) == 1


async def test_the_order_that_a_list_has_by_itself_may_be_asked_for(opened: Open, world: World) -> None:
    async with opened() as call:
        assert (await call("list_accounts", limit=10, sort_order="desc"))["items"] == (
            await call("list_accounts", limit=10)
        )["items"]


@pytest.mark.parametrize("most", [0, 1001, "many"])
async def test_max_items_has_its_bounds(opened: Open, world: World, most: Any) -> None:
    async with opened() as call:
        assert f"{MAX_ITEMS}: " in await call.refusal("list_leads", max_items=most)
    assert world.requests == []


# CSV


async def test_a_flat_list_may_come_as_csv(opened: Open, world: World) -> None:
    async with opened() as call:
        wanted = ["email", "first_name", "payload.country", "status"]
        found = await call("list_leads", campaign=ACTIVE, limit=50, fields=wanted, format="csv")
        plain = await call("list_leads", campaign=ACTIVE, limit=50, fields=wanted)
        nothing = await call("list_leads", contacts=["nobody@elsewhere.example"], format="csv")
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert list(rows[0]) == wanted
    assert [row["email"] for row in rows] == [lead["email"] for lead in plain["items"]]
    assert found["next_starting_after"] == plain["next_starting_after"]
    assert len(json.dumps(found)) < len(json.dumps(plain)) * 0.6
    assert nothing["csv"] == ""


async def test_csv_keeps_commas_lines_and_what_is_nested(opened: Open) -> None:
    record = {"id": "1", "name": 'Ada, "Countess"\nof Lovelace', "tags": ["a", "b"], "none": None}
    async with opened(full=True) as call:
        call.app.workspaces.faults.add(error={"items": [record]}, operation="GET /lead-lists")
        found = await call("list_lead_lists", format="csv")
    (row,) = csv.DictReader(io.StringIO(found["csv"]))
    assert row == {"id": "1", "name": record["name"], "tags": '["a","b"]', "none": ""}
