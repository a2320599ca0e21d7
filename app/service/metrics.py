"""What the service counts of itself, for Prometheus.

Labels take few values: models are those that are served, lines, stages and causes are words of ours, and paths are the
patterns of routes.
"""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

from heedmap.model.contract import Prediction, Request
from heedmap.model.trace.trace import Trace

WAITS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)  # seconds in a line
STAGES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)  # seconds: from a tokenizer's to a long pass's
JOBS = (1, 3, 10, 30, 100, 300, 1000, 3600)  # seconds: from a few sentences' to the longest that a job may take
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)  # of batches
SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ERRORS = (1e-8, 1e-7, 3e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1)  # relative: float32 rounds at 6e-8, bfloat16 at 4e-3
HEAD = ("model", "site", "layer", "head")
WRITTEN_AXES = ("target", "prefix")  # of what a model wrote, or was given to score


class Metrics:
    """Prometheus metrics of one app; an `Observer` of what its models do."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "heedmap_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "heedmap_request_seconds", "Seconds until a request was answered.", ["route"], registry=registry
        )
        self.errors = Counter("heedmap_errors", "Error bodies, by their type.", ["type", "status"], registry=registry)
        self.batch_size = Histogram(
            "heedmap_batch_size", "Inputs that were answered together.", buckets=SIZES, registry=registry
        )
        self.passes = Histogram(
            "heedmap_pass_size", "Sequences that went through a model together.", buckets=SIZES, registry=registry
        )
        self.padding = Histogram(
            "heedmap_padding_ratio",
            "Padding's share of the tokens that went through a model together.",
            buckets=SHARES,
            registry=registry,
        )
        self.padded = Counter(
            "heedmap_padding_tokens", "Padding that went through models with the tokens.", registry=registry
        )
        self.real = Counter(
            "heedmap_pass_tokens", "Tokens that went through models, without padding.", registry=registry
        )
        self.refusals = Counter(
            "heedmap_refusals",
            "Calls refused: full, share, deadline, size, stopped, stopping; connections: by their problem.",
            ["cause", "line"],
            registry=registry,
        )
        self.waits = Histogram(
            "heedmap_wait_seconds", "Seconds that calls waited in a line.", ["worker"], buckets=WAITS, registry=registry
        )
        self.work = Histogram(
            "heedmap_work_seconds", "Seconds that a worker took for a batch, or for a turn of long work.", ["worker"],
            buckets=WAITS, registry=registry,
        )  # fmt: skip
        self.stages = Histogram(
            "heedmap_stage_seconds",
            "Seconds of a stage: parse, tokenize, generate, forward, record, certify, write, open, render.",
            ["stage"],
            buckets=STAGES,
            registry=registry,
        )
        self.tokens = Counter(
            "heedmap_tokens", "Tokens, patches and frames read (in) and tokens written (out).", ["model", "direction"],
            registry=registry,
        )  # fmt: skip
        self.written_bytes = Counter("heedmap_trace_written_bytes", "Bytes of traces written.", registry=registry)
        self.certificate_error = Histogram(
            "heedmap_certificate_relative_error",
            "Error of the output recomputed from the maps, against the layer's largest output.",
            ["model", "kernel"],
            buckets=ERRORS,
            registry=registry,
        )
        self.certificate_warnings = Counter(
            "heedmap_certificate_warnings", "Traces whose certificate warns.", ["model"], registry=registry
        )
        self.sink = Summary("heedmap_head_sink", "A head's weight on key 0, a mean over rows.", HEAD, registry=registry)
        self.entropy = Summary(
            "heedmap_head_entropy_nats", "The entropy of a head's rows, their mean.", HEAD, registry=registry
        )
        self.signals = Counter(
            "heedmap_head_signals", "Traces whose heads were measured, or passed over.", ["outcome"], registry=registry
        )
        self.loads = Histogram(
            "heedmap_model_load_seconds",
            "Seconds until a model was loaded.",
            ["model"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300),
            registry=registry,
        )
        self.load_failures = Counter(
            "heedmap_model_load_failures", "Models that could not be loaded.", ["model"], registry=registry
        )

        self.jobs = Counter(
            "heedmap_jobs", "Jobs that came to be queued, running, done, failed or cancelled.", ["kind", "state"],
            registry=registry,
        )  # fmt: skip
        self.job_seconds = Histogram(
            "heedmap_job_seconds", "Seconds that a job ran.", ["kind"], buckets=JOBS, registry=registry
        )

    def connection_refused(self, kind: str, status: int) -> None:
        """A connection was refused, before there was a request."""
        self.refusals.labels(kind.rpartition(":")[2], "connection").inc()
        self.errors.labels(kind, status).inc()

    def stage(self, name: str, seconds: float) -> None:
        """A stage of the work is over."""
        self.stages.labels(name).observe(seconds)

    def batch(self, rows: int, tokens: int, padding: int) -> None:
        """Sequences go through a model together."""
        self.passes.observe(rows)
        self.real.inc(tokens)
        self.padded.inc(padding)
        self.padding.observe(padding / max(1, tokens + padding))

    def answered(self, model: str, requests: Sequence[Request], outcomes: Sequence[object]) -> None:
        """What a model made of requests: its tokens, and how exact its traces are."""
        read = written = 0
        for request, outcome in zip(requests, outcomes, strict=True):
            prediction = outcome.prediction if isinstance(outcome, Trace) else outcome
            if isinstance(prediction, Prediction):
                out = len(prediction.tokens) if request.target is None else 0
                axes = prediction.axes
                read += sum(len(axis) for name, axis in axes.items() if name not in WRITTEN_AXES)
                read -= out if "tokens" in axes else 0  # where an output follows its prompt on one axis
                written += out
            if isinstance(outcome, Trace):
                certificate = outcome.certificate
                if certificate.relative_error is not None:
                    self.certificate_error.labels(model, certificate.kernel).observe(certificate.relative_error)
                if certificate.warning is not None:
                    self.certificate_warnings.labels(model).inc()
        self.tokens.labels(model, "in").inc(max(0, read))
        self.tokens.labels(model, "out").inc(written)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read whenever the metrics are."""
        Gauge(f"heedmap_{name}", text, registry=self.registry).set_function(read)

    def gauges(self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]) -> None:
        """The same of several things, each with its value of a label."""
        gauge = Gauge(f"heedmap_{name}", text, [label], registry=self.registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(read)
