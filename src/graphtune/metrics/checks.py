"""Checks that several metrics make of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphtune.check import bad


def vector(argument: str, who: str, values: Any) -> np.ndarray:
    """`values` as a float64 vector without NaN or infinity."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise bad(argument, who, "a 1-D array of numbers", f"{array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        at = int((~np.isfinite(array)).argmax())
        raise bad(argument, who, "finite", f"{array[at]} at position {at}")
    return array.astype(np.float64, copy=False)
