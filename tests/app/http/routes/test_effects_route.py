"""Effects over HTTP: measured as two traces differ, estimated beside it, refused where they cannot be had."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.service import effects
from heedmap.app.settings import Settings
from heedmap.model.native import edited_passes
from tests.conftest import write_tiny
from tests.model.hub import checkpoints, media_checkpoints

BODY = {"inputs": "Wo ist der Bahnhof?", "target": "The station is there."}
WITH = {**BODY, "objective": {"tokens": "all"}}
SILENCE = {"kind": "silence", "site": "cross", "layer": 1, "head": 2, "how": "zero"}
CUT = {"kind": "cut", "site": "cross", "layer": 0, "head": 1, "query": 2, "key": 1, "mass": "renormalise"}
TEMPER = {"kind": "temper", "site": "decoder", "layer": 0, "head": 0, "temperature": 2.0}


def posted(client: TestClient, body: Any) -> dict[str, Any]:
    response = client.post("/v1/traces", json=body)
    assert response.status_code == 201, response.text
    trace: dict[str, Any] = response.json()
    return trace


def asked(client: TestClient, trace: str, **body: Any) -> dict[str, Any]:
    response = client.post(f"/v1/traces/{trace}/effects", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.fixture(scope="module")
def trace(client: TestClient) -> dict[str, Any]:
    return posted(client, WITH)


def test_a_measured_effect_is_the_difference_of_two_traces(client: TestClient, trace: dict[str, Any]) -> None:
    edits = [SILENCE, CUT, TEMPER, {**CUT, "mass": "drop"}, {"kind": "replace", "token": 1, "by": 9}]
    answer = asked(client, trace["id"], edits=edits, measured=True)
    before = trace["objective"]["value"]
    assert answer["value"] == {"trace": before, "measured": pytest.approx(before, abs=1e-5)}
    for row, edit in zip(answer["effects"], edits, strict=True):
        other = posted(client, {**WITH, "edits": [edit]})
        assert row["measured"] == pytest.approx(other["objective"]["value"] - before, abs=1e-5)
    assert [row["estimated"] is None for row in answer["effects"]] == [False, False, False, False, True]
    assert "have it measured" in answer["effects"][-1]["reason"]
    assert answer["correlation"]["pairs"] == 4
    assert -1 <= answer["correlation"]["pearson"] <= 1


def test_all_heads_have_both_and_a_ranking(client: TestClient, trace: dict[str, Any]) -> None:
    guess = asked(client, trace["id"])
    assert [(site["name"], site["layers"], site["heads"]) for site in guess["sites"]] == [
        ("encoder", 2, 4),
        ("decoder", 2, 4),
        ("cross", 2, 4),
    ]
    assert all(site["measured"] is None for site in guess["sites"])
    assert guess["correlation"] is None
    assert guess["value"]["measured"] is None
    answer = asked(client, trace["id"], measured=True)
    assert [site["estimated"] for site in answer["sites"]] == [site["estimated"] for site in guess["sites"]]
    assert answer["correlation"]["pairs"] == 24
    values = [abs(row["measured"]) for row in answer["ranking"]]
    assert values == sorted(values, reverse=True)
    [row] = asked(client, trace["id"], edits=[SILENCE], measured=True)["effects"]
    cross = answer["sites"][2]
    assert cross["measured"][1][2] == pytest.approx(row["measured"], abs=1e-5)
    assert cross["estimated"][1][2] == pytest.approx(row["estimated"], abs=1e-6)
    one = asked(client, trace["id"], site="cross", how="uniform", measured=True)
    assert [site["name"] for site in one["sites"]] == ["cross"]
    assert one["sites"][0]["measured"] != cross["measured"]


@pytest.mark.parametrize("mass", ["renormalise", "drop"])
def test_the_edges_that_do_most(client: TestClient, trace: dict[str, Any], mass: str) -> None:
    answer = asked(client, trace["id"], edits="edges", site="cross", top=6, mass=mass, measured=True)
    sizes = [abs(row["estimated"]) for row in answer["effects"]]
    assert len(sizes) == 6
    assert sizes == sorted(sizes, reverse=True)
    first = answer["effects"][0]
    assert (first["edit"]["kind"], first["edit"]["mass"]) == ("cut", mass)
    other = posted(client, {**WITH, "edits": [first["edit"]]})
    assert first["measured"] == pytest.approx(other["objective"]["value"] - trace["objective"]["value"], abs=1e-5)


def test_the_new_prediction_is_what_predicting_under_the_edit_gives(client: TestClient) -> None:
    body = {"inputs": BODY["inputs"], "parameters": {"max_new_tokens": 5}}
    trace = posted(client, {**body, "objective": {"tokens": [0]}})
    answer = asked(client, trace["id"], edits=[SILENCE, TEMPER], predict=True)
    for row, edit in zip(answer["effects"], (SILENCE, TEMPER), strict=True):
        assert row["measured"] is None
        right = client.post("/v1/predict", json={**body, "edits": [edit]}).json()
        score = right["prediction"]["score"]  # another number of cores adds it up in another order
        assert row["prediction"] == {**right["prediction"], "score": pytest.approx(score, rel=1e-5)}


def test_effects_come_beside_the_edits_that_a_trace_has(client: TestClient, trace: dict[str, Any]) -> None:
    donor = posted(client, {**BODY, "edits": [{**SILENCE, "how": "uniform"}]})
    patch = {"kind": "patch", "site": "cross", "layer": 1, "head": 2, "trace": donor["id"]}
    base = [TEMPER, patch]
    edited = posted(client, {**WITH, "edits": base})
    answer = asked(client, edited["id"], edits=[CUT, {**patch, "head": 0}, SILENCE], measured=True)
    for row in answer["effects"]:
        other = posted(client, {**WITH, "edits": [*base, row["edit"]]})
        assert row["measured"] == pytest.approx(other["objective"]["value"] - edited["objective"]["value"], abs=1e-5)
    assert "already stands in" in answer["effects"][2]["reason"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"edits": "all"}, 422, "edits"),
        ({"edits": []}, 422, "edits"),
        ({"edits": [SILENCE] * 1025}, 422, "edits"),
        ({"edits": [SILENCE, {"kind": "mute"}]}, 422, "edits.1.kind"),
        ({"edits": [SILENCE, {**SILENCE, "head": 4}]}, 422, "edits.1.head"),
        ({"edits": [SILENCE, {**SILENCE, "site": "vision"}]}, 404, "edits.1.site"),
        ({"edits": [{**CUT, "query": 99}]}, 422, "edits.0.query"),
        ({"edits": [SILENCE, {**CUT, "key": "all"}]}, 422, "edits.1"),
        ({"edits": [SILENCE, {**CUT, "key": "all"}], "measured": True}, 422, "edits.1"),
        ({"edits": [{"kind": "replace", "token": 99, "by": 3}], "measured": True}, 422, "edits.0.token"),
        ({"edits": [{"kind": "patch", "site": "cross", "layer": 0, "head": 0, "trace": "x"}]}, 422, "edits.0.trace"),
        ({"edits": "edges"}, 422, "site"),
        ({"edits": "edges", "site": "vision"}, 404, "site"),
        ({"edits": "edges", "site": "cross", "top": 0}, 422, "top"),
        ({"site": "vision"}, 404, "site"),
        ({"predict": True}, 422, "predict"),
        ({"edits": [SILENCE] * 17, "predict": True}, 422, "predict"),
        ({"objective": {"tokens": [0]}}, 422, "objective"),
        ({"speed": 1}, 422, "speed"),
    ],
)
def test_each_mistake_names_its_field(
    client: TestClient, trace: dict[str, Any], body: dict[str, Any], status: int, path: str
) -> None:
    response = client.post(f"/v1/traces/{trace['id']}/effects", json=body)
    assert response.status_code == status, response.text
    assert [error["path"] for error in response.json()["errors"]] == [path]


def test_a_trace_without_an_objective_says_how_to_get_one(client: TestClient) -> None:
    plain = posted(client, BODY)
    for body in ({}, {"objective": {"tokens": "all"}}, {"edits": "edges", "site": "cross"}, {"edits": [SILENCE]}):
        response = client.post(f"/v1/traces/{plain['id']}/effects", json=body)
        assert response.status_code == 422
        [error] = response.json()["errors"]
        assert error["path"] == "objective"
        assert "post its input again with one" in error["detail"]
    assert client.post("/v1/traces/0123/effects", json={}).status_code == 404


def test_too_many_passes_are_a_job(client: TestClient, trace: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_MEASURED", 23), ("MOST_TOKENS", 100)):
        with monkeypatch.context() as patched:
            patched.setattr(effects, name, most)
            response = client.post(f"/v1/traces/{trace['id']}/effects", json={"measured": True})
            assert response.status_code == 413
            [error] = response.json()["errors"]
            assert error["path"] == "edits"
            assert '{"kind": "sweep"}' in error["detail"]


@pytest.fixture
def alone(settings: Callable[..., Settings]) -> Iterator[TestClient]:
    with TestClient(create_app(settings())) as client:
        yield client


def test_a_model_that_is_another_now_or_none_is_a_conflict(
    settings: Callable[..., Settings], tokenizer: Any, tmp_path: Any
) -> None:
    folder = write_tiny(tmp_path / "model", tokenizer)
    chosen = settings(models={"tiny": str(folder)})
    with TestClient(create_app(chosen)) as client:
        trace = posted(client, WITH)
        assert asked(client, trace["id"], measured=True)["correlation"] is not None
    changed = write_tiny(tmp_path / "other", tokenizer, positions=64)
    for models, said in (
        ({"tiny": str(changed)}, "is not the one that made this trace"),
        ({"another": str(folder)}, "is not served here any more"),
    ):
        with TestClient(create_app(chosen.model_copy(update={"models": models}))) as client:
            assert asked(client, trace["id"])["sites"], "estimates take no model"
            for body in ({"measured": True}, {"edits": [SILENCE], "predict": True}):
                response = client.post(f"/v1/traces/{trace['id']}/effects", json=body)
                assert response.status_code == 409
                [error] = response.json()["errors"]
                assert error["path"] == "measured"
                assert said in error["detail"]


def test_the_line_is_free_between_two_batches(alone: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(edited_passes.TOKENS, "cpu", 1)
    trace = posted(alone, WITH)
    services: Any = alone.app.state.services  # type: ignore[attr-defined]
    calls: list[Any] = []
    run = services.tracing.run_batch

    async def counted(*arguments: Any, **more: Any) -> Any:
        calls.append(more["kind"])
        return await run(*arguments, **more)

    monkeypatch.setattr(services.tracing, "run_batch", counted)
    asked(alone, trace["id"], edits=[SILENCE, CUT, TEMPER], measured=True)
    assert calls == [("tiny", "effects")] * 4, "three batches, and the look for a fourth"


def test_transformers_models_and_files(settings: Callable[..., Settings], tmp_path: Any) -> None:
    models = {
        "llama": str(checkpoints.llama(tmp_path / "llama")),
        "vit": str(media_checkpoints.vit(tmp_path / "vit")),
    }
    with TestClient(create_app(settings(models=models))) as client:
        body = {"model": "llama", "inputs": "The girl is reading", "parameters": {"max_new_tokens": 4}}
        trace = posted(client, {**body, "objective": {"tokens": "all"}})
        answer = asked(client, trace["id"], measured=True)
        assert answer["correlation"]["pairs"] == 8
        files = {"image": ("a.png", media_checkpoints.as_png(media_checkpoints.picture()))}
        made = client.post("/v1/traces", files=files, data={"model": "vit", "objective": '{"label": 0}'})
        assert made.status_code == 201, made.text
        seen = made.json()
        assert asked(client, seen["id"])["sites"]
        missing = client.post(f"/v1/traces/{seen['id']}/effects", json={"measured": True})
        assert missing.json()["errors"][0]["path"] == "inputs"
        picture = {"image": as_base64(media_checkpoints.picture())}
        assert asked(client, seen["id"], measured=True, inputs=picture)["correlation"]["pairs"] == 8
        other = {"image": as_base64(media_checkpoints.picture(seed=1))}
        wrong = client.post(f"/v1/traces/{seen['id']}/effects", json={"measured": True, "inputs": other})
        assert wrong.status_code == 409
        assert "another input than its own" in wrong.json()["detail"]


def as_base64(image: Any) -> str:
    return base64.b64encode(media_checkpoints.as_png(image)).decode()


def test_traces_that_differ_in_their_objective_alone_are_made_apart(client: TestClient) -> None:
    """Asked at once, they are no one piece of work."""
    bodies = [{**BODY, "inputs": "Das Buch ist schön.", "objective": {"tokens": [at]}} for at in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda body: posted(client, body), bodies))
    assert [trace["objective"]["tokens"] for trace in made] == [[0], [1], [2], [3]]
    assert len({trace["objective"]["value"] for trace in made}) == 4
