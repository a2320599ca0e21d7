"""Greedy decoding beside CTranslate2 on the same weights: tokens a second at several batch sizes.

The checkpoint is exported to Hugging Face's M2M100 layout and converted by CTranslate2's own converter, once as
float32 and once as int8. Every engine gets the same batches, in the order of the file, as a server would, and every
engine returns each sentence's score.

    python -m benchmarks.decode [--checkpoint FOLDER] [--sentences FILE]
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import ctranslate2
import torch
import transformers

from benchmarks.measure import Report, interleaved, ratio, verdict
from heedmap.model.contract import Parameters
from heedmap.model.native import checkpoint
from heedmap.model.native.export import export_m2m100
from heedmap.model.native.tokenizer import END, Tokenizer
from heedmap.model.native.translator import Translator

ROOT = Path(__file__).parents[1]
CHECKPOINT = ROOT / "model" / "weights" / "de-en"
SENTENCES = ROOT / "tests" / "data" / "de-en" / "test.jsonl"
BATCHES = {1: 32, 8: 128, 64: 512}  # batch size -> sentences of a round
ROUNDS = 9
LONGEST = 128  # new tokens
TARGET = 1.0  # at the largest batch
BASE = "CTranslate2 float32"
PEERS = {BASE: "float32", "CTranslate2 int8": "int8"}
NATIVE = "Heedmap float32"
Engine = Callable[[list[list[int]]], list[list[int]]]


def native(translator: Translator) -> Engine:
    """Heedmap's own decoding, as the service calls it: ids of one batch in, ids without the end token out."""
    parameters = Parameters(max_new_tokens=LONGEST)

    def run(batch: list[list[int]]) -> list[list[int]]:
        return [[i for i in output.ids if i != END] for output in translator.generate(batch, parameters)]

    return run


def peer(folder: Path, kind: str, tokenizer: Tokenizer, threads: int) -> Engine:
    """CTranslate2 over the same ids; the turning of ids to its strings and back is part of neither engine's work."""
    engine = ctranslate2.Translator(
        str(folder), device="cpu", compute_type=kind, inter_threads=1, intra_threads=threads
    )
    numbers: dict[str, int] = tokenizer.backend.get_vocab()
    names = {number: name for name, number in numbers.items()}
    strings: dict[tuple[int, ...], list[str]] = {}

    def run(batch: list[list[int]]) -> list[list[int]]:
        for ids in batch:
            if tuple(ids) not in strings:  # in the round that does not count
                strings[tuple(ids)] = [names[i] for i in ids]
        results = engine.translate_batch(
            [strings[tuple(ids)] for ids in batch],
            beam_size=1,
            max_decoding_length=LONGEST,
            min_decoding_length=0,
            return_scores=True,
        )
        return [[numbers[token] for token in result.hypotheses[0]] for result in results]

    return run


def convert(exported: Path, folder: Path, kind: str) -> Path:
    """An exported checkpoint as CTranslate2 wants it."""
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    converter = ctranslate2.converters.TransformersConverter(str(exported))
    return Path(converter.convert(str(folder / kind), quantization=kind))


def batches(sentences: list[list[int]], size: int) -> list[list[list[int]]]:
    """The sentences in batches of `size`, in their order."""
    return [sentences[start : start + size] for start in range(0, len(sentences), size)]


def over(run: Engine, parts: list[list[list[int]]]) -> list[list[int]]:
    """An engine's outputs for one batch after another."""
    return [output for part in parts for output in run(part)]


def measure(
    folder: Path = CHECKPOINT,
    sentences: Path = SENTENCES,
    sizes: dict[int, int] | None = None,
    rounds: int = ROUNDS,
    threads: int | None = None,
) -> Report:
    """Tokens a second of every engine at each batch size, and how often their outputs are the same.

    threads: of each engine; as many as PyTorch uses here by default.
    """
    threads = threads or torch.get_num_threads()
    translator = Translator.load(folder)
    tokenizer = translator.tokenizer
    lines = sentences.read_text(encoding="utf-8").splitlines()
    sizes = BATCHES if sizes is None else sizes
    ids = [tokenizer.encode(json.loads(line)["source"]).ids for line in lines[: max(sizes.values())]]
    rows, reached = [], 0.0
    with TemporaryDirectory() as scratch:
        exported = Path(scratch) / "m2m100"
        export_m2m100(checkpoint.load(folder), exported)
        engines = {NATIVE: native(translator)}
        for label, kind in PEERS.items():
            engines[label] = peer(convert(exported, Path(scratch), kind), kind, tokenizer, threads)
        for size, count in sizes.items():
            parts = batches(ids[:count], size)
            outputs = {label: over(run, parts) for label, run in engines.items()}
            calls = {label: partial(over, run, parts) for label, run in engines.items()}
            times = interleaved(calls, rounds)
            for label in engines:
                tokens = sum(len(output) + 1 for output in outputs[label])  # the end token is decoded too
                same = sum(a == b for a, b in zip(outputs[label], outputs[BASE], strict=True)) / len(outputs[BASE])
                faster = ratio(times, BASE, label)
                if label == NATIVE and size == max(sizes):
                    reached = faster
                speed = tokens / statistics.median(times[label])
                rows.append([label, f"{size}", f"{tokens:,}", f"{speed:,.0f}", f"{faster:.2f}", f"{same:.1%}"])
    about = (
        f"{folder.name}, greedy, at most {LONGEST} new tokens, {threads} threads each, the first sentences of the "
        "held-out set in batches in their order: "
        + ", ".join(f"{n} in batches of {b}" for b, n in sizes.items())
        + ". "
        f"Medians of {rounds} interleaved rounds; the ratio is the median of the rounds' ratios. *same* is the part of "
        "the outputs that equal CTranslate2's in float32, token for token."
    )
    headers = ["engine", "batch", "tokens", "tokens/s", "times CTranslate2 float32", "same"]
    targets = [verdict(f"tokens/s over CTranslate2 float32 at batch {max(sizes)}", reached, TARGET, at_most=False)]
    return Report("Decode", about, headers, rows, targets)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    print(measure(options.checkpoint, options.sentences, rounds=options.rounds, threads=options.threads).markdown())


if __name__ == "__main__":
    main()
