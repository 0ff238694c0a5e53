"""The URL of the Redis that replicas share, checked before anything relies on it."""

from __future__ import annotations

import importlib.util
from urllib.parse import urlsplit

from mcp_instantly.errors import ConfigError


def check_redis_url(url: str) -> None:
    """Raise ConfigError for a URL that no Redis can have, and where the package for it is missing.

    Whether that Redis can be reached is not asked: a server starts without it. No message repeats the URL, which may
    hold a password.
    """
    if importlib.util.find_spec("redis") is None:
        raise ConfigError("--redis needs a package that is not installed: pip install 'mcp-instantly[redis]'.")
    if not (_is_well_formed(url) and _is_known_to_the_client(url)):
        raise ConfigError(
            "--redis (INSTANTLY_REDIS_URL) takes redis://HOST:PORT/0, rediss://HOST:PORT/0 or unix:///PATH; what "
            "follows a ? must be options of the Python package redis."
        )


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
