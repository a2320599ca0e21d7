"""On an accelerator: what a trace costs, kernels, overviews, statistics, decoding, and maps over HTTP.

python -m benchmarks.device
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import torch
import torch.nn.functional as F
import transformers

from benchmarks import decode
from benchmarks.asking import DE_EN, sentences
from benchmarks.families import Build, Sides
from benchmarks.length import corner, head, overview
from benchmarks.measure import Report, verdict
from heedmap.model.attention.kernels import attend
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.attention.tiles import reduce, size_at
from heedmap.model.contract import Parameters, Request
from heedmap.model.native.translator import Translator
from tests.live import service

ROUNDS = 7
EAGER = 4096  # tokens up to which eager attention's maps fit beside its weights
THUMBNAIL = 64  # pixels a side
SHAKESPEARE = DE_EN.with_name("shakespeare")
TEXT = "Ich habe gestern ein interessantes Buch gelesen."


@dataclass(frozen=True)
class Sizes:
    """What is measured: lengths by model, and everything else's."""

    bert: Sequence[int] = (512, 2048, 8192)
    llama: Sequence[int] = (512, 2048, 8192, 32_768)
    grouped: tuple[int, int, int, int] = (32, 8, 128, 8192)  # heads, groups, size, tokens
    head: int = 131_072
    layers: tuple[int, int, int] = (6, 8, 33_939)  # of `shakespeare`, over its longest example
    sentences: int = 256
    rounds: int = ROUNDS
    http: bool = True


SMALL = Sizes((16,), (16, 32), (4, 2, 16, 64), 2048, (1, 2, 1200), 2, 1, http=False)


@dataclass
class Table:
    """The rows, and the ratios that targets are about."""

    rows: list[list[str]] = field(default_factory=list)
    reached: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, size: str, times: Mapping[str, float], base: str) -> None:
        """One row a side: milliseconds, and over the base."""
        for name, value in times.items():
            over = value / times[base]
            self.rows.append([f"{what}: {name}", size, f"{value:,.2f}", "" if name == base else f"{over:.2f}"])
            self.reached[f"{what} {size} {name}"] = over if name != base else value


def bert() -> Build:
    """The shape of BERT base, with more positions."""
    return transformers.BertModel, transformers.BertConfig(max_position_embeddings=8192)


def llama() -> Build:
    """The shape of a Llama of a billion parameters."""
    return transformers.LlamaModel, transformers.LlamaConfig(
        vocab_size=32_000,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=131_072,
    )


def milliseconds(calls: Mapping[str, Callable[[], object]], rounds: int, device: str) -> dict[str, float]:
    """The median of each side's rounds, which take turns, after two that do not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, call in calls.items():
            synchronize(device)
            begun = time.perf_counter()
            result = call()
            synchronize(device)
            if turn > 1:
                times[name].append(time.perf_counter() - begun)
            del result
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def synchronize(device: str) -> None:
    """Wait until the accelerator has done what it was told."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def capture(table: Table, sizes: Sizes, device: str, builds: Mapping[str, Build]) -> None:
    """A forward pass, with the recorder, with the whole trace, and eager with all maps."""
    for name, lengths in (("bert", sizes.bert), ("llama", sizes.llama)):
        sides = Sides(builds[name], device=device, dtype=torch.bfloat16)
        for length in lengths:
            kinds = ["predict", "record", "trace", *(["eager"] if length <= EAGER else [])]
            ids = sides.input(length)
            calls = {kind: partial(sides.run, kind, ids) for kind in kinds}
            table.add(name, f"{length:,}", milliseconds(calls, sizes.rounds, device), "predict")
        del sides
        gc.collect()


@torch.inference_mode()
def kernels(table: Table, sizes: Sizes, device: str) -> None:
    """Attention with its log-sum-exp beside the public operator without."""
    heads, groups, size, length = sizes.grouped
    q, k, v = (torch.randn(1, n, length, size, device=device, dtype=torch.bfloat16) for n in (heads, groups, groups))
    calls = {
        "SDPA": lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
        "ours, log-sum-exp": lambda: attend(q, k, v, Causal()),
    }
    table.add("grouped heads", f"{length:,}", milliseconds(calls, sizes.rounds, device), "SDPA")


