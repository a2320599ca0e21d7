"""PEFT's adapters on tiny bases: merged, they answer as peft does unmerged."""

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError, CheckpointMismatch, UnsafeCheckpoint
from heedmap.model.hub.load import adapters
from heedmap.model.hub.load.convert import convert
from heedmap.model.hub.quiet import quiet_loading
from heedmap.model.load import load, peek
from tests.model.hub import checkpoints

TEXT = "Where is the station?"
ATTENTION = {"target_modules": ["query", "value"]}
KINDS = {
    "lora": lambda: peft.LoraConfig(r=2, **ATTENTION),
    "dora": lambda: peft.LoraConfig(r=2, use_dora=True, **ATTENTION),
    "ia3": lambda: peft.IA3Config(target_modules=["query", "value"], feedforward_modules=[]),
    "loha": lambda: peft.LoHaConfig(r=2, **ATTENTION),
    "lokr": lambda: peft.LoKrConfig(r=2, **ATTENTION),
    "adalora": lambda: peft.AdaLoraConfig(init_r=3, target_r=2, total_step=10, **ATTENTION),
    "oft": lambda: peft.OFTConfig(r=0, oft_block_size=4, **ATTENTION),
    "boft": lambda: peft.BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=2, **ATTENTION),
    "hra": lambda: peft.HRAConfig(r=2, **ATTENTION),
    "vera": lambda: peft.VeraConfig(r=4, **ATTENTION),
    "fourierft": lambda: peft.FourierFTConfig(n_frequency=20, **ATTENTION),
    "ln_tuning": lambda: peft.LNTuningConfig(target_modules=["LayerNorm"]),
    "pissa": lambda: peft.LoraConfig(r=2, init_lora_weights="pissa", **ATTENTION),  # which takes them from the base
    # Weights that embeddings share with the output: what was learnt for one of the two is not the other's.
    "embeddings": lambda: peft.LoraConfig(r=2, target_modules=["word_embeddings"]),
    "embeddings and output": lambda: peft.LoraConfig(r=2, target_modules=["word_embeddings", "decoder"]),
    "embeddings with output": lambda: peft.LoraConfig(
        r=2, target_modules=["word_embeddings", "decoder"], ensure_weight_tying=True
    ),
}


@pytest.mark.parametrize("kind", adapters.MERGED)
def test_every_kind_that_is_merged_is_compared(kind: str) -> None:
    assert kind in {config().peft_type.value for config in KINDS.values()}


