"""Predict, predict with trace, and transformers' own eager pass with its maps, on models of other people's families.

python -m benchmarks.families
"""

import argparse
import copy
import json
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import transformers
from torch import Tensor

from benchmarks.measure import Report, growth, in_fresh_process, interleaved, ratio, verdict
from heedmap.model.contract import Axis, Prediction
from heedmap.model.hub.attention.recorder import Wiring, prepare, record
from heedmap.model.trace.trace import Trace

LENGTHS = (512, 1024, 2048)
KINDS = ("predict", "trace", "eager")
COST, GAIN, SMALLER = 1.05, 2.5, 10.0  # the targets: trace over predict, eager over trace, eager's maps over the trace
SECONDS = 40.0  # the rounds of predict and trace go on for about so long, and for five at least
MOST_ROUNDS = 61
POSITIONS = 2048


def bert() -> "Build":
    """The shape of BERT base, but for more positions."""
    return transformers.BertModel, transformers.BertConfig(max_position_embeddings=POSITIONS)


def gpt2() -> "Build":
    """The shape of GPT-2, but for more positions."""
    return transformers.GPT2Model, transformers.GPT2Config(n_positions=POSITIONS)


def llama() -> "Build":
    """A small language model of the Llama family, with four query heads to a key/value head."""
    config = transformers.LlamaConfig(
        vocab_size=32_000,
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=12,
        num_attention_heads=16,
        num_key_value_heads=4,
        max_position_embeddings=POSITIONS,
    )
    return transformers.LlamaModel, config


Build = tuple[Any, Any]  # a model's class and its configuration
FAMILIES: dict[str, Callable[[], Build]] = {"bert-base": bert, "gpt2": gpt2, "llama-like": llama}


