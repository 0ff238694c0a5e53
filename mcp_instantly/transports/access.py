"""Who may use the HTTP port: host names, origins of web pages, and bearer tokens."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import is_loopback

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?)(?::(\d{1,5}))?")
"""A host name, IPv4 address or IPv6 address in brackets, and perhaps a port; in lower case."""

ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^/?#@:\s\[\]]+)(?::(\d{1,5}))?")
"""How a browser names a page's origin: scheme, host and, unless it is the usual one, port; in lower case."""

TOKEN = re.compile(r"[!-~]{16,512}")

TOKEN_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclasses.dataclass(frozen=True)
class Access:
    """Rules for requests. Without tokens, anyone who passes the other rules may call.

    `hosts` are names as AUTHORITY has them, which without a port stand for every port; `origins` are whole origins;
    `digests` are the SHA-256 of each caller's token. Loopback names and their http origins are always among them.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    digests: Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)

    def allows_host(self, host: str, reached: str) -> bool:
        """Whether a Host header names this server; `reached` is the address at which the request came in.

        A page that has its own name resolved to this address (DNS rebinding) sends that name.
        """
        match = AUTHORITY.fullmatch(host.lower())
        if match is None:
            return False
        reached = reached.removeprefix("::ffff:")
        own = f"[{reached}]" if ":" in reached else reached
        return match[1] in (*LOOPBACK_NAMES, own.lower()) or match[1] in self.hosts or match[0] in self.hosts

    def allows_origin(self, origin: str) -> bool:
        """Whether pages of this origin may call. `null`, which sandboxed pages send, never is."""
        match = ORIGIN.fullmatch(origin.lower())
        if match is None:
            return False
        name = match[2].strip("[]")
        is_local = match[1] == "http" and is_loopback(name) and not name.endswith(".localhost")
        return is_local or match[0] in self.origins

    def caller(self, authorization: str) -> str | None:
        """The name of the token in an Authorization header, or None. All tokens are compared, in constant time."""
        scheme, _, token = authorization.partition(" ")
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        found = [name for name, digest in self.digests.items() if hmac.compare_digest(digest, given)]
        return found[0] if found and scheme.lower() == "bearer" else None


def make_access(
    host: str,
    bound: str,
    *,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    tokens: Mapping[str, str] | None = None,
    no_auth: bool = False,
    caller_keys: bool = False,
    oauth: bool = False,
) -> Access:
    """The rules for a server that is asked to listen on `host`, and does on the address `bound`.

    With `caller_keys`, nobody acts with a key of the server's; with `oauth`, callers bring tokens of an issuer.

    Raises ConfigError when they are unsafe or wrong.
    """
    tokens = tokens or {}
    if tokens and no_auth:
        raise ConfigError("There are tokens, and --no-auth as well; leave one of them out.")
    if not (tokens or no_auth or caller_keys or oauth or is_loopback(bound)):
        raise ConfigError(
            f"Listening on {host} lets others act with the API key: give them tokens with --auth-token FILE, have them "
            "bring those of an issuer with --oauth-issuer URL, have each bring a key with --caller-keys, or say "
            "--no-auth if something in front of the server checks who calls."
        )
    return Access(
        frozenset({_bracketed(host), *map(_host, hosts)}),
        frozenset(_origin(name) for name in origins),
        {name: hashlib.sha256(token.encode()).digest() for name, token in tokens.items()},
    )


def _bracketed(name: str) -> str:
    lowered = name.strip().lower()
    return f"[{lowered}]" if lowered.count(":") > 1 and not lowered.startswith("[") else lowered


def _host(name: str) -> str:
    bracketed = _bracketed(name)
    if not AUTHORITY.fullmatch(bracketed):
        raise ConfigError(f"--allowed-host takes a name such as mcp.example.com or mcp.example.com:8443, not {name!r}.")
    return bracketed


def _origin(name: str) -> str:
    lowered = name.strip().lower().rstrip("/")
    match = ORIGIN.fullmatch(lowered)
    if match is None:
        raise ConfigError(f"--allowed-origin takes an origin such as https://app.example.com, not {name!r}.")
    usual = {"http": "80", "https": "443"}.get(match[1])
    return f"{match[1]}://{match[2]}" if match[3] == usual else lowered


def read_tokens(
    text: str | None, file: Path | None, *, variable: str = "INSTANTLY_AUTH_TOKENS", option: str = "--auth-token"
) -> dict[str, str]:
    """Tokens by name, out of the text of a variable or a file: NAME=TOKEN on lines or between commas.

    `variable` and `option` are what messages call the two.

    Raises ConfigError when there are none in what was given, or one is unusable; no message shows a token.
    """
    if text and file:
        raise ConfigError(f"Set {variable} or give a file of tokens ({option}), not both.")
    source = variable
    if file:
        source = f"The file of {option}"
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            # The path is not shown: it may be a token that was given in place of a file.
            reason = getattr(error, "strerror", None) or "it is not text"
            hint = " of lines NAME=TOKEN; a token itself would be visible in the list of processes"
            raise ConfigError(f"{option} names a file{hint}. That file cannot be read: {reason}.") from None
    if text is None:
        return {}
    lines = [line.strip() for line in re.split(r"[\n,]", text)]
    tokens: dict[str, str] = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        name, _, token = (part.strip() for part in line.partition("="))
        if not TOKEN_NAME.fullmatch(name) or not TOKEN.fullmatch(token):
            raise ConfigError(
                f"{source} needs NAME=TOKEN: the name of letters, digits, dots and dashes, and 16 to 512 visible ASCII "
                f"characters; entry {len(tokens) + 1} is not like that. Make a token with: openssl rand -hex 32"
            )
        if name in tokens or token in tokens.values():
            raise ConfigError(f"{source} has the name {name} or its token twice; give everybody their own.")
        tokens[name] = token
    if not tokens:
        raise ConfigError(f"{source} holds no token; put NAME=TOKEN there, or leave it out.")
    return tokens
