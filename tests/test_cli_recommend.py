"""`graphtune recommend` and `graphtune neighbors`: for one, for many, by filters, with reasons; and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import graphtune
from cli_help import QUICK, done, make_models, run, snapshot, working_in, write_files


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files and models of `cli_help`, what items are, and lists of ids; the current directory."""
    at = tmp_path_factory.mktemp("recommend")
    with working_in(at):
        write_files(at)
        make_models(at)
        Path("items.csv").write_text("item,kind\n" + "".join(f"{i},{'odd' if i % 2 else 'even'}\n" for i in range(14)))
        Path("few.txt").write_text("1\n2\n3\n400\n")
        Path("strangers.txt").write_text("300\n400\n")
        Path("someone.txt").write_text("4\n0\n")
        yield at


def taken(place: Path, user: str) -> set[int]:
    return {int(item) for u, item, _ in csv.reader((place / "log.csv").open()) if u == user}


def given(*options: str, user: str = "0") -> set[int]:
    found = done("recommend", "log", user, "-k", "100", "--json", "--quiet", *options).json
    return {item["id"] for item in found["items"]}


def test_recommend_leaves_out_all_that_a_user_has(place: Path) -> None:
    """Also what was kept aside to test with: it is no news to the user."""
    assert graphtune.open_directory("log").record.split.graph.num_edges == 120
    assert given() == set(range(15)) - taken(place, "0")
    assert given("--keep-seen") == set(range(15))
    assert done("recommend", "friends", "n0", "-k", "3").out.count("n") >= 3


def test_the_card_has_no_interval_where_there_is_none(place: Path) -> None:
    card = Path("log/README.md").read_text(encoding="utf-8")
    assert "coverage_20" in card and "nan" not in card


def test_filters(place: Path) -> None:
    free = set(range(15)) - taken(place, "0")
    assert given("--only", "few.txt", "--keep-seen") == {1, 2, 3}
    assert given("--without", "few.txt") == free - {1, 2, 3}
    assert given("--items", "items.csv", "--where", "kind=odd") == {i for i in free if i % 2 and i < 14}
    both = ("--where", "kind=odd", "--where", "kind=even", "--items", "items.csv")
    assert given(*both) == free - {14}
    said = done("recommend", "log", "0", "--only", "few.txt", *both, "--keep-seen").err
    assert "1 of 4 ids are not in the model (first: 400)" in said and "items.csv" in said


def test_diversity_keeps_the_best_first(place: Path) -> None:
    plain, diverse = (
        done("recommend", "log", "3", "-k", "4", "--diversity", d, "--json").json["items"] for d in ("0", "0.9")
    )
    assert plain[0] == diverse[0] and [i["id"] for i in plain] != [i["id"] for i in diverse]


def test_explained(place: Path) -> None:
    found = done("recommend", "log", "0", "-k", "2", "--explain", "--json").json["items"]
    learned = graphtune.load("log").graph
    own = set(learned.ids.values(learned.edges[1, learned.edges[0] == 0]))
    for item in found:
        assert {part["id"] for part in item["because"]} == own and item["how"] == "fitted"
        assert sum(part["part"] for part in item["because"]) + item["rest"] == pytest.approx(item["score"], abs=1e-6)
    text = done("recommend", "log", "0", "-k", "2", "--explain").out
    assert "of which" in text and "rest" in text and "ridge" in text


