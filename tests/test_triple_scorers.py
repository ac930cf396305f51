"""What the scorers of triples add to their contracts in test_models.py: numbers by hand, and how they train."""

import numpy as np
import pytest
import torch

import graphtune as gt
from graphtune.cli.data import RELATIONAL
from graphtune.models import RECIPES
from graphtune.models.chance import judging
from graphtune.models.conve import ConvEScorer
from graphtune.models.cp import CPScorer
from graphtune.models.norm import BatchNorm
from graphtune.models.quate import QuatEScorer
from graphtune.models.rescal import RESCALScorer, times_matrices
from graphtune.models.simple import SimplEScorer
from graphtune.models.tucker import TuckERScorer
from graphtune.objectives.entropy import can_form
from graphtune.testing import inverse_relations, snapshot

PRODUCTS = [name for name in RELATIONAL if name not in ("transe", "rotate", "pathranking")]
QUIET = gt.Run(quiet=True)


def score(scorer, weights, head, relation, tail):
    """Of the triple of nodes 0 and 1, whose vectors are given, with the scorer's weights set by name."""
    with torch.no_grad(), judging(scorer):
        for name, values in weights.items():
            parameter = scorer.get_parameter(name)
            parameter.copy_(torch.tensor(values, dtype=torch.float32).reshape(parameter.shape))
        z = torch.tensor([head, tail], dtype=torch.float32)
        query = scorer.query(z[:1], torch.tensor([relation]))
        return scorer.pair(query, scorer.key(z[1:], torch.tensor([1]))).item()


# --- by hand ---


def test_rescal_by_hand():
    """(1, 2) M (3, 4)' with M = [[1, 2], [0, -1]] is (1, 0) . (3, 4)."""
    weights = {"matrix": [[1, 2, 0, -1], [1, 0, 2, -1]]}
    assert score(RESCALScorer(1, 2), weights, [1, 2], 0, [3, 4]) == 3
    assert score(RESCALScorer(1, 2), weights, [3, 4], 1, [1, 2]) == 3, "the second matrix is the first one's mirror"


def test_tucker_by_hand():
    """r = (1, 10) makes 1 [[1, 2], [0, 0]] + 10 [[0, 0], [3, 0]]; (1, 2) times that is (61, 2)."""
    scorer = TuckERScorer(1, gt.TuckER(2, 2, batch_norm=False))
    weights = {"relation": [[1, 10], [0, 0]], "core": [[[1, 2], [0, 0]], [[0, 0], [3, 0]]]}
    assert score(scorer, weights, [1, 2], 0, [1, 100]) == 261


def test_conve_by_hand():
    """The images [1 2] over [3 4]; the kernels of side 1 are 1 and -1, so of two maps one is cut to 0."""
    scorer = ConvEScorer(2, 1, gt.ConvE(2, channels=2, kernel=1, batch_norm=False))
    project = np.zeros((8, 2))
    project[:4] = [[1, 1], [1, -1], [1, 0], [0, -1]]  # hidden: 1 + 2 + 3 and 1 - 2 - 4, cut to 0
    project[4:] = 1000
    weights = {"relation": [[3, 4], [0, 0]], "kernels": [1, -1], "project": project, "bias.weight": [7, 0.5]}
    assert score(scorer, weights, [1, 2], 0, [10, 10]) == 60.5


def test_quaternions_by_hand():
    """i j = k and j j = -1, but k j = -i; how long a relation's quaternion is does not count."""
    one, i, j, k = np.eye(4).tolist()
    weights = {"rotation": [[0, 0, 7, 0], [1, 0, 0, 0]]}
    for head, tail in ((i, k), (j, [-x for x in one]), (k, [-x for x in i])):
        assert score(QuatEScorer(1, 4), weights, head, 0, tail) == 1
        assert score(QuatEScorer(1, 4), weights, head, 1, tail) == 0
    moduli = QuatEScorer(1, 8).modulus(torch.tensor([[1.0, 0, 2, 0, 2, 0, 4, 3]]))
    assert moduli[0].tolist() == pytest.approx([5, 3])


