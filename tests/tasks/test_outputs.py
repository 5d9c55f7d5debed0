"""Outputs of all rows, of models that answer per row and per token, whatever the batches are."""

import numpy as np
import pytest
from word_models import score_model, token_model

from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import open_device
from compressor.tasks import Tokens
from compressor.tasks.outputs import engine_outputs, model_outputs
from compressor.tasks.ragged import offsets_of, row_sums

VOCABULARY, CLASSES = 30, 4
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(VOCABULARY, CLASSES)).astype(np.float32)
LENGTHS = RANDOM.integers(1, 12, 25)
IDS = RANDOM.integers(0, VOCABULARY, LENGTHS.sum()).astype(np.int32)
TOKENS = Tokens(IDS, np.zeros(len(IDS), dtype=np.uint8), offsets_of(LENGTHS))


@pytest.mark.parametrize("batch_tokens", [0, 40, 10_000])
def test_answers_per_token_lie_beside_their_tokens(batch_tokens: int) -> None:
    engine = open_device("onnxruntime").compile(token_model(TABLE).SerializeToString(), CompileOptions(1))
    shares: list[float] = []
    found = engine_outputs(engine, TOKENS, pad_id=3, batch_tokens=batch_tokens, progress=shares.append)
    np.testing.assert_array_equal(found, TABLE[IDS])
    assert found.dtype == np.float32
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("precision", list(Precision))
def test_scores_are_one_per_row(precision: Precision) -> None:
    model = score_model(TABLE[:, :1]).SerializeToString()
    device, options = open_device("onnxruntime"), CompileOptions(1)
    found = model_outputs(device, model, options, TOKENS, precision=precision, threads=1, pad_id=3)
    expected = row_sums(TABLE[IDS, 0].astype(np.float64), TOKENS.offsets)
    assert found.shape == (len(TOKENS), 1)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
