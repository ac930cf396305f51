"""Where the numbers of a run go, one row an epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Protocol


class Logger(Protocol):
    """Anything that takes the rows of a run's history."""

    def log(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class CSVLogger:
    """history.csv in a directory, a line a metric and epoch, flushed at once.

    Args:
        directory: made if it is not there.
        resume: keep the lines of an earlier run.
    """

    COLUMNS = ("epoch", "step", "loss", "lr", "seconds")

    def __init__(self, directory: str | Path, resume: bool = False):
        path = Path(directory) / "history.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        goes_on = resume and path.exists()
        self._file = open(path, "a" if goes_on else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.writer(self._file)
        if not goes_on:
            self._writer.writerow([*self.COLUMNS, "metric", "value"])

    def log(self, row: dict[str, Any]) -> None:
        fixed = [row[name] for name in self.COLUMNS]
        metrics = {k: v for k, v in row.items() if k not in self.COLUMNS} or {"": ""}
        for name, value in metrics.items():
            self._writer.writerow([*fixed, name, value])
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class TensorBoardLogger:
    """Event files for `tensorboard --logdir`."""

    def __init__(self, directory: str | Path):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(directory))

    def log(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        self._writer.close()
