"""The commands: flags in, one call, output out."""

from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.api import folders, in_folders, load_pipeline, user_cache
from compressor.cli.given import given_words
from compressor.cli.parsing import parse_distill, parse_precisions
from compressor.errors import ExitCode, InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compressor.records.observer import Observer
    from compressor.records.request import CompressRequest
    from compressor.verification.answers import Answer

LOCAL = "local"

# Options that several commands have.
Metric = Annotated[str | None, typer.Option(help="Left out: the task's; f1, matthews, spearman.")]
Task = Annotated[str | None, typer.Option(help="text-classification, regression or token-classification.")]
EvalSplit = Annotated[str | None, typer.Option(help="Left out: test with labels, else dev.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is at --output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only the result.")]


def compress(
    context: typer.Context,
    teacher: Annotated[str, typer.Option(help="Folder, model of the hub, or alias.")],
    data: Annotated[str | None, typer.Option(help="Folder or data set; left out: the alias's.")] = None,
    output: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("bundle"),
    target: Annotated[str, typer.Option(help="A profile's name, or FILE.yaml.")] = "cpu",
    device: Annotated[str, typer.Option(help="Where the target is.")] = LOCAL,
    max_latency: Annotated[str | None, typer.Option(help="5ms, or 1ms,2ms; left out: as low as it goes.")] = None,
    percentile: Annotated[float, typer.Option(help="Percent of runs within it.")] = 95.0,
    batch: Annotated[int, typer.Option(help="Rows per run.")] = 1,
    sequence_length: Annotated[int | None, typer.Option(help="Tokens per row; left out: from the data.")] = None,
    threads: Annotated[int | None, typer.Option(help="Left out: all that the process may use.")] = None,
    precision: Annotated[str, typer.Option(help="Those allowed.")] = "fp32,int8,int8-static",
    max_accuracy_drop: Annotated[float | None, typer.Option(help="Points below the teacher; left out: 1.")] = None,
    min_agreement: Annotated[str | None, typer.Option(help="In its place: 98% of the teacher's answers.")] = None,
    max_size: Annotated[str | None, typer.Option(help="Engine and tokenizer, such as 20MB.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of text, or two with a comma.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    task: Task = None,
    metric: Metric = None,
    eval_split: EvalSplit = None,
    search: Annotated[str, typer.Option(help="Search algorithm.")] = "exact",
    distill: Annotated[str | None, typer.Option(help="Loss, or FILE.yaml; see `methods`.")] = None,
    start: Annotated[list[str] | None, typer.Option(help="A compact model that is cut too; repeatable.")] = None,
    time_budget: Annotated[str, typer.Option(help="For the whole run.")] = "30m",
    seed: Seed = 0,
    force: Force = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget an earlier, interrupted run.")] = False,
    stop_after: Annotated[str | None, typer.Option(help="Name of the last stage.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print stages, times and memory, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    quiet: Quiet = False,
) -> int:
    """Compress a teacher to an engine that keeps a latency limit on a device.

    compressor compress --teacher DIR --data DIR --max-latency 1.5ms
    """
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
        distill=None if distill is None else parse_distill(distill),
        starts=tuple(start or ()),
        time_budget_s=parse_seconds(time_budget),
        seed=seed,
    )
    if len(limits_ms) > 1:
        return int(
            _compress_family(
                request,
                limits_ms,
                output,
                command=given_words(context, but=("stop_after",)),
                force=force,
                fresh=fresh,
                as_json=as_json,
                quiet=quiet,
            )
        )
    return int(
        _compress(
            request,
            output,
            command=given_words(context, but=("stop_after",)),
            force=force,
            fresh=fresh,
            stop_after=stop_after,
            plan=plan,
            as_json=as_json,
            quiet=quiet,
        )
    )


def _compress(
    request: "CompressRequest",
    output: Path,
    *,
    command: tuple[str, ...],
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
                request,
                output,
                cache=cache,
                observer=observer,
                force=force,
                fresh=fresh,
                stop_after=stop_after,
                command=command,
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
    command: tuple[str, ...],
    force: bool,
    fresh: bool,
    as_json: bool,
    quiet: bool,
) -> ExitCode:
    from compressor.cli.watching import print_family

    with _session(request, as_json=as_json, quiet=quiet) as (pipeline, request, cache, observer):
        family = pipeline.compress_family(
            request,
            limits_ms,
            output,
            cache=cache,
            observer=observer,
            command=command,
            force=force,
            fresh=fresh,
        )
    print_family(family, output, as_json=as_json)
    return ExitCode(pipeline.family_exit_code(family))


@contextmanager
def _session(
    request: "CompressRequest", *, as_json: bool, quiet: bool
) -> "Iterator[tuple[ModuleType, CompressRequest, Path, Observer]]":
    """The pipeline, the request with folders in the place of names, the cache, and who is told."""
    from compressor.cli.watching import make_observer

    cache = user_cache()
    with closing(make_observer(quiet=quiet, to_stderr=as_json)) as observer:
        request = in_folders(request, cache=cache, observer=observer)
        yield load_pipeline(), request, cache, observer


def finetune(
    model: Annotated[str, typer.Option(help="Folder, model of the hub, or alias.")],
    data: Annotated[str, typer.Option(help="Folder of data, or a data set of the hub.")],
    output: Annotated[Path, typer.Option(help="Where the teacher goes.")] = Path("teacher"),
    epochs: Annotated[float, typer.Option(help="Passes over the training text.")] = 3.0,
    task: Task = None,
    metric: Metric = None,
    eval_split: EvalSplit = None,
    seed: Seed = 0,
    force: Force = False,
    quiet: Quiet = False,
) -> int:
    """Make a teacher: fine-tune a model on labelled text.

    compressor finetune --model bert-base-uncased --data glue/sst2
    """
    from compressor.cli.watching import make_observer
    from compressor.hub import expand_alias
    from compressor.records.task import check_kind

    if epochs <= 0:
        raise InputError(f"--epochs: expected more than zero, got {epochs:g}")
    with closing(make_observer(quiet=quiet, to_stderr=False)) as observer:
        made = load_pipeline().finetune(
            *folders(*expand_alias(model, data), cache=user_cache(), observer=observer),
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
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    quiet: Quiet = False,
) -> int:
    """Fine-tune, compress, verify and predict on Python's own documentation.

    Needs no data and no network.

    compressor demo --output demo
    """
    from compressor.cli.watching import make_observer, print_report

    pipeline = load_pipeline()
    with closing(make_observer(quiet=quiet, to_stderr=False)) as observer:
        done = pipeline.demo(output, cache=user_cache(), observer=observer, force=force)
    print_report(done.outcome.report, done.outcome.bundle, as_json=False)
    for text, answer in done.answers:
        typer.echo(f"  {answer.label} ({100 * answer.score:.0f} %): {text}")
    typer.echo(f"report: {done.outcome.bundle / 'report.html'}")
    return int(done.outcome.exit_code)


def targets() -> None:
    """List the hardware profiles and say which are this machine.

    compressor targets
    """
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
    """Check a bundle's files, numerics, accuracy and latency on this machine.

    On another device than the bundle's its latency is measured, and unverified.

    compressor verify bundle
    """
    from compressor.cli.watching import one_stage, print_verification
    from compressor.profiles import fingerprint, steadiness_notes
    from compressor.records.promise import exit_code

    here, changes = fingerprint(), []
    with one_stage("verify", "files, answers and times of the bundle") as observer:
        from compressor.verification import open_bundle_device, read_manifest, verify_bundle  # loads the runtime

        manifest = read_manifest(bundle)
        device = open_bundle_device(manifest)
        verification = verify_bundle(bundle, device, manifest=manifest, here=here, progress=observer.progress)
    if manifest.device != here.key:
        changes.append(f"the bundle was verified on another device, or with other cores: {manifest.device_model}")
    if manifest.runtime != (runtime := device.runtime_of(manifest.options)):
        changes.append(f"the bundle was verified with {manifest.runtime}, here is {runtime}")
    print_verification(verification, changes, here, steadiness_notes(here), as_json=as_json)
    return int(exit_code(verification.verdict))


def predict(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle.")],
    text: Annotated[str, typer.Argument(help="A text (two with a tab for a pair), or a file with one per line.")],
) -> int:
    """Answer a text, or every line of a file, as JSON lines with label and scores.

    compressor predict bundle "a fine film"
    """
    import json
    from dataclasses import asdict

    import compressor
    from compressor.cli.watching import one_stage

    with one_stage("predict", "load the bundle and answer", brief=True) as observer:
        predictor, lines = compressor.load(bundle), _lines(text)
        pairs = len(predictor.manifest.task.text_columns) == 2
        answers: list[Answer] = []
        for done, line in enumerate(lines, start=1):
            answers += predictor([_pair(line) if pairs else line])
            observer.progress(done / len(lines))
    for line, answer in zip(lines, answers, strict=True):
        typer.echo(json.dumps({"text": line, **asdict(answer)}, ensure_ascii=False))
    return int(ExitCode.MET)


def _lines(text: str) -> list[str]:
    path = Path(text)
    try:
        if not path.is_file():
            return [text]
        # Not splitlines(): texts may hold U+2028 and other characters that it takes for line ends.
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: byte {error.start}") from error
    except OSError:  # a text that is no possible file name
        return [text]


def _pair(line: str) -> "str | tuple[str, str]":
    """The texts on both sides of a tab; a line without one is no pair, and is refused as such."""
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
