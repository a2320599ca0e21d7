"""What is answered when four times as much is asked as can be, and by clients who ask again at once.

python -m benchmarks.overload
"""

import tempfile
import time
from pathlib import Path

from benchmarks.asking import DE_EN, asked, bodies, resident, sentences
from benchmarks.measure import Report, verdict
from tests.live import service

SECONDS = 60.0
WARM_SECONDS = 4.0
RETRY = 0.05
REST_SECONDS = 4.0


def at_rest(url: str) -> int:
    """Bytes that the service holds once nobody asks for anything: it gives back what it needs no longer."""
    time.sleep(REST_SECONDS)
    return resident(url)


def measure(seconds: float = SECONDS, warm: float = WARM_SECONDS) -> Report:
    """What is answered when four times as much is asked as can be, and by clients who ask again at once."""
    with tempfile.TemporaryDirectory() as name, service(Path(name), "--model", f"de-en={DE_EN}") as url:
        folder = Path(name)
        file = bodies(folder, sentences())
        hard = bodies(folder, [sentences()[:32]] * 4, parameters={"beam_size": 4})  # type: ignore[list-item]
        asked(url, file, "--clients", "64", "--seconds", str(warm))
        before = at_rest(url)
        peak = asked(url, file, "--clients", "64", "--seconds", str(seconds / 3))
        runs = {
            "64 clients": peak,
            "400 clients, again after 50 ms": asked(
                url, file, "--clients", "400", "--retry", str(RETRY), "--seconds", str(seconds)
            ),
            "four times the rate": asked(
                url, file, "--rate", str(4 * peak["goodput"]), "--clients", "800", "--seconds", str(seconds)
            ),
            "200 clients with 32 sentences, 4 beams": asked(
                url, hard, "--clients", "200", "--retry", str(RETRY), "--seconds", str(seconds)
            ),
        }
        asked(url, file, "--clients", "64", "--seconds", str(warm))
        after = at_rest(url)
    rows, refusals = [], 0.0
    for label, run in runs.items():
        statuses = run["statuses"]
        refused = [s for code, s in statuses.items() if code in ("429", "503")]
        slowest = max((s["p99"] for s in refused), default=0.0)
        refusals = max(refusals, slowest)
        good = statuses.get("200", {"count": 0, "p50": 0.0, "p99": 0.0})
        others = {code: s["count"] for code, s in statuses.items() if code not in ("200", "429", "503")}
        part = run["goodput"] / peak["goodput"]
        rows.append(
            [
                label,
                f"{run['goodput']:.0f}",
                f"{part:.2f}" if label in list(runs)[:3] else "",
                f"{good['p50']:,.0f}",
                f"{good['p99']:,.0f}",
                f"{sum(s['count'] for s in refused):,}",
                f"{slowest:.0f}",
                " ".join(f"{count} x {code}" for code, count in others.items()) or "0",
                " ".join(f"{count} {what}" for what, count in run["lost"].items()) or "0",
            ]
        )
    targets = [
        verdict(f"goodput over the peak, {label}", float(row[2]), 0.9, at_most=False)
        for label, row in list(zip(runs, rows, strict=True))[1:3]
    ]
    targets += [
        verdict("refusals, 99th percentile in ms", refusals, 50.0, at_most=True),
        verdict("memory at rest, afterwards over before", after / before, 1.05, at_most=True),
    ]
    about = (
        f"de-en, one sentence a request where nothing else is said, {seconds:g} s each; clients in a process of their "
        "own on the same cores. *lost* is what the client never had a connection for, or no answer to."
    )
    headers = [
        "asked by",
        "answers/s",
        "over peak",
        "p50 ms",
        "p99 ms",
        "refused",
        "p99 ms of refusals",
        "other",
        "lost",
    ]
    return Report("Overload", about, headers, rows, targets)


if __name__ == "__main__":
    print(measure().markdown())
