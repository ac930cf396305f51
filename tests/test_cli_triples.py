"""Evaluation of triples on the command line: by group, by side, saved per query, compared; and classification."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import graphtune
from cli_help import QUICK, done, run, working_in, write_files

COMPLETION = ("--task", "triple-completion")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two models of the same triples, one of them trained; the current one while this file runs."""
    at = tmp_path_factory.mktemp("triples")
    with working_in(at):
        write_files(at)
        done("embed", "facts.tsv", "--triples", "--out", "short", *QUICK)
        done("embed", "facts.tsv", "--triples", "--out", "long", "--dim", "16", "--set", "epochs=40", "--quiet")
        done("embed", "friends.csv", "--out", "friends", *QUICK)
        yield at


def test_metrics_by_group(place: Path) -> None:
    text = done("evaluate", "long", *COMPLETION, "--by", "relation,category,entities").out
    assert "By relation" in text and "By category" in text and "lives_in" in text and "N-1" in text
    found = done("evaluate", "long", *COMPLETION, "--by", "relation, side", "--json").json
    assert set(found["groups"]) == {"relation", "side"}
    names = [group["group"] for group in found["groups"]["relation"]]
    sizes = [group["queries"] for group in found["groups"]["relation"]]
    assert set(names) == {"lives_in", "knows"} and sizes == sorted(sizes, reverse=True)
    task = graphtune.TripleCompletion(graphtune.open_directory("long").record.split)
    expected = task.evaluate(graphtune.load("long")).by("relation")["knows"].as_dict()["metrics"]
    assert found["groups"]["relation"][names.index("knows")]["metrics"] == expected
    assert sum(sizes) == found["metrics"]["mrr"]["n"]
    assert done("evaluate", "long", *COMPLETION, "--json").json["groups"] == {}


