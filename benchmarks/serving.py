"""The service over HTTP, its speed beside the engine that it wraps, CTranslate2, and other servers.

python -m benchmarks.serving
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import torch

from benchmarks import decode
from benchmarks.asking import COUNT, DE_EN, asked, bodies, peer, sentences, timed
from benchmarks.measure import Report, verdict
from heedmap.model.contract import Parameters, Request
from heedmap.model.native import checkpoint
from heedmap.model.native.export import export_m2m100
from heedmap.model.native.translator import Translator
from tests.live import service

LONGEST = 128  # new tokens
ROUNDS = 5
SECONDS = 8.0  # of each side in a round
PEERS = {"LitServe": "litserve", "plain FastAPI": "fastapi"}


def measure(rounds: int = ROUNDS, seconds: float = SECONDS, clients: Sequence[int] = (32, 64)) -> Report:
    """One client's wait, and tokens a second for many, beside the engine alone, CTranslate2 and other servers."""
    texts = sentences()
    translator = Translator.load(DE_EN)
    requests = [Request(text, None, Parameters(max_new_tokens=LONGEST)) for text in texts]
    predictions = [p for at in range(0, COUNT, 64) for p in translator.predict(requests[at : at + 64])]
    per_sentence = sum(len(p.tokens) for p in predictions) / len(predictions)
    sources = [translator.tokenizer.encode(text).ids for text in texts]
    times: dict[str, list[float]] = {"over HTTP": [], "called directly": []}
    rates: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(service(folder, "--model", f"de-en={DE_EN}"))
        servers = {"Heedmap": (url, "/v1/predict")}
        for name, word in PEERS.items():
            servers[name] = (stack.enter_context(peer(word, folder)), "/predict")
        export_m2m100(checkpoint.load(DE_EN), folder / "m2m100")
        engines = {
            f"{label}, in process": decode.peer(
                decode.convert(folder / "m2m100", folder, kind), kind, translator.tokenizer, torch.get_num_threads()
            )
            for label, kind in decode.PEERS.items()
        }
        engines["Heedmap, in process"] = decode.native(translator)
        file = bodies(folder, texts, parameters={"max_new_tokens": LONGEST})
        plain = bodies(folder, texts)
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        for turn in range(rounds):
            for request in requests[turn * 32 : turn * 32 + 32]:
                times["called directly"].append(timed(partial(translator.predict, [request])))
                body = {"inputs": request.inputs, "parameters": {"max_new_tokens": LONGEST}}
                times["over HTTP"].append(timed(partial(client.post, "/v1/predict", json=body)))
            for count in clients:
                for name, (address, path) in servers.items():
                    some = ("--clients", str(count), "--path", path)
                    which = file if name == "Heedmap" else plain
                    asked(address, which, *some, "--seconds", "1")
                    goodput = asked(address, which, *some, "--seconds", str(seconds))["goodput"]
                    rates.setdefault((name, count), []).append(goodput * per_sentence)
                for name, run in engines.items():
                    rates.setdefault((name, count), []).append(rate(run, sources, count, seconds))
    rows = [[name, "1", f"{1e3 * statistics.median(values):.2f} ms", ""] for name, values in times.items()]
    base = statistics.median
    for (name, count), values in rates.items():
        against = base(a / b for a, b in zip(rates["Heedmap", count], values, strict=True))
        rows.append([name, str(count), f"{base(values):,.0f} tokens/s", "" if name == "Heedmap" else f"{against:.2f}"])
    most = max(clients)
    ratios = {row[0]: float(row[3]) for row in rows if row[1] == str(most) and row[3]}
    slower = 1e3 * (base(times["over HTTP"]) - base(times["called directly"]))
    targets = [verdict("one client: over HTTP more than the call alone, in ms", slower, 2.0, at_most=True)]
    for name, target in (
        ("CTranslate2 float32, in process", 1.3),
        ("CTranslate2 int8, in process", 1.0),
        ("LitServe", 1.0),
        ("plain FastAPI", 1.5),
    ):
        targets.append(verdict(f"{most} clients: tokens/s over {name}", ratios[name], target, at_most=False))
    about = (
        f"de-en, greedy, at most {LONGEST} new tokens, {torch.get_num_threads()} threads a side, {COUNT} sentences of "
        "the held-out set. Servers are asked over kept connections by clients in a process of their own on the same "
        "cores; engines are called in process with batches of as many sentences. Medians of "
        f"{rounds} interleaved rounds of {seconds:g} s a side; the last column is Heedmap's tokens/s over the row's."
    )
    return Report("Serving", about, ["server or engine", "clients", "reached", "Heedmap over it"], rows, targets)


def rate(run: decode.Engine, sources: list[list[int]], size: int, seconds: float) -> float:
    """Tokens a second of an engine, batch after batch."""
    parts = decode.batches(sources, size)
    begun, tokens, at = time.perf_counter(), 0, 0
    while (took := time.perf_counter() - begun) < seconds:
        tokens += sum(len(output) + 1 for output in run(parts[at % len(parts)]))
        at += 1
    return tokens / took


if __name__ == "__main__":
    print(measure().markdown())
