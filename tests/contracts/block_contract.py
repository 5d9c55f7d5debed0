"""What every block and aggregation of a searched student must do: inherit it, and say which."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from tiny_models import tiny
from torch import Tensor

from compressor.encoder import FLOAT, make_block
from compressor.encoder.blocks import Block, Masks
from compressor.encoder.blocks.alone import block_graph
from compressor.gate.facts import product_operations
from compressor.latency.probes import weight_bytes
from compressor.precision import apply_precision
from compressor.precision.int8_static import quantised_inputs
from compressor.precision.ranges import Range
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes import onnxruntime_cpu
from compressor.runtimes.local import OPENVINO, LocalDevice

WIDTH, LENGTHS = 16, (6, 1, 4)
SHAPE = tiny(hidden=WIDTH)
# What only a product that was quantised has in front of it.
QUANTISING = {Precision.INT8: "DynamicQuantizeLinear", Precision.INT8_STATIC: "QuantizeLinear"}

Feeds = Mapping[str, NDArray[Any]]


def batch(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Hidden states [rows, longest, WIDTH] with garbage behind each row, and their mask."""
    random = np.random.default_rng(seed)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return torch.from_numpy(random.standard_normal((*mask.shape, WIDTH)).astype(np.float32)), torch.from_numpy(mask)


def feeds_of(x: Tensor, mask: Tensor) -> Feeds:
    """Inputs of a block's graph."""
    return {"hidden": x.numpy(), "attention_mask": mask.numpy()}


def answer(model: onnx.ModelProto, feeds: Feeds, options: CompileOptions) -> Tensor:
    """What a block's graph computes."""
    engine = LocalDevice().compile(model.SerializeToString(), options)
    return torch.from_numpy(engine.run({name: feeds[name] for name in engine.inputs}))


def ranges_of(model: onnx.ModelProto, feeds: Feeds) -> dict[str, Range]:
    """Of all activations that are quantised, from the smallest to the largest value."""
    names = quantised_inputs(model)
    inner = [name for name in names if name not in feeds]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in inner)
    engine = onnxruntime_cpu.compile_model(model.SerializeToString(), CompileOptions(1))
    values = {**feeds, **engine.run_all({name: feeds[name] for name in engine.inputs})}
    return {name: Range(min(0.0, float(values[name].min())), max(0.0, float(values[name].max()))) for name in names}


def options_of(precision: Precision) -> list[CompileOptions]:
    """One per runtime here that computes that precision in int8."""
    fused = precision is Precision.INT8_STATIC and LocalDevice().static
    return [CompileOptions(1), *([CompileOptions(1, runtime=OPENVINO)] if fused else [])]


class BlockContract:
    """Inherited by the tests of a block."""

    name: ClassVar[str]
    products: ClassVar[bool] = True  # it has some with constant matrices, which int8 quantises
    rows_behind: ClassVar[int | None] = None  # None = as many as in front

    def operations(self, length: int) -> int:
        """Multiplications and additions of its products for one row of so many tokens, by hand."""
        del length
        return 0

    @pytest.fixture
    def block(self) -> Block:
        torch.manual_seed(0)
        return make_block(self.name, SHAPE).eval()

    @torch.inference_mode()
    def called(self, block: Block, x: Tensor, mask: Tensor) -> Tensor:
        return block(x, Masks(mask, x.dtype))

    def of_tokens(self, out: Tensor, mask: Tensor) -> Tensor:
        """What somebody reads: all of an aggregation, else the tokens."""
        return out[mask.bool()] if self.rows_behind is None else out

    def test_the_graph_computes_what_torch_does(self, block: Block) -> None:
        model = block_graph(block)
        for lengths in (LENGTHS, (1,), (9, 9), (2, 11)):
            x, mask = batch(lengths)
            out = self.called(block, x, mask)
            assert out.shape == (len(lengths), self.rows_behind or max(lengths), WIDTH)
            found = self.of_tokens(answer(model, feeds_of(x, mask), CompileOptions(1)), mask)
            torch.testing.assert_close(found, self.of_tokens(out, mask), rtol=0, atol=2e-6)

    @pytest.mark.parametrize("precision", QUANTISING)
    def test_int8_quantises_its_products(self, block: Block, precision: Precision) -> None:
        x, mask = batch()
        ranges = ranges_of(block_graph(block), feeds_of(x, mask))
        int8 = apply_precision(block_graph(block), precision, ranges)
        assert any(node.op_type == QUANTISING[precision] for node in int8.graph.node) == self.products
        if not self.products:
            return
        assert weight_bytes(int8) < weight_bytes(block_graph(block))
        expected = self.of_tokens(self.called(block, x, mask), mask)
        for options in options_of(precision):
            found = self.of_tokens(answer(int8, feeds_of(x, mask), options), mask)
            assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max(), options.runtime

    def test_what_is_behind_a_row_changes_nothing(self, block: Block) -> None:
        x, mask = batch()
        other = torch.where(mask.bool()[:, :, None], x, torch.tensor(7.0))
        found, expected = (self.of_tokens(self.called(block, each, mask), mask) for each in (other, x))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)

    def test_rows_do_not_see_each_other(self, block: Block) -> None:
        x, mask = batch()
        together = self.called(block, x, mask)
        for row, length in enumerate(LENGTHS):
            alone = self.called(block, x[row : row + 1, :length], mask[row : row + 1, :length])
            rows = self.rows_behind or length
            torch.testing.assert_close(together[row : row + 1, :rows], alone, rtol=0, atol=1e-6)

    def test_gradients_are_those_of_differences(self, block: Block) -> None:
        x, mask = batch((3, 2))
        block.double()
        inputs = x.double().requires_grad_()
        read = mask.bool() if self.rows_behind is None else slice(None)
        assert torch.autograd.gradcheck(lambda x: block(x, Masks(mask, torch.float64))[read], (inputs,))

    def test_operations_are_those_of_the_graph(self, block: Block) -> None:
        for length in (5, 9):
            sizes = {"hidden": (1, length, WIDTH), "attention_mask": (1, length)}
            assert sum(product_operations(block_graph(block), sizes).values()) == self.operations(length)

    def test_it_says_where_it_comes_from(self, block: Block) -> None:
        assert len(block.source) > 10


class AggregationContract(BlockContract):
    """Inherited by the tests of an aggregation."""

    rows_behind = 1

    def test_a_row_without_a_token_gives_numbers(self, block: Block) -> None:
        x, mask = batch()
        mask[0] = 0
        out = self.called(block, x, mask)
        assert torch.isfinite(out).all()
        found = answer(block_graph(block), feeds_of(x, mask), CompileOptions(1))
        # What is added to padding leaves three decimals of what it is added to.
        torch.testing.assert_close(found, out, rtol=0, atol=0.01)
