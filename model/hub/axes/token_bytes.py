"""The text that a token stands for, as bytes, whatever way its tokenizer spells it; and its readable label."""

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

from heedmap.model.byte_alphabet import byte_alphabet
from heedmap.model.words import BYTE, CONTINUED, CONTINUES, SPACE

SIGNS = {"\n": "↵", "\r": "␍", "\t": "⇥"}
PARTS = ("[MASK]", "<mask>", "[UNK]", "<unk>")  # pieces of a text, where only tokenizer.json names them
END_OF_WORD = "</w>"  # BPE as in CLIP, GPT and XLM
OF_BYTES = ("ByT5Tokenizer", "PerceiverTokenizer")  # one token per byte, written as the character of that number


class Spelling:
    """How one tokenizer writes text into its tokens' names."""

    def __init__(self, tokenizer: Any) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        decoder = getattr(backend, "decoder", None)
        state = decoder.__getstate__().decode() if decoder is not None else "null"
        kinds = {step["type"] for step in _steps(json.loads(state))}
        model = getattr(backend, "model", None)
        self.plain = set(tokenizer.get_added_vocab()) if hasattr(tokenizer, "get_added_vocab") else set()
        self.special = special_ids(tokenizer)
        self.byte_level = "ByteLevel" in kinds
        self.falls_back = "ByteFallback" in kinds or backend is None
        self.one_byte = type(tokenizer).__name__ in OF_BYTES
        self.ends_words = (getattr(model, "end_of_word_suffix", None) == END_OF_WORD) or backend is None
        # What is no fast tokenizer tells nothing of itself: its marks are known by their look.
        self.continues = CONTINUES if "WordPiece" in kinds or backend is None else None
        self.continued = CONTINUED if backend is None else None

    def surfaces(self, names: Sequence[str]) -> list[bytes]:
        """The bytes of text that each token stands for, a space before it included."""
        surfaces, starts = [], True
        marked = self.ends_words and any(name.endswith(END_OF_WORD) for name in names)
        for name in names:
            text = name
            if marked and name not in self.plain:
                text = (" " if starts else "") + name.removesuffix(END_OF_WORD)
                starts = name.endswith(END_OF_WORD)
            surfaces.append(self._bytes(name, text))
        return surfaces

    def _bytes(self, name: str, text: str) -> bytes:
        if name in self.plain:
            return text.encode()
        if self.byte_level:
            alphabet = byte_alphabet()
            parts = (bytes([alphabet[sign]]) if sign in alphabet else sign.encode() for sign in text)
            return b"".join(parts)
        if self.one_byte and len(text) == 1 and ord(text) < 256:
            return bytes([ord(text)])
        byte = BYTE.fullmatch(text) if self.falls_back else None
        if byte:
            return bytes([int(byte[1], 16)])
        if self.continues and len(text) > len(self.continues):
            text = text.removeprefix(self.continues)
        if self.continued and len(text) > len(self.continued):
            text = text.removesuffix(self.continued)
        return text.replace(SPACE, " ").encode()

    def label(self, name: str, surface: bytes) -> str:
        """The token as people read it: see `heedmap.model.hub.axes.text`."""
        if name in self.plain:
            return name
        marks = self.continues and name.startswith(self.continues) and len(name) > len(self.continues)
        ends = self.continued and name.endswith(self.continued) and len(name) > len(self.continued)
        text = readable(surface)
        return f"{CONTINUES if marks else ''}{text}{CONTINUED if ends else ''}" or name


def special_ids(tokenizer: Any) -> set[int]:
    """The ids of tokens that are no part of a text: separators, class and language tokens.

    A masked or unknown piece is a part of it, though tokenizers count it among the special ones.
    """
    special = set(tokenizer.all_special_ids) | set(dict(getattr(tokenizer, "lang_code_to_id", None) or {}).values())
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    special |= {number for number, token in added.items() if getattr(token, "special", False)}
    special |= _inserted(getattr(tokenizer, "backend_tokenizer", None))
    framing = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "pad_token_id")
    frames = {getattr(tokenizer, name, None) for name in framing}
    parts = {getattr(tokenizer, name, None) for name in ("unk_token_id", "mask_token_id")}
    parts |= {number for number, token in added.items() if str(token) in PARTS}
    return special - (parts - frames)


def _inserted(backend: Any) -> set[int]:
    """The ids that a tokenizer.json puts around every text, whether or not anything else names them."""
    processor = getattr(backend, "post_processor", None)
    if processor is None:
        return set()
    ids: set[int] = set()
    state = json.loads(processor.__getstate__().decode())
    for step in state["processors"] if state["type"] == "Sequence" else [state]:
        ids |= {int(number) for token in dict(step.get("special_tokens") or {}).values() for number in token["ids"]}
        ids |= {int(step[side][1]) for side in ("cls", "sep") if side in step}
    return ids


def readable(text: bytes) -> str:
    """Bytes as a label: characters where they are whole, "<0xE4>" for a byte of one that is not.

    A space is shown as "▁", a line end as "↵", a tab as "⇥", other control characters as their bytes.
    """
    signs: list[str] = []
    at = 0
    while at < len(text):
        for width in range(1, 5):
            try:
                character = text[at : at + width].decode()
            except UnicodeDecodeError:
                continue
            signs.append(_sign(character) if character else "")
            at += width
            break
        else:
            signs.append(f"<0x{text[at]:02X}>")
            at += 1
    return "".join(signs)


def _sign(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return SPACE
    if category == "Cc":
        return SIGNS.get(character) or "".join(f"<0x{value:02X}>" for value in character.encode())
    return character


def _steps(state: dict[str, Any] | None) -> list[dict[str, Any]]:
    if state is None:
        return []
    return list(state["decoders"]) if state["type"] == "Sequence" else [state]
