"""The campaigns of the demo workspace, their subsequence, and their copy."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LOGISTICS = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
WEBINAR = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
BOOK_A_CALL = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"

OWNER, REP = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"
SENDERS = ["ada@brightpath.example", "ben@brightpath.example"]

MONTH_END = (
    "<p>Hi {{firstName}},</p>"
    "<p>{{RANDOM|How many days does|How long does}} the month-end close take at {{companyName}}? At most finance teams "
    "of your size in {{country}} it is seven days, and four of them go into matching payments by hand.</p>"
    '<p>Brightpath does the matching overnight. <a href="https://brightpath.example/close">Two minutes</a>.</p>'
    "<p>Is that worth a short call?</p><p>{{accountSignature}}</p>"
)
LEDGER = (
    "<p>Hello {{firstName}},</p>"
    "<p>when two systems disagree about one payment, who at {{companyName}} goes looking for it?</p>"
    '<p>We built Brightpath so that nobody has to. <a href="https://brightpath.example/ledger">This is how</a>.</p>'
    "<p>Shall I send you an example with figures?</p><p>{{accountSignature}}</p>"
)
FOLLOW_UP = (
    "<p>Hi {{firstName}},</p><p>one more thought: a customer with {{employees}} people, much like {{companyName}}, "
    "went from six days to two. Happy to tell you how.</p><p>{{accountSignature}}</p>"
)
CALL = (
    "<p>Hi {{firstName}},</p><p>thanks for your interest. Here are my free slots for next week: "
    '<a href="https://brightpath.example/call">pick one</a>, it takes fifteen minutes.</p><p>{{accountSignature}}</p>'
)
CALL_AGAIN = "<p>Hi {{firstName}},</p><p>did you find a slot that suits you?</p><p>{{accountSignature}}</p>"
FREIGHT = (
    "<p>Hi {{firstName}},</p><p>are freight invoices still checked by hand at {{companyName}}? We are looking for "
    "three companies for a pilot, free of charge until the end of the year.</p><p>{{accountSignature}}</p>"
)
WEBINAR_NOTES = (
    "<p>Hi {{firstName}},</p><p>thank you for coming to our webinar. The recording and the worksheet are "
    '<a href="https://brightpath.example/webinar">here</a>.</p><p>What would you like to hear about next time?</p>'
    "<p>{{accountSignature}}</p>"
)


def office_hours(timezone: str) -> dict[str, Any]:
    days = {str(day): 1 <= day <= 5 for day in range(7)}
    return {
        "schedules": [
            {"name": "Office hours", "timing": {"from": "09:00", "to": "17:00"}, "days": days, "timezone": timezone}
        ]
    }


def step(*variants: tuple[str, str], delay: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "type": "email",
        "delay": delay,
        "delay_unit": "days",
        "pre_delay_unit": "days",
        "variants": [{"subject": subject, "body": body} for subject, body in variants],
        **more,
    }


def add_campaigns(world: World) -> None:
    """The three campaigns. The one that will be active is a draft until its history has been made."""
    now = world.now()
    shared = {"organization": world.workspace["id"], "owned_by": OWNER, "created_by": OWNER, "status": 0}
    tracked = {"open_tracking": True, "link_tracking": True, "stop_on_reply": True, "text_only": False}
    spring = stamp(now - dt.timedelta(days=150))
    world.campaigns.add(
        {
            "id": WEBINAR,
            "name": "Spring webinar follow-up",
            **shared,
            **tracked,
            "campaign_schedule": office_hours("America/Detroit"),
            "sequences": [{"steps": [step(("The webinar recording, {{firstName}}", WEBINAR_NOTES), delay=0)]}],
            "email_list": list(SENDERS),
            "daily_limit": 40,
            "pl_value": 1200,
            "timestamp_created": spring,
            "timestamp_updated": spring,
        }
    )
    created = stamp(now - dt.timedelta(days=4))
    world.campaigns.add(
        {
            "id": FINTECH,
            "name": "Fintech CFOs, autumn",
            **shared,
            **tracked,
            "campaign_schedule": office_hours("America/Detroit"),
            "sequences": [
                {
                    "steps": [
                        step(("Month-end close", MONTH_END), ("Your ledger", LEDGER)),
                        step(("", FOLLOW_UP), delay=1),
                    ]
                }
            ],
            "email_list": list(SENDERS),
            "daily_limit": 60,
            "email_gap": 10,
            "random_wait_max": 3,
            "pl_value": 2400,
            "custom_variables": {"country": True, "employees": True},
            "timestamp_created": created,
            "timestamp_updated": created,
        }
    )
    drafted = stamp(now - dt.timedelta(days=1, hours=2))
    world.campaigns.add(
        {
            "id": LOGISTICS,
            "name": "Logistics pilots",
            **shared,
            "campaign_schedule": office_hours("Europe/Belgrade"),
            "sequences": [
                {"steps": [step(("Freight invoices at {{companyName}}", FREIGHT)), step(("", CALL_AGAIN), delay=1)]}
            ],
            "open_tracking": False,
            "stop_on_reply": True,
            "daily_limit": 30,
            "timestamp_created": drafted,
            "timestamp_updated": drafted,
        }
    )


def add_subsequence(world: World) -> Record:
    return world.subsequences.add(
        {
            "id": BOOK_A_CALL,
            "name": "Interested: book a call",
            "parent_campaign": FINTECH,
            "workspace": world.workspace["id"],
            "status": 1,
            "conditions": {"crm_status": [1]},
            "subsequence_schedule": office_hours("America/Detroit"),
            "sequences": [
                {
                    "steps": [
                        step(("", CALL), delay=2, pre_delay=1),
                        step(("", CALL_AGAIN), delay=2),
                    ]
                }
            ],
            "timestamp_created": world.stamp(),
            "timestamp_leads_updated": world.stamp(),
        }
    )
