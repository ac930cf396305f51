"""Writing a model directory: files one by one to a staging directory, run.json last."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.torch import save_file

from graphtune.card import fused_card, model_card
from graphtune.check import DataError
from graphtune.files import commit, commit_json, commit_text, sha256, sweep_beside, temporary_name
from graphtune.graph import Graph
from graphtune.models import ClosedForm, Model, ReadsFiles
from graphtune.models.fused import Fused
from graphtune.store.graphs import describe_graph, describe_split, id_table, node_table, write_arrays
from graphtune.store.place import check_target, take_place
from graphtune.store.record import FORMAT, FUSED, Record

PACKAGES = ("graphtune", "torch", "numpy", "torch-geometric", "scikit-learn")


def save(directory: str | Path, model: Model | Fused, record: Record = Record(), overwrite: bool = False) -> Path:
    """Save a model so that `load` gives it back bit for bit.

    Of a fused ranking each model goes to a model directory of its own within.

    All is written to a directory beside it, which then takes its place: a kill at any moment leaves what was there.

    Raises:
        ArgumentError: the directory holds something that must not be replaced.
        DataError: the disk is full or cannot be written; what was there is untouched.
    """
    path = check_target(directory, overwrite)
    staging = temporary_name(path)
    try:
        sweep_beside(path)
        staging.mkdir(parents=True)
        _write(staging, model, record)
        take_place(staging, path)
    except OSError as error:
        raise DataError(f"The directory {path} could not be written: {error.strerror}. Nothing was changed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return path


def _write(path: Path, model: Model | Fused, record: Record) -> None:
    if isinstance(model, Fused):
        return _write_fused(path, model, record)
    split = record.split
    graph = split.graph if split is not None else model.graph
    weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    config = _config(model, record, graph)
    hashes = {
        "model.safetensors": commit(path / "model.safetensors", lambda at: save_file(weights, str(at))),
        "graph.safetensors": commit(path / "graph.safetensors", lambda at: write_arrays(at, graph, record)),
        "nodes.parquet": commit(path / "nodes.parquet", node_table(graph).write_parquet),
        "config.json": commit_json(path / "config.json", config),
        "metrics.json": commit_json(path / "metrics.json", record.metrics),
        "history.parquet": commit(path / "history.parquet", _table_of(record.history).write_parquet),
    }
    if isinstance(model.recipe, ReadsFiles):
        for name, origin in model.recipe.files().items():
            hashes[name] = commit(path / name, partial(shutil.copyfile, origin))
    if graph.relation_ids is not None:
        table = id_table(graph.relation_ids)
        hashes["relations.parquet"] = commit(path / "relations.parquet", table.write_parquet)
    run = _made(graph, record)
    card = model_card(config, record.metrics, run, model.scorer.has_embeddings, isinstance(model.recipe, ClosedForm))
    hashes["README.md"] = commit_text(path / "README.md", card)
    commit_json(path / "run.json", {**run, "sha256": hashes})


def _write_fused(path: Path, fused: Fused, record: Record) -> None:
    """The models, each in a directory with the split, and how they are fused."""
    names = [f"{FUSED}/{number}" for number in range(len(fused.models))]
    for name, model in zip(names, fused.models):
        (path / name).mkdir(parents=True)
        _write(path / name, model, Record(record.split))
    recipe = {"name": type(fused.recipe).__name__, "options": asdict(fused.recipe)}
    kinds = [type(model.recipe).__name__ for model in fused.models]
    hashes = [sha256(path / name / "run.json") for name in names]
    described = [{"directory": n, "model": kind, "sha256": h} for n, kind, h in zip(names, kinds, hashes)]
    calibration = None if fused.calibration is None else asdict(fused.calibration)
    config = {
        "recipe": recipe,
        FUSED: described,
        "calibration": calibration,
        "training": None,
        "graph": describe_graph(fused.graph),
        "split": None,
    }
    run = _made(fused.graph, record)
    own = {
        "config.json": commit_json(path / "config.json", config),
        "metrics.json": commit_json(path / "metrics.json", record.metrics),
        "history.parquet": commit(path / "history.parquet", _table_of(record.history).write_parquet),
        "README.md": commit_text(path / "README.md", fused_card(config, record.metrics, run)),
    }
    commit_json(path / "run.json", {**run, "sha256": own})


def _config(model: Model, record: Record, graph: Graph) -> dict[str, Any]:
    split = record.split
    return {
        "recipe": {"name": type(model.recipe).__name__, "options": asdict(model.recipe)},  # type: ignore[call-overload]
        "heads": {name: asdict(head.spec) for name, head in model.heads.items()},  # type: ignore[call-overload]
        "adapter": model.encoder.adapter_width,
        "grown": [asdict(size) for size in model.encoder.grown],
        "outputs": model.outputs,
        "calibration": None if model.calibration is None else asdict(model.calibration),
        "training": record.training,
        "graph": describe_graph(graph),
        "split": None if split is None else describe_split(split),
        "node_splits": {task: describe_split(of_nodes) for task, of_nodes in record.node_splits.items()},
    }


def _made(graph: Graph, record: Record) -> dict[str, Any]:
    """What run.json says beside the hashes."""
    return {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "fingerprint": graph.fingerprint,
        "notes": record.notes,
    }


def _table_of(history: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(history, infer_schema_length=None)  # a metric may first be in a late row
