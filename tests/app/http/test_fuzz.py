"""The OpenAPI description against the service: what it allows, and what it does not, is answered as it says.

A new route is fuzzed as soon as it is described, and needs its recipe here: a fuzz that gets nothing but 404 is none.
"""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.python.asgi import get_client
from schemathesis.specs.openapi.checks import positive_data_acceptance

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings
from heedmap.model.native.tokenizer import Tokenizer
from tests.conftest import write_tiny
from tests.model.hub import checkpoints

TEXT = "Wo ist der Bahnhof?"
KEPT = {"model": "tiny", "inputs": TEXT, "objective": {"tokens": "all"}, "parameters": {"max_new_tokens": 4}}
DOOMED = {"model": "tiny", "inputs": "Ich habe heute keine Zeit."}
JOB = {"kind": "corpus", "model": "tiny", "inputs": [TEXT], "parameters": {"max_new_tokens": 2}}
SOURCES = {
    "model": "chat",
    "context": ["Here.", "Late."],
    "question": "Who?",
    "answer": "a",
    "by": "passages",
    "template": None,
    "method": ["gradient"],
    "removal": "cut",
    "ablations": 8,
    "head_weights": None,
}
EFFECTS = {"edits": "edges", "site": "cross", "measured": True, "predict": False, "objective": None, "inputs": None}
MESSAGES = [{"role": "user", "content": "Where is the station?"}]
EXAMPLES = 15  # requests an operation, of those that the description allows, and again of those that it does not
POSITIONS = 48  # of the model: nobody asks it for so many tokens that the answer takes long
ADDRESS = "http://testserver"
LOCATIONS = {
    "path_parameters": ParameterLocation.PATH,
    "query": ParameterLocation.QUERY,
    "body": ParameterLocation.BODY,
}


@dataclass(frozen=True)
class Recipe:
    """What brings an operation to an answer of 2xx; parts of it are put into generated requests.

    before: a path and a body that are posted before every request, for operations that undo something; where what they
    make has another id each time, that takes the place of the one here.
    """

    path_parameters: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, Any] | None = None

    def case(self, operation: Any) -> Any:
        """The request as it stands here."""
        body = {"body": dict(self.body), "media_type": "application/json"} if self.body else {}
        return operation.Case(path_parameters=dict(self.path_parameters), query=dict(self.query), **body)


