"""The real teacher of `shared` on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compressor.export.graphs import final_graph
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.records.results import ROW_NAMES, Report
from compressor.records.serial import from_json
from compressor.runtimes import open_device
from compressor.tasks import Targets, TextTokenizer, get_metric, points, read_task
from compressor.tasks.outputs import engine_outputs
from compressor.teachers import load_teacher

ROWS = 200


def test_the_int8_engine_of_a_real_teacher_answers_like_it(shared: Path) -> None:
    teacher = load_teacher(shared / "models" / "minilm-l6-sst2")
    test = read_task(shared / "data" / "sst2", label_names=teacher.label_names).splits["test"]
    assert test.labels is not None
    texts, labels = test.texts[:ROWS], test.labels[:ROWS]
    tokens = TextTokenizer(teacher.folder).encode(texts, max_length=teacher.architecture.positions)
    device, accuracy = open_device("onnxruntime"), {}
    for precision in Precision:
        engine = device.compile(final_graph(teacher.encoder, precision).SerializeToString(), CompileOptions(1))
        accuracy[precision] = points(get_metric("accuracy")(engine_outputs(engine, tokens, pad_id=0), Targets(labels)))
    assert accuracy[Precision.FP32] > 85  # it was trained to 90.6 on dev
    assert abs(accuracy[Precision.FP32] - accuracy[Precision.INT8]) <= 3
    assert np.unique(labels).size == 2


@pytest.mark.real_data
def test_a_limit_that_the_int8_teacher_keeps_stops_at_the_ladder(shared: Path, tmp_path: Path, checkout: Path) -> None:
    arguments = ["--teacher", shared / "models" / "minilm-l6-sst2", "--data", shared / "data" / "sst2"]
    arguments += ["--output", tmp_path / "bundle", "--max-latency", "500ms", "--precision", "int8", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "compressor", "compress", *map(str, arguments)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    report = from_json(Report, done.stdout)
    assert report.chosen == ROW_NAMES[Precision.INT8]
    assert report.verification.accuracy.rows == 1821
    assert "distil" not in {stage.stage for stage in report.stages}
    assert json.loads((tmp_path / "bundle" / "manifest.json").read_text())["precision"] == "int8"
