"""Every family: its maps are those of its own eager attention, and being looked at does not change what it predicts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from heedmap.model.attention.masks import Full
from heedmap.model.errors import TraceError
from heedmap.model.hub.attention.recorder import prepare
from tests.model.hub.comparison import cut, distances, mapped, recorded
from tests.model.hub.families import BY_NAME, FAMILIES
from tests.model.hub.family import HEADS, Family
from tests.model.hub.reference import reference_maps

EXACT = 1e-5  # of a weight in float32: two ways to sum a softmax
SAME = 1e-6  # of a prediction in float32: one kernel, the same tensors
REORDERED = 1e-5  # of a prediction in float32: another kernel's order of sums, carried through the layers
WRONG = 1e-2  # a weight that is as wrong as this belongs to another map

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def predicted(outputs: Any) -> dict[str, Tensor]:
    """What of a model's outputs its user reads."""
    names = ("logits", "last_hidden_state", "start_logits", "end_logits", "logits_per_image", "text_embeds")
    parts = {name: outputs[name] for name in names if outputs.get(name) is not None}
    assert parts, f"nothing to compare among {list(outputs)}"
    return parts


def kinds(description: dict[str, Any]) -> set[str]:
    """The kinds that a mask is made of."""
    return set().union(*map(kinds, description["masks"])) if "masks" in description else {description["kind"]}


@every_family
def test_every_map_is_the_eager_models(family: Family) -> None:
    expected = reference_maps(family)
    heads = {site: family.heads.get(site, HEADS) for site in family.sites}
    for row, maps in enumerate(mapped(family)):
        errors = distances(maps, cut(expected, family.lengths[row], row))
        assert {place: error for place, error in errors.items() if not error <= EXACT} == {}, f"row {row}"
        assert len(errors) == sum(layers * heads[site] for site, layers in family.sites.items())


@every_family
def test_every_map_is_the_eager_models_when_nothing_is_masked(family: Family) -> None:
    first = family.split(family.inputs(), 0)
    inputs = {name: value for name, value in first.items() if not name.endswith("attention_mask")}
    recorder, _ = recorded(prepare(family.build("eager")), inputs)
    expected = cut(reference_maps(family, inputs=inputs), family.lengths[0], 0)
    errors = distances(recorder.maps(0, family.lengths[0]), expected)
    assert {place: error for place, error in errors.items() if not error <= EXACT} == {}


@every_family
def test_sites_layers_heads_and_masks_are_the_architectures(family: Family) -> None:
    assert prepare(family.build("eager")).follows == family.follows
    for row, maps in enumerate(mapped(family)):
        assert {site: len(layers) for site, layers in maps.items()} == family.sites
        for site, layers in maps.items():
            heads = family.heads.get(site, HEADS)
            groups = family.kv_heads.get(site, heads) if family.follows else heads
            assert {(layer.heads, layer.kv_heads) for layer in layers} == {(heads, groups)}
            assert [layer.shape for layer in layers] == [family.lengths[row][site]] * len(layers)
            if site in family.masks:
                assert tuple(kinds(layer.mask.describe()) for layer in layers) == family.masks[site]


@every_family
def test_rows_sum_to_one_but_for_sinks(family: Family) -> None:
    for maps in mapped(family):
        for layer in (layer for layers in maps.values() for layer in layers):
            sums = layer.dense().sum(dim=-1)
            if family.leaks:
                assert 0 < float(sums.min()) < 1 - WRONG
                assert float(sums.max()) < 1
            else:
                torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=EXACT)


@every_family
def test_the_prediction_is_what_the_model_gives_without_us(family: Family) -> None:
    inputs = family.inputs() if family.batched else family.split(family.inputs(), 0)
    wiring = prepare(family.build("eager"))
    with torch.no_grad():
        plain = predicted(family.build(family.baseline)(**inputs))
        unrecorded = predicted(wiring.model(**inputs))
        while_recording = predicted(recorded(wiring, inputs)[1])
        after = predicted(wiring.model(**inputs))
    one_kernel = family.follows == (family.baseline == "sdpa")
    for name, values in plain.items():
        torch.testing.assert_close(unrecorded[name], values, rtol=0, atol=SAME if one_kernel else REORDERED)
        torch.testing.assert_close(while_recording[name], values, rtol=0, atol=REORDERED)
        assert torch.equal(after[name], unrecorded[name]), "the recorder left something behind"


