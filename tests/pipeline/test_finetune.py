"""A pre-trained model and labelled text to a teacher that transformers and `compress` both load."""

from pathlib import Path

import pytest
import torch
from tiny import LABELS, Watcher

from compressor.errors import InputError
from compressor.pipeline import finetune
from compressor.teachers import load_base, load_teacher


def test_a_bare_encoder_becomes_a_teacher(bare: Path, tiny_data: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    output = tmp_path / "teacher"
    watcher = Watcher()
    made = finetune(bare, tiny_data, output, epochs=6, observer=watcher)
    assert watcher.begun == ["finetune"]
    assert (made.folder, made.metric, made.eval_split) == (output, "accuracy", "test")
    assert made.points > 90
    teacher = load_teacher(output)
    theirs = AutoModelForSequenceClassification.from_pretrained(output).eval()
    ids = torch.randint(5, teacher.architecture.vocabulary, (2, 9))
    with torch.no_grad():
        wanted = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        torch.testing.assert_close(teacher.encoder(ids), wanted, atol=1e-4, rtol=0)
    assert len(teacher.label_names) == len(LABELS)


def test_a_new_head_depends_on_the_seed_only_and_the_rest_not_at_all(bare: Path, tiny_teacher: Path) -> None:
    first, again, other = (
        load_base(bare, ("a", "b", "c"), kind="text-classification", seed=seed).encoder.state_dict()
        for seed in (1, 1, 2)
    )
    body = load_teacher(tiny_teacher).encoder.state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        if name.startswith("head.classifier"):
            assert tensor.shape[0] == 3
            assert torch.equal(tensor, other[name]) == name.endswith("bias")
        else:
            assert torch.equal(tensor, body[name])


def test_a_bare_encoder_is_no_teacher(bare: Path) -> None:
    with pytest.raises(InputError, match="lacks"):
        load_teacher(bare)


def test_an_output_that_holds_something_is_left_alone(bare: Path, tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "mine").touch()
    with pytest.raises(InputError, match="--force"):
        finetune(bare, tiny_data, tmp_path / "teacher", epochs=1, observer=Watcher())


def test_a_teacher_is_not_made_without_labels(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a fine film\na dull one\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train.txt: expected labels in a column 'label', found the columns text"):
        finetune(bare, tmp_path, tmp_path / "teacher", epochs=1, observer=Watcher())
