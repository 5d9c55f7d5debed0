"""Models to be fine-tuned: which weights stay, and which head they get."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from teachers.families import CASES, LABELS, saved

from compressor.encoder import Encoder
from compressor.errors import BorderError
from compressor.records.task import TaskKind
from compressor.teachers import load_base, load_teacher

TAGS = ("O", "B-place", "I-place")


def head(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in encoder.state_dict().items() if name.startswith("head.")}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("before", "after"), [("token", "text"), ("text", "token"), ("text", "value")])
def test_a_head_of_another_kind_is_replaced_and_the_rest_stays(
    name: str, before: str, after: str, tmp_path: Path
) -> None:
    kinds: dict[str, TaskKind] = {
        "text": "text-classification",
        "token": "token-classification",
        "value": "regression",
    }
    saved(name, tmp_path, kinds[before])
    teacher = load_teacher(tmp_path)
    first, again, other = (load_base(tmp_path, LABELS[kinds[after]], kind=kinds[after], seed=s) for s in (1, 1, 2))
    assert (first.kind, first.label_names) == (kinds[after], LABELS[kinds[after]])
    for key, tensor in first.encoder.state_dict().items():
        assert torch.equal(tensor, again.encoder.state_dict()[key])
        if not key.startswith("head."):
            assert torch.equal(tensor, teacher.encoder.state_dict()[key])
    classifier = first.encoder.head.classifier.weight
    assert not torch.equal(classifier, other.encoder.head.classifier.weight)
    # Also where both heads have the same name and the same shape, as in BERT and DistilBERT.
    old = teacher.encoder.head.classifier.weight
    assert old.shape != classifier.shape or not torch.equal(old, classifier)


@pytest.mark.parametrize("kind", ["text-classification", "token-classification", "regression"])
def test_a_head_that_fits_is_kept(kind: TaskKind, tmp_path: Path) -> None:
    saved("bert", tmp_path, kind)
    kept = head(load_base(tmp_path, LABELS[kind], kind=kind, seed=5).encoder)
    for name, tensor in head(load_teacher(tmp_path).encoder).items():
        assert torch.equal(tensor, kept[name])


def test_a_tagger_can_be_made_of_a_bare_encoder_without_a_pooler(tmp_path: Path) -> None:
    saved("bert", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    bare = {name.removeprefix("bert."): tensor for name, tensor in weights.items() if name.startswith("bert.e")}
    save_file(bare, tmp_path / "model.safetensors")
    tagger = load_base(tmp_path, TAGS, kind="token-classification", seed=0)
    assert set(head(tagger.encoder)) == {"head.classifier.weight", "head.classifier.bias"}
    assert torch.equal(tagger.encoder.embeddings.word.weight, bare["embeddings.word_embeddings.weight"])
    assert not tagger.encoder.head.classifier.bias.any()
    assert tagger.encoder.head.classifier.weight.std().item() == pytest.approx(0.02, rel=0.3)


@pytest.mark.parametrize(("kind", "labels"), [("regression", ("low", "high")), ("text-classification", ("only",))])
def test_labels_that_the_kind_cannot_have_stop_at_the_border(
    kind: TaskKind, labels: tuple[str, ...], tmp_path: Path
) -> None:
    saved("bert", tmp_path)
    with pytest.raises(BorderError, match=rf"a model for {kind} cannot have {len(labels)} label"):
        load_base(tmp_path, labels, kind=kind, seed=0)
