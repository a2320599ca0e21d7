"""The job: each input as it is, then perturbed, a few a step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from heedmap.app.service.jobs.kind import Kind, Progress, Steps, Work
from heedmap.app.service.jobs.robustness.curves import Sample, Token, judge, summary, tokens_of
from heedmap.app.service.jobs.robustness.embedded import Attacked, attack
from heedmap.app.service.jobs.robustness.media import Picture, Recording, opened
from heedmap.app.service.jobs.robustness.request import CALLED, EMBEDDED, RobustnessRequest, check
from heedmap.model.contract import Request
from heedmap.model.errors import HeedmapError, InputError
from heedmap.model.load import embedded
from heedmap.model.robustness.agreement import judged, measured_by
from heedmap.model.robustness.embeddings import FIELD
from heedmap.model.robustness.keyboards import KEYBOARDS
from heedmap.model.robustness.text import perturbations
from heedmap.model.trace.trace import Trace

TOGETHER = {"text": 8, "image": 4, "audio": 2}  # inputs a step: about a second of a small model on a CPU


class Robustness(Kind[RobustnessRequest]):
    """Curves of quality and of attention's stability against strength, and what is most fragile."""

    name: ClassVar[str] = "robustness"
    description: ClassVar[str] = (
        "Texts perturbed by typing errors, swapped letters, casing, dropped words, HotFlip or moved embeddings (noise, "
        "FGSM, PGD); pictures by noise, blur, crop and occlusion; recordings by noise. The model's agreement with its "
        "answer to the input as it is (or with references), and how far each head's rows move (Jensen-Shannon, nats), "
        "against strength, with confidence intervals over seeds; the most fragile heads, tokens and regions named."
    )
    cost: ClassVar[str] = "a trace for each input, perturbation, strength and seed, none of which is kept"
    request = RobustnessRequest

    def check(self, body: RobustnessRequest, facts: Mapping[str, Any]) -> None:
        """Whether all fits together, and is not too much."""
        check(body)

    def steps(self, body: RobustnessRequest, work: Work) -> Steps:
        """One input after the other."""
        run = Run(body, work)
        for number, inputs in enumerate(body.inputs):
            yield from run.one(number, inputs)
        return run.result()


