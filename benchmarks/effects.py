"""What an objective, its estimated effects and the measured ones cost in forward passes, and how well both agree.

python -m benchmarks.effects
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.asking import COUNT, sentences
from benchmarks.families import llama
from benchmarks.measure import Report, interleaved, ratio, verdict
from heedmap.model.contract import Axis, Objective, Parameters, Prediction, Request
from heedmap.model.edits import Silence
from heedmap.model.hub.attention.recorder import Wiring, prepare, record
from heedmap.model.load import load
from heedmap.model.measures.correlation import correlation, pearson
from heedmap.model.measures.effects import head_effects
from heedmap.model.trace.gradient import described, of_tokens
from heedmap.model.trace.trace import Trace

WEIGHTS = Path(__file__).parents[1] / "model" / "weights"
SCENES = WEIGHTS / "shakespeare" / "examples" / "2-scenes.txt"  # of the part that it was not trained on
MODELS = ("de-en", "de-en-gru", "shakespeare")
TRACE, SWEEP = 3.5, 30.0  # the targets, in forward passes
TOKENS = 20  # of the sentence whose heads are swept, and about as many of its translation
LENGTHS = (512, 2048)  # of the Llama shape
WRITTEN = 32  # tokens at its end that the objective is of
HELD_OUT = 100  # sentences
PROMPT, CONTINUATION = 80, 16  # bytes of a play that are read, and that are scored
ALL = Objective(tokens="all")
Row = list[str]
Calls = Mapping[str, Callable[[], object]]


def sentence_of(model: Any, tokens: int = TOKENS) -> str:
    """The first held-out sentence of so many tokens, or of the number next to it."""
    return min(sentences(COUNT), key=lambda text: abs(len(model.tokenizer.encode(text).ids) - tokens))


def native(model: Any, text: str) -> Calls:
    """A translator's passes over a sentence and its translation: forward, traced with an objective, and swept."""
    request = Request(text, objective=ALL)
    [answer] = model.predict([request])
    assert isinstance(answer, Prediction), answer
    source, prefix = (torch.tensor([answer.axes[name].ids], device=model.device) for name in ("source", "prefix"))
    lengths = torch.tensor([source.shape[1]], device=model.device)
    sets = [(edit,) for edit in every_head(model)]

    @torch.inference_mode()
    def forward() -> Tensor:
        logits: Tensor = model.network(source, lengths, prefix)
        return logits

    def traced() -> Trace:
        trace: Trace = model.passes.alone(request, answer, None)
        return trace

    def sweep() -> list[float]:
        return [value for some in model.values_under(request, answer, sets) for value in some]

    return {"forward": forward, "trace": traced, "estimates": lambda: estimated(traced()), "sweep": sweep}


def every_head(model: Any) -> list[Silence]:
    """The silence of each head of a model."""
    return [
        Silence(kind="silence", site=site["name"], layer=layer, head=head)
        for site in model.describe()["sites"]
        for layer in range(site["layers"])
        for head in range(site["heads"])
    ]


def estimated(trace: Trace) -> NDArray[np.float64]:
    """The estimated effect of silencing each head, flat."""
    return np.concatenate([part[1].numpy().ravel() for part in head_effects(trace) if part is not None])


def hub(wiring: Wiring, length: int, written: int = WRITTEN) -> Calls:
    """The passes of a causal model of transformers' over random tokens, the last of which it is asked about."""
    ids = torch.randint(1000, 2000, (1, length), generator=torch.Generator().manual_seed(length))
    axis = Axis("text", [""] * length, ids[0].tolist(), [(0, 0)] * length, [False] * length)
    prediction = Prediction("", [""] * written, None, {"tokens": axis})
    facts = {"task": "text-generation", "revision": "none"}

    def run() -> Tensor:
        logits: Tensor = wiring.model(ids, use_cache=False, logits_to_keep=written + 1).logits
        return logits

    @torch.inference_mode()
    def forward() -> Tensor:
        return run()

    def traced() -> Trace:
        with record(wiring, gradients=True) as recorder:
            value = of_tokens(ALL, run()[0, :-1], ids[0, -written:].tolist(), lambda word, field: int(word))
            recorder.differentiate(value)
            (site,) = recorder.records
            return recorder.trace(0, prediction, {site: ("tokens", "tokens")}, described(ALL, value), **facts)

    return {"forward": forward, "trace": traced, "estimates": lambda: estimated(traced())}


