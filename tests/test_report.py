"""The page on a run: finished, under way, broken off; what it says is what the run says."""

import base64
import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import graphtune as gt
from cli_help import QUICK, done, run, working_in, write_files
from graphs import planted
from graphtune.check import ArgumentError, DataError
from graphtune.config import SCHEDULES, TrainConfig
from graphtune.ids import NodeIds
from graphtune.models import BPRMF, NetMF
from graphtune.reporting import read_facts, report
from graphtune.reporting.curves import draw
from graphtune.reporting.facts import BROKEN_OFF, FINISHED, UNDER_WAY
from graphtune.store import CHECKPOINTS, LOGS, read_written
from graphtune.testing import checkerboard, snapshot
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.fit import Run, Training, fit
from graphtune.train.loggers import CSVLogger

PNG = b"\x89PNG\r\n\x1a\n"
SHORT = TrainConfig(epochs=6, batch_size=32, lr=0.05, patience=0, deterministic=True)


def train(config=SHORT, run=Run(quiet=True), validate=lambda model: {"score": 1.0}):
    recipe, graph = BPRMF(dim=4), checkerboard()
    sampler, objective = recipe.pretraining(graph, config)
    return fit(recipe.build(graph, 0), Training("test", sampler, objective, validate, "score"), config, run)


class Scores:
    """A validation that gives these numbers, and then ends the run if asked to."""

    def __init__(self, *scores, then=None):
        self.scores, self.then = list(scores), then

    def __call__(self, model):
        if not self.scores:
            raise self.then
        return {"score": self.scores.pop(0), "other": 0.5}


def break_off(directory, scores=(0.1, 0.4, 0.2), loggers=(), config=SHORT):
    """A run that ends in its fourth validation."""
    with pytest.raises(KeyboardInterrupt):
        train(config, Run(directory, loggers=loggers, quiet=True), Scores(*scores, then=KeyboardInterrupt()))


class Cells(HTMLParser):
    """The texts of a page, and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data):
        self.texts += [data.strip()] if data.strip() else []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A pretrained and a fine-tuned model, made by the command line."""
    at = tmp_path_factory.mktemp("report")
    with working_in(at):
        write_files(at)
        done("embed", "friends.csv", "--weight", "weight", "--out", "friends", *QUICK)
        more = ("--set", "epochs=4", "--set", "schedule=cosine", "--quiet")
        done("finetune", "friends", "--task", "link-prediction", "--out", "tuned", *more)
        yield at


# --- finished runs ---


def test_report_of_a_finished_run(place):
    before = snapshot(gt.load("tuned"))
    result = done("report", "tuned", "--json").json
    assert result["state"] == FINISHED and result["epochs"] == 4 and result["monitor"] == "auc"
    assert [Path(p).name for p in result["pictures"]] == [
        "report-loss.png", "report-metrics.png", "report-learning-rate.png",
    ]  # fmt: skip
    assert all(Path(p).read_bytes().startswith(PNG) for p in result["pictures"])
    cells = Cells(Path(result["file"]).read_text(encoding="utf-8"))
    metrics = json.loads(Path("tuned/metrics.json").read_text())
    for name in ("link-prediction (pretrained)", "link-prediction"):
        for e in metrics[name]["metrics"].values():
            assert f"{e['mean']:.4f}" in cells.texts and f"[{e['low']:.4f}, {e['high']:.4f}]" in cells.texts
    options = json.loads(Path("tuned/config.json").read_text())
    for name, value in {**options["recipe"]["options"], **options["training"]}.items():
        assert name in cells.texts and (str(value) in cells.texts or not str(value)), name
    assert any("fine-tuned less pretrained" in text for text in cells.texts)
    assert any(re.fullmatch(r"\d+ train edges, \d+ valid edges, \d+ test edges", text) for text in cells.texts)
    after = snapshot(gt.load("tuned"))
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)


def test_text_of_the_report_command(place):
    text = done("report", "tuned").out
    assert "The run is finished: 4 epochs, best epoch" in text and "report-loss.png" in text


