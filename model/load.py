"""A model of whatever family, ready to serve: the one file that knows the native networks and transformers' alike."""

from pathlib import Path
from typing import Any

from heedmap.model.card import card_text, examples, licence
from heedmap.model.contract import Request, Served
from heedmap.model.errors import CheckpointError, HeedmapError, ParameterError
from heedmap.model.hub.load import adapters
from heedmap.model.hub.load.loading import read_config
from heedmap.model.hub.load.safety import CONFIG
from heedmap.model.hub.load.sources import Source, read_json
from heedmap.model.hub.load.task_choice import choose_task
from heedmap.model.isolation import failure
from heedmap.model.native import checkpoint
from heedmap.model.native.captioner import Captioner
from heedmap.model.native.embedded import TranslatorPass, WriterPass
from heedmap.model.native.feature_transformer import FeatureTransformer
from heedmap.model.native.features import FeatureModel
from heedmap.model.native.language_model import LanguageModel
from heedmap.model.native.recogniser import Recogniser
from heedmap.model.native.summarizer import Summarizer
from heedmap.model.native.text_generator import TextGenerator
from heedmap.model.native.translator import Translator
from heedmap.model.robustness.embeddings import FIELD, EmbeddedPass
from heedmap.model.trace.trace import Trace
from heedmap.model.watch import Stop, never

# `architecture` in the config.json of our own checkpoints, and what each is for unless it says so itself.
NATIVE = {"transformer": "translation", "recurrent": "translation", "language-model": "text-generation"}
NATIVE |= {"feature-transformer": "image-to-text"}
SEEING_OR_HEARING: dict[str, type[FeatureModel]] = {each.task: each for each in (Captioner, Recogniser)}


def load(where: str | Path, device: str = "cpu") -> Served[Trace]:
    """A model of whatever family, ready to serve.

    Args:
        where: a folder of ours or of transformers' layout, or a hub id:
            PATH_OR_HUB_ID[@REVISION][?task=&dtype=&adapter=&device_map=&quantize=].
        device: where to run.

    Raises:
        CheckpointError: it cannot be had, or is not a sound checkpoint.
    """
    source = Source.parse(str(where))
    folder = Path(source.location).expanduser()
    if is_native(folder):
        if source.adapter is not None:
            raise CheckpointError("adapters go onto models of transformers' layout, and this one is of Heedmap's own")
        for name in ("dtype", "generator", "device_map", "quantize"):
            if value := getattr(source, name):
                raise CheckpointError(
                    f"{name}={value} is for models of transformers' layout, and this one is of Heedmap's own, which "
                    "runs as it was saved, whole and on one device (--device): leave the option out"
                )
        ours = native(folder, device)
        if source.task not in (None, ours.task):
            raise CheckpointError(f"this checkpoint is for {ours.task}, not for {source.task}: leave ?task= out")
        return ours
    from heedmap.model.hub import served  # transformers takes seconds to import, and native models do without

    return served.load(source, device)


def native(folder: Path, device: str = "cpu") -> Served[Trace]:
    """A checkpoint of our own networks, ready to serve.

    Raises:
        CheckpointError: it is not a sound checkpoint.
    """
    loaded = checkpoint.load(folder, device)
    loaded.network.requires_grad_(False)  # it is served: gradients are of attention, never of weights
    if isinstance(loaded.network, LanguageModel):
        return TextGenerator(loaded, folder)
    if isinstance(loaded.network, FeatureTransformer):
        if loaded.network.config.task not in SEEING_OR_HEARING:
            raise CheckpointError(f"checkpoints of Heedmap's own for {loaded.network.config.task} are not served")
        return SEEING_OR_HEARING[loaded.network.config.task](loaded, folder)
    kind = Summarizer if loaded.network.config.task == Summarizer.task else Translator
    return kind(loaded, licence(folder))


def embedded(model: Served[Trace], request: Request, cancelled: Stop = never) -> EmbeddedPass:
    """A request's pass as a function of its input's embeddings; the caller alone uses the model meanwhile.

    Raises:
        InputError: the input cannot be used, or the model has no gradient at embeddings. ModelFailure: it broke.
    """
    try:
        if isinstance(model, Translator):
            return TranslatorPass(model, request, cancelled)
        if isinstance(model, TextGenerator):
            return WriterPass(model, request, cancelled)
        from heedmap.model.hub.embedded import HubPass
        from heedmap.model.hub.served import HubModel

        if isinstance(model, HubModel):
            return HubPass(model, request, cancelled)
    except HeedmapError:
        raise
    except Exception as error:  # of whatever kind: a model may raise anything at what a caller sent
        raise failure(error) from None
    raise ParameterError("this model has no gradient at embeddings: perturb its inputs instead", field=FIELD)


def is_native(folder: Path) -> bool:
    """Whether a folder is a checkpoint of our own rather than one of transformers'."""
    if not (folder / CONFIG).is_file():
        return False
    config = read_json(folder / CONFIG)
    return isinstance(config, dict) and "model_type" not in config and config.get("architecture") in NATIVE


def peek(text: str) -> dict[str, Any]:
    """What can be said of a model without loading or downloading it: task, architecture, examples, where they are here.

    A source that cannot be read says nothing; loading it will say why.
    """
    try:
        source = adapters.base_of(Source.parse(text))
        folder = Path(source.location).expanduser()
        if is_native(folder):
            return _peek_native(folder)
        if not folder.is_dir():
            return {"task": source.task} if source.task else {}
        config = read_config(folder)
        task = choose_task(folder, config, source.task)
        from heedmap.model.hub.tasks.registry import TASKS

        example = getattr(TASKS[task].for_config(config), "example", None)  # some need the loaded tokenizer for theirs
    except (CheckpointError, OSError):
        return {}
    architectures = getattr(config, "architectures", None) or [None]
    facts = {"task": task, "architecture": architectures[0], "family": config.model_type}
    return facts if example is None else {**facts, "examples": [example]}


def card_of(text: str) -> str | None:
    """The card of a model whose checkpoint lies in a local folder, in Markdown; None where there is none to read."""
    try:
        return card_text(Path(Source.parse(text).location).expanduser())
    except (CheckpointError, OSError):
        return None


def _peek_native(folder: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG)
    task = config.get("task", NATIVE[config["architecture"]])
    facts = {"task": task, "architecture": config["architecture"]}
    if config["architecture"] == "feature-transformer":
        return {**facts, "examples": examples(folder)}
    if facts["task"] == "text-generation":
        return {**facts, "examples": examples(folder)}
    languages = {side: config.get(f"{side}_language") for side in ("source", "target")}
    return {**facts, "languages": languages, **({"examples": texts} if (texts := examples(folder)) else {})}
