"""The benchmark of effects at tiny sizes: finite numbers, and what it times is what it says."""

import pytest
import transformers

from benchmarks import effects
from benchmarks.effects import MODELS
from heedmap.model.load import load
from tests.test_benchmarks import numbers


def small() -> tuple[object, object]:
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return None, transformers.LlamaConfig(vocab_size=3000, num_key_value_heads=2, **shape)


def test_costs_and_correlations() -> None:
    report = effects.measure(lengths=(16,), texts=3, rounds=5, build=small)
    rows = numbers(report)
    assert len(rows) == 2 + len(MODELS)
    assert [len(row) for row in rows[:2]] == [4, 3]
    assert report.rows[0][0] == "de-en, 20 tokens, 96 heads"
    assert report.rows[2][-1] == str(3 * 96)
    assert report.rows[3][-1] == "3", "a recurrent model has one head"
    assert len(report.targets) == 3


def test_both_ways_of_the_benchmark_have_the_same_objective() -> None:
    model = load(effects.WEIGHTS / "de-en")
    calls = effects.native(model, effects.sentence_of(model))
    trace, values = calls["trace"](), calls["sweep"]()
    assert values[0] == pytest.approx(trace.objective["value"], abs=1e-4)  # type: ignore[index, attr-defined]
    assert len(values) == 1 + 96  # type: ignore[arg-type]
