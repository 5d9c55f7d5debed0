"""A teacher folder (config.json, tokenizer.json, weights) to a canonical encoder with its weights.

Weights travel as safetensors; a `pytorch_model.bin` is read with `weights_only=True`, so that nothing in it runs.
"""

import hashlib
import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from compressor.encoder import Encoder
from compressor.errors import BorderError, InputError
from compressor.records.architecture import Architecture, check_architecture
from compressor.records.serial import file_digest
from compressor.records.task import TaskKind
from compressor.teachers.bert import BERT
from compressor.teachers.distilbert import DISTILBERT
from compressor.teachers.electra import ELECTRA
from compressor.teachers.family import Family
from compressor.teachers.mpnet import MPNET
from compressor.teachers.outputs import label_names, reads_tokens, task_kind
from compressor.teachers.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA

HEAD_DEVIATION = 0.02  # of a new head's weights, as BERT's own
# Of tokenizers that were saved without `tokenizer.json`.
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model")
FAMILIES: dict[str, Family] = {
    family.name: family for family in (BERT, ROBERTA, XLM_ROBERTA, CAMEMBERT, DISTILBERT, ELECTRA, MPNET)
}


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned teacher.

    Attributes:
        folder: Where it was read from; also holds its tokenizer files.
        config: Its config.json.
        family: Its adapter.
        label_names: Index = class id; of a regression, the name of the score.
        encoder: Canonical encoder with its weights, in evaluation mode.
        digest: See `content_digest`.
    """

    folder: Path
    config: dict[str, Any]
    family: Family
    label_names: tuple[str, ...]
    encoder: Encoder
    digest: str

    @property
    def architecture(self) -> Architecture:
        """Its shape."""
        return self.encoder.architecture

    @property
    def kind(self) -> TaskKind:
        """What it was trained for."""
        return self.architecture.kind

    @property
    def max_length(self) -> int:
        """The longest input, in tokens."""
        return self.architecture.positions

    @property
    def pad_id(self) -> int:
        """Token id of padding."""
        return int(self.config.get("pad_token_id") or 0)


def load_teacher(folder: Path) -> Teacher:
    """Read a fine-tuned teacher from a folder in the layout of `save_pretrained`.

    Raises:
        InputError: The folder or one of its files is missing, cut off, of an unsupported family, without a
            classifier, of a kind of task that is not supported, or has weights that are not finite.
    """
    return _load(folder)


def load_base(folder: Path, label_names: tuple[str, ...], *, kind: TaskKind, seed: int) -> Teacher:
    """Read a model to be fine-tuned; where its head does not fit the task, or there is none, a random one is made.

    Args:
        folder: In the layout of `save_pretrained`.
        label_names: Index = class id; of a regression, the name of the score.
        kind: What it is to be trained for.
        seed: Of the new head.

    Raises:
        InputError: As `load_teacher`, but for the classifier and its kind.
        BorderError: Kind and number of labels contradict each other.
    """
    return _load(folder, _Head(kind, label_names, seed))


@dataclass(frozen=True)
class _Head:
    """The head that a model to be fine-tuned gets."""

    kind: TaskKind
    label_names: tuple[str, ...]
    seed: int


def _load(folder: Path, head: _Head | None = None) -> Teacher:
    config = read_config(folder)
    family = _family(folder, config)
    shape, labels = _architecture(folder, config, family, head)
    path = weights_path(folder)
    weights = _read_weights(path)
    if head and reads_tokens(config) != shape.per_token:  # BERT and DistilBERT give both classifiers the same name
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
    encoder = Encoder(shape)
    encoder.load_state_dict(_canonical(weights, family, encoder, path, head_seed=head.seed if head else None))
    return Teacher(folder, config, family, labels, encoder.eval(), content_digest(folder))


def read_architecture(folder: Path) -> Architecture:
    """The shape that a model's config.json describes; nothing else of the folder is read.

    Raises:
        InputError: There is no config.json, it is not valid, or of a family without an adapter.
    """
    config = read_config(folder)
    shape, _ = _architecture(folder, config, _family(folder, config), None)
    return shape


def base_architecture(folder: Path, label_names: tuple[str, ...], *, kind: TaskKind) -> Architecture:
    """The shape that `load_base` gives a model; nothing but its config.json is read.

    Raises:
        InputError: As `read_architecture`.
        BorderError: Kind and number of labels contradict each other.
    """
    config = read_config(folder)
    shape, _ = _architecture(folder, config, _family(folder, config), _Head(kind, label_names, seed=0))
    return shape


def _family(folder: Path, config: dict[str, Any]) -> Family:
    family = FAMILIES.get(config.get("model_type", ""))
    if family is None:
        raise InputError(
            f"{folder}: the family {config.get('model_type')!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    return family


def content_digest(folder: Path) -> str:
    """SHA-256 of what a network is and reads: its config, its weights and its tokenizer.

    Raises:
        InputError: Config or weights are not there.
    """
    read_config(folder)
    files = (folder / "config.json", weights_path(folder), *_tokenizer_files(folder))
    return hashlib.sha256("".join(f"{file_digest(file)}  {file.name}\n" for file in files).encode()).hexdigest()


def _tokenizer_files(folder: Path) -> tuple[Path, ...]:
    """`tokenizer.json`, which is all that is read of a tokenizer; else what one would be made of."""
    whole = folder / "tokenizer.json"
    return (whole,) if whole.is_file() else tuple(path for name in VOCABULARIES if (path := folder / name).is_file())


def _architecture(
    folder: Path, config: dict[str, Any], family: Family, head: _Head | None
) -> tuple[Architecture, tuple[str, ...]]:
    """Shape and names of the outputs, with the head that is wanted or else the config's own."""
    try:
        labels, kind = (head.label_names, head.kind) if head else (label_names(config), task_kind(config))
        shape = replace(family.architecture(config, len(labels)), per_token=kind == "token-classification")
        check_architecture(shape)
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'} has no field {error}; is it a {family.name} config?") from error
    except (TypeError, ValueError, ArithmeticError, BorderError) as error:
        raise InputError(f"{folder / 'config.json'} is not a valid {family.name} config: {error}") from error
    if shape.kind != kind:
        raise BorderError(f"a model for {kind} cannot have {len(labels)} label(s): {', '.join(labels)}")
    return shape, labels


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a teacher's folder.

    Raises:
        InputError: There is no such folder or file, or it holds something else than a JSON object.
    """
    path = folder / "config.json"
    if not folder.is_dir():
        raise InputError(
            f"--teacher: expected a folder with config.json, tokenizer.json and weights; {folder} is not a folder. "
            "Save a model with `save_pretrained(DIR)` of both the model and the tokenizer"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"--teacher: cannot read {path}: {error.strerror}; save the model with `save_pretrained(DIR)`"
        ) from error
    except ValueError as error:
        raise InputError(f"--teacher: {path} is not JSON ({error})") from error
    if not isinstance(config, dict):
        raise InputError(f"--teacher: {path} holds {type(config).__name__}, expected a JSON object")
    return config


def weights_path(folder: Path) -> Path:
    """The file that holds a teacher's weights.

    Raises:
        InputError: There is none.
    """
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"--teacher: {folder} has no weights: expected model.safetensors (or pytorch_model.bin); save the model with "
        "`save_pretrained(DIR)`"
    )


def unpickle(path: Path, *, mapped: bool = False) -> Any:
    """The tensors of a pickle, which may not run code; what is wrong with it is raised, not also warned about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = unpickle(path)
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError) as error:
        raise InputError(f"--teacher: {path} cannot be read, is it whole? ({error}); copy it again") from error
    except Exception as error:  # the unpickler's own error type is private and changed between releases
        raise InputError(
            f"--teacher: {path} holds more than tensors and will not be unpickled; save it as safetensors "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(weights, dict):
        raise InputError(f"--teacher: {path} holds {type(weights).__name__}, expected a dictionary of tensors")
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}


