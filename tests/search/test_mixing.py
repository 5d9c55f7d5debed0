"""Which products go back to float32."""

import pytest

from compressor.search.mixing import MOST_GROUPS, groups_of, put_back

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


def test_what_a_later_group_made_needless_is_taken_out_again() -> None:
    """The first group helps most by itself, but the second does what it does."""

    def drop(kept: frozenset[str]) -> float:
        second = "layer0.attention.qkv.product" in kept
        return 0.1 if second else 0.5 if "layer0.feed_forward.inner.product" in kept else 1.0

    found = put_back(SIZES, harm, drop, most_points=0.2)
    assert found == ("layer0.attention.qkv.product", "layer0.attention.output.product")


def test_many_products_of_a_strange_graph_are_looked_at_together() -> None:
    sizes = {f"/encoder/MatMul_{i}": 1 for i in range(100)}
    groups = groups_of(sizes)
    assert len(groups) == MOST_GROUPS
    assert [name for names in groups.values() for name in names] == list(sizes)


def test_without_time_only_what_was_looked_at_goes_back() -> None:
    looks = iter([True, True, False, False, False, False])
    found = put_back(SIZES, harm, harm, most_points=0.6, more=lambda: next(looks))
    assert found == ("layer0.feed_forward.inner.product",)
    assert put_back(SIZES, harm, harm, most_points=0.6, more=lambda: False) is None


def test_the_smallest_set_is_found_by_bisection() -> None:
    sizes = {f"layer{i}.attention.qkv.product": 1 for i in range(20)}
    asked: list[int] = []

    def drop(kept: frozenset[str]) -> float:
        asked.append(len(kept))
        return 20.0 - len(kept)

    def divergence(kept: frozenset[str]) -> float:
        return -float(sum(int(name.split(".")[0].removeprefix("layer")) for name in kept))

    found = put_back(sizes, divergence, drop, most_points=9)
    assert found == tuple(sizes)[9:]
    assert len(asked) <= 1 + 5 + 10  # the largest, the bisection, one look at each of those behind the last


def test_every_group_is_looked_at_once_by_itself() -> None:
    asked: list[frozenset[str]] = []

    def divergence(kept: frozenset[str]) -> float:
        asked.append(kept)
        return harm(kept)

    put_back(SIZES, divergence, harm, most_points=0.6)
    assert len(asked) == 1 + len(groups_of(SIZES))
    assert len(set(asked)) == len(asked)
