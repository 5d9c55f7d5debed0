"""What happens at the edges: killed in every stage, bad input, no network; each in processes of its own."""

import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.commands import run_command
from benchmarks.harness import CHECKOUT
from tests import tiny
from tests.bad_inputs import CASES, arguments
from tests.killing import kill_everywhere

PRUNED = "130us"  # of the tiny teacher on the fake device: needs a student
ENOUGH_FOR_A_CHECKPOINT = {**tiny.ROWS, "train": 1500}


def resume() -> dict[str, Any]:
    """A tiny teacher's run killed in every stage, against one that nobody interrupted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = tiny.write_data(folder / "data", ENOUGH_FOR_A_CHECKPOINT)
        teacher = tiny.write_teacher(folder / "teacher", tiny.write_data(folder / "small"))
        given = {"--teacher": teacher, "--data": data, "--target": tiny.write_profile(folder), "--max-latency": PRUNED}
        given |= {"--batch": tiny.BATCH, "--sequence-length": tiny.LENGTH, "--time-budget": "4m"}
        flags = [str(part) for pair in given.items() for part in pair]
        found = kill_everywhere(["compress", *flags], folder, CHECKOUT)
    same = not found.differing and not found.survivors and found.exit_codes[0] == found.exit_codes[1]
    return {"identical": int(same), "killed": list(found.killed), "compared": list(found.compared)}


def bad_inputs() -> dict[str, Any]:
    """Every case of bad input: exit code 2, a message that says what is wrong, no traceback."""
    clear, other = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = tiny.write_data(folder / "data")
        teacher, target = tiny.write_teacher(folder / "teacher", data), tiny.write_profile(folder)
        for case in CASES:
            with tempfile.TemporaryDirectory() as place:
                given = arguments(case, teacher, data, str(target), Path(place))
                row = run_command(given, environment={"XDG_CACHE_HOME": str(Path(place) / "cache")})
            said = "\n".join(row["output"])
            if row["exit_code"] == 2 and re.search(case.message, said) and "Traceback" not in said:
                clear.append(case.name)
            else:
                other[case.name] = row
    return {"cases": len(CASES), "clear": len(clear), "names": clear, "others": other}


def offline() -> dict[str, Any]:
    """An alias where no hub can be reached."""
    with tempfile.TemporaryDirectory() as folder:
        given = ["--teacher", "bert-base", "--target", "cpu", "--max-latency", "5ms", "--output", f"{folder}/bundle"]
        return run_command(["compress", *given])
