"""Where checkpoints come from: what the command line names, hubs that are away, and revisions."""

from pathlib import Path
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from heedmap.model.errors import CheckpointError, UnsafeCheckpoint
from heedmap.model.hub.load.sources import Source, resolve, revision_of

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", Source("org/name")),
        ("org/name@v1.2", Source("org/name", "v1.2")),
        (f"org/name@{SHA}?task=fill-mask&dtype=bfloat16", Source("org/name", SHA, "fill-mask", "bfloat16")),
        ("./here?task=fill-mask", Source("./here", None, "fill-mask")),
        ("/data/a@b/c", Source("/data/a@b/c")),
        ("/data/model@main", Source("/data/model@main")),
        (" org/name ", Source("org/name")),
        ("org/name?device_map=auto&quantize=int8", Source("org/name", device_map="auto", quantize="int8")),
    ],
)
def test_a_source_is_read(text: str, expected: Source) -> None:
    assert Source.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("org/name?tusk=x", "tusk=x is no option"),
        ("org/name?fill-mask", "fill-mask.* is no option"),
        ("org/name?task=", "task= is no option"),
        ("org/name?task=a&task=b", "task=b is no option"),
        ("org/name?dtype=int8", "there is no dtype 'int8'; there is float32, bfloat16, float16"),
        ("org/name?device_map=banana", "there is no device_map 'banana'; there is auto, balanced, balanced_low_0, seq"),
        ("org/name?quantize=int3", "there is no quantize 'int3'; there is int8"),
        ("org/name@", "names no revision"),
        ("?task=fill-mask", "names no folder"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Source.parse(text)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve(Source(str(tmp_path))) == tmp_path


def test_a_folder_with_an_at_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "new@2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert resolve(Source.parse("runs/new@2")) == Path("runs/new@2")


@pytest.mark.parametrize("location", ["./gone", "gone", "/nowhere/at/all", "a/b/c", "~/gone-for-good"])
def test_a_path_that_is_not_there(location: str) -> None:
    with pytest.raises(CheckpointError, match=r"is not there: a checkpoint is a folder with config\.json"):
        resolve(Source(location))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is a file, and a checkpoint is a folder"):
        resolve(Source(str(tmp_path / "model.safetensors")))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty, on a machine that is told not to ask the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def cached(cache: Path, *files: str, branch: str = "main") -> Path:
    """A snapshot of org/name in the cache, as an earlier download left it."""
    repository = cache / "models--org--name"
    snapshot = repository / "snapshots" / SHA
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / branch).write_text(SHA)
    for name in files:
        (snapshot / name).write_text("{}")
    return snapshot


def test_offline_the_message_says_what_to_do(offline: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        resolve(Source("org/name", "v1"))
    message = str(caught.value)
    assert "org/name@v1 cannot be had" in message
    assert "HF_HUB_OFFLINE is set: give a local folder, or download it first" in message
    assert message.endswith("hf download org/name --revision v1")


def test_offline_the_cache_answers(offline: Path) -> None:
    snapshot = cached(offline, "config.json", "model.safetensors")
    for revision in (None, "main", SHA):
        assert resolve(Source("org/name", revision)) == snapshot
    assert revision_of(snapshot) == SHA
    with pytest.raises(CheckpointError, match="cannot be had"):
        resolve(Source("org/name", "v2"))


def test_a_repository_of_pickles_has_its_command(offline: Path) -> None:
    cached(offline, "config.json", "pytorch_model.bin", "training_args.bin")
    with pytest.raises(UnsafeCheckpoint, match="heedmap convert org/name --out name-safetensors"):
        resolve(Source("org/name"))


def answered(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://hub.invalid/api/models/org/name"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GatedRepoError("403", response=answered(403)), "its owner has to grant access"),
        (RepositoryNotFoundError("401", response=answered(401)), "no such repository on the hub, or it is private"),
        (RevisionNotFoundError("404", response=answered(404)), "the repository has no revision 'v1'"),
        (ConnectionError("no route to host"), r"the hub cannot be asked \(ConnectionError: no route to host\)"),
    ],
)
def test_what_the_hub_answers_is_explained(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: Any, **kwargs: Any) -> str:
        raise error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", failing)
    with pytest.raises(CheckpointError, match=message):
        resolve(Source("org/name", "v1"))


def test_only_safe_files_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fnmatch import fnmatch

    arguments: dict[str, Any] = {}

    def noting(repository: str, **options: Any) -> str:
        arguments.update(options, repository=repository)
        (tmp_path / "model.safetensors").write_text("")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", noting)
    assert resolve(Source("org/name", SHA)) == tmp_path
    assert (arguments["repository"], arguments["revision"]) == ("org/name", SHA)
    allowed = ("model-00001-of-00002.safetensors", "config.json", "vocab.txt", "merges.txt", "tokenizer.model")
    more = ("1_Pooling/config.json", "source.spm", "chat_template.jinja", "model.safetensors.index.json", "README.md")
    unwanted = ("pytorch_model.bin", "model.pt", "modeling_x.py", "tf_model.h5", "onnx/config.json", "model.gguf")

    def taken(name: str) -> bool:
        kept = any(fnmatch(name, pattern) for pattern in arguments["allow_patterns"])
        return kept and not any(fnmatch(name, pattern) for pattern in arguments["ignore_patterns"])

    assert [name for name in (*allowed, *more) if not taken(name)] == []
    assert [name for name in unwanted if taken(name)] == []


def test_the_revision_of_a_folder_is_of_what_is_read(tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "model.safetensors", "README.md"):
        (tmp_path / name).write_text(name)
    first = revision_of(tmp_path)
    assert len(first) == 32
    (tmp_path / "README.md").write_text("another card")
    (tmp_path / "notes.py").write_text("")
    assert revision_of(tmp_path) == first
    revisions = {first}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("changed")
        revisions.add(revision_of(tmp_path))
    assert len(revisions) == 4
