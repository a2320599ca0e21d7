"""Settings come from arguments and HEEDMAP_*, and a wrong one says what would be right."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings


def test_the_shipped_model_is_served_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "MODELS", "DEVICE", "TRACES"):
        monkeypatch.delenv(f"HEEDMAP_{name}", raising=False)
    settings = Settings()
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 8000, "auto")
    assert list(settings.models) == ["de-en"]
    assert settings.models["de-en"].endswith("model/weights/de-en")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PORT": "9000", "MODELS": "a=/x, b=org/name", "API_KEYS": "k1,k2", "RATE": "5/second;100/minute"}
    for name, value in given.items():
        monkeypatch.setenv(f"HEEDMAP_{name}", value)
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == {"a": "/x", "b": "org/name"}
    assert [key.get_secret_value() for key in settings.api_keys] == ["k1", "k2"]
    assert "k1" not in repr(settings)


def test_models_may_be_a_list_of_pairs() -> None:
    assert Settings(models=["a=x", "b=y=z"]).models == {"a": "x", "b": "y=z"}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"models": "de-en"},
        {"models": "a=x,a=y"},
        {"models": ""},
        {"device": "tpu"},
        {"port": 70000},
        {"rate": "often"},
        {"deadline": 0},
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    assert caught.value.errors()[0]["loc"] == tuple(given)
