"""What the real API was recorded to do with leads, webhooks, pages and analytics, one fact a test.

Each names its source. Where a recording disagrees with the vendor's present words, the sandbox keeps the recording.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.resources.leads.records import PROVIDER_KNOWN_AFTER

from .outreach import DAY, HOUR, MINUTE, Wait, add, campaign, leads, mails, sender, started, step

pytestmark = pytest.mark.anyio

ALL = "https://hooks.brightpath.example/recorded"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
ADA = "ada@brightpath.example"
ANN, REPLIER = "ann@harborline.example", "replies@harborline.example"
SENDER = "sam@senders.example"
NOT_GIVEN = ("first_name", "last_name", "company_name", "website", "personalization")
IN_PAYLOAD = ("firstName", "lastName", "companyName", "website", "personalization")


async def post(api: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


async def lead_of(api: httpx.AsyncClient, campaign_id: str, email: str = ANN) -> dict[str, Any]:
    return next(lead for lead in await leads(api, campaign_id) if lead["email"] == email)


async def contacted(api: httpx.AsyncClient, wait: Wait, *people: str, days: float = 0, **more: Any) -> str:
    """A campaign of two steps that has written to these people from a sender of its own; some days have passed."""
    await sender(api, SENDER)
    steps = [step(delay=1), step(("", "<p>And again</p>"))]
    campaign_id = await started(api, people or (ANN,), steps=steps, email_list=[SENDER], **more)
    wait(30 * MINUTE + days * DAY)
    return campaign_id


async def subscribe(api: httpx.AsyncClient, **more: Any) -> None:
    await post(api, "/webhooks", target_hook_url=ALL, event_type="all_events", **more)


async def told(api: httpx.AsyncClient, kind: str, email: str = ANN) -> list[dict[str, Any]]:
    """The bodies of webhooks about one person and one kind of event, oldest first."""
    found = (await api.get("/webhook-events", params={"search": ALL, "limit": 100})).json()["items"]
    bodies = [event["payload"] for event in found[::-1]]
    return [body for body in bodies if body["event_type"] == kind and body["lead_email"] == email]


# leads that are made through the API


async def test_an_address_alone_makes_a_lead_that_belongs_nowhere(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: POST /leads with an email only answered 200."""
    made = await post(api, "/leads", email=ANN)
    assert (made["status"], "campaign" in made, "list_id" in made) == (1, False, False)
    assert (await api.get(f"/leads/{made['id']}")).json()["email"] == ANN


async def test_a_campaign_under_the_wrong_name_is_passed_over_in_silence(api: httpx.AsyncClient) -> None:
    """Two public clients send campaign_id to POST /leads; unknown keys are dropped, which was not recorded here."""
    made = await post(api, "/leads", email=ANN, campaign_id=DRAFT)
    assert "campaign" not in made
    assert ANN not in {lead["email"] for lead in await leads(api, DRAFT)}


async def test_a_lead_nowhere_is_never_written_to(api: httpx.AsyncClient, wait: Wait) -> None:
    """Follows from the leads without campaign that were recorded in June 2026: none of them was ever contacted."""
    made = await post(api, "/leads", email=ANN)
    wait(5 * DAY)
    shown = (await api.get(f"/leads/{made['id']}")).json()
    assert "timestamp_last_contact" not in shown
    assert shown["status_summary"] == {}


