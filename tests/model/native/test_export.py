"""The exported folder, opened by transformers, is the same function: an independent implementation agrees."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from heedmap.model.errors import CheckpointError
from heedmap.model.hub.attention.chunks import cache_argument
from heedmap.model.native.checkpoint import Checkpoint
from heedmap.model.native.export import export_m2m100, rename
from heedmap.model.native.recurrent import Recurrent, RecurrentConfig
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.native.transformer import Transformer, TransformerConfig

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
TEXTS = ["der alte Mann liest ein Buch.", "das Haus ist alt.", "ein Mann und ein Buch, 12 Seiten"]
SHAPES = {
    "encoder_deeper": {"encoder_layers": 3, "decoder_layers": 1, "width": 32, "heads": 4, "feed_forward": 48},
    "decoder_deeper": {"encoder_layers": 1, "decoder_layers": 2, "width": 16, "heads": 1, "feed_forward": 64},
    "one_wide_head_each": {"encoder_layers": 2, "decoder_layers": 3, "width": 24, "heads": 12, "feed_forward": 24},
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS * 4, 90)


def checkpoint(tokenizer: Tokenizer, **shape: int) -> Checkpoint:
    torch.manual_seed(7)
    fields = {"kv_heads": shape["heads"], **shape}
    config = TransformerConfig(
        source_language="de", target_language="en", vocabulary=len(tokenizer), max_positions=40, **fields
    )
    network = Transformer(config).eval()
    for parameter in network.parameters():  # norms and biases too: at their initial 1 and 0 a swap would not show
        torch.nn.init.normal_(parameter, std=0.3)
    return Checkpoint(network, tokenizer, "test")


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def exported(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Checkpoint, Path]:
    native = checkpoint(tokenizer, **SHAPES[request.param])
    folder = tmp_path_factory.mktemp(request.param)
    export_m2m100(native, folder)
    return native, folder


def opened(folder: Path) -> "transformers.M2M100ForConditionalGeneration":
    model, report = transformers.M2M100ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not any(report[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    return model.eval()


def batch(vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """Source ids padded on the right, their lengths, and a target prefix."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.tensor([9, 2, 5])
    source = torch.randint(4, vocabulary, (3, 9), generator=generator)
    source[torch.arange(9) >= lengths[:, None]] = PAD
    target = torch.randint(4, vocabulary, (3, 7), generator=generator)
    target[:, 0] = END
    return source, lengths, target


@torch.inference_mode()
def difference(native: Checkpoint, model: "transformers.M2M100ForConditionalGeneration") -> float:
    source, lengths, target = batch(len(native.tokenizer))
    ours = native.network(source, lengths, target)
    theirs = model(input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=target).logits
    assert ours.abs().max() > 1  # not equal for being nothing
    return float((ours - theirs).abs().max())


def test_logits_are_the_same(exported: tuple[Checkpoint, Path]) -> None:
    native, folder = exported
    assert difference(native, opened(folder)) <= TOLERANCE


@torch.inference_mode()
def test_cached_steps_are_the_same(exported: tuple[Checkpoint, Path]) -> None:
    native, folder = exported
    source, lengths, target = batch(len(native.tokenizer))
    model, mask = opened(folder), (source != PAD).long()
    state = native.network.start(native.network.encode(source, lengths), lengths)
    memory = model.get_encoder()(input_ids=source, attention_mask=mask)
    cache, name = None, cache_argument(model)
    for step in range(target.shape[1]):
        token = target[:, step : step + 1]
        ours = native.network.decode(token, state)
        theirs = model(
            encoder_outputs=memory,
            attention_mask=mask,
            decoder_input_ids=token,
            use_cache=True,
            **{name: cache},
        )
        cache = theirs[name]
        torch.testing.assert_close(ours, theirs.logits, rtol=0, atol=TOLERANCE)


