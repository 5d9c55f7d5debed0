"""Every block and aggregation: the contract, and what each is worked out by hand."""

import pytest
import torch
from contracts.block_contract import WIDTH, AggregationContract, BlockContract, batch
from tiny_models import tiny

from compressor.encoder import make_block
from compressor.encoder.aggregations.routing import squash
from compressor.encoder.blocks import Block, Masks
from compressor.encoder.blocks.convolution import Convolution
from compressor.encoder.blocks.lstm import BidirectionalLstm
from compressor.encoder.blocks.separable import SeparableConvolution
from compressor.errors import InputError


class TestIdentity(BlockContract):
    """Nothing is done."""

    name, products = "identity", False

    def test_it_is(self, block: Block) -> None:
        x, mask = batch()
        assert self.called(block, x, mask) is x


class TestNothing(BlockContract):
    """Nothing comes out."""

    name, products = "none", False

    def test_it_is_zero(self, block: Block) -> None:
        assert not self.called(block, *batch()).any()


class AttentionTests(BlockContract):
    """Any number of heads."""

    def operations(self, length: int) -> int:
        projections, scores_and_context = 4 * length * WIDTH**2, 2 * length**2 * WIDTH
        return 2 * (projections + scores_and_context)


class TestAttentionOf4(AttentionTests):
    """Four heads."""

    name = "attention-4"


class TestAttentionOf8(AttentionTests):
    """Eight heads."""

    name = "attention-8"


class ConvolutionTests(BlockContract):
    """Standard convolutions of any kernel."""

    kernel: int

    def operations(self, length: int) -> int:
        return 2 * length * self.kernel * WIDTH**2

    def test_it_is_the_sum_over_the_window(self, block: Block) -> None:
        assert isinstance(block, Convolution)
        x, mask = batch((8,))
        weight, half = block.filters.weight, self.kernel // 2
        for place in range(8):
            total = block.filters.bias.clone()
            for shift in range(-half, half + 1):
                if 0 <= place + shift < 8:
                    total += weight[:, :, shift + half] @ x[0, place + shift]
            torch.testing.assert_close(self.called(block, x, mask)[0, place], total.relu(), rtol=0, atol=1e-5)


class TestConvolutionOf3(ConvolutionTests):
    """Kernel of 3."""

    name, kernel = "conv-3", 3


class TestConvolutionOf5(ConvolutionTests):
    """Kernel of 5."""

    name, kernel = "conv-5", 5


class TestConvolutionOf7(ConvolutionTests):
    """Kernel of 7."""

    name, kernel = "conv-7", 7


class SeparableTests(BlockContract):
    """Separable convolutions of any kernel."""

    kernel: int

    def operations(self, length: int) -> int:
        depthwise, pointwise = length * self.kernel * WIDTH, length * WIDTH**2
        return 2 * (depthwise + pointwise)

    def test_channels_are_mixed_by_the_second_part_alone(self, block: Block) -> None:
        assert isinstance(block, SeparableConvolution)
        x, mask = batch((8,))
        half, mixed = self.kernel // 2, torch.zeros(8, WIDTH)
        for place in range(8):
            for shift in range(-half, half + 1):
                if 0 <= place + shift < 8:
                    mixed[place] += block.depthwise.weight[:, 0, shift + half] * x[0, place + shift]
        expected = block.pointwise(mixed).relu()
        torch.testing.assert_close(self.called(block, x, mask)[0], expected, rtol=0, atol=1e-5)


class TestSeparableConvolutionOf3(SeparableTests):
    """Kernel of 3."""

    name, kernel = "sepconv-3", 3


class TestSeparableConvolutionOf5(SeparableTests):
    """Kernel of 5."""

    name, kernel = "sepconv-5", 5


class TestSeparableConvolutionOf7(SeparableTests):
    """Kernel of 7."""

    name, kernel = "sepconv-7", 7


