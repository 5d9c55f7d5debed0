"""Bundles that answer with a score or with entities: graphs made by hand, so that every answer is known."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundles import edit_manifest, make_bundle, rehash
from onnx import ModelProto
from word_models import score_model, token_model

import compressor
from compressor.cli.app import run
from compressor.errors import InputError
from compressor.export import ENGINE
from compressor.records.task import TaskSpec
from compressor.tasks import TextTokenizer
from compressor.verification import EntitiesPrediction, ScorePrediction

TAGS = ("O", "B-work", "I-work", "B-mood")
TOKEN_TASK = TaskSpec("token-classification", ("tokens",), "tags", TAGS, "entity_f1", "test")
SCORE_TASK = TaskSpec("regression", ("sentence",), "label", ("score",), "pearson", "test")
# Logits of the tags at each word; every other token is `O` with certainty.
LOGITS = {
    "the": [0.0, 2.0, 0.0, 0.0],
    "film": [0.0, 0.0, 1.0, 0.0],
    "good": [0.0, 0.0, 0.0, 3.0],
}
Make = Callable[[TaskSpec, ModelProto], Path]


def _ids(folder: Path) -> dict[str, int]:
    words = ("the", "film", "was", "good")
    tokens = TextTokenizer(folder).encode([(word,) for word in words], max_length=8)
    return {word: int(tokens.row(row)[0][1]) for row, word in enumerate(words)}


def _table(ids: dict[str, int], values: dict[str, list[float]], other: list[float]) -> np.ndarray:
    table = np.tile(np.array(other, dtype=np.float32), (40, 1))
    for word, row in values.items():
        table[ids[word]] = row
    return table


@pytest.fixture(scope="module")
def bundle(tiny_teacher: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose engine is to be replaced."""
    folder = tmp_path_factory.mktemp("kinds") / "bundle"
    make_bundle(folder, tiny_teacher, tiny_data)
    return folder


@pytest.fixture
def make(bundle: Path, tmp_path: Path) -> Make:
    """The bundle with another task and another engine."""

    def copy(task: TaskSpec, model: ModelProto) -> Path:
        folder = tmp_path / "bundle"
        shutil.copytree(bundle, folder)
        (folder / ENGINE).write_bytes(model.SerializeToString())
        edit_manifest(folder, task=task)
        rehash(folder)
        return folder

    return copy


@pytest.fixture
def entities(make: Make, bundle: Path) -> Path:
    """A bundle that finds works and moods."""
    return make(TOKEN_TASK, token_model(_table(_ids(bundle), LOGITS, [9.0, 0.0, 0.0, 0.0])))


def _probability(logits: list[float]) -> float:
    return float(np.exp(max(logits)) / np.exp(logits).sum())


def test_entities_have_labels_scores_and_places_in_the_text(entities: Path) -> None:
    text = "  The film\twas good the"
    (answer,) = compressor.load(entities)([text])
    assert isinstance(answer, EntitiesPrediction)
    found = [(entity.label, text[entity.start : entity.end]) for entity in answer.entities]
    assert found == [("work", "The film"), ("mood", "good"), ("work", "the")]
    work = (_probability(LOGITS["the"]) + _probability(LOGITS["film"])) / 2
    expected = [work, _probability(LOGITS["good"]), _probability(LOGITS["the"])]
    assert [entity.score for entity in answer.entities] == pytest.approx(expected, abs=1e-6)


def test_the_first_piece_of_a_word_decides(entities: Path) -> None:
    # BERT's tokenizer cuts at the hyphen: "was" is outside, and that "good" would be a mood does not matter.
    (answer,) = compressor.load(entities)(["was-good good-was"])
    assert isinstance(answer, EntitiesPrediction)
    assert [(entity.label, entity.start, entity.end) for entity in answer.entities] == [("mood", 9, 17)]


def test_words_beyond_the_longest_input_are_outside(entities: Path) -> None:
    edit_manifest(entities, max_length=4)
    (answer, empty) = compressor.load(entities)(["was good good good", ""])
    assert isinstance(answer, EntitiesPrediction)
    assert [(entity.start, entity.end) for entity in answer.entities] == [(4, 8)]
    assert empty == EntitiesPrediction(())


def test_pairs_have_no_entities(entities: Path) -> None:
    with pytest.raises(InputError, match="answers single texts"):
        compressor.load(entities)([("the film", "was good")])


def test_a_score_is_the_output(make: Make, bundle: Path) -> None:
    values = {"good": [2.5], "film": [-0.5]}
    folder = make(SCORE_TASK, score_model(_table(_ids(bundle), values, [0.0])))
    assert compressor.load(folder)(["the film was good", "was", "good good"]) == [
        ScorePrediction(2.0),
        ScorePrediction(0.0),
        ScorePrediction(5.0),
    ]


def test_the_command_prints_entities_as_json(entities: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", str(entities), "was good"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert line == {
        "text": "was good",
        "entities": [{"label": "mood", "score": pytest.approx(_probability(LOGITS["good"])), "start": 4, "end": 8}],
    }
