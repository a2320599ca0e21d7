"""Sources: what of a context an answer used, step by step; the same for a request and for a job."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.app.requests.sources import CHAT, LEAST_ABLATIONS, MOST_SPANS, TEMPLATE, SourcesFields
from heedmap.app.service.jobs.kind import Progress, Steps, Work
from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import EmptyInput, HeedmapError, ParameterError
from heedmap.model.objective import Objective
from heedmap.model.sources import fit, scores
from heedmap.model.sources.methods import Ablations, best, scored
from heedmap.model.sources.prompt import EXTRACTION, TASKS, Prompt
from heedmap.model.sources.removal import cuts, without
from heedmap.model.sources.spans import Span, spans_of, token_ranges
from heedmap.model.sources.values import value_of, values, values_of
from heedmap.model.trace.trace import Trace

KEPT = 0.5  # the chance of a span to be in a subset, as in ContextCite
HELD_OUT = 4  # of so many subsets that are fitted to, one more is held out
Array = NDArray[np.float64]


def split(body: SourcesFields) -> tuple[str, list[Span]]:
    """The context as one text, and its spans."""
    return spans_of(body.context, body.by or ("sentences" if isinstance(body.context, str) else "passages"))


def check(body: SourcesFields, facts: Mapping[str, Any]) -> None:
    """Find what is wrong with a request before any work is done.

    facts: what its model says of itself.

    Raises:
        InputError: its field says what.
    """
    _check_model(body, facts)
    _, spans = split(body)
    if not 0 < len(spans) <= MOST_SPANS:
        raise ParameterError(
            f"the context has {len(spans):,} {body.by or 'spans'}, at most {MOST_SPANS:,} are told apart: give longer "
            'ones, as a list with by "passages"',
            field="context",
        )
    fitted = "ablation" in body.method or ("attention" in body.method and body.head_weights is None)
    if body.ablations < LEAST_ABLATIONS and (fitted or body.ablations):
        raise ParameterError(
            f"{body.ablations} ablations are too few to fit anything to: take at least {LEAST_ABLATIONS}, or none "
            "where method is gradient alone, or head_weights are given",
            field="ablations",
        )
    if body.head_weights is None:
        return
    site = facts["sites"][0]
    if "attention" not in body.method:
        raise ParameterError(
            "weights of heads are for the method attention, which is not asked for", field="head_weights"
        )
    if [len(row) for row in body.head_weights] != [site["heads"]] * site["layers"]:
        raise ParameterError(
            f"this model has {site['layers']} layers of {site['heads']} heads: give so many lists of so many weights",
            field="head_weights",
        )


def _check_model(body: SourcesFields, facts: Mapping[str, Any]) -> None:
    task, sites = facts["task"], facts["sites"]
    if task not in TASKS or len(sites) != 1:
        raise ParameterError(
            f"sources are looked for in one stack that reads context and question and answers: models of "
            f"{' and '.join(TASKS)} without an encoder beside their decoder; this is one of {task}"
            + (f" with {', '.join(site['name'] for site in sites)}" if task in TASKS else ""),
            field="model",
        )
    if task == EXTRACTION and body.template is not None:
        raise ParameterError("question answering reads context and question as they are: no template", field="template")
    if body.removal == "text":
        if task == EXTRACTION:
            raise ParameterError(
                "in question answering the answer is a part of the context, and gone with it: cut instead",
                field="removal",
            )
    elif facts.get("attention", "fused") != "fused":
        raise ParameterError("this model's attention cannot be cut: take removal text", field="removal")
    elif facts.get("unrecorded"):
        raise ParameterError(
            f"this model reads its text by more than attention ({len(facts['unrecorded'])} modules), which a cut does "
            "not reach: take removal text",
            field="removal",
        )
    if "gradient" in body.method and facts.get("attention", "fused") != "fused":
        raise ParameterError("no gradient can be had through this model's attention: leave it out", field="method")


def steps(body: SourcesFields, work: Work) -> Steps:
    """Look for the sources; a step is a pass, or a strip of maps.

    Raises:
        HeedmapError: a pass failed; the field is that of this request. Cancelled: `work.stop` became true.
    """
    try:
        return (yield from Search(body, work).run())
    except HeedmapError as error:
        error.field = _field(error.field)
        raise


def _field(path: str | None) -> str | None:
    """The field of a request for sources that a field of a model's request came from."""
    if path is None or path == "inputs.question":
        return path and "question"
    moved = {"inputs": "context", "target": "answer", "edits": "removal", "objective": "method", "measure": "method"}
    head = path.partition(".")[0]
    return moved.get(head, path)


