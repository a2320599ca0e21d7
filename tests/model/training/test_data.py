"""Splits do not leak, and batches hold every pair once."""

import zipfile
from pathlib import Path

import pytest

from heedmap.model.errors import InputError
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.training.data import Batches, Pair, read_pairs, split

PAIRS = [Pair(f"Satz {i % 40}", f"sentence {i}") for i in range(60)] + [Pair(f"Wort {i}", "word") for i in range(5)]


def test_held_out_parts_share_no_sentence_with_training() -> None:
    parts = split(PAIRS, valid=6, test=8, seed=1)
    held = [*parts.valid, *parts.test]
    assert len(parts.test) >= 8
    assert len(parts.valid) >= 6
    assert not {p.source for p in parts.train} & {r.source for r in held}
    assert not {p.target for p in parts.train} & {t for r in held for t in r.targets}
    assert len(parts.train) + sum(len(r.targets) for r in held) == len(PAIRS)


def test_connected_pairs_stay_together_and_keep_all_references() -> None:
    chain = [Pair("a", "1"), Pair("b", "1"), Pair("b", "2"), Pair("c", "2")]
    parts = split(chain, valid=0, test=1, seed=0)
    assert parts.train == []
    assert {r.source: r.targets for r in parts.test} == {"a": ("1",), "b": ("1", "2"), "c": ("2",)}


def test_the_same_seed_gives_the_same_split() -> None:
    assert split(PAIRS, 5, 5, seed=3) == split(PAIRS, 5, 5, seed=3)
    assert split(PAIRS, 5, 5, seed=3) != split(PAIRS, 5, 5, seed=4)


@pytest.mark.parametrize("suffix", ["txt", "zip"])
def test_reads_text_and_zip(tmp_path: Path, suffix: str) -> None:
    text = "Hi.\tHallo!\nRun!\tLauf!\tCC-BY\n"
    path = tmp_path / f"pairs.{suffix}"
    if suffix == "txt":
        path.write_text(text, encoding="utf-8")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_about.txt", "about")
            archive.writestr("deu.txt", text)
    assert read_pairs(path, swap=True) == [Pair("Hallo!", "Hi."), Pair("Lauf!", "Run!")]


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("a\tb\nno tab here\n")
    with pytest.raises(InputError, match="line 2"):
        read_pairs(tmp_path / "bad.txt")


def test_an_epoch_holds_every_pair_once(tokenizer: Tokenizer) -> None:
    batches = Batches(PAIRS, tokenizer, tokens=64)
    sources = []
    for batch in batches.epoch(0):
        assert set(batch.source_lengths.tolist()) == {batch.source.shape[1]}  # nothing to mask
        assert batch.target.shape == batch.labels.shape
        assert bool((batch.target[:, 0] == END).all())
        for source, row in zip(batch.source.tolist(), batch.labels.tolist(), strict=True):
            real = [t for t in row if t != PAD]
            assert real[-1] == END
            sources.append((tuple(source), tuple(real)))
    expected = [(tuple(tokenizer.encode(p.source).ids), tuple(tokenizer.encode(p.target).ids)) for p in PAIRS]
    assert sorted(sources) == sorted(expected)
    assert [b.tokens for b in batches.epoch(1)] == [b.tokens for b in batches.epoch(1)]
    assert any((a.source.shape != b.source.shape) for a, b in zip(batches.epoch(1), batches.epoch(2), strict=False))
