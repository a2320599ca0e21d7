"""Tasks that write: the same texts as transformers gives, their axes, chats, languages, and targets that are given."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Axis, Prediction
from heedmap.model.errors import ParameterError
from heedmap.model.hub.served import HubModel
from tests.model.hub import checkpoints
from tests.model.hub.serving import ask, request, served, trace

TEXTS = ["Where is the station?", "The train is late again, I think.", "No 😀"]
Maker = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Checkpoint folders, each made once: family and changes of its configuration."""

    @functools.cache
    def make(family: str, **changes: Any) -> Path:
        return Path(getattr(checkpoints, family)(tmp_path_factory.mktemp("made") / family, **changes))

    return make


def translate(folder: Path, text: str, before: str = "", beams: int = 1, **options: Any) -> str:
    """What transformers makes of a text, step by step: tokenizer, generate, decode."""
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    model = hf.AutoModelForSeq2SeqLM.from_pretrained(folder)
    encoding = tokenizer(before + text, return_tensors="pt")
    settings = {"max_new_tokens": 8, "max_length": None, "do_sample": False, "num_beams": beams, **options}
    return str(tokenizer.decode(model.generate(**encoding, **settings)[0], skip_special_tokens=True))


def covers(axis: Axis, text: str) -> None:
    """Every character but spaces is covered, in order."""
    assert {at for start, stop in axis.spans for at in range(start, stop)} >= {
        at for at, sign in enumerate(text) if not sign.isspace()
    }


def batch_equals_singles(
    model: HubModel, inputs: list[Any], targets: list[str] | None = None, **parameters: Any
) -> None:
    requests = [
        request(one, target, **parameters) for one, target in zip(inputs, targets or [None] * len(inputs), strict=True)
    ]
    for one, together, recorded in zip(requests, model.predict(requests), model.trace(requests), strict=True):
        [alone] = model.predict([one])
        for prediction in (together, recorded.prediction):
            assert isinstance(prediction, Prediction)
            assert (prediction.text, prediction.tokens, prediction.axes) == (alone.text, alone.tokens, alone.axes)
            assert prediction.score == pytest.approx(alone.score, abs=1e-4)
        assert recorded.certificate.max_error < 1e-4
        for site in recorded.sites():
            assert site["shape"] == [len(alone.axes[site["queries"]]), len(alone.axes[site["keys"]])]


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize("family", ["t5", "bart", "marian"])
@pytest.mark.parametrize("beams", [1, 3])
def test_translation(folder: Maker, family: str, beams: int) -> None:
    place = folder(family)
    model = served(place, "translation")
    for text in TEXTS:
        prediction = ask(model, text, max_new_tokens=8, beam_size=beams)
        reference = translate(place, text, beams=beams)
        assert prediction.to_json() == {
            "text": reference,
            "tokens": prediction.axes["target"].labels,
            "score": prediction.score,
            "finish_reason": "length" if len(prediction.tokens) == 8 else "stop",
            "translation_text": reference,
        }
        assert list(prediction.axes) == ["source", "target", "prefix"]
        assert len(prediction.axes["target"]) == len(prediction.axes["prefix"])
        assert prediction.axes["prefix"].ids[1:] == prediction.axes["target"].ids[:-1]
        assert prediction.axes["prefix"].ids[0] == model.loaded.model.generation_config.decoder_start_token_id
        covers(prediction.axes["source"], text)
        covers(prediction.axes["target"], reference)
    batch_equals_singles(model, TEXTS, max_new_tokens=8, beam_size=beams)
    assert [site["name"] for site in trace(model, TEXTS[0]).sites()] == ["encoder", "decoder", "cross"]


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize("family", ["t5", "bart", "marian", "nllb", "m2m100"])
def test_a_given_target_is_scored_as_if_it_had_been_generated(folder: Maker, family: str) -> None:
    model = served(folder(family), "translation")
    speaks = model.runner.probe_parameters.model_dump(include={"src_lang", "tgt_lang"})
    text, target = TEXTS[0], "Wo ist der Bahnhof?"
    prediction = ask(model, text, target, **speaks)
    assert prediction.text == target
    covers(prediction.axes["target"], target)
    tokenizer, plain = model.loaded.tokenizer, model.loaded.model
    ids = prediction.axes["target"].ids
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == target
    # The definition: each token's log-probability after those before it.
    source = torch.tensor([prediction.axes["source"].ids])
    read = torch.tensor([[plain.generation_config.decoder_start_token_id, *ids[:-1]]])
    with torch.inference_mode():
        logits = plain(input_ids=source, decoder_input_ids=read).logits[0].double().log_softmax(dim=-1)
    assert prediction.score == pytest.approx(sum(float(logits[at, token]) for at, token in enumerate(ids)), abs=1e-4)
    batch_equals_singles(model, TEXTS, [target, "Ja.", "Das ist ein Zug."], **speaks)


