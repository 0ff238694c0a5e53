"""A change of a file as people read it, without the secrets that stand near it."""

from __future__ import annotations

import re

from mcp_instantly.text import reveal

MAX_LINE_CHARACTERS = 300
"""Of a line of a diff; a file in one line, as programs write them, is not shown."""

BLANKED = "(hidden)"

SECRETS = (
    # A member whose name says so; of ours, the one that names a file and the one that has VS Code ask are none.
    re.compile(
        r"(?i)(?P<lead>(?<![\w.-])[\"']?(?!INSTANTLY_API_KEY_FILE)"
        r"[\w.-]*(?:key|token|secret|passw|credential|auth|cookie)[\w.-]*[\"']?\s*[:=]\s*)(?!\"\$\{input:|(?:true|false|null|\d+)\b)"
        r"(?:\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,}\]\[{\"'][^\s,}]*)"
    ),
    # An argument behind such an option.
    re.compile(r"(?i)(?P<lead>[\"']--?[\w-]*(?:key|token|secret|passw|auth)[\w-]*[\"']\s*,\s*)\"(?:[^\"\\]|\\.)*\"?"),
    # The password of a URL.
    re.compile(r"(?P<lead>\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s@\"']+(?=@)"),
    # What looks like a key, wherever; paths have slashes.
    re.compile(r"(?P<lead>\b(?:sk-|gh[a-z]_|github_pat_|xox[a-z]-|Bearer\s+|Basic\s+))[\w.+/=-]{8,}"),
    re.compile(r"(?P<lead>)(?<![\w/\\.-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{28,}(?![\w/\\.-])"),
)

OPTION = re.compile(r"(?i)[\"' ]--?[\w-]*(?:key|token|secret|passw|auth)[\w-]*[\"']?,?\s*$")
"""A line that ends with an option whose argument stands on the next one."""

VALUE = re.compile(r"(?P<lead>^[ +-]\s*(?:- )?)[^\s\]}].*?(?=,?\s*$)")


def diff_of(file: str, before: str | None, after: str | None) -> str | None:
    """A unified diff, secrets hidden; None stands for no file. None comes back when its lines are too long to read."""
    import difflib

    lines = list(
        difflib.unified_diff(
            _lines(before),
            _lines(after),
            fromfile="/dev/null" if before is None else file,
            tofile="/dev/null" if after is None else file,
            lineterm="",
        )
    )
    if any(len(line) > MAX_LINE_CHARACTERS for line in lines if not line.startswith(" ")):
        return None
    shown, secret_follows = [], False
    for index, line in enumerate(lines):
        # The first two name the file.
        if index > 1 and not line.startswith("@@"):
            secret, secret_follows = secret_follows, OPTION.search(line) is not None
            line = _shown(VALUE.sub(rf"\g<lead>{BLANKED}", line) if secret else line)
        shown.append(line)
    return "\n".join(shown)


def _lines(text: str | None) -> list[str]:
    plain = (text or "").removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n")
    return plain.split("\n") if plain else []


def hidden(text: str) -> str:
    """A text without what looks like a secret."""
    for secret in SECRETS:
        text = secret.sub(lambda found: f"{found['lead']}{BLANKED}", text)
    return text


def _shown(line: str) -> str:
    line = reveal(hidden(line).replace("\t", "    "))
    return line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]}…"
