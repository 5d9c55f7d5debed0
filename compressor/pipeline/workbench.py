"""What the stages of a run share: its request, its folder, and the big things, each loaded when first needed."""

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compressor import __version__
from compressor.distill.objectives import completed, needs_of
from compressor.encoder import Encoder
from compressor.errors import BorderError, InputError
from compressor.export import tokenizer_bytes
from compressor.export.graphs import Emitting
from compressor.latency.work import BYTES
from compressor.pipeline.memory import check_memory, ladder_bytes, training_bytes
from compressor.precision import PassResult, Ranges, quantise, weight_levels
from compressor.precision.calibration import measured_ranges
from compressor.profiles import available_memory, check_threads, fingerprint, resolve_target
from compressor.records.architecture import Architecture, Precision
from compressor.records.distillation import DistillRecipe
from compressor.records.latency import CompileOptions
from compressor.records.observer import Observer
from compressor.records.profile import DeviceFingerprint, HardwareProfile
from compressor.records.promise import Workload
from compressor.records.request import USUAL_PRECISIONS, CompressRequest
from compressor.records.serial import digest, file_digest
from compressor.records.store import RunFolder
from compressor.records.task import AGREEMENT
from compressor.runtimes import Device, Feeds, open_device
from compressor.search import usual_losses
from compressor.space.factorising import affordable_rank, factorise
from compressor.tasks import (
    UNLABELLED,
    Split,
    Targets,
    TextData,
    TextTokenizer,
    Tokens,
    carve,
    encode_split,
    read_task,
)
from compressor.tasks.feeds import workload_feeds
from compressor.tasks.outputs import model_outputs
from compressor.teachers import ForeignTeacher, Teacher, content_digest, open_teacher
from compressor.teachers.loading import base_architecture
from compressor.train import Crew, crew_on, usable_gpus


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one part of the data; what is not labelled has unknown targets."""

    tokens: Tokens
    targets: Targets


def engine_threads(wanted: int | None, profile: HardwareProfile, here: DeviceFingerprint) -> int:
    """Threads of an engine on this machine: those that are wanted, else the profile's, else all usable cores.

    Raises:
        InputError: More than the cores that this process may use.
    """
    usable = here.usable_cores
    threads = next(count for count in (wanted, profile.threads, usable) if count is not None)
    return check_threads(threads, usable)


class Workbench:
    """Everything that the stages read; nothing here decides anything.

    Args:
        request: What the user asked for.
        cache: Folder for runs and tables.
        observer: Who is told.
        fresh: Make anew what other runs have left in the cache: tables, answers, scores.
    """

    def __init__(self, request: CompressRequest, *, cache: Path, observer: Observer, fresh: bool = False) -> None:
        self.request = request
        self.observer = observer
        self.cache = cache
        self.fresh = fresh
        self.trimmed_from: Path | None = None  # the teacher with all its words, where the request's has fewer
        self._begin = time.monotonic()

    @cached_property
    def device_fingerprint(self) -> DeviceFingerprint:
        """Of the machine at hand."""
        return fingerprint()

    @cached_property
    def profile(self) -> HardwareProfile:
        """Of the target."""
        return resolve_target(self.request.target, self.device_fingerprint)

    @cached_property
    def device(self) -> Device:
        """The target, opened."""
        return open_device(self.profile.runtime)

    def check_target(self) -> None:
        """Refuse what the target cannot do, before anything big is loaded.

        Raises:
            InputError: Unknown target, or more threads than there are.
            UnavailableError: The target is not this machine, or its runtime is not here.
        """
        _ = self.profile, self.device, self.threads

    def check_memory(self) -> None:
        """Refuse a teacher that clearly does not fit into memory, before it is loaded.

        Raises:
            ResourceError: See `check_memory` of `pipeline.memory`.
        """
        folder = Path(self.request.teacher)
        files = (*folder.glob("*.safetensors"), *folder.glob("*.bin"))
        size = max((file.stat().st_size for file in files), default=0)
        check_memory(ladder_bytes(size), available_memory(), what=f"compiling the teacher {folder}")

    def check_training_memory(self) -> None:
        """Refuse a training that clearly does not fit into memory, before anything is measured for it.

        Raises:
            ResourceError: See `check_memory` of `pipeline.memory`.
        """
        check_memory(self.training_bytes, available_memory(), what="training a student")

    @property
    def weight_bytes(self) -> int:
        """Of the teacher."""
        return sum(p.numel() * p.element_size() for p in self.teacher.encoder.parameters())

    @property
    def training_bytes(self) -> int:
        """Estimated memory of a run that trains a student."""
        return training_bytes(self.weight_bytes, ranks=self.crew.ranks, beside_teacher=self.beside_teacher)

    @property
    def crew(self) -> Crew:
        """Who trains here."""
        return crew_on(self.device_fingerprint.usable_cores, gpus=usable_gpus())

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that were asked for; of the usual ones those that a runtime of the target is fast in."""
        wanted = self.request.precisions
        if wanted != USUAL_PRECISIONS or self.device.static:
            return wanted
        return tuple(precision for precision in wanted if precision is not Precision.INT8_STATIC)

    @cached_property
    def threads(self) -> int:
        """Of the engine."""
        return engine_threads(self.request.threads, self.profile, self.device_fingerprint)

    @cached_property
    def teacher(self) -> Teacher | ForeignTeacher:
        """On the canonical encoder where its family has an adapter."""
        return open_teacher(Path(self.request.teacher))

    @property
    def canonical(self) -> Teacher:
        """The teacher, for the stages that cut it.

        Raises:
            BorderError: It cannot be cut, so no such stage should have begun.
        """
        if isinstance(self.teacher, ForeignTeacher):
            raise BorderError(f"{self.teacher.folder} has no canonical encoder")
        return self.teacher

    @cached_property
    def root(self) -> Encoder:
        """What is cut: the teacher's encoder, with a narrower word table where `--max-size` leaves no room for it."""
        encoder, rank = self.canonical.encoder, self.word_rank
        if rank is None:
            return encoder
        counts = np.bincount(self.corpus.ids, minlength=encoder.architecture.vocabulary)
        return factorise(encoder, rank, counts)

    @cached_property
    def starts(self) -> tuple[Architecture, ...]:
        """Shapes of the networks that are cut beside the teacher, with a head for its task.

        Raises:
            InputError: One of them has no config.json, or is of a family without an adapter.
        """
        names, kind = self.teacher.label_names, self.teacher.kind
        return tuple(base_architecture(Path(folder), names, kind=kind) for folder in self.request.starts)

    @property
    def word_rank(self) -> int | None:
        """Width of the word table that `--max-size` leaves room for; None = that of the teacher's."""
        most = self.request.budget.max_size_bytes
        if most is None:
            return None
        value_bytes = min(BYTES[precision] for precision in self.precisions)
        room = max(0, most - tokenizer_bytes(self.teacher.folder))
        return affordable_rank(self.canonical.architecture, room, value_bytes=value_bytes)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """Of the teacher."""
        return TextTokenizer(self.teacher.folder)

    @cached_property
    def pad_id(self) -> int:
        """Token id of padding."""
        return self.teacher.pad_id

    @cached_property
    def data(self) -> TextData:
        """Texts, and labels unless the teacher's answers stand in for them."""
        request, kind = self.request, self.teacher.kind
        if request.task not in (None, kind):
            raise InputError(f"--task: the teacher's config.json says {kind}, got {request.task}; leave --task out")
        return read_task(
            Path(request.data),
            task=kind,
            text_columns=request.text_columns,
            label_column=request.label_column,
            metric=request.metric,
            eval_split=request.eval_split,
            label_names=self.teacher.label_names,
            agreement=request.metric == AGREEMENT,
        )

    @cached_property
    def run(self) -> RunFolder:
        """Keyed by the content of everything that decides the result, this version of the package included."""
        request = self.request
        starts = tuple(content_digest(Path(folder)) for folder in request.starts)
        assistant = request.assistant and replace(request.assistant, weights=file_digest(request.assistant.weights))
        plain = replace(
            request, teacher=self.teacher.digest, data=self.data.digest, starts=starts, assistant=assistant
        )
        key = digest(plain, self.device_fingerprint.key, self._runtimes, self.threads, __version__)
        return RunFolder(self.cache / "runs" / key)

    @property
    def _runtimes(self) -> list[str]:
        """Name and version of every runtime that an engine may be compiled for."""
        variants = self.device.option_variants(self.threads)
        return sorted({self.device.runtime_of(options) for options in variants})

    @cached_property
    def _train_rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return carve(self.data.splits["train"], seed=self.request.seed)

    def _part(self, split: Split) -> Part:
        """Token ids, cut only at the teacher's own maximum, and targets."""
        longest = self.teacher.max_length
        return Part(*encode_split(self.tokenizer, split, self.data.spec, max_length=longest))

    @cached_property
    def corpus(self) -> Tokens:
        """The training split, and behind it the texts without labels where there are more; nothing is carved off."""
        train, more = self.data.splits["train"], self.data.splits.get(UNLABELLED)
        # The student learns from the teacher's answers alone.
        texts = train.texts if more is None else train.texts + more.texts
        return self._part(Split("train", texts, None)).tokens

    @cached_property
    def train_rows(self) -> NDArray[np.int64]:
        """The rows of `corpus` that are trained on: all but those of the selection part."""
        labelled = len(self.data.splits["train"])
        return np.concatenate([self._train_rows[0], np.arange(labelled, len(self.corpus))])

    @cached_property
    def train(self) -> Tokens:
        """What is trained on."""
        return self.corpus.select(self.train_rows)

    @cached_property
    def losses(self) -> DistillRecipe | None:
        """What students are trained with, completed: by default what is usual for the search; None = the default loss.

        Raises:
            InputError: A recipe that cannot be trained, or not for this kind of task, or of students that learn the
                labels alone.
        """
        recipe, kind = self.request.distill, self.teacher.kind
        if not self.request.recipe.distilled:
            if recipe is None:
                return None
            raise InputError(f"a recipe without distillation has no losses: found {recipe}; leave one of them out")
        recipe = recipe or usual_losses(self.request.search, kind)
        return None if recipe is None else completed(recipe, kind)

    @property
    def beside_teacher(self) -> bool:
        """Whether the teacher runs in every step of a training."""
        return self.losses is not None and bool(needs_of(self.losses) & {"hidden states", "attention scores"})

    @cached_property
    def labelled_targets(self) -> Targets:
        """The labels of the first rows of `train`; those behind them have none."""
        return self._part(self.data.splits["train"].select("train", self._train_rows[0])).targets

    @property
    def train_targets(self) -> Targets:
        """The labels of what is trained on, for a student without a teacher.

        Raises:
            InputError: Some of the text has none.
        """
        if UNLABELLED in self.data.splits:
            raise InputError("without distillation every text needs a label: found texts without")
        return self.labelled_targets

    @cached_property
    def selection(self) -> Part:
        """What every choice looks at."""
        return self._part(self.data.splits["train"].select("selection", self._train_rows[1]))

    @cached_property
    def evaluation(self) -> Part:
        """What only finished candidates are measured on."""
        return self._part(self.data.splits[self.data.spec.eval_split])

    @property
    def teacher_graph(self) -> onnx.ModelProto:
        """The teacher in fp32, a new one every time: precision passes change it in place."""
        return self.teacher.encoder.emit()

    def teacher_model(self, precision: Precision, *, kept: Collection[str] = ()) -> bytes:
        """The teacher in a precision, serialised; `kept` as of `quantise`."""
        model: bytes = self.quantised(self.teacher.encoder, precision, kept=kept).model.SerializeToString()
        return model

    def quantised(self, encoder: Emitting, precision: Precision, *, kept: Collection[str] = ()) -> PassResult:
        """The graph of a model in a precision."""
        ranges = self.ranges(encoder) if precision is Precision.INT8_STATIC else None
        return quantise(encoder.emit(), precision, ranges, kept=kept, levels=self.weight_levels)

    @property
    def weight_levels(self) -> int:
        """Of int8 weights on this machine."""
        return weight_levels(self.device_fingerprint)

    def ranges(self, encoder: Emitting) -> Ranges:
        """Of the activations of a model, measured on training text."""
        if encoder is self.teacher.encoder:
            return self._teacher_ranges
        return measured_ranges(encoder.emit(), self.train, pad_id=self.pad_id)

    @cached_property
    def _teacher_ranges(self) -> Ranges:
        return measured_ranges(self.teacher.encoder.emit(), self.train, pad_id=self.pad_id)

    def feeds(self, workload: Workload) -> list[Feeds]:
        """Inputs of the promised shape."""
        return list(workload_feeds(self.evaluation.tokens, workload))

    def outputs(
        self,
        model: bytes | Path,
        options: CompileOptions,
        tokens: Tokens,
        precision: Precision,
        *,
        report: bool = False,
    ) -> NDArray[np.float32]:
        """Outputs of a model as a user gets them, computed on all cores."""
        return model_outputs(
            self.device,
            model,
            options,
            tokens,
            precision=precision,
            threads=self.device_fingerprint.usable_cores,
            pad_id=self.pad_id,
            progress=self.observer.progress if report else None,
        )

    def fp32_outputs(self, graph: onnx.ModelProto, tokens: Tokens, *, report: bool = False) -> NDArray[np.float32]:
        """The same of an fp32 graph."""
        options = CompileOptions(threads=1)
        return self.outputs(graph.SerializeToString(), options, tokens, Precision.FP32, report=report)

    @cached_property
    def selection_teacher(self) -> NDArray[np.float32]:
        """The teacher's outputs on the selection part."""
        return self.fp32_outputs(self.teacher_graph, self.selection.tokens)

    @cached_property
    def selection_targets(self) -> Targets:
        """What outputs on the selection part are measured against."""
        return self._targets(self.selection, lambda: self.selection_teacher)

    @cached_property
    def evaluation_teacher(self) -> NDArray[np.float32]:
        """The teacher's outputs on the evaluation part; of one with fewer words, those of the one with all."""
        if self.trimmed_from is None:
            return self.fp32_outputs(self.teacher_graph, self.evaluation.tokens)
        request = replace(self.request, teacher=str(self.trimmed_from))
        return Workbench(request, cache=self.cache, observer=self.observer).evaluation_teacher

    @cached_property
    def evaluation_targets(self) -> Targets:
        """What outputs on the evaluation part are measured against."""
        return self._targets(self.evaluation, lambda: self.evaluation_teacher)

    def _targets(self, part: Part, teacher: Callable[[], NDArray[np.float32]]) -> Targets:
        """Labels, or the teacher's answers where agreement with them is what counts."""
        return part.targets.answered_by(teacher()) if self.data.spec.metric == AGREEMENT else part.targets

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begin

    @property
    def seconds_left(self) -> float:
        """Of the time budget."""
        return self.request.time_budget_s - self.elapsed

    def config(self) -> dict[str, Any]:
        """A copy of the teacher's config."""
        copy: dict[str, Any] = json.loads(json.dumps(self.teacher.config))
        return copy
