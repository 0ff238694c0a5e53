"""What can be seen of a sender from outside: tracking domain and DNS records."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, fields, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

CTD_ACTIVE = "CTD_ACTIVE"
"""The tracking_domain_status of an account whose tracking domain works."""

RECORDS = ("mx", "spf", "dkim", "dmarc")


@route("GET", "/accounts/ctd/status", scope="accounts:read", query={"host": text()}, needs="host")
def get_tracking_domain_status(world: World, call: Call) -> Record:
    """A host is set up when an account uses it for its tracking."""
    host = call.query["host"].lower()
    status = [a.get("tracking_domain_status") for a in world.accounts if a.get("tracking_domain_name") == host]
    return {"ssl": CTD_ACTIVE in status, "cname": bool(status), "host": call.query["host"]}


def find_records(domain: str) -> dict[str, bool]:
    """Which DNS records a domain has: all but those that it names as a word (no-dkim.example)."""
    words = domain.lower().replace("-", ".").split(".")
    return {record: record not in words for record in RECORDS}


@route("POST", "/accounts/test/vitals", scope="accounts:read", body=fields(accounts=array(text())))
def test_vitals(world: World, call: Call) -> Record:
    """DNS is looked up by domain, so an address that does not exist passes with its domain.

    A domain whose name contains one of `mx`, `spf`, `dkim`, `dmarc` as a word (no-dkim.example) lacks that record.
    """
    accounts = call.body.get("accounts")
    if not accounts:
        raise ApiRefusal(400, "No accounts given", body={"error": "No accounts given"})
    answer: Record = {"status": "success", "success_list": [], "failure_list": []}
    for domain in dict.fromkeys(account.rpartition("@")[2].lower() for account in accounts):
        found = find_records(domain)
        entry = {"domain": domain, "allPass": all(found.values()), **found}
        answer["success_list" if entry["allPass"] else "failure_list"].append(entry)
    return answer
