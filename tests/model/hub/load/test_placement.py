"""Checkpoints that accelerate spreads: they answer, and are traced, as they are when they stand in one place."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accelerate.utils
import pytest
import torch
import transformers
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.load import loading, placement
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.registry import TASKS
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, media_checkpoints, vocabularies
from tests.model.hub.test_media_traces import LABELS, PICTURES, RECORDINGS, SHORT

SENTENCES = ["Where is the station?", "The girl is reading a beautiful book."]
MASKED = ["Where is the [MASK]?", "The girl is reading a [MASK] book."]
SEEN = [{"image": each} for each in PICTURES]
ASKED = [{"image": each, "text": "What?"} for each in PICTURES]
HEARD = [{"audio": each} for each in RECORDINGS]


def masked(folder: Path) -> Path:
    """A BERT that fills masks, its embeddings tied to its output."""
    return checkpoints.bert(folder, "masked")


def mistral(folder: Path) -> Path:
    """A decoder with sliding windows, which are read as bands where they may be."""
    tokenizer = vocabularies.metaspace()
    shape = {**checkpoints.SHAPE, "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.MistralConfig(vocab_size=len(tokenizer), sliding_window=4, **shape)
    return checkpoints.save(folder, checkpoints.random(transformers.MistralForCausalLM, config), tokenizer)


CASES: list[tuple[Callable[[Path], Path], list[Any], Parameters]] = [
    (checkpoints.llama, SENTENCES, SHORT),
    (mistral, SENTENCES, SHORT),
    (masked, MASKED, Parameters()),
    (checkpoints.t5, SENTENCES, SHORT),
    (checkpoints.marian, SENTENCES, Parameters(max_new_tokens=5, beam_size=2)),
    (media_checkpoints.vit, SEEN, Parameters()),
    (media_checkpoints.swin, SEEN, Parameters()),
    (media_checkpoints.clip, SEEN, LABELS),
    (media_checkpoints.captioner, SEEN, SHORT),
    (media_checkpoints.llava, ASKED, SHORT),
    (media_checkpoints.whisper, HEARD, SHORT),
    (media_checkpoints.speecht5, HEARD, SHORT),
    (media_checkpoints.wav2vec2, HEARD, Parameters()),
]
IDS = [case[0].__name__ for case in CASES]


class Elsewhere(ModelHook):
    """Everything that comes in is another tensor than the caller's, as it is for a layer on another device."""

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        return copied(args), copied(kwargs)


def copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone(memory_format=torch.contiguous_format)
    if isinstance(value, dict) and type(value) is dict:
        return {key: copied(part) for key, part in value.items()}
    return type(value)(map(copied, value)) if type(value) in (tuple, list) else value


