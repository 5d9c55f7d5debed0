"""What the benchmark of precisions times: a model in every precision and runtime of ours, and as the peers make it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.frontier import TEACHER, pooled
from benchmarks.harness import CHECKOUT, ROWS, content_hash
from benchmarks.peers.environments import OURS, Model, Peer, build, python_of
from benchmarks.scale import write_bert_base
from compressor.encoder import Encoder
from compressor.pipeline.stages import load_encoder
from compressor.pipeline.workbench import Workbench
from compressor.records.architecture import Architecture, Precision
from compressor.records.observer import Silent
from compressor.records.request import CompressRequest
from compressor.records.serial import load
from compressor.runtimes.local import OPENVINO

WORK = ROWS / "precision"
MIXED = ", mixed"  # of a subject's name


@dataclass(frozen=True)
class Subject:
    """Something that is timed: whose interpreter, which model, where it is."""

    name: str
    python: Path
    model: Model
    folder: Path
    megabytes: float


@dataclass(frozen=True, eq=False)
class Case:
    """A model that everybody compiles.

    Attributes:
        name: Of its rows.
        bench: Of its teacher: the text that ranges are measured on, and the one that answers are judged on.
        encoder: Ours.
        folder: Of its weights, what its rows depend on.
        layout: The folder is in the layout of transformers, so that the peers can make something of it.
        judged: Its answers are compared with labels.
        kept: Products that stay in float32 where precision is mixed.
    """

    name: str
    bench: Workbench
    encoder: Encoder
    folder: Path
    layout: bool = True
    judged: bool = True
    kept: Mapping[Precision, tuple[str, ...]] = field(default_factory=dict)


@cache
def bench_of(teacher: Path) -> Workbench:
    """A workbench on the pooled sentences of SST-2; nothing of it is a run."""
    request = CompressRequest(str(teacher), str(pooled("train")), threads=1)
    return Workbench(request, cache=WORK / "cache", observer=Silent())


def minilm() -> Case:
    """The real teacher."""
    bench = bench_of(TEACHER)
    return Case("minilm", bench, bench.canonical.encoder, TEACHER)


def bert_base() -> Case:
    """Of BERT-base's shape, with random weights: there is nothing to judge."""
    made_of = [CHECKOUT / "benchmarks" / "scale.py", TEACHER / "tokenizer.json"]
    key = content_hash(made_of, [version(name) for name in ("torch", "transformers")])
    folder = WORK / f"bert-base-{key}"
    if not folder.exists():
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        write_bert_base(fresh, tokenizer=TEACHER).rename(folder)
    bench = bench_of(folder)
    return Case("bert-base", bench, bench.canonical.encoder, folder, judged=False)


def student(speed: int, folder: Path) -> Case:
    """A student of MiniLM: its weights and its shape as the frontier keeps them."""
    shape = load(Architecture, folder / "architecture.json")
    encoder = load_encoder(shape, folder / "student.safetensors")
    return Case(f"student {speed}x", bench_of(TEACHER), encoder, folder, layout=False)


def ours(case: Case) -> Iterator[Subject]:
    """In every precision, with every compile option that is worth measuring; compiled anew."""
    folder = WORK / "ours" / case.name
    folder.mkdir(parents=True, exist_ok=True)
    for precision in Precision:
        yield from _compiled(case, precision, (), folder)
        if precision in case.kept:
            yield from _compiled(case, precision, case.kept[precision], folder)


def _compiled(case: Case, precision: Precision, kept: tuple[str, ...], folder: Path) -> Iterator[Subject]:
    device = case.bench.device
    model = case.bench.quantised(case.encoder, precision, kept=kept).model.SerializeToString()
    for number, options in enumerate(device.option_variants(1, precision)):
        file = folder / f"{precision}-{number}{'-mixed' if kept else ''}.onnx"
        loaded = device.save_engine(model, options, file)
        name = f"ours: {precision}, {options.runtime}" + (MIXED if kept else "")
        fused = options.runtime != OPENVINO and not options.disabled_fusions
        name += ", all fusions" if fused else ""
        engine = Model(name, file.name, "compressor", (json.dumps(asdict(loaded)),))
        yield Subject(name, OURS, engine, folder, file.stat().st_size / 1e6)


def theirs(peer: Peer, case: Case) -> list[Subject]:
    """A peer's models of the same weights, calibrated on the same text.

    Raises:
        PeerError: It cannot be installed, or cannot make them.
    """
    folder = build(peer, case.folder, pooled("train") / "train.tsv", WORK / "peers" / case.name)
    python = python_of(peer)
    return [
        Subject(f"{peer.name}: {model.name}", python, model, folder, _megabytes(folder / model.file))
        for model in peer.models
    ]


def _megabytes(file: Path) -> float:
    """With the weights, which OpenVINO keeps beside the graph."""
    weights = file.with_suffix(".bin")
    return (file.stat().st_size + (weights.stat().st_size if weights.exists() else 0)) / 1e6
