"""The benchmarks' measuring code runs at tiny sizes and reports finite numbers; what it reports is what it measured."""

import json
import math
import re
import time
from functools import partial
from pathlib import Path

import pytest
import torch
import transformers

from benchmarks import __main__ as command
from benchmarks import (
    capture,
    device,
    explorer,
    families,
    length,
    measure,
    measures,
    visit,
    wire,
)
from benchmarks.measure import Report
from heedmap.model.measures.registry import CELLS
from heedmap.model.native import checkpoint
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import FeedForward, TransformerConfig

TINY = TransformerConfig(
    source_language="xx",
    target_language="xx",
    vocabulary=8,
    width=16,
    heads=2,
    kv_heads=2,
    feed_forward=32,
    encoder_layers=2,
    decoder_layers=1,
)


def numbers(report: Report) -> list[list[float]]:
    """The numeric cells of a report's printed table; every row has one at least, and all are finite."""
    lines = [line for line in report.markdown().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(report.rows)
    rows = []
    for line in lines[2:]:
        cells = [cell.strip().replace(",", "").rstrip("%") for cell in line.strip("|").split("|")]
        assert len(cells) == len(report.headers)
        values = [float(cell) for cell in cells if re.fullmatch(r"-?[\d.]+|nan|inf", cell)]
        assert values
        assert all(math.isfinite(value) for value in values)
        rows.append(values)
    return rows


def test_capture_reports_three_passes() -> None:
    report = capture.measure(lengths=(8, 16), config=TINY, seconds=0.0, memory=False)
    rows = numbers(report)
    assert [row[0] for row in rows] == [8, 16]
    assert all(row[4] > 0 and row[5] > 0 for row in rows)
    assert "capture / plain" in report.targets[0]


def test_capture_measures_memory_of_its_own_pass() -> None:
    many, few = capture.peak("eager", 2000, TINY), capture.peak("plain", 8, TINY)
    maps = 2 * 2 * 2000 * 2000 * 4  # layers, heads, weights: 64 MB
    assert many >= maps / 2  # what the allocator still held from importing may take some of them in
    assert few < maps / 2


def test_the_three_passes_are_checked_against_each_other() -> None:
    encoder = capture.Encoder(TINY)
    encoder.check(encoder.input(8))
    encoder.eager_layers[1].feed_forward = FeedForward(TINY)  # other weights: another function
    with pytest.raises(AssertionError):
        encoder.check(encoder.input(8))


def tiny_family() -> families.Build:
    shape = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}
    return transformers.BertModel, transformers.BertConfig(vocab_size=2000, max_position_embeddings=64, **shape)


def test_families_report_three_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "tiny", tiny_family)
    report = families.measure(["tiny"], lengths=(8, 64), seconds=0.0, memory=False)
    assert [row[0] for row in report.rows] == ["tiny, 8", "tiny, 64"]
    # Maps take 2 layers x 4 heads x 64 x 64 floats; the trace 2 layers x (3 x 64 x 32 + 4 x 64).
    assert numbers(report)[1][5] == pytest.approx(2 * 4 * 64 * 64 / (2 * (3 * 64 * 32 + 4 * 64)), abs=0.05)
    assert len(report.targets) == 3


def test_the_families_are_checked_against_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.FAMILIES, "tiny", tiny_family)
    sides = families.Sides("tiny")
    sides.check(sides.input(64))
    sides.eager.encoder.layer[1].attention.self.query.weight.data = torch.randn(32, 32)  # no longer shared
    with pytest.raises(AssertionError):
        sides.check(sides.input(64))


def test_length_reports_windows_overviews_and_exponents() -> None:
    config = length.LanguageModelConfig(
        language="en", vocabulary=260, width=16, feed_forward=16, heads=2, kv_heads=1, windows=(8, None)
    )
    report = length.measure(lengths=(600, 1200), forward=(600,), memory=(), eager_memory=(), config=config)
    rows = numbers(report)
    assert [row[0] for row in rows] == [600, 1200]
    assert len(rows[0]) == 6
    assert len(rows[1]) == 3
    assert "the slowest window over the fastest" in report.targets[0]


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    assert length.exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert length.exponent([10, 100], [7, 70]) == pytest.approx(1)


