"""Word alignments of pairs of texts, read from cross attention."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.errors import WORKING, ModelUnavailable, NotFound, TooLarge, raises
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.measure_answers import AlignAnswer
from heedmap.app.http.rendering import rendered
from heedmap.app.http.services import Services, services
from heedmap.app.problems import problem
from heedmap.app.render.wire import to_json
from heedmap.app.requests.alignment import AlignRequest
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import HeedmapError, InputError, ParameterError, RangeError
from heedmap.model.measures.aligner import HeadChoice, WordAlignment, align, both_ways, together
from heedmap.model.measures.alignment import CROSS
from heedmap.model.trace.trace import Trace

router = APIRouter(prefix="/v1/align", tags=["alignment"])


async def aligned(
    services: Services, name: str, pairs: Sequence[tuple[str, str]], parameters: Parameters, choice: HeadChoice
) -> list[WordAlignment | Exception]:
    """The alignment of each pair by a model, or its error: one batch, one teacher-forced pass for each."""
    name, model = await services.models.get(name)
    requests = [Request(source, target, parameters) for source, target in pairs]
    outcomes = await services.record(name, model, requests)

    def read(outcome: Trace | HeedmapError) -> WordAlignment | Exception:
        try:
            return outcome if isinstance(outcome, HeedmapError) else align(outcome, choice)
        except Exception as error:
            return error.with_traceback(None)

    turns: Iterator[WordAlignment | Exception] = (read(outcome) for outcome in outcomes)
    return await services.reading.run_turns(turns)


async def answer(services: Services, body: AlignRequest) -> dict[str, Any]:
    """The answer to a body.

    Raises:
        ParameterError: a model does not align, or none translates back.
    """
    name = services.models.name(body.model)
    await services.models.get(name)
    check_model(services, name, body, "model")
    reverse = await reverse_of(services, name, body) if body.symmetrise is not None else None
    if body.symmetrise is None and body.reverse is not None:
        raise ParameterError(
            "a model that translates back is for joining links: give symmetrise too, or leave reverse out",
            field="reverse",
        )
    choice = HeadChoice(body.layer, body.head, body.reading)
    rows = await aligned(services, name, body.pairs, body.parameters, choice)
    if reverse is not None:
        assert body.symmetrise is not None
        turned = [(target, source) for source, target in body.pairs]
        back = body.parameters.model_copy(
            update={"src_lang": body.parameters.tgt_lang, "tgt_lang": body.parameters.src_lang}
        )
        others = await aligned(services, reverse, turned, back, HeadChoice(reading=body.reading))
        rows = [joined(one, other, body.symmetrise) for one, other in zip(rows, others, strict=True)]
    return {
        "model": name,
        "reverse": reverse,
        "symmetrise": body.symmetrise,
        "alignments": [
            {"error": pair_problem(row, index)} if isinstance(row, Exception) else row.to_json()
            for index, row in enumerate(rows)
        ],
    }


def check_model(services: Services, name: str, body: AlignRequest, field: str) -> None:
    """Find that a model cannot align, or has no such head, before any work is done.

    Raises:
        ParameterError: it has no cross attention over text. RangeError: no such layer or head.
    """
    facts = services.models.facts(name)
    site = next((site for site in facts["sites"] if site["name"] == CROSS), None)
    if site is None or facts["task"] != "translation":
        raise ParameterError(
            f"{name} ({facts['task']}) does not translate: alignments are read from a translation model's cross "
            "attention",
            field=field,
        )
    if field != "model":  # layer and head are those of the first direction
        return
    for part, value, count in (("layer", body.layer, site["layers"]), ("head", body.head, site["heads"])):
        if isinstance(value, int) and not -count <= value < count:
            raise RangeError(f"there is no {part} {value}: cross has 0 to {count - 1}", field=part)


async def reverse_of(services: Services, name: str, body: AlignRequest) -> str:
    """The model of the other direction.

    Raises:
        ParameterError: none is served, or the one named does not translate.
    """
    if body.reverse is not None:
        reverse = services.models.name(body.reverse)
        await services.models.get(reverse)
        check_model(services, reverse, body, "reverse")
        return reverse
    served = [(other, services.models.facts(other)) for other in services.models.in_state("loaded")]
    found = both_ways(served, name)
    if found is None:
        raise ParameterError(
            f"no loaded model translates what {name} does the other way round: name one as reverse, or leave "
            "symmetrise out",
            field="symmetrise",
        )
    return found


def joined(one: WordAlignment | Exception, other: WordAlignment | Exception, how: Any) -> WordAlignment | Exception:
    """Both directions of a pair together, or the error of one of them."""
    if isinstance(one, Exception) or isinstance(other, Exception):
        return one if isinstance(one, Exception) else turned_error(other)
    try:
        return together(one, other, how)
    except HeedmapError as error:
        return error.with_traceback(None)


def turned_error(error: Any) -> Exception:
    """An error of the other direction, whose inputs are this one's targets."""
    if isinstance(error, HeedmapError) and error.field in ("inputs", "target"):
        error.field = "target" if error.field == "inputs" else "inputs"
    assert isinstance(error, Exception)
    return error


def pair_problem(error: Exception, index: int) -> dict[str, Any]:
    """The problem of one pair: its path says which, and which side."""
    body = problem(error)
    sides = {"inputs": f"pairs.{index}.0", "target": f"pairs.{index}.1", "pairs": f"pairs.{index}"}
    for entry in body.get("errors", []):
        entry["path"] = sides.get(entry["path"], entry["path"])
    return body


@router.post(
    "",
    summary="Align the words of pairs of texts",
    response_model=AlignAnswer,
    openapi_extra=request_body(AlignRequest, forms=False),
)
@raises(NotFound, InputError, TooLarge, ModelUnavailable, *WORKING)
async def align_pairs(
    request: HttpRequest,
    caller: Annotated[Caller, Depends(admitted)],
    body: Annotated[AlignRequest, Depends(parsed(AlignRequest, forms=False))],
    services: Annotated[Services, Depends(services)],
) -> Response:
    """Each pair, in its order, has links in Pharaoh's format between its words, or its own error."""
    content = await while_waiting(request, answer(services, body))
    return Response(await rendered(to_json, content), media_type="application/json")
