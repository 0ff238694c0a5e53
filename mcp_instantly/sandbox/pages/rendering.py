"""A page of the sandbox: what it is about, and its HTML."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.pages.labels import (
    ACCOUNTS,
    CAMPAIGNS,
    INTEREST_STATUSES,
    LEADS,
    MAILBOXES,
    Named,
    count,
    marks,
    sort_of,
)
from mcp_instantly.sandbox.sending.emails import RECEIVED, text_of
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

if TYPE_CHECKING:
    from jinja2 import Environment

PLACE = "/_sandbox/page"
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


def render(workspaces: Workspaces, request: Request, template: str, page: Page, live: bool) -> Response:
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
