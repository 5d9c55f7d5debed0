"""The comparison of the NAS-KD poster at its own shape: three searched cells of width 128 against three layers.

The layers have as many parameters as the cells; all begin from scratch, but for the teacher's embeddings.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import log
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.distilled import NO_KD, WORK, answered, keep
from compressor.encoder import AGGREGATIONS, Encoder
from compressor.encoder.model import EncoderLayer
from compressor.pipeline.cells import WIDTH, supernet_of, take_embeddings
from compressor.records.architecture import Architecture, Layer
from compressor.records.cells import Cells, read_nodes
from compressor.records.distillation import DistillRecipe
from compressor.records.serial import from_dict, to_dict
from compressor.search.bilevel import Halves, bilevel
from compressor.search.discretising import MixedCellSearch
from compressor.search.supernet import StoredSupernet, Supernet
from compressor.space.cells import NODES, cell_space
from compressor.tasks import Tokens

BATCH, RATE, SEARCH_BATCH = 64, 1e-3, 32
CELLS = 3  # as in the paper's smaller student
HEAD_SIZE, MOST_HEADS = 32, 8
NEURONS = tuple(range(16, 4096, 16))
USUAL_NEURONS = 4  # for each channel of the heads
ALIKE = 0.01  # share by which sizes may differ
RECIPES = {
    "cells": DistillRecipe.named("nas-kd"),
    "layers without KD": NO_KD,
    "layers, vanilla KD": DistillRecipe.named("vanilla-kd"),
    "layers, PKD": DistillRecipe.named("pkd-skip"),
}
WAYS = tuple(RECIPES)


def cells_found(seed: int, steps: int) -> dict[str, Any]:
    """The strongest cell of a search without a limit, three times; as plain values, and in words."""
    text = answered("sst2")
    space = _space()
    torch.manual_seed(seed)
    supernet = Supernet(space, nodes=NODES, stacked=2)
    take_embeddings(supernet, text.teacher.encoder)
    save_file(supernet.state_dict(), WORK / "supernet.safetensors")
    stored = StoredSupernet(space, NODES, 2, WORK / "supernet.safetensors")
    setup = text.job(stored, RECIPES["cells"], batch=SEARCH_BATCH, seed=seed).setup()
    choice = bilevel(
        setup.model,
        supernet_of(setup),
        setup.step_at,
        Halves.drawn(Tokens.load(text.folder / "tokens").lengths, batch=SEARCH_BATCH, seed=seed),
        lambda edges, aggregations: 0 * (edges.sum() + aggregations.sum()),
        steps=steps,
        seed=seed,
    )
    search = MixedCellSearch(choice.edges.double().numpy(), choice.aggregations.double().numpy(), NODES)
    aggregation = list(AGGREGATIONS)[int(choice.aggregations.argmax())]
    cells = Cells(read_nodes(search.strongest()), CELLS, aggregation)
    return {"cells": to_dict(cells), "steps": choice.steps, "shape": str(cells)}


def trained(way: str, seed: int, found: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """A student of a way, from scratch.

    Args:
        way: One of `WAYS`.
        seed: Of its weights and of the order of the rows.
        found: Row of `cells_found`.
        steps: Of its training.
    """
    text, cells = answered("sst2"), replace(_space(), cells=from_dict(Cells, found["cells"]))
    wanted = inner_parameters(Encoder(cells))
    torch.manual_seed(seed)
    student = Encoder(cells if way == "cells" else same_size(wanted))
    take_embeddings(student, text.teacher.encoder)
    begun = keep(student, WORK / "begun.safetensors")
    row = text.trained(begun, RECIPES[way], steps=steps, batch=BATCH, rate=RATE, seed=seed)
    parameters = inner_parameters(student)
    size = {"parameters": parameters, "of_the_cells": round(parameters / wanted, 4)}
    return {**row, **size, "shape": student.architecture.in_words}


@cache
def _space() -> Architecture:
    """Everything around the cells."""
    return cell_space(answered("sst2").teacher.encoder.architecture, WIDTH)


def same_size(wanted: int) -> Architecture:
    """Three layers with about so many parameters, and of those the ones of the most usual proportions."""
    layer = nearest_layer(replace(_space(), head_size=HEAD_SIZE), wanted / CELLS)
    return replace(_space(), head_size=HEAD_SIZE).with_layers((layer,) * CELLS)


def nearest_layer(shape: Architecture, wanted: float) -> Layer:
    """Heads and neurons of a layer with about so many parameters.

    Of all that are within `ALIKE` of that the one whose neurons are nearest to `USUAL_NEURONS` for each channel of its
    heads; where none is, the one that is nearest in size.

    Args:
        shape: Of an encoder; its layers do not matter.
        wanted: Parameters.
    """
    heads = {count: layer_parameters(shape, Layer(count, 0)) for count in range(1, MOST_HEADS + 1)}
    neurons = {count: layer_parameters(shape, Layer(0, count)) for count in NEURONS}
    off = {Layer(h, n): abs(heads[h] + neurons[n] - wanted) / wanted for h in heads for n in neurons}
    alike = [layer for layer, share in off.items() if share <= ALIKE]
    if not alike:
        return min(off, key=off.__getitem__)
    return min(alike, key=lambda layer: abs(log(layer.neurons / (USUAL_NEURONS * shape.head_size * layer.heads))))


def layer_parameters(shape: Architecture, layer: Layer) -> int:
    """Of one layer, which is not allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in EncoderLayer(shape, layer).parameters())


def inner_parameters(encoder: Encoder) -> int:
    """Without embeddings and head."""
    return sum(parameter.numel() for parameter in encoder.inner.parameters())
