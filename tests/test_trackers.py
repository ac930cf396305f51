"""MLflow and Weights & Biases as loggers, against the real things: offline, and only where they are installed."""

import json
import struct
import time
from importlib.util import find_spec

import pytest

from cli_help import QUICK, done, run, working_in, write_files
from graphtune.check import ArgumentError, DataError
from graphtune.config import TrainConfig
from graphtune.models import BPRMF
from graphtune.testing import checkerboard
from graphtune.train.fit import Run, Training, fit
from graphtune.train.trackers import MLflowLogger, Trail, WandbLogger, check_installed

ROWS = [{"epoch": i, "step": 10 * i, "loss": 1 / i, "lr": 0.1, "seconds": 0.5, "mrr": i / 10} for i in range(1, 6)]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Nothing is sent anywhere."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


# --- which run has the rows ---


def test_a_trail_knows_the_run_that_has_just_these_rows(tmp_path):
    trail = Trail(tmp_path / "logs" / "t.json")
    assert trail.run_of([]) is None and trail.run_of(ROWS) is None
    trail.note("a", 30)
    assert trail.run_of(ROWS[:3]) == "a"
    assert trail.run_of(ROWS[:2]) is None  # the run has a row too many
    assert trail.run_of(ROWS[:4]) is None  # or one too few
    assert trail.run_of([]) is None


# --- what is not installed ---


def test_what_is_not_installed_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"pip install 'graphtune\[no_such_tracker\]'"):
        check_installed("no_such_tracker", "--log", "embed")
    (tmp_path / "no_such_tracker").mkdir()  # W&B makes a folder of its own name where it works
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ArgumentError, match="a tracker that is installed"):
        check_installed("no_such_tracker", "--log", "embed")


@pytest.mark.parametrize(("name", "logger"), [("mlflow", MLflowLogger), ("wandb", WandbLogger)])
def test_loggers_say_what_to_install(tmp_path, name, logger):
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(ArgumentError, match=rf"pip install 'graphtune\[{name}\]'"):
        logger(tmp_path)
    with working_in(tmp_path):
        write_files(tmp_path)
        error = run("embed", "friends.csv", "--out", "friends", "--log", f"csv,{name}", *QUICK).error
        assert f"`--log` of embed must be a tracker that is installed. Got '{name}'." in error
        assert not (tmp_path / "friends").exists()


# --- MLflow ---


def mlflow_runs(logger):
    """Every run by its id: status, tags, parameters, and rows by metric as (step, value)."""
    import mlflow

    client = mlflow.MlflowClient(logger._place())
    found = client.search_runs([client.get_experiment_by_name("graphtune").experiment_id])
    return {
        one.info.run_id: {
            "name": one.info.run_name,
            "status": one.info.status,
            "replaces": one.data.tags.get("graphtune.replaces"),
            "options": one.data.params,
            "rows": {
                name: [(m.step, m.value) for m in client.get_metric_history(one.info.run_id, name)]
                for name in one.data.metrics
            },
        }
        for one in found
    }


def rows_of(name, rows):
    return [(row["step"], row[name]) for row in rows]


def test_mlflow(tmp_path):
    """One database, as making it takes long: a run, one that is broken off, continued, and replaced."""
    pytest.importorskip("mlflow")
    options = {"lr": 0.1, **{f"option{i}": i for i in range(150)}}
    logger = MLflowLogger(tmp_path, options, "first")
    logger.begin([])
    for row in ROWS[:2]:
        logger.log({**row, "odd@name": 1.0})
    with pytest.raises(KeyboardInterrupt):
        end_with(logger, KeyboardInterrupt)
    ((first, found),) = mlflow_runs(logger).items()
    assert (found["name"], found["status"], found["replaces"]) == ("first", "KILLED", None)
    assert found["options"] == {name: str(value) for name, value in options.items()}
    assert found["rows"].keys() == {"loss", "lr", "seconds", "mrr", "odd_name"}

    logger = MLflowLogger(tmp_path, options, "first")  # as another process would
    logger.begin(ROWS[:2])
    logger.log(ROWS[2])
    logger.close()
    ((name, found),) = mlflow_runs(logger).items()
    assert name == first and found["status"] == "FINISHED"
    assert found["rows"]["mrr"] == rows_of("mrr", ROWS[:3]) and found["rows"]["loss"] == rows_of("loss", ROWS[:3])

    logger.begin(ROWS[:1])  # as two of its rows were logged and not saved
    for row in ROWS[1:4]:
        logger.log(row)
    logger.close()
    runs = mlflow_runs(logger)
    (second,) = runs.keys() - {first}
    assert runs[second]["replaces"] == first and runs[second]["rows"]["mrr"] == rows_of("mrr", ROWS[:4])


def end_with(logger, error):
    try:
        raise error
    finally:
        logger.close()


def test_mlflow_that_cannot_be_reached(tmp_path):
    pytest.importorskip("mlflow")
    logger = MLflowLogger(tmp_path, uri="no-such-scheme://nowhere")
    with pytest.raises(DataError, match=r"MLflow must take the run\. Found: .* Set MLFLOW_TRACKING_URI\."):
        logger.begin([])
    logger.log(ROWS[0])  # nothing to log to, and nothing to fail
    logger.close()


