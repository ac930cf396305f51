"""Logs of events: ratings to implicit, cores, sessions, an account; in Python and on the command line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphtune as gt
from cli_help import done, run
from graphtune.cleaning import Cleaning, clean, core_members
from graphtune.events import cut_sessions, describe_events, gini


def log(rows, weight=None, time=None):
    """Rows of (user, item) as events."""
    user, item = np.array(rows).T
    users = int(user.max()) + 1
    ids = gt.NodeIds.of(range(users), [f"i{i}" for i in range(int(item.max()) + 1)], kinds=("user", "item"))
    weight, time = (None if values is None else np.asarray(values) for values in (weight, time))
    return gt.Graph(np.stack([user, item + users]), ids, directed=True, weight=weight, time=time)


def found(report, what):
    return [(f.count, f.action) for f in report.findings if what in f.what]


def test_ratings_of_four_and_more():
    graph = log([(0, 0), (0, 1), (1, 0), (1, 2)], weight=[5, 3, 4, 1])
    cleaned, report = clean(graph, Cleaning(implicit=4))
    assert cleaned.edges[0].tolist() == [0, 1] and cleaned.weight is None
    assert found(report, "a weight below 4") == [(2, "dropped")]
    kept, _ = clean(graph, Cleaning(implicit=4, keep_weight=True))
    assert kept.weight.tolist() == [5, 4]


def test_ratings_of_the_users_own_mean():
    graph = log([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)], [5, 4, 3, 1, 2, 0.1, 0.1, 0.1])
    cleaned, report = clean(graph, Cleaning(implicit="mean"))
    items = cleaned.ids.values(cleaned.edges[1])
    assert list(zip(cleaned.edges[0].tolist(), items)) == [
        (0, "i0"), (0, "i1"), (1, "i1"), (2, "i0"), (2, "i1"), (2, "i2")]  # fmt: skip
    assert found(report, "below the mean of their user") == [(2, "dropped")]


def test_the_rule_goes_before_duplicates():
    graph = log([(0, 0), (0, 0), (0, 1)], weight=[1, 5, 5])
    cleaned, _ = clean(graph, Cleaning(implicit=4, keep_weight=True))
    assert cleaned.weight.tolist() == [5, 5]


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"implicit": "median"}, "`implicit` of Cleaning must be a number or 'mean'. Got 'median'"),
        ({"implicit": float("nan")}, "`implicit` of Cleaning must be a finite number"),
        ({"keep_weight": True}, "`keep_weight` of Cleaning must be left out without `implicit`"),
        ({"k_core": (1, 2, 3)}, "a number, or one for users and one for items"),
        ({"k_core": (1, -2)}, "an integer >= 0. Got -2"),
    ],
)
def test_rules_are_checked(rules, message):
    with pytest.raises(gt.ArgumentError, match=message):
        Cleaning(**rules)


def test_rules_that_do_not_fit_the_graph():
    with pytest.raises(gt.ArgumentError, match="None for edges without weights"):
        clean(log([(0, 0)]), Cleaning(implicit=4))
    with pytest.raises(gt.ArgumentError, match="one number for a graph that is no log of events"):
        clean(gt.Graph(np.array([[0], [1]]), gt.NodeIds.range(2)), Cleaning(k_core=(2, 1)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(0, 4))
def test_core_of_users_and_items_is_the_slow_one(seed, of_user, of_item):
    rng = np.random.default_rng(seed)
    graph = log(np.unique(np.concatenate([rng.integers(0, [12, 9], (50, 2)), [[11, 8]]]), axis=0))
    need = np.repeat([of_user, of_item], [12, 9])
    alive = np.ones(21, dtype=bool)
    while True:  # drop whoever has too few, until nobody has
        inner = graph.edges[:, alive[graph.edges].all(axis=0)]
        weak = alive & (np.bincount(inner.ravel(), minlength=21) < need)
        if not weak.any():
            break
        alive &= ~weak
    np.testing.assert_array_equal(core_members(graph, need), alive)
    if alive.any() and inner.size:
        cleaned, _ = clean(graph, Cleaning(k_core=(of_user, of_item)))
        assert cleaned.ids.values(np.arange(cleaned.num_nodes)) == graph.ids.values(np.flatnonzero(alive))


# --- sessions --------------------------------------------------------------------------------------


def test_sessions_by_hand():
    graph = log([(1, 0), (0, 1), (0, 2), (0, 0), (1, 1), (0, 1)], time=[5, 100, 0, 30, 36, 131])
    cut = cut_sessions(graph, 30)
    named = dict(zip(zip(*(cut.ids.values(side) for side in cut.edges)), cut.time.tolist()))
    assert named == {
        ("0/1", "i2"): 0, ("0/1", "i0"): 30, ("0/2", "i1"): 100, ("0/3", "i1"): 131, ("1/1", "i0"): 5,
        ("1/2", "i1"): 36}  # fmt: skip
    assert cut.ids.kinds == ("user", "item") and cut.time.tolist() == graph.time.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 3, 10, 1000]))
def test_sessions_are_the_slow_ones(seed, gap):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.integers(0, [6, 5], (60, 2)), [[5, 4]]])
    graph = log(rows, time=rng.integers(0, 100, 61))
    cut = cut_sessions(graph, gap)
    names = cut.ids.values(cut.edges[0])
    assert cut.ids.values(cut.edges[1]) == graph.ids.values(graph.edges[1])
    for user in range(6):
        mine = np.flatnonzero(graph.edges[0] == user)
        number, last = 1, None
        for at in mine[np.argsort(graph.time[mine], kind="stable")]:
            number += last is not None and graph.time[at] - last > gap
            last = graph.time[at]
            assert names[at] == f"{user}/{number}"


def test_sessions_are_cut_before_repeats_are_merged(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\na,x,1\na,y,2\na,x,500\na,x,501\nb,x,3\n")
    graph, report = gt.read_events(path, time="time", session_gap=100)
    assert graph.ids.values(graph.edges[0]) == ["a/1", "a/1", "a/2", "b/1"]
    assert found(report, "cut into sessions") == [(2, "noted")] and found(report, "repeated") == [(1, "merged")]
    whole, _ = gt.read_events(path, time="time")
    assert whole.num_edges == 3
    with pytest.raises(gt.ArgumentError, match="left out without times"):
        gt.read_events(path, session_gap=100)


def test_a_session_stays_whole():
    rng = np.random.default_rng(0)
    graph = cut_sessions(log(rng.integers(0, [20, 15], (400, 2)), time=rng.integers(0, 3000, 400)), 60)
    split = gt.split_cold(graph, "user", (6, 2, 2), seed=1)
    parts = [set(split.split.part[split.split.graph.edges[0] == s]) for s in range(len(graph.ids.blocks[0]))]
    assert all(len(part & {1, 2}) <= 1 for part in parts), "no session is both of validation and of test"
    assert all(part == {0} for part, new in zip(parts, split.new) if not new)
    by_time = gt.split_interactions(graph, "time")
    assert graph.time[by_time.part == 0].max() < graph.time[by_time.part == 2].min()
    by_time.audit()


def test_what_has_no_sessions():
    with pytest.raises(gt.ArgumentError, match="whose events have times"):
        cut_sessions(log([(0, 0)]), 5)
    with pytest.raises(gt.ArgumentError, match="`gap` of cut_sessions"):
        cut_sessions(log([(0, 0)], time=[1]), -1)
    with pytest.raises(gt.ArgumentError, match="after the sessions are cut"):
        cut_sessions(log([(0, 0)], time=[1]).replace(features=np.ones((2, 1))), 5)


# --- an account ------------------------------------------------------------------------------------


def test_account_by_hand():
    graph = log([(0, 0), (0, 0), (0, 1), (1, 0), (2, 3)], time=[4, 9, 6, 7, 5])
    told = describe_events(graph, cold_below=2)
    assert (told.users, told.items, told.events, told.pairs, told.repeats) == (3, 4, 5, 4, 1)
    assert told.density == 4 / 12 and (told.cold_users, told.cold_items) == (2, 3)
    assert (told.of_user[0], told.of_user[3], told.of_user[-1]) == (1, 1, 3)
    assert told.time == (4, 9) and told.top_share == 3 / 5
    assert told.gini == pytest.approx(gini(np.array([3, 1, 0, 1])))
    assert "4" in next(told.lines())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_gini_is_half_the_mean_difference(values):
    values = np.array(values)
    naive = np.abs(values[:, None] - values[None]).mean() / (2 * values.mean()) if values.any() else 0
    assert gini(values) == pytest.approx(naive)


def test_account_wants_events():
    with pytest.raises(gt.ArgumentError, match="of events of users and items"):
        describe_events(gt.Graph(np.array([[0], [1]]), gt.NodeIds.range(2)))


# --- the command line ------------------------------------------------------------------------------


@pytest.fixture
def ratings(tmp_path):
    rng = np.random.default_rng(1)
    rows = [f"u{u},i{i},{1 + (u + i) % 5},{rng.integers(10_000)}" for u in range(20) for i in range(u % 3, 15, 2)]
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,time\n" + "\n".join(rows) + "\n")
    return path


def test_inspect_tells_the_story(ratings):
    told = done("inspect", ratings, "--events", "user,item,time", "--json").json["events"]
    assert (told["users"], told["items"], told["repeats"]) == (20, 15, 0) and told["time"][0] >= 0
    text = done("inspect", ratings, "--events", "user,item,time").out
    assert "Events per user: 7 to 8" in text and "Popularity: Gini" in text and "20 users x 15 items" in text


def test_rules_on_the_command_line(ratings):
    events = ("--events", "user,item,time", "--weight", "rating", "--json")
    whole = done("inspect", ratings, *events).json
    four = done("inspect", ratings, *events, "--implicit", "4").json
    assert "weight" in whole["has"] and "weight" not in four["has"]
    want = sum(int(line.split(",")[2]) >= 4 for line in ratings.read_text().splitlines()[1:])
    assert four["size"]["edges"] == want < whole["size"]["edges"]
    assert "weight" in done("inspect", ratings, *events, "--implicit", "mean", "--keep-weight").json["has"]
    core = done("inspect", ratings, *events, "--implicit", "2", "--k-core", "5,7").json
    assert core["degrees"]["user"]["least"] >= 5 and core["degrees"]["item"]["least"] >= 7
    cut = done("inspect", ratings, *events, "--session-gap", "50").json
    assert cut["size"]["users"] > 20


@pytest.mark.parametrize(
    "options, message",
    [
        (("--implicit", "4"), "`--implicit` of graphtune must be given with --weight COLUMN. Got '4'"),
        (("--weight", "rating", "--implicit", "four"), "a weight such as 4, or mean. Got 'four'"),
        (("--k-core", "3;4"), "a number such as 10, or one for users and one for items. Got '3;4'"),
        (("--duplicates", "last"), "must be one of 'first', 'sum', 'max', 'keep'. Got 'last'"),
        (("--keep-weight",), "left out without `implicit`"),
    ],
)
def test_rules_that_are_none(ratings, options, message):
    failed = run("inspect", ratings, "--events", "user,item,time", *options)
    assert failed.code == 2 and message in failed.error


def test_options_of_events_need_events(ratings):
    failed = run("inspect", ratings, "--social", "friends.csv")
    assert failed.code == 2 and "`--social` of graphtune must be left out without --events" in failed.error
    failed = run("inspect", "dataset:lastfm", "--k-core", "5")
    assert failed.code == 2 and "`--k-core` of graphtune must be left out for a data set by name" in failed.error


@pytest.mark.parametrize("by", ["cold-users", "cold-items", "new-users"])
def test_cold_splits_on_the_command_line(ratings, tmp_path, by):
    quick = ("--dim", "4", "--set", "epochs=1", "--model", "bprmf", "--json")
    made = done("embed", ratings, "--events", "user,item,time", "--by", by, "--out", tmp_path / by, *quick).json
    assert made["split"]["kind"] == by and made["split"]["counts"]["test edges"] > 0
    assert "ndcg_20" in str(made)
    assert gt.open_directory(tmp_path / by).record.split.kind == by
