"""The demo workspace's placement tests, ordered mailboxes, phone numbers, saved views and templates."""

from __future__ import annotations

import datetime as dt
import heapq
import random
from typing import Any

from mcp_instantly.sandbox.resources.accounts.oauth import add_session
from mcp_instantly.sandbox.resources.dfy_orders.accounts import add_mailbox, add_order
from mcp_instantly.sandbox.resources.dfy_orders.domains import GOOGLE
from mcp_instantly.sandbox.resources.inbox_placement import runs
from mcp_instantly.sandbox.resources.inbox_placement.tests import add_test
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import FINTECH, REP
from mcp_instantly.sandbox.worlds.demo.senders import WARM_SENDERS

CHECK_ONCE, CHECK_TWICE_A_WEEK = "11ace001-8d9e-4fa0-b1c2-3d4e5f6a7b01", "11ace001-8d9e-4fa0-b1c2-3d4e5f6a7b02"


def add_extras(world: World) -> None:
    """What else there is. The history of the tests is made by the functions that make it later on."""
    world.workspace["plan_id_inbox_placement"] = "pid_ip_hg"
    world.workspace["_card"] = {"last4": "4242", "brand": "visa", "name": "Nora Vance"}
    # With a randomness of its own, so that ids made later do not depend on what is made here.
    shared, world.random = world.random, random.Random(f"extras {world.seed}")
    planned, world.agenda = world.agenda, []
    _add_placement_tests(world)
    # Only the agenda of the tests is worked off: the rest of the workspace stands where it stood.
    world.run_due()
    for entry in planned:
        heapq.heappush(world.agenda, entry)
    _add_mailboxes(world)
    _add_phone_numbers(world)
    add_session(world, "google", "oauth-session-demo-0001")
    _add_views(world)
    world.random = shared


def _add_placement_tests(world: World) -> None:
    text = {
        "email_subject": "Month-end close",
        "email_body": "<p>Hi Maya,</p><p>how long does your month-end close take?</p>",
        "sending_method": runs.INSTANTLY,
        "emails": ["ada@brightpath.example", "ben@brightpath.example"],
    }
    us = {"region": "North America", "sub_region": "US"}
    google, microsoft = ({**us, "type": "Professional", "esp": esp} for esp in ("Google", "Microsoft"))
    twice_a_week: dict[str, Any] = {
        **text,
        "name": "Warm senders, Mondays and Thursdays",
        "type": runs.AUTOMATED,
        "delivery_mode": 2,
        "emails": [],
        "tags": [WARM_SENDERS],
        "campaign_id": FINTECH,
        "recipients_labels": [google],
        "schedule": {"days": {"1": True, "4": True}, "timing": {"from": "09:30"}, "timezone": "America/Detroit"},
    }
    once = {
        **text,
        "name": "Autumn copy before launch",
        "type": runs.ONCE,
        "delivery_mode": 1,
        "recipients_labels": [google, microsoft],
    }
    with world.during(world.now() - dt.timedelta(days=13, hours=23)):
        runs.activate(world, add_test(world, twice_a_week, id=CHECK_TWICE_A_WEEK))
    with world.during(world.now() - dt.timedelta(days=4)):
        ids = {
            "id": CHECK_ONCE,
            "_row_id": "11ace0a1-8d9e-4fa0-b1c2-3d4e5f6a7b01",
            "_report_id": "11ace0b1-8d9e-4fa0-b1c2-3d4e5f6a7b01",
        }
        runs.activate(world, add_test(world, once, **ids))


def _add_mailboxes(world: World) -> None:
    """One that is still being set up, and before it a domain without mailboxes that has long been ready."""
    with world.during(world.now() - dt.timedelta(days=20)):
        add_order(world, "brightpath-labs.example", forwarding_domain="brightpath.example")
    with world.during(world.now() - dt.timedelta(minutes=10)):
        add_order(world, "brightpath-team.example", forwarding_domain="brightpath.example")
        add_mailbox(world, "brightpath-team.example", GOOGLE, "noor", "Noor", "Haddad")


def _add_phone_numbers(world: World) -> None:
    for number, phone, locality, days in (
        ("94012e01-b0c1-42d3-a4f5-6a7b8c9d0e01", "+13135550142", "Detroit", 60),
        ("94012e01-b0c1-42d3-a4f5-6a7b8c9d0e02", "+13135550187", "Detroit", 20),
    ):
        with world.during(world.now() - dt.timedelta(days=days)):
            world.phone_numbers.add(
                {
                    "id": number,
                    "timestamp_created": world.stamp(),
                    "organization_id": world.workspace["id"],
                    "phone_number": phone,
                    "country": "US",
                    "locality": locality,
                    "subscription_id": f"sub_demo_{number[-2:]}",
                    "twilio_sid": f"PN{number.replace('-', '')}",
                    "renewal_date": (world.now() + dt.timedelta(days=30 * (days // 30 + 1))).date().isoformat(),
                    "price": 1,
                }
            )


def _add_views(world: World) -> None:
    owner = world.workspace["owner"]
    with world.during(world.now() - dt.timedelta(days=15)):
        opened = {"occurrence-days": 7, "occurrence-count": {"condition": "more", "count": 2}}
        world.sales_flows.add(
            {
                "id": "5a1ef001-c1d2-43e4-b506-7b8c9d0e1f01",
                "timestamp_created": world.stamp(),
                "organization_id": world.workspace["id"],
                "name": "Hot leads",
                "is_default": True,
                "queries": [{"actionType": "email-open", "values": opened}],
                "created_by": REP,
                "campaign_id": FINTECH,
            }
        )
        world.email_templates.add(
            {
                "id": "e3a11001-d2e3-44f5-8617-8c9d0e1f2a01",
                "timestamp_created": world.stamp(),
                "body": "<p>Hi {{firstName}},</p><p>how does {{companyName}} close its books?</p>",
                "name": "First touch, finance",
                "subject": "Month-end close",
                "organization": world.workspace["id"],
            }
        )
    world.prompt_templates.add(
        {
            "id": "9703e001-e3f4-4506-9728-9d0e1f2a3b01",
            "workspace_id": world.workspace["id"],
            "created_by": owner,
            "name": "Opening line",
            "category": 6,
            "properties": [{"name": "Company", "property": "{{companyName}}"}],
            "prompt": "Write one opening line for a mail to {{companyName}}.",
            "is_public": False,
            "model_version": "gpt-5-mini",
            "template_type": "custom",
            "like_count": 0,
            "execution_count": 12,
            "liked": False,
            "created_by_instantly": False,
        }
    )
