"""Where the numbers of a run go, one row an epoch."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Protocol, TextIO

from graphtune.files import make_directory


class Logger(Protocol):
    """Anything that takes the rows of a run's history."""

    def begin(self, history: list[dict[str, Any]]) -> None:
        """A run starts, or goes on after these rows; any later ones that an earlier run has logged do not count."""
        ...

    def log(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class CSVLogger:
    """history.csv in a directory, a line a metric and epoch, flushed at once.

    Args:
        directory: made if it is not there.
    """

    NAME = "history.csv"
    COLUMNS = ("epoch", "step", "loss", "lr", "seconds")

    def __init__(self, directory: str | Path):
        self.path = Path(directory) / self.NAME
        self._file: TextIO | None = None

    def begin(self, history: list[dict[str, Any]]) -> None:
        self.close()
        make_directory(self.path.parent)
        self._file = open(self.path, "w", newline="", encoding="utf-8")  # noqa: SIM115
        csv.writer(self._file).writerow([*self.COLUMNS, "metric", "value"])
        for row in history:
            self.log(row)

    def log(self, row: dict[str, Any]) -> None:
        assert self._file is not None, "begin comes first"
        fixed = [row[name] for name in self.COLUMNS]
        metrics = {k: v for k, v in row.items() if k not in self.COLUMNS} or {"": ""}
        for name, value in metrics.items():
            csv.writer(self._file).writerow([*fixed, name, value])
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoardLogger:
    """Event files for `tensorboard --logdir`, flushed at once."""

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self._writer: Any = None

    def begin(self, history: list[dict[str, Any]]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.close()
        first = history[-1]["step"] + 1 if history else 0
        self._writer = SummaryWriter(str(self.directory), purge_step=first)

    def log(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
