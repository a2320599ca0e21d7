"""A tokenizer of a few known words, each of which is a token."""

from collections.abc import Sequence

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers

from heedmap.model.native.tokenizer import SPACE, SPECIAL, UNKNOWN, Tokenizer, normalizer


def word_tokenizer(words: Sequence[str], openings: Sequence[str] = ()) -> Tokenizer:
    """A token for each word, in small letters; what is none of them is unknown.

    openings: tokens that open an output, and are no text.
    """
    tokens = (*SPECIAL, *openings, *(SPACE + word for word in words))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    backend = Backend(models.WordLevel(vocabulary, unk_token=SPECIAL[UNKNOWN]))
    backend.add_special_tokens([*SPECIAL, *openings])
    backend.normalizer = normalizers.Sequence([normalizer(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    backend.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    return Tokenizer(backend)
