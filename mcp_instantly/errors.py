"""The exceptions that a caller or a person can act on, and what each tells the reader to do next.

InstantlyError
  ConfigError                     the server cannot start: one sentence on stderr, exit 2
    KeyringUnusable               the system's keyring is missing, locked or broken
  KeyRefused                      a key was not stored
  CallError                       a better call would have worked; nothing was sent
    UnknownTool, ToolNotEnabled   no tool has this name; the selection leaves the tool out
    InvalidArguments              the arguments do not fit the tool
    WrongRunner                   with --discovery, the tool is run by another of the four
    PolicyRefusal                 a rule that a person has set forbids the call
    Locked                        the server was started for one campaign, and the call is about another
    RepeatHeld                    the same call was made just now, and nobody knows what became of it
    NotConfirmed, FormAwaited     a person must confirm the call first
    AuditUnwritable               the audit takes no line
  OutOfTime, Stopped              a workflow ended before it was done
  TransportError                  no response came that could be used
    Unreachable, OverBudget       the request was not sent: no connection, or too long a wait
    NoResponse, ResponseTooLong, OddResponse  sent; the response is missing or cut, too long, or not as documented
    Overtaken, NoLongerHeld       not sent again: a later call, or another process, acts on the same
    NotCarriedOut                 no response came that could be used, and a read has shown that nothing was done
  ApiError(status)                Instantly answered, and refused
    BadRequest 400, Unauthorized 401, PaymentRequired 402, Forbidden 403, NotFound 404, Conflict 409,
    TooLarge 413, 414 and 431, RateLimited 429 and the 402 of a rate limit, ServerError 5xx and 408
    ErrorInSuccess                status 200, with an error in the response
    RefusedByProxy                4xx with a page of what stands in front of Instantly
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Outcome = Literal["done", "not sent", "refused", "unknown"]
"""What became of a call: `refused` is by Instantly, and like `not sent` it changed nothing."""

SAID: dict[Outcome, str] = {
    "done": "It was carried out.",
    "not sent": "Nothing was sent.",
    "refused": "It was not carried out.",
    "unknown": "Outcome unknown: it may have been carried out.",
}
"""The words with which every error of a write says what became of it."""

ASKED = "asked"
MAY_HAVE_WORKED = f"{SAID['unknown']} Read the state before you call it again."


class InstantlyError(Exception):
    """Base of all that a user or a model can act on; its text is one or two sentences."""

    attempts: int = 0
    """Requests that were sent before this was raised."""

    status: int | None = None
    """HTTP status of the response, where there was one."""

    logged: str = "error"
    """What the log says of a call that ended so: error, or ASKED where the client must first ask its user."""

    outcome: Outcome = "unknown"
    """What became of the call. An attempt that was repeated may make it unknown, whatever the last one said."""

    told: Outcome | None = None
    """The outcome, once the text of a write has said it."""

    def say(self, sentence: str) -> None:
        """Have the text end with another sentence."""
        self.args = (f"{self} {sentence}",)

    def say_outcome(self) -> None:
        """Have the text of a write that failed say what became of it, unless it does."""
        self.told = self.outcome
        said = SAID[self.outcome]
        if said.rstrip(".").partition(":")[0].lower() not in str(self).lower():
            self.say(said)


class ConfigError(InstantlyError):
    """The server cannot start as it was asked to."""


class CallError(InstantlyError):
    """The call could not be made as it stands. Nothing was sent."""

    outcome: Outcome = "not sent"


class UnknownTool(CallError):
    """No operation has this name."""


class ToolNotEnabled(CallError):
    """The tool exists, and the selection at start leaves it out."""


class WrongRunner(CallError):
    """With --discovery: a tool that writes was given to the one that runs reads, or the other way round."""


class InvalidArguments(CallError):
    """`problems`: one sentence each, in the order of the arguments; `stopped` says that there may be more."""

    def __init__(self, tool: str, problems: Sequence[str], *, stopped: bool = False):
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        sentences = [*problems, *(["There may be more: checking stopped here."] if stopped else [])]
        super().__init__(f"Nothing was sent: {tool} has {count} in its arguments. " + " ".join(sentences))
        self.tool = tool
        self.problems = list(problems)


class PolicyRefusal(CallError):
    """`rule` is the name of a rule of the policy, `reason` a sentence on why it forbids the call."""

    def __init__(self, rule: str, reason: str):
        super().__init__(
            f"Nothing was sent: the policy of this server forbids it. {reason} (Rule: {rule}.) Nothing in a call lifts "
            "a rule; tell the user, who can have the policy changed."
        )
        self.rule = rule
        self.reason = reason


def never_called(name: str, caller: str = "") -> PolicyRefusal:
    """The refusal of a tool that a policy forbids, or of `caller`, which would call it."""
    return PolicyRefusal("never_call", f"{name}{f', which {caller} calls,' if caller else ''} is never called.")


class Locked(CallError):
    """The server was started to work on one campaign alone, and the call is about something else."""


class RepeatHeld(CallError):
    """A call was made `seconds` ago, the same one or, if `reworded`, one for the same email; its outcome is unknown."""

    def __init__(self, tool: str, seconds: float, window: float, *, reworded: bool = False):
        which = f"a {tool} for the same email, in other words," if reworded else f"the same call of {tool}"
        super().__init__(
            f"Nothing was sent: {which} was made {seconds:.0f} s ago, and nobody knows whether it was carried out. "
            f"Read the state; if it shows nothing, call again after {max(1, math.ceil(window - seconds))} s."
        )


class TransportError(InstantlyError):
    """No response came from Instantly that could be used."""


class Unreachable(TransportError):
    """No connection could be made, so nothing was sent."""

    outcome: Outcome = "not sent"

    def __init__(self, origin: str, reason: str):
        super().__init__(
            f"{origin} could not be reached ({reason}). Nothing was sent; check the network and the server's address, "
            "then call again."
        )


class OverBudget(TransportError):
    """The request would wait longer than its caller does. `cause` has no full stop, `retry_after` is in seconds."""

    outcome: Outcome = "not sent"

    def __init__(self, cause: str, retry_after: float):
        self.retry_after = max(1.0, retry_after)
        super().__init__(f"{cause}. Nothing was sent; call again in {math.ceil(self.retry_after)} s.")


class NoResponse(TransportError):
    """The request went out and no complete response came back. `safe`: repeating it has no further effect.

    `late`: it was waited for until the time of the call was over, so that it may be carried out yet.
    """

    def __init__(self, tool: str, reason: str, *, safe: bool, late: bool = False):
        self.late = late
        advice = "The call changes nothing when it is repeated; call it again." if safe else MAY_HAVE_WORKED
        super().__init__(f"{tool} was sent, but no complete response came back ({reason}). {advice}")


class ResponseTooLong(TransportError):
    """The response has more than `limit` bytes. `safe`: repeating the request has no further effect."""

    def __init__(self, tool: str, limit: int, *, safe: bool):
        advice = "Ask for less at once: a smaller limit, a narrower filter, a shorter range." if safe else ""
        super().__init__(
            f"{tool} was sent, and its response was dropped: it is longer than {limit:,} bytes (--max-response-bytes). "
            f"{advice or MAY_HAVE_WORKED}"
        )


def cause_of(error: InstantlyError) -> str:
    """Why an attempt did not succeed, in a few words."""
    if isinstance(error, Unreachable):
        return "Instantly could not be reached"
    return "no complete response came back" if error.status is None else f"Instantly answered {error.status}"


class Overtaken(TransportError):
    """A write that failed with `error` was not repeated, as `later`, another tool, was called on the same object.

    `doubtful`: one of its attempts may have been carried out.
    """

    def __init__(self, tool: str, later: str, error: InstantlyError, *, doubtful: bool):
        self.status = error.status
        self.doubtful = doubtful
        self.outcome = "unknown" if doubtful else error.outcome
        outcome = SAID["unknown" if doubtful else "refused"]
        super().__init__(
            f"{tool} did not succeed ({cause_of(error)}), and was not sent again because {later} was called on the "
            f"same object in the meantime. {outcome} Read the state before you call it again."
        )


class NotCarriedOut(TransportError):
    """A write that failed with `error` and had no effect, as `reader` shows, a tool that was asked afterwards.

    `older` is the id of such a record that was there before.
    """

    outcome: Outcome = "refused"

    def __init__(self, tool: str, error: InstantlyError, reader: str, older: str | None = None):
        self.status = error.status
        shows = "does not show it" if older is None else f"shows only what was there before, with id {older}"
        super().__init__(
            f"{tool} did not succeed ({cause_of(error)}). {SAID['refused']} {reader} was asked afterwards and {shows}; "
            "call it again if it is still wanted."
        )


class ApiError(InstantlyError):
    """Instantly refused. `status` is the HTTP status, `message` the API's own words, short."""

    advice = "Read the message, change the call, then try again."
    outcome: Outcome = "refused"

    def __init__(self, status: int, message: str = "", *, advice: str | None = None, retry_after: float | None = None):
        self.status = status
        self.message = message
        self.retry_after = retry_after
        quoted = f': "{message}"' if message else ""
        super().__init__(f"Instantly answered {status}{quoted}. {advice or self.advice}")


