"""The service with tiny random models, in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedmap.app.http.main import create_app
from heedmap.app.settings import Settings

TEXT = "Wo ist der Bahnhof?"
HOSTS = ("testserver", "test", "inside")  # under which the tests' clients ask
PARAMETERS = {"max_new_tokens": 6}  # a random model never stops by itself


@pytest.fixture(scope="session")
def settings(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of a service with the tiny model and a trace folder of its own; what is given goes first."""

    def build(**overrides: Any) -> Settings:
        folder = tmp_path_factory.mktemp("traces")
        return Settings(**{"models": {"tiny": str(tiny)}, "traces": folder, "hosts": HOSTS, **overrides})

    return build


@pytest.fixture(scope="session")
def client(settings: Callable[..., Settings]) -> Iterator[TestClient]:
    """A client of a running service."""
    with TestClient(create_app(settings())) as client:
        yield client


@pytest.fixture(scope="session")
def summary(client: TestClient) -> dict[str, Any]:
    """A trace that the running service keeps."""
    response = client.post("/v1/traces", json={"inputs": TEXT, "parameters": PARAMETERS})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body
