"""What is known of nodes beside the graph: columns of a file, to filter answers by.

Axes: m rows of the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from graphtune.check import DataError, bad
from graphtune.findings import Report
from graphtune.graph import Graph
from graphtune.io.layout import TextOptions
from graphtune.io.matching import BETWEEN, match_rows, report_on
from graphtune.io.tables import Column, as_path, find_column, open_table

LABEL = "label"
SHOWN = 5  # values named in an error


@dataclass(frozen=True, eq=False)
class Attributes:
    """Values of nodes by column. A node may have several: a row for each.

    Attributes:
        source: where they come from.
        node: [m] int64, the node that each row is about.
        columns: [m] values each, by name.
    """

    source: str
    node: np.ndarray
    columns: Mapping[str, pl.Series]

    def having(self, column: str, values: Any) -> np.ndarray:
        """The nodes with one of `values` (a value, or several) in `column`, ascending.

        Raises:
            ArgumentError: there is no such column, or no row has such a value.
        """
        if column not in self.columns:
            raise bad("where", "recommend", f"by a column of {self.source}, {', '.join(self.columns)}", column)
        series, wanted = self.columns[column], _several(values)
        fits = np.zeros(len(series), dtype=bool)
        for value in wanted:
            found = _equal(series, value)
            if not found.any():
                raise bad("where", "recommend", f"a value of {column} in {self.source}", value, _hint(series, value))
            fits |= found
        return np.unique(self.node[fits])


def read_attributes(
    path: str | Path,
    graph: Graph,
    *,
    id: Column | None = None,
    node_kind: str | None = None,
    delimiter: str | None = None,
    header: bool | None = True,
    comment: str = "#%",
    strict: bool = False,
) -> tuple[Attributes, Report]:
    """What a text or Parquet file tells of nodes: their id, then any columns. The graph is not changed.

    Args:
        path: the file; a node with several values of a column has several rows.
        graph: whose nodes the rows are about.
        id: the column of the ids by name or position; None: the first.
        node_kind: the kind of node that the rows are about; None: items in a log of events.
        delimiter, comment: see `read_edges`.
        header: whether the first line of text names the columns; None finds it out.
        strict: raise where a row is dropped.

    Raises:
        ArgumentError: a column is not there.
        DataError: the file is missing or damaged, has one column, or no row is about a node of the graph.
    """
    path, options = as_path(path, "read_attributes"), TextOptions(delimiter, header, comment)
    options.check("read_attributes")
    table = open_table(path, options, [id])
    at = find_column(table, "read_attributes", "id", 0 if id is None else id)
    others = [i for i in range(len(table.names)) if i != at]
    if not others:
        raise DataError(f"{path.name} must have columns beside the id. Got {list(table.names)}.")
    (ids, *arrays), findings = table.read([at, *others])
    rows = match_rows(graph, ids, node_kind or ("item" if graph.is_bipartite_events else None), path.name)
    kept = rows.node >= 0
    columns = {table.names[i]: _plain(pl.Series(array)).filter(kept) for i, array in zip(others, arrays)}
    report = report_on(path, [*findings, *rows.findings], strict, {"rows": int(kept.sum()), "columns": len(columns)})
    return Attributes(path.name, rows.node[kept], columns), report


def label_attributes(graph: Graph) -> Attributes | None:
    """The labels of a graph as a column "label"; None where it has none."""
    labels, names = graph.labels, graph.label_names
    if labels is None or names is None:
        return None
    node, number = np.nonzero(labels) if labels.ndim == 2 else (np.flatnonzero(labels >= 0), labels[labels >= 0])
    return Attributes("the labels of the graph", node, {LABEL: pl.Series([names[c] for c in number.tolist()])})


def _plain(series: pl.Series) -> pl.Series:
    return series.str.strip_chars() if series.dtype == pl.String else series


def _several(values: Any) -> list[Any]:
    return list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]


def _equal(series: pl.Series, value: Any) -> np.ndarray:
    """[m] bool, numbers compared as numbers and all else as text; a list, or text with bars, holds the value."""
    if isinstance(series.dtype, pl.List):
        row = np.arange(len(series))
        cells = pl.DataFrame({"row": row, "cell": series}).explode("cell")
        return np.isin(row, cells["row"].to_numpy()[_equal(cells["cell"], value)])
    if series.dtype.is_numeric():
        number = _number(value)
        if number is None or (series.dtype.is_integer() and abs(number) >= 2**63):
            return np.zeros(len(series), dtype=bool)
        same = series == number
    else:
        text = str(value)
        same = series.cast(pl.String) == (text.lower() if series.dtype == pl.Boolean else text)
        if series.dtype == pl.String and series.str.contains(BETWEEN, literal=True).any():
            parts = series.str.split(BETWEEN).list.eval(pl.element().str.strip_chars())
            same |= parts.list.contains(text)
    return same.fill_null(False).to_numpy()


def _number(value: Any) -> int | float | None:
    """Whole numbers as such: as a float, a large one would equal its neighbours."""
    for kind in (int, float):
        try:
            return kind(str(value))
        except ValueError:
            continue
    return None


def _hint(series: pl.Series, value: Any) -> str:
    series = series.explode() if isinstance(series.dtype, pl.List) else series
    seen = [str(v) for v in series.drop_nulls().unique(maintain_order=True).head(10_000)]
    near = difflib.get_close_matches(str(value), seen, n=3, cutoff=0.75)
    return f"Did you mean {' or '.join(near)}?" if near else f"Values are {', '.join(seen[:SHOWN])}."
