"""Names that other clients of Instantly use for tools and arguments, and what each is called here.

Models know them from those clients, or from the API itself, which names the same thing differently from endpoint to
endpoint. Sources:
  bcharleson/Instantly-MCP: lead_id, campaign_id and list_id for id; list_ids, status, created_after and created_before
      of list_leads; add_leads_to_campaign_or_list_bulk, move_leads_to_campaign_or_list, manage_account_state and
      get_verification_stats_for_lead_list
  katekruger/instantlymcp: launch_campaign, and campaign_id for the id of a campaign
  rees-bayba/instantly-mcp: send_email; LeadMagic's SmartLead server: the words for blocking and unsubscribing a lead
  public clients of POST /leads/move and of bulk-assign: lead_ids with campaign_id
  Instantly's API, version 1 and the web app's words: account_ids, track_opens, thread_id
"""

from __future__ import annotations

from collections.abc import Collection

from mcp_instantly.suggestions import MAX_NAME_CHARACTERS_COMPARED, split_words

SENDERS = "email_list takes the addresses of the sending accounts."
STEPS = "Texts stand in sequences[0].steps[].variants[]."
HOURS = "It stands in campaign_schedule.schedules[]."
CURSOR = (
    "Pages follow a cursor: starting_after takes next_starting_after of the page before, until a page is empty or "
    "has none."
)
RECIPIENT = "The reply goes to the sender of the email that reply_to_uuid names; it takes no address."
OPPOSITE = "is_unread says the opposite: false for what was read, true for what was not."
TRACKING = "Tracking is set per campaign: open_tracking and link_tracking of update_campaign."
PAUSED = "pause_account and resume_account change the status."
BY_ADDRESS = "An account is named by its address: email."
PLACES = "campaign is where the leads are now, to_campaign_id where they go."
NO_DATES = "Leads cannot be filtered by date here; look at timestamp_created in the result."
ASSIGNED = "organization_user_ids says who gets the leads; assigned_to narrows to those that a user has now."
BODY = 'body takes {"html": ...} or {"text": ...}.'

ANYWHERE: dict[str, tuple[tuple[str, str], ...]] = {
    "lead_ids": (("ids", ""),),
    "campaign_ids": (("ids", ""),),
    "campaign_id": (("campaign", ""),),
    "campaign": (("campaign_id", ""),),
    "list": (("list_id", ""),),
    "account_id": (("email", BY_ADDRESS), ("eaccount", "")),
    "account": (("email", BY_ADDRESS), ("eaccount", "")),
    "email_account": (("email", BY_ADDRESS), ("eaccount", "")),
    "from_email": (("eaccount", ""),),
    "from_account": (("eaccount", ""),),
    "sender": (("eaccount", ""),),
    "account_ids": (("email_list", SENDERS), ("emails", "")),
    "accounts": (("email_list", SENDERS), ("emails", "")),
    "emails": (("email_list", SENDERS), ("contacts", "")),
    "email_accounts": (("email_list", SENDERS), ("emails", "")),
    "sending_accounts": (("email_list", SENDERS), ("emails", "")),
    "from_emails": (("email_list", SENDERS),),
    "senders": (("email_list", SENDERS),),
    "eaccounts": (("email_list", SENDERS),),
    "track_opens": (("open_tracking", ""),),
    "track_clicks": (("link_tracking", ""),),
    "click_tracking": (("link_tracking", ""),),
    "email_gap_minutes": (("email_gap", "Here it is called email_gap, in minutes."),),
    "custom_fields": (("custom_variables", ""),),
    "variables": (("custom_variables", ""),),
    "schedule": (("campaign_schedule", ""), ("subsequence_schedule", "")),
    "page": (("starting_after", CURSOR),),
    "offset": (("starting_after", CURSOR),),
    "cursor": (("starting_after", CURSOR),),
    "page_token": (("starting_after", CURSOR),),
    "next_starting_after": (("starting_after", CURSOR),),
    "page_size": (("limit", ""),),
    "per_page": (("limit", ""),),
    "max_results": (("limit", ""),),
    "query": (("search", ""),),
    "q": (("search", ""),),
    "keyword": (("search", ""),),
    "start_date": (("date_from", ""), ("from", "")),
    "end_date": (("date_to", ""), ("to", "")),
    "date_from": (("start_date", ""),),
    "from_date": (("start_date", ""), ("date_from", "")),
    "date_to": (("end_date", ""),),
    "to_date": (("end_date", ""), ("date_to", "")),
    "url": (("target_hook_url", ""),),
    "webhook_url": (("target_hook_url", ""),),
    "target_url": (("target_hook_url", ""),),
    "callback_url": (("target_hook_url", ""),),
    "events": (("event_type", "event_type takes one event, or all_events."),),
    "event_types": (("event_type", "event_type takes one event, or all_events."),),
}
"""By foreign name: the known name that a tool must have, and a sentence where a new name does not say it all."""

