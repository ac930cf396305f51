"""Reading a model directory, after the sha256 of every file has been checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import safetensors.numpy
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from graphtune.check import ArgumentError, DataError
from graphtune.files import check_files, read_json
from graphtune.models import RECIPES, Calibration, HeadSpec, Model, ReadsFiles
from graphtune.models.arrivals import Size
from graphtune.models.fused import Fused, Fusion
from graphtune.split import TRAIN
from graphtune.split.keys import PARTS
from graphtune.store.graphs import read_graph, read_split
from graphtune.store.record import FORMAT, FUSED, Record, Stored, Written


def load(directory: str | Path, recipes: Sequence[type] = ()) -> Model:
    """The model of a directory, as it was saved.

    Args:
        directory: made by `save`.
        recipes: classes of models that do not come with graphtune, where the directory holds one.

    Raises:
        DataError: the directory is damaged, truncated or no model directory; the message names the file, what was
            expected and what was found.
    """
    return open_directory(directory, recipes).model


def open_directory(directory: str | Path, recipes: Sequence[type] = ()) -> Stored:
    """The model of a directory with everything saved beside it; arguments and errors as for `load`."""
    path = Path(directory)
    run = _verified_run(path)
    config = read_json(path / "config.json")
    try:
        if FUSED in config:
            return _read_fused(path, config, run, recipes)
        return _read(path, config, run, recipes)
    except (KeyError, TypeError, AttributeError, SafetensorError, RuntimeError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise DataError(
            f"The directory {path} must hold a graphtune model. Found: {type(error).__name__} {reason}"
        ) from error


def read_written(directory: str | Path) -> Written:
    """What a model directory says of itself; no class of the model is needed.

    Raises:
        DataError: the directory is damaged or no model directory.
    """
    path = Path(directory)
    run = _verified_run(path)
    config, metrics = read_json(path / "config.json"), read_json(path / "metrics.json")
    parts: dict[str, int] = {}
    if config["split"] is not None:
        with safe_open(str(path / "graph.safetensors"), "numpy") as arrays:
            counts = np.bincount(arrays.get_tensor("split.part"), minlength=len(PARTS))
        parts = {name: int(count) for name, count in zip(PARTS, counts) if count}
    return Written(config, metrics, _history(path), run, parts)


def _verified_run(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise ArgumentError(f"`directory` of load must be a model directory. Got {str(path)!r}, which is none.")
    if not (path / "run.json").exists():
        raise DataError(f"The directory {path} must hold run.json. Found none: it is no model, or was not finished.")
    run = read_json(path / "run.json")
    if not isinstance(run, dict) or run.get("format") != FORMAT or not isinstance(run.get("sha256"), dict):
        found = run.get("format") if isinstance(run, dict) else type(run).__name__
        raise DataError(f"The file {path / 'run.json'} must be of format {FORMAT}. Found {found!r}.")
    check_files(path, run["sha256"])
    return run


def _read(path: Path, config: dict[str, Any], run: dict[str, Any], recipes: Sequence[type]) -> Stored:
    arrays = safetensors.numpy.load_file(str(path / "graph.safetensors"))
    graph = read_graph(path, config["graph"], arrays)
    split = None if config["split"] is None else read_split(graph, config["split"], "split", arrays)
    recipe = _recipe(config["recipe"], recipes)
    if isinstance(recipe, ReadsFiles):
        recipe = replace(recipe, path=str(path))  # type: ignore[type-var]
    model = recipe.build(graph if split is None else split.observed(TRAIN))
    for name, spec in config["heads"].items():
        model.add_head(name, HeadSpec(**spec))
    if config.get("adapter"):
        model.encoder.add_adapters(config["adapter"])
    if config.get("grown"):
        sizes = (Size(tuple(one["nodes"]), one["edges"], tuple(one["side"])) for one in config["grown"])
        model.encoder.hold(model.graph, list(sizes))
    model.outputs = config["outputs"]
    model.calibration = Calibration.of(config.get("calibration"))
    model.load_state_dict(load_file(str(path / "model.safetensors")))
    model.eval()
    divided = config.get("node_splits", {})
    of_nodes = {task: read_split(model.graph, options, f"nodes.{task}", arrays) for task, options in divided.items()}
    metrics = read_json(path / "metrics.json")
    return Stored(model, Record(split, config["training"], metrics, _history(path), run["notes"], of_nodes))


def _read_fused(path: Path, config: dict[str, Any], run: dict[str, Any], recipes: Sequence[type]) -> Stored:
    names = [Path(described["directory"]) for described in config[FUSED]]
    if any(name.is_absolute() or ".." in name.parts for name in names):
        raise DataError(f"The directory {path} must hold the models that are fused. Found {list(map(str, names))}.")
    for name, described in zip(names, config[FUSED]):
        check_files(path / name, {"run.json": described["sha256"]})
    stored = [open_directory(path / name, recipes) for name in names]
    options = config["recipe"]["options"]
    fused = Fused(Fusion(**{**options, "weights": tuple(options["weights"])}), [one.model for one in stored])
    fused.calibration = Calibration.of(config.get("calibration"))
    record = replace(stored[0].record, training=None, metrics=read_json(path / "metrics.json"))
    record = replace(record, history=_history(path), notes=run["notes"])
    return Stored(cast(Model, fused), record)  # a model to all that only ranks


def _recipe(described: dict[str, Any], recipes: Sequence[type]) -> Any:
    known = {r.__name__: r for r in (*RECIPES.values(), *recipes)}
    if described["name"] not in known:
        raise DataError(
            f"The model class must be known: {', '.join(known)}. Found {described['name']!r}; "
            "give its class in `recipes` (--model package.module:Class on the command line)."
        )
    return known[described["name"]](**described["options"])


def _history(path: Path) -> list[dict[str, Any]]:
    rows = pl.read_parquet(path / "history.parquet").to_dicts()
    return [{k: v for k, v in row.items() if v is not None} for row in rows]
