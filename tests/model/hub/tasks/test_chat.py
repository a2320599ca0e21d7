"""Chats: which words of the prompt are a message's, whatever the template does, and what it may not do to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heedmap.model.contract import Axis
from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.load import loading
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.served import HubModel
from heedmap.model.hub.tasks.chat import encode_chat
from tests.model.hub import checkpoints
from tests.model.hub.serving import request
from tests.model.hub.vocabularies import CHAT_TEMPLATE

Message = dict[str, Any]
ENDS = "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"


def template(said: str, each: str = "for message in messages") -> str:
    """A chat template that writes this of each message."""
    return "{% " + each + " %}<|{{ message['role'] }}|>\n" + said + "\n{% endfor %}" + ENDS


WHOLE = template("{{ message['content'] }}")
STRIPPED = template("{{ message['content'] | trim }}")
PARTS = template(
    "{% for part in message['content'] %}{% if part is mapping %}{{ part['text'] }}{% endif %}{% endfor %}"
)
LOOKING = template("{% if message['content'].startswith('help') %}! {% endif %}{{ message['content'] }}")
WITHOUT_SYSTEM = template("{{ message['content'] }}", "for message in messages if message['role'] != 'system'")
THOUGHTLESS = template("{{ message['content'].split('</think>')[-1] }}")
TWICE = template("{{ message['content'] }}|{{ message['content'] }}")
SYSTEM, USER = {"role": "system", "content": "Be helpful."}, {"role": "user", "content": "help"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A tiny Llama with a chat template."""
    folder: Path = checkpoints.llama(tmp_path_factory.mktemp("chat"), chat=True, max_position_embeddings=256)
    return loading.load(folder, "AutoModelForCausalLM")


@pytest.fixture
def chat(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Axis]:
    """The axis of a chat under a template."""

    def encode(written: str, *messages: Message, limit: int | None = None) -> Axis:
        monkeypatch.setattr(loaded.tokenizer, "chat_template", written)
        return encode_chat(loaded, list(messages), limit).axis

    return encode


def whole(content: Any) -> str:
    """A content as one text."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def words_of(axis: Axis, number: int, message: Message) -> str:
    """What the tokens of a message cover of it, in their order, blanks left out."""
    segments = axis.segments or []
    others = [at for at, of in enumerate(segments) if of == number and not axis.special[at]]
    return "".join("".join(whole(message["content"])[slice(*axis.spans[at])].split()) for at in others)


def labels_of(axis: Axis, number: int) -> str:
    """The labels of a message's tokens, blanks left out."""
    segments = axis.segments or []
    others = [at for at, of in enumerate(segments) if of == number and not axis.special[at]]
    return "".join(axis.labels[at] for at in others).replace("▁", "").replace("↵", "")


@pytest.mark.parametrize("written", [CHAT_TEMPLATE, WHOLE, STRIPPED, PARTS, LOOKING, THOUGHTLESS])
def test_a_word_that_another_message_has_too_is_not_mistaken(chat: Callable[..., Axis], written: str) -> None:
    axis = chat(written, SYSTEM, USER)
    for number, message in enumerate((SYSTEM, USER)):
        expected = "".join(message["content"].split())
        assert words_of(axis, number, message) == labels_of(axis, number) == expected
    segments = axis.segments or []
    first = [at for at, of in enumerate(segments) if of == 0 and not axis.special[at]]
    second = [at for at, of in enumerate(segments) if of == 1 and not axis.special[at]]
    assert max(first) < min(second)
    between = "".join(axis.labels[max(first) + 1 : min(second)])
    assert "user" in between.replace("▁", ""), "the role stands between them and is no part of either"


@pytest.mark.parametrize("written", [WHOLE, PARTS, STRIPPED])
def test_a_word_of_the_template_is_not_a_messages(chat: Callable[..., Axis], written: str) -> None:
    message = {"role": "user", "content": "user"}
    turns = [message, {"role": "assistant", "content": "assistant"}, message]
    axis = chat(written, *turns)
    for number, said in enumerate(("user", "assistant", "user")):
        assert words_of(axis, number, {"content": said}) == labels_of(axis, number) == said
    assert axis.special[-1], "the template asks the assistant to speak"
    assert not chat(written, *turns[:2]).special[-1], "a chat that ends with the assistant's words goes on in them"