def test_for_all_into_a_file(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "recs.parquet"
    said = done("recommend", "log", "--all", "-k", "3", "--out", out, "--json").json
    assert said == {"file": str(out), "users": 20, "rows": 60, "without": 0, "search": "exact"}
    table = pl.read_parquet(out)
    assert table.columns == ["user", "item", "place", "score"] and len(table) == 60
    for user in ("0", "7"):
        mine = table.filter(pl.col("user") == int(user)).sort("place")["item"].to_list()
        assert mine == [i["id"] for i in done("recommend", "log", user, "-k", "3", "--json").json["items"]]
    assert "--overwrite" in run("recommend", "log", "--all", "--out", out).error
    some = done("recommend", "log", "--users", "someone.txt", "-k", "2", "--out", out, "--overwrite").out
    assert "4 recommendations for 2 users" in some and str(out) in some
    assert pl.read_parquet(out)["user"].to_list() == [4, 4, 0, 0]
    (tmp_path / "twice.txt").write_text("4\n0\n4\n")
    twice = done("recommend", "log", "--users", tmp_path / "twice.txt", "-k", "2", "--out", out, "--overwrite").out
    assert "4 recommendations for 2 users" in twice and "given nothing" not in twice
    own = taken(place, "0")
    (tmp_path / "own.txt").write_text("".join(f"{item}\n" for item in own))
    only = ("--users", tmp_path / "twice.txt", "--only", tmp_path / "own.txt", "--out", out, "--overwrite")
    empty = sum(own <= taken(place, user) for user in ("4", "0"))
    assert f"{empty} of the users are given nothing" in done("recommend", "log", *only).out


def test_an_index(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    outcome = done("recommend", "log", "--all", "-k", "2", "--search", "faiss", "--out", tmp_path / "r.parquet")
    assert "faiss" in outcome.out and "recall@2" in outcome.err


def test_a_user_without_a_past_is_told(place: Path) -> None:
    lines = Path("log.csv").read_text().splitlines()
    Path("more.csv").write_text("\n".join([*lines, "99,3,9999"]) + "\n")
    done("embed", "more.csv", "--events", "user,item,time", "--by", "time", "--out", "more", "--model", "bprmf", *QUICK)
    assert "1 of 1 users have nothing in what the model learned" in done("recommend", "more", "99").err
    assert "nothing" not in done("recommend", "more", "0").err


def test_closed_forms_without_embeddings(place: Path) -> None:
    """Their own l2 can be set; the card does not speak of embeddings; one of whom nothing is known is told so."""
    log = ("log.csv", "--events", "user,item,time", "--model", "ease", "--quiet")
    done("embed", *log, "--set", "l2=5", "--out", "ease")
    assert graphtune.load("ease").recipe.l2 == 5
    card = Path("ease/README.md").read_text(encoding="utf-8")
    assert "l2=5" in card and "recommend(user)" in card and "encode" not in card and "epochs" not in card
    assert "name of a setting of EASE" in run("embed", *log, "--set", "epochs=5", "--out", "no").error
    assert "order says nothing" not in done("recommend", "ease", "0").err
    Path("lonely.csv").write_text("user,item,time\n777,888,5000\n1,888,5001\n")
    done("extend", "ease", "lonely.csv", "--events", "user,item,time", "--out", "ease-lonely", "--quiet")
    assert "order says nothing" in done("recommend", "ease-lonely", "777").err


def test_neighbors_of_users_and_items(place: Path) -> None:
    for kind, count in (("user", 20), ("item", 15)):
        found = done("neighbors", "log", "3", "--kind", kind, "-k", "30", "--json").json["neighbors"]
        assert {n["id"] for n in found} == set(range(count)) - {3}
        assert [(n["id"], n["cosine"]) for n in found] == graphtune.load("log").most_similar(3, 30, kind)
    assert "--kind user" in run("neighbors", "log", "3").error
    assert len(done("neighbors", "log", "17", "--json").json["neighbors"]) == 10, "only a user has this id"


CASES = {
    "nobody": (("log",), 2, ("USER", "--all")),
    "a user and all": (("log", "0", "--all", "--out", "r.parquet"), 2, ("one of the three", "'--all'")),
    "all to nowhere": (("log", "--all"), 2, ("--out", "recs.parquet")),
    "one to a file": (("log", "0", "--out", "r.parquet"), 2, ("--out", "single user")),
    "reasons for all": (("log", "--all", "--out", "r.parquet", "--explain"), 2, ("--explain",)),
    "no such file of users": (("log", "--users", "no.txt", "--out", "r.parquet"), 2, ("--users", "no.txt")),
    "users who are unknown": (("log", "--users", "strangers.txt", "--out", "r.parquet"), 2, ("known user ids", "300")),
    "only strangers": (("log", "0", "--only", "strangers.txt"), 2, ("--only", "none of the 2")),
    "no condition": (("log", "0", "--where", "kind"), 2, ("--where", "column=value")),
    "a condition on nothing": (("log", "0", "--where", "kind=odd"), 2, ("where", "read_attributes")),
    "an unknown column": (("log", "0", "--where", "sort=odd", "--items", "items.csv"), 2, ("'sort'", "kind")),
    "an unknown value": (("log", "0", "--where", "kind=od", "--items", "items.csv"), 2, ("Did you mean odd",)),
    "items of others": (
        ("log", "0", "--where", "kind=odd", "--items", "clubs.csv"),
        1,
        ("clubs.csv", "nodes of the graph"),
    ),
    "no such file of items": (("log", "0", "--where", "kind=odd", "--items", "no.csv"), 1, ("no.csv",)),
    "items for no condition": (("log", "0", "--items", "items.csv"), 2, ("--items", "--where genre=comedy")),
    "a file of no known form": (("log", "--all", "--out", "r.xlsx"), 2, ("--out", ".parquet or .csv")),
    "an id like an option": (("log", "-7"), 2, ("behind --.",)),
    "too diverse": (("log", "0", "--diversity", "2"), 2, ("--diversity", "[0, 1]")),
    "an unknown search": (("log", "0", "--search", "fast"), 2, ("--search", "'faiss'")),
    "triples": (("facts", "p0"), 2, ("Use `predict`", "'a graph with relations'")),
    "a file in no directory": (("log", "--all", "--out", "no/r.parquet"), 2, ("can be written",)),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_with_the_fix(case: str, place: Path) -> None:
    arguments, code, said = CASES[case]
    before = snapshot(place)
    outcome = run("recommend", *arguments)
    assert outcome.code == code, outcome.err
    assert all(text in outcome.error for text in said), outcome.error
    assert outcome.out == "" and snapshot(place) == before
