"""The data sets beside the checkout: row counts as their README has them, and their tokens."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from compressor.tasks import TextTokenizer, Tokens, default_length, encode_split, get_metric, read_task
from compressor.tasks.entities import spans

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
MODEL = SHARED / "models" / "minilm-l6-sst2"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no data sets at {DATA}")

# name: (rows per split, labels of train per class, evaluation split, its texts that are also in train)
SETS = {
    "sst2": ({"train": 67_349, "dev": 872, "test": 1_821}, [29_780, 37_569], "test", 2),
    "mrpc": ({"train": 3_668, "dev": 408, "test": 1_725}, [1_194, 2_474], "test", 0),
    "rte": ({"train": 2_490, "dev": 277}, [1_249, 1_241], "dev", 0),
    "cola": ({"train": 8_551, "dev": 1_043}, [2_528, 6_023], "dev", 18),
}


@pytest.mark.parametrize("name", SETS)
def test_rows_and_labels(name: str) -> None:
    rows, classes, evaluation, shared = SETS[name]
    data = read_task(DATA / name, label_names=("first", "second"))
    assert {split: len(found) for split, found in data.splits.items()} == rows
    labels = data.splits["train"].labels
    assert labels is not None
    assert np.bincount(labels).tolist() == classes
    assert data.spec.eval_split == evaluation
    assert len(data.spec.text_columns) == (2 if name in ("mrpc", "rte") else 1)
    notes = (f"{shared} of the {rows[evaluation]:,} texts of {evaluation} are also in train.",) if shared else ()
    assert data.notes == notes


def test_scores_of_sts_b() -> None:
    data = read_task(DATA / "sts-b")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 5_749, "dev": 1_500, "test": 1_379}
    assert (data.spec.kind, data.spec.metric, data.spec.eval_split) == ("regression", "pearson", "test")
    assert (data.spec.text_columns, data.spec.label_names) == (("sentence1", "sentence2"), ("score",))
    for name, mean in (("train", 2.701), ("dev", 2.364), ("test", 2.608)):
        labels = data.splits[name].labels
        assert labels is not None
        assert labels.mean() == pytest.approx(mean, abs=5e-4)


# split: (sentences, words, entities)
WNUT17 = {"train": (3_394, 62_730, 1_975), "dev": (1_009, 15_733, 836), "test": (1_287, 23_394, 1_079)}
TYPES = ("corporation", "creative-work", "group", "location", "person", "product")


def test_tags_of_wnut17() -> None:
    data = read_task(DATA / "wnut17")
    assert (data.spec.kind, data.spec.metric, data.spec.eval_split) == ("token-classification", "entity_f1", "test")
    assert data.spec.label_names == ("O", *(f"{prefix}-{name}" for name in TYPES for prefix in "BI"))
    for name, counts in WNUT17.items():
        split = data.splits[name]
        assert split.labels is not None
        assert split.offsets is not None
        tags = [data.spec.label_names[label] for label in split.labels]
        rows = [spans(tags[start:end]) for start, end in pairwise(split.offsets)]
        assert (len(split), len(split.labels), sum(map(len, rows))) == counts


@pytest.mark.skipif(not MODEL.exists(), reason=f"no teacher at {MODEL}")
def test_every_word_of_wnut17_that_has_pieces_counts_once() -> None:
    data = read_task(DATA / "wnut17")
    split = data.splits["dev"]
    tokenizer = TextTokenizer(MODEL)
    tokens, targets = encode_split(tokenizer, split, data.spec, max_length=512)
    words = [(word,) for (text,) in split.texts for word in text.split(" ")]
    has_pieces = tokenizer.encode(words, max_length=512).lengths > 2  # a few are characters that BERT removes
    assert 0 < (~has_pieces).sum() < 10
    assert split.labels is not None
    assert targets.values[targets.counted].tolist() == split.labels[has_pieces].tolist()
    assert targets.offsets is tokens.offsets
    perfect = np.eye(len(data.spec.label_names))[np.maximum(targets.values, 0)]
    assert get_metric("entity_f1")(perfect, targets) == 1.0


@pytest.mark.skipif(not MODEL.exists(), reason=f"no teacher at {MODEL}")
def test_tokens_of_sst2(tmp_path: Path) -> None:
    data = read_task(DATA / "sst2")
    tokenizer = TextTokenizer(MODEL)
    tokens = tokenizer.encode(data.splits["test"].texts, max_length=512)
    assert (len(tokens), tokens.truncated) == (1_821, 0)
    assert default_length(tokens.lengths) == 56
    first, last = tokens.offsets[:-1], tokens.offsets[1:] - 1
    assert (tokens.ids[first] == 101).all()
    assert (tokens.ids[last] == 102).all()
    tokens.save(tmp_path / "test")
    assert (Tokens.load(tmp_path / "test").ids == tokens.ids).all()


@pytest.mark.skipif(not MODEL.exists(), reason=f"no teacher at {MODEL}")
def test_tokens_of_pairs() -> None:
    texts = read_task(DATA / "rte").splits["dev"].texts
    tokens = TextTokenizer(MODEL).encode(texts, max_length=64)
    batch = tokens.padded(np.arange(len(tokens)), pad_id=0)
    assert batch["input_ids"].shape == (277, 64)
    assert ((batch["input_ids"] == 102).sum(axis=1) == 2).all()
    assert tokens.truncated == int((TextTokenizer(MODEL).encode(texts, max_length=512).lengths > 64).sum()) > 0
