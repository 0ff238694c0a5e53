"""Company lists: their build, which is paid for record by record, and what becomes of them."""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import Any

from mcp_instantly.sandbox.directory.company_lists import (
    BUILDING,
    COMPLETED,
    ENDED,
    FAILED,
    NO_COMPANIES,
    PENDING,
    domains_of,
    look_up,
    status_of,
)
from mcp_instantly.sandbox.directory.search import search_companies
from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, LIMIT, choice, fields, integer, text, uuid
from mcp_instantly.sandbox.resources.supersearch.company_sources import PROVIDERS, find_source, read_filters
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

ROOT = "/supersearch-enrichment/company-lists"

BATCH_SECONDS = 2.0
"""Seconds until a build begins, and between two batches."""

BATCH = 25
"""Records that are saved, and paid for, at once."""

SHOWN = ("name", "provider_id", "company_source_id", "terminal_reason", "filters", "timestamp_created",
         "timestamp_updated")  # fmt: skip
NAME = text(minLength=1, maxLength=256)
PAGE = {"limit": LIMIT, "starting_after": text(), "cursor": text(minLength=1)}
PER_PAGE = 10


def need(world: World, credits: int) -> None:
    """Raise a 402 that tells what is needed and what is there."""
    there = world.verification_credits
    if credits > there:
        message = f"This needs {credits} credits, and {there} are available"
        body = {
            "statusCode": 402,
            "error": "Insufficient credits",
            "message": message,
            "creditsRequired": credits,
            "creditsAvailable": there,
        }
        raise ApiRefusal(402, message, body=body)


# building


@route(
    "POST",
    ROOT,
    scope="supersearch_enrichments:create",
    body=fields(
        "name provider_id company_source_id filters limit",
        CLOSED,
        name=NAME,
        provider_id=choice(*PROVIDERS),
        company_source_id=text(minLength=1),
        filters=fields(),
        limit=integer(minimum=1, maximum=65_536),
    ),
)
def create_list(world: World, call: Call) -> Response:
    given = call.body
    source = find_source(given["provider_id"], given["company_source_id"])
    if "instantly_key" not in source["credential_sources"]:
        raise ApiRefusal(400, f"{source['provider_name']} must be connected to the workspace first")
    most, cost = source["max_records_per_build"], source["credit_cost_per_saved_record"]
    if given["limit"] > most:
        raise ApiRefusal(400, f"limit must be at most {most} for this source")
    shown, meant = read_filters(source, given["filters"])
    need(world, cost * given["limit"])
    made = world.company_lists.add(
        {
            **{name: given[name] for name in ("name", "provider_id", "company_source_id")},
            "id": world.uuid4(),
            "status": PENDING,
            "requested_count": given["limit"],
            "filters": shown,
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "_cost": cost,
            "_companies": NO_COMPANIES,
            "_search": meant,
            "_saved": [],
        }
    )
    world.later(BATCH_SECONDS, "build_company_list", made["id"])
    return Response(202, {"id": made["id"], "status": PENDING})


