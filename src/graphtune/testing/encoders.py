"""What every encoder must do."""

from __future__ import annotations

import pytest
import torch

from graphtune.graph import Graph
from graphtune.models.encoder import Encoder
from graphtune.testing.patterns import two_cliques


class EncoderContract:
    """What every encoder must do. A subclass gives `make`, and `graph` where two cliques do not suit it."""

    graph: Graph = two_cliques()

    def make(self, graph: Graph) -> Encoder:
        """A small encoder over the graph."""
        raise NotImplementedError

    @pytest.fixture
    def encoder(self) -> Encoder:
        return self.make(self.graph).eval()

    def test_shape(self, encoder: Encoder) -> None:
        z = encoder()
        assert z.shape == (self.graph.num_nodes, encoder.dim) == (encoder.num_nodes, encoder.dim)
        assert z.dtype == torch.float32 and z.isfinite().all()

    def test_chosen_nodes_are_rows_of_all(self, encoder: Encoder) -> None:
        z = encoder()
        for nodes in (torch.tensor([3, 0, 3, 5]), torch.arange(self.graph.num_nodes).flip(0), torch.tensor([1])):
            torch.testing.assert_close(encoder(nodes), z[nodes])
        assert encoder(torch.empty(0, dtype=torch.int64)).shape == (0, encoder.dim)

    def test_evaluation_has_no_chance_in_it(self, encoder: Encoder) -> None:
        assert torch.equal(encoder(), encoder())

    def test_table_names_are_tables(self, encoder: Encoder) -> None:
        parameters = dict(encoder.named_parameters())
        for name in encoder.table_names:
            assert len(parameters[name]) == self.graph.num_nodes, f"{name} must have a row per node"

    def test_layers_share_out_the_parameters(self, encoder: Encoder) -> None:
        names = [name for name, _ in encoder.named_parameters()]
        layers = [[name for name in names if f"{name}.".startswith(f"{layer}.")] for layer in encoder.layer_names]
        assert all(layers), "every layer must have weights"
        shared = sorted(name for layer in layers for name in layer)
        assert not layers or shared == sorted(names), "every weight must be of one layer"

    def test_gradient_reaches_every_parameter(self, encoder: Encoder) -> None:
        z = encoder()
        (z * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None and parameter.grad.any(), f"{name} must get a gradient"
