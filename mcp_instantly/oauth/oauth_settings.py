"""Which issuer the server believes, and what it calls itself to it: from the options of the start."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import MAX_URL_CHARACTERS, is_loopback

READ, WRITE = "instantly:read", "instantly:write"
"""Scopes: a token with the first calls what changes nothing, one with the second calls all that the server offers."""

AUDIENCE = re.compile(r"[!-~]{1,500}")

NEEDS_AN_ISSUER = ("oauth_audience", "oauth_resource", "oauth_jwks_url")


@dataclasses.dataclass(frozen=True)
class OAuthSettings:
    """`issuer` as tokens have it in `iss`, `audience` as they have it in `aud`. `resource` is the URL at which clients
    reach the server. `jwks_url` is where the issuer's keys are, None where its metadata tell."""

    issuer: str
    audience: str
    resource: str
    jwks_url: str | None = None

    @property
    def host(self) -> str:
        """The name under which clients reach the server, with its port where it has one."""
        return urlsplit(self.resource).netloc


def read_oauth(options: Mapping[str, Any], bound: str, port: int, path: str, *, tokens: bool) -> OAuthSettings | None:
    """The settings, None without an issuer, for a server that listens on the address `bound`.

    `tokens`: callers are known by tokens of the server's own. Raises ConfigError for what is wrong or unclear.
    """
    issuer = options["oauth_issuer"]
    if issuer is None:
        for name in NEEDS_AN_ISSUER:
            if options[name] is not None:
                raise ConfigError(f"--{name.replace('_', '-')} is about --oauth-issuer; add that, or leave it out.")
        return None
    for given, other in ((tokens, "--auth-token (INSTANTLY_AUTH_TOKENS)"), (options["no_auth"], "--no-auth")):
        if given:
            raise ConfigError(f"--oauth-issuer and {other} are two ways to tell who calls; leave one of them out.")
    _check_url("--oauth-issuer", issuer)
    resource = options["oauth_resource"]
    if resource is None:
        if not is_loopback(bound):
            raise ConfigError(
                f"On {options['host']} the server does not know the URL at which clients reach it, for which tokens "
                f"are issued: name it with --oauth-resource https://HOST{path}."
            )
        name = options["host"].strip().lower()
        resource = f"http://{f'[{name}]' if ':' in name else name}:{port}{path}"
    _check_url("--oauth-resource", resource)
    jwks_url = options["oauth_jwks_url"]
    if jwks_url is not None:
        _check_url("--oauth-jwks-url", jwks_url, query=True)
    audience = options["oauth_audience"]
    if audience is not None and not AUDIENCE.fullmatch(audience):
        raise ConfigError("--oauth-audience is what tokens have in aud: 1 to 500 visible ASCII characters.")
    return OAuthSettings(issuer, audience or resource, resource, jwks_url)


def _check_url(option: str, url: str, *, query: bool = False) -> None:
    """Raise ConfigError for a URL that is not https, or http on this machine, or holds what does not belong there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"{option} takes a URL that begins with https://.")
    more = parts.fragment or (parts.query and not query)
    if (
        "@" in parts.netloc
        or more
        or not re.fullmatch(rf"[!-~]{{1,{MAX_URL_CHARACTERS}}}", url)
        or re.search(r'["\\<>]', url)
    ):
        raise ConfigError(f"{option} may have a host, a port and a path, and nothing else.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"{option} must begin with https:// (http is for localhost and 127.0.0.1).")
