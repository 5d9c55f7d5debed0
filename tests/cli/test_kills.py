"""Real processes that are killed in every stage end with the bits of one that never was."""

from pathlib import Path

import pytest
import tiny
from killing import (
    BEFORE_CHECKPOINT,
    EVERYWHERE,
    Command,
    Comparison,
    KillPoint,
    begun,
    compare,
    hand_over,
    kill_everywhere,
    on_cores,
)

from compressor.pipeline import STAGES

PRUNED = "130us"
ENOUGH_FOR_A_CHECKPOINT = {**tiny.ROWS, "train": 1500}  # 30 passes in batches of 64 are more than 500 steps


@pytest.fixture
def arguments(tiny_teacher: Path, fake_target: Path) -> list[str]:
    """Of a command that builds a student, without its data."""
    given = {"--teacher": tiny_teacher, "--target": fake_target, "--max-latency": PRUNED}
    given |= {"--batch": tiny.BATCH, "--sequence-length": tiny.LENGTH, "--time-budget": "4m"}
    return ["compress", *(str(part) for pair in given.items() for part in pair)]


def check(found: Comparison, points: tuple[KillPoint, ...]) -> None:
    assert found.exit_codes == (0, 0)
    assert found.killed == tuple(point.name for point in points)
    assert found.survivors == ()
    assert set(found.compared) == {"logits.npy", "score.json", "student.safetensors", "model.onnx", "engine.onnx"}
    assert found.differing == ()


def test_killed_at_two_points_it_ends_with_the_same_bits(
    arguments: list[str], tiny_data: Path, tmp_path: Path, checkout: Path
) -> None:
    points = (BEFORE_CHECKPOINT, begun("verify"))
    with on_cores(1):
        check(kill_everywhere([*arguments, "--data", str(tiny_data)], tmp_path, checkout, points), points)


@pytest.mark.heavy
@pytest.mark.parametrize("cores", [1, 2])
def test_killed_in_every_stage_it_ends_with_the_same_bits(
    arguments: list[str], tmp_path: Path, checkout: Path, cores: int
) -> None:
    data = tiny.write_data(tmp_path / "data", ENOUGH_FOR_A_CHECKPOINT)
    with on_cores(cores):
        check(kill_everywhere([*arguments, "--data", str(data)], tmp_path, checkout), EVERYWHERE)


def test_every_stage_has_a_kill_point() -> None:
    assert list(dict.fromkeys(point.stage for point in EVERYWHERE)) == list(STAGES)


def test_files_that_differ_or_are_missing_are_found(tmp_path: Path, checkout: Path) -> None:
    one, other = (Command([], tmp_path / name, checkout) for name in ("one", "other"))
    for command, weights in ((one, b"1"), (other, b"2")):
        run = command.cache / "compressor" / "runs" / "key"
        run.mkdir(parents=True)
        (run / "student-2.safetensors").write_bytes(weights)
        (run / "score.json").write_bytes(b"same")
        command.bundle.mkdir()
    (one.bundle / "model.onnx").write_bytes(b"graph")
    assert compare(one, other) == (
        ("score.json", "student-2.safetensors"),
        ("student-2.safetensors", "model.onnx"),
    )


def test_only_what_was_measured_is_handed_over(tmp_path: Path, checkout: Path) -> None:
    one, other = (Command([], tmp_path / name, checkout) for name in ("one", "other"))
    run = one.cache / "compressor" / "runs" / "key"
    run.mkdir(parents=True)
    for name in ("prepare.json", "search-2.json", "score.json", "distil.json", "choices.jsonl", "student.safetensors"):
        (run / name).write_text(name)
    hand_over(one, other)
    assert {path.name for path in other.run_folder.iterdir()} == {"prepare.json", "search-2.json", "choices.jsonl"}
