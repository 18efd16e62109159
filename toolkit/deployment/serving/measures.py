"""Prometheus metrics of a server."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Measures:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"labelnames": ["model"], "registry": self.registry}
        timed = own | {"buckets": SECONDS}
        by_status = own | {"labelnames": ["model", "status"]}
        self.requests = Counter("toolkit_requests", "Prediction requests", **by_status)
        what = "From a request's arrival to its response"
        self.seconds = Histogram("toolkit_request_seconds", what, **timed)
        self.rows = Counter("toolkit_rows", "Predicted rows", **own)
        self.batch_rows = Histogram("toolkit_batch_rows", "Rows per batch", buckets=ROWS, **own)
        self.batch_seconds = Histogram("toolkit_batch_seconds", "Time per batch", **timed)
        self.waiting = Gauge("toolkit_waiting_rows", "Rows in the queue", **own)
