"""The calls of all replicas, counted in Redis, whose client is imported with the first call and not before."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mcp_instantly.budgets.documented import Limit
from mcp_instantly.budgets.windows import GUARD_SECONDS
from mcp_instantly.redis_url import open_async_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

PREFIX = "mcp-instantly:budget"

ANSWER_SECONDS = 1.0
"""How long Redis may take for an answer or a connection; a slower one is taken for gone."""

HELD_SECONDS = 2.0
"""For how long a call that was let through is taken for one that the API has not counted yet, unless it is heard of."""

LOOK_SECONDS = 0.02
"""Before it is asked again whether calls of others, which may be over sooner than they must, have left room."""

COUNT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local given = cjson.decode(ARGV[1])

for _, event in ipairs(given.events) do
  local key, call, age, kept = KEYS[event[1]], event[2], event[3], event[4]
  if age == cjson.null then
    redis.call('ZREM', key, call)
  elseif kept == cjson.null then
    redis.call('ZADD', key, 'XX', now - age, call)
  else
    redis.call('ZADD', key, now - age, call)
    redis.call('PEXPIRE', key, kept)
  end
end

local wait, full, sure = 0, 0, 0
for place, limits in ipairs(given.limits) do
  for _, limit in ipairs(limits) do
    local last = redis.call('ZRANGE', KEYS[place], -limit[1], -limit[1], 'WITHSCORES')
    if last[2] and last[2] + limit[2] - now > wait then
      wait, full = last[2] + limit[2] - now, place
      sure = last[2] + given.held < now and 1 or 0
    end
  end
end
if wait > 0 then return {full, math.ceil(wait), sure} end

for place, limits in ipairs(given.limits) do
  local longest = limits[#limits][2]
  redis.call('ZREMRANGEBYSCORE', KEYS[place], '-inf', now - longest)
  redis.call('ZADD', KEYS[place], now + given.held, given.call)
  redis.call('PEXPIRE', KEYS[place], longest + given.held)
end
return {0, 0, 0}
"""
"""Counts a call in all budgets of a lane or in none; then answers which has no room for how many milliseconds, and
whether that is sure: where calls under way stand in the way, it is as long as it can be.

A budget is a sorted set of calls, each with the millisecond of Redis' clock by which the API has counted it. For a call
that was just let through that lies ahead; an event says when it was, or that it was not sent. No client says what time
it is: one that asks late would not see what others were given meanwhile.
"""


class Counting(Protocol):
    """A budget that calls are counted in: its name, and its limits, the shortest first."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> tuple[Limit, ...]: ...


class Event(NamedTuple):
    """What became of a call that a budget counts: it was counted `age` seconds ago (None: never), as far as is known.

    `new` tells of one that Redis does not know.
    """

    budget: Counting
    call: str
    age: float | None
    new: bool = False


class SharedLog:
    """The calls in each budget of one workspace, under names that tell nothing of its key.

    Every method raises ConnectionError where Redis cannot be used; the next one then connects anew.
    """

    def __init__(self, url: str, identity: str):
        self._url = url
        self._prefix = f"{PREFIX}:{identity}"
        self._redis: Redis | None = None
        self._count: AsyncScript | None = None

    async def take(self, budgets: Sequence[Counting], call: str, events: Sequence[Event]) -> tuple[int, float] | None:
        """Tell events; then count a call in these budgets where all have room.

        Where one has none: its place among them, and after how many seconds it may be asked for again.
        """
        full, milliseconds, sure = await self._ask(budgets, call, events)
        if not full:
            return None
        wait = milliseconds / 1000
        return full - 1, wait if sure else max(wait - HELD_SECONDS, min(wait, LOOK_SECONDS))

    async def tell(self, events: Sequence[Event]) -> None:
        """Tell events, as far as they still count."""
        await self._ask((), "", [one for one in events if one.age is None or one.age < _longest(one.budget)])

    async def aclose(self) -> None:
        """Close the connection."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def _ask(self, budgets: Sequence[Counting], call: str, events: Sequence[Event]) -> list[int]:
        places: dict[str, int] = {}
        for budget in (*budgets, *(event.budget for event in events)):
            places.setdefault(budget.name, len(places) + 1)
        given = {
            "call": call,
            "held": _milliseconds(HELD_SECONDS),
            "limits": [[[limit.calls, _window(limit)] for limit in budget.limits] for budget in budgets],
            "events": [
                [
                    places[event.budget.name],
                    event.call,
                    None if event.age is None else math.floor(event.age * 1000),
                    _milliseconds(_longest(event.budget) + HELD_SECONDS) if event.new else None,
                ]
                for event in events
            ],
        }
        answer: list[int] = await self._run([f"{self._prefix}:{name}" for name in places], json.dumps(given))
        return answer

    async def _run(self, keys: Sequence[str], given: str) -> Any:
        from redis.exceptions import RedisError

        try:
            if self._redis is None or self._count is None:
                self._redis = open_async_redis(self._url, ANSWER_SECONDS)
                self._count = self._redis.register_script(COUNT)
            return await self._count(keys=keys, args=[given])
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            redis, self._redis = self._redis, None
            if redis is not None:
                await redis.connection_pool.disconnect()
            # The text of an error may have the URL, and with it a password.
            raise ConnectionError(type(error).__name__) from None


def _longest(budget: Counting) -> float:
    return max(limit.seconds for limit in budget.limits) + GUARD_SECONDS


def _window(limit: Limit) -> int:
    return _milliseconds(limit.seconds + GUARD_SECONDS)


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
