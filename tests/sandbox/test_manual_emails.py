"""Answers, forwarded e-mails and test mails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

ADA, BEN, EVA = "ada@brightpath.example", "ben@brightpath.example", "eva@brightpath-mail.example"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
Wait = Callable[[float], None]


def email_id(n: int) -> str:
    return f"01991f80-{n:04x}-7000-8000-{n:012x}"


async def reply(api: httpx.AsyncClient, n: int, **more: Any) -> httpx.Response:
    body = {
        "reply_to_uuid": email_id(n),
        "eaccount": ADA,
        "subject": "Re: Month-end close",
        "body": {"html": "Hi Maya"},
    }
    return await api.post("/emails/reply", json={**body, **more})


async def test_an_answer_goes_to_the_lead_in_the_same_thread(api: httpx.AsyncClient) -> None:
    sent = (await reply(api, 2, cc_address_email_list="nora@brightpath.example")).json()
    assert (sent["to_address_email_list"], sent["ue_type"]) == ("maya.lindqvist@fjordpay.example", 3)
    assert (sent["thread_id"], sent["cc_address_email_list"]) == (
        "c0-demoThread0000000000001",
        "nora@brightpath.example",
    )
    assert (sent["subject"], sent["body"]["html"]) == ("Re: Month-end close", "Hi Maya")
    assert "is_unread" not in sent
    assert (await api.get(f"/emails/{sent['id']}")).json() == sent


async def test_an_answer_to_our_own_mail_goes_to_ourselves(api: httpx.AsyncClient) -> None:
    assert (await reply(api, 1)).json()["to_address_email_list"] == ADA


async def test_text_is_wrapped_in_a_page_and_recipients_are_added(api: httpx.AsyncClient) -> None:
    sent = (await reply(api, 2, body={"text": "Hi\nMaya"}, additional_recipients=["cfo@fjordpay.example"])).json()
    assert sent["body"]["html"].startswith("<!DOCTYPE html>") and "Hi<br/>Maya" in sent["body"]["html"]
    assert (list(sent["body"]), sent["content_preview"]) == (["html"], "Hi Maya")
    assert sent["to_address_email_list"] == "maya.lindqvist@fjordpay.example,cfo@fjordpay.example"


async def test_the_same_answer_twice_is_two_mails(api: httpx.AsyncClient) -> None:
    ids = {(await reply(api, 2)).json()["id"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"reply_to_uuid": "c0-demoThread0000000000001"}, 404),
        ({"eaccount": "nobody@brightpath.example"}, 404),
        ({"eaccount": BEN}, 400),
        ({"body": {}}, 400),
        ({"body": "Hi"}, 400),
        ({"reminder_ts": "tomorrow"}, 400),
    ],
)
async def test_an_answer_that_cannot_be_sent_is_refused(
    api: httpx.AsyncClient, more: dict[str, Any], status: int
) -> None:
    assert (await reply(api, 2, **more)).status_code == status
    assert len((await api.get("/emails", params={"email_type": "manual"})).json()["items"]) == 1


async def test_who_replies_answers_an_answer_too(api: httpx.AsyncClient, wait: Wait) -> None:
    lead = "ida.replies@portico.example"
    await api.patch(f"/campaigns/{DRAFT}", json={"email_list": [ADA]})
    await api.post("/leads", json={"campaign": DRAFT, "email": lead})
    await api.post(f"/campaigns/{DRAFT}/activate")
    wait(3600)
    (answer, _) = (await api.get("/emails", params={"lead": lead})).json()["items"]
    assert (answer["ue_type"], answer["is_unread"]) == (2, 1)
    await api.post(
        "/emails/reply",
        json={"reply_to_uuid": answer["id"], "eaccount": ADA, "subject": answer["subject"], "body": {"html": "Thanks"}},
    )
    wait(12 * 3600)
    kinds = [email["ue_type"] for email in (await api.get("/emails", params={"lead": lead})).json()["items"]]
    assert kinds == [2, 3, 2, 1]


async def test_a_forwarded_mail_carries_the_original_if_asked(api: httpx.AsyncClient) -> None:
    body = {
        "reply_to_uuid": email_id(2),
        "eaccount": ADA,
        "to_address_email_list": "leo@brightpath.example, nora@brightpath.example",
        "subject": "Fwd: Month-end close",
        "body": {"html": "Leo, please take this one."},
    }
    sent = (await api.post("/emails/forward", json={**body, "include_original_body": True})).json()
    assert sent["to_address_email_list"] == "leo@brightpath.example,nora@brightpath.example"
    assert sent["body"]["html"].startswith("Leo, please") and "Thursday at ten" in sent["body"]["html"]
    plain = (await api.post("/emails/forward", json=body)).json()
    assert "Thursday" not in plain["body"]["html"]


@pytest.mark.parametrize("more", [{}, {"include_original_body": False}, {"body": {}}, {"body": {"html": ""}}])
async def test_there_must_be_something_to_forward(api: httpx.AsyncClient, more: dict[str, Any]) -> None:
    body = {"reply_to_uuid": email_id(2), "eaccount": ADA, "to_address_email_list": "l@x.example", "subject": "Fwd"}
    assert (await api.post("/emails/forward", json={**body, **more})).status_code == 400


async def test_a_test_mail_that_fails_says_so_with_status_200(api: httpx.AsyncClient) -> None:
    async def answer(eaccount: str) -> Any:
        body = {"eaccount": eaccount, "to_address_email_list": "nora@x.example", "subject": "S", "body": {"html": "H"}}
        sent = await api.post("/emails/test", json=body)
        assert sent.status_code == 200
        return sent.json()

    assert await answer(ADA) == {"status": "success"}
    assert await answer(EVA) == {"error": "ACC_AUTH_ERROR"}
    assert await answer("nobody@x.example") == {"error": "ACC_NOT_FOUND"}
    assert len((await api.get("/emails", params={"limit": 100})).json()["items"]) == 40


async def test_ten_test_mails_a_minute_are_enough(api: httpx.AsyncClient, world: World) -> None:
    world.budgets = True
    body = {"eaccount": ADA, "to_address_email_list": "nora@x.example", "subject": "S", "body": {"html": "H"}}
    codes = [(await api.post("/emails/test", json=body)).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]
