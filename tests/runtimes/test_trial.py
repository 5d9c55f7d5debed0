"""A runtime is tried by a graph of one node."""

import numpy as np
import onnxruntime
import pytest

from compressor.errors import UnavailableError
from compressor.runtimes import onnxruntime_cpu, trial


def test_a_runtime_that_runs_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    trial.main("onnxruntime")
    assert capsys.readouterr().out == f"{onnxruntime.__version__}\n"


def test_openvino_runs_the_same_graph(capsys: pytest.CaptureFixture[str]) -> None:
    openvino = pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    trial.main("openvino")
    version = capsys.readouterr().out.strip()
    assert version
    assert openvino.__version__.startswith(version)


def test_a_wrong_answer_is_no_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Wrong:
        def run(self, feeds: object) -> np.ndarray:
            return np.zeros((4, 4), dtype=np.float32)

    monkeypatch.setattr(onnxruntime_cpu, "compile_model", lambda model, options: Wrong())
    with pytest.raises(UnavailableError, match="multiplies wrongly"):
        trial.main("onnxruntime")
    assert capsys.readouterr().out == ""
