"""For each tool a function that shows, through the tool's neighbours, what a call has done."""

from __future__ import annotations

import pytest

MODULES = (
    "observer",
    "accounts",
    "agents_inbox",
    "agents_finder",
    "agents_sales",
    "analytics",
    "block_lists",
    "agents_deliverability",
    "campaigns",
    "company_lists",
    "emails",
    "leads",
    "orders",
    "people",
    "placement",
    "saved",
    "saved_searches",
    "subsequences",
    "supersearch",
    "tags",
    "webhooks",
    "workspace",
)

# The asserts of these modules are to explain themselves as those of test modules do.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in MODULES))
