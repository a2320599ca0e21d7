"""Chinese in one script: simplified by OpenCC before training, and by the tokenizer itself whenever it reads.

Half of the sentences that volunteers write are in traditional characters. OpenCC (Apache-2.0) converts them by phrases;
its table of single characters goes into the tokenizer as a normaliser, so that a served model reads both scripts and
needs no OpenCC.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import normalizers

from heedmap.model.errors import InputError

EXTRA = "'heedmap[train]'"
# Where OpenCC's single characters lie: CJK Unified Ideographs with Extension A, and the compatibility ones.
BLOCKS = (range(0x3400, 0xA000), range(0xF900, 0xFB00))


@cache
def _converter() -> Any:
    try:
        from opencc import OpenCC
    except ModuleNotFoundError as error:
        raise InputError(f"Chinese is simplified by OpenCC, which is not installed: pip install {EXTRA}") from error
    return OpenCC("t2s")


def simplified(text: str) -> str:
    """A text in simplified characters, phrase by phrase (OpenCC's t2s).

    Raises:
        InputError: OpenCC is not installed.
    """
    converted: str = _converter().convert(text)
    return converted


def table() -> dict[str, str]:
    """OpenCC's simplified character of each that has another one."""
    characters = (chr(code) for block in BLOCKS for code in block)
    pairs = ((character, simplified(character)) for character in characters)
    return {one: other for one, other in pairs if one != other and len(other) == 1}


def simplifier() -> normalizers.Normalizer:
    """The table as a normaliser of `tokenizers`, which keeps the spans of what it changes.

    SentencePiece compiles it: the format of its character maps is what `tokenizers` reads at once, whatever its length.
    """
    from sentencepiece import SentencePieceTrainer, sentencepiece_model_pb2

    with tempfile.TemporaryDirectory() as folder:
        rules, text, model = (Path(folder) / name for name in ("rules.tsv", "text.txt", "model"))
        lines = (f"{ord(one):X}\t{ord(other):X}\n" for one, other in table().items())
        rules.write_text("".join(lines), encoding="utf-8")
        text.write_text("a b c d\n", encoding="utf-8")  # it makes a model too, and wants a text for it
        SentencePieceTrainer.train(
            input=str(text),
            model_prefix=str(model),
            model_type="char",
            vocab_size=8,
            normalization_rule_tsv=str(rules),
            minloglevel=2,
        )
        proto: Any = sentencepiece_model_pb2  # made at import, and so without types
        compiled = proto.ModelProto.FromString(model.with_suffix(".model").read_bytes())
    return normalizers.Precompiled(compiled.normalizer_spec.precompiled_charsmap)
