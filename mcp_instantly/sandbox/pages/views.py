"""The pages on which a person watches the world: `/`, and what it links to under `/_sandbox/page/`.

They show and change nothing, need no JavaScript, and load nothing from elsewhere. The jinja2 templates are read when
a page is first asked for.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_instantly.sandbox.engine.differences import read_differences
from mcp_instantly.sandbox.engine.routes import Call
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.pages.labels import (
    describe_call,
    is_sent,
    place_name,
    went_well,
)
from mcp_instantly.sandbox.pages.rendering import PLACE, Missing, Page, View, render
from mcp_instantly.sandbox.resources.analytics.campaigns import get_campaign_analytics, get_steps
from mcp_instantly.sandbox.resources.campaigns.sending_status import report_status
from mcp_instantly.sandbox.sending.emails import RECEIVED, all_emails, is_reply
from mcp_instantly.sandbox.sending.flows import Flow
from mcp_instantly.sandbox.sending.matching import senders
from mcp_instantly.sandbox.sending.templates import plain_text
from mcp_instantly.sandbox.state.table import Record

ROWS = 50
"""Rows on one page of a list."""

MAX_OVERVIEW_ROWS = 5
"""Rows of the lists on the overview."""


@functools.cache
def page_routes() -> tuple[Route, ...]:
    """`/` and the pages that it links to, which all sandboxes of a process share: a request knows its application."""

    def show(template: str, page: Page, *, live: bool = True) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            workspaces: Workspaces = request.app.workspaces
            # `/` does not come through the gate, so it holds the world still by itself.
            with workspaces.lock, workspaces.clock.held():
                workspaces.run_due()
                return render(workspaces, request, template, page, live)

        return endpoint

    return (
        Route("/", show("overview", _overview)),
        Route(f"{PLACE}/campaigns/{{id}}", show("campaign", _campaign)),
        Route(f"{PLACE}/leads", show("leads", _leads, live=False)),
        Route(f"{PLACE}/leads/{{id}}", show("lead", _lead)),
        Route(f"{PLACE}/unibox", show("unibox", _unibox)),
        Route(f"{PLACE}/unibox/{{id}}", show("thread", _thread)),
        Route(f"{PLACE}/sent", show("sent", _sent)),
        Route(f"{PLACE}/calls", show("calls", _calls)),
        Route(f"{PLACE}/differences", show("differences", _differences, live=False)),
        Route(f"{PLACE}/{{rest:path}}", show("missing", _nothing, live=False)),
    )


# what is on the pages


def _overview(view: View) -> dict[str, Any]:
    figures = {row["campaign_id"]: row for row in get_campaign_analytics(view.world, Call({}, {}, {}))}
    calls = view.workspaces.requests
    return {
        "campaigns": [
            {**campaign, "leads": view.world.leads.count(campaign=campaign["id"]), "row": figures.get(campaign["id"])}
            for campaign in view.world.campaigns.after(newest_first=True)
        ],
        "sent": sum(map(is_sent, all_emails(view.world))),
        "replies": sum(map(is_reply, all_emails(view.world))),
        "unread": view.world.emails.count(is_unread=1),
        "threads": _first(_threads(view, "")),
        "calls": len(calls),
        "refused": sum(1 for call in calls if not went_well(call)),
        "latest": [describe_call(call) for call in calls[: -MAX_OVERVIEW_ROWS - 1 : -1]],
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


def _differences(_: View) -> dict[str, Any]:
    areas = itertools.groupby(read_differences(), key=lambda difference: difference["area"])
    return {"areas": [(area, list(found)) for area, found in areas]}


def _nothing(_: View) -> dict[str, Any]:
    raise Missing


# how it is put


def _paged(view: View, found: list[Any], place: str, **query: str) -> dict[str, Any]:
    """The rows of the page that is asked for, and the addresses of its neighbours."""
    last = max(1, math.ceil(len(found) / ROWS))
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
    return [item for item, _ in zip(found, range(MAX_OVERVIEW_ROWS), strict=False)]
