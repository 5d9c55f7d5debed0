"""What every precision pass promises: inherit `PassContract` and give it a pass.

class TestMyPass(PassContract):
    modifies = True

    def apply(self, model): return my_pass(model)
"""

import onnx
import pytest
from onnx import numpy_helper
from tiny_models import copied, masked_batch, onnx_logits, random_encoder, tiny, torch_logits

from compressor.precision import PassResult

SHAPES = [tiny((2, 32), (1, 16)), tiny((0, 16), (2, 0)), tiny(activation="relu")]


def interface(model: onnx.ModelProto) -> tuple[list[bytes], list[bytes]]:
    """Inputs and outputs of a graph with their types and shapes."""
    return (
        [value.SerializeToString() for value in model.graph.input],
        [value.SerializeToString() for value in model.graph.output],
    )


class PassContract:
    """Tests of any function from a float32 model to a `PassResult`."""

    modifies: bool
    tolerance: float  # of the logits, from the precision of the arithmetic

    def apply(self, model: onnx.ModelProto) -> PassResult:
        """The pass."""
        raise NotImplementedError

    @pytest.fixture(params=SHAPES, ids=lambda shape: f"{len(shape.layers)} layers")
    def model(self, request: pytest.FixtureRequest) -> onnx.ModelProto:
        return random_encoder(request.param).emit()

    def test_the_result_is_a_valid_model(self, model: onnx.ModelProto) -> None:
        onnx.checker.check_model(self.apply(model).model, full_check=True)

    def test_inputs_outputs_and_versions_stay(self, model: onnx.ModelProto) -> None:
        result = self.apply(copied(model)).model
        assert interface(result) == interface(model)
        assert (result.ir_version, list(result.opset_import)) == (model.ir_version, list(model.opset_import))

    def test_it_works_in_place(self, model: onnx.ModelProto) -> None:
        assert self.apply(model).model is model

    def test_it_says_whether_it_changed_anything(self, model: onnx.ModelProto) -> None:
        result = self.apply(copied(model))
        operators = [[node.op_type for node in graph.graph.node] for graph in (model, result.model)]
        assert result.modified == (operators[0] != operators[1])
        constants = {tensor.name for tensor in model.graph.initializer}
        products = any(node.op_type == "MatMul" and node.input[1] in constants for node in model.graph.node)
        assert result.modified == (self.modifies and products)

    def test_it_finds_nothing_to_do_the_second_time(self, model: onnx.ModelProto) -> None:
        once = self.apply(model).model
        again = self.apply(copied(once))
        assert not again.modified
        assert again.model.graph == once.graph

    def test_no_constant_is_left_over(self, model: onnx.ModelProto) -> None:
        result = self.apply(model).model
        read = {name for node in result.graph.node for name in node.input}
        assert {tensor.name for tensor in result.graph.initializer} <= read

    @pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{len(shape.layers)} layers")
    def test_the_outputs_stay_close(self, shape) -> None:
        encoder, batch = random_encoder(shape), masked_batch(shape)
        found = onnx_logits(self.apply(encoder.emit()).model, batch)
        assert abs(found - torch_logits(encoder, batch)).max() <= self.tolerance

    def test_a_matrix_that_another_node_reads_too_stays(self) -> None:
        model = random_encoder(tiny((2, 32))).emit()
        weight = next(t for t in model.graph.initializer if t.name == "layer0.feed_forward.inner.weight")
        model.graph.node.append(onnx.helper.make_node("ReduceMax", [weight.name], ["largest"], keepdims=0))
        model.graph.output.append(onnx.helper.make_tensor_value_info("largest", onnx.TensorProto.FLOAT, []))
        result = self.apply(copied(model)).model
        onnx.checker.check_model(result, full_check=True)
        kept = {tensor.name: tensor for tensor in result.graph.initializer}[weight.name]
        assert (numpy_helper.to_array(kept) == numpy_helper.to_array(weight)).all()
