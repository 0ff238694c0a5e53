"""Frozen settings of one server: where requests go, with which key, and within which limits."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mcp_instantly import __version__
from mcp_instantly.errors import ConfigError
from mcp_instantly.text import file_fault

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

RESULT_LIMIT_CHARACTERS = 60_000
"""Characters of a result that a model is given by default."""

GRACE_SECONDS = 8
"""How long calls may still take after a signal to stop by default: containers are killed after 10."""

MAX_CONCURRENCY = 100
"""Requests that one process answers at once, by default."""

MAX_OPEN_KEYS = 200
"""Keys of callers that are open at once in one process, by default."""

CALL_TIMEOUT_SECONDS = 55
"""Seconds for a whole call by default; hosts give up after 60."""

PATIENCE_SECONDS = 60
"""For how long a request waits for its turn by default, where the time of the whole call allows it."""

REPLICAS = 4
"""Processes that are assumed to share a Redis where nobody says how many there are."""

FORM_SECONDS = 300
"""Seconds for which a form can be answered and a preview be used, by default."""

MAX_RESPONSE_BYTES = 32_000_000
"""Decoded bytes of a response that are read by default."""

REPEAT_WINDOW_SECONDS = 60
"""For which the result of a call that sends or spends is held by default: models and hosts repeat calls at once."""

MAX_URL_CHARACTERS = 2000
"""Of the server's URL; paths and queries go behind it."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the client needs to know. The key never shows in a repr.

    `base_url` ends with a slash; `result_limit` counts characters, `max_response_bytes` those of a decoded response;
    times are in seconds, `call_timeout` for a whole call with its repeats. `agent_check` asks before a reply by hand
    whether an AI inbox manager answers too. `full` shows whole records, nulls and empty fields too. `raw_text` leaves
    strangers' text as it came, `lockdown` shows only the beginning of it; `reveal_secrets` shows passwords and keys.
    `host_confirm` tells hosts which tools to ask their user about.

    `workspace` is the sub-workspace as which the one key acts. `keys` are the keys of several workspaces by their
    names; then `api_key` is empty, and `for_workspace` has the settings of each. `other_keys` are struck out of
    responses, as `api_key` is. `default_workspace` is the one that reads are for when a call does not say.
    `files` are the folders whose files tools may use, none where nobody named any.
    `owner` tells keys apart where each caller brings its own.
    """

    base_url: str
    api_key: str = dataclasses.field(repr=False)
    sandbox: bool = False
    workspace: str | None = None
    user_agent: str = USER_AGENT
    result_limit: int = RESULT_LIMIT_CHARACTERS
    log_arguments: bool = False
    call_timeout: float = CALL_TIMEOUT_SECONDS
    max_response_bytes: int = MAX_RESPONSE_BYTES
    connect_timeout: float = 10.0
    agent_check: bool = True
    full: bool = False
    host_confirm: bool = True
    raw_text: bool = False
    lockdown: bool = False
    reveal_secrets: bool = False
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    other_keys: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    default_workspace: str | None = None
    files: tuple[Path, ...] = ()
    owner: str = ""

    def for_workspace(self, name: str) -> Settings:
        """The settings of one of several workspaces, with its key and no other."""
        others = tuple(key for other, key in self.keys.items() if other != name)
        return dataclasses.replace(self, api_key=self.keys[name], keys={}, other_keys=others, default_workspace=None)

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only place where the key goes."""
        return origin_of(self.base_url)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def resolve_server(name: str) -> str:
    """The base URL for `production`, `mock` or a URL, ending with a slash.

    A URL must be https, or http on localhost or a loopback address; anything else raises ConfigError. A path is kept,
    but for a final `/api/v2`, with which the path of every operation begins.
    """
    url = SERVERS.get(name, name)
    if len(url) > MAX_URL_CHARACTERS:
        raise ConfigError(f"The server's URL has {len(url):,} characters; it may have {MAX_URL_CHARACTERS:,}.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"The server {name!r} is not a URL; use production, mock, or https://HOST/.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"The server {name!r} is unknown; use production, mock, or a URL that begins with https://.")
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\\%\x00-\x1f\x7f]", url):
        raise ConfigError("The server's URL may have a host, a port and a path, and nothing else.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"The server {name!r} would get the key unencrypted; use https (http is for localhost and 127.0.0.1)."
        )
    path = parts.path.rstrip("/").removesuffix("/api/v2")
    return f"{parts.scheme}://{parts.netloc}{path}/"


def is_loopback(host: str) -> bool:
    """Whether a host can only be this machine. Names under `.localhost` are not: a resolver may know them."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_header(option: str, value: str, *, blanks: bool) -> str:
    """The value of an option that is sent in a header, without the blanks around it. Raises ConfigError.

    `blanks` says whether there may be some inside.
    """
    text = value.strip()
    if not text:
        raise ConfigError(f"{option} is empty; give it a value, or leave it out.")
    if not (text.isascii() and text.isprintable()):
        raise ConfigError(f"{option} must be one line of ASCII text: it is sent in a header.")
    if " " in text and not blanks:
        raise ConfigError(f"{option} contains a space; an id has none.")
    return text


def expanded(path: Path, source: str) -> Path:
    """The path with the home directory in the place of `~`. Raises ConfigError that names its source."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{source} names {path}, which cannot be found: {file_fault(error)}.") from None


def absolute(path: Path, source: str) -> Path:
    """The path as it holds in every folder. Raises ConfigError that names its source."""
    try:
        return Path(os.path.abspath(expanded(path, source)))
    except (OSError, ValueError) as error:
        # The folder that is the current one may be gone; a name may hold a NUL.
        raise ConfigError(f"{source} names {path}, which cannot be found from here: {file_fault(error)}.") from None
