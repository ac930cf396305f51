"""Curves of a run as PNG pictures."""

from __future__ import annotations

import io
import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphtune.reporting.facts import Facts

WIDTH, HEIGHT, DPI = 7.2, 2.9, 110
BLUE, RED, GREY = "#1f5fa8", "#b8322a", "#888888"
ORDERS = 100  # a loss that falls to less than this part is drawn on a logarithmic axis


PICTURES = ("loss", "metrics", "learning-rate")


def draw(facts: Facts) -> dict[str, bytes]:
    """The pictures there are data for, by name, one of PICTURES."""
    drawn = {}
    if facts.history and not facts.is_solved:
        drawn["loss"] = _loss(facts)
    if facts.metric_names:
        drawn["metrics"] = _metrics(facts)
    if (facts.training is not None or facts.history) and not facts.is_solved:
        drawn["learning-rate"] = _rate(facts)
    return drawn


def _loss(facts: Facts) -> bytes:
    figure, (axes,) = _figure(1)
    epochs, losses = _series(facts.history, "loss")
    _line(axes, epochs, losses)
    if losses and min(losses) > 0 and max(losses) > ORDERS * min(losses):
        axes.set_yscale("log")
    _title(axes, "training loss, mean of an epoch")
    _mark_best(axes, facts)
    return _png(figure)


def _metrics(facts: Facts) -> bytes:
    """A panel a metric, the epoch whose weights are kept marked in each."""
    names = facts.metric_names
    figure, panels = _figure(len(names))
    for axes, name in zip(panels, names):
        epochs, values = _series(facts.history, name)
        _line(axes, epochs, values)
        _title(axes, f"validation {name}" + (", which decides" if name == facts.monitor else ""))
        _mark_best(axes, facts)
        if facts.best_epoch in epochs:
            axes.plot([facts.best_epoch], [values[epochs.index(facts.best_epoch)]], "o", color=RED)
    return _png(figure)


def _rate(facts: Facts) -> bytes:
    """The schedule of the whole run as a line, the rates after the epochs so far as dots."""
    figure, (axes,) = _figure(1)
    planned = facts.planned_rates()
    if planned[0]:
        axes.plot(*planned, color=GREY, label="planned")
    epochs, rates = _series(facts.history, "lr")
    if epochs:
        axes.plot(epochs, rates, ".", color=BLUE, label="at the end of the epoch")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)
    _title(axes, "learning rate")
    return _png(figure)


def _series(history: list[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Epochs and values, of the rows that have a finite one."""
    rows = [row for row in history if isinstance(row.get(name), int | float) and math.isfinite(row[name])]
    return [row["epoch"] for row in rows], [row[name] for row in rows]


def _figure(panels: int) -> tuple[Figure, list[Axes]]:
    """A figure with `panels` axes, two in a row."""
    columns = min(panels, 2)
    rows = -(-panels // columns)
    figure = Figure((WIDTH, HEIGHT * rows), DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for one in axes:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=8)
        one.set_xlabel("epoch", fontsize=8)
    return figure, axes


def _line(axes: Axes, epochs: list[int], values: list[float]) -> None:
    axes.plot(epochs, values, color=BLUE, marker="." if len(epochs) <= 60 else None)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=9, parse_math=False)  # names of metrics are not formulas


def _mark_best(axes: Axes, facts: Facts) -> None:
    if facts.best_epoch:
        axes.axvline(facts.best_epoch, color=RED, linewidth=0.8, linestyle="--")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
