"""OpenAI's protocol, asked by its own client: answers, streams, traces, and its own errors."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.http.routes.openai import PATHS
from heedmap.app.settings import WEIGHTS, Settings
from tests.live import service
from tests.model.hub import checkpoints

KEY = "right-0123456789"
PROMPT = "The girl is reading"
SAID: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": PROMPT}]
LIMIT = 8


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a chat template."""
    return checkpoints.llama(tmp_path_factory.mktemp("chat") / "chat", chat=True, max_position_embeddings=256)


@pytest.fixture(scope="module")
def url(chat: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live service of a chat model, a translating one, and the shipped language model."""
    models = [f"chat={chat}", f"tiny={tiny}", f"shakespeare={WEIGHTS / 'shakespeare'}"]
    arguments = [word for model in models for word in ("--model", model)]
    with service(tmp_path_factory.mktemp("openai"), *arguments) as address:
        yield address


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[OpenAI]:
    """OpenAI's client, told another address."""
    with OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
        yield client


def predicted(url: str, model: str, inputs: Any, **parameters: Any) -> dict[str, Any]:
    body = {"model": model, "inputs": inputs, "parameters": {"max_new_tokens": LIMIT, **parameters}}
    answer: dict[str, Any] = httpx.post(f"{url}/v1/predict", json=body, timeout=60).json()
    return answer


def trace(url: str, answer: Any) -> dict[str, Any]:
    response = httpx.get(f"{url}/v1/traces/{answer.trace_id}", timeout=60)
    assert response.status_code == 200, response.text
    summary: dict[str, Any] = response.json()
    return summary


def test_a_chat_is_answered_as_predict_does_and_can_be_looked_into(api: OpenAI, url: str) -> None:
    answer = api.chat.completions.create(model="chat", messages=SAID, max_tokens=LIMIT)
    expected = predicted(url, "chat", {"messages": SAID})
    [choice] = answer.choices
    assert choice.message.content == expected["prediction"]["text"]
    assert choice.message.role == "assistant"
    assert choice.finish_reason == expected["prediction"]["finish_reason"] == "length"
    assert answer.id.startswith("chatcmpl-")
    assert (answer.object, answer.model) == ("chat.completion", "chat")
    assert answer.usage is not None
    tokens = len(expected["axes"]["tokens"]["ids"])
    written = len(expected["prediction"]["tokens"])
    assert (answer.usage.completion_tokens, answer.usage.prompt_tokens) == (written, tokens - written)
    kept = trace(url, answer)
    assert kept["prediction"] == expected["prediction"]
    assert kept["axes"] == expected["axes"]
    body = {"model": "chat", "inputs": {"messages": SAID}, "parameters": {"max_new_tokens": LIMIT}}
    assert httpx.post(f"{url}/v1/traces", json=body, timeout=60).json()["id"] == answer.trace_id  # type: ignore[attr-defined]


def test_a_stream_is_the_same_answer(api: OpenAI, url: str) -> None:
    asked: Any = {"model": "chat", "messages": SAID, "max_completion_tokens": LIMIT}
    whole = api.chat.completions.create(**asked)
    first, *middle, last, counted = api.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    assert first.choices[0].delta.role == "assistant"
    assert len(middle) > 1
    assert "".join(chunk.choices[0].delta.content for chunk in middle) == whole.choices[0].message.content
    assert last.choices[0].finish_reason == "length"
    assert last.trace_id == counted.trace_id == whole.trace_id
    assert (counted.choices, counted.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in (first, *middle, last, counted)}) == 1


