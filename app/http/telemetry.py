"""Spans to an OpenTelemetry collector, where the settings name one.

The collector is HEEDMAP_TELEMETRY; whatever else there is to choose (the service's name, attributes, sampling, headers,
sizes of batches) is chosen by OpenTelemetry's own variables, OTEL_*. The request's own span, which continues the
caller's `traceparent`, is the framework's.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig
from starlette.types import Scope

from heedmap.app.http.admission import PROBES
from heedmap.app.service.threads import in_thread
from heedmap.app.settings import Settings
from heedmap.model import __version__
from heedmap.model.errors import HeedmapError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

THREAD = "heedmap-telemetry"
PATH = "/v1/traces"  # of OTLP over HTTP, for spans
LAST = 2.0  # seconds at the end for what was not sent yet: a collector that is down keeps nobody


def check(settings: Settings) -> None:
    """Whether spans can be sent where they are wanted.

    Raises:
        HeedmapError: OpenTelemetry's SDK is not installed.
    """
    if settings.telemetry is None:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        raise HeedmapError(
            "telemetry: OpenTelemetry's SDK is not installed: pip install 'heedmap[telemetry]', or leave "
            "HEEDMAP_TELEMETRY unset",
            field="telemetry",
        ) from error


def provider(settings: Settings) -> "TracerProvider | None":
    """What makes spans and sends them; None where nobody wants any.

    Raises:
        HeedmapError: OpenTelemetry's SDK is not installed.
    """
    if settings.telemetry is None:
        return None
    check(settings)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({SERVICE_VERSION: __version__})
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "heedmap"}))
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(settings.telemetry.rstrip("/") + PATH)))
    return made


def of_requests(provider: "TracerProvider | None") -> TelemetryConfig:
    """The framework's own telemetry: a span of every request but probes, to this provider and to no other."""
    return {
        "tracer_provider": provider,
        "tracing": provider is not None,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": _is_probe,
    }


async def end(provider: "TracerProvider | None") -> None:
    """Send what was not sent yet, and make no more."""
    if provider is not None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(in_thread(THREAD, provider.shutdown), LAST)


def _is_probe(scope: Scope) -> bool:
    return str(scope["path"]).endswith(PROBES)