def test_heads_and_tails_of_cp_are_different_vectors():
    """1 * 2 * 5 + 3 * 1 * 7, with (5, 7) the tail-side row of node 1, whatever its head-side row is."""
    weights = {"relation": [[2, 1], [0, 0]], "tail.weight": [[0, 0], [5, 7]]}
    for other in ([0, 0], [9, 9]):
        assert score(CPScorer(2, 1, 2), weights, [1, 3], 0, other) == 31
    model = gt.CP(dim=4).build(inverse_relations())
    assert not np.array_equal(model.encode(side="source"), model.encode(side="target"))
    assert set(model.table_parameters()) == {"encoder.weight", "scorer.tail.weight"}


def test_simple_by_hand():
    """(1 * 2 * 6 + 5 * 3 * 4) / 2 for a head (1; 4), a tail (5; 6) and v = 2, v' = 3."""
    assert score(SimplEScorer(1, 2), {"relation": [[2, 3], [3, 2]]}, [1, 4], 0, [5, 6]) == 36


# --- how queries are made ---


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_fused_softmax_takes_every_product(name):
    graph = inverse_relations()
    model = RECIPES[name](dim=8).build(graph)
    every = torch.arange(graph.num_nodes)
    source, z = model.rows_and_all(every)
    query, key = model.scorer.query(source, every % (2 * graph.num_relations)), model.scorer.key(z)
    assert model.scorer.is_product and can_form(model.scorer, query, key)


def test_matrices_are_made_once_a_relation():
    z, matrices = torch.randn(9, 3), torch.randn(5, 3, 3)
    relation, asked = torch.tensor([4, 0, 4, 2, 2, 4, 0, 4, 4]), []

    def of(relations):
        asked.append(relations.tolist())
        return matrices[relations]

    found = times_matrices(z, relation, of)
    assert asked == [[0, 2, 4]]
    torch.testing.assert_close(found, torch.einsum("ni,nij->nj", z, matrices[relation]))
    assert times_matrices(z[:0], relation[:0], of).shape == (0, 3)


def test_a_batch_of_one_is_scaled_as_in_evaluation():
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm1d(3)
    x = torch.randn(10, 3) + 2
    torch.testing.assert_close(ours(x), theirs(x))
    before = snapshot(ours)
    torch.testing.assert_close(ours(x[:1]), theirs.eval()(x[:1]))
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    maps = torch.randn(1, 3, 4)
    torch.testing.assert_close(ours(maps), theirs.train()(maps))


# --- training and evaluation ---


@pytest.mark.parametrize("recipe", [gt.ConvE(dim=8, channels=4), gt.TuckER(dim=8, relation_dim=3)], ids=repr)
def test_scores_have_no_chance_in_them_while_a_model_trains(recipe):
    """And leave running means as they are, and the model in training."""
    model = recipe.build(inverse_relations()).train()
    before, names = snapshot(model), model.ids.values(range(4))
    first, second = (model.score(names, names, ["in"] * 4) for _ in range(2))
    assert np.array_equal(first, second)
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    z, relation = model.encoder(torch.arange(4)), torch.zeros(4, dtype=torch.int64)
    assert not torch.equal(model.scorer.query(z, relation), model.scorer.query(z, relation)), "but training has"
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_validation_is_by_the_running_means():
    """What is written in the history is what the model gives afterwards."""
    split = gt.split_triples(inverse_relations(), seed=1)
    config = gt.TrainConfig(epochs=3, batch_size=8, lr=0.01, patience=0)
    result = gt.pretrain(gt.ConvE(dim=8, channels=4), split, config, run=QUIET)
    best = result.history[result.best_epoch - 1]
    assert gt.TripleCompletion(split).validate(result.model)["mrr"] == best["mrr"]


def test_a_start_from_a_model_takes_its_running_means():
    graph = inverse_relations()
    recipe = gt.ConvE(dim=8, channels=4)
    old = gt.pretrain(recipe, graph, gt.TrainConfig(epochs=2, batch_size=8, lr=0.01), run=QUIET).model
    new = recipe.build(graph, seed=5)
    gt.start_from_model(new, old)
    ours, theirs = snapshot(new), snapshot(old)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_relations_that_no_row_reads_backwards_are_not_taken_from_a_state():
    model = gt.CP(dim=4).build(inverse_relations())
    relation = model.scorer.relation.detach().clone()
    state = {"node_emb.weight": torch.randn(model.graph.num_nodes, 4), "rel_emb.weight": torch.randn(2, 4)}
    report = gt.start_from_state(model, state)
    assert report.skipped == ("rel_emb.weight",)
    assert torch.equal(model.scorer.relation, relation)
