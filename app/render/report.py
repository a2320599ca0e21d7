"""A job's result of robustness as one page that needs nothing beside itself, and asks nobody for anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from heedmap.app.render.page import bundle, script_hash
from heedmap.app.render.report_figures import called, curves, instability, number
from heedmap.app.render.report_parts import figure, interval, marked, shown, table, token_shown, where
from heedmap.app.render.report_style import DRAW, STYLE
from heedmap.app.render.wire import to_json

HEADS = 12  # most fragile ones that are listed
SHOWN = 40  # texts that are printed with their tokens
AGREEMENTS = {
    "chrf": "chrF, the F-score of character n\u2011grams",
    "token_agreement": "words in common, in order",
    "scores": "overlap of the labels' scores",
    "cosine": "cosine of the numbers",
}
THINGS = {"text": "text", "image": "picture", "audio": "recording"}


@dataclass(frozen=True)
class Report:
    """What a report is of.

    result: of the job, as JSON has it. inputs: the texts, or the names of the files. pictures: by the number of the
    input, a data: address of it. facts: what else there is to say at the end: parameters, date.
    """

    result: Mapping[str, Any]
    inputs: Sequence[str]
    pictures: Mapping[int, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


def report(made: Report) -> bytes:
    """The page."""
    result = made.result
    sites = list(dict.fromkeys(head["site"] for head in result["heads"]))
    figures = {"agreement": curves(result, "agreement"), "exact": curves(result, "exact")}
    figures |= {f"moved-{index}": curves(result, "divergence", site) for index, site in enumerate(sites)}
    figures |= {f"heads-{index}": instability(result["heads"], site) for index, site in enumerate(sites)}
    body = "\n".join(
        [
            *_beginning(made),
            *_quality(result),
            *_stability(sites),
            *_heads(result, sites),
            *_tokens(made),
            *_regions(made),
            *_flips(made),
            *_numbers(result, sites),
            *_refused(made),
        ]
    )
    title = shown(f"Robustness of {result['model']}")
    script, known = bundle()
    hashes = f"'{known}' '{script_hash(DRAW.encode())}'"
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    return b"".join(
        [
            b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'.encode(),
            f'<title>{title}</title>\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'.encode(),
            f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n<script>'.encode(),
            script,
            f"</script></head>\n<body><main>\n{body}\n</main>\n{_end(made)}\n".encode(),
            b'<script type="application/json" id="figures">',
            to_json(figures).replace(b"<", b"\\u003c"),
            f"</script>\n<script>{DRAW}</script></body></html>\n".encode(),
        ]
    )


def _beginning(made: Report) -> Iterator[str]:
    result = made.result
    names = list(dict.fromkeys(row["perturbation"] for row in result["curves"]))
    thing, count = THINGS[result["medium"]], len(made.inputs)
    yield f"<h1>Robustness of {shown(result['model'])}</h1>"
    said = f"{count} {thing}{'' if count == 1 else 's'}, perturbed by {', '.join(map(called, names))}."
    yield f'<p class="lead">{shown(said)}</p>'
    found = list(_findings(made))
    if found:
        yield '<ul class="findings">' + "".join(
            f"<li><span>{a}</span><b>{b}</b><span>{c}</span></li>" for a, b, c in found
        )
        yield "</ul>"


def _findings(made: Report) -> Iterator[tuple[str, str, str]]:
    """What there is to say first: a heading, the finding, and its numbers."""
    result = made.result
    rows = [row for row in result["curves"] if number(row["agreement"]["mean"]) is not None]
    if rows:
        worst = min(rows, key=lambda row: row["agreement"]["mean"])
        at = f"{worst['strength']:g}{' dB' if result['unit'] == 'dB' else ''}"
        yield (
            "hurts most",
            f"{shown(called(worst['perturbation']))} at {at}",
            f"agreement {interval(worst['agreement'])}",
        )
    if result["heads"]:
        head = result["heads"][0]
        name = f"{shown(head['site'])} {head['layer']}.{head['head']}"
        yield ("most fragile head", name, f"its rows move by {interval(head['divergence'], 4)} nats")
    if result["tokens"] and result["tokens"][0]["loss"] > 0:
        token = result["tokens"][0]
        yield (
            "most fragile token",
            token_shown(token["label"]),
            f"touched, agreement falls by {token['loss']:.2f}",
        )
    if result["regions"]:
        region = result["regions"][0]
        picture = shown(made.inputs[region["input"]])
        yield ("most fragile region", where(region["box"]), f"of {picture}: agreement falls by {region['loss']:.2f}")


def _quality(result: Mapping[str, Any]) -> Iterator[str]:
    by = AGREEMENTS.get(result["agreement"], result["agreement"])
    yield "<h2>Answers</h2>"
    said = f"Against the answer to the input as it is, or its reference: {by}. Bars are 95% intervals over seeds."
    yield f"<p>{shown(said)}</p>"
    yield '<div class="figures">'
    yield figure("agreement", "Agreement", "curves of agreement against strength")
    yield figure("exact", "Share of answers that stay the same", "curves of equal answers against strength")
    yield "</div>"


def _stability(sites: Sequence[str]) -> Iterator[str]:
    if not sites:
        return
    yield "<h2>Attention</h2>"
    yield (
        "<p>How far rows of the maps move: Jensen-Shannon divergence in nats, the mean of all heads. 0 is equal, 0.693 "
        "has nothing in common.</p>"
    )
    yield '<div class="figures">'
    for index, site in enumerate(sites):
        yield figure(f"moved-{index}", site, f"curves of divergence of {site} against strength")
    yield "</div>"


def _heads(result: Mapping[str, Any], sites: Sequence[str]) -> Iterator[str]:
    if not sites:
        return
    yield "<h2>Fragile heads</h2><p>The mean over everything that was done to the input.</p>"
    yield '<div class="figures">'
    for index, site in enumerate(sites):
        yield figure(f"heads-{index}", site, f"how far each head of {site} moves", "plot grid")
    yield "</div>"
    rows = [
        [shown(head["site"]), str(head["layer"]), str(head["head"]), interval(head["divergence"], 4)]
        for head in result["heads"][:HEADS]
    ]
    yield table("The most fragile heads", ["site", "layer", "head", "divergence, nats"], rows, numbers={1, 2, 3})


def _tokens(made: Report) -> Iterator[str]:
    tokens, answers = made.result["tokens"], {row["input"]: row["text"] for row in made.result["answers"]}
    if made.result["medium"] != "text":
        return
    yield "<h2>Texts</h2>"
    if tokens:
        yield (
            "<p>Marked are the tokens at which a change costs most: how much less answers agree where they were "
            "touched than where they were not.</p>"
        )
    top = max((token["loss"] for token in tokens), default=0.0)
    yield '<ol class="texts">'
    for place, text in list(enumerate(made.inputs))[:SHOWN]:
        here = [token for token in tokens if token["input"] == place and token["loss"] > 0]
        answer = f'<span class="answer" dir="auto">{shown(answers[place])}</span>' if answers.get(place) else ""
        yield f'<li><span dir="auto">{marked(text, here, top)}</span>{answer}</li>'
    yield "</ol>"
    if len(made.inputs) > SHOWN:
        yield f'<p class="note">... and {len(made.inputs) - SHOWN} more.</p>'
    rows = [
        [token_shown(token["label"]), str(token["input"] + 1), str(token["touched"]), f"{token['loss']:.3f}"]
        for token in tokens
        if token["loss"] > 0
    ]
    if rows:
        yield table("The most fragile tokens", ["token", "text", "times touched", "loss of agreement"], rows, {1, 2, 3})


def _regions(made: Report) -> Iterator[str]:
    regions = made.result["regions"]
    if not regions:
        return
    top = max(region["loss"] for region in regions)
    yield "<h2>Fragile regions</h2>"
    yield "<p>Each cell was hidden by grey alone. The stronger its colour, the less the answer without it agrees.</p>"
    yield '<div class="pictures">'
    for place, address in made.pictures.items():
        cells = []
        for region in regions:
            if region["input"] == place and region["loss"] > 0 and top > 0:
                left, upper, right, lower = (100 * side for side in region["box"])
                box = f"left:{left:.2f}%;top:{upper:.2f}%;width:{right - left:.2f}%;height:{lower - upper:.2f}%"
                said = f"{where(region['box'])}: agreement falls by {region['loss']:.3f}"
                cells.append(f'<i style="{box};opacity:{0.75 * region["loss"] / top:.3f}" title="{said}"></i>')
        name = shown(made.inputs[place])
        picture = f'<div class="picture"><img src="{shown(address)}" alt="{name}">{"".join(cells)}</div>'
        yield f"<figure>{picture}<figcaption>{name}</figcaption></figure>"
    yield "</div>"
    rows = [
        [shown(made.inputs[region["input"]]), where(region["box"]), f"{region['loss']:.3f}"]
        for region in regions[:HEADS]
    ]
    yield table("The most fragile regions", ["picture", "region", "loss of agreement"], rows, {2})


def _flips(made: Report) -> Iterator[str]:
    if not made.result["flips"]:
        return
    yield "<h2>Replaced tokens</h2>"
    yield (
        "<p>HotFlip: one token after the other, where the gradient says that the answer suffers most; what it "
        "estimates of each beside what a real pass measured of all so far, in nats or of a logit.</p>"
    )
    rows = [
        [
            str(flip["input"] + 1),
            f"{token_shown(flip['label'])} \u2192 {token_shown(flip['by'])}",
            f"{flip['estimated']:.3f}",
            "" if number(flip["measured"]) is None else f"{flip['measured']:.3f}",
            shown(flip["answer"] or ""),
        ]
        for flip in made.result["flips"]
    ]
    yield table("Replacements", ["text", "token", "estimated", "measured so far", "answer"], rows, {0, 2, 3}, 4)


def _numbers(result: Mapping[str, Any], sites: Sequence[str]) -> Iterator[str]:
    attacked = any("objective" in row for row in result["curves"])
    unit = ", dB" if result["unit"] == "dB" else ""
    names = ["perturbation", f"strength{unit}", "agreement", "same answer", *(f"{site}, nats" for site in sites)]
    rows = [
        [
            shown(called(row["perturbation"])),
            f"{row['strength']:g}",
            interval(row["agreement"]),
            interval(row["exact"]),
            *(interval(row["divergence"].get(site, {}), 4) for site in sites),
            *([interval(row.get("objective", {}))] if attacked else []),
        ]
        for row in result["curves"]
    ]
    yield "<h2>All numbers</h2>"
    heads = [*map(shown, names), *(["change of the answer's score"] if attacked else [])]
    yield table("Means with 95% intervals over seeds", heads, rows, set(range(1, len(heads))))


def _refused(made: Report) -> Iterator[str]:
    if not made.result["refused"]:
        return
    yield "<h2>Left out</h2>"
    rows = [[shown(made.inputs[row["input"]][:200]), shown(row["detail"])] for row in made.result["refused"]]
    yield table("What could not be used", ["input", "why"], rows, set(), 1)


def _end(made: Report) -> str:
    facts = {**made.facts, **{f"{name} version": version for name, version in made.result["versions"].items()}}
    rows = "".join(f"<dt>{shown(name)}</dt><dd>{shown(value)}</dd>" for name, value in facts.items())
    return f"<footer><dl>{rows}</dl></footer>"
