"""Questions that a user had to answer by trial, each with the place where the answer stands now.

A place is what a client is told before it calls (`Described`), what it is told about the result of a call (`Noted`),
the result itself (`Answered`) or its error (`Refused`), or a page for people (`Documented`). The text is read through a
real client; what is looked for is what the answer says, not how it is put.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client

from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import Catalog

from .conftest import ROOT, Connect, answer_of

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
MAYA = "maya.lindqvist@fjordpay.example"
TOM = "tom.okafor@ledgerly.example"
UNDER_WAY = "k.jensen@nordbank.example"
THREADS = ["c0-demoThread0000000000001", "c0-demoThread0000000000002"]
SCHEDULE = {
    "schedules": [
        {
            "name": "Days",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": {"1": True, "2": True},
            "timezone": "America/Chicago",
        }
    ]
}
ACCOUNT = {"email_address_prefix": "ada", "first_name": "Ada", "last_name": "L"}


def as_it_is(world: World) -> None:
    """The demo workspace needs no preparation."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A question, and patterns that the text with its answer has to match, all of them."""

    question: str
    tool: str
    says: tuple[str, ...]
    prepare: Callable[[World], None] = dataclasses.field(default=as_it_is, kw_only=True)

    async def text(self, client: Client) -> str:
        raise NotImplementedError


LISTED: dict[str, Any] = {}


async def listed(client: Client) -> dict[str, Any]:
    """The tools by name, which the first to ask lists for all: every row has a workspace, and none changes them."""
    if not LISTED:
        LISTED.update({tool.name: tool for tool in (await client.list_tools()).tools})
    return LISTED


@dataclasses.dataclass(frozen=True)
class Described(Row):
    """In the description of a tool, or of the argument at a dotted path (`[]`: the items of an array)."""

    argument: str = ""

    async def text(self, client: Client) -> str:
        found = (await listed(client))[self.tool]
        if not self.argument:
            return found.description or ""
        schema: Any = found.input_schema
        for part in self.argument.split("."):
            schema = schema["items"] if part == "[]" else schema["properties"][part]
        return str(schema["description"])


@dataclasses.dataclass(frozen=True)
class Noted(Row):
    """In the note on the result of a call."""

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    async def text(self, client: Client) -> str:
        return str(answer_of(await client.call_tool(self.tool, self.arguments)).get("_note", ""))


@dataclasses.dataclass(frozen=True)
class Answered(Row):
    """In the result of a call."""

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    async def text(self, client: Client) -> str:
        return json.dumps(answer_of(await client.call_tool(self.tool, self.arguments)), ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Refused(Row):
    """In the error of a call."""

    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)

    async def text(self, client: Client) -> str:
        result = await client.call_tool(self.tool, self.arguments)
        assert result.is_error
        return str(result.content[0].text)


@dataclasses.dataclass(frozen=True)
class Documented(Row):
    """On a page; `tool` is its file."""

    async def text(self, client: Client) -> str:
        return re.sub(r"\s+", " ", (ROOT / self.tool).read_text(encoding="utf-8"))


def at_its_limit(world: World) -> None:
    campaign = world.campaigns.get(ACTIVE)
    assert campaign
    world.campaigns.change(campaign, not_sending_status=3)


def without_tags(world: World) -> None:
    for mapping in list(world.custom_tag_mappings):
        world.custom_tag_mappings.remove(mapping["id"])


STOPPING = [
    Described(
        "I blocked somebody who is under way in a campaign: is he still mailed, and what does his status show?",
        "create_block_list_entry",
        (r"leads under way", r"status may stay 1 until", r"-3"),
    ),
    Described(
        "Does the block list stop a reply that I send by hand?",
        "create_block_list_entry",
        (r"may not stop replies and forwards",),
    ),
    Described("Does a blocked domain cover its subdomains?", "create_block_list_entry", (r"not cover its subdomains",)),
    Documented("What exactly stops whom?", "docs/sending.md", (r"lead under way", r"reply or forward by hand")),
    Answered(
        "How do I stop all contact with somebody in one step?",
        "stop_contacting",
        (r"blocked", UNDER_WAY, ACTIVE),
        arguments={"who": [UNDER_WAY]},
    ),
    Described(
        "Does a paused account go on with warmup, and do placement tests use it?",
        "pause_account",
        (r"Warmup goes on", r"placement tests may leave it out without an error"),
    ),
]

