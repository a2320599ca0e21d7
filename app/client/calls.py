"""HTTP calls without I/O, and the two ways to carry them: blocking and awaiting.

An operation is a generator: it yields a `Call`, is sent the response, and returns its result. `attempts` wraps one with
what every call shares, retries and errors, and stays free of I/O too. `Blocking` and `Awaiting` do nothing but carry.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import IO, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from heedmap.app.client.errors import APIError, TimedOut, Unreachable, api_error, seconds
from heedmap.app.render.encoding import to_body

TIMEOUT = 60.0  # seconds: a long input on a busy CPU takes tens of them
RETRIES = 3  # of a call that the service had no room for
LONGEST_WAIT = 10.0  # seconds: a service that asks for more is down for all a caller can tell
SHORTEST_WAIT = 0.1  # seconds: a service that asks for none would be asked again and again

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class ClientCall:
    """One HTTP request; a successful answer's body goes to `sink` where there is one."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    accept: str = "application/json"
    sink: IO[bytes] | None = None

    def arguments(self) -> dict[str, Any]:
        """The call as httpx's request methods take it."""
        headers = {"Accept": f"{self.accept}, application/problem+json;q=0.5"}
        arguments = {"method": self.method, "url": self.path, "params": dict(self.params), "headers": headers}
        if self.body is None:
            return arguments
        headers["Content-Type"] = "application/json"
        return {**arguments, "content": to_body(self.body)}


@dataclass(frozen=True)
class Wait:
    """A pause that the service asked for."""

    seconds: float


Flow = Generator[ClientCall, httpx.Response, T]
Steps = Generator[ClientCall | Wait, httpx.Response | None, T]


class Operation(Generic[P, T]):
    """A method written once: on a `Blocking` it returns its result, on an `Awaiting` a coroutine of it."""

    def __init__(self, build: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: "Blocking", owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: "Awaiting", owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self

        @wraps(self.build)
        def bound(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.carry(self.build(instance, *args, **kwargs))

        return bound


def attempts(flow: Flow[T], retries: int) -> Steps[T]:
    """The flow with its calls repeated while the service is full, and its error answers raised as exceptions."""
    with closing(flow):
        call = next(flow)
        while True:
            response = yield from _answer(call, retries)
            try:
                call = flow.throw(failure(response)) if response.is_error else flow.send(response)
            except StopIteration as stop:
                result: T = stop.value
                return result


def _answer(call: ClientCall, retries: int) -> Steps[httpx.Response]:
    while True:
        response = yield call
        assert response is not None, "a call is answered by a response"
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not retries:
            return response
        delay = seconds(response.headers.get("Retry-After"))
        if delay is None or delay > LONGEST_WAIT:  # not full but broken, or away for longer than a caller waits
            return response
        retries -= 1
        yield Wait(max(delay, SHORTEST_WAIT))


def failure(response: httpx.Response) -> APIError:
    """The exception for an error answer."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    return api_error(
        response.status_code, body, response.headers.get("Retry-After"), response.headers.get("X-Request-ID")
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turns httpx's transport errors into the client's own."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise TimedOut(f"{url} did not answer in time ({type(error).__name__})") from error
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} did not answer: {error}") from error


class Blocking:
    """Carries calls one after the other. Use it as a context manager, or `close()` it."""

    def __init__(self, http: httpx.Client, retries: int) -> None:
        self._http, self.retries = http, retries

    def carry(self, flow: Flow[T]) -> T:
        """Make an operation's calls, one after the other, and return its result."""
        with closing(attempts(flow, self.retries)) as steps:
            try:
                step = next(steps)
                while True:
                    if isinstance(step, Wait):
                        time.sleep(step.seconds)
                        step = next(steps)
                    else:
                        step = steps.send(self._exchange(step))
            except StopIteration as stop:
                result: T = stop.value
                return result

    def _exchange(self, call: ClientCall) -> httpx.Response:
        with translated(str(self._http.base_url)), self._http.stream(**call.arguments()) as response:
            if call.sink is not None and response.is_success:
                for chunk in response.iter_bytes():
                    call.sink.write(chunk)
            else:
                response.read()
            return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Awaiting:
    """Carries calls and awaits them. Use it as an async context manager, or `aclose()` it."""

    def __init__(self, http: httpx.AsyncClient, retries: int) -> None:
        self._http, self.retries = http, retries

    async def carry(self, flow: Flow[T]) -> T:
        """Make an operation's calls, one after the other, and return its result."""
        with closing(attempts(flow, self.retries)) as steps:
            try:
                step = next(steps)
                while True:
                    if isinstance(step, Wait):
                        await asyncio.sleep(step.seconds)
                        step = next(steps)
                    else:
                        step = steps.send(await self._exchange(step))
            except StopIteration as stop:
                result: T = stop.value
                return result

    async def _exchange(self, call: ClientCall) -> httpx.Response:
        with translated(str(self._http.base_url)):
            async with self._http.stream(**call.arguments()) as response:
                if call.sink is not None and response.is_success:
                    async for chunk in response.aiter_bytes():
                        call.sink.write(chunk)
                else:
                    await response.aread()
                return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()
