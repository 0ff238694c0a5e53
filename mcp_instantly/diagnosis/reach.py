"""Whether the API can be reached: proxy, name, connection, TLS, and who responds. The key is not sent."""

from __future__ import annotations

import email.utils
import functools
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from mcp_instantly.api.network import open_network, proxy_for, reason_of
from mcp_instantly.api.refusals import proxy_message
from mcp_instantly.body import Damaged, TooLong, read_body, to_text
from mcp_instantly.diagnosis.finding import Finding, fail, ok, warn
from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import Settings, is_loopback
from mcp_instantly.text import shorten

STEP_SECONDS = 5.0
"""Seconds for each step: the name, the connection, the response."""

MAX_BODY_BYTES = 200_000
CLOCK_TOLERANCE_SECONDS = 300
PATH = "api/v2/workspaces/current"

SIGN_IN = "sign in to the network in a browser, or have the proxy let this server's address through"


async def check_reach(settings: Settings, clock: Callable[[], float]) -> tuple[list[Finding], bool]:
    """What is found on the way to the API, and whether it responds. `clock` gives seconds since 1970."""
    parts = urlsplit(settings.base_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        network = open_network(settings)
    except ConfigError as error:
        advice = "correct these variables, or unset them"
        return [fail("network", str(error).rstrip("."), advice)], False
    found = []
    proxy = None if is_loopback(host) else proxy_for(parts)
    if proxy:
        through = urlsplit(proxy)
        host, port = through.hostname or "", through.port or 80
        found.append(ok("proxy", f"requests go through the proxy {host}:{port}, as the environment says"))
    try:
        found.append(await _check_connection(host, port))
        if found[-1].level == "ok":
            found += await _check_response(settings, network, clock)
    finally:
        await network.aclose()
    return found, all(one.level != "fail" for one in found)


async def _check_connection(host: str, port: int) -> Finding:
    """Whether the name is known and the port takes connections."""
    look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    advice = "check the network, the name server and --server"
    try:
        with anyio.fail_after(STEP_SECONDS):
            await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True)
    except TimeoutError:
        return fail("network", f"the name {host} was not resolved within {STEP_SECONDS:g} s", advice)
    except OSError as error:
        return fail("network", f"the name {host} cannot be resolved ({error.strerror or error})", advice)
    advice = "check the network and the firewall; behind a proxy, set HTTPS_PROXY"
    try:
        with anyio.fail_after(STEP_SECONDS):
            stream = await anyio.connect_tcp(host, port)
            await stream.aclose()
    except TimeoutError:
        return fail("network", f"{host}:{port} took no connection within {STEP_SECONDS:g} s", advice)
    except OSError as error:
        reason = reason_of(error.__cause__) if isinstance(error.__cause__, OSError) else reason_of(error)
        return fail("network", f"{host}:{port} takes no connection ({shorten(reason, 120)})", advice)
    return ok("network", f"{host}:{port} can be reached")


async def _check_response(
    settings: Settings, network: httpx.AsyncBaseTransport, clock: Callable[[], float]
) -> list[Finding]:
    """Who responds to a request without a key, and what time it is there."""
    headers = {"User-Agent": settings.user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
    timeouts = httpx.Timeout(STEP_SECONDS).as_dict()
    request = httpx.Request("GET", settings.base_url + PATH, headers=headers, extensions={"timeout": timeouts})
    try:
        with anyio.fail_after(2 * STEP_SECONDS):
            response = await network.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                text = to_text(await read_body(response.stream, response.headers, MAX_BODY_BYTES))
            finally:
                await response.stream.aclose()
    except TimeoutError:
        return [_no_response(settings, f"nothing came within {2 * STEP_SECONDS:g} s")]
    except (TooLong, Damaged):
        return [fail("api", f"{settings.origin} sends something else than the API does", SIGN_IN)]
    except httpx.HTTPError as error:
        return [_explain(settings, error)]
    who = _judge(settings, response.status_code, response.headers.get("location", ""), text)
    if is_loopback(urlsplit(settings.base_url).hostname or ""):
        # A server here has this clock, or, as a sandbox, one of its own.
        return [who]
    return [who, *check_clock(response.headers.get("date", ""), clock())]


def _no_response(settings: Settings, reason: str) -> Finding:
    return fail(
        "api", f"{settings.origin} does not respond ({reason})", "check the network and the proxy, then try again"
    )


def _explain(settings: Settings, error: httpx.HTTPError) -> Finding:
    """Why there was no response: TLS, the proxy, or something else."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return fail(
            "tls",
            f"the certificate of {settings.origin} is not trusted ({cause.verify_message})",
            "check this machine's clock; where your company's proxy opens TLS, name its certificate in SSL_CERT_FILE",
        )
    if isinstance(cause, ssl.SSLError):
        reason = shorten(cause.reason or str(cause), 120)
        return fail("tls", f"no TLS with {settings.origin} ({reason})", "check the address and the proxy")
    if isinstance(error, httpx.ProxyError):
        return fail(
            "proxy", f"the proxy refuses ({shorten(reason_of(error), 120)})", "check its address and its password"
        )
    return _no_response(settings, shorten(reason_of(error), 120))


def _judge(settings: Settings, status: int, location: str, text: str) -> Finding:
    page = proxy_message(text)
    if page:
        return fail("api", f"{settings.origin} does not respond as the API ({status}, {page})", SIGN_IN)
    if 300 <= status < 400:
        to = shorten(urlsplit(location).netloc, 80) or "elsewhere"
        return fail("api", f"{settings.origin} redirects to {to}", f"{SIGN_IN}; or correct --server")
    if status >= 500:
        return warn("api", f"{settings.origin} responds with {status}", "Instantly has trouble; try again later")
    if status in (200, 401, 402, 403, 429):
        return ok("api", f"{settings.origin} responds")
    return warn("api", f"{settings.origin} responds with {status}", "check --server (INSTANTLY_BASE_URL)")


def check_clock(date: str, now: float) -> list[Finding]:
    """How far this machine's clock is from that of the server, by the header Date; nothing where there is none."""
    try:
        ahead = now - email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return []
    if abs(ahead) <= CLOCK_TOLERANCE_SECONDS:
        return [ok("clock", "this machine's clock agrees with the server's")]
    direction = "ahead of" if ahead > 0 else "behind"
    what = f"this machine's clock is {round(abs(ahead) / 60):,} minutes {direction} the server's"
    return [warn("clock", what, "set it right: schedules, pauses and certificates depend on it")]
