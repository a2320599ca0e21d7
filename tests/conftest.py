"""Fixtures that every layer's tests share: tiny random checkpoints, and a live service with the shipped one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Where there is no accelerator, Triton's kernels are tested by its interpreter. It is chosen while Triton is
# imported, for Triton's own functions too, so this stands in front of whatever may import it, in every worker.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

from heedmap.model.native import checkpoint
from heedmap.model.native.recurrent import RecurrentConfig
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.native.transformer import TransformerConfig
from tests.live import service

SENTENCES = [
    "Wo ist der Bahnhof?",
    "Where is the station?",
    "Ich habe heute keine Zeit.",
    "I have no time today.",
    'Er sagte: "Das kostet 12 Euro."',
    'He said: "That costs 12 euros."',
    "Das Mädchen liest ein schönes Buch über Köln.",
    "The girl is reading a beautiful book about Cologne.",
] * 4


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A tokenizer of at most 200 entries, trained on a handful of sentences."""
    return Tokenizer.train(SENTENCES, 200)


def write_tiny(folder: Path, tokenizer: Tokenizer, architecture: str = "transformer", positions: int = 512) -> Path:
    """A random checkpoint of a few thousand parameters, with grouped heads where it has heads."""
    torch.manual_seed(0)
    languages = {
        "source_language": "de",
        "target_language": "en",
        "vocabulary": len(tokenizer),
        "max_positions": positions,
    }
    if architecture == "transformer":
        shape = {"width": 32, "feed_forward": 64, "heads": 4, "kv_heads": 2, "encoder_layers": 2, "decoder_layers": 2}
        network = checkpoint.build(TransformerConfig(**languages, **shape))
    else:
        network = checkpoint.build(RecurrentConfig(**languages, width=32))
    checkpoint.save(folder, network, tokenizer)
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """The folder of a tiny random Transformer checkpoint."""
    return write_tiny(tmp_path_factory.mktemp("checkpoints") / "tiny", tokenizer)


@pytest.fixture(scope="session")
def tiny_gru(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """The folder of a tiny random GRU checkpoint."""
    return write_tiny(tmp_path_factory.mktemp("checkpoints") / "tiny-gru", tokenizer, "recurrent")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a live service with the shipped model."""
    with service(tmp_path_factory.mktemp("server")) as url:
        yield url
