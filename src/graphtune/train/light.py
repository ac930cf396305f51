"""Torch's optimisers without what makes them import torch's compiler: 70 MB and a second of every training.

Torch wraps some of their methods so that `torch.compile` leaves them alone, which nothing here asks for. What is
wrapped is taken as it is; where a version of torch does not wrap it, nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


def _bare(method: Callable[..., Any]) -> Callable[..., Any]:
    return getattr(method, "__wrapped__", method)


class Light(Optimizer):
    """What all share."""

    add_param_group = _bare(Optimizer.add_param_group)
    state_dict = _bare(Optimizer.state_dict)
    load_state_dict = _bare(Optimizer.load_state_dict)


class AdamW(Light, torch.optim.AdamW):
    step = torch.no_grad()(_bare(torch.optim.AdamW.step))


class Adagrad(Light, torch.optim.Adagrad):
    step = torch.no_grad()(_bare(torch.optim.Adagrad.step))


class SGD(Light, torch.optim.SGD):
    step = torch.no_grad()(_bare(torch.optim.SGD.step))
