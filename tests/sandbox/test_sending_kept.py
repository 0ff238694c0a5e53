"""What sending counts and decides stays the same when its sandbox is stopped on the way, or killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest

from mcp_instantly.sandbox import open_sandbox
from mcp_instantly.sandbox.engine.gate import Gate
from mcp_instantly.sandbox.storage.snapshot import write_workspaces

from .kept import client
from .outreach import DAY, HOUR, sender, started, step

pytestmark = pytest.mark.anyio

EVERYTHING = {
    "match_lead_esp": True,
    "provider_routing_rules": [{"action": "do_not_send", "recipient_esp": ["google"], "sender_esp": ["other"]}],
    "auto_variant_select": {"trigger": "click_rate"},
    "limit_emails_per_company_override": {"mode": "custom", "daily_limit": 3, "scope": "across_workspace"},
    "cc_list": ["boss@ours.example"],
    "insert_unsubscribe_header": True,
    "stop_for_company": True,
}
WAITS = (HOUR, 5 * HOUR, DAY, DAY, DAY)


async def begin(app: Gate) -> None:
    async with client(app) as api:
        accounts = [
            await sender(api, f"s{provider}@ours.example", provider=provider, enable_slow_ramp=provider == 1)
            for provider in (1, 2, 3)
        ]
        variants = [("Plain", "<p>x</p>"), ("Linked", '<p><a href="https://brightpath.example">x</a></p>')]
        people = [f"p{n}@company{n // 4}.example" for n in range(150)]
        await started(api, people, steps=[step(*variants, delay=1), step()], email_list=accounts, **EVERYTHING)
        bad = [f"p{n}.bounce@bad{n}.example" for n in range(60)]
        await started(api, bad, email_list=accounts)


async def advance(app: Gate, seconds: float) -> None:
    async with client(app) as api:
        await api.post("http://sandbox/_sandbox/clock", json={"advance": seconds})


def opened(file: Path) -> Gate:
    return open_sandbox("demo", state=file, running=False)


@pytest.fixture(scope="module")
def straight_on(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is kept where nothing stops it."""

    async def go_on() -> str:
        app = opened(tmp_path_factory.mktemp("straight") / "state.db")
        await begin(app)
        for seconds in WAITS:
            await advance(app, seconds)
        found = write_workspaces(app.workspaces)
        app.close()
        return found

    return anyio.run(go_on)


async def test_stopping_on_the_way_changes_nothing(tmp_path: Path, straight_on: str) -> None:
    app = opened(tmp_path / "stopped.db")
    await begin(app)
    for seconds in WAITS:
        await advance(app, seconds)
        app.close()
        app = opened(tmp_path / "stopped.db")
    found, campaigns = write_workspaces(app.workspaces), list(app.workspaces.home.campaigns)
    app.close()
    assert any(campaign["status"] == -2 for campaign in campaigns)
    assert "'v_disabled': True" in str(campaigns)
    assert found == straight_on


async def test_being_killed_on_the_way_changes_nothing(tmp_path: Path, straight_on: str) -> None:
    app = opened(tmp_path / "0.db")
    await begin(app)
    for number, seconds in enumerate(WAITS, 1):
        await advance(app, seconds)
        for suffix in ("", "-wal"):
            if (left := tmp_path / f"{number - 1}.db{suffix}").exists():
                shutil.copy(left, tmp_path / f"{number}.db{suffix}")
        app.close()
        app = opened(tmp_path / f"{number}.db")
    found = write_workspaces(app.workspaces)
    app.close()
    assert found == straight_on
