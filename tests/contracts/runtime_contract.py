"""What every device promises, whatever runs below it: inherit `RuntimeContract` and give it a device.

class TestMyDevice(RuntimeContract):
    def device(self) -> Device: ...
"""

from pathlib import Path

import numpy as np
import pytest
from tiny_models import masked_batch, random_encoder, tiny, torch_logits

from compressor.encoder import INPUTS
from compressor.errors import UnavailableError
from compressor.records.latency import CompileOptions
from compressor.runtimes import Device
from compressor.runtimes.samples import STRETCH_RUNS

SHAPE = tiny((2, 32), (1, 16))
BATCH = masked_batch(SHAPE)
FULL = masked_batch(SHAPE, (6,))


class RuntimeContract:
    """Tests of any `compressor.runtimes.Device`."""

    tolerance = 1e-5  # float32, sums of at most some hundred terms of size 1

    def device(self) -> Device:
        """A fresh device."""
        raise NotImplementedError

    @pytest.fixture
    def model(self) -> bytes:
        return random_encoder(SHAPE).emit().SerializeToString()

    @pytest.fixture
    def expected(self) -> np.ndarray:
        return torch_logits(random_encoder(SHAPE), BATCH)

    def test_it_has_a_name_and_options(self) -> None:
        device = self.device()
        variants = device.option_variants(2)
        assert device.runtime
        assert variants
        assert len(set(variants)) == len(variants)
        assert all(options.threads == 2 and options.optimise for options in variants)

    def test_every_option_gives_the_outputs_of_the_graph(self, model: bytes, expected: np.ndarray) -> None:
        device = self.device()
        for options in device.option_variants(1):
            engine = device.compile(model, options)
            outputs = engine.run(BATCH)
            assert set(engine.inputs) == set(INPUTS)
            assert (outputs.dtype, outputs.shape) == (np.float32, (4, 3))
            np.testing.assert_allclose(outputs, expected, rtol=0, atol=self.tolerance)

    def test_a_model_may_come_from_a_file(self, model: bytes, expected: np.ndarray, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(model)
        engine = self.device().compile(tmp_path / "model.onnx", CompileOptions(1))
        np.testing.assert_allclose(engine.run(BATCH), expected, rtol=0, atol=self.tolerance)

    def test_a_saved_engine_gives_the_outputs_of_the_compiled_model(self, model: bytes, tmp_path: Path) -> None:
        device = self.device()
        path = tmp_path / "engine.onnx"
        for options in device.option_variants(1):
            loaded = device.compile(path, device.save_engine(model, options, path))
            np.testing.assert_array_equal(loaded.run(BATCH), device.compile(model, options).run(BATCH))

    def test_fresh_samples_are_raw_times_of_each_process(self, model: bytes, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(model)
        feeds = [FULL, masked_batch(SHAPE, (6,), seed=1)]
        told: list[float] = []
        samples = self.device().fresh_samples(
            path, feeds, CompileOptions(1), seconds=0.02, processes=2, progress=told.append
        )
        assert told == [0.5, 1.0]
        assert len(samples) == 2
        for times, yardstick in samples:
            assert (times.dtype, yardstick.dtype) == (np.int64, np.int64)
            assert times.ndim == yardstick.ndim == 1
            assert times.size >= STRETCH_RUNS
            assert yardstick.size == -(-times.size // STRETCH_RUNS)  # one before each stretch
            assert min(times.min(), yardstick.min()) > 0

    def test_the_clock_and_the_yardstick_advance(self) -> None:
        device = self.device()
        times = [device.clock()]
        for _ in range(3):
            device.yardstick()
            times.append(device.clock())
        assert all(isinstance(time, int) for time in times)
        assert times == sorted(set(times))

    @pytest.mark.parametrize("fault", ["garbage", "empty", "cut off", "unknown operator", "missing tensor"])
    def test_a_broken_model_is_unavailable(self, model: bytes, fault: str) -> None:
        import onnx

        graph = onnx.load_model_from_string(model)
        graph.graph.node[-1].op_type = "NoSuchOperator"
        orphan = onnx.load_model_from_string(model)
        orphan.graph.node[-1].input[0] = "nowhere"
        models = {
            "garbage": b"not a model",
            "empty": b"",
            "cut off": model[: len(model) // 2],
            "unknown operator": graph.SerializeToString(),
            "missing tensor": orphan.SerializeToString(),
        }
        with pytest.raises(UnavailableError, match="cannot load the graph"):
            self.device().compile(models[fault], CompileOptions(1))

    def test_a_missing_file_is_unavailable(self, tmp_path: Path) -> None:
        with pytest.raises(UnavailableError, match=r"cannot load the graph.*gone\.onnx"):
            self.device().compile(tmp_path / "gone.onnx", CompileOptions(1))
