"""The forward pass with capture, beside the same pass without it and beside the eager path that stores every map.

python -m benchmarks.capture
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.measure import Report, growth, in_fresh_process, interleaved, ratio, verdict
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.multihead import AttentionRecorder, MultiHeadAttention
from heedmap.model.native.transformer import EncoderLayer, TransformerConfig
from heedmap.model.trace.recorder import Recorder

LENGTHS = (128, 512, 1024, 2048)
BASE = TransformerConfig(  # the shape of BERT base and ViT-B; a bare encoder has no use for the vocabulary
    source_language="xx",
    target_language="xx",
    vocabulary=8,
    width=768,
    heads=12,
    kv_heads=12,
    feed_forward=3072,
    encoder_layers=12,
    decoder_layers=1,
)
KINDS = ("plain", "capture", "eager")
TARGET = 1.05
SECONDS = 20.0  # the rounds of plain and capture go on for about so long, and for five at least
MOST_ROUNDS = 101


class EagerAttention(MultiHeadAttention):
    """The same layer as tools do it that turn fused kernels off: the weights are formed, used and kept."""

    def __init__(self, layer: MultiHeadAttention, kept: list[Tensor]) -> None:
        nn.Module.__init__(self)
        self.heads, self.kv_heads, self.size, self.dropout = layer.heads, layer.kv_heads, layer.size, layer.dropout
        self.query, self.key, self.value, self.output = layer.query, layer.key, layer.value, layer.output
        self.kept = kept

    def forward(
        self,
        hidden: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Mask | None = None,
        recorder: AttentionRecorder | None = None,
        site: str = "encoder",
        edits: None = None,
    ) -> Tensor:
        batch, queries, _ = hidden.shape
        q = self.query(hidden).view(batch, queries, self.heads, self.size).transpose(1, 2)
        scores = q @ k.transpose(2, 3) * self.size**-0.5
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32)
        self.kept.append(weights)
        mixed: Tensor = self.output((weights @ v).transpose(1, 2).reshape(batch, queries, -1))
        return mixed


class Encoder:
    """A stack of encoder layers with random weights, run in three ways over the same weights."""

    def __init__(self, config: TransformerConfig) -> None:
        torch.manual_seed(0)
        self.config, self.maps = config, list[Tensor]()
        self.layers = [EncoderLayer(config).eval() for _ in range(config.encoder_layers)]
        with torch.device("meta"):  # every part is replaced: no memory is taken that would hide a pass's own
            self.eager_layers = [EncoderLayer(config).eval() for _ in range(config.encoder_layers)]
        for eager, layer in zip(self.eager_layers, self.layers, strict=True):
            eager.attention_norm, eager.feed_forward_norm = layer.attention_norm, layer.feed_forward_norm
            eager.attention, eager.feed_forward = EagerAttention(layer.attention, self.maps), layer.feed_forward

    def input(self, length: int) -> Tensor:
        """Random hidden states of one sequence."""
        return torch.randn(1, length, self.config.width, generator=torch.Generator().manual_seed(length))

    @torch.inference_mode()
    def run(self, kind: str, hidden: Tensor) -> tuple[Tensor, Recorder | list[Tensor] | None]:
        """One pass; returns the output and what was kept of the attention."""
        recorder = Recorder() if kind == "capture" else None
        self.maps.clear()
        for layer in self.eager_layers if kind == "eager" else self.layers:
            hidden = layer(hidden, None, recorder)
        return hidden, list(self.maps) if kind == "eager" else recorder

    def check(self, hidden: Tensor) -> None:
        """All three ways give the same output, and the two that keep something kept every layer."""
        outputs = {kind: self.run(kind, hidden) for kind in KINDS}
        for output, _ in outputs.values():
            torch.testing.assert_close(output, outputs["plain"][0], rtol=1e-4, atol=1e-4)
        recorder, maps = outputs["capture"][1], outputs["eager"][1]
        assert isinstance(recorder, Recorder)
        assert isinstance(maps, list)
        assert len(recorder.records["encoder"]) == len(maps) == self.config.encoder_layers


def measure(
    lengths: Sequence[int] = LENGTHS, config: TransformerConfig = BASE, seconds: float = SECONDS, memory: bool = True
) -> Report:
    """Time and peak memory of the three passes at each length."""
    encoder = Encoder(config)
    rows, worst = [], 0.0
    for length in lengths:
        hidden = encoder.input(length)
        encoder.check(hidden)
        calls = {kind: partial(encoder.run, kind, hidden) for kind in KINDS}
        times = interleaved(calls)
        close = {
            kind: calls[kind] for kind in ("plain", "capture")
        }  # a ratio near 1 needs more rounds than a large one
        more = int(seconds / sum(statistics.median(times[kind]) for kind in close))
        if more > len(times["plain"]):
            times |= interleaved(close, min(more, MOST_ROUNDS))
        cost, gain = (
            ratio(times, "capture", "plain"),
            statistics.median(times["eager"]) / statistics.median(times["capture"]),
        )
        worst = max(worst, cost)
        peaks = {k: in_fresh_process("benchmarks.capture", "--memory", k, str(length)) for k in KINDS} if memory else {}
        rows.append(
            [
                f"{length:,}",
                *(f"{statistics.median(times[kind]) * 1e3:,.0f}" for kind in KINDS),
                f"{cost:.3f}",
                f"{gain:.2f}",
                *(f"{peaks[kind] / 1e6:,.0f}" if memory else "" for kind in KINDS),
                f"{len(times['plain'])}",
            ]
        )
    about = (
        f"{config.encoder_layers} layers, {config.heads} heads, width {config.width}, float32, one sequence, random "
        f"weights, {torch.get_num_threads()} threads. *plain* is the fused pass that keeps nothing, *capture* the same "
        "that keeps q, k, v and log-sum-exp, *eager* the pass that forms and keeps every map. Medians; capture / plain "
        "is the median of the rounds' ratios. Memory is what a pass adds to the peak of a process of its own."
    )
    headers = ["tokens", *(f"{kind} ms" for kind in KINDS), "capture / plain", "eager / capture"]
    headers += [*(f"{kind} MB" for kind in KINDS), "rounds"]
    targets = [verdict("capture / plain, the worst length", worst, TARGET, at_most=True)]
    return Report("AttentionRecorder", about, headers, rows, targets)


def peak(kind: str, length: int, config: TransformerConfig = BASE) -> int:
    """Bytes that one pass of this kind adds to the process's peak."""
    encoder = Encoder(config)
    encoder.run(kind, encoder.input(8))  # the libraries' own workspaces are not the pass's
    hidden = encoder.input(length)
    return growth(lambda: encoder.run(kind, hidden))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report, or with --memory KIND LENGTH the bytes of one pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs=2, metavar=("KIND", "LENGTH"))
    options = parser.parse_args(arguments)
    if options.memory:
        print(json.dumps(peak(options.memory[0], int(options.memory[1]))))
    else:
        print(measure().markdown())


if __name__ == "__main__":
    main()
