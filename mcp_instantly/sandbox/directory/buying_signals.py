"""Signals: what has lately happened at companies or to people, with the keywords of each kind."""

from __future__ import annotations

FRESH, WINDOW = 30, 90
"""Days for which a signal counts unless a search says otherwise, and those that keywords are counted over."""

_TOPICS = (
    "artificial intelligence", "automation", "ai agents", "leadership", "hiring", "sustainability", "fundraising",
    "cybersecurity", "remote work", "product launch", "customer success", "data privacy", "pricing", "open banking",
    "supply chain", "cloud migration", "sales enablement", "compliance", "air freight", "diversity", "budgeting",
)  # fmt: skip

CATEGORIES: dict[str, tuple[bool, float, dict[str, tuple[str, ...]]]] = {
    "job_change": (
        True,
        0.30,
        {
            "change": ("new company", "promotion", "new role"),
            "seniority": ("executive", "director", "manager", "individual contributor"),
        },
    ),
    "linkedin_post_contact": (True, 0.45, {"tags": _TOPICS, "tone": ("announcement", "opinion", "question", "story")}),
    "linkedin_post_company": (False, 0.5, {"tags": _TOPICS, "tone": ("announcement", "event", "vacancy")}),
    "traffic_surge": (False, 0.2, {"channel": ("organic search", "paid search", "social", "referral", "direct")}),
    "product_review": (
        False,
        0.15,
        {
            "objection_type": ("pricing", "security", "integration", "support", "usability"),
            "buying_stage": ("awareness", "consideration", "decision", "renewal"),
        },
    ),
    "hiring_surge": (False, 0.2, {"departments": ("engineering", "sales", "finance", "operations", "support")}),
}
"""Whether a category is about people (or else companies), the share of them that has one, and the words per field."""

WANTED = (
    "linkedin_post_company", "linkedin_post_contact", "linkedin_comment", "twitter_post_company",
    "twitter_post_contact", "youtube_company", "youtube_contact", "reddit_buying_intent", "reddit_pain_point",
    "reddit_churn_risk", "reddit_competitor_mention", "glassdoor_negative", "glassdoor_positive",
    "website_product_launch", "website_pricing_change", "website_expansion", "website_executive_change",
    "website_funding", "website_partnership", "website_compliance", "website_technology_adoption", "job_change",
    "promotion", "work_anniversary", "traffic_surge", "traffic_decline",
)  # fmt: skip
"""Categories with which a lead can be enriched; nothing has happened here in those that are not above."""

NAMES = tuple(CATEGORIES)