def test_an_output_that_is_given_back_scores_the_same(folder: Maker) -> None:
    model = served(folder("bart"), "text2text-generation")
    free = ask(model, TEXTS[0], max_new_tokens=4)
    assert free.to_json()["generated_text"] == free.text
    if "�" not in free.text:
        scored = ask(model, TEXTS[0], free.text)
        assert scored.axes["target"].ids == free.axes["target"].ids
        assert scored.score == pytest.approx(free.score, abs=1e-4)


@pytest.mark.parametrize(("family", "codes"), [("nllb", ("eng_Latn", "fra_Latn")), ("m2m100", ("en", "fr"))])
def test_languages(folder: Maker, family: str, codes: tuple[str, str]) -> None:
    place = folder(family)
    model = served(place, "translation")
    source, target = codes
    tokenizer = hf.AutoTokenizer.from_pretrained(place)
    tokenizer.src_lang = source
    number = tokenizer.get_lang_id(target) if family == "m2m100" else tokenizer.convert_tokens_to_ids(target)
    plain = hf.AutoModelForSeq2SeqLM.from_pretrained(place)
    row = plain.generate(
        **tokenizer(TEXTS[0], return_tensors="pt"),
        forced_bos_token_id=number,
        max_new_tokens=8,
        max_length=None,
        do_sample=False,
    )[0].tolist()
    before = model.loaded.tokenizer.src_lang
    prediction = ask(model, TEXTS[0], src_lang=source, tgt_lang=target, max_new_tokens=8)
    assert prediction.axes["target"].ids == row[1:]
    assert (prediction.axes["source"].special[0], prediction.axes["target"].special[0]) == (True, True)
    assert prediction.axes["source"].ids == tokenizer(TEXTS[0])["input_ids"]
    assert model.loaded.tokenizer.src_lang == before, "the shared tokenizer was changed"
    other = ask(model, TEXTS[0], src_lang=target, tgt_lang=source, max_new_tokens=8)
    assert other.axes["source"].ids[0] == number


def test_an_mbart_decoder_starts_with_its_language(folder: Maker) -> None:
    place = folder("mbart")
    model = served(place, "translation")
    tokenizer = hf.AutoTokenizer.from_pretrained(place, src_lang="fr_XX")
    plain = hf.AutoModelForSeq2SeqLM.from_pretrained(place)
    start = tokenizer.convert_tokens_to_ids("de_DE")
    row = plain.generate(
        **tokenizer(TEXTS[0], return_tensors="pt"), decoder_start_token_id=start, max_new_tokens=8, max_length=None
    )[0].tolist()
    prediction = ask(model, TEXTS[0], src_lang="fr_XX", tgt_lang="de_DE", max_new_tokens=8)
    assert prediction.axes["source"].labels[-2:] == ["</s>", "fr_XX"]
    assert [start, *prediction.axes["target"].ids] == row
    assert prediction.axes["prefix"].labels[0] == "de_DE"
    scored = ask(model, TEXTS[0], "Wo ist der Zug?", src_lang="fr_XX", tgt_lang="de_DE")
    assert scored.axes["prefix"].labels[0] == "de_DE"
    assert scored.tokens[-1] == "</s>"


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_marian_reads_the_language_before_the_text(folder: Maker) -> None:
    place = folder("marian")
    model = served(place, "translation")
    for code in ("fra", ">>fra<<"):
        prediction = ask(model, TEXTS[0], tgt_lang=code, max_new_tokens=8)
        assert prediction.text == translate(place, TEXTS[0], ">>fra<< ")
        axis = prediction.axes["source"]
        assert (axis.labels[0], axis.special[0], axis.spans[0]) == (">>fra<<", True, (0, 0))
        covers(axis, TEXTS[0])
    with pytest.raises(ParameterError, match="no language 'spa': one of deu, fra"):
        ask(model, TEXTS[0], tgt_lang="spa")