HEALTH = [
    Answered(
        "Which campaigns and senders are in trouble?", "get_workspace_overview", (r"eva@brightpath-mail.example",)
    ),
    Answered(
        "What keeps this campaign from being launched?",
        "check_campaign",
        (r"sender|email_list",),
        arguments={"id": DRAFT},
    ),
    Answered("What are the rates, of how many, and which campaigns sent nothing?", "report_campaigns", (r"Logistics",)),
    Described(
        "Where do I see the bounces of a campaign, and of a sender?",
        "get_campaign_sending_status",
        (r"nothing of bounces", r"get_campaign_analytics", r"sender get_daily_account_analytics"),
    ),
    Noted(
        "What does not_sending_status 3 mean?",
        "get_campaign",
        (r"not_sending_status 3: its daily limit is reached",),
        arguments={"id": ACTIVE},
        prepare=at_its_limit,
    ),
    Described(
        "What does it mean in a placement test?",
        "get_inbox_placement_test",
        (r'"other" may mean that a sender is paused or broken',),
    ),
    Described(
        "Which warmup score is healthy, and how old must a mailbox be?",
        "get_warmup_analytics",
        (r"above 90", r"0 before the first", r"new mailbox may need weeks"),
    ),
]

FIGURES = [
    Described(
        "Why is a campaign missing in the analytics?",
        "get_campaign_analytics",
        (r"sent nothing are left out",),
    ),
    Noted(
        "Is this campaign missing because it sent nothing?",
        "get_campaign_analytics",
        (rf"No figures for {DRAFT}", r"sent nothing"),
        arguments={"ids": [ACTIVE, DRAFT]},
    ),
    Described(
        "Are automatic replies among the replies?",
        "get_campaign_analytics",
        (r"reply_count may include automatic", r"reply_count_unique does not"),
    ),
    Described(
        "Where are the bounces per day?", "get_daily_campaign_analytics", (r"No bounces: see get_daily_account",)
    ),
    Described(
        "Does a reply count on its own day or on that of the email?",
        "get_daily_campaign_analytics",
        (r"own day, not on that of the email",),
    ),
    *(
        Described(f"Is end_date included, in {tool}?", tool, (r"for the whole day, add T23",), argument="end_date")
        for tool in (
            "get_campaign_analytics",
            "get_campaign_analytics_overview",
            "get_campaign_steps_analytics",
            "get_daily_campaign_analytics",
        )
    ),
    Answered("How many leads of each kind are there?", "count_leads", (r"bounced", r"complete"), arguments={}),
]

IMPORTS = [
    Noted(
        "Which rows were left out, and why?",
        "bulk_add_leads",
        (r"1 of 4 leads were added", r"1 already there, 1 twice in the call, 1 with an invalid", r"leads\[0\]"),
        arguments={
            "campaign_id": ACTIVE,
            "leads": [
                {"email": MAYA},
                {"email": "new@one.example"},
                {"email": "new@one.example"},
                {"email": "nobody"},
            ],
        },
    ),
    Described(
        "Where do I read what was left out?", "bulk_add_leads", (r"_note, which tells what was left out and why",)
    ),
    Noted(
        "Why is an address with an umlaut not valid?",
        "bulk_add_leads",
        (r"punycode", r"xn--mller-kva\.example"),
        arguments={"campaign_id": DRAFT, "leads": [{"email": "anna@m\u00fcller.example"}]},
    ),
    Answered(
        "What became of each row of my table?",
        "import_rows",
        (r"already there", r'"rows": "1"', r'"added": 1'),
        arguments={"campaign_id": ACTIVE, "csv": f"Email,First Name\n{MAYA},Maya\nzoe@new.example,Zoe"},
    ),
    Described(
        "How do people of a list get into a campaign?",
        "move_leads",
        (r"from a list into a campaign",),
        argument="copy_leads",
    ),
    Described(
        "What happens to the originals of a copy?", "move_leads", (r"originals in place",), argument="copy_leads"
    ),
    Described(
        "What does check_duplicates do, and what with the originals?",
        "move_leads",
        (r"in the target already", r"originals stay"),
        argument="check_duplicates",
    ),
]

