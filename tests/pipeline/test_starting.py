"""Networks that are cut beside the teacher."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pipeline_runs import TIGHT, Ask, Run, Times, run_folder
from safetensors.torch import load_file, save_file
from tiny import Watcher

from compressor.errors import ExitCode, InputError
from compressor.pipeline import StoppedError, distilling
from compressor.records.architecture import Precision
from compressor.records.request import CompressRequest
from compressor.records.serial import load
from compressor.records.stages import Finalists, Raced


@pytest.fixture
def request_of(ask: Ask, teacher_ms: Times) -> CompressRequest:
    return ask(TIGHT * teacher_ms[Precision.INT8], max_accuracy_drop_points=100.0)


def test_a_network_without_a_head_is_distilled_and_joins_the_race(
    request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path
) -> None:
    watcher = Watcher()
    outcome = run(replace(request_of, starts=(str(bare),)), watcher=watcher)
    assert outcome.exit_code is ExitCode.MET
    folder = run_folder(tmp_path / "cache")
    finalists, raced = load(Finalists, folder / "search.json"), load(Raced, folder / "race.json")
    own = dict(zip(finalists.names, finalists.students, strict=True))["exact-start-1"]
    assert own.source is not None
    assert own.source.tag == "-start-1"
    assert own.source.root == own.source.architecture  # uncut
    assert own.architecture != own.source.architecture  # the limit is below the teacher's time
    assert len(raced.divergences) == len(finalists.students)
    given, distilled = (load_file(folder / f"{name}-start-1.safetensors") for name in ("given", "student"))
    assert any(not torch.equal(given[name], distilled[name]) for name in given)
    assert watcher.begun.count("distil") == 2


@pytest.fixture
def the_start_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def won(bench: object, finalists: Finalists, *, tag: str) -> Raced:
        return Raced(finalists.names.index("exact-start-1"), ())

    monkeypatch.setattr(distilling, "race", won)


@pytest.mark.usefixtures("the_start_wins")
def test_a_winner_that_was_cut_out_of_a_start_ships(
    request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path
) -> None:
    outcome = run(replace(request_of, starts=(str(bare),)))
    assert outcome.student is not None  # of the teacher's shape: students of lower limits may be cut out of it
    finalists = load(Finalists, run_folder(tmp_path / "cache") / "search.json")
    assert outcome.report.architecture == finalists.students[finalists.names.index("exact-start-1")].architecture


@pytest.mark.usefixtures("the_start_wins")
def test_a_student_of_another_shape_than_the_teacher_assists_nobody(
    request_of: CompressRequest, run: Run, bare: Path
) -> None:
    config = json.loads((bare / "config.json").read_text())
    last = config["num_hidden_layers"] - 1
    (bare / "config.json").write_text(json.dumps(config | {"num_hidden_layers": last}))
    weights = load_file(bare / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if f"layer.{last}." not in name}
    assert len(kept) < len(weights)
    save_file(kept, bare / "model.safetensors")
    outcome = run(replace(request_of, starts=(str(bare),)))
    assert outcome.report.chosen == "student"
    assert outcome.student is None


def test_another_start_is_another_run(request_of: CompressRequest, run: Run, bare: Path, tmp_path: Path) -> None:
    request = replace(request_of, starts=(str(bare),))
    for _ in range(2):
        with pytest.raises(StoppedError):
            run(request, stop_after="prepare")
        weights = load_file(bare / "model.safetensors")
        save_file({name: tensor + 1 for name, tensor in weights.items()}, bare / "model.safetensors")
    assert len(list((tmp_path / "cache" / "runs").iterdir())) == 2


def test_other_tokens_are_refused(request_of: CompressRequest, run: Run, bare: Path) -> None:
    path = bare / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    words = list(vocabulary)
    vocabulary.update({words[-1]: vocabulary[words[-2]], words[-2]: vocabulary[words[-1]]})
    vocabulary.update(dict(zip(words[5:], [vocabulary[word] for word in [*words[6:], words[5]]], strict=True)))
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match="expected the teacher's tokenizer"):
        run(replace(request_of, starts=(str(bare),)))


def test_fewer_positions_than_the_teacher_are_refused(request_of: CompressRequest, run: Run, bare: Path) -> None:
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 20}))
    weights = load_file(bare / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    save_file(weights | {name: weights[name][:20].contiguous()}, bare / "model.safetensors")
    with pytest.raises(InputError, match="positions, found 20"):
        run(replace(request_of, starts=(str(bare),)))


def test_a_family_without_an_adapter_is_refused(request_of: CompressRequest, run: Run, bare: Path) -> None:
    (bare / "config.json").write_text(json.dumps({"model_type": "mamba"}))
    with pytest.raises(InputError, match="'mamba'"):
        run(replace(request_of, starts=(str(bare),)))


def test_a_folder_that_is_not_there_is_refused(request_of: CompressRequest, run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run(replace(request_of, starts=(str(tmp_path / "nowhere"),)))
