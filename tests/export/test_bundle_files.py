"""What is written into a bundle, and how it gets to its place."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from bundles import ROWS, make_bundle
from tiny_models import masked_batch, onnx_logits, random_encoder, tiny, torch_logits
from tokenizers import Tokenizer

from compressor.errors import BorderError, InputError
from compressor.export import (
    ENGINE,
    EVALUATION,
    MANIFEST,
    MODEL,
    EvaluationData,
    check_output,
    file_hashes,
    move_into_place,
    write_texts,
)
from compressor.export.graphs import final_graph
from compressor.records.architecture import Architecture, Precision
from compressor.records.cells import Cells, Edge
from compressor.records.results import Manifest
from compressor.records.serial import load
from compressor.tasks import Targets, Tokens


@pytest.fixture(scope="module")
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "bundle"
    make_bundle(folder, tiny_teacher, tiny_data)
    return folder


def test_a_bundle_has_these_files_and_the_manifest_names_them(bundle: Path) -> None:
    names = {MODEL, ENGINE, EVALUATION, "config.json", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in bundle.iterdir()} == {*names, MANIFEST}
    manifest = load(Manifest, bundle / MANIFEST)
    assert set(manifest.files) == names
    assert manifest.files == file_hashes(bundle, leave_out=frozenset({MANIFEST}))


def test_a_hash_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "abc").write_bytes(b"abc")
    (tmp_path / "left out").write_bytes(b"")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_hashes(tmp_path, leave_out=frozenset({"left out"})) == {"sub/abc": expected}


def test_the_evaluation_data_comes_back_as_it_was(bundle: Path, tmp_path: Path) -> None:
    data = EvaluationData.load(bundle / EVALUATION)
    assert len(data.tokens) == len(data.targets) == ROWS
    data.save(tmp_path / "again.npz")
    again = EvaluationData.load(tmp_path / "again.npz")
    np.testing.assert_array_equal(again.targets.values, data.targets.values)
    for name in ("teacher", "student", "engine"):
        np.testing.assert_array_equal(getattr(again, name), getattr(data, name))
        assert getattr(again, name).dtype == getattr(data, name).dtype
    for name in ("ids", "type_ids", "offsets"):
        np.testing.assert_array_equal(getattr(again.tokens, name), getattr(data.tokens, name))


@pytest.mark.parametrize("fault", ["missing", "cut off", "no such array", "a pickle"])
def test_evaluation_data_that_is_damaged_is_refused(fault: str, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.npz"
    if fault == "cut off":
        path.write_bytes((bundle / EVALUATION).read_bytes()[:100])
    elif fault == "no such array":
        np.savez(path, ids=np.zeros(1, dtype=np.int32))
    elif fault == "a pickle":
        with np.load(bundle / EVALUATION) as stored:
            arrays = {name: stored[name] for name in stored.files}
        np.savez(path, **{**arrays, "targets": np.array([{"run": "me"}], dtype=object)})
    with pytest.raises(InputError, match=r"evaluation\.npz cannot be read .*; the bundle is not whole: export it"):
        EvaluationData.load(path)


def _evaluation(targets: Targets, outputs: tuple[int, int]) -> EvaluationData:
    """Two rows of two and three tokens."""
    tokens = Tokens(np.arange(5, dtype=np.int32), np.zeros(5, dtype=np.uint8), np.array([0, 2, 5]))
    answers = np.random.default_rng(0).normal(size=outputs).astype(np.float32)
    return EvaluationData(tokens, targets, answers, answers + 1, answers + 2)


@pytest.mark.parametrize(
    ("targets", "outputs"),
    [
        (Targets(np.array([0.5, 4.75])), (2, 1)),
        (Targets(np.array([-100, 1, -100, 2, 0]), np.array([0, 2, 5]), ("O", "B-größe", "I-größe")), (5, 3)),
    ],
    ids=["scores", "tags"],
)
def test_targets_of_every_kind_come_back(targets: Targets, outputs: tuple[int, int], tmp_path: Path) -> None:
    _evaluation(targets, outputs).save(tmp_path / "evaluation.npz")
    found = EvaluationData.load(tmp_path / "evaluation.npz").targets
    np.testing.assert_array_equal(found.values, targets.values)
    assert (found.values.dtype, found.tags) == (targets.values.dtype, targets.tags)
    assert (found.offsets is None) == (targets.offsets is None)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("targets", "outputs", "message"),
    [
        (Targets(np.zeros(3)), (3, 1), "expected targets of 2 rows, found 3"),
        (Targets(np.zeros(2)), (5, 1), r"expected outputs of 2 values by teacher, found \(5, 1\)"),
        (Targets(np.zeros(5, dtype=np.int64), np.array([0, 2, 5])), (2, 3), r"outputs of 5 values by teacher"),
    ],
)
def test_evaluation_data_of_other_rows_is_refused(targets: Targets, outputs: tuple[int, int], message: str) -> None:
    with pytest.raises(BorderError, match=message):
        _evaluation(targets, outputs)


def test_targets_of_other_tokens_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.npz"
    _evaluation(Targets(np.zeros(5, dtype=np.int64), np.array([0, 2, 5]), ("O", "B-a")), (5, 2)).save(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, **{**arrays, "targets": arrays["targets"][:4]})
    with pytest.raises(InputError, match=r"cannot be read .*end at 4.*export it again"):
        EvaluationData.load(path)


def test_the_engine_and_the_portable_model_agree(bundle: Path) -> None:
    data = EvaluationData.load(bundle / EVALUATION)
    row = data.tokens.padded([0], 0)
    model, engine = (onnx.load_model(bundle / name) for name in (MODEL, ENGINE))
    np.testing.assert_allclose(onnx_logits(model, row), data.engine[:1], atol=1e-4)
    np.testing.assert_allclose(onnx_logits(engine, row), data.engine[:1], atol=1e-4)
    assert any(node.op_type == "MatMulInteger" for node in model.graph.node)


def test_the_texts_load_in_transformers_layout(bundle: Path, tiny_teacher: Path) -> None:
    config = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    teacher = json.loads((tiny_teacher / "config.json").read_text(encoding="utf-8"))
    assert config == {**teacher, "num_hidden_layers": 2}
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    assert tokenizer.encode("the film was good").tokens == ["[CLS]", "the", "film", "was", "good", "[SEP]"]


def test_the_config_says_how_many_layers_are_left(tiny_teacher: Path, tmp_path: Path) -> None:
    write_texts(tmp_path, tiny_teacher, {"num_hidden_layers": 6, "id2label": {"0": "schön"}}, tiny((1, 16)))
    text = (tmp_path / "config.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"num_hidden_layers": 1, "id2label": {"0": "schön"}}
    assert "schön" in text


def _config_of(shape: Architecture, config: dict[str, object], teacher: Path, folder: Path) -> dict[str, object]:
    write_texts(folder, teacher, config, shape)
    written: dict[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return written


BERT_SIZES = {"hidden_size": 64, "num_attention_heads": 8, "intermediate_size": 128, "hidden_act": "gelu"}
BERT = {"model_type": "bert", "num_hidden_layers": 6, **BERT_SIZES, "id2label": {"0": "a"}, "pad_token_id": 0}


def test_a_student_of_another_width_says_so(tiny_teacher: Path, tmp_path: Path) -> None:
    shape = tiny((2, 32), (3, 16), activation="relu")
    expected = {"hidden_size": 16, "num_attention_heads": 3, "intermediate_size": 32, "hidden_act": "relu"}
    assert _config_of(shape, BERT, tiny_teacher, tmp_path) == {**BERT, "num_hidden_layers": 2, **expected}


def test_a_stack_of_cells_has_neither_heads_nor_neurons(tiny_teacher: Path, tmp_path: Path) -> None:
    shape = tiny(embedding=64, cells=Cells(((Edge(0, "conv-3"),),), 3, "max-pooling"))
    expected = {"hidden_size": 16, "num_attention_heads": 0, "intermediate_size": 0}
    assert _config_of(shape, BERT, tiny_teacher, tmp_path) == {**BERT, "num_hidden_layers": 3, **expected}


def test_each_family_has_its_own_words(tiny_teacher: Path, tmp_path: Path) -> None:
    distilbert = {"n_layers": 6, "dim": 64, "n_heads": 8, "hidden_dim": 128, "activation": "gelu"}
    found = _config_of(tiny((2, 32)), distilbert, tiny_teacher, tmp_path)
    assert found == {"n_layers": 1, "dim": 16, "n_heads": 2, "hidden_dim": 32, "activation": "gelu"}
    electra = {"embedding_size": 64, "hidden_size": 64}
    assert _config_of(tiny((2, 32)), electra, tiny_teacher, tmp_path) == {"embedding_size": 16, "hidden_size": 16}
    shape = tiny((2, 32), embedding=8)
    assert _config_of(shape, electra, tiny_teacher, tmp_path) == {"embedding_size": 8, "hidden_size": 16}


@pytest.mark.parametrize("shape", [tiny((1, 16)), None], ids=["canonical", "foreign"])
def test_canonical_students_are_padded_on_the_right(
    shape: Architecture | None, tiny_teacher: Path, tmp_path: Path
) -> None:
    teacher, folder = tmp_path / "teacher", tmp_path / "bundle"
    shutil.copytree(tiny_teacher, teacher)
    folder.mkdir()
    settings = json.loads((teacher / "tokenizer_config.json").read_text(encoding="utf-8"))
    (teacher / "tokenizer_config.json").write_text(json.dumps({**settings, "padding_side": "left"}), encoding="utf-8")
    write_texts(folder, teacher, {}, shape)
    found = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert found == {**settings, "padding_side": "right" if shape else "left"}


@pytest.mark.parametrize("content", ["", "[]", '{"padding_side": "right"}'])
def test_other_tokenizer_settings_are_copied_as_they_are(content: str, tiny_teacher: Path, tmp_path: Path) -> None:
    teacher, folder = tmp_path / "teacher", tmp_path / "bundle"
    shutil.copytree(tiny_teacher, teacher)
    folder.mkdir()
    (teacher / "tokenizer_config.json").write_text(content, encoding="utf-8")
    write_texts(folder, teacher, {}, tiny((1, 16)))
    assert (folder / "tokenizer_config.json").read_text(encoding="utf-8") == content


def test_without_a_shape_the_config_is_the_teachers(tiny_teacher: Path, tmp_path: Path) -> None:
    write_texts(tmp_path, tiny_teacher, {"n_layer": 6}, None)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) == {"n_layer": 6}


@pytest.mark.parametrize("precision", list(Precision))
def test_the_final_graph_is_valid_and_computes_the_student(precision: Precision) -> None:
    shape = tiny((2, 32), (0, 16), (1, 0))
    encoder, batch = random_encoder(shape), masked_batch(shape)
    model = final_graph(encoder, precision)
    onnx.checker.check_model(model, full_check=True)
    difference = np.abs(onnx_logits(model, batch) - torch_logits(encoder, batch)).max()
    assert difference < (1e-5 if precision is Precision.FP32 else 0.5)
    assert (difference > 1e-5) == (precision is not Precision.FP32)


def test_a_graph_that_is_not_valid_onnx_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = random_encoder(tiny((2, 32)))
    broken = encoder.emit()
    broken.graph.node[-1].input[0] = "nowhere"
    monkeypatch.setattr(encoder, "emit", lambda: broken)
    with pytest.raises(BorderError, match="the emitted fp32 graph is not valid ONNX"):
        final_graph(encoder, Precision.FP32)


@pytest.mark.parametrize("there", [None, "an empty folder"])
def test_a_free_place_is_accepted_and_left_as_it_is(there: str | None, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "down" / "bundle"
    if there:
        output.mkdir(parents=True)
    check_output(output, force=False)
    assert output.exists() == bool(there)
    assert [path.name for path in output.parent.iterdir()] == (["bundle"] if there else [])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_place_that_is_taken_needs_force(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "bundle"
    if kind == "folder":
        output.mkdir()
        (output / "precious").touch()
    else:
        output.touch()
    with pytest.raises(
        InputError, match=r"--output: .*bundle is there and not empty; give another folder, or --force"
    ):
        check_output(output, force=False)
    check_output(output, force=True)
    assert output.exists()


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--output: cannot write to .*file"):
        check_output(tmp_path / "file" / "bundle", force=False)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_place_without_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"--output: cannot write to .*locked: Permission denied"):
        check_output(tmp_path / "locked" / "bundle", force=False)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(InputError, match=f"--output: cannot write to {tmp_path}: Permission denied"):
        check_output(tmp_path / "bundle", force=False)


def test_a_bundle_is_moved_whole_and_the_old_one_goes(tmp_path: Path) -> None:
    made, output = tmp_path / "made", tmp_path / "bundle"
    for folder, text in ((made, "new"), (output, "old")):
        folder.mkdir()
        (folder / "model.onnx").write_text(text)
    (output / "left over").touch()
    move_into_place(made, output)
    assert {path.name: path.read_text() for path in output.iterdir()} == {"model.onnx": "new"}
    assert {path.name for path in tmp_path.iterdir()} == {"made", "bundle"}


def test_an_old_bundle_stays_until_the_new_one_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, output = tmp_path / "made", tmp_path / "bundle"
    for folder, text in ((made, "new"), (output, "old")):
        folder.mkdir()
        (folder / "model.onnx").write_text(text)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="No space left"):
        move_into_place(made, output)
    assert (output / "model.onnx").read_text() == "old"


@pytest.mark.parametrize("kind", ["a file", "a link to a folder"])
def test_what_is_no_folder_is_replaced_under_force_too(kind: str, tmp_path: Path) -> None:
    made, output, elsewhere = tmp_path / "made", tmp_path / "bundle", tmp_path / "elsewhere"
    for folder in (made, elsewhere):
        folder.mkdir()
        (folder / "model.onnx").write_text(folder.name)
    if kind == "a file":
        output.touch()
    else:
        output.symlink_to(elsewhere)
    check_output(output, force=True)
    move_into_place(made, output)
    assert not output.is_symlink()
    assert (output / "model.onnx").read_text() == "made"
    assert (elsewhere / "model.onnx").read_text() == "elsewhere"
    assert {path.name for path in tmp_path.iterdir()} == {"made", "bundle", "elsewhere"}
