"""Every model family, encoder and scorer against its contract; and nothing in graphtune.models goes without one."""

import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass, replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from graphtune import models
from graphtune.check import ArgumentError
from graphtune.config import TrainConfig
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.bprmf import BPRMF
from graphtune.models.bspm import BSPM
from graphtune.models.compgcn import CompGCN, CompGCNEncoder
from graphtune.models.complex import ComplEx, ComplExScorer
from graphtune.models.conve import ConvE, ConvEScorer
from graphtune.models.cp import CP, CPScorer
from graphtune.models.deepwalk import DeepWalk
from graphtune.models.distance import euclid_cross, modulus_cross, taxicab_cross
from graphtune.models.distmult import DistMult, DistMultScorer
from graphtune.models.ease import EASE
from graphtune.models.encoder import Encoder
from graphtune.models.gfcf import GFCF
from graphtune.models.gnn import GAT, GCN, GNN, GraphSAGE, prepare_features
from graphtune.models.heads import HeadSpec
from graphtune.models.itemknn import ItemKNN
from graphtune.models.lightgcn import LightGCN, Propagation
from graphtune.models.line import LINE, Halves, HalvesScorer, extended
from graphtune.models.lookup import Context, Cosine, Dot, Lookup, Projected
from graphtune.models.netmf import NetMF
from graphtune.models.node2vec import Node2Vec
from graphtune.models.pathranking import PathRanking
from graphtune.models.popularity import Popularity
from graphtune.models.prone import ProNE
from graphtune.models.propagation import SymmetricProduct, normalised_adjacency, to_torch_csr
from graphtune.models.quate import QuatE, QuatEScorer
from graphtune.models.rescal import RESCAL, RESCALScorer
from graphtune.models.rgcn import RGCN, RGCNEncoder
from graphtune.models.rotate import RotatE, RotatEScorer
from graphtune.models.scorer import Scorer
from graphtune.models.simple import SimplE, SimplEScorer
from graphtune.models.transe import TransE, TransEScorer
from graphtune.models.tucker import TuckER, TuckERScorer
from graphtune.testing import (
    Checkerboard,
    ClosedFormContract,
    Communities,
    EncoderContract,
    HistoryContract,
    InverseRelations,
    ModelContract,
    RecipeContract,
    ScorerContract,
    ScoresContract,
    checkerboard,
    two_cliques,
)

WALKS = TrainConfig(epochs=20, batch_size=64, lr=0.1, optimizer="sgd", schedule="linear", patience=0)
EDGES = TrainConfig(epochs=200, batch_size=64, lr=0.1, optimizer="sgd", patience=0)
RANKING = TrainConfig(epochs=150, batch_size=64, lr=0.02, l2=1e-3, patience=0)
TRIPLES = TrainConfig(epochs=150, batch_size=64, lr=0.1, optimizer="adagrad", n3=0.01, patience=0)
DISTANCE = TrainConfig(epochs=150, batch_size=64, lr=0.02, patience=0)


class TestDeepWalk(RecipeContract):
    recipe = DeepWalk(dim=8, walks_per_node=5, walk_length=8, window=3, negatives=3)
    config = WALKS


class TestNode2Vec(RecipeContract):
    recipe = Node2Vec(dim=8, walks_per_node=5, walk_length=8, window=3, negatives=3, p=0.5, q=2.0)
    config = WALKS


class TestDeepWalkInHalfTables(RecipeContract):
    recipe = DeepWalk(dim=8, walks_per_node=5, walk_length=8, window=3, negatives=3, table_dtype="bfloat16")
    config = WALKS


class TestLineInHalfTables(RecipeContract):
    recipe = LINE(dim=8, negatives=3, table_dtype="bfloat16")
    config = EDGES
    untrained = ("scorer.log_scale",)


