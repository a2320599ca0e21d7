"""Callers who are slow, silent, endless or do not read: raw sockets against the server as it is started."""

import json
import re
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from heedmap.app.http.protocol import HEAD_BYTES
from heedmap.app.http.startup import configured
from heedmap.app.http.unread import Answers
from heedmap.app.settings import Settings
from tests.live import free_port

LARGE = 8 << 20  # bytes: more than the buffers of two sockets hold
SECONDS = 0.5  # that slow ones get
PATIENCE = 20.0  # of these tests, on a machine that does much else


async def small(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads a body, and answers by its length; at /large by many bytes; at /early before it is read."""
    if scope["type"] != "http":
        return
    body = b""
    while scope["path"] != "/early":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    answer = bytes(LARGE) if scope["path"] == "/large" else str(len(body)).encode()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


@contextmanager
def serving(app: ASGIApp, **overrides: Any) -> Iterator[tuple[int, uvicorn.Server]]:
    """The port of a server of an application, and the server, with little patience."""
    limits = {"head_seconds": SECONDS, "body_seconds": SECONDS, "answer_seconds": SECONDS, **overrides}
    settings = Settings(port=free_port(), **limits)
    config = configured(app, settings)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield settings.port, server
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, uvicorn.Server]]:
    """A server with little patience."""
    with serving(small) as both:
        yield both


@pytest.fixture
def port(server: tuple[int, uvicorn.Server]) -> int:
    """Where it listens."""
    return server[0]


def connected(port: int, buffer: int | None = None, address: str = "") -> socket.socket:
    connection = socket.socket()
    if address:
        connection.bind((address, 0))
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def told(answer: bytes) -> tuple[int, dict[str, Any]]:
    """The status of an answer, and its problem, which must be one and the connection's last."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head.lower()
    problem: dict[str, Any] = json.loads(body)
    status = int(head.split()[1])
    assert problem["status"] == status
    assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
    return status, problem


def fed(port: int, pieces: Iterator[bytes]) -> tuple[int, bytes]:
    """Bytes that could be sent before the server closed, and what it said."""
    with connected(port) as connection:
        sent = 0
        try:
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return sent, rest(connection)


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


def test_what_is_whole_is_answered(port: int) -> None:
    with connected(port) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"X-Long: " + b"x" * 20_000 + b"\r\nContent-Length: 5\r\n\r\nhello")
            assert connection.recv(1 << 16).endswith(b"5")


