"""Recommendations against plain loops: filters, diversity, explanations, what is alike, files, an index."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import Ridge

import graphtune
from graphtune.answers import Filter, Recommender, search
from graphtune.answers.diversity import diversified
from graphtune.answers.explain import RIDGE
from graphtune.answers.progress import with_eta
from graphtune.answers.sides import sides_of
from graphtune.check import ArgumentError, DataError
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.io import read_attributes
from graphtune.models import BPRMF, GCN, ComplEx, DeepWalk, LightGCN
from graphtune.models.base import Model
from graphtune.models.lookup import Context, Lookup
from graphtune.models.ranked import targets_of
from graphtune.models.scorer import Scorer
from graphtune.testing import inverse_relations, two_cliques

USERS, ITEMS = 9, 14


def log(users=USERS, items=ITEMS, each=4, seed=0):
    """Users 0.. and items "i0"..; the last user has nothing, and the first two events stand twice."""
    rng = np.random.default_rng(seed)
    taken = [(u, users + i) for u in range(users - 1) for i in rng.permutation(items)[:each]]
    ids = NodeIds.of(range(users), [f"i{i}" for i in range(items)], kinds=("user", "item"))
    return Graph(np.array([*taken[:2], *taken]).T, ids, True)


def model_of(graph, dim=6, seed=0):
    """BPR-MF with rows large enough to part scores."""
    model = BPRMF(dim=dim).build(graph)
    with torch.no_grad():
        model.encoder.weight.copy_(
            torch.from_numpy(np.random.default_rng(seed).standard_normal((graph.num_nodes, dim)))
        )
    return model


@dataclass(frozen=True)
class ItemWeights:
    """Scores of a filter in closed form: what a user has, times weights of items with items."""

    has: np.ndarray
    weights: np.ndarray

    def cross(self, u, columns):
        first = len(self.has)
        return np.float32(self.has[u] @ self.weights)[:, columns.start - first : columns.stop - first]

    def pairs(self, u, v):
        return np.float32((self.has[u] * self.weights[:, v - len(self.has)].T).sum(axis=1))

    def summands(self, source, target):
        mine = np.flatnonzero(self.has[source])
        return mine + len(self.has), self.has[source, mine] * self.weights[mine, target - len(self.has)]


@dataclass(frozen=True)
class FilterModel:
    """What ranks and is no `Model`."""

    graph: Graph
    scores: ItemWeights

    def frozen(self):
        return self.scores


def filter_of(graph, seed=0):
    has = graph.sparse().toarray()[:USERS, USERS:]
    return FilterModel(graph, ItemWeights(has, np.random.default_rng(seed).standard_normal((ITEMS, ITEMS))))


def naive(model, user, k, banned):
    """The best by sorting all scores one by one."""
    graph = model.graph
    names = graph.ids.values(np.array(targets_of(graph)))
    kinds = ("user", "item") if graph.is_bipartite_events else (None, None)
    row = graph.ids.index([user], kinds[0])
    score = {name: float(model.frozen().pairs(row, graph.ids.index([name], kinds[1]))[0]) for name in names}
    return sorted((name for name in names if name not in banned), key=lambda name: -score[name])[:k]


def assert_same(found, wanted):
    """The same items in the same places; scores may be summed in another order."""
    tables = [recommendations.table() for recommendations in (found, wanted)]
    columns = ["user", "item", "place"]
    assert tables[0].select(columns).equals(tables[1].select(columns))
    np.testing.assert_allclose(found.score, wanted.score, rtol=1e-5, atol=1e-6)


def taken_by(graph, user):
    return {graph.ids.values([v])[0] for u, v in graph.edges.T if u == user}


MODELS = {"embeddings": model_of, "closed form": filter_of}


@pytest.mark.parametrize("kind", MODELS)
def test_recommendations_are_the_best_that_pass(kind):
    graph = log()
    model, every = MODELS[kind](graph), {f"i{i}" for i in range(ITEMS)}
    answers, some = Recommender(model), {"i1", "i2", "i3", "i5", "i8", "i13"}
    for user in range(USERS):
        seen = taken_by(graph, user)
        cases = [
            (None, seen),
            (Filter(keep_seen=True), set()),
            (Filter(only=some), seen | every - some),
            (Filter(without=some), seen | some),
            (Filter(only=some, without=["i2", "i13"], keep_seen=True), every - (some - {"i2", "i13"})),
        ]
        for chosen, banned in cases:
            found = answers.recommend(user, 5, chosen)
            assert [item for item, _ in found.of(user)] == naive(model, user, 5, banned)
            assert found.user.tolist() == [user] * len(found)
            assert found.place.tolist() == list(range(1, len(found) + 1))
            rows = graph.ids.index([item for item, _ in found.of(user)], "item")
            np.testing.assert_allclose(found.score, model.frozen().pairs(found.user, rows), rtol=1e-5, atol=1e-6)


def test_all_users_at_once_are_one_after_the_other(monkeypatch):
    graph = log()
    model = model_of(graph)
    whole = Recommender(model).recommend(k=20)
    assert set(whole.user.tolist()) == set(range(USERS))
    assert (whole.user == USERS - 1).sum() == ITEMS, "who has nothing can be given everything"
    monkeypatch.setattr("graphtune.answers.recommender.AT_ONCE", 2)
    parts = Recommender(model).recommend(k=20)
    assert_same(parts, whole)
    for user in range(USERS):
        one = Recommender(model).recommend([user], 20).of(user)
        assert model.recommend(user, 20) == one
        assert [item for item, _ in one] == [item for item, _ in whole.of(user)]
    some = Recommender(model).recommend([5, 2], 3)
    assert some.user.tolist() == [5] * 3 + [2] * 3
    assert len(Recommender(model).recommend([], 3)) == 0


def test_what_is_known_may_stand_in_another_graph():
    graph, more = log(), log(each=9)
    model = model_of(graph)
    found = Recommender(model, known=more).recommend(3, 20)
    assert {i for i, _ in found.of(3)} == {f"i{i}" for i in range(ITEMS)} - taken_by(more, 3)
    with pytest.raises(ArgumentError, match="a graph on the nodes of the model"):
        Recommender(model, known=log(items=5))


@pytest.mark.parametrize(
    "recipe", [DeepWalk(dim=4), GCN(dim=4, hidden=4), LightGCN(dim=4)], ids=lambda r: type(r).__name__
)
def test_nodes_are_recommended_new_neighbours(recipe):
    graph = two_cliques()
    model = recipe.build(graph, seed=3)
    neighbours = {int(v) for e in graph.edges.T if 0 in e for v in e} | {0}
    banned = set(graph.ids.values(sorted(neighbours)))
    (name,) = graph.ids.values([0])
    answers = Recommender(model)
    scores = answers.recommend([name], 50).of(name)
    assert {i for i, _ in scores} == set(graph.ids.values(range(graph.num_nodes))) - banned
    assert scores == model.recommend(name, 50)
    assert name not in {i for i, _ in answers.recommend([name], 50, Filter(keep_seen=True)).of(name)}


# --- attributes ---


@pytest.fixture
def films(tmp_path):
    """A file in which i0 is of two genres and some items are not there."""
    path = tmp_path / "films.csv"
    genre = ["comedy", "drama", "noir"]
    lines = [f"i{i},{genre[i % 3]},{1990 + i % 4},{i % 2 == 0}" for i in range(12)]
    path.write_text("\n".join(["item,genre,year,seen", *lines, "i0,noir,1990,True", "i99,noir,1990,True"]) + "\n")
    return path


def passing(graph, attributes, **where):
    answers = Recommender(model_of(graph), attributes=attributes)
    found = answers.recommend(USERS - 1, ITEMS, Filter(where=where))
    return {item for item, _ in found.of(USERS - 1)}


def test_items_are_chosen_by_what_they_are(films):
    graph = log()
    attributes, report = read_attributes(films, graph)
    assert any("not in the graph" in found.what for found in report.findings)
    assert passing(graph, attributes, genre="noir") == {"i0", "i2", "i5", "i8", "i11"}
    assert passing(graph, attributes, genre=["noir", "drama"]) == {f"i{i}" for i in range(12) if i % 3} | {"i0"}
    assert passing(graph, attributes, genre="noir", year=1990) == {"i0", "i8"}
    assert passing(graph, attributes, year="1991", seen=False) == {"i1", "i5", "i9"}
    pl.read_csv(films).write_parquet(films.with_suffix(".parquet"))
    typed, _ = read_attributes(films.with_suffix(".parquet"), graph, id="item")
    assert passing(graph, typed, year="1991") == passing(graph, typed, year=1991.0) == {"i1", "i5", "i9"}
    assert passing(graph, typed, seen=True) == passing(graph, typed, seen="True") == {f"i{i}" for i in range(0, 12, 2)}


def test_items_are_chosen_by_lists_and_by_large_numbers(tmp_path):
    graph, file = log(), tmp_path / "items.parquet"
    columns = {"genres": [["noir", "drama"], ["drama"], [], None], "size": [2**53, 2**53 + 1, 7, None]}
    pl.DataFrame({"item": [f"i{i}" for i in range(4)], **columns}).write_parquet(file)
    attributes, _ = read_attributes(file, graph)
    assert passing(graph, attributes, genres="drama") == {"i0", "i1"}
    assert passing(graph, attributes, genres="noir") == {"i0"}
    assert passing(graph, attributes, size=2**53 + 1) == passing(graph, attributes, size=str(2**53 + 1)) == {"i1"}
    bars = tmp_path / "bars.csv"
    bars.write_text("item,genre\ni0,noir|drama\ni1,drama | art\ni2,dramatic\n")
    attributes, _ = read_attributes(bars, graph)
    assert passing(graph, attributes, genre="drama") == {"i0", "i1"}
    assert passing(graph, attributes, genre="noir|drama") == {"i0"}
    attributes, _ = read_attributes(file, graph)
    for wrong in ({"genres": "noirr"}, {"size": None}, {"size": 10**30}, {"size": True}):
        with pytest.raises(ArgumentError, match=f"a value of {next(iter(wrong))} in items.parquet"):
            passing(graph, attributes, **wrong)


def test_labels_of_a_graph_are_an_attribute(films):
    graph = log()
    one = graph.replace(labels=np.arange(graph.num_nodes) % 3 - 1, label_names=("odd", "even"))
    rows = np.arange(USERS, graph.num_nodes)
    assert passing(one, None, label="even") == set(graph.ids.values(rows[rows % 3 == 2]))
    several = graph.replace(
        labels=np.stack([np.arange(graph.num_nodes) % d == 0 for d in (2, 5)], 1), label_names=("a", "b")
    )
    assert passing(several, None, label="b") == set(graph.ids.values(rows[rows % 5 == 0]))
    attributes, _ = read_attributes(films, one)
    both = passing(one, attributes, label="even", genre="noir")
    assert both == passing(one, None, label="even") & passing(one, attributes, genre="noir") != set()


def test_what_is_asked_wrongly_is_told(films, tmp_path):
    graph = log()
    attributes, _ = read_attributes(films, graph)
    answers = Recommender(model_of(graph), attributes=attributes)
    cases = [
        ({"where": {"gnre": "noir"}}, "by a column of films.csv, genre, year, seen. Got 'gnre'"),
        ({"where": {"genre": "nior"}}, "a value of genre in films.csv. Got 'nior'. Did you mean noir"),
        ({"where": {"year": "soon"}}, "Values are 1990"),
        ({"where": {"genre": "comedy", "year": 1990}, "without": ["i0"]}, "lets a target through"),
        ({"only": ["i1", "i77"]}, "known item ids. Got 'i77'"),
        ({"only": "i1"}, "a list of ids"),
        ({"only": 5}, "a list of ids"),
        ({"without": None}, "a list of ids"),
    ]
    for fields, said in cases:
        with pytest.raises(ArgumentError, match=said):
            answers.recommend(0, 3, Filter(**fields))
    for arguments, said in [((0, 0), "`k`"), (("u7", 3), "known user ids"), ((0, 3, None, 1.5), "`diversity`")]:
        with pytest.raises(ArgumentError, match=said):
            answers.recommend(*arguments)
    with pytest.raises(ArgumentError, match="left out without attributes"):
        Recommender(model_of(graph)).recommend(0, 3, Filter(where={"genre": "noir"}))
    with pytest.raises(ArgumentError, match="without relations"):
        Recommender(ComplEx(dim=4).build(inverse_relations()))
    with pytest.raises(ArgumentError, match="'exact'"):
        Recommender(model_of(graph), search="fast")
    (tmp_path / "ids.csv").write_text("item\ni0\n")
    with pytest.raises(DataError, match="two columns or more"):
        read_attributes(tmp_path / "ids.csv", graph)


# --- diversity ---


def naive_mmr(scores, cosine, k, diversity):
    """Maximal marginal relevance of one list, as it is written."""
    low, high = min(scores), max(scores)
    worth = [(s - low) / (high - low) if high > low else 1.0 for s in scores]
    chosen = []
    while len(chosen) < k:
        gain = {
            i: (1 - diversity) * worth[i] - diversity * max((cosine[i][j] for j in chosen), default=0.0)
            for i in range(len(scores))
            if i not in chosen
        }
        chosen.append(max(gain, key=lambda i: (gain[i], -i)))
    return chosen


@pytest.mark.parametrize("diversity", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_diversity_is_that_of_a_loop(diversity):
    rng = np.random.default_rng(1)
    scores = -np.sort(-rng.standard_normal((7, 12)).astype(np.float32), axis=1)
    scores[3] = 2.0
    z = rng.standard_normal((7, 12, 3))
    z /= np.linalg.norm(z, axis=2, keepdims=True)
    cosine = z @ z.transpose(0, 2, 1)
    found = diversified(scores, cosine, 6, diversity)
    assert found.tolist() == [naive_mmr(s, c, 6, diversity) for s, c in zip(scores.astype(float), cosine)]
    if diversity == 0:
        assert found.tolist() == [list(range(6))] * 7
    scores[0, 4:] = -np.inf
    assert set(diversified(scores, cosine, 6, diversity)[0].tolist()) == {0, 1, 2, 3, -1}


@pytest.mark.parametrize("kind", MODELS)
def test_diverse_recommendations(kind, monkeypatch):
    """Candidates are the best 5 k that pass; alike are embeddings, or the users of items where there are none."""
    graph = log()
    model, k = MODELS[kind](graph), 2
    answers, chosen = Recommender(model), Filter(without=("i4",))
    if kind == "embeddings":
        z = model.encode()
        cosine = z @ z.T / np.linalg.norm(z, axis=1) / np.linalg.norm(z, axis=1)[:, None]
    else:
        has = np.minimum(model.scores.has, 1)
        both = has.T @ has
        cosine = np.zeros((graph.num_nodes, graph.num_nodes))
        cosine[USERS:, USERS:] = both / np.sqrt(np.maximum(np.outer(np.diag(both), np.diag(both)), 1))
    whole = answers.recommend(None, k, chosen, diversity=0.6)
    changed = 0
    for user in range(USERS):
        names = naive(model, user, 5 * k, taken_by(graph, user) | {"i4"})
        rows = graph.ids.index(names, "item")
        scores = model.frozen().pairs(np.full(len(rows), user), rows).astype(float)
        order = naive_mmr(scores, cosine[np.ix_(rows, rows)], k, 0.6)
        assert [i for i, _ in answers.recommend(user, k, chosen, 0.6).of(user)] == [names[i] for i in order]
        assert [i for i, _ in whole.of(user)] == [names[i] for i in order]
        np.testing.assert_allclose([s for _, s in whole.of(user)], scores[order], rtol=1e-5, atol=1e-6)
        changed += order != [0, 1]
    assert changed
    monkeypatch.setattr("graphtune.answers.recommender.CELLS", 1)
    assert_same(answers.recommend(None, k, chosen, 0.6), whole)


# --- what is alike ---


def test_similar_users_and_items():
    graph = log()
    model = model_of(graph)
    assert Recommender(model).similar("i3", 4, "item") == model.most_similar("i3", 4, "item")
    z = torch.nn.functional.normalize(model.embeddings(), dim=1)
    best = (z[USERS:] @ z[USERS + 3]).topk(5)
    assert [f"i{i}" for i in best.indices[1:].tolist()] == [i for i, _ in model.most_similar("i3", 4)]
    np.testing.assert_allclose([c for _, c in model.most_similar("i3", 4)], best.values[1:], rtol=1e-5)
    has = np.minimum(graph.sparse().toarray()[:USERS, USERS:], 1)
    for kind, rows in (("user", has), ("item", has.T)):
        cosine = rows @ rows.T / np.sqrt(np.maximum(np.outer(rows.sum(1), rows.sum(1)), 1))
        names = graph.ids.values(np.array(graph.ids.rows(kind)))
        for i, name in enumerate(names[:-1]):
            found = Recommender(filter_of(graph)).similar(name, 3, kind)
            wanted = np.delete(cosine[i], i)[np.argsort(-np.delete(cosine[i], i), kind="stable")[:3]]
            np.testing.assert_allclose([c for _, c in found], wanted, rtol=1e-6)
            assert all(c == pytest.approx(cosine[i, names.index(other)]) for other, c in found)


# --- explanations ---


def assert_adds_up(why, model, user, item):
    kinds = ("user", "item") if model.graph.is_bipartite_events else (None, None)
    ids = model.graph.ids
    score = model.frozen().pairs(ids.index([user], kinds[0]), ids.index([item], kinds[1]))[0]
    assert why.score == float(score) and (why.user, why.item) == (user, item)
    assert sum(part for _, part in why.parts) + why.rest == pytest.approx(why.score, rel=1e-12, abs=1e-12)
    assert all(a >= b for (_, a), (_, b) in pairwise(why.parts)), "the most first"


def test_sums_over_items_are_explained_by_their_summands():
    graph = log()
    model = filter_of(graph)
    for user, item in [(0, "i3"), (4, "i0"), (USERS - 1, "i1")]:
        why = Recommender(model).explain(user, item)
        assert_adds_up(why, model, user, item)
        assert why.how == "weights" and {i for i, _ in why.parts} == taken_by(graph, user)
        has, weights, j = model.scores.has[user], model.scores.weights, int(item[1:])
        for name, part in why.parts:
            assert part == pytest.approx(has[int(name[1:])] * weights[int(name[1:]), j])
        assert why.rest == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("each", [2, 9], ids=["fewer items than numbers", "more"])
def test_products_are_explained_by_ridge_regression(each):
    graph = log(each=each)
    model = model_of(graph)
    z = model.encode().astype(np.float64)
    for user, item in [(0, "i3"), (5, "i12")]:
        why = Recommender(model).explain(user, item)
        assert_adds_up(why, model, user, item)
        names = sorted(taken_by(graph, user), key=lambda name: int(name[1:]))
        own = z[graph.ids.index(names, "item")]
        penalty = RIDGE * (own**2).sum() / len(own)
        share = Ridge(alpha=penalty, fit_intercept=False, solver="svd", tol=0).fit(own.T, z[user]).coef_
        wanted = dict(zip(names, share * (own @ z[graph.ids.index([item], "item")[0]])))
        assert why.how == "fitted" and dict(why.parts) == pytest.approx(wanted)
    nobody = Recommender(model).explain(USERS - 1, "i3")
    assert nobody.parts == () and nobody.rest == nobody.score


def test_a_user_who_is_its_items_is_explained_by_them():
    """Where a user's vector is the sum of those of its items, which stand square on each other, little is left."""
    graph = log(each=3)
    model = model_of(graph, dim=ITEMS)
    with torch.no_grad():
        rows = model.encoder.weight
        rows[USERS:] = torch.eye(ITEMS)
        for user in range(USERS):
            mine = graph.ids.index(sorted(taken_by(graph, user)), "item")
            rows[user] = rows[mine].sum(0)
    (item, *_) = sorted(taken_by(graph, 0))
    why = Recommender(model).explain(0, item)
    assert why.parts[0] == (item, pytest.approx(1 / (1 + RIDGE))) and why.score == 1
    assert all(part == pytest.approx(0) for _, part in why.parts[1:])


