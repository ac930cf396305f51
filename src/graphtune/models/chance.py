"""Chance in models: what weights are drawn from, and how a module is asked without dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def generator(seed: int) -> torch.Generator:
    """A torch generator at `seed`; every weight is drawn from one."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def judging(module: nn.Module) -> Iterator[None]:
    """Within, the module is as in evaluation: no dropout, batch norm by its running means."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
