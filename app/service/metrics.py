"""What the service counts of itself, for Prometheus."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Prometheus metrics of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "heedmap_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "heedmap_request_seconds", "Seconds until a request was answered.", ["route"], registry=self.registry
        )
        self.batch = Histogram(
            "heedmap_batch_size",
            "Inputs that were answered together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.refusals = Counter(
            "heedmap_refusals",
            "Calls refused: full, share, deadline, size, stopped.",
            ["cause"],
            registry=self.registry,
        )
        self.waits = Histogram(
            "heedmap_wait_seconds",
            "Seconds that calls waited for a worker.",
            ["worker"],
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
            registry=self.registry,
        )
        self.loads = Histogram(
            "heedmap_model_load_seconds",
            "Seconds until a model was loaded.",
            ["model"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300),
            registry=self.registry,
        )
        self.load_failures = Counter(
            "heedmap_model_load_failures", "Models that could not be loaded.", ["model"], registry=self.registry
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read whenever the metrics are."""
        Gauge(f"heedmap_{name}", text, registry=self.registry).set_function(read)

    def gauges(self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """The same of several things, each with its value of a label."""
        gauge = Gauge(f"heedmap_{name}", text, [label], registry=self.registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(read)