def undirected_with_two_tables():
    graph = two_cliques()
    encoder, scorer = Lookup(graph.num_nodes, 5, 1.0, seed=1), Context(graph.num_nodes, 5, 1.0, seed=2)
    return Model(DeepWalk(dim=5), encoder, scorer, graph)


def test_vectors_of_both_sides_give_the_scores():
    for model in (undirected_with_two_tables(), model_of(log()), LightGCN(dim=4).build(log())):
        sides, n = sides_of(model.frozen()), model.graph.num_nodes
        every = np.arange(n)
        scores = sides.source(slice(0, n)) @ sides.target(every).T
        np.testing.assert_allclose(scores, model.frozen().cross(every, range(n)), rtol=1e-4, atol=1e-6)
    model = undirected_with_two_tables()
    a, b = model.graph.ids.values([0, 9])
    assert_adds_up(Recommender(model).explain(a, b), model, a, b)


class Distance(Scorer):
    """Minus the distance, which is no product."""

    def pair(self, query, key):
        return -torch.linalg.vector_norm(query - key, dim=-1)

    def cross(self, query, key):
        return -torch.cdist(query, key)


def by_distance():
    graph = log()
    return Model(BPRMF(dim=4), Lookup(graph.num_nodes, 4, 1.0, seed=1), Distance(), graph)


