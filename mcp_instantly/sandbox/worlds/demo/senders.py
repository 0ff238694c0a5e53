"""The accounts that the demo workspace sends from, and its tags."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.sending.warmup import rate
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo import campaigns

WARM_SENDERS, Q4 = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101", "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102"


def add_accounts(world: World) -> None:
    broken = {
        "code": "EAUTH",
        "command": "AUTH PLAIN",
        "response": "535 5.7.8 Authentication failed",
        "e_message": "Invalid login: 535 5.7.8 Authentication failed",
        "responseCode": 535,
    }
    people: tuple[tuple[str, str, int, int, dict[str, Any]], ...] = (
        ("ada@brightpath.example", "Ada Reyes", 180, 40, {"warmup_status": 1}),
        ("ben@brightpath.example", "Ben Carter", 180, 40, {"warmup_status": 1}),
        ("chloe@brightpath.example", "Chloe Duval", 9, 30, {"warmup_status": 1, "enable_slow_ramp": True}),
        ("dev@brightpath-mail.example", "Dev Anand", 95, 30, {"warmup_status": 0, "status": 2}),
        (
            "eva@brightpath-mail.example",
            "Eva Lund",
            95,
            30,
            {"warmup_status": 0, "status": -1, "status_message": broken},
        ),
    )
    for age, (email, name, days, limit, more) in enumerate(people):
        first, last = name.split(" ")
        account = {
            "email": email,
            "timestamp_created": stamp(world.now() - dt.timedelta(days=days, minutes=-7 * age)),
            "timestamp_updated": stamp(world.now() - dt.timedelta(days=3, hours=age)),
            "first_name": first,
            "last_name": last,
            "organization": world.workspace["id"],
            "added_by": campaigns.OWNER,
            "warmup": {
                "limit": 20,
                "increment": "2",
                "reply_rate": 0.3,
                "advanced": {"read_emulation": True, "weekday_only": False, "open_rate": 0.95, "spam_save_rate": 0.9},
            },
            "timestamp_warmup_start": stamp(world.now() - dt.timedelta(days=days, minutes=-7 * age)),
            "daily_limit": limit,
            "sending_gap": 5,
            "status": 1,
            "provider_code": 2 if "mail" not in email else 1,
            "setup_pending": False,
            "is_managed_account": False,
            "signature": f"{name}<br/>Brightpath",
            "tracking_domain_name": "go.brightpath.example",
            "tracking_domain_status": "CTD_ACTIVE",
            **more,
        }
        rate(world, account)
        world.accounts.add(account)


def add_tags(world: World) -> None:
    for tag, label, description, days in (
        (WARM_SENDERS, "Warm senders", "Accounts that are ready for campaigns", 120),
        (Q4, "Q4", "Planned for the fourth quarter", 20),
    ):
        at = stamp(world.now() - dt.timedelta(days=days))
        world.custom_tags.add(
            {
                "id": tag,
                "timestamp_created": at,
                "timestamp_updated": at,
                "organization_id": world.workspace["id"],
                "label": label,
                "description": description,
            }
        )
    mapped = (
        (WARM_SENDERS, campaigns.SENDERS[0], 1),
        (WARM_SENDERS, campaigns.SENDERS[1], 1),
        (Q4, campaigns.LOGISTICS, 2),
    )
    for place, (tag, resource, kind) in enumerate(mapped):
        world.custom_tag_mappings.add(
            {
                "id": f"7a600002-3c4d-4e5f-8a6b-7c8d9e0fa2{place + 1:02d}",
                "tag_id": tag,
                "resource_id": resource,
                "resource_type": kind,
                "timestamp_created": stamp(world.now() - dt.timedelta(days=1, minutes=-place)),
                "organization_id": world.workspace["id"],
            }
        )