def test_more_groups_than_are_shown(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = {(int(h), int(min(r, 24)), int(t)) for h, r, t in rng.integers(0, [30, 40, 30], (600, 3))}
    (tmp_path / "many.tsv").write_text("\n".join(f"e{h}\tr{r}\te{t}" for h, r, t in sorted(rows)) + "\n")
    done("embed", tmp_path / "many.tsv", "--triples", "--out", tmp_path / "many", *QUICK)
    text = done("evaluate", tmp_path / "many", *COMPLETION, "--by", "relation").out
    found = done("evaluate", tmp_path / "many", *COMPLETION, "--by", "relation", "--json").json["groups"]["relation"]
    assert found[0]["group"] == "r24" and len(found) > 20
    rest = sum(group["queries"] for group in found[20:])
    assert f"{len(found) - 20} more with {rest} queries; --json has all of them." in text
    assert f"\n{found[19]['group']} " in text and f"\n{found[20]['group']} " not in text


def test_sides(place: Path) -> None:
    both = done("evaluate", "long", *COMPLETION, "--by", "side", "--json").json["groups"]["side"]
    for group in both:
        one = done("evaluate", "long", *COMPLETION, "--side", group["group"], "--json").json
        assert one["side"] == group["group"]
        assert one["metrics"]["mrr"]["mean"] == pytest.approx(group["metrics"]["mrr"]["mean"])
    assert "Only heads were asked." in done("evaluate", "long", *COMPLETION, "--side", "head").out


def test_saved_ranks_are_compared(place: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.parquet" for name in ("short", "long")]
    mrr = {}
    for file in files:
        found = done("evaluate", file.stem, *COMPLETION, "--ranks", file, "--json").json
        mrr[str(file)] = found["metrics"]["mrr"]["mean"]
        assert found["ranks"] == str(file)
        assert (1 / pl.read_parquet(file)["rank"]).mean() == pytest.approx(mrr[str(file)])
    found = done("compare", *files, "--json").json
    best, other = found["models"]
    assert found["baseline"] == best["model"] == max(mrr, key=mrr.get) and best["test"] is None  # type: ignore[arg-type]
    assert other["test"]["difference"] == pytest.approx(min(mrr.values()) - max(mrr.values()))
    assert 0 < other["test"]["p_value"] == other["test"]["p_adjusted"] <= 1
    told = done("compare", *files, "--metric", "hits_5", "--baseline", files[0]).out
    assert f"difference to {files[0]}" in told and "hits_5" in told and "queries, paired" in told


def test_ranks_do_not_replace_a_file_unasked(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "ranks.parquet"
    file.write_text("something")
    error = run("evaluate", "short", *COMPLETION, "--ranks", file).error
    assert "`--ranks` of evaluate must be a new file" in error and file.read_text() == "something"
    done("evaluate", "short", *COMPLETION, "--ranks", file, "--overwrite")
    assert len(graphtune.read_ranks(file)) > 0


def test_classification(place: Path) -> None:
    text = done("evaluate", "long", "--task", "triple-classification", "--by", "relation").out
    assert "accuracy_global" in text and "drawn within the types of the relation, seed 0" in text and "knows" in text
    found = done("evaluate", "long", "--task", "triple-classification", "--seed", "3", "--part", "valid", "--json").json
    assert found["part"] == "valid" and any(name.endswith("seed 3)") for name in found["counts"])
    task = graphtune.TripleClassification(graphtune.open_directory("long").record.split, seed=3)
    assert found["metrics"]["f1"]["mean"] == pytest.approx(task.validate(graphtune.load("long"))["f1"])


WRONG = {
    "an unknown group": (("evaluate", "short", *COMPLETION, "--by", "colour"), "'relation', 'category'"),
    "groups of another task": (
        ("evaluate", "friends", "--task", "link-prediction", "--by", "relation"), "triple-completion and triple-cl"
    ),
    "a group of another task": (
        ("evaluate", "short", "--task", "triple-classification", "--by", "side"), "'relation', 'category'. Got"
    ),
    "a side of another task": (("evaluate", "friends", "--task", "link-prediction", "--side", "head"), "left out but"),
    "an unknown side": (("evaluate", "short", *COMPLETION, "--side", "left"), "'both', 'head', 'tail'"),
    "ranks of another task": (("evaluate", "friends", "--task", "link-prediction", "--ranks", "x"), "left out but"),
    "ranks into nowhere": (("evaluate", "short", *COMPLETION, "--ranks", "no/where/x"), "that can be written"),
    "no hard negatives": (
        ("evaluate", "short", "--task", "triple-classification", "--set", "negatives=hard"), "with false triples"
    ),
    "edges to classify": (("evaluate", "friends", "--task", "triple-classification"), "link-prediction or"),
    "tuning to classify": (
        ("finetune", "short", "--task", "triple-classification", "--out", "new"), "Fine-tune on triple-completion"
    ),
    "one file": (("compare", "facts.tsv"), "two files or more"),
    "a file twice": (("compare", "facts.tsv", "facts.tsv"), "each once"),
    "an unknown baseline": (("compare", "facts.tsv", "log.csv", "--baseline", "x"), "one of facts.tsv, log.csv"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_asked_wrongly(case: str, place: Path) -> None:
    arguments, told = WRONG[case]
    outcome = run(*arguments)
    assert outcome.code == 2 and told in outcome.error


def test_a_file_without_ranks(place: Path) -> None:
    outcome = run("compare", "facts.tsv", "log.csv")
    assert outcome.code == 1 and "must hold ranks or scores in Parquet" in outcome.error


def test_parts_in_files_of_their_own(place: Path, tmp_path: Path) -> None:
    rows = (place / "facts.tsv").read_text().splitlines()
    parts = {"train": rows[:40], "valid": rows[40:50], "test": rows[50:]}
    for part, lines in parts.items():
        (tmp_path / f"{part}.tsv").write_text("\n".join(lines) + "\n")
    files = (tmp_path / "train.tsv", "--valid", tmp_path / "valid.tsv", "--test", tmp_path / "test.tsv")
    told = done("embed", *files, "--triples", "--out", tmp_path / "own", "--dim", "8", "--set", "epochs=1").err
    assert "10 valid edges" in told and "leaks" not in told
    split = graphtune.open_directory(tmp_path / "own").record.split
    names, relations = split.graph.ids, split.graph.relation_ids
    for part, lines in parts.items():
        graph = getattr(split, part)
        found = zip(names.values(graph.edges[0]), relations.values(graph.relation), names.values(graph.edges[1]))
        assert sorted(found) == sorted(tuple(line.split("\t")) for line in lines)
    assert done("inspect", *files, "--triples", "--json").json["reports"][0]["summary"]["test"] == 10
    triples, no = ("--triples", "--model", "complex"), ("--out", tmp_path / "no")
    assert "`--valid` of graphtune must be given with --test" in run("embed", files[0], *files[3:], *triples, *no).error
    assert "`--test` of graphtune must be given with --valid" in run("embed", *files[:3], *triples, *no).error
    assert "`--split` of embed must be left out" in run("embed", *files, *triples, "--split", "8:1:1", *no).error
    assert "left out without --triples" in run("embed", *files, *no).error
    assert "--k-core" in run("embed", *files, *triples, "--k-core", "2", *no).error
    missing = (files[0], "--valid", tmp_path / "gone.tsv", *files[3:])
    assert "gone.tsv" in run("embed", *missing, *triples, *no).error


def test_events_in_files_of_their_own(place: Path, tmp_path: Path) -> None:
    header, *rows = [",".join(line.split(",")[:2]) for line in (place / "log.csv").read_text().splitlines()]
    for part, lines in {"train": rows[::2], "valid": rows[1::4], "test": rows[3::4]}.items():
        (tmp_path / f"{part}.csv").write_text("\n".join([header, *lines]) + "\n")
    files = (tmp_path / "train.csv", "--valid", tmp_path / "valid.csv", "--test", tmp_path / "test.csv")
    log, no = ("--events", "user,item", "--model", "bprmf"), ("--out", tmp_path / "no")
    done("embed", *files, *log, "--out", tmp_path / "own", *QUICK)
    split = graphtune.open_directory(tmp_path / "own").record.split
    users, items = (split.graph.ids.values(ends) for ends in split.test.edges)
    assert sorted(f"{u},{i}" for u, i in zip(users, items)) == sorted(rows[3::4])
    late = ("--events", "user,item,time", "--model", "bprmf")
    assert "`--events` of graphtune must be user,item where" in run("embed", *files, *late, *no).error
    assert "`--by` of embed must be left out" in run("embed", *files, *log, "--by", "user", *no).error
