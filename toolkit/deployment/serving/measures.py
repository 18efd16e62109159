"""Prometheus metrics of a server."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Measures:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.requests = Counter(
            "toolkit_requests", "Prediction requests", ["model", "status"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "toolkit_request_seconds", "From a request's arrival to its response", ["model"],
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.rows = Counter("toolkit_rows", "Predicted rows", ["model"], registry=registry)
        self.batch_rows = Histogram(
            "toolkit_batch_rows", "Rows per batch", ["model"], buckets=ROWS,
            registry=registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "toolkit_batch_seconds", "Time per batch", ["model"], buckets=SECONDS,
            registry=registry,
        )  # fmt: skip
        self.waiting = Gauge("toolkit_waiting_rows", "Rows in the queue", ["model"],
                             registry=registry)  # fmt: skip

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)
