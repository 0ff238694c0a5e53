"""Rows of a table imported as leads: what became of each, and never twice."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .conftest import Connect, answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
KNOWN = "maya.lindqvist@fjordpay.example"

ADD = "POST /leads/add"

Faulty = Callable[[], contextlib.AbstractAsyncContextManager[tuple[Client, Any]]]


@pytest.fixture
def faulty(world: World, catalog: Catalog, settings: Settings) -> Faulty:
    """A client, and the sandbox's faults."""

    @contextlib.asynccontextmanager
    async def connected(*guards: Guard) -> AsyncIterator[tuple[Client, Any]]:
        app = create_app(world)
        selection = everything()
        async with (
            InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, settings, guards))) as client,
        ):
            yield informed(client, selection), app.workspaces.faults

    return connected


async def add(client: Client, rows: Any, **more: Any) -> Any:
    table = {"csv": rows} if isinstance(rows, str) else {"rows": rows}
    place = {} if "list_id" in more else {"campaign_id": DRAFT}
    return await client.call_tool("import_rows", {**place, **table, **more})


async def leads_of(client: Client, *emails: str, **where: Any) -> list[dict[str, Any]]:
    found = answer_of(await client.call_tool("list_leads", {"contacts": list(emails), **where}))
    return found["items"]


def added(world: World) -> int:
    return sum(request["path"].endswith("/leads/add") for request in world.requests)


# columns and values


async def test_obvious_columns_are_fields_and_others_variables_of_the_campaign(connect: Connect) -> None:
    text = "E-Mail,First Name,Surname,Company,Job Title,Phone Number,Fleet Size\r\n" + (
        'ann@nordfracht.example,Ann,"Lee, Jr.",Nordfracht,COO,+49 1,120\r\n\r\n'
    )
    async with connect() as client:
        answer = answer_of(await add(client, text))
        (lead,) = await leads_of(client, "ann@nordfracht.example", campaign=DRAFT)
        campaign = answer_of(await client.call_tool("get_campaign", {"id": DRAFT}))
    assert (answer["rows"], answer["added"], answer["not_added"]) == (1, 1, {})
    assert lead["payload"] | {"email": lead["email"]} == {
        "email": "ann@nordfracht.example",
        "firstName": "Ann",
        "lastName": "Lee, Jr.",
        "companyName": "Nordfracht",
        "jobTitle": "COO",
        "phone": "+49 1",
        "Fleet Size": "120",
    }
    assert answer["columns"]["Surname"] == "last_name" and answer["columns"]["Fleet Size"] == "Fleet Size"
    assert campaign["custom_variables"] == {"Fleet Size": True}
    assert answer["_calls"] == {"get_campaign": 1, "add_campaign_variables": 1, "bulk_add_leads": 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_a_table_with_other_separators_and_a_mark_at_its_begin_is_read(connect: Connect, delimiter: str) -> None:
    text = "\ufeff" + delimiter.join(["Mail", "Vorname"]) + "\n" + delimiter.join(["a@b.example", "Jo"])
    async with connect() as client:
        answer = answer_of(await add(client, text, columns={"Vorname": "first_name"}))
        (lead,) = await leads_of(client, "a@b.example")
    assert answer["added"] == 1 and lead["first_name"] == "Jo"


async def test_columns_say_what_is_meant_and_what_is_left_out(connect: Connect) -> None:
    row = {
        "Work Email": "a@b.example",
        "Private": "x@y.example",
        "Boss": "Layla",
        "Score": 7,
        "Vip": True,
        "Empty": None,
    }
    async with connect() as client:
        answer = answer_of(await add(client, [row], columns={"Private": "", "Boss": "manager_name"}))
        (lead,) = await leads_of(client, "a@b.example")
    assert answer["added"] == 1
    assert lead["payload"] == {"email": "a@b.example", "manager_name": "Layla", "Score": 7, "Vip": True}


async def test_a_whole_name_is_not_split_and_this_is_said(connect: Connect) -> None:
    async with connect() as client:
        answer = answer_of(await add(client, "Full Name,email\nJo van Lee,jo@x.example"))
        split = answer_of(await add(client, "Name,First Name,email\nAl Lee,Al,al@x.example"))
    assert answer["_note"] == "Full Name was not split: {{firstName}} is empty for these leads."
    assert "_note" not in split


@pytest.mark.parametrize(
    "header",
    [
        "E-Mail,Vorname,Firma",
        "Business Email,First Name,Company Domain",
        "Adresse e-mail,Prénom,Société",
        "Work Email,Personal Email,Name",
        "Email Address,Display Name,Cell",
    ],
)
async def test_columns_mean_the_same_in_a_call_and_in_a_job(connect: Connect, header: str) -> None:
    names = header.split(",")
    row = dict(zip(names, ("ann@nordfracht.example", "Ann", "Nordfracht"), strict=True))
    async with connect() as client:
        called = answer_of(await add(client, f"{header}\n{','.join(row.values())}", list_id=LIST))
        job = {"import_leads": {"list_id": LIST, "rows": [row]}, "preview": True}
        planned = answer_of(await client.call_tool("start_job", job))
    assert called["columns"] == planned["plan"]["columns"] and called["columns"][names[0]] == "email"


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ([{"email": "a@b.example", "E-Mail": "c@d.example"}], {}, "email and E-Mail would both be email"),
        ("Name,City\nAnn,Oslo", {}, "No column holds addresses"),
        ([{"email": "a@b.example"}], {"columns": {"Mail": "email"}}, "There is no column 'Mail'."),
        ([{"email": "a@b.example", "assigned_to": "x"}], {}, "assigned_to would be taken for a field"),
        ("email,email\na@b.example,c", {}, "header of csv has email more than once"),
        ("email,,x\na@b.example,c,d", {}, "column without a name"),
        ("email", {}, "csv has 0 rows below its header"),
        ("email\n" + "a@b.example\n" * 1001, {}, "csv has 1001 rows"),
        ('email,x\na@b.example,"open', {}, "csv cannot be read"),
    ],
)
async def test_a_table_that_is_not_clear_is_refused_before_anything_is_sent(
    connect: Connect, world: World, rows: Any, more: dict[str, Any], said: str
) -> None:
    async with connect() as client:
        result = await add(client, rows, **more)
    assert result.is_error
    assert result.content[0].text.startswith("Nothing was sent") and said in result.content[0].text
    assert world.requests == []


