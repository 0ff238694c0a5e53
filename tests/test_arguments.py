"""Arguments: what is repaired, what is refused, and what the refusal says."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import operator
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_instantly.arguments.arguments import (
    check_arguments,
    checked_at_once,
    checked_thoroughly,
    compiled,
    quick_checks,
)
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.tools.catalog import Catalog, load_catalog

from .cases import for_each

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
SCHEDULE = {
    "schedules": [
        {"name": "Days", "timing": {"from": "09:00", "to": "17:00"}, "days": {"1": True}, "timezone": "America/Detroit"}
    ]
}


def refused(catalog: Catalog, tool: str, arguments: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(catalog.operations[tool], arguments)
    assert str(caught.value).startswith("Nothing was sent")
    return caught.value.problems


def test_an_object_sent_as_a_json_text_is_taken_as_an_object(catalog: Catalog) -> None:
    schedule = {
        **SCHEDULE["schedules"][0],
        "timing": json.dumps({"from": "09:00", "to": "17:00"}),
        "days": {"1": "true"},
    }
    text = json.dumps({"schedules": [schedule]})
    checked = check_arguments(catalog.operations["create_campaign"], {"name": "A", "campaign_schedule": text})
    assert checked["campaign_schedule"] == SCHEDULE


def test_numbers_and_booleans_sent_as_texts_are_taken_as_such(catalog: Catalog) -> None:
    given = {"name": "A", "campaign_schedule": SCHEDULE, "daily_limit": "50", "text_only": "False"}
    checked = check_arguments(catalog.operations["create_campaign"], given)
    assert (checked["daily_limit"], checked["text_only"]) == (50, False)


def test_an_array_sent_as_a_json_text_is_taken_as_an_array(catalog: Catalog) -> None:
    given = {"campaign": CAMPAIGN, "contacts": '["ada@example.com"]'}
    assert check_arguments(catalog.operations["list_leads"], given)["contacts"] == ["ada@example.com"]


FREE = ("custom_variables", "signals", "industries", "countries", "technologies")
"""Fields in which any text may be meant as it is."""

ALSO = {
    "start_job": [
        {"clean_list": {"list_id": CAMPAIGN, "drop": ["invalid"]}},
        {"verify_emails": {"addresses": ["ada@example.com"]}},
        {"import_leads": {"list_id": CAMPAIGN, "rows": [{"email": "ada@example.com"}]}},
    ],
    "count_supersearch_leads": [
        {"search_filters": {"locations": {"include": [{"city": "Berlin"}, {"place_id": "x"}]}}},
        {"search_filters": {"employeeCount": [{"op": "between", "min": 5, "max": 9}]}},
    ],
}


def nested(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything that is not text."""
    if path and not isinstance(value, str):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield from nested(item, (*path, name))


@for_each("tool", sorted(load_catalog().tools), name=str)
def test_every_part_of_every_example_may_come_as_a_json_text(catalog: Catalog, tool: str) -> None:
    operation = catalog.tools[tool]
    for example in [*operation.examples, *ALSO.get(tool, ())]:
        meant = check_arguments(operation, example)
        for path in nested(example):
            if any(name in FREE for name in path) or (tool, path[0]) == ("search_people_values", "search_filters"):
                continue
            given: Any = copy.deepcopy(example)
            place = functools.reduce(operator.getitem, path[:-1], given)
            place[path[-1]] = json.dumps(place[path[-1]])
            assert check_arguments(operation, given) == meant, path


def test_a_text_argument_stays_a_text_whatever_it_looks_like(catalog: Catalog) -> None:
    for text in ("123", "true", "null", '{"a": 1}', "[1]"):
        assert check_arguments(catalog.operations["list_campaigns"], {"search": text}) == {"search": text}


@pytest.mark.parametrize(("label", "number"), [("active", 1), ("Paused", 2), ("DRAFT", 0), ("1", 1), (1, 1)])
def test_a_label_stands_for_the_number_of_an_enum(catalog: Catalog, label: Any, number: int) -> None:
    assert check_arguments(catalog.operations["list_campaigns"], {"status": label}) == {"status": number}


