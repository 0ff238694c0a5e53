"""Drafts of replies, kept on this machine until a person approves them.

A draft goes from `draft` to `approved` to `sending` to `sent` or `unknown`, each step in one transaction. Nothing but
`approve` leads to `approved`, and nothing but `claim` from there to `sending`, with which one caller alone succeeds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mcp_instantly.drafts.draft import APPROVED, DISCARDED, DRAFT, SENDING, SENT, UNKNOWN, Draft, content_of
from mcp_instantly.drafts.draft_file import DraftFile, default_file, next_step
from mcp_instantly.errors import CallError
from mcp_instantly.text import when

APPROVAL_SECONDS = 86_400.0
"""For which an approval holds: what was right to say yesterday need not be right today."""

SLACK_SECONDS = 30.0
"""Beyond the time of its call after which a draft that is still `sending` is `unknown`."""


class Drafts:
    """The drafts of a file: those of one key in one place, or all where no key is given.

    A place is the server, with the sub-workspace that is acted as. The key is not stored: a salted hash of key and
    place tells whose a draft is. Every method raises CallError for a file that cannot be used. `now` is the clock.
    """

    def __init__(
        self, file: Path | None = None, key: str | None = None, place: str = "", now: Callable[[], float] = time.time
    ):
        self._file = DraftFile(file or default_file())
        self.path = self._file.path
        self._named = file is not None
        self._key = key
        self._place = place
        self._now = now

    def command(self, verb: str, draft_id: str) -> str:
        """What a person types to do something with a draft."""
        # As the shell takes it that the person has: on Windows, cmd.exe.
        quote = subprocess.list2cmdline if os.name == "nt" else shlex.join
        where = f" --drafts-file {quote([str(self.path)])}" if self._named else ""
        return f"mcp-instantly drafts {verb} {draft_id}{where}"

    def check(self) -> None:
        """Make the file, unless it is there."""
        with self._file.opened():
            pass

    # reading

    def find(self, draft_id: str) -> Draft:
        """A draft by its id. Raises CallError where there is none."""
        with self._file.opened() as base:
            return self._row(base, draft_id)

    def all(self) -> list[Draft]:
        """The drafts, the newest first."""
        with self._file.opened() as base:
            return self._rows(base, "1 ORDER BY created DESC, rowid DESC")

    def owns(self, draft: Draft) -> bool:
        """Whether a draft belongs to the key and place given here."""
        with self._file.opened() as base:
            return draft.owner == self._owner(base)

    def is_approved(self, draft_id: str) -> bool:
        """Whether a person has approved a draft as it stands now, not too long ago."""
        return not self._obstacle(self.find(draft_id))

    def refuse_unless_approved(self, draft: Draft) -> None:
        """Raise CallError, with what would help, for a draft that may not be sent."""
        obstacle = self._obstacle(draft)
        if obstacle:
            raise CallError(f"Nothing was sent: draft {draft.id} {obstacle}")

    def _obstacle(self, draft: Draft) -> str:
        ask = f"A person approves it with: {self.command('approve', draft.id)}"
        if draft.state == SENT:
            return f"was sent before, {when(draft.sent)}; it is never sent again."
        if draft.state == SENDING:
            return f"is being sent by another call since {when(draft.claimed)}; list_drafts shows what becomes of it."
        if draft.state == DISCARDED:
            return "was discarded by a person; write another one with draft_reply if one is still wanted."
        if draft.state == UNKNOWN:
            return (
                f"may have been sent {when(draft.claimed)}. {self.tells(draft)} It is not sent again unless a person "
                f"approves it again, with: {self.command('approve', draft.id)}"
            )
        if draft.state != APPROVED:
            return f"is not approved{f' any more: {draft.why}' if draft.why else ''}. {ask}"
        if draft.content != draft.approved_content:
            return f"was changed after it was approved. {ask}"
        if self._now() - (draft.approved or 0) > APPROVAL_SECONDS:
            hours = APPROVAL_SECONDS / 3600
            return f"was approved more than {hours:.0f} hours ago, and needs to be approved again. {ask}"
        return ""

    @staticmethod
    def tells(draft: Draft) -> str:
        """Which read tells whether a draft of unknown outcome was sent."""
        return f'list_emails with search "thread:{draft.thread}" tells: look for its text there.'

    # writing

    def add(
        self, arguments: dict[str, Any], answers: dict[str, Any], thread: str, known: Collection[str]
    ) -> tuple[Draft, bool]:
        """Keep a draft, and whether it is new: one with the same content that still waits is not kept twice."""
        content = content_of(arguments, answers, thread)
        with self._file.changed() as base:
            same = self._rows(base, "content = ?", content)
            for draft in same:
                if draft.state in (DRAFT, APPROVED):
                    return draft, False
            draft_id = f"draft-{secrets.token_hex(4)}"
            row = {
                "id": draft_id,
                "owner": self._owner(base),
                "place": self._place,
                "state": DRAFT,
                "created": self._now(),
                "arguments": json.dumps(arguments),
                "answers": json.dumps(answers),
                "thread": thread,
                "known": json.dumps(sorted(known)),
                "content": content,
            }
            marks = ", ".join(f":{name}" for name in row)
            base.execute(f"INSERT INTO drafts ({', '.join(row)}) VALUES ({marks})", row)
            return self._row(base, draft_id), True

    def approve(
        self,
        draft_id: str,
        by: str,
        *,
        content: str,
        known: Collection[str] | None = None,
        again: bool = False,
    ) -> Draft:
        """A person, `by`, lets a draft be sent as it was shown: with the hash `content`, which must still be its own.

        `known` are the ids of the emails in the thread that the person was told of; without it, those stay known that
        were. `again` is what it takes for one that may have been sent before. Raises CallError otherwise.
        """
        allowed = (DRAFT, APPROVED, UNKNOWN) if again else (DRAFT, APPROVED)
        with self._file.changed() as base:
            draft = self._row(base, draft_id)
            if draft.state not in allowed:
                raise CallError(f"Not approved: draft {draft_id} {self._obstacle(draft)}")
            if draft.content != content or content_of(draft.arguments, draft.answers, draft.thread) != content:
                raise CallError(f"Not approved: draft {draft_id} was changed since it was shown; look at it again.")
            self._set(
                base,
                draft_id,
                state=APPROVED,
                approved_by=by,
                approved=self._now(),
                approved_content=content,
                approved_step=next_step(base),
                known=json.dumps(sorted(draft.known if known is None else known)),
                why=None,
            )
            return self._row(base, draft_id)

    def withdraw(self, draft_id: str, why: str) -> None:
        """Take an approval back, and say why; nothing happens to a draft that is not approved any more."""
        with self._file.changed() as base:
            if self._row(base, draft_id).state == APPROVED:
                self._set(base, draft_id, state=DRAFT, approved_content=None, why=why)

    def edit(self, draft_id: str, changes: dict[str, Any], *, content: str) -> Draft:
        """Change arguments of a draft that was shown with the hash `content`; it needs to be approved afterwards."""
        with self._file.changed() as base:
            draft = self._row(base, draft_id)
            if draft.state not in (DRAFT, APPROVED):
                raise CallError(f"Not changed: draft {draft_id} is {draft.state}.")
            if draft.content != content:
                raise CallError(f"Not changed: draft {draft_id} was changed since it was shown; look at it again.")
            arguments = {**draft.arguments, **changes}
            self._set(
                base,
                draft_id,
                state=DRAFT,
                arguments=json.dumps(arguments),
                content=content_of(arguments, draft.answers, draft.thread),
                approved_content=None,
                why="it was edited" if draft.state == APPROVED else draft.why,
            )
            return self._row(base, draft_id)

    def discard(self, draft_id: str) -> None:
        """A draft is not to be sent. Its text stays in the file."""
        with self._file.changed() as base:
            draft = self._row(base, draft_id)
            if draft.state in (SENDING, SENT):
                raise CallError(f"Not discarded: draft {draft_id} is {draft.state}.")
            self._set(base, draft_id, state=DISCARDED, approved_content=None)

    # sending

    def claim(self, draft_id: str, *, content: str, seconds: float) -> Draft:
        """Begin to send an approved draft, within `seconds`: of all that try, one alone succeeds, once.

        Raises CallError for what is not approved, was changed since it was read as `content`, or has a neighbour in its
        thread that was sent, or may have been, without the person knowing.
        """
        with self._file.changed() as base:
            draft = self._row(base, draft_id)
            self.refuse_unless_approved(draft)
            if not draft.content == content == content_of(draft.arguments, draft.answers, draft.thread):
                raise CallError(f"Nothing was sent: draft {draft_id} was changed in the meantime; call again.")
            others = self._rows(base, "thread = ? AND id != ? AND claimed_step IS NOT NULL", draft.thread, draft_id)
            for other in others:
                # A later step than the approval: the person could not know of it.
                if other.state in (SENDING, SENT, UNKNOWN) and (
                    other.state == SENDING or (other.claimed_step or 0) > (draft.approved_step or 0)
                ):
                    raise CallError(
                        f"Nothing was sent: draft {other.id} answers the same thread, and is {other.state}. A person "
                        f"decides whether this one is still to be sent: {self.command('approve', draft_id)}"
                    )
            now = self._now()
            self._set(
                base,
                draft_id,
                state=SENDING,
                claimed=now,
                claimed_until=now + seconds + SLACK_SECONDS,
                claimed_step=next_step(base),
            )
            return self._row(base, draft_id)

    def settle(self, claimed: Draft, state: str, *, email: str | None = None, why: str | None = None) -> None:
        """What became of a draft that was claimed: SENT, UNKNOWN, or APPROVED for one that was not sent.

        Only what is still being sent by this claim becomes UNKNOWN or APPROVED; what is known to be sent is SENT,
        whatever was done to it in the meantime.
        """
        with self._file.changed() as base:
            draft = self._row(base, claimed.id)
            if state == SENT:
                self._set(base, draft.id, state=SENT, sent=draft.sent or self._now(), email=email, why=why)
            elif draft.state in (SENDING, UNKNOWN) and draft.claimed_step == claimed.claimed_step:
                self._set(base, draft.id, state=state, why=why)

    def _owner(self, base: sqlite3.Connection) -> str:
        salt = base.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]
        return hmac.new(salt, f"{self._place}\n{self._key}".encode(), hashlib.sha256).hexdigest()[:32]

    def _row(self, base: sqlite3.Connection, draft_id: str) -> Draft:
        found = self._rows(base, "id = ?", draft_id)
        if not found:
            raise CallError("There is no draft with this id here: list_drafts shows those that there are.")
        return found[0]

    def _rows(self, base: sqlite3.Connection, condition: str, *values: Any) -> list[Draft]:
        mine = "1" if self._key is None else "owner = ?"
        values = values if self._key is None else (self._owner(base), *values)
        rows = base.execute(f"SELECT * FROM drafts WHERE {mine} AND {condition}", values)
        return [self._draft(dict(row)) for row in rows]

    def _draft(self, row: dict[str, Any]) -> Draft:
        for name in ("arguments", "answers", "known"):
            row[name] = json.loads(row[name])
        if row["state"] == SENDING and self._now() > row["claimed_until"]:
            # Whoever sent it is gone.
            row.update(state=UNKNOWN, why="the process that sent it ended before it noted down what became of it")
        return Draft(**{**row, "known": tuple(row["known"])})

    @staticmethod
    def _set(base: sqlite3.Connection, draft_id: str, **values: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in values)
        base.execute(f"UPDATE drafts SET {assignments} WHERE id = ?", (*values.values(), draft_id))
