"""Access tokens: whose they are and what they allow, once signature, issuer, audience and time are found right."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any

import jwt

from mcp_instantly.masking import EMAIL
from mcp_instantly.oauth.issuer import FAMILIES, Issuer, UnknownKey
from mcp_instantly.oauth.oauth_settings import READ, WRITE, OAuthSettings

MAX_TOKEN_CHARACTERS = 16_384

LEEWAY_SECONDS = 30
"""By which the clocks of the issuer and of this machine may differ."""

TYPES = ("jwt", "at+jwt", "application/at+jwt")
"""Of a token, where it says one (RFC 9068); others are for other purposes."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9._:|/@+-]{1,64}")


@dataclasses.dataclass(frozen=True)
class Holder:
    """Whom a token was issued to, by a name for the log that is nobody else's, and whether it only reads."""

    name: str
    read_only: bool


class BadToken(Exception):
    """The token is good for nothing here; the text says why, and repeats nothing of it."""


class WantsScope(Exception):
    """The token is good, and allows nothing of what the server does."""


class TokenCheck:
    """Checks tokens of one issuer for one audience."""

    def __init__(self, settings: OAuthSettings, issuer: Issuer):
        self._settings = settings
        self._issuer = issuer

    async def holder(self, token: str) -> Holder:
        """Whose token it is. Raises BadToken, WantsScope, and IssuerAway where it cannot be checked."""
        algorithm, kid = _read_head(token)
        try:
            key = await self._issuer.key(kid, algorithm)
        except UnknownKey:
            raise BadToken("The issuer has no such key for this kind of signature.") from None
        claims = self._claims(token, key, algorithm)
        scopes = _scopes(claims)
        if not scopes & {READ, WRITE}:
            raise WantsScope
        return Holder(_name(claims["iss"], claims["sub"]), read_only=WRITE not in scopes)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "exp", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise BadToken("It has expired.") from None
        except jwt.ImmatureSignatureError:
            raise BadToken("It is not valid yet.") from None
        except jwt.InvalidIssuerError:
            raise BadToken("It is of another issuer.") from None
        except jwt.InvalidAudienceError:
            raise BadToken("It is for another audience.") from None
        except jwt.MissingRequiredClaimError as error:
            raise BadToken(f"It has no claim {error.claim}.") from None
        except jwt.InvalidSignatureError:
            raise BadToken("Its signature is wrong.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise BadToken("It cannot be read.") from None
        if not claims["sub"]:
            raise BadToken("It has no claim sub.")
        return claims


def _read_head(token: str) -> tuple[str, str | None]:
    """Algorithm and key of a token, which nobody vouches for yet. Raises BadToken."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise BadToken(f"It has more than {MAX_TOKEN_CHARACTERS:,} characters.")
    try:
        head = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise BadToken("It is not a signed JWT.") from None
    algorithm, kind = head.get("alg"), head.get("typ", "jwt")
    if not isinstance(algorithm, str) or algorithm not in FAMILIES:
        raise BadToken("Its algorithm is not one of those that are taken here.")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise BadToken("It is not an access token, by its type.")
    return algorithm, head.get("kid")


def _scopes(claims: dict[str, Any]) -> set[str]:
    """The scopes of a token, in `scope` (RFC 9068) or in `scp`, which some issuers have in its place."""
    given = claims.get("scope", claims.get("scp"))
    if isinstance(given, str):
        return set(given.split())
    return {one for one in given if isinstance(one, str)} if isinstance(given, list) else set()


def _name(issuer: str, subject: str) -> str:
    """The subject as it is, where that is short and no address; else what may be shown of it, and a digest."""
    masked = EMAIL.sub(r"\1***\2", subject)
    if masked == subject and PLAIN_NAME.fullmatch(subject):
        return subject
    digest = hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    shown = masked if masked != subject and re.fullmatch(r"[A-Za-z0-9._:|/@+*-]{1,64}", masked) else "subject"
    return f"{shown}~{digest}"
