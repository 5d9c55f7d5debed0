r"""What cannot be used, and what is said about it: one case per fault, as a user meets it on the command line.

    arguments(case, teacher, data, target, folder) -> what follows `compressor`

Every case gets a folder with links to the files of a good teacher and good data, and damages something in it. Every
one has to end with exit code 2, its message on standard error, no traceback and no bundle. Nothing of the tests is
imported here, so that benchmarks can run the cases too, in processes of their own with `XDG_CACHE_HOME` = folder /
"cache".
"""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BadInput:
    """One fault.

    Attributes:
        name: In the test's id and in the record of a benchmark.
        message: Regular expression that standard error must match.
        flags: Given last, so that they win; `{folder}` is the folder of the case.
        damage: Called with the folder of the case, in which `teacher`, `data`, `cache` and `bundle` are.
    """

    name: str
    message: str
    flags: tuple[str, ...] = ()
    damage: Callable[[Path], object] | None = None


def arguments(case: BadInput, teacher: Path, data: Path, target: str, folder: Path) -> list[str]:
    """Make the files of a case and return its command line without the program."""
    for name, source in (("teacher", teacher), ("data", data)):
        (folder / name).mkdir()
        for file in source.iterdir():
            if file.is_file():
                (folder / name / file.name).symlink_to(file.resolve())
    if case.damage is not None:
        case.damage(folder)
    given = {"--teacher": folder / "teacher", "--data": folder / "data", "--output": folder / "bundle"}
    given |= {"--target": target, "--max-latency": "5ms", "--time-budget": "1m", "--stop-after": "prepare"}
    flags = [part for name, value in given.items() for part in (name, str(value))]
    return ["compress", *flags, *(flag.format(folder=folder) for flag in case.flags)]


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Other content in a file."""

    def change(folder: Path) -> None:
        path = folder / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def remove(*patterns: str) -> Callable[[Path], object]:
    """No file of that name."""

    def change(folder: Path) -> None:
        for pattern in patterns:
            for path in list(folder.glob(pattern)):
                path.unlink()

    return change


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A file with other bytes."""
    return lambda folder: write(name, change((folder / name).read_bytes()))(folder)


