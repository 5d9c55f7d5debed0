"""Maps between layers."""

import pytest

from compressor.distill.objectives.layers import apart, everything, last, overlapping, uniform

SIZES = [(student, teacher) for teacher in (1, 2, 4, 6, 12) for student in range(1, teacher + 1)]


def test_the_table_of_the_module() -> None:
    assert uniform(4, 12) == (0, 3, 6, 9, 12)
    assert last(4, 12) == (9, 10, 11, 12)
    assert apart(4, 12) == ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))
    assert overlapping(4, 12) == ((1, 2, 3, 4), (3, 4, 5, 6, 7), (6, 7, 8, 9, 10), (9, 10, 11, 12))
    assert everything(4, 12) == (tuple(range(1, 13)),) * 4


def test_overlaps_are_those_of_ckd() -> None:
    assert overlapping(2, 6) == ((1, 2, 3, 4), (3, 4, 5, 6))


@pytest.mark.parametrize(("student", "teacher"), SIZES)
def test_layers_keep_their_order_and_none_is_matched_twice(student: int, teacher: int) -> None:
    for found in (uniform(student, teacher)[1:], last(student, teacher)):
        assert len(found) == student
        assert list(found) == sorted(set(found))
        assert found[0] >= 1
        assert found[-1] == teacher


@pytest.mark.parametrize(("student", "teacher"), SIZES)
def test_groups_are_whole(student: int, teacher: int) -> None:
    groups = apart(student, teacher)
    assert [layer for group in groups for layer in group] == list(range(1, teacher + 1))
    assert all(groups)
    assert all(set(group) <= set(wider) for group, wider in zip(groups, overlapping(student, teacher), strict=True))