class TestNode2VecByAdam(RecipeContract):
    """Without the fused kernel, and with subsampling."""

    recipe = Node2Vec(dim=8, walks_per_node=2, walk_length=8, window=3, negatives=3, subsample=0.1)
    config = TrainConfig(epochs=20, batch_size=64, lr=0.02, patience=0)


class TestLineFirstOrder(RecipeContract):
    recipe = LINE(dim=8, order="first", negatives=3)
    config = EDGES


class TestLineSecondOrder(RecipeContract):
    recipe = LINE(dim=8, order="second", negatives=3)
    config = EDGES


class TestLineBothOrders(RecipeContract):
    recipe = LINE(dim=8, order="both", negatives=3)
    config = EDGES
    untrained = ("scorer.log_scale",)  # weighs the halves in fine-tuning; in pretraining each is unaware of the other


class TestLineWithExtendedLowDegrees(RecipeContract):
    recipe = LINE(dim=8, negatives=3, extend_to=9)
    config = EDGES
    untrained = ("scorer.log_scale",)


def test_extended_low_degrees_keep_every_direction() -> None:
    """A path 0-1-2-3: the ends gain a neighbour each, at the product of two weights over the sum of the middle's."""
    graph = Graph(np.array([[0, 1, 2], [1, 2, 3]]), NodeIds.range(4), weight=np.array([2.0, 1.0, 4.0]))
    found = extended(graph, 2)
    assert found.directed
    edges = {(u, v): w for u, v, w in zip(*found.edges.tolist(), found.weight.tolist())}
    expected = {(0, 1): 2.0, (1, 0): 2.0, (1, 2): 1.0, (2, 1): 1.0, (2, 3): 4.0, (3, 2): 4.0}
    assert edges == pytest.approx(expected | {(0, 2): 2.0 * 1.0 / 3.0, (3, 1): 4.0 * 1.0 / 5.0})


class TestNetMF(ClosedFormContract):
    recipe = NetMF(dim=8, window=3)


class TestNetMFWithMoreFactorsThanNodes(ClosedFormContract):
    recipe = NetMF(dim=16, window=3, method="eigen", rank=20)


class TestNetMFSampledAndSmoothed(ClosedFormContract):
    recipe = NetMF(dim=8, method="sampled", window=2, walks=200, smoothing=4)


class TestNetMFDirected(ClosedFormContract):
    recipe = NetMF(dim=2, window=1)
    pattern = Checkerboard()


class TestProNE(ClosedFormContract):
    recipe = ProNE(dim=8)


class TestProNEDirected(ClosedFormContract):
    recipe = ProNE(dim=8)
    pattern = Communities(two_cliques(directed=True))
    needed = 0.83  # 10 of 12: the last node of each clique has no edge out, so no source side


class TestPopularity(HistoryContract):
    recipe = Popularity()
    needed = 0.0  # everyone's parity is as popular


class TestItemKNN(HistoryContract):
    recipe = ItemKNN(neighbours=8)


class TestEASE(HistoryContract):
    recipe = EASE(l2=5.0)


class TestEASETruncated(HistoryContract):
    recipe = EASE(l2=5.0, method="truncated", rank=8)


class TestGFCF(HistoryContract):
    recipe = GFCF(dim=8)


class TestBSPM(HistoryContract):
    recipe = BSPM(dim=8)


class TestPathRanking(ScoresContract):
    recipe = PathRanking()
    pattern = InverseRelations()


class TestGCN(RecipeContract):
    recipe = GCN(dim=8, hidden=8, dropout=0.1)


class TestGCNWithFeatures(RecipeContract):
    recipe = GCN(dim=8, hidden=8, dropout=0.1)
    pattern = Communities(
        two_cliques(features=True).replace(features=sp.csr_array(np.eye(12, dtype=np.float32)))  # sparse ones stay so
    )


class TestGCNDirected(RecipeContract):
    recipe = GCN(dim=8, hidden=8, dropout=0.1)
    pattern = Communities(two_cliques(directed=True, features=True))


