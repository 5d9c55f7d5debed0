"""How often a latency promise is judged wrongly: engines near their limit on a device of known, bursty noise.

1,000 engines whose true 95th percentile is 0.97 to 1.03 of the limit are judged by `verify_latency` itself, in 5
processes of 5 seconds and up to two repeats. False `met`: the truth is over the limit; false `missed`: it is within.

    python -m benchmarks.promises    # a table of the rule in use and of rules that it was chosen among
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bursty import BurstyDevice, Noise
from compressor.records.latency import CompileOptions
from compressor.records.promise import Budget, Verdict
from compressor.runtimes import dependence
from compressor.runtimes.distributions import student_quantile
from compressor.runtimes.statistics import CONFIDENCE, share_bounds, share_within
from compressor.verification.latency import MAX_REPEATS, PROCESSES, SECONDS, verify_latency

ENGINES, SEED = 1000, 20261121
PERCENTILE = 95.0
NEAR = (0.97, 1.03)

Times = Sequence[NDArray[np.int64]]
Bounds = tuple[float, float]
Law = Callable[[np.random.Generator], Noise]


def bursty(random: np.random.Generator) -> Noise:
    """Bursts of some hundred milliseconds, 2 to 20 % of the time."""
    return _bursts(random, 0.1, 0.5)


def short_bursts(random: np.random.Generator) -> Noise:
    """Bursts of some ten milliseconds."""
    return _bursts(random, 0.02, 0.1)


def long_bursts(random: np.random.Generator) -> Noise:
    """Bursts of about a second: too few in a measurement to know their share."""
    return _bursts(random, 0.5, 2.0)


def offsets(random: np.random.Generator) -> Noise:
    """No bursts; processes that differ by 0.5 to 2 %."""
    return Noise(jitter=random.uniform(0.01, 0.04), offset=random.uniform(0.005, 0.02))


def independent(random: np.random.Generator) -> Noise:
    """Runs that know nothing of each other."""
    return Noise(jitter=random.uniform(0.01, 0.04))


LAWS: dict[str, Law] = {
    "bursty": bursty,
    "short bursts": short_bursts,
    "long bursts": long_bursts,
    "offsets": offsets,
    "independent": independent,
}


def _bursts(random: np.random.Generator, shortest: float, longest: float) -> Noise:
    return Noise(
        jitter=random.uniform(0.01, 0.04),
        offset=random.uniform(0.0, 0.01),
        burst_share=_log_uniform(random, 0.02, 0.2),
        burst_factor=random.uniform(1.1, 1.6),
        burst_seconds=_log_uniform(random, shortest, longest),
    )


def _log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))


def engine(law: Law, seed: int) -> tuple[BurstyDevice, float, bool]:
    """A device, the limit in nanoseconds, and whether its true percentile is within it."""
    random = np.random.default_rng((SEED, seed))
    device = BurstyDevice(_log_uniform(random, 0.5e6, 10e6), law(random), random)
    ratio = random.uniform(*NEAR)
    return device, device.percentile_ns(PERCENTILE) / ratio, ratio <= 1.0


def false_promises(name: str, *, engines: int = ENGINES) -> dict[str, Any]:
    """One row: the product's own verdicts under a law of `LAWS`, in percent of all engines."""
    verdicts = []
    for seed in range(engines):
        device, limit_ns, kept = engine(LAWS[name], seed)
        budget = Budget(max_latency_ms=limit_ns / 1e6, percentile=PERCENTILE)
        found = verify_latency(device, Path("engine.onnx"), [], CompileOptions(1), budget)
        verdicts.append((found.verdict, kept, found.repeats))
    return _row(name, "product", verdicts)