def causal(build: Callable[[], Any] = llama) -> Wiring:
    """A model of random weights for text generation on our attention."""
    _, config = build()
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM._from_config(config, attn_implementation="eager", dtype=torch.float32)
    model.eval().requires_grad_(False)
    return prepare(model)


def costs(calls: Calls, rounds: int) -> tuple[dict[str, float], Row]:
    """How many forward passes each of the others takes, and the cells of a row."""
    times = interleaved(calls, rounds)
    ratios = {name: ratio(times, name, "forward") for name in calls if name != "forward"}
    row = [f"{1000 * statistics.median(times['forward']):.1f}"]
    row += [f"{ratios[name]:.2f}" if name in ratios else "" for name in ("trace", "estimates", "sweep")]
    return ratios, row


def requests_of(name: str, count: int) -> list[Request]:
    """What a model is asked of held-out text."""
    if name != "shakespeare":
        return [Request(text, objective=ALL) for text in sentences(count)]
    text = SCENES.read_text(encoding="utf-8")
    size = PROMPT + CONTINUATION
    parts = [text[start : start + size] for start in range(0, len(text) - size, len(text) // count)][:count]
    return [Request(part[:PROMPT], part[PROMPT:], Parameters(), ALL) for part in parts]


def agreement(name: str, count: int) -> Row:
    """A line of estimates against measurements: over all heads of all sentences, and of a sentence in the median."""
    model: Any = load(WEIGHTS / name)
    sets = [(edit,) for edit in every_head(model)]
    guesses, measured = [], []
    for request in requests_of(name, count):
        [trace] = model.trace([request])
        assert isinstance(trace, Trace), trace
        values = np.array([v for some in model.values_under(request, trace.prediction, sets) for v in some])
        guesses.append(estimated(trace))
        measured.append(values[1:] - values[0])
    both = correlation(np.concatenate(guesses), np.concatenate(measured))
    each = [value for pair in zip(guesses, measured, strict=True) if (value := pearson(*pair)) is not None]
    middle = f"{statistics.median(each):.3f}" if each else ""
    return [f"{name}, {count} held-out texts", "", "", "", "", *(_three(both[k]) for k in ("pearson", "spearman")),
            middle, f"{both['pairs']:,}"]  # fmt: skip


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def measure(
    lengths: Sequence[int] = LENGTHS,
    texts: int = HELD_OUT,
    rounds: int = 21,
    models: Sequence[str] = MODELS,
    build: Callable[[], Any] = llama,
) -> Report:
    """Costs in forward passes, then correlations."""
    rows, blank = [], ["", "", "", ""]
    model: Any = load(WEIGHTS / "de-en")
    text = sentence_of(model)
    ratios, cells = costs(native(model, text), rounds)
    heads = len(every_head(model))
    count = len(model.tokenizer.encode(text).ids)
    rows.append([f"de-en, {count} tokens, {heads} heads", *cells, *blank])
    worst, sweep, backward = ratios["trace"], ratios["sweep"], []
    wiring = causal(build)
    config = wiring.model.config
    for length in lengths:
        ratios, cells = costs(hub(wiring, length, min(WRITTEN, length // 2)), max(5, rounds // 3))
        worst = max(worst, ratios["trace"])
        backward.append(ratios["estimates"])
        heads = config.num_hidden_layers * config.num_attention_heads
        rows.append([f"llama-like, {length:,} tokens, {heads} heads", *cells, *blank])
    rows += [agreement(name, texts) for name in models]
    about = (
        "*forward* is the teacher-forced pass with nobody listening; the others are in such passes. *trace*: recorded, "
        "differentiated, cut and certified. *estimates*: that, and the effect of silencing every head read from it, so "
        "one backward pass for all. *sweep*: every head really silenced, one at a time, as rows of batches. "
        "Correlations are of estimated and measured effects of silencing each head on the log-probability of the "
        "output, over all heads of all texts (a continuation that is given, of the plays); *each* is the median over "
        f"texts of Pearson's. {torch.get_num_threads()} threads, transformers {transformers.__version__}."
    )
    headers = ["what", "forward ms", "trace", "estimates", "sweep", "Pearson", "Spearman", "each", "pairs"]
    targets = [
        verdict("a trace with an objective, in forward passes, the worst", worst, TRACE, at_most=True),
        verdict("estimates of all heads of the Llama shape, the worst", max(backward), TRACE, at_most=True),
        verdict(f"the sweep of all heads of de-en on {count} tokens", sweep, SWEEP, at_most=True),
    ]
    return Report("Effects", about, headers, rows, targets)


if __name__ == "__main__":
    print(measure().markdown())
