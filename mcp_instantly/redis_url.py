"""The Redis that replicas share: its URL, checked before anything relies on it, and clients of it."""

from __future__ import annotations

import importlib.util
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mcp_instantly.errors import ConfigError

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

OPTION = "--redis (INSTANTLY_REDIS_URL)"

START_SECONDS = 1.0
"""How long a Redis may take for an answer at the start; a slower one is taken for one that cannot be reached."""


def check_redis_url(url: str) -> None:
    """Raise ConfigError for a URL that no Redis can have, and where the package for it is missing.

    So it does where something answers that will never do: one that refuses the password, or is no Redis. One that
    cannot be reached does not matter, as a server starts without it. No message repeats the URL, which may hold a
    password.
    """
    check_redis_form(url)
    _check_answer(url)


def check_redis_form(url: str) -> None:
    """The same without asking what answers there."""
    if importlib.util.find_spec("redis") is None:
        raise ConfigError("--redis needs a package that is not installed: pip install 'mcp-instantly[redis]'.")
    if not (_is_well_formed(url) and _is_known_to_the_client(url)):
        raise ConfigError(
            f"{OPTION} takes redis://HOST:PORT/0, rediss://HOST:PORT/0 or unix:///PATH; what "
            "follows a ? must be options of the Python package redis."
        )


def open_redis(url: str, seconds: float, **options: Any) -> Redis:
    """A client that waits so many seconds for an answer or a connection, and asks once."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=once, **options)


def open_async_redis(url: str, seconds: float) -> AsyncRedis:
    """The same for use in a loop."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    once = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=once)


def _check_answer(url: str) -> None:
    """Raise ConfigError where something answers at this URL that does not help, now or later."""
    from redis import exceptions

    said = None
    try:
        with open_redis(url, START_SECONDS) as redis:
            # Calls are counted by a script, which a user of Redis may not be allowed to run.
            redis.eval("return 1", 0)
    except exceptions.AuthenticationError:
        said = "Redis refuses the user or the password of the URL, or wants one that is not there"
    except exceptions.InvalidResponse:
        said = "the server that answers there is not Redis"
    except exceptions.ResponseError as error:
        said = f"Redis refuses to run a script ({type(error).__name__})"
    except (exceptions.RedisError, OSError) as error:
        if _is_of_tls(error):
            said = "TLS fails there; a Redis without TLS is written as redis://"
    if said:
        raise ConfigError(f"{OPTION}: {said}.")


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _is_well_formed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return parts.path not in ("", "/")
        database = parts.path.strip("/")
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # The package takes any other path for database 0.
    return parts.scheme in ("redis", "rediss") and named and (not database or database.isdecimal())


def _is_known_to_the_client(url: str) -> bool:
    from redis import Redis

    try:
        with Redis.from_url(url) as redis:
            redis.connection_pool.make_connection()
    except (TypeError, ValueError):
        return False
    return True
