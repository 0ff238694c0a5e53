"""Inbox placement tests: what they send, where it lands, and the numbers that follow from that."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .demo import A_LOOK, ADA, DAY, HOUR, WARM_SENDERS
from .observer import Observer, effect, items_of, without

TESTS = ("get_inbox_placement_test", "list_inbox_placement_tests")
SENT, RECEIVED = 1, 2
TRAITS = ("recipient_esp", "recipient_geo", "recipient_type")


async def _rows(see: Observer, test_id: str, kind: int | None = None) -> list[dict[str, Any]]:
    """Every mail of a test, once for its sending and once for its arrival."""
    rows = await see.all("list_inbox_placement_analytics", test_id=test_id)
    return [row for row in rows if kind in (None, row["record_type"])]


async def _chosen(see: Observer, test_id: str, prefix: str = "") -> list[dict[str, Any]]:
    """The rows that the arguments of a tool choose."""
    first, last = see.given.get(f"{prefix}date_from", ""), see.given.get(f"{prefix}date_to", "~")
    return [
        row
        for row in await _rows(see, test_id)
        if first <= row["timestamp_created_date"] <= last
        and all(row[trait] in see.given.get(trait, [row[trait]]) for trait in TRAITS)
    ]


def _landed(rows: list[dict[str, Any]]) -> Counter[str]:
    received = [row for row in rows if row["record_type"] == RECEIVED]
    return Counter("spam" if row["is_spam"] else "category" if row["has_category"] else "inbox" for row in received)


async def _run(see: Observer, test_id: str) -> None:
    """Let a test run: one that was over runs again, one with a schedule by its schedule."""
    await see.ask("update_inbox_placement_test", id=test_id, status=1)
    see.wait(8 * HOUR)


# tests


@effect
async def create_inbox_placement_test(see: Observer) -> None:
    shown = await see.creates(*TESTS, hidden={"run_immediately"})
    assert shown["status"] == 1
    see.wait(8 * HOUR)
    senders = see.given["emails"]
    for tag in see.given.get("tags", ()):
        senders = [*senders, *await see.ids("list_accounts", key="email", tag_ids=tag)]
    sent = {(row["sender_email"], row["recipient_email"]) for row in await _rows(see, shown["id"], SENT)}
    assert sent == {(sender, recipient) for sender in senders for recipient in shown["recipients"]}
    (stats,) = await see.ask("get_inbox_placement_stats_by_test", test_ids=[shown["id"]])
    assert stats["count"] == len(await _rows(see, shown["id"], RECEIVED)) > 0
    assert await see.all("list_inbox_placement_reports", test_id=shown["id"])
    # One with a schedule goes on.
    after = await see.ask(TESTS[0], id=shown["id"])
    assert after["status"] == (1 if "schedule" in see.given else 3)


@effect
async def get_inbox_placement_test(see: Observer) -> None:
    shown = await see.reads("update_inbox_placement_test", name="Seen", status=2, also={"timestamp_next_run"})
    assert ("metadata" in shown) == ("with_metadata" in see.given)
    if "metadata" in shown:
        await see.ask("update_custom_tag", id=WARM_SENDERS, label="Seen")
        await see.ask("update_campaign", id=shown["campaign_id"], name="Seen, too")
        named = (await see.act())["metadata"]
        assert named["tags"][WARM_SENDERS]["label"] == "Seen"
        assert named["campaign"] == {"id": shown["campaign_id"], "name": "Seen, too"}


@effect
async def list_inbox_placement_tests(see: Observer) -> None:
    async def create() -> str:
        made = await see.ask(
            "create_inbox_placement_test",
            name="Seen",
            **A_LOOK,
            delivery_mode=1,
            emails=[ADA],
            recipients_labels=(await see.all("list_inbox_placement_providers"))[:1],
        )
        return made["id"]

    assert (await see.lists(create))["name"] == "Seen"
    for test in items_of(await see.act()):
        assert test["status"] == see.given.get("status", test["status"])


@effect
async def list_inbox_placement_providers(see: Observer) -> None:
    """Each of them can be chosen, and a test then has recipients there."""
    options = await see.act()
    for option in options:
        made = await see.ask(
            "create_inbox_placement_test",
            name="Seen",
            **A_LOOK,
            delivery_mode=2,
            emails=[ADA],
            recipients_labels=[option],
        )
        shown = await see.ask(TESTS[0], id=made["id"])
        assert shown["recipients_labels"] == [option]
        # An inbox is called after where it stands.
        place = ".".join(option[name].replace(".", "") for name in ("sub_region", "type", "esp")).lower()
        assert {recipient.partition("@")[0][:-2] for recipient in shown["recipients"]} == {f"seed.{place}"}


@effect
async def update_inbox_placement_test(see: Observer) -> None:
    test = see.given["id"]
    await see.updates(TESTS[0], also={"timestamp_next_run"})
    before = await _rows(see, test)
    # It would have run within this hour: not if it is paused, or has another schedule.
    see.wait(HOUR)
    assert await _rows(see, test) == before
    see.wait(DAY + HOUR)
    assert (len(await _rows(see, test)) > len(before)) == ("schedule" in see.given)


@effect
async def delete_inbox_placement_test(see: Observer) -> None:
    rows = await _rows(see, see.given["id"])
    (report,) = await see.all("list_inbox_placement_reports", test_id=see.given["id"])
    await see.ask("get_inbox_placement_analytics", id=rows[0]["id"])
    await see.deletes(*TESTS)
    assert await _rows(see, see.given["id"]) == []
    assert "not found" in await see.refused("get_inbox_placement_analytics", id=rows[0]["id"])
    assert "not found" in await see.refused("get_inbox_placement_report", id=report["id"])


# rows and reports


@effect
async def get_inbox_placement_analytics(see: Observer) -> None:
    row = await see.act()
    assert row in await _rows(see, row["test_id"])
    test = await see.ask(TESTS[0], id=row["test_id"])
    assert row["sender_email"] in test["emails"]
    assert row["recipient_email"] in test["recipients"]
    await see.ask("delete_inbox_placement_test", id=row["test_id"])
    assert "not found" in await see.refused("get_inbox_placement_analytics", **see.given)


@effect
async def list_inbox_placement_analytics(see: Observer) -> None:
    async def agree() -> int:
        rows = await see.all("list_inbox_placement_analytics", **see.given)
        assert items_of(await see.act()) == rows[:10]
        for row in rows:
            assert str(row["recipient_esp"]) in see.given.get("recipient_esp", str(row["recipient_esp"])).split(",")
            assert row["sender_email"] == see.given.get("sender_email", row["sender_email"])
        assert await see.ask("get_inbox_placement_analytics", id=rows[-1]["id"]) == rows[-1]
        return len(rows)

    before = await agree()
    await _run(see, see.given["test_id"])
    assert await agree() > before
    await see.ask("delete_inbox_placement_test", id=see.given["test_id"])
    assert items_of(await see.act()) == []


@effect
async def get_inbox_placement_report(see: Observer) -> None:
    report = await see.act()
    assert report in await see.all("list_inbox_placement_reports", test_id=report["test_id"])
    senders = (await see.ask(TESTS[0], id=report["test_id"]))["emails"]
    assert report["domain"] in {sender.partition("@")[2] for sender in senders}
    await see.ask("delete_inbox_placement_test", id=report["test_id"])
    assert "not found" in await see.refused("get_inbox_placement_report", **see.given)


@effect
async def list_inbox_placement_reports(see: Observer) -> None:
    hidden = ("spam_assassin_report",) if see.given.get("skip_spam_assassin_report") else ()
    (before,) = items_of(await see.act())
    assert before == without(await see.ask("get_inbox_placement_report", id=before["id"]), *hidden)
    await _run(see, see.given["test_id"])
    # Newest first.
    (new, old) = items_of(await see.act())
    assert old == before
    assert new == without(await see.ask("get_inbox_placement_report", id=new["id"]), *hidden)


# numbers


@effect
async def get_inbox_placement_stats_by_test(see: Observer) -> None:
    async def agree() -> list[int]:
        stats = {row["test_id"]: row for row in await see.act()}
        assert list(stats) == see.given["test_ids"]
        for test_id, row in stats.items():
            landed = _landed(await _chosen(see, test_id))
            assert row["count"] == landed.total() > 0
            for name in ("spam", "inbox", "category"):
                assert row[f"{name}_count"] == landed[name]
                assert row[f"{name}_percent"] == round(100 * landed[name] / landed.total(), 2)
        return [row["count"] for row in stats.values()]

    before = await agree()
    for test_id in see.given["test_ids"]:
        await _run(see, test_id)
    assert all(new > old for new, old in zip(await agree(), before, strict=True))


@effect
async def get_inbox_placement_stats_by_date(see: Observer) -> None:
    async def agree() -> list[str]:
        days = {row["timestamp_created_date"]: row for row in await see.act()}
        rows = await _chosen(see, see.given["test_id"])
        assert set(days) == {row["timestamp_created_date"] for row in rows}
        for day, counts in days.items():
            there = [row for row in rows if row["timestamp_created_date"] == day]
            landed = _landed(there)
            assert counts["sent_count"] == sum(row["record_type"] == SENT for row in there)
            assert counts["received_count"] == landed.total()
            assert {name: counts[f"{name}_count"] for name in ("spam", "inbox", "category")} == {
                name: landed[name] for name in ("spam", "inbox", "category")
            }
        return list(days)

    before = await agree()
    await _run(see, see.given["test_id"])
    assert await agree() == [*before, "2026-09-07"]


@effect
async def get_deliverability_insights(see: Observer) -> None:
    async def agree() -> list[dict[str, Any]]:
        found = await see.act()
        for prefix, earlier in (("", ""), *((("prev_", "previous_"),) if see.given.get("show_previous") else ())):
            rows = await _chosen(see, see.given["test_id"], earlier)
            assert rows
            for pair in found:
                landed = _landed(
                    [row for row in rows if row["recipient_esp"] == pair["recipient_esp"] and row.get("sender_esp")]
                )
                for name in ("spam", "inbox", "category"):
                    share = round(100 * landed[name] / landed.total(), 2)
                    assert pair[f"{prefix}{name}_percentage"] == share
        assert {pair["recipient_esp"] for pair in found} == {row["recipient_esp"] for row in rows}
        return found

    before = await agree()
    await _run(see, see.given["test_id"])
    assert await agree() != before
