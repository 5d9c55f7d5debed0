"""The command of a report: what is in it, and that the command line understands it as it was meant."""

import shlex
from pathlib import Path

import pytest

from compressor.cli.parsing import parse_precisions
from compressor.records.architecture import Precision
from compressor.records.promise import Budget
from compressor.records.request import CompressRequest
from compressor.records.units import parse_bytes, parse_milliseconds, parse_percent, parse_seconds
from compressor.report import command_words, shell_text

BUNDLE = Path("bundle")


def options(words: tuple[str, ...]) -> dict[str, str]:
    """Of a command whose options all have a value."""
    assert words[:2] == ("compressor", "compress")
    return dict(zip(words[2::2], words[3::2], strict=True))


def test_defaults_are_left_out() -> None:
    words = command_words(CompressRequest("bert-base", "glue/sst2"), BUNDLE)
    assert words == ("compressor", "compress", "--teacher", "bert-base", "--data", "glue/sst2")


def test_every_other_option_is_there() -> None:
    request = CompressRequest(
        "bert-base",
        "glue/mnli",
        target="board.yaml",
        budget=Budget(0.00005, 99.0, 2.5, 20_000_000),
        batch=8,
        sequence_length=56,
        threads=4,
        precisions=(Precision.FP32, Precision.INT8),
        text_columns=("premise", "hypothesis"),
        label_column="gold",
        task="text-classification",
        metric="f1",
        eval_split="dev",
        search="evolution",
        starts=("minilm",),
        time_budget_s=345.0,
        seed=3,
    )
    found = options(command_words(request, Path("out/first try")))
    assert parse_milliseconds(found.pop("--max-latency")) == pytest.approx(0.00005)
    assert parse_bytes(found.pop("--max-size")) == 20_000_000
    assert parse_seconds(found.pop("--time-budget")) == 345.0
    assert parse_precisions(found.pop("--precision")) == request.precisions
    assert found == {
        "--teacher": "bert-base",
        "--data": "glue/mnli",
        "--output": "out/first try",
        "--target": "board.yaml",
        "--percentile": "99",
        "--max-accuracy-drop": "2.5",
        "--batch": "8",
        "--sequence-length": "56",
        "--threads": "4",
        "--text-column": "premise,hypothesis",
        "--label-column": "gold",
        "--task": "text-classification",
        "--metric": "f1",
        "--eval-split": "dev",
        "--search": "evolution",
        "--start": "minilm",
        "--seed": "3",
    }


def test_several_starts_are_given_several_times() -> None:
    words = command_words(CompressRequest("a", "b", starts=("one", "two")), BUNDLE)
    assert words[-4:] == ("--start", "one", "--start", "two")


@pytest.mark.parametrize("percent", [98.0, 98.3, 100.0, 99.0])
def test_agreement_is_asked_for_as_such(percent: float) -> None:
    budget = Budget(max_accuracy_drop_points=100.0 - percent)
    found = options(command_words(CompressRequest("a", "b", budget=budget, metric="agreement"), BUNDLE))
    assert parse_percent(found["--min-agreement"], "--min-agreement") == pytest.approx(percent, abs=1e-9)
    assert not {"--metric", "--max-accuracy-drop"} & set(found)


def test_a_shell_reads_the_words_that_were_meant() -> None:
    words = ("compressor", "compress", "--teacher", "it's here; rm x", "--data", "a b", "--force")
    text = shell_text(words)
    assert text.splitlines()[0] == "compressor compress \\"
    assert len(text.splitlines()) == 4
    assert tuple(shlex.split(text.replace("\\\n", ""))) == words