def test_t5_is_told_its_task_and_the_prefix_is_no_part_of_the_text(folder: Maker) -> None:
    prefixes = {
        "summarization": {"prefix": "summarize: "},
        "translation_en_to_de": {"prefix": "translate English to German: "},
    }
    place = checkpoints.t5(folder("t5").parent / "told", task_specific_params=prefixes)
    model = served(place, "summarization")
    prediction = ask(model, TEXTS[0], max_new_tokens=8)
    assert prediction.to_json()["summary_text"] == translate(place, TEXTS[0], "summarize: ")
    axis = prediction.axes["source"]
    covers(axis, TEXTS[0])
    first = next(at for at, special in enumerate(axis.special) if not special)
    assert first > 3
    assert set(axis.spans[:first]) == {(0, 0)}
    assert axis.spans[first][0] == 0
    translation = served(place, "translation")
    german = ask(translation, TEXTS[0], src_lang="en", tgt_lang="de", max_new_tokens=8)
    assert german.text == translate(place, TEXTS[0], "translate English to German: ")
    assert ask(translation, TEXTS[0], max_new_tokens=8).text == translate(place, TEXTS[0])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_text_generation(folder: Maker, family: str) -> None:
    place = folder(family)
    model = served(place, "text-generation")
    theirs = hf.pipeline("text-generation", model=str(place))
    for text in TEXTS:
        prediction = ask(model, text, max_new_tokens=8)
        [reference] = theirs(text, max_new_tokens=8, max_length=None, do_sample=False, return_full_text=False)
        assert prediction.output == reference
        assert (prediction.text, prediction.tokens) == (
            reference["generated_text"],
            prediction.axes["tokens"].labels[-8:],
        )
        axis = prediction.axes["tokens"]
        assert axis.segments == [0] * (len(axis) - 8) + [1] * 8
        covers(Axis("text", *(getattr(axis, name)[:-8] for name in ("labels", "ids", "spans", "special"))), text)
        covers(
            Axis("text", *(getattr(axis, name)[-8:] for name in ("labels", "ids", "spans", "special"))), prediction.text
        )
    batch_equals_singles(model, TEXTS, max_new_tokens=8)
    batch_equals_singles(model, TEXTS, ["It is here.", " a", "漢字"])
    assert [site["name"] for site in trace(model, TEXTS[0]).sites()] == ["decoder"]


def test_a_decoder_whose_positions_do_not_begin_at_0(folder: Maker) -> None:
    # transformers' own generate counts them from 0, its forward from behind the padding token's, as it was trained.
    place = folder("roberta", head="causal", is_decoder=True)
    model = served(place, "text-generation")
    plain = hf.AutoModelForCausalLM.from_pretrained(place)
    for text in TEXTS:
        prediction = ask(model, text, max_new_tokens=6)
        ids, score = model.loaded.tokenizer(text)["input_ids"], 0.0
        for _ in prediction.tokens:
            with torch.inference_mode():
                last = plain(torch.tensor([ids])).logits[0, -1].double().log_softmax(dim=-1)
            ids.append(int(last.argmax()))
            score += float(last.max())
        assert prediction.axes["tokens"].ids == ids
        assert prediction.score == pytest.approx(score, abs=1e-4)
    batch_equals_singles(model, TEXTS, max_new_tokens=6)
    batch_equals_singles(model, TEXTS, max_new_tokens=6, beam_size=2)


def test_a_continuation_that_is_given_is_scored_without_an_end(folder: Maker) -> None:
    model = served(folder("gpt2"), "text-generation")
    prompt, target = "Where is", " the station?"
    prediction = ask(model, prompt, target)
    tokenizer, plain = model.loaded.tokenizer, model.loaded.model
    first, second = tokenizer(prompt)["input_ids"], tokenizer(target)["input_ids"]
    assert prediction.axes["tokens"].ids == first + second
    with torch.inference_mode():
        logits = plain(torch.tensor([first + second])).logits[0].double().log_softmax(dim=-1)
    reference = sum(float(logits[len(first) - 1 + at, token]) for at, token in enumerate(second))
    assert prediction.score == pytest.approx(reference, abs=1e-4)
    assert prediction.output == {"generated_text": target}


CHAT = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "  Where is the station? "},
]


@pytest.mark.parametrize("more", [[], [{"role": "assistant", "content": "It is"}]])
def test_a_chat_is_what_the_template_makes_of_it(folder: Maker, more: list[dict[str, str]]) -> None:
    place = folder("llama", chat=True, max_position_embeddings=128)
    model = served(place, "text-generation")
    messages = [*CHAT, *more]
    prediction = ask(model, {"messages": messages}, max_new_tokens=8)
    [reference] = hf.pipeline("text-generation", model=str(place))(
        messages, max_new_tokens=8, max_length=None, do_sample=False, return_full_text=False
    )
    assert prediction.text == reference["generated_text"]
    axis = prediction.axes["tokens"]
    segments = axis.segments or []
    for number, message in enumerate(messages):
        members = [at for at, of in enumerate(segments) if of == number and not axis.special[at]]
        said = "".join(message["content"][slice(*axis.spans[at])] for at in members)
        assert said.replace(" ", "") == message["content"].replace(" ", "")
    assert segments[-8:] == [len(messages)] * 8
    assert axis.special[0], "what the template wrote is no part of a message"
    batch_equals_singles(model, [{"messages": messages}, TEXTS[0]], max_new_tokens=8)
