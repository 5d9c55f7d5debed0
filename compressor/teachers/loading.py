"""A teacher folder (config.json, tokenizer.json, weights) to a canonical encoder with its weights.

Weights travel as safetensors; a `pytorch_model.bin` is read with `weights_only=True`, so that nothing in it runs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from compressor.encoder import Encoder
from compressor.errors import BorderError, InputError
from compressor.records.architecture import Architecture, check_architecture
from compressor.teachers.bert import BERT
from compressor.teachers.distilbert import DISTILBERT
from compressor.teachers.electra import ELECTRA
from compressor.teachers.family import Family
from compressor.teachers.mpnet import MPNET
from compressor.teachers.roberta import ROBERTA, XLM_ROBERTA

HEAD_DEVIATION = 0.02  # of a new head's weights, as BERT's own
FAMILIES: dict[str, Family] = {
    family.name: family for family in (BERT, ROBERTA, XLM_ROBERTA, DISTILBERT, ELECTRA, MPNET)
}


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned teacher.

    Attributes:
        folder: Where it was read from; also holds its tokenizer files.
        config: Its config.json.
        family: Its adapter.
        label_names: Index = class id.
        encoder: Canonical encoder with its weights, in evaluation mode.
        digest: SHA-256 of its config and weights.
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


def load_teacher(folder: Path) -> Teacher:
    """Read a fine-tuned teacher from a folder in the layout of `save_pretrained`.

    Raises:
        InputError: The folder or one of its files is missing, cut off, of an unsupported family, without a
            classifier, or has weights that are not finite.
    """
    return _load(folder, labels=None, head_seed=None)


def load_base(folder: Path, labels: tuple[str, ...], *, seed: int) -> Teacher:
    """Read a model to be fine-tuned; where its head does not fit the labels, or there is none, a random one is made.

    Args:
        folder: In the layout of `save_pretrained`.
        labels: Index = class id.
        seed: Of the new head.

    Raises:
        InputError: As `load_teacher`, but for the classifier.
    """
    return _load(folder, labels=labels, head_seed=seed)


def _load(folder: Path, *, labels: tuple[str, ...] | None, head_seed: int | None) -> Teacher:
    config = _read_config(folder)
    family = FAMILIES.get(config.get("model_type", ""))
    if family is None:
        raise InputError(
            f"{folder}: the family {config.get('model_type')!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    try:
        labels = labels or label_names(config)
        shape = check_architecture(family.architecture(config, len(labels)))
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'} has no field {error}; is it a {family.name} config?") from error
    except (TypeError, ValueError, ArithmeticError, BorderError) as error:
        raise InputError(f"{folder / 'config.json'} is not a valid {family.name} config: {error}") from error
    path = weights_path(folder)
    encoder = Encoder(shape)
    encoder.load_state_dict(_canonical(_read_weights(path), family, encoder, path, head_seed=head_seed))
    digest = hashlib.sha256((folder / "config.json").read_bytes() + path.read_bytes()).hexdigest()
    return Teacher(folder, config, family, labels, encoder.eval(), digest)


def label_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes, in the order of their ids; `id2label`, else as many numbers as `num_labels` says."""
    named = config.get("id2label")
    if isinstance(named, Mapping) and named:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(str(index) for index in range(int(config.get("num_labels", 2))))


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not folder.is_dir():
        raise InputError(
            f"--teacher: expected a folder with config.json, tokenizer.json and weights; {folder} is not a folder. "
            "Save a model with `save_pretrained(DIR)` of both the model and the tokenizer"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--teacher: cannot read {path}: {error.strerror}") from error
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


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
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
