"""The calls of all replicas, counted in Redis by pyrate-limiter. Both are imported with the first call, not before."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcp_instantly.budgets.documented import Limit

if TYPE_CHECKING:
    from pyrate_limiter import RedisBucket
    from redis.asyncio import Redis

PREFIX = "mcp-instantly:budget"

ANSWER_SECONDS = 0.25
"""How long Redis may take for an answer or a connection; a slower one is taken for gone."""

UPKEEP_SECONDS = 10.0
"""Between two times that a log is cleared of what has left its windows."""

UNUSED_SECONDS = 600.0
"""After which a log goes of which nothing counts any more; much longer than from one upkeep to the next."""

MARGIN_SECONDS = 0.25
MARGIN_SHARE = 0.015
"""By which windows are wider than the API's: replicas count a call when they let it through, and the API later."""


class SharedLog:
    """A log in Redis for each budget of one workspace, under a name that tells nothing of its key.

    Every method raises ConnectionError where Redis cannot be used; the next one then connects anew. Times are those of
    Redis, whatever the clocks of the replicas show.
    """

    def __init__(self, url: str, identity: str):
        self._url = url
        self._prefix = f"{PREFIX}:{identity}"
        self._redis: Redis | None = None
        self._buckets: dict[str, RedisBucket] = {}
        self._kept_at: dict[str, float] = {}
        self._ahead = 0.0

    async def take(self, name: str, limits: Sequence[Limit]) -> float:
        """Count a call of this budget where it has room: 0.0, or else after how many seconds it may have."""
        wait: float = await self._guarded(self._put(name, limits, 0.0))
        return wait

    async def remember(self, name: str, limits: Sequence[Limit], ages: Sequence[float]) -> None:
        """Count calls that were made while Redis was away, so many seconds ago each, as far as they still count."""
        longest = max(limit.seconds for limit in _telling(limits))
        await self._guarded(self._put_all(name, limits, sorted(age for age in ages if age < longest)[::-1]))

    async def aclose(self) -> None:
        """Close the connection."""
        redis, self._redis = self._redis, None
        self._buckets.clear()
        if redis is not None:
            await redis.aclose()

    async def _put_all(self, name: str, limits: Sequence[Limit], ages: Sequence[float]) -> None:
        await self._bucket(name, limits)
        for age in ages:
            await self._put(name, limits, age)

    async def _put(self, name: str, limits: Sequence[Limit], age: float) -> float:
        from pyrate_limiter import RateItem

        bucket = await self._bucket(name, limits)
        at = self._now() - round(age * 1000)
        decision: Any = await bucket.put_decision(RateItem("call", at))  # type: ignore[misc]
        await self._keep_up(name, bucket)
        return 0.0 if decision.allowed else max(1, decision.retry_after_ms or 0) / 1000

    async def _bucket(self, name: str, limits: Sequence[Limit]) -> RedisBucket:
        from pyrate_limiter import Rate, RedisBucket

        if self._redis is None:
            await self._connect()
        assert self._redis is not None
        bucket = self._buckets.get(name)
        if bucket is None:
            rates = [Rate(limit.calls, _milliseconds(limit.seconds)) for limit in _telling(limits)]
            bucket = await RedisBucket.init(rates, self._redis, f"{self._prefix}:{name}")
            self._buckets[name] = bucket
            self._kept_at[name] = -math.inf
        return bucket

    async def _keep_up(self, name: str, bucket: RedisBucket) -> None:
        """Now and then, have Redis forget what counts no more, and read its time; unused logs go by themselves."""
        if time.monotonic() - self._kept_at[name] > UPKEEP_SECONDS and self._redis is not None:
            self._kept_at[name] = time.monotonic()
            await self._read_time(self._redis)
            await bucket.leak(self._now())  # type: ignore[misc]
            await self._redis.pexpire(bucket.bucket_key, round(bucket.rates[-1].interval + UNUSED_SECONDS * 1000))

    async def _connect(self) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        redis = Redis.from_url(
            self._url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = redis
        await self._read_time(redis)

    async def _read_time(self, redis: Redis) -> None:
        seconds, microseconds = await redis.time()
        self._ahead = seconds + microseconds / 1_000_000 - time.monotonic()

    def _now(self) -> int:
        """The time of Redis, in milliseconds."""
        return int((time.monotonic() + self._ahead) * 1000)

    async def _guarded(self, work: Any) -> Any:
        from redis.exceptions import RedisError

        try:
            return await work
        except (RedisError, OSError, asyncio.TimeoutError) as error:
            redis, self._redis = self._redis, None
            self._buckets.clear()
            if redis is not None:
                await redis.connection_pool.disconnect()
            # The text of an error may have the URL, and with it a password.
            raise ConnectionError(type(error).__name__) from None


def _telling(limits: Sequence[Limit]) -> list[Limit]:
    """The limits without those that the ones before them keep anyway, as windows here are wider."""
    found: list[Limit] = []
    for limit in limits:
        if not found or limit.calls / limit.seconds < found[-1].calls / (_milliseconds(found[-1].seconds) / 1000):
            found.append(limit)
    return found


def _milliseconds(seconds: float) -> int:
    return round((seconds + max(MARGIN_SECONDS, MARGIN_SHARE * seconds)) * 1000)
