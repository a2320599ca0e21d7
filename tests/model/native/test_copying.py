"""A network that copies: the mixture worked by hand, its loss, and a served model whose map is what it copied by."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from heedmap.model.contract import Objective, Parameters, Prediction, Request
from heedmap.model.edits import Silence
from heedmap.model.errors import CheckpointError, CheckpointMismatch
from heedmap.model.load import embedded, load, peek
from heedmap.model.native import checkpoint
from heedmap.model.native.copying import CopyHead, Mixture
from heedmap.model.native.export import export_m2m100
from heedmap.model.native.passes import padded_ids
from heedmap.model.native.summarizer import Summarizer
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.native.transformer import Transformer, TransformerConfig
from heedmap.model.trace.trace import Trace

HEAD = CopyHead(layer=1, head=2)
TEXT = "Wo ist der Bahnhof? Wo ist der Tom?"


def config(vocabulary: int, **more: object) -> TransformerConfig:
    shape = {"width": 32, "feed_forward": 64, "heads": 4, "kv_heads": 2, "encoder_layers": 2, "decoder_layers": 2}
    names = {"task": "summarization", "source_language": "en", "target_language": "en", "vocabulary": vocabulary}
    return TransformerConfig.model_validate({**names, **shape, "copying": HEAD, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    torch.manual_seed(0)
    network = checkpoint.build(config(len(tokenizer), source_words=6))
    assert isinstance(network, Transformer)
    torch.nn.init.normal_(network.gate.weight)
    path = tmp_path_factory.mktemp("copying") / "titles"
    checkpoint.save(path, network, tokenizer)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Summarizer:
    loaded = load(folder)
    assert isinstance(loaded, Summarizer)
    return loaded


def mixture(requires_grad: bool = False) -> Mixture:
    """One place, four tokens in the vocabulary, a source of three tokens that has token 3 twice and token 1 once."""
    logits = torch.tensor([[[0.0, math.log(2.0), 0.0, 0.0]]], requires_grad=requires_grad)
    gate = torch.tensor([[[math.log(3.0)]]], requires_grad=requires_grad)  # p_gen = 3/4
    weights = torch.tensor([[[0.5, 0.3, 0.2]]]).log().requires_grad_(requires_grad)
    return Mixture(logits, gate, weights, torch.tensor([[3, 1, 3]]))


def test_the_mixture_worked_by_hand() -> None:
    """Written: 0.2, 0.4, 0.2, 0.2, three quarters of it; copied: 0, 0.3, 0, 0.7, a quarter."""
    parts = mixture()
    expected = torch.tensor([[[0.15, 0.3 + 0.075, 0.15, 0.15 + 0.175]]])
    torch.testing.assert_close(parts.log_probabilities().exp(), expected)
    torch.testing.assert_close(parts.written, torch.tensor([[0.75]]))
    torch.testing.assert_close(parts.copied(), torch.tensor([[[0.0, 0.3, 0.0, 0.7]]]))


@pytest.mark.parametrize("label", [0, 1, 3])
def test_the_loss_is_the_mixtures_and_so_is_its_gradient(label: int) -> None:
    whole, short = mixture(requires_grad=True), mixture(requires_grad=True)
    expected = -whole.log_probabilities()[0, 0, label]
    loss = short.loss(torch.tensor([[label]]), ignore=PAD + 100, smoothing=0.0)
    torch.testing.assert_close(loss, expected)
    expected.backward()
    loss.backward()
    for one, other in ((short.logits, whole.logits), (short.gate, whole.gate), (short.log_weights, whole.log_weights)):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad)


def test_places_without_a_label_count_for_nothing_and_smoothing_is_of_the_written_part() -> None:
    logits, gate = torch.randn(1, 2, 4), torch.randn(1, 2, 1)
    log_weights = torch.randn(1, 2, 3).log_softmax(-1)
    both = Mixture(logits, gate, log_weights, torch.tensor([[3, 1, 3]]))
    first = Mixture(logits[:, :1], gate[:, :1], log_weights[:, :1], both.ids)
    loss = both.loss(torch.tensor([[0, PAD]]), PAD, 0.1)
    torch.testing.assert_close(loss, first.loss(torch.tensor([[0]]), PAD, 0.1))
    uniform = -logits[0, 0].log_softmax(-1).mean()
    torch.testing.assert_close(loss, 0.9 * first.loss(torch.tensor([[0]]), PAD, 0.0) + 0.1 * uniform)


def test_a_head_that_copies_is_one_of_the_networks() -> None:
    with pytest.raises(ValidationError, match="no cross head 2 of layer 5 to copy by"):
        config(50, copying={"layer": 5, "head": 2})


def test_step_by_step_in_a_padded_batch_as_alone_under_teacher_forcing(model: Summarizer) -> None:
    network = model.network
    assert isinstance(network, Transformer)
    sources = [[5, 9, 7, 11, 9, END], [8, 6, END]]
    target = [END, 12, 9, 6]
    with torch.inference_mode():
        ids, lengths = padded_ids(sources, model.device)
        state = network.start(network.encode(ids, lengths), lengths, None, ids)
        steps = [network.decode(torch.tensor([[token], [token]]), state) for token in target]
        for row, source in enumerate(sources):
            alone = network(torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([target]))
            torch.testing.assert_close(torch.cat(steps, dim=1)[row], alone[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(alone.exp().sum(-1), torch.ones(1, len(target)))


def test_what_was_copied_is_the_heads_own_map(model: Summarizer) -> None:
    """From the trace alone: the map's rows, p_gen and the written part make the probability of each token."""
    [trace] = model.trace([Request(TEXT, parameters=Parameters(max_new_tokens=6))])
    assert isinstance(trace, Trace)
    assert trace.task == "summarization"
    assert trace.certificate.warning is None
    prediction, axes = trace.prediction, trace.axes
    shares = torch.tensor(prediction.output["p_gen"])
    assert len(shares) == len(axes["target"])
    assert ((shares > 0) & (shares < 1)).all()
    weights = trace.layers["cross"][HEAD.layer].window()[HEAD.head]  # Q K
    network = model.network
    assert isinstance(network, Transformer)
    with torch.inference_mode():
        source, prefix = (torch.tensor([axes[name].ids]) for name in ("source", "prefix"))
        lengths = torch.tensor([source.shape[1]])
        state = network.start(network.encode(source, lengths), lengths, None, source)
        hidden = network.decode_hidden(prefix, state)[0]
        written = F.linear(hidden, network.output_weight).softmax(-1)
    copied = torch.stack([weights[:, source[0] == token].sum(-1) for token in range(written.shape[1])], dim=-1)
    both = shares[:, None] * written + (1 - shares[:, None]) * copied
    both[:, PAD] = 0  # is never chosen
    both /= both.sum(dim=-1, keepdim=True)
    chosen = both.gather(1, torch.tensor(axes["target"].ids)[:, None]).log().sum()
    assert prediction.score == pytest.approx(float(chosen), abs=2e-5)


