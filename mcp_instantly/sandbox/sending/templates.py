"""Templates of emails: filled for a lead and a sender, and their HTML as the text that is read."""

from __future__ import annotations

import functools
import html
import re
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BREAK = re.compile(r"<br\s*/?>|</(div|li|tr|h\d)>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"</p>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def fill_template(world: World, template: str, values: dict[str, Any], key: str) -> str:
    """A template with its variables and spintax resolved; `key` decides, together with the seed, what spintax says.

    A variable that the lead lacks leaves a hole, as it does in the API's emails.
    """

    def resolve(start: int, name: str, options: tuple[str, ...]) -> str:
        if name == "RANDOM" and options:
            return options[int(world.chance("spintax", key, start) * len(options))]
        found = values.get(name)
        return (options[0] if options else "") if found in (None, "") else str(found)

    domain = str(values.get("sendingAccountEmail", "")).rpartition("@")[2]
    whole = "".join(part if isinstance(part, str) else resolve(*part) for part in _parts(template))
    return whole.replace("{unsubscribe_link}", f"https://{domain}/unsubscribe")


@functools.lru_cache(1000)
def _parts(template: str) -> tuple[str | tuple[int, str, tuple[str, ...]], ...]:
    """A template as its texts and its places; of a place where it begins, its first word, and what follows that."""
    parts: list[str | tuple[int, str, tuple[str, ...]]] = []
    end = 0
    for place in _PLACE.finditer(template):
        name, *options = [part.strip() for part in place.group(1).split("|")]
        parts += template[end : place.start()], (place.start(), name, tuple(options))
        end = place.end()
    return (*parts, template[end:])


def variables(lead: Record, account: Record) -> dict[str, Any]:
    """What a template may name, for this lead and this sender."""
    return {
        **lead.get("payload", {}),
        "email": lead.get("email"),
        "accountSignature": account.get("signature"),
        "sendingAccountEmail": account["email"],
        "sendingAccountName": f"{account.get('first_name', '')} {account.get('last_name', '')}".strip(),
        "sendingAccountFirstName": account.get("first_name"),
        "sendingAccountLastName": account.get("last_name"),
    }


def plain_text(markup: str) -> str:
    """HTML as the text that a reader sees."""
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", _PARAGRAPH.sub("\n\n", markup)))).splitlines()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in lines)).strip()


def wrapped(text: str) -> str:
    """Plain text as the HTML page in which the API sends it."""
    inner = html.escape(text, quote=False).replace("\n", "<br/>")
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body><div>{inner}</div></body></html>'
