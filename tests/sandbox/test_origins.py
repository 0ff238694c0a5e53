"""Pages of other sites, open in the browser of whoever runs a sandbox, cannot use its port."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox

EVIL = "https://evil.example"
PATHS = [
    ("POST", "/_sandbox/reset"),
    ("POST", "/_sandbox/clock"),
    ("POST", "/_sandbox/faults"),
    ("DELETE", "/_sandbox/faults"),
    ("GET", "/_sandbox/requests"),
    ("GET", "/api/v2/campaigns"),
    ("POST", "/api/v2/custom-tags"),
    ("GET", "/"),
    ("GET", "/_sandbox/page/unibox"),
    ("GET", "/_sandbox/oauth/google/x"),
    ("POST", "/_sandbox/oauth/google/x"),
    ("GET", "/nothing"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as found:
        yield found


def ask(sandbox: Sandbox, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Status and text; the Host is that of the headers, if they name one."""
    link = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=10)
    link.request(method, path, headers={**sandbox.headers, **headers})
    answer = link.getresponse()
    status, text = answer.status, answer.read().decode()
    link.close()
    return status, text


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_a_foreign_host_or_origin_is_refused_everywhere_and_leaves_no_trace(
    sandbox: Sandbox, method: str, path: str
) -> None:
    before, tags = list(sandbox.requests), len(sandbox.world.custom_tags)
    for name, value, status in (
        ("origin", EVIL, 403),
        ("origin", "null", 403),
        ("origin", "http://127.0.0.1.evil.example", 403),
        ("origin", "http://localhost@evil.example", 403),
        ("origin", "file://", 403),
        ("host", "evil.example", 421),
        ("host", "evil.example:8787", 421),
        ("host", "127.0.0.1@evil.example", 421),
        ("host", "localhost.evil.example", 421),
        ("host", "", 421),
        ("host", "10.0.0.1", 421),
    ):
        answered, text = ask(sandbox, method, path, **{name: value})
        assert answered == status, (name, value)
        assert json.loads(text)["message"].startswith("The sandbox ")
    assert sandbox.requests == before
    assert (len(sandbox.world.custom_tags), sandbox.faults.active) == (tags, [])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "sandbox.localhost", "[::1]", "127.1.2.3"])
@pytest.mark.parametrize("port", ["", ":80", ":8787"])
def test_names_of_this_machine_are_taken_with_a_port_or_without(sandbox: Sandbox, name: str, port: str) -> None:
    for headers in ({"host": name + port}, {"origin": f"http://{name}{port}"}):
        for path in ("/_sandbox/clock", "/api/v2/campaigns", "/"):
            assert ask(sandbox, "GET", path, **headers)[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize("base", ["http://sandbox", "http://sandbox.localhost/", "https://api.instantly.ai"])
async def test_in_process_any_base_url_will_do(sandbox: Sandbox, base: str) -> None:
    async with httpx.AsyncClient(transport=sandbox.transport, base_url=base, headers=sandbox.headers) as api:
        assert (await api.get("/api/v2/campaigns")).status_code == 200


def consent_url(sandbox: Sandbox) -> str:
    return httpx.post(f"{sandbox.url}/api/v2/oauth/google/init", headers=sandbox.headers).json()["auth_url"]


def test_the_consent_form_cannot_be_framed_and_loads_nothing(sandbox: Sandbox) -> None:
    headers = httpx.get(consent_url(sandbox)).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["cache-control"]) == ("DENY", "no-store")


def test_the_consent_form_asks_its_browser_to_name_the_origin(sandbox: Sandbox) -> None:
    """Forms of a page without any referrer are sent from the origin null, and would be refused."""
    url = consent_url(sandbox)
    answer = httpx.get(url)
    assert answer.headers["referrer-policy"] == "same-origin"
    form = {"email": "sam@brightpath.example", "decision": "allow"}
    assert httpx.post(url, data=form, headers={"origin": EVIL}).status_code == 403
    assert "sam@brightpath.example" not in sandbox.world.accounts
    assert httpx.post(url, data=form, headers={"origin": sandbox.url}).status_code == 200
    assert "sam@brightpath.example" in sandbox.world.accounts
