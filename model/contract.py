"""What the service knows of a model: requests in, predictions and traces out, whatever the family."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from heedmap.model.card import licence
from heedmap.model.errors import InputError
from heedmap.model.prediction import Axis, Inputs, Prediction

if TYPE_CHECKING:
    from heedmap.model.trace.trace import Trace

__all__ = ["Axis", "Inputs", "Parameters", "Prediction", "Request", "Served", "load_served", "never"]


class Parameters(BaseModel):
    """How to generate; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    beam_size: int = Field(1, ge=1, le=16, description="Hypotheses kept at every step; 1 is greedy.")
    max_new_tokens: int = Field(128, ge=1, le=512, description="The longest output, in tokens.")
    length_penalty: float = Field(1.0, ge=0, le=5, description="Beams are ranked by log-probability / length^this.")
    do_sample: bool = Field(False, description="Draw from the distribution instead of taking its best.")
    temperature: float = Field(1.0, gt=0, le=10, description="Divides the logits before sampling.")
    top_k: int = Field(0, ge=0, description="Sample from the k likeliest tokens; 0 is off.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens that make up this mass.")
    seed: int = Field(0, ge=0, lt=2**63, description="The same seed and input give the same sample.")
    candidate_labels: tuple[str, ...] = Field(
        (), max_length=256, description="zero-shot-image-classification: the labels to choose from."
    )
    hypothesis_template: str | None = Field(
        None, description="zero-shot-image-classification: a sentence with {} where the label goes."
    )
    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] | None = Field(
        None, description="token-classification: how the pieces of a word make one entity; simple by default."
    )
    function_to_apply: Literal["sigmoid", "softmax", "none"] | None = Field(
        None, description="text-classification: what turns logits into scores; the model's own by default."
    )
    max_answer_len: int = Field(15, ge=1, le=512, description="question-answering: the longest answer, in words.")
    normalize: bool | None = Field(None, description="feature-extraction: unit length; the model's own by default.")
    src_lang: str | None = Field(None, description="translation by a multilingual model: the language of the input.")
    tgt_lang: str | None = Field(None, description="translation by a multilingual model: the language wanted.")
    language: str | None = Field(None, description="speech recognition by a multilingual model: the language spoken.")
    return_timestamps: Literal["word", "char"] | bool = Field(
        False, description="automatic-speech-recognition: also the chunks with their seconds."
    )


@dataclass(frozen=True)
class Request:
    """One input; with a `target`, that output is scored instead of generating one."""

    inputs: Inputs
    target: str | None = None
    parameters: Parameters = field(default_factory=Parameters)


def never() -> bool:
    """Nobody cancels."""
    return False


@runtime_checkable
class Served(Protocol):
    """A model under a name."""

    task: str
    revision: str
    trace_limit: int  # bytes of one trace, 0 for no limit; whoever serves the model may set it

    def describe(self) -> dict[str, Any]:
        """Task, shape, dtype, device, sites and licence, as JSON."""

    def predict(
        self, requests: Sequence[Request], cancelled: Callable[[], bool] = never
    ) -> "list[Prediction | InputError]":
        """Answer one batch; each request has its own result or its own error, in the same order.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """

    def trace(self, requests: Sequence[Request], cancelled: Callable[[], bool] = never) -> "list[Trace | InputError]":
        """Predict, then record one teacher-forced pass over input and output.

        Raises:
            Cancelled: `cancelled` became true between two steps.
        """


def load(where: str | Path, device: str = "cpu") -> Served:
    """A model of whatever family, ready to serve.

    Args:
        where: a folder of ours or of transformers' layout, or a hub id: PATH_OR_HUB_ID[@REVISION][?task=&dtype=].
        device: where to run.

    Raises:
        CheckpointError: it cannot be had, or is not a sound checkpoint.
    """
    from heedmap.model.hub.load.loading import Source, is_native  # families import this module, so it meets them late

    source = Source.parse(str(where))
    folder = Path(source.location).expanduser()
    if is_native(folder):
        return _native(folder, device)
    from heedmap.model.hub import served

    return served.load(source, device)


def _native(folder: Path, device: str) -> Served:
    from heedmap.model.native import checkpoint
    from heedmap.model.native.language_model import LanguageModel
    from heedmap.model.native.text_generator import TextGenerator
    from heedmap.model.native.translator import Translator

    loaded = checkpoint.load(folder, device)
    if isinstance(loaded.network, LanguageModel):
        return TextGenerator(loaded, folder)
    return Translator(loaded, licence(folder))
