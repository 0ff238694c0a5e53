"""Refusals: the API's envelopes, the proxy's pages, and one sentence on what to do."""

from __future__ import annotations

import json

import pytest

from mcp_instantly import errors
from mcp_instantly.api.refusals import from_response, message_of, retry_after
from mcp_instantly.tools.catalog import load_catalog


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"statusCode": 400, "error": "Bad Request", "message": "body/name must be string"}',
            "body/name must be string",
        ),
        ('{"message": "Invalid date."}', "Invalid date"),
        ('{"error": "No accounts"}', "No accounts"),
        ('{"status": "error", "message": "CNAME missing", "host": "x"}', "CNAME missing"),
        ('{"code": "restricted_domain", "keyword": "bank"}', "restricted_domain (bank)"),
        ('{"errorCode": "COMPANY_LIST_NOT_READY"}', "COMPANY_LIST_NOT_READY"),
        ('{"message": {"a": 1}}', '{"a": 1}'),
        ('["odd"]', '["odd"]'),
        ("upstream request timeout", "upstream request timeout"),
        ("", ""),
        ("{}", ""),
        ("x" * 500, "x" * 299 + "…"),
    ],
)
def test_the_apis_own_words_are_found_in_every_envelope(text: str, message: str) -> None:
    assert message_of(text) == message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (402, errors.PaymentRequired),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (418, errors.ApiError),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (503, errors.ServerError),
    ],
)
def test_every_status_has_its_class_and_says_what_to_do(status: int, kind: type[errors.ApiError]) -> None:
    error = from_response(status, '{"message": "Its words"}', {})
    assert type(error) is kind
    assert str(error).startswith(f'Instantly answered {status}: "Its words". ')
    assert str(error).endswith(".") and "Scopes" not in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_scopes_that_would_do(status: int) -> None:
    error = from_response(status, "{}", {}, scopes=("leads:create", "leads:all"))
    assert "leads:create, leads:all" in str(error)


def test_a_refusal_names_both_groups_of_scopes_where_one_of_each_is_needed() -> None:
    error = from_response(403, "{}", {}, scopes=("leads:all",), also_scopes=("accounts:update", "accounts:all"))
    assert str(error).endswith("Scopes that allow it: leads:all; and besides one of: accounts:update, accounts:all.")


def test_a_page_of_the_proxy_is_recognised_and_not_pasted() -> None:
    blocked = from_response(403, "error code: 1010", {})
    assert "Cloudflare error 1010" in str(blocked)
    assert "the key is not the reason" in str(blocked)
    for status in (400, 401, 402, 403, 404, 409, 451):
        told = from_response(status, "<html><title>Blocked</title></html>", {}, scopes=("leads:create",))
        assert isinstance(told, errors.RefusedByProxy) and "leads:create" not in str(told)
    page = from_response(502, "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>" + "x" * 9000, {})
    assert "Bad gateway" in str(page)
    assert len(str(page)) < 300


def test_a_402_of_the_search_is_called_a_rate_limit() -> None:
    assert "rate limit" in str(from_response(402, '{"message": "Rate limit exceeded"}', {}))
    beside = '{"statusCode": 402, "error": "Rate limit exceeded", "message": "Too many searches"}'
    assert "rate limit" in str(from_response(402, beside, {}))
    assert "plan" in str(from_response(402, '{"message": "No plan"}', {}))


def test_a_403_that_is_not_about_the_key_says_what_it_is_about() -> None:
    operations = load_catalog().operations
    said = {
        "enrich_leads_from_supersearch": "One of the filters may not be used by this workspace; leave it out.",
        "create_campaign_from_export": "call share_campaign in the workspace that owns it",
        "update_lead_interest_status": "This key may not do that",
    }
    for tool, advice in said.items():
        meant = operations[tool].refusals
        assert advice in str(from_response(403, '{"error": "No"}', {}, scopes=("a:b",), meant=meant))
        about_the_key = '{"statusCode": 403, "error": "Forbidden", "message": "No"}'
        assert "Scopes that allow it: a:b." in str(from_response(403, about_the_key, {}, scopes=("a:b",), meant=meant))


