"""Generated sequences: one teacher-forced pass sees what the decoder saw step by step."""

from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.hub.attention.recorder import prepare
from tests.model.hub.comparison import cut, distances, recorded
from tests.model.hub.families import BY_NAME
from tests.model.hub.family import TOKENS, Family, Lengths, attended, ids
from tests.model.hub.reference import Maps

EXACT = 1e-5  # of a weight in float32: two ways to sum a softmax
STEPS = 6  # tokens to generate: with the prompt, more than any sliding window holds
PROMPT = 5


def generate(network: Any, inputs: dict[str, Tensor]) -> Any:
    """Greedy decoding with its cache and every step's weights, never shorter than asked for."""
    length = {"max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False, "num_beams": 1}
    with torch.no_grad():
        return network.generate(**inputs, **length, output_attentions=True, return_dict_in_generate=True)


def joined(steps: tuple[tuple[Tensor, ...], ...], causal: bool) -> list[Tensor]:
    """Each layer's rows of all steps as one map; a sliding cache has forgotten its first keys, so these align right."""
    layers = []
    for parts in zip(*steps, strict=True):
        queries = sum(part.shape[2] for part in parts)
        keys = queries if causal else parts[0].shape[3]
        full, row = torch.zeros(*parts[0].shape[:2], queries, keys), 0
        for part in parts:
            row += part.shape[2]
            end = row if causal else keys
            full[:, :, row - part.shape[2] : row, end - part.shape[3] : end] = part
        layers.append(full)
    return layers


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "gemma3", "gpt-oss", "bloom"])
def test_a_decoders_steps_are_one_pass(name: str) -> None:
    family = BY_NAME[name]
    prompt = {"input_ids": ids((PROMPT, PROMPT), 0, 7), "attention_mask": attended((PROMPT, PROMPT))}
    generated = generate(family.build("eager"), prompt)
    expected = {"decoder": joined(generated.attentions, causal=True)}
    length = PROMPT + STEPS - 1  # nobody attends from the last token: it was not read
    assert expected["decoder"][0].shape[2:] == (length, length)
    read = generated.sequences[:, :length]
    forced = {"input_ids": read, "attention_mask": torch.ones_like(read)}
    compare(family, forced, expected, [{"decoder": (length, length)}] * 2)


@pytest.mark.parametrize("name", ["t5", "marian", "whisper", "speecht5"])
def test_a_translations_steps_are_one_pass(name: str) -> None:
    family = BY_NAME[name]
    inputs = {key: value for key, value in family.inputs().items() if not key.startswith("decoder_")}
    generated = generate(family.build("eager"), inputs)
    expected = {
        "encoder": list(generated.encoder_attentions),
        "decoder": joined(generated.decoder_attentions, causal=True),
        "cross": joined(generated.cross_attentions, causal=False),
    }
    assert expected["decoder"][0].shape[2:] == (STEPS, STEPS)
    lengths: list[Lengths] = []
    for row in range(2):
        source = family.lengths[row]["encoder"][0]
        lengths.append({"encoder": (source, source), "decoder": (STEPS, STEPS), "cross": (STEPS, source)})
    compare(family, {**inputs, "decoder_input_ids": generated.sequences[:, :STEPS]}, expected, lengths)


def compare(
    family: Family, inputs: dict[str, Tensor], expected: Maps, lengths: list[dict[str, tuple[int, int]]]
) -> None:
    """Both rows of one pass over what was generated, against the steps."""
    recorder, _ = recorded(prepare(family.build("eager")), inputs)
    for row, row_lengths in enumerate(lengths):
        errors = distances(recorder.maps(row, row_lengths), cut(expected, row_lengths, row))
        assert {place: error for place, error in errors.items() if not error <= EXACT} == {}, f"row {row}"
        assert errors


def test_the_steps_of_a_sliding_window_really_slide() -> None:
    prompt = {"input_ids": ids((TOKENS[0],), 0, 7), "attention_mask": attended((TOKENS[0],))}
    generated = generate(BY_NAME["mistral"].build("eager"), prompt)
    [last] = {layer.shape[3] for layer in generated.attentions[-1]}
    assert last < TOKENS[0], "the cache keeps less than the prompt"
