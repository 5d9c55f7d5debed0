"""All promises of a bundle, checked on its files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.errors import InputError
from compressor.export import EVALUATION, MANIFEST, EvaluationData, file_hashes, tokenizer_bytes
from compressor.profiles import usable_threads
from compressor.records.profile import DeviceFingerprint
from compressor.records.promise import Budget, Reason, Verdict, combine
from compressor.records.results import (
    AccuracyResult,
    LatencyResult,
    Manifest,
    NumericsResult,
    SizeResult,
    Verification,
    check_verification,
)
from compressor.records.serial import load
from compressor.runtimes import Device, open_device
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.outputs import model_outputs
from compressor.tasks.tokens import Tokens
from compressor.verification.accuracy import verify_accuracy
from compressor.verification.latency import verify_latency
from compressor.verification.numerics import verify_numerics

Progress = Callable[[float, str], None]


def open_bundle_device(manifest: Manifest) -> Device:
    """The device that runs a bundle here: its runtime, in the version that is installed.

    Raises:
        UnavailableError: The runtime is not here.
    """
    return open_device(manifest.runtime.split(" ")[0])


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle whose files are those that it names.

    Raises:
        InputError: No bundle, a path that points outside of it, or a file that is missing, changed or not named.
    """
    manifest = load(Manifest, folder / MANIFEST)
    root = folder.resolve()
    outside = [name for name in (*manifest.files, manifest.engine) if not (root / name).resolve().is_relative_to(root)]
    if outside:
        raise InputError(f"{folder}: the manifest names a path outside of the bundle: {outside[0]}; do not use it")
    if manifest.engine not in manifest.files:
        raise InputError(f"{folder}: the engine {manifest.engine} is not in the manifest; export the bundle again")
    found = file_hashes(folder, leave_out=frozenset({MANIFEST}))
    for name in sorted(manifest.files.keys() | found.keys()):
        if manifest.files.get(name) != found.get(name):
            raise InputError(f"{folder}: {name} {_state(name, manifest.files, found)}; export the bundle again")
    return manifest


def _state(name: str, expected: dict[str, str], found: dict[str, str]) -> str:
    if name not in found:
        return "is missing"
    return "has changed since it was verified" if name in expected else "is not in the manifest"


def bundle_outputs(
    folder: Path,
    device: Device,
    manifest: Manifest,
    tokens: Tokens,
    *,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """What a bundle's engine answers, in the shape of `engine_outputs`; on all threads, which changes no answer.

    Args:
        folder: Of the bundle.
        device: What the engine runs on.
        manifest: Its manifest, checked.
        tokens: Untruncated rows.
        progress: Called with the share of the rows that is answered.
    """
    return model_outputs(
        device,
        folder / manifest.engine,
        manifest.options,
        tokens,
        precision=manifest.precision,
        threads=usable_threads(),
        pad_id=manifest.pad_id,
        progress=progress,
    )


def verify_bundle(
    folder: Path,
    device: Device,
    *,
    manifest: Manifest,
    here: DeviceFingerprint | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Numerics, accuracy, latency and size of the files of a bundle.

    Accuracy is measured through the engine file, on rows of any length that the engine takes.

    Args:
        folder: Of the bundle.
        device: What the engine runs on.
        manifest: Its manifest, checked.
        here: The machine at hand; None = the one that the manifest names. On another one the promise of a latency is
            unverified: it is about a device.
        progress: Called with the share of the measurements that is done and with what is being done. The share is that
            of the latency: how long the answers take is not known before.
    """
    tell = progress or _nobody
    data = EvaluationData.load(folder / EVALUATION)
    engine_path = folder / manifest.engine
    outputs = bundle_outputs(
        folder,
        device,
        manifest,
        data.tokens,
        progress=lambda share: tell(0.0, f"{100 * share:.0f} % of the rows answered"),
    )
    numerics = verify_numerics(
        emitted_difference=manifest.emitted_difference,
        engine=outputs,
        recorded=data.engine,
        precision=manifest.precision,
    )
    accuracy = verify_accuracy(
        manifest.task.metric,
        data.teacher,
        outputs,
        data.targets,
        max_drop_points=manifest.budget.max_accuracy_drop_points,
        seed=manifest.seed,
    )
    feeds = workload_feeds(data.tokens, manifest.workload)
    latency = verify_latency(
        device,
        engine_path,
        feeds,
        manifest.options,
        manifest.budget,
        promised_here=here is None or here.key == manifest.device,
        progress=lambda share: tell(share, "timed in fresh processes"),
    )
    size = verify_size(engine_path, folder, manifest.budget)
    verdict = combine([numerics.verdict, accuracy.verdict, latency.verdict, size.verdict])
    reasons = tuple(_reasons(latency, accuracy, numerics, size))
    return check_verification(Verification(latency, accuracy, numerics, size, verdict, reasons))


def _reasons(
    latency: LatencyResult, accuracy: AccuracyResult, numerics: NumericsResult, size: SizeResult
) -> Iterator[Reason]:
    """Why a promise is not kept."""
    checks = (
        (latency.verdict is Verdict.MISSED, Reason.LATENCY_OVER_LIMIT),
        (latency.verdict is Verdict.INCONCLUSIVE, Reason.LATENCY_UNDECIDED),
        (latency.verdict is Verdict.UNVERIFIED, Reason.LATENCY_NOT_ON_DEVICE),
        (accuracy.verdict is not Verdict.MET, Reason.ACCURACY_OVER_BUDGET),
        (size.verdict is not Verdict.MET, Reason.SIZE_OVER_LIMIT),
        (numerics.verdict is not Verdict.MET, Reason.NUMERICS_DIVERGE),
    )
    return (reason for holds, reason in checks if holds)


def verify_size(engine_path: Path, folder: Path, budget: Budget) -> SizeResult:
    """Engine and tokenizer files as shipped."""
    engine, tokenizer = engine_path.stat().st_size, tokenizer_bytes(folder)
    kept = budget.max_size_bytes is None or engine + tokenizer <= budget.max_size_bytes
    return SizeResult(engine, tokenizer, Verdict.MET if kept else Verdict.MISSED)


def _nobody(share: float, text: str) -> None:
    """Who is told where nobody asked."""
