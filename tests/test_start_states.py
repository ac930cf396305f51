"""Starts from the states of PyG's and DGL's own modules: the model then computes what the module computed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import graphtune as gt
from graphtune import start_from_state

RING = np.stack([np.arange(12), (np.arange(12) + 1) % 12])
EDGES = np.concatenate([RING, np.array([[0, 2, 5], [6, 9, 11]])], axis=1)
NAMES = [f"n {i}" for i in range(12)]
FEATURES = np.random.default_rng(0).dirichlet(np.ones(5), size=12).astype(np.float32)  # rows that sum to 1
BOTH = torch.from_numpy(np.concatenate([EDGES, EDGES[::-1]], axis=1))


def graph(**fields: object) -> gt.Graph:
    return gt.Graph(EDGES, gt.NodeIds.of(NAMES), **fields)  # type: ignore[arg-type]


def with_features() -> gt.Graph:
    return graph(features=FEATURES)


def triples(relations: tuple[str, ...] = ("next", "after", "by")) -> gt.Graph:
    kinds = np.arange(EDGES.shape[1]) % len(relations)
    return graph(directed=True, relation=kinds, relation_ids=gt.NodeIds.of(relations))


class Layers(nn.Module):
    """Convolutions under names of one's own, with what a task puts behind them."""

    def __init__(self, *convolutions: nn.Module):
        super().__init__()
        self.conv1, self.conv2 = convolutions
        self.lin = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, edges: object) -> torch.Tensor:
        return self.conv2(F.relu(self.conv1(x, edges)), edges)


def pyg_layers(name: str) -> tuple[nn.Module, object]:
    import torch_geometric.nn as pyg

    if name == "gcn":
        return pyg.GCN(5, 8, 2, 4), gt.GCN(dim=4, hidden=8)
    if name == "graphsage":
        return pyg.GraphSAGE(5, 8, 2, 4), gt.GraphSAGE(dim=4, hidden=8)
    if name == "gat":
        return pyg.GAT(5, 8, 2, 4, heads=1), gt.GAT(dim=4, hidden=8, heads=1)
    heads = Layers(pyg.GATConv(5, 4, heads=2), pyg.GATConv(8, 4, heads=1))
    return heads, gt.GAT(dim=4, hidden=8, heads=2)


@pytest.mark.parametrize("name", ["gcn", "graphsage", "gat", "gat of two heads"])
def test_convolutions_of_pyg(name: str) -> None:
    torch.manual_seed(1)
    theirs, recipe = pyg_layers(name)
    gt_model = recipe.build(with_features())  # type: ignore[attr-defined]
    nn.init.normal_(dict(theirs.named_parameters())[next(n for n in theirs.state_dict() if n.endswith("bias"))])
    report = start_from_state(gt_model, theirs.state_dict())
    expected = theirs.eval()(torch.from_numpy(FEATURES), BOTH).detach()
    np.testing.assert_allclose(gt_model.encode(), expected, atol=1e-6)
    assert set(report.skipped) <= {"lin.weight", "lin.bias"} and (report.known, report.new) == (0, 0)


@pytest.mark.parametrize("name", ["gcn", "graphsage", "gat"])
def test_convolutions_of_dgl(name: str) -> None:
    dgl = pytest.importorskip("dgl")
    import dgl.nn as dnn

    torch.manual_seed(1)
    made = {
        "gcn": ((dnn.GraphConv(5, 8), dnn.GraphConv(8, 4)), gt.GCN(dim=4, hidden=8)),
        "graphsage": ((dnn.SAGEConv(5, 8, "mean"), dnn.SAGEConv(8, 4, "mean")), gt.GraphSAGE(dim=4, hidden=8)),
        "gat": ((dnn.GATConv(5, 4, 2), dnn.GATConv(8, 4, 1)), gt.GAT(dim=4, hidden=8, heads=2)),
    }
    (first, second), recipe = made[name]
    for p in (*first.parameters(), *second.parameters()):
        if p.ndim == 1:
            nn.init.normal_(p)
    structure = dgl.graph((BOTH[0], BOTH[1]), num_nodes=12)
    structure = structure if name == "graphsage" else dgl.add_self_loop(structure)
    hidden = F.relu(first(structure, torch.from_numpy(FEATURES)).flatten(1))
    expected = second(structure, hidden).flatten(1).detach()
    state = {f"layers.{i}.{k}": v for i, c in enumerate((first, second)) for k, v in c.state_dict().items()}
    model = recipe.build(with_features())  # type: ignore[attr-defined]
    assert start_from_state(model, state).skipped == ()
    np.testing.assert_allclose(model.encode(), expected, atol=1e-6)