def test_scores_of_no_such_form_are_not_explained():
    answers = Recommender(by_distance())
    assert [i for i, _ in answers.recommend(1, 4).of(1)] == naive(by_distance(), 1, 4, taken_by(log(), 1))
    with pytest.raises(ArgumentError, match="products of embeddings, or sums over items"):
        answers.explain(0, "i1")


# --- files ---


@pytest.mark.parametrize("names", [str, int], ids=["text", "numbers"])
def test_the_file_holds_what_recommend_gives(names, tmp_path):
    graph = log()
    ids = [names(7 * u) for u in range(USERS)], [names(3 * i) for i in range(ITEMS)]
    graph = graph.replace(ids=NodeIds.of(*ids, kinds=("user", "item")))
    answers, path = Recommender(model_of(graph)), tmp_path / "recs.parquet"
    saved = answers.write(path, k=3)
    table = pl.read_parquet(path)
    whole = answers.recommend(k=3)
    assert saved.rows == len(table) == 3 * USERS and saved.search == "exact" and saved.path == path
    assert table.columns == ["user", "item", "place", "score"] and table.equals(whole.table())
    for user in ids[0]:
        mine = table.filter(pl.col("user") == user)
        assert mine["place"].to_list() == [1, 2, 3]
        assert list(zip(mine["item"].to_list(), mine["score"].to_list())) == whole.of(user)
    assert table.schema["user"] == table.schema["item"] == (pl.String if names is str else pl.Int64)
    with pytest.raises(ArgumentError, match="known user ids"):
        answers.write(tmp_path / "none.parquet", users=[names(1)])
    assert [p.name for p in tmp_path.iterdir()] == ["recs.parquet"]


