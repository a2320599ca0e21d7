"""Windows, overviews, traces and capture against the length, beside eager attention's memory.

python -m benchmarks.length
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import ROUNDS, Report, growth, in_fresh_process, interleaved, ratio, verdict
from heedmap.model.attention.kernels import attend
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.attention.tiles import reduce, size_at
from heedmap.model.contract import Axis, Prediction
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace

LENGTHS = (1024, 8192, 32_768, 131_072)
FORWARD = (8192, 32_768)  # lengths at which the forward pass is run with and without capture
MEMORY = (4096, 8192, 16_384, 32_768)  # lengths through which the exponents of memory are fitted
EAGER = (1024, 2048, 4096)  # the same for eager attention, which has no memory for more
SIZE = 64  # of a head
SHAPE = LanguageModelConfig(language="en", vocabulary=260)  # the shape of the shipped `shakespeare`
OVERVIEW = 1024  # pixels a side
WINDOW = 256
STEADY, WINDOW_MS, OVERVIEW_S, EXPONENT, COST = 1.5, 5.0, 0.5, 1.1, 1.05  # the targets


def head(length: int, device: str = "cpu") -> AttentionMap:
    """A causal map of one head with random queries and keys, its log-sum-exp by the fused kernel."""
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(1, 1, length, SIZE, generator=generator).to(device) for _ in range(3))
    if length > max(FORWARD) and device == "cpu":  # the kernel takes minutes; a window's cost does not depend on it
        lse = torch.arange(1.0, length + 1).log()[None, None] + 0.5
    else:
        lse = attend(q, k, v, Causal()).lse
    return AttentionMap(q[0], k[0], v[0], lse[0].float(), ScaledDot(SIZE**-0.5), Causal())


def overview(layer: AttentionMap) -> Tensor:
    """The whole map at screen size."""
    level = max(0, math.ceil(math.log2(layer.shape[0] / OVERVIEW)))
    whole = range(size_at(layer.shape[0], level))
    return reduce(layer, whole, whole, level).values[0]


def corner(layer: AttentionMap) -> Tensor:
    """An exact window in the midst of the map, off the diagonal."""
    start = layer.shape[0] // 2
    return layer.window(slice(start, start + WINDOW), slice(start - WINDOW, start))


def seconds(work: Callable[[], object], rounds: int = 2 * ROUNDS) -> float:
    """The median of some runs after one that does not count."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Writer:
    """The language model, run with and without capture."""

    def __init__(self, config: LanguageModelConfig) -> None:
        torch.manual_seed(0)
        self.network = LanguageModel(config).eval()

    @torch.inference_mode()
    def run(self, kind: str, ids: Tensor) -> Recorder | Tensor:
        """One pass."""
        recorder = Recorder() if kind == "capture" else None
        hidden = self.network.decode_hidden(ids, self.network.start(), recorder)
        return hidden if recorder is None else recorder

    @torch.inference_mode()
    def trace(self, ids: Tensor) -> Trace:
        """A pass and what is kept of it, certified."""
        recorder, length = self.run("capture", ids), ids.shape[1]
        assert isinstance(recorder, Recorder)
        axis = Axis("text", [""] * length, ids[0].tolist(), [(0, 0)] * length, [False] * length)
        prediction = Prediction("", [], None, {"tokens": axis})
        return recorder.trace(0, prediction, {"decoder": ("tokens", "tokens")}, task="benchmark", revision="none")


def tokens(length: int) -> Tensor:
    """Random ids of one sequence."""
    return torch.randint(4, 260, (1, length), generator=torch.Generator().manual_seed(length))


def eager(length: int) -> list[Tensor]:
    """What eager attention keeps of as many layers and heads: every map."""
    layer, maps = head(length), []
    for _ in range(SHAPE.layers * SHAPE.heads):
        scores = (layer.q @ layer.k.mT) * SIZE**-0.5
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
        maps.append(torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1))
    return maps


