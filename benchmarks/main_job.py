"""The main job as a user meets it, from the command line, every cache cold: MiniLM-L6 on SST-2, the demo, the edges.

Rows: the limit of 1.5 ms (a student), of 10 ms (the ladder stops at the teacher), of 1 us (infeasible), `--help`, the
import graph; the demo; a run killed in every stage; a teacher of BERT-base's shape; the families' parity; bad input;
no network. The ceiling: the student's products at the rate of one large GEMM; a run that is faster would be wrong, one
that is much slower has its time elsewhere (normalisation, softmax, quantisation).

    python -m benchmarks.main_job --full
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.commands import compress, report_facts, run_command
from benchmarks.edges import bad_inputs, offline, resume
from benchmarks.harness import CHECKOUT, SHARED, Check, RowStore, arguments, content_hash, finish, gemm_ceiling
from benchmarks.scale import write_bert_base, write_sentences
from tests.house import import_cycles, layer_violations

TEACHER, DATA = SHARED / "models" / "minilm-l6-sst2", SHARED / "data" / "sst2"
COMMON = ("--target", "cpu", "--sequence-length", "32", "--threads", "1", "--max-accuracy-drop", "1.5")
# Random weights: there is no accuracy to lose, so any cut is allowed; half of what the int8 teacher takes here.
SCALE = ("--target", "cpu", "--sequence-length", "32", "--max-accuracy-drop", "100", "--time-budget", "10m")
SCALE_LIMIT = "6ms"
# CamemBERT is one more, but it is RoBERTa under another name.
FAMILIES = ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "mpnet")
PARITY_TESTS = "tests/teachers/test_families.py"
LAYERS_PARAMETERS, LENGTH = 10.6e6, 32


def job(limit: str, *extra: str) -> dict[str, Any]:
    """The main job at a limit."""
    return compress(["--teacher", str(TEACHER), "--data", str(DATA), *COMMON, "--max-latency", limit, *extra])


def demo() -> dict[str, Any]:
    """`compressor demo`, what `make demo` runs after the installation."""
    with tempfile.TemporaryDirectory() as folder:
        row = run_command(["demo", "--output", folder, "--force"])
        return row | report_facts(Path(folder) / "bundle")


def scale() -> dict[str, Any]:
    """The main job with a teacher of BERT-base's shape on 2,000 sentences."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        teacher = write_bert_base(folder / "teacher", tokenizer=TEACHER)
        data = write_sentences(folder / "data", source=DATA)
        given = ["--teacher", str(teacher), "--data", str(data), *SCALE, "--max-latency", SCALE_LIMIT]
        return compress(given, watch_memory=True)


def families() -> dict[str, Any]:
    """Families whose logits are those of transformers within 1e-4 and that make the round trip."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", PARITY_TESTS]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    passed = [line for line in done.stdout.splitlines() if line.startswith("PASSED") and "test_logits_are" in line]
    cases = [line.split("[")[1].rstrip("]") for line in passed]
    names = [name for name in FAMILIES if f"{name}-text-classification" in cases]
    return {"families": len(names) if done.returncode == 0 else 0, "cases": cases, "pytest": done.returncode}


def help_seconds() -> dict[str, Any]:
    """Median of ten `compressor --help`, after one that fills the caches of the disk."""
    command = [sys.executable, "-m", "compressor", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    times = []
    for _ in range(11):
        begin = time.monotonic()
        subprocess.run(command, env=environment, capture_output=True, check=True)
        times.append(time.monotonic() - begin)
    return {"seconds": round(sorted(times[1:])[5], 4), "fastest_seconds": round(min(times), 4)}


def imports() -> dict[str, Any]:
    """Cycles among the modules, and imports that point to the right in the house."""
    cycles = import_cycles(CHECKOUT)
    return {"import_cycles": len(cycles), "layer_violations": len(layer_violations(CHECKOUT)), "cycles": cycles}


def ceiling() -> dict[str, Any]:
    """Print and keep the rate of one thread on a large product."""
    rates = gemm_ceiling()
    for precision, rate in rates.items():
        least = 2 * LAYERS_PARAMETERS * LENGTH / rate * 1e3
        print(
            f"ceiling: {rate / 1e9:.0f} G{precision} operations/s on one thread; the teacher's products at length "
            f"{LENGTH} take at least {least:.2f} ms, 1.5 ms allow {1.5 / least:.2f} of them"
        )
    return {"row": "ceiling", **{f"{name}_gemm_ops_per_s_per_thread": round(rate) for name, rate in rates.items()}}


def row_functions(mode: str) -> dict[str, Any]:
    """Name of every row -> what computes it, the cheap ones first."""
    budget = ("--time-budget", "8m") if mode == "quick" else ()
    return {
        "help": help_seconds,
        "imports": imports,
        "offline": offline,
        "families": families,
        "infeasible": lambda: job("1us"),
        "ladder": lambda: job("10ms"),
        "bad_inputs": bad_inputs,
        "resume": resume,
        "demo": demo,
        "scale": scale,
        "sst2": lambda: job("1.5ms", *budget),
    }


def checks(row: dict[str, dict[str, Any]]) -> list[Check]:
    """What the issues limit."""
    student, ladder, infeasible = row["sst2"], row["ladder"], row["infeasible"]
    stopped = ladder["exit_code"] == 0 and str(ladder.get("chosen", "")).startswith("teacher")
    away = row["offline"]["seconds"] if row["offline"]["exit_code"] == 5 else None
    return [
        Check("sst2_exit_code", student["exit_code"], "", 0, "=="),
        Check("sst2_seconds", student["seconds"], "s", 1200),
        Check("sst2_p95_ms", student.get("p95_ms"), "ms", 1.5),
        Check("sst2_accuracy_drop_points", student.get("accuracy_drop_points"), "points", 1.5),
        Check("ladder_stop_seconds", ladder["seconds"] if stopped else None, "s", 120),
        Check("infeasible_seconds", infeasible["seconds"] if infeasible["exit_code"] == 3 else None, "s", 60),
        Check("import_cycles", row["imports"]["import_cycles"], "", 0, "=="),
        Check("help_seconds", row["help"]["seconds"], "s", 0.3),
        Check("demo_seconds", row["demo"]["seconds"], "s", 360),
        Check("demo_exit_code", row["demo"]["exit_code"], "", 0, "=="),
        Check("resume_identical", row["resume"]["identical"], "", 1, "=="),
        Check("bert_base_scale_seconds", row["scale"]["seconds"], "s", 720),
        Check("bert_base_scale_gigabytes", row["scale"]["gigabytes"], "GB", 8),
        Check("families_with_parity", row["families"]["families"], "", 6, "=="),
        Check("bad_inputs_with_clear_error", row["bad_inputs"]["clear"], "", row["bad_inputs"]["cases"], "=="),
        Check("offline_error_seconds", away, "s", 2),
    ]


def main() -> None:
    """Run the rows that are missing."""
    chosen = arguments(__doc__ or "")
    first = ceiling()
    store = RowStore("main_job", resume=chosen.resume)
    key = content_hash([CHECKOUT / "compressor", TEACHER, DATA], [COMMON, SCALE, SCALE_LIMIT, chosen.mode])
    rows = {name: store.row(name, key, compute) for name, compute in row_functions(chosen.mode).items()}
    finish("main_job", chosen.mode, [first, *rows.values()], checks(rows))


if __name__ == "__main__":
    main()