PLACEMENT = [
    Described(
        "Is a paused sender refused in a placement test?",
        "create_inbox_placement_test",
        (r"paused or broken senders may be accepted and left out",),
    ),
    Described(
        "What is campaign_id for in a placement test?",
        "create_inbox_placement_test",
        (r"give the text and the senders too",),
        argument="campaign_id",
    ),
    Described(
        "And run_immediately?",
        "create_inbox_placement_test",
        (r"now, besides the schedule",),
        argument="run_immediately",
    ),
    Described(
        "Are {{variables}} filled in a placement test?",
        "create_inbox_placement_test",
        (r"\{\{variables\}\} may not be filled",),
        argument="email_body",
    ),
    Described(
        "How many emails does a test send?",
        "create_inbox_placement_test",
        (r"several seed inboxes", r"every sender writes to all"),
        argument="recipients_labels",
    ),
    Described(
        "Do totals hide that one sender sent little?",
        "get_inbox_placement_stats_by_test",
        (r"all senders together", r"sent little does not show", r"sender_email"),
    ),
]

WEBHOOKS = [
    Described(
        "Do automatic replies come as reply_received?",
        "create_webhook",
        (r"reply_received may deliver automatic replies", r"auto_reply_received"),
    ),
    Described("Did my header arrive, if the test was good?", "test_webhook", (r"not prove that your headers arrived",)),
]

COPY = [
    Described("Does resume_subsequence start a draft?", "resume_subsequence", (r"start a draft",)),
    Described(
        "Does a new subsequence take leads that meet its condition already?",
        "create_subsequence",
        (r"perhaps those too that met them before",),
    ),
    Described(
        "What does the delay of a last step mean, in a subsequence?",
        "create_subsequence",
        (r"nothing after the last",),
        argument="sequences.[].steps.[].delay",
    ),
    Described(
        "And in a campaign?",
        "create_campaign",
        (r"after a step, before the next; after the last it means nothing",),
        argument="sequences",
    ),
    Described(
        "Where does the schedule of a subsequence come from?",
        "create_subsequence",
        (r"Without it, the campaign's",),
        argument="subsequence_schedule",
    ),
    Described(
        "How is a sequence written, when I only change one?",
        "update_campaign",
        (r"steps: \[\{type: \"email\", delay, delay_unit, variants: \[\{subject, body\}\]",),
        argument="sequences",
    ),
    Described(
        "What is pre_delay_unit, which I only see?", "update_campaign", (r"pre_delay_unit too",), argument="sequences"
    ),
    Described(
        "What are several variants, and how are they shared out?",
        "create_campaign",
        (r"A/B test, in equal shares perhaps", r"auto_variant_select"),
        argument="sequences",
    ),
    Described(
        "Which variables are built in?",
        "create_campaign",
        tuple(rf"\{{\{{{name}\}}\}}" for name in ("firstName", "lastName", "companyName", "accountSignature")),
        argument="sequences",
    ),
    Noted(
        "What holds where I set nothing?",
        "create_campaign",
        (r"needed before activate_campaign: email_list, sequences", r"Instantly decides.*stop_on_reply.*open_tracking"),
        arguments={"name": "Bare", "campaign_schedule": SCHEDULE},
    ),
    Answered(
        "How do I change one subject line without sending all back?",
        "edit_sequence",
        (r"A question about payouts",),
        arguments={
            "campaign_id": ACTIVE,
            "edits": [{"action": "change_variant", "step": 1, "variant": "A", "subject": "A question about payouts"}],
        },
    ),
]

MONEY = [
    Described("What if I leave simulation out?", "create_dfy_order", (r"Left out, it BUYS",), argument="simulation"),
    Noted(
        "Did a quote that says order_placed false fail?",
        "create_dfy_order",
        (r"A quote: nothing was ordered",),
        arguments={
            "items": [{"domain": "trybrightpath.com", "accounts": [ACCOUNT]}],
            "order_type": "dfy",
            "simulation": True,
        },
    ),
    Described("In which currency are the prices?", "create_dfy_order", (r"no currency, US dollars perhaps",)),
    Described("How many names does it suggest?", "suggest_similar_domains", (r"dozens", r"show the user a few")),
    Described(
        "What does an enrichment cost?",
        "create_enrichment",
        (r"not documented", r"try a few leads", r"credits_left of get_workspace_overview"),
    ),
    Described(
        "What does a lead cost that is imported from SuperSearch?",
        "enrich_leads_from_supersearch",
        (r"a lead's price is not documented", r"limit of a few"),
    ),
    Described("Does limit cap the credits?", "create_enrichment", (r"limit caps leads, not credits",)),
    Described(
        "What does an enrichment include?",
        "create_enrichment",
        (r"work_email_enrichment finds the address", r"LinkedIn profile"),
        argument="type",
    ),
    Answered(
        "What does SuperSearch call fintech?",
        "search_people_values",
        (r"(?i)fintech", r"(?i)financ"),
        arguments={"words": ["fintech"]},
    ),
    Answered(
        "Which filter emptied my search?",
        "search_people_values",
        (r"level",),
        arguments={"search_filters": {"level": ["VP-Level"], "department": ["Sales"]}},
    ),
]

