"""Labels, spans and words of tokens, for every kind of tokenizer, with values worked by hand."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer, CLIPTokenizer, GPT2Tokenizer, LlamaTokenizer, T5Tokenizer

from heedmap.model.byte_alphabet import byte_alphabet
from heedmap.model.contract import Axis
from heedmap.model.hub.axes.spans import align
from heedmap.model.hub.axes.text import output_axis, prefix_axis, text_axis
from heedmap.model.hub.axes.token_bytes import readable
from heedmap.model.words import words
from tests.model.hub import vocabularies

TEXT = "Über 😀, I don't\nread 漢 é."


def axis_of(tokenizer: Any, text: str, *pair: str) -> Axis:
    encoding = tokenizer(text, *pair, return_offsets_mapping=tokenizer.is_fast)
    segments = [0 if number is None else number for number in encoding.sequence_ids()] if pair else None
    return text_axis(tokenizer, encoding["input_ids"], [text, *pair], encoding.get("offset_mapping"), segments)


def covered(axis: Axis, text: str) -> list[str]:
    return [text[start:stop] for start, stop in axis.spans]


def wordpiece() -> BertTokenizer:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "the", ",", "uber"]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})


def test_wordpiece_keeps_its_mark_and_counts_the_original_characters() -> None:
    text = "The  UNAFFABLE, über"
    axis = axis_of(wordpiece(), text)
    assert axis.labels == ["[CLS]", "the", "un", "##aff", "##able", ",", "uber", "[SEP]"]
    assert axis.spans == [(0, 0), (0, 3), (5, 7), (7, 10), (10, 14), (14, 15), (16, 20), (0, 0)]
    assert axis.special == [True, False, False, False, False, False, False, True]
    assert axis.ids == [2, 8, 5, 6, 7, 9, 10, 3]
    assert axis.segments is None


def test_unknown_and_masked_pieces_are_a_part_of_the_text() -> None:
    text = "the [MASK] house"
    axis = axis_of(wordpiece(), text)
    assert axis.labels == ["[CLS]", "the", "[MASK]", "[UNK]", "[SEP]"]
    assert covered(axis, text) == ["", "the", "[MASK]", "house", ""]
    assert axis.special == [True, False, False, False, True]


def test_a_pair_counts_each_text_for_itself() -> None:
    axis = axis_of(wordpiece(), "un the", "the,")
    assert axis.labels == ["[CLS]", "un", "the", "[SEP]", "the", ",", "[SEP]"]
    assert axis.spans == [(0, 0), (0, 2), (3, 6), (0, 0), (0, 3), (3, 4), (0, 0)]
    assert axis.segments == [0, 0, 0, 0, 1, 1, 0]


def byte_pairs(*merges: tuple[str, str], special: tuple[str, ...] = ("<|endoftext|>",)) -> dict[str, Any]:
    """Byte-level BPE with these merges alone: 256 bytes, then what the merges make."""
    pieces = [*special, *byte_alphabet(), *("".join(pair) for pair in merges)]
    return {"vocab": {piece: index for index, piece in enumerate(pieces)}, "merges": list(merges)}


def test_byte_level_tokens_are_readable_and_share_a_character_that_is_split() -> None:
    merges = [("Ġ", "o"), ("ä", "½"), ("å", "¥"), ("å¥", "½"), ("ð", "Ł")]
    tokenizer = GPT2Tokenizer(**byte_pairs(*merges))
    text = "a o 你好\n😀"
    axis = axis_of(tokenizer, text)
    # U+4F60 is E4 BD A0, whose first two bytes are one token; U+597D is one token; the emoji is F0 9F, 98, 80.
    assert axis.labels == [
        *("a", "▁o", "▁", "<0xE4><0xBD>", "<0xA0>", "好"),
        *("↵", "<0xF0><0x9F>", "<0x98>", "<0x80>"),
    ]
    assert axis.spans == [(0, 1), (2, 3), (4, 4), (4, 5), (4, 5), (5, 6), (6, 7), (7, 8), (7, 8), (7, 8)]
    assert not any(axis.special)


def test_a_byte_level_end_token_is_special_though_it_is_the_unknown_one_too() -> None:
    tokenizer = GPT2Tokenizer(**byte_pairs())
    axis = axis_of(tokenizer, "a<|endoftext|>b")
    assert axis.labels == ["a", "<|endoftext|>", "b"]
    assert axis.special == [False, True, False]


def test_the_byte_alphabet_is_the_tokenizers_librarys() -> None:
    from tokenizers import pre_tokenizers

    alphabet = byte_alphabet()
    assert set(alphabet) == set(pre_tokenizers.ByteLevel.alphabet())
    for text in ("Ġ wo", "漢字😀", "\x00\x7f\xad"):
        [(written, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
        assert bytes(alphabet[sign] for sign in written) == text.encode()


def test_clips_words_end_with_a_mark_and_are_shown_as_beginning_with_one() -> None:
    tokenizer = CLIPTokenizer(
        **byte_pairs(
            ("c", "a"), ("ca", "t</w>"), special=("<|startoftext|>", "<|endoftext|>", "a</w>", "t</w>", "s</w>")
        )
    )
    text = "a  Cat cas"
    axis = axis_of(tokenizer, text)
    assert axis.labels == ["<|startoftext|>", "▁a", "▁cat", "▁ca", "s", "<|endoftext|>"]
    assert covered(axis, text) == ["", "a", "Cat", "ca", "s", ""]


def test_sentencepiece_as_t5_has_it() -> None:
    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁the", "▁st", "ation", "?"]
    tokenizer = T5Tokenizer(vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)], extra_ids=2)
    text = "the station? 漢"
    axis = axis_of(tokenizer, text)
    assert axis.labels == ["▁the", "▁st", "ation", "?", "▁", "<unk>", "</s>"]
    assert axis.spans == [(0, 3), (4, 6), (6, 11), (11, 12), (13, 13), (13, 14), (0, 0)]
    assert axis.special == [False, False, False, False, False, False, True]


def test_bytes_that_a_metaspace_tokenizer_falls_back_to() -> None:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256)), "▁", "a", "▁a"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=[("▁", "a")])
    text = "a 漢\na"
    axis = axis_of(tokenizer, text)
    assert axis.labels == ["▁a", "▁", "<0xE6>", "<0xBC>", "<0xA2>", "↵", "a"]
    assert axis.spans == [(0, 1), (2, 2), (2, 3), (2, 3), (2, 3), (3, 4), (4, 5)]


def test_slow_tokenizers_are_aligned(tmp_path: Path) -> None:
    tokenizer = vocabularies.m2m(tmp_path)
    assert not tokenizer.is_fast
    text = "Where is  the station 漢 é, ﬁne?"
    axis = axis_of(tokenizer, text)
    assert axis.labels[0] == "__en__"
    assert axis.special == [True, *[False] * (len(axis) - 2), True]
    together = {covered(axis, text)[index] for word in words(axis) for index in word.tokens}
    assert together >= {"漢", "é", ",", "?"}
    joined = ["".join(covered(axis, text)[index] for index in word.tokens) for word in words(axis)]
    assert joined[:6] == ["", "Where", "is", "the", "station", "漢"]


FAST = ("wordpiece", "byte_level", "byte_level_encoder", "unigram", "unigram_encoder", "metaspace", "multilingual")


@pytest.mark.parametrize("kind", FAST)
def test_alignment_finds_what_the_library_tells(kind: str) -> None:
    tokenizer = getattr(vocabularies, kind)()
    for text in (*vocabularies.SENTENCES, "The girl doesn't read, I think; 12 coffees."):
        encoding = tokenizer(text, return_offsets_mapping=True)
        expected = text_axis(tokenizer, encoding["input_ids"], text, encoding["offset_mapping"])
        aligned = text_axis(tokenizer, encoding["input_ids"], text)
        assert aligned.spans == expected.spans, text


@pytest.mark.parametrize("kind", FAST)
def test_every_character_but_spaces_is_covered_in_order(kind: str) -> None:
    tokenizer = getattr(vocabularies, kind)()
    axis = axis_of(tokenizer, TEXT)
    spans = [span for span, special in zip(axis.spans, axis.special, strict=True) if not special]
    assert spans == sorted(spans)
    assert {i for start, stop in spans for i in range(start, stop)} >= {
        i for i, c in enumerate(TEXT) if not c.isspace()
    }


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_text_is_covered_by_byte_level_tokens(text: str) -> None:
    tokenizer = vocabularies.byte_level()
    axis = axis_of(tokenizer, text)
    assert {i for start, stop in axis.spans for i in range(start, stop)} >= {
        index for index, sign in enumerate(text) if not sign.isspace()
    }
    out, again = output_axis(tokenizer, axis.ids)
    assert out == text
    assert [out[a:b].strip() for a, b in again.spans] == [text[a:b].strip() for a, b in axis.spans]


def test_an_output_counts_the_characters_of_its_own_text() -> None:
    tokenizer = wordpiece()
    text, axis = output_axis(tokenizer, [2, 8, 5, 6, 7, 9, 10, 3])
    assert text == "the unaffable, uber"
    assert axis.spans == [(0, 0), (0, 3), (4, 6), (6, 9), (9, 13), (13, 14), (15, 19), (0, 0)]
    assert axis.special == [True, False, False, False, False, False, False, True]


def test_an_output_that_stops_inside_a_character_shows_its_bytes() -> None:
    tokenizer = GPT2Tokenizer(**byte_pairs())
    ids = tokenizer("a 漢b")["input_ids"]
    text, axis = output_axis(tokenizer, [*ids[:4], ids[-1]])
    assert text == "a �b"
    assert axis.labels == ["a", "▁", "<0xE6>", "<0xBC>", "b"]
    assert axis.spans == [(0, 1), (2, 2), (2, 3), (2, 3), (3, 4)]
    assert output_axis(tokenizer, [])[0] == ""


def test_labels_of_bytes() -> None:
    assert readable(b" the") == "▁the"
    assert readable("é\t\r\n\x00".encode()) == "é⇥␍↵<0x00>"
    assert readable("漢".encode()[:2] + b"a") == "<0xE6><0xBC>a"
    assert readable("\u00a0👨‍👩‍👧".encode()) == "▁👨‍👩‍👧"


def test_pieces_that_the_text_does_not_hold_cover_what_lies_between() -> None:
    assert align([b"a", None, b"b"], "a ?! b") == [(0, 1), (2, 4), (5, 6)]
    assert align([b"a", None, b" ", None, b"b"], "a é ü b") == [(0, 1), (2, 3), (4, 4), (4, 5), (6, 7)]
    assert align([b"a", b"b", b"c"], "ac") == [(0, 1), (1, 1), (1, 2)]
    assert align([b"A", b"fi"], "a ﬁ", fold=True) == [(0, 1), (2, 3)]
    assert align([], "a") == []


def test_the_prefix_is_the_target_one_step_late() -> None:
    tokenizer = wordpiece()
    _, target = output_axis(tokenizer, [8, 5, 3])
    prefix = prefix_axis(tokenizer, [2], target)
    assert prefix.labels == ["[CLS]", "the", "un"]
    assert prefix.ids == [2, 8, 5]
    assert prefix.spans == [(0, 0), (0, 3), (4, 6)]
    assert prefix.special == [True, False, False]


def words_of(axis: Axis) -> list[str]:
    return ["".join(axis.labels[index] for index in word.tokens) for word in words(axis)]


def test_words_are_what_touches() -> None:
    assert words_of(axis_of(wordpiece(), "the unaffable, uber")) == [
        *("[CLS]", "the", "un##aff##able", ",", "uber", "[SEP]"),
    ]
    assert words_of(axis_of(GPT2Tokenizer(**byte_pairs()), "I don't, na\u00efve 你好 😀")) == [
        *("I", "▁don't", ",", "▁na<0xC3><0xAF>ve", "▁<0xE4><0xBD><0xA0>", "<0xE5><0xA5><0xBD>"),
        "▁<0xF0><0x9F><0x98><0x80>",
    ]
    # Two texts that meet, and what is no text, are apart.
    pair = axis_of(wordpiece(), "un", "##able")
    assert all(len({pair.segments[token] for token in word.tokens}) == 1 for word in words(pair))
