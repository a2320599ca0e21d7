"""Decoding over static buffers writes what plain decoding writes, step by step, whoever joins and whatever grows."""

import json
import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from heedmap.model.attention.operators import spread
from heedmap.model.contract import Parameters, Request
from heedmap.model.load import load
from heedmap.model.native import checkpoint
from heedmap.model.native.continuous import TranslatorSession
from heedmap.model.native.graphs import CudaGraphs, eager, rehearse
from heedmap.model.native.static_decoding import LEAST, Reserve, attend_over, bucket
from heedmap.model.native.static_transformer import StaticTransformer
from heedmap.model.native.tokenizer import END
from heedmap.model.native.translator import Translator
from tests.model.native.rehearsing import Rehearsing, alike, with_and_without
from tests.model.watching import Notes, check, every_map, watched

ROOT = Path(__file__).resolve().parents[3]
SENTENCES = [
    json.loads(line)["source"]
    for line in (ROOT / "tests" / "data" / "de-en" / "test.jsonl").read_text().splitlines()[:100]
]
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SYNCHRONISES = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "item", "is_nonzero", "unique_dim"}


class Operations(TorchDispatchMode):
    """The operators that run, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def translator() -> Any:
    return load(ROOT / "model" / "weights" / "de-en")


@pytest.fixture
def replay() -> Rehearsing:
    return Rehearsing()


@pytest.fixture
def static(translator: Translator, replay: Rehearsing) -> Iterator[Translator]:
    """The translator with static buffers; it is as it was afterwards."""
    translator.reserve = StaticTransformer.reserve(translator.engine, lambda: replay)
    yield translator
    translator.reserve = None


def ids(translator: Translator, texts: Sequence[str], **parameters: Any) -> list[list[int]]:
    sources = [translator.tokenizer.encode(text).ids for text in texts]
    return [output.ids for output in translator.generate(sources, Parameters(**parameters))]


def test_a_hundred_sentences_are_translated_alike(static: Translator, replay: Rehearsing) -> None:
    requests = [Request(text) for text in SENTENCES]
    requests += [Request(" ".join(SENTENCES[start : start + 3])) for start in (0, 3)]  # over forty tokens
    halves = [requests[:40], requests[40:]]
    got, expected = with_and_without(static, lambda: [one for half in halves for one in static.predict(half)])
    for mine, theirs in zip(got, expected, strict=True):
        alike(mine, theirs)
    shapes = {key[1:] for key in replay.keys}
    assert {rows for rows, *_ in shapes} >= {64, 32, 16, 8, 4, 2, 1}, "finished sentences leave their rows"
    assert {columns for _, columns, _ in shapes} >= {LEAST, 2 * LEAST}, "an output grew over a border"


def test_in_bfloat16_outputs_part_only_where_two_tokens_are_as_likely() -> None:
    loaded = checkpoint.load(ROOT / "model" / "weights" / "de-en")
    loaded.network.bfloat16()
    translator = Translator(loaded)
    translator.reserve = StaticTransformer.reserve(translator.engine, lambda: eager)
    got, expected = with_and_without(
        translator,
        lambda: [output for start in range(0, 96, 48) for output in ids(translator, SENTENCES[start : start + 48])],
    )
    parted = [(text, a, b) for text, a, b in zip(SENTENCES, got, expected, strict=False) if a != b]
    assert len(parted) <= 4
    exact = load(ROOT / "model" / "weights" / "de-en").network
    for text, a, b in parted:
        at = next(place for place, (mine, theirs) in enumerate(zip(a, b, strict=False)) if mine != theirs)
        source = torch.tensor([translator.tokenizer.encode(text).ids])
        with torch.inference_mode():
            last = exact(source, torch.tensor([source.shape[1]]), torch.tensor([[END, *a[:at]]]))[0, -1].log_softmax(-1)
        assert abs(float(last[a[at]] - last[b[at]])) < 0.15, "rounding alone decides"


@pytest.mark.parametrize("parameters", [{"beam_size": 3}, {"do_sample": True, "top_k": 20, "seed": 4}])
def test_beams_and_draws_are_the_same(static: Translator, replay: Rehearsing, parameters: dict[str, Any]) -> None:
    got, expected = with_and_without(static, lambda: ids(static, SENTENCES[:4], **parameters))
    assert got == expected
    assert {key[0] for key in replay.keys} == {"logits"}


@pytest.mark.parametrize("drawn", [False, True])
def test_who_joins_a_running_batch_gets_what_he_gets_alone(static: Translator, replay: Rehearsing, drawn: bool) -> None:
    draw = random.Random(3)
    kinds: list[dict[str, Any]] = [{}, {"max_new_tokens": 5}]
    kinds += [{"do_sample": True, "seed": 7, "top_k": 20}] if drawn else []
    waiting = [Request(text, None, Parameters(**draw.choice(kinds))) for text in draw.sample(SENTENCES, 24)]
    waiting.append(Request(" ".join(SENTENCES[:3])))
    session, requests, outcomes = static.session(), dict[int, Request](), dict[int, Any]()
    assert session is not None
    session.size = 6  # rows are taken over by others
    while waiting or session.busy:
        for _ in range(draw.choice([0, 0, 1, 3])):
            if waiting:
                asked = waiting.pop()
                requests[session.add(asked)] = asked
        outcomes |= dict(session.step())
    assert replay.keys, "the buffers were used"
    session.step()
    assert session._lease is None, "and are free again"
    static.reserve = None
    for ticket, asked in requests.items():
        alike(outcomes[ticket], static.predict([asked])[0])


def test_more_than_there_are_rows_wait(static: Translator) -> None:
    session = TranslatorSession(static, static.engine, 2, static.reserve)
    tickets = [session.add(Request(text, None, Parameters(max_new_tokens=2))) for text in SENTENCES[:5]]
    outcomes: dict[int, Any] = {}
    while session.busy:
        outcomes |= dict(session.step())
        assert len(session._rows) <= 2
    assert set(outcomes) == set(tickets)


def test_a_recorder_listens_to_plain_steps(static: Translator, replay: Rehearsing) -> None:
    maps = every_map(static)
    static.predict([Request(SENTENCES[0])], recording := Notes(maps))
    assert not replay.keys
    static.predict([Request(SENTENCES[0])], reading := Notes())
    assert replay.keys, "who only reads along does not slow it down"
    assert [token.id for token in reading.tokens] == [token.id for token in recording.tokens]
    notes, trace = watched(static, Request(SENTENCES[0]), maps)
    check(notes, trace, "target", maps)


def test_a_step_waits_for_nothing_and_moves_no_buffer(translator: Translator) -> None:
    runs: list[list[str]] = []

    def noting(_key: Hashable, step: Callable[[], None], _moving: Sequence[Tensor]) -> None:
        with Operations() as operations:
            step()
        runs.append(operations.names)

    decoding = StaticTransformer(translator.engine, 4, 64, noting)
    with torch.inference_mode():
        decoding.begin(translator.started([[5, 6, 2], [7, 2], [9, 2]]))
        before = [buffer.data_ptr() for buffer in (*decoding.moving, decoding.caches, decoding.sources)]
        tokens = torch.full((3,), END)
        for _ in range(3):
            tokens, _, _ = decoding.greedy(tokens, decoding)
        decoding.decode(tokens[:, None], decoding)
    assert [buffer.data_ptr() for buffer in (*decoding.moving, decoding.caches, decoding.sources)] == before
    assert runs[0] == runs[1] == runs[2], "whatever the numbers are"
    assert not SYNCHRONISES & {name for names in runs for name in names}


def test_what_is_rehearsed_changes_nothing() -> None:
    total, step = torch.zeros(3), torch.ones(3)
    written = torch.zeros(3)

    def run() -> None:
        written.copy_(total)
        total.add_(step)

    rehearse(run, (total,))
    assert total.tolist() == written.tolist() == [0, 0, 0]


def test_a_row_that_held_no_numbers_is_no_danger_to_the_next(translator: Translator) -> None:
    decoding = StaticTransformer(translator.engine, 4, 32, eager)
    with torch.inference_mode():
        for buffer in (decoding.caches, decoding.sources):
            buffer.fill_(torch.nan)
        decoding.begin(translator.started([[8, 2]]))
        got = decoding.decode(torch.tensor([[END]]), decoding)[0, 0]
        expected = translator.engine.decode(torch.tensor([[END]]), translator.started([[8, 2]]))[0, 0]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_heads_of_a_group_are_queries_of_one(groups: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 8), torch.randn(2, groups, 5, 8), torch.randn(2, groups, 5, 8)
    mask = torch.zeros(2, 1, 1, 5)
    mask[1, ..., 3:] = -torch.inf
    weights = (torch.einsum("bhd,bhkd->bhk", q, spread(k, 4)) / 8**0.5 + mask[:, 0]).softmax(-1)
    expected = torch.einsum("bhk,bhkd->bhd", weights, spread(v, 4)).flatten(1)
    torch.testing.assert_close(attend_over(q, k, v, mask), expected, atol=1e-6, rtol=0)


def test_buckets_are_powers_of_two() -> None:
    assert [bucket(size) for size in (1, 2, 3, 4, 5, 33)] == [1, 2, 4, 4, 8, 64]
    assert [bucket(size, 32) for size in (1, 32, 33)] == [32, 32, 64]


def test_buffers_are_lent_to_one_at_a_time_and_kept(translator: Translator) -> None:
    reserve = StaticTransformer.reserve(translator.engine, lambda: eager)
    first, second = reserve.lend(1, 20), reserve.lend(1, 20)
    assert first is not None
    assert second is not None
    assert first.decoding is not second.decoding
    assert reserve.lend(1, 20) is None, "two are in use"
    kept = first.decoding
    del first
    third = reserve.lend(4, 20)
    assert third is not None
    assert third.decoding is kept, "nobody held it any more"
    third.end()
    wider = reserve.lend(9, 40)
    assert wider is not None
    assert wider.decoding is not None
    assert (wider.decoding.capacity, wider.decoding.columns) == (64, 64)
    assert reserve.lend(4_000, 40) is None


def test_buffers_that_find_no_memory_are_done_without() -> None:
    def make(rows: int, columns: int) -> StaticTransformer:
        raise torch.OutOfMemoryError("full")

    assert Reserve(make, lambda rows, columns: 0, torch.device("cpu")).lend(1, 32) is None


@needs_card
@pytest.mark.cuda
@pytest.mark.parametrize("parameters", [{}, {"beam_size": 3}, {"do_sample": True, "seed": 2, "top_k": 9}])
def test_graphs_write_what_single_kernels_write(parameters: dict[str, Any]) -> None:
    translator = load(ROOT / "model" / "weights" / "de-en", "cuda")
    assert isinstance(translator, Translator)
    got, expected = with_and_without(translator, lambda: ids(translator, SENTENCES[:30], **parameters))
    assert got == expected
    model = load(ROOT / "model" / "weights" / "shakespeare", "cuda")
    request = Request("ROMEO:\nBut soft, what light" * 4, None, Parameters(max_new_tokens=40, **parameters))
    (mine,), (theirs,) = with_and_without(model, lambda: model.predict([request]))
    alike(mine, theirs)


@needs_card
@pytest.mark.cuda
def test_a_session_decodes_by_graphs() -> None:
    translator = load(ROOT / "model" / "weights" / "de-en", "cuda")
    session = translator.session()
    tickets = {session.add(Request(text)): text for text in SENTENCES[:20]}
    outcomes: dict[int, Any] = {}
    while session.busy:
        outcomes |= dict(session.step())
    translator.reserve = None
    for ticket, text in tickets.items():
        alike(outcomes[ticket], translator.predict([Request(text)])[0])


@needs_card
@pytest.mark.cuda
def test_a_step_is_captured_once_and_a_capture_that_fails_is_done_without() -> None:
    total = torch.zeros(3, device="cuda")
    graphs, runs = CudaGraphs(total.device), []

    def step() -> None:
        runs.append(1)
        total.add_(1)

    for _ in range(4):
        graphs("sum", step, (total,))
    assert total.tolist() == [4, 4, 4]
    assert len(runs) == 4, "three rehearsals and a capture"

    def waits() -> None:
        total.add_(float(total[0]) * 0 + 1)

    for _ in range(2):
        graphs("waits", waits, (total,))
    assert total.tolist() == [6, 6, 6]
