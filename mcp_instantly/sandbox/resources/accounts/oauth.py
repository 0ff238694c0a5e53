"""Connecting a mailbox by OAuth: sessions that wait until a person has said yes or no on the consent page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import text
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

GOOGLE, MICROSOFT = "google", "microsoft"
PROVIDERS = {GOOGLE: 2, MICROSOFT: 3}
"""The `provider_code` of the accounts that come in this way."""

LIFE = dt.timedelta(minutes=10)
STARTS_PER_MINUTE = 75
PENDING = "pending"


@route("POST", "/oauth/google/init")
def start_google(world: World, call: Call) -> Record:
    return _start(world, call, GOOGLE)


@route("POST", "/oauth/microsoft/init")
def start_microsoft(world: World, call: Call) -> Record:
    return _start(world, call, MICROSOFT)


def _start(world: World, call: Call, provider: str) -> Record:
    count_call(world, f"start_oauth_{provider}", STARTS_PER_MINUTE)
    session = add_session(world, provider, f"{world.random.getrandbits(128):032x}")
    return {
        "session_id": session["id"],
        "auth_url": f"{call.origin}/_sandbox/oauth/{provider}/{session['id']}",
        "expires_at": session["expires_at"],
    }


def add_session(world: World, provider: str, session_id: str) -> Record:
    """A session that begins now."""
    expires = stamp(world.now() + LIFE)
    return world.oauth_sessions.add(
        {"id": session_id, "provider": provider, "expires_at": expires, "result": {"status": PENDING}}
    )


def is_over(world: World, session: Record) -> bool:
    return parse(session["expires_at"]) <= world.now()


def finish(world: World, session: Record, **result: Any) -> None:
    """Keep the result until it is asked for."""
    world.oauth_sessions.change(session, result=result)


@route("GET", "/oauth/session/status/{sessionId}", sessionId=text())
def get_session_status(world: World, call: Call) -> Record:
    """A result is given once and then forgotten; one that was not fetched is forgotten with its session."""
    session = world.oauth_sessions.get(call.path["sessionId"])
    if not session:
        raise not_found("OAuth session")
    result: Record = session["result"]
    over = is_over(world, session)
    if result["status"] == PENDING and not over:
        return result
    world.oauth_sessions.remove(session["id"])
    if result["status"] == PENDING:
        return {"status": "expired"}
    if over:
        raise not_found("OAuth session")
    return result
