"""The server as a resource of OAuth: whose tokens are taken, what they allow, and what is asked of their issuer."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import OAuthClientMetadata, OAuthToken

from mcp_instantly.errors import ConfigError
from mcp_instantly.oauth.bearer import BadToken, TokenCheck
from mcp_instantly.oauth.issuer import (
    AGAIN_SECONDS,
    FRESH_SECONDS,
    KEPT_SECONDS,
    Issuer,
    IssuerAway,
    UnknownKey,
)
from mcp_instantly.oauth.oauth_settings import OAuthSettings, read_oauth

from .conftest import answer_of, clean_environment, served
from .frames import call
from .issuer import EC_KEY, RSA_KEYS, LocalIssuer, running_issuer
from .many import HTTP, connected, key_of, sandbox_of_many
from .processes import run

pytestmark = pytest.mark.anyio

ACCEPT = {"Accept": "application/json, text/event-stream"}
HERE = "https://mcp.example.com/mcp"


@pytest.fixture
async def issuer() -> AsyncIterator[LocalIssuer]:
    async with running_issuer() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def message_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


@contextlib.contextmanager
def protected(issuer: LocalIssuer, *more: str) -> Iterator[tuple[Any, str]]:
    with served(*HTTP, *(more or ("--sandbox",)), "--oauth-issuer", issuer.url) as (process, url):
        yield process, url


def events_of(process: Any) -> list[dict[str, Any]]:
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    return [json.loads(line) for line in err.splitlines()]


# A client finds its way


class Kept:
    """What the SDK's client keeps of its authorization."""

    tokens: Any = None
    client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


@contextlib.asynccontextmanager
async def authorizing(url: str, mode: str, *, token: str | None = None) -> AsyncIterator[Client]:
    """A client of the SDK that knows nothing but the server's URL, and finds the issuer by itself; it may have a
    token already, which only reads."""
    from mcp.client.auth import AuthorizationCodeResult

    back: dict[str, str] = {}

    async def visit(address: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as browser:
            response = await browser.get(address)
        back.update(
            {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}
        )

    async def came_back() -> Any:
        return AuthorizationCodeResult(code=back["code"], state=back["state"], iss=back["iss"])

    kept = Kept()
    if token is not None:
        kept.tokens = OAuthToken(access_token=token, expires_in=300, scope="instantly:read")
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="A client", redirect_uris=["http://127.0.0.1:9/back"], token_endpoint_auth_method="none"
        ),
        storage=kept,
        redirect_handler=visit,
        callback_handler=came_back,
    )
    async with (
        create_mcp_http_client(auth=provider) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_knows_only_the_servers_url_authorizes_itself_and_calls(
    issuer: LocalIssuer, mode: str
) -> None:
    with protected(issuer) as (process, url):
        async with authorizing(url, mode) as client:
            assert answer_of(await client.call_tool("get_workspace", {}))["name"]
            made = await client.call_tool("create_lead_list", {"name": "By a token"})
            assert answer_of(made)["name"] == "By a token"
        events = events_of(process)
    names = {event["caller"] for event in events if event["event"] == "tool_call"}
    (name,) = names
    assert name.startswith("a***@clinic.example~"), "an address is masked, and told apart from others like it"
    assert "ann@clinic" not in json.dumps(events) and "eyJ" not in json.dumps(events)


async def test_the_server_says_who_issues_its_tokens_to_whoever_has_none(
    issuer: LocalIssuer, http: httpx.AsyncClient
) -> None:
    with protected(issuer) as (_, url):
        refused = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT)
        challenge = refused.headers["www-authenticate"]
        pointer = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        assert refused.status_code == 401 and f'resource_metadata="{pointer}"' in challenge
        assert 'scope="instantly:read instantly:write"' in challenge and "error=" not in challenge
        for place in (pointer, pointer.removesuffix("/mcp")):
            told = (await http.get(place)).json()
            assert (told["resource"], told["authorization_servers"]) == (url, [issuer.url])
            assert told["scopes_supported"] == ["instantly:read", "instantly:write"]
        assert (await http.post(pointer)).status_code == 405
        assert (await http.get(pointer, headers={"Host": "evil.example"})).status_code == 421
        in_query = await http.post(
            f"{url}?access_token={issuer.token(url)}", json=call(1, "get_workspace"), headers=ACCEPT
        )
        assert in_query.status_code == 401


