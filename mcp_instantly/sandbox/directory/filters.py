"""What a search of the directory can ask for."""

from __future__ import annotations

from mcp_instantly.sandbox.directory.industries import EMPLOYEES, FUNDING, NEWS, REVENUE, SUB_INDUSTRIES
from mcp_instantly.sandbox.directory.job_titles import DEPARTMENTS, LEVELS, NOBODY
from mcp_instantly.sandbox.engine.shapes import Shape, array, boolean, choice, fields, mapping, number, text

_CLOSED: Shape = {"additionalProperties": False}
_WORDS = array(text())


def _both(items: Shape) -> Shape:
    return fields(include=array(items), exclude=array(items))


_PLACE = {
    "oneOf": [
        fields("place_id", _CLOSED, place_id=text(), label=text()),
        fields(
            "",
            {**_CLOSED, "anyOf": [{"required": [part]} for part in ("city", "state", "country")]},
            city=text(),
            state=text(),
            country=text(),
        ),
    ]
}
_OPEN = {"type": ["number", "null"]}
_BOUNDED = {
    **_CLOSED,
    "anyOf": [{"required": [bound], "properties": {bound: {"type": "number"}}} for bound in ("min", "max")],
}
_SIZE = {
    "oneOf": [
        choice(*EMPLOYEES),
        fields("op min", _CLOSED, op=choice("gte"), min=number(), max=_OPEN),
        fields("op max", _CLOSED, op=choice("lte"), max=number(), min=_OPEN),
        fields("op", _BOUNDED, op=choice("between"), min=_OPEN, max=_OPEN),
        fields("op", _BOUNDED, op=choice("preset_between"), min=_OPEN, max=_OPEN),
    ]
}
SIGNAL = {
    "oneOf": [
        text(),
        fields(
            "key",
            _CLOSED,
            key=text(),
            period_days=number(),
            keywords={"oneOf": [_WORDS, mapping(_WORDS)]},
        ),
    ]
}

SEARCH = fields(
    company_list_id=text(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    locations={"oneOf": [array(_PLACE), _both(_PLACE)]},
    location_mode=choice("contact", "company"),
    locationMode=text(),
    department=array(choice(*DEPARTMENTS)),
    level=array(choice(*LEVELS, *NOBODY)),
    title=_both(text()),
    name=_WORDS,
    company_name=_both(text()),
    domains=_WORDS,
    look_alike=text(),
    lookAlike=text(),
    lookAlikeMode=text(),
    employeeCount=array(_SIZE),
    revenue=array(choice(*REVENUE)),
    industry=_both(choice(*SUB_INDUSTRIES)),
    subIndustry=_both(choice(*(name for names in SUB_INDUSTRIES.values() for name in names))),
    keyword_filter=fields(include=text(), exclude=text(), include_mode=choice("ANY", "ALL")),
    technologies=_WORDS,
    news=array(choice(*NEWS)),
    jobListing=_WORDS,
    jobListingFilter=_WORDS,
    funding_type=array(choice(*FUNDING)),
    fundingType=_WORDS,
    signals=array(SIGNAL),
    website_visitors=boolean(),
    skip_owned_leads=boolean(),
    show_one_lead_per_company=boolean(),
)