@torch.inference_mode()
def maps(table: Table, sizes: Sizes, device: str) -> None:
    """A long head's overview beside its forward pass; all heads' thumbnails and statistics."""
    for dtype in (torch.float32, torch.bfloat16):
        layer = head(sizes.head, device)
        layer = replace(layer, q=layer.q.to(dtype), k=layer.k.to(dtype), v=layer.v.to(dtype))
        q, k, v = (x[None] for x in (layer.q, layer.k, layer.v))
        calls = {
            "forward": partial(attend, q, k, v, Causal()),
            "overview": partial(overview, layer),
            "window": partial(corner, layer),
        }
        times = milliseconds(calls, min(3, sizes.rounds), device)
        table.add(f"one head, {str(dtype).removeprefix('torch.')}", f"{sizes.head:,}", times, "forward")
    layers, heads, length = sizes.layers
    q, k, v = (torch.randn(heads, length, 64, device=device) for _ in range(3))
    lse = attend(q[None], k[None], v[None], Causal()).lse[0]
    layer = AttentionMap(q, k, v, lse, ScaledDot(64**-0.5), Causal())
    level = max(0, (length // THUMBNAIL).bit_length() - 1)
    whole = range(size_at(length, level))
    calls = {
        "thumbnails": lambda: [reduce(layer, whole, whole, level).values.cpu() for _ in range(layers)],
        "statistics": lambda: [layer.statistics(1024) for _ in range(layers)],
    }
    times = milliseconds(calls, min(3, sizes.rounds), device)
    table.add(f"{layers * heads} heads", f"{length:,}", times, "thumbnails")


def decoding(table: Table, sizes: Sizes, device: str) -> None:
    """A step of `de-en` at batch 1, and tokens a second at 64."""
    translator = Translator.load(DE_EN, device=device)
    texts = sentences()[: sizes.sentences]
    parameters = Parameters(max_new_tokens=decode.LONGEST)
    for batch in (1, 64):
        requests = [Request(text, None, parameters) for text in texts[: sizes.sentences if batch > 1 else 8]]
        parts = [requests[at : at + batch] for at in range(0, len(requests), batch)]
        run = partial(_predicted, translator, parts)
        tokens, steps = run()
        took = milliseconds({"all": run}, min(3, sizes.rounds), device)["all"]
        table.rows.append([f"de-en, batch {batch}: a step", f"{steps}", f"{took / steps:.2f}", ""])
        table.reached[f"step {batch}"], table.reached[f"tokens {batch}"] = took / steps, 1e3 * tokens / took
        table.rows.append([f"de-en, batch {batch}: tokens/s", f"{tokens}", f"{1e3 * tokens / took:,.0f}", ""])


def _predicted(translator: Translator, parts: Sequence[Sequence[Request]]) -> tuple[int, int]:
    tokens = steps = 0
    for part in parts:
        lengths = [len(prediction.tokens) for prediction in translator.predict(part)]
        tokens, steps = tokens + sum(lengths), steps + max(lengths)
    return tokens, steps


def over_http(table: Table, sizes: Sizes, device: str) -> None:
    """A window of a long trace, asked for over HTTP."""
    example = next(iter(sorted((SHAKESPEARE / "examples").glob("*.txt"), key=lambda path: -path.stat().st_size)))
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--device", device, "--model", f"shakespeare={SHAKESPEARE}"]
        with service(Path(folder), *arguments) as url, httpx.Client(base_url=url, timeout=300) as client:
            body: dict[str, Any] = {"inputs": example.read_text(), "parameters": {"max_new_tokens": 1}}
            trace = client.post("/v1/traces", json=body).raise_for_status().json()
            place = f"/v1/traces/{trace['id']}"
            middle = trace["sites"][0]["shape"][0] // 2
            for name, path in (
                ("window", f"{place}/maps/decoder/2/3?rows={middle}:{middle + 256}&cols=0:256&format=npy"),
                ("thumbnails", f"{place}/thumbnails/decoder?size={THUMBNAIL}"),
                ("heads", f"{place}/heads"),
            ):
                times = []
                for turn in range(1 if name != "window" else 20):
                    begun = time.perf_counter()
                    client.get(f"{path}{'&' if '?' in path else '?'}turn={turn}" if name == "window" else path)
                    times.append(1e3 * (time.perf_counter() - begun))
                took = statistics.median(times)
                table.rows.append([f"over HTTP: {name}", f"{trace['sites'][0]['shape'][0]:,}", f"{took:,.1f}", ""])
                table.reached[f"http {name}"] = took


def measure(sizes: Sizes | None = None, device: str | None = None, builds: Mapping[str, Build] | None = None) -> Report:
    """Every table at once; on a machine without an accelerator at sizes that only show that it runs."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    sizes = sizes or (SMALL if device == "cpu" else Sizes())
    builds = builds or {"bert": bert(), "llama": llama()}
    table = Table()
    with torch.inference_mode():
        capture(table, sizes, device, builds)
    kernels(table, sizes, device)
    maps(table, sizes, device)
    decoding(table, sizes, device)
    if sizes.http:
        over_http(table, sizes, device)
    name = torch.cuda.get_device_name() if device != "cpu" else "no accelerator: sizes that only show that it runs"
    about = (
        f"{name}. bfloat16 unless said otherwise, one sequence, medians of rounds that take turns. *record* is the "
        "pass that keeps what the maps need, *trace* the whole certified trace on the device, *eager* transformers' "
        "pass with all maps. The last column is the row's time over the first row of its kind."
    )
    headers = ["what", "tokens", "ms", "ratio"]
    return Report("Device", about, headers, table.rows, list(_targets(table, sizes)) if device != "cpu" else [])


def _targets(table: Table, sizes: Sizes) -> Iterator[str]:
    at = table.reached
    for length in sizes.llama:
        goal = 1.25 if length < 2048 else 1.10
        yield verdict(f"llama, {length:,}: trace over forward", at[f"llama {length:,} trace"], goal, at_most=True)
        yield verdict(f"llama, {length:,}: record over forward", at[f"llama {length:,} record"], 1.03, at_most=True)
    for length in (length for length in sizes.llama if length <= EAGER):
        slower = at[f"llama {length:,} trace"] / at[f"llama {length:,} eager"]
        yield verdict(f"llama, {length:,}: trace over eager with its maps", slower, 1.0, at_most=True)
    grouped = at[f"grouped heads {sizes.grouped[-1]:,} ours, log-sum-exp"]
    yield verdict("grouped attention over SDPA", grouped, 1.05, at_most=True)
    for dtype in ("float32", "bfloat16"):
        over = at[f"one head, {dtype} {sizes.head:,} overview"]
        yield verdict(f"overview of a {sizes.head:,} head over its forward, {dtype}", over, 2.0, at_most=True)
    layers, heads, length = sizes.layers
    thumbnails = at[f"{layers * heads} heads {length:,} thumbnails"]
    yield verdict("thumbnails of all heads, in ms", thumbnails, 250, at_most=True)
    statistic = at[f"{layers * heads} heads {length:,} statistics"] * thumbnails
    yield verdict("statistics of all heads, in ms", statistic, 50, at_most=True)
    yield verdict("a decoding step at batch 1, in ms", at["step 1"], 0.35, at_most=True)
    yield verdict("tokens/s at 64", at["tokens 64"], 6 * 9200, at_most=False)
    if sizes.http:
        yield verdict("a window over HTTP, in ms", at["http window"], 5, at_most=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    report = measure()
    print(json.dumps(report.rows) if parser.parse_args().json else report.markdown())
