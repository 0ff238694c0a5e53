"""What holds for every operation: keys, routes, bodies, validation, paging, and the sandbox's own control."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
SCHEDULE = {
    "schedules": [
        {
            "name": "Mornings",
            "timing": {"from": "09:00", "to": "12:00"},
            "days": {"1": True},
            "timezone": "America/Detroit",
        }
    ]
}


async def control(api: httpx.AsyncClient, path: str, body: dict | None = None) -> httpx.Response:
    url = f"http://sandbox/_sandbox/{path}"
    return await api.get(url) if body is None else await api.post(url, json=body)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic sandbox"])
async def test_a_call_without_a_known_key_is_unauthorized(api: httpx.AsyncClient, header: str) -> None:
    del api.headers["authorization"]
    answer = await api.get("/workspaces/current", headers={"authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.json()["statusCode"] == 401
    assert answer.json()["error"] == "Unauthorized"


async def test_the_python_urllib_agent_is_turned_away_before_the_key_is_looked_at(api: httpx.AsyncClient) -> None:
    del api.headers["authorization"]
    answer = await api.get("/workspaces/current", headers={"user-agent": "Python-urllib/3.12"})
    assert (answer.status_code, answer.text) == (403, "error code: 1010")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_a_workspace_that_the_key_does_not_reach_is_forbidden(api: httpx.AsyncClient, world: World) -> None:
    other = await api.get("/workspaces/current", headers={"x-as-workspace": CAMPAIGN})
    own = await api.get("/workspaces/current", headers={"x-as-workspace": world.workspace["id"]})
    assert (other.status_code, own.status_code) == (403, 200)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("PUT", f"/campaigns/{CAMPAIGN}"), ("GET", "/accounts/")]
)
async def test_an_unknown_route_is_not_found(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["message"] == f"Route {method}:/api/v2{path} not found"


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", f"/campaigns/{CAMPAIGN}"), ("POST", f"/campaigns/{CAMPAIGN}/pause")]
)
async def test_a_json_content_type_with_an_empty_body_is_a_bad_request(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await api.request(method, path, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "FST_ERR_CTP_EMPTY_JSON_BODY"
    assert "Body cannot be empty" in answer.json()["message"]


@pytest.mark.parametrize("body", [None, b"null", b"{}"])
async def test_an_operation_without_a_body_takes_nothing_or_null(api: httpx.AsyncClient, body: bytes | None) -> None:
    headers = {"content-type": "application/json"} if body else {}
    answer = await api.request("DELETE", f"/campaigns/{CAMPAIGN}", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["id"] == CAMPAIGN


async def test_broken_json_and_other_media_types_are_refused(api: httpx.AsyncClient) -> None:
    broken = await api.post("/custom-tags", content=b"{", headers={"content-type": "application/json"})
    form = await api.post("/custom-tags", data={"label": "x"})
    assert (broken.status_code, form.status_code) == (400, 415)


async def test_a_body_that_is_missing_is_named(api: httpx.AsyncClient) -> None:
    for answer in (await api.post("/campaigns"), await api.patch(f"/campaigns/{CAMPAIGN}")):
        assert answer.status_code == 400
        assert answer.json()["message"] == "body must be object"


async def test_problems_of_a_body_are_reported_one_at_a_time(api: httpx.AsyncClient) -> None:
    async def complaint(body: dict) -> str:
        answer = await api.post("/campaigns", json=body)
        assert answer.status_code == 400
        return answer.json()["message"]

    window = dict(SCHEDULE["schedules"][0])
    assert await complaint({}) == "body must have required property 'name'"
    assert await complaint({"name": "x"}) == "body must have required property 'campaign_schedule'"
    assert await complaint({"name": 1, "campaign_schedule": SCHEDULE}) == "body/name must be string"
    empty = {"name": "x", "campaign_schedule": {"schedules": []}}
    assert await complaint(empty) == "body/campaign_schedule/schedules must NOT have fewer than 1 items"
    where = "body/campaign_schedule/schedules/0"
    for changed, message in [
        ({"timezone": "America/New_York"}, "/timezone must be equal to one of the allowed values"),
        ({"days": {}}, "/days must NOT have fewer than 1 properties"),
        ({"days": [1]}, "/days must be object"),
        (
            {"timing": {"from": "9:00", "to": "17:00"}},
            '/timing/from must match pattern "^([01][0-9]|2[0-3]):([0-5][0-9])$"',
        ),
    ]:
        body = {"name": "x", "campaign_schedule": {"schedules": [{**window, **changed}]}}
        assert await complaint(body) == where + message


async def test_problems_of_path_and_query_name_their_place(api: httpx.AsyncClient) -> None:
    for path, message in [
        ("/campaigns/1", 'params/id must match format "uuid"'),
        ("/campaigns?limit=101", "querystring/limit must be <= 100"),
        ("/campaigns?limit=0", "querystring/limit must be >= 1"),
        ("/campaigns?limit=many", "querystring/limit must be integer"),
        ("/campaigns?status=9", "querystring/status must be equal to one of the allowed values"),
        ("/accounts/ctd/status", "querystring must have required property 'host'"),
    ]:
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["message"]) == (400, message)


async def test_unknown_query_arguments_and_body_fields_are_ignored(api: httpx.AsyncClient) -> None:
    assert (await api.get("/campaigns?colour=red")).status_code == 200
    answer = await api.post("/custom-tags", json={"label": "Blue", "colour": "blue"})
    assert answer.status_code == 200
    assert "colour" not in answer.json()


async def test_a_last_page_has_a_cursor_and_the_page_behind_it_is_empty(api: httpx.AsyncClient) -> None:
    for number in range(4):
        await api.post("/custom-tags", json={"label": f"Page {number}"})
    first = (await api.get("/custom-tags", params={"limit": 4, "search": "page"})).json()
    assert len(first["items"]) == 4
    following = {"limit": 4, "search": "page", "starting_after": first["next_starting_after"]}
    assert (await api.get("/custom-tags", params=following)).json() == {"items": []}


async def test_a_page_that_is_not_full_has_a_cursor_and_an_empty_one_has_none(api: httpx.AsyncClient) -> None:
    page = (await api.get("/campaigns", params={"limit": 100})).json()
    assert 3 <= len(page["items"]) < 100
    after = {"limit": 100, "starting_after": page["next_starting_after"]}
    assert (await api.get("/campaigns", params=after)).json() == {"items": []}


async def test_paging_one_by_one_meets_every_record_once(api: httpx.AsyncClient) -> None:
    for path in ("/campaigns", "/accounts", "/custom-tags", "/custom-tag-mappings", "/background-jobs"):
        whole = (await api.get(path, params={"limit": 100})).json()["items"]
        seen, after = [], {}
        while page := (await api.get(path, params={"limit": 1, **after})).json():
            seen += page["items"]
            if "next_starting_after" not in page:
                break
            after = {"starting_after": page["next_starting_after"]}
        assert seen == whole
        assert whole


async def test_the_clock_stands_still_until_it_is_moved(api: httpx.AsyncClient) -> None:
    before = (await control(api, "clock")).json()
    assert before == {"now": "2026-09-07T13:00:00.000Z", "running": False}
    assert (await control(api, "clock", {"advance": 90})).json()["now"] == "2026-09-07T13:01:30.000Z"
    assert (await control(api, "clock", {"to": "2026-09-08"})).json()["now"] == "2026-09-08T00:00:00.000Z"
    assert (await control(api, "clock", {"advance": -1})).status_code == 400
    created = (await api.post("/custom-tags", json={"label": "Later"})).json()
    assert created["timestamp_created"] == "2026-09-08T00:00:00.000Z"


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("clock", '{"to": 5}', "body/to must be string"),
        ("clock", '{"to": null}', "body/to must be string"),
        ("clock", '{"to": "soon"}', "soon"),
        ("clock", '{"to": "9999-12-31"}', "the clock ends at 9000-01-01"),
        ("clock", '{"to": "9999-12-31T23:59:59-23:59"}', "9999"),
        ("clock", '{"to": "2100-01-01"}', "ten years at once"),
        ("clock", '{"advance": 86400000000}', "ten years at once"),
        ("clock", '{"advance": "60"}', "body/advance must be number"),
        ("clock", '{"advance": 1e300}', "the clock ends at 9000-01-01"),
        ("clock", '{"advance": 60, "to": "2026-09-01"}', "not both"),
        ("clock", '{"running": "false"}', "body/running must be boolean"),
        ("clock", '{"advnace": 60}', "additional properties"),
        ("clock", "[60]", "body must be object"),
        ("clock", "[" * 100_000, "nested too deeply"),
        ("reset", '{"seed": [1]}', "body/seed must be integer"),
        ("reset", '{"seed": "x"}', "body/seed must be integer"),
        ("reset", '{"seed": 1.5}', "body/seed must be integer"),
        ("reset", '{"seed": true}', "body/seed must be integer"),
        ("reset", '{"seed": NaN}', "NaN"),
        ("faults", '{"error": {"a": NaN}}', "NaN"),
        ("faults", '{"error": ' + '{"a":' * 100_000, "nested too deeply"),
        ("faults", '{"self": 1}', "a fault has no 'self'"),
        ("faults", '{"latency": 1, "real": "yes"}', "real is true"),
    ],
)
async def test_the_control_path_refuses_what_it_cannot_do(
    api: httpx.AsyncClient, world: World, path: str, body: str, problem: str
) -> None:
    await api.post("/custom-tags", json={"label": "Here"})
    refused = await api.post(f"http://sandbox/_sandbox/{path}", content=body)
    assert refused.status_code == 400
    assert problem in refused.json()["message"]
    assert (await control(api, "clock")).json() == {"now": "2026-09-07T13:00:00.000Z", "running": False}
    assert (await control(api, "faults")).json() == {"items": [], "happened": []}
    assert [tag["label"] for tag in world.custom_tags][-1] == "Here"


async def test_reset_brings_the_first_instant_and_the_first_records_back(api: httpx.AsyncClient) -> None:
    before = (await api.get("/campaigns")).json()
    await api.delete(f"/campaigns/{CAMPAIGN}")
    await control(api, "clock", {"advance": 86400})
    assert (await control(api, "reset", {})).json() == {"seed": 1, "now": "2026-09-07T13:00:00.000Z"}
    assert (await api.get("/campaigns")).json() == before
    # What was asked before is forgotten as well.
    asked = (await control(api, "requests")).json()["items"]
    assert [(request["method"], request["path"]) for request in asked] == [("GET", "/api/v2/campaigns")]


async def test_every_request_is_on_record_refused_or_not(api: httpx.AsyncClient) -> None:
    await api.post("/custom-tags", json={"label": ""})
    await api.get("/nothing", headers={"x-as-workspace": "w"})
    refused, dropped = (await control(api, "requests")).json()["items"]
    assert (refused["status"], refused["body"], refused["content_type"]) == (400, {"label": ""}, "application/json")
    assert (dropped["status"], dropped["path"], dropped["workspace"]) == (404, "/api/v2/nothing", "w")


async def test_the_same_calls_make_the_same_world(api: httpx.AsyncClient) -> None:
    body = {"name": "Twice", "campaign_schedule": SCHEDULE}
    first = (await api.post("/campaigns", json=body)).json()
    await control(api, "reset", {})
    assert (await api.post("/campaigns", json=body)).json() == first


async def test_an_empty_world_answers_too() -> None:
    from mcp_instantly.sandbox import KEY, create_app

    transport = httpx.ASGITransport(app=create_app(World()))
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/api/v2", headers=headers) as api:
        assert (await api.get("/accounts")).json() == {"items": []}
        assert (await api.get("/workspaces/current")).json()["name"] == "Sandbox"


async def test_of_long_bodies_the_beginning_is_on_record_and_old_requests_leave(
    api: httpx.AsyncClient, world: World
) -> None:
    lead = {"email": "long@portico.example", "personalization": "x" * 200_000, "list_id": CAMPAIGN}
    await api.post("/leads", json=lead)
    (kept,) = (await control(api, "requests")).json()["items"]
    assert kept["size"] > 200_000
    assert kept["body"].startswith('{"email":"long@portico.example"') and len(kept["body"]) == 65_536
    for _ in range(300):
        await api.post("/custom-tags", content=b"x" * 1_000_000)
    asked = (await control(api, "requests")).json()["items"]
    assert sum(len(request["body"]) for request in asked) <= 16_000_000
    assert 200 < len(asked) < 300
    await control(api, "reset", {})
    await api.get("/campaigns")
    assert [request["size"] for request in (await control(api, "requests")).json()["items"]] == [0]