def test_the_file_is_what_its_name_says(tmp_path):
    ids = NodeIds.of([f"u{u}, jr" for u in range(USERS)], [f"00{i}" for i in range(ITEMS)], kinds=("user", "item"))
    answers = Recommender(model_of(log().replace(ids=ids)))
    answers.write(tmp_path / "recs.csv", k=3)
    table = pl.read_csv(tmp_path / "recs.csv", schema_overrides={"item": pl.String, "score": pl.Float32})
    whole = answers.recommend(k=3).table()
    assert table.select("user", "item").equals(whole.select("user", "item"))
    assert table["place"].to_list() == whole["place"].to_list() and table["score"].equals(whole["score"])
    with pytest.raises(ArgumentError, match=r"ends in \.parquet or \.csv"):
        answers.write(tmp_path / "recs.xlsx", k=3)
    assert [p.name for p in tmp_path.iterdir()] == ["recs.csv"]


def test_a_file_in_no_directory(tmp_path):
    with pytest.raises(DataError, match="could not be written"):
        Recommender(model_of(log())).write(tmp_path / "no" / "recs.parquet")


def test_nodes_of_several_kinds_have_the_kind_in_front():
    ids = NodeIds.of(["a", "b"], ["x", "y", "z"], kinds=("drug", "disease"))
    graph = Graph(np.array([[0, 1], [2, 3]]), ids)
    found = Recommender(model_of(graph)).recommend(["a"], 2).table()
    assert found["user"].to_list() == ["drug:a"] * 2 and all(":" in item for item in found["item"])


