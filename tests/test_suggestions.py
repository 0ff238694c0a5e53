"""What is said of names that nobody knows: the right name, or nothing; never the opposite."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.errors import InvalidArguments, UnknownTool
from mcp_instantly.suggestions import find_meant, misspelt, opposed, split_words
from mcp_instantly.tools.catalog import Catalog, load_catalog, select
from mcp_instantly.tools.foreign_names import ANYWHERE, BY_TOOL, TOOLS, explain_tool

from .conftest import Connect

CATALOG = load_catalog()

EVERYDAY = re.findall(
    r"\w+",
    """
account account_email account_id account_ids accounts action active active_only add add_to_list after agent_id all
all_accounts all_leads archive archived assigned_user attachments auto bcc bcc_list before blacklist block blocked body
bounced bulk campaign campaign_id campaign_ids campaign_name campaigns category cc cc_list city clear color column
company company_size condition confirm contact contact_ids contacts content copy count country created_after
created_before cursor custom_fields daily daily_limit data date date_from date_range date_to days delete delete_all
delete_leads description destination_id disable disabled domain done dry_run duplicate email email_account
email_accounts email_address email_body email_id email_list email_subject emails enable enabled end end_date event
events exclude exclude_emails exclude_ids excluded excluded_emails exclude_tags expand field filters first_line folder
force format from from_campaign from_date from_email from_list full_name group header hidden html id ids ignore include
include_all include_archived include_emails include_ids include_tags inactive industry interest interested is_active
is_bounced is_enabled is_paused is_read is_replied is_seen is_sent is_unread keep keyword label label_id labels lead
lead_email lead_emails lead_id lead_ids lead_list lead_status leads limit list list_id list_ids lists location mailbox
mark_as_read mark_read max max_count max_date max_leads max_results merge message message_id min min_count min_date mode
move move_to name new_name next_page not_contacted notes offset only open_tracking opened order order_by
organization_id overwrite owner owner_id page page_size password paused per_page phone phone_number priority prompt
provider public q query read recipient remove remove_duplicates remove_from_campaign remove_tags replace replied reply
reset restore resume schedule scheduled search search_query send send_now sender senders sent sequence sequences
signature since size skip skip_bounced skip_duplicates sort sort_by sort_order source source_campaign_id start
start_date state status step stop subject tag tag_id tag_ids tags target target_campaign_id test text thread thread_id
timezone title to to_campaign to_date to_email to_list total track_clicks track_opens tracking tracking_domain type
unread unsubscribe unsubscribed until update update_all url user user_id user_ids value variables verified verify
verify_emails view warmup warmup_enabled webhook webhook_url website workspace workspace_id
""",
)
"""Names that people and models give to arguments."""

OPPOSITES = [
    ("exclude", "include"),
    ("read", "unread"),
    ("cc", "bcc"),
    ("overwrite", "remove", "reset", "delete", "add", "create", "clear", "update", "replace", "keep"),
    ("enable", "disable"),
    ("min", "max"),
    ("before", "after", "starting"),
    ("from", "to"),
    ("start", "end", "stop"),
    ("source", "destination", "target"),
    ("skip", "check", "verify", "allow"),
    ("all", "only", "first", "last"),
    ("move", "copy", "merge", "block", "forward", "reply", "send", "search", "pause", "resume", "activate", "cancel"),
    ("open", "link", "click"),
    ("imap", "smtp"),
]
TURNING = {word for words in OPPOSITES for word in words} | {"not", "no", "un", "without", "ignore", "user", "selected"}


def crosses(name: str, meant: str) -> bool:
    return bool((set(split_words(name)) ^ set(split_words(meant))) & TURNING)


def said_of(tool: str, arguments: dict[str, Any]) -> str:
    """What is said of unknown arguments, beside whatever else is wrong with the call."""
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(CATALOG.operations[tool], arguments)
    return " ".join(problem for problem in caught.value.problems if ": unknown" in problem)


def test_no_everyday_name_is_answered_with_its_opposite_by_any_tool() -> None:
    assert len(EVERYDAY) > 190
    suggested = 0
    for operation in CATALOG.operations.values():
        known = list(operation.input_schema["properties"])
        for name in set(EVERYDAY) - set(known):
            meant = find_meant(name, known)
            if meant:
                suggested += 1
                assert not crosses(name, meant), (operation.name, name, meant)
                assert not opposed(name, meant), (operation.name, name, meant)
    assert suggested > 50


def test_no_argument_of_a_tool_is_taken_for_another_one_of_it() -> None:
    """Every name of the API is asked of each tool that has it among others: a name is only close to itself."""
    for operation in CATALOG.operations.values():
        known = list(operation.input_schema["properties"])
        for name in known:
            others = [other for other in known if other != name]
            meant = misspelt(name, others)
            assert meant is None or split_words(meant) == split_words(name), (operation.name, name, meant)


VERBS = re.findall(
    r"\w+",
    """
    activate add archive assign block cancel copy create delete disable enable export forward get import launch list
    mark merge move pause read remove reply reset resume run schedule search send share start stop tag test unblock
    unsubscribe update verify
