"""What every block and aggregation of a searched student must do: inherit it, and say which."""

from typing import ClassVar

import numpy as np
import onnx
import pytest
import torch
from tiny_models import tiny
from torch import Tensor

from compressor.encoder import FLOAT, INT64, GraphBuilder, MaskNames, make_block
from compressor.encoder.blocks import Block, Masks
from compressor.gate.facts import product_operations
from compressor.latency.probes import weight_bytes
from compressor.precision import apply_precision
from compressor.records.architecture import Precision
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice

WIDTH, LENGTHS = 16, (6, 1, 4)
SHAPE = tiny(hidden=WIDTH)


def batch(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Hidden states [rows, longest, WIDTH] with garbage behind each row, and their mask."""
    random = np.random.default_rng(seed)
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return torch.from_numpy(random.standard_normal((*mask.shape, WIDTH)).astype(np.float32)), torch.from_numpy(mask)


def graph_of(block: Block) -> onnx.ModelProto:
    """A model of the block alone: inputs `hidden` [batch, length, WIDTH] and `attention_mask`."""
    graph = GraphBuilder()
    x = graph.input("hidden", FLOAT, ["batch", "length", WIDTH])
    masks = MaskNames(graph, graph.input("attention_mask", INT64, ["batch", "length"]))
    out = graph.node("Identity", [block.emit(graph, x, masks, "block")], "out")
    graph.output(out, FLOAT, ["batch", "rows", WIDTH])
    return graph.build("block")


class BlockContract:
    """Inherited by the tests of a block."""

    name: ClassVar[str]
    products: ClassVar[bool] = True  # it has some with constant matrices, which int8 quantises
    counted: ClassVar[bool] = True  # all of them are matrix products of the graph
    rows_behind: ClassVar[int | None] = None  # 1 = an aggregation

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
        engine = LocalDevice().compile(graph_of(block).SerializeToString(), CompileOptions(1))
        for lengths in (LENGTHS, (1,), (9, 9), (2, 11)):
            x, mask = batch(lengths)
            out = self.called(block, x, mask)
            assert out.shape == (len(lengths), self.rows_behind or max(lengths), WIDTH)
            feeds = {"hidden": x.numpy(), "attention_mask": mask.numpy()}
            found = engine.run({name: feeds[name] for name in engine.inputs})
            expected = self.of_tokens(out, mask)
            torch.testing.assert_close(self.of_tokens(torch.from_numpy(found), mask), expected, rtol=0, atol=2e-6)

    def test_int8_quantises_its_products(self, block: Block) -> None:
        model = graph_of(block)
        size = weight_bytes(model)
        int8 = apply_precision(model, Precision.INT8)
        assert any(node.op_type == "MatMulInteger" for node in int8.graph.node) == self.products
        if not self.products:
            return
        assert weight_bytes(int8) < size
        x, mask = batch()
        engine = LocalDevice().compile(int8.SerializeToString(), CompileOptions(1))
        feeds = {"hidden": x.numpy(), "attention_mask": mask.numpy()}
        found = torch.from_numpy(engine.run({name: feeds[name] for name in engine.inputs}))
        expected = self.of_tokens(self.called(block, x, mask), mask)
        error = (self.of_tokens(found, mask) - expected).abs().max()
        assert 0 < error < 0.1 * expected.abs().max()

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
        lengths = (5, 9)
        for length in lengths:
            sizes = {"hidden": (1, length, WIDTH), "attention_mask": (1, length)}
            counted = sum(product_operations(graph_of(block), sizes).values())
            assert (block.operations(length) == counted) == self.counted
        assert block.operations(lengths[1]) >= block.operations(lengths[0])

    def test_it_says_where_it_comes_from(self, block: Block) -> None:
        assert len(block.source) > 10
