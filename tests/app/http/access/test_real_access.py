"""Access as it is on a real port: bodies that nobody reads, proxies, the port of the metrics, and files on disk."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.live import free_port, service

KEY = "right-0123456789"
PROXY = "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access")


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def keyed(tiny: Path, folder: Path, metrics_port: int) -> Iterator[str]:
    """A service with one key, whose metrics have a port of their own and which names no proxy."""
    with service(
        folder, "--model", f"tiny={tiny}", api_keys=KEY, metrics_port=str(metrics_port), rate="40/hour"
    ) as url:
        yield url


def test_a_wrong_key_hears_of_it_before_it_sends_its_body(keyed: str) -> None:
    address = urlsplit(keyed)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    connection.putrequest("POST", "/v1/predict")
    for name, value in (("Content-Type", "application/json"), ("Content-Length", "100000000"), ("X-API-Key", "x" * 20)):
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("connection")) == (401, "close")
    connection.close()


def test_the_metrics_have_their_own_port(keyed: str, metrics_port: int) -> None:
    assert httpx.get(f"{keyed}/metrics", headers={"X-API-Key": KEY}).status_code == 404
    metrics = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics")
    assert metrics.status_code == 200
    assert "heedmap_worker_alive" in metrics.text
    assert httpx.get(f"http://127.0.0.1:{metrics_port}/v1/models").text.startswith("# HELP"), "and nothing else"


def test_nobody_else_on_the_machine_reads_what_is_kept(keyed: str, folder: Path) -> None:
    body = {"inputs": "Wo ist der Bahnhof?", "parameters": {"max_new_tokens": 6}}
    headers = {"X-API-Key": KEY}
    place = httpx.post(f"{keyed}/v1/traces", json=body, headers=headers, timeout=60).headers["location"]
    assert httpx.get(f"{keyed}{place}/thumbnails/cross", headers=headers, timeout=60).status_code == 200
    kept = [folder / "traces", *(folder / "traces").rglob("*")]
    assert any(path.suffix == ".safetensors" for path in kept)
    assert {path.stat().st_mode & 0o777 for path in kept if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in kept if path.is_file()} == {0o600}


@pytest.mark.parametrize("proxies", [None, PROXY])
def test_forwarded_addresses_are_believed_of_named_proxies_alone(
    tiny: Path, tmp_path: Path, proxies: str | None
) -> None:
    named = {"proxies": proxies} if proxies else {}
    with service(tmp_path, "--model", f"tiny={tiny}", rate="2/hour", load="first-use", **named) as url:

        def ask(forwarded: str) -> int:
            return httpx.get(f"{url}/v1/models", headers={"X-Forwarded-For": forwarded}).status_code

        callers = [ask(f"192.0.2.{number}") for number in range(4)]
        assert callers == ([200] * 4 if proxies else [200, 200, 429, 429])
        if proxies:
            invented = [ask(f"198.51.100.{number}, 192.0.2.100") for number in range(3)]
            assert invented == [200, 200, 429], "what a caller writes before the proxy's own entry is nothing"