def test_a_run_goes_on_where_mlflow_does_not(tmp_path, capsys):
    pytest.importorskip("mlflow")
    logger = MLflowLogger(tmp_path)
    logger.begin([])
    logger._run = "a run that is not there"
    logger.log(ROWS[0])
    logger.log(ROWS[1])
    assert capsys.readouterr().err.count("MLflow takes no more rows, the run goes on without it") == 1


# --- W&B ---


def wandb_runs(directory):
    """What `folders` finds when W&B's own process, which outlives the end of a run, has written all of it."""
    for _ in range(100):
        found = folders(directory)
        if all(one["exit"] is not None for one in found):
            break
        time.sleep(0.1)
    return found


def folders(directory):
    """Rows, configuration and exit code of every folder that W&B has made, in order of time, with the id of its run."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for path in sorted((directory / "wandb").glob("offline-run-*/*.wandb")):
        one = {"id": path.stem.removeprefix("run-"), "rows": [], "config": {}, "exit": None}
        for content in records(path.read_bytes()[7:], 7):
            record = Record.FromString(content)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                items = {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
                one["rows"].append((record.history.step.num, {k: json.loads(v) for k, v in items.items()}))
            elif kind == "run":
                one["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            elif kind == "exit":
                one["exit"] = record.exit.exit_code
        found.append(one)
    return found


def records(data, at, block=32768):
    """The records of LevelDB's log format: a check sum, a length and a kind before each piece, 0-filled blocks."""
    begin, whole = 0, b""
    while begin + 7 <= len(data):
        if block - (begin + at) % block < 7:
            begin += block - (begin + at) % block
            continue
        _, length, kind = struct.unpack("<IHB", data[begin : begin + 7])
        whole += data[begin + 7 : begin + 7 + length]
        begin += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield whole
            whole = b""


def test_wandb(tmp_path):
    pytest.importorskip("wandb")
    logger = WandbLogger(tmp_path, {"lr": 0.1}, "first")
    logger.begin([])
    for row in ROWS[:2]:
        logger.log(row)
    with pytest.raises(KeyboardInterrupt):
        end_with(logger, KeyboardInterrupt)
    (first,) = wandb_runs(tmp_path)
    assert [(step, row["mrr"], row["loss"]) for step, row in first["rows"]] == [(10, 0.1, 1.0), (20, 0.2, 0.5)]
    assert first["config"]["lr"] == 0.1 and first["exit"] == 1
    assert json.loads((tmp_path / "wandb.json").read_text()) == {"run": first["id"], "step": 20}

    time.sleep(1.1)  # W&B's folders are named by the second
    logger = WandbLogger(tmp_path, {"lr": 0.1}, "first")  # as another process would
    logger.begin(ROWS[:2])
    logger.log(ROWS[2])
    logger.close()
    second = next(one for one in wandb_runs(tmp_path) if one["exit"] == 0)
    assert second["id"] == first["id"] and [step for step, _ in second["rows"]] == [30]

    logger.begin(ROWS[:1])  # as two rows were logged and not saved
    logger.log(ROWS[1])
    logger.close()
    (third,) = [one for one in wandb_runs(tmp_path) if one["id"] != first["id"]]
    assert [step for step, _ in third["rows"]] == [10, 20] and third["config"]["graphtune.replaces"] == first["id"]


def test_wandb_without_a_key(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")

    def nobody(**options):
        raise wandb.errors.UsageError("No API key configured. Use `wandb login` to log in.")

    monkeypatch.setattr(wandb, "init", nobody)  # the real one would ask the network first
    with pytest.raises(DataError, match="Or set WANDB_MODE=offline"):
        WandbLogger(tmp_path).begin([])


# --- with fit and on the command line ---


def test_fit_hands_its_rows_to_wandb(tmp_path):
    pytest.importorskip("wandb")
    config = TrainConfig(epochs=3, batch_size=32)
    recipe, graph = BPRMF(dim=4), checkerboard()
    sampler, objective = recipe.pretraining(graph, config)
    logger = WandbLogger(tmp_path)
    training = Training("test", sampler, objective, lambda model: {"score": 0.5}, "score")
    result = fit(recipe.build(graph, 0), training, config, Run(loggers=(logger,), quiet=True))
    logger.close()
    (found,) = wandb_runs(tmp_path)
    logged = [(step, row["loss"], row["score"]) for step, row in found["rows"]]
    assert logged == [(row["step"], row["loss"], 0.5) for row in result.history]


def test_trackers_on_the_command_line(tmp_path):
    pytest.importorskip("wandb")
    with working_in(tmp_path):
        write_files(tmp_path)
        done("embed", "friends.csv", "--out", "friends", "--log", "csv,wandb", *QUICK)
        (found,) = wandb_runs(tmp_path / "friends" / "logs")
        assert found["exit"] == 0 and len(found["rows"]) == 1
        assert found["config"]["command"] == "embed" and found["config"]["epochs"] == 1
        assert (tmp_path / "friends" / "logs" / "history.csv").exists()


def test_what_is_no_kind_of_log_is_refused(tmp_path):
    error = run("embed", "friends.csv", "--out", tmp_path / "out", "--log", "csv,paper").error
    assert "`--log` of embed must be one of 'csv', 'mlflow', 'wandb'. Got 'paper'." in error