BY_TOOL: dict[str, dict[str, str]] = {
    "move_leads": {
        "campaign_id": PLACES,
        "from_campaign_id": "campaign",
        "source_campaign_id": "campaign",
        "target_campaign_id": "to_campaign_id",
        "destination_campaign_id": "to_campaign_id",
        "from_list_id": "list_id",
        "source_list_id": "list_id",
        "target_list_id": "to_list_id",
        "destination_list_id": "to_list_id",
        "emails": "contacts",
    },
    "bulk_assign_leads": {"user_id": ASSIGNED, "user_ids": ASSIGNED, "assign_to": ASSIGNED},
    "list_leads": {
        "status": "filter takes one FILTER_ value, such as FILTER_VAL_ACTIVE or FILTER_VAL_BOUNCED.",
        "lead_status": "filter takes one FILTER_ value, such as FILTER_VAL_ACTIVE or FILTER_VAL_BOUNCED.",
        "interest_status": "filter takes one FILTER_ value, such as FILTER_LEAD_INTERESTED.",
        "created_after": NO_DATES,
        "created_before": NO_DATES,
        "list_ids": "list_id takes one list; call once for each.",
        "email": "contacts takes addresses, and search a name or an address.",
    },
    "create_lead": {"linkedin_url": "It goes into custom_variables."},
    "update_lead": {
        "status": "The status of a lead cannot be set; update_lead_interest_status sets the interest.",
        "email": "The address of a lead cannot be changed.",
        "campaign": "move_leads moves a lead.",
        "campaign_id": "move_leads moves a lead.",
        "list_id": "move_leads moves a lead.",
    },
    "update_lead_interest_status": {
        "status": "interest_value",
        "interest_status": "interest_value",
        "lt_interest_status": "interest_value",
        "email": "lead_email",
        "id": "A lead is named by its address here: lead_email.",
        "lead_id": "A lead is named by its address here: lead_email.",
    },
    "create_campaign": {
        "subject": STEPS,
        "body": STEPS,
        "steps": STEPS,
        "timezone": HOURS,
        "days": HOURS,
        "tags": "email_tag_list chooses senders by tag; toggle_custom_tag tags a campaign.",
        "tag_ids": "email_tag_list chooses senders by tag; toggle_custom_tag tags a campaign.",
        "status": "A campaign begins as a draft; activate_campaign starts it.",
    },
    "update_campaign": {
        "subject": STEPS,
        "body": STEPS,
        "steps": STEPS,
        "timezone": HOURS,
        "days": HOURS,
        "tags": "email_tag_list chooses senders by tag; toggle_custom_tag tags a campaign.",
        "tag_ids": "email_tag_list chooses senders by tag; toggle_custom_tag tags a campaign.",
        "status": "activate_campaign and pause_campaign change the status.",
    },
    "update_subsequence": {"status": "pause_subsequence and resume_subsequence change the status."},
    "update_lead_finder": {"status": "pause_lead_finder and resume_lead_finder change the status."},
    "update_deliverability_agent": {"status": "pause_deliverability_agent and resume_deliverability_agent change it."},
    "update_webhook": {"status": "resume_webhook switches one on that failed; delete_webhook ends one."},
    "add_campaign_variables": {"campaign_id": "id"},
    "get_campaign_sending_status": {"campaign_id": "id"},
    "get_campaign_analytics": {"campaign_id": "id"},
    "get_campaign_analytics_overview": {"campaign_id": "id"},
    "update_account": {
        "open_tracking": TRACKING,
        "link_tracking": TRACKING,
        "track_opens": TRACKING,
        "status": PAUSED,
        "warmup_enabled": "enable_account_warmup and disable_account_warmup turn warmup on and off.",
    },
    "bulk_pause_accounts": {
        "excluded_emails": "Exactly the accounts in emails are paused; none can be left out of all.",
        "exclude": "Exactly the accounts in emails are paused; none can be left out of all.",
    },
    "toggle_custom_tag": {
        "ids": "resource_ids",
        "include_ids": "resource_ids",
        "account_ids": "resource_ids",
        "campaign_ids": "resource_ids",
        "emails": "resource_ids",
        "exclude_ids": "excluded_resource_ids",
        "action": "assign true attaches the tags, false detaches them.",
    },
    "run_enrichment": {"verify": "create_enrichment with the type email_verification verifies addresses."},
    "list_emails": {
        "thread_id": 'search takes "thread:" and the id of one thread.',
        "is_read": OPPOSITE,
        "read": OPPOSITE,
        "unread_only": "is_unread",
        "email": "lead",
        "lead_email": "lead",
        "lead_id": "lead takes the address of the lead.",
        "created_after": "min_timestamp_created",
        "created_before": "max_timestamp_created",
    },
    "update_email": {"is_read": OPPOSITE, "read": OPPOSITE},
    "reply_to_email": {
        "id": "reply_to_uuid",
        "email_id": "reply_to_uuid",
        "message_id": "reply_to_uuid takes the id of the email in list_emails.",
        "thread_id": 'reply_to_uuid takes the id of one email; list_emails with search "thread:..." shows those of it.',
        "lead_email": RECIPIENT,
        "to": RECIPIENT,
        "to_email": RECIPIENT,
        "cc": "cc_address_email_list",
        "bcc": "bcc_address_email_list",
        "html": BODY,
        "text": BODY,
        "message": BODY,
    },
    "forward_email": {
        "id": "reply_to_uuid",
        "email_id": "reply_to_uuid",
        "to": "to_address_email_list",
        "cc": "cc_address_email_list",
        "bcc": "bcc_address_email_list",
    },
    "create_block_list_entry": {"value": "bl_value", "email": "bl_value", "domain": "bl_value"},
    "bulk_create_block_list_entries": {"values": "bl_values", "emails": "bl_values", "domains": "bl_values"},
}
"""By tool and foreign name: the name here, or a sentence."""

