"""Secrets are struck out in every form in which they can come."""

from __future__ import annotations

import json

import pytest

from mcp_instantly.redaction import Redactor, ResponseRedactor

KEY = 'ab/cd+ef==gh"ij'


def test_a_secret_is_struck_out_of_texts_names_and_lists_and_all_else_stays() -> None:
    redact = Redactor([KEY]).redact_all
    quoted = "ab%2Fcd%2Bef%3D%3Dgh%22ij"
    assert redact({f"x{KEY}": [f"{KEY}{KEY}", quoted, 7, None, True]}) == {
        "x[key]": ["[key][key]", "[key]", 7, None, True]
    }
    assert redact(["ab/cd"]) == ["ab/cd"]


def test_of_two_secrets_the_one_that_holds_the_other_goes_first() -> None:
    assert Redactor(["abc", "abcdef"]).redact("abcdef abc") == "[key] [key]"


def test_short_secrets_are_left_where_they_would_be_words() -> None:
    assert Redactor(["k"], shortest=12).redact("ok") == "ok"
    assert Redactor([""]).redact("ok") == "ok"


@pytest.mark.parametrize("secret", [KEY, "plain-key-0123456789", "back\\slash-0123"])
def test_the_key_is_struck_out_of_a_response_in_whatever_form_json_holds_it(secret: str) -> None:
    redactor = ResponseRedactor(secret)
    escaped = "".join(f"\\u{ord(character):04X}" for character in secret)
    for document in (
        json.dumps([secret]),
        json.dumps({secret: 1}),
        f'["{escaped}"]',
        json.dumps([secret]).replace("/", "\\/"),
        json.dumps([secret.replace(secret[3], "\x00")]).replace("\\u0000", f"\\u{ord(secret[3]):04x}"),
    ):
        value = json.loads(document)
        assert redactor.clean(document.encode(), value) in (["[key]"], {"[key]": 1})
        assert secret not in redactor.clean_text(document.encode())


def test_a_response_without_the_key_is_left_as_it_is() -> None:
    document = '{"text": "Zoë \\n \\ud83d\\ude00", "number": 7}'
    value = json.loads(document)
    assert ResponseRedactor(KEY).clean(document.encode(), value) == value
