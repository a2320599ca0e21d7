"""The benchmarks of what answers rest on, at tiny sizes: alignment, simultaneous translation, faithfulness, sources."""

from pathlib import Path

import pytest

from benchmarks import alignment, faithfulness, simultaneous, sources
from heedmap.model.measures import integrated_gradients

from .test_benchmarks import numbers


def test_alignment_rates_every_way_to_read_a_model(tmp_path: Path) -> None:
    report = alignment.measure(corpus=tmp_path / "missing.zip")
    rates = [row[0] for row in numbers(report)]
    assert len(rates) == 5, "best head and mean in both readings, and the model's own choice"
    assert all(0.0 < rate < 1.0 for rate in rates)
    assert "0.1" in report.targets[0]


def test_simultaneous_puts_lag_beside_bleu_and_waiting_lags_by_the_whole_source() -> None:
    report = simultaneous.measure(sentences=3, frames=(1,), ks=(2, 7))
    rows = numbers(report)
    assert [row[0] for row in report.rows] == [
        "AlignAtt, f = 1",
        "wait-k, k = 2",
        "wait-k, k = 7",
        "waiting for the end",
    ]
    references = simultaneous.read_references(simultaneous.HELD_OUT)[:3]
    whole = sum(len(simultaneous.split(reference.source)) for reference in references) / 3
    assert rows[-1][-2:] == [pytest.approx(whole, abs=0.01)] * 2
    lags = [row[-1] for row in rows]
    assert lags[1] < lags[2] <= lags[3]
    assert lags[0] < lags[3]


def test_faithfulness_reports_every_measure_beside_random_orders(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrated_gradients, "POINTS", 2)
    report = faithfulness.measure(sentences=1, steps=2, translator=tiny, tokens=6)
    rows = numbers(report)
    names = [row[0] for row in report.rows]
    measures = 11  # seven of cells, rollout, relevance, integrated gradients and GIM
    behind_a_norm = 1  # of the encoder, which is a post-norm one
    assert len(rows) == len(names) == 2 * (measures + 1) + behind_a_norm
    assert {"tiny: weights", "tiny: random", "all-minilm-l6-v2: cut-effect"} <= set(names)
    assert all(row[-1].endswith("than chance") for row in report.rows if not row[0].endswith("random"))
    assert report.targets[0].startswith("measures of the translator")


@pytest.mark.slow
def test_sources_stand_beside_leaving_each_passage_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ABLATIONS", 8)
    report = sources.measure(inputs=1, passages=3)
    assert len(numbers(report)) == len(report.rows) == 5
    assert {row[0].split(",")[0] for row in report.rows} == {"gradient", "attention", "ablation"}