NO_NEW_MAIL = "There is no tool that mails one person: campaigns mail leads, and reply_to_email answers an email."
BLOCKING = "create_block_list_entry keeps an address or a domain from being mailed."

TOOLS: dict[str, str] = {
    "add_leads_to_campaign_or_list_bulk": "bulk_add_leads",
    "add_leads": "bulk_add_leads",
    "add_leads_to_campaign": "bulk_add_leads",
    "create_leads": "bulk_add_leads",
    "move_leads_to_campaign_or_list": "move_leads",
    "get_verification_stats_for_lead_list": "get_lead_list_verification_stats",
    "launch_campaign": "activate_campaign",
    "start_campaign": "activate_campaign",
    "resume_campaign": "activate_campaign",
    "stop_campaign": "pause_campaign",
    "reply_email": "reply_to_email",
    "send_reply": "reply_to_email",
    "block_lead": BLOCKING,
    "block_email": BLOCKING,
    "unsubscribe_lead": BLOCKING,
    "add_to_blocklist": BLOCKING,
    "send_email": NO_NEW_MAIL,
    "send_message": NO_NEW_MAIL,
    "remove_lead": "delete_lead deletes a lead for good; remove_lead_from_subsequence leaves it in its campaign.",
    "mark_email_as_read": "mark_thread_as_read marks a thread; update_email with is_unread false marks one email.",
    "manage_account_state": "pause_account, resume_account, enable_account_warmup, disable_account_warmup and "
    "test_account_vitals each do a part of it.",
}
"""By foreign name of a tool: its name here, or a sentence."""

READING = ("get", "list", "read", "fetch", "find", "search", "show", "view", "retrieve")
SYNONYMS = {"add": "create", "new": "create", "make": "create", "edit": "update", "modify": "update"}
"""Verbs that mean the same; no other verb is ever taken for another one."""


def explain_argument(tool: str, name: str, known: Collection[str]) -> str:
    """What an argument that other clients know is called in this tool, as a sentence; empty for any other."""
    if len(name) > MAX_NAME_CHARACTERS_COMPARED:
        return ""
    plain = "_".join(split_words(name))
    for one, said in BY_TOOL.get(tool, {}).items():
        if one == name or "_".join(split_words(one)) == plain:
            return _called(said)
    for one, answers in ANYWHERE.items():
        if one == name or "_".join(split_words(one)) == plain:
            for here, said in answers:
                if here in known and _counts_alike(name, here):
                    return said or _called(here)
    return _called("id") if "id" in known and _own_id(tool, name) else ""


def _counts_alike(name: str, here: str) -> bool:
    """A list of ids is not an id: lead_ids is ids, and lead_id is not."""
    return name.endswith("s") == here.endswith("s") or not here.rstrip("s").endswith("id")


def _own_id(tool: str, name: str) -> bool:
    """Whether a name such as list_id is the id of what the tool is about: update_lead_list, not create_lead."""
    *noun, last = split_words(name) or ("",)
    return last == "id" and bool(noun) and not name.endswith("s") and [*split_words(tool)][-len(noun) :] == noun


def explain_tool(name: str, known: Collection[str]) -> str:
    """What a tool that other clients know is called here, as a sentence; empty for any other."""
    said = TOOLS.get(name) or _synonym(name, known)
    return _called(said) if said else ""


def _synonym(name: str, known: Collection[str]) -> str:
    verb, _, rest = name.partition("_")
    verbs = READING[:2] if verb in READING else (SYNONYMS.get(verb, ""),)
    found = [f"{one}_{rest}" for one in verbs if f"{one}_{rest}" in known and one != verb]
    return found[0] if found else ""


def _called(said: str) -> str:
    return said if " " in said else f"Here it is called {said}."
