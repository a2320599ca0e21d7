"""`Client.simultaneous` and `AsyncClient.simultaneous`: word by word, with what is committed given back."""

import asyncio

import pytest

from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import BadRequest
from heedmap.app.client.interpreters import there
from heedmap.app.simultaneous import spoken

WORDS = ["Ich", "habe", "gestern", "ein", "Buch", "gelesen."]
WAIT = {"kind": "wait-k", "k": 2}


def test_words_are_committed_one_after_the_other(client: Client, url: str) -> None:
    committed: list[int] = []
    texts = [""]
    for read in range(1, len(WORDS) + 1):
        answer = client.simultaneous(" ".join(WORDS[:read]), committed, final=read == len(WORDS), model="de-en")
        assert answer.text.startswith(texts[-1])
        assert answer.committed[: len(committed)] == committed
        committed = answer.committed
        texts.append(answer.text)
    assert answer.finished
    assert answer.head == {"layer": 1, "head": 1, "reading": "input"}
    assert answer.source == ["Ich", "habe", "gestern", "ein", "Buch", "gelesen", "."]
    assert len(set(texts)) > 2, "something was written before the end"
    again = client.simultaneous(" ".join(WORDS), texts[2], final=True, model="de-en")
    assert again.text.startswith(texts[2])

    async def awaited() -> str:
        async with AsyncClient(url) as service:
            return (await service.simultaneous(" ".join(WORDS), final=True, policy=WAIT, model="de-en")).text

    assert asyncio.run(awaited()) == client.predict(" ".join(WORDS), model="de-en").prediction.text
    with pytest.raises(BadRequest) as caught:
        client.simultaneous("Ich", policy={"kind": "wait-k", "k": 0}, model="de-en")
    assert caught.value.field == "policy.k"


def test_a_service_interprets_for_the_command(url: str) -> None:
    with there(url, None, "de-en", WAIT) as translate:
        parts = list(spoken(" ".join(WORDS), translate))
    assert len(parts) == len(WORDS)
    assert parts[0] == "", "two words are read before the first is written"
    assert parts[1]
    assert parts[-1].endswith("\n")
