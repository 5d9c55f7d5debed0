"""What stands beside an engine in its report, where it cannot be measured."""

from dataclasses import replace
from pathlib import Path

import pytest
from pipeline_runs import Ask
from tiny import BATCH, LENGTH, Watcher

from compressor.errors import CompressorError, ResourceError, UnavailableError
from compressor.pipeline import finishing
from compressor.pipeline.workbench import Workbench
from compressor.records.promise import Workload

pytest.importorskip("transformers", reason="the eager baseline needs transformers")


@pytest.mark.parametrize("error", [ResourceError("killed by the system"), UnavailableError("it died")], ids=str)
def test_a_report_does_without_an_eager_baseline_that_fails(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: CompressorError
) -> None:
    def fails(*given: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(finishing, "eager_baseline", fails)
    watcher = Watcher()
    bench = Workbench(ask(5.0), cache=tmp_path / "cache", observer=watcher)
    assert bench.device.runtime == "fake 1"  # opened before the profile is one whose device has a real clock
    bench.__dict__["profile"] = replace(bench.profile, runtime="onnxruntime")
    assert finishing._eager_row(bench, Workload(BATCH, LENGTH, 1)) is None
    assert watcher.notes == [f"no eager baseline: {error}"]
