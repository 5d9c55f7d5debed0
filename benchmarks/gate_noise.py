"""How often `compressor gate` is wrong: engines of known difference, on this shared machine, alone and disturbed.

A student of MiniLM-L6 in int8 against itself, and against copies whose graph was padded until they took 3, 5 and 10 %
longer. Recorded live: processes that time base, head and base in turn. From those traces gates are replayed, 2,000 for
each case, in blocks of processes that followed each other; 40 live gates of at most 15 s confirm them, and four whole
gates from the command line say how long a user waits. Allowed is 1 %. Beside it, from the same traces, what others do:

| rule | what |
| --- | --- |
| previous run | head slower than 1.10 x one earlier run of the base |
| Mann-Whitney | runs of the head after runs of the base, p < 0.002 and a median 1 % higher |

    python -m benchmarks.gate_noise --full --resume
"""

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.frontier import TEACHER, pooled
from benchmarks.gate_traces import ALLOWED, Engines, lived, traced, whole
from benchmarks.harness import CHECKOUT, Check, RowStore, arguments, conditions, content_hash, finish
from compressor.gate.deciding import MOST, look
from compressor.gate.measuring import Timed
from compressor.records.gate import GateVerdict

PLANTED = (0, 3, 5, 10)  # percent
REPLAYED, BLOCK = 2000, 5
GATE_SECONDS = 60.0
PREVIOUS_RUN = 1.10
P_VALUE = 0.002
# Those that take longest: nothing is to be found, or hardly anything.
WHOLE = tuple((percent, busy) for busy in (False, True) for percent in (0, 3))
PACKAGES = [CHECKOUT / "compressor" / name for name in ("encoder", "gate", "precision", "runtimes", "space")]
SCRIPT = CHECKOUT / "benchmarks" / "gate_traces.py"

Logs = NDArray[np.float64]
Row = dict[str, Any]


def replayed(row: Row, processes: int) -> dict[str, float]:
    """Shares of verdicts of many gates whose processes are blocks of the recorded ones, and of the other rules."""
    random, logs = np.random.default_rng(0), np.array(row["logs"])
    base, head = np.array(row["base_us"]), np.array(row["head_us"])
    verdicts, used, previous, ranks = [], [], 0, 0
    for _ in range(REPLAYED):
        chosen = logs[_blocks(random, len(logs), processes)]
        verdict, count = _gate(chosen)
        verdicts.append(verdict)
        used.append(count)
        before, after = random.integers(len(base)), random.integers(len(head))
        previous += bool(np.median(head[after]) > PREVIOUS_RUN * np.median(base[before]))
        ranks += mann_whitney(base[before], head[after])
    shares = {str(verdict): round(100 * verdicts.count(verdict) / REPLAYED, 2) for verdict in GateVerdict}
    return {
        **shares,
        "processes": float(np.mean(used)),
        "previous run": round(100 * previous / REPLAYED, 2),
        "Mann-Whitney": round(100 * ranks / REPLAYED, 2),
    }


