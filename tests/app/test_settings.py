"""Settings come from arguments and HEEDMAP_*, and a wrong one says what would be right."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from heedmap.app.settings import Settings, check_variables


def test_the_shipped_model_is_served_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "MODELS", "DEVICE", "TRACES"):
        monkeypatch.delenv(f"HEEDMAP_{name}", raising=False)
    settings = Settings()
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 8000, "auto")
    assert list(settings.models) == ["de-en"]
    assert settings.models["de-en"].endswith("model/weights/de-en")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "PORT": "9000",
        "MODELS": "a=/x, b=org/name",
        "API_KEYS": "key-1-0123456789,key-2-0123456789",
        "RATE": "5/second;100/minute",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"HEEDMAP_{name}", value)
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == {"a": "/x", "b": "org/name"}
    assert [key.get_secret_value() for key in settings.api_keys] == ["key-1-0123456789", "key-2-0123456789"]
    assert "key-1" not in repr(settings)


@pytest.mark.parametrize(("text", "expected"), [("none", 0), ("", 0), ("0", 0), ("4000000000", 4_000_000_000)])
def test_a_budget_of_memory_may_be_none(monkeypatch: pytest.MonkeyPatch, text: str, expected: int) -> None:
    monkeypatch.setenv("HEEDMAP_MODEL_BYTES", text)
    monkeypatch.setenv("HEEDMAP_LOAD", "first-use")
    settings = Settings()
    assert (settings.model_bytes, settings.load) == (expected, "first-use")


def test_a_source_keeps_its_revision_and_options() -> None:
    text = "mt=org/name@v1?task=translation&dtype=bfloat16,bert=/data/bert"
    assert Settings(models=text).models == {  # type: ignore[arg-type]
        "mt": "org/name@v1?task=translation&dtype=bfloat16",
        "bert": "/data/bert",
    }


def test_models_may_be_a_list_of_pairs() -> None:
    assert Settings(models=["a=x", "b=y=z"]).models == {"a": "x", "b": "y=z"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"models": "de-en"},
        {"models": "a=x,a=y"},
        {"models": ""},
        {"device": "tpu"},
        {"port": 70000},
        {"rate": "often"},
        {"deadline": 0},
        {"load": "later"},
        {"model_bytes": -1},
        {"api_keys": ","},
        {"api_keys": ""},
        {"api_keys": "key-1-0123456789,"},
        {"api_keys": "k"},
        {"api_keys": "fifteen-letters"},
        {"api_keys": "sixteen letters!"},
        {"api_keys": "schlüssel-0123456789"},
        {"origins": "a.example"},
        {"origins": "https://a.example/"},
        {"proxies": "*"},
        {"proxies": "proxy.example"},
        {"proxies": "10.0.0.1/8"},
        {"metrics_port": 0},
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**options)
    assert caught.value.errors()[0]["loc"] == tuple(options)


def test_a_wrong_key_is_not_shown() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(api_keys="secret")  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HEEDMAP_API_KEYZ", "no setting; did you mean HEEDMAP_API_KEYS?"),
        ("heedmap_ratee", "no setting; did you mean HEEDMAP_RATE?"),
        ("HEEDMAP_XYZZY", "no setting; there are HEEDMAP_HOST, HEEDMAP_PORT"),
        ("HEEDMAP_SERVICE_PORT_HTTP", "enableServiceLinks"),
    ],
)
def test_a_variable_that_nobody_reads_is_found(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_variables({name: "x"})
    check_variables({"HEEDMAP_PORT": "x", "HEEDMAP_API_KEY": "x", "heedmap_rate": "x", "HOME": "x"})


@pytest.mark.parametrize("name", ["org/x", "a.b", "mein Modell", "模型", "bert-base@v1", "a%2Fb"])
def test_names_that_stand_in_an_address(name: str) -> None:
    assert list(Settings(models={name: "/x"}).models) == [name]


@pytest.mark.parametrize("name", ["/x", "org/", "a//b", "a/../b", "..", ".", "a?task", "a#b", "a\\b", "a\nb", "a\tb"])
def test_names_that_an_address_would_lose(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot be a model's name"):
        Settings(models={name: "/x"})


def test_a_source_without_a_name_is_no_name() -> None:
    with pytest.raises(ValidationError, match="cannot be a model's name"):
        Settings(models=["/data/bert?task=fill-mask"])
