"""Checkpoints of a hub watched while they write: tokens, text and rows are those of the trace."""

from pathlib import Path

import pytest

from heedmap.model.errors import Cancelled
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.serving import request, served
from tests.model.watching import Notes, check, every_map, watched

TEXT = "The girl is reading"
DECODERS = {
    "gpt2": (checkpoints.gpt2, {}),
    "llama": (checkpoints.llama, {}),
    "gpt2-sampled": (checkpoints.gpt2, {"do_sample": True, "seed": 5}),
}
PICTURE = media_checkpoints.as_png(media_checkpoints.picture())
WRITERS = {"t5": checkpoints.t5, "bart": checkpoints.bart, "marian": checkpoints.marian, "nllb": checkpoints.nllb}


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_writes_what_its_trace_has(tmp_path: Path, name: str) -> None:
    make, parameters = DECODERS[name]
    model = served(make(tmp_path), "text-generation")
    maps = every_map(model)
    notes, trace = watched(model, request(TEXT, max_new_tokens=9, **parameters), maps)
    check(notes, trace, "tokens", maps)


@pytest.mark.parametrize("name", WRITERS)
def test_an_encoder_decoder_writes_what_its_trace_has(tmp_path: Path, name: str) -> None:
    task = "text2text-generation" if name in ("t5", "bart") else "translation"
    model = served(WRITERS[name](tmp_path), task)
    maps = every_map(model)
    languages = {"src_lang": "eng_Latn", "tgt_lang": "deu_Latn"} if name == "nllb" else {}
    notes, trace = watched(model, request(TEXT, max_new_tokens=9, **languages), maps)
    assert list(notes.axes) == ["source"]
    assert len(notes.tokens) > 1
    check(notes, trace, "target", maps)


def test_a_sliding_cache_gives_the_traces_rows(tmp_path: Path) -> None:
    import transformers as hf

    from tests.model.hub import vocabularies

    tokenizer = vocabularies.metaspace()
    shape = {**checkpoints.SHAPE, "num_key_value_heads": 2, "sliding_window": 4, "bos_token_id": 1, "eos_token_id": 2}
    config = hf.MistralConfig(vocab_size=len(tokenizer), **shape)
    folder = checkpoints.save(tmp_path, checkpoints.random(hf.MistralForCausalLM, config), tokenizer)
    model = served(folder, "text-generation")
    maps = every_map(model)
    notes, trace = watched(model, request(TEXT, max_new_tokens=9), maps)
    check(notes, trace, "tokens", maps)


def test_a_caption_goes_on_from_its_prompt(tmp_path: Path) -> None:
    model = served(media_checkpoints.blip(tmp_path), "image-to-text")
    maps = every_map(model)
    asked = request({"image": PICTURE, "text": "a girl"}, max_new_tokens=6)
    notes, trace = watched(model, asked, maps)
    check(notes, trace, "target", maps, told=len(trace.prediction.axes["target"]) - len(notes.tokens))
    assert trace.prediction.text.startswith("a girl"), "the prompt is a part of what is handed out"


def test_a_picture_is_written_about(tmp_path: Path) -> None:
    model = served(media_checkpoints.llava(tmp_path), "image-text-to-text")
    maps = every_map(model)
    notes, trace = watched(model, request({"image": PICTURE, "text": "Where is the girl?"}, max_new_tokens=6), maps)
    assert set(notes.axes) == {"tokens", "vision"}
    check(notes, trace, "tokens", maps)


def test_a_recording_is_written_down(tmp_path: Path) -> None:
    model = served(media_checkpoints.whisper(tmp_path), "automatic-speech-recognition")
    maps = every_map(model)
    sound = media_checkpoints.as_wav(media_checkpoints.speech())
    notes, trace = watched(model, request({"audio": sound}, max_new_tokens=6, language="english"), maps)
    check(notes, trace, "target", maps, told=notes.tokens[0].rows[0].query, after=1)


def test_decoding_stops_within_a_step(tmp_path: Path) -> None:
    model = served(checkpoints.gpt2(tmp_path), "text-generation")
    notes = Notes(patience=2)
    with pytest.raises(Cancelled):
        model.predict([request(TEXT, max_new_tokens=30)], notes)
    assert len(notes.tokens) == 2
