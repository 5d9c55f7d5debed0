"""The commands: flags in, one call, output out."""

from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.cli.parsing import parse_precisions
from compressor.errors import ExitCode, InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compressor.records.observer import Observer
    from compressor.records.request import CompressRequest

LOCAL = "local"

# Options that several commands have.
Metric = Annotated[
    str | None,
    typer.Option(help="Left out: accuracy, pearson or entity_f1, as the task is; also f1, matthews, spearman."),
]
EvalSplit = Annotated[str | None, typer.Option(help="Left out: test with labels, else dev.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Quiet = Annotated[bool, typer.Option(help="Only the result.")]


def compress(
    teacher: Annotated[str, typer.Option(help="Folder of the teacher, a model of the hub (org/name), or an alias.")],
    output: Annotated[Path, typer.Option(help="Where the bundle goes.")],
    data: Annotated[str | None, typer.Option(help="Folder of data or such a name; left out: the alias's own.")] = None,
    target: Annotated[str, typer.Option(help="A profile's name (`compressor targets`) or FILE.yaml.")] = "cpu",
    device: Annotated[str, typer.Option(help="Where the target is; `local` is this machine.")] = LOCAL,
    max_latency: Annotated[
        str | None,
        typer.Option(help="Such as 5ms, or 1ms,2ms,4ms for one engine each; left out: as fast as accuracy allows."),
    ] = None,
    percentile: Annotated[float, typer.Option(help="Share of runs within the limit, in percent.")] = 95.0,
    batch: Annotated[int, typer.Option(help="Rows per run at which the limit holds.")] = 1,
    sequence_length: Annotated[
        int | None, typer.Option(help="Tokens at which the limit holds; left out: from the data.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Left out: all that the process may use.")] = None,
    precision: Annotated[str, typer.Option(help="Precisions that may be used.")] = "fp32,int8",
    max_accuracy_drop: Annotated[
        float | None, typer.Option(help="Points that may be lost against the teacher; left out: 1.")
    ] = None,
    min_agreement: Annotated[
        str | None, typer.Option(help="Such as 98%: answers that must be the teacher's; needs no labels.")
    ] = None,
    max_size: Annotated[str | None, typer.Option(help="Engine and tokenizer, such as 20MB.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of text, or two with a comma.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    task: Annotated[
        str | None,
        typer.Option(help="text-classification, regression or token-classification; left out: as the teacher says."),
    ] = None,
    metric: Metric = None,
    eval_split: EvalSplit = None,
    search: Annotated[str, typer.Option(help="Search algorithm.")] = "exact",
    start: Annotated[
        list[str] | None,
        typer.Option(help="A compact model of the teacher's vocabulary that is cut too; may be given again."),
    ] = None,
    time_budget: Annotated[str, typer.Option(help="For the whole run.")] = "30m",
    seed: Seed = 0,
    force: Annotated[bool, typer.Option(help="Replace what is at --output.")] = False,
    fresh: Annotated[bool, typer.Option(help="Forget an earlier, interrupted run.")] = False,
    stop_after: Annotated[str | None, typer.Option(help="Name of the last stage.")] = None,
    plan: Annotated[bool, typer.Option(help="Print stages, times and memory, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    quiet: Quiet = False,
) -> int:
    """Compress a teacher to an engine that keeps a latency limit and an accuracy budget on a device."""
    from compressor.hub import expand_alias
    from compressor.records.promise import Budget
    from compressor.records.request import CompressRequest
    from compressor.records.task import check_kind
    from compressor.records.units import parse_bytes, parse_milliseconds, parse_seconds

    _check_device(device)
    limits_ms = [parse_milliseconds(limit) for limit in max_latency.split(",")] if max_latency is not None else []
    if len(limits_ms) > 1 and (plan or stop_after):
        raise InputError("--plan and --stop-after take one --max-latency, got several")
    drop, metric = _accuracy_budget(max_accuracy_drop, min_agreement, metric)
    teacher, data = expand_alias(teacher, data)
    request = CompressRequest(
        teacher=teacher,
        data=data,
        target=target,
        budget=Budget(
            max_latency_ms=limits_ms[0] if len(limits_ms) == 1 else None,
            percentile=percentile,
            max_accuracy_drop_points=drop,
            max_size_bytes=None if max_size is None else parse_bytes(max_size),
        ),
        batch=batch,
        sequence_length=sequence_length,
        threads=threads,
        precisions=parse_precisions(precision),
        text_columns=tuple(text_column.split(",")) if text_column else None,
        label_column=label_column,
        task=None if task is None else check_kind(task, flag="--task"),
        metric=metric,
        eval_split=eval_split,
        search=search,
        starts=tuple(start or ()),
        time_budget_s=parse_seconds(time_budget),
        seed=seed,
    )
    if len(limits_ms) > 1:
        return int(
            _compress_family(request, limits_ms, output, force=force, fresh=fresh, as_json=as_json, quiet=quiet)
        )
    return int(
        _compress(
            request, output, force=force, fresh=fresh, stop_after=stop_after, plan=plan, as_json=as_json, quiet=quiet
        )
    )


def _compress(
    request: "CompressRequest",
    output: Path,
    *,
    force: bool,
    fresh: bool,
    stop_after: str | None,
    plan: bool,
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    from compressor.cli.watching import print_plan, print_report

    with _session(request, as_json=as_json, quiet=quiet) as (pipeline, request, cache, observer):
        if plan:
            print_plan(pipeline.plan_for(request, cache=cache, observer=observer), as_json=as_json)
            return ExitCode.MET
        try:
            outcome = pipeline.compress(
                request, output, cache=cache, observer=observer, force=force, fresh=fresh, stop_after=stop_after
            )
        except pipeline.StoppedError as stop:
            observer.note(f"stopped after `{stop}`, as asked; the same command without --stop-after continues")
            return ExitCode.MET
    print_report(outcome.report, outcome.bundle, as_json=as_json)
    return ExitCode(outcome.exit_code)


def _compress_family(
    request: "CompressRequest",
    limits_ms: "Sequence[float]",
    output: Path,
    *,
    force: bool,
    fresh: bool,
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    from compressor.cli.watching import print_family

    with _session(request, as_json=as_json, quiet=quiet) as (pipeline, request, cache, observer):
        family = pipeline.compress_family(
            request, limits_ms, output, cache=cache, observer=observer, force=force, fresh=fresh
        )
    print_family(family, output, as_json=as_json)
    return ExitCode(pipeline.family_exit_code(family))


@contextmanager
def _session(
    request: "CompressRequest", *, as_json: bool, quiet: bool
) -> "Iterator[tuple[ModuleType, CompressRequest, Path, Observer]]":
    """The pipeline, the request with folders in the place of names, the cache, and who is told."""
    from platformdirs import user_cache_path

    from compressor.cli.watching import make_observer

    cache = user_cache_path("compressor")
    with closing(make_observer(quiet=quiet, to_stderr=as_json)) as observer:
        model, folder = _folders(request.teacher, request.data, cache=cache, observer=observer)
        yield load_pipeline(), replace(request, teacher=str(model), data=str(folder)), cache, observer


def _folders(model: str, data: str, *, cache: Path, observer: "Observer") -> tuple[Path, Path]:
    """Folders of names; asked for before torch is loaded, so that a machine without network says so at once."""
    from compressor.hub import data_folder, model_folder

    folder = model_folder(model, cache=cache, observer=observer)
    return folder, data_folder(data, cache=cache, observer=observer)


def load_pipeline() -> ModuleType:
    """The pipeline, or the command that installs what it needs."""
    try:
        from compressor import pipeline
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"this command needs {error.name}, which is not installed: pip install 'compressor[compress]'"
        ) from error
    return pipeline


def finetune(
    model: Annotated[str, typer.Option(help="Folder of a pre-trained model, a model of the hub, or an alias.")],
    data: Annotated[str, typer.Option(help="Folder of data, or a data set of the hub.")],
    output: Annotated[Path, typer.Option(help="Where the teacher goes.")],
    epochs: Annotated[float, typer.Option(help="Passes over the training text.")] = 3.0,
    task: Annotated[
        str | None,
        typer.Option(help="text-classification, regression or token-classification; left out: from the data."),
    ] = None,
    metric: Metric = None,
    eval_split: EvalSplit = None,
    seed: Seed = 0,
    force: Annotated[bool, typer.Option(help="Replace what is at --output.")] = False,
    quiet: Quiet = False,
) -> int:
    """Make a teacher: fine-tune a model on labelled text."""
    from platformdirs import user_cache_path

    from compressor.cli.watching import make_observer
    from compressor.hub import expand_alias
    from compressor.records.task import check_kind

    if epochs <= 0:
        raise InputError(f"--epochs: expected more than zero, got {epochs:g}")
    with closing(make_observer(quiet=quiet, to_stderr=False)) as observer:
        folders = _folders(*expand_alias(model, data), cache=user_cache_path("compressor"), observer=observer)
        made = load_pipeline().finetune(
            *folders,
            output,
            epochs=epochs,
            observer=observer,
            kind=None if task is None else check_kind(task, flag="--task"),
            metric=metric,
            eval_split=eval_split,
            seed=seed,
            force=force,
        )
    typer.echo(f"{made.metric} {made.points:.2f} on `{made.eval_split}`; teacher: {made.folder}")
    return int(ExitCode.MET)


def demo(
    output: Annotated[Path, typer.Option(help="Folder for data, teacher and bundle.")] = Path("demo"),
    force: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
    quiet: Quiet = False,
) -> int:
    """Fine-tune, compress, verify and predict on Python's own documentation; needs no data and no network."""
    from platformdirs import user_cache_path

    from compressor.cli.watching import make_observer, print_report

    pipeline = load_pipeline()
    with closing(make_observer(quiet=quiet, to_stderr=False)) as observer:
        done = pipeline.demo(output, cache=user_cache_path("compressor"), observer=observer, force=force)
    print_report(done.outcome.report, done.outcome.bundle, as_json=False)
    for text, answer in done.answers:
        typer.echo(f"  {answer.label} ({100 * answer.score:.0f} %): {text}")
    typer.echo(f"report: {done.outcome.bundle / 'report.html'}")
    return int(done.outcome.exit_code)


def targets() -> None:
    """List the hardware profiles and say which are this machine."""
    from compressor.profiles import fingerprint, list_profiles, load_profile, match
    from compressor.report import plain_table

    here = fingerprint()
    rows = []
    for name in list_profiles():
        profile = load_profile(name)
        reasons = () if name == "cpu" else match(profile, here)
        rows.append((name, profile.title, "yes" if not reasons else "no: " + "; ".join(map(str, reasons))))
    typer.echo(plain_table(("target", "what", "available here"), rows))


def verify(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    as_json: Annotated[bool, typer.Option("--json", help="The verification as JSON.")] = False,
) -> int:
    """Check a bundle's files, numerics, accuracy and latency on this machine."""
    from compressor.cli.watching import print_verification
    from compressor.profiles import fingerprint, steadiness_notes
    from compressor.records.promise import exit_code
    from compressor.verify import open_bundle_device, read_manifest, verify_bundle

    manifest = read_manifest(bundle)
    device = open_bundle_device(manifest)
    verification = verify_bundle(bundle, device, manifest=manifest)
    here, changes = fingerprint(), []
    if manifest.device != here.key:
        changes.append(f"the bundle was verified on another device, or with other cores: {manifest.device_model}")
    if manifest.runtime != device.runtime:
        changes.append(f"the bundle was verified with {manifest.runtime}, here is {device.runtime}")
    print_verification(verification, changes, here, steadiness_notes(here), as_json=as_json)
    return int(exit_code(verification.verdict))


def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    text: Annotated[str, typer.Argument(help="A text (two with a tab for a pair), or a file with one per line.")],
) -> int:
    """Answer a text, or every line of a file, as JSON lines with label and scores."""
    import json
    from dataclasses import asdict

    import compressor

    predictor = compressor.load(bundle)
    lines = _lines(text)
    for line, answer in zip(lines, predictor([_text(line) for line in lines]), strict=True):
        typer.echo(json.dumps({"text": line, **asdict(answer)}, ensure_ascii=False))
    return int(ExitCode.MET)


def _lines(text: str) -> list[str]:
    path = Path(text)
    try:
        if not path.is_file():
            return [text]
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: byte {error.start}") from error
    except OSError:  # a text that is no possible file name
        return [text]


def _text(line: str) -> "str | tuple[str, str]":
    first, tab, second = line.partition("\t")
    return (first, second) if tab else line


def _check_device(device: str) -> None:
    if device != LOCAL:
        raise UnavailableError(f"--device: this version reaches {LOCAL!r} only, got {device!r}")


def _accuracy_budget(drop: float | None, agreement: str | None, metric: str | None) -> "tuple[float, str | None]":
    """Points that may be lost, and the metric that they are points of; agreement is what is not lost of 100 %."""
    from compressor.records.promise import DEFAULT_DROP_POINTS
    from compressor.records.task import AGREEMENT
    from compressor.records.units import parse_percent

    if agreement is None:
        return (DEFAULT_DROP_POINTS if drop is None else drop), metric
    if drop is not None or metric not in (None, AGREEMENT):
        raise InputError("--min-agreement is the whole accuracy budget; leave --max-accuracy-drop and --metric out")
    return 100.0 - parse_percent(agreement, "--min-agreement"), AGREEMENT
