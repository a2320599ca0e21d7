"""`heedmap train`: which task and architecture its options mean, and what does not go together."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from heedmap.app.cli import cli
from heedmap.app.train import Architecture, Task, chosen
from heedmap.model.errors import InputError


@pytest.mark.parametrize(
    ("task", "architecture", "expected"),
    [
        (None, None, (Task.translation, Architecture.transformer)),
        (None, Architecture.recurrent, (Task.translation, Architecture.recurrent)),
        (None, Architecture.language_model, (Task.text_generation, Architecture.language_model)),
        (Task.text_generation, None, (Task.text_generation, Architecture.language_model)),
        (Task.summarization, None, (Task.summarization, Architecture.transformer)),
    ],
)
def test_options_mean_a_task_and_an_architecture(
    task: Task | None, architecture: Architecture | None, expected: tuple[Task, Architecture]
) -> None:
    assert chosen(task, architecture) == expected


def test_an_architecture_that_does_not_learn_a_task_is_refused() -> None:
    with pytest.raises(InputError, match="summarization is learnt by transformer, not by recurrent"):
        chosen(Task.summarization, Architecture.recurrent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--storage", "bfloat16"], "a trained model is stored as float16 or as int8"),
        (["--task", "text-generation", "--storage", "int8"], "a language model is stored as float16"),
        (["--task", "summarization", "--from", "FOLDER"], "--from and --align are for translation"),
        (["--languages", "en-fr"], "choose de-en or zh-en"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("a\tb\n", encoding="utf-8")
    given = [str(tmp_path) if option == "FOLDER" else option for option in options]
    arguments = ["train", "--data", str(tmp_path / "pairs.txt"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    done = CliRunner().invoke(cli, [*arguments, *given])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
