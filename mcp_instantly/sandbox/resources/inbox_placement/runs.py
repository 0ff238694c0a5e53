"""What an inbox placement test does as time goes by: it sends, its emails arrive here or there, it ends.

A run takes hours. It leaves one row for each email sent and one for each email received, then a report for each of the
senders' domains; all numbers that are asked for later are counted from these rows.
"""

from __future__ import annotations

from mcp_instantly.sandbox.resources.accounts.checks import find_records
from mcp_instantly.sandbox.resources.inbox_placement import automations, reports
from mcp_instantly.sandbox.resources.inbox_placement.seeds import AIRMAIL, GOOGLE, MICROSOFT, PERSONAL, SEEDS, Seed
from mcp_instantly.sandbox.sending.sent_times import count_since, note_instant
from mcp_instantly.sandbox.sending.timetable import next_start
from mcp_instantly.sandbox.sending.warmup import rate
from mcp_instantly.sandbox.state.clock import day_start, next_day, parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

ONCE, AUTOMATED = 1, 2
INSTANTLY, OUTSIDE = 1, 2
ONE_BY_ONE = 1
ACTIVE, PAUSED, COMPLETED = 1, 2, 3
SENT, RECEIVED = 1, 2

MORNING = "09:00"
GAP = 300
"""Seconds between two emails of a sender, when they are sent one by one."""

DELAYS = (240, 9000)
"""The shortest and the longest time that an email is on its way."""

REVIEW = 900
"""Seconds from the last email to the end of a run."""

LOST = 0.02
"""The share of emails that arrive nowhere."""

SENDER_ESPS = {2: GOOGLE, 3: MICROSOFT, 8: AIRMAIL}
IDLE = {"_run": 0, "_running": False, "_left": [], "_on_way": 0, "_order": 0}
"""`_left`: pairs of sender and recipient not served yet; `_order` tells a valid entry of the agenda from an old one."""


def activate(world: World, test: Record, *, now: bool = False) -> None:
    """Set a test going: on with an interrupted run, by its schedule, or at once."""
    if test["_running"]:
        _dispatch(world, test)
        return
    if test["type"] == AUTOMATED:
        plan_next(world, test)
        if now:
            _begin(world, test)
    elif "timestamp_next_run" in test:
        world.at(parse(test["timestamp_next_run"]), "start_placement_run", test["id"], test["timestamp_next_run"])
    elif test["sending_method"] == INSTANTLY or test["emails"]:
        _begin(world, test)
    # Otherwise emails are to come from outside, from unknown senders: the test waits.


def halt(world: World, test: Record) -> None:
    """What is on its way still arrives; nothing more is sent."""
    done: Record = {"_left": []} if test["status"] == COMPLETED else {}
    next_run = None if test["type"] == AUTOMATED else test.get("timestamp_next_run")
    world.placement_tests.change(test, timestamp_next_run=next_run, _order=test["_order"] + 1, **done)
    if done:
        _review_if_done(world, test)


def plan_next(world: World, test: Record) -> None:
    """Put the next run of an automated test on the agenda."""
    schedule = test["schedule"]
    window = {
        "days": schedule.get("days", {}),
        "timing": {"from": schedule.get("timing", {}).get("from", MORNING)},
        "timezone": schedule.get("timezone", "UTC"),
    }
    begins = next_start(window, world.now())
    world.placement_tests.change(test, timestamp_next_run=stamp(begins) if begins else None)
    if begins:
        world.at(begins, "start_placement_run", test["id"], test["timestamp_next_run"])


@action
def start_placement_run(world: World, test_id: str, planned: str) -> None:
    test = world.placement_tests.get(test_id)
    if not test or test["status"] != ACTIVE or test.get("timestamp_next_run") != planned:
        return
    if test["type"] == AUTOMATED:
        plan_next(world, test)
    else:
        world.placement_tests.change(test, timestamp_next_run=None)
    if not test["_running"]:
        _begin(world, test)


def _begin(world: World, test: Record) -> None:
    emails = list(test["emails"])
    for tag_id in test.get("tags", ()):
        emails += [mapping["resource_id"] for mapping in world.custom_tag_mappings.where(tag_id=tag_id)]
    pairs = [[sender, recipient] for sender in dict.fromkeys(emails) for recipient in test["recipients"]]
    world.placement_tests.change(
        test,
        _run=test["_run"] + 1,
        _running=True,
        _left=pairs,
        _on_way=0,
        not_sending_status=None if pairs else "other",
    )
    _dispatch(world, test)


def _dispatch(world: World, test: Record) -> None:
    """Plan the emails that are left, each sender at its own pace."""
    world.placement_tests.change(test, _order=test["_order"] + 1)
    gap = GAP if test.get("delivery_mode") == ONE_BY_ONE else 1
    waiting: dict[str, int] = {}
    for sender, recipient in test["_left"]:
        place = waiting[sender] = waiting.get(sender, -1) + 1
        world.later(place * gap, "send_placement_mail", test["id"], test["_order"], sender, recipient)
    _review_if_done(world, test)