def test_an_overview_is_the_map_at_screen_size() -> None:
    layer = length.head(2000)
    overview = length.overview(layer)
    assert overview.shape == (1000, 1000)
    assert float(overview[0, 0]) == pytest.approx(float(layer.window(slice(0, 2), slice(0, 2)).max()))


def test_wire_reports_every_representation() -> None:
    report = wire.measure(heads=2, side=8, rounds=5)
    assert [row[0] for row in report.rows] == ["json.dumps", "json", "npy", "csv", "png", "plotly"]
    assert all(smaller > 0 and faster > 0 for _, _, smaller, faster in numbers(report))


def test_wire_json_is_the_same_block() -> None:
    weights = wire.block(2, 8)
    ways = wire.representations(weights)
    naive, fast = (torch.tensor(json.loads(ways[name]())["weights"]) for name in ("json.dumps", "json"))
    assert torch.equal(naive, fast)


def test_decode_reports_every_engine(tmp_path: Path, tokenizer: Tokenizer) -> None:
    pytest.importorskip("ctranslate2")
    from benchmarks import decode

    torch.manual_seed(0)
    config = TransformerConfig(
        source_language="de",
        target_language="en",
        vocabulary=len(tokenizer),
        width=32,
        heads=4,
        kv_heads=4,
        feed_forward=64,
        encoder_layers=2,
        decoder_layers=1,
    )
    checkpoint.save(tmp_path / "tiny", checkpoint.build(config), tokenizer)
    sentences = tmp_path / "test.jsonl"
    lines = [json.dumps({"source": text}) for text in ("Wo ist der Bahnhof?", "Ich habe heute keine Zeit.", "Nein.")]
    sentences.write_text("\n".join(lines), encoding="utf-8")
    report = decode.measure(tmp_path / "tiny", sentences, {1: 1, 3: 3}, rounds=5, threads=1)
    assert all(value > 0 for row in numbers(report) for value in row)
    same = {(row[0], row[1]): row[5] for row in report.rows}
    assert same[decode.NATIVE, "3"] == "100.0%"  # the same weights: the same outputs


def test_continuous_reports_both_ways_at_every_load(tiny: Path, tmp_path: Path) -> None:
    from benchmarks import continuous

    sentences = tmp_path / "test.jsonl"
    sentences.write_text("\n".join(json.dumps({"source": f"Wo ist {n}?"}) for n in range(6)), encoding="utf-8")
    report = continuous.measure(tiny, sentences, 6, size=2, rounds=1)
    assert [row[1] for row in report.rows] == ["fixed batches", "joined while it runs"] * 3
    for speed, median, late in numbers(report):
        assert speed > 0
        assert median <= late


def test_interleaved_takes_turns_and_times_each() -> None:
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: (order.append("b"), time.sleep(0.01))}
    times = measure.interleaved(calls, 5)
    assert order[:6] == ["a", "b", "a", "b", "b", "a"]
    assert len(times["a"]) == len(times["b"]) == 5
    assert measure.ratio(times, "b", "a") > 10
    with pytest.raises(ValueError, match="at least 5"):
        measure.interleaved(calls, 3)