async def test_a_page_of_an_allowed_origin_finds_out_who_issues_tokens(
    issuer: LocalIssuer, http: httpx.AsyncClient
) -> None:
    page = {"Origin": "https://app.example.com"}
    with protected(issuer, "--sandbox", "--allowed-origin", page["Origin"]) as (_, url):
        pointer = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        wants = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "mcp-protocol-version"}
        refused = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT | page)
        for response in (
            refused,
            await http.request("OPTIONS", pointer, headers=page | wants),
            await http.get(pointer, headers=page),
        ):
            assert response.headers["Access-Control-Allow-Origin"] == page["Origin"]
        assert refused.status_code == 401
        assert "WWW-Authenticate" in refused.headers["Access-Control-Expose-Headers"]


async def test_behind_a_proxy_the_server_goes_by_the_name_that_it_was_given(
    issuer: LocalIssuer, http: httpx.AsyncClient
) -> None:
    more = ("--sandbox", "--host", "0.0.0.0", "--oauth-resource", HERE, "--oauth-audience", "api://instantly")
    with protected(issuer, *more) as (_, url):
        url = url.replace("0.0.0.0", "127.0.0.1")
        at = {"Host": "mcp.example.com"}
        told = await http.get(url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp"), headers=at)
        assert told.json()["resource"] == HERE
        frame = call(1, "get_workspace")
        refused = await http.post(url, json=frame, headers=ACCEPT | at | bearer(issuer.token(HERE)))
        pointer = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
        assert refused.status_code == 401 and pointer in refused.headers["www-authenticate"]
        taken = await http.post(url, json=frame, headers=ACCEPT | at | bearer(issuer.token("api://instantly")))
        assert taken.status_code == 200


# Which tokens are taken


def with_none(issuer: LocalIssuer) -> str:
    claims = jwt.decode(issuer.token(HERE), options={"verify_signature": False})
    return jwt.encode(claims, None, "none", {"kid": "rsa"})


def with_the_public_key_as_a_secret(issuer: LocalIssuer) -> str:
    import base64
    import hashlib
    import hmac

    public = (
        RSA_KEYS[0]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').rstrip(b"=")
    body = issuer.token(HERE).split(".")[1].encode()
    mac = base64.urlsafe_b64encode(hmac.digest(public, head + b"." + body, hashlib.sha256)).rstrip(b"=")
    return b".".join((head, body, mac)).decode()


def damaged(issuer: LocalIssuer) -> str:
    head, body, signature = issuer.token(HERE).split(".")
    other = issuer.token(HERE, sub="root").split(".")[1]
    assert body != other
    return f"{head}.{other}.{signature}"


WRONG: dict[str, tuple[Callable[[LocalIssuer], str], str]] = {
    "audience": (lambda one: one.token("https://other.example/mcp"), "another audience"),
    "no audience": (lambda one: one.token(HERE, aud=None), "no claim aud"),
    "issuer": (lambda one: one.token(HERE, iss="https://evil.example"), "another issuer"),
    "expired": (lambda one: one.token(HERE, exp=1_700_000_000), "expired"),
    "for ever": (lambda one: one.token(HERE, exp=None), "no claim exp"),
    "later": (lambda one: one.token(HERE, nbf=4_000_000_000), "not valid yet"),
    "nobody": (lambda one: one.token(HERE, sub=None), "no claim sub"),
    "unknown key": (lambda one: one.token(HERE, "new", key=RSA_KEYS[1]), "no such key"),
    "key of another": (lambda one: one.token(HERE, "rsa", key=RSA_KEYS[1]), "signature is wrong"),
    "key for another algorithm": (lambda one: one.token(HERE, "rsa2", key=RSA_KEYS[0], head={"kid": "ec"}), "no such"),
    "without key id": (lambda one: one.token(HERE, head={"kid": None}), "no such key"),
    "no algorithm": (with_none, "algorithm"),
    "a secret": (with_the_public_key_as_a_secret, "algorithm"),
    "damaged": (damaged, "signature is wrong"),
    "for logging out": (lambda one: one.token(HERE, head={"typ": "logout+jwt"}), "by its type"),
    "critical": (lambda one: one.token(HERE, head={"crit": ["x"], "x": 1}), "not a signed JWT"),
    "no token": (lambda one: "0123456789abcdef-opaque", "not a signed JWT"),
    "too long": (lambda one: one.token(HERE, more="x" * 20_000), "16,384"),
}


def check_of(issuer: LocalIssuer, **more: Any) -> TokenCheck:
    settings = OAuthSettings(issuer.url, HERE, HERE)
    return TokenCheck(settings, Issuer(settings, **more))


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_token_that_is_wrong_in_one_thing_is_refused_with_what_it_is(issuer: LocalIssuer, wrong: str) -> None:
    make, said = WRONG[wrong]
    token = make(issuer)
    with pytest.raises(BadToken, match=said) as refused:
        await check_of(issuer).holder(token)
    assert token not in str(refused.value)


async def test_over_http_a_bad_token_gets_a_challenge_and_a_sentence_and_calls_nothing(
    issuer: LocalIssuer, http: httpx.AsyncClient
) -> None:
    with protected(issuer) as (process, url):
        for token, said in (
            (issuer.token("https://other.example/mcp"), "another audience"),
            (issuer.token(url, exp=1_700_000_000), "expired"),
            (with_none(issuer), "algorithm"),
            (with_the_public_key_as_a_secret(issuer), "algorithm"),
            ("opaque", "not a signed JWT"),
        ):
            refused = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT | bearer(token))
            assert refused.status_code == 401 and said in message_of(refused)
            assert 'error="invalid_token"' in refused.headers["www-authenticate"] and token not in refused.text
        twice = [*ACCEPT.items(), *(("Authorization", f"Bearer {issuer.token(url)}") for _ in range(2))]
        assert (await http.post(url, json=call(1, "get_workspace"), headers=httpx.Headers(twice))).status_code == 401
        basic = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT | {"Authorization": "Basic YTpi"})
        assert basic.status_code == 401
        none = await http.post(
            url, json=call(1, "get_workspace"), headers=ACCEPT | bearer(issuer.token(url, scope="profile"))
        )
        assert none.status_code == 403 and 'error="insufficient_scope"' in none.headers["www-authenticate"]
        assert "instantly:read or instantly:write" in message_of(none)
        events = events_of(process)
    assert not [event for event in events if event["event"] == "tool_call"]


