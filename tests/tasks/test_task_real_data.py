"""The data sets beside the checkout: row counts as their README has them, and their tokens."""

from pathlib import Path

import numpy as np
import pytest

from compressor.errors import InputError
from compressor.tasks import TextTokenizer, Tokens, default_length, read_task

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


def test_regression_is_refused() -> None:
    with pytest.raises(InputError, match=r"train.tsv, line 2: found the float label '5.000'"):
        read_task(DATA / "sts-b")


def test_token_tags_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected .*train.tsv .*found dev.conll"):
        read_task(DATA / "wnut17")


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
