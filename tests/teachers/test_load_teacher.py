"""Teachers against `transformers`' own model, and what is said of a folder that is not a teacher."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import masked_batch, onnx_logits, torch_logits

from compressor.errors import InputError
from compressor.records.architecture import Architecture, Layer
from compressor.teachers import (
    content_digest,
    label_names,
    load_base,
    load_teacher,
    read_architecture,
    task_kind,
)
from compressor.teachers.loading import base_architecture

CONFIG = {
    "model_type": "bert",
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "id2label": {"0": "entailment", "1": "neutral", "2": "contradiction"},
}


def checkpoint(seed: int = 0, classes: int = 3) -> dict[str, torch.Tensor]:
    """Weights under the names of a BERT checkpoint, written down from Devlin et al.'s layout."""
    hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    shapes = {
        "bert.embeddings.word_embeddings": (50, hidden),
        "bert.embeddings.position_embeddings": (12, hidden),
        "bert.embeddings.token_type_embeddings": (2, hidden),
        "bert.pooler.dense": (hidden, hidden),
        "classifier": (classes, hidden),
    }
    norms = ["bert.embeddings.LayerNorm"]
    for index in range(CONFIG["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{index}"
        shapes |= {f"{layer}.attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
        shapes |= {f"{layer}.attention.output.dense": (hidden, hidden)}
        shapes |= {f"{layer}.intermediate.dense": (inner, hidden), f"{layer}.output.dense": (hidden, inner)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    generator = torch.Generator().manual_seed(seed)

    def random(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator) * 0.3

    weights = {f"{name}.weight": random(*shape) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": random(shape[0]) for name, shape in shapes.items() if "embeddings" not in name}
    for name in norms:
        weights |= {f"{name}.weight": 1 + random(hidden), f"{name}.bias": random(hidden)}
    return weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good teacher without a tokenizer."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    save_file(checkpoint(), tmp_path / "model.safetensors")
    return tmp_path


def change_config(folder: Path, **changes: Any) -> None:
    kept = {name: value for name, value in {**CONFIG, **changes}.items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept), encoding="utf-8")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def test_a_teacher_has_the_shape_of_its_config(folder: Path) -> None:
    teacher = load_teacher(folder)
    assert teacher.architecture == Architecture((Layer(4, 40),) * 3, 24, 6, 50, 12, 2, 3, "gelu", 1e-12)
    assert teacher.label_names == ("entailment", "neutral", "contradiction")
    assert (teacher.folder, teacher.config["hidden_act"]) == (folder, "gelu")
    assert not teacher.encoder.training


def test_the_shape_alone_needs_the_config_alone(folder: Path) -> None:
    shape = load_teacher(folder).architecture
    for file in folder.iterdir():
        if file.name != "config.json":
            file.unlink()
    assert read_architecture(folder) == shape
    (folder / "config.json").write_text(json.dumps({"model_type": "albert"}))
    with pytest.raises(InputError, match="the family 'albert' is not supported; supported: bert, "):
        read_architecture(folder)


def test_the_shape_of_a_base_has_the_head_that_it_gets(folder: Path) -> None:
    labels = ("bad", "fair", "good", "great")
    whole = load_base(folder, labels, kind="text-classification", seed=0).architecture
    (folder / "model.safetensors").unlink()
    assert base_architecture(folder, labels, kind="text-classification") == whole
    assert whole.classes == 4
    assert base_architecture(folder, ("O", "B-place"), kind="token-classification").per_token


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_logits_are_those_of_transformers(tmp_path: Path, activation: str) -> None:
    """A saved model with random weights, three classes, a masked batch and both token types."""
    from transformers import BertConfig, BertForSequenceClassification

    names = {0: "neutral", 1: "contradiction", 2: "entailment"}
    plain = {name: value for name, value in CONFIG.items() if name not in ("model_type", "id2label")}
    config = BertConfig(
        **{**plain, "hidden_act": activation}, id2label=names, label2id={v: k for k, v in names.items()}
    )
    model = BertForSequenceClassification(config).eval()
    model.load_state_dict(checkpoint(seed=3), strict=False)
    model.save_pretrained(tmp_path)
    teacher = load_teacher(tmp_path)
    assert teacher.label_names == ("neutral", "contradiction", "entailment")
    batch = masked_batch(teacher.architecture, (9, 4, 12, 1))
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(value) for name, value in batch.items()}).logits.numpy()
    np.testing.assert_allclose(torch_logits(teacher.encoder, batch), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(onnx_logits(teacher.encoder.emit(), batch), expected, rtol=0, atol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.real_data
def test_a_real_teacher_answers_as_in_transformers(shared: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = shared / "models" / "minilm-l6-sst2"
    if not path.is_dir():
        pytest.skip(f"no {path}")
    texts = [
        "a gorgeous , witty , seductive movie .",
        "the film is dull , lifeless and badly acted",
        "it 's neither great nor terrible",
        "unflinchingly bleak and desperate",
        "ok",
        "i would not call this a failure , but it comes close to one",
        "one of the best films of the year , with a wonderful cast and a script that never puts a foot wrong",
        "?",
    ]
    batch = dict(AutoTokenizer.from_pretrained(path)(texts, padding=True, return_tensors="np"))
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    batch = {name: np.asarray(value, dtype=np.int64) for name, value in batch.items()}
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(value) for name, value in batch.items()}).logits.numpy()
    teacher = load_teacher(path)
    np.testing.assert_allclose(torch_logits(teacher.encoder, batch), expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(onnx_logits(teacher.encoder.emit(), batch), expected, rtol=0, atol=1e-4)
    assert teacher.label_names == tuple(model.config.id2label[i] for i in range(model.config.num_labels))
    assert expected[0].argmax() != expected[1].argmax()


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"id2label": {"10": "k", "2": "c", "0": "a"}}, ("a", "c", "k")),  # by number, not by spelling
        ({"id2label": {0: "no", 1: "yes"}, "num_labels": 5}, ("no", "yes")),
        ({"num_labels": 3}, ("0", "1", "2")),
        ({}, ("0", "1")),
        ({"id2label": {}}, ("0", "1")),
        ({"id2label": {"0": "LABEL_0"}}, ("score",)),
        ({"num_labels": 1}, ("score",)),
        ({"id2label": {"0": "similarity"}}, ("similarity",)),
    ],
)
def test_label_names(config: dict[str, Any], names: tuple[str, ...]) -> None:
    assert label_names(config) == names


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"architectures": ["BertForTokenClassification"], "num_labels": 1}, "token-classification"),
        ({"architectures": ["BertForSequenceClassification"], "num_labels": 1}, "regression"),
        ({"problem_type": "regression", "id2label": {"0": "similarity"}}, "regression"),
        ({"problem_type": "single_label_classification"}, "text-classification"),
        ({"architectures": ["BertForSequenceClassification"], "problem_type": None}, "text-classification"),
        ({"architectures": None, "num_labels": 4}, "text-classification"),
    ],
)
def test_the_kind_of_task_follows_from_the_config(config: dict[str, Any], kind: str) -> None:
    assert task_kind(config) == kind


