"""No block and no aggregation without its contract, whichever file tests it."""

from importlib import import_module
from pathlib import Path

from contracts.block_contract import BlockContract

from compressor.encoder import AGGREGATIONS, BLOCKS


def test_every_block_is_tested() -> None:
    for file in Path(__file__).parent.glob("test_*.py"):
        import_module(f"{file.parent.name}.{file.stem}")
    assert {found.name for found in below(BlockContract) if hasattr(found, "name")} == {*BLOCKS, *AGGREGATIONS}


def below(contract: type[BlockContract]) -> list[type[BlockContract]]:
    """Every class that inherits it."""
    return [found for kind in contract.__subclasses__() for found in (kind, *below(kind))]
