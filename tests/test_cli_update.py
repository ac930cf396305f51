"""`graphtune update`: a saved recommender that learns new events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import graphtune
from cli_help import QUICK, done, run, snapshot, working_in, write_files

EVENTS = ("--events", "user,item,time")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a model of events, and two days of later ones."""
    at, rng = tmp_path_factory.mktemp("update"), random.Random(1)
    with working_in(at):
        write_files(at)
        done("embed", "log.csv", *EVENTS, "--model", "lightgcn", "--out", "log", *QUICK)
        for day, users in ((1, [77, 78, *range(10)]), (2, [79, *range(5, 15)])):
            rows = [f"{u},{i},{9000 * day + 10 * n}" for n, u in enumerate(users) for i in rng.sample(range(18), 5)]
            (at / f"day{day}.csv").write_text("\n".join(["user,item,time", *rows]) + "\n")
        yield at


def test_update(place: Path, tmp_path: Path) -> None:
    before, out = snapshot(place / "log"), tmp_path / "one"
    shown = done("update", "log", "day1.csv", *EVENTS, "--out", out, "--set", "epochs=2")
    assert snapshot(place / "log") == before
    assert "new events learned" in shown.out and "Held-out earlier events" in shown.out
    assert "2 new users, 5 events each" in shown.out and f"graphtune recommend {out} USER" in shown.out
    small, stored = graphtune.load("log"), graphtune.open_directory(out)
    for kind, block in zip(small.ids.kinds, small.ids.blocks):
        rows = stored.model.ids.rows(kind)
        assert stored.model.ids.values(range(rows.start, rows.start + len(block))) == block.to_pylist()
    assert stored.record.split.audit() is not None and stored.model.encoder.grown == ()
    scores = stored.record.notes["scores"]
    evaluated = done("evaluate", "log", "--task", "recommendation", "--json").json["metrics"]
    assert scores["earlier"]["ndcg_20"]["before"] == evaluated["ndcg_20"]["mean"]
    named = stored.record.metrics["recommendation, new events (after)"]["metrics"]["ndcg_20"]["mean"]
    assert scores["later"]["ndcg_20"]["after"] == named
    done("evaluate", out, "--task", "recommendation")
    done("recommend", out, "77", "-k", "3")
    done("report", out)
    again = done("update", out, "day2.csv", *EVENTS, "--out", tmp_path / "two", "--set", "epochs=1", "--json").json
    assert again["of_kind"]["user"] == 1 and set(again["scores"]) == {"earlier", "later"}


def test_update_of_a_model_that_was_extended(place: Path, tmp_path: Path) -> None:
    done("extend", "log", "day1.csv", *EVENTS, "--out", tmp_path / "more", "--quiet")
    found = done(
        "update", tmp_path / "more", "day2.csv", *EVENTS, "--out", tmp_path / "new", "--set", "epochs=1", "--json"
    )
    assert found.json["events"]["learned"] > 0
    assert "77" in map(str, graphtune.load(tmp_path / "new").ids.values(range(30)))


def test_update_goes_on(place: Path, tmp_path: Path) -> None:
    options = (*EVENTS, "--set", "epochs=3", "--set", "replay=1", "--set", "deterministic=true", "--quiet")
    done("update", "log", "day1.csv", *options, "--out", tmp_path / "a")
    again = done("update", "log", "day1.csv", *options, "--out", tmp_path / "a", "--resume")
    assert "is finished; there is nothing to resume" in again.out
    done("update", "log", "day1.csv", *options, "--out", tmp_path / "b")
    first, second = (graphtune.load(tmp_path / name) for name in "ab")
    np.testing.assert_array_equal(first.encode(), second.encode())


def test_update_refuses(place: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    assert "`--events` of update" in run("update", "log", "day1.csv", *out).error
    assert "such that one is new" in run("update", "log", "log.csv", *EVENTS, *out).error
    assert "Did you mean 'replay'" in run("update", "log", "day1.csv", *EVENTS, *out, "--set", "repley=2").error
    assert "It holds a model" in run("update", "log", "day1.csv", *EVENTS, "--out", "log").error
    done("embed", "friends.csv", "--out", tmp_path / "f", *QUICK)
    assert "of events of users and items" in run("update", tmp_path / "f", "friends.csv", *out).error
    said = run("update", tmp_path / "f", "day1.csv", *EVENTS, *out).error
    assert "`--events` of update must be left out" in said and "not of events" in said
    assert not (tmp_path / "x").exists()


def test_a_fused_ranking_is_not_updated(place: Path, tmp_path: Path) -> None:
    for name in ("popularity", "itemknn"):
        done("embed", "log.csv", *EVENTS, "--model", name, "--out", tmp_path / name, "--quiet")
    done("fuse", tmp_path / "popularity", tmp_path / "itemknn", "--out", tmp_path / "both", "--quiet")
    told = run("update", tmp_path / "both", "day1.csv", *EVENTS, "--out", tmp_path / "x").error
    assert "`DIR` of update must be a model with weights of its own" in told