@pytest.mark.parametrize("model", ["shakespeare", "tiny", "chat"])
def test_a_text_is_gone_on_from(api: OpenAI, url: str, model: str) -> None:
    expected = predicted(url, model, PROMPT)
    answer = api.completions.create(model=model, prompt=PROMPT, max_tokens=LIMIT)
    assert answer.choices[0].text == expected["prediction"]["text"]
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert trace(url, answer)["prediction"] == expected["prediction"]
    chunks = list(api.completions.create(model=model, prompt=[PROMPT], max_tokens=LIMIT, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text
    assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason


def test_a_stop_ends_the_answer_and_is_not_in_it(api: OpenAI, url: str) -> None:
    asked: Any = {"model": "shakespeare", "prompt": "ROMEO:", "max_tokens": 40}
    long = api.completions.create(**asked).choices[0].text
    stop = long[12:15]
    answer = api.completions.create(**asked, stop=[stop, "\0"])
    [choice] = answer.choices
    assert choice.text == long[: long.index(stop)]
    assert choice.finish_reason == "stop"
    assert trace(url, answer)["prediction"]["text"] == choice.text + stop, "the trace has what was written"
    chunks = list(api.completions.create(**asked, stop=stop, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == choice.text
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_log_probabilities_add_up_to_the_score(api: OpenAI, url: str) -> None:
    score = predicted(url, "chat", {"messages": SAID})["prediction"]["score"]
    asked: Any = {"model": "chat", "messages": SAID, "max_tokens": LIMIT, "logprobs": True}
    whole = api.chat.completions.create(**asked).choices[0]
    assert whole.logprobs is not None
    assert whole.logprobs.content is not None
    assert sum(entry.logprob for entry in whole.logprobs.content) == pytest.approx(score, abs=1e-4)
    assert "".join(entry.token for entry in whole.logprobs.content) == whole.message.content
    told = [
        entry.logprob
        for chunk in api.chat.completions.create(**asked, stream=True)
        if chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content
    ]
    assert told == pytest.approx([entry.logprob for entry in whole.logprobs.content], abs=1e-5)
    text = api.completions.create(model="shakespeare", prompt="ROMEO:", max_tokens=LIMIT, logprobs=0).choices[0]
    assert text.logprobs is not None
    assert text.logprobs.text_offset == list(range(LIMIT))


def test_an_answer_is_drawn_where_a_temperature_is_given(api: OpenAI, url: str) -> None:
    asked: Any = {"model": "shakespeare", "prompt": "ROMEO:", "max_tokens": 24}
    likeliest, cold = (api.completions.create(**asked, temperature=t).choices[0].text for t in (openai.omit, 0))
    assert likeliest == cold
    drawn = api.completions.create(**asked, temperature=1.5, seed=3)
    assert drawn.choices[0].text == api.completions.create(**asked, temperature=1.5, seed=3).choices[0].text
    assert (
        drawn.choices[0].text
        == predicted(url, "shakespeare", "ROMEO:", do_sample=True, temperature=1.5, seed=3, max_new_tokens=24)[
            "prediction"
        ]["text"]
    )
    free = {api.completions.create(**asked, temperature=2.0).choices[0].text for _ in range(3)}
    assert len(free) > 1, "without a seed each is drawn anew"


def test_what_is_left_alone_is_said(api: OpenAI) -> None:
    asked: Any = {"model": "chat", "messages": SAID, "max_tokens": 2}
    plain = api.chat.completions.create(**asked, user="u", presence_penalty=0, tools=[], n=1)
    assert not hasattr(plain, "warnings")
    noted = api.chat.completions.create(**asked, presence_penalty=1.0, top_p=0.5)
    assert noted.warnings == [  # type: ignore[attr-defined]
        "presence_penalty is not followed",
        "top_p is followed with a temperature over 0 alone",
    ]


def test_an_answer_can_be_sent_back_with_the_next_question(api: OpenAI) -> None:
    first = api.chat.completions.create(model="chat", messages=SAID, max_tokens=4).choices[0].message
    turns: Any = [
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        SAID[1],
        first.model_dump(),
        {"role": "user", "content": "And now?", "name": "ada"},
    ]
    assert api.chat.completions.create(model="chat", messages=turns, max_tokens=4).choices[0].message.content


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "tiny"}, "messages", "POST /v1/completions"),
    ({"n": 2}, "n", "one answer"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "no tools"),
    ({"response_format": {"type": "json_object"}}, "response_format", "no form"),
    ({"top_logprobs": 3}, "top_logprobs", "0"),
    ({"max_tokens": 0}, "max_tokens", "1"),
    ({"temperature": -1}, "temperature", "0"),
    ({"temperature": "hot"}, "temperature", "a number"),
    ({"stop": [""]}, "stop.0", "1 to 100"),
    ({"stop": ["a"] * 17}, "stop", "at most 16"),
    ({"messages": []}, "messages", "at least one"),
    ({"messages": "hello"}, "messages", "list"),
    ({"messages": [{"role": "user"}]}, "messages.0", "content"),
    ({"messages": [{"role": "user", "content": None}]}, "messages.0.content", "null"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
        "messages.0.content.0",
        "POST /v1/predict",
    ),
    ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}, "messages.0", "tool_calls"),
    ({"messages": [{"role": "user", "content": "wo " * 5000}]}, "messages", "positions"),
]