def train(model: Any, config: Any, folder: Path) -> Any:
    """An adapter with random weights in a folder, and the model that it makes unmerged."""
    torch.manual_seed(1)
    with quiet_loading():
        wrapped = peft.get_peft_model(model, config).eval()
        with torch.no_grad():
            for weight in wrapped.parameters():
                if weight.requires_grad:
                    weight.normal_(0, 0.3)
        wrapped.save_pretrained(folder)
    return wrapped


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a head for masked words."""
    return checkpoints.bert(tmp_path_factory.mktemp("base") / "bert", "masked")


@pytest.fixture
def lora(base: Path, tmp_path: Path) -> Path:
    """A LoRA of it."""
    model = transformers.AutoModelForMaskedLM.from_pretrained(base)
    train(model, KINDS["lora"](), tmp_path / "lora")
    return tmp_path / "lora"


@pytest.mark.parametrize("kind", KINDS)
def test_merged_is_unmerged(base: Path, tmp_path: Path, kind: str) -> None:
    plain: Any = load(base)
    unmerged = train(transformers.AutoModelForMaskedLM.from_pretrained(base), KINDS[kind](), tmp_path / kind)
    served: Any = load(tmp_path / kind)
    tokens = served.loaded.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        merged, expected = served.loaded.model(**tokens).logits, unmerged(**tokens).logits
        without = plain.loaded.model(**tokens).logits
    assert torch.allclose(merged, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(merged, without, atol=1e-2)
    [trace] = served.trace([Request("Where is the [MASK]?")])
    assert served.describe()["task"] == "fill-mask"
    assert trace.prediction.to_json()
    assert served.revision != plain.revision


def test_base_and_adapter_by_name(base: Path, lora: Path) -> None:
    alone, both = load(lora), load(f"{base}?adapter={lora}")
    assert alone.revision == both.revision
    assert peek(str(lora)) == peek(str(base))
    weights = load_file(lora / "adapter_model.safetensors")
    save_file({name: tensor * 2 for name, tensor in weights.items()}, lora / "adapter_model.safetensors")
    assert load(lora).revision != alone.revision


def test_a_head_that_comes_with_the_adapter(tmp_path: Path) -> None:
    base = checkpoints.bert(tmp_path / "bare")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=5)
    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, **ATTENTION)
    unmerged = train(model, config, tmp_path / "labels")
    served: Any = load(tmp_path / "labels")
    assert served.task == "text-classification"
    tokens = served.loaded.tokenizer(TEXT, return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(served.loaded.model(**tokens).logits, unmerged(**tokens).logits, atol=1e-4)


def test_a_vocabulary_that_grew(tmp_path: Path) -> None:
    base = checkpoints.llama(tmp_path / "base")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<new>"])
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    modules = {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]}
    unmerged = train(model, peft.LoraConfig(task_type="CAUSAL_LM", r=2, **modules), tmp_path / "grown")
    tokenizer.save_pretrained(tmp_path / "grown")
    served: Any = load(tmp_path / "grown")
    tokens = served.loaded.tokenizer("Where is <new>", return_tensors="pt")["input_ids"]
    assert int(tokens.max()) == len(tokenizer) - 1
    with torch.no_grad():
        expected = unmerged(input_ids=tokens).logits
        merged = served.loaded.model(input_ids=tokens).logits
    assert torch.allclose(merged, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "apart"])
def test_embeddings_and_output_of_a_language_model(tmp_path: Path, tied: bool) -> None:
    """peft saves the base's own weights beside what it learnt for embeddings."""
    base = checkpoints.llama(tmp_path / "base", tie_word_embeddings=tied)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["embed_tokens", "lm_head"])
    unmerged = train(model, config, tmp_path / "both")
    served: Any = load(tmp_path / "both")
    tokens = served.loaded.tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = unmerged(input_ids=tokens).logits
        merged = served.loaded.model(input_ids=tokens).logits
    assert torch.allclose(merged, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_what_sets_in_at_run_time_is_refused(lora: Path) -> None:
    for name, value in (("alora_invocation_tokens", [3]), ("arrow_config", {"top_k": 1})):
        edit(lora, **{name: value})
        with pytest.raises(CheckpointError, match=f"sets {name}: what is added depends on the text"):
            load(lora)
        edit(lora, **{name: None})


def test_a_pickled_adapter_is_converted_by_the_command_that_is_named(lora: Path, tmp_path: Path) -> None:
    trained = load(lora)
    torch.save(load_file(lora / "adapter_model.safetensors"), lora / "adapter_model.bin")
    (lora / "adapter_model.safetensors").unlink()
    with pytest.raises(UnsafeCheckpoint) as caught:
        load(lora)
    assert str(caught.value).startswith("adapter_model.bin is a pickle")
    assert str(caught.value).endswith(f"convert it once: heedmap convert {lora} --out {lora}-safetensors")
    convert(str(lora), tmp_path / "converted")
    converted: Any = load(tmp_path / "converted")
    [first, second] = [model.predict([Request("Where is the [MASK]?")])[0] for model in (trained, converted)]
    assert first.to_json() == second.to_json()


def test_pickles_code_and_other_kinds_are_refused(lora: Path) -> None:
    (lora / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "mine.Mine"}}')
    with pytest.raises(UnsafeCheckpoint, match="never run"):
        load(lora)
    (lora / "tokenizer_config.json").unlink()
    edit(lora, megatron_config={"a": 1})
    with pytest.raises(UnsafeCheckpoint, match="Megatron"):
        load(lora)
    edit(lora, megatron_config=None, peft_type="PROMPT_TUNING")
    with pytest.raises(CheckpointError, match="'PROMPT_TUNING', which cannot be merged"):
        load(lora)
    edit(lora, peft_type="LORA")
    (lora / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"the adapter has no adapter_model\.safetensors"):
        load(lora)


def test_a_base_that_is_not_there(lora: Path, base: Path) -> None:
    edit(lora, base_model_name_or_path="/nowhere")
    with pytest.raises(CheckpointError, match=r"cannot be had \(/nowhere is not there.*NAME=BASE\?adapter="):
        load(lora)
    edit(lora, base_model_name_or_path=None)
    with pytest.raises(CheckpointError, match="does not say of which model"):
        load(lora)
    with pytest.raises(CheckpointError, match="is no adapter"):
        load(f"{base}?adapter={base}")
    with pytest.raises(CheckpointError, match="no base for a further one"):
        load(f"{lora}?adapter={lora}")


def test_an_adapter_of_another_base(lora: Path, tmp_path: Path, tiny: Path) -> None:
    other = checkpoints.bert(tmp_path / "small", "masked", num_hidden_layers=1)
    with pytest.raises(CheckpointMismatch, match="has tensors that its base has no place for"):
        load(f"{other}?adapter={lora}")
    with pytest.raises(CheckpointError, match="adapters go onto models of transformers' layout"):
        load(f"{tiny}?adapter={lora}")


def test_without_peft_a_sentence_says_what_to_install(lora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"pip install 'heedmap\[peft\]'"):
        load(lora)
