"""Campaigns of all kinds at once, drawn by a seed: whatever is asked for, every email keeps to the rules."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import zoneinfo
from collections import Counter, defaultdict
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import DAY, HOUR, Wait, add, diagnosis, sender, step

pytestmark = pytest.mark.anyio

ZONES = ("America/Detroit", "Pacific/Apia", "America/Chicago", "Asia/Kolkata", "Europe/Belgrade")
WORDS = ("", "", "", "", ".reply", ".replies", ".ooo", ".bounce", ".unsubscribe", ".catchall")
UNITS = {"minutes": 60, "hours": HOUR, "days": DAY}
CAMPAIGN, RECEIVED = 1, 2


class Draw:
    """Settings of a world, drawn one after the other."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.blocked: dict[str, str] = {}  # since when, by domain
        self.moved: set[str] = set()  # ids of leads that somebody has put elsewhere

    def maybe(self, value: Any, likelihood: float = 0.5) -> Any:
        return value if self.random.random() < likelihood else None

    def window(self, zone: str) -> dict[str, Any]:
        hours = self.random.sample(range(24), 2)
        days = self.random.sample(range(7), self.random.randint(1, 7))
        return {
            "name": "Drawn",
            "timing": {"from": f"{hours[0]:02d}:{self.random.choice((0, 30)):02d}", "to": f"{hours[1]:02d}:00"},
            "days": {str(day): True for day in days},
            "timezone": zone,
        }

    def schedule(self) -> dict[str, Any]:
        windows = [self.window(self.random.choice(ZONES)) for _ in range(self.random.randint(1, 2))]
        return {"schedules": windows, "start_date": self.maybe("2026-09-09"), "end_date": self.maybe("2026-10-15", 0.2)}

    def steps(self) -> list[dict[str, Any]]:
        found = []
        for number in range(self.random.randint(1, 4)):
            unit = self.random.choice(list(UNITS))
            subject = "" if number and self.random.random() < 0.5 else f"Step {number}"
            variants = [(subject, '<p><a href="https://ours.example">See</a></p>')] * self.random.randint(1, 2)
            found.append(step(*variants, delay=self.random.randint(1, 5), delay_unit=unit))
        return found

    def people(self, tag: str) -> list[str]:
        return [
            f"p{tag}{n}{self.random.choice(WORDS)}@company{self.random.randrange(15)}.example"
            for n in range(self.random.randint(15, 50))
        ]

    def campaign(self, name: str, accounts: list[str]) -> dict[str, Any]:
        settings = {
            "name": name,
            "campaign_schedule": {k: v for k, v in self.schedule().items() if v},
            "sequences": [{"steps": self.steps()}],
            "email_list": self.random.sample(accounts, self.random.randint(1, len(accounts))),
            "email_gap": self.random.randint(1, 30),
            "random_wait_max": self.maybe(self.random.randint(1, 30)),
            "daily_limit": self.maybe(self.random.randint(1, 20)),
            "daily_max_leads": self.maybe(self.random.randint(1, 9)),
            "limit_emails_per_company_override": self.maybe(
                {
                    "mode": "custom",
                    "daily_limit": self.random.randint(1, 3),
                    "scope": self.random.choice(("per_campaign", "across_workspace")),
                }
            ),
        }
        flags = ("stop_on_reply", "stop_on_auto_reply", "stop_for_company", "match_lead_esp", "open_tracking")
        flags += ("link_tracking", "prioritize_new_leads", "insert_unsubscribe_header", "disable_bounce_protect")
        settings.update({flag: self.random.random() < 0.5 for flag in flags})
        return {name: value for name, value in settings.items() if value is not None}

    def subsequence(self, campaign_id: str) -> dict[str, Any]:
        mode = self.random.choice(("inherit", "custom", "unlimited"))
        settings = {
            "parent_campaign": campaign_id,
            "name": "Drawn",
            "conditions": {"lead_activity": self.random.sample((2, 4, 91), self.random.randint(1, 3))},
            "sequences": [{"steps": [{**found, "pre_delay": 1} for found in self.steps()]}],
            "subsequence_schedule": self.maybe({"schedules": [self.window(self.random.choice(ZONES))]}),
            "daily_limit_mode": mode,
            "daily_limit": self.random.randint(1, 9) if mode == "custom" else None,
            "ignore_account_daily_limit": self.random.random() < 0.3,
        }
        return {name: value for name, value in settings.items() if value is not None}


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def is_inside(schedule: dict[str, Any], at: dt.datetime) -> bool:
    """Whether a schedule has a window at this instant, by the clock on the wall."""
    for window in schedule["schedules"]:
        local = at.astimezone(zoneinfo.ZoneInfo(window["timezone"]))
        opens, closes = window["timing"]["from"], window["timing"]["to"]
        clock, day = f"{local:%H:%M}", local.date()
        if opens >= closes and clock < closes:
            day -= dt.timedelta(days=1)
        inside = opens <= clock < closes if opens < closes else clock >= opens or clock < closes
        runs = schedule.get("start_date", "") <= day.isoformat() <= schedule.get("end_date", "~")
        if inside and runs and window["days"].get(str(day.isoweekday() % 7)):
            return True
    return False