def test_a_404_of_what_has_no_id_says_what_to_call() -> None:
    meant = load_catalog().operations["get_email_verification"].refusals
    said = str(from_response(404, '{"statusCode": 404, "message": "Not found"}', {}, meant=meant))
    assert "verify_email" in said and "Check the id" not in said


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (
            402,
            {"error": "Insufficient credits", "creditsRequired": 2500, "creditsAvailable": 40, "creditsReserved": 0},
            "It needs 2,500 credits and 40 are available. Ask for less, or have credits bought; trying again as it is "
            "will not help.",
        ),
        (
            402,
            {
                "error": "Insufficient credits",
                "errorCode": "CREDIT_RESERVATION_CONFLICT",
                "creditsRequired": 50,
                "creditsAvailable": 10,
                "creditsReserved": 90,
            },
            "It needs 50 credits and 10 are available. Running jobs of the workspace hold the credits: wait until they "
            "are done, then call again; there is no need to buy any.",
        ),
        (
            403,
            {"error": "Lead limit reached", "leadsRemaining": 12, "leadsRequested": 100},
            "The plan takes 12 more leads and 100 were asked for: lower the limit, or have the plan changed; trying "
            "again as it is will not help.",
        ),
        (
            404,
            {"errorCode": "COMPANY_LIST_NOT_FOUND", "message": "No list"},
            "company_list_id names no company list of this workspace; take it from the list of them.",
        ),
        (
            409,
            {"errorCode": "COMPANY_LIST_NOT_READY", "message": "Not ready"},
            "The company list of company_list_id is still being built, or could not be: ask for that list until it is "
            "completed, then call again.",
        ),
        (404, {"errorCode": "LEAD_NOT_FOUND", "message": "No lead"}, errors.NotFound.advice),
    ],
)
def test_a_refusal_says_whether_to_wait_to_buy_or_to_ask_for_less(
    status: int, body: dict[str, object], advice: str
) -> None:
    said = str(from_response(status, json.dumps(body), {}, scopes=("leads:create",)))
    assert said.startswith(f'Instantly answered {status}: "')
    assert said.endswith(f'". {advice}')


@pytest.mark.parametrize("number", [True, "50", None, [1], float("inf")])
def test_odd_numbers_of_credits_are_not_quoted(number: object) -> None:
    body = json.dumps({"error": "Insufficient credits", "creditsRequired": number, "creditsAvailable": 1})
    assert str(from_response(402, body, {})).endswith(errors.PaymentRequired.advice)


def test_a_redirect_is_not_followed_and_says_why() -> None:
    assert "Redirects are not followed" in str(from_response(302, "", {"location": "https://elsewhere.example/"}))


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 524, 530, 599])
@pytest.mark.parametrize("text", ["", "{}", '{"message": "x"}', "error code: 524", "<html><title>Bad</title></html>"])
def test_a_5xx_or_a_408_after_a_write_says_that_it_may_have_worked(status: int, text: str) -> None:
    assert "may have been carried out" in str(from_response(status, text, {}, safe=False))
    assert "may have been carried out" not in str(from_response(status, text, {}, safe=True))


@pytest.mark.parametrize("status", [413, 414, 431])
@pytest.mark.parametrize("text", ["", "<html><title>Too large</title></html>"])
def test_a_request_that_was_too_large_says_to_ask_for_less(status: int, text: str) -> None:
    assert "Ask for less at once" in str(from_response(status, text, {}))


def test_a_redirect_that_comes_as_a_page_says_why_it_is_not_followed() -> None:
    assert "Redirects are not followed" in str(from_response(301, "<html><title>Moved</title></html>", {}))


def test_a_rate_limit_without_a_time_says_to_wait_a_minute() -> None:
    for text in ("", "error code: 1015", "<html><title>Slow down</title></html>"):
        assert "wait a minute" in str(from_response(429, text, {}))


def test_an_error_inside_a_success_says_that_a_part_may_have_been_done() -> None:
    assert "only a part of it was done: read the state" in str(errors.ErrorInSuccess(200, "2 of 3 failed"))


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0
    stamped = {"retry-after": "Mon, 01 Jan 2001 00:00:30 GMT", "date": "Mon, 01 Jan 2001 00:00:00 GMT"}
    assert retry_after(stamped) == 30, "whatever the time is here"
    assert retry_after(stamped | {"date": "today"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
    assert retry_after({"retry-after": "\u00b2"}) is None
    assert retry_after({"retry-after": "-5"}) is None
    assert retry_after({"retry-after": "999999999999999999999"}) > 86_400
    assert retry_after({"retry-after": "Mon, 1 Jan 99999999999999999999 00:00:00 GMT"}) is None
    assert "wait, then call again" in str(from_response(429, "", {"retry-after": "999999999"}))
    assert "in 7 s" in str(from_response(429, "", {"retry-after": "7"}))
    assert "in 1 s" in str(from_response(429, "", {"retry-after": "0"}))
