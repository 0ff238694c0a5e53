"""Faults on demand: what can go wrong between a client and the API, and what had been done when it went wrong.

A fault is a JSON object. One of these says what goes wrong:

- `{"status": 503}`, with `"retry_after": seconds` or without: an error in the API's envelope
- `{"latency": seconds}`: the response comes late; on the sandbox's clock, or with `"real": true` in real time, by at
  most 30 seconds
- `{"reset": true}`: the connection is lost instead of a response
- `{"truncated": true}`: half of the response's body
- `{"html": 200}`: a page of HTML under this status
- `{"error": {...}}`: status 200 with this object inside

`"when"` says whether the operation is carried out: `"before"` (the default) it is not, `"after"` it is, and only its
response is lost. Late and truncated responses always come from an operation that was carried out.

One of these says which calls it hits: `{"next": n}` (the default, 1), `{"every": n}`, or `{"rate": 0.1, "seed": 7}`.
`{"operation": "POST /leads/{id}"}` narrows it to one operation.

A single request asks for a fault of its own by the header `x-sandbox-fault: status=503; retry_after=2; when=after`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.engine.responses import envelope
from mcp_instantly.sandbox.engine.routes import API, ROUTES
from mcp_instantly.sandbox.engine.shapes import read_json

HEADER = "x-sandbox-fault"
FAULT_KINDS = ("status", "latency", "reset", "truncated", "html", "error")
SELECTORS = ("next", "every", "rate")
MAX_REAL_LATENCY_SECONDS = 30.0
"""Seconds of real latency."""

MAX_LOG_ENTRIES = 10_000
"""Faults that are remembered."""

BEFORE, AFTER = "before", "after"
PAGE = "<!doctype html><html><title>Just a moment...</title><body><h1>Checking your browser</h1></body></html>"


@dataclasses.dataclass
class Reply:
    """What goes back to a client; `dropped` means nothing does, and the connection breaks."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    dropped: bool = False


def reply_with(status: int, body: bytes, media_type: str = "application/json", **headers: str) -> Reply:
    named = {"content-length": str(len(body)), "content-type": media_type}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    return Reply(status, [(name.encode(), value.encode()) for name, value in named.items()], body)


def reply_with_error(status: int, message: str, **headers: str) -> Reply:
    """An error in the API's envelope."""
    return reply_with(status, json.dumps(envelope(status, message)).encode(), **headers)


