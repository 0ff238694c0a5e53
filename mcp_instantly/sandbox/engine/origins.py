"""Who may talk to the sandbox: a client that names this machine. A page of another site in a browser is turned away.

Such a page can send requests to a port of this machine, and, by having its own name resolved to it, read the responses.
Its requests bear its name in `Host` or `Origin`, so both are looked at, whatever the path.
"""

from __future__ import annotations

import ipaddress
import re

from starlette.types import Scope

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?", re.IGNORECASE)


def refuse_foreign(scope: Scope) -> tuple[int, str] | None:
    """The status and sentence with which a request is refused, or None for one that may come in.

    Names of this machine are taken with any port or none, and so is the address at which the request was received:
    in process that is the host of the client's base URL.
    """
    server = (scope.get("server") or ("",))[0] or ""
    for host in _values(scope, b"host"):
        if not _is_own(host, server):
            return 421, "The sandbox answers to names of this machine only, such as 127.0.0.1 or localhost"
    for origin in _values(scope, b"origin"):
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not _is_own(host, server):
            return 403, "The sandbox takes no requests from pages of other sites"
    return None


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]


def _is_own(host: str, server: str) -> bool:
    """Whether a host, with a port or without, is this machine or the address at which it was asked."""
    found = _HOST.fullmatch(host)
    name = found["name"].strip("[]").rstrip(".").lower() if found else ""
    # Browsers never look names under localhost up elsewhere.
    return bool(name) and (name == server.strip("[]").lower() or is_loopback(name) or name.endswith(".localhost"))


def is_loopback(name: str) -> bool:
    """Whether a host's name, in lower case, means this machine wherever it is looked up."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
