"""The way to Instantly: TLS and proxy as the environment wants them, and the connections that are kept."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import httpx

from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import Settings, is_loopback
from mcp_instantly.text import shorten

CONNECTIONS = 200
KEPT_CONNECTIONS = 50
KEPT_SECONDS = 15
"""Connections that may be open at once, so that slow responses leave some for other calls; idle ones that are kept."""

TLS_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def open_network(settings: Settings) -> httpx.AsyncHTTPTransport:
    """The transport to the origin of `settings`, through the environment's proxy where there is one for it.

    Raises ConfigError when the TLS or proxy settings of the environment cannot be used.
    """
    parts = urlsplit(settings.base_url)
    # A proxy from the environment has no business between this machine and itself.
    trusted = not is_loopback(parts.hostname or "")
    try:
        if trusted:
            _check_certificates()
        return httpx.AsyncHTTPTransport(
            trust_env=trusted,
            proxy=_proxy_for(parts) if trusted else None,
            limits=httpx.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS, keepalive_expiry=KEPT_SECONDS
            ),
        )
    except OSError as error:
        raise ConfigError(_unusable("TLS", TLS_VARIABLES, error.strerror or str(error))) from None
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(_unusable("proxy", PROXY_VARIABLES, str(error))) from None


def _check_certificates() -> None:
    """Raise OSError for a folder of certificates that is not there: OpenSSL would take it without a word."""
    folders = os.environ.get("SSL_CERT_DIR")
    if folders and not any(map(os.path.isdir, folders.split(os.pathsep))):
        raise OSError("there is no such directory")


def _proxy_for(server: SplitResult) -> str | None:
    """The URL of the proxy to a server, if there is one. Raises ValueError, which repeats nothing of a password."""
    if urllib.request.proxy_bypass(server.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ValueError("the address of the proxy is not valid; it is written as http://HOST:PORT")
    return url


def _unusable(kind: str, names: Sequence[str], reason: str) -> str:
    """A sentence that names the variables that are set, without their values: they may hold a password."""
    given = ", ".join(name for name in names if os.environ.get(name))
    return (
        f"The {kind} settings of the environment{f' ({given})' if given else ''} cannot be used: "
        f"{shorten(reason, 160)}."
    )
