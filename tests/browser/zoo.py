"""The models that the explorer's tests visit: the shipped one, and a tiny random one for every kind of input."""

from collections.abc import Iterator
from pathlib import Path

import transformers as hf

from tests.model.hub import checkpoints, media_checkpoints, vocabularies

SHIPPED = Path(__file__).resolve().parents[2] / "model" / "weights" / "de-en"


def bloom(folder: Path) -> Path:
    """A BLOOM, whose attention gives only its weights: nothing of them can be recomputed."""
    tokenizer = vocabularies.byte_level()
    config = hf.BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=4)
    return checkpoints.save(folder, checkpoints.random(hf.BloomForCausalLM, config), tokenizer)


def sources(folder: Path) -> Iterator[str]:
    """NAME=PATH of each, as `heedmap serve --model` takes them; the shipped one is the page's first."""
    yield f"de-en={SHIPPED}"
    for name, head in (
        ("classifier", "sequence-classification"),
        ("entities", "token-classification"),
        ("answers", "question-answering"),
        ("masks", "masked"),
    ):
        yield f"{name}={checkpoints.bert(folder / name, head)}"
    encoder = checkpoints.bert(folder / "encoder")
    yield f"encoder={encoder}"
    yield f"org/encoder={encoder}"  # as hubs name them
    yield f"sentences={encoder}?task=sentence-similarity"
    yield f"llama={checkpoints.llama(folder / 'llama')}"
    yield f"bloom={bloom(folder / 'bloom')}"
    for make in ("vit", "clip", "captioner", "llava", "wav2vec2", "whisper"):
        yield f"{make}={getattr(media_checkpoints, make)(folder / make)}"
