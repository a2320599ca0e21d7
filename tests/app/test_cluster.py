"""The service on a local Ray cluster of two replicas: its contract, its shared traces, and a replica that is killed."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from heedmap.app.client.api import Client
from tests.app.client import test_client as contract
from tests.live import running
from tests.quiet_ray import forward

WORDS = ["Hund", "Zug", "Mann", "Ball", "Baum", "Markt", "Fluss", "Garten"]
CLIENTS = 8
PUSHED = 3.0  # seconds until everybody knows which replica has a model: Ray tells it once a second
LINE = re.compile(r"\(ServeReplica:heedmap:replica pid=(\d+)\)\S* (\{.*\})")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster keeps its log and its traces."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def deployed(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of two replicas with the shipped model, and the process that deployed them."""
    with running("deploy", folder, "--replicas", "2", "--cpus", "0.5", log="json") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def url(deployed: tuple[str, "subprocess.Popen[bytes]"]) -> str:
    """The address."""
    return deployed[0]


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    """A client of the cluster's."""
    with Client(url) as client:
        yield client


# What holds for one process holds for a cluster.
trace = contract.trace
globals().update({name: test for name, test in vars(contract).items() if name.startswith("test_")})


def lines(folder: Path, event: str) -> list[dict[str, Any]]:
    """What the replicas logged of such events, each line with its process."""
    found = [(int(pid), json.loads(line)) for pid, line in LINE.findall((folder / "service.log").read_text())]
    return [{"pid": pid, **line} for pid, line in found if line["event"] == event]


def sentence(number: int) -> str:
    """Another one for every number."""
    return f"Der {WORDS[number % len(WORDS)]} ist {number} Jahre alt."


def test_each_replica_answers_for_the_others_traces(url: str, folder: Path) -> None:
    readers: dict[str, set[int]] = defaultdict(set)
    with httpx.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(CLIENTS) as pool:
        body = {"parameters": {"max_new_tokens": 2}}

        def made(number: int) -> str:
            answer = http.post(
                "/v1/traces", json={**body, "inputs": sentence(number)}, headers={"X-Request-ID": f"made-{number}"}
            )
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

        identifiers = list(pool.map(made, range(16)))
        for _ in range(4):
            for answer in pool.map(http.get, [f"/v1/traces/{identifier}" for identifier in identifiers]):
                assert answer.status_code == 200
    time.sleep(1)  # Ray hands lines on several times a second
    makers = {}
    for line in lines(folder, "request"):
        if line["request_id"].startswith("made-"):
            makers[identifiers[int(line["request_id"].removeprefix("made-"))]] = line["pid"]
        elif line["method"] == "GET":
            readers[line["path"].rpartition("/")[2]].add(line["pid"])
    assert len(set(makers.values())) == 2, "both replicas work"
    assert any(readers[identifier] - {makers[identifier]} for identifier in identifiers)


def test_nothing_is_lost_with_a_replica(url: str, folder: Path) -> None:
    expected = {}
    with Client(url, timeout=120) as client:
        for number in range(len(WORDS)):
            expected[number] = client.predict(sentence(number)).text
    stop = threading.Event()
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    kept: list[str] = []

    def load(worker: int) -> None:
        turn = 0
        with httpx.Client(base_url=url, timeout=60) as http:
            while not stop.is_set():
                turn += 1
                number = (worker + turn) % len(WORDS)
                # Each is new: an equal one that is stored already is no work.
                traced = {"inputs": sentence(1000 * worker + turn), "parameters": {"max_new_tokens": 4}}
                path, body = ("/v1/traces", traced) if turn % 2 else ("/v1/predict", {"inputs": sentence(number)})
                answer = http.post(path, json=body)
                statuses[answer.status_code] += 1
                if answer.status_code == 201:
                    kept.append(answer.json()["id"])
                elif answer.status_code == 200 and answer.json()["prediction"]["text"] != expected[number]:
                    wrong.append(answer.text)
                elif answer.status_code == 503:
                    assert int(answer.headers["retry-after"]) > 0
                elif answer.status_code != 200:
                    wrong.append(answer.text)

    victim = lines(folder, "model_loaded")[0]["pid"]
    with ThreadPoolExecutor(CLIENTS) as pool:
        workers = [pool.submit(load, worker) for worker in range(CLIENTS)]
        time.sleep(4)
        before = sum(statuses.values())
        os.kill(victim, signal.SIGKILL)
        time.sleep(8)
        stop.set()
        for worker in workers:
            worker.result()
    assert set(statuses) <= {200, 201, 503}, statuses
    assert wrong == []
    assert before > CLIENTS
    assert sum(statuses.values()) > before + CLIENTS, "it went on"
    assert "replica_lost" in (folder / "service.log").read_text(), "nobody was at work when it was killed"
    with httpx.Client(base_url=url, timeout=60) as http:
        assert {http.get(f"/v1/traces/{identifier}").status_code for identifier in set(kept)} == {200}


def test_models_are_dealt_out_and_the_ingress_believes_no_caller(tmp_path: Path, tiny: Path) -> None:
    models = ["--model", f"a={tiny}", "--model", f"b={tiny}"]
    with running("deploy", tmp_path, "--replicas", "2", "--cpus", "0.5", *models, log="json", rate="60/minute") as (
        url,
        _,
    ):
        assert lines(tmp_path, "model_loaded") == [], "each replica loads what it is asked for"
        with httpx.Client(base_url=url, timeout=60) as http:

            def ask(name: str) -> None:
                body = {"model": name, "inputs": "Ja.", "parameters": {"max_new_tokens": 2}}
                assert http.post("/v1/predict", json=body).status_code == 200

            for name in ("a", "b"):
                ask(name)
                time.sleep(PUSHED)
            for name in "ab" * 8:
                ask(name)
            statuses = [
                http.get("/v1/models", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
                for number in range(100)
            ]
        assert set(statuses) == {200, 429}, "nobody who names another address escapes the rate"
        time.sleep(1)
        loaded = [line["model"] for line in lines(tmp_path, "model_loaded")]
    assert sorted(loaded) == ["a", "b"], "one replica has each, and is asked for it"


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/v1/predict", b'{"model": "a", "inputs": "x"}', "a"),
        ("/v1/predict", b'{"inputs": "' + b"x" * 10_000 + b'", "model": "b"}', "b"),
        ("/v1/predict", b'{"inputs": "x"}', None),
        ("/v1/predict", b'{"model": "another"}', None),
        ("/v2/models/b/infer", b'{"model": "a"}', "b"),
    ],
)
def test_the_model_that_a_request_names(path: str, body: bytes, model: str | None) -> None:
    assert forward.Forward(None, 0, ["a", "b"]).preferred(path, body) == model
    assert forward.Forward(None, 0, ["a"]).preferred(path, body) is None, "there is nothing to choose"


def test_a_signal_lets_everything_be_answered(deployed: tuple[str, "subprocess.Popen[bytes]"], folder: Path) -> None:
    url, process = deployed

    http = httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None))

    def ask(number: int) -> int:
        return http.post("/v1/predict", json={"inputs": sentence(5000 + number)}).status_code

    with http, ThreadPoolExecutor(64) as pool:
        answers = [pool.submit(ask, number) for number in range(64)]
        time.sleep(0.2)
        process.terminate()
        statuses = Counter(answer.result() for answer in answers)
    assert process.wait(30) == 0, (folder / "service.log").read_text()
    assert set(statuses) <= {200, 503}, statuses
    assert statuses[200] > 0