def exponent(lengths: Sequence[int], values: Sequence[float]) -> float:
    """The slope of log(value) over log(length), by least squares."""
    x, y = ([math.log(v) for v in part] for part in (lengths, values))
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def measure(
    lengths: Sequence[int] = LENGTHS,
    forward: Sequence[int] = FORWARD,
    memory: Sequence[int] = MEMORY,
    eager_memory: Sequence[int] = EAGER,
    config: LanguageModelConfig = SHAPE,
) -> Report:
    """Every length's window and overview; the pass with and without capture; memory and its exponents."""
    writer = Writer(config)
    peaks = {
        kind: {n: in_fresh_process("benchmarks.length", "--memory", kind, str(n)) for n in those}
        for kind, those in (("trace", memory), ("overview", memory), ("eager", eager_memory))
    }
    rows, windows, overviews, costs = [], {}, {}, {}
    for length in sorted({*lengths, *forward, *memory, *eager_memory}):
        cells = [f"{length:,}"]
        if length in lengths:
            layer = head(length)
            windows[length] = seconds(partial(corner, layer)) * 1e3
            long = length > max(forward, default=0)
            overviews[length] = seconds(partial(overview, layer), 1 if long else ROUNDS)
            cells += [f"{windows[length]:.2f}", f"{overviews[length]:.3f}"]
        else:
            cells += ["", ""]
        if length in forward:
            ids = tokens(length)
            times = interleaved({kind: partial(writer.run, kind, ids) for kind in ("plain", "capture")}, 2 * ROUNDS)
            costs[length] = ratio(times, "capture", "plain")
            cells += [f"{statistics.median(times[k]) * 1e3:,.0f}" for k in ("plain", "capture")]
            cells += [f"{costs[length]:.3f}"]
        else:
            cells += ["", "", ""]
        cells += [f"{of[length] / 1e6:,.0f}" if length in of else "" for of in peaks.values()]
        rows.append(cells)
    about = (
        f"*window* is {WINDOW} x {WINDOW} exact weights of one causal head of size {SIZE}, *overview* that head's "
        f"whole map reduced to at most {OVERVIEW} x {OVERVIEW} by the largest weight. *plain* and *capture* are one "
        f"forward pass of the shape of `shakespeare` ({config.layers} layers, {config.heads} heads) without and with "
        "what the maps need. Memory is what a trace of that shape, an overview, and eager attention's maps of as many "
        f"layers and heads add to a process's peak. {torch.get_num_threads()} threads. The log-sum-exp of the longest "
        "map is made up, not computed: the cost of a window does not depend on it."
    )
    headers = ["tokens", "window ms", "overview s", "plain ms", "capture ms", "capture / plain"]
    headers += ["trace MB", "overview MB", "eager MB"]
    targets = []
    if windows:
        spread = max(windows.values()) / min(windows.values())
        targets.append(verdict("the slowest window over the fastest", spread, STEADY, at_most=True))
        targets.append(verdict("the slowest window, in ms", max(windows.values()), WINDOW_MS, at_most=True))
    if 8192 in overviews:
        targets.append(verdict("overview at 8,192 tokens, in s", overviews[8192], OVERVIEW_S, at_most=True))
    for kind, goal in (("trace", EXPONENT), ("overview", EXPONENT), ("eager", None)):
        of = peaks[kind]
        if len(of) > 1 and min(of.values()) > 0:
            slope = exponent(list(of), list(of.values()))
            if goal is None:
                targets.append(f"eager: memory grows with the length to the power of {slope:.2f}")
            else:
                targets.append(verdict(f"{kind}: the exponent of memory over length", slope, goal, at_most=True))
    if costs:
        targets.append(verdict("capture / plain, the worst", max(costs.values()), COST, at_most=True))
    if torch.cuda.is_available():
        targets.append(on_cuda(max(lengths)))
    return Report("Length", about, headers, rows, targets)


def on_cuda(length: int) -> str:
    """The overview of a head beside one fused attention forward of that head, on the accelerator."""
    layer = head(length, "cuda")
    q, k, v = (part[None] for part in (layer.q, layer.k, layer.v))

    def done(work: Callable[[], object]) -> Callable[[], None]:
        def waited() -> None:
            work()
            torch.cuda.synchronize()

        return waited

    times = interleaved({"overview": done(lambda: overview(layer)), "forward": done(lambda: attend(q, k, v, Causal()))})
    text = f"CUDA, {length:,} tokens: overview / one fused forward of that head"
    return verdict(text, ratio(times, "overview", "forward"), 2.0, at_most=True)


def peak(kind: str, length: int, config: LanguageModelConfig = SHAPE) -> int:
    """Bytes that one piece of work adds to the process's peak."""
    if kind == "trace":
        writer = Writer(config)
        writer.trace(tokens(8))
        ids = tokens(length)
        return growth(lambda: writer.trace(ids))
    if kind == "overview":
        overview(head(64))
        return growth(lambda: overview(head(length)))
    eager(8)
    return growth(lambda: eager(length))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report, or with --memory KIND LENGTH the bytes of one piece of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs=2, metavar=("KIND", "LENGTH"))
    options = parser.parse_args(arguments)
    if options.memory:
        print(json.dumps(peak(options.memory[0], int(options.memory[1]))))
    else:
        print(measure().markdown())


if __name__ == "__main__":
    main()
