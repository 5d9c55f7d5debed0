"""A compression compiler for transformers: teacher + device + limit -> a smaller engine, verified on that device."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compressor.verify import Predictor

__version__ = "0.1.0"


def load(bundle: str | Path) -> "Predictor":
    """Load a bundle to run it on text.

    Example:
        >>> compressor.load("bundle")(["a fine film"])
        [Prediction(label='positive', score=0.99, ...)]

    Raises:
        InputError: It is not a bundle, or one of its files is not the one that was verified.
    """
    from compressor.verify import Predictor

    return Predictor(Path(bundle))
