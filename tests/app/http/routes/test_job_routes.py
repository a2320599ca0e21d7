"""Jobs over HTTP: accepted, watched, answered, cancelled, and refused where they cannot be done."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service.jobs import runner
from heedmap.app.service.jobs.registry import KINDS
from heedmap.app.settings import Settings
from tests.app.conftest import PARAMETERS, TEXT

CORPUS = {"kind": "corpus", "inputs": [TEXT, "", "Ich habe keine Zeit."], "parameters": PARAMETERS}
LONG = {"kind": "corpus", "inputs": [f"Wort {number}" for number in range(2000)], "parameters": PARAMETERS}
SECONDS = 60.0  # for a few sentences on a busy machine


def finished(client: TestClient, id: str) -> dict[str, Any]:
    """A job once it is over."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        body: dict[str, Any] = client.get(f"/v1/jobs/{id}", params={"wait": 5}).json()
        if body["state"] not in ("queued", "running"):
            return body
    raise AssertionError(f"not over: {body}")


def posted(client: TestClient, body: Any, **headers: str) -> dict[str, Any]:
    """A job that was accepted."""
    response = client.post("/v1/jobs", json=body, headers=headers)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    return job


@pytest.fixture
def alone(settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """A client of a service of its own."""
    with TestClient(create_app(settings())) as client:
        yield client


def test_a_corpus_has_each_prediction_and_the_mean_of_every_head(client: TestClient) -> None:
    job = posted(client, CORPUS)
    assert job["state"] in ("queued", "running")
    assert job["progress"]["done"] == 0
    body = finished(client, job["id"])
    assert body["state"] == "done", body
    assert body["progress"] == {"done": 3, "of": 3, "what": "inputs"}
    result = body["result"]
    first, empty, third = result["predictions"]
    alone = client.post("/v1/predict", json={"inputs": TEXT, "parameters": PARAMETERS}).json()["prediction"]
    assert first == {**alone, "score": pytest.approx(alone["score"])}, "a product of another shape rounds otherwise"
    assert empty["error"]["errors"][0]["path"] == "inputs.1"
    assert third["text"]
    assert (result["inputs"], result["recorded"]) == (3, 2)
    rows = []
    for text in (TEXT, "Ich habe keine Zeit."):
        trace = client.post("/v1/traces", json={"inputs": text, "parameters": PARAMETERS}).json()["id"]
        rows.append(client.get(f"/v1/traces/{trace}/heads").json()["heads"])
    assert [passage["input"] for passage in result["passages"]] == [0, 2]
    assert result["metrics"][:5] == ["entropy", "distance", "sink", "diagonal", "max"]
    queries = {site["name"]: site["shape"][0] for site in client.get(f"/v1/traces/{trace}").json()["sites"]}
    weights = {site["name"]: (site["rows"] - queries[site["name"]], queries[site["name"]]) for site in result["sites"]}
    for mean, one, other in zip(result["heads"], *rows, strict=True):
        first_rows, other_rows = weights[mean["site"]]
        assert [mean[name] for name in ("site", "layer", "head")] == [one[name] for name in ("site", "layer", "head")]
        for name in ("entropy", "distance", "sink", "diagonal", "max"):
            assert mean[name] == pytest.approx(
                (one[name] * first_rows + other[name] * other_rows) / (first_rows + other_rows), abs=1e-4
            )
        for name in ("previous", "duplicate", "induction", "copying"):
            there = [value for value in (one[name], other[name]) if value is not None]
            if there:
                assert min(there) - 1e-4 <= mean[name] <= max(there) + 1e-4
            else:
                assert mean[name] is None
        top = [number for number, _ in mean["top"]["entropy"]]
        assert top == ([0, 1] if one["entropy"] >= other["entropy"] else [1, 0])
    listed = client.get("/v1/jobs").json()
    assert job["id"] in [each["id"] for each in listed["jobs"]]
    assert all("result" not in each for each in listed["jobs"])
    assert [kind["name"] for kind in listed["kinds"]] == list(KINDS)
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_events_tell_progress_and_end_with_the_result(client: TestClient) -> None:
    job = posted(client, {**CORPUS, "inputs": [TEXT] * 20})
    events = []
    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                events.append((value, None))
            elif name == "data":
                events[-1] = (events[-1][0], orjson.loads(value))
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    name, last = events[-1]
    assert (name, last["state"], last["result"]["recorded"]) == ("end", "done", 20)
    again = client.get(f"/v1/jobs/{job['id']}/events")
    assert again.text.startswith("event: end\n"), "one that is over has one event"


def test_delete_cancels_within_a_step_and_forgets(alone: TestClient) -> None:
    job = posted(alone, LONG)
    services: Any = alone.app.state.services  # type: ignore[attr-defined]
    until = time.monotonic() + SECONDS
    while alone.get(f"/v1/jobs/{job['id']}").json()["progress"]["done"] == 0 and time.monotonic() < until:
        time.sleep(0.01)
    begun = time.monotonic()
    assert alone.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert time.monotonic() - begun < 10
    assert services.jobs.running == services.jobs.queued == 0
    while services.tracing.busy and time.monotonic() < until:
        time.sleep(0.01)
    assert not services.tracing.busy, "nothing is left running"
    assert alone.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert alone.delete(f"/v1/jobs/{job['id']}").status_code == 404
    metrics = alone.get("/metrics").text
    for state in ("queued", "running", "cancelled"):
        assert f'heedmap_jobs_total{{kind="corpus",state="{state}"}} 1.0' in metrics
    assert 'heedmap_jobs_now{state="running"} 0.0' in metrics


def test_predictions_and_traces_are_answered_while_a_job_runs(alone: TestClient) -> None:
    job = posted(alone, LONG)
    for path in ("/v1/predict", "/v1/traces"):
        assert alone.post(path, json={"inputs": TEXT, "parameters": PARAMETERS}).status_code < 300
    assert alone.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"


def test_one_job_of_a_caller_runs_and_more_than_may_wait_are_refused(
    alone: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "QUEUED_EACH", 1)
    posted(alone, LONG)
    second = posted(alone, LONG)
    assert alone.get(f"/v1/jobs/{second['id']}").json()["state"] == "queued"
    response = alone.post("/v1/jobs", json=LONG)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "30")
    monkeypatch.setattr(runner, "QUEUED", 1)
    response = alone.post("/v1/jobs", json=LONG)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert response.json()["detail"] == "1 jobs are waiting already; try again in a while"
    assert alone.delete(f"/v1/jobs/{second['id']}").status_code == 204, "one that waits can be cancelled"
    assert posted(alone, LONG)["state"] == "queued"


