"""The self-adversarial loss with its gradient formed by hand, in the pass that reads the scores.

Axes: B examples, K negatives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from graphtune.kernels.adversarial import adversarial


def adversarial_loss(positive: Tensor, scores: Tensor, hidden: Tensor, margin: float, temperature: float) -> Tensor:
    """[B] (softplus(-margin - positive) + sum_k w_k softplus(margin + scores_k)) / 2.

    w = softmax(temperature * scores), through which there is no gradient. A kernel on the CPU, plain torch elsewhere.

    Args:
        positive: [B]; scores: [B, K].
        hidden: [B, K] bool, the scores with w = 0.
        margin, temperature: of the loss.
    """
    if scores.device.type == "cpu":
        return _Adversarial.apply(positive, scores, hidden, margin, temperature)
    return plain_loss(positive, scores, hidden, margin, temperature)


def plain_loss(positive: Tensor, scores: Tensor, hidden: Tensor, margin: float, temperature: float) -> Tensor:
    """`adversarial_loss` by autograd."""
    hardness = temperature * scores.detach().float()
    lowest = torch.finfo(hardness.dtype).min  # infinity would make shares of a fully masked row NaN
    share = torch.softmax(hardness.masked_fill(hidden, lowest), dim=-1).masked_fill(hidden, 0.0)
    wrong = (share * F.softplus(margin + scores)).sum(-1)
    return (F.softplus(-(margin + positive)) + wrong) / 2


class _Adversarial(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, positive: Tensor, scores: Tensor, hidden: Tensor, margin: float, temperature: float
    ) -> Tensor:
        ctx.dtypes = positive.dtype, scores.dtype
        given, own, off = (x.detach().contiguous().numpy() for x in (scores.float(), positive.float(), hidden))
        loss, by_score, by_positive = map(torch.from_numpy, adversarial(given, own, off, margin, temperature))
        ctx.save_for_backward(by_positive, by_score)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        by_positive, by_score = ctx.saved_tensors
        of_positive, of_scores = ctx.dtypes
        by = (weight * by_positive).to(of_positive), (weight[:, None] * by_score).to(of_scores)
        return *by, None, None, None
