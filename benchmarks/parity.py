"""Which blocks and aggregations compute in ONNX what they compute in torch, padded rows and short ones included."""

import torch
from torch import Tensor

from compressor.encoder import AGGREGATIONS, BLOCKS, make_block
from compressor.encoder.blocks import Masks
from compressor.encoder.blocks.alone import block_graph
from compressor.records.architecture import Architecture
from compressor.records.latency import CompileOptions
from compressor.runtimes.local import LocalDevice

SHAPE = Architecture((), hidden=128, head_size=32, vocabulary=2, positions=64, token_types=0, classes=2)
LENGTHS = (1, 17, 56, 40)
TOLERANCE = 2e-6  # of the largest value: sums of some hundred products


def blocks_with_parity() -> list[str]:
    """Names of those that do; all of them where nothing is wrong."""
    return [name for name in (*BLOCKS, *AGGREGATIONS) if _difference(name) <= TOLERANCE]


@torch.inference_mode()
def _difference(name: str) -> float:
    """Largest difference over the largest value, of what somebody reads."""
    torch.manual_seed(0)
    block, length = make_block(name, SHAPE).eval(), max(LENGTHS)
    x = torch.randn(len(LENGTHS), length, SHAPE.hidden)
    mask = (torch.arange(length) < torch.tensor(LENGTHS)[:, None]).long()
    engine = LocalDevice().compile(block_graph(block).SerializeToString(), CompileOptions(1))
    feeds = {"hidden": x.numpy(), "attention_mask": mask.numpy()}
    found = torch.from_numpy(engine.run({each: feeds[each] for each in engine.inputs}))
    expected: Tensor = block(x, Masks(mask))
    if name in BLOCKS:
        found, expected = found[mask.bool()], expected[mask.bool()]
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