def test_a_job_has_a_deadline_of_its_own(settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(settings(job_seconds=0.2))) as client:
        body = finished(client, posted(client, LONG)["id"])
    assert body["state"] == "failed"
    assert body["error"]["status"] == 504
    assert body["error"]["detail"] == "the job took over 0.2 s, the most that one may; ask for less"


def test_jobs_are_their_owners_alone(settings: Callable[..., Settings]) -> None:
    keys = ("one-key-of-sixteen-characters", "two-key-of-sixteen-characters")
    with TestClient(create_app(settings(api_keys=keys))) as client:
        mine, others = ({"X-API-Key": key} for key in keys)
        job = posted(client, CORPUS, **mine)
        address = f"/v1/jobs/{job['id']}"
        assert client.get(address).status_code == 401
        assert client.get(address, headers=mine).status_code == 200
        for method, path in (("GET", address), ("GET", f"{address}/events"), ("DELETE", address)):
            assert client.request(method, path, headers=others).status_code == 404
        assert client.get("/v1/jobs", headers=others).json()["jobs"] == []


def test_stopping_cancels_and_tells(settings: Callable[..., Settings]) -> None:
    chosen = settings()
    with TestClient(create_app(chosen)) as client:
        job = posted(client, LONG)
        waiting = posted(client, LONG)
    with TestClient(create_app(chosen)) as client:
        for id in (job["id"], waiting["id"]):
            body = client.get(f"/v1/jobs/{id}").json()
            assert body["state"] == "cancelled"
            assert body["error"]["detail"] == "the service was stopped before this job was done; post it again"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "kind"),
        ({"kind": "nothing"}, "kind"),
        ({"kind": "corpus"}, "inputs"),
        ({"kind": "corpus", "inputs": []}, "inputs"),
        ({"kind": "corpus", "inputs": "a text"}, "inputs"),
        ({"kind": "corpus", "inputs": ["a", 3]}, "inputs.1"),
        ({"kind": "corpus", "inputs": ["a"] * 2001}, "inputs"),
        ({"kind": "corpus", "inputs": ["a"], "speed": 1}, "speed"),
        ({"kind": "corpus", "inputs": ["a"], "targets": ["b", "c"]}, "targets"),
        ({"kind": "corpus", "inputs": ["a"], "targets": [1]}, "targets.0"),
        ({"kind": "corpus", "inputs": ["a"], "parameters": {"beam_size": 0}}, "parameters.beam_size"),
    ],
)
def test_a_wrong_request_is_refused_before_it_is_a_job(client: TestClient, body: Any, path: str) -> None:
    response = client.post("/v1/jobs", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["path"] == path


def test_an_unknown_model_and_an_unknown_job(client: TestClient) -> None:
    assert client.post("/v1/jobs", json={**CORPUS, "model": "none"}).status_code == 404
    assert client.get("/v1/jobs/none").status_code == 404
    assert client.get("/v1/jobs/none/events").status_code == 404
    assert client.get("/v1/jobs/none", params={"wait": 31}).status_code == 422
