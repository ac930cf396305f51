"""Arrays of solutions in closed form, which are of whatever size the solution has."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Solved(nn.Module):
    """A module whose buffers take the size of what is put or loaded."""

    def put(self, **arrays: np.ndarray) -> None:
        """Set buffers by name, as float32 or int64."""
        for name, array in arrays.items():
            kind = np.int64 if np.issubdtype(np.asarray(array).dtype, np.integer) else np.float32
            self.register_buffer(name, torch.from_numpy(np.array(array, dtype=kind, order="C")))

    def array(self, name: str) -> np.ndarray:
        """A buffer as NumPy sees it."""
        return self.get_buffer(name).cpu().numpy()

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name, buffer in list(self.named_buffers(recurse=False)):
            if prefix + name in state:
                self.register_buffer(name, buffer.new_empty(state[prefix + name].shape))
        super()._load_from_state_dict(state, prefix, *rest)
