"""Several workspaces under one clock: an admin workspace, and those that have joined its group."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from mcp_instantly.sandbox.engine.courier import Courier
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import API, Route
from mcp_instantly.sandbox.engine.scopes import EVERYTHING, is_allowed
from mcp_instantly.sandbox.engine.shapes import read_json
from mcp_instantly.sandbox.state.world import World

Seed = Callable[[World], None]

LOGGED = 10_000
"""Requests that stay on record."""

LOGGED_BYTES = 16_000_000
"""Bytes that they may take together; the oldest ones leave first."""

BODY_LOGGED = 65_536
"""Bytes of a body that stay on record; of a longer one its beginning, as text."""

BODY_LIMIT = 10_000_000
"""Bytes of a request body above which the answer is 413, and nothing of it stays on record."""


class Workspaces:
    """A world of its own for each workspace, with the clock, the request log and the faults that they share.

    `home` is the admin workspace. `members` holds, by id, what fills the other workspaces; one that joins the group
    later begins empty. A world that is given to `create_app` alone is the home of such workspaces.
    """

    def __init__(self, home: World, members: dict[str, Seed] | None = None):
        self.home = home
        self.members = members or {}
        self.lock = threading.RLock()
        self.scenario: dict[str, Any] | None = None  # what the workspaces were made from: see scenarios.py
        self.is_kept = False  # whether all that comes in from outside is written down: see journal.py
        self.is_replaying = False  # whether requests of the past are carried out again, without telling anybody
        self.faults = Faults(lambda: self.home.stamp())
        self.courier = Courier()  # takes to receivers on this machine what webhooks are told
        self.others: dict[str, World] = {}
        home.workspaces = self
        self._open_members()

    @classmethod
    def of(cls, world: World) -> Workspaces:
        """The workspaces that a world belongs to already, or a new one."""
        return world.workspaces if isinstance(world.workspaces, cls) else cls(world)

    @property
    def worlds(self) -> Iterator[World]:
        """Those that have been needed so far, the admin workspace first."""
        yield self.home
        yield from self.others.values()

    @property
    def clock(self) -> Any:
        return self.home.clock

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.home.requests

    @property
    def budgets(self) -> bool:
        return self.home.budgets

    @budgets.setter
    def budgets(self, kept: bool) -> None:
        for world in self.worlds:
            world.budgets = kept

    def _open_members(self) -> None:
        for workspace_id in self.members:
            self.open(workspace_id)

    def open(self, workspace_id: str) -> World:
        """The world of another workspace, which begins now if nobody needed it before."""
        if workspace_id not in self.others:
            fill = self.members.get(workspace_id)

            def seed_data(world: World) -> None:
                self._initialize(world, workspace_id)
                if fill:
                    fill(world)

            digest = hashlib.blake2b(f"{self.home.seed}|{workspace_id}".encode(), digest_size=6).digest()
            world = World(int.from_bytes(digest, "big"), clock=self.home.clock, seed_data=seed_data)
            world.workspaces, world.budgets = self, self.home.budgets
            self.others[workspace_id] = world
        return self.others[workspace_id]

    def _initialize(self, world: World, workspace_id: str) -> None:
        """Give the world its name, and take the key for everything away: it opens the admin workspace only."""
        membership = self.home.group_members.first(sub_workspace_id=workspace_id) or {}
        name = membership.get("sub_workspace_name", "Workspace")
        world.workspace = {**world.workspace, "id": workspace_id, "name": name, "owner": self.home.workspace["owner"]}
        world.keys.clear()
        if membership:
            world.group_members.add(dict(membership))

    def find(self, acting: World, workspace_id: str) -> World | None:
        """The world of a workspace that the acting one may act in: itself, or for the admin one, its group."""
        if workspace_id == acting.workspace["id"]:
            return acting
        if acting is self.home and workspace_id in acting.sister_workspaces:
            return self.open(workspace_id)
        return None

    def admit(self, key: str, route: Route, workspace_id: str | None = None) -> World:
        """The world that a request is about.

        Raises a 401 for an unknown key, a 403 for what it may not do, a 402 where nobody pays for the workspace.
        """
        for owner in self.worlds:
            record = None if key in owner.keys else owner.api_keys.first(key=key)
            if record or key in owner.keys:
                break
        else:
            raise ApiRefusal(401, "Invalid API key")
        world = self.find(owner, workspace_id) if workspace_id else owner
        if world is None:
            raise ApiRefusal(403, "This API key has no access to the requested workspace")
        if not is_allowed(route.scope, record["scopes"] if record else (EVERYTHING,)):
            raise ApiRefusal(403, "This API key does not have the scopes that the operation requires")
        if not (world.workspace.get("plan_id") or route.path.startswith(f"{API}/oauth/")):
            raise ApiRefusal(402, "Your workspace does not have an active plan")
        return world

    def is_key(self, key: str) -> bool:
        """Whether any workspace has this API key."""
        return any(key in world.keys or world.api_keys.first(key=key) for world in self.worlds)

    def log(self, scope: MutableMapping[str, Any], body: bytes, status: int | None) -> None:
        """Put a request on record; one without a status was not carried out."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode(errors="replace")
        entry = {
            "at": self.home.stamp(),
            "method": scope["method"],
            "path": (scope.get("raw_path") or scope["path"].encode()).decode(errors="replace"),
            "query": [list(pair) for pair in parse_qsl(query, keep_blank_values=True)],
            "body": _readable(body),
            "size": len(body),
            "content_type": headers.get("content-type"),
            "user_agent": headers.get("user-agent"),
            "workspace": headers.get("x-as-workspace"),
            "status": status,
        }
        self.requests.append(entry)
        self.home.recorded += _weight(entry)
        while len(self.requests) > LOGGED or (self.home.recorded > LOGGED_BYTES and len(self.requests) > 1):
            self.home.recorded -= _weight(self.requests.pop(0))

    def collect_webhook_answers(self) -> dict[str, list[Any]]:
        """Take in what receivers of webhooks have answered since the last request, by workspace."""
        received_answers = {world.workspace["id"]: self.courier.collect(world) for world in self.worlds}
        received_answers = {workspace_id: answers for workspace_id, answers in received_answers.items() if answers}
        self.deliver_webhook_answers(received_answers)
        return received_answers

    def deliver_webhook_answers(self, received_answers: dict[str, list[Any]]) -> None:
        for world in self.worlds:
            world.received_answers += [tuple(answer) for answer in received_answers.get(world.workspace["id"], ())]

    def has_due_work(self) -> bool:
        """Whether something has become due that is still to be done, or a receiver of webhooks has answered."""
        now = self.clock.now()
        return any(
            (world.agenda and world.agenda[0][0] <= now) or self.courier.has_answers(world) for world in self.worlds
        )

    def run_due(self) -> None:
        """Do in every workspace what has become due."""
        for world in list(self.worlds):
            world.run_due()

    def reset(self, seed: int | None = None) -> None:
        """Begin again everywhere, without requests and faults."""
        # Ids come again after a reset: what is still answered was for events that are gone.
        self.courier.close()
        self.courier = Courier(self.courier.time_limit)
        self.home.reset(seed)
        self.others.clear()
        self.faults.clear()
        self._open_members()


def _readable(body: bytes) -> Any:
    """A body as it stays on record: JSON, other text, the beginning of what is long, nothing of what is too long."""
    if not body or len(body) > BODY_LIMIT:
        return None
    if len(body) > BODY_LOGGED:
        return body[:BODY_LOGGED].decode(errors="replace")
    try:
        return read_json(body)
    except ValueError:
        return body.decode(errors="replace")


def _weight(entry: dict[str, Any]) -> int:
    """About the bytes that a request on record takes."""
    texts = [entry[name] for name in ("path", "content_type", "user_agent", "workspace")]
    texts += [text for pair in entry["query"] for text in pair]
    size: int = entry["size"]
    return min(size, BODY_LOGGED) + sum(len(text or "") for text in texts)