def test_a_table_before_the_convolutions() -> None:
    from torch_geometric.nn import GCN

    torch.manual_seed(1)
    theirs = nn.ModuleDict({"embedding": nn.Embedding(12, 8), "gnn": GCN(8, 8, 2, 4)})
    model = gt.GCN(dim=4, hidden=8).build(graph())
    report = start_from_state(model, theirs.state_dict())
    expected = theirs["gnn"](theirs["embedding"].weight, BOTH).detach()
    np.testing.assert_allclose(model.encode(), expected, atol=1e-6)
    assert (report.known, report.new, report.skipped) == (12, 0, ())


def test_ten_layers_are_in_the_order_of_their_numbers() -> None:
    from torch_geometric.nn import GCN

    theirs = GCN(5, 4, 11, 4)
    model = gt.GCN(dim=4, hidden=4, layers=11).build(with_features())
    start_from_state(model, dict(sorted(theirs.state_dict().items())))
    weights = [convolution.lin.weight for convolution in theirs.convs]
    assert all(torch.equal(c.lin.weight, w) for c, w in zip(model.encoder.convolutions, weights))  # type: ignore


@pytest.mark.parametrize("name", ["ComplEx", "DistMult", "TransE", "TransE of norm 2"])
def test_knowledge_graph_models_of_pyg(name: str) -> None:
    from torch_geometric.nn import kge

    torch.manual_seed(1)
    made = {
        "ComplEx": (kge.ComplEx(12, 3, 4), gt.ComplEx(dim=8)),
        "DistMult": (kge.DistMult(12, 3, 4), gt.DistMult(dim=4)),
        "TransE": (kge.TransE(12, 3, 4), gt.TransE(dim=4)),
        "TransE of norm 2": (kge.TransE(12, 3, 4, p_norm=2.0), gt.TransE(dim=4, norm=2)),
    }
    theirs, recipe = made[name]
    model = recipe.build(triples())
    report = start_from_state(model, theirs.state_dict())
    assert (report.known, report.new, report.skipped) == (12, 0, ())
    h, t, r = (torch.randint(n, (30,)) for n in (12, 12, 3))
    expected = theirs(h, r, t).detach().numpy()
    frozen = model.frozen()
    np.testing.assert_allclose(frozen.pairs(h.numpy(), t.numpy(), r.numpy()), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(frozen.pairs(t.numpy(), h.numpy(), r.numpy() + 3), expected, rtol=1e-5, atol=1e-6)


def test_rotate_of_pyg() -> None:
    """PyG takes the 2-norm over all coordinates where the paper, and we, add up moduli: the weights are compared."""
    from torch_geometric.nn.kge import RotatE

    theirs, model = RotatE(12, 3, 4), gt.RotatE(dim=8).build(triples())
    start_from_state(model, theirs.state_dict())
    turned = torch.complex(*torch.from_numpy(model.encode()).chunk(2, 1))
    assert torch.equal(turned, torch.complex(theirs.node_emb.weight, theirs.node_emb_im.weight).detach())
    assert torch.equal(model.scorer.phase[:3], theirs.rel_emb.weight)
    assert torch.equal(model.scorer.phase[3:], -theirs.rel_emb.weight)


def test_lightgcn_of_pyg() -> None:
    from torch_geometric.nn import LightGCN

    theirs, model = LightGCN(12, 4, 2), gt.LightGCN(dim=4, layers=2).build(graph())
    report = start_from_state(model, theirs.state_dict())
    np.testing.assert_allclose(model.encode(), theirs.get_embedding(BOTH).detach(), atol=1e-6)
    assert report.skipped == ("alpha",)


def test_deepwalk_of_dgl_has_both_sides() -> None:
    dgl = pytest.importorskip("dgl")
    from dgl.nn import DeepWalk

    theirs = DeepWalk(dgl.graph((BOTH[0], BOTH[1]), num_nodes=12), 4)
    nn.init.normal_(theirs.context_embed.weight)
    model = gt.DeepWalk(dim=4).build(graph())
    assert start_from_state(model, theirs.state_dict()).skipped == ()
    assert torch.equal(model.encoder.weight, theirs.node_embed.weight)
    assert torch.equal(model.scorer.weight, theirs.context_embed.weight)


def test_rows_and_relations_by_name() -> None:
    from torch_geometric.nn.kge import DistMult

    theirs, model = DistMult(4, 2, 4), gt.DistMult(dim=4).build(triples())
    before = model.scorer.relation.clone()
    report = start_from_state(
        model, theirs.state_dict(), ids=["n 3", "n 0", "gone", "n 9"], relations=["by", "of"], missing="random"
    )
    assert (report.known, report.new, report.ignored) == (3, 9, 1)
    assert np.array_equal(model.encode(["n 3", "n 0", "n 9"]), theirs.node_emb.weight.detach()[[0, 1, 3]])
    assert torch.equal(model.scorer.relation[[2, 5]], theirs.rel_emb.weight[[0, 0]])
    assert torch.equal(model.scorer.relation[[0, 1, 3, 4]], before[[0, 1, 3, 4]])


def test_users_and_items_by_their_ids() -> None:
    ids = gt.NodeIds.of([7, 8], [7, 9], kinds=("user", "item"))
    model = gt.BPRMF(dim=4).build(gt.Graph(np.array([[0, 1], [2, 3]]), ids, directed=True))
    table = nn.Embedding(3, 4)
    report = start_from_state(
        model, {"emb.weight": table.weight}, ids=gt.NodeIds.of([8], [9, 7], kinds=("user", "item"))
    )
    assert (report.known, report.filled) == (3, 1)
    assert np.array_equal(model.encode([7, 9], kind="item"), table.weight.detach()[[2, 1]])


def test_tables_of_another_width() -> None:
    from torch_geometric.nn.kge import DistMult

    state, model = DistMult(12, 3, 8).state_dict(), gt.DistMult(dim=4).build(triples())
    report = start_from_state(model, state)
    assert (report.known, report.from_dim, report.to_dim, report.skipped) == (12, 8, 4, ("rel_emb.weight",))
    with pytest.raises(gt.ArgumentError, match="start_from_state must be of"):
        start_from_state(model, state, resize="refuse")


def test_a_state_in_a_file(tmp_path: Path) -> None:
    from torch_geometric.nn import GCN

    theirs, first, second = GCN(5, 8, 2, 4), *(gt.GCN(dim=4, hidden=8).build(with_features(), s) for s in (1, 2))
    save_file(theirs.state_dict(), tmp_path / "state.safetensors")
    start_from_state(first, theirs.state_dict())
    start_from_state(second, tmp_path / "state.safetensors")
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters()))
    torch.save(theirs.state_dict(), tmp_path / "state.pt")
    with pytest.raises(gt.ArgumentError, match=r"run code.*safetensors\.torch\.save_file\(module\.state_dict\(\)"):
        start_from_state(first, tmp_path / "state.pt")
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    for name in ("bad", "none"):
        with pytest.raises(gt.DataError, match=f"{name}.safetensors"):
            start_from_state(first, tmp_path / f"{name}.safetensors")


