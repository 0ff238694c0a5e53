"""Seals: texts that this server, or one with the same key, gave out for one call, for some minutes, once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from structlog.contextvars import get_contextvars

from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.shared_register import Register

STATE_KEY = "INSTANTLY_STATE_KEY"
MIN_KEY_BYTES = 32

Verdict = Literal["good", "expired", "used", "wrong"]
"""`wrong`: made up, altered, or given out for another call."""


def read_state_key() -> bytes | None:
    """The key that replicas share, None where none is given. Raises ConfigError for one that is too short."""
    given = os.environ.get(STATE_KEY)
    if given is None:
        return None
    key = given.strip().encode()
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(
            f"{STATE_KEY} has {len(key)} bytes; it needs {MIN_KEY_BYTES} random ones or more, as openssl rand -hex 32 "
            "prints them."
        )
    return key


Use = Callable[[str, float], bool]
"""`use(identity, until)`: whether a seal is used for the first time; from then on it was used, until it ends."""


class UsedHere:
    """Which seals were used, as far as this process knows: enough for a key that no other process has."""

    def __init__(self, now: Callable[[], float] = time.time):
        self._now = now
        self._used: dict[str, float] = {}
        self._one_at_a_time = threading.Lock()

    def __call__(self, identity: str, until: float) -> bool:
        with self._one_at_a_time:
            if identity in self._used:
                return False
            now = self._now()
            self._used = {one: end for one, end in self._used.items() if end > now}
            self._used[identity] = until
            return True


class Seals:
    """Gives out seals and takes them back.

    `key` is a random one unless it is given. `audience` is what they hold for beside the call and its caller: server,
    key, workspace. `seconds` is how long they are valid, `now` the time in seconds since 1970, which replicas have in
    common. `use` knows which were used; whatever it raises, a seal is taken by nobody then. It may
    wait for other processes, so that `take` belongs in a thread.
    """

    def __init__(
        self,
        key: bytes | None,
        audience: str,
        seconds: float,
        now: Callable[[], float] = time.time,
        use: Use | None = None,
    ):
        self.seconds = seconds
        self._key = key or secrets.token_bytes(MIN_KEY_BYTES)
        self._audience = audience
        self._now = now
        self._use = use or UsedHere(now)

    def give(self, purpose: str, tool: str, arguments: dict[str, Any]) -> str:
        """A seal for one call with exactly these arguments."""
        head = _encode(json.dumps([secrets.token_hex(12), self._now() + self.seconds]).encode())
        return f"{head}.{_encode(self._mac(head, purpose, tool, arguments))}"

    def take(self, seal: str, purpose: str, tool: str, arguments: dict[str, Any]) -> Verdict:
        """What a seal is worth for a call; one that is good is used from now on."""
        head, _, mac = seal.partition(".")
        if not hmac.compare_digest(_decode(mac), self._mac(head, purpose, tool, arguments)):
            return "wrong"
        identity, until = json.loads(_decode(head))
        if self._now() >= until:
            return "expired"
        return "good" if self._use(identity, until) else "used"

    def _mac(self, head: str, purpose: str, tool: str, arguments: dict[str, Any]) -> bytes:
        caller = get_contextvars().get("caller")
        bound = json.dumps([purpose, self._audience, caller, tool, arguments, head], sort_keys=True)
        return hmac.new(self._key, bound.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """The bytes of a text that `_encode` wrote; none for any other."""
    try:
        data = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except ValueError:
        return b""
    return data if _encode(data) == text else b""


def use_in_register(register: Register, now: Callable[[], float] = time.time) -> Use:
    """What knows of seals whether they are used for the first time, in any of the processes that share a register.

    While that cannot be reached, each knows of those that it took itself.
    """
    here = UsedHere(now)

    def use(identity: str, until: float) -> bool:
        name = hashlib.sha256(f"seal {identity}".encode()).hexdigest()
        return here(identity, until) and register.claim(name, "seal", max(1.0, until - now()))

    return use
