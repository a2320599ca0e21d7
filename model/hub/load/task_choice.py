"""Which task a checkpoint answers: the one asked for, else what its architecture is for, else what its card says."""

from pathlib import Path
from typing import Any

from heedmap.model.card import values
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.families import family_of

TEXT_TO_TEXT = ("translation", "summarization", "text2text-generation")
# transformers' tables of heads, as `MODEL_FOR_{}_MAPPING_NAMES`, in the order in which an architecture is looked up:
# several heads stand in two tables, and the more particular one says what they are for.
HEADS: dict[str, tuple[str, ...]] = {
    "SPEECH_SEQ_2_SEQ": ("automatic-speech-recognition",),
    "CTC": ("automatic-speech-recognition",),
    "IMAGE_TEXT_TO_TEXT": ("image-text-to-text", "image-to-text"),
    "SEQ_TO_SEQ_CAUSAL_LM": TEXT_TO_TEXT,
    "ZERO_SHOT_IMAGE_CLASSIFICATION": ("zero-shot-image-classification",),
    "IMAGE_CLASSIFICATION": ("image-classification",),
    "SEQUENCE_CLASSIFICATION": ("text-classification",),
    "TOKEN_CLASSIFICATION": ("token-classification",),
    "QUESTION_ANSWERING": ("question-answering",),
    "CAUSAL_LM": ("text-generation",),
    "MASKED_LM": ("fill-mask",),
}
BARE = ("feature-extraction", "sentence-similarity")
WORDLESS = ("FOR_IMAGE_", "FOR_CTC_", "FOR_AUDIO_CLASSIFICATION_")  # of pictures and sounds, which are no sentences


def _table(name: str) -> dict[str, Any]:
    from transformers.models.auto import modeling_auto

    table: dict[str, Any] = getattr(modeling_auto, f"MODEL_{name}MAPPING_NAMES")
    return table


def _holds(table: dict[str, Any], model_type: str, architecture: str) -> bool:
    entry = table.get(model_type, ())
    return architecture == entry or (isinstance(entry, tuple | list) and architecture in entry)


def tasks_for(model_type: str) -> list[str]:
    """The tasks for which transformers has a head of this model type."""
    offered = [task for name, tasks in HEADS.items() if model_type in _table(f"FOR_{name}_") for task in tasks]
    if model_type in _table(""):
        offered += BARE[:1] if any(model_type in _table(name) for name in WORDLESS) else BARE
    return list(dict.fromkeys(offered))


def choose_task(folder: Path, config: Any, task: str | None) -> str:
    """The task of a checkpoint, by its name on model hubs.

    Args:
        folder: the checkpoint, for its card.
        config: its transformers configuration.
        task: the task that was asked for; it must be one that the architecture has.

    Raises:
        CheckpointError: there is no such task for the architecture, or nothing says which it is.
    """
    model_type = str(config.model_type)
    offered = tasks_for(model_type)
    architectures = [str(name) for name in getattr(config, "architectures", None) or []]
    called = f"{', '.join(architectures) or 'an unnamed architecture'} (model type {model_type})"
    if task is not None:
        if task in offered:
            return task
        raise CheckpointError(
            f"there is no task {task!r} for {called}: there is {', '.join(offered) or 'none that is served here'}"
        )
    tags = values(folder, "pipeline_tag")
    tagged = next((tag for tag in tags if tag in offered), None)
    for architecture in architectures:
        chosen = _of_architecture(architecture, model_type, config, tagged)
        if chosen is not None:
            return chosen
    if tagged is not None:
        return tagged
    raise CheckpointError(
        f"nothing says what {called} is for"
        + (f": name a task with ?task=, one of {', '.join(offered)}" if offered else ", and no task here can use it")
    )


def _of_architecture(architecture: str, model_type: str, config: Any, tagged: str | None) -> str | None:
    for name, tasks in HEADS.items():
        if not _holds(_table(f"FOR_{name}_"), model_type, architecture):
            continue
        if tagged in tasks:
            return tagged
        if name == "SEQ_TO_SEQ_CAUSAL_LM":
            return _text_to_text(config)
        if name == "IMAGE_TEXT_TO_TEXT":
            return family_of(config).task or tasks[0]
        return tasks[0]
    if _holds(_table(""), model_type, architecture):
        return BARE[0]
    if _holds(_table("FOR_PRETRAINING_"), model_type, architecture):
        masked = model_type in _table("FOR_MASKED_LM_") and family_of(config).masked_pretraining
        return tagged or ("fill-mask" if masked else BARE[0] if model_type in _table("") else None)
    return None


def _text_to_text(config: Any) -> str:
    """By the parameters that a checkpoint brings for its tasks, where they are of one kind, else by its family."""
    params = getattr(config, "task_specific_params", None)
    kinds = {str(name).partition("_")[0] for name in params} if isinstance(params, dict) else set()
    if len(kinds) == 1 and kinds <= set(TEXT_TO_TEXT):
        return kinds.pop()
    return family_of(config).task or "text2text-generation"
