"""A word that a request names, as the one token that it is of a model's vocabulary."""

from collections.abc import Callable, Sequence

from heedmap.model.errors import ParameterError


def one_token(
    word: int | str,
    field: str,
    size: int,
    encode: Callable[[str], Sequence[int]],
    lookup: Callable[[str], int | None],
    unknown: int | None,
) -> int:
    """The id of a word that is one token of a vocabulary: as the beginning of a word, as a text, or as it is written.

    Args:
        size: of the vocabulary.
        encode: a text to ids without anything around them.
        lookup: a token, as the vocabulary writes it, to its id.
        unknown: the id that stands for what is not in the vocabulary.

    Raises:
        ParameterError: it is several tokens, or none.
    """
    if isinstance(word, int):
        if 0 <= word < size:
            return word
        raise ParameterError(f"token {word} does not exist: the vocabulary has {size:,}", field=field)
    written = lookup(word)
    if written is not None and written != unknown:
        spaced = list(encode(f" {word}"))  # where both exist, a word that begins is what people mean
        return spaced[0] if len(spaced) == 1 and spaced[0] != unknown else written
    pieces: Sequence[int] = []
    for text in (f" {word}", word):
        pieces = encode(text)
        if len(pieces) == 1 and pieces[0] != unknown:
            return pieces[0]
    raise ParameterError(
        f"{word!r} is {len(pieces)} tokens of this model, or none that it knows: name one token, by its text or its id",
        field=field,
    )
