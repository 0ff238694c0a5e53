"""Figures for Prometheus: calls, durations, repeats and what is left of the API's budgets.

Every label has few values: names of tools of ours, outcomes, and names of budgets. Workers write theirs to files of a
folder (PROMETHEUS_MULTIPROC_DIR), and any of them shows the sums.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.errors import ConfigError

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

OUTCOMES = ("ok", "asked", "error", "cancelled", "crashed")

STATUSES = (400, 401, 403, 405, 408, 413, 421, 429, 431, 503)

OTHER = "other"
"""In the place of any name that is not one of ours."""


class Metrics:
    """What is counted of this process. `tools` are the names that may stand in a label. Raises ConfigError without
    the library."""

    def __init__(self, tools: Collection[str]):
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise ConfigError(
                "--metrics needs the package prometheus-client: pip install 'mcp-instantly[metrics]'."
            ) from None
        self._tools = frozenset(tools)
        self._clients: list[InstantlyClient] = []
        self._waits_told: dict[InstantlyClient, tuple[int, float]] = {}
        registry = self._registry = prometheus.CollectorRegistry()
        prefix = "mcp_instantly"
        self._calls = prometheus.Counter(
            f"{prefix}_tool_calls", "Calls of tools by clients.", ("tool", "outcome"), registry=registry
        )
        self._seconds = prometheus.Histogram(
            f"{prefix}_tool_call_seconds",
            "How long calls by clients took.",
            ("tool",),
            buckets=SECONDS,
            registry=registry,
        )
        self._requests = prometheus.Counter(
            f"{prefix}_api_requests", "Requests to the API, repeats among them.", ("tool",), registry=registry
        )
        self._retries = prometheus.Counter(
            f"{prefix}_api_retries", "Requests to the API that repeated another.", ("tool",), registry=registry
        )
        self._refused = prometheus.Counter(
            f"{prefix}_refused_requests", "HTTP requests that were turned away.", ("status",), registry=registry
        )
        self._waits = prometheus.Counter(
            f"{prefix}_budget_waits", "Requests that waited for a budget of the API.", registry=registry
        )
        self._wait_seconds = prometheus.Counter(
            f"{prefix}_budget_wait_seconds", "How long these waited in sum.", registry=registry
        )
        self._under_way = prometheus.Gauge(
            f"{prefix}_requests_under_way",
            "HTTP requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._left = prometheus.Gauge(
            f"{prefix}_budget_left",
            "What is left of a budget of the API, the least of all keys.",
            ("budget",),
            registry=registry,
            multiprocess_mode="livemin",
        )

    # told by others

    def opened(self, client: InstantlyClient) -> None:
        self._clients.append(client)

    def closed(self, client: InstantlyClient) -> None:
        self._tell_budgets()
        self._waits_told.pop(client, None)
        if client in self._clients:
            self._clients.remove(client)

    def called(self, event: dict[str, Any]) -> None:
        tool = event["tool"] if event["tool"] in self._tools else OTHER
        # A workflow's own event has the attempts of all that it called, and no request of its own.
        if event["requests"] and event["attempts"]:
            self._requests.labels(tool).inc(event["attempts"])
            self._retries.labels(tool).inc(max(0, event["attempts"] - event["requests"]))
        if "workflow" in event:
            return
        outcome = event["outcome"] if event["outcome"] in OUTCOMES else OTHER
        self._calls.labels(tool, outcome).inc()
        self._seconds.labels(tool).observe(event["duration_ms"] / 1000)

    def refused(self, status: int) -> None:
        self._refused.labels(str(status) if status in STATUSES else OTHER).inc()

    def under_way(self, count: int) -> None:
        self._under_way.set(count)

    # shown

    def page(self) -> tuple[bytes, str]:
        """The figures as Prometheus reads them, and their media type."""
        import prometheus_client as prometheus

        self._tell_budgets()
        registry = self._registry
        if FOLDER in os.environ:
            from prometheus_client import multiprocess

            registry = prometheus.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST

    def _tell_budgets(self) -> None:
        left: dict[str, float] = {}
        for client in self._clients:
            budget = client.budget
            for name, amount in budget.left().items():
                left[name] = min(amount, left.get(name, amount))
            count, seconds = self._waits_told.get(client, (0, 0.0))
            self._waits.inc(max(0, budget.waits.count - count))
            self._wait_seconds.inc(max(0.0, budget.waits.seconds - seconds))
            self._waits_told[client] = (budget.waits.count, budget.waits.seconds)
        for name, amount in left.items():
            self._left.labels(name).set(amount)