def _blocks(random: np.random.Generator, recorded: int, wanted: int) -> NDArray[np.int64]:
    starts = random.integers(recorded, size=-(-wanted // BLOCK))
    return np.asarray(((starts[:, None] + np.arange(BLOCK)) % recorded).ravel()[:wanted])


def _gate(logs: Logs) -> tuple[GateVerdict, int]:
    for count in range(1, len(logs) + 1):
        verdict = look(logs[:count], ALLOWED, last=count == len(logs))
        if verdict is not None:
            return verdict, count
    raise ValueError("no processes")


def mann_whitney(base: NDArray[np.float64], head: NDArray[np.float64]) -> bool:
    """Whether the head is called slower: one-sided, by the normal approximation with ties counted half."""
    above = (head[:, None] > base[None, :]).sum() + 0.5 * (head[:, None] == base[None, :]).sum()
    n, m = len(base), len(head)
    z = (above - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
    return bool(1 - NormalDist().cdf(float(z)) < P_VALUE / 2 and np.median(head) > (1 + ALLOWED) * np.median(base))


def main() -> None:
    """Widths, traces, replays, live gates, whole gates, checks."""
    options = arguments(__doc__ or "")
    full = options.mode == "full"
    rows = RowStore("gate_noise", resume=options.resume)
    processes, gates, whole_gates = (60, 5, WHOLE) if full else (20, 1, WHOLE[:1])
    traces = content_hash([*PACKAGES, SCRIPT, TEACHER], conditions())
    commands = content_hash([CHECKOUT / "compressor", SCRIPT, TEACHER, pooled("train")], conditions())
    with tempfile.TemporaryDirectory() as name:
        engines = Engines(Path(name))
        row = rows.row("widths", traces, lambda: {"widths": {str(p): engines.width_of(p) for p in PLANTED}})
        widths = {percent: row["widths"][str(percent)] for percent in PLANTED}
        heads = {percent: engines.timed(width) for percent, width in widths.items()}
        cases = [(percent, busy) for busy in (False, True) for percent in PLANTED]
        found = [{"kind": "widths", **row}]
        found += [_case(rows, traces, heads, percent, processes, busy=busy) for percent, busy in cases]
        found += [_live(rows, traces, heads, percent, gates, busy=busy) for percent, busy in cases]
        found += [_whole(rows, commands, engines, widths, percent, busy=busy) for percent, busy in whole_gates]
    finish("gate_noise", options.mode, found, list(checks(found)))


def _in_words(percent: int, busy: bool) -> str:
    return f"{percent} % {'busy' if busy else 'quiet'}"


def _case(rows: RowStore, key: str, heads: Mapping[int, Timed], percent: int, processes: int, *, busy: bool) -> Row:
    """A trace and its replay."""
    name = _in_words(percent, busy)
    make = partial(traced, heads[0], heads[percent], processes, busy=busy)
    row = rows.row(name, content_hash([], [key, processes]), make)
    seconds = row["row_seconds"] / processes
    fitting = min(MOST, int(GATE_SECONDS / seconds))
    shares = replayed(row, fitting)
    print(f"    gates of at most {fitting} processes: {shares}", flush=True)
    facts = {"planted": percent, "busy": busy, "process_s": round(seconds, 2), **shares}
    return {"kind": "replay", "row": name, "ratio": row["ratio"], **facts}


def _live(rows: RowStore, key: str, heads: Mapping[int, Timed], percent: int, gates: int, *, busy: bool) -> Row:
    make = partial(lived, heads[0], heads[percent], gates, busy=busy)
    row = rows.row(f"live {_in_words(percent, busy)}", content_hash([], [key, gates]), make)
    return {"kind": "live", "planted": percent, "busy": busy, **row}


def _whole(rows: RowStore, key: str, engines: Engines, widths: Mapping[int, int], percent: int, *, busy: bool) -> Row:
    def make() -> Row:
        return whole(engines.bundle(0), engines.bundle(widths[percent]), busy=busy)

    row = rows.row(f"whole {_in_words(percent, busy)}", content_hash([], [key, widths[percent]]), make)
    return {"kind": "whole", "planted": percent, "busy": busy, **row}


def checks(found: list[Row]) -> Iterator[Check]:
    """Of the replays, the worse of quiet and busy but for the share that stays open; and what the live gates say."""
    replays, live = ([row for row in found if row["kind"] == kind] for kind in ("replay", "live"))
    same = [row for row in replays if row["planted"] == 0]
    yield Check("false_alarm_percent", max(row["fail"] for row in same), "% of equal engines", 1.0)
    quiet = next(row for row in same if not row["busy"])
    yield Check("inconclusive_on_aa_percent_quiet", quiet["inconclusive"], "% of equal engines", 5.0)
    for percent, least in ((3, 80.0), (5, 95.0), (10, 99.0)):
        worst = min(row["fail"] for row in replays if row["planted"] == percent)
        yield Check(f"detected_{percent}_percent", worst, "% of gates", least, ">=")
    yield from _live_checks(live)
    yield _gate_seconds([row for row in found if row["kind"] == "whole"])
    for rule in ("previous run", "Mann-Whitney"):
        name = rule.lower().replace(" ", "_").replace("-", "_")
        yield Check(f"false_alarm_percent_{name}", max(row[rule] for row in same), "% of equal engines", None)
        for percent in PLANTED[1:]:
            least = min(row[rule] for row in replays if row["planted"] == percent)
            yield Check(f"detected_{percent}_percent_{name}", least, "% of gates", None)


def _live_checks(live: list[Row]) -> Iterator[Check]:
    """Quiet and busy together: of so few gates of a quarter of the time they confirm, and decide nothing."""
    for percent in PLANTED:
        rows = [row for row in live if row["planted"] == percent]
        gates, name = sum(row["gates"] for row in rows), f"live_detected_{percent}_percent"
        share = round(100 * sum(row["fail"] for row in rows) / gates, 1)
        yield Check(name if percent else "live_false_alarm_percent", share, f"% of {gates} live gates", None)


def _gate_seconds(rows: list[Row]) -> Check:
    """The longest of the whole gates; none where one ended in an error, which takes no time."""
    ended = all(row["exit_code"] in (0, 4, 6) for row in rows)
    longest = max(row["seconds"] for row in rows) if ended else None
    return Check("gate_seconds", longest, f"s, the longest of {len(rows)} whole gates", GATE_SECONDS)


if __name__ == "__main__":
    main()
