"""The budgets of a server: which calls have one in common."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable

from mcp_instantly.budgets.budget import Budget
from mcp_instantly.budgets.documented import ADDRESS
from mcp_instantly.budgets.shared_log import SharedLog
from mcp_instantly.budgets.windows import Windows
from mcp_instantly.settings import PATIENCE_SECONDS, REPLICAS


class Budgets:
    """The budgets of a server: one for each key, with the sub-workspace as which it acts, and never one for two.

    Two names for one key have one budget. Two keys of one workspace cannot be told to be so: each has its own, and a
    429 slows both. `redis` is the URL of the Redis that replicas share, which is told a digest of the key at most.
    One that was released is forgotten once nothing counts in it any more. `clock` is in seconds.
    """

    def __init__(
        self,
        *,
        patience: float = PATIENCE_SECONDS,
        redis: str | None = None,
        replicas: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._clock = clock
        self._users: Counter[str] = Counter()
        self._patience = patience
        self._redis = redis
        self._replicas = replicas or (REPLICAS if redis else 1)
        self._address = Windows(ADDRESS, 1.0 / self._replicas)
        self._budgets: dict[str, Budget] = {}

    def of(self, origin: str, key: str, workspace: str | None) -> Budget:
        """The budget of a key at an origin, as a sub-workspace or as itself; `release` it as often as it was taken."""
        identity = identity_of(origin, key, workspace)
        self._users[identity] += 1
        if identity not in self._budgets:
            log = SharedLog(self._redis, identity) if self._redis else None
            self._budgets[identity] = Budget(
                address=self._address, patience=self._patience, replicas=self._replicas, log=log, clock=self._clock
            )
        return self._budgets[identity]

    async def release(self, origin: str, key: str, workspace: str | None) -> None:
        """A user of this budget is gone. What it has used still counts, should the key come again."""
        self._users[identity_of(origin, key, workspace)] -= 1
        unused = [one for one, users in self._users.items() if users <= 0 and self._budgets[one].is_fresh()]
        forgotten = [self._budgets.pop(identity) for identity in unused]
        for identity in unused:
            del self._users[identity]
        for budget in forgotten:
            await budget.aclose()

    def __len__(self) -> int:
        return len(self._budgets)

    async def aclose(self) -> None:
        """Close the connections to Redis, where there are any."""
        for budget in self._budgets.values():
            await budget.aclose()


def identity_of(origin: str, key: str, workspace: str | None) -> str:
    """What stands for a key in Redis, and tells nothing of it: a digest, of the sub-workspace too."""
    return hashlib.sha256(f"budget\n{origin}\n{key}\n{workspace or ''}".encode()).hexdigest()[:32]
