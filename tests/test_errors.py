"""The error tree: one root, and every leaf ends a command with the documented exit code."""

import pytest

from compressor import errors
from compressor.errors import (
    BorderError,
    CompressorError,
    ExitCode,
    InfeasibleError,
    InputError,
    ResourceError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CompressorError("x"), 1),
        (InputError("x"), 2),
        (InfeasibleError("x", nearest_ms=1.5, cost="2 points"), 3),
        (ResourceError("x"), 2),
        (UnavailableError("x"), 5),
        (BorderError("x"), 1),
    ],
)
def test_exit_code_and_message(error: CompressorError, code: int) -> None:
    assert (error.exit_code, str(error)) == (code, "x")


def test_every_error_comes_from_the_root() -> None:
    leaves = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(leaves) == 7
    assert all(issubclass(kind, CompressorError) for kind in leaves)


def test_the_codes_of_the_design() -> None:
    codes = {code.name: code.value for code in ExitCode}
    documented = {"MET": 0, "INTERNAL": 1, "USAGE": 2, "INFEASIBLE": 3, "MISSED": 4, "UNAVAILABLE": 5}
    assert codes == {**documented, "INCONCLUSIVE": 6, "INTERRUPTED": 130}


def test_infeasible_carries_the_nearest_point() -> None:
    with pytest.raises(InfeasibleError, match="no candidate below 1 ms") as caught:
        raise InfeasibleError("no candidate below 1 ms", nearest_ms=1.5, cost="2 points")
    assert (caught.value.nearest_ms, caught.value.cost) == (1.5, "2 points")
