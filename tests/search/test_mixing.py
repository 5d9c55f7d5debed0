"""Which products go back to float32."""

import pytest

from compressor.search.mixing import groups_of, put_back

SIZES = {
    "layer0.attention.qkv.product": 300,
    "layer0.attention.output.product": 100,
    "layer0.feed_forward.inner.product": 400,
    "layer1.feed_forward.inner.product": 400,
    "logits.product": 10,
}
# What each product in int8 adds to divergence and drop.
HARM = {
    "layer0.attention.qkv.product": 0.3,
    "layer0.attention.output.product": 0.1,
    "layer0.feed_forward.inner.product": 0.8,
    "layer1.feed_forward.inner.product": 0.1,
    "logits.product": 0.001,
}


def harm(kept: frozenset[str]) -> float:
    return sum(value for name, value in HARM.items() if name not in kept)


def test_products_are_grouped_by_sub_layer() -> None:
    assert list(groups_of(SIZES)) == [
        "layer0.attention",
        "layer0.feed_forward",
        "layer1.feed_forward",
        "logits.product",
    ]
    assert groups_of({"/bert/MatMul_1": 4}) == {"/bert/MatMul_1": ("/bert/MatMul_1",)}


def test_products_of_cells_are_grouped_by_edge() -> None:
    edges = ("cell0.1.0.attention-4", "cell0.1.1.conv-3", "cell1.1.0.attention-4")
    parts = (f"{edges[0]}.qkv.product", f"{edges[0]}.output.product", f"{edges[1]}.filters.product")
    products = (*parts, f"{edges[2]}.qkv.product", "aggregation.inner", "aggregation.outer", "logits.product")
    assert list(groups_of(dict.fromkeys(products, 1)).items()) == [
        (edges[0], parts[:2]),
        (edges[1], parts[2:]),
        (edges[2], (f"{edges[2]}.qkv.product",)),
        ("aggregation", ("aggregation.inner", "aggregation.outer")),
        ("logits.product", ("logits.product",)),
    ]


@pytest.mark.parametrize(
    ("most", "groups"), [(0.6, ["layer0.feed_forward"]), (0.2, ["layer0.attention", "layer0.feed_forward"])]
)
def test_the_most_harmful_per_weight_go_back_first_and_no_more_than_needed(most: float, groups: list[str]) -> None:
    found = put_back(SIZES, harm, harm, most_points=most)
    assert found == tuple(name for name in SIZES if any(name.startswith(group) for group in groups))
    assert harm(frozenset(found)) <= most


def test_where_nothing_helps_there_is_no_set() -> None:
    assert put_back(SIZES, harm, lambda kept: 5.0, most_points=1.0) is None


def test_every_group_is_looked_at_once_by_itself() -> None:
    asked: list[frozenset[str]] = []

    def divergence(kept: frozenset[str]) -> float:
        asked.append(kept)
        return harm(kept)

    put_back(SIZES, divergence, harm, most_points=0.6)
    assert len(asked) == 1 + len(groups_of(SIZES))
    assert len(set(asked)) == len(asked)