@pytest.mark.parametrize("kid", ["rsa", "ec"])
async def test_tokens_signed_with_either_kind_of_key_are_taken(issuer: LocalIssuer, kid: str) -> None:
    holder = await check_of(issuer).holder(issuer.token(HERE, kid))
    assert (holder.name, holder.read_only) == ("ann", False)


async def test_a_key_is_taken_by_the_algorithm_of_its_kind_alone(issuer: LocalIssuer) -> None:
    issuer.keys = {"ec": ("ES256", EC_KEY)}
    assert (await check_of(issuer).holder(issuer.token(HERE, "ec", head={"kid": None}))).name == "ann", "the only one"
    with pytest.raises(BadToken, match="no such key"):
        await check_of(issuer).holder(issuer.token(HERE, "other", key=RSA_KEYS[0], head={"kid": "ec"}))


async def test_names_for_the_log_are_short_show_no_address_and_are_nobody_elses(issuer: LocalIssuer) -> None:
    check = check_of(issuer)
    subjects = ["auth0|5f7c8ec7c33c6c004bbafe82", "ann@x.example", "amy@x.example", "x" * 300, "x" * 301, "a\nb", "ä"]
    subjects.append("google-oauth2|ann@x.example")
    names = [(await check.holder(issuer.token(HERE, sub=subject))).name for subject in subjects]
    assert names[0] == subjects[0] and len(set(names)) == len(names)
    assert all(len(name) <= 80 and name.isascii() and name.isprintable() for name in names)
    assert not any("ann@" in name or "amy@" in name for name in names)


