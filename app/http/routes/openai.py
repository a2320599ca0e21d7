"""OpenAI's protocol: any chat application can be looked into by changing its base URL; each answer names its trace."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from heedmap.app.dialects import dialect_of
from heedmap.app.errors import (
    WORKING,
    ModelUnavailable,
    NotFound,
    QuotaExceeded,
    StorageFull,
    StoreUnavailable,
    raises,
)
from heedmap.app.http.access.quota import check_quota
from heedmap.app.http.callers import Caller, admitted, while_waiting
from heedmap.app.http.completions import Completion, CompletionFeed
from heedmap.app.http.event_stream import begin
from heedmap.app.http.protocol_answers import ChatCompletion, TextCompletion
from heedmap.app.http.routes.traces import identify, trace_of
from heedmap.app.http.services import Services, services
from heedmap.app.problems import problem
from heedmap.app.render.wire import to_json
from heedmap.app.requests.bodies import parsed, request_body
from heedmap.app.requests.openai import ChatRequest, Completing, CompletionRequest
from heedmap.app.service.stored_trace import StoredTrace
from heedmap.model.contract import Request, Served
from heedmap.model.errors import InputError, ParameterError, TraceTooLarge
from heedmap.model.trace.trace import Trace

router = APIRouter(prefix="/v1", tags=["OpenAI"])
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
PATHS = (CHAT, TEXT)
SCHEMA = {
    "type": "object",
    "description": "An event: a line of JSON, and [DONE] at the end.",
    "properties": {"data": {"type": "string"}},
}
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": SCHEMA}}}}
CAUSES = (NotFound, InputError, TraceTooLarge, ModelUnavailable, QuotaExceeded, StorageFull, StoreUnavailable, *WORKING)
CallerNow = Annotated[Caller, Depends(admitted)]
ServicesNow = Annotated[Services, Depends(services)]


async def asked(services: Services, body: Completing) -> tuple[str, Served[Trace], Request]:
    """The model, by its name, and what is asked of it.

    Raises:
        ParameterError: it does not write, knows no messages, or cannot do what is asked.
    """
    name, model = await services.models.get(body.model)
    facts = services.models.facts(name)
    if "max_new_tokens" not in facts["parameters"]:
        raise ParameterError(f"{name} does {model.task}, and writes no text: POST /v1/predict asks it", field="model")
    if isinstance(body, ChatRequest) and not facts.get("chat"):
        raise ParameterError(
            f"{name} has no chat template, and does not know messages: POST {TEXT} gives it a text", field="messages"
        )
    if body.scored and "generator" in facts.get("generation", {}):
        raise ParameterError(
            "who writes for this model tells no log-probabilities: leave logprobs out", field="logprobs"
        )
    return name, model, body.request(facts)


def completion_of(name: str, model: Served[Trace], body: Completing) -> Completion:
    """The answer that is begun."""
    chat = isinstance(body, ChatRequest)
    return Completion(name, chat, model.revision, body.stop, body.unfollowed(), body.scored)


async def events(
    services: Services, caller: Caller, body: Completing, told: list[CompletionFeed] | None = None
) -> AsyncGenerator[bytes, None]:
    """The chunks of an answer while it is written; `told` is given its feed."""
    name, model, request = await asked(services, body)
    await check_quota(caller, services.store.folder)
    identifier = await identify(services, caller, name, request)
    feed = CompletionFeed(completion_of(name, model, body), model.task)
    async with aclosing(feed.events(services.stream(name, model, request, feed))) as written:
        async for data in written:
            yield data
    trace = feed.trace
    assert trace is not None, "the events are over"
    feed.kept = await services.keep(caller.owner, identifier, name, trace, request)
    if told is not None:
        told.append(feed)
    yield feed.rest() + feed.completion.last(trace.prediction, feed.kept.id, body.usage)


async def whole(services: Services, caller: Caller, body: Completing) -> bytes:
    """The answer in one piece: of a trace that is kept already, where it is not to be told token by token."""
    if body.scored:
        told: list[CompletionFeed] = []
        async with aclosing(events(services, caller, body, told)) as written:
            async for _ in written:
                pass
        [feed] = told
        held, scores, completion = feed.kept, feed.scores, feed.completion
    else:
        name, model, request = await asked(services, body)
        held, scores = await trace_of(services, caller, name, request), []
        completion = completion_of(name, model, body)
    assert isinstance(held, StoredTrace)
    answer = completion.whole(held.trace.prediction, held.id, scores)
    return await run_in_threadpool(to_json, answer)


async def respond(request: HttpRequest, services: Services, caller: Caller, body: Completing) -> Response:
    """The answer to either route."""
    path = CHAT if isinstance(body, ChatRequest) else TEXT

    def failure(error: Exception) -> bytes:
        return b"data: %s\n\n" % orjson.dumps(dialect_of(path).body(problem(error), path))

    if body.stream:
        return await begin(request, events(services, caller, body), failure)
    return Response(await while_waiting(request, whole(services, caller, body)), media_type="application/json")


@router.post(
    CHAT.removeprefix("/v1"),
    summary="Answer a chat, as OpenAI's protocol has it",
    response_model=ChatCompletion,
    openapi_extra=request_body(ChatRequest, forms=False),
    responses=STREAM,
)
@raises(*CAUSES)
async def chat(
    request: HttpRequest,
    caller: CallerNow,
    body: Annotated[ChatRequest, Depends(parsed(ChatRequest, forms=False))],
    services: ServicesNow,
) -> Response:
    """The answer of a model that has a chat template; `trace_id` is that of its trace, which GET /v1/traces/{id} shows.

    Without a temperature the likeliest token is taken each time. Fields that are not followed are named in `warnings`;
    tools, forms of the answer and several answers are refused.
    """
    return await respond(request, services, caller, body)


@router.post(
    TEXT.removeprefix("/v1"),
    summary="Go on from a text, as OpenAI's protocol has it",
    response_model=TextCompletion,
    openapi_extra=request_body(CompletionRequest, forms=False),
    responses=STREAM,
)
@raises(*CAUSES)
async def complete(
    request: HttpRequest,
    caller: CallerNow,
    body: Annotated[CompletionRequest, Depends(parsed(CompletionRequest, forms=False))],
    services: ServicesNow,
) -> Response:
    """What a model writes after a prompt, or makes of it: of a translating model, the translation.

    As for chats, `trace_id` is the id of its trace, and `warnings` names what is not followed.
    """
    return await respond(request, services, caller, body)