async def test_a_lead_made_in_a_list_has_the_status_1(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: the one list lead that was made through the API had it."""
    assert (await post(api, "/leads", email=ANN, list_id=LIST))["status"] == 1


async def test_leads_that_come_from_lead_finder_into_a_list_have_the_status_0(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Recorded in June 2026: ten imported leads, none of which names an upload method."""
    search = {"search_filters": {"title": {"include": ["CFO"]}}, "limit": 3, "work_email_enrichment": True}
    job = await post(api, "/supersearch-enrichment/enrich-leads-from-supersearch", **search)
    wait(HOUR)
    found = (await api.post("/leads/list", json={"list_id": job["resource_id"], "limit": 3})).json()["items"]
    assert found
    assert {(lead["status"], lead.get("upload_method")) for lead in found} == {(0, None)}


async def test_fields_that_were_not_given_are_empty_and_not_absent(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: the answer of POST /leads."""
    made = await post(api, "/leads", email=ANN, campaign=DRAFT, first_name="Ann")
    assert {name: made[name] for name in NOT_GIVEN} == {**dict.fromkeys(NOT_GIVEN, ""), "first_name": "Ann"}
    assert "phone" not in made


async def test_the_payload_of_one_lead_names_its_address_and_campaign(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: the answer of POST /leads."""
    made = await post(api, "/leads", email=ANN, campaign=DRAFT, custom_variables={"size": 12})
    core = dict.fromkeys(IN_PAYLOAD, "")
    assert made["payload"] == {**core, "email": ANN, "campaign": DRAFT, "size": 12}


async def test_the_payload_of_a_lead_in_a_list_names_the_list(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: the answer of POST /leads."""
    made = await post(api, "/leads", email=ANN, list_id=LIST)
    assert (made["payload"]["list_id"], "campaign" in made["payload"]) == (LIST, False)


async def test_the_payload_of_many_leads_has_the_address_and_what_was_given(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: leads of POST /leads/add."""
    await post(api, "/leads/add", campaign_id=DRAFT, leads=[{"email": ANN, "first_name": "Ann"}])
    shown = await lead_of(api, DRAFT)
    assert shown["payload"] == {"firstName": "Ann", "email": ANN}
    assert "last_name" not in shown


async def test_no_lead_says_who_uploaded_it(api: httpx.AsyncClient) -> None:
    """Recorded in November 2025 and June 2026: none of 771 leads has uploaded_by_user."""
    made = await post(api, "/leads", email=ANN, campaign=DRAFT)
    found = (await api.post("/leads/list", json={"limit": 100})).json()["items"]
    assert not [lead for lead in (*found, made) if "uploaded_by_user" in lead]


async def test_every_payload_has_the_address(api: httpx.AsyncClient) -> None:
    """Recorded in November 2025 (735 leads) and June 2026 (36): all have it."""
    found = (await api.post("/leads/list", json={"limit": 100})).json()["items"]
    assert found
    assert all(lead["payload"]["email"] == lead["email"] for lead in found)


async def test_the_provider_of_a_new_lead_is_known_a_while_later(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in June 2026: esp_code is missing in the answer of POST /leads and there later."""
    made = await post(api, "/leads", email=ANN)
    assert "esp_code" not in made
    wait(PROVIDER_KNOWN_AFTER + 1)
    assert (await api.get(f"/leads/{made['id']}")).json()["esp_code"] in (1, 2, 999, 1000)


async def test_domains_that_nobody_is_known_to_serve_have_the_provider_1000(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in June 2026 for leads of unknown domains."""
    await add(api, DRAFT, [f"ann@field{number}.example" for number in range(80)])
    wait(PROVIDER_KNOWN_AFTER + 1)
    assert 1000 in {lead["esp_code"] for lead in await leads(api, DRAFT)}


async def test_a_campaign_lists_the_core_fields_that_its_leads_carry(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: core_variables such as {firstName: true}; that they follow the leads is inferred."""
    campaign_id = await started(api, [])
    assert "core_variables" not in await campaign(api, campaign_id)
    await post(api, "/leads", email=ANN, campaign=campaign_id, first_name="Ann", phone="+1 555 010")
    assert (await campaign(api, campaign_id))["core_variables"] == {"firstName": True, "phone": True}


# leads that were contacted


async def test_the_last_step_names_the_mailbox_and_counts_from_0(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in November 2025: 735 of 735 contacted leads, and five of five in June 2026."""
    campaign_id = await contacted(api, wait)
    last = (await lead_of(api, campaign_id))["status_summary"]["lastStep"]
    assert (last["from"], last["stepID"], set(last)) == (SENDER, "0_0_0", {"from", "stepID", "timestamp_executed"})


async def test_the_last_step_goes_on_with_the_second_email(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in November 2025: leads with stepID 0_1_0 after the second step."""
    campaign_id = await contacted(api, wait, days=2)
    assert (await lead_of(api, campaign_id))["status_summary"]["lastStep"]["stepID"] == "0_1_0"


async def test_a_contacted_lead_has_no_other_fields_about_its_last_step(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in November 2025 and June 2026: none of 742 leads has last_step_from or the like."""
    shown = await lead_of(api, await contacted(api, wait, days=2))
    assert not [name for name in shown if name.startswith("last_")]


async def test_who_contacted_a_lead_last_is_said_after_a_reply_by_hand(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in June 2026: last_contacted_from is absent until then, and the mailbox afterwards."""
    campaign_id = await contacted(api, wait, REPLIER)
    (received,) = await mails(api, campaign_id, email_type="received")
    assert "last_contacted_from" not in await lead_of(api, campaign_id, REPLIER)
    reply = {"eaccount": SENDER, "reply_to_uuid": received["id"], "subject": "Re: Hello", "body": {"text": "Thanks"}}
    await post(api, "/emails/reply", **reply)
    assert (await lead_of(api, campaign_id, REPLIER))["last_contacted_from"] == SENDER


async def test_a_lead_counts_the_step_that_it_replied_to_from_0(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in November 2025: 16 of 16 leads; the first step and its first variant are 0 and 0."""
    shown = await lead_of(api, await contacted(api, wait, REPLIER), REPLIER)
    assert (shown["email_replied_step"], shown["email_replied_variant"]) == (0, 0)


async def test_opens_are_counted_by_step_like_replies(api: httpx.AsyncClient, wait: Wait) -> None:
    """Inferred from the replies that were recorded in November 2025."""
    shown = await lead_of(api, await contacted(api, wait, REPLIER), REPLIER)
    assert (shown["email_opened_step"], shown["email_opened_variant"]) == (0, 0)


async def test_a_campaign_that_is_done_was_not_updated(api: httpx.AsyncClient, wait: Wait) -> None:
    """Recorded in one case: the status went from 1 to 3 and timestamp_updated stayed."""
    await sender(api, SENDER)
    campaign_id = await started(api, [ANN], email_list=[SENDER])
    before = await campaign(api, campaign_id)
    wait(2 * DAY)
    after = await campaign(api, campaign_id)
    assert (before["status"], after["status"]) == (1, 3)
    assert before["timestamp_updated"] == after["timestamp_updated"]
    # Nor is it by subsequences that still have emails to send.
    body = {"parent_campaign": campaign_id, "name": "Later", "conditions": {}, "sequences": [{"steps": [step()]}]}
    later = (await api.post("/subsequences", json=body)).json()["id"]
    (ann,) = await leads(api, campaign_id)
    await api.post("/leads/subsequence/move", json={"id": ann["id"], "subsequence_id": later})
    for switch, status in (("resume", 4), ("pause", 3)):
        await api.post(f"/subsequences/{later}/{switch}")
        now = await campaign(api, campaign_id)
        assert (now["status"], now["timestamp_updated"]) == (status, before["timestamp_updated"])


# webhooks


async def test_webhooks_count_steps_from_1(api: httpx.AsyncClient, wait: Wait) -> None:
    """Captured webhook body, June 2025."""
    await subscribe(api)
    await contacted(api, wait)
    (body,) = await told(api, "email_sent")
    assert (body["step"], body["variant"]) == (1, 1)


async def test_a_reply_says_where_the_unibox_shows_it(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    """Captured webhook bodies, October 2024 to July 2025, and the vendor's words."""
    await subscribe(api)
    await contacted(api, wait, REPLIER)
    (body,) = await told(api, "reply_received", REPLIER)
    workspace = world.workspace["id"]
    url = f"https://app.instantly.ai/app/unibox?thread_search={REPLIER}&selected_wks={workspace}"
    assert body["unibox_url"] == url


async def test_other_events_have_no_unibox_url_but_its_key(api: httpx.AsyncClient, wait: Wait) -> None:
    """Captured webhook bodies, October 2024 to June 2025: null."""
    await subscribe(api)
    await contacted(api, wait)
    (body,) = await told(api, "email_sent")
    assert body["unibox_url"] is None and "unibox_url" in body


async def test_webhooks_have_the_address_of_the_lead_a_second_time_as_email(api: httpx.AsyncClient, wait: Wait) -> None:
    """In all captured webhook bodies, October 2024 to July 2025."""
    await subscribe(api)
    await contacted(api, wait)
    (body,) = await told(api, "email_sent")
    assert body["email"] == body["lead_email"] == ANN


async def test_webhooks_about_a_lead_made_alone_have_its_campaign(api: httpx.AsyncClient, wait: Wait) -> None:
    """Captured webhook bodies, June and July 2025: the id of the campaign, which comes from the lead's payload."""
    await subscribe(api)
    campaign_id = await contacted(api, wait)
    bob = "bob@harborline.example"
    await post(api, "/leads", email=bob, campaign=campaign_id)
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(HOUR)
    (body,) = await told(api, "email_sent", bob)
    assert body["campaign"] == body["campaign_id"] == campaign_id


async def test_core_fields_of_a_lead_are_in_a_webhook_when_they_are_empty(api: httpx.AsyncClient, wait: Wait) -> None:
    """Captured webhook bodies, June and July 2025: empty texts, and null for the phone."""
    await subscribe(api)
    await contacted(api, wait)
    (body,) = await told(api, "email_sent")
    assert {name: body[name] for name in IN_PAYLOAD} == dict.fromkeys(IN_PAYLOAD, "")
    assert body["phone"] is None and "phone" in body


async def test_a_change_of_interest_tells_the_reply(api: httpx.AsyncClient, wait: Wait) -> None:
    """Captured webhook body of lead_interested, June 2025."""
    await subscribe(api)
    campaign_id = await contacted(api, wait, REPLIER)
    (reply,) = await mails(api, campaign_id, email_type="received")
    await post(api, "/leads/update-interest-status", lead_email=REPLIER, interest_value=1)
    wait(5)
    body = (await told(api, "lead_interested", REPLIER))[-1]
    assert (body["reply_subject"], body["reply_text"]) == (reply["subject"], reply["body"]["text"])
    assert body["reply_html"] == reply["body"]["html"]
    assert body["reply_text"].startswith(body["reply_text_snippet"].strip())
    assert (body["step"], body["variant"], body["unibox_url"]) == (1, 1, None)


async def test_a_change_of_interest_names_no_account_and_is_not_called_first(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Captured webhook body of lead_interested, June 2025."""
    await subscribe(api)
    await contacted(api, wait, REPLIER)
    await post(api, "/leads/update-interest-status", lead_email=REPLIER, interest_value=1)
    wait(5)
    assert not {"email_account", "is_first"} & set((await told(api, "lead_interested", REPLIER))[-1])


async def test_only_the_first_event_of_its_kind_is_called_first(api: httpx.AsyncClient, wait: Wait) -> None:
    """The vendor's words, which fit the captured webhook bodies: the first event of this type for the lead."""
    campaign_id = await contacted(api, wait)
    # It is the first whether or not somebody was told of it.
    await subscribe(api, campaign=campaign_id)
    wait(2 * DAY)
    assert [body["is_first"] for body in await told(api, "email_sent")] == [False]
    await add(api, campaign_id, ["bob@harborline.example"])
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(2 * DAY)
    assert [body["is_first"] for body in await told(api, "email_sent", "bob@harborline.example")] == [True, False]


async def test_there_are_18_kinds_of_events_to_be_told_of(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026, in a workspace without labels of its own."""
    kinds = (await api.get("/webhooks/event-types")).json()["event_types"]
    builtin = [kind for kind in kinds if not kind["id"].lstrip("-").isdigit()]
    assert len(builtin) == 18
    missing = {"all_events", "lead_no_show", "supersearch_enrichment_completed"}
    assert not missing & {kind["id"] for kind in kinds}


async def test_kinds_of_events_have_the_labels_of_the_web_app(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026; of the labels only two were noted, the others follow their form."""
    kinds = {kind["id"]: kind for kind in (await api.get("/webhooks/event-types")).json()["event_types"]}
    assert kinds["email_sent"]["label"] == "Email Sent"
    assert kinds["lead_closed"]["label"] == "Lead status changed to 'Closed'"
    assert kinds["custom_label_any_positive"]["type"] == "custom_label"


# pages


@pytest.mark.parametrize("path", ["/campaigns", "/custom-tags", "/lead-lists", "/background-jobs", "/accounts"])
async def test_a_cursor_comes_with_a_page_that_holds_all_there_is(api: httpx.AsyncClient, path: str) -> None:
    """Recorded: 13 campaigns, 2 tags, 5 lists and 8 jobs with a limit of 100 (June 2026), accounts (August 2026)."""
    page = (await api.get(path, params={"limit": 100})).json()
    assert 0 < len(page["items"]) < 100
    after = {"limit": 100, "starting_after": page["next_starting_after"]}
    assert (await api.get(path, params=after)).json() == {"items": []}


async def test_a_cursor_comes_with_the_only_page_of_leads(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: 24 leads with a limit of 100."""
    wanted = {"list_id": LIST, "limit": 100}
    page = await post(api, "/leads/list", **wanted)
    assert 0 < len(page["items"]) < 100
    assert await post(api, "/leads/list", **wanted, starting_after=page["next_starting_after"]) == {"items": []}


async def test_webhooks_come_without_a_cursor(api: httpx.AsyncClient) -> None:
    """Recorded in June 2026: two webhooks."""
    await subscribe(api)
    page = (await api.get("/webhooks")).json()
    assert (len(page["items"]), set(page)) == (2, {"items"})


# smaller ones


async def test_a_job_that_moves_leads_has_its_filters_at_once_and_counts_in_the_end(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    """Recorded in June 2026: the job of POST /leads/move."""
    await post(api, "/leads", email=ANN, list_id=LIST)
    wanted = {"list_id": LIST, "contacts": [ANN], "to_campaign_id": DRAFT}
    job = await post(api, "/leads/move", **wanted)
    assert job["data"] == {"filters": wanted}
    wait(5)
    data = (await api.get(f"/background-jobs/{job['id']}")).json()["data"]
    assert (data["filters"], data["total_leads"], data["moved_leads"]) == (wanted, 1, 1)
    assert data["leads_missing_email"] is None
    others = ("duplicated_leads", "leads_in_other_campaigns", "ignored_leads_from_blocklist")
    assert [data[name] for name in others] == [0, 0, 0]


@pytest.mark.parametrize("path", ["/campaigns/analytics/daily", "/accounts/analytics/daily"])
async def test_figures_by_day_cover_31_days(api: httpx.AsyncClient, path: str) -> None:
    """Observed in August 2026 and reported: both refuse more, in these words."""
    allowed = await api.get(path, params={"start_date": "2026-08-08", "end_date": "2026-09-07"})
    assert allowed.status_code == 200
    refused = await api.get(path, params={"start_date": "2026-08-07", "end_date": "2026-09-07"})
    assert (refused.status_code, refused.json()) == (400, {"message": "Analytics date range cannot exceed 31 days"})


async def test_figures_of_too_many_accounts_are_refused_in_these_words(api: httpx.AsyncClient, world: World) -> None:
    """Observed in August 2026 and reported."""
    for number in range(200):
        world.accounts.add({**world.accounts[ADA], "email": f"n{number}@brightpath.example"})
    refused = await api.get("/accounts/analytics/daily")
    assert refused.status_code == 413
    assert refused.json()["message"] == (
        "Analytics request is too large for this workspace. Add an emails filter or request a smaller date range"
    )


async def test_warmup_is_told_for_the_last_seven_days_with_today(api: httpx.AsyncClient) -> None:
    """Observed in August 2026 and reported."""
    days = (await post(api, "/accounts/warmup-analytics", emails=[ADA]))["email_date_data"][ADA]
    assert sorted(days) == [f"2026-09-{day:02d}" for day in range(1, 8)]


async def test_a_tracking_domain_that_works_is_called_so(api: httpx.AsyncClient) -> None:
    """Recorded in November 2025: 38 of the 38 accounts that have one."""
    assert (await api.get(f"/accounts/{ADA}")).json()["tracking_domain_status"] == "CTD_ACTIVE"


async def test_figures_by_step_have_a_row_without_step(api: httpx.AsyncClient) -> None:
    """Recorded in November 2025; its rows are in no order."""
    rows = (await api.get("/campaigns/analytics/steps")).json()
    assert None in [row["step"] for row in rows]


async def test_an_unknown_route_is_quoted_with_its_query(api: httpx.AsyncClient) -> None:
    """Recorded in 2025: the call GET /leads, which does not exist."""
    answer = await api.get("/leads", params={"campaign_id": DRAFT, "limit": 50})
    message = f"Route GET:/api/v2/leads?campaign_id={DRAFT}&limit=50 not found"
    assert list(answer.json().items()) == [("message", message), ("error", "Not Found"), ("statusCode", 404)]
