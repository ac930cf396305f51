"""Loggers that hand the rows of a run to MLflow and to Weights & Biases, extras of the package."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graphtune.check import DataError, bad
from graphtune.files import commit_json, make_directory, read_json
from graphtune.train.progress import say

PROJECT = "graphtune"
TRACKERS = ("mlflow", "wandb")
NOT_METRICS = ("epoch", "step")
NO_NAME = r"[^\w\-. :/]"  # what MLflow has in no name
AT_ONCE, LONGEST = 100, 6000  # parameters that MLflow takes in a call, and letters of their values


def check_installed(package: str, argument: str, who: str) -> None:
    """Refuse a tracker that is not there.

    Raises:
        ArgumentError: it must be installed first; the error says how.
    """
    found = find_spec(package)
    if found is None or found.origin is None:  # a folder of that name, as W&B makes them, is no package
        raise bad(argument, who, "a tracker that is installed", package, f"pip install 'graphtune[{package}]'")


class Trail:
    """A file that says which run of a tracker has the rows, and up to which step.

    A step is written down before it is logged: what the tracker has is never more than the file says.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path):
        self.path = path

    def run_of(self, history: list[dict[str, Any]]) -> str | None:
        """The run whose rows are those of `history`, no more and no less; None where there is none."""
        if not history or not self.path.exists():
            return None
        noted = read_json(self.path)
        return noted["run"] if noted["step"] == history[-1]["step"] else None

    def note(self, run: str, step: int) -> None:
        """The run is about to have the rows up to `step`."""
        make_directory(self.path.parent)
        commit_json(self.path, {"run": run, "step": step})


class MLflowLogger:
    """The rows as metrics of an MLflow run, its parameters the options of the training.

    A run that goes on continues the same MLflow run where that has just the rows of the history; else, as MLflow takes
    no row back, a new one gets all of them, and its tag `graphtune.replaces` names the other. A tracker that fails
    while rows are logged is left, and the training goes on.

    Args:
        directory: of mlflow.json, which remembers the run, and of mlflow.db where no other place is set.
        options: parameters of the run, by name.
        name: of the run; what MLflow makes up where None.
        uri: where to track; what MLflow is set to (MLFLOW_TRACKING_URI) where None, else mlflow.db.

    Raises:
        ArgumentError: MLflow is not installed.
    """

    def __init__(
        self,
        directory: str | Path,
        options: Mapping[str, Any] | None = None,
        name: str | None = None,
        uri: str | None = None,
    ):
        check_installed("mlflow", "directory", "MLflowLogger")
        self.directory, self.options, self.name, self.uri = Path(directory), dict(options or {}), name, uri
        self.trail = Trail(self.directory / "mlflow.json")
        self._client: Any = None
        self._run = ""

    def begin(self, history: list[dict[str, Any]]) -> None:
        """Go on with the run of the history, or begin one.

        Raises:
            DataError: MLflow refuses.
        """
        from mlflow.exceptions import MlflowException

        self.close()
        make_directory(self.directory)
        try:
            self._open(history)
        except (MlflowException, OSError, ImportError) as error:
            self._client = None
            raise DataError(f"MLflow must take the run. Found: {_line(error)}. Set MLFLOW_TRACKING_URI.") from error

    def log(self, row: dict[str, Any]) -> None:
        if self._client is None:
            return
        self.trail.note(self._run, row["step"])
        try:
            self._send(row)
        except Exception as error:  # whatever the way to a server may raise; the training is worth more
            self._client = None
            say(f"MLflow takes no more rows, the run goes on without it: {_line(error)}")

    def close(self) -> None:
        """The run is finished, or killed where an error is on its way."""
        if self._client is not None:
            self._client.set_terminated(self._run, "FINISHED" if sys.exception() is None else "KILLED")
            self._client = None

    def _open(self, history: list[dict[str, Any]]) -> None:
        import mlflow

        self._client = mlflow.MlflowClient(self._place())
        continued = self.trail.run_of(history)
        if continued is not None:
            self._run = continued
            self._client.update_run(continued, status="RUNNING")
            return
        tags = {"graphtune.replaces": read_json(self.trail.path)["run"]} if self.trail.path.exists() else {}
        self._run = self._client.create_run(self._experiment(), run_name=self.name, tags=tags).info.run_id
        params = [mlflow.entities.Param(key, str(value)[:LONGEST]) for key, value in self.options.items()]
        for first in range(0, len(params), AT_ONCE):
            self._client.log_batch(self._run, params=params[first : first + AT_ONCE])
        for row in history:
            self.trail.note(self._run, row["step"])
            self._send(row)

    def _place(self) -> str:
        import mlflow

        if self.uri is not None or mlflow.is_tracking_uri_set():
            return self.uri or mlflow.get_tracking_uri()
        return f"sqlite:///{(self.directory / 'mlflow.db').resolve()}"

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(PROJECT)
        return self._client.create_experiment(PROJECT) if found is None else found.experiment_id

    def _send(self, row: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        named = {re.sub(NO_NAME, "_", k): float(v) for k, v in row.items() if k not in NOT_METRICS}
        metrics = [Metric(k, v, now, row["step"]) for k, v in named.items()]
        self._client.log_batch(self._run, metrics=metrics)


class WandbLogger:
    """The rows as the history of a Weights & Biases run, its configuration the options of the training.

    Runs are continued and replaced as `MLflowLogger` says. WANDB_MODE=offline writes to the directory, for
    `wandb sync`; there a continued run lies in two folders that have one id.

    Args:
        directory: of wandb.json, which remembers the run, and of W&B's own folder.
        options: configuration of the run, by name.
        name: of the run; what W&B makes up where None.

    Raises:
        ArgumentError: wandb is not installed.
    """

    def __init__(self, directory: str | Path, options: Mapping[str, Any] | None = None, name: str | None = None):
        check_installed("wandb", "directory", "WandbLogger")
        self.directory, self.options, self.name = Path(directory), dict(options or {}), name
        self.trail = Trail(self.directory / "wandb.json")
        self._run: Any = None

    def begin(self, history: list[dict[str, Any]]) -> None:
        """Go on with the run of the history, or begin one.

        Raises:
            DataError: W&B refuses, as where nobody is logged in.
        """
        import wandb

        self.close()
        make_directory(self.directory)
        continued = self.trail.run_of(history)
        old = read_json(self.trail.path)["run"] if self.trail.path.exists() and continued is None else None
        config = self.options if old is None else {**self.options, "graphtune.replaces": old}
        how: dict[str, Any] = {"id": continued, "resume": None if continued is None else "allow"}
        try:
            self._run = wandb.init(
                project=PROJECT, dir=str(self.directory.resolve()), name=self.name, config=config, **how,
                settings=wandb.Settings(silent=True, console="off"),
            )  # fmt: skip
        except wandb.errors.Error as error:
            raise DataError(f"W&B must take the run. Found: {_line(error)} Or set WANDB_MODE=offline.") from error
        for row in history if continued is None else []:
            self.log(row)

    def log(self, row: dict[str, Any]) -> None:
        if self._run is None:
            return
        self.trail.note(self._run.id, row["step"])
        try:
            self._run.log({k: v for k, v in row.items() if k not in NOT_METRICS}, step=row["step"])
        except Exception as error:  # as for MLflow
            self._run = None
            say(f"W&B takes no more rows, the run goes on without it: {_line(error)}")

    def close(self) -> None:
        """The run is finished, or failed where an error is on its way."""
        if self._run is not None:
            self._run.finish(exit_code=0 if sys.exception() is None else 1)
            self._run = None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
