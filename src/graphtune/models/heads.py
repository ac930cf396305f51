"""What a node task puts on an encoder.

Axes: D dim of an embedding, n any number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class HeadSpec:
    """The shape of a head.

    Attributes:
        dim: D, of the embeddings it reads.
        outputs: classes, or 1 for regression.
        hidden: width of the hidden layer, 0 for none.
        dropout: on the embeddings.
    """

    dim: int
    outputs: int
    hidden: int = 0
    dropout: float = 0.0


class Head(nn.Module):
    """Embeddings to outputs of a node task: a linear map, or one hidden layer."""

    def __init__(self, spec: HeadSpec):
        super().__init__()
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        if spec.hidden:
            self.layers = nn.Sequential(
                nn.Linear(spec.dim, spec.hidden), nn.ReLU(), nn.Linear(spec.hidden, spec.outputs)
            )
        else:
            self.layers = nn.Sequential(nn.Linear(spec.dim, spec.outputs))

    def forward(self, z: Tensor) -> Tensor:
        """[n, D] -> [n, outputs]."""
        return self.layers(self.dropout(z))