def rule_row(name: str, rule: str, *, engines: int = ENGINES) -> dict[str, Any]:
    """The same row of a rule of `RULES`."""
    verdicts = []
    for seed in range(engines):
        device, limit_ns, kept = engine(LAWS[name], seed)
        times: list[NDArray[np.int64]] = []
        for _ in range(MAX_REPEATS + 1):
            found = device.fresh_samples("", [], None, seconds=SECONDS, processes=PROCESSES)
            times += [samples.times for samples in found]
            low, high = RULES[rule](times, limit_ns)
            verdict = _verdict(low, high)
            if verdict is not Verdict.INCONCLUSIVE:
                break
        verdicts.append((verdict, kept, len(times) // PROCESSES - 1))
    return _row(name, rule, verdicts)


def _verdict(low: float, high: float) -> Verdict:
    if low >= PERCENTILE / 100:
        return Verdict.MET
    return Verdict.MISSED if high < PERCENTILE / 100 else Verdict.INCONCLUSIVE


def _row(law: str, rule: str, verdicts: Sequence[tuple[Verdict, bool, int]]) -> dict[str, Any]:
    found = np.array([verdict.value for verdict, _, _ in verdicts])
    kept = np.array([kept for _, kept, _ in verdicts])
    false_met, false_missed = (found == Verdict.MET) & ~kept, (found == Verdict.MISSED) & kept
    return {
        "noise": law,
        "rule": rule,
        "engines": len(verdicts),
        "false_met_percent": round(100 * float(false_met.mean()), 2),
        "false_met_percent_of_those_over": round(100 * float(false_met.sum() / (~kept).sum()), 2),
        "false_missed_percent": round(100 * float(false_missed.mean()), 2),
        "false_missed_percent_of_those_within": round(100 * float(false_missed.sum() / kept.sum()), 2),
        "inconclusive_percent": round(100 * float((found == Verdict.INCONCLUSIVE).mean()), 1),
        "measurements": round(1 + float(np.mean([repeats for _, _, repeats in verdicts])), 2),
    }


def plain(times: Times, limit_ns: float) -> Bounds:
    """Clopper-Pearson on the runs, as if they were independent."""
    every = np.concatenate(times)
    return share_bounds(int((every <= limit_ns).sum()), every.size)


def batch_means(seconds: float) -> Callable[[Times, float], Bounds]:
    """Clopper-Pearson on the runs over the design effect of blocks of that length alone."""

    def rule(times: Times, limit_ns: float) -> Bounds:
        counts = _blocks(times, limit_ns, seconds)
        runs, within = counts.sum(axis=0)
        share, m = within / runs, len(counts)
        if share in (0.0, 1.0):
            return share_bounds(within, runs)
        variance = ((counts[:, 1] - share * counts[:, 0]) ** 2).sum() * m / (m - 1)
        n = runs / max(1.0, variance / (share * (1 - share) * runs))
        return share_bounds(share * n, n)

    return rule


def process_t(times: Times, limit_ns: float) -> Bounds:
    """Student's t over the shares of the processes."""
    shares = np.array([(found <= limit_ns).mean() for found in times])
    error = student_quantile(CONFIDENCE, len(shares) - 1) * shares.std(ddof=1) / math.sqrt(len(shares))
    return float(shares.mean() - error), float(shares.mean() + error)


def block_bootstrap(seconds: float) -> Callable[[Times, float], Bounds]:
    """Percentiles of the share over blocks of that length, drawn with replacement 400 times."""

    def rule(times: Times, limit_ns: float) -> Bounds:
        counts = _blocks(times, limit_ns, seconds)
        drawn = counts[np.random.default_rng(0).integers(len(counts), size=(400, len(counts)))].sum(axis=1)
        shares = drawn[:, 1] / drawn[:, 0]
        return float(np.quantile(shares, 1 - CONFIDENCE)), float(np.quantile(shares, CONFIDENCE))

    return rule


def seen_bursts_only(times: Times, limit_ns: float) -> Bounds:
    """The rule in use without its allowance for bursts that were not met."""
    worth = dependence.effective_runs(times, limit_ns, confidence=CONFIDENCE)
    share = share_within(times, limit_ns).share
    return share_bounds(share * worth, worth)


def _blocks(times: Times, limit_ns: float, seconds: float) -> NDArray[np.int64]:
    """(runs, runs within the limit) of every block, [blocks, 2]."""
    counts = []
    for found in times:
        block = ((np.cumsum(found) - found) / (seconds * 1e9)).astype(np.int64)
        pairs = np.stack([np.bincount(block), np.bincount(block, weights=found <= limit_ns)], axis=1)
        counts.append(pairs[pairs[:, 0] > 0])
    return np.concatenate(counts).astype(np.int64)


RULES: dict[str, Callable[[Times, float], Bounds]] = {
    "plain Clopper-Pearson": plain,
    "batch means 0.25 s": batch_means(0.25),
    "batch means 1 s": batch_means(1.0),
    "batch means of processes": batch_means(SECONDS / PROCESSES),
    "t over processes": process_t,
    "bootstrap of 0.5 s": block_bootstrap(0.5),
    "seen bursts only": seen_bursts_only,
}


def main() -> None:
    """Every law under the rule in use and under the others."""
    for name in LAWS:
        for row in (false_promises(name), *(rule_row(name, rule) for rule in RULES)):
            print("  ".join(str(value) for value in row.values()), flush=True)


if __name__ == "__main__":
    main()
