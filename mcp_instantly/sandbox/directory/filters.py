"""What a search of the directory can ask for."""

from __future__ import annotations

from mcp_instantly.sandbox.directory.buying_signals import WANTED
from mcp_instantly.sandbox.directory.industries import EMPLOYEES, FUNDING, NEWS, REVENUE, SUB_INDUSTRIES
from mcp_instantly.sandbox.directory.job_titles import DEPARTMENTS, LEVELS, UNUSED_LEVELS
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    Shape,
    array,
    boolean,
    choice,
    fields,
    integer,
    mapping,
    number,
    text,
)

_WORDS = array(text())


def _both(items: Shape) -> Shape:
    return fields(include=array(items), exclude=array(items))


_PLACE = {
    "oneOf": [
        fields("place_id", CLOSED, place_id=text(), label=text()),
        fields(
            "",
            {**CLOSED, "anyOf": [{"required": [part]} for part in ("city", "state", "country")]},
            city=text(),
            state=text(),
            country=text(),
        ),
    ]
}
_OPEN = {"type": ["number", "null"]}
_BOUNDED = {
    **CLOSED,
    "anyOf": [{"required": [bound], "properties": {bound: {"type": "number"}}} for bound in ("min", "max")],
}
_SIZE = {
    "oneOf": [
        choice(*EMPLOYEES),
        fields("op min", CLOSED, op=choice("gte"), min=number(), max=_OPEN),
        fields("op max", CLOSED, op=choice("lte"), max=number(), min=_OPEN),
        fields("op", _BOUNDED, op=choice("between"), min=_OPEN, max=_OPEN),
        fields("op", _BOUNDED, op=choice("preset_between"), min=_OPEN, max=_OPEN),
    ]
}


def _signal(key: Shape, days: Shape) -> Shape:
    words = {"oneOf": [_WORDS, mapping(_WORDS)]}
    return {"oneOf": [key, fields("key", CLOSED, key=key, period_days=days, keywords=words)]}


SIGNAL = _signal(text(), number())
WANTED_SIGNAL = _signal(choice(*WANTED), integer(minimum=1))

SEARCH = fields(
    company_list_id=text(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    locations={"oneOf": [array(_PLACE), _both(_PLACE)]},
    location_mode=choice("contact", "company"),
    locationMode=text(),
    department=array(choice(*DEPARTMENTS)),
    level=array(choice(*LEVELS, *UNUSED_LEVELS)),
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

_MODE = choice("EXACT", "CONTAINS")
_INSTEAD = {
    "locationMode": SEARCH["properties"]["location_mode"],
    "lookAlikeMode": choice("targeted", "broad"),
    "fundingType": SEARCH["properties"]["funding_type"],
    "title": fields(include=_WORDS, exclude=_WORDS, includeMode=_MODE, excludeMode=_MODE),
}
_PAIRS = (
    ("funding_type", "fundingType"),
    ("location_mode", "locationMode"),
    ("look_alike", "lookAlike"),
    ("jobListing", "jobListingFilter"),
)


def _close(name: str, shape: Shape) -> Shape:
    """A field's shape, without other names if it is an object or may be one."""
    if name == "locations":
        places, both = shape["oneOf"]
        return {"oneOf": [places, {**both, **CLOSED}]}
    return {**shape, **CLOSED} if shape.get("type") == "object" else shape


STRICT_SEARCH: Shape = {
    **fields(**{name: _close(name, shape) for name, shape in {**SEARCH["properties"], **_INSTEAD}.items()}),
    **CLOSED,
    "allOf": [{"not": {"type": "object", "required": list(pair)}} for pair in _PAIRS],
}
"""The same where it is kept for later: no other names, and of two spellings of a name only one."""
