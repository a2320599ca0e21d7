"""The benchmarks of serving, for a moment each: real servers and clients, finite numbers, verdicts that may fail."""

import pytest

from benchmarks import overload, serving, sharing, soak
from tests.test_benchmarks import numbers

pytestmark = pytest.mark.slow


def test_serving_stands_beside_engines_and_other_servers() -> None:
    report = serving.measure(rounds=1, seconds=0.5, clients=(4,))
    rows = {(row[0], row[1]): row for row in report.rows}
    assert len(numbers(report)) == len(rows)
    names = {"Heedmap", "LitServe", "plain FastAPI", "Heedmap, in process"}
    names |= {"CTranslate2 float32, in process", "CTranslate2 int8, in process"}
    assert {name for name, clients in rows if clients == "4"} == names
    assert {name for name, clients in rows if clients == "1"} == {"over HTTP", "called directly"}
    assert len(report.targets) == 5


def test_overload_refuses_and_says_how_fast() -> None:
    report = overload.measure(seconds=1.5, warm=0.5)
    assert numbers(report)
    assert any("refus" in target for target in report.targets)
    assert any("memory" in target for target in report.targets)


def test_sharing_and_stored_measure_what_others_cost() -> None:
    report = sharing.measure(seconds=1.0, characters=3000)
    assert [len(row) for row in report.rows] == [4, 4, 4]
    assert len(report.targets) == 3
    stored = sharing.stored(counts=(1, 20), reads=10, starts=1)
    assert [row[0] for row in stored.rows] == ["1", "20"]
    assert numbers(stored)


def test_a_soak_looks_at_memory_and_descriptors() -> None:
    report = soak.measure(seconds=4.0, looks=2)
    rows = numbers(report)
    assert len(rows) == 2
    assert rows[-1][-1] > 0, "answers came back"
    assert report.targets[-1].endswith("none")
