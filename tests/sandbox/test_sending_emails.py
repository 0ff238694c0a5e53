"""What a campaign's settings make of its emails, and of what their readers do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox.sending.templates import plain_text

from .outreach import DAY, HOUR, Wait, campaign, leads, mails, sender, started, step

pytestmark = pytest.mark.anyio

LINK = '<p>Hello {{firstName}},</p><p>have a <a href="https://brightpath.example">look</a> &amp; tell me</p>'
PEOPLE = [f"p{number}@company{number}.example" for number in range(250)]
MANY = [f"p{number}@company{number}.example" for number in range(900)]


async def test_copies_go_to_those_whom_the_campaign_names(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    copies = {"cc_list": ["boss@ours.example", "log@ours.example"], "bcc_list": ["crm@ours.example"]}
    steps = [step(delay=1), step(("", "<p>Again</p>"))]
    campaign_id = await started(api, ["ann.silent@x.example"], steps=steps, email_list=[account], **copies)
    wait(2 * DAY)
    sent = await mails(api, campaign_id)
    assert [mail["cc_address_email_list"] for mail in sent] == ["boss@ours.example,log@ours.example"] * 2
    assert [mail["bcc_address_email_list"] for mail in sent] == ["crm@ours.example"] * 2
    assert [part["address"] for part in sent[0]["cc_address_json"]] == copies["cc_list"]
    assert sent[0]["to_address_email_list"] == "ann.silent@x.example"


async def test_without_copies_the_fields_are_missing(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, ["ann@x.example"], email_list=[account], cc_list=[])
    wait(HOUR)
    (mail,) = await mails(api, campaign_id)
    assert not {"cc_address_email_list", "bcc_address_email_list", "cc_address_json"} & set(mail)


async def test_an_answer_by_hand_names_its_copies_in_both_ways(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, ["ann.reply@x.example"], email_list=[account])
    wait(HOUR)
    (received,) = await mails(api, campaign_id, email_type="received")
    common = {"eaccount": account, "reply_to_uuid": received["id"], "subject": "Re", "body": {"text": "Yes"}}
    copies = {"cc_address_email_list": "boss@ours.example, log@ours.example", "bcc_address_email_list": "a@b.example"}
    to = {"to_address_email_list": "cleo@x.example"}
    for path, more in (("reply", {}), ("forward", to)):
        answer = (await api.post(f"/emails/{path}", json={**common, **copies, **more})).json()
        stored = (await api.get(f"/emails/{answer['id']}")).json()
        assert [part["address"] for part in stored["cc_address_json"]] == ["boss@ours.example", "log@ours.example"]
        assert stored["bcc_address_email_list"] == "a@b.example"


@pytest.mark.parametrize(
    ("setting", "plain"),
    [({}, [False, False]), ({"text_only": True}, [True, True]), ({"first_email_text_only": True}, [True, False])],
)
async def test_text_alone_has_no_links(
    api: httpx.AsyncClient, wait: Wait, setting: dict[str, Any], plain: list[bool]
) -> None:
    account = await sender(api, "one@ours.example")
    steps = [step(("One", LINK), delay=1), step(("", LINK))]
    campaign_id = await started(api, ["ann.silent@x.example"], steps=steps, email_list=[account], **setting)
    wait(2 * DAY)
    sent = await mails(api, campaign_id)
    assert ["href" not in mail["body"]["html"] for mail in sent] == plain
    assert ["<p>" not in mail["body"]["html"] for mail in sent] == plain
    # The text is the same either way.
    assert {plain_text(mail["body"]["html"]) for mail in sent} == {"Hello ,\n\nhave a look & tell me"}


async def test_a_first_email_of_text_alone_is_not_tracked(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    steps = [step(("One", LINK), delay=1), step(("", LINK))]
    campaign_id = await started(api, PEOPLE, steps=steps, email_list=[account], first_email_text_only=True)
    wait(4 * DAY)
    rows = (await api.get("/campaigns/analytics/steps", params={"campaign_id": campaign_id})).json()
    first, second = (next(row for row in rows if row["step"] == step) for step in ("0", "1"))
    assert (first["opened"], first["clicks"]) == (0, 0)
    assert second["opened"] > 0 and second["clicks"] > 0


async def test_an_easy_way_out_is_taken_more_often(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    found = []
    for header in (False, True):
        more = {"insert_unsubscribe_header": header}
        campaign_id = await started(api, MANY, email_list=[account], **more)
        wait(3 * DAY)
        (row,) = (await api.get("/campaigns/analytics", params={"id": campaign_id})).json()
        found.append(row["unsubscribed_count"])
    assert 0 < found[0] < found[1] < 40


async def test_a_reply_stops_the_others_of_the_company_and_touches_no_one_else(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    account = await sender(api, "one@ours.example")
    people = ["ann.silent@x.example", "bob.reply@x.example", "cleo.silent@y.example", "dan.bounce@x.example"]
    steps = [step(delay=1), step(("", "<p>Again</p>"))]
    campaign_id = await started(api, people, steps=steps, email_list=[account], stop_for_company=True)
    waiting = {"conditions": {"lead_activity": [91]}, "sequences": [{"steps": [step(("Not for you", "<p>x</p>"))]}]}
    body = {"parent_campaign": campaign_id, "name": "Later", **waiting}
    subsequence = (await api.post("/subsequences", json=body)).json()["id"]
    await api.post(f"/subsequences/{subsequence}/resume")
    wait(HOUR)
    found = {lead["email"].partition(".")[0]: lead for lead in await leads(api, campaign_id)}
    assert {name: lead["status"] for name, lead in found.items()} == {"ann": 3, "bob": 3, "cleo": 1, "dan": -1}
    assert "subsequence_id" not in found["ann"]
    wait(2 * DAY)
    followed = {mail["lead"] for mail in await mails(api, campaign_id) if mail["step"] == "0_1_0"}
    assert followed == {"cleo.silent@y.example"}
    assert {mail["subject"] for mail in await mails(api, campaign_id) if mail["lead"] == "ann.silent@x.example"} == {
        "Hello"
    }


async def test_a_company_that_was_through_already_stays_as_it_was(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    people = ["ann.silent@x.example", "bob.reply@x.example"]
    more = {"stop_for_company": True, "is_evergreen": True}
    campaign_id = await started(api, people, email_list=[account], **more)
    wait(10)
    (ann, _) = sorted(await leads(api, campaign_id), key=lambda lead: lead["email"])
    assert ann["status"] == 3
    wait(HOUR)
    (later, bob) = sorted(await leads(api, campaign_id), key=lambda lead: lead["email"])
    assert (bob["email_reply_count"], later["timestamp_updated"]) == (1, ann["timestamp_updated"])
    assert (await campaign(api, campaign_id))["status"] == 1