def test_a_pass_in_pieces_is_refused_not_taken_for_more_layers() -> None:
    family = BY_NAME["qwen2-vl"]
    with pytest.raises(TraceError, match="several pieces"):
        recorded(prepare(family.build("eager")), family.inputs())


@pytest.mark.parametrize("name", ["bloom", "blip", "speecht5", "falcon-rotary"])
def test_a_family_of_its_own_kind_must_be_loaded_eager(name: str) -> None:
    family = BY_NAME[name]
    network = family.build("eager")
    for part in network.modules():
        if hasattr(part, "config"):
            part.config._attn_implementation_internal = "sdpa"
    with pytest.raises(ValueError, match="attn_implementation='eager'"):
        prepare(network)


@pytest.mark.parametrize("name", ["bert", "llama", "t5", "wav2vec2", "bloom"])
def test_forgotten_padding_is_found(name: str) -> None:
    family = BY_NAME[name]
    inputs = family.inputs()
    del inputs["attention_mask"]
    recorder, _ = recorded(prepare(family.build("eager")), inputs)
    expected = reference_maps(family)
    whole, padded = (
        distances(recorder.maps(r, family.lengths[r]), cut(expected, family.lengths[r], r)) for r in range(2)
    )
    # Under a causal mask, what stands behind a token is hidden anyway; so is padding on the right.
    hidden = name in ("llama", "bloom")
    assert (max(padded.values()) > WRONG) != hidden
    assert max(whole.values()) <= EXACT


@pytest.mark.parametrize("name", ["gpt2", "mistral", "gemma3", "marian", "clip"])
def test_a_lost_causal_mask_is_found(name: str) -> None:
    family = BY_NAME[name]
    expected, maps = reference_maps(family), mapped(family)[0]
    [site] = [site for site, masks in family.masks.items() if "causal" in masks[0]]
    maps[site] = [replace(layer, mask=Full()) for layer in maps[site]]
    errors = distances(maps, cut(expected, family.lengths[0], 0))
    assert {place[0] for place, error in errors.items() if error > WRONG} == {site}


@pytest.mark.parametrize("name", ["vit", "llama", "swin"])
def test_another_heads_map_is_found(name: str) -> None:
    family = BY_NAME[name]
    expected = {site: [w.roll(1, dims=1) for w in layers] for site, layers in reference_maps(family).items()}
    errors = distances(mapped(family)[0], cut(expected, family.lengths[0], 0))
    assert min(errors.values()) > WRONG


def test_the_references_are_far_from_uniform() -> None:
    for family in FAMILIES:
        for site, layers in cut(reference_maps(family), family.lengths[0], 0).items():
            for weights in layers:
                peak = float(weights.amax(dim=-1).mean())
                assert peak > 1.8 / weights.shape[-1], (family.name, site)


@every_family
def test_only_falcons_two_attentions_differ(family: Family) -> None:
    if not getattr(transformers, family.model)._supports_sdpa:
        with pytest.raises(ValueError, match="scaled_dot_product_attention"):
            family.build("sdpa")
        assert family.baseline == "eager"
        return
    with torch.no_grad():
        fused, eager = (predicted(family.build(name)(**family.inputs())) for name in ("sdpa", "eager"))
    worst = max(float((fused[name] - eager[name]).abs().max()) for name in fused)
    if family.name == "falcon-alibi":
        assert worst > WRONG, "transformers has mended Falcon: its baseline can be SDPA"
    else:
        assert worst <= REORDERED
        assert family.baseline == "sdpa"


def test_every_family_is_here() -> None:
    promised = (
        "bert roberta distilbert electra albert xlm-roberta deberta-v2 gpt2 opt bloom falcon-alibi falcon-rotary phi "
        "gpt-neox llama mistral qwen2 qwen3 mixtral gemma2 gemma3 gpt-oss marian bart mbart m2m-100 pegasus t5 vit "
        "deit beit swin dinov2 clip whisper wav2vec2 hubert speecht5 vision-encoder-decoder blip llava qwen2-vl"
    )
    assert set(promised.split()) <= BY_NAME.keys()
    assert len(BY_NAME) == len(FAMILIES)