class TestGraphSAGE(RecipeContract):
    recipe = GraphSAGE(dim=8, hidden=8, dropout=0.1)


class TestGAT(RecipeContract):
    recipe = GAT(dim=8, hidden=8, heads=2, dropout=0.1)


class TestComplEx(RecipeContract):
    recipe = ComplEx(dim=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestComplExOneVsAll(RecipeContract):
    recipe = ComplEx(dim=16, loss="one-vs-all")
    pattern = InverseRelations()
    config = TRIPLES


class TestComplExBCE(RecipeContract):
    recipe = ComplEx(dim=16, loss="k-vs-all-bce")
    pattern = InverseRelations()
    config = TRIPLES


class TestComplExRelations(RecipeContract):
    recipe = ComplEx(dim=16, relation_weight=0.1)
    pattern = InverseRelations()
    config = TRIPLES


class TestComplExWithNegatives(RecipeContract):
    recipe = ComplEx(dim=16, loss="self-adversarial", negatives=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestDistMult(RecipeContract):
    recipe = DistMult(dim=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestTransE(RecipeContract):
    recipe = TransE(dim=16, negatives=16, margin=2.0)
    pattern = InverseRelations()
    config = DISTANCE


class TestTransEOneVsAll(RecipeContract):
    recipe = TransE(dim=16, norm=2, loss="one-vs-all")
    pattern = InverseRelations()
    config = DISTANCE


class TestRotatE(RecipeContract):
    recipe = RotatE(dim=16, negatives=16, margin=2.0)
    pattern = InverseRelations()
    config = DISTANCE


class TestRESCAL(RecipeContract):
    recipe = RESCAL(dim=8)
    pattern = InverseRelations()
    config = TRIPLES


class TestRESCALWithNegatives(RecipeContract):
    recipe = RESCAL(dim=8, loss="self-adversarial", negatives=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestTuckER(RecipeContract):
    recipe = TuckER(dim=16, relation_dim=4, input_dropout=0.1, relation_dropout=0.1, hidden_dropout=0.1)
    pattern = InverseRelations()
    config = DISTANCE


class TestTuckERWithoutBatchNorm(RecipeContract):
    recipe = TuckER(dim=16, relation_dim=4, relation_dropout=0.0, hidden_dropout=0.0, batch_norm=False)
    pattern = InverseRelations()
    config = DISTANCE


class TestConvE(RecipeContract):
    recipe = ConvE(dim=16, channels=4)
    pattern = InverseRelations()
    config = DISTANCE


class TestConvEWithoutBatchNorm(RecipeContract):
    recipe = ConvE(dim=12, channels=4, kernel=2, batch_norm=False)
    pattern = InverseRelations()
    config = DISTANCE


class TestQuatE(RecipeContract):
    recipe = QuatE(dim=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestQuatEWithNegatives(RecipeContract):
    recipe = QuatE(dim=16, loss="self-adversarial", negatives=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestCP(RecipeContract):
    recipe = CP(dim=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestSimplE(RecipeContract):
    recipe = SimplE(dim=16)
    pattern = InverseRelations()
    config = TRIPLES


class TestRGCN(RecipeContract):
    recipe = RGCN(dim=16, bases=2, layers=2, dropout=0.1)
    pattern = InverseRelations()
    config = DISTANCE


class TestRGCNWithNegatives(RecipeContract):
    recipe = RGCN(dim=16, scorer="transe", loss="self-adversarial", negatives=16, margin=2.0, dropout=0.1)
    pattern = InverseRelations()
    config = DISTANCE


class TestCompGCN(RecipeContract):
    recipe = CompGCN(dim=16, scorer="complex", dropout=0.1)
    pattern = InverseRelations()
    config = DISTANCE


class TestCompGCNWithNegatives(RecipeContract):
    recipe = CompGCN(dim=16, scorer="rotate", layers=2, composition="corr", loss="self-adversarial", margin=2.0)
    pattern = InverseRelations()
    config = DISTANCE


class TestBPRMF(RecipeContract):
    recipe = BPRMF(dim=4, negatives=4)
    pattern = Checkerboard()
    config = RANKING


class TestBPRMFSoftmax(RecipeContract):
    recipe = BPRMF(dim=4, loss="softmax", negatives=16)
    pattern = Checkerboard()
    config = RANKING


class TestBPRMFOnAnyGraph(RecipeContract):
    recipe = BPRMF(dim=8, loss="full-softmax")


class TestLightGCN(RecipeContract):
    recipe = LightGCN(dim=4, layers=2, negatives=4)
    pattern = Checkerboard()
    config = RANKING


class TestLightGCNByUsers(RecipeContract):
    recipe = LightGCN(dim=4, layers=2, loss="k-vs-all")
    pattern = Checkerboard()
    config = RANKING


class TestBPRMFOfCosines(RecipeContract):
    recipe = BPRMF(dim=4, loss="softmax", negatives=16, temperature=0.2)
    pattern = Checkerboard()
    config = replace(RANKING, l2=0.0)


class TestBPRMFContrast(RecipeContract):
    recipe = BPRMF(dim=4, loss="ccl", negatives=16, margin=0.2)
    pattern = Checkerboard()
    config = replace(RANKING, l2=0.0)


class TestLightGCNContrast(RecipeContract):
    recipe = LightGCN(dim=4, layers=2, negatives=4, contrast=0.05)
    pattern = Checkerboard()
    config = RANKING


class TestLookup(EncoderContract):
    def make(self, graph):
        return Lookup(graph.num_nodes, 4)


class TestHalves(EncoderContract):
    def make(self, graph):
        return Halves(graph.num_nodes, 6)


class TestPropagation(EncoderContract):
    graph = checkerboard()

    def make(self, graph):
        return Propagation(graph, 4, layers=2)


class TestGNN(EncoderContract):
    def make(self, graph):
        from torch_geometric.nn import SAGEConv

        return GNN(graph, lambda a, b, last: SAGEConv(a, b), hidden=5, dim=4, layers=2, dropout=0.5, sparse_input=False)


class TestRGCNEncoder(EncoderContract):
    graph = InverseRelations().graph

    def make(self, graph):
        return RGCNEncoder(graph, 4, layers=2, bases=2, dropout=0.5)


class TestCompGCNEncoder(EncoderContract):
    graph = InverseRelations().graph

    def make(self, graph):
        return CompGCNEncoder(graph, 4, layers=2, composition="sub", dropout=0.5)


class TestDot(ScorerContract):
    def make(self):
        return Dot()

    def oracle(self, scorer, z, h, r, t):
        return sum(a * b for a, b in zip(z[h], z[t]))


class TestCosine(ScorerContract):
    def make(self):
        return Cosine(0.5)

    def oracle(self, scorer, z, h, r, t):
        return z[h] @ z[t] / (np.linalg.norm(z[h]) * np.linalg.norm(z[t])) / 0.5


class TestContext(ScorerContract):
    def make(self):
        return Context(self.nodes, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return z[h] @ self.rows(scorer.weight)[t]


class TestProjected(ScorerContract):
    def make(self):
        return Projected(self.dim)

    def oracle(self, scorer, z, h, r, t):
        return z[h] @ self.rows(scorer.source) @ self.rows(scorer.target).T @ z[t]


class TestHalvesScorer(ScorerContract):
    def make(self):
        return HalvesScorer(self.nodes, self.dim)

    def oracle(self, scorer, z, h, r, t):
        first, second = np.exp(self.rows(scorer.log_scale))
        c = self.rows(scorer.context.weight)[t]
        return first * (z[h, :3] @ z[t, :3]) + second * (z[h, 3:] @ c) / np.linalg.norm(c)


class TestDistMultScorer(ScorerContract):
    relations = 2

    def make(self):
        return DistMultScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return (z[h] * self.rows(scorer.relation)[r] * z[t]).sum()


class TestComplExScorer(ScorerContract):
    relations = 2

    def make(self):
        return ComplExScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return (complex_row(z[h]) * complex_row(self.rows(scorer.relation)[r]) * complex_row(z[t]).conj()).sum().real


class TestTransEScorer(ScorerContract):
    relations = 2

    def make(self):
        return TransEScorer(self.relations, self.dim, norm=1)

    def oracle(self, scorer, z, h, r, t):
        return -abs(z[h] + self.rows(scorer.relation)[r] - z[t]).sum()


class TestTransEScorerEuclidean(ScorerContract):
    relations = 2

    def make(self):
        return TransEScorer(self.relations, self.dim, norm=2)

    def oracle(self, scorer, z, h, r, t):
        return -np.sqrt(((z[h] + self.rows(scorer.relation)[r] - z[t]) ** 2).sum())


class TestRotatEScorer(ScorerContract):
    relations = 2

    def make(self):
        return RotatEScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return -abs(complex_row(z[h]) * np.exp(1j * self.rows(scorer.phase)[r]) - complex_row(z[t])).sum()


class TestRESCALScorer(ScorerContract):
    relations = 2

    def make(self):
        return RESCALScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return z[h] @ self.rows(scorer.matrix)[r].reshape(self.dim, self.dim) @ z[t]


class TestTuckERScorer(ScorerContract):
    relations = 2

    def make(self):
        return TuckERScorer(self.relations, TuckER(self.dim, 3, batch_norm=False)).eval()

    def oracle(self, scorer, z, h, r, t):
        return np.einsum("jik,i,j,k", self.rows(scorer.core), z[h], self.rows(scorer.relation)[r], z[t])


class TestTuckERScorerWithBatchNorm(TestTuckERScorer):
    def make(self):
        return with_running_means(TuckERScorer(self.relations, TuckER(self.dim, 3)))

    def oracle(self, scorer, z, h, r, t):
        head, relation = normed(scorer.before, z[h]), self.rows(scorer.relation)[r]
        return normed(scorer.after, np.einsum("jik,i,j->k", self.rows(scorer.core), head, relation)) @ z[t]


class TestConvEScorer(ScorerContract):
    """Head and relation are images of 2 x 4, one over the other."""

    dim = 8
    relations = 2
    recipe = ConvE(dim, channels=3, batch_norm=False)

    def make(self):
        return with_running_means(ConvEScorer(self.nodes, self.relations, self.recipe))

    def oracle(self, scorer, z, h, r, t):
        norms = [self.norm(scorer, number) for number in range(3)]
        image = norms[0](np.concatenate([z[h].reshape(2, 4), self.rows(scorer.relation)[r].reshape(2, 4)])[None])[0]
        kernels = self.rows(scorer.kernels).reshape(3, 3, 3)
        places = [[image[i : i + 3, j : j + 3] for j in range(2)] for i in range(2)]
        maps = np.array([[[(kernel * place).sum() for place in row] for row in places] for kernel in kernels])
        hidden = norms[2](norms[1](maps).clip(0).reshape(-1) @ self.rows(scorer.project)).clip(0)
        return hidden @ z[t] + self.rows(scorer.bias.weight)[t, 0]

    def norm(self, scorer, number):
        return lambda x: x


class TestConvEScorerWithBatchNorm(TestConvEScorer):
    recipe = ConvE(TestConvEScorer.dim, channels=3)

    def norm(self, scorer, number):
        return lambda x: normed(scorer.norms[number], x)


class TestQuatEScorer(ScorerContract):
    relations = 2
    dim = 8

    def make(self):
        return QuatEScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        heads, relations, tails = (row.reshape(4, -1).T for row in (z[h], self.rows(scorer.rotation)[r], z[t]))
        return sum(hamilton(a, b / np.linalg.norm(b)) @ c for a, b, c in zip(heads, relations, tails))


class TestCPScorer(ScorerContract):
    relations = 2

    def make(self):
        return CPScorer(self.nodes, self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        return (z[h] * self.rows(scorer.relation)[r] * self.rows(scorer.tail.weight)[t]).sum()


class TestSimplEScorer(ScorerContract):
    relations = 2

    def make(self):
        return SimplEScorer(self.relations, self.dim)

    def oracle(self, scorer, z, h, r, t):
        head, tail = np.split(z, 2, axis=1)
        there, back = np.split(self.rows(scorer.relation)[r], 2)
        return ((head[h] * there * tail[t]).sum() + (head[t] * back * tail[h]).sum()) / 2


def hamilton(p, q):
    """The product of two quaternions, each part written out from i^2 = j^2 = k^2 = ijk = -1."""
    a, b, c, d = p
    e, f, g, h = q
    return np.array(
        [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ]
    )


def with_running_means(scorer):
    """In evaluation, with means and variances that are not those of the start."""
    generator = torch.Generator().manual_seed(1)
    for name, buffer in scorer.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 1.5, generator=generator)
    return scorer.eval()


def normed(norm, x):
    """Batch norm by its running means; channels come first."""
    mean, var, weight, bias = (
        v.detach().numpy().reshape(-1, *[1] * (x.ndim - 1))
        for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / np.sqrt(var + norm.eps) * weight + bias


def complex_row(row):
    real, imaginary = np.split(row, 2)
    return real + 1j * imaginary


def test_every_class_has_a_contract():
    """A new recipe, encoder or scorer in graphtune.models must be tested above."""
    here = [*globals().values(), *vars(importlib.import_module("test_text")).values()]
    contracts = [c for c in here if inspect.isclass(c) and c.__module__ in (__name__, "test_text")]
    tested = {type(c.recipe) for c in contracts if issubclass(c, ModelContract)}
    tested |= {type(c().make(c.graph)) for c in contracts if issubclass(c, EncoderContract)}
    tested |= {type(c().make()) for c in contracts if issubclass(c, ScorerContract)}
    for one in (c for c in contracts if issubclass(c, ScoresContract) and hasattr(c, "recipe")):
        model = one.recipe.build(one.pattern.graph)
        tested |= {type(model.encoder), type(model.scorer)}
    found = set(classes_of_models())
    assert {GCN, Lookup, Dot} <= found, "the walk over graphtune.models must find what is there"
    assert found - tested == set()


def classes_of_models():
    for info in pkgutil.iter_modules(models.__path__, "graphtune.models."):
        module = importlib.import_module(info.name)
        for one in vars(module).values():
            if inspect.isclass(one) and one.__module__ == info.name and one is not Scorer:
                is_recipe = is_dataclass(one) and (hasattr(one, "pretraining") or hasattr(one, "solve"))
                if is_recipe or (issubclass(one, (Encoder, Scorer)) and not inspect.isabstract(one)):
                    yield one


# ---- what the families add to the contract ------------------------------------------------------------------


def test_sides_of_walk_models_differ_and_of_tied_models_agree():
    graph = two_cliques()
    tied = BPRMF(dim=4).build(graph)
    assert np.array_equal(tied.encode(side="source"), tied.encode(side="target"))
    free = DeepWalk(dim=4).build(graph)
    assert not np.array_equal(free.encode(side="source"), free.encode(side="target"))


def test_changing_what_encode_gave_leaves_the_model_alone():
    model = BPRMF(dim=4).build(two_cliques())
    before = model.encode().copy()
    model.encode()[:] = 7.0
    assert np.array_equal(model.encode(), before)


@pytest.mark.parametrize("ids", [["a1"], None])
def test_encode_of_one_and_of_all(ids):
    model = BPRMF(dim=4).build(two_cliques())
    assert model.encode(ids).shape == (12 if ids is None else 1, 4)


def test_unknown_id_and_side_are_refused():
    model = BPRMF(dim=4).build(two_cliques())
    with pytest.raises(ArgumentError, match="'nobody'"):
        model.encode(["nobody"])
    with pytest.raises(ArgumentError, match="side"):
        model.encode(side="left")


def test_score_reads_the_right_kinds_and_relations():
    events = BPRMF(dim=4).build(checkerboard())
    z = events.embeddings().numpy()
    np.testing.assert_allclose(events.score([3], [5]), z[3] @ z[16 + 5], rtol=1e-5)
    with pytest.raises(ArgumentError, match="relation"):
        events.score([3], [5], ["likes"])
    triples = DistMult(dim=4).build(InverseRelations().graph)
    with pytest.raises(ArgumentError, match="relation"):
        triples.score(["city0"], ["person1"])
    z, relation = triples.embeddings().numpy(), triples.scorer.relation.detach().numpy()
    u, v = triples.ids.index(["city0", "person1"])
    np.testing.assert_allclose(
        triples.score(["city0"], ["person1"], ["in"]), (z[u] * relation[1] * z[v]).sum(), rtol=1e-4
    )


def test_triple_models_refuse_graphs_without_relations():
    for recipe in (
        ComplEx(dim=4),
        DistMult(dim=4),
        TransE(dim=4),
        RotatE(dim=4),
        CP(dim=4),
        RGCN(dim=4),
        CompGCN(dim=4),
    ):
        with pytest.raises(ArgumentError, match="relations"):
            recipe.build(two_cliques())


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeepWalk(dim=0),
        lambda: DeepWalk(walk_length=1),
        lambda: DeepWalk(restart=1.0),
        lambda: Node2Vec(restart=-0.1),
        lambda: Node2Vec(p=0.0),
        lambda: LINE(order="third"),
        lambda: LINE(dim=7),
        lambda: LINE(extend_to=-1),
        lambda: LINE(table_dtype="float16"),
        lambda: DeepWalk(table_dtype="half"),
        lambda: GCN(dropout=1.0),
        lambda: GCN(layers=0),
        lambda: GAT(hidden=10, heads=4),
        lambda: ComplEx(dim=5),
        lambda: RotatE(dim=5),
        lambda: TransE(norm=3),
        lambda: RESCAL(dim=0),
        lambda: QuatE(dim=6),
        lambda: SimplE(dim=5),
        lambda: CP(negatives=0),
        lambda: TuckER(relation_dim=0),
        lambda: TuckER(hidden_dropout=1.0),
        lambda: TuckER(label_smoothing=-0.1),
        lambda: ConvE(dim=7),
        lambda: ConvE(dim=8, kernel=5),
        lambda: ConvE(map_dropout=1.0),
        lambda: BPRMF(loss="hinge"),
        lambda: BPRMF(negatives=0),
        lambda: NetMF(window=0),
        lambda: NetMF(method="guessed"),
        lambda: NetMF(smoothing=1),
        lambda: NetMF(negatives=0.0),
        lambda: ProNE(smoothing=1),
        lambda: ProNE(theta=0.0),
        lambda: LightGCN(layers=-1),
        lambda: LightGCN(loss="hinge"),
        lambda: LightGCN(rounding=1.5),
    ],
)
def test_bad_options_are_refused(make):
    with pytest.raises(ArgumentError):
        make()


def test_heads_are_kept_once_and_copied():
    model = BPRMF(dim=4).build(two_cliques())
    model.add_head("task", HeadSpec(4, 3, hidden=5, dropout=0.1), seed=1)
    head = model.heads["task"]
    model.add_head("task", HeadSpec(4, 3, hidden=5, dropout=0.1), seed=2)
    assert model.heads["task"] is head, "a head of the same shape stays"
    assert torch.equal(model.copy().heads["task"].layers[0].weight, head.layers[0].weight)
    model.add_head("task", HeadSpec(4, 2))
    assert model.heads["task"](model.embeddings()).shape == (12, 2)


def test_propagation_is_the_mean_of_powers():
    graph = checkerboard()
    encoder = Propagation(graph, dim=3, layers=2, seed=1)
    a, x = normalised_adjacency(graph).toarray(), encoder.table().detach().numpy()
    np.testing.assert_allclose(encoder().detach().numpy(), (x + a @ x + a @ a @ x) / 3, rtol=1e-5, atol=1e-6)


def test_normalised_adjacency_by_hand():
    graph = Graph(np.array([[0, 1], [1, 2]]), NodeIds.range(4), weight=np.array([1.0, 3.0]))
    half = 1 / np.sqrt(1 * 4)
    hand = np.zeros((4, 4))
    hand[0, 1] = hand[1, 0] = half
    hand[1, 2] = hand[2, 1] = 3 / np.sqrt(4 * 3)
    np.testing.assert_allclose(normalised_adjacency(graph).toarray(), hand, rtol=1e-6)


def test_symmetric_product_gradient():
    matrix = normalised_adjacency(two_cliques())
    x = torch.randn(12, 3, requires_grad=True)
    weight = torch.randn(12, 3)
    (SymmetricProduct.apply(to_torch_csr(matrix), x) * weight).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), matrix.toarray().T @ weight.numpy(), rtol=1e-5, atol=1e-6)


def test_features_are_brought_to_one_scale():
    counts = np.array([[1.0, 3.0], [0.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    hand = [[0.25, 0.75], [0, 0], [1, 0]]
    np.testing.assert_allclose(prepare_features(counts), hand)
    np.testing.assert_allclose(prepare_features(sp.csr_array(counts)).toarray(), hand)
    signed = prepare_features(np.array([[-1.0, 5.0], [3.0, 5.0]], dtype=np.float32))
    np.testing.assert_allclose(signed, [[-1, 0], [1, 0]])


def test_gnn_sees_features_edges_and_dropout():
    graph = two_cliques(features=True)
    model = GCN(dim=4, hidden=8, dropout=0.5).build(graph)
    assert model.encoder.table is None and model.table_parameters() == {}
    shifted = model.recipe.build(graph.replace(features=graph.features[::-1]))
    assert not torch.equal(model.embeddings(), shifted.embeddings()), "other features, other embeddings"
    fewer = model.recipe.build(graph.take_edges(np.arange(10)))
    assert not torch.equal(model.embeddings(), fewer.embeddings()), "other edges, other embeddings"
    model.train()
    assert not torch.equal(model.encoder(), model.encoder()), "dropout must act in training"
    sparse = model.recipe.build(graph.replace(features=sp.csr_array(graph.features)))
    torch.testing.assert_close(sparse.embeddings(), model.embeddings())
    sparse.train()
    assert not torch.equal(sparse.encoder(), sparse.encoder()), "and on sparse features too"


@pytest.mark.parametrize("cross, distance", [(taxicab_cross, 7.0), (modulus_cross, 5.0), (euclid_cross, 5.0)])
def test_distances_at_coinciding_rows(cross, distance):
    query = torch.zeros(1, 4, requires_grad=True)
    key = torch.zeros(2, 4)
    key[1] = torch.tensor([3.0, 0.0, 4.0, 0.0])
    found = cross(query, key)
    assert found.tolist() == [[0.0, distance]]
    found.sum().backward()
    assert query.grad.isfinite().all(), "no NaN where query and key coincide"


@pytest.mark.parametrize("p, cross", [(1.0, taxicab_cross), (2.0, euclid_cross)])
def test_norms_of_differences_are_torchs(p, cross):
    rows = [torch.randn(n, 5, generator=torch.Generator().manual_seed(n)).requires_grad_() for n in (7, 11)]
    weight = torch.randn(7, 11, generator=torch.Generator().manual_seed(0))
    ours, theirs = cross(*rows), torch.cdist(*(r.double() for r in rows), p=p)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad((d * weight).sum(), rows) for d in (ours, theirs))):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
