"""The seed inboxes of inbox placement tests: where they stand, with which provider, and the mailbox of each."""

from __future__ import annotations

import dataclasses
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

GOOGLE, MICROSOFT, AIRMAIL, WEB_DE, LIBERO = 1, 2, 8, 12, 13
UNITED_STATES, ITALY, GERMANY, FRANCE = 1, 2, 3, 4
PROFESSIONAL, PERSONAL = 1, 2

ESPS = {GOOGLE: "Google", MICROSOFT: "Microsoft", AIRMAIL: "AirMail", WEB_DE: "Web.de", LIBERO: "Libero.it"}
PLACES = {
    UNITED_STATES: ("North America", "US"),
    ITALY: ("Europe", "Italy"),
    GERMANY: ("Europe", "Germany"),
    FRANCE: ("Europe", "France"),
}
TYPES = {PROFESSIONAL: "Professional", PERSONAL: "Personal"}

GROUPS = (
    (UNITED_STATES, PROFESSIONAL, GOOGLE),
    (UNITED_STATES, PROFESSIONAL, MICROSOFT),
    (UNITED_STATES, PROFESSIONAL, AIRMAIL),
    (UNITED_STATES, PERSONAL, GOOGLE),
    (UNITED_STATES, PERSONAL, MICROSOFT),
    (ITALY, PROFESSIONAL, GOOGLE),
    (ITALY, PERSONAL, LIBERO),
    (GERMANY, PROFESSIONAL, MICROSOFT),
    (GERMANY, PERSONAL, WEB_DE),
    (FRANCE, PROFESSIONAL, GOOGLE),
    (FRANCE, PROFESSIONAL, MICROSOFT),
)
INBOXES_PER_GROUP = 3


@dataclasses.dataclass(frozen=True)
class Seed:
    """One seed inbox."""

    email: str
    geo: int
    type: int
    esp: int


def _label(group: tuple[int, int, int]) -> Record:
    geo, kind, esp = group
    region, sub_region = PLACES[geo]
    return {"region": region, "sub_region": sub_region, "type": TYPES[kind], "esp": ESPS[esp]}


def _inboxes(group: tuple[int, int, int]) -> list[Seed]:
    geo, kind, esp = group
    name = f"{PLACES[geo][1]}.{TYPES[kind]}.{ESPS[esp].replace('.', '')}".lower()
    return [Seed(f"seed.{name}.{n}@placement.example", *group) for n in range(1, INBOXES_PER_GROUP + 1)]


SEEDS = {seed.email: seed for group in GROUPS for seed in _inboxes(group)}


@route("GET", "/inbox-placement-tests/email-service-provider-options")
def list_options(world: World, call: Call) -> Any:
    """All groups of inboxes, in a bare array."""
    return [_label(group) for group in GROUPS]


def choose_recipients(labels: list[Record]) -> list[str]:
    """The inboxes of these groups. Raises a 400 for a group that there is not."""
    known = {tuple(_label(group).values()): group for group in GROUPS}
    chosen = [known.get((label["region"], label["sub_region"], label["type"], label["esp"])) for label in labels]
    if None in chosen:
        raise ApiRefusal(400, "recipients_labels must be among the email service provider options")
    return [seed.email for group in dict.fromkeys(chosen) if group for seed in _inboxes(group)]