async def test_a_place_and_a_table_are_given_once_each(connect: Connect, world: World) -> None:
    async with connect() as client:
        both = await add(client, [{"email": "a@b.example"}], campaign_id=DRAFT, list_id=LIST)
        two = await client.call_tool("import_rows", {"campaign_id": DRAFT, "csv": "email\na@b.example", "rows": [{}]})
    assert "Give campaign_id or list_id, exactly one" in both.content[0].text
    assert "Give csv or rows, exactly one" in two.content[0].text
    assert world.requests == []


# what became of each row


async def test_of_each_row_that_was_not_added_it_is_said_why(connect: Connect, world: World) -> None:
    rows = [
        {"email": "new.one@fleet.example"},
        {"email": KNOWN},
        {"email": " NEW.ONE@fleet.example "},
        {"email": "somebody@competitor.example"},
        {"email": "maya@@fjordpay"},
        {"email": "new.two@fleet.example", "tags": ["a", "b"]},
        {"first_name": "Nobody"},
        {"email": "rita.kold@oldclient.example"},
        {"email": "new.three@fleet.example"},
    ]
    async with connect() as client:
        answer = answer_of(await add(client, rows, campaign_id=ACTIVE))
        found = await leads_of(client, *(row.get("email", "x@x.example").strip() for row in rows[:4]), campaign=ACTIVE)
    assert answer["added"] == 2
    assert answer["not_added"] == {
        "twice in the call": {"count": 1, "rows": "3 (as row 1)"},
        "invalid address": {"count": 1, "rows": "5 (maya@@fjordpay)"},
        "value not flat": {"count": 1, "rows": "6 (tags)"},
        "no address": {"count": 1, "rows": "7"},
        "on the block list": {"count": 2, "rows": "4, 8"},
        "already there": {"count": 1, "rows": "2"},
    }
    assert sum(reason["count"] for reason in answer["not_added"].values()) + answer["added"] == answer["rows"]
    assert {lead["email"] for lead in found} == {"new.one@fleet.example", KNOWN}
    assert "leads[" not in answer["_note"]
    assert "it mails those who were added" in answer["_note"]
    assert "already are unchanged" in answer["_note"]
    assert added(world) == 1
    assert "list_leads" not in answer["_calls"], "the counters and the block list are enough"


