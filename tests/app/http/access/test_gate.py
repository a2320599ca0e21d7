"""What the gate lets through: before a body is read, and with the one body of all errors."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from heedmap.app.dialects import HOUSE, dialect_of
from heedmap.app.http.access.gate import Access, Gate, scope_of
from heedmap.app.http.access.keys import Key, hash_of, line_of
from heedmap.app.http.access.rates import WRONG_KEYS, network_of
from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings

KEY, WRONG = "right-0123456789", "wrong-0123456789"
BODY = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def ask(gate: Gate, method: str, path: str, headers: dict[str, str] | None = None, address: str = "192.0.2.1") -> Any:
    """The answer to a request whose body must not be read."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body is read before the request is let in")

    async def send(message: Message) -> None:
        sent.append(message)

    named = {"host": "localhost", **(headers or {})}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": (address, 1)}
    asyncio.run(Access(inner, gate)(scope, receive, send))
    answer = dict(sent[0]["headers"])
    body = json.loads(sent[1]["body"] or b"{}")
    return httpx.Response(sent[0]["status"], headers=list(answer.items()), json=body)


def keyed(tmp_path: Path, **fields: Any) -> Gate:
    """A gate with one key."""
    given = {"name": "one", "hash": hash_of(KEY.encode()), "scopes": ["predict", "read"], **fields}
    file = tmp_path / "keys"
    file.write_text(line_of(Key.model_validate(given)))
    return Gate(Settings(keys_file=file))


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("POST", "/v1/predict", "predict"),
        ("POST", "/v1/traces", "predict"),
        ("POST", "/v1/attention", "predict"),
        ("DELETE", "/v1/traces/0", "predict"),
        ("GET", "/v1/traces/0/maps/cross/0/0", "read"),
        ("GET", "/v1/traces/0", "read"),
        ("POST", "/v1/compare", "read"),
        ("POST", "/v1/compare/", "read"),
        ("POST", "/v1/traces/0/effects", "predict"),
        ("GET", "/v1/what/comes", "read"),
        ("POST", "/v2/models/m/infer", "predict"),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/org/name", None),
        ("GET", "/v2", None),
        ("POST", "/v2/repository/index", None),
        ("POST", "/v1/chat/completions", "predict"),
        ("POST", "/v1/completions", "predict"),
        ("GET", "/metrics", "admin"),
        ("GET", "/metrics/", "admin"),
    ],
)
def test_every_address_has_its_scope(tmp_path: Path, method: str, path: str, wanted: str | None) -> None:
    assert scope_of(method, path) == wanted
    send = {"X-API-Key": KEY, "Content-Length": "0"}
    for scope in ("predict", "read", "admin"):
        answer = ask(keyed(tmp_path, scopes=[scope]), method, path, send)
        assert answer.status_code == (200 if wanted in (None, scope) else 403)
        if answer.status_code == 403:
            assert f"the scope {wanted}; this key has {scope}" in answer.text
            assert dialect_of(path) is not HOUSE or answer.json()["type"] == "urn:heedmap:problem:forbidden"
    assert ask(keyed(tmp_path), method, path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/js/main.js", "/docs", "/openapi.json", "/healthz", "/readyz"])
def test_the_page_and_the_probes_need_no_key(tmp_path: Path, path: str) -> None:
    assert ask(keyed(tmp_path), "GET", path).status_code == 200


@pytest.mark.parametrize("length", ["100000000", None])
def test_a_wrong_key_is_refused_before_its_body_is_read(tmp_path: Path, length: str | None) -> None:
    size = {"Content-Length": length} if length else {"Transfer-Encoding": "chunked"}
    answer = ask(keyed(tmp_path), "POST", "/v1/predict", {"X-API-Key": WRONG, **size})
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")
    assert answer.headers["www-authenticate"] == "Bearer"
    short = ask(keyed(tmp_path), "POST", "/v1/predict", {"X-API-Key": WRONG, "Content-Length": "100"})
    assert "connection" not in short.headers, "a refusal costs a caller with a short body no new connection"


def test_wrong_keys_are_limited_by_address(tmp_path: Path) -> None:
    gate = keyed(tmp_path)
    with capture_logs() as lines:
        codes = [ask(gate, "GET", "/v1/models", {"X-API-Key": WRONG}).status_code for _ in range(WRONG_KEYS.amount + 1)]
    assert [(line["event"], line["address"]) for line in lines] == [("wrong_keys_limited", "192.0.2.1")]
    assert codes == [401] * WRONG_KEYS.amount + [429]
    locked = ask(gate, "GET", "/v1/models", {"X-API-Key": KEY})
    assert locked.status_code == 429, "else the limit would not keep anybody from guessing"
    assert 0 < int(locked.headers["retry-after"]) <= 61
    assert ask(gate, "GET", "/v1/models", {"X-API-Key": KEY}, "192.0.2.2").status_code == 200
    assert ask(gate, "GET", "/", {}).status_code == 200
    assert ask(gate, "GET", "/v1/models").status_code == 401, "no key is no guess"


def test_a_key_has_a_rate_of_its_own(tmp_path: Path) -> None:
    gate = keyed(tmp_path, rate="2/hour")
    answers = [ask(gate, "GET", "/v1/models", {"X-API-Key": KEY}, f"192.0.2.{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "2 per 1 hour" in answers[-1].json()["detail"]


def test_without_keys_an_address_has_the_rate() -> None:
    gate = Gate(Settings(rate="1/hour"))
    asked = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
    assert [ask(gate, "GET", "/v1/models", address=each).status_code for each in asked] == [
        200,
        429,
        200,
        200,
        429,
        200,
    ]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("/run/a.sock", "/run/a.sock"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "2"}, 415),
        ({"Transfer-Encoding": "chunked"}, 415),
        ({"Content-Length": "2", "Content-Type": "application/json"}, 200),
        ({"Content-Length": "0"}, 200),
        ({}, 200),
    ],
)
def test_a_body_says_what_it_is(headers: dict[str, str], status: int) -> None:
    answer = ask(Gate(Settings()), "POST", "/v1/predict", headers)
    assert answer.status_code == status
    assert status == 200 or "Content-Type: application/json" in answer.json()["detail"]


