"""Who is let in is known before the service starts."""

import socket
from pathlib import Path
from typing import Any

import pytest

from heedmap.app.http.startup import StartupError, check, read_settings
from heedmap.app.settings import Settings
from tests.live import free_port

KEYS = "right-0123456789"


@pytest.mark.parametrize("options", [{"open": True}, {"api_keys": KEYS}, {"keys_file": Path("keys")}], ids=str)
def test_other_machines_are_served_with_keys_or_on_purpose(tmp_path: Path, options: dict[str, Any]) -> None:
    there = {"host": "0.0.0.0", "port": free_port(), "traces": tmp_path, "device": "cpu"}
    check(Settings(**there, **options))
    with pytest.raises(StartupError, match="no API keys are set"):
        check(Settings(**there))


def test_a_port_of_the_metrics_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with pytest.raises(StartupError, match=r"metrics_port: .*HEEDMAP_METRICS_PORT"):
            check(Settings(port=free_port(), metrics_port=taken, traces=tmp_path, device="cpu"))


def test_a_clients_key_does_no_harm_beside_a_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEEDMAP_API_KEY", KEYS)
    with pytest.raises(StartupError, match="what a client sends"):
        read_settings({})
    assert read_settings({"open": True}).open
    assert read_settings({"api_keys": KEYS}).api_keys
