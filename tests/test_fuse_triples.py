"""Fused rankings of triples: scores against a naive line, weights from validation alone, directories, the CLI."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune
from cli_help import QUICK, done, run, working_in, write_files
from graphtune.adapt.fuse import Questions, learned, questions_of
from graphtune.check import ArgumentError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models.fused import Fused, Fusion
from graphtune.sampling.known import Known
from graphtune.split import TEST, VALID, given_split
from graphtune.tasks import calibrate

NODES, RELATIONS = 15, 3


def facts(seed: int = 0, count: int = 120) -> graphtune.Split:
    """Random triples, half of them to learn."""
    rng = np.random.default_rng(seed)
    triples = np.unique(rng.integers(0, [NODES, RELATIONS, NODES], (count, 3)), axis=0)
    ids = NodeIds.of([f"e{i}" for i in range(NODES)])
    names = NodeIds.of([f"r{i}" for i in range(RELATIONS)])
    graph = Graph(triples[:, [0, 2]].T.copy(), ids, directed=True, relation=triples[:, 1].copy(), relation_ids=names)
    return given_split(graph, rng.choice([0, 0, 1, 2], len(triples)).astype(np.uint8), "edge")


def drawn(recipe: graphtune.Recipe, split: graphtune.Split, seed: int) -> graphtune.Model:
    """An untrained model of random weights."""
    model = recipe.build(split.train, seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model


def pair_of_models(split: graphtune.Split) -> list[graphtune.Model]:
    return [drawn(graphtune.ComplEx(dim=4), split, 0), drawn(graphtune.TransE(dim=4), split, 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_known_answers_are_those_of_the_triples(seed: int) -> None:
    graph = facts(seed).graph
    asked = np.random.default_rng(seed).integers(0, [[NODES], [2 * RELATIONS]], (2, 9))
    indptr, indices = Known.of(graph).answers(*asked)
    for i, (source, relation) in enumerate(asked.T):
        head, tail = graph.edges if relation < RELATIONS else graph.edges[::-1]
        naive = tail[(head == source) & (graph.relation == relation % RELATIONS)]
        assert indices[indptr[i] : indptr[i + 1]].tolist() == sorted(naive.tolist())


@pytest.mark.parametrize("by", ["rrf", "weights"])
def test_scores_are_sums_over_models_among_what_is_not_known(by: str) -> None:
    split = facts()
    models, graph = pair_of_models(split), split.train
    fused = Fused(Fusion(by, (0.3, 0.7)), models)
    source, relation = np.array([3, 0, 11]), np.array([1, 5, 0])
    found = fused.frozen().cross(source, range(NODES), relation)
    for u, r, row in zip(source, relation, found):
        head, tail = graph.edges if r < RELATIONS else graph.edges[::-1]
        known = set(tail[(head == u) & (graph.relation == r % RELATIONS)].tolist())
        left = [j for j in range(NODES) if j not in known]
        naive = np.zeros(NODES)
        for weight, model in zip((0.3, 0.7), models):
            own = model.frozen().cross(np.array([u]), range(NODES), np.array([r]))[0].astype(np.float64)
            if by == "rrf":
                naive += weight / (60 + 1 + (own[left] > own[:, None]).sum(axis=1))
            else:
                naive += weight * (own - own[left].mean()) / own[left].std()
        np.testing.assert_allclose(row, naive, rtol=1e-3, atol=1e-5)
    forwards = fused.score(["e3", "e3", "e11"], ["e1", "e2", "e7"], ["r1", "r1", "r0"])
    np.testing.assert_array_equal(forwards, [found[0, 1], found[0, 2], found[2, 7]])


def test_relations_are_on_a_scale_among_relations() -> None:
    split = facts()
    models = pair_of_models(split)
    names, found = Fused(Fusion("weights", (0.3, 0.7)), models).score_relations(["e3"], ["e8"])
    naive = np.zeros(RELATIONS)
    for weight, model in zip((0.3, 0.7), models):
        own = model.score_relations(["e3"], ["e8"])[1][0].astype(np.float64)
        naive += weight * (own - own.mean()) / own.std()
    assert names == ["r0", "r1", "r2"]
    np.testing.assert_allclose(found[0], naive, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("by", ["rrf", "weights"])
def test_the_same_model_twice_ranks_as_itself(by: str) -> None:
    split = facts()
    model = pair_of_models(split)[0]
    fused, task = graphtune.fuse([model, model], split, by), graphtune.TripleCompletion(split)
    for part in (VALID, TEST):
        ours, own = (task.evaluate(m, part).per_query["mrr"] for m in (fused, model))
        np.testing.assert_array_equal(ours, own)
    ours, own = (m.complete("e3", "r1", k=NODES, known=split).answers for m in (fused, model))
    assert [a.id for a in ours] == [a.id for a in own] and [a.known for a in ours] == [a.known for a in own]


def test_what_weights_are_learned_on_is_validation_mrr() -> None:
    """With every rival kept, the measure is the filtered MRR of the validation part."""
    split = facts()
    fused = Fused(Fusion("weights", (0.25, 0.75)), pair_of_models(split))
    measured = questions_of(fused, split, 0).measure(np.array([0.25, 0.75]))
    assert measured == pytest.approx(graphtune.TripleCompletion(split).evaluate(fused, VALID)["mrr"], abs=1e-6)


def test_mrr_of_questions_by_hand() -> None:
    """The first model has the answer second, the second ties it with the best; one rival's place is empty."""
    answer = np.array([[2.0], [4.0]], dtype=np.float32)
    rivals = np.array([[[3.0, 1.0, -np.inf]], [[4.0, 0.0, -np.inf]]], dtype=np.float32)
    questions = Questions(answer, rivals)
    assert questions.measure(np.array([1.0, 0.0])) == 1 / 2
    assert questions.measure(np.array([0.0, 1.0])) == 1 / 1.5
    assert questions.measure(np.array([0.5, 0.5])) == 1 / 2
    assert learned(questions, 2)[1] > 1 / 2


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_test_triples_do_not_change_the_weights(seed: int, other: int) -> None:
    split = facts(seed)
    models = pair_of_models(split)
    edges, hidden = split.graph.edges.copy(), split.part == TEST
    edges[:, hidden] = np.random.default_rng(other).integers(NODES, size=(2, hidden.sum()))
    changed = replace(split, graph=split.graph.replace(edges=edges))
    found = [graphtune.fuse(models, one, "weights").recipe for one in (split, changed)]
    assert found[0] == found[1]


