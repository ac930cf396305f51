"""Checkpoints: everything an exact resume needs, committed so that a kill at any moment leaves a whole one.

A checkpoint is two files: NAME.safetensors with all tensors, then NAME.json, which holds the tensors' sha256 and all
else; it counts only when the JSON is there. The last two are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from graphtune.check import DataError
from graphtune.files import commit, commit_json, read_json, sha256

KEPT = 2


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: made when the first is saved.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)

    def save(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any], rest: dict[str, Any]) -> None:
        """Commit one.

        Args:
            step: number of the step after which it is taken.
            tensors: weights, by name.
            state: an optimiser's nested state, of tensors and JSON values.
            rest: anything else that JSON can say.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        flat: dict[str, Tensor] = {f"tensor.{k}": v for k, v in tensors.items()}
        plain = _flatten(state, "state", flat)
        flat = {k: v.detach().cpu().contiguous().clone() for k, v in flat.items()}
        path = self.directory / f"{step:012d}.safetensors"
        digest = commit(path, lambda at: save_file(flat, str(at)))
        commit_json(path.with_suffix(".json"), {"sha256": digest, "state": plain, "rest": rest})
        self._forget_others(path)

    def latest(self) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]] | None:
        """(tensors, state, rest) of the newest whole checkpoint, or None; damaged ones are passed over."""
        for path in sorted(self.directory.glob("*.json"), reverse=True):
            try:
                return self._read(path)
            except DataError:
                continue
        return None

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]]:
        record = read_json(path)
        weights = path.with_suffix(".safetensors")
        told = record.get("sha256") if isinstance(record, dict) else None
        if not weights.exists() or sha256(weights) != told:
            raise DataError(f"The file {weights} must be as {path.name} describes it. Found another content.")
        try:
            flat = load_file(str(weights))
        except SafetensorError as error:
            raise DataError(f"The file {weights} must be a safetensors file. Found {error}.") from None
        tensors = {k[len("tensor.") :]: v for k, v in flat.items() if k.startswith("tensor.")}
        return tensors, _unflatten(record["state"], flat), record["rest"]

    def _forget_others(self, newest: Path) -> None:
        """Keep `newest` and the one before it; later ones are of an earlier run that got further."""
        found = sorted(self.directory.glob("*.json"))
        kept = [path for path in found if path.stem <= newest.stem][-KEPT:]
        for path in set(found) - set(kept):
            path.unlink()
            path.with_suffix(".safetensors").unlink(missing_ok=True)


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors moved to `tensors` under names that stand in their place."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[k, _flatten(v, f"{name}.{k}", tensors)] for k, v in value.items()]
        return {"items": items}
    if isinstance(value, list | tuple):
        return [_flatten(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {k: _unflatten(v, tensors) for k, v in value["items"]}
    if isinstance(value, list):
        return [_unflatten(v, tensors) for v in value]
    return value
