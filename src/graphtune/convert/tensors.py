"""Tensors of torch to arrays and back; torch is imported when there is one."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import scipy.sparse as sp


def array(tensor: Any) -> Any:
    """A tensor as an array, a sparse one as a CSR array; None as None."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu()
    if str(tensor.layout) == "torch.strided":
        return tensor.numpy()
    csr = tensor.to_sparse_csr()
    return sp.csr_array((csr.values().numpy(), csr.col_indices().numpy(), csr.crow_indices().numpy()), csr.shape)


def tensor(values: Any) -> Any:
    """An array as a tensor with memory of its own, a sparse array as a dense tensor."""
    import torch

    return torch.tensor(values.toarray() if sp.issparse(values) else values)


def set_all(store: MutableMapping[str, Any], values: dict[str, Any]) -> None:
    """Write every value that is not None, arrays as tensors."""
    for name, value in values.items():
        if value is not None:
            store[name] = tensor(value) if isinstance(value, np.ndarray) or sp.issparse(value) else value
