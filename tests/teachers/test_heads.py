"""Which checkpoints have a classifier."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from compressor.teachers.heads import is_headless


def saved(folder: Path, *, head: bool, source: Path, pickled: bool = False) -> Path:
    """The weights of a teacher with or without what belongs to the classifier, and its whole config."""
    folder.mkdir()
    weights = load_file(source / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if head or not name.startswith("classifier")}
    if pickled:
        torch.save(kept, folder / "pytorch_model.bin")
    else:
        save_file(kept, folder / "model.safetensors")
    (folder / "config.json").write_text((source / "config.json").read_text())
    return folder


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("head", [False, True])
def test_the_weights_decide(tiny_teacher: Path, tmp_path: Path, head: bool, pickled: bool) -> None:
    folder = saved(tmp_path / "model", head=head, source=tiny_teacher, pickled=pickled)
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["BertForSequenceClassification"]
    assert is_headless(folder) == (not head)


def test_every_family_calls_its_classifier_so(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification

    sizes = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    for family in ("bert", "roberta", "xlm-roberta", "distilbert", "electra", "mpnet", "albert"):
        names = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16} if family == "distilbert" else sizes
        config = AutoConfig.for_model(family, vocab_size=20, **names)
        for kind, headless in (
            (AutoModel, True),
            (AutoModelForSequenceClassification, False),
            (AutoModelForTokenClassification, False),
        ):
            folder = tmp_path / family / kind.__name__
            kind.from_config(config).save_pretrained(folder)
            assert is_headless(folder) == headless, (family, kind)


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 40])
def test_what_cannot_be_read_is_left_to_loading(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    assert not is_headless(tmp_path)
    assert not is_headless(tmp_path / "nowhere")