@dataclasses.dataclass
class Fault:
    id: str
    given: dict[str, Any]
    seen: int = 0
    fired: int = 0

    @property
    def kind(self) -> str:
        return next(kind for kind in FAULT_KINDS if kind in self.given)

    @property
    def when(self) -> str:
        return AFTER if self.kind in ("latency", "truncated") else self.given.get("when", BEFORE)

    @property
    def real_latency(self) -> float:
        return float(self.given["latency"]) if self.kind == "latency" and self.given.get("real") else 0.0

    def hits(self) -> bool:
        """Whether the call that has just been seen is one of those that go wrong."""
        if "every" in self.given:
            return bool(self.seen % self.given["every"] == 0)
        if "rate" in self.given:
            text = f"{self.given.get('seed', 1)}|{self.seen}"
            draw = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56
            return bool(draw < self.given["rate"])
        return bool(self.fired < self.given.get("next", 1))

    def apply(self, reply: Reply | None) -> Reply:
        """What comes back instead of `reply`; None stands for an operation that was not carried out."""
        given = self.given
        if self.kind == "status":
            more = {"retry_after": str(given["retry_after"])} if "retry_after" in given else {}
            return reply_with_error(given["status"], "The sandbox was asked to fail here", **more)
        if self.kind == "reset":
            return Reply(0, [], b"", dropped=True)
        if self.kind == "html":
            return reply_with(given["html"], PAGE.encode(), "text/html; charset=utf-8")
        if self.kind == "error":
            return reply_with(200, json.dumps(given["error"]).encode())
        assert reply is not None, "late and truncated responses come from an operation that was carried out"
        if self.kind == "truncated":
            half = reply.body[: len(reply.body) // 2]
            kept = [(name, value) for name, value in reply.headers if name != b"content-length"]
            return Reply(reply.status, [*kept, (b"content-length", str(len(half)).encode())], half)
        return reply

    def describe(self) -> dict[str, Any]:
        return {"id": self.id, **self.given, "when": self.when, "seen": self.seen, "fired": self.fired}


class Faults:
    """The faults that are in force, and what became of the calls that they hit."""

    def __init__(self, stamp: Callable[[], str]):
        self._stamp = stamp
        self.clear()

    def clear(self) -> None:
        self.active: list[Fault] = []
        self.log: list[dict[str, Any]] = []
        self._count = 0

    def add(self, /, **given: Any) -> Fault:
        """Put a fault in force: `add(status=503, next=2, operation="POST /leads")`. Raises ValueError."""
        check_fault(given)
        self._count += 1
        fault = Fault(f"fault-{self._count}", given)
        self.active.append(fault)
        return fault

    def remove(self, fault_id: str) -> bool:
        before = len(self.active)
        self.active = [fault for fault in self.active if fault.id != fault_id]
        return len(self.active) < before

    def choose(self, operation: str | None, header: str | None) -> Fault | None:
        """What goes wrong with a call of this operation: the header's fault, or the first in force that hits it."""
        if header:
            self._count += 1
            chosen = Fault(f"fault-{self._count}", read_header(header), seen=1)
        else:
            chosen = None
            for fault in self.active:
                if fault.given.get("operation", operation) == operation:
                    fault.seen += 1
                    if chosen is None and fault.hits():
                        chosen = fault
        if chosen:
            chosen.fired += 1
        return chosen

    def note(self, fault: Fault, operation: str | None, path: str, worked: int | None, got: Reply) -> None:
        """Write down what really happened; `worked` is the status of the operation if it was carried out."""
        entry = {
            "fault": fault.id,
            "kind": fault.kind,
            "at": self._stamp(),
            "operation": operation,
            "path": path,
            "done": worked is not None and 200 <= worked < 300,
            "status": worked,
            "answered": None if got.dropped else got.status,
        }
        self.log.append({name: value for name, value in entry.items() if value is not None})
        del self.log[:-MAX_LOG_ENTRIES]

    def describe(self) -> dict[str, Any]:
        return {"items": [fault.describe() for fault in self.active], "happened": self.log}

    def dump(self) -> dict[str, Any]:
        active = [dataclasses.asdict(fault) for fault in self.active]
        return {"active": active, "happened": self.log, "count": self._count}

    def load(self, kept: dict[str, Any]) -> None:
        self.active = [Fault(**fault) for fault in kept["active"]]
        self.log, self._count = kept["happened"], kept["count"]


def check_fault(given: dict[str, Any]) -> None:
    """Raise ValueError unless this describes a fault."""
    known = {*FAULT_KINDS, *SELECTORS, "when", "operation", "retry_after", "real", "seed"}
    for name in given:
        if name not in known:
            raise ValueError(f"a fault has no {name!r}; it has {', '.join(sorted(known))}")
    if sum(kind in given for kind in FAULT_KINDS) != 1:
        raise ValueError(f"a fault is one of {', '.join(FAULT_KINDS)}")
    if sum(name in given for name in SELECTORS) > 1:
        raise ValueError(f"a fault has one of {', '.join(SELECTORS)}")
    if given.get("when", BEFORE) not in (BEFORE, AFTER):
        raise ValueError("when is before or after")
    if given.get("when") == BEFORE and ("latency" in given or "truncated" in given):
        raise ValueError("late and truncated responses come from an operation that was carried out")
    if "error" in given and not _is_object(given["error"]):
        raise ValueError("error is the JSON object that the response holds")
    if not isinstance(given.get("real", False), bool):
        raise ValueError("real is true, false or left out")
    if any(given.get(name, True) is not True for name in ("reset", "truncated")):
        raise ValueError("reset and truncated are true or left out")
    for name, low, high in (
        ("status", 400, 599),
        ("html", 200, 599),
        ("latency", 0, MAX_REAL_LATENCY_SECONDS if given.get("real") else 86_400),
        ("next", 1, 1_000_000),
        ("every", 1, 1_000_000),
        ("rate", 0, 1),
        ("retry_after", 0, 86_400),
    ):
        value = given.get(name, low)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"{name} is a number from {low:g} to {high:g}")
        if name not in ("latency", "rate") and not isinstance(value, int):
            raise ValueError(f"{name} is a whole number")
    operations = {f"{known.method} {known.path[len(API) :]}" for known in ROUTES}
    if given.get("operation") not in (None, *operations):
        raise ValueError(f"there is no operation {given['operation']!r}; name one like 'PATCH /leads/{{id}}'")


def _is_object(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def read_header(text: str) -> dict[str, Any]:
    """A fault from `status=503; retry_after=2`; a word without a value is true. Raises ValueError."""
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = part.partition("=")
        try:
            given[name.strip()] = read_json(value.encode()) if value.strip() else True
        except ValueError:
            given[name.strip()] = value.strip()
    for name in (*SELECTORS, "operation", "seed"):
        if name in given:
            raise ValueError(f"{name} has no meaning for a single request")
    check_fault(given)
    return given