def test_a_page_needs_nothing_else(place):
    page = gt.report("tuned")
    assert page == Path("tuned/report/report.html")
    text = page.read_text(encoding="utf-8")
    cells = Cells(text)
    assert "script" not in cells.tags and "link" not in cells.tags and "iframe" not in cells.tags
    assert len(cells.links) == 3 and all(link.startswith("data:image/png;base64,") for link in cells.links)
    for link, name in zip(cells.links, ("loss", "metrics", "learning-rate")):
        assert base64.b64decode(link.partition(",")[2]) == page.with_name(f"report-{name}.png").read_bytes()
    assert "default-src 'none'" in text


def test_report_to_a_file(place, tmp_path):
    out = tmp_path / "page.html"
    result = done("report", "friends", "--out", out, "--json").json
    assert result["file"] == str(out) and (tmp_path / "page-loss.png").exists()
    assert "It exists; --overwrite replaces it." in run("report", "friends", "--out", out).error
    done("report", "friends", "--out", out, "--overwrite")
    out.unlink()
    error = run("report", "friends", "--out", out).error
    assert "page-loss.png" in error and "--overwrite replaces it" in error


def test_a_report_goes_with_its_run(place):
    """A report does not stand in the way of a new run, and is not taken for one of it."""
    done("report", "friends")
    shutil.copytree("friends", "again")
    done("embed", "friends.csv", "--weight", "weight", "--out", "again", "--overwrite", *QUICK)
    assert not Path("again/report").exists()
    gt.load("again")


def test_closed_forms_have_no_curves_of_training(tmp_path):
    split = gt.split_edges(planted())
    result = gt.pretrain(NetMF(dim=4), split, run=Run(quiet=True))
    record = gt.Record(split, vars(result.config), history=result.history)
    gt.save(tmp_path / "m", result.model, record)
    facts = read_facts(tmp_path / "m")
    assert facts.is_solved and set(draw(facts)) == {"metrics"}
    assert "solved in closed form" in report(tmp_path / "m").read_text()


def test_a_model_saved_with_nothing_beside_it(tmp_path):
    graph = checkerboard()
    gt.save(tmp_path / "m", BPRMF(dim=4).build(graph, 0))
    facts = read_facts(tmp_path / "m")
    assert facts.history == [] and facts.training is None and draw(facts) == {}
    assert f"{graph.num_edges:,}" in report(tmp_path / "m").read_text()


def test_a_damaged_directory_is_refused(place):
    shutil.copytree("friends", "damaged")
    with open("damaged/metrics.json", "a") as file:
        file.write(" ")
    assert "was changed or cut" in run("report", "damaged").error
    with pytest.raises(DataError, match="was changed or cut"):
        report("damaged")


@pytest.mark.parametrize("name", ["", "no-such"])
def test_what_is_no_run_is_refused(tmp_path, name):
    with pytest.raises(ArgumentError, match="`directory` of report must"):
        report(tmp_path / name)


# --- names ---

HOSTILE = "<script>alert(\"1\")</script><img src=x onerror='alert(2)'>&amp;$x^$"


def test_hostile_names_are_text(tmp_path):
    graph = planted(size=10)
    ids = NodeIds.of([f"{HOSTILE}{i}" for i in range(graph.num_nodes)], kinds=(HOSTILE,))
    graph = graph.replace(ids=ids, label_names=tuple(f"{HOSTILE}{i}" for i in range(4)))
    model = BPRMF(dim=4).build(graph, 0)
    history = [{"epoch": 1, "step": 1, "loss": 1.0, "lr": 0.1, "seconds": 0.1, HOSTILE: 0.5}]
    evaluation = {
        "task": HOSTILE,
        "part": HOSTILE,
        "metrics": {HOSTILE: {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 3}},
        "counts": {HOSTILE: 1},
    }
    notes = {
        "chosen": HOSTILE,
        "start": HOSTILE,
        "report": [HOSTILE],
        "options": {"task": HOSTILE, "directory": HOSTILE, "data": {"edges": HOSTILE}},
        "outcome": {"monitor": HOSTILE, "best_epoch": 1},
        "significance": {
            HOSTILE: {"metric": HOSTILE, "difference": 0.1, "low": 0.0, "high": 0.2, "p_value": 0.1, "n": 3}
        },
    }
    at = tmp_path / HOSTILE.replace("/", "|")
    metrics = {HOSTILE: evaluation, f"{HOSTILE} (pretrained)": evaluation}
    training = {**vars(SHORT), "freeze": HOSTILE}
    gt.save(at, model, gt.Record(None, training, metrics, history, notes))
    (at / LOGS).mkdir()
    row = {"stage": HOSTILE, "seconds": 1.0, "share": 1.0, "share_step": 1.0, "median_step": 1.0, "high_step": 1.0}
    operator = {"operator": HOSTILE, "calls_step": 1, "seconds_step": 1.0, "share": 1.0}
    (at / LOGS / "profile.json").write_text(json.dumps({"stages": [row], "operators": [operator]}))
    text = report(at).read_text(encoding="utf-8")
    assert "<script" not in text and "<img src=x" not in text
    cells = Cells(text)
    assert "script" not in cells.tags and cells.tags.count("img") == 3
    assert sum(HOSTILE in text for text in cells.texts) > 10