def test_it_reads_as_many_words_as_it_learnt_to(model: Summarizer) -> None:
    short, whole = model.predict([Request("Wo ist der Bahnhof? Wo ist"), Request(TEXT)])
    assert isinstance(short, Prediction)
    assert isinstance(whole, Prediction)
    assert whole.axes["source"].ids == short.axes["source"].ids
    assert whole.output["unread_words"] == 2
    assert "unread_words" not in short.output
    assert whole.to_json()["p_gen"] == whole.output["p_gen"]
    assert Prediction.from_json(whole.to_json(), whole.axes) == whole


@pytest.mark.parametrize("parameters", [Parameters(), Parameters(beam_size=3), Parameters(do_sample=True, seed=1)])
def test_however_it_decodes_its_score_is_that_of_one_pass(model: Summarizer, parameters: Parameters) -> None:
    limited = Parameters(**{**parameters.__dict__, "max_new_tokens": 5})
    [answer] = model.predict([Request(TEXT, parameters=limited)])
    assert isinstance(answer, Prediction)
    source, prefix, target = (torch.tensor([answer.axes[name].ids]) for name in ("source", "prefix", "target"))
    with torch.inference_mode():
        logits = model.network(source, torch.tensor([source.shape[1]]), prefix)
        logits[..., PAD] = -torch.inf  # is never chosen
        scored = logits.log_softmax(-1).gather(2, target[..., None]).sum()
    assert float(scored) == pytest.approx(answer.score, abs=1e-4)


def test_gradients_edits_and_embeddings(model: Summarizer) -> None:
    """An objective of a network that copies is the mixture's: what moves it moves the answer's score."""
    limited = Parameters(max_new_tokens=4)
    silence = Silence(kind="silence", site="cross", layer=0, head=1)
    [plain] = model.predict([Request(TEXT, parameters=limited)])
    assert isinstance(plain, Prediction)
    request = Request(TEXT, plain.text, limited, objective=Objective(tokens="all"))
    [given] = model.predict([request])
    assert isinstance(given, Prediction)
    [trace] = model.trace([request])
    assert isinstance(trace, Trace)
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(given.score, abs=1e-4)
    rows = [value for part in model.values_under(request, given, [[silence]]) for value in part]
    [edited] = model.predict([Request(TEXT, plain.text, limited, edits=(silence,))])
    assert isinstance(edited, Prediction)
    assert rows == pytest.approx([given.score, edited.score], abs=1e-4)
    one = embedded(model, Request(TEXT, plain.text, limited))
    assert float(one.value(one.embeddings)) == pytest.approx(given.score, abs=1e-4)
    places = list(model.likeliest(Request(TEXT, plain.text, limited), given, 3))
    assert len(places) == len(given.tokens)


def test_a_checkpoint_says_what_it_is(folder: Path, tmp_path: Path) -> None:
    assert peek(str(folder))["task"] == "summarization"
    with pytest.raises(CheckpointError, match="no head that copies"):
        export_m2m100(checkpoint.load(folder), tmp_path)
    text = (folder / "config.json").read_text()
    other = tmp_path / "other"
    checkpoint.rewrite(folder, other, torch.float16)
    start = text.index(',\n  "copying"')
    (other / "config.json").write_text(text[:start] + "\n}\n")
    with pytest.raises(CheckpointMismatch, match=r"unexpected tensors: gate\.bias, gate\.weight"):
        checkpoint.load(other)