def recipes(kept: str, doomed: str, job: str) -> dict[str, Recipe]:
    """A recipe for each operation; `kept` and `doomed` are the ids of traces, `job` that of a job."""
    trace, place = {"id": kept}, {"site": "cross", "layer": 0, "head": 1}
    tile = {**trace, **place, "how": "max", "level": 0}
    model, version = {"model": "tiny"}, {"model": "tiny", "version": "1"}
    outputs = [{"name": "text"}, {"name": "attention.cross.1.2"}]
    infer = {"inputs": [{"name": "inputs", "shape": [1], "datatype": "BYTES", "data": [TEXT]}], "outputs": outputs}
    return {
        "GET /healthz": Recipe(),
        "GET /readyz": Recipe(),
        "GET /metrics": Recipe(),
        "GET /v1/models": Recipe(),
        "GET /v1/models/{model}": Recipe({"model": "tiny"}),
        "GET /v1/measures": Recipe(query={"trace": kept}),
        "POST /v1/predict": Recipe(body={"model": "tiny", "inputs": TEXT, "attention": [{"site": "cross"}]}),
        "POST /v1/traces": Recipe(body={"model": "tiny", "inputs": TEXT}),
        "GET /v1/traces/{id}": Recipe(trace),
        "DELETE /v1/traces/{id}": Recipe({"id": doomed}, before=("/v1/traces", DOOMED)),
        "GET /v1/traces/{id}/file": Recipe(trace),
        "GET /v1/traces/{id}/page": Recipe(trace),
        "GET /v1/traces/{id}/heads": Recipe(trace),
        "GET /v1/traces/{id}/maps/{site}/{layer}/{head}": Recipe({**trace, **place}, {"rows": "0:2", "cols": ":3"}),
        "GET /v1/traces/{id}/relevance/{site}": Recipe({**trace, "site": "encoder"}, {"rows": "0:2"}),
        "POST /v1/traces/{id}/effects": Recipe(
            trace, body={"edits": "edges", "site": "cross", "top": 2, "measured": True}
        ),
        "POST /v1/traces/{id}/likeliest": Recipe(trace, body={"position": 1, "count": 3, "inputs": None}),
        "GET /v1/traces/{id}/thumbnails/{site}": Recipe({**trace, "site": "encoder"}),
        "GET /v1/traces/{id}/tiles/{site}/{layer}/{head}/{how}/{level}": Recipe(tile, {"tiles": "0:0"}),
        "GET /v1/traces/{id}/tiles/{site}/{layer}/{head}/{how}/{level}/{row}/{col}": Recipe(
            {**tile, "row": 0, "col": 0}
        ),
        "POST /v1/compare": Recipe(body={"traces": [kept, kept], "site": "cross", "layer": 0, "head": 1}),
        "POST /v1/jobs": Recipe(body=JOB),
        "GET /v1/jobs": Recipe(),
        "GET /v1/jobs/{id}": Recipe({"id": job}),
        "GET /v1/jobs/{id}/events": Recipe({"id": job}),
        "DELETE /v1/jobs/{id}": Recipe({"id": job}, before=("/v1/jobs", JOB)),
        "POST /v1/align": Recipe(body={"model": "tiny", "pairs": [[TEXT, "Where is the station?"]]}),
        "POST /v1/simultaneous": Recipe(
            body={"model": "tiny", "inputs": TEXT, "committed": [5], "policy": {"kind": "wait-k", "k": 1}}
        ),
        "POST /v1/sources": Recipe(body=SOURCES),
        "POST /v1/attention": Recipe(body={"queries": [[1.0, 0.0], [0.5, 2.0]], "mask": "causal"}),
        "POST /v1/chat/completions": Recipe(body={"model": "chat", "messages": MESSAGES, "max_tokens": 4}),
        "POST /v1/completions": Recipe(body={"model": "tiny", "prompt": TEXT, "max_tokens": 4}),
        "GET /v2": Recipe(),
        "GET /v2/health/live": Recipe(),
        "GET /v2/health/ready": Recipe(),
        "POST /v2/repository/index": Recipe(),
        "GET /v2/models/{model}": Recipe(model),
        "GET /v2/models/{model}/ready": Recipe(model),
        "POST /v2/models/{model}/infer": Recipe(model, body=infer),
        "GET /v2/models/{model}/versions/{version}": Recipe(version),
        "GET /v2/models/{model}/versions/{version}/ready": Recipe(version),
        "POST /v2/models/{model}/versions/{version}/infer": Recipe(version, body=infer),
    }