def test_the_whole_service_asks_the_gate_first(settings: Callable[..., Settings], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    reader = Key(name="reader", hash=hash_of(KEY.encode()), scopes=("read",))
    writer = Key(name="writer", hash=hash_of(WRONG.encode()), scopes=("predict", "admin"), bytes=1)
    file.write_text(f"{line_of(reader)}\n{line_of(writer)}\n")
    with TestClient(create_app(settings(keys_file=file, body_bytes=4096))) as client:
        read, write = {"X-API-Key": KEY}, {"X-API-Key": WRONG}
        big = client.post("/v1/predict", content=b" " * 100_000, headers={"Content-Type": "application/json"})
        assert big.status_code == 401, "and not that the body is too large"
        assert client.post("/v1/predict", json=BODY, headers=read).status_code == 403
        first = client.post("/v1/traces", json=BODY, headers=write)
        assert first.status_code == 201
        assert client.get(first.headers["location"], headers=write).status_code == 403
        assert client.post("/v1/traces", json=BODY, headers=write).status_code == 201, "it is there already"
        full = client.post("/v1/traces", json={**BODY, "inputs": "Wo?"}, headers=write)
        assert (full.status_code, full.json()["type"]) == (429, "urn:heedmap:problem:quota-exceeded")
        assert "may keep 1;" in full.json()["detail"]
        assert client.delete(first.headers["location"], headers=write).status_code == 204
        assert client.post("/v1/traces", json={**BODY, "inputs": "Wo?"}, headers=write).status_code == 201
        assert client.get("/metrics", headers=read).status_code == 403
        metrics = client.get("/metrics", headers=write).text
        assert 'heedmap_requests_total{method="POST",route="refused",status="401"} 1.0' in metrics
        for prefix in ("", "/v1", "/metrics", "/elsewhere", "/v1/traces", "/", "//v1"):
            named = {"X-Forwarded-Prefix": prefix}
            for path in ("/metrics", "/metrics/", "/v1/models", "/elsewhere/metrics", "/v1/v1/models", "/v1//models"):
                answer = client.get(path, headers=named)  # the explorer's page at most
                assert not re.search(r"heedmap_queue|\"models\":", answer.text), (prefix, path)
        assert client.get("/metrics").status_code == 401
