"""What a call costs, in words, where its arguments or one read tell it before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mcp_instantly.api.paging import records_of
from mcp_instantly.guards.costs import CREDITS, most_used
from mcp_instantly.tools.operation import Operation

Arguments = dict[str, Any]

ORDER = "create_dfy_order"
COMPANIES = "create_company_list"
LOOKUP = "run_integration"
IMPORT = "import_rows"

BUDGET = "monthly_credit_budget"
"""What a person lets an AI agent spend, among its settings."""


@dataclasses.dataclass(frozen=True)
class Pricing:
    """A read, and how its payload tells a price."""

    operation: str
    arguments: Arguments
    tell: Callable[[Any], dict[str, Any]]


def price_before(operation: Operation, arguments: Arguments) -> str | None:
    """The price as far as the arguments tell it; None where they do not."""
    if operation.name == ORDER:
        simulated = arguments.get("simulation") is True
        return "nothing: it only asks for it" if simulated else "unknown; the same call with simulation true tells it"
    if operation.name == LOOKUP and arguments.get("credential_source") == "workspace_key":
        return "no credits; the workspace's own account at the provider pays"
    budget = (arguments.get("payload") or {}).get(BUDGET) if isinstance(arguments.get("payload"), dict) else None
    if isinstance(budget, (int, float)):
        return f"up to {_number(budget)} credits a month ({BUDGET})"
    if operation.name == IMPORT:
        # What is read from a file of rows is counted by the workflow alone.
        rows = arguments.get("rows")
        if not arguments.get("verify_leads_on_import"):
            return _credits(0)
        return _credits(len(rows)) if isinstance(rows, list) else None
    if "spends_credits" not in operation.effects or "spends_money" in operation.effects:
        return None
    most = most_used(operation, arguments, {})[CREDITS]
    return None if most is None else _credits(most)


def price_told(operation: Operation, arguments: Arguments) -> Pricing | None:
    """The read that tells the price of a call; None where none does."""
    if operation.name == COMPANIES:
        limit = int(arguments["limit"])

        def of_records(payload: Any) -> dict[str, Any]:
            source = _one(
                payload, provider_id=arguments["provider_id"], company_source_id=arguments["company_source_id"]
            )
            each = source["credit_cost_per_saved_record"]
            return {"price": f"{_credits(each * limit)} ({_number(each)} for each of up to {limit:,} records)"}

        return Pricing("list_company_list_sources", {}, of_records)
    if operation.name == LOOKUP and arguments.get("credential_source") == "instantly_key":

        def of_a_lookup(payload: Any) -> dict[str, Any]:
            return {"price": _credits(_one(payload, id=arguments["provider_id"])["creditCostPerAction"])}

        return Pricing("list_integration_providers", {}, of_a_lookup)
    return None


def _one(payload: Any, **named: Any) -> dict[str, Any]:
    """The record with these values. Raises ValueError where there is not just one."""
    records = records_of({"items": payload} if isinstance(payload, list) else payload)
    (found,) = [one for one in records if all(one.get(name) == value for name, value in named.items())]
    return dict(found)


def _credits(most: float) -> str:
    return "no credits" if most == 0 else f"{'1 credit' if most == 1 else f'{_number(most)} credits'} at most"


def _number(amount: float) -> str:
    """All digits of an amount, without those that only come of binary fractions: never 1.2e+06."""
    return f"{Decimal(format(amount, '.15g')):,f}"
