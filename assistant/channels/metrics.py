"""Counters and timings in a registry of their own: no ids, no words of anyone."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from assistant.turn import Reply

BUCKETS = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """What /metrics tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._turns = Counter(
            "heshi_turns", "Turns released, by channel, outcome and intent.", ("channel", "outcome", "intent"),
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "heshi_turn_seconds", "Time to a released reply, waiting included.", ("channel",), buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._failed = Counter("heshi_failures", "Turns not answered.", ("channel", "why"), registry=self.registry)
        self._limited = Counter("heshi_limited", "Requests over a rate limit.", ("limit",), registry=self.registry)
        self._feedback = Counter("heshi_feedback", "Feedback by verdict.", ("verdict",), registry=self.registry)
        self._erased = Counter("heshi_erased", "Conversations erased by customers.", registry=self.registry)
        self.running = Gauge("heshi_turns_running", "Turns being worked on or waiting.", registry=self.registry)

    def turn(self, channel: str, reply: Reply, seconds: float) -> None:
        """Count one released turn."""
        self._turns.labels(channel, reply.outcome, reply.intent).inc()
        self._seconds.labels(channel).observe(seconds)

    def failure(self, channel: str, why: str) -> None:
        """Count one turn that failed; `why` is error, timeout or busy."""
        self._failed.labels(channel, why).inc()

    def limited(self, limit: str) -> None:
        """Count one request over a limit; `limit` is address or conversation."""
        self._limited.labels(limit).inc()

    def feedback(self, verdict: str) -> None:
        """Count one piece of feedback."""
        self._feedback.labels(verdict).inc()

    def erased(self) -> None:
        """Count one erased conversation."""
        self._erased.inc()

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
