"""The API's rate limits: how many calls in how many seconds, of a workspace as a whole and of single operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Limit(NamedTuple):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


class Shared(NamedTuple):
    """A budget that one or several tools draw from: its name, and its limits, the shortest first.

    `shut_out_seconds` is for how long the API shuts out who overdraws it, where that is longer than any limit.
    """

    name: str
    limits: tuple[Limit, ...]
    shut_out_seconds: float = 0.0


WORKSPACE = Shared("workspace", (Limit(100, 1), Limit(6000, 60)))
"""All calls of a workspace, with all of its keys."""

ADDRESS = Shared("oauth_of_this_address", (Limit(150, 60),))
"""Starts of OAuth from one network address, for all workspaces. Whoever overdraws it is shut out for half an hour, the
next time for two, and then for a day; of all operations these alone are documented to answer with a Retry-After."""

_SHUT_OUT_SECONDS = 86_400.0
_FORWARDING = Shared("change_domain_forwarding", (Limit(10, 60), Limit(60, 3600)))
_MONTH_SECONDS = 30 * 86_400

OPERATIONS: Mapping[str, Shared] = {
    # Documented by the minute; yet one call every 3.1 s was refused now and then, and one every 3.5 s was not.
    "list_emails": Shared("list_emails", (Limit(20, 70),)),
    "send_test_email": Shared("send_test_email", (Limit(10, 60),)),
    "check_domain_availability": Shared("check_domain_availability", (Limit(30, 60), Limit(900, 3600))),
    "update_domain_forwarding": _FORWARDING,
    "delete_domain_forwarding": _FORWARDING,
    "test_ai_reply_label": Shared("test_ai_reply_label", (Limit(500, _MONTH_SECONDS),)),
    "start_google_oauth": Shared("start_google_oauth", (Limit(75, 60),), _SHUT_OUT_SECONDS),
    "start_microsoft_oauth": Shared("start_microsoft_oauth", (Limit(75, 60),), _SHUT_OUT_SECONDS),
}
"""The tools with a budget of their own, beside that of the workspace."""

OF_THE_ADDRESS = frozenset(("start_google_oauth", "start_microsoft_oauth"))
"""The tools that draw from ADDRESS as well."""
