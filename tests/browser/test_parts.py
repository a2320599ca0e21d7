"""The pure modules behind the tasks: drafts to requests, words, light on patches and frames, groups of heads."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from .test_modules import call

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(server: str, browser: Browser) -> Iterator[Page]:
    """A page of the same origin with nothing on it; modules keep no state, so that one does for all."""
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(server + "/icon.svg")
    yield page
    context.close()


MOST_TOKENS = 32_768  # of an output, as the service takes it
DRAFT = {"model": "m", "fields": {}, "media": None, "parameters": {}}


@pytest.mark.parametrize("chat", [True, False])
def test_a_chat_is_offered_where_there_is_a_template(page: Page, chat: bool) -> None:
    model = {"task": "text-generation", "chat": chat}
    options = call(page, "input/tasks", "Object.keys(m.optionsOf(a))", model)
    assert ("chat" in options) == chat
    assert "seed" in options


@pytest.mark.parametrize(
    ("task", "draft", "body"),
    [
        ("translation", {"fields": {"text": "Hallo"}}, {"inputs": "Hallo"}),
        (
            "text-generation",
            {"fields": {"text": "Hi"}, "parameters": {"seed": 3}},
            {"inputs": "Hi", "parameters": {"seed": 3}},
        ),
        (
            "text-generation",
            {"fields": {"text": "Hi"}, "parameters": {"chat": True}},
            {"inputs": {"messages": [{"role": "user", "content": "Hi"}]}},
        ),
        (
            "question-answering",
            {"fields": {"question": "Wo?", "context": "Da."}},
            {"inputs": {"question": "Wo?", "context": "Da."}},
        ),
        (
            "sentence-similarity",
            {"fields": {"source": "a", "sentences": " b \n\nc"}},
            {"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}},
        ),
        ("image-classification", {"media": {"base64": "AAAA"}}, {"inputs": {"image": "AAAA"}}),
        ("image-to-text", {"media": {"base64": "AAAA"}}, {"inputs": {"image": "AAAA"}}),
        (
            "image-text-to-text",
            {"media": {"base64": "AAAA"}, "fields": {"text": ""}},
            {"inputs": {"image": "AAAA", "text": ""}},
        ),
        ("automatic-speech-recognition", {"media": {"base64": "AAAA"}}, {"inputs": {"audio": "AAAA"}}),
        (
            "zero-shot-image-classification",
            {"media": {"base64": "AAAA"}, "fields": {"labels": "cat\ndog"}},
            {"inputs": {"image": "AAAA"}, "parameters": {"candidate_labels": ["cat", "dog"]}},
        ),
    ],
)  # fmt: skip
def test_a_draft_becomes_the_tasks_request(page: Page, task: str, draft: dict, body: dict) -> None:
    request = call(page, "input/draft", "m.bodyOf(...a)", [{**DRAFT, **draft}, {"name": "m", "task": task}])
    assert request == {"model": "m", **body}


def test_an_unknown_task_is_known_by_its_example(page: Page) -> None:
    model = {"name": "m", "task": "depth-estimation", "examples": [{"image": "AAAA"}]}
    draft = {**DRAFT, "media": {"base64": "BBBB"}}
    assert call(page, "input/draft", "m.bodyOf(...a)", [draft, model])["inputs"] == {"image": "BBBB"}


def test_examples_fill_the_fields_that_they_have(page: Page) -> None:
    example = {"source_sentence": "a", "sentences": ["b", "c"]}
    actual = call(page, "input/draft", "m.fromExample(a)", example)
    assert actual == {"fields": {"source": "a", "sentences": "b\nc"}, "file": None}
    picture = call(page, "input/draft", "m.fromExample(a)", {"image": "AAAA", "text": "?"})
    assert picture == {"fields": {"text": "?"}, "file": {"kind": "image", "base64": "AAAA"}}


def test_parameters_of_a_link_are_those_of_the_page(page: Page) -> None:
    said = call(page, "input/draft", "m.parametersOf(a)", '{"seed": 3, "evil": 1, "tgt_lang": "de", "top_k": [1]}')
    assert said == {"seed": 3, "tgt_lang": "de"}
    assert call(page, "input/draft", "m.parametersOf(a)", "{not json") == {}


def axis(labels: list[str], spans: list[tuple[int, int]], **more: Any) -> dict[str, Any]:
    """An axis of text."""
    special = [label.startswith(("[C", "[S", "<s")) for label in labels]
    return {"kind": "text", "labels": labels, "ids": [], "spans": spans, "special": special, **more}


def test_word_pieces_join_and_marks_keep_their_place(page: Page) -> None:
    pieces = axis(
        ["[CLS]", "the", "sta", "##tion", "[MASK]", "[SEP]"], [(0, 0), (0, 3), (4, 7), (7, 11), (12, 18), (0, 0)]
    )
    words = call(page, "text/words", "m.wordsOf('the station [MASK]', a)", pieces)
    assert [(word["text"], word["tokens"]) for word in words] == [
        ("[CLS]", [0]), ("the", [1]), ("station", [2, 3]), ("[MASK]", [4]), ("[SEP]", [5]),
    ]  # fmt: skip
    assert call(page, "text/words", "a.labels.map((_, i) => m.tokenText(a, i))", pieces) == [
        "[CLS]", "the", "sta", "·tion", "[MASK]", "[SEP]",
    ]  # fmt: skip


def test_labels_alone_still_make_words(page: Page) -> None:
    spaced = axis(["<s>", "▁Wo", "▁Bahn", "hof", "?"], [(0, 0)] * 5)
    words = call(page, "text/words", "m.wordsOfLabels(a)", spaced)
    assert [word["text"] for word in words] == ["<s>", "Wo", "Bahnhof", "?"]
    pieces = axis(["[CLS]", "sta", "##tion", "here"], [(0, 0)] * 4)
    assert [word["text"] for word in call(page, "text/words", "m.wordsOfLabels(a)", pieces)] == [
        "[CLS]",
        "station",
        "here",
    ]


CASES = json.loads((Path(__file__).parents[1] / "data" / "words.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_tokens_make_the_words_of_the_table(page: Page, case: dict[str, Any]) -> None:
    tokens = {"kind": "text", "ids": [], **{name: case[name] for name in ("labels", "spans", "special")}}
    code = "a[0] === null ? m.wordsOfLabels(a[1]) : m.wordsOf(...a)"
    actual = call(page, "text/words", code, [case["text"], tokens])
    assert [word["tokens"] for word in actual if word["tokens"]] == case["words"]


def test_tokens_know_their_text(page: Page) -> None:
    tokens = axis(["▁the", "▁station"], [(0, 3), (4, 11)])
    shares = [
        call(page, "text/words", "m.shareOf(...a)", [text, tokens]) for text in ("The Station", "the stat", "no such")
    ]
    assert shares == [1, 1, 0]


MAP = "({rows: 2, cols: 3, causal: false, weights: Float32Array.from([0.5, 0.25, 0.25, 0, 1, 0])})"


def test_light_by_hand(page: Page) -> None:
    keys = call(page, "beside/spotlight", f"(({{side, light}}) => [side, [...light]])(m.lit({MAP}, {{rows: [0, 1]}}))")
    assert keys == ["keys", [0.25, 0.625, 0.125]]
    queries = call(
        page, "beside/spotlight", f"(({{side, light}}) => [side, [...light]])(m.lit({MAP}, {{cols: [0, 1]}}))"
    )
    assert queries == ["queries", [0.75, 1]]
    assert call(page, "beside/spotlight", "[0, 0.001, 0.1, 1].map((w) => m.brightness(w, 1, 'log'))") == [0, 0, 0.5, 1]
    assert call(page, "beside/spotlight", "m.brightness(0.25, 0.5, 'linear')") == 0.5
    assert call(page, "beside/spotlight", "m.brightness(0, 0, 'linear')") == 0


def test_one_row_of_a_map_is_enough_for_its_light(page: Page) -> None:
    band = "({rows: 9, cols: 3, from: 7, causal: false, weights: Float32Array.from([0.5, 0.25, 0.25])})"
    light = call(page, "beside/spotlight", f"m.lit({band}, {{rows: [7], cols: [1]}})")
    assert light == {"side": "keys", "light": [0.5, 0.25, 0.25]}


def test_the_strongest_of_a_row(page: Page) -> None:
    row = "({rows: 1, cols: a.length, causal: false, weights: Float32Array.from(a)})"
    random = np.random.default_rng(0)
    weights = random.integers(0, 40, 300).tolist()  # many are equal: then the first stands first
    order = sorted(range(300), key=lambda index: (-weights[index], index))
    for most in (1, 6, 300, 400):
        strongest = call(page, "map/cells", f"m.topK({row}, 0, {most})", weights)
        assert strongest == [{"col": index, "weight": weights[index]} for index in order[:most]]
    assert call(page, "map/cells", "m.largest(Float32Array.from(a))", weights) == order[0]
    with_holes = call(page, "map/cells", f"m.topK(Object.assign({row}, {{holes: true}}), 0, 9)", [0, 2, 0])
    assert with_holes == [{"col": 1, "weight": 2}]


def test_a_pointer_that_rests_asks_once(page: Page) -> None:
    code = """(async () => {
      const [told, failed] = [[], []];
      const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
      const rest = new m.Rest((error) => failed.push(error && error.message));
      const asked = [];
      const ask = (name, time, bad) => async (signal) => {
        asked.push(name);
        await pause(time);
        if (bad.length) throw new Error(bad.pop());
        return name;
      };
      const tell = (answer) => told.push(answer);
      rest.ask(ask("passed", 0, []), tell);
      rest.ask(ask("late", 80, []), tell, 0);
      await pause(30);
      rest.ask(ask("flaky", 0, ["no"]), tell, 0);
      await pause(100);
      rest.retry();
      await pause(30);
      rest.retry();
      rest.ask(ask("stopped", 30, ["never told"]), tell, 0);
      await pause(10);
      rest.stop();
      await pause(50);
      return { asked, told, failed };
    })()"""
    assert call(page, "map/atlas/rest", f"await {code}") == {
        "asked": ["late", "flaky", "flaky", "stopped"],
        "told": ["flaky"],
        "failed": ["no", None],
    }


def test_patches_are_found_where_they_lie(page: Page) -> None:
    boxes = [None, [0, 0, 10, 10], [10, 0, 20, 10], [0, 10, 10, 20], [0, 0, 20, 20]]
    at = [
        call(page, "beside/spotlight", "m.patchAt(...a)", [boxes, *point])
        for point in ((5, 5), (15, 5), (15, 15), (25, 5))
    ]
    assert at == [1, 2, 4, -1], "the smallest of those that overlap"
    moves = [(1, 1, 0), (1, 0, 1), (1, -1, 0), (-1, 1, 0)]
    beside = [call(page, "beside/spotlight", "m.patchBeside(...a)", [boxes[:4], *move]) for move in moves]
    assert beside == [2, 3, 1, 1]
    seconds = [[0, 0.5], [0.5, 1]]
    assert [call(page, "beside/spotlight", "m.frameAt(...a)", [seconds, moment]) for moment in (0.49, 0.5, 1)] == [
        0,
        1,
        -1,
    ]


def test_groups_by_hand(page: Page) -> None:
    site = {"heads": 8, "kv_heads": 2}
    assert call(page, "map/grid/groups", "m.groupsOf(a)", site) == [
        {"group": 0, "first": 0, "last": 3},
        {"group": 1, "first": 4, "last": 7},
    ]
    assert call(page, "map/grid/groups", "[0, 3, 4, 7].map((head) => m.groupOf(a, head))", site) == [0, 0, 1, 1]
    assert call(page, "map/grid/groups", "m.grouped(a)", {"heads": 8, "kv_heads": 8}) is False
    assert call(page, "map/grid/groups", "m.groupName(a, 1)", site) == "kv 1: heads 4–7"
    assert call(page, "map/grid/groups", "m.groupName(a, 1)", {"heads": 2, "kv_heads": 2}) == "kv 1: head 1"


def test_the_wave_is_the_loudest_of_each_part(page: Page) -> None:
    envelope = call(page, "input/media", "[...m.envelope(Float32Array.from(a), 2)]", [0.1, -0.2, 0.05, 0.4, 0.0, 0.0])
    assert envelope == pytest.approx([0.5, 1])
    assert call(page, "input/media", "[...m.envelope(new Float32Array(4), 2)]") == [0, 0]


def test_holes_are_masked_and_zeros_of_full_maps_are_not(page: Page) -> None:
    window = "({rows: 2, cols: 2, causal: false, holes: true, weights: Float32Array.from([1, 0, 0.5, 0.5])})"
    assert call(page, "map/cells", f"m.cellOf({window}, 0, 1)") == {"weight": 0, "masked": True, "rank": 2, "of": 1}
    assert call(page, "map/cells", f"m.cellOf({MAP}, 1, 0)")["masked"] is False
    drawn = call(page, "map/heatmap/pool", f"m.pooled({window}, [0, 2], [0, 2]).z")
    assert drawn == [[1, None], [0.5, 0.5]]


def test_the_class_token_opens_a_picture(page: Page) -> None:
    patches = {"kind": "image", "special": [True, False, False], "boxes": [None, [0, 0, 1, 1], [1, 0, 2, 1]]}
    square = "({rows: 3, cols: 3, causal: false, weights: Float32Array.from([0.8, 0, 0.2, 0, 1, 0, 0, 0, 1])})"
    assert call(page, "map/cells", f"m.brightest({square}, a, a)", patches) == [0, 2]


@pytest.mark.parametrize(("rows", "cols", "width", "height"), [(65, 65, 300, 600), (8, 145, 360, 600)])
def test_square_maps_stay_square(page: Page, rows: int, cols: int, width: int, height: int) -> None:
    margin = {"left": 0, "top": 0, "right": 0, "bottom": 0}
    box = call(page, "map/geometry", "m.plotBox(...a)", [{"width": width, "height": height}, margin, rows, cols])
    ratio = (box["height"] / rows) / (box["width"] / cols)
    assert ratio == pytest.approx(1.15, abs=0.02) if rows == cols else ratio > 2


FSI, LRI, PDI = "\u2068", "\u2066", "\u2069"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bahnhof", "Bahnhof"),
        ("<0xD8>", "<0xD8>"),
        ("שלום", f"{FSI}שלום{PDI}"),
        ("·ر<0xD8>", f"{FSI}·ر{LRI}<0xD8>{PDI}{PDI}"),
        ("a\u202eb", "ab"),
    ],
    ids=["left to right", "bytes alone", "Hebrew", "a letter and half of the next", "an override of its own"],
)
def test_labels_from_right_to_left_are_isolated(page: Page, text: str, expected: str) -> None:
    assert call(page, "text/isolate", "m.isolated(a)", text) == expected


def test_the_form_offers_what_a_model_takes(page: Page) -> None:
    taken = {
        "max_new_tokens": {"default": 448},
        "return_timestamps": {"default": False, "choices": [False, True]},
        "candidate_labels": {"default": None},
        "patience": {"default": 1.5},
    }
    model = {"task": "automatic-speech-recognition", "parameters": taken}
    assert call(page, "input/tasks", "m.optionsOf(a)", model) == {
        "given_answer": {"kind": "word"},
        "return_timestamps": {"kind": "choice", "choices": [True], "standard": False},
        "max_new_tokens": {"kind": "whole", "least": 1, "most": MOST_TOKENS, "standard": 448},
        "patience": {"kind": "number", "standard": 1.5},
    }
    many = {**model, "parameters": {"language": {"default": None, "choices": ["de", "fr"]}}}
    language = {"kind": "choice", "choices": ["de", "fr"]}
    assert call(page, "input/tasks", "m.optionsOf(a)", many) == {"language": language}
    silent = {"task": "automatic-speech-recognition", "parameters": 1000}
    assert call(page, "input/tasks", "Object.keys(m.optionsOf(a))", silent) == ["language", "return_timestamps"]


def test_a_model_that_failed_is_not_called_busy(page: Page) -> None:
    for kind, busy in (("overloaded", True), ("model-unavailable", False)):
        assert call(page, "api/request", "new m.Problem(503, {type: a}).busy", f"urn:heedmap:problem:{kind}") == busy
