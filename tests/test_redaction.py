"""Secrets are struck out in every form in which they can come."""

from __future__ import annotations

import json

import pytest

from mcp_instantly.redaction import Redactor

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
def test_a_document_that_cannot_hold_the_secret_is_known_without_being_parsed(secret: str) -> None:
    redactor = Redactor([secret])
    escaped = "".join(f"\\u{ord(character):04X}" for character in secret)
    for document in (
        json.dumps([secret]),
        json.dumps({secret: 1}),
        f'["{escaped}"]',
        json.dumps([secret]).replace("/", "\\/"),
        json.dumps([secret.replace(secret[3], "\x00")]).replace("\\u0000", f"\\u{ord(secret[3]):04x}"),
    ):
        assert redactor.may_be_in(document)
        assert secret in json.dumps(json.loads(document)) or secret in str(json.loads(document)) or "\\" in secret
    assert not redactor.may_be_in('{"text": "Zoë \\n \\ud83d\\ude00", "number": 7}')
    assert not Redactor([]).may_be_in(json.dumps(secret))
