"""One problem in three bodies, by the address that was asked."""

import pytest

from heedmap.app.dialects import HOUSE, OPEN_INFERENCE, OPENAI, Dialect, dialect_of, parameter
from heedmap.app.errors import NotFound, Overloaded, QuotaExceeded
from heedmap.app.problems import problem, problem_response
from heedmap.model.errors import InputTooLong, ParameterError

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/predict", HOUSE),
        ("/v1/models/v2", HOUSE),
        ("/v1/models/v1/completions", HOUSE),
        ("/v20", HOUSE),
        ("/", HOUSE),
        ("/v2", OPEN_INFERENCE),
        ("/v2/models/org/name/infer", OPEN_INFERENCE),
        ("/v2/models/a\nb/infer", OPEN_INFERENCE),
        (CHAT, OPENAI),
        (TEXT, OPENAI),
    ],
)
def test_an_address_has_its_dialect(path: str, dialect: Dialect) -> None:
    assert dialect_of(path) is dialect


def test_one_problem_in_three_bodies() -> None:
    error = ParameterError("too hot", field="parameters.temperature")
    response = problem_response(error)
    house, inference, chat = (response.at(path) for path in ("/v1/predict", "/v2/models/m/infer", CHAT))
    assert house.status_code == inference.status_code == 422
    assert inference.body == b'{"error":"too hot"}'
    assert chat.status_code == 400
    assert chat.body == (
        b'{"error":{"message":"too hot","type":"invalid_request_error","param":"temperature","code":"parameter_error"}}'
    )
    assert house.media_type == "application/problem+json"
    assert inference.media_type == chat.media_type == "application/json"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (NotFound("no", field="model"), "invalid_request_error", "model_not_found"),
        (NotFound("no"), "invalid_request_error", None),
        (InputTooLong("long", field="inputs"), "invalid_request_error", "context_length_exceeded"),
        (QuotaExceeded("full"), "rate_limit_error", "insufficient_quota"),
        (Overloaded("busy"), "server_error", None),
        (RuntimeError("secret"), "server_error", None),
    ],
)
def test_openais_kinds_and_codes(error: Exception, kind: str, code: str | None) -> None:
    said = OPENAI.body(problem(error), CHAT)["error"]
    assert (said["type"], said["code"]) == (kind, code)
    assert "secret" not in said["message"]


def test_fields_have_the_names_that_were_sent() -> None:
    sent = {
        "inputs.messages.0": "messages.0",
        "inputs": "messages",
        "parameters.max_new_tokens": "max_tokens",
        "n": "n",
    }
    assert {field: parameter(field, CHAT) for field in sent} == sent
    assert parameter("inputs", TEXT) == "prompt"
    assert parameter("parameters", TEXT) == "parameters"
