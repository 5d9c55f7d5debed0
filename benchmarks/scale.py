"""A teacher of BERT-base's shape with random weights, and a small part of SST-2."""

import json
import shutil
from pathlib import Path

import torch

SENTENCES, EVALUATED = 2000, 400


def write_bert_base(folder: Path, *, tokenizer: Path) -> Path:
    """12 x 768 with 12 heads and 3,072 neurons, 110 M parameters, seeded; the tokenizer of another BERT."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(num_labels=2))
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"0": "negative", "1": "positive"}
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, folder / name)
    return folder


def write_sentences(folder: Path, *, source: Path) -> Path:
    """`SENTENCES` whole training sentences and `EVALUATED` of dev."""
    folder.mkdir()
    for target, name, rows in (("train", "train_sentences", SENTENCES), ("dev", "dev", EVALUATED)):
        lines = (source / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[: rows + 1]
        (folder / f"{target}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
