"""Names under which the service is asked, and pages that may ask for changes."""

from typing import Any

import pytest
from pydantic import ValidationError
from starlette.datastructures import Headers

from heedmap.app.errors import Forbidden, Misdirected
from heedmap.app.http.access.hosts import Hosts, is_loopback
from heedmap.app.settings import Settings

OUR = "localhost:8000"


def answers(hosts: Hosts, *names: str) -> bool:
    try:
        hosts.check_host(Headers(raw=[(b"host", name.encode("latin-1")) for name in names]))
    except Misdirected:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "answered"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("localhost.", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("rebound.evil.example", False),
        ("localhost.evil.example", False),
        ("localhost@evil.example", False),
        ("evil.example:80@localhost", False),
        ("192.168.0.7", False),
        ("", False),
        ("[", False),
    ],
)
def test_on_this_machine_its_own_names_are_answered(name: str, answered: bool) -> None:
    assert answers(Hosts(Settings(host="127.0.0.1")), name) == answered


def test_several_hosts_or_none_are_nobodys() -> None:
    hosts = Hosts(Settings())
    assert not answers(hosts)
    assert not answers(hosts, "localhost", "localhost")


def test_where_others_reach_it_every_name_is_answered_unless_names_are_given() -> None:
    assert answers(Hosts(Settings(host="0.0.0.0", open=True)), "anything.example")
    named = Hosts(Settings(host="0.0.0.0", open=True, hosts="heedmap.example, *.lab.example,[2001:db8::7]"))  # type: ignore[arg-type]
    for name in ("heedmap.example", "a.lab.example:443", "a.b.lab.example", "[2001:db8::7]:80", "localhost"):
        assert answers(named, name)
    for name in ("lab.example", "evillab.example", "evil.example", "heedmap.example.evil.example"):
        assert not answers(named, name)
    assert answers(Hosts(Settings(hosts="*")), "anything.example")  # type: ignore[arg-type]


@pytest.mark.parametrize("hosts", ["https://a.example", "a.example:80", "*a.example", "a.*.example", "a b", "a/b"])
def test_what_is_no_host_is_refused(hosts: str) -> None:
    with pytest.raises(ValidationError, match=r"such as heedmap\.example\.com"):
        Settings(hosts=hosts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("192.0.2.1", False)],
)
def test_what_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "https://localhost:8000"}, True),
        ({"origin": "http://localhost:9000"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "https://notes.example"}, True),
        ({"origin": "https://notes.example", "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "https://behind.a.proxy.example"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:9000"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
    ids=str,
)
def test_pages_of_elsewhere_ask_for_no_change(headers: dict[str, str], allowed: bool) -> None:
    hosts, sent = Hosts(Settings(origins="https://notes.example")), Headers({"host": OUR, **headers})  # type: ignore[arg-type]
    for method in ("POST", "DELETE", "PUT"):
        if allowed:
            hosts.check_origin(method, sent)
        else:
            with pytest.raises(Forbidden, match="HEEDMAP_ORIGINS"):
                hosts.check_origin(method, sent)
    for method in ("GET", "HEAD", "OPTIONS"):
        hosts.check_origin(method, sent)


def test_the_service_refuses_them(client: Any) -> None:
    body = {"inputs": "Ja.", "parameters": {"max_new_tokens": 2}}
    assert client.post("/v1/predict", json=body).status_code == 200
    assert client.post("/v1/predict", json=body, headers={"Origin": "http://testserver"}).status_code == 200
    elsewhere = client.post("/v1/predict", json=body, headers={"Origin": "https://evil.example"})
    assert (elsewhere.status_code, elsewhere.json()["type"]) == (403, "urn:heedmap:problem:forbidden")
    untyped = client.post("/v1/predict", content=b'{"inputs": "Ja."}')
    assert (untyped.status_code, untyped.json()["status"]) == (415, 415)
    for path in ("/", "/v1/models", "/metrics", "/docs"):
        rebound = client.get(path, headers={"Host": "evil.example"})
        assert (rebound.status_code, rebound.json()["title"]) == (421, "Misdirected Request")
    assert client.get("/readyz", headers={"Host": "10.0.0.7"}).status_code == 200, "a probe knows an address alone"
