"""`heedmap align` and `Client.align`: files to links, here and by a service."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.client.aligned import AlignedPair
from heedmap.app.client.api import Client
from heedmap.app.client.errors import APIError
from heedmap.app.client.word_alignment import BATCH, aligned_lines, here, read_pairs
from heedmap.model.errors import InputError

PAIRS = [("Wo ist der Bahnhof?", "Where is the station?"), ("Ich habe keine Zeit.", "I have no time.")]
TSV = "".join(f"{source}\t{target}\n" for source, target in PAIRS)


def test_the_client_aligns(client: Client) -> None:
    first, broken, second = client.align([PAIRS[0], ("Ja.", ""), PAIRS[1]], model="de-en")
    assert isinstance(first, AlignedPair)
    assert isinstance(second, AlignedPair)
    assert (0, 0) in first.links
    assert (3, 3) in first.links
    assert first.source == ["Wo", "ist", "der", "Bahnhof", "?"]
    assert len(first.scores) == len(first.links)
    assert isinstance(broken, APIError)
    assert "empty" in str(broken)


def test_files_are_aligned_here_as_by_a_service(url: str, tmp_path: Path) -> None:
    both, sources, targets = (tmp_path / name for name in ("both", "sources", "targets"))
    both.write_text(TSV, encoding="utf-8")
    for place, path in enumerate((sources, targets)):
        path.write_text("".join(pair[place] + "\n" for pair in PAIRS), encoding="utf-8")
    runner = CliRunner()
    here = runner.invoke(cli, ["align", str(both), "--device", "cpu"])
    assert here.exit_code == 0, here.output
    assert len(here.stdout.splitlines()) == 2
    assert "3-3" in here.stdout.splitlines()[0]
    two = runner.invoke(cli, ["align", str(sources), str(targets), "--device", "cpu"])
    there = runner.invoke(cli, ["align", "-", "--url", url, "--model", "de-en"], input=TSV.replace("\t", " ||| "))
    assert two.stdout == here.stdout == there.stdout


def test_a_line_that_cannot_be_aligned_stays_empty_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_text(f"{'Ja. ' * 600}\tYes.\n\t\n{TSV}", encoding="utf-8")
    done = CliRunner().invoke(cli, ["align", str(path), "--device", "cpu"])
    assert done.exit_code == 1
    first, second, *rest = done.stdout.splitlines()
    assert (first, second) == ("", "")
    assert all(rest)
    assert "line 1: the text has" in done.stderr


def test_pairs_are_read_from_one_file_or_two() -> None:
    assert list(read_pairs([["a b\tc\n", "d ||| e\n"]])) == [("a b", "c"), ("d", "e")]
    assert list(read_pairs([["a b\n"], ["c\n"]])) == [("a b", "c")]
    with pytest.raises(InputError, match="line 2: expected source and target"):
        list(read_pairs([["a\tb\n", "c\n"]]))
    with pytest.raises(InputError, match="unequal numbers of lines"):
        list(read_pairs([["a\n", "b\n"], ["c\n"]]))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    path.write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="pairs is not UTF-8"):
        list(read_pairs([path]))


def test_every_pair_has_its_line_across_batches() -> None:
    pairs = [(str(number), "" if number % 3 else "x") for number in range(2 * BATCH + 5)]
    sizes: list[int] = []

    def aligner(some: object) -> list[str | Exception]:
        assert isinstance(some, list)
        sizes.append(len(some))
        return [f"{source}-0" for source, _ in some]

    lines = list(aligned_lines(pairs, aligner))
    assert lines == ["" if number % 3 else f"{number}-0" for number in range(len(pairs))]
    assert max(sizes) <= BATCH


def test_joining_takes_both_directions() -> None:
    with pytest.raises(InputError, match="give both --symmetrise and --reverse"):
        here("de-en", "cpu", symmetrise="union")