async def test_people_who_are_skipped_are_told_from_those_who_are_there(connect: Connect, world: World) -> None:
    there = [lead["email"] for lead in world.leads if lead.get("campaign") == ACTIVE and "email" in lead][:2]
    elsewhere = next(lead["email"] for lead in world.leads.where(list_id=LIST) if "email" in lead)
    rows = [{"email": email} for email in (*there, elsewhere, "new.four@fleet.example")]
    async with connect() as client:
        answer = answer_of(await add(client, rows, campaign_id=ACTIVE, skip_if_in_workspace=True))
    assert answer["added"] == 1
    assert answer["not_added"] == {
        "already there": {"count": 2, "rows": "1-2"},
        "known elsewhere": {"count": 1, "rows": "3"},
    }


async def test_reasons_that_cannot_be_read_apart_are_told_together(connect: Connect, world: World) -> None:
    rows = [{"email": KNOWN}, {"email": "somebody@competitor.example"}]
    async with connect(tools=["import_rows"], exclude=["download_block_list", "list_leads"]) as client:
        answer = answer_of(await add(client, rows, campaign_id=ACTIVE))
    assert answer["not_added"] == {
        "one of: 1 on the block list; 1 already there": {"count": 2, "rows": "1-2"},
    }


async def test_a_domain_that_is_not_ascii_is_converted_and_said_so(connect: Connect) -> None:
    rows = [{"email": "info@bücher.example"}, {"email": "info@xn--bcher-kva.example"}, {"email": "bü@b.example"}]
    async with connect() as client:
        answer = answer_of(await add(client, rows))
        (lead,) = await leads_of(client, "info@xn--bcher-kva.example")
    assert answer["domains_converted"] == {"1": "info@xn--bcher-kva.example"}
    assert answer["added"] == 1 and lead["campaign"] == DRAFT
    assert list(answer["not_added"]) == ["twice in the call", "invalid address"]


async def test_a_list_takes_people_with_a_name_alone(connect: Connect) -> None:
    rows = [{"first_name": "Rosa", "company": "Portico"}, {"company": "Portico"}]
    async with connect() as client:
        answer = answer_of(await add(client, rows, list_id=LIST))
        found = answer_of(await client.call_tool("list_leads", {"list_id": LIST, "search": "Rosa"}))["items"]
    assert answer["added"] == 1
    assert answer["not_added"] == {"neither address nor name": {"count": 1, "rows": "2"}}
    assert len(found) == 1
    assert answer["_calls"] == {"bulk_add_leads": 1}


async def test_rows_with_more_cells_than_the_header_are_not_guessed_at(connect: Connect) -> None:
    async with connect() as client:
        answer = answer_of(await add(client, "email,company\na@b.example,Lee, Inc\nc@d.example"))
    assert answer["added"] == 1
    assert answer["not_added"] == {"more cells than the header": {"count": 1, "rows": "1"}}


async def test_nothing_is_sent_when_no_row_is_fit(connect: Connect, world: World) -> None:
    async with connect() as client:
        answer = answer_of(await add(client, [{"email": "nope"}]))
    assert (answer["added"], answer["_calls"]) == (0, {})
    assert "no lead was added" in answer["_note"] and world.requests == []


async def test_a_thousand_rows_are_one_call_and_a_short_answer(connect: Connect, world: World) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    lines = ["email,company", *(f"p{number}@fleet{number % 7}.example,Fleet" for number in range(990)), *["bad"] * 10]
    async with connect() as client:
        result = await client.call_tool(
            "import_rows", {"campaign_id": DRAFT, "csv": "\n".join(lines)}, progress_callback=hear
        )
    answer = answer_of(result)
    there = [lead["email"] for lead in world.leads.where(campaign=DRAFT) if "@fleet" in lead["email"]]
    assert answer["added"] == len(there) == 990
    assert answer["not_added"]["invalid address"]["count"] == 10
    assert len(result.content[0].text) < 800
    assert told[0] == "990 of 1000 rows are fit to be sent" and len(told) == 3