@pytest.mark.parametrize(
    "begin",
    [
        lambda piece: (HEAD + b"X-A: ", piece),  # one header without end
        lambda piece: (HEAD, b"X-A: " + piece[:100] + b"\r\n"),  # headers without end
        lambda piece: (b"GET /", piece),  # an address without end
        lambda piece: (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ", piece),  # a trailer without end
        lambda piece: (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", piece),  # an extension without end
    ],
)
def test_a_head_without_end_is_refused_at_its_limit(port: int, begin: Callable[[bytes], tuple[bytes, bytes]]) -> None:
    first, piece = begin(b"x" * 8_192)

    def pieces() -> Iterator[bytes]:
        yield first
        for _ in range(100_000):
            yield piece

    sent, answer = fed(port, pieces())
    assert sent < 8 << 20, "what the sockets' own buffers hold"
    if answer:  # a reset may overtake it
        assert told(answer)[0] == 431


def test_a_head_over_the_limit_in_one_piece_is_refused(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"x" * HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n")
        status, problem = told(rest(connection))
    assert status == 431
    assert problem["type"] == "urn:heedmap:problem:head-too-large"
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"])
    assert f"{HEAD_BYTES:,} bytes" in problem["detail"]


def test_what_is_no_http_is_told_so(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert told(rest(connection))[0] == 400


def test_slow_heads_are_closed(port: int) -> None:
    started = time.monotonic()
    slow = [connected(port) for _ in range(40)]
    for connection in slow[20:]:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
    answers = [rest(connection) for connection in slow]
    assert time.monotonic() - started < PATIENCE
    assert answers[:20] == [b""] * 20, "who says nothing is told nothing"
    assert {told(answer)[0] for answer in answers[20:]} == {408}
    for connection in slow:
        connection.close()


def test_blank_lines_do_not_keep_a_connection(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
        assert connection.recv(1 << 16).endswith(b"0")
        connection.sendall(b"\r\n")
        connection.recv(1 << 16)
        assert rest(connection) == b""


def test_a_slow_body_is_refused_and_a_steady_one_read(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(3):
            connection.sendall(b"x")
            time.sleep(0.1)
        status, problem = told(rest(connection))
    assert (status, problem["type"]) == (408, "urn:heedmap:problem:too-slow")
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 40000\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x" * 2_000)
            time.sleep(0.1)
        assert connection.recv(1 << 16).endswith(b"40000")


def test_a_body_that_trickles_after_its_answer_is_closed(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.recv(1 << 16).endswith(b"0")
        connection.sendall(b"x")
        assert rest(connection) == b"", "one answer is enough"


def test_an_answer_that_nobody_reads_is_given_up(server: tuple[int, uvicorn.Server]) -> None:
    port, running = server
    with connected(port, 4_096) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + PATIENCE
        while not any(one.transport.get_write_buffer_size() for one in [*running.server_state.connections]):
            assert time.monotonic() < until
            time.sleep(0.01)
        while running.server_state.connections:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len(rest(connection)) < LARGE


def test_an_answer_that_is_read_slowly_is_read_whole(port: int) -> None:
    with connected(port, 4_096) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        started, read = time.monotonic(), 0
        while part := connection.recv(1 << 18):
            read += len(part)
            if time.monotonic() - started < 4 * SECONDS:
                time.sleep(0.02)
    assert read > LARGE


def test_connections_over_the_limit_are_told_so() -> None:
    with serving(small, connections=3, head_seconds=PATIENCE) as (port, _):
        held = [connected(port) for _ in range(3)]
        time.sleep(0.2)
        with connected(port) as one_more:
            answer = rest(one_more)
        assert told(answer)[0] == 503
        assert b"Retry-After: 1" in answer
        for connection in held:
            connection.close()
        time.sleep(0.2)
        with connected(port) as again:
            again.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            assert again.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loopback has one address")
@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
def test_no_address_has_all_connections_unless_it_is_a_proxys(proxies: tuple[str, ...]) -> None:
    with serving(small, connections=16, head_seconds=PATIENCE, proxies=proxies) as (port, _):
        held = [connected(port) for _ in range(14)]
        with connected(port) as one_more:
            one_more.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            answer = one_more.recv(1 << 16) if proxies else rest(one_more)
        assert answer.startswith(b"HTTP/1.1 200") == bool(proxies)
        if not proxies:
            assert "14 of the 16" in told(answer)[1]["detail"]
            with connected(port, address="127.0.0.2") as other:
                other.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
                assert other.recv(1 << 16).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()


def test_unread_answers_are_bounded_together() -> None:
    answers = Answers(small, limit=2 * LARGE + 1)
    with serving(answers, answer_seconds=PATIENCE) as (port, _):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unread = [connected(port, 4_096) for _ in range(20)]
        for connection in unread:
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(1)
        assert answers.bytes == 2 * LARGE
        statuses = [int(connection.recv(1 << 12).split()[1]) for connection in unread]
        assert sorted(statuses) == [200] * 2 + [503] * 18
        with connected(port) as other:  # what is small is answered all the same
            other.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            assert other.recv(1 << 16).startswith(b"HTTP/1.1 200")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        assert grown < 6 * LARGE, f"{grown:,} bytes"
        for connection in unread:
            connection.close()
        until = time.monotonic() + PATIENCE
        while answers.bytes:
            assert time.monotonic() < until
            time.sleep(0.01)


async def test_a_large_answer_goes_in_pieces_and_whole() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    answers = Answers(small, limit=1)
    await answers({"type": "http", "path": "/large"}, receive, send)
    assert sent[0]["type"] == "http.response.start"
    assert b"".join(message["body"] for message in sent[1:]) == bytes(LARGE)
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    assert answers.bytes == 0
