"""How much an error in the output of a sub-layer matters: the Fisher information of what its projection puts out.

    M = sum over examples x, classes c, tokens i of  p_c(x) g g^T,   g = d log p_c(x) / d y_i

y_i [hidden] is the output of the projection at token i; so e^T M e is twice the divergence that errors e cause, each
token's by itself (one factor of the Kronecker-factored Fisher of Martens and Grosse 2015, arXiv 1503.05671). The
expectation over the model's own distribution needs no labels. A regression is a Gaussian around its output z:

    g = d z(x) / d y_i

Of more than MOST_CLASSES classes, and of the tokens of a per-token model, DRAWS classes are drawn from p for each x:

    g = d (sum over the tokens j of x of log p(c_j)) / d y_i,   mean over draws

which is unbiased: E[d log p(c)] = 0 under p, so the products of two tokens drop out.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from compressor.encoder import Encoder, drop_padding
from compressor.records.task import TaskKind
from compressor.score.batches import Batch

MOST_CLASSES = 8  # for which there is one backward pass each
DRAWS = 2

Curvature = tuple[Tensor | None, Tensor | None]


def output_curvature(source: Encoder, batches: Sequence[Batch], *, seed: int = 0) -> list[Curvature]:
    """M of attention and feed-forward of every layer, float64 [hidden, hidden]; None where there is none.

    Args:
        source: An encoder, cut or whole.
        batches: Text.
        seed: Of the classes that are drawn.
    """
    shape = source.architecture
    random = torch.Generator().manual_seed(seed)
    there = [part.output for part in source.parts if part is not None]
    totals = [torch.zeros(shape.hidden, shape.hidden, dtype=torch.float64) for _ in there]
    for batch in batches:
        with _recorded(there) as outputs:
            found = drop_padding(source(batch.ids, batch.mask, batch.type_ids), batch.mask)
        for scalar, weight in _terms(found, shape.kind, random):
            gradients = torch.autograd.grad(scalar, outputs, retain_graph=True, allow_unused=True)
            for total, gradient in zip(totals, gradients, strict=True):
                if gradient is not None:  # nobody reads an output that only other positions could have
                    g = (gradient * weight**0.5).flatten(0, 1)
                    total += g.T @ g
    of = iter(totals)
    every = [None if part is None else next(of) for part in source.parts]
    return list(zip(every[::2], every[1::2], strict=True))


@contextmanager
def _recorded(modules: Sequence[nn.Linear]) -> Iterator[list[Tensor]]:
    """The outputs of modules, in their order, once each has run."""
    outputs: dict[nn.Module, Tensor] = {}
    found: list[Tensor] = []

    def record(module: nn.Module, _: object, output: Tensor) -> None:
        outputs[module] = output

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(record).remove)
        yield found
    found += [outputs[module] for module in modules]


def _terms(outputs: Tensor, kind: TaskKind, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """What is differentiated, and the weight of its squared gradient, [rows or 1, 1, 1].

    `outputs`: [rows, classes], of a per-token model [tokens, classes].
    """
    one = torch.ones(1, 1, 1)
    if kind == "regression":
        yield outputs.sum(), one
        return
    log_p = outputs.log_softmax(-1)
    if kind == "text-classification" and log_p.shape[1] <= MOST_CLASSES:
        for index in range(log_p.shape[1]):
            yield log_p[:, index].sum(), log_p[:, index].detach().exp()[:, None, None]
        return
    drawn = torch.multinomial(log_p.detach().exp(), DRAWS, replacement=True, generator=random)
    for classes in drawn.T:
        yield log_p.gather(1, classes[:, None]).sum(), one / DRAWS
