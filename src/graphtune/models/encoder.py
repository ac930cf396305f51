"""The first part of a model: nodes to embeddings.

Axes: N nodes, R relations, D dim of an embedding, n any number of rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphtune.check import bad
from graphtune.graph import Graph
from graphtune.models.arrivals import Size
from graphtune.models.chance import judging
from graphtune.models.views import View


class Encoder(nn.Module, ABC):
    """Nodes in, embeddings out.

    Attributes:
        dim: D.
        num_nodes: N.
        in_kernels: whether the fused steps know it: rows of a table `weight` and nothing more.
        reads_rows: whether the embeddings of some nodes read the rows of these alone.
        adapter_width: of the adapters behind the layers; 0 without.
        grown: the sizes of the graph before each time that nodes joined it, which it holds to (see `hold`).
    """

    dim: int
    num_nodes: int
    in_kernels = False
    reads_rows = False
    adapter_width = 0
    grown: tuple[Size, ...] = ()

    @abstractmethod
    def forward(self, nodes: Tensor | None = None) -> Tensor:
        """Embeddings of `nodes` ([n] int64), [n, D]; of all nodes, [N, D], without."""

    def begin_view(self, view: View, graph: Graph) -> None:
        """Make ready to see the model's graph as `view` asks, and see all of it until `see` is called.

        Raises:
            ArgumentError: the view is one that the encoder cannot have.
        """
        view.refuse(("feature_dropout",), type(self).__name__, "reads no features")
        view.refuse(tuple(view.asked), type(self).__name__, "passes no messages")

    def see(self, step: int, batch: Any) -> None:
        """While training, see the graph as the view has it in this step, until the next call."""

    def hold(self, graph: Graph, before: Sequence[Size]) -> None:
        """Make of each node what is made of it in the graph of the day it came, so that nodes that join change no
        embedding of earlier ones. Nothing to do where no messages pass.

        Args:
            graph: of the model.
            before: its sizes before each time that it grew.
        """

    @torch.no_grad()
    def judged(self) -> Tensor:
        """[N, D] embeddings of all nodes as evaluation has them."""
        with judging(self):
            return self(None)

    @property
    def table_names(self) -> tuple[str, ...]:
        """Names of the parameters with one row per node."""
        return ()

    @property
    def relation_names(self) -> tuple[str, ...]:
        """Names of the parameters with 2R rows: one per relation, then those of the same read backwards."""
        return ()

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers' modules from the lowest to the highest; none where the encoder is a single layer."""
        return ()

    def add_adapters(self, width: int, seed: int = 0) -> None:
        """Put adapters behind the layers, unless there are some of this width already.

        Raises:
            ArgumentError: the encoder takes none, or has some of another width.
        """
        raise bad("adapter", "TrainConfig", f"0: {type(self).__name__} is an encoder that takes none", width)