def test_growth_sees_an_allocation() -> None:
    size = 64 * 2**20
    assert measure.growth(lambda: torch.ones(size // 4)) > size // 2


def test_a_table_is_aligned_markdown() -> None:
    assert measure.table(["name", "n"], [["a", "10"]]) == "| name |  n |\n|------|---:|\n| a    | 10 |"


def test_a_verdict_says_whether_the_target_is_met() -> None:
    assert measure.verdict("x", 1.04, 1.05, at_most=True).endswith("at most 1.05: met")
    assert measure.verdict("x", 0.9, 1.0, at_most=False).endswith("at least 1: missed")


def test_the_command_keeps_the_latest_run_of_each_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "RESULTS.md"
    monkeypatch.setattr(command, "RESULTS", results)
    cells = {"one": "1", "two": "2"}

    def report(name: str) -> Report:
        return Report(name.title(), "about", ["name", "n"], [["a", cells[name]]], ["met"])

    monkeypatch.setattr(command, "BENCHMARKS", {name: partial(report, name) for name in ("one", "two")})
    command.main(["two"])
    command.main(["one"])
    whole = results.read_text(encoding="utf-8")
    assert whole.startswith(command.INTRODUCTION)
    assert whole.count("PyTorch") == 2
    assert whole.index("## One") < whole.index("## Two")
    cells["one"] = "9"
    command.main(["one"])
    assert results.read_text(encoding="utf-8") == whole.replace("| 1 |", "| 9 |")
    command.main([])
    assert results.read_text(encoding="utf-8") == whole.replace("| 1 |", "| 9 |")
    assert "## One" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command.main(["three"])


def test_the_explorer_reports_pictures_frames_and_memory() -> None:
    lines = "".join(f"ACT {act}\nSpeak, speak, and speak again.\n\n" for act in range(80))
    report = explorer.measure(lines, rounds=1, panning=0.5, reading=0.0)
    assert [row[0].split(",")[0] for row in report.rows[:2]] == ["first picture after the answer"] * 2
    values = [[float(cell.split()[0].replace(",", "")) for cell in row[1:] if cell] for row in report.rows]
    assert all(value > 0 for row in values for value in row)
    assert all(median <= worst for median, worst in values[:-1])
    assert len(report.targets) == 3


def test_measures_reports_every_window_and_a_rollouts_memory() -> None:
    report = measures.measure(length=600, lengths=(300, 600), rounds=5)
    rows = {row[0]: row[1:] for row in report.rows}
    assert {f"{name}, window" for name in CELLS} < set(rows)
    assert rows["weights, window"][1] == "1.00"
    assert all(float(each[1]) > 0.2 for name, each in rows.items() if name.endswith("window"))
    assert "a trace and a rollout of 8 rows, 600 tokens" in rows
    assert report.targets[0].startswith("a measure's window over the weights', the worst: ")


def test_a_visit_reports_what_came_first() -> None:
    report = visit.measure(rounds=1, switches=4)
    values = {row[0]: [float(cell.split()[0].replace(",", "")) for cell in row[1:] if cell] for row in report.rows}
    assert len(values) == len(report.rows) == 8
    assert all(median <= worst for median, *rest in values.values() for worst in rest)
    assert values["first picture at 1.6 Mbit/s and 150 ms"][0] > 600, "four answers after each other, 150 ms each"
    assert 50 < values["transferred before it"][0] < visit.KILOBYTES
    assert 5 < values["requests before it"][0] <= visit.REQUESTS
    assert values["layout shift until all is there"][0] < 0.0005
    assert len(report.targets) == 7


def test_device_reports_every_table_and_its_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the host, at sizes of nothing: what is printed is what an accelerator prints."""
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    builds: dict[str, families.Build] = {
        "bert": (transformers.BertModel, transformers.BertConfig(vocab_size=2000, **small)),
        "llama": (transformers.LlamaModel, transformers.LlamaConfig(vocab_size=2000, num_key_value_heads=2, **small)),
    }
    sizes = device.Sizes((8,), (8, 16), (4, 2, 16, 32), 600, (1, 2, 300), 2, 1, http=False)
    monkeypatch.setattr(device, "EAGER", 16)
    report = device.measure(sizes, "cpu", builds)
    rows = numbers(report)
    names = [row[0] for row in report.rows]
    assert len(rows) == len(names) == 4 + 2 * 4 + 2 + 2 * 3 + 2 + 2 * 2
    assert {"llama: trace", "grouped heads: ours, log-sum-exp", "one head, bfloat16: overview"} <= set(names)
    assert "no accelerator" in report.about
    table = device.Table()
    for tokens in sizes.llama:
        table.add("llama", f"{tokens:,}", {"predict": 2.0, "record": 2.0, "trace": 2.1, "eager": 4.2}, "predict")
    table.add("grouped heads", "32", {"SDPA": 1.0, "ours, log-sum-exp": 1.5}, "SDPA")
    for dtype in ("float32", "bfloat16"):
        table.add(f"one head, {dtype}", "600", {"forward": 1.0, "overview": 1.5}, "forward")
    table.add("2 heads", "300", {"thumbnails": 100.0, "statistics": 40.0}, "thumbnails")
    table.reached |= {"step 1": 0.3, "tokens 64": 60_000}
    verdicts = list(device._targets(table, sizes))
    assert [text for text in verdicts if "missed" in text] == [
        "grouped attention over SDPA: 1.50, target at most 1.05: missed"
    ]
    assert any("statistics of all heads, in ms: 40.00" in text for text in verdicts)
    assert any("trace over eager with its maps: 0.50" in text for text in verdicts)