def test_every_tensor_matters(exported: tuple[Checkpoint, Path]) -> None:
    """A mapping that got any one tensor wrong would not pass: all but the keys' biases, which softmax cancels."""
    native, folder = exported
    model = opened(folder)
    parameters = dict(model.named_parameters())
    assert set(parameters) == set(load_file(folder / "model.safetensors"))
    for name, parameter in parameters.items():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.mul_(1.5).add_(0.1)
        if name.endswith("k_proj.bias"):
            assert difference(native, model) <= 1e-4
        else:
            assert difference(native, model) > 10 * TOLERANCE, name
        with torch.no_grad():
            parameter.copy_(kept)
    assert difference(native, model) <= TOLERANCE


def test_swapped_norms_do_not_pass(tokenizer: Tokenizer, tmp_path: Path) -> None:
    native = checkpoint(tokenizer, **SHAPES["encoder_deeper"])
    export_m2m100(native, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    first, second = (f"model.encoder.layers.0.{n}.weight" for n in ("self_attn_layer_norm", "final_layer_norm"))
    tensors[first], tensors[second] = tensors[second].clone(), tensors[first].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert difference(native, opened(tmp_path)) > 10 * TOLERANCE


def test_the_tokenizer_gives_the_same_ids(exported: tuple[Checkpoint, Path]) -> None:
    native, folder = exported
    for opener in (transformers.PreTrainedTokenizerFast, transformers.AutoTokenizer):
        theirs = opener.from_pretrained(folder)
        for text in [*TEXTS, "unbekannt: ☃ und  zwei Räume"]:
            ids = native.tokenizer.encode(text).ids
            assert theirs(text).input_ids == ids
            assert theirs.decode(ids, skip_special_tokens=True).strip() == native.tokenizer.decode(ids)
        assert (theirs.pad_token_id, theirs.eos_token_id) == (PAD, END)


def test_generate_needs_nothing_more(exported: tuple[Checkpoint, Path]) -> None:
    native, folder = exported
    source, _, _ = batch(len(native.tokenizer))
    out = opened(folder).generate(source[:1], attention_mask=torch.ones(1, 9, dtype=torch.long), max_new_tokens=5)
    assert out[0, 0] == END
    state = native.network.start(native.network.encode(source[:1], torch.tensor([9])), torch.tensor([9]))
    ids = [END]
    for _ in range(5):
        ids.append(int(native.network.decode(torch.tensor([[ids[-1]]]), state)[0, -1].argmax()))
    assert out[0].tolist() == ids[: out.shape[1]]


def test_config_names_the_shape(exported: tuple[Checkpoint, Path]) -> None:
    native, folder = exported
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "m2m_100"
    assert config["d_model"] == native.network.config.width
    assert config["decoder_start_token_id"] == END


def test_grouped_heads_cannot_be_exported(tokenizer: Tokenizer, tmp_path: Path) -> None:
    native = checkpoint(tokenizer, **SHAPES["encoder_deeper"], kv_heads=2)
    with pytest.raises(CheckpointError, match=r"no grouped key/value heads: heads 4, kv_heads 2") as caught:
        export_m2m100(native, tmp_path / "out")
    assert caught.value.field == "kv_heads"
    assert not (tmp_path / "out").exists()


def test_other_positions_cannot_be_exported(tokenizer: Tokenizer, tmp_path: Path) -> None:
    native = checkpoint(tokenizer, **SHAPES["encoder_deeper"], first_position=0)
    with pytest.raises(CheckpointError, match="counts positions from 2, this network from 0"):
        export_m2m100(native, tmp_path / "out")


def test_a_recurrent_network_cannot_be_exported(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = RecurrentConfig(source_language="de", target_language="en", vocabulary=len(tokenizer))
    with pytest.raises(CheckpointError, match="only a transformer exports"):
        export_m2m100(Checkpoint(Recurrent(config), tokenizer, "test"), tmp_path / "out")


@pytest.mark.parametrize("name", ["encoder.0.attention.gate.weight", "encoder.0.norm.weight", "extra.weight"])
def test_a_tensor_without_counterpart_is_an_error(name: str) -> None:
    with pytest.raises(CheckpointError, match="no counterpart"):
        rename(name)
