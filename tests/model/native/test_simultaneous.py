"""Simultaneous translation: policies worked by hand, and what holds of every model whatever its weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from heedmap.model.contract import Prediction, Request, Simultaneous
from heedmap.model.errors import EmptyInput, InputError, InputTooLong, ParameterError
from heedmap.model.load import load
from heedmap.model.measures.alignment import token_rows
from heedmap.model.measures.word_alignment import content_words
from heedmap.model.native import checkpoint
from heedmap.model.native.simultaneous import Line
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.native.transformer import AlignmentHead, TransformerConfig
from heedmap.model.native.translator import Translator
from heedmap.model.simultaneous import AlignAtt, LiveAnswer, LiveRequest, WaitK, check_policy
from heedmap.model.taught_head import Reading
from heedmap.model.trace.trace import Trace
from heedmap.model.words import Word, goes_on

Policy = AlignAtt | WaitK
TEXT = "Ich habe heute keine Zeit."
SHIPPED = Path(__file__).parents[3] / "model" / "weights"
LABELS = ["<s>", "<pad>", "</s>", "<unk>", "▁we", "▁have", "▁book", "s", ".", "▁", "'", "9"]
WE, HAVE, BOOK, S, STOP, SPACE, APOSTROPHE, NINE = range(4, 12)


def row(*weights: float) -> np.ndarray:
    return np.array(weights, np.float64)


# Of three source words, of one, two and one token, and the end mark.
FIRST, SECOND, THIRD = row(0.9, 0, 0, 0, 0.1), row(0.3, 0.3, 0.3, 0.1, 0), row(0, 0.1, 0, 0.9, 0)
MARK = row(0, 0, 0, 0.4, 0.6)
START = row(0, 0, 0, 1, 0)  # of the step that reads the beginning: by the reading "input" it is nobody's


def line(policy: Policy, *, final: bool = False, prefix: Sequence[int] = (), reading: Reading = "input") -> Line:
    words = [Word("Ich", [0]), Word("habe", [1, 2]), Word("Zeit", [3])]
    request = LiveRequest("Ich habe Zeit", tuple(prefix), final, policy)
    return Line(request, words, 4, list(prefix), reading, 12, LABELS)


def taken(one: Line, steps: Sequence[tuple[int, np.ndarray]]) -> Line:
    for token, weights in steps:
        assert not one.ended
        one.take(token, weights)
    return one


def test_alignatt_stops_at_the_first_token_that_looks_at_the_last_words() -> None:
    # "we" looks at word 0 of 3, "have" by 0.6 in two tokens at word 1: with f = 1 both go, "book" looks at the last.
    done = taken(line(AlignAtt(frames=1)), [(WE, START), (HAVE, FIRST), (BOOK, SECOND), (STOP, THIRD)])
    assert done.looks == [(0, pytest.approx(0.9)), (1, pytest.approx(0.6)), (2, pytest.approx(0.9))]
    assert (done.held, done.why, done.cut(), done.ended) == (2, "late", 2, True)
    # with f = 2 "have" looks at one of the last two
    done = taken(line(AlignAtt(frames=2)), [(WE, START), (HAVE, FIRST), (BOOK, SECOND)])
    assert (done.held, done.why, done.cut(), done.ended) == (1, "late", 1, True)
    assert taken(line(AlignAtt(frames=3)), [(WE, START), (HAVE, FIRST)]).cut() == 0


def test_the_row_is_that_of_the_reading() -> None:
    # By "output" a token's row is that of the step that writes it.
    done = taken(
        line(AlignAtt(frames=1), reading="output"), [(WE, FIRST), (HAVE, SECOND), (BOOK, THIRD), (STOP, START)]
    )
    assert [position for position, _ in done.looks[:3]] == [0, 1, 2]
    assert (done.held, done.cut()) == (2, 2)


def test_what_looks_at_the_end_mark_waits() -> None:
    done = taken(line(AlignAtt(frames=1)), [(WE, START), (HAVE, MARK)])
    assert done.looks == [(None, pytest.approx(0.6))]
    assert (done.held, done.why) == (0, "late")


def test_only_whole_words_are_committed() -> None:
    # "books": "book" looks back, "s" at the last word: neither is committed.
    done = taken(line(AlignAtt(frames=1)), [(WE, START), (BOOK, FIRST), (S, FIRST), (HAVE, THIRD)])
    assert (done.held, done.cut(), done.told(), done.ended) == (2, 1, 3, True)
    # and where both look back, both are
    done = taken(line(AlignAtt(frames=1)), [(WE, START), (BOOK, FIRST), (S, FIRST), (HAVE, FIRST), (WE, THIRD)])
    assert (done.held, done.cut()) == (3, 3)


def test_the_end_waits_with_its_full_stop_until_the_source_is_complete() -> None:
    steps = [(WE, START), (STOP, FIRST), (END, FIRST)]
    done = taken(line(AlignAtt(frames=1)), steps)
    assert (done.held, done.why, done.cut(), done.ended) == (1, "end", 1, True)
    done = taken(line(AlignAtt(frames=1)), [(WE, START), (END, FIRST)])
    assert (done.held, done.why, done.cut()) == (1, "end", 1), "no mark: the word before the end stays"
    done = taken(line(AlignAtt(frames=1), final=True), steps)
    assert (done.held, done.cut(), done.ended) == (None, 2, True)


def test_wait_k_counts_words() -> None:
    # 3 words are read: k = 4 writes none, k = 3 one ("books", of two tokens), k = 2 two.
    done = taken(line(WaitK(kind="wait-k", k=4)), [(BOOK, START), (S, THIRD), (HAVE, THIRD)])
    assert (done.held, done.why, done.cut()) == (0, "early", 0)
    done = taken(line(WaitK(kind="wait-k", k=3)), [(BOOK, START), (S, THIRD), (HAVE, THIRD), (WE, THIRD)])
    assert (done.held, done.why, done.cut()) == (2, "early", 2)
    done = taken(line(WaitK(kind="wait-k", k=2)), [(BOOK, START), (S, THIRD), (HAVE, THIRD), (WE, THIRD), (WE, THIRD)])
    assert (done.held, done.why, done.cut()) == (3, "early", 3)
    # what is committed counts: one word is there, so k = 3 writes no more
    done = taken(line(WaitK(kind="wait-k", k=3), prefix=[WE]), [(WE, START), (HAVE, FIRST), (BOOK, FIRST)])
    assert (done.held, done.cut()) == (1, 1)


def test_a_word_goes_on_in_letters_digits_and_apostrophes_alone() -> None:
    for before, after in (("▁book", "s"), ("▁don", "'"), ("'", "t"), ("1", "9")):
        assert goes_on(before, after)
    for before, after in (("▁book", "▁s"), ("▁book", "."), (".", "s"), ("我", "有"), ("", "s")):
        assert not goes_on(before, after)
    steps = [(SPACE, START), (S, FIRST), (APOSTROPHE, FIRST), (NINE, FIRST), (STOP, FIRST)]
    done = taken(line(AlignAtt(frames=1)), steps)
    assert done.begins == [True, False, False, False, True], "a bare mark of a space begins the word after it"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "waitk"}, "kind"),
        ("alignatt", "kind"),
        ({"kind": "alignatt", "k": 3}, "k"),
        ({"kind": "alignatt", "frames": 0}, "frames"),
        ({"kind": "wait-k", "k": "3"}, "k"),
    ],
)
def test_policies_say_what_is_wrong(wrong: object, field: str) -> None:
    assert check_policy({"kind": "wait-k", "k": 5}) == WaitK(kind="wait-k", k=5)
    with pytest.raises(ParameterError) as caught:
        check_policy(wrong)
    assert caught.value.field == field


@pytest.fixture(scope="module", params=["taught", "untaught", "recurrent", "shipped"])
def model(
    request: pytest.FixtureRequest,
    tiny: Path,
    tiny_gru: Path,
    tokenizer: Tokenizer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Translator:
    folder = {"untaught": tiny, "recurrent": tiny_gru, "shipped": SHIPPED / "de-en"}.get(request.param)
    if folder is None:
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("simultaneous") / "taught"
        config = TransformerConfig(
            source_language="de",
            target_language="en",
            vocabulary=len(tokenizer),
            max_positions=64,
            alignment=AlignmentHead(layer=1, head=3),
            width=32,
            feed_forward=64,
            heads=4,
            kv_heads=2,
            encoder_layers=1,
            decoder_layers=2,
        )
        checkpoint.save(folder, checkpoint.build(config), tokenizer)
    loaded = load(folder)
    assert isinstance(loaded, Translator)
    assert isinstance(loaded, Simultaneous)
    return loaded


def live(model: Translator, *requests: LiveRequest) -> list[LiveAnswer]:
    answers = []
    for answer in model.simultaneous(requests):
        assert isinstance(answer, LiveAnswer), answer
        answers.append(answer)
    return answers


def test_a_complete_source_with_nothing_committed_is_plain_greedy_translation(model: Translator) -> None:
    texts = [TEXT, "Wo ist der Bahnhof?", "Ja."]
    for policy in (AlignAtt(frames=2), WaitK(kind="wait-k", k=2)):
        for text, answer in zip(texts, live(model, *(LiveRequest(t, (), True, policy) for t in texts)), strict=True):
            [whole] = model.predict([Request(text)])
            assert isinstance(whole, Prediction)
            ids = whole.axes["target"].ids
            assert answer.committed == [token for token in ids if token != END]
            assert answer.text == answer.draft == whole.text
            assert answer.finished == (ids[-1] == END)
            assert all(decision.committed and decision.why == "complete" for decision in answer.decisions)


@pytest.mark.parametrize("policy", [AlignAtt(frames=1), AlignAtt(frames=3), WaitK(kind="wait-k", k=1)])
def test_what_is_committed_never_changes(model: Translator, policy: Policy) -> None:
    words = ["Das", "Mädchen", "liest", "heute", "ein", "schönes", "Buch", "über", "Köln", "."]
    ids: tuple[int, ...] = ()
    text = ""
    for read in range(1, len(words) + 1):
        [answer] = live(model, LiveRequest(" ".join(words[:read]), ids, read == len(words), policy))
        assert answer.committed[: len(ids)] == list(ids)
        assert answer.text.startswith(text)
        assert answer.draft.startswith(answer.text)
        new = answer.text[len(text) :]
        assert not goes_on(text, new), "a committed word is whole"
        assert [word.text for word in answer.source] == words[:read]
        told = [decision.id for decision in answer.decisions if decision.committed and decision.id != END]
        assert [*ids, *told] == answer.committed
        ids, text = tuple(answer.committed), answer.text
    assert ids or answer.finished, "the whole source is translated at last, a random model to nothing"


def test_where_a_token_looks_is_what_its_trace_says(model: Translator) -> None:
    [answer] = live(model, LiveRequest(TEXT, (), True))
    [trace] = model.trace([Request(TEXT)])
    assert isinstance(trace, Trace)
    maps = np.stack([trace.map("cross", layer).dense().float().numpy() for layer in range(len(trace.layers["cross"]))])
    head = answer.head
    weights = maps.mean(axis=(0, 1)) if head is None else token_rows(maps[head.layer, head.head], head.reading)
    words = content_words(trace.axes["source"])
    assert [word.text for word in words] == [word.text for word in answer.source]
    judged = [place for place, d in enumerate(answer.decisions) if d.id != END and d.weight is not None]
    assert judged or not answer.committed, "a random model may end at once"
    for place in judged:
        decision = answer.decisions[place]
        shares = [weights[place, word.tokens].sum() for word in words]
        looked = weights[place, -1] if decision.position is None else shares[decision.position]
        assert decision.weight == pytest.approx(looked, abs=1e-4)
        assert decision.weight == pytest.approx(max([*shares, weights[place, -1]]), abs=1e-4)


def test_a_batch_answers_as_each_alone_does(model: Translator) -> None:
    requests = [
        LiveRequest("Ich habe heute", (), False, AlignAtt(frames=1)),
        LiveRequest("Wo", (), False, WaitK(kind="wait-k", k=1)),
        LiveRequest(TEXT, "I have", True),
        LiveRequest(TEXT, (), True),
    ]
    together = live(model, *requests)
    for request, answer in zip(requests, together, strict=True):
        [alone] = live(model, request)
        assert (answer.committed, answer.draft) == (alone.committed, alone.draft)
        assert [(d.why, d.committed) for d in answer.decisions] == [(d.why, d.committed) for d in alone.decisions]
    assert together[2].text.startswith("I have")


def test_each_has_its_own_error(model: Translator) -> None:
    room = model.network.config.max_positions
    answers = model.simultaneous(
        [
            LiveRequest(" ", ()),
            LiveRequest(TEXT, (len(model.tokenizer),)),
            LiveRequest(TEXT, (5, END)),
            LiveRequest(TEXT, (PAD,)),
            LiveRequest(TEXT, (5,) * room),
            LiveRequest("Ja. " * room, ()),
            LiveRequest(TEXT, ()),
        ]
    )
    assert [type(answer) for answer in answers] == [
        *(EmptyInput, ParameterError, ParameterError, ParameterError, InputTooLong, InputTooLong, LiveAnswer)
    ]
    fields = [answer.field for answer in answers if isinstance(answer, InputError)]
    assert fields == ["inputs", "committed.0", "committed.1", "committed.0", "committed", "inputs"]


def test_the_shipped_model_waits_for_the_verb() -> None:
    loaded = load(SHIPPED / "de-en")
    assert isinstance(loaded, Translator)
    [early] = live(loaded, LiveRequest("Ich habe gestern", (), False, AlignAtt(frames=2)))
    assert early.text == "I", "what was done yesterday is still to come"
    assert early.head is not None
    assert (early.head.layer, early.head.head, early.head.reading) == (1, 1, "input")
