"""What an architecture says about its outputs and about the positions that it computes."""

import pytest
from tiny_models import tiny

from compressor.records.task import TaskKind


@pytest.mark.parametrize(
    ("layers", "index"),
    [((), 0), (((0, 1), (0, 1)), 0), (((1, 1), (1, 1), (0, 1)), 1), (((2, 0),), 0)],
    ids=["no layer", "no attention", "not in the last layer", "in the only layer"],
)
def test_from_the_last_attention_on_only_the_first_token_is_computed(
    layers: tuple[tuple[int, int], ...], index: int
) -> None:
    assert tiny(*layers).first_token_from == index
    assert tiny(*layers, per_token=True).first_token_from == len(layers)


@pytest.mark.parametrize(
    ("classes", "per_token", "kind"),
    [
        (1, False, "regression"),
        (2, False, "text-classification"),
        (1, True, "token-classification"),
        (9, True, "token-classification"),
    ],
)
def test_the_kind_follows_from_the_outputs(classes: int, per_token: bool, kind: TaskKind) -> None:
    assert tiny((2, 32), classes=classes, per_token=per_token).kind == kind
