"""The server as a protected resource: what it tells about itself (RFC 9728), and how it asks for a token (RFC 6750)."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope

from mcp_instantly.oauth.bearer import BadToken, TokenCheck, WantsScope
from mcp_instantly.oauth.issuer import IssuerAway
from mcp_instantly.oauth.oauth_settings import READ, WRITE, OAuthSettings
from mcp_instantly.service.refusal import Refused
from mcp_instantly.service.visitor import Visitor
from mcp_instantly.settings import SERVER_NAME, origin_of

WELL_KNOWN = "/.well-known/oauth-protected-resource"

KEPT_SECONDS = 3600
"""For which clients may keep the metadata."""


class OAuthDoorkeeper:
    """Knows the holders of an issuer's tokens. `read_only`: the server has nothing that changes anything."""

    def __init__(self, settings: OAuthSettings, check: TokenCheck, *, read_only: bool):
        path = urlsplit(settings.resource).path.rstrip("/")
        self._check = check
        self._scopes = [READ] if read_only else [READ, WRITE]
        self._places = {WELL_KNOWN, f"{WELL_KNOWN}{path}"}
        self._metadata_url = f"{origin_of(settings.resource)}{WELL_KNOWN}{path}"
        self._metadata = {
            "resource": settings.resource,
            "resource_name": SERVER_NAME,
            "authorization_servers": [settings.issuer],
            "scopes_supported": self._scopes,
            "bearer_methods_supported": ["header"],
        }

    def answer(self, scope: Scope) -> Response | None:
        if scope["path"] not in self._places:
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("This is read with GET.\n", 405, {"Allow": "GET, HEAD"})
        return JSONResponse(self._metadata, headers={"Cache-Control": f"public, max-age={KEPT_SECONDS}"})

    async def identify(self, headers: Headers) -> Visitor:
        given = headers.getlist("authorization")
        if not given:
            raise self._refusal(401, "Send an access token: Authorization: Bearer TOKEN.")
        scheme, _, token = given[0].partition(" ")
        token = token.strip()
        if len(given) > 1 or scheme.lower() != "bearer" or not token:
            raise self._refusal(401, "Send one access token: Authorization: Bearer TOKEN.", "invalid_token")
        try:
            holder = await self._check.holder(token)
        except BadToken as error:
            raise self._refusal(401, f"The access token is not accepted. {error}", "invalid_token") from None
        except WantsScope:
            said = f"The access token has no scope of this server: ask for {' or '.join(self._scopes)}."
            raise self._refusal(403, said, "insufficient_scope") from None
        except IssuerAway:
            said = "Nothing was done: the keys of the tokens' issuer cannot be had now. Call again in a few seconds."
            raise Refused(503, said, Retry_After="10") from None
        if not holder.read_only:
            return Visitor(holder.name, token=token)
        challenge = self._challenge(f"The access token lacks the scope {WRITE}.", "insufficient_scope")
        return Visitor(holder.name, WRITE, challenge, token)

    def _refusal(self, status: int, sentence: str, error: str | None = None) -> Refused:
        return Refused(status, sentence, WWW_Authenticate=self._challenge(sentence, error))

    def _challenge(self, sentence: str, error: str | None) -> str:
        parts = [f'realm="{SERVER_NAME}"']
        if error is not None:
            parts += [f'error="{error}"', f'error_description="{sentence}"']
        parts += [f'scope="{" ".join(self._scopes)}"', f'resource_metadata="{self._metadata_url}"']
        return f"Bearer {', '.join(parts)}"