class Sides:
    """One model with random weights, run in several ways; on our attention or on transformers' eager one."""

    def __init__(
        self,
        family: "str | Build",
        *,
        eager: bool = True,
        ours: bool = True,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        build, config = FAMILIES[family]() if isinstance(family, str) else family
        torch.manual_seed(0)
        self.device = torch.device(device)
        with self.device:
            model = build._from_config(config, attn_implementation="eager", dtype=dtype).eval()
        self.wiring: Wiring | None = None
        self.eager: Any = None
        if ours and eager:
            with self.device:
                other = build._from_config(copy.deepcopy(config), attn_implementation="eager", dtype=dtype).eval()
            for mine, theirs in zip(other.parameters(), model.parameters(), strict=True):
                mine.data = theirs.data  # the same weights, once in memory
            self.eager = other
        elif eager:
            self.eager = model
        if ours:
            self.wiring = prepare(model)

    def input(self, length: int) -> Tensor:
        """Random token ids of one sequence."""
        ids = torch.randint(1000, 2000, (1, length), generator=torch.Generator().manual_seed(length))
        return ids.to(self.device)

    @torch.inference_mode()
    def run(self, kind: str, ids: Tensor) -> Any:
        """One pass: its hidden states, and what it kept of the attention."""
        if kind == "eager":
            outputs = self.eager(ids, use_cache=False, output_attentions=True)
            return outputs.last_hidden_state, outputs.attentions
        assert self.wiring is not None
        if kind == "predict":
            return self.wiring.model(ids, use_cache=False).last_hidden_state, None
        with record(self.wiring) as recorder:
            hidden = self.wiring.model(ids, use_cache=False).last_hidden_state
        if kind == "record":
            return hidden, recorder
        (site,) = recorder.records
        axis = Axis("text", [""] * ids.shape[1], ids[0].tolist(), [(0, 0)] * ids.shape[1], [False] * ids.shape[1])
        prediction = Prediction("", [], None, {"tokens": axis})
        return hidden, recorder.trace(0, prediction, {site: ("tokens", "tokens")}, task="benchmark", revision="none")

    def check(self, ids: Tensor) -> tuple[int, int]:
        """All three give the same output, and the trace gives eager's maps; bytes of the maps and of the trace."""
        outputs = {kind: self.run(kind, ids) for kind in KINDS}
        for hidden, _ in outputs.values():
            torch.testing.assert_close(hidden, outputs["eager"][0], rtol=1e-3, atol=1e-3)
        maps, trace = outputs["eager"][1], outputs["trace"][1]
        assert isinstance(trace, Trace)
        (site,) = trace.layers
        assert len(trace.layers[site]) == len(maps)
        rows = slice(max(0, ids.shape[1] - 64), ids.shape[1])
        for layer, dense in zip(trace.layers[site], maps, strict=True):
            torch.testing.assert_close(layer.window(rows), dense[0, :, rows], rtol=0, atol=1e-5)
        return sum(dense.numel() * dense.element_size() for dense in maps), trace.nbytes


def measure(
    families: Sequence[str] = tuple(FAMILIES),
    lengths: Sequence[int] = LENGTHS,
    seconds: float = SECONDS,
    memory: bool = True,
) -> Report:
    """Time and peak memory of the three at each length of each family."""
    rows = []
    worst, gains, smaller = 0.0, [], []
    for family in families:
        sides = Sides(family)
        for length in lengths:
            ids = sides.input(length)
            whole, kept = sides.check(ids)
            calls = {kind: partial(sides.run, kind, ids) for kind in KINDS}
            times = interleaved(calls)
            close = {kind: calls[kind] for kind in ("predict", "trace")}  # a ratio near 1 needs more rounds
            more = int(seconds / sum(statistics.median(times[kind]) for kind in close))
            if more > len(times["predict"]):
                times |= interleaved(close, min(more, MOST_ROUNDS))
            cost = ratio(times, "trace", "predict")
            gain = statistics.median(times["eager"]) / statistics.median(times["trace"])
            worst = max(worst, cost)
            if length == max(lengths):
                gains.append(gain)
                smaller.append(whole / kept)
            peaks = {}
            if memory:
                for kind in KINDS:
                    peaks[kind] = in_fresh_process("benchmarks.families", "--memory", family, kind, str(length))
            rows.append(
                [
                    f"{family}, {length:,}",
                    *(f"{statistics.median(times[kind]) * 1e3:,.0f}" for kind in KINDS),
                    f"{cost:.3f}",
                    f"{gain:.2f}",
                    *(f"{peaks[kind] / 1e6:,.0f}" if memory else "" for kind in KINDS),
                    f"{whole / kept:.1f}",
                    f"{len(times['predict'])}",
                ]
            )
    about = (
        "transformers models with random weights, float32, one sequence. *predict* is the model on Heedmap's attention "
        "with nobody listening, *trace* the same with every layer recorded, cut, and certified, *eager* transformers' "
        "own eager attention with output_attentions=True. Medians; trace / predict is the median of the rounds' "
        "ratios. Memory is what a pass adds to the peak of a process of its own; maps / trace is the bytes of all maps "
        f"over the bytes of the trace. {torch.get_num_threads()} threads, transformers {transformers.__version__}."
    )
    headers = ["family, tokens", *(f"{kind} ms" for kind in KINDS), "trace / predict", "eager / trace"]
    headers += [*(f"{kind} MB" for kind in KINDS), "maps / trace", "rounds"]
    at = f"at {max(lengths):,} tokens, the worst family"
    targets = [
        verdict("trace / predict, the worst", worst, COST, at_most=True),
        verdict(f"eager / trace {at}", min(gains), GAIN, at_most=False),
        verdict(f"maps / trace {at}", min(smaller), SMALLER, at_most=False),
    ]
    return Report("Families", about, headers, rows, targets)


def peak(family: str, kind: str, length: int) -> int:
    """Bytes that one pass of this kind adds to the process's peak."""
    sides = Sides(family, eager=kind == "eager", ours=kind != "eager")
    sides.run(kind, sides.input(8))  # the libraries' own workspaces are not the pass's
    ids = sides.input(length)
    return growth(lambda: sides.run(kind, ids))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report, or with --memory FAMILY KIND LENGTH the bytes of one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs=3, metavar=("FAMILY", "KIND", "LENGTH"))
    options = parser.parse_args(arguments)
    if options.memory:
        family, kind, length = options.memory
        print(json.dumps(peak(family, kind, int(length))))
    else:
        print(measure().markdown())


if __name__ == "__main__":
    main()
