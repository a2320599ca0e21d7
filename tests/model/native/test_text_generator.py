"""A native language model, served: continuations, scores, traces of long texts, and what is refused."""

from pathlib import Path

import pytest
import torch

from heedmap.model.attention import kernels
from heedmap.model.contract import Parameters, Prediction, Request, Served
from heedmap.model.errors import Cancelled, EmptyInput, InputError, InputTooLong, ParameterError, TraceTooLarge
from heedmap.model.load import load
from heedmap.model.native import checkpoint, text_generator
from heedmap.model.native.language_model import LanguageModel, LanguageModelConfig
from heedmap.model.native.text_generator import TextGenerator
from heedmap.model.native.tokenizer import PAD, ByteTokenizer
from heedmap.model.trace.trace import Trace

TEXT = "Speak, speak.\nÜber 世界"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokenizer = ByteTokenizer.build()
    config = LanguageModelConfig(
        language="en",
        vocabulary=len(tokenizer),
        width=32,
        feed_forward=48,
        heads=4,
        kv_heads=2,
        windows=(4, None),
        max_positions=600,
    )
    network = LanguageModel(config)
    for parameter in network.parameters():
        parameter.data.mul_(8 if parameter.dim() > 1 else 1)
    path = tmp_path_factory.mktemp("language-model")
    checkpoint.save(path, network, tokenizer)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Served:
    loaded = load(folder)
    assert isinstance(loaded, TextGenerator)
    return loaded


def test_a_score_is_what_teacher_forcing_gives(model: Served) -> None:
    for parameters in (Parameters(max_new_tokens=6), Parameters(max_new_tokens=6, beam_size=3, length_penalty=0)):
        (answer,) = model.predict([Request(TEXT, parameters=parameters)])
        assert isinstance(answer, Prediction)
        assert answer.output == {"generated_text": answer.text}
        assert isinstance(model, TextGenerator)
        ids = answer.axes["tokens"].ids
        prompt = len(model.tokenizer.encode(TEXT).ids)
        assert model.tokenizer.decode(ids[prompt:]) == answer.text
        with torch.inference_mode():
            logits = model.network(torch.tensor([ids[:-1]]))[0, prompt - 1 :]
            logits[:, PAD] = -torch.inf  # never generated, so it has no share of the probability
            steps = logits.log_softmax(-1)
        expected = float(steps.gather(1, torch.tensor(ids[prompt:])[:, None]).sum())
        assert answer.score == pytest.approx(expected, abs=1e-4)


def test_a_given_continuation_is_scored(model: Served) -> None:
    (answer,) = model.predict([Request(TEXT, "!", Parameters())])
    assert isinstance(answer, Prediction)
    assert answer.text == "!"
    assert answer.tokens == ["!"]
    assert answer.score is not None
    assert answer.score < 0


def test_axes_spell_the_text_byte_by_byte(model: Served) -> None:
    (answer,) = model.predict([Request("aÜ\n世", "x")])
    assert isinstance(answer, Prediction)
    axis = answer.axes["tokens"]
    assert axis.labels == ["a", "<0xC3>", "<0x9C>", "⏎", "<0xE4>", "<0xB8>", "<0x96>", "x"]
    assert axis.spans == [(0, 1), (1, 2), (1, 2), (2, 3), (3, 4), (3, 4), (3, 4), (4, 5)]


def test_the_trace_of_a_long_text_is_certified(model: Served) -> None:
    (trace,) = model.trace([Request("To be, or not to be. " * 25, parameters=Parameters(max_new_tokens=3))])
    assert isinstance(trace, Trace)
    assert trace.certificate.warning is None
    assert [layer.mask.describe()["kind"] for layer in trace.layers["decoder"]] == ["both", "causal"]
    assert trace.map("decoder", 0).shape == (528, 528)
    assert trace.map("decoder", 0).kv_heads == 2


