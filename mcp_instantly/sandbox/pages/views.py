"""The pages on which a person watches the world: `/`, and what it links to under `/_sandbox/page/`.

They show and change nothing, need no JavaScript, and load nothing from elsewhere. The jinja2 templates are read when
a page is first asked for.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.engine.routes import Call
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.pages.labels import (
    ACCOUNTS,
    CAMPAIGNS,
    INTEREST_STATUSES,
    LEADS,
    MAILBOXES,
    Named,
    count,
    describe_call,
    is_sent,
    marks,
    place_name,
    sort_of,
    text_of,
    went_well,
)
from mcp_instantly.sandbox.resources.analytics.campaigns import get_campaign_analytics, get_steps
from mcp_instantly.sandbox.resources.campaigns.sending_status import report_status
from mcp_instantly.sandbox.sending.emails import RECEIVED, plain_text
from mcp_instantly.sandbox.sending.flows import Flow
from mcp_instantly.sandbox.sending.matching import senders
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

if TYPE_CHECKING:
    from jinja2 import Environment

PLACE = "/_sandbox/page"
ROWS = 50
"""Rows on one page of a list."""

FEW = 5
"""Rows of the lists on the overview."""

REFRESH = 5
"""Seconds until a live page loads itself again."""

HEADERS = {
    # Text by strangers is escaped; should that ever fail, a browser still runs and loads nothing.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Missing(Exception):
    """There is no such thing in this workspace."""


@dataclasses.dataclass
class View:
    """One request for a page: the workspace that it is about, and what its address says."""

    workspaces: Workspaces
    world: World
    path: dict[str, str]
    query: dict[str, str]

    def link(self, *place: str, **query: Any) -> str:
        """The address of another page, in the same workspace and just as live."""
        kept: dict[str, Any] = {name: self.query[name] for name in ("workspace", "live") if name in self.query}
        # An empty value takes an argument away.
        wanted = {name: value for name, value in {**kept, **query}.items() if value not in ("", None)}
        path = "/".join((PLACE, *(quote(part, safe="") for part in place))) if place else "/"
        return f"{path}?{urlencode(wanted)}" if wanted else path

    def find(self, table: str, key: str) -> Record:
        record = getattr(self.world, table).get(key)
        if record is None:
            raise Missing
        found: dict[str, Any] = record
        return found

    def when(self, text: str) -> str:
        """An instant as people write it, without the year where it is this one."""
        at = parse(text)
        year = "" if at.year == self.world.now().year else f" {at.year}"
        return f"{at.day} {at:%b}{year}, {at:%H:%M}"

    def interest(self, value: int | None) -> Named | None:
        if value is None:
            return None
        label = self.world.lead_labels.first(interest_status=value)
        return (label["label"], "calm") if label else INTEREST_STATUSES.get(value, (str(value), "calm"))

    def campaign_name(self, campaign_id: str | None) -> str:
        return str((self.world.campaigns.get(campaign_id or "") or {}).get("name", ""))


Page = Callable[[View], dict[str, Any]]


def page_routes(workspaces: Workspaces) -> list[Route]:
    """`/` and the pages that it links to."""

    def show(template: str, page: Page, *, live: bool = True) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            # `/` does not come through the gate, so it holds the world still by itself.
            with workspaces.lock, workspaces.clock.held():
                workspaces.run_due()
                return _render(workspaces, request, template, page, live)

        return endpoint

    return [
        Route("/", show("overview", _overview)),
        Route(f"{PLACE}/campaigns/{{id}}", show("campaign", _campaign)),
        Route(f"{PLACE}/leads", show("leads", _leads, live=False)),
        Route(f"{PLACE}/leads/{{id}}", show("lead", _lead)),
        Route(f"{PLACE}/unibox", show("unibox", _unibox)),
        Route(f"{PLACE}/unibox/{{id}}", show("thread", _thread)),
        Route(f"{PLACE}/sent", show("sent", _sent)),
        Route(f"{PLACE}/calls", show("calls", _calls)),
        Route(f"{PLACE}/{{rest:path}}", show("missing", _nothing, live=False)),
    ]


def _render(workspaces: Workspaces, request: Request, template: str, page: Page, live: bool) -> Response:
    query = dict(request.query_params)
    known = {world.workspace["id"]: world for world in workspaces.worlds}
    view = View(workspaces, known.get(query.get("workspace", ""), workspaces.home), request.path_params, query)
    status = 200
    try:
        if query.get("workspace", "") not in ("", *known):
            raise Missing
        shown = page(view)
    except Missing:
        template, shown, status, live = "missing", {}, 404, False
    live = query.get("live", "1" if live else "0") == "1" and status == 200
    here = request.url.path
    text = (
        _environment()
        .get_template(f"{template}.html")
        .render(
            view=view,
            world=view.world,
            workspaces=[world.workspace for world in known.values()],
            now=stamp(workspaces.clock.now()),
            running=workspaces.clock.running,
            refresh=REFRESH if live else None,
            other_mode=f"{here}?{urlencode({**query, 'live': '0' if live else '1'})}",
            here=f"{here}?{request.url.query}" if request.url.query else here,
            area=template,
            **shown,
        )
    )
    return HTMLResponse(text, status, HEADERS)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, text_of=text_of, sort_of=sort_of, marks=marks)
    environment.globals.update(
        campaign_words=CAMPAIGNS, lead_words=LEADS, account_words=ACCOUNTS, mailboxes=MAILBOXES, received=RECEIVED
    )
    return environment


# what is on the pages


def _overview(view: View) -> dict[str, Any]:
    figures = {row["campaign_id"]: row for row in get_campaign_analytics(view.world, Call({}, {}, {}))}
    calls = view.workspaces.requests
    return {
        "campaigns": [
            {**campaign, "leads": view.world.leads.count(campaign=campaign["id"]), "row": figures.get(campaign["id"])}
            for campaign in view.world.campaigns.after(newest_first=True)
        ],
        "sent": sum(1 for email in view.world.emails if is_sent(email)),
        "answers": sum(1 for email in view.world.emails if email["ue_type"] == RECEIVED),
        "unread": view.world.emails.count(is_unread=1),
        "threads": _first(_threads(view, "")),
        "calls": len(calls),
        "refused": sum(1 for call in calls if not went_well(call)),
        "latest": [describe_call(call) for call in calls[: -FEW - 1 : -1]],
    }


def _campaign(view: View) -> dict[str, Any]:
    campaign = view.find("campaigns", view.path["id"])
    asked = {"campaign_id": campaign["id"]}
    rows = get_campaign_analytics(view.world, Call({}, {"id": campaign["id"]}, {}))
    by_place = {(row["step"], row["variant"]): row for row in get_steps(view.world, Call({}, asked, {}))}
    flow = Flow(campaign["id"], campaign)
    return {
        "campaign": campaign,
        "leads": view.world.leads.count(campaign=campaign["id"]),
        "row": rows[0] if rows else None,
        "state": report_status(view.world, flow, in_words=False)["summary"]["status_message"],
        "senders": senders(view.world, campaign),
        "subsequences": list(view.world.subsequences.where(parent_campaign=campaign["id"])),
        "variants": [
            {
                "place": place_name(str(step), str(number)),
                "delay": f"{template.get('delay') or 0} {template.get('delay_unit') or 'days'}",
                "last": step == len(flow.steps) - 1,
                "subject": variant["subject"],
                "text": plain_text(variant["body"]),
                "disabled": bool(variant.get("v_disabled")),
                "row": by_place.get((str(step), str(number))),
            }
            for step, template in enumerate(flow.steps)
            for number, variant in enumerate(template["variants"])
        ],
    }


def _leads(view: View) -> dict[str, Any]:
    campaign, list_id = view.query.get("campaign", ""), view.query.get("list", "")
    status, search = view.query.get("status", ""), view.query.get("search", "").strip().lower()
    leads: Iterable[Record] = view.world.leads
    if campaign:
        leads = view.world.leads.select(campaign=campaign)
    elif list_id:
        leads = view.world.leads.select(list_id=list_id)
    found = [
        lead
        for lead in leads
        if (not status or str(lead["status"]) == status)
        and (not list_id or lead.get("list_id") == list_id)
        and (not search or any(search in lead.get(field, "").lower() for field in _SEARCHED))
    ]
    given = {"campaign": campaign, "list": list_id, "status": status, "search": search}
    return {**_paged(view, found, "leads", **given), **given}


_SEARCHED = ("email", "first_name", "last_name", "company_name", "job_title")


def _lead(view: View) -> dict[str, Any]:
    lead = view.find("leads", view.path["id"])
    placed = view.world.lead_lists.get(lead.get("list_id", "")) or {}
    return {
        "lead": lead,
        "list_name": placed.get("name", ""),
        "emails": list(view.world.emails.select(lead_id=lead["id"], newest_first=True)),
    }


def _unibox(view: View) -> dict[str, Any]:
    show, campaign = view.query.get("show", ""), view.query.get("campaign", "")
    found = list(_threads(view, show, campaign))
    given = {"show": show, "campaign": campaign}
    return {**_paged(view, found, "unibox", **given), **given}


def _threads(view: View, show: str, campaign: str = "") -> Iterable[Record]:
    """The newest wanted email of each thread, newest first."""
    met = set()
    for email in view.world.emails.after(newest_first=True):
        wanted = show == "all" or (email["ue_type"] == RECEIVED and (show != "unread" or email.get("is_unread")))
        if wanted and email["thread_id"] not in met and campaign in ("", email.get("campaign_id")):
            met.add(email["thread_id"])
            yield {**email, "emails": view.world.emails.count(thread_id=email["thread_id"])}


def _thread(view: View) -> dict[str, Any]:
    emails = list(view.world.emails.select(thread_id=view.path["id"]))
    if not emails:
        raise Missing
    lead = view.world.leads.get(emails[0].get("lead_id", ""))
    return {"emails": emails, "lead": lead, "subject": emails[0]["subject"]}


def _sent(view: View) -> dict[str, Any]:
    campaign = view.query.get("campaign", "")
    emails = view.world.emails.after(newest_first=True)
    found = [email for email in emails if is_sent(email) and campaign in ("", email.get("campaign_id"))]
    return {**_paged(view, found, "sent", campaign=campaign), "campaign": campaign}


def _calls(view: View) -> dict[str, Any]:
    show = view.query.get("show", "")
    calls = view.workspaces.requests[::-1]
    found = [call for call in calls if not went_well(call)] if show == "refused" else calls
    shown = _paged(view, found, "calls", show=show)
    return {**shown, "items": [describe_call(call) for call in shown["items"]], "show": show}


def _nothing(_: View) -> dict[str, Any]:
    raise Missing


# how it is put


def _paged(view: View, found: list[Any], place: str, **query: str) -> dict[str, Any]:
    """The rows of the page that is asked for, and the addresses of its neighbours."""
    last = max(1, -(-len(found) // ROWS))
    asked = view.query.get("page", "")
    number = min(max(int(asked), 1), last) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 1
    return {
        "items": found[(number - 1) * ROWS : number * ROWS],
        "total": len(found),
        "number": number,
        "last": last,
        "before": view.link(place, **query, page=number - 1) if number > 1 else None,
        "behind": view.link(place, **query, page=number + 1) if number < last else None,
    }


def _first(found: Iterable[Any]) -> list[Any]:
    return [item for item, _ in zip(found, range(FEW), strict=False)]