# --- runs that are not finished ---


def test_report_of_a_run_that_was_broken_off(tmp_path):
    break_off(tmp_path / CHECKPOINTS)
    facts = read_facts(tmp_path)
    assert facts.state == BROKEN_OFF and facts.monitor == "score" and facts.best_epoch == 2
    assert [row["score"] for row in facts.history] == [0.1, 0.4, 0.2]
    assert facts.training == vars(SHORT) and facts.metric_names == ["score", "other"]
    text = report(tmp_path).read_text()
    assert "Broken off" in text and "3 of 6" in text
    shutil.rmtree(tmp_path / "report")
    assert report(tmp_path / CHECKPOINTS).exists()  # as `Run(checkpoints=...)` was given


def test_report_of_a_run_under_way(tmp_path):
    seen = []

    class Looks:
        """A logger that has the report made while the run is at work."""

        def begin(self, history):
            pass

        def log(self, row):
            if row["epoch"] == 4:
                report(tmp_path)
                seen.append(read_facts(tmp_path))

        def close(self):
            pass

    result = train(run=Run(tmp_path / CHECKPOINTS, loggers=(Looks(),), quiet=True))
    (facts,) = seen
    assert facts.state == UNDER_WAY and len(facts.history) == 3
    assert "Under way, 3 epochs so far." in (tmp_path / "report" / "report.html").read_text()
    assert len(result.history) == 6


def test_a_run_goes_on_after_a_report(place):
    command = ("finetune", "friends", "--task", "link-prediction", "--out", "long", "--set", "epochs=3", "--quiet")
    done(*command)
    plain = snapshot(gt.load("long"))
    shutil.rmtree("long")
    Path("long").mkdir()
    break_off("long/checkpoints")
    done("report", "long")
    assert (
        "Resume with the same data" in run(*command, "--resume").error
    )  # it was another run; the report is no obstacle
    done(*command, "--overwrite")
    again = snapshot(gt.load("long"))
    assert all((plain[name] == again[name]).all() for name in plain)


def test_a_log_is_ahead_of_the_checkpoint(tmp_path):
    logger = CSVLogger(tmp_path / LOGS)
    config = replace(SHORT, eval_every=2)
    with pytest.raises(KeyboardInterrupt):
        train(config, Run(tmp_path / CHECKPOINTS, loggers=(logger, Ends(3)), quiet=True))
    logger.close()
    assert len(Checkpoints(tmp_path / CHECKPOINTS).glance()["place"]["history"]) == 2
    facts = read_facts(tmp_path)
    assert [row["epoch"] for row in facts.history] == [1, 2, 3] and "score" not in facts.history[2]
    old = (tmp_path / LOGS / "history.csv").read_text().splitlines()
    (tmp_path / LOGS / "history.csv").write_text("\n".join([*old, "4,"]))  # cut off in the middle
    assert len(read_facts(tmp_path).history) == 3
    os.utime(tmp_path / LOGS / "history.csv", (0, 0))  # of an earlier run
    assert len(read_facts(tmp_path).history) == 2


