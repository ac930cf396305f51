"""Batch norm in training as well as in evaluation, whatever the batch has."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm1d):
    """Batch norm (Ioffe & Szegedy, 2015) of [n, C] or [n, C, L], over all but C.

    One value a channel has no variance: a last batch of one example is scaled by the running means, as in evaluation.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() <= x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)