@pytest.mark.parametrize(
    ("tool", "given", "place", "got"),
    [
        ("list_campaigns", {"exclude_status": 9}, "exclude_status", "9"),
        ("get_daily_campaign_analytics", {"campaign_status": 9}, "campaign_status", "9"),
        ("update_lead", {"id": CAMPAIGN, "lt_interest_status": "hot"}, "lt_interest_status", '"hot"'),
        (
            "bulk_add_leads",
            {"campaign_id": CAMPAIGN, "leads": [{"email": "a@x.example"}, {"lt_interest_status": 5}]},
            "leads[1].lt_interest_status",
            "5",
        ),
    ],
)
def test_a_number_that_is_not_of_an_enum_is_named_with_its_place_and_those_that_are(
    catalog: Catalog, tool: str, given: dict[str, Any], place: str, got: str
) -> None:
    (problem,) = refused(catalog, tool, given)
    assert problem.startswith(f"{place}: expected one of ")
    assert "2 (" in problem and f"; got {got}." in problem


@pytest.mark.parametrize(
    ("tool", "path"),
    [
        ("update_lead_interest_status", "interest_value"),
        ("handle_reply", "interest_value"),
        ("set_interest", "interest_value"),
        ("set_interest", "leads[0].interest_value"),
        ("list_emails", "i_status"),
        ("create_lead", "lt_interest_status"),
    ],
)
def test_the_label_of_an_interest_stands_for_its_number_wherever_one_is_given(
    catalog: Catalog, tool: str, path: str
) -> None:
    def given(value: Any) -> dict[str, Any]:
        found = {**catalog.tools[tool].examples[0]}
        if path.startswith("leads"):
            return {**found, "leads": [{**found["leads"][0], "interest_value": value}]}
        return {**found, path: value}

    operation = catalog.tools[tool]
    assert check_arguments(operation, given("Meeting_Booked")) == given(2)
    with pytest.raises(InvalidArguments) as raised:
        check_arguments(operation, given("hot"))
    (problem,) = raised.value.problems
    assert problem.startswith(f"{path}: expected ") and "-1 (not interested)" in problem and 'got "hot"' in problem
    assert "Own labels: " in problem


@pytest.mark.parametrize("tool", ["create_workspace_member", "update_workspace_member"])
def test_values_that_a_rule_refuses_are_not_among_those_that_are_expected(catalog: Catalog, tool: str) -> None:
    (problem,) = refused(catalog, tool, {**catalog.operations[tool].examples[0], "role": "boss"})
    assert problem == 'role: expected one of "admin", "editor", "view"; got "boss".'


@pytest.mark.parametrize("tool", ["create_lead", "update_lead"])
def test_the_number_of_an_own_label_is_refused_with_the_tool_that_takes_it(catalog: Catalog, tool: str) -> None:
    (problem,) = refused(catalog, tool, {**catalog.operations[tool].examples[0], "lt_interest_status": 3002})
    assert problem.endswith("got 3002. Own labels: update_lead_interest_status, once the lead is there.")
    set_by = {"lead_email": "a@x.example", "interest_value": 3002}
    assert check_arguments(catalog.operations["update_lead_interest_status"], set_by) == set_by


def test_labels_of_several_words_are_found_with_any_separator(catalog: Catalog) -> None:
    given = {
        "list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501",
        "email": "a@b.example",
        "lt_interest_status": "meeting_booked",
    }
    assert check_arguments(catalog.operations["create_lead"], given)["lt_interest_status"] == 2


def test_the_callers_arguments_are_left_as_they_are(catalog: Catalog) -> None:
    given = {"name": "A", "campaign_schedule": copy.deepcopy(SCHEDULE), "daily_limit": "50"}
    check_arguments(catalog.operations["create_campaign"], given)
    assert given == {"name": "A", "campaign_schedule": SCHEDULE, "daily_limit": "50"}


def test_json_nested_deeper_than_three_texts_is_left_alone(catalog: Catalog) -> None:
    text: Any = 10
    for _ in range(5):
        text = json.dumps(text)
    assert refused(catalog, "list_campaigns", {"limit": text})


def test_a_text_that_nests_brackets_without_end_is_refused_not_crashed(catalog: Catalog) -> None:
    assert refused(catalog, "list_leads", {"contacts": "[" * 100_000})


