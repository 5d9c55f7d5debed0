"""Families without an adapter against their own models in transformers, and what is said of those that do not work."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from foreign_models import CASES, saved
from onnx import helper
from safetensors.torch import load_file, save_file
from tiny import LABELS, SHAPE
from tiny_models import copied, onnx_logits

from compressor.errors import InputError, UnavailableError
from compressor.precision import int8_dynamic
from compressor.teachers import FAMILIES, ForeignTeacher, Teacher, exporting, open_teacher

pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
SHAPES = [(1, 1), (1, 40), (3, 33), (4, 9)]  # rows and length; the second is the longest that the models take


def batch(rows: int, length: int) -> dict[str, np.ndarray]:
    """Random rows, all but the first padded to half their length; both token types."""
    random = np.random.default_rng(rows * 100 + length)
    mask = np.ones((rows, length), dtype=np.int64)
    mask[1:, max(1, length // 2) :] = 0
    ids = random.integers(4, SHAPE.vocabulary, (rows, length)) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": mask * (np.arange(length) > length // 4)}


def expected(model: Any, feeds: dict[str, np.ndarray], inputs: tuple[str, ...]) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(model(**{name: torch.from_numpy(feeds[name]) for name in inputs}).logits.numpy())


@pytest.mark.parametrize("name", CASES)
def test_the_exported_graph_answers_as_transformers(name: str, tmp_path: Path) -> None:
    model = saved(name, tmp_path)
    teacher = open_teacher(tmp_path)
    assert isinstance(teacher, ForeignTeacher)
    longest = 40 - (2 if name == "data2vec-text" else 0)
    assert teacher.max_length == longest
    graph = teacher.encoder.emit()
    onnx.checker.check_model(graph, full_check=True)
    assert tuple(value.name for value in graph.graph.input) == teacher.encoder.inputs
    for rows, length in SHAPES:
        feeds = batch(rows, min(length, longest))
        feeds["input_ids"][feeds["attention_mask"] == 0] = teacher.pad_id
        wanted = expected(model, feeds, teacher.encoder.inputs)
        np.testing.assert_allclose(onnx_logits(graph, feeds), wanted, rtol=0, atol=1e-4)
        assert wanted.std() > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_token_types_are_an_input_where_there_are_two(name: str, tmp_path: Path) -> None:
    saved(name, tmp_path)
    has_types = name in ("albert", "mobilebert", "squeezebert")
    assert open_teacher(tmp_path).encoder.inputs == ("input_ids", "attention_mask", "token_type_ids")[: 2 + has_types]


def test_what_is_known_of_a_teacher(tmp_path: Path) -> None:
    saved("data2vec-text", tmp_path, labels=("bad", "fair", "good"))
    teacher = open_teacher(tmp_path)
    assert (teacher.folder, teacher.label_names, teacher.kind) == (
        tmp_path,
        ("bad", "fair", "good"),
        "text-classification",
    )
    assert (teacher.architecture, teacher.pad_id) == (None, 1)
    before = teacher.digest
    weights = load_file(tmp_path / "model.safetensors")
    name = min(weights)
    save_file({**weights, name: weights[name] + 1}, tmp_path / "model.safetensors")
    assert open_teacher(tmp_path).digest != before


def test_one_output_is_a_regression(tmp_path: Path) -> None:
    saved("albert", tmp_path, labels=("score",))
    teacher = open_teacher(tmp_path)
    assert teacher.kind == "regression"
    assert onnx_logits(teacher.encoder.emit(), batch(3, 8)).shape == (3, 1)


def test_a_family_with_an_adapter_takes_it(tiny_teacher: Path) -> None:
    assert isinstance(open_teacher(tiny_teacher), Teacher)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """A graph with weights so big that the exporter leaves their transposes in it; two layers share their weights."""
    folder = tmp_path_factory.mktemp("wide")
    saved("albert", folder, hidden_size=128, intermediate_size=512)
    return open_teacher(folder).encoder.emit()


def test_weights_are_constants_of_their_products(wide: onnx.ModelProto) -> None:
    """Six products a layer, and the projection of the embeddings; what layers share is stored once."""
    result = int8_dynamic(copied(wide))
    assert result.modified
    products = [node for node in result.model.graph.node if node.op_type == "MatMulInteger"]
    assert len(products) == 2 * 6 + 1
    assert len({node.input[1] for node in products}) == 6 + 1
    assert result.model.ByteSize() < 0.5 * wide.ByteSize()
    found, exact = (onnx_logits(model, batch(2, 12)) for model in (result.model, wide))
    assert 0 < np.abs(found - exact).max() < 0.3


def test_a_graph_holds_nothing_of_the_machine_that_exported_it(wide: onnx.ModelProto) -> None:
    assert b"stack_trace" not in wide.SerializeToString()
    assert b".py" not in wide.SerializeToString()
    assert not wide.graph.value_info


def test_exporting_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    saved("deberta-v2", tmp_path)
    capfd.readouterr()
    open_teacher(tmp_path).encoder.emit()
    assert capfd.readouterr() == ("", "")


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


def refused(folder: Path, family: str, why: str) -> None:
    """Opening or exporting it ends with this reason and the families that work."""
    message = (
        rf"--teacher: the family '{family}' is not supported, and cannot be compiled as it is: {why}.*; supported: "
    )
    with pytest.raises(InputError, match=message + re.escape(", ".join(FAMILIES))):
        open_teacher(folder).encoder.emit()


@pytest.mark.parametrize(
    ("changes", "family", "why"),
    [
        ({"model_type": "gpt99"}, "gpt99", "transformers cannot load .*"),
        ({"num_attention_heads": 5}, "albert", "transformers cannot load .*"),
        (
            {"architectures": ["AlbertForTokenClassification"]},
            "albert",
            "expected a model ForSequenceClassification, found AlbertForTokenClassification",
        ),
        ({"max_position_embeddings": 20}, "albert", "transformers cannot load .*"),
        (
            {"auto_map": {"AutoModelForSequenceClassification": "code.Model"}, "model_type": "mine"},
            "mine",
            "transformers cannot load .*",
        ),
    ],
)
def test_a_config_that_cannot_be_used(changes: dict[str, Any], family: str, why: str, tmp_path: Path) -> None:
    saved("albert", tmp_path)
    change_config(tmp_path, **changes)
    refused(tmp_path, family, why)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda weights: weights.pop("classifier.weight"), r".* lacks 1 weights, the first is classifier\.weight"),
        (lambda weights: weights["classifier.bias"].fill_(torch.nan), r"classifier\.bias in .* not finite"),
    ],
    ids=["missing", "not finite"],
)
def test_damaged_weights(damage: Any, why: str, tmp_path: Path) -> None:
    saved("albert", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    damage(weights)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    refused(tmp_path, "albert", why)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.marker,)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    model = saved("albert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert open_teacher(tmp_path).label_names == LABELS
    marker = tmp_path / "marker"
    torch.save({**model.state_dict(), "trap": Trap(marker)}, tmp_path / "pytorch_model.bin")
    refused(tmp_path, "albert", "transformers cannot load .*")
    assert not marker.exists()


def test_no_weights(tmp_path: Path) -> None:
    saved("albert", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no weights: expected model\.safetensors"):
        open_teacher(tmp_path)


def test_a_model_without_a_mask(tmp_path: Path) -> None:
    import transformers

    config = transformers.FNetConfig(hidden_size=32, num_hidden_layers=1, intermediate_size=48, vocab_size=40)
    transformers.FNetForSequenceClassification(config).save_pretrained(tmp_path)
    refused(tmp_path, "fnet", "its model takes no attention_mask")


def test_a_model_that_the_exporter_cannot_follow(tmp_path: Path) -> None:
    import transformers

    config = transformers.LongformerConfig(
        hidden_size=32,
        num_attention_heads=4,
        num_hidden_layers=1,
        intermediate_size=48,
        vocab_size=40,
        max_position_embeddings=42,
        attention_window=8,
    )
    transformers.LongformerForSequenceClassification(config).save_pretrained(tmp_path)
    refused(tmp_path, "longformer", r"PyTorch cannot export it to ONNX \(\w+: .*\)")


@pytest.mark.heavy
def test_a_model_that_is_exported_at_one_length_only(tmp_path: Path) -> None:
    import transformers

    config = transformers.FunnelConfig(
        block_sizes=[1, 1], d_model=32, n_head=4, d_head=8, d_inner=48, vocab_size=40, max_position_embeddings=40
    )
    transformers.FunnelForSequenceClassification(config).save_pretrained(tmp_path)
    refused(tmp_path, "funnel", "PyTorch can export it to ONNX only with input_ids of a fixed size, 8")


def with_a_branch() -> onnx.ModelProto:
    """`logits` by way of an If."""
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "branch", [], [])
    node = helper.make_node("If", ["condition"], ["logits"], then_branch=branch, else_branch=branch)
    return helper.make_model(helper.make_graph([node], "branches", [], []))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (None, "PyTorch exported no graph"),
        (SimpleNamespace(model_proto=with_a_branch()), "only with branches or loops"),
    ],
    ids=["nothing", "branches"],
)
def test_what_the_exporter_makes_is_checked(
    program: object, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("albert", tmp_path)
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **settings: program)
    refused(tmp_path, "albert", f".*{why}")


def test_without_a_longest_input(tmp_path: Path) -> None:
    import transformers

    config = transformers.XLNetConfig(d_model=32, n_layer=1, n_head=4, d_inner=48, vocab_size=40)
    transformers.XLNetForSequenceClassification(config).save_pretrained(tmp_path)
    refused(tmp_path, "xlnet", r"its config\.json does not say how long an input may be")


def test_without_the_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved("albert", tmp_path)
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"exporting this model needs onnxscript: pip install 'compressor\["):
        open_teacher(tmp_path).encoder.emit()
