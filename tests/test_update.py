"""Updates of a recommender from new events: what is learned, held out, kept and forgotten."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import graphtune as gt
from graphtune.adapt.update import Updating, _Task, read_news, told, update, usual_update
from graphtune.models import Popularity
from graphtune.sampling import EdgeSampler, Negatives, Replay, VisitSampler
from graphtune.split import TEST, TRAIN, UNUSED, VALID
from graphtune.testing import snapshot
from test_arrivals import log

QUIET = gt.Run(quiet=True)
RECIPES = {"bprmf": gt.BPRMF(dim=8), "lightgcn": gt.LightGCN(dim=8, loss="softmax", negatives=16)}


def yesterday(timed=True, seed=0, repeats=False):
    rng = np.random.default_rng(seed)
    pairs = np.array([(u, i) for u in range(20) for i in rng.permutation(15)[:6]])
    pairs = np.concatenate([pairs, pairs[:5]]) if repeats else pairs
    time = rng.permutation(len(pairs)) if timed else None
    graph = log([f"u{u}" for u in range(20)], [f"i{i}" for i in range(15)], pairs, time=time)
    return graph, gt.split_interactions(graph, "user", (8, 1, 1), seed=1)


def today(timed=True):
    """Thirty events of old users and two new ones, with old items and two new ones; three of them are known pairs."""
    rng = np.random.default_rng(7)
    users, items = ["n0", "n1", *(f"u{u}" for u in range(8))], ["j0", "j1", *(f"i{i}" for i in range(10))]
    pairs = np.array([(u, i) for u in range(10) for i in rng.permutation(12)[:3]])
    return log(users, items, pairs, time=1000 + rng.permutation(len(pairs)) if timed else None)


def trained(name, timed=True, repeats=False):
    _, split = yesterday(timed, repeats=repeats)
    config = replace(RECIPES[name].training(), epochs=4, batch_size=32, eval_every=2)
    return gt.pretrain(RECIPES[name], split, config, run=QUIET).model, split


def names_of(graph):
    ends = [graph.ids.values(side) for side in graph.edges]
    return list(zip(*ends))


@pytest.mark.parametrize(("timed", "repeats"), [(True, False), (True, True), (False, False)])
def test_parts_of_new_events(timed, repeats):
    model, split = trained("bprmf", timed, repeats)
    how = Updating(valid=0.2, test=0.2)
    news = read_news(model, split, today(timed), how)
    old = split.graph.num_edges
    assert news.split.part[:old].tolist() == split.part.tolist()
    assert news.split.kind == "updated" and isinstance(news.split.audit(), tuple)
    part_of = dict(zip(names_of(split.graph), split.part.tolist()))
    pairs, parts = names_of(news.split.graph)[old:], news.split.part[old:].tolist()
    fresh = [(pair, part, at) for at, (pair, part) in enumerate(zip(pairs, parts)) if pair not in part_of]
    assert all(part == part_of[pair] for pair, part in zip(pairs, parts) if pair in part_of), "where the pair was"
    sizes = np.bincount([part for _, part, _ in fresh], minlength=3)
    assert sizes[VALID] == sizes[TEST] == round(0.2 * len(fresh))
    counts = [parts.count(part) for part in (TRAIN, VALID, TEST)]
    assert news.counts() == dict(zip(("learned", "valid", "test"), counts))
    if timed:
        times = news.split.graph.time[old:]
        of = {p: [times[at] for _, part, at in fresh if part == p] for p in (TRAIN, VALID, TEST)}
        assert max(of[TRAIN]) < min(of[VALID]) and max(of[VALID]) < min(of[TEST])
    known = news.split.graph.num_edges - old - len(fresh)
    assert (known > 0) == repeats, "a known pair is a known event unless the log has such repeats"
    assert (news.earlier.part[old:] != TEST).all() and (news.later.part[:old] != TEST).all()
    for one in (news.earlier, news.later):
        np.testing.assert_array_equal(one.train.edges, news.split.train.edges)
    assert set(news.report.ids) == {"n0", "n1", "j0", "j1"}


@pytest.mark.parametrize("name", RECIPES)
def test_an_update_keeps_ids_and_says_what_evaluate_says(name, tmp_path):
    model, split = trained(name)
    before = snapshot(model)
    config = replace(usual_update(model), epochs=3, batch_size=16, deterministic=True)
    found = update(model, split, today(), Updating(valid=0.2, test=0.2), config, QUIET)
    assert all(torch.equal(value, snapshot(model)[key]) for key, value in before.items()), "the model is left as it is"
    bigger = found.result.model
    for kind, block in zip(model.ids.kinds, model.ids.blocks):
        rows = bigger.ids.rows(kind)
        assert bigger.ids.values(range(rows.start, rows.start + len(block))) == block.to_pylist()
    np.testing.assert_array_equal(
        found.news.start.encode(["u3", "u11"]), model.encode(["u3", "u11"]), "folded in, the old stay"
    )
    assert not np.array_equal(bigger.encode(["u3"]), model.encode(["u3"]))
    assert bigger.encoder.grown == ()
    scores = told(found)
    evaluated = gt.Recommendation(split).evaluate(model)
    assert {name: one["before"] for name, one in scores["earlier"].items()} == evaluated.means()
    store = gt.save(tmp_path / "m", bigger, gt.Record(found.news.split))
    saved = gt.open_directory(store)
    part = saved.record.split.part.copy()
    part[split.graph.num_edges :][part[split.graph.num_edges :] != TRAIN] = UNUSED
    again = gt.Recommendation(replace(saved.record.split, part=part)).evaluate(saved.model).means()
    assert {name: one["after"] for name, one in scores["earlier"].items()} == again
    assert all(one["change"] == one["after"] - one["before"] for one in scores["later"].values())
    assert found.before["later"].counts["users"] == found.after["later"].counts["users"] > 0
    second = update(saved.model, saved.record.split, tomorrow(), config=replace(config, epochs=1), run=QUIET)
    assert second.news.earlier is not None and "n9" in second.news.report.ids


def tomorrow():
    return log(["n9", "n0"], ["i1", "j0", "j9"], [(0, 0), (0, 1), (0, 2), (1, 2)], time=np.arange(4) + 5000)


def test_rates_of_zero_learning_forget_nothing_of_a_lookup():
    """A step that is too small to matter: what stays is what folding in changed, which is nothing but candidates."""
    model, split = trained("bprmf", timed=False)
    known = log([f"u{u}" for u in range(20)], [f"i{i}" for i in range(15)], today_of_old(split))
    config = replace(usual_update(model), epochs=1, lr=1e-12, l2=0.0)
    found = update(model, split, known, Updating(valid=0, test=0), config, QUIET)
    assert found.news.report.ids == () and str(found.news.report) != ""
    assert "later" not in found.after
    np.testing.assert_allclose(found.result.model.encode(), model.encode(), atol=1e-6)


def today_of_old(split):
    met = set(zip(*(split.graph.edges - np.array([[0], [20]])).tolist()))
    return [(u, i) for u in range(20) for i in range(15) if (u, i) not in met][:6]


def test_an_update_goes_on_where_it_broke_off(tmp_path):
    model, split = trained("lightgcn")
    how = Updating(valid=0.2, test=0.2, replay=1.0, weight=2.0)
    config = replace(usual_update(model), epochs=4, batch_size=8, patience=0, deterministic=True)
    straight = update(model, split, today(), how, config, QUIET).result.model

    class Break(Exception):
        pass

    class Breaks(gt.CSVLogger):
        def log(self, row):
            super().log(row)
            if row["epoch"] == 2:
                raise Break

    where = tmp_path / "states"
    logger = Breaks(tmp_path)
    with pytest.raises(Break):
        update(model, split, today(), how, config, gt.Run(where, quiet=True, loggers=(logger,), save_steps=1))
    resumed = update(model, split, today(), how, config, gt.Run(where, resume=True, quiet=True)).result.model
    assert all(torch.equal(value, snapshot(resumed)[key]) for key, value in snapshot(straight).items())


def test_replay_gives_every_new_edge_and_some_old_ones():
    graph, _ = yesterday(False)
    edges = EdgeSampler(graph, 16, Negatives(1, unknown=True), seed=3)
    sampler = Replay(edges, 100, 1.5)
    seen = []
    for epoch in range(3):
        batches = list(sampler.batches(epoch))
        assert len(batches) == sampler.num_batches == 4
        pairs = np.concatenate([np.stack([b.source, b.target]) for b in batches], axis=1)
        numbers = [int(np.flatnonzero((pair == graph.edges.T).all(1))[0]) for pair in pairs.T]
        assert sorted(n for n in numbers if n >= 100) == list(range(100, 120))
        old = [n for n in numbers if n < 100]
        assert len(old) == len(set(old)) == 30
        seen.append(set(old))
        later = list(sampler.batches(epoch, 2))
        assert all(torch.equal(a.negative, b.negative) for a, b in zip(batches[2:], later))
        known = {tuple(pair) for pair in graph.edges.T}
        assert not any((int(u), int(v)) in known for b in batches for u, vs in zip(b.source, b.negative) for v in vs)
    assert seen[0] != seen[1]
    assert len(list(Replay(edges, 100, 100.0).batches(0))) == 8, "no more old ones than there are"


def test_new_events_weigh_more():
    model, split = trained("bprmf", timed=False)
    news = read_news(model, split, today(False), Updating())
    config = usual_update(model)
    sampler = _Task(news, Updating(weight=3.0)).training(news.start, config).sampler
    assert sampler.weight.tolist() == [1.0] * news.first + [3.0] * news.counts()["learned"]
    assert isinstance(_Task(news, Updating()).training(news.start, config).sampler, VisitSampler)


def test_a_model_that_learned_all_has_nothing_earlier_to_judge():
    graph, _ = yesterday(False)
    model = gt.pretrain(gt.BPRMF(dim=4), graph, gt.TrainConfig(epochs=1), run=QUIET).model
    found = update(model, None, today(False), config=gt.TrainConfig(epochs=1), run=QUIET)
    assert set(found.before) == set(found.after) == {"later"}


def test_a_closed_form_is_solved_anew():
    _, split = yesterday(False)
    model = gt.pretrain(gt.NetMF(dim=4), split, run=QUIET).model
    found = update(model, split, today(False), run=QUIET)
    whole = gt.pretrain(gt.NetMF(dim=4), found.news.later, run=QUIET).model
    np.testing.assert_array_equal(found.result.model.encode(), whole.encode())


def test_a_split_by_time_stays_one_that_passes_its_audit():
    graph, _ = yesterday()
    split = gt.split_interactions(graph, "time", (8, 1, 1))
    model = gt.pretrain(gt.BPRMF(dim=4), split, gt.TrainConfig(epochs=1), run=QUIET).model
    found = update(model, split, today(), config=gt.TrainConfig(epochs=1), run=QUIET)
    assert found.news.split.kind == "updated"


def test_refusals():
    model, split = trained("bprmf", timed=False)
    graph = split.graph
    with pytest.raises(gt.ArgumentError, match=r"`events` of update must be such that one is new\. Got '120 events"):
        update(model, split, graph)
    held = graph.take_edges(split.part == TEST)
    with pytest.raises(gt.ArgumentError, match="such that one is new"):
        update(model, split, held)
    one = log(["n0"], ["i1"], [(0, 0)])
    with pytest.raises(gt.ArgumentError, match="such that one is left to learn"):
        update(model, split, one, Updating(valid=0.0, test=0.6))
    with pytest.raises(gt.ArgumentError, match="of events of users and items"):
        update(gt.DeepWalk(dim=4).build(gt.Graph(np.array([[0], [1]]), gt.NodeIds.range(2))), None, one)
    walks = gt.DeepWalk(dim=4, walks_per_node=1).build(split.train)
    with pytest.raises(gt.ArgumentError, match="`replay` of Updating must be left out: the recipe draws no edges"):
        update(walks, split, today(False), Updating(replay=1.0), gt.TrainConfig(epochs=1), QUIET)
    with pytest.raises(gt.ArgumentError, match="`weight` of Updating must be left out: Popularity is solved anew"):
        update(Popularity().build(split.train), split, today(False), Updating(weight=2.0))
    with pytest.raises(gt.ArgumentError, match="`test` of Updating"):
        Updating(valid=0.5, test=0.5)
    with pytest.raises(gt.ArgumentError, match="`weight` of Updating"):
        Updating(weight=0)
