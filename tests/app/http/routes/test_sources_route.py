"""Sources over HTTP: at once where that is possible, as a job where it is not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.http.routes import sources
from heedmap.app.settings import Settings
from tests.model.sources.decisive import ANSWER, QUESTION, SECRET, decisive

PASSAGES = ["The train is late.", f"The book is {SECRET} here.", "I have no time."]
BODY = {"model": "causal", "context": PASSAGES, "question": QUESTION, "answer": ANSWER, "ablations": 8, "check": 1}
SECONDS = 60.0


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"causal": str(decisive(tmp_path_factory.mktemp("decisive"))), "tiny": str(tiny)}


@pytest.fixture(scope="module")
def service(settings: Callable[..., Settings], models: dict[str, str]) -> Iterator[TestClient]:
    with TestClient(create_app(settings(models=models))) as client:
        yield client


def test_a_request_and_a_job_have_the_same_answer(service: TestClient) -> None:
    response = service.post("/v1/sources", json=BODY)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["model"] == "causal"
    assert body["methods"]["gradient"]["top"] == [1]
    assert body["spans"][1]["checked"]["after"] < body["spans"][1]["checked"]["before"]
    posted = service.post("/v1/jobs", json={"kind": "sources", **BODY})
    assert posted.status_code == 202, posted.text
    job = service.get(f"/v1/jobs/{posted.json()['id']}", params={"wait": 30}).json()
    assert job["state"] == "done", job
    assert job["result"] == body
    assert job["progress"] == {"done": body["passes"], "of": body["passes"], "what": "passes"}


@pytest.mark.parametrize(
    ("fields", "status", "path", "detail"),
    [
        ({"context": []}, 422, "context", "the list of passages is empty"),
        ({"context": [" "]}, 422, "context.0", "an empty passage"),
        ({"answer": " "}, 422, "answer", "the answer is empty"),
        ({"question": None}, 422, "question", "expected text, got null"),
        ({"method": ["lrp"]}, 422, "method.0", "no such method"),
        ({"check": 21}, 422, "check", "20"),
        ({"removal": "burn"}, 422, "removal", "cut"),
        ({"beam": 2}, 422, "beam", ""),
        ({"model": "tiny"}, 422, "model", "this is one of translation"),
        ({"model": "none"}, 404, None, "none"),
        ({"context": ["The book is here. " * 60]}, 422, "context", "positions for 256"),
    ],
)
def test_what_is_wrong_is_named_by_both(
    service: TestClient, fields: Any, status: int, path: str | None, detail: str
) -> None:
    answered = service.post("/v1/sources", json={**BODY, **fields})
    assert answered.status_code == status, answered.text
    problem = answered.json()
    if path is not None:
        assert problem["errors"][0]["path"] == path
    assert detail in problem["detail"] + str(problem.get("errors"))
    job = service.post("/v1/jobs", json={"kind": "sources", **BODY, **fields})
    if job.status_code == 202:  # what only a pass can find
        job_body = service.get(f"/v1/jobs/{job.json()['id']}", params={"wait": 30}).json()
        assert job_body["state"] == "failed"
        assert job_body["error"]["errors"][0]["path"] == path
    else:
        assert job.status_code == status


def test_what_would_be_late_is_given_up_early_and_names_the_job(
    service: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SURE", 0.0)
    many = {**BODY, "context": [f"The book is {number} here." for number in range(15)], "ablations": 1000}
    response = service.post("/v1/sources", json=many, headers={"Request-Timeout": "2"})
    assert response.status_code == 413, response.text
    problem = response.json()
    assert problem["errors"][0]["path"] == "ablations"
    assert 'post the same to /v1/jobs with "kind": "sources"' in problem["detail"]
    monkeypatch.setattr(sources, "SURE", 1000.0)
    late = service.post("/v1/sources", json=many, headers={"Request-Timeout": "0.3"})
    assert late.status_code == 504
    assert '"kind": "sources"' in late.json()["detail"]
    services: Any = service.app.state.services  # type: ignore[attr-defined]
    until = time.monotonic() + SECONDS
    while services.tracing.busy and time.monotonic() < until:
        time.sleep(0.01)
    assert not services.tracing.busy, "nothing is left running"


def test_a_job_is_cancelled_half_way(service: TestClient) -> None:
    many = {**BODY, "context": [f"The book is {number} here." for number in range(15)], "ablations": 1000}
    job = service.post("/v1/jobs", json={"kind": "sources", **many}).json()
    address, until = f"/v1/jobs/{job['id']}", time.monotonic() + SECONDS
    while service.get(address).json()["progress"]["done"] < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert service.delete(address).status_code == 204
    services: Any = service.app.state.services  # type: ignore[attr-defined]
    while services.tracing.busy and time.monotonic() < until:
        time.sleep(0.01)
    assert services.jobs.running == services.jobs.queued == 0
    assert service.get(address).status_code == 404
