"""The model directory: weights, ids, graph, configuration, metrics, history and a card. Nothing in it can run code.

run.json is written last and holds the sha256 of every other file, so a directory is whole or is no model directory.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import safetensors.numpy
import scipy.sparse as sp
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from graphtune.card import fused_card, model_card
from graphtune.check import ArgumentError, DataError, bad
from graphtune.disk import has_graph, load_graph
from graphtune.disk.graph import RECORD
from graphtune.files import (
    check_files,
    commit,
    commit_json,
    commit_text,
    exchange,
    read_json,
    sha256,
    sweep_beside,
    temporary_name,
)
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.models import RECIPES, Calibration, HeadSpec, Model, ReadsFiles
from graphtune.models.arrivals import Size
from graphtune.models.fused import Fused, Fusion
from graphtune.split import TRAIN, Split
from graphtune.split.keys import PARTS

FORMAT = 1
CHECKPOINTS, LOGS, REPORT = "checkpoints", "logs", "report"
PROFILE = "profile.json"  # in LOGS
FUSED = "models"  # the directories of the models that are fused
ARRAYS = ("edges", "relation", "weight", "time", "labels", "targets")
OF_SPLIT = ("part", "edge_part", "negatives", "false_valid", "false_test")
PACKAGES = ("graphtune", "torch", "numpy", "torch-geometric", "scikit-learn")


@dataclass(frozen=True)
class Record:
    """What is saved beside a model.

    Attributes:
        split: of the graph that the model learned from; None if it saw all of it.
        training: the resolved training configuration.
        metrics: evaluations by name, as `Evaluation.as_dict` gives them.
        history: a row an epoch.
        notes: anything else worth keeping, as JSON can say it: command, cleaning report, starting weights.
        node_splits: of the nodes of the same graph, by task, where edges are divided or there are several; they come
            back over the graph of the model.
    """

    split: Split | None = None
    training: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    node_splits: dict[str, Split] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for split in self.node_splits.values():
            if split.unit != "node" or split.edge_part is not None:
                raise bad("node_splits", "Record", "of nodes, all of whose edges are seen", f"one of {split.kind}")


@dataclass(frozen=True)
class Written:
    """What stands beside the weights of a model directory, without the model.

    Attributes:
        config: recipe, heads, training, graph, split.
        metrics: evaluations by name.
        history: a row an epoch.
        run: versions, fingerprint, notes, and the sha256 of the files.
        parts: edges or nodes of each part of the split; none without a split.
    """

    config: dict[str, Any]
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    run: dict[str, Any]
    parts: dict[str, int]


@dataclass(frozen=True)
class Stored:
    """A model directory, read: the model and the record beside it."""

    model: Model
    record: Record


def check_target(directory: str | Path, overwrite: bool = False) -> Path:
    """The directory to save to, checked before anything is computed.

    Raises:
        ArgumentError: it holds a model (and not `overwrite`), or something else, or cannot be made.
    """
    path = Path(directory)
    if path.is_dir() and any(path.iterdir()):
        ours = (path / "run.json").exists()
        unfinished = all(entry.name in (CHECKPOINTS, LOGS, REPORT) for entry in path.iterdir())
        if ours and not overwrite:
            raise bad(
                "out", "save", "a new or empty directory", str(path), "It holds a model; --overwrite replaces it."
            )
        if not ours and not unfinished:
            raise bad("out", "save", "a new or empty directory", str(path), "It holds other files.")
    elif path.exists() and not path.is_dir():
        raise bad("out", "save", "a directory", str(path), "There is a file of that name.")
    parent = next(p for p in path.resolve().parents if p.exists())
    if not os.access(path if path.exists() else parent, os.W_OK) or not parent.is_dir():
        raise bad("out", "save", "a directory that can be written", str(path))
    return path


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
        _take_place(staging, path)
    except OSError as error:
        raise DataError(f"The directory {path} could not be written: {error.strerror}. Nothing was changed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return path


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


def _table_of(history: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(history, infer_schema_length=None)  # a metric may first be in a late row


def _history(path: Path) -> list[dict[str, Any]]:
    rows = pl.read_parquet(path / "history.parquet").to_dicts()
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def _write(path: Path, model: Model | Fused, record: Record) -> None:
    if isinstance(model, Fused):
        return _write_fused(path, model, record)
    split = record.split
    graph = split.graph if split is not None else model.graph
    weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    config = _config(model, record, graph)
    hashes = {
        "model.safetensors": commit(path / "model.safetensors", lambda at: save_file(weights, str(at))),
        "graph.safetensors": commit(path / "graph.safetensors", lambda at: _save_arrays(graph, record, at)),
        "nodes.parquet": commit(path / "nodes.parquet", _node_table(graph).write_parquet),
        "config.json": commit_json(path / "config.json", config),
        "metrics.json": commit_json(path / "metrics.json", record.metrics),
        "history.parquet": commit(path / "history.parquet", _table_of(record.history).write_parquet),
    }
    if isinstance(model.recipe, ReadsFiles):
        for name, origin in model.recipe.files().items():
            hashes[name] = commit(path / name, partial(shutil.copyfile, origin))
    if graph.relation_ids is not None:
        table = _id_table(graph.relation_ids)
        hashes["relations.parquet"] = commit(path / "relations.parquet", table.write_parquet)
    run = {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "fingerprint": graph.fingerprint,
        "notes": record.notes,
    }
    hashes["README.md"] = commit_text(path / "README.md", model_card(config, record.metrics, run))
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
    config = {"recipe": recipe, FUSED: described, "training": None, "split": None}
    run = {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "fingerprint": fused.graph.fingerprint,
        "notes": record.notes,
    }
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
        "graph": {
            "nodes": graph.num_nodes,
            "edges": graph.num_edges,
            "relations": graph.num_relations,
            "directed": graph.directed,
            "kinds": list(graph.ids.kinds),
            "integer_ids": [str(b.type) == "int64" for b in graph.ids.blocks],
            "integer_relations": graph.relation_ids is not None and str(graph.relation_ids.blocks[0].type) == "int64",
            "label_names": None if graph.label_names is None else list(graph.label_names),
            "side": list(graph.side or ()),
            "on_disk": None if graph.lists is None else _place(graph.lists.directory),
        },
        "split": None if split is None else _described(split),
        "node_splits": {task: _described(of_nodes) for task, of_nodes in record.node_splits.items()},
    }


def _described(split: Split) -> dict[str, Any]:
    return {"unit": split.unit, "kind": split.kind, "seed": split.seed, "ratios": split.ratios}


def _place(directory: Path) -> dict[str, str]:
    """Where a graph on disk lies, and what tells it from any other."""
    return {"directory": str(directory), "sha256": sha256(directory / RECORD)}


def _save_arrays(graph: Graph, record: Record, path: Path) -> None:
    kept = ARRAYS if graph.lists is None else ("labels", "targets")
    arrays = {name: getattr(graph, name) for name in kept if getattr(graph, name) is not None}
    f: Any = graph.features
    if sp.issparse(f):
        arrays |= {"features.data": f.data, "features.indices": f.indices, "features.indptr": f.indptr}
        arrays["features.shape"] = np.array(f.shape)
    elif f is not None:
        arrays["features"] = f
    arrays |= {f"side.{i}": edges for i, edges in enumerate((graph.side or {}).values())}
    if record.split is not None:
        arrays |= _parts("split", record.split)
    for task, split in record.node_splits.items():
        arrays |= _parts(f"nodes.{task}", split)
    safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, str(path))


def _parts(prefix: str, split: Split) -> dict[str, np.ndarray]:
    named = {name: getattr(split, name) for name in OF_SPLIT}
    return {f"{prefix}.{name}": value for name, value in named.items() if value is not None}


def _id_table(ids: NodeIds) -> pl.DataFrame:
    blocks = (pl.Series("id", block).cast(pl.String) for block in ids.blocks)
    return pl.concat([block.to_frame().select(kind=pl.lit(kind), id="id") for kind, block in zip(ids.kinds, blocks)])


def _node_table(graph: Graph) -> pl.DataFrame:
    table = _id_table(graph.ids)
    return table if graph.texts is None else table.with_columns(pl.Series("text", list(graph.texts)))


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
    graph = _graph(path, config["graph"], arrays)
    split = None if config["split"] is None else _split(graph, config["split"], "split", arrays)
    recipe = _recipe(config["recipe"], recipes)
    if isinstance(recipe, ReadsFiles):
        recipe = replace(recipe, path=str(path))  # type: ignore[type-var]
    model = recipe.build(graph if split is None else split.observed(TRAIN))
    for name, spec in config["heads"].items():
        model.add_head(name, HeadSpec(**spec))
    if config.get("adapter"):
        model.encoder.add_adapters(config["adapter"])
    if config.get("grown"):
        sizes = ((tuple(one["nodes"]), one["edges"], tuple(one.get("side", ()))) for one in config["grown"])
        model.encoder.hold(model.graph, [Size(*size) for size in sizes])
    model.outputs = config["outputs"]
    model.calibration = Calibration.of(config.get("calibration"))
    model.load_state_dict(load_file(str(path / "model.safetensors")))
    model.eval()
    divided = config.get("node_splits", {})
    of_nodes = {task: _split(model.graph, options, f"nodes.{task}", arrays) for task, options in divided.items()}
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
    record = replace(stored[0].record, training=None, metrics=read_json(path / "metrics.json"))
    record = replace(record, history=_history(path), notes=run["notes"])
    return Stored(cast(Model, fused), record)  # a model to all that only ranks


def _split(graph: Graph, options: dict[str, Any], prefix: str, arrays: dict[str, np.ndarray]) -> Split:
    parts = {k[len(prefix) + 1 :]: v for k, v in arrays.items() if k.startswith(f"{prefix}.")}
    ratios = None if options["ratios"] is None else tuple(options["ratios"])
    return Split(graph, options["unit"], options["kind"], seed=options["seed"], ratios=ratios, **parts)


def _recipe(described: dict[str, Any], recipes: Sequence[type]) -> Any:
    known = {r.__name__: r for r in (*RECIPES.values(), *recipes)}
    if described["name"] not in known:
        raise DataError(
            f"The model class must be known: {', '.join(known)}. Found {described['name']!r}; "
            "give its class in `recipes` (--model package.module:Class on the command line)."
        )
    return known[described["name"]](**described["options"])


def _graph(path: Path, options: dict[str, Any], arrays: dict[str, np.ndarray]) -> Graph:
    nodes = pl.read_parquet(path / "nodes.parquet")
    texts = tuple(nodes["text"]) if "text" in nodes.columns else None
    features = arrays.get("features")
    if "features.data" in arrays:
        csr = tuple(arrays[f"features.{name}"] for name in ("data", "indices", "indptr"))
        features = sp.csr_array(csr, shape=tuple(arrays["features.shape"]))
    of_nodes = {name: arrays[name] for name in ("labels", "targets") if name in arrays}
    names = None if options["label_names"] is None else tuple(options["label_names"])
    side = {name: arrays[f"side.{i}"] for i, name in enumerate(options.get("side", ()))} or None
    if options.get("on_disk") is not None:
        graph = _from_disk(path, options["on_disk"])
        return graph.replace(features=features, label_names=names, texts=texts, side=side, **of_nodes)
    ids = _ids(nodes, tuple(options["kinds"]), options["integer_ids"])
    relation_ids = None
    if options["relations"] or (path / "relations.parquet").exists():
        relation_ids = _ids(pl.read_parquet(path / "relations.parquet"), ("node",), [options["integer_relations"]])
    return Graph(
        ids=ids,
        directed=options["directed"],
        relation_ids=relation_ids,
        features=features,
        label_names=names,
        texts=texts,
        side=side,
        **{name: arrays[name] for name in ARRAYS if name in arrays},  # type: ignore[arg-type]
    )


def _from_disk(path: Path, place: dict[str, str]) -> Graph:
    """The graph on disk that a model learned from.

    Raises:
        DataError: it is not there any more, or another is.
    """
    directory = Path(place["directory"])
    found = sha256(directory / RECORD) if has_graph(directory) else "no graph"
    if found != place["sha256"]:
        raise DataError(
            f"The model in {path} must have its graph on disk in {directory}, with sha256 {place['sha256'][:12]} of "
            f"{RECORD}. Found {found[:12]}."
        )
    return load_graph(directory)


def _ids(table: pl.DataFrame, kinds: tuple[str, ...], integer: list[bool]) -> NodeIds:
    blocks = []
    for kind, is_integer in zip(kinds, integer):
        column = table.filter(pl.col("kind") == kind)["id"]
        blocks.append((column.cast(pl.Int64) if is_integer else column).to_arrow())
    return NodeIds.of(*blocks, kinds=kinds)


def _take_place(staging: Path, path: Path) -> None:
    """Put `staging` at `path`; what was there, its logs kept, goes with the name `staging`."""
    if not path.exists():
        os.rename(staging, path)
        return
    if (path / LOGS).is_dir():
        shutil.copytree(path / LOGS, staging / LOGS, symlinks=True)
    exchange(staging, path)
