"""Reports of inbox placement tests: is a sender's domain on a blacklist, and what does SpamAssassin say of the text."""

from __future__ import annotations

import re

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import boolean, uuid
from mcp_instantly.sandbox.resources.accounts.checks import find_records
from mcp_instantly.sandbox.resources.inbox_placement.dates import DATES, falls_between
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

DOMAIN_LISTS = ("dbl.blocklist.example", "uri.blocklist.example", "names.blocklist.example")
IP_LISTS = ("zen.blocklist.example", "sbl.blocklist.example")
FALSE_LISTING_RATE = 0.04
"""The chance that a domain without fault stands on a list during a run."""

SPAM_FROM = 5.0
PUSHY = ("act now", "cash bonus", "free money", "guaranteed", "no obligation", "risk-free", "winner", "100% free")

Finding = tuple[str, str, float]
"""A rule of SpamAssassin that applies: its part of the email, its name, its points."""


def judge_text(test: Record, domain: str) -> list[Finding]:
    """The rules that apply to a test's emails, sent from this domain."""
    subject, body = test["email_subject"], test["email_body"]
    text = f"{subject} {body}".lower()
    found: list[Finding] = []
    if re.search(r"<[a-z]", body.lower()) and not test.get("text_only"):
        found += [("BODY", "HTML_MESSAGE", 0.0), ("BODY", "MIME_HTML_ONLY", 0.7)]
    if len(re.findall("[A-Z]", subject)) > 5 and subject == subject.upper():
        found.append(("HEADER", "SUBJ_ALL_CAPS", 1.5))
    if "!!" in text:
        found.append(("HEADER", "PLING_PLING", 1.0))
    if text.count("http://") + text.count("https://") > 3:
        found.append(("URI", "MANY_LINKS", 0.8))
    found += [("BODY", f"PUSHY_{re.sub('[^A-Z0-9]+', '_', phrase.upper())}", 1.3) for phrase in PUSHY if phrase in text]
    records = find_records(domain)
    found.append(("HEADER", "SPF_PASS", -0.1) if records["spf"] else ("HEADER", "SPF_FAIL", 0.9))
    found.append(("HEADER", "DKIM_VALID", -0.1) if records["dkim"] else ("HEADER", "DKIM_INVALID", 0.9))
    return found


def score(findings: list[Finding]) -> float:
    return round(sum(points for _, _, points in findings), 1)


def _address(world: World, domain: str) -> str:
    return f"198.51.100.{1 + int(world.chance('placement ip', domain) * 254)}"


def is_condemned(domain: str) -> bool:
    """Whether a domain is on all blacklists: one that is named so is (blacklisted.example)."""
    return "blacklisted" in domain.replace("-", ".").split(".")


def _lists(world: World, domain: str, run: int) -> list[tuple[str, str, bool]]:
    """Every list, what it lists, and whether it has the domain."""
    condemned = is_condemned(domain)
    return [
        (name, kind, condemned or world.chance("blacklist", domain, run, name) < FALSE_LISTING_RATE)
        for kind, names in (("domain", DOMAIN_LISTS), ("ip", IP_LISTS))
        for name in names
    ]


def check_blacklists(world: World, domain: str, run: int, kinds: tuple[str, ...] = ("ip",)) -> Record:
    """Where a domain or its address is listed during a run."""
    lists = [entry for entry in _lists(world, domain, run) if entry[1] in kinds]
    count = sum(listed for _, _, listed in lists)
    return {
        "address": domain if "domain" in kinds else _address(world, domain),
        "ip": _address(world, domain),
        "is_domain": "domain" in kinds,
        "is_blacklisted": count > 0,
        "blacklisted_count": count,
        "details": [{"blacklist": name, "is_listed": listed, "test_type": kind} for name, kind, listed in lists],
    }


def name_run(test: Record) -> str:
    """What the rows of the test's present run have in common."""
    return f"{test['id']} {test['_run']}"


def rows_of_run(world: World, test: Record) -> list[Record]:
    """What was sent and received in the run that has just ended."""
    return list(world.placement_rows.where(_run=name_run(test)))


def write_reports(world: World, test: Record) -> dict[str, int]:
    """One report for each domain that sent in this run. Returned is by how many lists each has become worse."""
    sent = rows_of_run(world, test)
    before = {old["domain"]: _count(old) for old in world.placement_reports.where(test_id=test["id"])}
    changes = {}
    for domain in dict.fromkeys(row["sender_email"].rpartition("@")[2] for row in sent):
        report = world.placement_reports.add(_report(world, test, domain))
        changes[domain] = _count(report) - before.get(domain, 0)
    return changes


def _count(report: Record) -> int:
    return int(report["domain_blacklist_count"] + report["domain_ip_blacklist_count"])


def _report(world: World, test: Record, domain: str) -> Record:
    findings = judge_text(test, domain)
    points, everything = score(findings), check_blacklists(world, domain, test["_run"], ("domain", "ip"))
    by_address = check_blacklists(world, domain, test["_run"])["blacklisted_count"]
    return {
        "id": test.pop("_report_id", None) or world.uuid7(),
        "timestamp_created": world.stamp(),
        "timestamp_created_date": world.stamp()[:10],
        "organization_id": world.workspace["id"],
        "test_id": test["id"],
        "domain": domain,
        "domain_ip": _address(world, domain),
        "domain_blacklist_count": everything["blacklisted_count"] - by_address,
        "domain_ip_blacklist_count": by_address,
        "spam_assassin_score": points,
        "spam_assassin_report": {
            "is_spam": points >= SPAM_FROM,
            "spam_score": round(points),
            "report": [{"description": part, "name": name, "score": f"{given:.1f}"} for part, name, given in findings],
        },
        "blacklist_report": everything,
    }


@route(
    "GET",
    "/inbox-placement-reports",
    scope="inbox_placement_reports:read",
    query={
        **PAGE,
        "test_id": uuid(),
        **DATES,
        "skip_spam_assassin_report": boolean(),
        "skip_blacklist_report": boolean(),
    },
    needs="test_id",
)
def list_reports(world: World, call: Call) -> Record:
    """Newest first."""
    query = call.query
    skipped = {name for name in ("spam_assassin_report", "blacklist_report") if query.get(f"skip_{name}")}
    reports = world.placement_reports.select(
        query.get("starting_after"), newest_first=True, test_id=query["test_id"].lower()
    )
    found = (report for report in reports if falls_between(report, query))
    return page(found, query, render=lambda report: {k: v for k, v in public(report).items() if k not in skipped})


@route("GET", "/inbox-placement-reports/{id}", scope="inbox_placement_reports:read", id=uuid())
def get_report(world: World, call: Call) -> Record:
    report = world.placement_reports.get(call.path["id"])
    if not report:
        raise not_found("Inbox placement report")
    return public(report)
