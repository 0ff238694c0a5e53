"""Keys that callers bring: read out of a request's headers, and never taken for anything else."""

from __future__ import annotations

import dataclasses
import hashlib

from starlette.datastructures import Headers

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_text import clean_key
from mcp_instantly.service.refusal import Refused
from mcp_instantly.settings import Settings, read_header
from mcp_instantly.transports.access import Access

KEY, WORKSPACE = "x-instantly-api-key", "x-as-workspace"

MAX_CHARACTERS = 512
"""Of a key, and of a workspace's id."""


@dataclasses.dataclass(frozen=True)
class Owner:
    """Whose Instantly a request is for. `identity` tells owners apart and says nothing of the key."""

    key: str = dataclasses.field(repr=False)
    workspace: str | None

    @property
    def identity(self) -> str:
        return hashlib.sha256(f"{self.key}\0{self.workspace or ''}".encode()).hexdigest()

    @property
    def name(self) -> str:
        """What the log and seals call the caller."""
        return f"key-{self.identity[:12]}"

    def settings(self, settings: Settings) -> Settings:
        """The server's settings with this key and no other."""
        return dataclasses.replace(settings, api_key=self.key, workspace=self.workspace, owner=self.identity)


def read_owner(headers: Headers, access: Access, token: str | None = None) -> Owner:
    """The owner that a request names; `token` is the access token that came with it.

    Raises Refused; no sentence repeats anything of a key.
    """
    key = _one(headers, KEY)
    if key is None:
        raise Refused(401, f"Send your API key of Instantly in the header {KEY}; the server has none of its own.")
    try:
        key = clean_key(key, f"The header {KEY}")
        workspace = _one(headers, WORKSPACE)
        if workspace is not None:
            workspace = read_header(f"The header {WORKSPACE}", workspace, blanks=False)
    except ConfigError as error:
        raise Refused(400, str(error)) from None
    # An access token goes nowhere else, be it this one or another: no key is made like one.
    is_access_token = token is not None and (key == token or (key.startswith("eyJ") and "." in key))
    if is_access_token or access.caller(f"Bearer {key}") is not None:
        raise Refused(400, f"The header {KEY} holds a token for this server; put your API key of Instantly there.")
    return Owner(key, workspace)


def refuse_owner(headers: Headers) -> None:
    """Raise Refused for a request that brings a key to a server that would act with its own."""
    for name in (KEY, WORKSPACE):
        if name in headers:
            raise Refused(
                400,
                f"Nothing was sent: the header {name} is not heeded here, as the server acts with a key of its own "
                "(--caller-keys was not given). Leave the header out.",
            )


def _one(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    if len(values) > 1 or any(len(value) > MAX_CHARACTERS for value in values):
        raise Refused(400, f"The header {name} must come once, with at most {MAX_CHARACTERS} characters.")
    return values[0] if values else None
