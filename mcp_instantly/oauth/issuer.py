"""The keys of an issuer: fetched from where its metadata say, kept, and fetched again when they may have changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import jwt

from mcp_instantly.api.network import open_network, reason_of
from mcp_instantly.body import Damaged, TooLong, read_body
from mcp_instantly.errors import ConfigError
from mcp_instantly.log import get_logger
from mcp_instantly.oauth.oauth_settings import OAuthSettings
from mcp_instantly.settings import USER_AGENT, Settings, origin_of
from mcp_instantly.text import shorten

FETCH_SECONDS = 5.0
"""For all that is fetched at once."""

MAX_DOCUMENT_BYTES = 256_000
MAX_KEYS = 100

AGAIN_SECONDS = 10.0
"""Keys are fetched no more often than this, however many tokens name keys that nobody knows."""

FRESH_SECONDS = 3600.0
"""Keys that are older are fetched again, so that one which the issuer has withdrawn is good no longer than this."""

KEPT_SECONDS = 86_400.0
"""While the issuer is away, keys are used no longer than this."""

FAMILIES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithms of signatures, and the type and curve of the key of each. There is none in which both sides have one
secret, and none without a key."""


class UnknownKey(Exception):
    """The issuer has no such key, or one that is not for this algorithm."""


class IssuerAway(Exception):
    """The issuer's keys cannot be had at present."""


class _NotUsable(Exception):
    """What was fetched cannot be used; the text says why, without a full stop."""


class _NotThere(_NotUsable):
    """Nothing is at this URL."""


