"""What a sales agent does with campaigns: it makes, changes, pauses and stops them."""

from __future__ import annotations

from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.resources.agents.sales_records import linked_campaigns, settings_of
from mcp_instantly.sandbox.resources.agents.sales_work import CannotDo, decide_soon, doer
from mcp_instantly.sandbox.resources.campaigns.campaigns import ACTIVE as RUNNING
from mcp_instantly.sandbox.resources.campaigns.campaigns import PAUSED, SETTINGS, add_draft, change, with_units
from mcp_instantly.sandbox.sending import dispatch
from mcp_instantly.sandbox.sending.flows import FINISHED
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

HANDED_ON = (
    "campaign_schedule",
    "email_list",
    "email_tag_list",
    "daily_limit",
    "stop_on_reply",
    "open_tracking",
    "first_email_text_only",
    "prioritize_new_leads",
    "match_lead_esp",
)
"""The outreach settings that are settings of campaigns."""

OFFICE_HOURS: Record = {
    "schedules": [
        {
            "name": "Office hours",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": {str(day): 1 <= day <= 5 for day in range(7)},
            "timezone": "America/Detroit",
        }
    ]
}


@doer("create_campaign", "initial_setup_campaigns")
def make_campaign(world: World, agent: Record, activity: Record) -> Record:
    """The campaign is the agent's, and runs if the agent does."""
    proposed = activity["action_payload"]
    senders = [account["email"] for account in world.accounts if account.get("status") == 1]
    settings = {
        "campaign_schedule": OFFICE_HOURS,
        "email_list": senders,
        "stop_on_reply": True,
        **handed_on(agent),
        "name": proposed["name"],
        "sequences": proposed["sequences"],
        "ai_sdr_id": agent["id"],
    }
    campaign = add_draft(world, with_units(settings))
    runs = agent["status"] == ACTIVE
    change(world, campaign, status=RUNNING if runs else PAUSED)
    if runs:
        dispatch.start(world, campaign["id"])
        decide_soon(world, agent)
    return {"campaign_id": campaign["id"]}


def handed_on(agent: Record) -> Record:
    """An agent's outreach settings, as its campaigns have them."""
    outreach = settings_of(agent, "outreach_settings")
    return {name: outreach[name] for name in HANDED_ON if outreach.get(name) is not None}


def campaign_of(world: World, agent: Record, activity: Record) -> Record:
    campaign = world.campaigns.get(activity["action_payload"].get("campaign_id", ""))
    if campaign is None or campaign.get("ai_sdr_id") != agent["id"]:
        raise CannotDo("campaign_operation_failed", "The campaign is gone")
    return campaign


@doer("edit_campaign")
def edit_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = campaign_of(world, agent, activity)
    changes = {name: value for name, value in activity["action_payload"]["changes"].items() if name in SETTINGS}
    change(world, campaign, **with_units(changes))
    if campaign["status"] == RUNNING:
        dispatch.start(world, campaign["id"])
    return {"campaign_id": campaign["id"], "changed": sorted(changes)}


@doer("pause_campaign")
def pause_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = campaign_of(world, agent, activity)
    change(world, campaign, status=PAUSED)
    return {"campaign_id": campaign["id"]}


@doer("stop_campaign")
def stop_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = campaign_of(world, agent, activity)
    change(world, campaign, status=FINISHED)
    return {"campaign_id": campaign["id"]}


def pause_campaigns(world: World, agent: Record) -> None:
    for campaign in linked_campaigns(world, agent):
        if campaign["status"] == RUNNING:
            change(world, campaign, status=PAUSED)


def resume_campaigns(world: World, agent: Record) -> None:
    for campaign in linked_campaigns(world, agent):
        if campaign["status"] == PAUSED:
            change(world, campaign, status=RUNNING)
            dispatch.start(world, campaign["id"])


def hand_on(world: World, agent: Record) -> None:
    """Give the campaigns of an agent its outreach settings; running ones send by them at once."""
    settings = handed_on(agent)
    for campaign in linked_campaigns(world, agent) if settings else ():
        change(world, campaign, **settings)
        if campaign["status"] == RUNNING:
            dispatch.start(world, campaign["id"])


def open_campaign(world: World, agent: Record) -> Record | None:
    """The campaign that new leads of an agent are for: the newest that is not finished."""
    found = [campaign for campaign in linked_campaigns(world, agent) if campaign["status"] != FINISHED]
    return found[-1] if found else None


def first_campaign(agent: Record) -> Record:
    """The campaign that an agent proposes from what it knows."""
    memory = settings_of(agent, "memory")
    offers = memory.get("business_offers") or ["a short call"]
    company = memory.get("company") or agent["name"]
    first = (
        f"<p>Hi {{{{firstName}}}},</p><p>{company} works with companies like {{{{companyName}}}}. "
        f"May I offer {offers[0]}?</p>"
    )
    steps = [("Question for {{companyName}}", first), ("", "<p>Hi {{firstName}},</p><p>did this reach you?</p>")]
    return {
        "name": f"{agent['name']}: first campaign",
        "sequences": [
            {
                "steps": [
                    {"type": "email", "delay": 2, "variants": [{"subject": subject, "body": body}]}
                    for subject, body in steps
                ]
            }
        ],
    }
