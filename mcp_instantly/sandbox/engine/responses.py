"""Responses of the API: success, and its error envelopes."""

from __future__ import annotations

import dataclasses
from typing import Any

REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


@dataclasses.dataclass
class Response:
    """A success with more to say than its payload: another status, text of another media type, or, for the audit log,
    how many records it concerned.
    """

    status: int = 200
    payload: Any = None
    media_type: str = "application/json"
    affected: int | None = None


class ApiRefusal(Exception):
    """The request is refused. `body` replaces the usual envelope where an operation refuses in another shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = body if body is not None else envelope(status, message, code)


def envelope(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"statusCode": status}
    if code:
        found["code"] = code
    return {**found, "error": REASONS.get(status, "Error"), "message": message}


def not_found(what: str) -> ApiRefusal:
    return ApiRefusal(404, f"{what} not found")


def public(record: dict[str, Any]) -> dict[str, Any]:
    """A record as it leaves the API: unset fields and the sandbox's own are left out."""
    return {key: value for key, value in record.items() if value is not None and not key.startswith("_")}
