"""Every family against its own model in transformers: random weights, masked batches, logits within 1e-4."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from teachers.families import CASES, KINDS, LABELS, saved
from tiny_models import scaled_units

from compressor.encoder import Encoder, drop_padding
from compressor.export.graphs import final_graph
from compressor.records.architecture import Cut, LayerCut, Precision
from compressor.records.latency import CompileOptions
from compressor.records.task import TaskKind
from compressor.runtimes.local import LocalDevice
from compressor.space import inherit
from compressor.teachers import FAMILIES, load_teacher
from compressor.teachers.saving import save_teacher


def masked(model: Any, length: int = 33) -> dict[str, torch.Tensor]:
    """Three rows of different length, long enough for the far buckets of relative positions to be used."""
    pad = model.config.pad_token_id or 0
    random = torch.Generator().manual_seed(3)
    ids = torch.randint(5, 120, (3, length), generator=random)
    mask = torch.ones_like(ids)
    for row, kept in ((1, 9), (2, 20)):
        mask[row, kept:], ids[row, kept:] = 0, pad
    return {"input_ids": ids, "attention_mask": mask}


def expected(model: Any, batch: dict[str, torch.Tensor]) -> np.ndarray:
    """Of the real tokens: families number the positions of padding as they like."""
    with torch.no_grad():
        return np.asarray(drop_padding(model(**batch).logits, batch["attention_mask"]).numpy())


def answers(encoder: Encoder, batch: dict[str, torch.Tensor]) -> np.ndarray:
    with torch.no_grad():
        outputs = encoder(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids"))
        return np.asarray(drop_padding(outputs, batch["attention_mask"]).numpy())


def test_every_family_has_a_case() -> None:
    assert set(CASES) == set(FAMILIES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(name: str, kind: TaskKind, tmp_path: Path) -> None:
    model = saved(name, tmp_path, kind)
    batch = masked(model)
    teacher = load_teacher(tmp_path)
    assert teacher.kind == kind
    wanted = expected(model, batch)
    rows = 33 + 9 + 20 if kind == "token-classification" else 3
    assert wanted.shape == (rows, len(LABELS[kind]))
    np.testing.assert_allclose(answers(teacher.encoder, batch), wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["bert", "electra"])
def test_token_types_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    model = saved(name, tmp_path)
    batch = masked(model)
    batch["token_type_ids"] = (torch.arange(33) > 6).long().expand(3, 33) * batch["attention_mask"]
    np.testing.assert_allclose(answers(load_teacher(tmp_path).encoder, batch), expected(model, batch), atol=1e-4)


def test_electra_without_a_projection(tmp_path: Path) -> None:
    model = saved("electra", tmp_path, embedding_size=32)
    batch = masked(model)
    np.testing.assert_allclose(answers(load_teacher(tmp_path).encoder, batch), expected(model, batch), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("length", [1, 12, 40])
def test_the_emitted_graph_computes_the_same(name: str, length: int, kind: TaskKind, tmp_path: Path) -> None:
    saved(name, tmp_path, kind)
    encoder = load_teacher(tmp_path).encoder
    graph = final_graph(encoder, Precision.FP32)
    engine = LocalDevice().compile(graph.SerializeToString(), CompileOptions(1))
    assert engine.inputs == encoder.inputs
    ids = torch.randint(5, 120, (2, length), generator=torch.Generator().manual_seed(length))
    mask = torch.ones_like(ids)
    mask[1, max(1, length // 2) :] = 0
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": np.zeros_like(ids.numpy())}
    found = engine.run({input_name: feeds[input_name] for input_name in engine.inputs})
    assert found.shape == (*((2, length) if kind == "token-classification" else (2,)), len(LABELS[kind]))
    real = drop_padding(torch.from_numpy(found), mask).numpy()
    np.testing.assert_allclose(real, answers(encoder, {"input_ids": ids, "attention_mask": mask}), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_a_student_is_its_teacher_with_the_rest_at_zero(name: str, kind: TaskKind, tmp_path: Path) -> None:
    model = saved(name, tmp_path, kind)
    teacher = load_teacher(tmp_path).encoder
    cut = Cut((LayerCut((1, 3), (0, 5, 47)), LayerCut((0,), (2, 4)), LayerCut((0, 1, 2), (9,))))
    batch = masked(model)
    factors = []
    for layer in cut.layers:
        factors += [torch.zeros(4), torch.zeros(48)]
        factors[-2][list(layer.heads)] = 1
        factors[-1][list(layer.neurons)] = 1
    with torch.no_grad(), scaled_units(teacher, factors):
        wanted = drop_padding(teacher(batch["input_ids"], batch["attention_mask"]), batch["attention_mask"])
    np.testing.assert_allclose(answers(inherit(teacher, cut), batch), wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("roberta", "type_vocab_size", 2), ("roberta", "pad_token_id", 0), ("distilbert", "activation", "swish")],
)
def test_what_the_canonical_encoder_cannot_express_is_refused(
    name: str, field: str, value: object, tmp_path: Path
) -> None:
    from compressor.errors import InputError

    saved(name, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, field: value}))
    with pytest.raises(InputError, match=f"{field} = {value!r}; supported"):
        load_teacher(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cut", ["nothing", "layers and neurons"])
def test_what_still_fits_its_family_goes_back_to_transformers(
    name: str, cut: str, kind: TaskKind, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    saved(name, tmp_path / "teacher", kind)
    teacher = load_teacher(tmp_path / "teacher")
    every = tuple(range(4))
    kept = LayerCut(every, tuple(range(0, 48, 3)))
    cuts = {
        "nothing": Cut((LayerCut(every, tuple(range(48))),) * 3),
        "layers and neurons": Cut((kept, LayerCut((), ()), kept)),
    }
    student = inherit(teacher.encoder, cuts[cut])
    labels = LABELS[kind]
    source = {"tokenizer": tmp_path / "teacher", "folder": tmp_path / "back"}
    save_teacher(student, FAMILIES[name], teacher.config, labels, **source)
    face = AutoModelForTokenClassification if kind == "token-classification" else AutoModelForSequenceClassification
    theirs, report = face.from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not report["missing_keys"]
    assert (theirs.eval().config.id2label, type(theirs).__name__) == (
        dict(enumerate(labels)),
        FAMILIES[name].model_class(kind),
    )
    batch = masked(theirs)
    np.testing.assert_allclose(expected(theirs, batch), answers(student, batch), atol=1e-4)
    again = load_teacher(tmp_path / "back")
    assert (again.label_names, again.kind) == (labels, kind)
    np.testing.assert_allclose(answers(again.encoder, batch), answers(student, batch), atol=1e-6)


def test_a_regression_learns_from_squared_errors_in_transformers_too(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    saved("bert", tmp_path, "regression")
    teacher = load_teacher(tmp_path)
    back = tmp_path / "back"
    save_teacher(teacher.encoder, teacher.family, teacher.config, ("score",), tokenizer=tmp_path, folder=back)
    theirs = AutoModelForSequenceClassification.from_pretrained(back).eval()
    assert theirs.config.problem_type == "regression"
    batch, values = masked(theirs), torch.tensor([0.5, -1.0, 3.0])
    with torch.no_grad():
        loss = theirs(**batch, labels=values).loss.item()
    assert loss == pytest.approx(np.square(expected(theirs, batch)[:, 0] - values.numpy()).mean(), rel=1e-5)


def test_a_student_that_is_not_of_its_family_any_more_is_not_saved_as_one(tmp_path: Path) -> None:
    from compressor.errors import InputError

    saved("bert", tmp_path)
    teacher = load_teacher(tmp_path)
    student = inherit(teacher.encoder, Cut((LayerCut((0, 1), (0, 1)),) * 3))
    with pytest.raises(InputError, match="only models with all 4 heads and the same number of neurons"):
        save_teacher(student, FAMILIES["bert"], teacher.config, ("a", "b", "c"), tokenizer=tmp_path, folder=tmp_path)
