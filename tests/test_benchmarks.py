"""Every script of `benchmarks/` can be imported: a name that the package does not have any more is found here."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# They run in environments of their own, whose packages are not in this one.
ELSEWHERE = ("build_", "check_optimum")
IMPORT = """
import importlib, sys, traceback
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
"""


def test_every_module_can_be_imported() -> None:
    files = sorted((CHECKOUT / "benchmarks").rglob("*.py"))
    names = [
        ".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if not (file.parent.name == "peers" and file.name.startswith(ELSEWHERE)) and ".peers" not in file.parts
    ]
    assert "benchmarks.peers.worker" in names
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *names],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