class BadRequest(ApiError):
    advice = "Change the arguments as the message says; the API names one problem at a time."


class Unauthorized(ApiError):
    advice = (
        "The API key is missing, wrong or revoked, or its scopes or plan do not cover this call; "
        "check INSTANTLY_API_KEY. Trying again will not help."
    )


class PaymentRequired(ApiError):
    advice = "The workspace has no active paid plan or not enough credits for this; trying again will not help."


class Forbidden(ApiError):
    advice = "This key may not do that; trying again will not help."


class NotFound(ApiError):
    advice = "Check the id: take it from a list call, in the same workspace."


class Conflict(ApiError):
    advice = "It conflicts with the current state; read that first."


class TooLarge(ApiError):
    advice = "Ask for less at once: a narrower filter, a shorter range, fewer items."


class RateLimited(ApiError):
    advice = "Too many requests; wait a minute, then call again."


class ServerError(ApiError):
    advice = "Instantly had an internal error; try again later."
    outcome: Outcome = "unknown"


class RefusedByProxy(ApiError):
    advice = "This came from the proxy in front of Instantly, not from the API; the key is not the reason."


class ErrorInSuccess(ApiError):
    outcome: Outcome = "unknown"
    advice = (
        "Instantly answered success, but the operation failed, or only a part of it was done: "
        "read the state before you call it again."
    )
