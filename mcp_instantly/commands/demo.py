"""The demo: an outreach campaign, run by a real MCP client and a real server over stdio, against the sandbox.

The sandbox listens on a loopback port, so that the story can move its clock while the server runs beside it.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import anyio
import httpx
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from mcp_instantly.log import configure_logging
from mcp_instantly.sandbox import KEY, create_app, demo_world
from mcp_instantly.text import compact, cut
from mcp_instantly.transports.port import running_app

DAY_SECONDS = 86_400


class StoryEnded(Exception):
    """A step did not do what it says."""


@dataclasses.dataclass
class Narrator:
    """Calls tools and prints each call, its result in a line, and the log event that the server wrote for it."""

    client: Client
    control: httpx.AsyncClient
    log: TextIO
    steps: int = 0

    async def call(
        self, tool: str, arguments: dict[str, Any], show: Callable[[Any], str], *, fails: bool = False
    ) -> Any:
        """Call a tool; StoryEnded when it fails, or with `fails`, when it does not."""
        print(f"  > {tool} {cut(compact(arguments), 150)}")
        result = await self.client.call_tool(tool, arguments)
        text = "\n".join(getattr(block, "text", "") for block in result.content)
        if bool(result.is_error) != fails:
            raise StoryEnded(f"{tool} {'was refused' if result.is_error else 'was not refused'}: {cut(text, 400)}")
        answer = None if fails else json.loads(text)
        print(f"    {cut(text, 300) if fails else show(answer)}")
        self._print_events()
        self.steps += 1
        return answer

    def _print_events(self) -> None:
        for line in self.log.readlines():
            event = json.loads(line)
            if event["event"] == "tool_call":
                status = event["http_status"] or "-"
                print(
                    f"    log: {event['outcome']}, status {status}, {event['attempts']} sent, {event['duration_ms']} ms"
                )

    def tell(self, sentence: str) -> None:
        print(f"\n{sentence}")

    def check(self, holds: bool, expectation: str) -> None:
        if not holds:
            raise StoryEnded(f"expected: {expectation}")

    async def wait(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        response = await self.control.post("/_sandbox/clock", json={"advance": seconds})
        response.raise_for_status()
        print(f"    (the clock now shows {response.json()['now']})")


async def run_demo() -> int:
    """Run the story; returns the exit status: 0 only if every step did what it says."""
    configure_logging(level="warning", style="console")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with log.open("w", encoding="utf-8") as written, log.open(encoding="utf-8") as read:
            async with (
                running_app(create_app(demo_world())) as url,
                httpx.AsyncClient(base_url=url, trust_env=False) as control,
            ):
                server = StdioServerParameters(
                    command=sys.executable,
                    args=["-m", "mcp_instantly", "serve", "--server", url],
                    env={"INSTANTLY_API_KEY": KEY},
                )
                try:
                    with anyio.fail_after(120):
                        async with Client(stdio_client(server, errlog=written)) as client:
                            narrator = Narrator(client, control, read)
                            await _tell_story(narrator)
                except StoryEnded as error:
                    print(f"\nThe demo stopped: {error}", file=sys.stderr)
                    return 1
    print(f"\nAll {narrator.steps} calls behaved as expected. No email was sent.")
    return 0


NINA = "nina.replies@harborline.example"
OTTO = "otto.lind@harborline.example"
PENDING = "pending.paula@harborline.example"
BROKEN = "broken address at harborline"


async def _tell_story(n: Narrator) -> None:
    n.tell("Which workspace is this, and who can send?")
    workspace = await n.call("get_workspace", {}, lambda r: f"the workspace {r['name']}")
    n.check("id" in workspace, "a workspace with an id")
    accounts = await n.call("list_accounts", {"status": "active"}, lambda r: ", ".join(a["email"] for a in r["items"]))
    senders = [account["email"] for account in accounts["items"]][:2]
    n.check(len(senders) == 2, "two accounts that are active")

    n.tell("Are these addresses good? Some checks take a moment.")
    for address, expected in ((NINA, "verified"), ("invalid.ivan@harborline.example", "invalid"), (PENDING, "pending")):
        checked = await n.call(
            "verify_email", {"email": address}, lambda r: f"verification_status {r['verification_status']}"
        )
        n.check(checked["verification_status"] == expected, f"{address} is {expected}")
    await n.wait(30)
    checked = await n.call("get_email_verification", {"email": PENDING}, lambda r: f"now {r['verification_status']}")
    n.check(checked["verification_status"] == "verified", f"{PENDING} is verified in the end")

    n.tell("Make a list and add leads, one of them twice and one with a broken address.")
    made = await n.call("create_lead_list", {"name": "Harborline"}, lambda r: f"list {r['id']}")
    leads = [
        {"email": NINA, "first_name": "Nina", "company_name": "Harborline"},
        {"email": OTTO, "first_name": "Otto", "company_name": "Harborline"},
        {"email": NINA, "first_name": "Nina again"},
        {"email": BROKEN, "first_name": "Nobody"},
    ]
    added = await n.call(
        "bulk_add_leads",
        {"list_id": made["id"], "leads": leads},
        lambda r: (
            f"{r['leads_uploaded']} added, {r['duplicate_email_count']} twice, {r['invalid_email_count']} invalid"
        ),
    )
    counted = [added[name] for name in ("leads_uploaded", "duplicate_email_count", "invalid_email_count")]
    n.check(counted == [2, 1, 1], "two leads added, one twice, one invalid")

    n.tell("Create a campaign with two steps. The first try names a time zone that Instantly does not know.")
    campaign = {
        "name": "Harborline introduction",
        "email_list": senders,
        "stop_on_reply": True,
        "daily_limit": 50,
        "campaign_schedule": {"schedules": [_weekdays("America/New_York")]},
        "sequences": [
            {
                "steps": [
                    _step("A question, {{firstName}}", "Who looks after outreach at {{companyName}}?", 2),
                    _step("", "Did this reach you, {{firstName}}?", 0),
                ]
            }
        ],
    }
    await n.call("create_campaign", campaign, str, fails=True)
    campaign["campaign_schedule"] = {"schedules": [_weekdays("America/Detroit")]}
    created = await n.call("create_campaign", campaign, lambda r: f"campaign {r['id']}, status {r['status']} (a draft)")
    n.check(created["status"] == 0, "a new campaign is a draft")

    n.tell("Move the list into it; a background job does the work.")
    job = await n.call(
        "move_leads",
        {"list_id": made["id"], "to_campaign_id": created["id"]},
        lambda r: f"job {r['id']}, {r['status']}",
    )
    await n.wait(10)
    job = await n.call("get_background_job", {"id": job["id"]}, lambda r: f"the job ended in {r['status']}")
    n.check(job["status"] == "success", "the job succeeds")

    n.tell("Activate it, and let five days pass.")
    active = await n.call("activate_campaign", {"id": created["id"]}, lambda r: f"status {r['status']} (active)")
    n.check(active["status"] == 1, "the campaign is active")
    await n.wait(5 * DAY_SECONDS)

    n.tell("Any replies?")
    await n.call("count_unread_emails", {}, lambda r: f"{r['count']} unread")
    received = await n.call(
        "list_emails",
        {"campaign_id": created["id"], "email_type": "received", "is_unread": True},
        lambda r: f"{len(r['items'])} in this campaign: {', '.join(e['from_address_email'] for e in r['items'])}",
    )
    replies = [email for email in received["items"] if email["from_address_email"] == NINA]
    n.check(bool(replies), f"a reply from {NINA}")
    read = await n.call("get_email", {"id": replies[0]["id"]}, lambda r: f'"{cut(r["body.text"], 120)}"')

    n.tell("Instantly labels replies by itself, within seconds.")
    hers = {"campaign": created["id"], "contacts": [NINA]}
    found = await n.call("list_leads", hers, lambda r: f"{NINA}: {_interest(r)} (interested)")
    n.check(found["items"][0].get("lt_interest_status") == 1, "she is labelled as interested")

    n.tell("Reply to her, mark the thread as read, and note that a meeting is booked.")
    reply = {
        "reply_to_uuid": read["id"],
        "eaccount": read["eaccount"],
        "subject": read["subject"],
        "body": {"html": "<p>Thank you, Nina. Does Thursday at ten suit you?</p>"},
    }
    sent = await n.call("reply_to_email", reply, lambda r: f"sent to {r['to_address_email_list']}")
    n.check(sent["to_address_email_list"] == NINA, f"the reply goes to {NINA}")
    await n.call("mark_thread_as_read", {"thread_id": read["thread_id"]}, compact)
    await n.call(
        "update_lead_interest_status",
        {"lead_email": NINA, "campaign_id": created["id"], "interest_value": 2},
        lambda r: r["_note"],
    )
    await n.wait(10)
    found = await n.call("list_leads", hers, lambda r: f"{NINA}: {_interest(r)} (meeting booked)")
    n.check(found["items"][0].get("lt_interest_status") == 2, "her interest status is 2")

    n.tell("What did it bring?")
    analytics = await n.call("get_campaign_analytics", {"id": created["id"]}, lambda r: _figures(r["items"][0]))
    figures = analytics["items"][0]
    n.check(figures["leads_count"] == 2 and figures["reply_count"] == 1, "two leads, one reply")
    n.check(figures["total_opportunities"] >= 1, "one opportunity")
    n.check(figures["emails_sent_count"] == 3, "one email to Nina, who replied to it, and two to Otto, who did not")


def _interest(page: dict[str, Any]) -> str:
    return f"interest status {page['items'][0].get('lt_interest_status')}"


def _weekdays(timezone: str) -> dict[str, Any]:
    days = {str(day): True for day in range(1, 6)}
    return {"name": "Weekdays", "timing": {"from": "09:00", "to": "17:00"}, "days": days, "timezone": timezone}


def _step(subject: str, body: str, delay: int) -> dict[str, Any]:
    return {"type": "email", "delay": delay, "variants": [{"subject": subject, "body": f"<p>{body}</p>"}]}


def _figures(row: dict[str, Any]) -> str:
    names = ("leads_count", "contacted_count", "emails_sent_count", "reply_count", "total_opportunities")
    return ", ".join(f"{name} {row[name]}" for name in names)