@pytest.mark.parametrize(("changes", "param", "said"), REFUSED, ids=[case[1] for case in REFUSED])
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_had_is_a_bad_request(
    api: OpenAI, changes: dict[str, Any], param: str, said: str, stream: bool
) -> None:
    asked: Any = {"model": "chat", "messages": SAID, "max_tokens": 2, "stream": stream}
    with pytest.raises(openai.BadRequestError) as refused:
        api.post("/chat/completions", body={**asked, **changes}, cast_to=object)
    error = refused.value
    assert error.param == param
    assert said in error.message
    assert error.type == "invalid_request_error"
    assert error.response.headers["x-request-id"] == error.request_id
    assert error.request_id


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"prompt": ""}, "prompt"),
     ({"echo": True}, "echo"), ({"suffix": "."}, "suffix"), ({"logprobs": 2}, "logprobs"), ({"best_of": 3}, "best_of")],
)  # fmt: skip
def test_of_texts_too(api: OpenAI, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        api.post("/completions", body={"model": "tiny", "prompt": PROMPT, **changes}, cast_to=object)
    assert refused.value.param == param


def test_models_are_listed(api: OpenAI, url: str) -> None:
    assert [model.id for model in api.models.list()] == ["chat", "tiny", "shakespeare"]
    one = api.models.retrieve("tiny")
    assert (one.id, one.object, one.owned_by) == ("tiny", "model", "heedmap")
    assert one.created > 1_600_000_000
    listed = httpx.get(f"{url}/v1/models").json()
    assert [model["name"] for model in listed["models"]] == ["chat", "tiny", "shakespeare"]
    with pytest.raises(openai.NotFoundError) as missing:
        api.chat.completions.create(model="gpt-4o", messages=SAID)
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_too_long_a_chat_has_openais_code(api: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        api.completions.create(model="chat", prompt="wo " * 5000)
    assert refused.value.code == "context_length_exceeded"


def beside(app: Any, key: str = KEY) -> OpenAI:
    """OpenAI's client of a service in this process."""
    return OpenAI(base_url="http://testserver/v1", api_key=key, max_retries=0, http_client=TestClient(app))


def test_keys_rates_and_quotas_raise_its_errors(settings: Callable[..., Settings]) -> None:
    app = create_app(settings(api_keys=[KEY], rate="2/hour", load="first-use"))
    with TestClient(app):
        with pytest.raises(openai.AuthenticationError) as wrong:
            beside(app, "wrong-0123456789").completions.create(model="tiny", prompt=PROMPT)
        assert wrong.value.code == "invalid_api_key"
        right = beside(app)
        for _ in range(2):
            assert right.completions.create(model="tiny", prompt=PROMPT, max_tokens=2).choices
        with pytest.raises(openai.RateLimitError) as limited:
            right.completions.create(model="tiny", prompt=PROMPT, max_tokens=2)
        assert limited.value.code == "rate_limit_exceeded"
        assert int(limited.value.response.headers["retry-after"]) > 0


def test_the_door_and_the_limits_speak_as_the_routes_do(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings(load="first-use"))
    with TestClient(app) as client:
        for path in PATHS:
            large = client.post(path, content=b" " * (35 << 20), headers={"Content-Type": "application/json"})
            assert (large.status_code, large.json()["error"]["type"]) == (413, "invalid_request_error")
            late = client.post(path, json={}, headers={"Request-Timeout": "soon"})
            assert (late.status_code, late.json()["error"]["param"]) == (400, "Request-Timeout")
            unread = client.post(path, content=b"{", headers={"Content-Type": "application/json"})
            assert (unread.status_code, unread.json()["error"]["code"]) == (400, "unreadable")
            assert client.get(path).status_code == 405
        monkeypatch.setattr("heedmap.app.service.engine.Engine.full", True)
        for path in PATHS:
            full = client.post(path, json={})
            assert (full.status_code, full.json()["error"]["type"]) == (503, "server_error")
            assert full.headers["content-type"] == "application/json"
            assert full.headers["retry-after"]
            assert full.headers["x-request-id"]
