"""The kinds of AI agents there are, for what is said and done of all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mcp_instantly.sandbox.state.table import Record, Table
from mcp_instantly.sandbox.state.world import World

INBOX_MANAGER = 1
"""The values of an agent's type: 2 sales, 3 deliverability, 6 lead finder, and more of each."""

INACTIVE, ACTIVE, TRIAL_EXPIRED = 0, 1, -1
"""The values of an agent's status."""

Remove = Callable[[World, Record], None]


class Kind(NamedTuple):
    """The table of the world that holds agents of a kind, and how one of them is deleted."""

    table: str
    remove: Remove

    def agents(self, world: World) -> Table:
        found: Table = getattr(world, self.table)
        return found


KINDS: list[Kind] = []


def agent_kind(table: str) -> Callable[[Remove], Remove]:
    """Register a function that deletes an agent of this table, with all that goes with it.

    It raises ApiRefusal where that cannot be. Agents have `id`, `name`, `status` and both timestamps, their kind in
    `agent_type` or else in `type`, and `_pause_reason` where they have paused themselves.
    """

    def register(remove: Remove) -> Remove:
        KINDS.append(Kind(table, remove))
        return remove

    return register


def every_agent(world: World) -> Iterator[tuple[Kind, Record]]:
    """All agents of a workspace with their kinds."""
    for kind in sorted(KINDS):
        for agent in kind.agents(world):
            yield kind, agent


def summary(agent: Record, mode: str | None = None) -> Record:
    """The core fields of an agent. Of inbox managers nobody states which mode their types are, so they have none."""
    names = ("id", "type", "name", "status", "timestamp_created", "timestamp_updated")
    return {**{name: agent[name] for name in names}, "configuration_mode": mode}
