"""Teaching a head: references of tokens by hand, the loss against PyTorch's, and an error rate that falls."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError, InputError
from heedmap.model.measures.aligner import align
from heedmap.model.measures.alignment_error import Reference, alignment_error_rate
from heedmap.model.native import checkpoint
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import AlignmentHead, Transformer, TransformerConfig
from heedmap.model.native.transformer_state import TappedHead
from heedmap.model.native.translator import Translator
from heedmap.model.trace.recorder import Recorder
from heedmap.model.trace.trace import Trace
from heedmap.model.training.data import Batches, Pair
from heedmap.model.training.guide import (
    Guide,
    GuidedBatches,
    guided_cross_entropy,
    read_links,
    reference_rows,
    token_links,
    with_links,
)
from heedmap.model.training.loop import Recipe, Trainer
from heedmap.model.training.run import taught

CPU = torch.device("cpu")
HEAD = AlignmentHead(layer=0, head=1)
DIGITS = "0123456789"
# Every target is its source from the back: a head that looks straight ahead has nearly every link wrong.
PAIRS = [
    Pair(f"{a} {b} {c}", f"{c} {b} {a}", frozenset({(0, 2), (1, 1), (2, 0)}))
    for a in DIGITS[:5]
    for b in DIGITS[:5]
    for c in DIGITS[5:9]
]


def network(tokenizer: Tokenizer, kv_heads: int = 2) -> Transformer:
    torch.manual_seed(0)
    shape = {"width": 32, "feed_forward": 64, "heads": 4, "encoder_layers": 1, "decoder_layers": 2}
    shape["kv_heads"] = kv_heads
    config = TransformerConfig(
        source_language="de", target_language="en", vocabulary=len(tokenizer), dropout=0, **shape
    )
    built = checkpoint.build(config)
    assert isinstance(built, Transformer)
    return built


def test_references_by_hand() -> None:
    # target tokens x y </s>, source tokens a b c </s>; y is linked to a and c, x to nothing
    links = [(1, 0), (1, 2)]
    x, y, end = [0, 0, 0, 1], [0.5, 0, 0.5, 0], [0, 0, 0, 1]
    assert reference_rows(links, 3, 4, "output").tolist() == [x, y, end]
    assert reference_rows(links, 3, 4, "input").tolist() == [[0, 0, 0, 0], x, y]


def test_links_of_words_become_links_of_their_tokens(tokenizer: Tokenizer) -> None:
    pair = Pair("Bahnhof 12", "12 station", frozenset({(1, 0)}))
    source, target = (tokenizer.encode(text) for text in (pair.source, pair.target))
    left = [place for place, (start, stop) in enumerate(source.spans) if len("Bahnhof ") <= start < stop]
    right = [place for place, (start, stop) in enumerate(target.spans) if start < stop <= 2]
    links = token_links(pair, tokenizer)
    assert links is not None
    assert set(links) >= {(b, a) for b in right for a in left}
    assert {source.labels[a].strip("▁") for _, a in links} <= {"1", "2", "12", ""}, "of the linked word alone"
    assert token_links(Pair("a", "b"), tokenizer) is None
    with pytest.raises(InputError, match="beyond the words"):
        token_links(Pair("a", "b", frozenset({(0, 1)})), tokenizer)


def test_the_loss_is_pytorchs_over_guided_rows() -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 5, 4, requires_grad=True)
    places = torch.tensor([[0, 3, 1, -100, 2], [-100, 1, 1, 2, -100]])
    reference = F.one_hot(places.clamp(min=0), 4) * (places >= 0)[..., None]
    ours = guided_cross_entropy(scores.log_softmax(-1), reference.float())
    theirs = F.cross_entropy(scores.flatten(0, 1), places.flatten())
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, scores, retain_graph=True)[0] for loss in (ours, theirs)))
    nothing = guided_cross_entropy(scores.log_softmax(-1), torch.zeros(2, 5, 4))
    assert nothing == 0
    masked = torch.tensor([[[0.0, -torch.inf]]])
    assert guided_cross_entropy(masked, torch.tensor([[[1.0, 0.0]]])) == 0


def test_the_tapped_weights_are_the_recorded_ones(tokenizer: Tokenizer) -> None:
    net = network(tokenizer).eval()
    source, target = torch.randint(4, 40, (2, 6)), torch.randint(4, 40, (2, 5))
    lengths = torch.tensor([6, 4])
    recorder, tapped = Recorder(), TappedHead(1, 3)
    with torch.no_grad():
        expected = net.hidden(source, lengths, target)
        torch.testing.assert_close(net.hidden(source, lengths, target, tapped), expected)
        net(source, lengths, target, recorder)
    assert tapped.log_weights is not None
    maps = recorder.maps(1, {"encoder": (4, 4), "decoder": (5, 5), "cross": (5, 4)})
    torch.testing.assert_close(tapped.log_weights[1, :, :4].exp(), maps["cross"][1].dense()[3], atol=1e-5, rtol=0)
    assert tapped.log_weights[1, :, 4:].exp().max() == 0, "padding has no weight"


def error_rate(net: Transformer, tokenizer: Tokenizer) -> float:
    model = Translator(checkpoint.Checkpoint(net.eval(), tokenizer, "0"))
    traces = model.trace([Request(pair.source, pair.target) for pair in PAIRS[::7]])
    assert all(isinstance(trace, Trace) for trace in traces)
    found = [align(trace).links for trace in traces if isinstance(trace, Trace)]
    references = [Reference(pair.links, pair.links) for pair in PAIRS[::7] if pair.links is not None]
    return alignment_error_rate(zip(found, references, strict=True))


def test_a_taught_head_aligns(tokenizer: Tokenizer, tmp_path: Path) -> None:
    net = taught(network(tokenizer), HEAD)
    before = error_rate(net, tokenizer)
    recipe = Recipe(epochs=40, batch_tokens=200, learning_rate=5e-3, warmup_steps=4, label_smoothing=0)
    trainer = Trainer(net, recipe, tmp_path, CPU, Guide(HEAD))
    reports = list(trainer.run(GuidedBatches(PAIRS, tokenizer, 200, HEAD.reading)))
    after = error_rate(net, tokenizer)
    assert after < 0.1 < 0.4 < before, (before, after)
    assert reports[-1]["loss"] < reports[0]["loss"]


def test_a_head_is_taught_alone_and_all_else_stays_as_it_was(tokenizer: Tokenizer, tmp_path: Path) -> None:
    net = taught(network(tokenizer, kv_heads=4), HEAD)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    recipe = Recipe(epochs=2, batch_tokens=200, learning_rate=5e-3, warmup_steps=4, weight_decay=0.5)
    guide, batches = Guide(HEAD, alone=True), GuidedBatches(PAIRS, tokenizer, 200, HEAD.reading)
    trainer = Trainer(net, recipe, tmp_path, CPU, guide)
    reports = list(trainer.run(batches))
    part = slice(HEAD.head * net.decoder[HEAD.layer].cross.size, (HEAD.head + 1) * net.decoder[HEAD.layer].cross.size)
    own = f"decoder.{HEAD.layer}.cross"
    for name, weight in net.named_parameters():
        rest = torch.ones_like(weight, dtype=torch.bool)
        if name.startswith(f"{own}.") and name != f"{own}.output.bias":
            rest.movedim(1 if name == f"{own}.output.weight" else 0, 0)[part] = False
            # A key's bias adds the same to all scores of a row, and has no gradient but rounding.
            assert name == f"{own}.key.bias" or not torch.equal(weight[~rest], before[name][~rest]), name
        assert torch.equal(weight[rest], before[name][rest]), name
    assert reports[-1]["loss"] < reports[0]["loss"]
    again = Trainer(
        taught(network(tokenizer, kv_heads=4), HEAD), recipe.model_copy(update={"epochs": 3}), tmp_path, CPU, guide
    )
    assert again.resume()
    assert [report["epoch"] for report in again.run(batches)] == [3]


def test_a_head_that_shares_its_keys_is_not_taught_alone(tokenizer: Tokenizer) -> None:
    with pytest.raises(CheckpointError, match="share keys"):
        Guide(HEAD, alone=True).freeze(network(tokenizer, kv_heads=2))


def test_pairs_without_links_are_translated_alone(tokenizer: Tokenizer) -> None:
    plain = [Pair(pair.source, pair.target) for pair in PAIRS]
    guided, unguided = GuidedBatches(plain, tokenizer, 200, "input"), Batches(plain, tokenizer, 200)
    for batch, other in zip(guided.epoch(3), unguided.epoch(3), strict=True):
        assert batch.reference.sum() == 0
        assert torch.equal(batch.labels, other.labels)
        assert torch.equal(batch.source, other.source)


def test_a_checkpoint_says_which_head_aligns(tokenizer: Tokenizer, tmp_path: Path) -> None:
    net = network(tokenizer)
    checkpoint.save(tmp_path / "plain", net, tokenizer)
    assert "alignment" not in (tmp_path / "plain" / "config.json").read_text()
    checkpoint.save(tmp_path / "taught", taught(net, HEAD), tokenizer)
    model = Translator.load(tmp_path / "taught")
    assert model.describe()["alignment"] == {"layer": 0, "head": 1, "reading": "input"}
    [trace] = model.trace([Request("1 2", "2 1")])
    assert isinstance(trace, Trace)
    assert trace.model["alignment"] == "0.1.input"
    trace.save(tmp_path / "trace.safetensors")
    assert Trace.load(tmp_path / "trace.safetensors").model["alignment"] == "0.1.input"


def test_there_must_be_such_a_head(tokenizer: Tokenizer, tiny_gru: Path) -> None:
    with pytest.raises(CheckpointError, match="no cross layer 2"):
        taught(network(tokenizer), AlignmentHead(layer=2, head=0))
    with pytest.raises(CheckpointError, match="only a Transformer"):
        taught(checkpoint.load(tiny_gru).network, HEAD)
    with pytest.raises(InputError, match=r"LAYER\.HEAD"):
        Guide.parse("1")
    assert Guide.parse("1.4", "output", 0.2) == Guide(AlignmentHead(layer=1, head=4, reading="output"), 0.2)


def test_a_file_of_links_has_a_line_for_each_pair(tmp_path: Path) -> None:
    path = tmp_path / "links"
    path.write_text("0-0 1p1\n\n", encoding="utf-8")
    assert read_links(path) == [frozenset({(0, 0), (1, 1)}), frozenset()]
    pairs = [Pair("a", "b"), Pair("c", "d")]
    assert with_links(pairs, read_links(path))[0].links == frozenset({(0, 0), (1, 1)})
    with pytest.raises(InputError, match="the lines of links end before line 3"):
        with_links([*pairs, Pair("e", "f")], read_links(path))
    with pytest.raises(InputError, match="the pairs end before line 2"):
        with_links(pairs[:1], read_links(path))
    path.write_text("0-0\n0 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="links line 2: expected links"):
        read_links(path)