def test_every_problem_is_told_at_once(catalog: Catalog) -> None:
    problems = refused(catalog, "create_campaign", {"nme": "A", "daily_limit": [], "campaign_schedule": {}})
    assert sorted(problems) == [
        "campaign_schedule.schedules: missing, expected an array.",
        "daily_limit: expected a number, got [].",
        "name: missing, expected a string.",
        "nme: unknown. Did you mean name?",
    ]


def test_an_unknown_argument_without_a_neighbour_lists_what_is_known(catalog: Catalog) -> None:
    (problem,) = refused(catalog, "get_lead", {"id": "01991f00-0001-7000-8000-000000000001", "xyzzy": 1})
    assert problem == "xyzzy: unknown. Allowed: id, fields."


def test_a_refusal_stays_short_however_much_is_wrong(catalog: Catalog) -> None:
    leads = [{"email": "a@b.example", "custom_variable": {}} for _ in range(1000)]
    many = {f"{number}{'x' * 500}": 1 for number in range(2000)}
    for tool, given in (("bulk_add_leads", {"campaign_id": CAMPAIGN, "leads": leads}), ("create_lead", many)):
        with pytest.raises(InvalidArguments) as caught:
            check_arguments(catalog.operations[tool], given)
        assert len(str(caught.value)) < 20_000
        assert "more" in str(caught.value)


def test_a_tool_without_arguments_says_so(catalog: Catalog) -> None:
    assert refused(catalog, "get_workspace", {"zzz": 1}) == ["zzz: unknown. None are allowed here."]


def test_a_misspelt_name_deep_inside_is_refused_since_the_api_would_drop_it(catalog: Catalog) -> None:
    sequences = [
        {"steps": [{"type": "email", "delay": 1, "variants": [{"subject": "s", "body": "b", "v_disbled": True}]}]}
    ]
    given = {"name": "A", "campaign_schedule": SCHEDULE, "sequences": sequences}
    assert refused(catalog, "create_campaign", given) == [
        "sequences[0].steps[0].variants[0].v_disbled: unknown. Did you mean v_disabled?"
    ]


def test_a_body_that_instantly_would_empty_is_refused_wherever_sequences_are_written(catalog: Catalog) -> None:
    bodies = ["<p>R&amp;D&#38;</p>", "<p>P&L</p>", '<a href="https://a.example/?a=1&b=2">x</a>']
    variants = [{"subject": "P&L", "body": body} for body in bodies]
    sequences = [{"steps": [{"type": "email", "delay": 1, "variants": variants}]}]
    writers = [one for one in catalog.operations.values() if "sequences" in one.input_schema["properties"]]
    assert len(writers) == 4
    for operation in writers:
        assert refused(catalog, operation.name, {**operation.examples[0], "sequences": sequences}) == [
            f"sequences[0].steps[0].variants[{place}].body: has a raw &, for which Instantly empties the whole body: "
            "write &amp;, in links too."
            for place in (1, 2)
        ]


def test_a_day_by_its_name_is_refused_since_the_campaign_would_never_send(catalog: Catalog) -> None:
    schedule = copy.deepcopy(SCHEDULE)
    schedule["schedules"][0]["days"] = {"monday": True}
    for tool, more in (("create_campaign", {"name": "A"}), ("update_campaign", {"id": CAMPAIGN})):
        (problem,) = refused(catalog, tool, {"campaign_schedule": schedule, **more})
        assert (
            problem == "campaign_schedule.schedules[0].days.monday: unknown. Allowed: 0, 1, 2, 3, 4, 5, 6. 0 is Sunday."
        )


def test_an_enum_lists_numbers_with_their_meaning(catalog: Catalog) -> None:
    (problem,) = refused(catalog, "list_campaigns", {"status": 17})
    assert problem.startswith("status: expected one of ")
    assert "1 (active)" in problem
    assert problem.endswith("; got 17.")


def test_a_list_of_numbers_that_names_ranges_too_does_not_read_as_if_it_were_complete(catalog: Catalog) -> None:
    (problem,) = refused(catalog, "list_audit_logs", {"activity_type": "webhooks"})
    assert problem.startswith("activity_type: expected a number: 1 (login), ")
    assert problem.endswith('40 (domain forwarding changed), among others; got "webhooks".')


