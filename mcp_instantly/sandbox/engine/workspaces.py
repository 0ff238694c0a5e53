"""Several workspaces under one clock: an admin workspace, and those that have joined its group."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mcp_instantly.sandbox.engine.courier import Courier
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.sandbox.state.world import World

Seed = Callable[[World], None]


class Workspaces:
    """A world of its own for each workspace, with the clock, the request log and the faults that they share.

    `home` is the admin workspace. `members` holds, by id, what fills the other workspaces; one that joins the group
    later begins empty. A world that is given to `create_app` alone is the home of such workspaces. With `filled` false
    there are no others yet.
    """

    def __init__(self, home: World, members: dict[str, Seed] | None = None, *, filled: bool = True):
        self.home = home
        self.members = members or {}
        self.lock = threading.RLock()
        self.scenario: dict[str, Any] | None = None  # what the workspaces were made from: see scenarios.py
        self.is_kept = False  # whether all that comes in from outside is written down: see journal.py
        self.is_replaying = False  # whether requests of the past are carried out again, without telling anybody
        self.faults = Faults(lambda: self.home.stamp())
        self.courier = Courier()  # delivers to the receivers of webhooks on this machine
        self.others: dict[str, World] = {}
        home.workspaces = self
        if filled:
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

    def open(self, workspace_id: str, *, filled: bool = True) -> World:
        """The world of another workspace, which begins now if it was not needed before; empty with `filled` false."""
        if workspace_id not in self.others:
            fill = self.members.get(workspace_id)

            def seed_data(world: World) -> None:
                self._initialize(world, workspace_id)
                if fill:
                    fill(world)

            digest = hashlib.blake2b(f"{self.home.seed}|{workspace_id}".encode(), digest_size=6).digest()
            world = World(int.from_bytes(digest, "big"), clock=self.home.clock, seed_data=seed_data, filled=filled)
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