def compare(model: HubModel, plain: HubModel, inputs: list[Any], parameters: Parameters) -> None:
    """The same predictions, and the same maps to float32's rounding, certified."""
    requests = [Request(each, parameters=parameters) for each in inputs]
    for _ in range(2):  # as often as anybody asks
        for mine, theirs in zip(model.predict(requests), plain.predict(requests), strict=True):
            assert isinstance(mine, Prediction), mine
            assert (mine.text, mine.tokens) == (theirs.text, theirs.tokens)
    for mine, theirs in zip(model.trace(requests), plain.trace(requests), strict=True):
        assert isinstance(mine, Trace), mine
        assert mine.certificate.errors.keys() == theirs.certificate.errors.keys()
        assert (mine.certificate.warning is None) == (theirs.certificate.warning is None)
        assert mine.layers.keys() == theirs.layers.keys()
        for site, layers in theirs.layers.items():
            for one, other in zip(mine.layers[site], layers, strict=True):
                assert one.q.device.type == "cpu"
                torch.testing.assert_close(one.dense(), other.dense(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("make", "inputs", "parameters"), CASES, ids=IDS)
def test_weights_on_disk_change_nothing(
    make: Any, inputs: list[Any], parameters: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "checkpoint")
    plain = load(folder)
    room = placement.weight_bytes(plain.loaded.model) * 9 // 10  # of which accelerate keeps some back
    monkeypatch.setattr(accelerate.utils, "get_max_memory", lambda: {"cpu": room})
    model = load(f"{folder}?device_map=auto")
    parts = model.loaded.model
    assert model.loaded.device == torch.device("cpu")
    assert model.describe()["device"] in ("cpu, disk", "disk")  # where its first part is its largest
    assert placement.weight_bytes(parts) < placement.weight_bytes(plain.loaded.model)
    assert model.describe()["parameter_count"] == plain.describe()["parameter_count"]
    assert any(weight.is_meta for weight in parts.parameters()), "nothing of it lies on disk"
    compare(model, plain, inputs, parameters)


@pytest.mark.parametrize(("make", "inputs", "parameters"), CASES, ids=IDS)
def test_no_tensor_needs_to_be_the_one_that_another_layer_had(
    make: Any, inputs: list[Any], parameters: Parameters, tmp_path: Path
) -> None:
    plain = load(make(tmp_path / "checkpoint"))
    task = TASKS[plain.task].for_config(plain.loaded.config)
    loaded = loading.load(plain.loaded.folder, task.auto_class, device_map={"": "cpu"})
    blocks = [block for part in loaded.model.modules() if isinstance(part, torch.nn.ModuleList) for block in part]
    assert blocks
    for block in blocks:
        add_hook_to_module(block, Elsewhere())
    compare(HubModel(loaded, task), plain, inputs, parameters)


def test_bands_are_left_alone_where_masks_are_copied(tmp_path: Path) -> None:
    """A band is told by its memory, which no other device has: the proof finds out, and cells are used."""
    loaded = loading.load(mistral(tmp_path), "AutoModelForCausalLM", device_map={"": "cpu"})
    task = TASKS["text-generation"]
    assert HubModel(loaded, task).bands == "long"
    for block in loaded.model.model.layers:
        add_hook_to_module(block, Elsewhere())
    assert HubModel(loaded, task).bands == "never"


def test_parts_in_half_precision_and_what_is_kept_in_memory(tmp_path: Path) -> None:
    folder = checkpoints.llama(tmp_path)
    parts = {"model.embed_tokens": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu"}
    parts |= {"model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "disk"}
    loaded = loading.load(folder, "AutoModelForCausalLM", dtype="bfloat16", device_map=parts)
    model, plain = HubModel(loaded, TASKS["text-generation"]), load(f"{folder}?dtype=bfloat16")
    compare(model, plain, SENTENCES, SHORT)
    network = plain.loaded.model
    away = [*network.model.layers[0].parameters(), *network.lm_head.parameters()]
    whole = placement.weight_bytes(network)
    assert placement.weight_bytes(loaded.model) == whole - sum(weight.nbytes for weight in away)


def test_what_was_written_for_a_model_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "away"))
    (tmp_path / "away").mkdir()
    folder = checkpoints.bert(tmp_path / "bert", "masked")
    loaded = loading.load(folder, "AutoModelForMaskedLM", device_map={"": "disk"})
    assert len(list((tmp_path / "away").iterdir())) == 1
    assert loaded.device == torch.device("cpu")
    del loaded
    import gc

    gc.collect()
    assert list((tmp_path / "away").iterdir()) == []


def test_weights_that_nobody_read_are_refused() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, device="meta"))
    with pytest.raises(CheckpointError, match=r"2 weights have not been read: 1\.weight, 1\.bias"):
        placement.check_values(network)
    placement.check_values(network[0])


def test_weights_under_two_names_count_once() -> None:
    network = torch.nn.Sequential(torch.nn.Embedding(7, 3), torch.nn.Linear(3, 7, bias=False))
    assert placement.weight_bytes(network) == 2 * 7 * 3 * 4
    network[1].weight = network[0].weight
    network.register_buffer("scale", torch.zeros(5, dtype=torch.float64))
    assert placement.weight_bytes(network) == 7 * 3 * 4 + 5 * 8


def test_without_accelerate_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = checkpoints.llama(tmp_path), importlib.util.find_spec
    monkeypatch.setattr(placement, "find_spec", lambda name: None if name == "accelerate" else real(name))
    with pytest.raises(CheckpointError, match=r"device_map needs accelerate.*pip install 'heedmap\[large\]'"):
        load(f"{folder}?device_map=auto")


def test_an_adapter_is_not_merged_into_parts(tmp_path: Path) -> None:
    from tests.model.hub.load.test_adapters import KINDS, train

    base = checkpoints.bert(tmp_path / "base", "masked")
    train(transformers.AutoModelForMaskedLM.from_pretrained(base), KINDS["lora"](), tmp_path / "adapter")
    with pytest.raises(CheckpointError, match="merged into a base that stands whole in memory"):
        load(f"{base}?adapter={tmp_path / 'adapter'}&device_map=auto")