def test_what_is_not_advertised_is_named_for_a_missing_value_and_one_of_a_wrong_type(catalog: Catalog) -> None:
    assert refused(catalog, "get_lead", {}) == ["id: missing, expected an id (UUID)."]
    assert refused(catalog, "get_lead", {"id": 5}) == ['id: expected an id (UUID), got "5".']
    (problem,) = refused(catalog, "list_campaigns", {"status": "on holiday"})
    assert problem.startswith("status: expected one of ") and "1 (active)" in problem
    problem = refused(catalog, "get_deliverability_insights", {"recipient_geo": ["Mars"]})[0]
    assert problem.startswith("recipient_geo[0]: expected one of ")
    tag = {"tag_ids": [CAMPAIGN], "assign": True, "resource_ids": ["ada@brightpath.example"]}
    assert refused(catalog, "toggle_custom_tag", tag) == ["resource_type: missing, expected 1 or 2."]


def test_bounds_and_formats_say_what_is_wanted(catalog: Catalog) -> None:
    assert refused(catalog, "list_campaigns", {"limit": 500}) == ["limit: must be at most 100, got 500."]
    assert refused(catalog, "get_lead", {"id": "nope"}) == ['id: expected an id (UUID), got "nope".']


TAGS = ["7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101", "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102"]
ADA, BEN = "ada@brightpath.example", "ben@brightpath.example"
TRIAL = {"eaccount": ADA, "to_address_email_list": BEN, "subject": "Trial", "body": {"html": "Hello"}}
REPLY = {"eaccount": ADA, "reply_to_uuid": CAMPAIGN, "subject": "Re: Hi", "body": {"text": "Hello"}}
FORWARD = {**TRIAL, "reply_to_uuid": CAMPAIGN}
PLACEMENT_TEST = {"test_id": "11ace001-8d9e-4fa0-b1c2-3d4e5f6a7b01"}


