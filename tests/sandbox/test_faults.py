"""Faults on demand, in process and on a port, and what the control path tells about them afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import KEY, World, create_app
from mcp_instantly.transports.port import running_app

pytestmark = pytest.mark.anyio

CONTROL = "http://sandbox/_sandbox/faults"


async def cause(api: httpx.AsyncClient, **fault: Any) -> dict[str, Any]:
    answer = await api.post(CONTROL, json=fault)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def log(api: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await api.get(CONTROL)).json()["happened"]


async def labels(api: httpx.AsyncClient) -> list[str]:
    return [tag["label"] for tag in (await api.get("/custom-tags", params={"limit": 100})).json()["items"]]


async def add_tag(api: httpx.AsyncClient, label: str = "New", **headers: str) -> httpx.Response:
    return await api.post("/custom-tags", json={"label": label}, headers=headers)


@pytest.mark.parametrize("error", ['{"a": NaN}', '{"a":' * 20_000, "[]", '"text"'])
async def test_a_header_that_no_answer_could_hold_is_a_bad_request(api: httpx.AsyncClient, error: str) -> None:
    refused = await add_tag(api, **{"x-sandbox-fault": f"error={error}"})
    assert refused.status_code == 400
    assert "error is the JSON object that the response holds" in refused.json()["message"]
    assert (await api.get("http://sandbox/_sandbox/requests")).json()["items"][-1]["status"] == 400
    assert await log(api) == []


def test_in_process_too_a_fault_must_be_one_that_can_be_answered(world: World) -> None:
    faults = create_app(world).workspaces.faults
    with pytest.raises(ValueError, match="error is the JSON object"):
        faults.add(error={"at": object()})


async def test_a_status_with_retry_after_in_the_apis_envelope(api: httpx.AsyncClient) -> None:
    await cause(api, status=429, retry_after=3)
    refused = await add_tag(api)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert refused.json()["error"] == "Too Many Requests"
    assert (await add_tag(api)).status_code == 200


async def test_a_status_without_retry_after(api: httpx.AsyncClient) -> None:
    await cause(api, status=503)
    refused = await add_tag(api)
    assert refused.status_code == 503
    assert "retry-after" not in refused.headers


async def test_before_means_that_nothing_was_done_and_after_that_it_was(api: httpx.AsyncClient) -> None:
    await cause(api, status=500, when="before")
    assert (await add_tag(api, "Lost")).status_code == 500
    await cause(api, status=500, when="after")
    assert (await add_tag(api, "Kept")).status_code == 500
    assert "Lost" not in await labels(api)
    assert "Kept" in await labels(api)
    first, second = await log(api)
    assert (first["done"], first.get("status"), first["answered"]) == (False, None, 500)
    assert (second["done"], second["status"], second["answered"]) == (True, 200, 500)
    assert second["operation"] == "POST /custom-tags"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_connection_is_one_for_httpx(api: httpx.AsyncClient, when: str) -> None:
    await cause(api, reset=True, when=when)
    with pytest.raises(httpx.ReadError):
        await add_tag(api, "Unsure")
    assert ("Unsure" in await labels(api)) == (when == "after")
    (told,) = await log(api)
    assert told["done"] == (when == "after")
    assert "answered" not in told


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lost_connection_on_a_port_is_real(world: World, when: str) -> None:
    async with (
        running_app(create_app(world)) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v2", headers={"authorization": f"Bearer {KEY}"}) as api,
    ):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await add_tag(api, "Unsure", **{"x-sandbox-fault": f"reset; when={when}"})
        assert ("Unsure" in await labels(api)) == (when == "after")


async def test_a_truncated_body_is_broken_json(api: httpx.AsyncClient) -> None:
    await cause(api, truncated=True)
    answer = await add_tag(api, "Half")
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert "Half" in await labels(api)


async def test_a_page_of_html_with_status_200(api: httpx.AsyncClient) -> None:
    await cause(api, html=200)
    answer = await add_tag(api)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")


async def test_an_error_inside_a_success(api: httpx.AsyncClient) -> None:
    await cause(api, error={"error": "ACC_UNKNOWN_ERROR"}, when="after")
    answer = await add_tag(api, "Inside")
    assert (answer.status_code, answer.json()) == (200, {"error": "ACC_UNKNOWN_ERROR"})
    assert "Inside" in await labels(api)


async def test_latency_passes_on_the_sandboxs_clock(api: httpx.AsyncClient, world: World) -> None:
    await cause(api, latency=90)
    assert (await add_tag(api)).json()["timestamp_created"] == "2026-09-07T13:01:30.000Z"
    assert world.stamp() == "2026-09-07T13:01:30.000Z"


async def test_real_latency_keeps_a_client_waiting_and_is_bounded(world: World) -> None:
    async with (
        running_app(create_app(world)) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v2", headers={"authorization": f"Bearer {KEY}"}) as api,
    ):
        late = {"x-sandbox-fault": "latency=1; real"}
        with pytest.raises(httpx.ReadTimeout):
            await api.get("/custom-tags", headers=late, timeout=0.05)
        assert world.stamp() == "2026-09-07T13:00:00.000Z"
        refused = await api.get("/custom-tags", headers={"x-sandbox-fault": "latency=31; real"})
        assert (refused.status_code, refused.json()["statusCode"]) == (400, 400)


async def test_the_next_n_calls_of_one_operation(api: httpx.AsyncClient) -> None:
    await cause(api, status=503, next=2, operation="POST /custom-tags")
    assert (await api.get("/custom-tags")).status_code == 200
    assert [(await add_tag(api, f"n{n}")).status_code for n in range(3)] == [503, 503, 200]


async def test_every_nth_call(api: httpx.AsyncClient) -> None:
    await cause(api, status=500, every=3, operation="GET /campaigns")
    codes = [(await api.get("/campaigns")).status_code for _ in range(7)]
    assert codes == [200, 200, 500, 200, 200, 500, 200]


async def test_a_seeded_rate_hits_the_same_calls_again(api: httpx.AsyncClient) -> None:
    async def codes(seed: int) -> list[int]:
        await api.delete(CONTROL)
        await cause(api, status=500, rate=0.3, seed=seed)
        return [(await api.get("/campaigns/count-launched")).status_code for _ in range(60)]

    first = await codes(7)
    assert 8 <= first.count(500) <= 28
    assert await codes(7) == first
    assert await codes(8) != first


async def test_a_header_asks_for_a_single_fault(api: httpx.AsyncClient) -> None:
    refused = await add_tag(api, **{"x-sandbox-fault": "status=429; retry_after=2; when=after"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    assert (await add_tag(api, "Second")).status_code == 200
    (told,) = await log(api)
    assert (told["done"], told["kind"]) == (True, "status")


async def test_faults_are_listed_and_taken_back(api: httpx.AsyncClient) -> None:
    one = await cause(api, status=500, every=1)
    await cause(api, reset=True, next=5)
    await api.get("/campaigns")
    items = (await api.get(CONTROL)).json()["items"]
    assert [(item["seen"], item["fired"]) for item in items] == [(1, 1), (1, 0)]
    assert (await api.delete(f"{CONTROL}/{one['id']}")).status_code == 200
    assert (await api.delete(f"{CONTROL}/{one['id']}")).status_code == 404
    await api.delete(CONTROL)
    assert (await api.get(CONTROL)).json() == {"items": [], "happened": []}
    assert (await api.get("/campaigns")).status_code == 200


async def test_the_request_log_names_the_fault_and_whether_the_work_was_done(
    api: httpx.AsyncClient, world: World
) -> None:
    one = await cause(api, status=503)
    await add_tag(api)
    await add_tag(api)
    assert [(request["status"], request.get("fault")) for request in world.requests] == [(None, one["id"]), (200, None)]


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"status": 200},
        {"status": "500"},
        {"status": 500, "reset": True},
        {"status": 500, "next": 1, "every": 2},
        {"status": 500, "operation": "POST /nothing"},
        {"status": 500, "colour": "red"},
        {"latency": 31, "real": True},
        {"truncated": True, "when": "before"},
        {"reset": True, "rate": 2},
        {"reset": True, "when": "later"},
        {"error": "text"},
    ],
)
async def test_what_is_no_fault_is_refused(api: httpx.AsyncClient, fault: dict[str, Any]) -> None:
    refused = await api.post(CONTROL, json=fault)
    assert refused.status_code == 400
    assert refused.json()["message"]


async def test_the_control_path_itself_never_fails(api: httpx.AsyncClient) -> None:
    await cause(api, status=500, every=1)
    assert (await api.get("http://sandbox/_sandbox/clock")).status_code == 200