def date_in(schedule: dict[str, Any], at: dt.datetime) -> dt.date:
    return at.astimezone(zoneinfo.ZoneInfo(schedule["schedules"][0]["timezone"])).date()


class Emails:
    """What was sent, and what it should have kept to."""

    def __init__(self, world: World, draw: Draw, campaigns: list[dict[str, Any]], subsequences: list[dict[str, Any]]):
        self.world, self.draw = world, draw
        self.flows = {flow["id"]: flow for flow in campaigns + subsequences}
        wanted = {campaign["id"] for campaign in campaigns}
        self.all = [mail for mail in world.emails if mail.get("campaign_id") in wanted]
        self.sent = [mail for mail in self.all if mail["ue_type"] == CAMPAIGN]

    def flow(self, mail: dict[str, Any]) -> dict[str, Any]:
        return self.flows[mail.get("subsequence_id") or mail["campaign_id"]]

    def schedule(self, mail: dict[str, Any]) -> dict[str, Any]:
        return self.flow(mail).get("subsequence_schedule") or self.flows[mail["campaign_id"]]["campaign_schedule"]

    def check(self) -> None:
        for mail in self.sent:
            assert is_inside(self.schedule(mail), instant(mail["timestamp_email"])), mail
            assert mail["eaccount"] in self.flows[mail["campaign_id"]]["email_list"]
            assert mail["timestamp_email"] <= self.draw.blocked.get(mail["lead"].partition("@")[2], "~"), mail
        self.check_senders()
        self.check_days()
        self.check_companies()
        self.check_leads()

    def check_senders(self) -> None:
        by_sender = defaultdict(list)
        for mail in self.sent:
            by_sender[mail["eaccount"]].append(mail)
        for email, mails in by_sender.items():
            account = self.world.accounts.get(email)
            heeding = [mail for mail in mails if not self.flow(mail).get("ignore_account_daily_limit")]
            days = sorted(Counter(mail["timestamp_email"][:10] for mail in mails).items())
            for date, _ in days:
                total = sum(mail["timestamp_email"].startswith(date) for mail in heeding)
                assert total <= account["daily_limit"], (email, date)
            if account.get("enable_slow_ramp") and len(heeding) == len(mails):
                began = dt.date.fromisoformat(days[0][0])
                assert all(n <= 2 * ((dt.date.fromisoformat(date) - began).days + 1) for date, n in days)
            for early, late in itertools.pairwise(mails):
                gap = self.flows[early["campaign_id"]]["email_gap"] * 60
                apart = (instant(late["timestamp_email"]) - instant(early["timestamp_email"])).total_seconds()
                assert apart >= max(gap, account.get("sending_gap", 0) * 60) - 0.001, (email, early, late)

    def check_days(self) -> None:
        per_flow: Counter[Any] = Counter()
        begun: Counter[Any] = Counter()
        known = set()
        for mail in self.sent:
            flow, at = self.flow(mail), instant(mail["timestamp_email"])
            per_flow[flow["id"], date_in(self.schedule(mail), at)] += 1
            if mail["lead_id"] not in known:
                known.add(mail["lead_id"])
                campaign = self.flows[mail["campaign_id"]]
                begun[campaign["id"], date_in(campaign["campaign_schedule"], at)] += 1
        for (flow_id, _), number in per_flow.items():
            flow = self.flows[flow_id]
            limit = flow.get("daily_limit")
            if "parent_campaign" in flow and flow.get("daily_limit_mode") != "custom":
                inherits = flow.get("daily_limit_mode", "inherit") == "inherit"
                limit = self.flows[flow["parent_campaign"]].get("daily_limit") if inherits else None
            assert limit is None or number <= limit, flow
        for (campaign_id, _), number in begun.items():
            limit = self.flows[campaign_id].get("daily_max_leads")
            assert limit is None or number <= limit, self.flows[campaign_id]

    def check_companies(self) -> None:
        for campaign in self.flows.values():
            wanted = campaign.get("limit_emails_per_company_override")
            if not wanted:
                continue
            everywhere = wanted["scope"] == "across_workspace"
            found: Counter[Any] = Counter()
            for mail in self.sent:
                at = instant(mail["timestamp_email"])
                day = at.date() if everywhere else date_in(campaign["campaign_schedule"], at)
                company = mail["lead"].partition("@")[2]
                if everywhere or mail["campaign_id"] == campaign["id"]:
                    found[company, day] += 1
                # Other campaigns may write on; this one may not once the company has had its emails.
                assert mail["campaign_id"] != campaign["id"] or found[company, day] <= wanted["daily_limit"]

    def check_leads(self) -> None:
        by_lead = defaultdict(list)
        for mail in self.all:
            by_lead[mail["lead_id"]].append(mail)
        for lead_id, mails in by_lead.items():
            mails.sort(key=lambda mail: mail["timestamp_email"])
            if lead_id not in self.draw.moved:
                self.check_steps(mails)
            gone = [mail.get("_bounced") or mail.get("_unsubscribed") for mail in mails]
            ended = min(filter(None, gone), default="~")
            late = [mail for mail in mails if mail["ue_type"] == CAMPAIGN and mail["timestamp_email"] > ended]
            assert not late, ("written to after a bounce or an unsubscription", mails)

    def check_steps(self, mails: list[dict[str, Any]]) -> None:
        campaign = self.flows[mails[0]["campaign_id"]]
        last: dict[str, dict[str, Any]] = {}
        over = None  # since when nothing may be sent any more in this flow, and in any
        for mail in mails:
            if mail["ue_type"] == RECEIVED:
                stops = campaign.get("stop_on_auto_reply" if mail["is_auto_reply"] else "stop_on_reply")
                if stops:
                    over = mail.get("subsequence_id") or mail["campaign_id"]
                continue
            flow, number = self.flow(mail), int(mail["step"].split("_")[1])
            assert over != flow["id"], ("written to after an answer", mails)
            before = last.get(flow["id"])
            # Every step once, in order, and after its delay.
            assert number == (int(before["step"].split("_")[1]) + 1 if before else 0), mails
            if before:
                found = flow["sequences"][0]["steps"][number - 1]
                due = instant(before["timestamp_email"]) + dt.timedelta(
                    seconds=found["delay"] * UNITS[found["delay_unit"]]
                )
                assert instant(mail["timestamp_email"]) >= due, mails
            last[flow["id"]] = mail


