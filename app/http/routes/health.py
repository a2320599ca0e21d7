"""Whether the service lives, whether it would answer now, and what it has done."""

from typing import Annotated

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from heedmap.app.errors import NotReady, Overloaded, Stopping, WorkerStopped, raises
from heedmap.app.http.answers import Health, Readiness
from heedmap.app.http.services import STOPPED, Services, services
from heedmap.app.render.wire import to_json

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="200 while the workers live", response_model=Health)
@raises(WorkerStopped)
async def healthz(services: Annotated[Services, Depends(services)]) -> Response:
    """503 once a worker is dead, or has shown no progress for long: restart the process."""
    services.check()
    return Response(to_json({"status": "ok"}), media_type="application/json")


@router.get("/readyz", summary="200 when a prediction would be answered now", response_model=Readiness)
@raises(WorkerStopped, NotReady, Overloaded, Stopping)
async def readyz(services: Annotated[Services, Depends(services)]) -> Response:
    """503 while no model can answer yet, while a prediction would be refused, once a worker is dead or hangs, and from
    the signal to stop on.

    A model that is loaded on first use counts as ready until it is found to be none.
    """
    services.check()
    if services.stopping:
        raise Stopping("the service is being stopped", headers=STOPPED)
    answering = services.models.in_state("loaded") or services.models.in_state("unloaded")
    if not answering:
        loading = services.models.in_state("loading")
        why = "the models are being loaded" if loading else f"no model can be loaded: {', '.join(services.models)}"
        raise NotReady(why, headers={"Retry-After": "1" if loading else "30"})
    refusal = services.engine.refusal()
    if refusal is not None:
        raise refusal
    return Response(to_json({"status": "ready", "models": answering}), media_type="application/json")


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: Annotated[Services, Depends(services)]) -> Response:
    """Requests, seconds, batch sizes, the queue, and the traces on disk; 404 where they have a port of their own."""
    if services.settings.metrics_port is not None:
        raise HTTPException(404)
    return Response(generate_latest(services.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