def _canonical(
    weights: dict[str, Tensor], family: Family, encoder: Encoder, path: Path, *, head_seed: int | None
) -> dict[str, Tensor]:
    for old, new in (("gamma", "weight"), ("beta", "bias")):  # norms of checkpoints that were converted from TF
        weights = {name.replace(f"LayerNorm.{old}", f"LayerNorm.{new}"): tensor for name, tensor in weights.items()}
    names = family.names(encoder.architecture)
    if head_seed is not None:
        weights |= _head(weights, names, family, encoder, head_seed)
    missing = {ours: theirs for ours, theirs in names.items() if theirs not in weights}
    if missing:
        headless = any(ours.startswith("head.classifier") for ours in missing)
        why = " (the classifier is missing: fine-tune the model first)" if headless else ""
        raise InputError(f"--teacher: {path} lacks {len(missing)} weights, the first is {min(missing.values())}{why}")
    state = family.convert({ours: weights[theirs].float() for ours, theirs in names.items()})
    expected = encoder.state_dict()
    for ours, tensor in state.items():
        if tensor.shape != expected[ours].shape:
            raise InputError(
                f"--teacher: {names[ours]} in {path} has shape {tuple(tensor.shape)}, config.json says "
                f"{tuple(expected[ours].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise InputError(f"--teacher: {names[ours]} in {path} holds values that are not finite; train it again")
    return state


def _head(
    weights: dict[str, Tensor], names: dict[str, str], family: Family, encoder: Encoder, seed: int
) -> dict[str, Tensor]:
    """What a checkpoint without the wanted head lacks: its own weights under their full names, and a random head."""
    added = {theirs: weights[short] for theirs in names.values() if (short := _short(theirs, family)) in weights}
    random = torch.Generator().manual_seed(seed)
    for ours, expected in encoder.state_dict().items():
        found = {**weights, **added}.get(names[ours])
        if ours.startswith("head.") and (found is None or found.shape != expected.shape):
            deviation = HEAD_DEVIATION if expected.dim() == 2 else 0.0
            added[names[ours]] = deviation * torch.randn(expected.shape, generator=random)
    return added


def _short(name: str, family: Family) -> str:
    """Name of a weight in a checkpoint of the bare encoder."""
    return name.removeprefix(f"{family.prefix}.")