""",
)


def test_no_tool_is_answered_with_one_of_another_verb() -> None:
    nouns = {name.partition("_")[2] for name in CATALOG.operations}
    for verb in VERBS:
        for noun in nouns:
            name = f"{verb}_{noun}"
            if name in CATALOG.operations:
                continue
            meant = find_meant(name, list(CATALOG.operations))
            if meant:
                assert verb in split_words(meant), (name, meant)


@pytest.mark.parametrize(
    ("tool", "given", "right", "wrong"),
    [
        ("move_leads", "lead_ids", "Here it is called ids.", "excluded_ids?"),
        ("move_leads", "campaign_id", "campaign is where the leads are now, to_campaign_id where they go.", "mean"),
        ("bulk_assign_leads", "lead_ids", "Here it is called ids.", "mean"),
        ("create_campaign", "account_ids", "email_list takes the addresses", "cc_list?"),
        ("create_campaign", "emails", "email_list takes the addresses", "mean"),
        ("create_campaign", "track_opens", "Here it is called open_tracking.", "mean"),
        ("update_lead", "status", "cannot be set", "lt_interest_status?"),
        ("update_lead_finder", "status", "pause_lead_finder and resume_lead_finder", "Allowed:"),
        ("update_webhook", "status", "resume_webhook", "Allowed:"),
        ("update_account", "open_tracking", "set per campaign", "remove_tracking_domain?"),
        ("run_enrichment", "verify", "email_verification", "overwrite?"),
        ("bulk_pause_accounts", "excluded_emails", "none can be left out", "mean emails"),
        ("toggle_custom_tag", "include_ids", "Here it is called resource_ids.", "excluded"),
        ("list_emails", "is_read", "is_unread says the opposite", "mean"),
        ("list_emails", "thread_id", 'search takes "thread:"', "list_id?"),
        ("list_leads", "status", "filter takes one FILTER_ value", "contacts?"),
        ("list_leads", "created_after", "cannot be filtered by date", "starting_after?"),
        ("reply_to_email", "lead_email", "takes no address", "cc_address_email_list?"),
        ("update_lead_list", "list_id", "Here it is called id.", "mean"),
        ("get_lead", "lead_id", "Here it is called id.", "mean"),
        ("list_campaigns", "page", "Pages follow a cursor", "mean"),
        ("create_campaign", "nme", "Did you mean name?", "Allowed:"),
        ("update_lead", "interest_status", "Did you mean lt_interest_status?", "Allowed:"),
        ("move_leads", "toCampaignId", "Did you mean to_campaign_id?", "Allowed:"),
        ("disable_account_warmup", "exclude_emails", "Did you mean excluded_emails?", "Allowed:"),
    ],
)
def test_a_name_of_another_client_is_answered_with_what_it_is_here(
    tool: str, given: str, right: str, wrong: str
) -> None:
    said = said_of(tool, {given: "x"})
    assert right in said
    assert wrong not in said


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("block_lead", "create_block_list_entry keeps an address"),
        ("unsubscribe_lead", "create_block_list_entry keeps an address"),
        ("read_email", "Here it is called get_email."),
        ("search_leads", "Here it is called list_leads."),
        ("get_leads", "Here it is called list_leads."),
        ("add_lead", "Here it is called create_lead."),
        ("archive_email", ""),
        ("cancel_order", ""),
        ("cancel_workspace", ""),
        ("delete_campaign_step", ""),
        ("remove_lead", "delete_lead deletes a lead for good"),
        ("move_leads_to_campaign_or_list", "Here it is called move_leads."),
        ("launch_campaign", "Here it is called activate_campaign."),
        ("send_email", "There is no tool that mails one person"),
        ("create_leed", "Did you mean create_lead?"),
        ("campaign_activate", "Did you mean activate_campaign?"),
        ("enable_warmup", "Did you mean enable_account_warmup?"),
    ],
)
def test_a_tool_of_another_server_is_answered_with_what_it_is_here(catalog: Catalog, name: str, right: str) -> None:
    with pytest.raises(UnknownTool) as caught:
        select(catalog).find(name)
    assert right in str(caught.value)
    if not right:
        assert str(caught.value) == f"There is no tool '{name}'. See the list of tools."


def test_every_name_that_the_tables_point_to_exists() -> None:
    names = set(CATALOG.operations)
    arguments = {name for op in CATALOG.operations.values() for name in op.input_schema["properties"]}
    for tool, foreign in BY_TOOL.items():
        known = CATALOG.operations[tool].input_schema["properties"]
        assert not foreign.keys() & known.keys(), tool
        assert all(" " in said or said in known for said in foreign.values()), tool
    assert all(here in arguments for answers in ANYWHERE.values() for here, _ in answers)
    assert not TOOLS.keys() & names
    assert all(" " in said or said in names for said in TOOLS.values())
    assert explain_tool("create_lead_list_of_leads", names) == ""


def test_known_names_are_listed_once_however_many_are_unknown() -> None:
    said = said_of("get_lead", {"id": "01991f00-0001-7000-8000-000000000001", "xyzzy": 1, "plugh": 2})
    assert said == "xyzzy, plugh: unknown. Allowed: id, fields."


@pytest.mark.parametrize(
    ("tool", "argument", "value", "never"),
    [
        ("move_leads", "filter", "FILTER_LEAD_UNINTERESTED", "Did you mean"),
        ("move_leads", "filter", "FILTER_VAL_UNREPLIED", "Did you mean"),
        ("move_leads", "filter", "FILTER_VAL_UNCONTACTED", "Did you mean"),
        ("create_webhook", "event_type", "lead_uninterested", "Did you mean"),
        ("create_api_key", "scopes", ["leads:remove"], "Closest"),
        ("create_workspace_member", "permissions", ["leads.remove"], "Did you mean"),
    ],
)
def test_a_value_that_is_not_listed_is_never_answered_with_its_opposite(
    tool: str, argument: str, value: Any, never: str
) -> None:
    given = {**CATALOG.operations[tool].examples[0], argument: value}
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(CATALOG.operations[tool], given)
    assert never not in str(caught.value)


def test_a_misspelt_value_of_a_long_list_is_answered_with_the_one_that_is_meant() -> None:
    filters = {"search_filters": {"industry": {"include": ["Software and Internet"]}, "level": ["Onwer"]}}
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(CATALOG.operations["count_supersearch_leads"], filters)
    assert "Did you mean Owner?" in str(caught.value)
    assert '"Software & Internet"' in str(caught.value)


def test_a_value_that_is_like_none_of_a_long_list_is_answered_with_those_that_begin_as_it_does() -> None:
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(CATALOG.operations["create_api_key"], {"name": "Sync", "scopes": ["leads:write"]})
    assert str(caught.value).endswith(
        '"leads:write" is not one of the 178 known values. Of leads there are leads:all, leads:create, leads:read, '
        "leads:update, leads:delete."
    )


@pytest.mark.anyio
async def test_a_model_reads_the_right_name(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("list_emails", {"thread_id": "c0-demoThread0000000000001"})
    assert result.is_error
    assert 'thread_id: unknown. search takes "thread:" and the id of one thread.' in result.content[0].text
