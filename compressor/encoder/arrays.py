"""Torch parameters as the arrays that ONNX constants are made of."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def array(parameter: Tensor) -> NDArray[np.float32]:
    """Contiguous float32 copy of a tensor."""
    return np.ascontiguousarray(parameter.detach().float().cpu().numpy())