def test_the_digest_depends_on_config_and_weights(folder: Path) -> None:
    first, again = load_teacher(folder).digest, load_teacher(folder).digest
    change_config(folder, layer_norm_eps=1e-5)
    other_config = load_teacher(folder).digest
    change_weights(folder, lambda weights: weights["classifier.bias"].add_(1))
    assert first == again
    assert len({first, other_config, load_teacher(folder).digest}) == 3


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_the_digest_depends_on_what_the_tokenizer_is_read_from(folder: Path, name: str) -> None:
    digests = [content_digest(folder)]
    for text in ("one", "two"):
        (folder / name).write_text(text, encoding="utf-8")
        digests.append(content_digest(folder))
    (folder / "README.md").write_text("nothing that is read", encoding="utf-8")
    assert len(set(digests)) == 3
    assert content_digest(folder) == digests[-1]


def test_a_vocabulary_beside_a_whole_tokenizer_is_not_read(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    first = content_digest(folder)
    (folder / "vocab.txt").write_text("of an older tokenizer", encoding="utf-8")
    assert content_digest(folder) == first


def test_half_precision_weights_become_float32(folder: Path) -> None:
    save_file({name: value.half() for name, value in checkpoint().items()}, folder / "model.safetensors")
    encoder = load_teacher(folder).encoder
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    torch.testing.assert_close(encoder.head.classifier.bias.detach(), checkpoint()["classifier.bias"].half().float())


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--teacher: expected a folder .*gone is not a folder\. Save a model with"):
        load_teacher(tmp_path / "gone")


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors is not a folder"):
        load_teacher(folder / "model.safetensors")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"--teacher: cannot read .*config\.json: No such file"):
        load_teacher(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"model_type": "bert",', "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "holds list, expected a JSON object"),
    ],
)
def test_a_broken_config(folder: Path, text: bytes, message: str) -> None:
    (folder / "config.json").write_bytes(text)
    with pytest.raises(InputError, match=rf"--teacher: .*config\.json {message}"):
        load_teacher(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "the family 'gpt2' is not supported; supported: bert"),
        ({"model_type": ...}, "the family None is not supported; supported: bert"),
        ({"hidden_act": "gelu_new"}, "has hidden_act = 'gelu_new'; supported: 'gelu', 'relu'"),
        ({"hidden_act": ...}, "has hidden_act = None; supported: 'gelu', 'relu'"),
        (
            {"position_embedding_type": "relative_key"},
            "position_embedding_type = 'relative_key'; supported: 'absolute'",
        ),
        ({"intermediate_size": ...}, r"config\.json has no field 'intermediate_size'; is it a bert config\?"),
        ({"hidden_size": "wide"}, r"config\.json is not a valid bert config: invalid literal for int.*'wide'"),
        ({"num_attention_heads": 0}, r"config\.json is not a valid bert config: .*zero"),
        ({"intermediate_size": -4}, r"config\.json is not a valid bert config: layer 0"),
        ({"id2label": {"first": "no", "second": "yes"}}, "is not a valid bert config: .*'first'"),
        ({"vocab_size": None}, "is not a valid bert config: int"),
        (
            {"problem_type": "multi_label_classification"},
            "problem_type = 'multi_label_classification'; supported: 'regression', 'single_label_classification'",
        ),
        ({"problem_type": "regression"}, "has problem_type = 'regression' and 3 labels; expected one"),
    ],
)
def test_a_config_that_cannot_be_expressed(folder: Path, change: dict[str, Any], message: str) -> None:
    change_config(folder, **change)
    with pytest.raises(InputError, match=message):
        load_teacher(folder)


