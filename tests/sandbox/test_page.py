"""The pages on which a person watches the sandbox: what they say, where they lead, and that text stays text."""

from __future__ import annotations

import html.parser
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox import KEY, Sandbox, World, create_app
from mcp_instantly.sandbox.sending.emails import add_email

pytestmark = pytest.mark.anyio

FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
MAYA = "01991f00-0001-7000-8000-000000000001"
MAYAS_THREAD = "c0-demoThread0000000000001"
PAGE = "/_sandbox/page"
EVERY = ("/", *(f"{PAGE}/{place}" for place in ("leads", "unibox", "sent", "calls")))
HOSTILE = "</div><script>alert(1)</script><img src=https://evil.example/x.png onerror=alert(1)> \"'&"

Wait = Callable[[float], None]


class Markup(html.parser.HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for tag, attributes in self.tags if tag == "a"]


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client that has no key, as a person's browser has none."""
    transport = httpx.ASGITransport(app=create_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        yield client


async def read(browser: httpx.AsyncClient, path: str) -> Markup:
    answer = await browser.get(path)
    assert answer.status_code == 200, path
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Markup(answer.text)


async def call(browser: httpx.AsyncClient, method: str, path: str, **more: object) -> httpx.Response:
    return await browser.request(method, f"/api/v2{path}", headers={"authorization": f"Bearer {KEY}"}, **more)


async def test_the_front_page_shows_campaigns_with_the_figures_that_the_api_reports(browser: httpx.AsyncClient) -> None:
    page = await read(browser, "/")
    (row,) = (await call(browser, "GET", "/campaigns/analytics", params={"id": FINTECH})).json()
    opened = round(100 * row["open_count_unique"] / row["contacted_count"])
    figures = f"{row['leads_count']} {row['contacted_count']} {row['emails_sent_count']} {opened} %"
    assert f"Fintech CFOs, autumn Active {figures}" in page.text
    assert "Logistics pilots Draft" in page.text
    assert "Brightpath" in page.text
    assert "7 Sep, 13:00 UTC, the clock is frozen" in page.text
    # An email that is deleted was sent all the same.
    assert "33 emails sent 7 replies" in page.text
    for email in (await call(browser, "GET", "/emails", params={"limit": 100})).json()["items"]:
        await call(browser, "DELETE", f"/emails/{email['id']}")
    assert "33 emails sent 7 replies" in (await read(browser, "/")).text


async def test_what_happens_is_on_the_page_when_it_is_loaded_again(browser: httpx.AsyncClient, wait: Wait) -> None:
    await call(browser, "POST", f"/campaigns/{FINTECH}/pause")
    assert "Fintech CFOs, autumn Paused" in (await read(browser, "/")).text
    await call(browser, "POST", f"/campaigns/{FINTECH}/activate")
    assert "33 emails" in (await read(browser, f"{PAGE}/sent")).text
    wait(86_400)
    later = await read(browser, f"{PAGE}/sent")
    assert "33 emails" not in later.text
    assert ("time", "2026-09-07") in [(tag, (found.get("datetime") or "")[:10]) for tag, found in later.tags]
    assert "8 Sep, 13:00 UTC" in later.text


async def test_every_link_of_every_page_leads_somewhere(browser: httpx.AsyncClient, wait: Wait) -> None:
    await call(browser, "GET", "/campaigns")
    wait(2 * 86_400)
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        for link in (await read(browser, path)).links:
            # From lists, a few records of each kind are enough.
            kind = link.split("?")[0].rpartition("/")[0]
            if link not in seen and sum(other.split("?")[0].rpartition("/")[0] == kind for other in seen) < 25:
                seen.add(link)
                waiting.append(link)
    assert all(link.startswith("/") for link in seen)
    for kind in ("campaigns", "leads", "unibox"):
        assert any(link.startswith(f"{PAGE}/{kind}/") for link in seen), kind
    assert any("page=2" in link for link in seen)


async def test_a_thread_is_read_from_its_first_email_to_its_last(browser: httpx.AsyncClient) -> None:
    unibox = await read(browser, f"{PAGE}/unibox")
    assert f"{PAGE}/unibox/{MAYAS_THREAD}" in unibox.links
    thread = (await read(browser, f"{PAGE}/unibox/{MAYAS_THREAD}")).text
    asked, answered = thread.index("Campaign, step 1A"), thread.index("I would like it to be three")
    assert asked < answered
    assert "With Maya Lindqvist of Fjordpay Interested in Fintech CFOs, autumn" in thread
    # Looking is not reading: the email is as unread as before.
    assert "maya.lindqvist@fjordpay.example unread" in (await read(browser, f"{PAGE}/unibox")).text


async def test_the_unibox_can_be_narrowed_to_what_is_unread(browser: httpx.AsyncClient) -> None:
    everything = (await read(browser, f"{PAGE}/unibox?show=all")).text
    unread = (await read(browser, f"{PAGE}/unibox?show=unread")).text
    count = (await call(browser, "GET", "/emails/unread/count")).json()["count"]
    assert f"{count} threads" in unread
    assert "henrik.haas@swiftremit.example" in everything
    assert "henrik.haas@swiftremit.example" not in unread


async def test_leads_are_found_by_name_status_and_campaign_and_paged(browser: httpx.AsyncClient) -> None:
    first = await read(browser, f"{PAGE}/leads")
    assert "200 leads, page 1 of 4" in first.text
    (behind,) = [link for link in first.links if "page=" in link]
    second = await read(browser, behind)
    assert "page 2 of 4" in second.text
    leads = {link for link in first.links if link.startswith(f"{PAGE}/leads/")}
    assert len(leads) == 50
    assert not leads & set(second.links)
    assert "page 4 of 4" in (await read(browser, f"{PAGE}/leads?page=99")).text
    assert "page 1 of 4" in (await read(browser, f"{PAGE}/leads?page=-%C2%B2")).text
    assert "1 lead" in (await read(browser, f"{PAGE}/leads?search=LINDQVIST&campaign={FINTECH}&status=3")).text
    assert "No lead is like this." in (await read(browser, f"{PAGE}/leads?search=nobody%40nowhere")).text


async def test_a_lead_is_shown_with_its_emails(browser: httpx.AsyncClient) -> None:
    page = await read(browser, f"{PAGE}/leads/{MAYA}")
    assert "Maya Lindqvist Completed Interested" in page.text
    assert "companyName Fjordpay" in page.text
    assert f"{PAGE}/unibox/{MAYAS_THREAD}" in page.links


async def test_a_sent_email_says_what_became_of_it(browser: httpx.AsyncClient) -> None:
    page = (await read(browser, f"{PAGE}/sent")).text
    assert "Bounced" in page
    assert "Unsubscribed" in page
    assert "Opened 2 times" in page
    webinar = (await read(browser, f"{PAGE}/sent?campaign=c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03")).text
    assert "The webinar recording" in webinar
    assert "Month-end close" not in webinar


async def test_calls_are_shown_with_their_status_and_body_newest_first(browser: httpx.AsyncClient) -> None:
    await call(browser, "GET", "/leads/none")
    await call(browser, "POST", "/custom-tags", json={"label": "Seen"})
    await browser.post("/_sandbox/faults", json={"reset": True})
    with pytest.raises(httpx.ReadError):
        await call(browser, "GET", "/accounts", params={"limit": 3})
    page = (await read(browser, f"{PAGE}/calls")).text
    dropped, made, refused = (page.index(words) for words in ("/accounts?limit=3", "/custom-tags", "/leads/none"))
    assert dropped < made < refused
    assert '"label": "Seen"' in page
    assert "Not carried out fault-1" in page
    failed = (await read(browser, f"{PAGE}/calls?show=refused")).text
    assert "2 calls" in failed
    assert "/custom-tags" not in failed


async def test_pages_are_not_calls_and_no_fault_hits_them(browser: httpx.AsyncClient) -> None:
    await browser.post("/_sandbox/faults", json={"status": 503, "next": 5})
    for path in EVERY:
        await read(browser, path)
    assert (await browser.get("/_sandbox/requests")).json() == {"items": []}
    assert (await call(browser, "GET", "/campaigns")).status_code == 503


async def test_text_by_strangers_stays_text(browser: httpx.AsyncClient, world: World) -> None:
    created = (
        await call(
            browser,
            "POST",
            "/leads",
            json={
                "email": "mallory@evil.example",
                "first_name": HOSTILE,
                "company_name": HOSTILE,
                "job_title": HOSTILE,
                "campaign": FINTECH,
                "custom_variables": {HOSTILE: HOSTILE},
            },
        )
    ).json()
    await call(browser, "PATCH", f"/campaigns/{FINTECH}", json={"name": HOSTILE})
    await call(browser, "GET", "/campaigns", params={"search": HOSTILE})
    await browser.get(
        f"/api/v2/{HOSTILE}", headers={"user-agent": HOSTILE.replace("\n", ""), "x-as-workspace": "<script>"}
    )
    email = add_email(
        world,
        ue_type=2,
        sender="mallory@evil.example",
        to="ada@brightpath.example",
        subject=HOSTILE,
        markup=HOSTILE.replace("<", "&lt;").replace(">", "&gt;") + "<script>alert(2)</script>",
        eaccount="ada@brightpath.example",
        lead="mallory@evil.example",
        lead_id=created["id"],
        campaign_id=FINTECH,
        is_unread=1,
    )
    places = (
        *EVERY,
        f"{PAGE}/campaigns/{FINTECH}",
        f"{PAGE}/leads/{created['id']}",
        f"{PAGE}/unibox/{email['thread_id']}",
        f"{PAGE}/leads?search=mallory",
    )
    for path in places:
        page = await read(browser, path)
        assert not [tag for tag, _ in page.tags if tag in ("script", "img", "iframe")], path
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")], path
        if path not in (f"{PAGE}/leads", f"{PAGE}/sent"):
            assert "<script>alert(1)</script>" in page.text, path
    searched = await browser.get(f"{PAGE}/leads", params={"search": HOSTILE})
    assert ("input", HOSTILE.lower()) in [(tag, a.get("value")) for tag, a in Markup(searched.text).tags]


async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(browser: httpx.AsyncClient) -> None:
    for path in EVERY:
        answer = await browser.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        for tag, attributes in Markup(answer.text).tags:
            assert tag not in ("script", "img", "iframe", "object"), path
            assert "src" not in attributes
            assert tag != "link" or attributes["href"] == "data:,"


async def test_a_live_page_loads_itself_again_until_it_is_stopped(browser: httpx.AsyncClient) -> None:
    live = await read(browser, "/")
    assert ("meta", {"http-equiv": "refresh", "content": "5"}) in live.tags
    (stop,) = {link for link in live.links if "live=0" in link}
    stopped = await read(browser, stop)
    assert not [tag for tag, attributes in stopped.tags if attributes.get("http-equiv") == "refresh"]
    # Whoever stopped one page has stopped those behind its links.
    assert f"{PAGE}/unibox?live=0" in stopped.links


async def test_what_is_not_there_is_said_to_be_not_there(browser: httpx.AsyncClient) -> None:
    for place in ("campaigns/none", "leads/none", "unibox/none", "elsewhere", "leads?workspace=none"):
        answer = await browser.get(f"{PAGE}/{place}")
        assert answer.status_code == 404, place
        assert "Back to the campaigns" in answer.text
    assert (await browser.get("/campaigns")).json()["message"] == "Route GET:/campaigns not found"


async def test_an_empty_world_has_pages_too() -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(World())), base_url="http://sandbox"
    ) as browser:
        for path in EVERY:
            await read(browser, path)
        assert "There is no campaign yet." in (await read(browser, "/")).text


