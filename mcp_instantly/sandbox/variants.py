"""Choosing the better variant of a step by what came of them, where a campaign or subsequence asks for that."""

from __future__ import annotations

import collections
import copy

from mcp_instantly.sandbox.flows import Flow
from mcp_instantly.sandbox.happenings import CLICK, OPEN, REPLY, SENT, Tally, happenings
from mcp_instantly.sandbox.table import Record
from mcp_instantly.sandbox.timetable import day_of
from mcp_instantly.sandbox.world import World

ENOUGH = 20
"""Letters that each variant of a step must have had before they are compared."""

TRIGGERS = {"reply_rate": REPLY, "click_rate": CLICK, "open_rate": OPEN}


def judge(world: World, flow: Flow) -> None:
    """Once a day: leave only the best variant of each step that has had enough letters. Equals all stay."""
    chosen = flow.record.get("auto_variant_select")
    today = day_of(flow.schedule, world.now())
    if not chosen or flow.record.get("_judged") == today:
        return
    flow.record["_judged"] = today
    rates = _rates(world, flow, TRIGGERS[chosen["trigger"]])
    sequences = copy.deepcopy(flow.record.get("sequences") or [])
    for number, step in enumerate(sequences[0]["steps"] if sequences else ()):
        running = [place for place, variant in enumerate(step["variants"]) if not variant.get("v_disabled")]
        found = {place: rates.get((str(number), str(place))) for place in running}
        if len(running) < 2 or None in found.values():
            continue
        best = max(found.values())
        for place in running:
            if found[place] < best:
                step["variants"][place]["v_disabled"] = True
    if sequences != flow.record.get("sequences"):
        table = world.subsequences if flow.subsequence else world.campaigns
        table.change(flow.record, sequences=sequences)


def _rates(world: World, flow: Flow, what: str) -> dict[tuple[str | None, str | None], float]:
    """The share of leads that reacted, by step and variant, of those with enough letters."""
    own = flow.subsequence["id"] if flow.subsequence else None
    by_place: dict[tuple[str | None, str | None], list] = collections.defaultdict(list)
    for fact in happenings(_letters(world, flow)):
        if fact.place[0] == own:
            by_place[fact.place[1:]].append(fact)
    tallies = {place: Tally(facts) for place, facts in by_place.items()}
    return {
        place: tally.unique(what) / tally.unique(SENT)
        for place, tally in tallies.items()
        if tally.unique(SENT) >= ENOUGH
    }


def _letters(world: World, flow: Flow) -> list[Record]:
    return list(world.emails.select(campaign_id=flow.campaign["id"]))
