"""The page on which a person lets the sandbox into a mailbox, in place of Google's or Microsoft's."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.shapes import is_address
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.resources.accounts.accounts import change
from mcp_instantly.sandbox.resources.accounts.oauth import PENDING, PROVIDERS, finish, is_over
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

NAMES = {"google": "Google", "microsoft": "Microsoft"}
HEADERS = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # Without any referrer a browser would send the form from the origin "null".
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
DENIED = {"status": "error", "error": "access_denied", "error_description": "The user denied access to the mailbox"}


def consent_routes(workspaces: Workspaces) -> list[Route]:
    """`/_sandbox/oauth/{provider}/{session}`: GET shows the form; POST takes `email`, `name` and `decision`."""

    async def consent(request: Request) -> Response:
        wanted = request.path_params["session"]
        world = next((world for world in workspaces.worlds if wanted in world.oauth_sessions), workspaces.home)
        session = world.oauth_sessions.get(wanted)
        if not session or session["provider"] != request.path_params["provider"]:
            return _page("Unknown session", "<p>This session does not exist, or its result has been read.</p>", 404)
        if is_over(world, session) or session["result"]["status"] != PENDING:
            return _page("Session over", "<p>This session has ended. Start a new one.</p>", 410)
        provider = NAMES[session["provider"]]
        if request.method == "GET":
            return _form(provider)
        sent = parse_qs((await request.body()).decode(errors="replace"))
        given = {name: values[0].strip() for name, values in sent.items()}
        if given.get("decision") == "deny":
            finish(world, session, **DENIED)
            return _page("Access denied", "<p>Nothing was connected. You can close this page.</p>")
        email = given.get("email", "").lower()
        if not email or not is_address(email):
            return _form(provider, "Please give an email address.", 400)
        account = connect(world, session["provider"], email, given.get("name", ""))
        name = f"{account.get('first_name', '')} {account.get('last_name', '')}".strip()
        finish(world, session, status="success", email=email, name=name or email)
        return _page("Mailbox connected", f"<p>{html.escape(email)} is connected. You can close this page.</p>")

    return [Route("/_sandbox/oauth/{provider}/{session}", consent, methods=["GET", "POST"])]


def connect(world: World, provider: str, email: str, name: str) -> Record:
    """Add the account, or mend the connection of one that is there already."""
    first, _, last = name.partition(" ")
    named: dict[str, Any] = {key: value for key, value in (("first_name", first), ("last_name", last)) if value}
    account = world.accounts.get(email)
    if account:
        mended = {"status": 1, "status_message": None} if account["status"] < 0 else {}
        return change(world, account, **named, **mended, provider_code=PROVIDERS[provider])
    audit.note(world, audit.ACCOUNT_ADDITION, audit_metadata={"email": email})
    return world.accounts.add(
        {
            "email": email,
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "organization": world.workspace["id"],
            **named,
            "warmup_status": 0,
            "provider_code": PROVIDERS[provider],
            "setup_pending": False,
            "is_managed_account": False,
            "status": 1,
            "stat_warmup_score": 0,
        }
    )


def _form(provider: str, complaint: str = "", status: int = 200) -> Response:
    warning = f"<p role='alert'>{html.escape(complaint)}</p>" if complaint else ""
    return _page(
        f"Connect a {provider} mailbox",
        f"""<p>This is the sandbox: it stands in for {provider}, and no real mailbox is touched.</p>{warning}
<form method="post">
<p><label>Address <input name="email" type="email" placeholder="sam@brightpath.example"></label></p>
<p><label>Name <input name="name" placeholder="Sam Rivers"></label></p>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form>""",
        status,
    )


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><h1>{title}</h1>{body}</html>",
        status,
        HEADERS,
    )
