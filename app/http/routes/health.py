"""Whether the service lives, whether it would answer now, and what it has done."""

from typing import Annotated

from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from heedmap.app.errors import NotReady, Overloaded, WorkerStopped, raises
from heedmap.app.http.answers import Health, Readiness
from heedmap.app.http.services import Services, services
from heedmap.app.render.wire import to_json

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="200 while the workers live", response_model=Health)
@raises(WorkerStopped)
async def healthz(services: Annotated[Services, Depends(services)]) -> Response:
    """503 once the device's worker or the reading one is dead: restart the process."""
    if not services.alive:
        raise WorkerStopped("a worker has died; restart the service")
    return Response(to_json({"status": "ok"}), media_type="application/json")


@router.get("/readyz", summary="200 when a prediction would be answered now", response_model=Readiness)
@raises(WorkerStopped, NotReady, Overloaded)
async def readyz(services: Annotated[Services, Depends(services)]) -> Response:
    """503 while no model can answer yet, while the device's queue is full, and once a worker is dead.

    A model that is loaded on first use counts as ready until it is found to be none.
    """
    if not services.alive:
        raise WorkerStopped("a worker has died; restart the service")
    answering = services.models.in_state("loaded") or services.models.in_state("unloaded")
    if not answering:
        loading = services.models.in_state("loading")
        why = "the models are being loaded" if loading else f"no model can be loaded: {', '.join(services.models)}"
        raise NotReady(why, headers={"Retry-After": "1" if loading else "30"})
    if services.engine.full:
        raise Overloaded("the queue is full", headers={"Retry-After": "1"})
    return Response(to_json({"status": "ready", "models": answering}), media_type="application/json")


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: Annotated[Services, Depends(services)]) -> Response:
    """Requests, seconds, batch sizes, the queue, and the traces on disk."""
    return Response(generate_latest(services.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
