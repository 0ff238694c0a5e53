"""Automatic choice among variants: once a day the best one of a step stays and the others are switched off."""

from __future__ import annotations

import collections
import datetime as dt
from typing import Any

from mcp_instantly.sandbox.sending.emails import all_emails
from mcp_instantly.sandbox.sending.engagement import CLICK, OPEN, REPLY, SENT, engagement_events
from mcp_instantly.sandbox.sending.flows import Flow, find_flow
from mcp_instantly.sandbox.sending.timetable import next_day
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

TRIGGERS = {"open_rate": OPEN, "click_rate": CLICK, "reply_rate": REPLY}
"""What recipients must do, for every trigger that a campaign may name."""

MIN_SAMPLE = 30
"""Emails of every variant of a step that are compared before one of them wins."""

REACTION_TIME = dt.timedelta(days=1)
"""How long ago an email must have been sent before it is known whether anybody reacted to it."""

LAST_LOOK = dt.timedelta(days=3)
"""How long after the last email the variants are compared once more."""

Rates = dict[tuple[str | None, str | None], float]


def watch(world: World, flow: Flow) -> None:
    """An email was sent: compare the variants at the beginning of every day, as long as emails go out."""
    if _trigger(flow) and not flow.record.get("_watched"):
        flow.record["_watched"] = True
        world.at(next_day(flow.schedule, world.now()), "compare_variants", flow.id)


@action
def compare_variants(world: World, flow_id: str) -> None:
    flow = find_flow(world, flow_id)
    if flow is None:
        return
    flow.record.pop("_watched", None)
    trigger = _trigger(flow)
    if trigger is None:
        return
    if flow.runs:
        _choose(world, flow, trigger)
    sent = flow.record.get("_sent")
    if sent and sent[-1] >= (world.now() - LAST_LOOK).timestamp():
        watch(world, flow)


def _trigger(flow: Flow) -> str | None:
    return (flow.record.get("auto_variant_select") or {}).get("trigger")


def _choose(world: World, flow: Flow, trigger: str) -> None:
    """Switch the losers off in every step in which one variant is better than all the others."""
    undecided = [place for place, step in enumerate(flow.steps) if len(_running(step)) > 1]
    if not undecided:
        return
    rates = _rates(world, flow, TRIGGERS[trigger])
    winners = {place: winner for place in undecided if (winner := _winner(flow.steps[place], place, rates)) is not None}
    if winners:
        _settle(world, flow, winners)


def _running(step: Record) -> list[int]:
    return [place for place, variant in enumerate(step["variants"]) if not variant.get("v_disabled")]


def _rates(world: World, flow: Flow, reaction: str) -> Rates:
    """The part of the recipients who reacted, by step and variant; only where there were emails enough."""
    own = flow.subsequence["id"] if flow.subsequence else None
    until = stamp(world.now() - REACTION_TIME)
    sent: dict[Any, set[Any]] = collections.defaultdict(set)
    reacted: dict[Any, set[Any]] = collections.defaultdict(set)
    for fact in engagement_events(all_emails(world, campaign_id=flow.campaign["id"])):
        if fact.place[0] == own and fact.what == SENT and fact.at <= until:
            sent[fact.place[1:]].add(fact.lead)
        elif fact.place[0] == own and fact.what == reaction:
            reacted[fact.place[1:]].add(fact.lead)
    enough = {place: leads for place, leads in sent.items() if len(leads) >= MIN_SAMPLE}
    return {place: len(leads & reacted[place]) / len(leads) for place, leads in enough.items()}


def _winner(step: Record, place: int, rates: Rates) -> int | None:
    """The variant that did better than every other that runs; None as long as that is not known."""
    found = {variant: rates.get((str(place), str(variant))) for variant in _running(step)}
    known = {variant: rate for variant, rate in found.items() if rate is not None}
    best = [variant for variant, rate in known.items() if rate == max(known.values())]
    return best[0] if len(known) == len(found) and len(best) == 1 else None


def _settle(world: World, flow: Flow, winners: dict[int, int]) -> None:
    """Give the flow steps in which only the winners are on. The old ones stay as they are: a copy may hold them."""
    steps = [
        {**step, "variants": _only(step["variants"], winners[place])} if place in winners else step
        for place, step in enumerate(flow.steps)
    ]
    first, *others = flow.record["sequences"]
    sequences = [{**first, "steps": steps}, *others]
    if flow.subsequence:
        world.subsequences.change(flow.subsequence, sequences=sequences)
    else:
        world.campaigns.change(flow.campaign, sequences=sequences, timestamp_updated=world.stamp())


def _only(variants: list[Record], winner: int) -> list[Record]:
    return [variant if place == winner else {**variant, "v_disabled": True} for place, variant in enumerate(variants)]