def test_a_trace_over_the_limit_is_refused_before_any_work(model: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    # A token takes, in each of 2 layers, 4 x (8 x 4 + 4) bytes of queries, 2 x 2 x 8 x 4 of keys and values and 4 x 4
    # of output norms.
    monkeypatch.setattr(model, "trace_limit", 2 * (4 * 36 + 128 + 16) * 100)
    monkeypatch.setattr(TextGenerator, "_answer", lambda *arguments: pytest.fail("work was done"))
    (refused,) = model.trace([Request("x" * 150)])
    assert isinstance(refused, TraceTooLarge)
    assert "about 100 positions would fit" in str(refused)
    monkeypatch.undo()
    (recorded,) = model.trace([Request("x" * 99, "!")])
    assert isinstance(recorded, Trace)
    assert recorded.nbytes == 2 * (4 * 36 + 128 + 16) * 100 + 2 * 4 * 4, "with what each head copies, at any length"


@pytest.mark.parametrize("target", [None, "And so."])
def test_a_trace_reads_the_prompt_once(model: Served, monkeypatch: pytest.MonkeyPatch, target: str | None) -> None:
    assert isinstance(model, TextGenerator)
    read: list[int] = []
    decode = model.network.decode_hidden

    def counted(ids: torch.Tensor, *rest: object) -> torch.Tensor:
        read.append(ids.shape[1])
        return decode(ids, *rest)

    monkeypatch.setattr(model.network, "decode_hidden", counted)
    for text in ("x" * 100, "x", "xy"):
        for beams in (1, 3):
            read.clear()
            parameters = Parameters(max_new_tokens=7, beam_size=beams)
            (trace,) = model.trace([Request(text, target, parameters)])
            assert isinstance(trace, Trace)
            new = len(trace.prediction.tokens)
            assert sum(read) <= len(text) + new + (7 if target is None else 0)
            assert trace.map("decoder", 0).shape == (len(text) + new,) * 2
            assert trace.certificate.warning is None


def test_a_text_taken_in_by_chunks_gives_the_same_trace(model: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request("To be, or not to be. " * 9, parameters=Parameters(max_new_tokens=4))
    (whole,) = model.trace([request])
    monkeypatch.setattr(text_generator, "CHUNK", 50)
    monkeypatch.setattr(kernels, "MASK_CELLS", 400)  # a few rows at a time
    (chunks,) = model.trace([request])
    assert isinstance(whole, Trace)
    assert isinstance(chunks, Trace)
    assert chunks.prediction.text == whole.prediction.text
    assert chunks.certificate.warning is None
    for layer in range(2):
        one, other = whole.map("decoder", layer), chunks.map("decoder", layer)
        torch.testing.assert_close(one.dense(), other.dense(), atol=1e-5, rtol=0)
        assert one.mask.describe() == other.mask.describe()


def test_a_text_can_be_given_up_between_two_chunks(model: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_generator, "CHUNK", 10)
    calls = iter([False, False, True])
    with pytest.raises(Cancelled):
        model.trace([Request("x" * 100)], lambda: next(calls))


@pytest.mark.parametrize(
    ("inputs", "target", "error"),
    [
        ("", None, EmptyInput),
        ({"image": b"x"}, None, ParameterError),
        ("x" * 601, None, InputTooLong),
        ("x" * 600, None, InputTooLong),
        ("x" * 590, "y" * 11, InputTooLong),
    ],
)
def test_bad_inputs_are_told(model: Served, inputs: str, target: str | None, error: type[InputError]) -> None:
    (answer,) = model.predict([Request(inputs, target)])
    assert isinstance(answer, error)
    assert answer.field in ("inputs", "target")


def test_a_prompt_that_fills_the_positions_but_one_gets_one_more(model: Served) -> None:
    (answer,) = model.predict([Request("x" * 599)])
    assert isinstance(answer, Prediction)
    assert len(answer.axes["tokens"]) == 600
