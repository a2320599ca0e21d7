"""What an output of a native network begins with, in its tokens."""

from heedmap.model.contract import Request
from heedmap.model.errors import InputTooLong
from heedmap.model.native.tokenizer import END, PAD, Tokenizer
from heedmap.model.prefix import FIELD, check_room, prefix_ids


def prefix_of(request: Request, tokenizer: Tokenizer, room: int) -> list[int]:
    """The ids that a request's output begins with; none, where it begins by itself.

    Args:
        room: positions that the output has.

    Raises:
        InputError: they are none of the vocabulary, or leave no room; `field` says which.
    """

    def encode(text: str) -> list[int]:
        over = tokenizer.tokens_over(text, room)
        if over is not None:
            raise InputTooLong(f"the beginning has over {over:,} tokens, at most {room:,} fit", field=FIELD)
        ids = tokenizer.encode(text).ids
        return ids[:-1] if ids[-1:] == [END] else ids

    prefix = request.parameters.prefix
    ids = prefix_ids(prefix, request.target, encode, len(tokenizer), ends=(END,), never=(PAD,))
    check_room(ids, room)
    return ids