@dataclass(eq=False)
class Run:
    """One run of the job, so far."""

    body: RobustnessRequest
    work: Work
    samples: list[Sample] = field(default_factory=list)
    tokens: dict[int, list[Token]] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    regions: list[dict[str, Any]] = field(default_factory=list)
    flips: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    error: HeedmapError | None = None
    by: str = ""
    done: int = 0

    def __post_init__(self) -> None:
        """What texts are compared by."""
        self.texts = measured_by()
        self.total = len(self.body.inputs) * (1 + self.body.tries)

    def one(self, number: int, inputs: Any) -> Iterator[Progress]:
        """All that is done to one input.

        Raises:
            Cancelled: the job is over. InputError: the model cannot be attacked by gradients.
        """
        end = (number + 1) * (1 + self.body.tries)
        try:
            medium = None if isinstance(inputs, str) else opened(inputs)
            [plain] = self._record([inputs if medium is None else medium.plain()])
            if not isinstance(plain, Trace):
                raise plain
        except HeedmapError as error:
            self._refuse(number, error)
            yield self._progress(end - self.done)
            return
        yield self._progress(1)
        self._note(number, plain)
        reference = None if self.body.references is None else self.body.references[number]
        note = partial(self._judge, plain, reference)
        if isinstance(inputs, str):
            yield from self._attacks(number, inputs, note)
        for some in _parts(self._tries(number, inputs, medium), TOGETHER[self.body.medium]):
            for (sample, _), outcome in zip(some, self._record([each for _, each in some]), strict=True):
                note(sample, outcome)
            self.samples += [sample for sample, _ in some]
            yield self._progress(len(some))
        if isinstance(medium, Picture) and "occlusion" in self.body.names:
            yield from self._hide(number, medium, plain, reference)
        yield self._progress(end - self.done)

    def result(self) -> dict[str, Any]:
        """All that was found.

        Raises:
            HeedmapError: no input could be used; the first one's problem.
        """
        if not self.answers and self.error is not None:
            raise self.error
        return {
            "model": self.work.name,
            "medium": self.body.medium,
            "unit": "dB" if self.body.medium == "audio" else "share",
            "agreement": self.by or self.texts.name,
            "versions": self.versions,
            "refused": self.refused,
            "answers": self.answers,
            **summary(self.body, self.samples, self.tokens),
            "regions": sorted(self.regions, key=lambda region: -region["loss"]),
            "flips": self.flips,
        }

    def _record(self, inputs: Sequence[Any]) -> list[Trace | HeedmapError]:
        return self.work.record([Request(each, None, self.body.parameters) for each in inputs])

    def _judge(self, plain: Trace, reference: str | None, sample: Sample, outcome: Trace | HeedmapError) -> None:
        judge(sample, plain, outcome, reference, self.texts)

    def _note(self, number: int, plain: Trace) -> None:
        if self.body.medium == "text":
            self.tokens[number] = tokens_of(plain)
        self.versions = dict(plain.certificate.versions)
        self.answers.append({"input": number, "text": plain.prediction.text})
        self.by = self.by or judged(plain.prediction, plain.prediction, None, self.texts).by

    def _refuse(self, number: int, error: HeedmapError, **more: Any) -> None:
        first, _, rest = (error.field or "inputs").partition(".")
        if first == "inputs":
            error.field = f"inputs.{number}" + (f".{rest}" if rest else "")
        self.error = self.error or error
        self.refused.append({"input": number, **more, "detail": str(error)})

    def _progress(self, more: int = 0) -> Progress:
        self.done += more
        return Progress(self.done, self.total, CALLED[self.body.medium])

    def _tries(self, number: int, inputs: Any, medium: Picture | Recording | None) -> Iterator[tuple[Sample, Any]]:
        """Perturbed inputs, each made when it is due."""
        texts = perturbations(KEYBOARDS[self.body.keyboard])
        for name in self.body.names:
            if name in EMBEDDED:
                continue
            for cell in self.body.cells(name):
                draw = np.random.default_rng([number, *cell])  # each its own, whatever else is asked for
                strength = self.body.amounts[cell[1]]
                if medium is not None:
                    yield Sample(number, cell, None), medium.perturbed(name, strength, draw)
                else:
                    made = texts[name](inputs, strength, draw)
                    yield Sample(number, cell, made.touched), made.text

    def _attacks(self, number: int, text: str, note: Any) -> Iterator[Progress]:
        """What a gradient at the embeddings is needed for.

        Raises:
            InputError: the model has none.
        """
        names = [name for name in self.body.names if name in EMBEDDED]
        if not names:
            return
        try:
            passed = embedded(self.work.model, Request(text, None, self.body.parameters), self.work.stop)
            attacked = Attacked(number, text, passed, self.tokens[number])
            for name in names:
                for made in attack(self.body, self.work, attacked, name, note, self.flips):
                    self.samples += made
                    yield self._progress(len(made))
        except InputError as error:
            if error.field == FIELD:  # of no input at all
                raise
            self._refuse(number, error, perturbations=names)

    def _hide(self, number: int, picture: Picture, plain: Trace, reference: str | None) -> Iterator[Progress]:
        """What each region of a picture is worth to the answer: the agreement that is lost without it."""
        before = judged(plain.prediction, plain.prediction, reference, self.texts).agreement
        for some in _parts(picture.occluded(), TOGETHER["image"]):
            for (box, _), outcome in zip(some, self._record([each for _, each in some]), strict=True):
                after = 0.0
                if isinstance(outcome, Trace):
                    after = judged(outcome.prediction, plain.prediction, reference, self.texts).agreement
                self.regions.append({"input": number, "box": [float(side) for side in box], "loss": before - after})
            yield self._progress(len(some))


def _parts(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Some at a time."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
