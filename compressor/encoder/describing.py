"""Blocks and aggregations in words, for `compressor methods`."""

from collections.abc import Callable
from functools import partial

from compressor.encoder.aggregations import AGGREGATIONS
from compressor.encoder.blocks import BLOCKS, Block
from compressor.records.architecture import Architecture
from compressor.records.method import Method, first_line


def block_methods() -> tuple[Method, ...]:
    """All blocks, then the aggregations, in the order of their registries."""
    blocks = [_method(name, make, "a place in a cell") for name, make in BLOCKS.items()]
    return (*blocks, *(_method(name, make, "a place behind the last cell") for name, make in AGGREGATIONS.items()))


def _method(name: str, make: Callable[[Architecture], Block], needs: str) -> Method:
    kind = make.func if isinstance(make, partial) else make
    given = ", ".join(f"{key} {value}" for key, value in make.keywords.items()) if isinstance(make, partial) else ""
    return Method(name, first_line(kind), getattr(kind, "source", ""), needs, given)
