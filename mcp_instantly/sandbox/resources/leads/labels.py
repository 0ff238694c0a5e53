"""Lead labels: what a workspace calls the interest of its leads, beyond the built-in names."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page_by_time, route
from mcp_instantly.sandbox.engine.shapes import boolean, changes, choice, fields, nullable, number, text, uuid
from mcp_instantly.sandbox.resources.leads.records import INTEREST_STATUSES
from mcp_instantly.sandbox.resources.leads.reply_labels import label_reply
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

POSITIVE, NEGATIVE, NEUTRAL = "positive", "negative", "neutral"

NUMBERS = {POSITIVE: (3000, 1), NEGATIVE: (-3000, -1), NEUTRAL: (13000, 1)}
"""Where the numbers of each side begin, and in which direction they go on; built-in ones lie between -4 and 4."""

TRIALS, PERIOD = 500, 30 * 86400.0
"""How often the labelling of replies can be tried, in which time."""

SETTINGS = {
    "label": text(),
    "interest_status_label": choice(POSITIVE, NEGATIVE, NEUTRAL),
    "description": nullable(text()),
    "use_with_ai": nullable(boolean()),
}


def find(world: World, label_id: str) -> Record:
    """The label with this id. Raises a 404."""
    label = world.lead_labels.get(label_id)
    if not label:
        raise not_found("Lead label")
    return label


def add_label(world: World, label: str, side: str, **more: Any) -> Record:
    """A new label with a number of its own. Unless `more` names a user as created_by, a key or the service made it."""
    record = {
        "id": world.uuid4(),
        "timestamp_created": world.stamp(),
        "created_by": None,
        "organization_id": world.workspace["id"],
        "label": label,
        "interest_status_label": side,
        "interest_status": _next_number(world, side),
    }
    return world.lead_labels.add({**record, **more})


def _next_number(world: World, side: str) -> int:
    """A number that no label had before, not even one that is gone: subsequences and webhooks may still name it."""
    used = world.workspace.setdefault("_label_numbers", {})
    first, direction = NUMBERS[side]
    used[side] = used.get(side, first) + direction
    return int(used[side])


def side_of(world: World, interest: float) -> str:
    """Whether an interest status is a good sign, a bad one or neither."""
    label = world.lead_labels.first(interest_status=interest)
    if label and "interest_status_label" in label:
        return str(label["interest_status_label"])
    if interest == 0 or interest > NUMBERS[NEUTRAL][0]:
        return NEUTRAL
    return POSITIVE if interest > 0 else NEGATIVE


def _shown(label: Record) -> Record:
    """A label as it is answered: it always says who made it, if only null."""
    return {**public(label), "created_by": label["created_by"]}


@route("POST", "/lead-labels", scope="lead-labels:create", body=fields("label interest_status_label", **SETTINGS))
def create_label(world: World, call: Call) -> Record:
    more = call.given(("description", "use_with_ai"), nulls=False)
    return _shown(add_label(world, call.body["label"], call.body["interest_status_label"], **more))


@route(
    "GET",
    "/lead-labels",
    scope="lead-labels:read",
    query={**PAGE, "search": text(), "interest_status": choice(POSITIVE, NEUTRAL, NEGATIVE)},
)
def list_labels(world: World, call: Call) -> Record:
    """Newest first; the cursor is a timestamp."""
    words, side = call.query.get("search", "").strip().lower(), call.query.get("interest_status")
    found = [
        label
        for label in world.lead_labels
        if words in label["label"].lower() and side in (None, label["interest_status_label"])
    ]
    answer = page_by_time(found, call.query)
    return {**answer, "items": [_shown(world.lead_labels[item["id"]]) for item in answer["items"]]}


@route("GET", "/lead-labels/{id}", scope="lead-labels:read", id=uuid())
def get_label(world: World, call: Call) -> Record:
    return _shown(find(world, call.path["id"]))


@route(
    "PATCH",
    "/lead-labels/{id}",
    scope="lead-labels:update",
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_label(world: World, call: Call) -> Record:
    """The number stays, so leads keep the label under its new name."""
    label = find(world, call.path["id"])
    settings = call.given(SETTINGS)
    return _shown(world.lead_labels.change(label, **settings))


@route("DELETE", "/lead-labels/{id}", scope="lead-labels:delete", body=fields(reassigned_status=number()), id=uuid())
def delete_label(world: World, call: Call) -> Record:
    """Leads and emails that had the label get the status given, or none."""
    label = find(world, call.path["id"])
    gone, instead = label["interest_status"], call.body.get("reassigned_status")
    others = {other["interest_status"] for other in world.lead_labels if other["id"] != label["id"]}
    if instead is not None and instead not in INTEREST_STATUSES and instead not in others:
        raise ApiRefusal(400, "reassigned_status is not the interest status of any label")
    world.lead_labels.remove(label["id"])
    for lead in world.leads:
        if lead.get("lt_interest_status") == gone:
            world.leads.change(lead, lt_interest_status=instead, timestamp_updated=world.stamp())
    for email in world.emails:
        if email.get("i_status") == gone:
            world.emails.change(email, i_status=instead)
    return _shown(label)


@route("POST", "/lead-labels/ai-reply-label", scope="lead-labels:read", body=fields("reply_text", reply_text=text()))
def try_reply_label(world: World, call: Call) -> Record:
    """Which label a reply would get; no lead gets it."""
    try:
        count_call(world, "ai-reply-label", TRIALS, PERIOD)
    except ApiRefusal as refusal:
        # This operation words its refusals differently from the others.
        raise ApiRefusal(refusal.status, str(refusal), body={"error": str(refusal)}) from None
    labels = [label for label in world.lead_labels if label.get("use_with_ai")]
    return {
        "result": label_reply(call.body["reply_text"], labels),
        "custom_labels_considered": [label["label"] for label in labels],
    }
