"""The Open Inference Protocol (KServe's V2): predictions as tensors, and any head's map as a requested output."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import (
    WORKING,
    ModelUnavailable,
    NotFound,
    NotReady,
    Overloaded,
    Stopping,
    TooLarge,
    Unreadable,
    WorkerStopped,
    raises,
)
from heedmap.app.http.callers import admitted, while_waiting
from heedmap.app.http.inference import MAP, OUTPUTS, body_of, tensors_of
from heedmap.app.http.protocol_answers import (
    InferAnswer,
    ModelIndexEntry,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from heedmap.app.http.routes.health import readyz
from heedmap.app.http.routes.predict import answer
from heedmap.app.http.services import Services, services
from heedmap.app.render.tensors import to_body
from heedmap.app.render.wire import JSON, NPY
from heedmap.app.requests.bodies import read_json
from heedmap.app.requests.open_inference import HEADER, NAMES, SCHEMA, parse
from heedmap.app.requests.schemas import ECHOED
from heedmap.model import __version__
from heedmap.model.errors import HeedmapError, InputError

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], dependencies=[Depends(admitted)])
probes = APIRouter(prefix="/v2/health", tags=["Open Inference Protocol"])
INFER = re.compile(r"/v2/models/.+/infer/?", re.DOTALL)
EXTENSIONS = ["binary_tensor_data", "parameters"]
VERSION = "1"  # of every model: another checkpoint is another name
BINARY = "application/octet-stream"
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": SCHEMA}, BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}
ServicesNow = Annotated[Services, Depends(services)]
JsonLength = Annotated[
    str | None, Header(alias=HEADER, description="Bytes of the JSON, where those of tensors follow.")
]
INFER_DOC: dict[str, Any] = {
    "response_model": InferAnswer,
    "openapi_extra": BODY,
    "responses": {200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
}


def check_version(version: str) -> None:
    """Raises:
    NotFound: it is another.
    """
    if version != VERSION:
        raise NotFound(f"there is no version {version[:ECHOED]!r}; every model has version {VERSION}", field="version")


def is_ready(services: Services, name: str) -> bool:
    """Whether an inference would be answered: a model that is loaded when it is first asked for counts."""
    return name in services.models.in_state("loaded", "unloaded")


def metadata(services: Services, name: str) -> dict[str, Any]:
    """A model's tensors; of its maps the whole layers are listed, and single heads have names of the same kind."""
    facts = services.models.facts(name)
    example = next(iter(facts.get("examples") or [""]))
    read = [part for part in example if part in NAMES] if isinstance(example, Mapping) else ["inputs"]
    target = ["target"] if "max_new_tokens" in facts.get("parameters", ()) else []
    outputs = [{"name": output, "datatype": kind, "shape": [-1]} for output, kind in OUTPUTS.items()]
    maps = [
        {"name": f"attention.{site['name']}.{layer}.all", "datatype": "FP32", "shape": [-1, -1, -1]}
        for site in facts.get("sites", ())
        for layer in range(site["layers"])
    ]
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "heedmap",
        "inputs": [{"name": part, "datatype": "BYTES", "shape": [-1]} for part in [*read, *target]],
        "outputs": [*outputs, *maps],
    }


async def infer(request: HttpRequest, services: Services, model: str, header: str | None) -> Response:
    """The answer to an inference request."""
    body = await request.body()
    asked = await run_in_threadpool(parse, body, header)
    name = services.models.name(model)
    wanted, outputs = await run_in_threadpool(body_of, asked, name)
    form = NPY if all(output.binary for output in outputs if MAP.fullmatch(output.name)) else JSON
    results = await while_waiting(request, answer(services, wanted, form))
    answers: list[Mapping[str, Any]] = []
    for index, result in enumerate(results):
        if isinstance(result, HeedmapError) and len(results) > 1:  # the protocol has one error for all inputs
            raise type(result)(f"input {index}: {result}", field=f"inputs.{index}")
        if isinstance(result, Exception):
            raise result
        answers.append(result)
    head = {"model_name": name, "model_version": VERSION, **({} if asked.id is None else {"id": asked.id})}
    tensors = await run_in_threadpool(tensors_of, answers, outputs, asked.outputs is not None)
    content, end = await run_in_threadpool(to_body, head, tensors)
    if end is None:
        return Response(content, media_type="application/json")
    return Response(content, headers={HEADER: str(end)}, media_type=BINARY)