def test_absolute_positions_may_be_said(folder: Path) -> None:
    change_config(folder, position_embedding_type="absolute")
    assert load_teacher(folder).architecture.positions == 12


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no weights: expected model\.safetensors \(or pytorch_model\.bin\)"):
        load_teacher(folder)


@pytest.mark.parametrize("size", [0, 5, 200, -100])
def test_a_cut_off_safetensors_file(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"model\.safetensors cannot be read, is it whole\?"):
        load_teacher(folder)


def drop(name: str) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda weights: weights.pop(name)


def put(name: str, value: torch.Tensor) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda weights: weights.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            drop("classifier.weight"),
            r"lacks 1 weights, the first is classifier\.weight \(the classifier is missing: fine-tune the model",
        ),
        (drop("bert.pooler.dense.bias"), r"lacks 1 weights, the first is bert\.pooler\.dense\.bias$"),
        (
            put("classifier.weight", torch.zeros(2, 24)),
            r"classifier\.weight in .*model\.safetensors has shape \(2, 24\), config\.json says \(3, 24\)",
        ),
        (
            put("bert.encoder.layer.1.output.dense.bias", torch.full((24,), float("nan"))),
            r"bert\.encoder\.layer\.1\.output\.dense\.bias in .* holds values that are not finite",
        ),
        (put("classifier.bias", torch.tensor([0.0, float("inf"), 0.0])), r"classifier\.bias in .* not finite"),
    ],
)
def test_faulty_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str) -> None:
    change_weights(folder, change)
    with pytest.raises(InputError, match=message):
        load_teacher(folder)


def test_weights_that_nobody_asked_for_are_passed_over(folder: Path) -> None:
    change_weights(folder, put("cls.predictions.bias", torch.zeros(50)))
    assert load_teacher(folder).encoder is not None


@pytest.fixture
def pickled(folder: Path) -> Path:
    """The path of a `pytorch_model.bin` beside a good config, without safetensors."""
    (folder / "model.safetensors").unlink()
    return folder / "pytorch_model.bin"


def test_a_good_pickled_checkpoint_is_read(folder: Path) -> None:
    expected = load_teacher(folder)
    (folder / "model.safetensors").unlink()
    torch.save(checkpoint(), folder / "pytorch_model.bin")
    found = load_teacher(folder)
    batch = masked_batch(found.architecture)
    np.testing.assert_array_equal(torch_logits(found.encoder, batch), torch_logits(expected.encoder, batch))


def test_safetensors_are_preferred(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert load_teacher(folder).encoder is not None


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (_spring, (str(self.marker),))


def _spring(marker: str) -> str:
    Path(marker).write_text("executed", encoding="utf-8")
    return marker


@pytest.mark.parametrize("zipped", [True, False], ids=["torch.save", "plain pickle"])
def test_a_pickle_is_never_executed(pickled: Path, tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "marker"
    content = {**checkpoint(), "trap": Trap(marker)}
    if zipped:
        torch.save(content, pickled)
    else:
        pickled.write_bytes(pickle.dumps(Trap(marker)))
        pickle.loads(pickled.read_bytes())
        assert marker.exists()  # the trap works
        marker.unlink()
    with pytest.raises(InputError, match=r"holds more than tensors and will not be unpickled; save it as safetensors"):
        load_teacher(pickled.parent)
    assert not marker.exists()


def test_a_cut_off_pickle(pickled: Path) -> None:
    torch.save(checkpoint(), pickled)
    pickled.write_bytes(pickled.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"pytorch_model\.bin cannot be read, is it whole\?"):
        load_teacher(pickled.parent)


def test_a_pickle_that_is_not_a_dictionary(pickled: Path) -> None:
    torch.save(torch.zeros(3), pickled)
    with pytest.raises(InputError, match=r"pytorch_model\.bin holds Tensor, expected a dictionary of tensors"):
        load_teacher(pickled.parent)


def test_an_entry_that_is_no_tensor_is_missing(pickled: Path) -> None:
    torch.save({**checkpoint(), "classifier.bias": [0.0, 0.0, 0.0]}, pickled)
    with pytest.raises(InputError, match=r"lacks 1 weights, the first is classifier\.bias"):
        load_teacher(pickled.parent)
