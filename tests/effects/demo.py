"""Names of what the demo workspace holds."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86400

WORKSPACE, SISTER, NEIGHBOUR = (f"5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c0{n}" for n in (1, 4, 5))
OWNER, REP = (f"5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c0{n}" for n in (2, 3))

ADA, BEN, CHLOE = (f"{name}@brightpath.example" for name in ("ada", "ben", "chloe"))
DEV, EVA = (f"{name}@brightpath-mail.example" for name in ("dev", "eva"))
SENDERS = [ADA, BEN]

FINTECH, LOGISTICS, WEBINAR = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b0{n}" for n in (1, 2, 3))
BOOK_A_CALL, CLICKED = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b1{n}" for n in (1, 2))

CFO_LIST, BADGE_LIST = (f"1157c0de-2b3c-4d5e-9f60-718293a4b50{n}" for n in (1, 2))
MAYA, TOM, INES, SOFIA = (f"01991f00-000{n}-7000-8000-00000000000{n}" for n in (1, 2, 3, 4))
MAYA_EMAIL = "maya.lindqvist@fjordpay.example"
ANNA = "01991f00-008d-7000-8000-00000000008d"
FIRST_EMAIL, MAYAS_ANSWER = (f"01991f80-000{n}-7000-8000-00000000000{n}" for n in (1, 2))

WARM_SENDERS, Q4 = (f"7a600001-3c4d-4e5f-8a6b-7c8d9e0fa10{n}" for n in (1, 2))
WEBHOOK = "9e0b0001-5a6b-4c7d-8e9f-0a1b2c3d4e01"
CALL_BACK = 3001

WEEKDAYS = {
    "schedules": [
        {
            "name": "Weekdays",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": dict.fromkeys("12345", True),
            "timezone": "America/Detroit",
        }
    ]
}
STEPS = [{"steps": [{"type": "email", "delay": 2, "variants": [{"subject": "Hello", "body": "<p>Hello.</p>"}]}]}]

A_LOOK = {"type": 1, "sending_method": 1, "email_subject": "Hello", "email_body": "<p>Hello.</p>"}
"""A placement test that runs once."""