def test_a_template_that_reads_parts_gets_them_from_a_text_and_the_other_way_round(
    chat: Callable[..., Axis],
) -> None:
    parts = [{"type": "text", "text": "Where is"}, {"type": "text", "text": " the station? "}]
    listed = {"role": "user", "content": parts}
    for written in (WHOLE, STRIPPED, PARTS, CHAT_TEMPLATE):
        axis = chat(written, SYSTEM, listed)
        assert words_of(axis, 0, SYSTEM) == "Behelpful."
        assert words_of(axis, 1, listed) == labels_of(axis, 1) == "Whereisthestation?"
    assert chat(WHOLE, {**listed, "content": "Where is\n the station? "}) == chat(WHOLE, listed)


@pytest.mark.parametrize("content", ["  Where is it?\n", "\n\nWhere is it?"])
def test_blanks_that_a_template_strips_are_counted(chat: Callable[..., Axis], content: str) -> None:
    message = {"role": "user", "content": content}
    for written in (WHOLE, STRIPPED, PARTS):
        axis = chat(written, message)
        assert words_of(axis, 0, message) == "Whereisit?"
        spans = [span for span, special in zip(axis.spans, axis.special, strict=True) if not special and any(span)]
        assert (min(spans)[0], max(spans)[1]) == (content.index("W"), content.index("?") + 1) or written == WHOLE


def test_a_message_that_the_template_writes_twice_is_marked_twice(chat: Callable[..., Axis]) -> None:
    axis = chat(TWICE, USER)
    assert words_of(axis, 0, USER) == labels_of(axis, 0) == "helphelp"


def test_thoughts_that_a_template_leaves_out_are_no_error(chat: Callable[..., Axis]) -> None:
    thought = {"role": "assistant", "content": "<think>It is late.</think>The train."}
    axis = chat(THOUGHTLESS, USER, thought, USER)
    assert words_of(axis, 1, thought) == labels_of(axis, 1) == "Thetrain."


@pytest.mark.parametrize(
    ("written", "messages", "field", "message"),
    [
        (WITHOUT_SYSTEM, [SYSTEM, USER], "inputs.messages.0", "leaves out what this message says"),
        (WITHOUT_SYSTEM, [USER, SYSTEM, USER], "inputs.messages.1", "never reach the model"),
        (template("hello"), [USER], "inputs.messages.0", "leaves out"),
        (template("{{ message['text'] }}"), [SYSTEM, USER], "inputs.messages.0", "leaves out"),
        (template("{{ message['content'][:2] }}"), [USER], "inputs.messages.0", "leaves out"),
        ("{{ 'a' + 1 }}", [USER], "inputs.messages", "template cannot take these messages"),
        ("{{ messages[0].content.nothing.more }}", [USER], "inputs.messages", "cannot take these messages"),
        ("{{ 1 // 0 }}", [USER], "inputs.messages", "cannot take these messages: .*zero"),
        ("{% for", [USER], "inputs.messages", "cannot take these messages"),
        ("{{ raise_exception('Only whispers') }}", [USER], "inputs.messages", "Only whispers"),
        (WHOLE, [USER, {"role": "user", "content": 5}], "inputs.messages.1.content", "a text, or a list of"),
        (WHOLE, [{"role": "user", "content": [{"type": "image"}]}], "inputs.messages.0.content", "a list of"),
        (WHOLE, [{"role": 1, "content": "a"}], "inputs.messages.0", "a message is"),
        (WHOLE, [], "inputs.messages", "at least one"),
    ],
)
def test_what_does_not_reach_the_model_is_an_error(
    chat: Callable[..., Axis], written: str, messages: list[Message], field: str, message: str
) -> None:
    with pytest.raises((ParameterError, EmptyInput), match=message) as caught:
        chat(written, *messages)
    assert caught.value.field == field


def test_a_chat_that_is_too_long(chat: Callable[..., Axis]) -> None:
    with pytest.raises(InputTooLong, match="the model has positions for 8") as caught:
        chat(WHOLE, SYSTEM, USER, limit=8)
    assert caught.value.field == "inputs.messages"


def test_a_template_that_fails_for_one_chat_fails_for_that_one_alone(loaded: Loaded) -> None:
    from heedmap.model.hub.tasks.registry import TASKS

    loaded.tokenizer.chat_template = template("{{ message['content'] if message['role'] != 'tool' else 'a' + 1 }}")
    model = HubModel(loaded, TASKS["text-generation"])
    chats = [{"messages": [{**USER, "role": role}]} for role in ("user", "tool", "system")]
    first, bad, last = model.predict([request(chat, max_new_tokens=3) for chat in chats])
    assert isinstance(bad, ParameterError)
    assert len(first.tokens) == len(last.tokens) == 3