@action
def send_placement_mail(world: World, test_id: str, order: int, sender: str, recipient: str) -> None:
    test = world.placement_tests.get(test_id)
    if not test or test["_order"] != order:
        return
    if test["sending_method"] == INSTANTLY:
        account = world.accounts.get(sender)
        if not account or account["status"] != 1:
            world.placement_tests.change(test, not_sending_status="other")
            _mark_done(world, test, sender, recipient)
            return
        if _limit_hit(world, account):
            world.placement_tests.change(test, not_sending_status="daily_limits_hit")
            world.at(next_day(world.now()), "send_placement_mail", test_id, order, sender, recipient)
            return
        note_instant(account.setdefault("_placements", []), world.now())
    if test.get("not_sending_status") == "daily_limits_hit":
        world.placement_tests.change(test, not_sending_status=None)
    _add_row(world, test, sender, SEEDS[recipient], SENT)
    chances = ("placement", test_id, test["_run"], sender, recipient)
    if world.chance(*chances, "lost") >= LOST:
        shortest, longest = DELAYS
        delay = shortest + (longest - shortest) * world.chance(*chances, "delay") ** 2
        world.placement_tests.change(test, _on_way=test["_on_way"] + 1)
        world.later(delay, "receive_placement_mail", test_id, test["_run"], sender, recipient)
    _mark_done(world, test, sender, recipient)


def _limit_hit(world: World, account: Record) -> bool:
    limit = account.get("inbox_placement_test_limit")
    return limit is not None and count_since(account.get("_placements"), day_start(world.now())) >= limit


def _mark_done(world: World, test: Record, sender: str, recipient: str) -> None:
    test["_left"].remove([sender, recipient])
    _review_if_done(world, test)


def _review_if_done(world: World, test: Record) -> None:
    if test["_running"] and not test["_left"] and not test["_on_way"]:
        world.later(REVIEW, "end_placement_run", test["id"], test["_run"])


@action
def receive_placement_mail(world: World, test_id: str, run: int, sender: str, recipient: str) -> None:
    test = world.placement_tests.get(test_id)
    if not test:
        return
    seed, account = SEEDS[recipient], world.accounts.get(sender)
    chances = ("placement", test_id, run, sender, recipient)
    is_spam = world.chance(*chances, "spam") < _spam_risk(world, test, sender, seed)
    promoted = 0.04 if test.get("text_only") else 0.15
    records = find_records(sender.rpartition("@")[2])
    row = {
        "is_spam": is_spam,
        "has_category": not is_spam and seed.esp == GOOGLE and world.chance(*chances, "category") < promoted,
        "sender_esp": SENDER_ESPS.get(account["provider_code"]) if account else None,
        "spf_pass": records["spf"],
        "dkim_pass": records["dkim"],
        # A domain that publishes no policy, or fails both of the others, fails this one.
        "dmarc_pass": records["dmarc"] and (records["spf"] or records["dkim"]),
        "smtp_ip_blacklist_report": reports.check_blacklists(world, sender.rpartition("@")[2], run),
    }
    if not all(row[name] for name in ("spf_pass", "dkim_pass", "dmarc_pass")):
        said = " ".join(f"{name}={'pass' if row[f'{name}_pass'] else 'fail'}" for name in ("spf", "dkim", "dmarc"))
        row["authentication_failure_results"] = {
            "authentication_results": f"Authentication-Results: mx.placement.example; {said}",
            "received_spf": f"Received-SPF: {'pass' if row['spf_pass'] else 'fail'}",
        }
    _add_row(world, test, sender, seed, RECEIVED, **row)
    world.placement_tests.change(test, _on_way=test["_on_way"] - 1)
    _review_if_done(world, test)


def _spam_risk(world: World, test: Record, sender: str, seed: Seed) -> float:
    """Cold senders and pushy texts land in spam; Microsoft is stricter, private inboxes are kinder."""
    account = world.accounts.get(sender)
    score = rate(world, account).get("stat_warmup_score") if account else None
    coldness = 1 - (60 if score is None else score) / 100
    text = reports.score(reports.judge_text(test, sender.rpartition("@")[2]))
    risk = 0.05 + 0.6 * coldness + 0.1 * max(text - 1, 0)
    return risk * (1.4 if seed.esp == MICROSOFT else 1) * (0.8 if seed.type == PERSONAL else 1)


def _add_row(world: World, test: Record, sender: str, seed: Seed, kind: int, **more: object) -> Record:
    row = {
        # The demo's first received email has an id that is known beforehand.
        "id": (test.pop("_row_id", None) if kind == RECEIVED else None) or world.uuid7(),
        "timestamp_created": world.stamp(),
        "timestamp_created_date": world.stamp()[:10],
        "organization_id": world.workspace["id"],
        "test_id": test["id"],
        "sender_email": sender,
        "recipient_email": seed.email,
        "recipient_esp": seed.esp,
        "recipient_geo": seed.geo,
        "recipient_type": seed.type,
        "record_type": kind,
        "_run": reports.name_run(test),
    }
    return world.placement_rows.add({**row, **more})


@action
def end_placement_run(world: World, test_id: str, run: int) -> None:
    """Write the reports and do what was to be done automatically; a one-time test is completed."""
    test = world.placement_tests.get(test_id)
    if not test or test["_run"] != run or not test["_running"] or test["_left"] or test["_on_way"]:
        return
    status = test["status"] if test["type"] == AUTOMATED else COMPLETED
    world.placement_tests.change(test, _running=False, status=status)
    changes = reports.write_reports(world, test)
    automations.apply_automations(world, test, changes)
