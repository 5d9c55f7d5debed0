"""Every family against its own model in transformers: random weights, masked batches, logits within 1e-4."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from compressor.encoder import Encoder
from compressor.export.graphs import final_graph
from compressor.records.architecture import Cut, LayerCut, Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice
from compressor.space import inherit
from compressor.teachers import FAMILIES, load_teacher
from compressor.teachers.saving import save_teacher

BERT_LIKE = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "intermediate_size": 48,
    "vocab_size": 120,
    "num_labels": 3,
    "hidden_act": "gelu",
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {**BERT_LIKE, "max_position_embeddings": 40}),
    "roberta": ("Roberta", {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}),
    "xlm-roberta": (
        "XLMRoberta",
        {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1},
    ),
    "camembert": ("Camembert", {**BERT_LIKE, "max_position_embeddings": 42, "type_vocab_size": 1, "pad_token_id": 1}),
    "distilbert": (
        "DistilBert",
        {
            "dim": 32,
            "n_heads": 4,
            "n_layers": 3,
            "hidden_dim": 48,
            "vocab_size": 120,
            "num_labels": 3,
            "max_position_embeddings": 40,
        },
    ),
    "electra": ("Electra", {**BERT_LIKE, "embedding_size": 16, "max_position_embeddings": 40}),
    "mpnet": ("MPNet", {**BERT_LIKE, "max_position_embeddings": 42, "pad_token_id": 1}),
}


def saved(name: str, folder: Path, **changes: Any) -> Any:
    """A model of a family with random weights, biases and norms too, saved to a folder."""
    import transformers

    prefix, fields = CASES[name]
    torch.manual_seed(7)
    config = getattr(transformers, f"{prefix}Config")(**{**fields, **changes})
    model = getattr(transformers, f"{prefix}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


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
    with torch.no_grad():
        return np.asarray(model(**batch).logits.numpy())


def answers(encoder: Encoder, batch: dict[str, torch.Tensor]) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(encoder(batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids")).numpy())


def test_every_family_has_a_case() -> None:
    assert set(CASES) == set(FAMILIES)


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    model = saved(name, tmp_path)
    batch = masked(model)
    np.testing.assert_allclose(answers(load_teacher(tmp_path).encoder, batch), expected(model, batch), atol=1e-4)


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


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("length", [1, 12, 40])
def test_the_emitted_graph_computes_the_same(name: str, length: int, tmp_path: Path) -> None:
    saved(name, tmp_path)
    encoder = load_teacher(tmp_path).encoder
    graph = final_graph(encoder, Precision.FP32)
    engine = LocalDevice().compile(graph.SerializeToString(), CompileOptions(1))
    assert engine.inputs == encoder.inputs
    ids = torch.randint(5, 120, (2, length), generator=torch.Generator().manual_seed(length))
    mask = torch.ones_like(ids)
    mask[1, max(1, length // 2) :] = 0
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": np.zeros_like(ids.numpy())}
    found = engine.run({input_name: feeds[input_name] for input_name in engine.inputs})
    np.testing.assert_allclose(found, answers(encoder, {"input_ids": ids, "attention_mask": mask}), atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_a_student_is_its_teacher_with_the_rest_at_zero(name: str, tmp_path: Path) -> None:
    model = saved(name, tmp_path)
    teacher = load_teacher(tmp_path).encoder
    cut = Cut((LayerCut((1, 3), (0, 5, 47)), LayerCut((0,), (2, 4)), LayerCut((0, 1, 2), (9,))))
    batch = masked(model)
    keep = []
    for layer in cut.layers:
        heads, neurons = torch.zeros(1, 4), torch.zeros(1, 48)
        heads[0, list(layer.heads)] = 1
        neurons[0, list(layer.neurons)] = 1
        keep.append((heads, neurons))
    with torch.no_grad():
        wanted = teacher(batch["input_ids"], batch["attention_mask"], None, keep).numpy()
    np.testing.assert_allclose(answers(inherit(teacher, cut), batch), wanted, atol=1e-5)


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


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("cut", ["nothing", "layers and neurons"])
def test_what_still_fits_its_family_goes_back_to_transformers(name: str, cut: str, tmp_path: Path) -> None:
    import transformers

    saved(name, tmp_path / "teacher")
    teacher = load_teacher(tmp_path / "teacher")
    every = tuple(range(4))
    kept = LayerCut(every, tuple(range(0, 48, 3)))
    cuts = {
        "nothing": Cut((LayerCut(every, tuple(range(48))),) * 3),
        "layers and neurons": Cut((kept, LayerCut((), ()), kept)),
    }
    student = inherit(teacher.encoder, cuts[cut])
    family = FAMILIES[name]
    labels = ("a", "b", "c")
    save_teacher(student, family, teacher.config, labels, tokenizer=tmp_path / "teacher", folder=tmp_path / "back")
    theirs = getattr(transformers, family.model_class).from_pretrained(tmp_path / "back").eval()
    batch = masked(theirs)
    np.testing.assert_allclose(expected(theirs, batch), answers(student, batch), atol=1e-4)
    again = load_teacher(tmp_path / "back")
    assert again.label_names == labels
    np.testing.assert_allclose(answers(again.encoder, batch), answers(student, batch), atol=1e-6)


def test_a_student_that_is_not_of_its_family_any_more_is_not_saved_as_one(tmp_path: Path) -> None:
    from compressor.errors import InputError

    saved("bert", tmp_path)
    teacher = load_teacher(tmp_path)
    student = inherit(teacher.encoder, Cut((LayerCut((0, 1), (0, 1)),) * 3))
    with pytest.raises(InputError, match="only models with all 4 heads and the same number of neurons"):
        save_teacher(student, FAMILIES["bert"], teacher.config, ("a", "b", "c"), tokenizer=tmp_path, folder=tmp_path)
