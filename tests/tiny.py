"""A tiny teacher that is really trained, its data in GLUE layout, and a profile whose device is the fake one.

The task is sentiment with negation: "the plot was not dull" is positive. No word decides alone, so a model that has
learnt it uses attention, and cutting it costs accuracy.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from compressor.encoder import INPUTS, Encoder
from compressor.records.architecture import Architecture, Layer
from compressor.tasks import TextTokenizer, Tokens, read_task
from compressor.teachers.bert import names

POSITIVE = ("good", "great", "funny", "warm", "clever", "moving")
NEGATIVE = ("bad", "dull", "silly", "cold", "clumsy", "boring")
SUBJECTS = ("the", "this", "film", "plot", "cast", "story", "music", "ending")
FILLERS = ("and", "with", "very", "some", "people", "in", "it", "today", "really", "for")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LABELS = ("negative", "positive")
ROWS = {"train": 600, "dev": 100, "test": 200}

SHAPE = Architecture(
    layers=(Layer(heads=4, neurons=64),) * 2,
    hidden=32,
    head_size=8,
    vocabulary=len((*SPECIAL, *POSITIVE, *NEGATIVE, *SUBJECTS, *FILLERS, "was", "not")),
    positions=48,
    token_types=2,
    classes=2,
)
# A workload at which the fake device spends most of its time in products, as real devices do with real teachers.
BATCH, LENGTH = 4, 32


def sentence(random: np.random.Generator) -> tuple[str, int]:
    """One text and its label."""
    positive, negated = bool(random.integers(2)), bool(random.integers(2))
    word = random.choice(POSITIVE if positive else NEGATIVE)
    before = random.choice(SUBJECTS, size=random.integers(1, 4))
    after = random.choice(FILLERS, size=random.integers(0, 14))
    return " ".join([*before, "was", *(["not"] if negated else []), word, *after]), int(positive != negated)


def write_data(folder: Path, rows: Mapping[str, int] = ROWS) -> Path:
    """train.tsv, dev.tsv and test.tsv with that many rows each; no text is in two of them."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    seen: set[str] = set()
    for split, count in rows.items():
        lines = ["sentence\tlabel"]
        while len(lines) <= count:
            text, label = sentence(random)
            if text not in seen:
                seen.add(text)
                lines.append(f"{text}\t{label}")
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer that knows every word."""
    vocabulary = {
        word: i for i, word in enumerate((*SPECIAL, *POSITIVE, *NEGATIVE, *SUBJECTS, *FILLERS, "was", "not"))
    }
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def config(shape: Architecture = SHAPE) -> dict[str, object]:
    """`config.json` of that shape in BERT's words."""
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": shape.hidden,
        "num_attention_heads": shape.hidden // shape.head_size,
        "num_hidden_layers": len(shape.layers),
        "intermediate_size": shape.layers[0].neurons,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.token_types,
        "hidden_act": "gelu",
        "layer_norm_eps": shape.norm_epsilon,
        "pad_token_id": 0,
        "id2label": {str(index): name for index, name in enumerate(LABELS)},
        "label2id": {name: index for index, name in enumerate(LABELS)},
    }


def write_teacher(folder: Path, data: Path) -> Path:
    """Train on train.tsv, and save in the layout of `save_pretrained`."""
    folder.mkdir(parents=True)
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(config(), indent=2), encoding="utf-8")
    tokens, labels = read_split(folder, data, "train")
    encoder = trained(SHAPE, tokens, labels)
    theirs = names(SHAPE)
    weights = {theirs[ours]: tensor.contiguous() for ours, tensor in encoder.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def read_split(teacher: Path, data: Path, split: str) -> tuple[Tokens, np.ndarray]:
    """Tokens and labels of one file."""
    rows = read_task(data, label_names=LABELS).splits[split]
    assert rows.labels is not None
    return TextTokenizer(teacher).encode(rows.texts, max_length=SHAPE.positions), rows.labels


def trained(shape: Architecture, tokens: Tokens, labels: np.ndarray, *, steps: int = 260, rows: int = 48) -> Encoder:
    """An encoder that has learnt the labels: a plain loop of torch, on purpose not the package's own."""
    torch.manual_seed(0)
    encoder = Encoder(shape)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            torch.nn.init.normal_(module.weight, std=0.08)
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    random = np.random.default_rng(0)
    for _ in range(steps):
        chosen = random.choice(len(tokens), size=rows, replace=False)
        batch = tokens.padded(chosen, pad_id=0)
        logits = encoder(*(torch.from_numpy(batch[name]) for name in INPUTS))
        loss = F.cross_entropy(logits, torch.from_numpy(labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return encoder.eval()


def write_profile(folder: Path, *, name: str = "fake-device", requires: Sequence[str] = ()) -> Path:
    """A hardware profile file whose runtime is the fake device with the virtual clock."""
    path = folder / f"{name}.yaml"
    lines = [f"name: {name}", "title: a device with a virtual clock", "kind: cpu", "runtime: fake"]
    if requires:
        lines.append(f"requires: [{', '.join(requires)}]")
    path.write_text("\n".join([*lines, "precisions: [fp32, int8]"]) + "\n", encoding="utf-8")
    return path


@dataclass
class Watcher:
    """An observer that remembers what it was told."""

    def __post_init__(self) -> None:
        self.begun: list[str] = []
        self.cached: dict[str, bool] = {}
        self.notes: list[str] = []
        self.shares: list[tuple[str, float]] = []

    def begin(self, stage: str, text: str) -> None:
        assert text
        self.begun.append(stage)

    def progress(self, share: float, text: str = "") -> None:
        self.shares.append((self.begun[-1], share))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self, stage: str, seconds: float, *, cached: bool) -> None:
        assert stage == self.begun[-1]
        self.cached[stage] = cached

    def close(self) -> None:
        """Nothing to give back."""
