"""What a program calls, and the command line too: names become folders, the cache is the user's, torch comes last."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from compressor.errors import UnavailableError

if TYPE_CHECKING:
    from compressor.pipeline import Outcome
    from compressor.records.observer import Observer
    from compressor.records.request import CompressRequest
    from compressor.records.results import Verification
    from compressor.verification import Predictor


def compress(
    request: "CompressRequest",
    output: str | Path = "bundle",
    *,
    observer: "Observer | None" = None,
    force: bool = False,
    fresh: bool = False,
) -> "Outcome":
    """Compress a teacher to an engine that keeps a latency limit and an accuracy budget on a device.

    An interrupted run goes on when the same request is given again.

    Args:
        request: What is wanted; teacher and data are folders, or names of the hub.
        output: Folder of the bundle.
        observer: Who is told how it goes; None = nobody.
        force: Replace what is at `output`.
        fresh: Forget what an earlier, interrupted run had done.

    Raises:
        InputError: Something given cannot be used.
        InfeasibleError: Nothing can keep the limit; it has the nearest one that is feasible, and its cost.
        UnavailableError: The target is not this device, or something is not installed.
        ResourceError: Disk or memory do not suffice.

    Example:
        >>> from compressor.records.promise import Budget
        >>> from compressor.records.request import CompressRequest
        >>> budget = Budget(max_latency_ms=50.0, max_accuracy_drop_points=1.0)
        >>> outcome = compressor.compress(CompressRequest("teacher", "data", budget=budget), "bundle")
        >>> print(outcome.report.verification.verdict)
        met
    """
    from compressor.records.observer import Silent
    from compressor.report import command_words

    watcher, cache, folder = observer or Silent(), user_cache(), Path(output)
    command = command_words(request, folder)  # with the names that were given
    request = in_folders(request, cache=cache, observer=watcher)
    return load_pipeline().compress(  # type: ignore[no-any-return]
        request, folder, cache=cache, observer=watcher, force=force, fresh=fresh, command=command
    )


def verify(bundle: str | Path) -> "Verification":
    """Check a bundle's files, numerics, accuracy, latency and size again, on this machine; needs no torch.

    Its promise of a latency is about the device that it was built on; on another one the verdict is `unverified`.

    Raises:
        InputError: It is not a bundle, or one of its files is not the one that was verified.
        UnavailableError: Its runtime is not here.

    Example:
        >>> found = compressor.verify("bundle")
        >>> print(found.verdict, *found.reasons)
        met
    """
    from compressor.profiles import fingerprint
    from compressor.verification import open_bundle_device, read_manifest, verify_bundle

    folder = Path(bundle)
    manifest = read_manifest(folder)
    return verify_bundle(folder, open_bundle_device(manifest), manifest=manifest, here=fingerprint())


def load(bundle: str | Path) -> "Predictor":
    """Load a bundle to run it on text; needs no torch.

    Raises:
        InputError: It is not a bundle, or one of its files is not the one that was verified.

    Example:
        >>> compressor.load("bundle")(["a fine film"])
        [Prediction(label='...', score=..., scores={...})]
    """
    from compressor.verification import Predictor

    return Predictor(Path(bundle))


def user_cache() -> Path:
    """Where runs, tables and downloads are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("compressor")


def in_folders(request: "CompressRequest", *, cache: Path, observer: "Observer") -> "CompressRequest":
    """The request with folders in the place of names and aliases; see `folders`.

    Raises:
        InputError: A name that is neither a folder, nor an alias, nor one of the hub.
        UnavailableError: It is not in the cache, and the hub cannot be reached.
    """
    from compressor.hub import expand_alias

    names = expand_alias(request.teacher, request.data)
    teacher, data = folders(*names, cache=cache, observer=observer)
    return replace(request, teacher=str(teacher), data=str(data))


def folders(model: str, data: str, *, cache: Path, observer: "Observer") -> tuple[Path, Path]:
    """Folders of a model and of data; what is not in the cache is downloaded.

    Asked for before torch is loaded, so that a machine without network says so at once.

    Raises:
        InputError: A name that is neither a folder nor one of the hub.
        UnavailableError: It is not in the cache, and the hub cannot be reached.
    """
    from compressor.hub import data_folder, model_folder

    folder = model_folder(model, cache=cache, observer=observer)
    return folder, data_folder(data, cache=cache, observer=observer)


def load_pipeline() -> ModuleType:
    """The pipeline, or the command that installs what it needs."""
    try:
        from compressor import pipeline
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"this needs {error.name}, which is not installed: pip install 'compressor[compress]'"
        ) from error
    return pipeline