def test_a_model_that_does_not_score_relations_is_refused() -> None:
    split = facts()
    models = [pair_of_models(split)[0], graphtune.DeepWalk(dim=4).build(split.train)]
    with pytest.raises(ArgumentError, match=r"each scores relations, as ComplEx.*Got 'DeepWalk'"):
        Fused(Fusion(), models)


def test_a_directory_keeps_probabilities(tmp_path: Path) -> None:
    split = facts(count=500)
    fused = graphtune.fuse(pair_of_models(split), split, "weights")
    fused.calibration = calibrate(fused, split)
    graphtune.save(tmp_path / "fused", fused, graphtune.Record(split))
    stored = graphtune.open_directory(tmp_path / "fused").model
    assert stored.calibration == fused.calibration
    asked = fused.complete("e3", "r1", known=split)
    assert asked == stored.complete("e3", "r1", known=split)
    assert all(0 < answer.probability < 1 for answer in asked.answers if answer.known is None)
    told = (tmp_path / "fused" / "README.md").read_text()
    assert "complete(head, relation)" in told and "probabilities: fitted on" in told


def test_fuse_triples_on_the_command_line(tmp_path: Path) -> None:
    with working_in(tmp_path):
        write_files(tmp_path)
        for model in ("complex", "transe"):
            done("embed", "facts.tsv", "--triples", "--model", model, "--out", model, *QUICK)
        shown = done("fuse", "complex", "transe", "--by", "weights", "--out", "both")
        assert "triple-completion" in shown.out and "graphtune predict both" in shown.out
        again = done("evaluate", "both", "--task", "triple-completion", "--json").json["metrics"]["mrr"]["mean"]
        assert f"{again:.4f}" in shown.out
        told = done(*shlex.split(shown.out.strip().splitlines()[-1])[1:], "--json").json
        assert len(told["answers"]) == 10
        assert "complete(head, relation)" in (tmp_path / "both" / "README.md").read_text()
        assert "one with embeddings" in run("neighbors", "both", "p1").error
