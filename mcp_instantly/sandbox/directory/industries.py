"""Lines of business: the industries that a search knows, what belongs to each, and what their companies offer."""

from __future__ import annotations

SUB_INDUSTRIES: dict[str, tuple[str, ...]] = {
    "Agriculture & Mining": (
        "Dairy", "Farming", "Fishery", "Food & Beverages", "Food Production", "Mining & Metals",
        "Paper & Forest Products", "Ranching", "Tobacco",
    ),
    "Business Services": (
        "Alternative Dispute Resolution", "Animation", "Business Supplies and Equipment", "Design",
        "Environmental Services", "Events Services", "Executive Office", "Facilities Services", "Fund-Raising",
        "Graphic Design", "Human Resources", "Import and Export", "Individual & Family Services",
        "Information Services", "International Trade and Development", "Law Practice", "Legal Services",
        "Management Consulting", "Market Research", "Marketing and Advertising", "Outsourcing/Offshoring",
        "Professional Training & Coaching", "Program Development", "Public Relations and Communications",
        "Public Safety", "Security and Investigations", "Staffing and Recruiting", "Think Tanks",
        "Translation and Localization", "Writing and Editing",
    ),
    "Computers & Electronics": (
        "Computer Games", "Computer Hardware", "Computer Networking", "Consumer Electronics", "Semiconductors",
    ),
    "Consumer Services": ("Consumer Goods", "Consumer Services"),
    "Education": (
        "Education Management", "E-Learning", "Higher Education", "Primary/Secondary Education", "Research",
    ),
    "Energy & Utilities": ("Oil & Energy", "Renewables & Environment", "Utilities"),
    "Financial Services": (
        "Accounting", "Banking", "Capital Markets", "Financial Services", "Insurance", "Investment Banking",
        "Investment Management", "Venture Capital & Private Equity",
    ),
    "Government": (
        "Defense & Space", "Government Administration", "Government Relations", "International Affairs", "Judiciary",
        "Law Enforcement", "Legislative Office", "Military", "Museums and Institutions", "Public Policy",
    ),
    "Healthcare, Pharmaceuticals, & Biotech": (
        "Alternative Medicine", "Biotechnology", "Health, Wellness and Fitness", "Hospital & Health Care",
        "Medical Devices", "Medical Practice", "Mental Health Care", "Pharmaceuticals", "Veterinary",
    ),
    "Manufacturing": (
        "Automotive", "Aviation & Aerospace", "Chemicals", "Electrical/Electronic Manufacturing", "Furniture",
        "Industrial Automation", "Machinery", "Mechanical or Industrial Engineering", "Plastics",
        "Railroad Manufacture", "Shipbuilding", "Textiles",
    ),
    "Media & Entertainment": (
        "Broadcast Media", "Media Production", "Motion Pictures and Film", "Music", "Newspapers", "Online Media",
        "Printing", "Publishing",
    ),
    "Non-Profit": (
        "Civic & Social Organization", "Libraries", "Non-Profit Organization Management", "Philanthropy",
        "Political Organization", "Religious Institutions",
    ),
    "Other": ("Arts and Crafts", "Nanotechnology"),
    "Real Estate & Construction": (
        "Architecture & Planning", "Building Materials", "Civil Engineering", "Commercial Real Estate", "Construction",
        "Glass, Ceramics & Concrete", "Real Estate",
    ),
    "Retail": ("Apparel & Fashion", "Cosmetics", "Luxury Goods & Jewelry", "Retail", "Supermarkets"),
    "Software & Internet": (
        "Computer & Network Security", "Computer Software", "Information Technology and Services", "Internet",
    ),
    "Telecommunications": ("Telecommunications", "Wireless"),
    "Transportation & Storage": (
        "Airlines/Aviation", "Logistics and Supply Chain", "Maritime", "Package/Freight Delivery",
        "Packaging and Containers", "Warehousing", "Transportation/Trucking/Railroad",
    ),
    "Travel, Recreation, and Leisure": (
        "Entertainment", "Fine Art", "Gambling & Casinos", "Hospitality", "Leisure, Travel & Tourism",
        "Performing Arts", "Photography", "Recreational Facilities and Services", "Restaurants", "Sporting Goods",
        "Sports", "Wine and Spirits",
    ),
    "Wholesale & Distribution": ("Wholesale",),
}  # fmt: skip

WEIGHTS = {
    "Software & Internet": 20, "Financial Services": 15, "Business Services": 13, "Manufacturing": 10,
    "Healthcare, Pharmaceuticals, & Biotech": 8, "Retail": 6, "Transportation & Storage": 5,
    "Real Estate & Construction": 5, "Computers & Electronics": 4, "Media & Entertainment": 3, "Education": 3,
    "Travel, Recreation, and Leisure": 3,
}  # fmt: skip
"""How common an industry is; those that are not named weigh 1."""