class Issuer:
    """The keys with which an issuer signs. `clock` is in seconds and never goes back."""

    def __init__(self, settings: OAuthSettings, *, clock: Callable[[], float] = time.monotonic):
        self._url = settings.issuer
        self._named = settings.jwks_url
        self._found: str | None = None
        self._clock = clock
        self._keys: list[dict[str, Any]] = []
        self._made: dict[tuple[int, str], jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._again = float("-inf")
        self._is_away = False
        self._fetching = anyio.Lock()

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK:
        """The key of this id, for an algorithm among FAMILIES. Without an id it is the only one that the issuer has.

        Raises UnknownKey, and IssuerAway where nobody knows.
        """
        found = self._find(kid)
        if not found or self._age() > FRESH_SECONDS:
            await self._refresh(kid)
            found = self._find(kid)
        if self._age() > KEPT_SECONDS or (not found and self._is_away):
            raise IssuerAway
        for number in found:
            key = self._keys[number]
            if (key.get("kty"), key.get("crv")) == FAMILIES[algorithm] and key.get("alg", algorithm) == algorithm:
                return self._make(number, algorithm)
        raise UnknownKey

    async def warm(self) -> None:
        """Fetch the keys, so that a wrong address is told in the log at the start and not at the first call."""
        await self._refresh(None)

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _find(self, kid: str | None) -> list[int]:
        if kid is None:
            return [0] if len(self._keys) == 1 else []
        return [number for number, key in enumerate(self._keys) if key.get("kid") == kid]

    def _make(self, number: int, algorithm: str) -> jwt.PyJWK:
        made = self._made.get((number, algorithm))
        if made is None:
            try:
                made = jwt.PyJWK(self._keys[number], algorithm)
            except jwt.PyJWTError:
                raise UnknownKey from None
            self._made[number, algorithm] = made
        return made

    async def _refresh(self, kid: str | None) -> None:
        """Fetch the keys, unless that was done a moment ago. One fetches; whoever has a key does not wait for that."""
        if self._fetching.locked() and self._find(kid):
            return
        # A caller who goes away must not keep the others from new keys.
        with anyio.CancelScope(shield=True):
            async with self._fetching:
                if self._clock() < self._again:
                    return
                try:
                    with anyio.fail_after(FETCH_SECONDS):
                        self._keys = await self._fetch()
                    self._made.clear()
                    self._fetched = self._clock()
                    self._is_away = False
                except (_NotUsable, TimeoutError) as error:
                    self._found = None
                    self._is_away = True
                    reason = str(error) or f"it took longer than {FETCH_SECONDS:g} s"
                    get_logger().warning("issuer_away", issuer=self._url, reason=reason, keys=len(self._keys))
                self._again = self._clock() + AGAIN_SECONDS

    async def _fetch(self) -> list[dict[str, Any]]:
        if self._named is None and self._found is None:
            self._found = await self._discover()
        document = await _get(self._named or self._found or "")
        keys = document.get("keys")
        if not isinstance(keys, list):
            raise _NotUsable("its set of keys has none")
        usable = [key for key in keys[:MAX_KEYS] if isinstance(key, dict) and _is_usable(key)]
        if not usable:
            raise _NotUsable("its set of keys has none to check signatures with")
        return usable

    async def _discover(self) -> str:
        """The URL of the keys, as the issuer's metadata have it (RFC 8414, or OpenID Connect Discovery)."""
        parts = urlsplit(self._url)
        origin, path = origin_of(self._url), parts.path.rstrip("/")
        reasons = []
        for place in dict.fromkeys(
            (
                f"{origin}/.well-known/oauth-authorization-server{path}",
                f"{origin}/.well-known/openid-configuration{path}",
                f"{origin}{path}/.well-known/openid-configuration",
            )
        ):
            try:
                document = await _get(place)
            except _NotThere:
                continue
            except _NotUsable as error:
                reasons.append(str(error))
                continue
            if document.get("issuer") == self._url:
                return self._where(document)
            named = shorten(repr(document.get("issuer")), 200)
            reasons.append(f"its metadata name the issuer {named}, and --oauth-issuer must be exactly that")
        raise _NotUsable(reasons[0] if reasons else "it has no metadata")

    def _where(self, document: dict[str, Any]) -> str:
        """The URL of the keys in the issuer's metadata: of its own origin, as those of another may lead anywhere."""
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            raise _NotUsable("its metadata name no jwks_uri")
        if _origin(url) != _origin(self._url):
            where = shorten(repr(url), 200)
            raise _NotUsable(
                f"its jwks_uri {where} is on another origin; if that is right, name it with --oauth-jwks-url"
            )
        return url


def _origin(url: str) -> str:
    try:
        return origin_of(url).lower()
    except ValueError:
        return ""


def _is_usable(key: dict[str, Any]) -> bool:
    """Whether a key is public and checks signatures."""
    operations = key.get("key_ops", ["verify"])
    return (
        any(key.get("kty") == kind for kind, _ in FAMILIES.values())
        and key.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


async def _get(url: str) -> dict[str, Any]:
    """The JSON object at a URL. Redirects are not followed. Raises _NotUsable."""
    where = urlsplit(url).path
    try:
        network = open_network(Settings(base_url=url, api_key=""))
        async with network:
            request = httpx.Request("GET", url, headers={"User-Agent": USER_AGENT, "Accept": "application/json"})
            response = await network.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                if response.status_code == 404:
                    raise _NotThere(f"nothing is at {where}")
                if response.status_code != 200:
                    raise _NotUsable(f"{where} has the status {response.status_code}")
                raw = await read_body(response.stream, response.headers, MAX_DOCUMENT_BYTES)
            finally:
                await response.stream.aclose()
        document = json.loads(raw)
    except (httpx.HTTPError, httpx.InvalidURL, ConfigError) as error:
        raise _NotUsable(shorten(reason_of(error), 200)) from None
    except TooLong:
        raise _NotUsable(f"{where} has more than {MAX_DOCUMENT_BYTES:,} bytes") from None
    except (Damaged, ValueError, RecursionError):
        raise _NotUsable(f"{where} is not JSON") from None
    if not isinstance(document, dict):
        raise _NotUsable(f"{where} is not a JSON object")
    return document
