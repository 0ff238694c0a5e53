"""What enrichments find out about a lead.

Leads that came from the directory are who they are there. About others something is known as well, by chance, and
always the same for the same lead.
"""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.sandbox.directory.buying_signals import FRESH
from mcp_instantly.sandbox.directory.population import CATCH_ALL as CATCHES_ALL
from mcp_instantly.sandbox.directory.population import FOUND, Company, Person, directory, find_company
from mcp_instantly.sandbox.directory.population import RISKY as IS_RISKY
from mcp_instantly.sandbox.resources.leads.enrichment_runs import enricher, write_columns
from mcp_instantly.sandbox.resources.leads.records import (
    CATCH_ALL,
    INVALID,
    PENDING,
    PENDING_JOB,
    RISKY,
    VERIFIED,
    give_address,
    status_of,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ADDRESSES, PROFILES = 0.8, 0.9
"""Shares of people outside the directory of whom an address, or a profile, can be found."""


def person_of(lead: Record) -> Person | None:
    return directory().by_id.get(lead["_person"]) if "_person" in lead else None


def _company_of(lead: Record) -> Company:
    person = person_of(lead)
    return person.company if person else find_company(lead.get("company_domain", ""))


@enricher("work_email_enrichment", "custom_flow")
def find_address(world: World, enrichment: Record, lead: Record, kind: str) -> bool | None:
    if "email" in lead:
        return None
    person = person_of(lead)
    email = person.email if person else _guess_address(world, lead)
    if email is None:
        return False
    give_address(world, lead, email)
    return True


def _guess_address(world: World, lead: Record) -> str | None:
    names = [re.sub(r"[^a-z]", "", lead.get(part, "").lower()) for part in ("first_name", "last_name")]
    if not all(names) or not lead.get("company_domain") or world.chance("address", lead["id"]) > ADDRESSES:
        return None
    return f"{'.'.join(names)}@{lead['company_domain']}"


@enricher("email_verification")
def verify_address(world: World, enrichment: Record, lead: Record, kind: str) -> bool | None:
    """What was found before does not change."""
    if "email" not in lead:
        return None
    if lead.get("verification_status") in (None, PENDING, PENDING_JOB):
        world.leads.change(lead, verification_status=verified_as(lead))
    return True


def verified_as(lead: Record) -> int:
    """The verification_status of a lead's address."""
    person = person_of(lead)
    if person is None or person.address != lead["email"]:
        return status_of(lead["email"])
    if person.luck < FOUND:
        return VERIFIED
    return CATCH_ALL if person.luck < CATCHES_ALL else RISKY if person.luck < IS_RISKY else INVALID


@enricher("fully_enriched_profile")
def find_profile(world: World, enrichment: Record, lead: Record, kind: str) -> bool | None:
    if "email" not in lead and enrichment.get("skip_rows_without_email"):
        return None
    person = person_of(lead)
    if person is None and world.chance("profile", lead["id"]) > PROFILES:
        return False
    company = _company_of(lead)
    values: dict[str, Any] = {
        "linkedIn": person.profile if person else f"https://linkedin.example/in/{lead['id'][-12:]}",
        "location": (person.place if person else company.place).text,
        "headline": f"{lead.get('job_title', 'Professional')} at {lead.get('company_name', company.name)}",
        "industry": company.industry,
        "employeeCount": company.employees,
    }
    write_columns(world, lead, **values)
    return True


@enricher("joblisting", "technologies", "news", "funding")
def find_company_facts(world: World, enrichment: Record, lead: Record, kind: str) -> bool:
    company = _company_of(lead)
    column, value = {
        "joblisting": ("jobListings", ", ".join(company.jobs)),
        "technologies": ("technologies", ", ".join(company.technologies)),
        "news": ("news", ", ".join(company.news)),
        "funding": ("fundingType", company.funding),
    }[kind]
    if value:
        write_columns(world, lead, **{column: value})
    return bool(value)


@enricher("engagement_score")
def score(world: World, enrichment: Record, lead: Record, kind: str) -> bool:
    write_columns(world, lead, engagementScore=int(world.chance("engagement", lead["id"]) * 100))
    return True


@enricher("signal_enrichment")
def find_signals(world: World, enrichment: Record, lead: Record, kind: str) -> bool:
    """The fresh signals of the wanted categories, in words."""
    person, company = person_of(lead), _company_of(lead)
    said = []
    for wanted in enrichment["_details"].get("signal_enrichment", ()):
        wanted = {"key": wanted} if isinstance(wanted, str) else wanted
        category = wanted["key"]
        told = (person.signals.get(category) if person else None) or company.signals.get(category)
        if told and told[0] < wanted.get("period_days", FRESH):
            words = ", ".join(word for words in told[1].values() for word in words)
            said.append(f"{category.replace('_', ' ')} {told[0]} days ago: {words}")
    if said:
        write_columns(world, lead, signals="; ".join(said))
    return bool(said)


@enricher("integration_actions")
def run_actions(world: World, enrichment: Record, lead: Record, kind: str) -> bool | None:
    """Of what other providers do, the sandbox can find addresses; the rest leaves no trace here."""
    actions = [name for found in enrichment["_details"].get("integration_actions", {}).values() for name in found]
    if any("email" in name for name in actions):
        return find_address(world, enrichment, lead, kind)
    return None