@dataclass(eq=False)
class Search:
    """One search: what it knows so far."""

    body: SourcesFields
    work: Work
    context: str = field(init=False)
    spans: list[Span] = field(init=False)
    prompt: Prompt = field(init=False)
    site: str = field(init=False)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    known: dict[bytes, float] = field(default_factory=dict)  # values, by which spans are kept
    passes: int = 0
    most: int = 0  # passes that there may be

    def __post_init__(self) -> None:
        body, facts = self.body, self.work.facts
        self.context, self.spans = split(body)
        chat = bool(facts.get("chat")) and facts["task"] != EXTRACTION
        self.prompt = Prompt(facts["task"], body.question, body.template or (CHAT if chat else TEMPLATE), chat)
        self.site = facts["sites"][0]["name"]
        checks = min(body.check * len(body.method), len(self.spans))
        self.most = (body.answer is None) + 1 + body.ablations + self.held_out + checks

    @property
    def held_out(self) -> int:
        """Subsets that nothing is fitted to."""
        return self.body.ablations // HELD_OUT

    @property
    def causal(self) -> bool:
        """Whether queries see no later keys."""
        return self.prompt.task != EXTRACTION

    def progress(self, more: int = 0) -> Progress:
        """So many passes are done, after this one."""
        self.passes += more
        return Progress(self.passes, max(self.most, self.passes), "passes")

    def run(self) -> Steps:
        """The whole of it."""
        answer = self.body.answer
        if answer is None:
            answer = self._written()
            yield self.progress(1)
        request = Request(self.prompt.inputs(self.context), answer, self.body.parameters)
        trace = self._traced(request)
        yield self.progress(1)
        prediction = trace.prediction
        before = value_of(prediction, self.prompt.task)
        self._place(prediction)
        self.known[np.ones(len(self.spans), dtype=bool).tobytes()] = before
        summed = yield from self._sums(trace, prediction)
        ablations = yield from self._ablated(request)
        methods, tables = scored(self.body.method, summed, ablations, self.body.head_weights)
        top = {name: best(table, self.ranges, self.body.check) for name, table in tables.items()}
        checked = yield from self._checked(request, sorted({place for places in top.values() for place in places}))
        self.most = self.passes
        yield self.progress()
        for name, places in top.items():
            methods[name]["top"] = places
        return {
            "model": self.work.name,
            "task": self.prompt.task,
            "question": self.body.question,
            "answer": answer,
            "generated": self.body.answer is None,
            "log_probability": before,
            "tokens": self.prompt.read(prediction),
            "removal": self.body.removal,
            "ablations": {"fitted": self.body.ablations, "held_out": self.held_out, "kept": KEPT},
            "passes": self.passes,
            "methods": methods,
            "spans": [self._row(place, tables, before, checked) for place in range(len(self.spans))],
        }

    def _written(self) -> str:
        """The model's own answer."""
        [outcome] = self.work.predict([Request(self.prompt.inputs(self.context), None, self.body.parameters)])
        if isinstance(outcome, HeedmapError):
            raise outcome
        if not outcome.text.strip():
            raise EmptyInput("the model answers nothing here: give the answer that is asked about", field="answer")
        return outcome.text

    def _traced(self, request: Request) -> Trace:
        """The pass over context, question and answer, with gradients where they are asked for."""
        objective = Objective(tokens="all") if "gradient" in self.body.method else None
        [outcome] = self.work.record([replace(request, objective=objective)])
        if isinstance(outcome, HeedmapError):
            raise outcome
        return outcome

    def _place(self, prediction: Prediction) -> None:
        """Find the spans among the tokens.

        Raises:
            ParameterError: nothing stands between the context and the answer.
        """
        tokens = self.prompt.context_tokens(prediction, self.context)
        characters = [self.prompt.characters(span.first, span.last) for span in self.spans]
        self.ranges = token_ranges(prediction.axes["tokens"], tokens, characters)
        last = max(stop for _, stop in self.ranges)
        if self.causal and self.body.removal == "cut" and last >= self.prompt.read(prediction):
            raise ParameterError(
                "the answer begins where the context ends, at a token of the context that cannot be cut: let the "
                "template have something behind {context}, or take removal text",
                field="template",
            )

    def _sums(self, trace: Trace, prediction: Prediction) -> Generator[Progress, None, dict[str, Array]]:
        """Of each method that reads the trace what every head says of every span (L, H, S)."""
        rows = self.prompt.answer_rows(prediction) if self._rows() == "answer" else None
        count = len(trace.axes["tokens"]) if rows is None else len(rows)
        cells = {"gradient": scores.gradients, "attention": scores.weights}
        summed: dict[str, Array] = {}
        for name in [name for name in self.body.method if name in cells]:
            parts = scores.between(trace, self.site, cells[name], self.ranges, rows, self.causal)
            while True:
                try:
                    next(parts)
                except StopIteration as end:
                    summed[name] = end.value / (count if name == "attention" else 1)
                    break
                yield self.progress()
        return summed

    def _rows(self) -> str:
        return self.body.rows or ("answer" if self.causal else "all")

    def _ablated(self, request: Request) -> Generator[Progress, None, Ablations]:
        """Random subsets, and what comes of each."""
        draw = np.random.default_rng(self.body.seed)
        masks = draw.random((self.body.ablations + self.held_out, len(self.spans))) < KEPT
        observed = []
        for kept in masks:
            value = yield from self._value(request, kept)
            observed.append(value)
        return Ablations(masks.astype(np.float64), fit.logits(np.array(observed)), self.body.ablations)

    def _value(self, request: Request, kept: NDArray[np.bool_]) -> Generator[Progress, None, float]:
        """The answer's log-probability with these spans alone; a pass, unless it is known."""
        key = kept.tobytes()
        if key in self.known:
            self.most -= 1
            return self.known[key]
        flags = kept.tolist()
        if self.body.removal == "cut":
            edits = cuts(self.site, self.ranges, flags, self.causal)
            [self.known[key]] = values(self.work.model, request, [edits], self.work.stop)
        else:
            shorter = replace(request, inputs=self.prompt.inputs(without(self.context, self.spans, flags)))
            [self.known[key]] = values_of(self.work.model, [shorter], self.work.stop)
        yield self.progress(1)
        return self.known[key]

    def _checked(self, request: Request, places: Sequence[int]) -> Generator[Progress, None, dict[int, float]]:
        """The answer's log-probability without each of these spans."""
        self.most = self.passes + len(places)
        after = {}
        for place in places:
            kept = np.ones(len(self.spans), dtype=bool)
            kept[place] = False
            after[place] = yield from self._value(request, kept)
        return after

    def _row(self, place: int, tables: Mapping[str, Array], before: float, checked: Mapping[int, float]) -> Any:
        """A span in the answer."""
        span = self.spans[place]
        return {
            "passage": span.passage,
            "characters": [span.start, span.stop],
            "text": self.context[span.first : span.last],
            "tokens": list(self.ranges[place]),
            "scores": {name: float(table[place]) for name, table in tables.items()},
            "checked": {"before": before, "after": checked[place]} if place in checked else None,
        }