async def test_each_workspace_of_a_group_has_pages_of_its_own() -> None:
    with Sandbox("agency") as sandbox:
        async with httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox") as browser:
            home = await read(browser, "/")
            other = [world for world in sandbox.workspaces.worlds if world.campaigns][-1]
            (link,) = {link for link in home.links if other.workspace["id"] in link}
            page = await read(browser, link)
            assert next(iter(other.campaigns))["name"] in page.text
            assert all(other.workspace["id"] in link for link in page.links if f"{PAGE}/" in link)


# in a real browser


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; where CI is set it must be there."""
    found = shutil.which("chromium")
    if found is None:
        missing = "there is no chromium to look at the page with (apt-get install chromium)"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def browse(chromium: str, place: Path, url: str, *options: str) -> str:
    """What headless Chromium prints."""
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        f"--user-data-dir={place / 'profile'}",
        *options,
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_real_browser_shows_the_world(chromium: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        httpx.get(f"{sandbox.url}/api/v2/campaigns", headers=sandbox.headers)
        sandbox.advance(86_400)
        texts = []
        for name, path, size in (
            ("front", "/", "1200,1000"),
            ("thread", f"{PAGE}/unibox/{MAYAS_THREAD}", "500,1000"),
        ):
            picture = tmp_path / f"{name}.png"
            shown = ("--dump-dom", f"--screenshot={picture}", f"--window-size={size}")
            texts.append(Markup(browse(chromium, tmp_path, sandbox.url + path, *shown)).text)
            assert picture.read_bytes().startswith(b"\x89PNG")
            assert picture.stat().st_size > 20_000
        assert "Fintech CFOs, autumn Active 120" in texts[0]
        assert "GET /api/v2/campaigns" in texts[0]
        assert "I would like it to be three" in texts[1]


def test_no_page_is_wider_than_a_narrow_screen(chromium: str, tmp_path: Path) -> None:
    paths = [*EVERY, f"{PAGE}/campaigns/{FINTECH}", f"{PAGE}/leads/{MAYA}", f"{PAGE}/unibox/{MAYAS_THREAD}"]

    async def measure(_: Request) -> Response:
        frames = "".join(f'<iframe src="{path}" style="width:340px;height:600px"></iframe>' for path in paths)
        script = """onload = () => {
            const pages = [...document.querySelectorAll('iframe')].map(frame => frame.contentDocument)
            // What a card cuts off does not make the page wider, so the edge of every element counts.
            const edge = page => Math.max(page.documentElement.scrollWidth,
                ...[...page.querySelectorAll('body *:not(thead, thead *)')].map(
                    element => Math.ceil(element.getBoundingClientRect().right)))
            const told = pages.map(page => page.title + ': ' + edge(page))
            document.body.textContent = told.join('|')
        }"""
        return HTMLResponse(f"<!doctype html><title>x</title><body>{frames}<script>{script}</script>")

    with Sandbox() as sandbox:
        sandbox.app.router.routes.insert(0, Route("/measure", measure))
        long = "-".join(["interminable"] * 30)
        httpx.get(f"{sandbox.url}/api/v2/{long}", headers={"user-agent": long.replace("-", "")})
        sandbox.advance(86_400)
        widths = Markup(browse(chromium, tmp_path, f"{sandbox.url}/measure", "--dump-dom")).parts
        measured = [part.rsplit(": ", 1) for part in "".join(widths).strip().removeprefix("x").split("|")]
        assert len(measured) == len(paths)
        assert [title for title, width in measured if int(width) > 340] == []
        assert all("Brightpath" in title for title, _ in measured)