@action
def build_company_list(world: World, list_id: str) -> None:
    """Save the next companies, each for its price, and go on later unless that was all or the credits are used up."""
    found = world.company_lists[list_id]
    _change(world, found, status=BUILDING)
    saved, cost, wanted = found["_saved"], found["_cost"], found["requested_count"]
    there = list(itertools.islice(search_companies(found["_search"]), wanted))
    batch = there[len(saved) : len(saved) + BATCH]
    paid = batch[: world.verification_credits // cost]
    world.verification_credits -= cost * len(paid)
    saved.extend(company.domain for company in paid)
    if len(paid) < len(batch):
        _end(world, found, "OUT_OF_CREDITS")
    elif len(saved) == wanted:
        _end(world, found, "MAX_COMPANIES_REACHED")
    elif len(saved) == len(there):
        _end(world, found, "PROVIDER_EXHAUSTED" if saved else "NO_RESULTS")
    else:
        world.later(BATCH_SECONDS, "build_company_list", list_id)


def _end(world: World, found: Record, reason: str) -> None:
    """What was saved until now can be searched in."""
    saved = found["_saved"]
    status = FAILED if reason == "OUT_OF_CREDITS" and not saved else COMPLETED
    _change(
        world, found, status=status, terminal_reason=reason, _companies={"domains": saved} if saved else NO_COMPANIES
    )


def _change(world: World, found: Record, **changes: Any) -> Record:
    return world.company_lists.change(found, **changes, timestamp_updated=world.stamp())


# what there is


@route("GET", ROOT, scope="supersearch_enrichments:read", query={**PAGE, "search": NAME})
def list_lists(world: World, call: Call) -> Record:
    """Newest first."""
    wanted = call.query.get("search", "").lower()
    found = [one for one in world.company_lists if wanted in one["name"].lower()][::-1]
    found.sort(key=lambda one: one["timestamp_created"], reverse=True)
    ids = [one["id"] for one in found]
    page = _page(ids, call.query)
    page["data"] = [_item(world, world.company_lists[one]) for one in page["data"]]
    return {**page, "total": len(found)}


@route("GET", ROOT + "/{company_list_id}", scope="supersearch_enrichments:read", company_list_id=uuid())
def get_list(world: World, call: Call) -> Record:
    return _whole(world, find(world, call))


@route(
    "GET",
    ROOT + "/{company_list_id}/companies",
    scope="supersearch_enrichments:read",
    query=PAGE,
    company_list_id=uuid(),
)
def list_companies(world: World, call: Call) -> Record:
    """Those that have been saved so far."""
    page = _page(domains_of(world, find(world, call)), call.query)
    return {**page, "data": [_member(domain) for domain in page["data"]]}


def find(world: World, call: Call) -> Record:
    """The list that the path names. Raises a 404."""
    found = world.company_lists.get(call.path["company_list_id"].lower())
    if found is None:
        raise not_found("Company list")
    return found


def _item(world: World, found: Record) -> Record:
    count = len(domains_of(world, found))
    return {
        "company_list_id": found["id"],
        **{name: found[name] for name in SHOWN if name in found},
        "status": status_of(world, found),
        "requested_count": found.get("requested_count", count),
        "company_count": count,
        "saved_count": count,
        "credits_charged": count * found["_cost"],
    }


def _whole(world: World, found: Record) -> Record:
    return {**_item(world, found), "credit_cost_per_saved_record": found["_cost"]}


def _member(domain: str) -> Record:
    member: Record = {"member_identity": f"domain:{domain}", "normalized_domain": domain}
    company = look_up(domain)
    if company is None:
        return member
    place = {"country": company.place.country, "region": company.place.state, "city": company.place.city}
    return {
        **member,
        "company_name": company.name,
        "website": f"https://{domain}",
        "linkedin_company_ids": [company.id],
        "industry": [company.industry],
        "sub_industry": [company.sub_industry],
        "technologies": list(company.technologies),
        **{f"headquarters_{part}": name for part, name in place.items() if name},
        "employee_count": company.employees,
        "revenue_usd": round(company.revenue * 1_000_000),
    }


def _page(keys: list[str], query: Record) -> Record:
    """One page of keys as `data`, with a cursor under both its names where more follow."""
    begin = 0
    cursor = query.get("starting_after") or query.get("cursor")
    if cursor:
        last = _read_cursor(cursor)
        if last not in keys:
            raise ApiRefusal(400, "Invalid cursor")
        begin = keys.index(last) + 1
    end = begin + query.get("limit", PER_PAGE)
    shown = keys[begin:end]
    if end >= len(keys):
        return {"data": shown}
    following = base64.urlsafe_b64encode(f"after:{shown[-1]}".encode()).decode()
    return {"data": shown, "next_starting_after": following, "next_cursor": following}


def _read_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode().removeprefix("after:")
    except (binascii.Error, ValueError):
        raise ApiRefusal(400, "Invalid cursor") from None


# changing


@route(
    "PATCH",
    ROOT + "/{company_list_id}",
    scope="supersearch_enrichments:update",
    body=fields("name", CLOSED, name=NAME),
    company_list_id=uuid(),
)
def rename_list(world: World, call: Call) -> Record:
    return _whole(world, _change(world, _find_ended(world, call), name=call.body["name"]))


@route("DELETE", ROOT + "/{company_list_id}", scope="supersearch_enrichments:delete", company_list_id=uuid())
def delete_list(world: World, call: Call) -> Response:
    world.company_lists.remove(_find_ended(world, call)["id"])
    return Response(204)


def _find_ended(world: World, call: Call) -> Record:
    """A list that is no longer being built. Raises a 400 for another one."""
    found = find(world, call)
    if status_of(world, found) not in ENDED:
        raise ApiRefusal(400, "Company list is still being built")
    return found