class TestLstm(BlockContract):
    """Both directions."""

    name, products = "lstm", False

    def operations(self, length: int) -> int:
        half = WIDTH // 2
        return 2 * length * 2 * (4 * half) * (WIDTH + half)  # two directions, four gates, of input and state

    def test_it_is_the_recurrence(self, block: Block) -> None:
        assert isinstance(block, BidirectionalLstm)
        x, mask = batch((5,))
        half = WIDTH // 2
        for direction, suffix in enumerate(("", "_reverse")):
            parameters = [getattr(block.cell, f"{part}_l0{suffix}") for part in ("weight_ih", "weight_hh", "bias_ih")]
            weight, recurrent, bias = parameters
            hidden = memory = torch.zeros(half)
            for place in range(5) if direction == 0 else reversed(range(5)):
                both = bias + getattr(block.cell, f"bias_hh_l0{suffix}")
                gates = weight @ x[0, place] + recurrent @ hidden + both
                take, forget, new, show = gates.chunk(4)
                memory = forget.sigmoid() * memory + take.sigmoid() * new.tanh()
                hidden = show.sigmoid() * memory.tanh()
                found = self.called(block, x, mask)[0, place, direction * half : (direction + 1) * half]
                torch.testing.assert_close(found, hidden, rtol=0, atol=1e-6)

    def test_an_odd_width_is_refused(self) -> None:
        with pytest.raises(InputError, match="even width"):
            make_block("lstm", tiny(hidden=15))


class TestMaxPooling(AggregationContract):
    """Of every channel the largest."""

    name, products = "max-pooling", False

    def test_it_is_the_largest(self, block: Block) -> None:
        x, mask = batch()
        assert torch.equal(self.called(block, x, mask)[2, 0], x[2, :4].max(0).values)


class TestAveragePooling(AggregationContract):
    """The mean."""

    name, products = "average-pooling", False

    def test_it_is_the_mean(self, block: Block) -> None:
        x, mask = batch()
        torch.testing.assert_close(self.called(block, x, mask)[2, 0], x[2, :4].mean(0))


class TestAttentionPooling(AggregationContract):
    """A weighted mean."""

    name = "attention-pooling"

    def operations(self, length: int) -> int:
        return 2 * length * (WIDTH**2 + WIDTH)  # W_1, and the sum by the weights; w_2 is no product of the graph

    def test_one_token_is_taken_as_it_is(self, block: Block) -> None:
        x, mask = batch()
        torch.testing.assert_close(self.called(block, x, mask)[1, 0], x[1, 0])


class TestDynamicRouting(AggregationContract):
    """A capsule."""

    name = "dynamic-routing"

    def operations(self, length: int) -> int:
        votes, sums, agreements = length * WIDTH**2, 3 * length * WIDTH, 2 * length * WIDTH
        return 2 * (votes + sums + agreements)

    def test_three_rounds_by_hand(self, block: Block) -> None:
        x, mask = batch((4,))
        votes = x[0] @ block.votes.weight.T  # type: ignore[union-attr]
        agreement = torch.zeros(4)
        for _ in range(3):
            capsule = squash(agreement.softmax(0) @ votes)
            agreement = agreement + votes @ capsule
        torch.testing.assert_close(self.called(block, x, mask)[0, 0], capsule, rtol=0, atol=1e-6)

    def test_squash_keeps_the_direction_and_a_length_below_one(self) -> None:
        s = torch.tensor([3.0, 4.0])
        torch.testing.assert_close(squash(s), s / 5 * 25 / 26)
        assert torch.isfinite(squash(torch.zeros(2))).all()


class TestFirstToken(AggregationContract):
    """One of them."""

    name, products = "first-token", False

    def test_it_is_the_first(self, block: Block) -> None:
        x, mask = batch()
        assert torch.equal(self.called(block, x, mask), x[:, :1])


def test_an_unknown_block_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"got .conv3.; did you mean .conv-3.\?"):
        make_block("conv3", tiny())


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(InputError, match="attention with 8 heads: expected a width that they divide, got 20"):
        make_block("attention-8", tiny(hidden=20))


def test_masks_are_those_of_the_rows() -> None:
    _, mask = batch((2, 1))
    masks = Masks(mask)
    assert masks.additive.tolist() == [[[[0, 0]]], [[[0, -1e4]]]]
    assert masks.real.squeeze(2).tolist() == [[1, 1], [1, 0]]
    assert masks.lengths.tolist() == [2, 1]
