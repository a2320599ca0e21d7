"""What the OpenAPI description says of errors, keys and representations; `test_fuzz` holds the answers against it."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.dialects import dialect_of
from heedmap.app.http.access.keys import Key, hash_of, line_of, new_key
from heedmap.app.http.main import create_app
from heedmap.app.http.main import line_of as line_for
from heedmap.app.settings import Settings

MAP = "/v1/traces/{id}/maps/{site}/{layer}/{head}"


def described(settings: Settings) -> dict[str, Any]:
    """The document of a service with these settings; nothing is loaded for it."""
    document: dict[str, Any] = TestClient(create_app(settings)).get("/openapi.json").json()
    return document


@pytest.fixture(scope="module")
def document(settings: Callable[..., Settings]) -> dict[str, Any]:
    return described(settings())


def test_each_route_names_its_statuses(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert set(paths["/healthz"]["get"]["responses"]) == {"200", "500", "503"}
    assert set(paths["/v1/models/{model}"]["get"]["responses"]) == {
        *("200", "401", "403", "404", "421", "422", "429", "500", "504")
    }
    assert set(paths["/v1/predict"]["post"]["responses"]) == {
        *("200", "401", "403", "404", "413", "415", "421", "422", "429", "500", "503", "504", "507")
    }
    assert set(paths["/v1/chat/completions"]["post"]["responses"]) == {
        *("200", "400", "401", "403", "404", "413", "421", "429", "500", "503", "504", "507")
    }
    assert set(paths["/v2/models/{model}/infer"]["post"]["responses"]) == {
        *("200", "401", "403", "404", "413", "421", "422", "429", "500", "503", "504", "507")
    }
    assert set(paths[MAP]["get"]["responses"]) == {
        *("200", "304", "401", "403", "404", "406", "410", "413", "421", "422", "429", "500", "503", "504", "507")
    }


def test_every_error_is_a_problem_in_its_dialect_and_says_its_causes(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"]
                if int(status) >= 400:
                    dialect = dialect_of(path)
                    assert response["content"] == {dialect.media_type: {"schema": dialect.schema}}
    assert dialect_of("/v1/predict").schema == {"$ref": "#/components/schemas/ProblemDetails"}
    busy = document["paths"]["/v1/predict"]["post"]["responses"]["503"]
    assert "The queue is full" in busy["description"]
    assert "The model cannot be loaded." in busy["description"]
    assert "Retry-After" in busy["headers"]


LINELESS = {"/v1/jobs", "/v2/repository/index"}  # one has lines of its own, the other does no work


def test_every_post_that_makes_work_is_refused_early_where_its_line_is_full(document: dict[str, Any]) -> None:
    lines: Any = SimpleNamespace(engine="predictions", tracing="traces", reading="maps")
    posts = [path for path, operations in document["paths"].items() if "post" in operations]
    assert len(posts) > len(LINELESS)
    for path in posts:
        assert (line_for(lines, re.sub(r"{\w+}", "x", path)) is None) == (path in LINELESS), path


@pytest.mark.parametrize("where", ["environment", "file"])
def test_keys_are_described_where_they_are_on(
    settings: Callable[..., Settings], document: dict[str, Any], tmp_path: Path, where: str
) -> None:
    assert "securitySchemes" not in document["components"]
    (tmp_path / "keys").write_text(line_of(Key(name="one", hash=hash_of(new_key().encode()), scopes=("read",))))
    given = {"api_keys": ["a-key-of-16-letters"]} if where == "environment" else {"keys_file": tmp_path / "keys"}
    keyed = described(settings(**given))
    assert set(keyed["components"]["securitySchemes"]) == {"key", "bearer"}
    assert keyed["paths"][MAP]["get"]["security"] == [{"key": []}, {"bearer": []}]
    assert "security" not in keyed["paths"]["/healthz"]["get"]
