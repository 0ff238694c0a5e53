"""What the API says of a key: whether it knows it, and what it lets it do. Nothing is changed to find out."""

from __future__ import annotations

import base64
import dataclasses
import math
import re
from typing import Any

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.errors import ApiError, Forbidden, InstantlyError, PaymentRequired, Unauthorized
from mcp_instantly.text import shorten
from mcp_instantly.tools.catalog import Catalog, Selection, covers, is_granted, minimum_scopes
from mcp_instantly.tools.operation import Operation

FIRST_READ = "get_workspace"
OTHER_READS = ("list_campaigns", "list_accounts", "list_lead_lists")
"""What is asked where the first read is refused: the API says 401 also to keys that lack a scope."""

MAX_PAGES = 3
"""Pages of the list of keys in which a key is looked for."""


class KeyRefused(InstantlyError):
    """A key was not stored: the API does not accept it, could not be asked, or nobody typed one."""


@dataclasses.dataclass(frozen=True)
class Acceptance:
    """A key that the API knows. `workspace` is the name of its workspace, empty where the key may not read it;
    `without_plan` says that the workspace has no plan that includes the API."""

    workspace: str = ""
    without_plan: bool = False


@dataclasses.dataclass(frozen=True)
class Reads:
    """Which scopes for reading a key has, as far as one read of each told; `allowed` and `refused` are sorted."""

    allowed: tuple[str, ...]
    refused: tuple[str, ...]


async def check_acceptance(
    client: InstantlyClient, catalog: Catalog, *, in_workspace: bool = False, seconds: float = math.inf
) -> Acceptance:
    """What the API says of the client's key. Raises InstantlyError: Unauthorized when it does not know the key.

    `in_workspace` says that the client acts as a sub-workspace: then it is Forbidden where all reads are. A read is
    given `seconds`.
    """
    refusal: ApiError
    try:
        payload = await _read(client, catalog.operations[FIRST_READ], seconds)
        return Acceptance(shorten(str(payload.get("name") or ""), 80) if isinstance(payload, dict) else "")
    except PaymentRequired:
        return Acceptance(without_plan=True)
    except (Unauthorized, Forbidden) as error:
        refusal = error
    for name in OTHER_READS:
        try:
            await _read(client, catalog.operations[name], seconds)
            return Acceptance()
        except (Unauthorized, Forbidden):
            continue
    if isinstance(refusal, Unauthorized) or in_workspace:
        raise refusal
    # A key that is not known gets a 401: this one is, and may do little.
    return Acceptance()


async def own_scopes(client: InstantlyClient, catalog: Catalog, key: str) -> frozenset[str] | None:
    """The scopes that the list of keys has for this one; None where the key may not read it, or is not found there."""
    operation = catalog.operations["list_api_keys"]
    own_id = id_in(key)
    cursor: dict[str, Any] = {}
    try:
        for _ in range(MAX_PAGES):
            page = await _read(client, operation, limit=100, **cursor)
            for item in page["items"]:
                # The client strikes out the key that it sends, and no other; mostly the list shows no key whole.
                if item.get("key") in (key, "[key]") or (own_id and item["id"] == own_id):
                    return frozenset(map(str, item["scopes"]))
            if not page.get("next_starting_after"):
                return None
            cursor = {"starting_after": page["next_starting_after"]}
    except (InstantlyError, KeyError, TypeError, AttributeError):
        return None
    return None


def id_in(key: str) -> str:
    """The id of a key that is base64 text of ID:SECRET, empty for any other."""
    try:
        found = re.match(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=:)", base64.b64decode(key))
    except ValueError:
        return ""
    return found[0].decode() if found else ""


def uncovered(selection: Selection, scopes: frozenset[str]) -> dict[str, list[str]]:
    """The scopes that a key lacks for a selection, each with the tools that need it."""
    found: dict[str, list[str]] = {}
    for tool in selection.tools.values():
        if not covers(scopes, tool):
            for scope in minimum_scopes([tool]):
                resource, _, verb = scope.partition(":")
                if scopes.isdisjoint({scope, f"{resource}:all", f"all:{verb}", "all:all"}):
                    found.setdefault(scope, []).append(tool.name)
    return dict(sorted(found.items()))


async def try_reads(client: InstantlyClient, selection: Selection) -> Reads:
    """One read of each scope that the selection's reads need. What fails otherwise than by a refusal tells nothing."""
    allowed, refused = [], []
    for scope, operation in sorted(_reads_of(selection).items()):
        try:
            await _read(client, operation)
            allowed.append(scope)
        except (Unauthorized, Forbidden):
            refused.append(scope)
        except InstantlyError:
            continue
    return Reads(tuple(allowed), tuple(refused))


def _reads_of(selection: Selection) -> dict[str, Operation]:
    """The first operation for each scope that reads without an argument, and returns no secret."""
    found: dict[str, Operation] = {}
    for operation in selection.operations.values():
        if (
            operation.method == "GET"
            and not operation.placeholders
            and not operation.input_schema.get("required")
            and not operation.scopes_inferred
            and not operation.also_scopes
            and not operation.effects
            and is_granted(operation.scopes[0])
        ):
            found.setdefault(operation.scopes[0], operation)
    return found


async def _read(client: InstantlyClient, operation: Operation, seconds: float = math.inf, **arguments: Any) -> Any:
    """The payload of a read, of one record where the operation lists some."""
    known = operation.input_schema["properties"]
    given = {"limit": 1, **arguments} if "limit" in known else arguments
    return (await client.send(operation, build_request(operation, given), seconds)).payload