# What a token allows


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("claims", [{"scope": "openid instantly:read"}, {"scope": None, "scp": ["instantly:read"]}])
async def test_a_token_that_may_only_read_sees_and_calls_only_what_changes_nothing(
    issuer: LocalIssuer, claims: dict[str, Any], mode: str
) -> None:
    with protected(issuer) as (_, url):
        async with connected(url, bearer(issuer.token(url, **claims)), mode) as client:
            listed = (await client.list_tools()).tools
            assert all(tool.annotations.read_only_hint for tool in listed)
            assert answer_of(await client.call_tool("get_workspace", {}))["name"]
            with pytest.raises(MCPError, match=r"create_lead_list needs the scope instantly:write, which .* lacks"):
                await client.call_tool("create_lead_list", {"name": "No"})
        for more in ({"x-mcp-readonly": "false"}, {"x-mcp-toolsets": "lead_lists"}):
            async with connected(url, bearer(issuer.token(url, **claims)) | more, mode) as client:
                with pytest.raises(MCPError, match="needs the scope instantly:write"):
                    await client.call_tool("create_lead_list", {"name": "No"})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_whose_token_only_reads_asks_for_more_where_it_needs_more(
    issuer: LocalIssuer, mode: str
) -> None:
    with protected(issuer) as (_, url):
        reading = issuer.token(url, scope="instantly:read")
        async with authorizing(url, mode, token=reading) as client:
            assert answer_of(await client.call_tool("get_workspace", {}))["name"]
            made = await client.call_tool("create_lead_list", {"name": "By a wider token"})
            assert answer_of(made)["name"] == "By a wider token"
            found = answer_of(await client.call_tool("list_lead_lists", {}))["items"]
            assert [one["name"] for one in found].count("By a wider token") == 1


@pytest.mark.parametrize("more", [{"x-mcp-readonly": "true"}, {"x-mcp-toolsets": "campaigns"}])
async def test_no_wider_token_is_asked_for_where_it_would_not_help(issuer: LocalIssuer, more: dict[str, str]) -> None:
    with protected(issuer) as (_, url):
        async with connected(url, bearer(issuer.token(url, scope="instantly:read")) | more, "auto") as client:
            assert (await client.call_tool("create_lead_list", {"name": "No"})).is_error


async def test_a_challenge_names_the_scopes_and_answers_under_the_id_of_the_call(
    issuer: LocalIssuer, http: httpx.AsyncClient
) -> None:
    with protected(issuer, "--sandbox", "--discovery") as (process, url):
        headers = ACCEPT | bearer(issuer.token(url, scope="instantly:read"))
        given = {"name": "create_lead_list", "arguments": {"name": "No"}}
        refused = await http.post(url, json=call(7, "run_write_tool", **given), headers=headers)
        challenge = refused.headers["www-authenticate"]
        assert refused.status_code == 403 and refused.json()["id"] == 7
        assert 'error="insufficient_scope"' in challenge and 'scope="instantly:read instantly:write"' in challenge
        assert "resource_metadata=" in challenge
        events = events_of(process)
    assert [event["http_status"] for event in events if event["event"] == "request_refused"] == [403]
    assert not [event for event in events if event["event"] == "tool_call"]


async def test_a_server_that_only_reads_asks_for_no_more(issuer: LocalIssuer, http: httpx.AsyncClient) -> None:
    with protected(issuer, "--sandbox", "--read-only") as (_, url):
        told = (await http.get(url.replace("/mcp", "/.well-known/oauth-protected-resource"))).json()
        assert told["scopes_supported"] == ["instantly:read"]


