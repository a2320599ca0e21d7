"""Requests handed on to replicas in other processes: who loses its replica before the answer began gets another one.

Every request may be done twice, then: predictions are functions of what they are asked, a trace is named by it, and
what is deleted is gone. A request is handed on whole, so that its body can be sent again; an answer comes back in
pieces, the first of which holds all of a short one.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import structlog
from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedmap.app.errors import NotReady, Overloaded, ServiceError, Stopping, TooLarge
from heedmap.app.problems import problem_response

PROBES = ("/healthz", "/readyz")
PROBE_SECONDS = 4.0  # that a probe waits for a replica: whoever asks gives up after five, and has then heard nothing
ATTEMPTS = 4  # at one request: a body that ends every process it comes to shall not end them all
PAUSE = 0.2  # seconds before the next attempt: about what it takes until all know that a replica has gone
NAMED = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
NAMED_WITHIN = 4 << 10  # bytes of a body's either end: the model stands before the inputs, or after them
PATHS = re.compile(r"/v[12]/models/([^/]+)")
# What of a request another process can be told; the rest are objects of this one.
PARTS = (
    "type",
    "http_version",
    "method",
    "scheme",
    "path",
    "raw_path",
    "query_string",
    "root_path",
    "client",
    "server",
)
LOST = (RayActorError, ObjectLostError, ReplicaUnavailableError)
SETTLE = 2.0  # seconds without a request, until those on their way have come in and been told
REQUEST_ID = b"x-request-id"
RETRY = {"Retry-After": "2"}

log = structlog.get_logger("heedmap")


class Forward:
    """An application that lets replicas answer.

    Args:
        replicas: a handle of a deployment whose `answer(scope, body)` yields lists of messages.
        limit: bytes of a body.
        models: the names that a request may prefer replicas by.
    """

    def __init__(self, replicas: Any, limit: int, models: Iterable[str]) -> None:
        self.replicas, self.limit = replicas, limit
        self.models = frozenset(models)
        self.stopping = False
        self._pending: set[asyncio.Task[Any] | None] = set()
        self._arrived = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing is to be started or ended."""
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        answering = asyncio.current_task()
        self._pending.add(answering)
        self._arrived += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._pending.discard(answering)

    async def drain(self, seconds: float) -> int:
        """Accept nothing more, and answer what comes in until nothing does; how many requests have no answer then.

        Args:
            seconds: that this may take at most.
        """
        self.stopping = True
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        while (left := until - clock()) > 0:
            pending, arrived = {task for task in self._pending if task is not None}, self._arrived
            if pending:
                await asyncio.wait(pending, timeout=left)
                continue
            await asyncio.sleep(min(SETTLE, left))
            if arrived == self._arrived:
                break
        return len(self._pending)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        try:
            if self.stopping:
                raise Stopping(
                    "the service is being stopped; ask again in a moment", headers={**RETRY, "Connection": "close"}
                )
            body = await self._read(receive)
            if body is None:
                return
            named = any(name == REQUEST_ID for name, _ in scope["headers"])
            probe = scope["path"].endswith(PROBES)
            async with asyncio.timeout(PROBE_SECONDS if probe else None), aclosing(self._messages(scope, body)) as sent:
                async for message in sent:
                    begun = True
                    await send(_without_id(message) if named else message)
        except TimeoutError:
            if begun:
                raise
            refusal: ServiceError = NotReady("no replica answers", headers=RETRY)
        except ServiceError as error:
            refusal = error
        else:
            return
        await problem_response(refusal)(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body, as it was sent; None of who hung up.

        Raises:
            TooLarge: it is over the limit.
        """
        pieces, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece = message.get("body", b"")
            size += len(piece)
            if size > self.limit:
                detail = f"a request body may have {self.limit:,} bytes at most"
                raise TooLarge(detail, headers={"Connection": "close"})
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def _messages(self, scope: Scope, body: bytes) -> AsyncGenerator[Message]:
        """What a replica answers, of the first that lives long enough to begin.

        Raises:
            Overloaded: more requests wait already than may. NotReady: replica after replica was lost.
        """
        request = {name: scope[name] for name in PARTS if name in scope}
        request["headers"] = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        model = self.preferred(scope["path"], body)
        options = {"multiplexed_model_id": model} if model else {}
        for attempt in range(1, ATTEMPTS + 1):
            begun = complete = False
            start: Message | None = None
            stream = self.replicas.options(stream=True, **options).answer.remote(request, body)
            try:
                async for messages in stream:
                    for message in messages:
                        if message["type"] == "http.response.start":
                            start = message  # kept until there is a body: nothing has begun before
                            continue
                        if start is not None:
                            begun = True
                            yield start
                            start = None
                        yield message
                        complete = not message.get("more_body", False)
                return
            except (BackPressureError, DeploymentUnavailableError) as error:
                raise Overloaded(
                    "more calls are waiting already than may; try again in a moment", headers={"Retry-After": "1"}
                ) from error
            except LOST as error:
                log.warning("replica_lost", attempt=attempt, begun=begun, cause=type(error).__name__)
                if complete:  # all was said but that it was all
                    return
                if begun:
                    raise
            finally:
                stream.cancel()  # so that nothing works for who has gone; of what is done already, nothing happens
            await asyncio.sleep(PAUSE)
        raise NotReady("replicas were lost while they worked on this; ask again in a moment", headers=RETRY)

    def preferred(self, path: str, body: bytes) -> str | None:
        """The model that a request seems to name: a hint for who is asked first, and nothing more."""
        if len(self.models) < 2:
            return None
        in_path = PATHS.match(path)
        in_body = NAMED.search(body[:NAMED_WITHIN]) or NAMED.search(body[-NAMED_WITHIN:])
        name = in_path[1] if in_path else in_body[1].decode("utf-8", "replace") if in_body else ""
        return name if name in self.models else None


def _without_id(message: Message) -> Message:
    """Without the request's name, which Ray's proxy gives it and puts on the answer too."""
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": [each for each in message["headers"] if each[0].lower() != REQUEST_ID]}


async def messages_of(app: ASGIApp, scope: Scope, body: bytes) -> AsyncGenerator[list[Message]]:
    """What an application answers to a whole request; each list is what came at once. Who stops reading hangs up."""
    answers: asyncio.Queue[Message | None] = asyncio.Queue()
    rest = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> Message:
        if rest:
            return rest.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    answering = asyncio.ensure_future(app(scope, receive, answers.put))
    answering.add_done_callback(lambda _: answers.put_nowait(None))
    try:
        message = await answers.get()
        while message is not None:
            batch = [message]
            while not answers.empty() and (message := answers.get_nowait()) is not None:
                batch.append(message)
            yield batch
            if message is not None:
                message = await answers.get()
        await answering  # raises what ended it
    finally:
        gone.set()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
