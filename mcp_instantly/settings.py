"""Frozen settings of one server: where requests go, with which key, and within which limits."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

from mcp_instantly import __version__
from mcp_instantly.errors import ConfigError

SERVER_NAME = "instantly"
"""What the server calls itself to clients."""

SERVERS = {
    "production": "https://api.instantly.ai/",
    "mock": "https://developer.instantly.ai/_mock/api/v2/",
}
"""The servers that Instantly names, by the word that selects them."""

USER_AGENT = f"mcp-instantly/{__version__} (+https://github.com/mcp-instantly/mcp_instantly)"

SANDBOX_URL = "http://sandbox.localhost/"
"""What stands for the origin of the sandbox in process; no request to it leaves the process."""

SANDBOX_KEY = "sandbox"

RESULT_LIMIT = 60_000
"""Characters of a result that a model is given by default."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the client needs to know. The key never shows in a repr.

    `base_url` ends with a slash; `result_limit` counts characters; times are in seconds.
    """

    base_url: str
    api_key: str = dataclasses.field(repr=False)
    sandbox: bool = False
    workspace: str | None = None
    user_agent: str = USER_AGENT
    result_limit: int = RESULT_LIMIT
    log_arguments: bool = False
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    write_timeout: float = 30.0
    pool_timeout: float = 30.0

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only place where the key goes."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"


def resolve_server(name: str) -> str:
    """The base URL for `production`, `mock` or a URL, ending with a slash.

    A URL must be https, or http on a loopback address; anything else raises ConfigError. A path is kept, but for a
    final `/api/v2`, with which the path of every operation begins.
    """
    url = SERVERS.get(name, name)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"The server {name!r} is not a URL; use production, mock, or https://HOST/.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"The server {name!r} is unknown; use production, mock, or a URL that begins with https://.")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\\%]", url):
        raise ConfigError("The server's URL may have a host, a port and a path, and nothing else.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"The server {name!r} would get the key unencrypted; use https (http is for loopback only).")
    path = parts.path.rstrip("/").removesuffix("/api/v2")
    return f"{parts.scheme}://{parts.netloc}{path}/"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_key(key: str | None, file: Path | None) -> str | None:
    """The API key out of its variable or its file, or None when neither is set. Raises ConfigError when unusable."""
    if key and file:
        raise ConfigError("Set INSTANTLY_API_KEY or INSTANTLY_API_KEY_FILE, not both.")
    source = "INSTANTLY_API_KEY"
    if file:
        source = str(file)
        try:
            key = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"The key file {file} cannot be read: {reason}.") from None
    if key is None:
        return None
    key = key.strip()
    if not key:
        raise ConfigError(f"{source} is empty; put the API key there.")
    if not all(33 <= ord(character) <= 126 for character in key):
        raise ConfigError(f"{source} holds characters that no API key has; was more than the key pasted?")
    return key