async def test_with_keys_of_callers_a_token_lets_in_and_is_never_used_as_a_key(
    issuer: LocalIssuer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    with (
        sandbox_of_many(tmp_path) as upstream,
        protected(issuer, "--caller-keys", "--server", upstream) as (process, url),
    ):
        token = issuer.token(url, sub="ann")
        key = {"x-instantly-api-key": key_of(7)}
        async with connected(url, bearer(token) | key) as client:
            assert answer_of(await client.call_tool("get_workspace", {}))["name"] == "Workspace 7"
        frame = call(1, "get_workspace")
        assert (await http.post(url, json=frame, headers=ACCEPT | key)).status_code == 401
        assert (await http.post(url, json=frame, headers=ACCEPT | bearer(token))).status_code == 401
        for other in (token, issuer.token("https://other.example")):
            wrong = ACCEPT | bearer(token) | {"x-instantly-api-key": other}
            wrong["x-instantly-api-key"] = other[:500]
            refused = await http.post(url, json=frame, headers=wrong)
            assert refused.status_code == 400 and "holds a token" in message_of(refused)
        (event,) = [event for event in events_of(process) if event["event"] == "tool_call"]
    assert event["caller"] == "ann" and event["key"].startswith("key-")


# The issuer's keys


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_new_key_of_the_issuers_is_found_and_one_that_it_withdraws_is_good_no_longer(
    issuer: LocalIssuer,
) -> None:
    clock = Clock()
    check = check_of(issuer, clock=clock)
    old = issuer.token(HERE)
    await check.holder(old)
    issuer.keys = {"new": ("RS256", RSA_KEYS[1])}
    clock.now += AGAIN_SECONDS + 1
    assert (await check.holder(issuer.token(HERE, "new"))).name == "ann"
    with pytest.raises(BadToken, match="no such key"):
        await check.holder(old)


async def test_a_withdrawn_key_ends_within_the_hour_though_nobody_brings_another(issuer: LocalIssuer) -> None:
    clock = Clock()
    check = check_of(issuer, clock=clock)
    old = issuer.token(HERE)
    await check.holder(old)
    issuer.keys = {"new": ("RS256", RSA_KEYS[1])}
    await check.holder(old)
    clock.now += FRESH_SECONDS + 1
    with pytest.raises(BadToken, match="no such key"):
        await check.holder(old)


async def test_tokens_with_made_up_keys_do_not_have_the_issuer_asked_each_time(issuer: LocalIssuer) -> None:
    clock = Clock()
    check = check_of(issuer, clock=clock)
    for number in range(50):
        with pytest.raises(BadToken):
            await check.holder(issuer.token(HERE, f"made-up-{number}", key=RSA_KEYS[1]))
    assert issuer.asked == {"metadata": 1, "keys": 1}


async def test_while_the_issuer_is_away_known_keys_go_on_for_a_day_and_new_ones_are_not_taken(
    issuer: LocalIssuer, events: Any
) -> None:
    clock = Clock()
    check = check_of(issuer, clock=clock)
    known = issuer.token(HERE)
    await check.holder(known)
    issuer.is_away = True
    issuer.keys["new"] = ("RS256", RSA_KEYS[1])
    clock.now += FRESH_SECONDS + 1
    assert (await check.holder(known)).name == "ann"
    with pytest.raises(IssuerAway):
        await check.holder(issuer.token(HERE, "new"))
    assert [event["event"] for event in events] == ["issuer_away"]
    clock.now += KEPT_SECONDS
    with pytest.raises(IssuerAway):
        await check.holder(known)
    issuer.is_away = False
    clock.now += AGAIN_SECONDS + 1
    assert (await check.holder(issuer.token(HERE, "new"))).name == "ann"


async def test_without_any_keys_callers_are_told_to_come_again(issuer: LocalIssuer, http: httpx.AsyncClient) -> None:
    issuer.is_away = True
    with protected(issuer) as (process, url):
        response = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT | bearer(issuer.token(url)))
        assert response.status_code == 503 and response.headers["retry-after"] == "10"
        assert "keys of the tokens' issuer cannot be had" in message_of(response)
        events = events_of(process)
    away = [event for event in events if event["event"] == "issuer_away"]
    assert len(away) == 1 and "503" in away[0]["reason"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": "https://evil.example"}, "name the issuer 'https://evil.example'"),
        ({"jwks_uri": "http://169.254.169.254/latest/meta-data"}, "on another origin"),
        ({"jwks_uri": "file:///etc/passwd"}, "on another origin"),
        ({"jwks_uri": None}, "no jwks_uri"),
        ({"more": "x" * 300_000}, "more than 256,000 bytes"),
    ],
)
async def test_metadata_that_lead_elsewhere_or_are_of_another_are_not_followed(
    issuer: LocalIssuer, changes: dict[str, Any], said: str, events: Any
) -> None:
    issuer.changes = changes
    with pytest.raises(IssuerAway):
        await check_of(issuer).holder(issuer.token(HERE))
    assert issuer.asked == {"metadata": 1}
    (event,) = events
    assert said in event["reason"]


async def test_an_issuer_that_takes_no_connection_is_told_once_and_asked_again_later(events: Any) -> None:
    clock = Clock()
    settings = OAuthSettings("http://127.0.0.1:9", HERE, HERE)
    keys = Issuer(settings, clock=clock)
    for _ in range(3):
        with pytest.raises(IssuerAway):
            await keys.key("rsa", "RS256")
    assert [event["issuer"] for event in events] == ["http://127.0.0.1:9"]
    clock.now += AGAIN_SECONDS
    with pytest.raises(IssuerAway):
        await keys.key("rsa", "RS256")
    assert len(events) == 2


async def test_a_caller_who_goes_away_does_not_keep_the_keys_from_the_others(issuer: LocalIssuer) -> None:
    check = check_of(issuer)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await check.holder(issuer.token(HERE))
    assert (await check.holder(issuer.token(HERE))).name == "ann"
    assert issuer.asked == {"metadata": 1, "keys": 1}


