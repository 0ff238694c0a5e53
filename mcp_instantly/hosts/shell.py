"""What the environment here says of the way to Instantly, and a host keeps from the servers that it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcp_instantly.hosts.known import Host

PROXIES = ("https_proxy", "all_proxy")
EXCEPTIONS = "no_proxy"
CERTIFICATES = ("ssl_cert_file", "ssl_cert_dir")


def lost_variables(host: Host, own: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """The variables of proxies and certificates that do not reach a server whose entry has or names those of `own`.

    Only their names: the address of a proxy may hold a password.
    """
    if host.inherits:
        return []
    there = {name.lower() for name in own}
    lost = {name.lower(): name for name, value in environ.items() if value and name.lower() not in there}
    proxies = [lost[name] for name in PROXIES if name in lost]
    exceptions = [lost[EXCEPTIONS]] if proxies and EXCEPTIONS in lost else []
    return [*proxies, *exceptions, *(lost[name] for name in CERTIFICATES if name in lost)]


def how_to_hand_over(host: Host) -> str:
    """What to do about variables that are lost, an imperative clause."""
    where = "name them in env_vars of the entry" if host.name == "codex" else "add them to env of the entry by hand"
    return f"if Instantly cannot be reached without, {where}"