@pytest.mark.parametrize(
    ("tool", "given", "sent"),
    [
        ("list_accounts", {"tag_ids": f" {TAGS[0]}, {TAGS[1]},"}, {"tag_ids": ",".join(TAGS)}),
        ("list_campaigns", {"tag_ids": TAGS}, {"tag_ids": ",".join(TAGS)}),
        ("list_custom_tags", {"resource_ids": f"{ADA}, {CAMPAIGN}"}, {"resource_ids": f"{ADA},{CAMPAIGN}"}),
        ("list_emails", {"eaccount": f"{ADA} , {BEN}"}, {"eaccount": f"{ADA},{BEN}"}),
        ("list_emails", {"eaccount": "null"}, {}),
        ("list_emails", {"eaccount": ","}, {}),
        ("list_background_jobs", {"status": "Success, in progress"}, {"status": "success,in-progress"}),
        ("list_agent_items", {"type": "AI agent", "status": "active"}, {"type": "ai_agent", "status": "Active"}),
        (
            "list_inbox_placement_analytics",
            {**PLACEMENT_TEST, "recipient_esp": "Google, 2", "recipient_geo": 3, "recipient_type": "personal"},
            {**PLACEMENT_TEST, "recipient_esp": "1,2", "recipient_geo": "3", "recipient_type": "2"},
        ),
        (
            "update_campaign",
            {"id": CAMPAIGN, "email_list": [f" {ADA} "], "bcc_list": [f"{BEN}\n"]},
            {"id": CAMPAIGN, "email_list": [ADA], "bcc_list": [BEN]},
        ),
        (
            "forward_email",
            {**FORWARD, "to_address_email_list": [ADA, f" {BEN}"], "cc_address_email_list": f"{BEN},"},
            {**FORWARD, "to_address_email_list": f"{ADA},{BEN}", "cc_address_email_list": BEN},
        ),
        ("update_account", {"email": f" {ADA}", "daily_limit": 5}, {"email": ADA, "daily_limit": 5}),
    ],
)
def test_what_a_text_lists_with_commas_is_repaired_one_by_one(
    catalog: Catalog, tool: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert check_arguments(catalog.operations[tool], given) == sent


@pytest.mark.parametrize(
    ("tool", "given", "problem"),
    [
        ("list_accounts", {"tag_ids_all": "Warm senders"}, 'tag_ids_all: expected an id (UUID), got "Warm senders".'),
        ("list_campaigns", {"tag_ids": f"{TAGS[0]},Q4"}, 'tag_ids: expected an id (UUID), got "Q4".'),
        (
            "list_custom_tag_mappings",
            {"resource_ids": "Fintech CFOs"},
            'resource_ids: expected an email address or an id (UUID), got "Fintech CFOs".',
        ),
        ("list_emails", {"eaccount": f"{ADA}; {BEN}"}, f'eaccount: expected an email address, got "{ADA}; {BEN}".'),
        ("list_emails", {"lead": "Maya Lindqvist"}, 'lead: expected an email address, got "Maya Lindqvist".'),
        ("search_campaigns_by_contact", {"search": "Maya"}, 'search: expected an email address, got "Maya".'),
        (
            "list_inbox_placement_analytics",
            {**PLACEMENT_TEST, "recipient_type": "1,office"},
            'recipient_type: expected one of 1 (professional), 2 (personal); got "office".',
        ),
        (
            "update_campaign",
            {"id": CAMPAIGN, "email_list": [f"{ADA}, {BEN}"]},
            f'email_list[0]: expected an email address, got "{ADA}, {BEN}".',
        ),
        ("update_campaign", {"id": CAMPAIGN, "cc_list": ["me"]}, 'cc_list[0]: expected an email address, got "me".'),
        (
            "reply_to_email",
            {**REPLY, "cc_address_email_list": f"{ADA}; {BEN}"},
            f'cc_address_email_list: expected an email address, got "{ADA}; {BEN}".',
        ),
        (
            "forward_email",
            {**FORWARD, "to_address_email_list": f"{ADA},boss"},
            'to_address_email_list: expected an email address, got "boss".',
        ),
        ("forward_email", {**FORWARD, "to_address_email_list": ", "}, "to_address_email_list: must not be blank."),
        ("send_test_email", {**TRIAL, "eaccount": "Ada"}, 'eaccount: expected an email address, got "Ada".'),
        (
            "list_audit_logs",
            {"start_date": "last week"},
            'start_date: expected a date such as 2026-09-07, with or without a time, got "last week".',
        ),
        (
            "get_inbox_placement_stats_by_test",
            {"test_ids": [CAMPAIGN], "date_from": "2026-09-07", "date_to": "2026-13-40T00:00:00Z"},
            'date_to: expected a date such as 2026-09-07, with or without a time, got "2026-13-40T00:00:00Z".',
        ),
        (
            "add_campaign_variables",
            {"id": CAMPAIGN, "variables": ["country", "{{icebreaker}}"]},
            "variables: give names without braces, as icebreaker, which stands in the copy as {{icebreaker}}.",
        ),
        ("get_account", {"email": "Ada"}, 'email: expected an email address, got "Ada".'),
        (
            "toggle_custom_tag",
            {"tag_ids": TAGS, "resource_type": 1, "assign": True, "resource_ids": ["Ada Reyes"]},
            'resource_ids[0]: expected an email address or an id (UUID), got "Ada Reyes".',
        ),
    ],
)
def test_what_has_a_format_is_checked_in_a_text_with_commas_one_by_one(
    catalog: Catalog, tool: str, given: dict[str, Any], problem: str
) -> None:
    assert refused(catalog, tool, given) == [problem]


@pytest.mark.parametrize(
    ("zone", "advice"),
    [
        ("America/New_York", "the same clock is kept by America/Detroit"),
        ("Europe/London", "the same clock is kept by Europe/Isle_of_Man"),
        ("Europe/Berlin", "or Europe/Belgrade"),
        (
            "America/Los_Angeles",
            "no zone of its list keeps that clock; America/Dawson comes nearest, with another clock on",
        ),
    ],
)
def test_a_refused_time_zone_is_answered_with_one_of_the_same_clock(catalog: Catalog, zone: str, advice: str) -> None:
    schedule = copy.deepcopy(SCHEDULE)
    schedule["schedules"][0]["timezone"] = zone
    (problem,) = refused(catalog, "create_campaign", {"name": "A", "campaign_schedule": schedule})
    assert problem.startswith("campaign_schedule.schedules[0].timezone: ")
    assert advice in problem


def test_a_misspelt_time_zone_is_answered_with_the_zone_that_is_meant(catalog: Catalog) -> None:
    schedule = copy.deepcopy(SCHEDULE)
    schedule["schedules"][0]["timezone"] = "America/Detriot"
    (problem,) = refused(catalog, "create_campaign", {"name": "A", "campaign_schedule": schedule})
    assert "it seems to mean America/Detroit; use America/Detroit" in problem


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_cannot_carry_are_refused(catalog: Catalog, value: float) -> None:
    given = {"name": "A", "campaign_schedule": SCHEDULE, "daily_limit": value}
    assert "daily_limit: must be a finite number." in refused(catalog, "create_campaign", given)


def test_texts_that_utf_8_cannot_carry_are_refused(catalog: Catalog) -> None:
    assert refused(catalog, "list_campaigns", {"search": "a\ud800"}) == [
        "search: contains an unpaired surrogate; send valid Unicode."
    ]
    custom = {"campaign": CAMPAIGN, "email": "a@b.example", "custom_variables": {"\udfff": 1}}
    assert "unpaired surrogate" in refused(catalog, "create_lead", custom)[0]
    assert check_arguments(catalog.operations["list_campaigns"], {"search": "Zoë 😀"}) == {"search": "Zoë 😀"}


def test_rules_between_arguments_answer_with_their_own_sentence(catalog: Catalog) -> None:
    lead = {"email": "a@b.example"}
    (problem,) = refused(catalog, "bulk_add_leads", {"leads": [lead]})
    assert "campaign_id" in problem and "list_id" in problem
    both = {"leads": [lead], "campaign_id": CAMPAIGN, "list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501"}
    assert refused(catalog, "bulk_add_leads", both) == [problem]
    forward = {
        "reply_to_uuid": "01991f80-0002-7000-8000-000000000002",
        "eaccount": "ada@brightpath.example",
        "to_address_email_list": "leo@brightpath.example",
        "subject": "Fwd",
    }
    (problem,) = refused(catalog, "forward_email", forward)
    assert "include_original_body" in problem
    (problem,) = refused(catalog, "create_webhook", {"target_hook_url": "https://hooks.example/a", "event_type": None})
    assert "event_type" in problem and "custom_interest_value" in problem and "reports nothing" in problem
    both = {"id": CAMPAIGN, "clear": ["event_type", "name", "custom_interest_value"]}
    (problem,) = refused(catalog, "update_webhook", both)
    assert "would report nothing" in problem and "delete_webhook" in problem
    assert check_arguments(catalog.operations["update_webhook"], {**both, "clear": ["event_type"]})


def test_an_empty_list_of_ids_never_widens_a_deletion(catalog: Catalog) -> None:
    (problem,) = refused(catalog, "bulk_delete_leads", {"campaign_id": CAMPAIGN, "ids": []})
    assert problem == (
        "ids: is blank and narrows nothing, so every lead that the other arguments match would be deleted for good. "
        "Give a value, or leave it out if that is meant."
    )


class Counted(dict[str, Any]):
    """An item of a list that counts how often it, or any of its kind, is looked into."""

    looks = 0

    def items(self) -> Any:
        Counted.looks += 1
        return super().items()

    def __iter__(self) -> Any:
        Counted.looks += 1
        return super().__iter__()

    def __getitem__(self, name: str) -> Any:
        Counted.looks += 1
        return super().__getitem__(name)


def test_a_list_that_is_too_long_is_refused_before_its_items_are_looked_at(catalog: Catalog) -> None:
    Counted.looks = 0
    leads = [Counted(email=1, foo=2) for _ in range(200_000)]
    for given in (leads, json.dumps(leads)):
        Counted.looks = 0
        problems = refused(catalog, "bulk_add_leads", {"campaign_id": CAMPAIGN, "leads": given})
        assert problems == ["leads: needs at most 1000 items, got 200000; split it over several calls."]
        assert Counted.looks == 0


def test_after_20_problems_no_more_are_looked_for(catalog: Catalog) -> None:
    given = {"campaign": CAMPAIGN, "to_list_id": CAMPAIGN, "ids": [f"wrong {number}" for number in range(100_000)]}
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(catalog.operations["move_leads"], given)
    assert [problem for problem in caught.value.problems if "ids[19]" in problem]
    assert not [problem for problem in caught.value.problems if "ids[20]" in problem]
    assert "There may be more: checking stopped here." in str(caught.value)


def test_columns_that_are_unknown_in_every_item_are_told_once(catalog: Catalog) -> None:
    leads = [{"email": "a@b.example", "foo": 1, "linkedin": 2} for _ in range(1000)]
    problems = refused(catalog, "bulk_add_leads", {"campaign_id": CAMPAIGN, "leads": leads})
    (problem,) = problems
    assert problem.startswith("leads[0].foo, leads[0].linkedin: unknown. Allowed: email, personalization")


@pytest.mark.parametrize("tool", ["create_custom_tag", "update_custom_tag"])
def test_a_pattern_is_found_in_one_pass_over_the_text(catalog: Catalog, tool: str) -> None:
    """Tried at each place against all that follows, this pattern takes minutes on 200,000 blanks."""
    given = {**catalog.operations[tool].examples[0], "label": " " * 200_000}
    began = time.monotonic()
    assert refused(catalog, tool, given)
    assert time.monotonic() - began < 20
    assert check_arguments(catalog.operations[tool], {**given, "label": " x"})["label"] == " x"


def test_every_pattern_of_the_catalogue_finds_the_same_texts_in_its_quick_form(catalog: Catalog) -> None:
    texts = ["", " ", "a", " a ", "\n\na", "09:30", "9:30", "https://a.example", CAMPAIGN, "ptid_abc", "ptid_ptid_a"]
    found = [pattern for op in catalog.operations.values() for pattern in patterns(op.full_schema)]
    assert r".*\S.*" in found
    for pattern in found:
        schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": pattern}}}
        quick = dataclasses.replace(catalog.operations["get_workspace"], tool={"name": pattern, "inputSchema": schema})
        for text in texts:
            fits = not list(compiled(quick)[0].iter_errors({"x": text}))
            assert fits == bool(re.search(pattern, text)), (pattern, text)


def patterns(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [pattern for item in schema for pattern in patterns(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    return own + [pattern for item in schema.values() for pattern in patterns(item)]


def test_a_range_that_ends_before_it_starts_is_refused_since_nothing_lies_in_it(catalog: Catalog) -> None:
    days = {"start_date": "2026-09-07", "end_date": "2026-09-01"}
    assert refused(catalog, "get_campaign_analytics", days) == [
        "end_date: 2026-09-01 is before start_date, 2026-09-07."
    ]
    given = {"name": "A", "campaign_schedule": {**SCHEDULE, **days}}
    assert refused(catalog, "create_campaign", given) == [
        "campaign_schedule.end_date: 2026-09-01 is before start_date, 2026-09-07."
    ]
    same = {"start_date": "2026-09-07", "end_date": "2026-09-07"}
    assert check_arguments(catalog.operations["get_daily_account_analytics"], same) == same


@pytest.mark.parametrize("start", ["2026-09-04", "2026-09-04T00:00:00Z"])
def test_a_range_that_ends_with_the_first_instant_of_its_only_day_is_refused(catalog: Catalog, start: str) -> None:
    for tool in ("get_campaign_analytics", "get_daily_campaign_analytics"):
        (problem,) = refused(catalog, tool, {"start_date": start, "end_date": "2026-09-04"})
        whole_day = {"start_date": start, "end_date": "2026-09-04T23:59:59.999Z"}
        assert problem.startswith("end_date: 2026-09-04 is the day's first") and problem.endswith("add T23:59:59.999Z.")
        for fine in (whole_day, {"start_date": "2026-09-04T00:00:00+09:00", "end_date": "2026-09-04"}):
            assert check_arguments(catalog.operations[tool], fine) == fine


def test_a_whole_number_where_only_a_text_fits_is_taken_as_that_text(catalog: Catalog) -> None:
    lead = {"list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501", "email": "a@b.example", "phone": 4712345678}
    assert check_arguments(catalog.operations["create_lead"], lead)["phone"] == "4712345678"
    assert check_arguments(catalog.operations["list_campaigns"], {"search": 2026}) == {"search": "2026"}
    assert refused(catalog, "list_campaigns", {"search": True}) == ["search: expected a string, got true."]
    assert refused(catalog, "list_campaigns", {"search": 1.5}) == ["search: expected a string, got 1.5."]


def test_what_cannot_be_seen_is_written_out(catalog: Catalog) -> None:
    (problem,) = refused(catalog, "get_lead", {"id": "\ufeff01991f00-0001-7000-8000-000000000001"})
    assert problem == 'id: expected an id (UUID), got "<U+FEFF>01991f00-0001-7000-8000-000000000001".'
    problems = refused(catalog, "list_campaigns", {"\ufefflimit": 1})
    assert problems == ["<U+FEFF>limit: unknown. Did you mean limit?"]


def test_a_problem_stays_short_whatever_the_size_of_the_name_or_the_value(catalog: Catalog) -> None:
    for given in (
        {"x" * 5_000_000: float("nan")},
        {"search": ["y" * 5_000_000]},
        {"search": {"z" * 5_000_000: 1}},
        {"status": "y" * 5_000_000},
    ):
        assert all(len(problem) < 1000 for problem in refused(catalog, "list_campaigns", given))


def test_a_schedule_is_written_back_with_the_blank_dates_that_it_was_read_with(catalog: Catalog) -> None:
    given = {"id": CAMPAIGN, "campaign_schedule": {**SCHEDULE, "start_date": "", "end_date": ""}}
    assert check_arguments(catalog.operations["update_campaign"], given)["campaign_schedule"] == SCHEDULE


ODD: list[Any] = [
    *("", " ", "a", "null", "é", "\ud800", "x" * 5_000, "2026-09-07", "2026-13-40", "2026-09-07T13:00:00Z"),
    *("01991f00-0001-7000-8000-000000000001", "a@b.example", "https://a.example", "FILTER_VAL_ACTIVE", "1"),
    *(0, 1, -1, 101, 10**30, 1.0, 1.5, -0.0, float("nan"), float("inf"), True, False, None),
    *([], [None], ["a"], [1], [[]], {}, {"a": 1}, {"": None}, [{}], ["01991f00-0001-7000-8000-000000000001"] * 3),
]


def variants(value: Any) -> Iterator[Any]:
    """The value with something odd in each place, and with each name left out or added."""
    yield from ODD
    if isinstance(value, dict):
        yield {**value, "no_such_name": 1}
        for name, item in value.items():
            yield {key: other for key, other in value.items() if key != name}
            yield from ({**value, name: changed} for changed in variants(item))
    elif isinstance(value, list) and value:
        yield from ([changed, *value[1:]] for changed in variants(value[0]))


def test_what_the_quick_check_lets_pass_is_what_the_validators_let_pass(catalog: Catalog) -> None:
    passed = plain = 0
    for operation in catalog.operations.values():
        checks = quick_checks(operation)
        plain += sum(all(check(example) for check in checks) for example in operation.examples)
        largest = max(operation.examples, key=lambda example: len(json.dumps(example)), default={})
        for changed in (*operation.examples, *(found for found in variants(largest) if isinstance(found, dict))):
            for check, validator in zip(checks, compiled(operation), strict=True):
                if check(changed):
                    passed += 1
                    assert validator.is_valid(changed), (operation.name, changed)
    assert passed > 5_000
    assert plain > 0.8 * sum(len(operation.examples) for operation in catalog.operations.values())


def test_what_is_checked_at_once_is_what_the_thorough_check_would_send(catalog: Catalog) -> None:
    passed = plain = 0
    reads = [operation for operation in catalog.operations.values() if operation.read_only]
    for operation in reads:
        plain += any(checked_at_once(operation, example) is not None for example in operation.examples)
        largest = max(operation.examples, key=lambda example: len(json.dumps(example)), default={})
        odd = [{**largest, name: value} for name in operation.input_schema["properties"] for value in ODD]
        for given in (*operation.examples, *odd, *(found for found in variants(largest) if isinstance(found, dict))):
            found = checked_at_once(operation, given)
            if found is not None:
                passed += 1
                assert found == checked_thoroughly(operation, given), (operation.name, given)
    assert passed > 1_400
    assert plain > 0.5 * len(reads)