async def test_a_redirect_of_the_issuers_is_not_followed(issuer: LocalIssuer, events: Any) -> None:
    async with running_issuer() as elsewhere:
        issuer.moved_to = elsewhere.url
        with pytest.raises(IssuerAway):
            await check_of(issuer).holder(issuer.token(HERE))
        assert not elsewhere.asked
    assert "status 302" in events[0]["reason"]


async def test_keys_are_elsewhere_only_where_the_operator_says_so(issuer: LocalIssuer) -> None:
    async with running_issuer() as elsewhere:
        settings = OAuthSettings(issuer.url, HERE, HERE, f"{elsewhere.url}/keys")
        check = TokenCheck(settings, Issuer(settings))
        assert (await check.holder(issuer.token(HERE))).name == "ann"
        assert not issuer.asked and elsewhere.asked == {"keys": 1}


async def test_a_key_that_is_asked_for_by_many_at_once_is_fetched_once(issuer: LocalIssuer) -> None:
    check = check_of(issuer)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(check.holder, issuer.token(HERE))
    assert issuer.asked == {"metadata": 1, "keys": 1}


async def test_keys_that_check_no_signatures_are_left_out(issuer: LocalIssuer) -> None:
    settings = OAuthSettings(issuer.url, HERE, HERE)
    keys = Issuer(settings)
    with pytest.raises(UnknownKey):
        await keys.key("ec", "RS256")
    assert (await keys.key("ec", "ES256")).algorithm_name == "ES256"


# What ends the start


NOTHING: dict[str, Any] = {
    "oauth_issuer": None,
    "oauth_audience": None,
    "oauth_resource": None,
    "oauth_jwks_url": None,
    "no_auth": False,
    "host": "127.0.0.1",
}
GIVEN = NOTHING | {"oauth_issuer": "https://id.example.com"}


@pytest.mark.parametrize(
    ("options", "bound", "said"),
    [
        (NOTHING | {"oauth_audience": "x"}, "127.0.0.1", "--oauth-audience is about --oauth-issuer"),
        (GIVEN | {"no_auth": True}, "127.0.0.1", "--no-auth are two ways"),
        (GIVEN | {"host": "0.0.0.0"}, "0.0.0.0", "--oauth-resource https://HOST/mcp"),
        (GIVEN | {"oauth_resource": "http://mcp.example.com/mcp"}, "0.0.0.0", "must begin with https"),
        (GIVEN | {"oauth_issuer": "http://id.example.com"}, "127.0.0.1", "must begin with https"),
        (GIVEN | {"oauth_issuer": "id.example.com"}, "127.0.0.1", "a URL that begins with"),
        (GIVEN | {"oauth_issuer": "https://a:b@id.example.com"}, "127.0.0.1", "nothing else"),
        (GIVEN | {"oauth_issuer": "https://id.example.com/?x=1"}, "127.0.0.1", "nothing else"),
        (GIVEN | {"oauth_resource": 'https://x.example/"'}, "127.0.0.1", "nothing else"),
        (GIVEN | {"oauth_jwks_url": "file:///etc/passwd"}, "127.0.0.1", "a URL that begins with"),
        (GIVEN | {"oauth_audience": "a b"}, "127.0.0.1", "visible ASCII"),
    ],
)
def test_what_is_unclear_about_an_issuer_ends_the_start(options: dict[str, Any], bound: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_oauth(options, bound, 8000, "/mcp", tokens=False)


def test_on_loopback_the_server_knows_its_own_url() -> None:
    found = read_oauth(GIVEN | {"host": "localhost"}, "127.0.0.1", 8000, "/mcp", tokens=False)
    assert found is not None and found.resource == found.audience == "http://localhost:8000/mcp"
    assert read_oauth(NOTHING, "127.0.0.1", 8000, "/mcp", tokens=True) is None


@pytest.mark.parametrize(
    ("more", "environment", "said"),
    [
        ((), {"INSTANTLY_AUTH_TOKENS": "ann=0123456789abcdef"}, "two ways to tell who calls"),
        (("--metrics",), {}, "--metrics-token FILE"),
    ],
)
def test_a_server_with_an_issuer_and_something_unclear_does_not_start(
    more: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    arguments = (*HTTP, "--sandbox", "--port", "0", "--oauth-issuer", "https://id.example.com", *more)
    done = run(*arguments, environment=clean_environment(**environment))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and said in done.stderr