def test_long_work_says_how_long_it_will_take(monkeypatch):
    now = iter([0.0, 1.0, 3.0, 4.0, 20.0])
    monkeypatch.setattr("graphtune.answers.progress.time.monotonic", lambda: next(now))
    said = []
    parts = [np.arange(10)] * 4
    assert len(list(with_eta(parts, "users", said.append))) == 4
    assert said == ["20 of 40 users, 3 s, ETA 3 s"]


# --- search through an index ---


def large(users=60, items=3000, dim=16, seed=0):
    """A log with vectors in groups, as learned ones are."""
    rng = np.random.default_rng(seed)
    graph = log(users, items, each=20, seed=seed)
    model = model_of(graph, dim)
    centres = rng.standard_normal((20, dim))
    with torch.no_grad():
        noise = rng.standard_normal((users + items, dim)) / 2
        model.encoder.weight.copy_(torch.from_numpy(centres[rng.integers(0, 20, users + items)] + noise))
    return model


def test_an_index_finds_nearly_what_exact_search_finds():
    pytest.importorskip("faiss")
    model, said = large(), []
    quick, exact = Recommender(model, search="faiss", say=said.append), Recommender(model, search="exact")
    found, wanted = quick.recommend(k=10), exact.recommend(k=10)
    assert len(found) == len(wanted)
    pairs = [set(zip(r.user.tolist(), r.item.tolist())) for r in (found, wanted)]
    share = len(pairs[0] & pairs[1]) / len(wanted)
    assert share == quick._cells.recall >= search.RECALL and f"{share:.3f}" in found.search
    assert said == [f"Search by {found.search}"] and quick._cells.looked_into < 55
    for user in (0, 7):
        assert not {i for i, _ in found.of(user)} & taken_by(model.graph, user)
        scores = model.score([user] * 10, [i for i, _ in found.of(user)])
        np.testing.assert_allclose([s for _, s in found.of(user)], scores, rtol=1e-4)
    chosen = Filter(only=[f"i{i}" for i in range(0, 3000, 7)], without=["i7"])
    some = quick.recommend(k=5, chosen=chosen)
    assert {int(i[1:]) % 7 for i in some.table()["item"]} == {0} and "i7" not in set(some.table()["item"])
    few = Filter(only=["i1", "i2", "i3"])
    assert_same(quick.recommend(k=5, chosen=few), exact.recommend(k=5, chosen=few))
    index = quick._cells.index
    assert len(said) == 1, "it is tried once"
    assert len(quick.recommend(k=4, diversity=0.5)) == 4 * 60
    assert "recall@20" in said[-1], "a diverse list is chosen from five candidates a place"
    wide = quick.recommend(k=200)
    assert "recall@200" in wide.search and quick._cells.recall >= search.RECALL and quick._cells.index is index
    assert len(quick.recommend(k=100)) == 100 * 60 and len(said) == 3