def said(body: Mapping[str, Any] | Sequence[Any]) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(body), media_type="application/json")


@probes.get("/live", summary="200 while the workers live", response_model=ServerLive)
@raises(WorkerStopped)
async def live(services: ServicesNow) -> Response:
    """As /healthz."""
    services.check()
    return said({"live": True})


@probes.get("/ready", summary="200 when a prediction would be answered now", response_model=ServerReady)
@raises(WorkerStopped, NotReady, Overloaded, Stopping)
async def ready(services: ServicesNow) -> Response:
    """As /readyz."""
    await readyz(services)
    return said({"ready": True})


@router.get("", summary="The service", response_model=ServerMetadata)
async def server() -> Response:
    """Its name, its version, and what it has of the protocol's extensions."""
    return said({"name": "heedmap", "version": __version__, "extensions": EXTENSIONS})


@router.post("/repository/index", summary="All models", response_model=list[ModelIndexEntry])
@raises(TooLarge, Unreadable)
async def index(request: HttpRequest, services: ServicesNow) -> Response:
    """Each with its state; a body of `{"ready": true}` leaves out those that cannot answer."""
    sent = await request.body()
    only_ready = bool(sent.strip()) and read_json(sent).get("ready") is True
    entries = []
    for name in services.models:
        state = services.models.describe(name)
        known = is_ready(services, name)
        if known or not only_ready:
            named = {"loading": "LOADING", "failed": "UNAVAILABLE"}.get(state["state"], "READY")
            entries.append({"name": name, "version": VERSION, "state": named, "reason": state.get("error") or ""})
    return said(entries)


async def show_ready(services: Services, model: str) -> Response:
    """Whether a model would answer."""
    name = services.models.name(model)
    if not is_ready(services, name):
        raise NotReady(f"the model {name} is not ready", headers={"Retry-After": "1"})
    return said({"name": name, "ready": True})


@router.get(
    "/models/{model:path}/versions/{version}/ready", summary="200 when it would answer", response_model=ModelReady
)
@raises(NotFound, NotReady)
async def version_ready(model: str, version: str, services: ServicesNow) -> Response:
    """Every model has version 1 alone."""
    check_version(version)
    return await show_ready(services, model)


@router.get("/models/{model:path}/ready", summary="200 when it would answer", response_model=ModelReady)
@raises(NotFound, NotReady)
async def model_ready(model: str, services: ServicesNow) -> Response:
    """A model that is loaded when it is first asked for counts as ready until it is found to be none."""
    return await show_ready(services, model)


@router.get("/models/{model:path}/versions/{version}", summary="A model's tensors", response_model=ModelMetadata)
@raises(NotFound)
async def version_metadata(model: str, version: str, services: ServicesNow) -> Response:
    """Every model has version 1 alone."""
    check_version(version)
    return said(metadata(services, services.models.name(model)))


@router.get("/models/{model:path}", summary="A model's tensors", response_model=ModelMetadata)
@raises(NotFound)
async def model_metadata(model: str, services: ServicesNow) -> Response:
    """What it reads and what it answers; until it has been loaded, what its files say of that."""
    return said(metadata(services, services.models.name(model)))


CAUSES = (NotFound, InputError, TooLarge, Unreadable, ModelUnavailable, *WORKING)


@router.post("/models/{model:path}/versions/{version}/infer", summary="Predict, as tensors", **INFER_DOC)
@raises(*CAUSES)
async def version_infer(
    request: HttpRequest, model: str, version: str, services: ServicesNow, length: JsonLength = None
) -> Response:
    """Every model has version 1 alone."""
    check_version(version)
    return await infer(request, services, model, length)


@router.post("/models/{model:path}/infer", summary="Predict, as tensors", **INFER_DOC)
@raises(*CAUSES)
async def model_infer(request: HttpRequest, model: str, services: ServicesNow, length: JsonLength = None) -> Response:
    """Inputs and outputs are tensors, as JSON or as bytes behind it; a map is an output: `attention.cross.1.2`.

    An output of one text each is there for a batch of inputs; what differs in length (tokens, ids, maps) for one input
    a request. Where one input of a batch cannot be answered, none is.
    """
    return await infer(request, services, model, length)
