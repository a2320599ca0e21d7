"""What a job of robustness is asked: inputs of one kind, what is to happen to them, how much and how often."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from heedmap.app.requests.inputs import check_input, check_text, kind
from heedmap.app.service.jobs.kind import JobRequest
from heedmap.model.contract import Parameters
from heedmap.model.errors import EmptyInput, ParameterError
from heedmap.model.robustness.embeddings import STEPS

MOST_INPUTS = 100  # texts: a curve's mean is sure to a twentieth by then
MOST_FILES = 16  # pictures or recordings: a pass over one takes as long as over ten texts
MOST_PASSES = 20_000  # of all inputs, perturbations, strengths and seeds: an hour at a fifth of a second each
GRID = 6  # rows and columns that a picture is occluded in, one cell after the other: what is most fragile, to a sixth

Name = Literal[
    "typing_errors", "swaps", "casing", "dropped_words", "hotflip", "embedding_noise", "fgsm", "pgd",
    "noise", "blur", "crop", "occlusion",
]  # fmt: skip
NAMES: tuple[Name, ...] = get_args(Name)
WRITTEN: tuple[Name, ...] = ("typing_errors", "swaps", "casing", "dropped_words")
EMBEDDED: tuple[Name, ...] = ("hotflip", "embedding_noise", "fgsm", "pgd")
Medium = Literal["text", "image", "audio"]
FITTING: Mapping[Medium, tuple[Name, ...]] = {
    "text": (*WRITTEN, *EMBEDDED),
    "image": ("noise", "blur", "crop", "occlusion"),
    "audio": ("noise",),
}
USUAL: Mapping[Medium, tuple[Name, ...]] = {**FITTING, "text": WRITTEN}  # unless some are named
CALLED: Mapping[Medium, str] = {"text": "texts", "image": "pictures", "audio": "recordings"}
SHARES = (0.05, 0.1, 0.2, 0.4)
DECIBELS = (30.0, 20.0, 10.0, 0.0)
QUIETEST, LOUDEST = 100.0, -20.0  # dB: less noise than 16 bits have, and a signal that nobody hears in it
ONCE: tuple[Name, ...] = ("hotflip", "fgsm", "blur")  # nothing about them is drawn
Layout = Literal["qwerty", "qwertz"]


def check_some(value: Any) -> list[Any]:
    """Inputs of one kind: texts, none of them empty, pictures or recordings."""
    items = _listed(value, "inputs")
    inputs = [check_input(item, str(index)) for index, item in enumerate(items)]
    media = [medium_of(each, str(index)) for index, each in enumerate(inputs)]
    for index, (each, medium) in enumerate(zip(inputs, media, strict=True)):
        if medium != media[0]:
            raise ParameterError(
                f"this is one of {CALLED[medium]} among {CALLED[media[0]]}: send a job for each kind", field=str(index)
            )
        if isinstance(each, str) and not each.strip():
            raise EmptyInput("an empty text has nothing to perturb", field=str(index))
    if media[0] != "text" and len(inputs) > MOST_FILES:
        raise ParameterError(f"{len(inputs)} {CALLED[media[0]]}, at most {MOST_FILES} are taken; send several jobs")
    return inputs


def check_references(value: Any) -> list[str] | None:
    """Texts, none of them empty."""
    if value is None:
        return None
    texts = [check_text(item, str(index)) for index, item in enumerate(_listed(value, "references"))]
    for index, text in enumerate(texts):
        if not text.strip():
            raise EmptyInput("an empty reference has nothing to agree with", field=str(index))
    return texts


def _listed(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ParameterError(f"expected a list of {what}, got {kind(value)}")
    if not value:
        raise EmptyInput(f"the list of {what} is empty; give at least one")
    if len(value) > MOST_INPUTS:
        raise ParameterError(f"{len(value):,} {what}, at most {MOST_INPUTS} are taken; send several jobs")
    return value


def medium_of(inputs: Any, place: str | None = None) -> Medium:
    """Whether an input is a text, a picture (perhaps with a text) or a recording.

    Raises:
        ParameterError: it is something else.
    """
    if isinstance(inputs, str):
        return "text"
    if "image" in inputs:
        return "image"
    if "audio" in inputs:
        return "audio"
    raise ParameterError(
        'only a text, {"image"}, {"image", "text"} or {"audio"} is perturbed, and this is something else', field=place
    )


Inputs = Annotated[
    list[Any],
    BeforeValidator(check_some),
    Field(examples=[["Wo ist der Bahnhof?"]], description='Texts, {"image"} or {"audio"}: of one kind.'),
    WithJsonSchema({"type": "array", "items": {}, "minItems": 1, "maxItems": MOST_INPUTS}),
]
References = Annotated[
    list[str] | None,
    BeforeValidator(check_references),
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100}, {"type": "null"}]}
    ),
]
Strength = Annotated[float, Field(allow_inf_nan=False)]


class RobustnessRequest(JobRequest):
    """Inputs, and what is to happen to them."""

    kind: Literal["robustness"] = "robustness"
    inputs: Inputs
    references: References = Field(
        None,
        description="What the model should answer to each; what it does answer to the input as it is, unless given.",
    )
    perturbations: Annotated[list[Name], Field(min_length=1, max_length=len(NAMES))] | None = Field(
        None,
        description="Of texts: typing_errors, swaps, casing and dropped_words unless given, and hotflip (tokens "
        "replaced by the gradient), embedding_noise, fgsm and pgd. Of pictures: noise, blur, crop and occlusion. Of "
        "recordings: noise.",
    )
    strengths: Annotated[list[Strength], Field(min_length=1, max_length=20)] | None = Field(
        None,
        description="Over 0, to 1: the share of letters, pairs, words or tokens that is changed; of embeddings their "
        "motion, relative to their mean norm; of pictures the deviation of noise relative to white, a tenth of the "
        "shorter side as the deviation of a blur, or the share of the area. 0.05 to 0.4 unless given. Of recordings "
        f"the signal-to-noise ratio in decibels, {LOUDEST:g} to {QUIETEST:g}: 30 to 0 unless given.",
    )
    seeds: int = Field(5, ge=1, le=50, description="How often each is drawn.")
    keyboard: Layout = "qwerty"
    norm: Literal["l2", "linf"] = Field("l2", description="fgsm and pgd: the ball in which each embedding is moved.")
    steps: int = Field(STEPS, ge=1, le=50, description="pgd: how many.")
    parameters: Parameters = Parameters()

    @property
    def medium(self) -> Medium:
        """What its inputs are."""
        return medium_of(self.inputs[0])

    @property
    def names(self) -> Sequence[Name]:
        """The perturbations that were named, or the usual ones."""
        return USUAL[self.medium] if self.perturbations is None else self.perturbations

    @property
    def amounts(self) -> Sequence[float]:
        """The strengths that were given, or the usual ones."""
        return self.strengths or (DECIBELS if self.medium == "audio" else SHARES)

    def cells(self, name: Name) -> list[tuple[int, int, int]]:
        """What is done under a perturbation: its number, that of the strength, and the seed."""
        seeds = 1 if name in ONCE else self.seeds
        p = list(self.names).index(name)
        return [(p, s, seed) for s in range(len(self.amounts)) for seed in range(seeds)]

    @property
    def tries(self) -> int:
        """How many perturbed inputs are made of each."""
        regions = GRID * GRID if self.medium == "image" and "occlusion" in self.names else 0
        return regions + sum(len(self.cells(name)) for name in self.names)


def check(body: RobustnessRequest) -> None:
    """Find what is wrong with a request as a whole.

    Raises:
        ParameterError: its field says what.
    """
    if body.references is not None and len(body.references) != len(body.inputs):
        raise ParameterError(
            f"{len(body.inputs)} inputs take as many references, got {len(body.references)}", field="references"
        )
    for name, values in (("perturbations", body.names), ("strengths", body.amounts)):
        if len(set(values)) < len(values):
            raise ParameterError(f"one of the {name} is there twice; name each once", field=name)
    fitting = FITTING[body.medium]
    for index, perturbation in enumerate(body.names):
        if perturbation not in fitting:
            raise ParameterError(
                f"{perturbation} does not fit {CALLED[body.medium]}: for those there is {', '.join(fitting)}",
                field=f"perturbations.{index}",
            )
    for index, strength in enumerate(body.amounts):
        if body.medium == "audio" and not LOUDEST <= strength <= QUIETEST:
            raise ParameterError(
                f"the strength of noise in a recording is its signal-to-noise ratio in decibels, from {LOUDEST:g} to "
                f"{QUIETEST:g}, got {strength:g}",
                field=f"strengths.{index}",
            )
        if body.medium != "audio" and not 0 < strength <= 1:
            raise ParameterError(f"a strength is over 0 and at most 1, got {strength:g}", field=f"strengths.{index}")
    steps = math.prod((len(body.amounts), body.seeds, body.steps)) if "pgd" in body.names else 0
    passes = len(body.inputs) * (body.tries + steps)
    if passes > MOST_PASSES:
        raise ParameterError(
            f"this is {passes:,} passes, at most {MOST_PASSES:,} are made: give fewer inputs, strengths or seeds",
            field="seeds",
        )