def lines(name: str, change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    """A text file with other lines."""
    return edit(name, lambda raw: "\n".join([*change(raw.decode().splitlines()), ""]).encode())


def config(**changes: Any) -> Callable[[Path], object]:
    """Other values in the teacher's config.json."""
    return edit("teacher/config.json", lambda raw: json.dumps({**json.loads(raw), **changes}).encode())


def pickled(content: object) -> Callable[[Path], object]:
    """Weights as a pickle of something."""

    def change(folder: Path) -> None:
        remove("teacher/*.safetensors", "teacher/*.bin")(folder)
        write("teacher/pytorch_model.bin", pickle.dumps(content))(folder)

    return change


def not_finite(folder: Path) -> None:
    """One weight of the classifier is not a number."""
    from safetensors.numpy import load_file, save_file

    path = folder / "teacher" / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"] = weights["classifier.bias"] * float("nan")
    path.unlink()
    save_file(weights, path)


def one_class(rows: list[str]) -> list[str]:
    """The header and the rows with the label 1."""
    return [rows[0], *(row for row in rows[1:] if row.endswith("\t1"))]


TEACHERS = (
    BadInput(
        "teacher missing",
        "--teacher: expected a folder with config.json.* is not a folder. Save a model",
        ("--teacher", "{folder}/gone"),
    ),
    BadInput("teacher without config", r"--teacher: cannot read .*config\.json", damage=remove("teacher/config.json")),
    BadInput(
        "config that is not JSON", r"config\.json is not JSON", damage=write("teacher/config.json", '{"model_type"')
    ),
    BadInput(
        "teacher without tokenizer",
        r"expected a fast tokenizer at .*tokenizer\.json, found none; make it with",
        damage=remove("teacher/tokenizer.json"),
    ),
    BadInput(
        "tokenizer that is none",
        r"tokenizer\.json is not a tokenizer .*; save it again",
        damage=write("teacher/tokenizer.json", "{}"),
    ),
    BadInput(
        "teacher without weights",
        r"has no weights: expected model\.safetensors .*; save the model with `save_pretrained",
        damage=remove("teacher/*.safetensors", "teacher/*.bin"),
    ),
    BadInput(
        "weights cut off",
        r"model\.safetensors cannot be read, is it whole\? .*; copy it again",
        damage=edit("teacher/model.safetensors", lambda raw: raw[:-100]),
    ),
    BadInput(
        "weights that are not finite",
        r"classifier\.bias in .* holds values that are not finite.*; train",
        damage=not_finite,
    ),
    BadInput(
        "weights of another shape",
        r"in .* has shape .*, config\.json says",
        damage=config(vocab_size=7),
    ),
    BadInput(
        "pickle of something else",
        r"pytorch_model\.bin holds list, expected a dictionary of tensors|will not be unpickled",
        damage=pickled([1, 2]),
    ),
    BadInput(
        "pickle that would run code",
        "holds more than tensors and will not be unpickled; save it as safetensors",
        damage=pickled({"classifier.bias": Path("somewhere")}),
    ),
)

DATA = (
    BadInput(
        "data missing",
        "expected a folder with training data at .*gone, found nothing; check --data",
        ("--data", "{folder}/gone"),
    ),
    BadInput("data folder empty", "expected .*train.tsv .*found nothing", damage=remove("data/*")),
    BadInput(
        "data file empty",
        "train.tsv is empty: expected at least one row of data, found none",
        damage=write("data/train.tsv", ""),
    ),
    BadInput(
        "data without rows",
        "train.tsv is empty: expected at least one row of data, found none",
        damage=write("data/train.tsv", "sentence\tlabel\n"),
    ),
    BadInput(
        "header of other columns",
        "expected text columns .* found columns phrase, gold; name yours with --text-column",
        damage=lines("data/train.tsv", lambda rows: ["phrase\tgold", *rows[1:]]),
    ),
    BadInput(
        "header without label",
        "expected labels in a column 'label', found the columns sentence, gold; add labels, name their column",
        damage=lines("data/train.tsv", lambda rows: ["sentence\tgold", *rows[1:]]),
    ),
    BadInput(
        "ragged row",
        r"train.tsv, line 3: expected 2 tab-separated fields .*found 3; remove",
        damage=lines("data/train.tsv", lambda rows: [*rows[:2], "one\ttwo\t1", *rows[3:]]),
    ),
    BadInput(
        "text that is not UTF-8",
        "expected UTF-8, found the byte 0xff .*save the file as UTF-8",
        damage=edit("data/train.tsv", lambda raw: raw[:20] + b"\xff" + raw[20:]),
    ),
    BadInput(
        "texts without labels that are not UTF-8",
        "unlabelled.txt, line 2: expected UTF-8, found the byte 0xe9 .*save the file as UTF-8",
        damage=write("data/unlabelled.txt", b"one\ncaf\xe9\n"),
    ),
    BadInput(
        "texts without labels, none of them",
        "unlabelled.txt is empty: expected at least one row of data, found none; fill the file or remove it",
        damage=write("data/unlabelled.txt", ""),
    ),
    BadInput(
        "unknown label",
        r"train.tsv, line 2: label '7' is unknown; known are .*correct",
        damage=lines("data/train.tsv", lambda rows: [rows[0], "new\t7", *rows[1:]]),
    ),
    BadInput(
        "labels of another task",
        "label '[01]' is unknown; known are 10, 20",
        damage=config(id2label={"0": "10", "1": "20"}),
    ),
    BadInput(
        "one class only",
        "expected at least two classes, found only .*check --label-column",
        damage=lines("data/train.tsv", one_class),
    ),
    BadInput(
        "too few rows to choose a student on",
        "cannot carve 0 rows out of 2 training rows for `selection`, .*; give more training data, at least 20 rows",
        damage=write("data/train.tsv", "sentence\tlabel\ngood\t1\nbad\t0\n"),
    ),
    BadInput("text column that is not there", "expected a column 'phrase'", ("--text-column", "phrase")),
    BadInput(
        "evaluation split that is not there",
        "evaluation split 'final' is not there; expected one of",
        ("--eval-split", "final"),
    ),
    BadInput("evaluation on train", "'train' is what the model learns from", ("--eval-split", "train")),
)

FLAGS = (
    BadInput("unknown flag", "No such option: --max-latncy", ("--max-latncy", "5ms")),
    BadInput("latency without unit", "--max-latency: expected a positive number with a unit", ("--max-latency", "5")),
    BadInput("latency zero", "--max-latency: expected more than zero, such as 5ms", ("--max-latency", "0ms")),
    BadInput("latency negative", "--max-latency: expected a positive number", ("--max-latency", "-5ms")),
    BadInput("size without unit", "--max-size: expected .*such as 20MB; got '20'", ("--max-size", "20")),
    BadInput("time without unit", "--time-budget: expected .*such as 30m", ("--time-budget", "30")),
    BadInput("time zero", "--time-budget: expected more than zero, such as 30m; got '0m'", ("--time-budget", "0m")),
    BadInput("time negative", "--time-budget: expected a positive number with a unit", ("--time-budget", "-5m")),
    BadInput("percentile", "--percentile: expected 50 to 99.5, .*can prove, got 99.9", ("--percentile", "99.9")),
    BadInput("accuracy drop negative", "expected points between 0 and 100, got -1", ("--max-accuracy-drop", "-1")),
    BadInput("accuracy drop not a number", "between 0 and 100, got nan", ("--max-accuracy-drop", "nan")),
    BadInput("batch zero", "--batch: expected at least 1, got 0", ("--batch", "0")),
    BadInput("batch in words", "Invalid value for '--batch'", ("--batch", "two")),
    BadInput("seed negative", "--seed: expected at least 0, got -1", ("--seed", "-1")),
    BadInput("length zero", "--sequence-length: expected at least 1, got 0", ("--sequence-length", "0")),
    BadInput("length too long", r"--sequence-length: expected at most \d+", ("--sequence-length", "99999")),
    BadInput("threads zero", "--threads: expected at least 1, got 0", ("--threads", "0")),
    BadInput("too many threads", r"--threads: expected at most \d+, the cores", ("--threads", "99999")),
    BadInput(
        "unknown precision",
        "--precision: expected some of fp32, int8, int8-static, got int4",
        ("--precision", "int8,int4"),
    ),
    BadInput("unknown task", "--task: expected one of text-classification, .*found 'ner'", ("--task", "ner")),
    BadInput("unknown metric", "expected one of .*did you mean 'accuracy'", ("--metric", "acuracy")),
    BadInput("unknown search", "--search: .*exact", ("--search", "exakt")),
    BadInput("unknown loss", "--distill: expected one of .*did you mean 'pkd-skip'", ("--distill", "pkd-skp")),
    BadInput("recipe missing", r"cannot read .*gone\.yaml", ("--distill", "{folder}/gone.yaml")),
    BadInput(
        "recipe not YAML",
        "losses.yaml is not valid YAML",
        ("--distill", "{folder}/losses.yaml"),
        write("losses.yaml", "{"),
    ),
    BadInput(
        "recipe without losses",
        "losses.yaml: expected `losses:` and the names of losses below it, found a list",
        ("--distill", "{folder}/losses.yaml"),
        write("losses.yaml", "- vanilla-kd"),
    ),
    BadInput(
        "parameter out of range",
        "--distill vanilla-kd: alpha: expected at least 0 and at most 1, found 7",
        ("--distill", "{folder}/losses.yaml"),
        write("losses.yaml", "losses: {vanilla-kd: {alpha: 7}}"),
    ),
    BadInput("unknown stage", "--stop-after: expected one of prepare, .*got 'distill'", ("--stop-after", "distill")),
    BadInput(
        "unknown target",
        "unknown target 'cpu-avx512-vni': did you mean 'cpu-avx512-vnni'.*Known targets: ",
        ("--target", "cpu-avx512-vni"),
    ),
    BadInput("target file missing", r"cannot read .*gone\.yaml", ("--target", "{folder}/gone.yaml")),
)

PLACES = (
    BadInput(
        "output below a file",
        "--output: cannot write to .*file: .*; give another folder",
        ("--output", "{folder}/file/bundle"),
        damage=write("file", "mine"),
    ),
    BadInput(
        "output taken", "--output: .* is there and not empty; .*--force", damage=write("bundle/precious", "mine")
    ),
    BadInput("output is a file", "--output: .* is there and not empty; .*--force", damage=write("bundle", "mine")),
    BadInput(
        "cache below a file",
        "expected a cache that can be written to, cannot make .*XDG_CACHE_HOME",
        damage=write("cache", "mine"),
    ),
)

CASES = (*TEACHERS, *DATA, *FLAGS, *PLACES)
