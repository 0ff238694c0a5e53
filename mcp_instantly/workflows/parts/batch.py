"""What became of the items of a job, one after the other: each done, failed, unknown, or not tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from mcp_instantly.errors import (
    Forbidden,
    InstantlyError,
    OverBudget,
    PaymentRequired,
    RateLimited,
    RefusedByProxy,
    ToolNotEnabled,
    Unauthorized,
)
from mcp_instantly.text import error_text
from mcp_instantly.workflows import Context, OutOfTime

RESERVED_SECONDS = 5.0
"""What must be left of the call's time for another item to be begun."""

ENDING_STATUSES = (401, 402, 403, 407)
"""Of pages of a proxy: it lets nothing of this client through."""

DONE, NOT_DONE, UNKNOWN, NOT_TRIED = "done", "not done", "unknown", "not tried"

Item = TypeVar("Item")


def outcome_of(error: BaseException) -> str:
    """What the end of a call says of a change: `not done`, or `unknown` where it may have been carried out."""
    return NOT_DONE if getattr(error, "outcome", "unknown") in ("not sent", "refused") else UNKNOWN


def ends_the_rest(error: InstantlyError) -> bool:
    """Whether no other item can work after this error: the key, the plan, the rate limit or the time is at its end."""
    if isinstance(error, RefusedByProxy):
        # With another status, it may be what one item has in it that is not let through.
        return error.status in ENDING_STATUSES
    refusals = (Unauthorized, PaymentRequired, Forbidden, RateLimited)
    return isinstance(error, (*refusals, OverBudget, ToolNotEnabled, OutOfTime))


class Batch(Generic[Item]):
    """The items of a job, with what became of each. `name` is how an item is called in the answer."""

    def __init__(self, name: Callable[[Item], Any]):
        self._name = name
        self.done: list[Item] = []
        self._errors: dict[str, dict[str, list[Any]]] = {NOT_DONE: {}, UNKNOWN: {}}
        self._not_tried: list[Item] = []
        self._ended = ""

    async def run(
        self, context: Context, items: Sequence[Item], act: Callable[[Item], Awaitable[object]], verb: str
    ) -> None:
        """Act on each item; `verb` says in progress what was done to so many of them.

        Raises the error that ends the whole job before any item was tried with success; later it is told in the answer.
        """
        await context.progress(0, len(items), f"0 of {len(items)} {verb}")
        for place, item in enumerate(items):
            if place and context.seconds_left < RESERVED_SECONDS:
                self.leave(items[place:], "The time of the call was over: call it again for these.")
                return
            try:
                await act(item)
                self.done.append(item)
            except InstantlyError as error:
                if place == 0 and ends_the_rest(error):
                    raise
                self.fail(item, error_text(error), outcome_of(error))
                if ends_the_rest(error):
                    self.leave(
                        items[place + 1 :], f"It ended with an error that would meet them too: {error_text(error)}"
                    )
                    return
            await context.progress(place + 1, len(items), f"{place + 1} of {len(items)} {verb}")

    def fail(self, item: Item, why: str, outcome: str = NOT_DONE) -> None:
        """An item is not done, or it is unknown whether it is."""
        self._errors[outcome].setdefault(why, []).append(self._name(item))

    def leave(self, items: Iterable[Item], why: str) -> None:
        """The rest is not tried."""
        self._not_tried.extend(items)
        self._ended = why

    def told(self) -> dict[str, Any]:
        """The items that are not done, by what became of them, with the reasons; nothing where all are done."""
        found: dict[str, Any] = {}
        for outcome, key in ((NOT_DONE, "failed"), (UNKNOWN, "unknown")):
            if self._errors[outcome]:
                found[key] = [{"why": why, "items": items} for why, items in self._errors[outcome].items()]
        if self._not_tried:
            found["not_tried"] = {"why": self._ended, "items": [self._name(item) for item in self._not_tried]}
        return found