TAGS = [
    Described(
        "What are these tags called, and how do I filter by one?",
        "list_custom_tag_mappings",
        (r"ids only", r"list_custom_tags has the labels", r"tag_ids of list_accounts and list_campaigns"),
    ),
    Noted(
        "Does an empty list of mappings mean none, or that I should give ids?",
        "list_custom_tag_mappings",
        (r"no tag is attached to anything, or Instantly wants resource_ids",),
        prepare=without_tags,
    ),
]

REPLIES = [
    Noted(
        "Is content_preview the whole text?",
        "list_emails",
        (r"only their beginning, cut without a mark", r"before acting"),
        arguments={"preview_only": True, "email_type": "received"},
    ),
    Answered(
        "What do people write that have not been read yet?",
        "list_emails",
        (r"what would it cost for a team of twelve", r"Could you show us"),
        arguments={"email_type": "received", "is_unread": True, "latest_of_thread": True},
    ),
    Described(
        "What does latest_of_thread do beside other filters?",
        "list_emails",
        (r"newest of email_type", r"must match the other filters too"),
        argument="latest_of_thread",
    ),
    Described(
        "What is ai_interest_value?", "list_emails", (r"ai_interest_value is only the AI's guess",), argument="i_status"
    ),
    Described(
        "Does FILTER_VAL_REPLIED find automatic replies?",
        "list_leads",
        (r"_REPLIED \(automatic replies may not count\)",),
        argument="filter",
    ),
    Answered("Who waits for an answer, and what do they want?", "triage_replies", (r"team of twelve",), arguments={}),
    Described(
        "In which order do I answer, label, and mark as read?",
        "handle_reply",
        (r"(?i)interest", r"(?i)read"),
    ),
    Answered(
        "How do I set the interest of many?",
        "set_interest",
        (MAYA, TOM),
        arguments={
            "leads": [{"lead_email": MAYA, "interest_value": 2}, {"lead_email": TOM}],
            "campaign_id": ACTIVE,
            "interest_value": 1,
        },
    ),
    Answered("How do I mark many as read?", "mark_threads_read", tuple(THREADS), arguments={"thread_ids": THREADS}),
]

KEPT = [
    Described(
        "Which of its ids answers an email?",
        "reply_to_email",
        (r"id", r"not (its )?message_id"),
        argument="reply_to_uuid",
    ),
    Described(
        "What do the numbers of an interest mean?",
        "update_lead_interest_status",
        (r"1 interested", r"-1 not interested", r"0 out of office"),
        argument="interest_value",
    ),
    Noted(
        "Is the interest set now?",
        "update_lead_interest_status",
        (r"Accepted, not done yet", r"list_leads"),
        arguments={"lead_email": MAYA, "interest_value": 1},
    ),
    Described("What does campaign_id alone delete?", "bulk_delete_leads", (r"alone deletes every lead",)),
    Described("What becomes of the steps that I do not send?", "update_campaign", (r"replaced whole", r"rest is lost")),
    Described(
        "Which zone is that of New York?",
        "create_campaign",
        (r"America/Detroit for New York",),
        argument="campaign_schedule",
    ),
    Refused("Was anything sent when it was refused?", "get_lead", (r"Nothing was sent",), arguments={"id": "1"}),
]
"""What helped from the beginning."""

ROWS = [
    *STOPPING,
    *HEALTH,
    *FIGURES,
    *IMPORTS,
    *PLACEMENT,
    *WEBHOOKS,
    *COPY,
    *MONEY,
    *TAGS,
    *REPLIES,
    *KEPT,
]


@pytest.mark.parametrize("row", ROWS, ids=[row.question for row in ROWS])
async def test_a_question_has_its_answer_where_it_is_asked(
    connect: Connect, catalog: Catalog, world: World, row: Row
) -> None:
    row.prepare(world)
    async with connect() as client:
        text = await row.text(client)
    assert [pattern for pattern in row.says if not re.search(pattern, text)] == [], text
