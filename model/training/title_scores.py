"""How good titles are: ROUGE on later papers, beside the first sentence and the first words of each abstract."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from heedmap.model.contract import Parameters, Served
from heedmap.model.load import load
from heedmap.model.native import checkpoint
from heedmap.model.training.data import Reference
from heedmap.model.training.evaluate import translate
from heedmap.model.training.model_card import WEIGHTS, recipe_line, transformer_shape, write
from heedmap.model.training.rouge import Rouge, rouge
from heedmap.model.training.run import read_references
from heedmap.model.training.titles import first_sentence, first_words, read_facts

VALID_SCORED = 1000  # papers of the validation part, spread evenly: of the test part all are scored
BASELINES: dict[str, Callable[[str], str]] = {
    "first sentence": first_sentence,
    "first 8 words": lambda text: first_words(text, 8),
}
CARD = """
# {name}

A Transformer encoder-decoder (pre-norm) with a head that copies (See et al. 2017), which writes titles of abstracts of
papers, trained from scratch with `heedmap train --task summarization`.

| | |
|---|---|
| architecture | {shape} |
| copying | cross head {copy_head} of layer {copy_layer}: P(w) = p_gen P_vocabulary(w) + (1 - p_gen) its weights on w |
| parameters | {parameters:,} |
| weights | {weights}, served in float32 |
| tokenizer | byte-pair encoding, {vocabulary:,} entries, trained on the training part alone |
| longest input | the first {words} words of an abstract are read |

## Scores

ROUGE F1 without stemming, against the title that the paper has; the baselines are of the same abstracts:

| weights | part | papers | title | ROUGE-1 | ROUGE-2 | ROUGE-L |
|---|---|---|---|---|---|---|
{rows}

## Data

Titles and abstracts of computer-science papers on arXiv, 1994 to 2019, public domain (CC0 1.0), by way of R. Stuart
Geiger's ArXiv Archive (doi 10.5281/zenodo.1463242). Thank you to arXiv for use of its open access interoperability.
SHA-256 of the file: `{sha256}`.

Split by the date of the first version: {train:,} papers before {valid_from} to train, {valid:,} before {test_from} to
validate, {test:,} from then on to test.

## Training

{recipe}

## What it cannot do

- It knows abstracts of computer science in English, from before mid-2019; it makes a title of anything else as well.
- What gradients and edits say of the head that copies is about what it adds to the decoder, not about its copying.
- It can name what the abstract does not say. Words with a low p_gen were copied, and nothing more is promised of them.
- Its attention shows what its heads read. That is evidence about the model, not an explanation of the title.
"""


def score_papers(
    model: Served[Any], papers: Sequence[Reference], parameters: Parameters | None = None
) -> dict[str, Rouge]:
    """ROUGE of a model's titles, and of each baseline's."""
    wanted, abstracts = [paper.targets[0] for paper in papers], [paper.source for paper in papers]
    scores = {"model": rouge(translate(model, abstracts, parameters or Parameters()), wanted)}
    return scores | {name: rouge([make(text) for text in abstracts], wanted) for name, make in BASELINES.items()}


def score_titles(folder: Path, device: str = "cpu", storage: str = "float16") -> dict[tuple[str, str], Rouge]:
    """Score a finished run on the later papers beside it and write its card; by part and by who wrote the title.

    storage: "float16", as the run left it, or "int8": then the weights are stored so and scored once more.

    Raises:
        CheckpointError: the folder is not a finished run.
    """
    facts = read_facts(folder)
    scores = {"float16": _scores(folder, device)}
    if storage != "float16":
        loaded = checkpoint.load(folder)
        checkpoint.save(folder, loaded.network, loaded.tokenizer, checkpoint.STORAGES[storage])
        scores[storage] = _scores(folder, device)
    _write_card(folder, facts, scores)
    return scores[storage]


def _scores(folder: Path, device: str) -> dict[tuple[str, str], Rouge]:
    model = load(folder, device)
    valid, test = (read_references(folder / f"{part}.jsonl") for part in ("valid", "test"))
    some = valid[:: max(1, len(valid) // VALID_SCORED)][:VALID_SCORED]
    return {
        (part, who): score
        for part, papers in (("valid", some), ("test", test))
        for who, score in score_papers(model, papers).items()
    }


def _write_card(folder: Path, facts: Mapping[str, Any], scores: Mapping[str, Mapping[tuple[str, str], Rouge]]) -> None:
    config = facts["config"]
    *_, storage = scores
    rows = [
        f"| {weights} | {part} | {score.texts:,} | {who} | {score.one:.1f} | {score.two:.1f} | {score.longest:.1f} |"
        for weights, those in scores.items()
        for (part, who), score in those.items()
        if who == "model" or weights == storage
    ]
    text = CARD.format(
        shape=transformer_shape(config),
        **facts["papers"],
        name=folder.name,
        copy_head=config["copying"]["head"],
        copy_layer=config["copying"]["layer"],
        parameters=facts["parameters"],
        vocabulary=config["vocabulary"],
        words=config["source_words"],
        weights=WEIGHTS[storage],
        rows="\n".join(rows),
        sha256=facts["data_sha256"],
        valid_from=facts["split"]["valid"],
        test_from=facts["split"]["test"],
        recipe=f"AdamW, linear warm-up and cosine decay; {recipe_line(facts['recipe'])}.",
    )
    write(folder, text, config["task"], [config["source_language"]])