class Fuzz:
    """A running service, its description, and requests of it; schemathesis stops the service where the test ends."""

    def __init__(self, settings: Settings) -> None:
        generation = GenerationConfig(database="none")
        config = schemathesis.Config(
            projects=ProjectsConfig(default=ProjectConfig(base_url=ADDRESS, generation=generation))
        )
        self.app = create_app(settings)
        schema = schemathesis.openapi.from_asgi("/openapi.json", self.app, config=config)
        self.operations = {result.ok().label: result.ok() for result in schema.get_all_operations()}
        kept, doomed = (self.post("/v1/traces", body)["id"] for body in (KEPT, DOOMED))
        job = self.post("/v1/jobs", JOB)["id"]
        with get_client(self.app) as client:
            assert client.get(f"/v1/jobs/{job}", params={"wait": 30}).json()["state"] == "done"
        self.recipes = recipes(kept, doomed, job)

    def post(self, path: str, body: Any) -> Any:
        """Call the service beside the fuzz."""
        with get_client(self.app) as client:
            return client.post(path, json=body).json()

    def send(self, case: Any) -> Any:
        """The answer to a request, which must be as it is described.

        What the description allows may still be refused: it cannot say which layers a trace has.
        """
        recipe = self.recipes[case.operation.label]
        if recipe.before:
            made = self.post(*recipe.before)
            if (case.path_parameters or {}).get("id") == recipe.path_parameters["id"]:
                case.path_parameters["id"] = made["id"]
        response = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        self.settle()
        return response

    def settle(self) -> None:
        """Cancel the jobs that were accepted: what goes on behind a request would disturb how the next is drawn."""
        services = self.app.state.services
        with get_client(self.app) as client:
            for job in client.get("/v1/jobs").json()["jobs"] if services.jobs.running + services.jobs.queued else ():
                if job["state"] in ("queued", "running"):
                    client.delete(f"/v1/jobs/{job['id']}")
        while services.tracing.busy:
            time.sleep(0.001)

    def mix(self, case: Any) -> st.SearchStrategy[Any]:
        """A generated request as it is, or with some of what is right; what is wrong on purpose stays wrong.

        A part is also replaced whole: a body of one kind and fields of another, which a description with many kinds
        makes most of the time, are never right together.
        """
        recipe = self.recipes[case.operation.label]
        picks = []
        for part, location in LOCATIONS.items():
            right, component = getattr(recipe, part), case.meta.components.get(location)
            if right and isinstance(getattr(case, part), Mapping) and not (component and component.mode.is_negative):
                others = [sorted(set(right) - {name}) for name in right]
                some = st.sampled_from([sorted(right)] * (3 + len(right)) + [None] * (3 + len(right)) + others + [[]])
                picks.append(st.tuples(st.just(part), some))

        def mixed(drawn: tuple[tuple[str, list[str] | None], ...]) -> Any:
            for part, names in drawn:
                if names is None:
                    getattr(case, part).clear()
                    names = sorted(getattr(recipe, part))
                getattr(case, part).update({name: getattr(recipe, part)[name] for name in names})
            return case

        return st.tuples(*picks).map(mixed)

    def run(self, operation: Any, mode: GenerationMode) -> Counter[int]:
        """How often each status was answered to generated requests, always as it is described."""
        statuses: Counter[int] = Counter()

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # to shrink what fails takes minutes, and it is short enough as it is
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode).flatmap(self.mix))
        def answered_as_described(case: Any) -> None:
            statuses[self.send(case).status_code] += 1

        answered_as_described()
        return statuses


@pytest.fixture
def fuzz(tokenizer: Tokenizer, tmp_path: Path) -> Fuzz:
    """A service with two tiny models and two traces."""
    tiny = write_tiny(tmp_path / "tiny", tokenizer, positions=POSITIONS)
    chat = checkpoints.llama(tmp_path / "chat", chat=True)
    models = {"tiny": str(tiny), "chat": str(chat)}
    return Fuzz(Settings(hosts=("testserver",), models=models, traces=tmp_path / "traces"))


def negatable(operation: Any) -> bool:
    """Whether a request can be against the description: in an address and a header every text is one."""
    parameters = operation.definition.raw.get("parameters", [])
    schemas = [parameter["schema"] for parameter in parameters if parameter["in"] != "header"]
    texts = [
        schema.get("type") == "string" and not set(schema) - {"type", "title", "description"} for schema in schemas
    ]
    return "requestBody" in operation.definition.raw or not all(texts)


def test_every_operation_has_a_recipe_that_is_answered(fuzz: Fuzz, subtests: pytest.Subtests) -> None:
    assert set(fuzz.recipes) == set(fuzz.operations)
    for label, operation in fuzz.operations.items():
        with subtests.test(label):
            response = fuzz.send(fuzz.recipes[label].case(operation))
            assert 200 <= response.status_code < 300, response.text


@pytest.mark.parametrize("mode", GenerationMode)
def test_generated_requests_are_answered_as_described(
    fuzz: Fuzz, mode: GenerationMode, subtests: pytest.Subtests
) -> None:
    for label, operation in fuzz.operations.items():
        if mode.is_negative and not negatable(operation):
            continue
        with subtests.test(label):
            statuses = fuzz.run(operation, mode)
            if mode.is_positive:
                assert any(200 <= status < 300 for status in statuses), f"never answered by 2xx: {statuses}"