@pytest.mark.parametrize("seed", [*range(12), 2135])
async def test_every_email_keeps_to_the_rules(api: httpx.AsyncClient, world: World, wait: Wait, seed: int) -> None:
    draw = Draw(seed)
    accounts = [
        await sender(
            api,
            f"s{number}@ours.example",
            provider=draw.random.choice((1, 2, 3)),
            daily_limit=draw.random.randint(3, 30),
            enable_slow_ramp=draw.random.random() < 0.3,
            sending_gap=draw.random.choice((0, 0, 5, 45)),
        )
        for number in range(draw.random.randint(2, 4))
    ]
    campaigns, subsequences = [], []
    for number in range(3):
        made = (await api.post("/campaigns", json=draw.campaign(f"Drawn {number}", accounts))).json()
        campaigns.append(made)
        await add(api, made["id"], draw.people(f"{number}x"))
        if draw.maybe(True, 0.7):
            answer = await api.post("/subsequences", json=draw.subsequence(made["id"]))
            assert answer.status_code == 200, answer.text
            subsequences.append(answer.json())
            await api.post(f"/subsequences/{answer.json()['id']}/resume")
        await api.post(f"/campaigns/{made['id']}/activate")
    for _ in range(40):
        for _ in range(3):
            await meddle(api, world, draw, campaigns, accounts)
        wait(DAY)
    emails = Emails(world, draw, campaigns, subsequences)
    assert emails.sent
    emails.check()
    for made in campaigns:
        # What is said to send has done so since its windows were last open.
        if (await diagnosis(api, made["id"]))["status"] == "healthy":
            recent = world.now() - dt.timedelta(days=8)
            assert any(m["campaign_id"] == made["id"] and instant(m["timestamp_email"]) > recent for m in emails.sent)


async def meddle(
    api: httpx.AsyncClient, world: World, draw: Draw, campaigns: list[dict[str, Any]], accounts: list[str]
) -> None:
    """What people do while campaigns run."""
    campaign_id, account = draw.random.choice(campaigns)["id"], draw.random.choice(accounts)
    lead = draw.random.choice([lead for lead in world.leads if lead.get("campaign") in world.campaigns])
    what = draw.random.randrange(36)
    if what == 0:
        await api.post(f"/campaigns/{campaign_id}/pause")
    elif what == 1:
        await api.post(f"/campaigns/{campaign_id}/activate")
    elif what == 2:
        await api.post(f"/accounts/{account}/pause")
    elif what == 3:
        await api.post(f"/accounts/{account}/resume")
    elif what == 4:
        await add(api, campaign_id, draw.people(f"{draw.random.randrange(10**6)}y"))
    elif what == 5:
        await api.patch(f"/campaigns/{campaign_id}", json={"name": "Renamed"})
    elif what == 6 and len(draw.blocked) < 3:
        domain = lead["email"].partition("@")[2]
        draw.blocked.setdefault(domain, world.stamp())
        await api.post("/block-lists-entries", json={"bl_value": domain})
    elif what == 7:
        await api.delete(f"/leads/{lead['id']}")
    elif what == 8:
        interest = draw.random.choice((1, 2, -1, None))
        await api.post("/leads/update-interest-status", json={"lead_email": lead["email"], "interest_value": interest})
    elif what in (9, 10):
        draw.moved.add(lead["id"])
        if "subsequence_id" in lead:
            await api.post("/leads/subsequence/remove", json={"id": lead["id"]})
        for subsequence in world.subsequences.where(parent_campaign=lead["campaign"]):
            body = {"id": lead["id"], "subsequence_id": subsequence["id"]}
            assert (await api.post("/leads/subsequence/move", json=body)).status_code == 200
