"""A client of the live service."""

from collections.abc import Iterator

import pytest

from heedmap.app.client.api import Client

TEXT = "Wo ist der Bahnhof?"


@pytest.fixture(scope="session")
def url(server: str) -> str:
    """Where the live service listens."""
    return server


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[Client]:
    """A client of the live service."""
    with Client(url) as client:
        yield client
