"""`graphtune benchmark`: rows of results with several seeds, gone on with after a break, and made again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli_help import done, run, working_in, write_files
from graphtune.cli import benchmark as command
from graphtune.cli.machine import commit, cpu_seconds, machine, peak_resident
from graphtune.statistics import t_interval

TRIPLES = """
[data]
edges = "facts.tsv"
triples = true

[embed]
model = "complex"
dim = 8
seed = 5
out = "never-made"
set = { epochs = 2, eval_every = 1 }
"""
TUNED = """
[data]
edges = "friends.csv"

[embed]
model = "gcn"
dim = 8
out = "never-made"
set = { epochs = 2, hidden = 8 }

[finetune]
task = "link-prediction,node-classification"
labels = "clubs.csv"
out = "never-tuned"
set = { epochs = 2, batch_size = 64 }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Configurations with their files, and a benchmark of both with two seeds, in results/table.json."""
    at = tmp_path_factory.mktemp("benchmark")
    (at / "results").mkdir()
    with working_in(at):
        write_files(at)
        (at / "triples.toml").write_text(TRIPLES)
        (at / "tuned.toml").write_text(TUNED)
        done("benchmark", "triples.toml", "tuned.toml", "--seeds", 2, "--out", "results/table.json", "--quiet")
        yield at


def rows(path: Path | str) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(Path(path).read_text())["rows"]}


def test_a_row_has_the_scores_that_the_commands_give(place: Path, tmp_path: Path) -> None:
    found = rows("results/table.json")
    options = ("--triples", "--dim", "8", "--set", "epochs=2", "--set", "eval_every=1", "--quiet", "--json")
    for made, seed in zip(found["triples"]["runs"], (5, 6)):
        typed = done("embed", "facts.tsv", *options, "--seed", seed, "--out", tmp_path / str(seed)).json
        of_task = typed["metrics"]["triple-completion"]["metrics"]
        wanted = {name: estimate["mean"] for name, estimate in of_task.items()}
        assert made["metrics"] == {"triple-completion": pytest.approx(wanted)}
        assert made["epochs"] == 2 and set(made["valid"]) == {"mrr"}
    assert found["triples"]["model"] == "ComplEx"
    assert not (place / "never-made").exists() and not (place / "never-tuned").exists()


def test_of_a_file_with_finetune_the_scores_are_those_of_the_tasks() -> None:
    found = rows("results/table.json")["tuned"]
    assert list(found["metrics"]) == ["link-prediction", "node-classification"]
    assert "auc" in found["metrics"]["link-prediction"]
    assert found["runs"][0]["metrics"] != found["runs"][1]["metrics"]
    assert set(found["runs"][0]["valid"]) == {"mean"}


def test_means_intervals_and_cost_are_those_of_the_seeds() -> None:
    for row in rows("results/table.json").values():
        for task, metrics in row["metrics"].items():
            for name, estimate in metrics.items():
                wanted = t_interval([run["metrics"][task][name] for run in row["runs"]])
                np.testing.assert_allclose([estimate["mean"], estimate["low"]], [wanted.mean, wanted.low])
        cpu = np.mean([run["cpu_seconds"] for run in row["runs"]])
        assert row["cost"] == pytest.approx(cpu / 3600 * 0.05)
        assert row["peak_bytes"] == max(run["peak_bytes"] for run in row["runs"]) > 50e6
        assert all(run["cpu_seconds"] > 0 and run["seconds"] > 0 and len(run["data"]) == 64 for run in row["runs"])


def test_the_seeds_that_are_done_are_not_run_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place / "results" / "resumed.json"
    before = json.loads((place / "results" / "table.json").read_text())
    whole = {row["name"]: row["runs"] for row in before["rows"]}
    for row in before["rows"]:
        row["runs"] = row["runs"][:1]
    out.write_text(json.dumps(before))
    ran = []

    def stand_in(config: dict, seed: int, quiet: bool) -> dict:
        ran.append((config["embed"]["model"], seed))
        return whole["triples" if config["embed"]["model"] == "complex" else "tuned"][seed]

    monkeypatch.setattr(command, "run_seed", stand_in)
    asked = ("benchmark", "triples.toml", "tuned.toml", "--seeds", 2, "--out", out)
    assert "--resume goes on" in run(*asked).error
    text = done(*asked, "--resume", "--price", "1").out
    assert ran == [("complex", 1), ("gcn", 1)] and rows(out)["triples"]["runs"] == whole["triples"]
    assert (
        "±" in text
        and "node-classification, test part" in text
        and "1 an hour of a core" in text
        and "graphtune benchmark" in text
    )
    done(*asked, "--resume")
    assert len(ran) == 2
    (place / "results" / "triples.toml").write_text(TRIPLES.replace("dim = 8", "dim = 4"))
    assert "another" in run("benchmark", "results/triples.toml", "--out", out, "--resume").error
    held = json.loads(out.read_text())
    out.write_text(json.dumps({**held, "machine": {**held["machine"], "commit": "0"}}))
    assert "commit was 0" in run(*asked, "--resume").error


def test_results_are_a_configuration(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows("results/table.json")
    assert first["tuned"]["config"]["data"]["edges"] == "../friends.csv"
    asked = []

    def stand_in(config: dict, seed: int, quiet: bool) -> dict:
        asked.append(Path(config["data"]["edges"]).resolve())
        return {**first["tuned"]["runs"][0], "seed": seed}

    monkeypatch.setattr(command, "run_seed", stand_in)
    done("benchmark", "results/table.json", "--out", "again.json")
    assert asked == [place / "facts.tsv", place / "friends.csv"] * 2
    assert rows("again.json")["tuned"]["config"]["data"]["edges"] == "friends.csv"


def test_what_cannot_be_measured_is_refused(place: Path) -> None:
    (place / "all.toml").write_text(TRIPLES.replace("dim = 8", 'dim = 8\nsplit = "none"'))
    assert "leaves a test part" in run("benchmark", "all.toml", "--out", "x.json").error
    assert "different names" in run("benchmark", "triples.toml", "triples.toml", "--out", "x.json").error
    assert "`CONFIG` of run" in run("benchmark", "missing.toml", "--out", "x.json").error
    (place / "some.json").write_text("{}")
    assert "results of format" in run("benchmark", "some.json", "--out", "x.json").error
    assert "--seeds" in run("benchmark", "triples.toml", "--seeds", "0", "--out", "x.json").error
    (place / "wrong.toml").write_text(TRIPLES.replace("epochs = 2", "epoch = 2"))
    outcome = run("benchmark", "wrong.toml", "--out", "x.json", "--quiet")
    assert outcome.code == 2 and "wrong, seed 0" in outcome.error and "Did you mean 'epochs'" in outcome.error
    assert not Path("x.json").exists()


def test_the_machine_says_what_it_is() -> None:
    found = machine()
    assert found["cores"] >= 1 and found["threads"] >= 1 and "torch" in found["versions"]
    assert found["vectors"]
    assert commit() is None or len(commit().rstrip("+")) >= 7
    begin = cpu_seconds()
    assert sum(range(300_000)) and cpu_seconds() > begin
    block = np.ones(20_000_000 // 8)
    assert peak_resident() >= block.nbytes