async def test_verification_says_that_it_spends_credits(connect: Connect) -> None:
    async with connect() as client:
        answer = answer_of(await add(client, [{"email": "a@b.example"}], verify_leads_on_import=True))
        (lead,) = await leads_of(client, "a@b.example")
    assert "Verification spends credits, for 1 of the rows" in answer["_note"]
    assert lead["verification_status"] == 12


# when it goes wrong


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 502}, {"truncated": True}])
async def test_after_a_lost_response_nothing_is_sent_again_and_a_read_tells(
    faulty: Faulty, world: World, fault: dict[str, Any]
) -> None:
    rows = [{"email": "a@b.example"}, {"email": "c@d.example"}]
    async with faulty() as (client, faults):
        faults.add(**fault, when="after", every=1, operation=ADD)
        result = await add(client, rows)
        found = await leads_of(client, "a@b.example", "c@d.example")
    assert result.is_error
    text = result.content[0].text
    assert "not known whether the rows were added, and they were not sent again" in text
    assert "Now 2 of the 2 addresses are there;" in text and "list_leads with campaign and contacts" in text
    assert added(world) == 1 and len(found) == 2


async def test_after_a_lost_response_it_may_be_called_again_when_the_seconds_that_are_told_are_over(
    faulty: Faulty, world: World
) -> None:
    seconds = 0.0
    async with faulty(Repeats(60, lambda: seconds)) as (client, faults):
        faults.add(status=503, when="before", operation=ADD)
        lost = await add(client, [{"email": "a@b.example"}])
        assert "it may be called again" in lost.content[0].text and "seconds to wait" in lost.content[0].text
        seconds = 18.0
        early = await add(client, [{"email": "a@b.example"}])
        assert early.is_error and "call again after 42 s." in early.content[0].text
        seconds = 60.0
        assert added(world) == 1
        assert answer_of(await add(client, [{"email": "a@b.example"}]))["added"] == 1


async def test_rows_that_a_lost_call_did_not_add_are_named(faulty: Faulty, world: World) -> None:
    async with faulty() as (client, faults):
        faults.add(status=500, operation=ADD)
        result = await add(client, [{"email": KNOWN}, {"email": "c@d.example"}], campaign_id=ACTIVE)
        assert "Now 1 of the 2 addresses are there, all but rows 2;" in result.content[0].text
        answer = answer_of(await add(client, [{"email": KNOWN}, {"email": "c@d.example"}], campaign_id=ACTIVE))
    assert answer["added"] == 1 and added(world) == 2


async def test_where_leads_cannot_be_read_either_the_read_to_make_is_named(faulty: Faulty, world: World) -> None:
    async with faulty() as (client, faults):
        faults.add(reset=True, when="after", every=1, operation=ADD)
        faults.add(status=403, every=1, operation="POST /leads/list")
        result = await add(client, [{"first_name": "Rosa"}, {"email": "a@b.example"}], list_id=LIST)
    assert "list_leads with list_id and contacts tells who is there: read that before" in result.content[0].text
    assert "called again" not in result.content[0].text, "a person without an address would be there twice"
    assert added(world) == 1


async def test_a_refusal_says_what_had_been_done_before(faulty: Faulty) -> None:
    async with faulty() as (client, faults):
        faults.add(status=402, operation=ADD)
        result = await add(client, [{"email": "a@b.example", "fleet": 3}])
    assert result.content[0].text.startswith("import_rows stopped at bulk_add_leads: ")
    assert result.content[0].text.endswith("these had worked: add_campaign_variables.")


async def test_a_response_that_does_not_say_which_rows_it_took_is_not_guessed_at(faulty: Faulty) -> None:
    async with faulty() as (client, faults):
        faults.add(error={"status": "success", "leads_uploaded": 1, "duplicated_leads": 1}, operation=ADD)
        answer = answer_of(await add(client, [{"email": "a@b.example"}, {"email": "c@d.example"}]))
    assert answer["added"] == 1
    assert "does not say which rows were added" in answer["_note"]