OFFERS: dict[str, tuple[str, ...]] = {
    "Agriculture & Mining": ("crop monitoring", "organic ingredients", "ore processing", "cold storage for produce"),
    "Business Services": ("outsourced support", "brand strategy", "compliance audits", "recruiting", "market research"),
    "Computers & Electronics": ("embedded boards", "edge servers", "sensor modules", "network switches"),
    "Consumer Services": ("home repairs", "subscription boxes", "household goods"),
    "Education": ("online courses", "campus software", "teacher training", "research grants"),
    "Energy & Utilities": ("solar parks", "grid software", "battery storage", "heat pumps"),
    "Financial Services": (
        "payment processing", "business loans", "treasury software", "insurance underwriting", "fund accounting",
        "fraud detection",
    ),
    "Government": ("public records", "procurement platforms", "civil protection"),
    "Healthcare, Pharmaceuticals, & Biotech": (
        "telemedicine", "clinical trials", "diagnostic devices", "patient records",
    ),
    "Manufacturing": ("machine tools", "industrial robots", "precision parts", "predictive maintenance", "coatings"),
    "Media & Entertainment": ("video production", "podcast advertising", "newsletters", "streaming rights"),
    "Non-Profit": ("community programs", "donor management", "volunteer training"),
    "Other": ("craft supplies", "nanomaterials"),
    "Real Estate & Construction": ("modular housing", "property management", "site surveys", "office leasing"),
    "Retail": ("e-commerce", "sustainable fashion", "loyalty programs", "point of sale systems"),
    "Software & Internet": (
        "SaaS billing", "cloud security", "data pipelines", "workflow automation", "artificial intelligence",
        "customer analytics", "API monitoring",
    ),
    "Telecommunications": ("fiber networks", "mobile plans", "IoT connectivity"),
    "Transportation & Storage": ("freight forwarding", "route planning", "warehouse automation", "last-mile delivery"),
    "Travel, Recreation, and Leisure": ("hotel bookings", "event tickets", "fitness clubs", "guided tours"),
    "Wholesale & Distribution": ("spare parts", "bulk supplies", "import services"),
}  # fmt: skip
"""What companies of an industry sell, in the words that a search for keywords looks through."""

CUSTOMERS = (
    "small businesses", "enterprises", "banks", "retailers", "manufacturers", "hospitals", "public bodies", "startups",
    "agencies", "logistics companies", "households", "schools",
)  # fmt: skip

TECHNOLOGIES = (
    "Salesforce", "HubSpot", "Google Analytics", "Google Workspace", "Microsoft 365", "Slack", "Zoom", "Shopify",
    "WordPress", "Stripe", "AWS", "Microsoft Azure", "Google Cloud", "Cloudflare", "Zendesk", "Intercom", "Marketo",
    "Mailchimp", "Segment", "Snowflake", "Databricks", "Tableau", "Power BI", "Jira", "Confluence", "GitHub",
    "GitLab", "Docker", "Kubernetes", "React", "Vue.js", "Python", "SAP", "NetSuite", "QuickBooks", "Xero", "Workday",
    "BambooHR", "Greenhouse", "DocuSign", "Dropbox", "Asana", "Notion", "Pipedrive", "Outreach", "Gong", "Hotjar",
    "Magento", "WooCommerce", "Klaviyo", "Okta", "Datadog", "Twilio", "PostgreSQL", "MongoDB", "Oracle",
)  # fmt: skip

NEWS = (
    "launches", "expands_offices_to", "hires", "partners_with", "leaves", "receives_financing", "recognized_as",
    "closes_offices_in", "is_developing", "has_issues_with", "promotes", "opens_new_location", "receives_award",
    "acquires", "invests_into_assets", "signs_new_client", "increases_headcount_by", "retires_from", "invests_into",
    "integrates_with", "expands_facilities", "goes_public", "sells_assets_to", "identified_as_competitor_of",
    "decreases_headcount_by", "expands_offices_in", "files_suit_against", "merges_with",
)  # fmt: skip

FUNDING = (
    "angel", "seed", "pre_seed", "series_a", "pre_series_a", "series_b", "pre_series_b", "series_c", "pre_series_c",
    "series_d", "pre_series_d", "series_e", "pre_series_e", "series_f", "pre_series_f", "series_g", "pre_series_g",
    "series_h", "pre_series_h", "series_i", "pre_series_i", "series_j", "pre_series_j",
)  # fmt: skip

EMPLOYEES: dict[str, tuple[float, float]] = {
    "0 - 25": (0, 25),
    "25 - 100": (25, 100),
    "100 - 250": (100, 250),
    "250 - 1000": (250, 1000),
    "1K - 10K": (1000, 10_000),
    "10K - 50K": (10_000, 50_000),
    "50K - 100K": (50_000, 100_000),
    "> 100K": (100_001, float("inf")),
}
REVENUE: dict[str, tuple[float, float]] = {
    "$0 - 1M": (0, 1),
    "$1 - 10M": (1, 10),
    "$10 - 50M": (10, 50),
    "$50 - 100M": (50, 100),
    "$100 - 250M": (100, 250),
    "$250 - 500M": (250, 500),
    "$500M - 1B": (500, 1000),
    "> $1B": (1000, float("inf")),
}
"""Bands, both ends included; revenue in millions of dollars a year."""