def test_an_index_of_nodes(monkeypatch):
    pytest.importorskip("faiss")
    model = undirected_with_two_tables()
    found = Recommender(model, search="faiss", say=lambda text: None).recommend(k=3)
    exact = Recommender(model, search="exact").recommend(k=3)
    overlap = set(zip(found.user, found.item)) & set(zip(exact.user, exact.item))
    assert len(overlap) / len(exact) >= search.RECALL
    assert (found.user != found.item).all()


def test_which_search_is_taken(monkeypatch):
    scores, graph = model_of(log()).frozen(), log()
    assert not search.wants_index("auto", graph, scores, USERS)
    assert not search.wants_index("exact", graph, scores, 10**12)
    monkeypatch.setattr(search, "FAISS_FROM", (ITEMS, USERS * ITEMS))
    monkeypatch.setattr(search, "find_spec", lambda name: object())
    assert search.wants_index("auto", graph, scores, USERS)
    assert not search.wants_index("auto", graph, scores, USERS - 1)
    assert not search.wants_index("auto", graph, by_distance().frozen(), USERS)
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    assert not search.wants_index("auto", graph, scores, USERS)
    with pytest.raises(ArgumentError, match=r"pip install 'graphtune\[faiss\]'"):
        Recommender(model_of(graph), search="faiss").recommend(0)


def test_an_index_needs_products():
    pytest.importorskip("faiss")
    with pytest.raises(ArgumentError, match="exact for scores that are no products"):
        Recommender(by_distance(), search="faiss").recommend(0)


def test_recall():
    found, wanted = np.array([[1, 2, 3], [4, 5, -1]]), np.array([[3, 2, 9], [5, -1, -1]])
    assert search.recall(found, wanted) == 3 / 4


def test_names_are_public():
    assert graphtune.Recommender is Recommender and graphtune.Filter is Filter
    assert sp.issparse(Recommender(filter_of(log()))._units)
