"""The state of one sandbox: its tables, its clock, its randomness, and what is still to happen."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import heapq
import pickle
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from mcp_instantly.sandbox.state.clock import Clock, stamp
from mcp_instantly.sandbox.state.table import FoldedTable, Table

KEY = "sandbox"
"""The API key that every sandbox accepts."""

GIVEN = {"clock", "workspaces", "budgets", "_seed_data", "_settled_at"}
"""What a world gets anew each time it is opened, and no copy of it holds."""

ACTIONS: dict[str, Callable[..., Any]] = {}


def action(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a function `(world, *arguments)` that can be put on the agenda by its name, which is its alone."""
    if function.__name__ in ACTIONS:
        raise ValueError(f"there is an action {function.__name__} already")
    ACTIONS[function.__name__] = function
    return function


def chance(seed: int, *key: Any) -> float:
    """A number from 0 to 1 that follows from a seed and a stable key."""
    text = "|".join(map(str, (seed, *key)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56


class Group(Protocol):
    """What a workspace knows of those that it is among: see engine/workspaces.py."""

    is_kept: bool
    is_replaying: bool
    courier: Any

    @property
    def worlds(self) -> Iterator[World]: ...

    def find(self, acting: World, workspace_id: str) -> World | None: ...


class World:
    """Everything a sandbox knows. The same seed and the same calls make the same world, ids included.

    `seed_data(world)` fills a new world; None leaves it empty. With `filled` false it is empty until it is reset.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        clock: Clock | None = None,
        seed_data: Callable[[World], None] | None = None,
        filled: bool = True,
    ):
        self.seed = seed
        self.clock = clock or Clock()
        self._start = self.clock.now()
        self._seed_data = seed_data
        self.budgets = False  # whether calls are counted and too many refused: see rate_limits.py
        self.workspaces: Group | None = None  # the workspaces that this one is among: see workspaces.py
        self.requests: list[dict[str, Any]] = []
        self._empty()
        if filled:
            self._fill()

    def _fill(self) -> None:
        if self._seed_data:
            self._seed_data(self)

    def _empty(self) -> None:
        self.random = random.Random(self.seed)
        self.recorded = 0  # bytes that the requests on record take, about
        self.agenda: list[tuple[dt.datetime, int, str, tuple[Any, ...]]] = []
        self._count = 0
        self._settled_at: dt.datetime | None = None
        self.workspace: dict[str, Any] = {
            "id": "00000000-0000-4000-8000-000000000001",
            "timestamp_created": self.stamp(),
            "timestamp_updated": self.stamp(),
            "owner": "00000000-0000-4000-8000-000000000002",
            "name": "Sandbox",
            "plan_id": "pid_hg_v1",
        }
        self.sister_workspaces: set[str] = set()  # ids of the other workspaces under the same admin
        self.verification_credits = 1000
        self.keys: set[str] = {KEY}
        self.accounts = Table("email")
        self.campaigns = Table()
        self.subsequences = Table(index=("parent_campaign",))
        self.leads = Table(index=("campaign", "list_id", "email"))
        self.leads_leaving = 0  # those that are deleted and still count against the plan
        self.lead_lists = Table()
        self.lead_labels = Table(index=("interest_status",))
        self.emails = Table(index=("thread_id", "lead", "campaign_id", "lead_id", "is_unread"))
        self.deleted_emails = Table(index=("campaign_id", "lead_id"))  # from the Unibox alone: they were sent
        self.people = Table(index=("lead",))  # what leads are to do: see people.py
        self.verifications = Table("email")
        self.jobs = Table()
        self.custom_tags = Table()
        self.custom_tag_mappings = Table(index=("tag_id", "resource_id"))
        self.block_list = Table(index=("bl_value",))
        self.users = Table()
        self.members = Table(index=("email",))
        self.neighbours = Table()  # the other workspaces there are, which can be invited into the group
        self.group_members = Table(index=("sub_workspace_id",))
        self.api_keys = Table("id", index=("key",))
        self.audit_logs = Table()
        self.webhooks = Table()
        self.webhook_events = Table()
        self.deliveries_in_flight: dict[str, None] = {}  # ids of webhook events
        self.received_answers: list[tuple[str, dict[str, Any]]] = []  # for events, by id
        self.placement_tests = Table()
        self.placement_rows = Table(index=("test_id", "_run"))
        self.placement_reports = Table(index=("test_id",))
        self.dfy_orders = Table("_number", index=("domain",))
        self.dfy_accounts = Table(index=("email", "domain"))
        self.phone_numbers = Table()
        self.oauth_sessions = Table()
        self.sales_flows = Table()
        self.email_templates = Table()
        self.prompt_templates = Table()
        self.enrichments = Table(index=("resource_id",))
        self.enrichment_runs = Table(index=("resource_id",))
        self.ai_enrichments = Table(index=("resource_id",))
        self.company_lists = Table()  # companies to search among: see company_lists.py
        self.inbox_managers = Table()
        self.inbox_guidances = Table(index=("agent_id",))
        self.inbox_replies = Table(index=("agent_id", "in_reply_to", "thread_id"))
        self.acquisitions = Table()  # people of the directory, with the enrichments that were paid for
        self.saved_searches = Table()
        self.lead_finders = Table()
        self.lead_finder_events = Table(index=("agent_id",))
        self.finder_workflows = Table()
        self.sales_agents = Table()
        self.sales_activities = Table(index=("ai_sdr_id",))
        self.deliverability_agents = Table()
        self.deliverability_runs = Table(index=("agent_id",))
        self.deliverability_items = Table(index=("agent_id",))
        # Who is to be mailed next, per campaign or subsequence and sender: see dispatch.py.
        self.due: dict[str, dict[str, list[tuple[dt.datetime, int, str]]]] = {}
        self.ticks: dict[str, tuple[dt.datetime, int]] = {}
        # When the operations with a rate limit of their own were called: see rate_limits.py.
        self.calls: dict[str, list[dt.datetime]] = {}

    def copy_contents(self) -> bytes:
        """What the world holds, for `take_contents` of another one with the same seed and the same first instant."""
        own = GIVEN | {"seed", "_start", "requests"}
        contents = {name: value for name, value in vars(self).items() if name not in own}
        return pickle.dumps({k: FoldedTable.of(v) if isinstance(v, Table) else v for k, v in contents.items()})

    def take_contents(self, copied: bytes) -> None:
        vars(self).update(pickle.loads(copied))

    def reset(self, seed: int | None = None) -> None:
        """Begin again: the seed's data at the first instant, no requests."""
        self.seed = self.seed if seed is None else seed
        self.clock.set(self._start)
        self.requests.clear()
        self._empty()
        self._fill()

    # time

    def now(self) -> dt.datetime:
        """The present; while the agenda runs, the instant of the entry that is being done."""
        return self._settled_at or self.clock.now()

    @contextlib.contextmanager
    def during(self, instant: dt.datetime) -> Iterator[None]:
        """Let this be the present for a while: to tell what happened before the world began."""
        before, self._settled_at = self._settled_at, instant
        try:
            yield
        finally:
            self._settled_at = before

    def stamp(self) -> str:
        return stamp(self.now())

    def number(self) -> int:
        """A number that is higher than any before it."""
        self._count += 1
        return self._count

    def chance(self, *key: Any) -> float:
        """A number from 0 to 1 that follows from the seed and a stable key alone, whatever else happened before."""
        return chance(self.seed, *key)

    def later(self, seconds: float, name: str, *arguments: Any) -> None:
        """Put an action on the agenda, `seconds` from now."""
        self.at(self.now() + dt.timedelta(seconds=seconds), name, *arguments)

    def at(self, when: dt.datetime, name: str, *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self.agenda, (when, self._count, name, arguments))

    def run_due(self) -> None:
        """Do all that has become due, in order, each at its own instant."""
        until = self.clock.now()
        try:
            while self.agenda and self.agenda[0][0] <= until:
                when, _, name, arguments = heapq.heappop(self.agenda)
                self._settled_at = when
                ACTIONS[name](self, *arguments)
        finally:
            self._settled_at = None

    # ids

    def uuid4(self) -> str:
        """The ids of campaigns, lists, tags: random."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def uuid7(self) -> str:
        """The ids of leads and emails: the instant, then a counter, then randomness; they sort by creation."""
        self._count += 1
        millis = int(self.now().timestamp() * 1000)
        high, low = self._count >> 12 & 0xFFF, self._count & 0xFFF
        value = millis << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 50 | self.random.getrandbits(50)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def object_id(self) -> str:
        """The ids of background jobs: 24 hexadecimal digits."""
        self._count += 1
        return f"{int(self.now().timestamp()):08x}{self.random.getrandbits(40):010x}{self._count & 0xFFFFFF:06x}"
