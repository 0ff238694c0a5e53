"""A small authorization server on loopback, which signs access tokens, and hands them out to clients of the SDK."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mcp_instantly.transports.port import running_app

RSA_KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
EC_KEY = ec.generate_private_key(ec.SECP256R1())


class LocalIssuer:
    """`url` is its own; `keys` those that its set has, by id: algorithm and private key. `asked` counts requests by
    their path. `changes` are put into its metadata."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: dict[str, tuple[str, Any]] = {"rsa": ("RS256", RSA_KEYS[0]), "ec": ("ES256", EC_KEY)}
        self.asked: Counter[str] = Counter()
        self.changes: dict[str, Any] = {}
        self.is_away = False
        self.moved_to = ""
        self.subject = "ann@clinic.example"
        self._codes: dict[str, dict[str, str]] = {}

    def token(self, audience: str, kid: str = "rsa", *, key: Any = None, head: Any = (), **claims: Any) -> str:
        """A token for an audience, with all scopes; a claim that is None is left out."""
        algorithm, own = self.keys.get(kid, ("RS256", key))
        now = int(time.time())
        all_claims = {"iss": self.url, "aud": audience, "sub": "ann", "iat": now, "exp": now + 300}
        all_claims |= {"scope": "instantly:read instantly:write"} | claims
        payload = {name: value for name, value in all_claims.items() if value is not None}
        head = {"kid": kid, "typ": "at+jwt"} | dict(head)
        return jwt.encode(payload, key or own, algorithm, {name: text for name, text in head.items() if text})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/keys", self._set),
                Route("/register", self._register, methods=["POST"]),
                Route("/authorize", self._authorize),
                Route("/token", self._hand_out, methods=["POST"]),
                Route("/{anything:path}", lambda _: Response(status_code=404)),
            ]
        )

    async def _metadata(self, request: Request) -> Response:
        self.asked["metadata"] += 1
        if self.is_away:
            return Response(status_code=503)
        if self.moved_to:
            return RedirectResponse(f"{self.moved_to}{request.url.path}", 302)
        named = {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorize", "token")}
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": named["authorize_endpoint"],
                "token_endpoint": named["token_endpoint"],
                "registration_endpoint": f"{self.url}/register",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
            | self.changes
        )

    async def _set(self, request: Request) -> Response:
        self.asked["keys"] += 1
        if self.is_away:
            return Response(status_code=503)
        return JSONResponse({"keys": [_public(kid, *pair) for kid, pair in self.keys.items()]})

    async def _register(self, request: Request) -> Response:
        asked = json.loads(await request.body())
        return JSONResponse(asked | {"client_id": "a-client", "token_endpoint_auth_method": "none"}, 201)

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.url}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 302)

    async def _hand_out(self, request: Request) -> Response:
        async with request.form() as form:
            asked = self._codes.pop(str(form["code"]))
            digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
            resource, scope = str(form["resource"]), asked["scope"]
        token = self.token(resource, "ec", sub=self.subject, scope=scope)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": scope})


def _public(kid: str, algorithm: str, key: Any) -> dict[str, Any]:
    kind = RSAAlgorithm if algorithm.startswith(("RS", "PS")) else ECAlgorithm
    return kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "alg": algorithm, "use": "sig"}


@contextlib.asynccontextmanager
async def running_issuer() -> AsyncIterator[LocalIssuer]:
    """An issuer on a port of its own, beside the test."""
    issuer = LocalIssuer()
    async with running_app(issuer.app()) as issuer.url:
        yield issuer