def test_states_that_do_not_fit() -> None:
    from torch_geometric.nn import GCN
    from torch_geometric.nn.kge import DistMult

    model, facts = gt.GCN(dim=4, hidden=8).build(with_features()), gt.DistMult(dim=4).build(triples())
    with pytest.raises(gt.ArgumentError, match=r"2 convolutions.*convs\.2\."):
        start_from_state(model, GCN(5, 8, 3, 4).state_dict())
    with pytest.raises(gt.ArgumentError, match="weights that a GCN has a place for"):
        start_from_state(model, {"other.weight": torch.zeros(2, 2)})
    with pytest.raises(gt.ArgumentError, match=r"`ids` of start_from_state must be 10 ids.*12 ids of the model"):
        start_from_state(facts, DistMult(10, 3, 4).state_dict())
    with pytest.raises(gt.ArgumentError, match=r"must be 2 names.*3 names of the model"):
        start_from_state(facts, DistMult(12, 2, 4).state_dict())
    untouched = gt.DistMult(dim=4).build(triples())
    with pytest.raises(gt.ArgumentError, match="10 ids"):
        start_from_state(untouched, DistMult(10, 3, 4).state_dict())
    before = gt.DistMult(dim=4).build(triples())
    assert all(torch.equal(p, q) for p, q in zip(untouched.parameters(), before.parameters()))