def test_a_log_alone(tmp_path):
    logger = CSVLogger(tmp_path / LOGS)
    with pytest.raises(KeyboardInterrupt):
        train(run=Run(loggers=(logger, Ends(3)), quiet=True))
    logger.close()
    facts = read_facts(tmp_path)
    assert facts.state == BROKEN_OFF and len(facts.history) == 3 and facts.training is None
    assert set(draw(facts)) == {"loss", "metrics", "learning-rate"}


class Ends:
    """A logger that ends the run at an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def begin(self, history):
        pass

    def log(self, row):
        if row["epoch"] == self.epoch:
            raise KeyboardInterrupt

    def close(self):
        pass


def test_a_glance_passes_over_a_damaged_checkpoint(tmp_path):
    break_off(tmp_path)
    newest = sorted(tmp_path.glob("*.json"))[-1]
    store = Checkpoints(tmp_path)
    state = store.glance()
    assert state["place"]["epoch"] == 3 and state["best"]["score"] == 0.4
    assert state["best"]["weights"] == {} and state["model"] == {}
    newest.write_text(newest.read_text().replace('"step"', '"pets"'))
    assert store.glance()["place"]["epoch"] == 2
    for path in tmp_path.glob("*.json"):
        path.write_text("{}")
    assert store.glance() is None


# --- curves ---

MORE = {
    "exponential": {"lr_end": 0.1},
    "plateau": {"plateau_patience": 1},
    "cosine": {"cycles": 2, "cycle_growth": 2.0},
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_planned_rates_are_those_that_come(tmp_path, schedule):
    """The plan after three of six epochs, held against the rates of the whole run at each of its steps."""
    config = replace(SHORT, schedule=schedule, warmup=0.2, **MORE.get(schedule, {}))
    scores = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    break_off(tmp_path, scores[:3], config=config)
    whole = train(config, validate=Scores(*scores)).history
    facts = read_facts(tmp_path)
    epochs, rates = facts.planned_rates()
    assert epochs[0] == 0 and epochs[-1] == 6
    for row in whole:
        at = min(range(len(epochs)), key=lambda i: abs(epochs[i] - row["epoch"]))
        assert epochs[at] == pytest.approx(row["epoch"])
        assert rates[at] == pytest.approx(row["lr"], abs=1e-12)
    assert set(draw(facts)) == {"loss", "metrics", "learning-rate"}


def test_a_plateau_is_drawn_where_it_fell(tmp_path):
    config = replace(SHORT, schedule="plateau", plateau_patience=1, plateau_factor=0.5)
    break_off(tmp_path, (0.4, 0.3, 0.5), config=config)
    epochs, rates = read_facts(tmp_path).planned_rates()
    falls = [(before, after) for before, after in pairwise(rates) if after < before]
    assert falls == [(0.05, 0.025)]
    assert epochs[rates.index(0.025)] == pytest.approx(2, abs=0.01)


def test_values_that_are_no_numbers_are_left_out(tmp_path):
    nan = float("nan")
    break_off(tmp_path, (nan, 0.4, nan))
    assert draw(read_facts(tmp_path)).keys() == {"loss", "metrics", "learning-rate"}
    report(tmp_path)


# --- what the directory has ---


def test_history_parquet_has_metrics_that_begin_late(tmp_path):
    """Of a run that validates every 150th epoch; Parquet's columns were once those of the first hundred rows."""
    config = replace(SHORT, epochs=150, eval_every=150)
    result = train(config, validate=Scores(0.7))
    gt.save(tmp_path / "m", result.model, gt.Record(history=result.history))
    table = pl.read_parquet(tmp_path / "m" / "history.parquet")
    assert table["score"].to_list() == [None] * 149 + [0.7]
    assert read_written(tmp_path / "m").history == result.history


def test_parts_of_a_split_are_counted(tmp_path):
    split = gt.split_edges(planted())
    gt.save(tmp_path / "m", BPRMF(dim=4).build(split.train, 0), gt.Record(split))
    parts = read_written(tmp_path / "m").parts
    assert parts == {name: split.summary()[f"{name} edges"] for name in ("train", "valid", "test")}
