"""`Client.sources` and `heedmap sources`: by a service, as a job, and here."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.client.api import AsyncClient, Client
from heedmap.app.client.errors import BadRequest
from heedmap.app.client.jobs import JobStatus
from heedmap.app.client.sources import Sources
from tests.live import service

WEIGHTS = Path(__file__).parents[3] / "model" / "weights" / "shakespeare"
CONTEXT = "ROMEO:\nI pray thee, go. JULIET:\nI will not go. ROMEO:\nThen stay."
ASKED: dict[str, Any] = {"question": "JULIET:", "answer": "I will", "ablations": 8, "check": 1}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a service of a language model listens."""
    with service(tmp_path_factory.mktemp("language-model"), "--model", f"shakespeare={WEIGHTS}") as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def test_the_client_finds_sources_at_once_and_as_a_job(client: Client) -> None:
    told: list[JobStatus] = []
    once = client.sources(CONTEXT, model="shakespeare", **ASKED)
    job = client.sources(CONTEXT, model="shakespeare", **ASKED, job=True, progress=told.append)
    assert isinstance(once, Sources)
    assert once == job
    assert told[-1].over
    assert [span.text for span in once.spans] == [
        "ROMEO:\nI pray thee, go.",
        "JULIET:\nI will not go.",
        "ROMEO:\nThen stay.",
    ]
    [best] = once.top("gradient")
    assert (best.before, best.after is None) == (once.log_probability, False)
    start, stop = best.characters
    assert CONTEXT[start:stop] == best.text


def test_the_clients_problem_names_its_field(client: Client) -> None:
    with pytest.raises(BadRequest) as wrong:
        client.sources([CONTEXT, ""], "Who?", model="shakespeare")
    assert wrong.value.field == "context.1"


def test_awaited(url: str) -> None:
    async def work() -> Sources:
        async with AsyncClient(url) as client:
            return await client.sources(CONTEXT, model="shakespeare", **ASKED, method=["gradient"])

    assert asyncio.run(work()).answer == "I will"


def test_the_command_asks_a_service_or_a_model_here(url: str, tmp_path: Path) -> None:
    file = tmp_path / "context.txt"
    file.write_text(CONTEXT, encoding="utf-8")
    fields = [
        "sources",
        "--context",
        str(file),
        "--question",
        "JULIET:",
        "--answer",
        "I will",
        "--model",
        "shakespeare",
    ]
    fields += ["--ablations", "8", "--check", "1"]
    runner = CliRunner()
    here = runner.invoke(cli, [*fields, "--device", "cpu", "--json"])
    assert here.exit_code == 0, here.output
    there = runner.invoke(cli, [*fields, "--url", url, "--json"])
    assert there.exit_code == 0, there.output
    ours, theirs = (orjson.loads(done.stdout) for done in (here, there))
    assert ours["spans"][0]["scores"] == pytest.approx(theirs["spans"][0]["scores"], abs=1e-3)
    shown = runner.invoke(cli, [*fields, "--device", "cpu", "--method", "gradient"])
    assert shown.exit_code == 0, shown.output
    assert "JULIET: I will not go." in shown.stdout
    assert "rank correlation" in shown.stdout


def test_without_a_model_the_command_says_which(tmp_path: Path) -> None:
    file = tmp_path / "context.txt"
    file.write_text(CONTEXT, encoding="utf-8")
    done = CliRunner().invoke(cli, ["sources", "--context", str(file), "--question", "Who?"])
    assert "name a model with --model" in str(done.exception)
