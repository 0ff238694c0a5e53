"""What the sandbox is known not to do: kept as data, answered as JSON, shown on a page."""

from __future__ import annotations

import html

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_the_list_says_what_happens_here_and_what_is_known_of_instantly(api: httpx.AsyncClient) -> None:
    answer = await api.get("http://sandbox/_sandbox/differences")
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert len(items) > 20
    assert all(set(item) == {"area", "here", "instantly"} for item in items)
    assert all(text.endswith(".") for item in items for text in (item["here"], item["instantly"]))
    assert len({item["here"] for item in items}) == len(items)
    areas = [item["area"] for item in items]
    assert areas == sorted(areas, key=areas.index), "entries of one area stand together"


async def test_every_page_leads_to_a_page_that_shows_all_of_them(api: httpx.AsyncClient) -> None:
    overview = (await api.get("http://sandbox/")).text
    assert 'href="/_sandbox/page/differences"' in overview
    page = html.unescape((await api.get("http://sandbox/_sandbox/page/differences")).text)
    for item in (await api.get("http://sandbox/_sandbox/differences")).json()["items"]:
        assert item["here"] in page and item["instantly"] in page


@pytest.mark.parametrize(
    ("word", "path", "body"),
    [
        ("skip_cname_check", "/accounts", {"skip_cname_check": True, "warmup_custom_ftag": "mine"}),
        ("forwarded_attachments", "/emails/forward", {"forwarded_attachments": "[]"}),
    ],
)
async def test_what_has_no_effect_is_taken_and_listed(
    api: httpx.AsyncClient, word: str, path: str, body: dict[str, object]
) -> None:
    mailbox = {f"{kind}_{field}": "x" for kind in ("imap", "smtp") for field in ("username", "password", "host")}
    ports = {"imap_port": 993, "smtp_port": 587, "provider_code": 1, "first_name": "A", "last_name": "B"}
    (received, *_) = (await api.get("/emails", params={"email_type": "received"})).json()["items"]
    needed = {
        "/accounts": {"email": "new@ours.example", **mailbox, **ports},
        "/emails/forward": {
            "eaccount": received["eaccount"],
            "reply_to_uuid": received["id"],
            "to_address_email_list": "colleague@ours.example",
            "subject": "Look",
            "body": {"text": "Look"},
        },
    }[path]
    with_it = await api.post(path, json={**needed, **body})
    assert with_it.status_code == 200
    assert word not in with_it.json()
    listed = (await api.get("http://sandbox/_sandbox/differences")).json()["items"]
    assert any(word in item["here"] for item in listed)
