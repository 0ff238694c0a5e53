"""The sandbox as others' tests use it."""

from __future__ import annotations

import inspect
import operator
import re
import threading

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


def test_three_lines_give_an_api_on_a_port() -> None:
    with Sandbox() as sandbox:
        found = httpx.get(f"{sandbox.url}/api/v2/campaigns/{CAMPAIGN}", headers=sandbox.headers).json()
        assert found["name"] == sandbox.world.campaigns.get(CAMPAIGN)["name"]
        assert sandbox.requests[-1]["status"] == 200


@pytest.mark.anyio
async def test_its_transport_needs_no_port() -> None:
    with Sandbox("fresh") as sandbox:
        async with httpx.AsyncClient(
            transport=sandbox.transport, base_url="http://sandbox/api/v2", headers=sandbox.headers
        ) as api:
            assert (await api.get("/campaigns")).json() == {"items": []}
        assert "sandbox" not in [thread.name for thread in threading.enumerate()]


def test_its_clock_stands_still_until_it_is_moved() -> None:
    with Sandbox() as sandbox:
        sent = len(sandbox.world.emails)
        assert not sandbox.clock.running
        sandbox.advance(2 * 86_400)
        assert len(sandbox.world.emails) > sent
        sandbox.reset()
        assert len(sandbox.world.emails) == sent


def test_its_responses_are_dated_by_its_clock_and_only_once() -> None:
    with Sandbox() as sandbox:
        dates = [httpx.get(f"{sandbox.url}/api/v2/campaigns", headers=sandbox.headers).headers.get_list("date")]
        sandbox.advance(86_400)
        dates.append(httpx.get(f"{sandbox.url}/api/v2/campaigns").headers.get_list("date"))
    assert dates == [["Mon, 07 Sep 2026 13:00:00 GMT"], ["Tue, 08 Sep 2026 13:00:00 GMT"]]


def test_its_faults_break_real_connections_and_tell_what_was_done() -> None:
    with Sandbox() as sandbox:
        sandbox.faults.add(reset=True, when="after", operation="POST /custom-tags")
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            httpx.post(f"{sandbox.url}/api/v2/custom-tags", json={"label": "Unsure"}, headers=sandbox.headers)
        assert [told["done"] for told in sandbox.faults.log] == [True]
        with pytest.raises(ValueError, match="no operation"):
            sandbox.faults.add(status=500, operation="POST /nothing")


def test_whatever_its_documentation_names_is_there() -> None:
    texts = [inspect.getdoc(member) or "" for member in (Sandbox, *vars(Sandbox).values())]
    named = {name for text in texts for name in re.findall(r"\bsandbox((?:\.[a-z_]+)+)", text)}
    assert {".faults.log", ".world.leads"} <= named
    with Sandbox() as sandbox:
        for name in named:
            assert operator.attrgetter(name[1:])(sandbox) is not None


def test_after_closing_the_port_is_free_and_the_world_can_still_be_looked_at() -> None:
    with Sandbox() as sandbox:
        url = sandbox.url
        httpx.post(f"{url}/api/v2/custom-tags", json={"label": "Last"}, headers=sandbox.headers)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/v2/campaigns")
    assert "Last" in [tag["label"] for tag in sandbox.world.custom_tags]


def test_budgets_hold_when_asked_for() -> None:
    with Sandbox(budgets=True) as sandbox, httpx.Client(headers=sandbox.headers) as api:
        codes = [api.get(f"{sandbox.url}/api/v2/emails").status_code for _ in range(21)]
        assert codes == [200] * 20 + [429]
        sandbox.advance(60)
        assert api.get(f"{sandbox.url}/api/v2/emails").status_code == 200


def test_many_clients_at_once_lose_nothing() -> None:
    with Sandbox("fresh") as sandbox:

        def work(worker: int) -> None:
            with httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=sandbox.headers) as api:
                for number in range(20):
                    assert api.post("/custom-tags", json={"label": f"{worker}-{number}"}).status_code == 200

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            sandbox.advance(1)
        assert len(sandbox.world.custom_tags) == 100
