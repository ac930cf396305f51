"""Checkpoints: everything an exact resume needs, committed so that a kill at any moment leaves a whole one.

A checkpoint is two files: NAME.safetensors with all tensors, then NAME.json, which holds the tensors' sha256, all else
and its own sha256; it counts only when the JSON is there. The last two are kept. One process at a time has them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from graphtune.check import DataError
from graphtune.files import Lock, commit, commit_json, is_temporary, make_directory, read_json, sha256

KEPT = 2
LOCK = "lock"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after `step` steps: by the name of a part, tensors and JSON values, nested."""

    step: int
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run. Entered as a context, again if need be, it is this process's alone.

    Args:
        directory: made when entered.
    """

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self._lock = Lock(self.directory / LOCK)
        self._entered = 0

    def __enter__(self) -> Checkpoints:
        """Lock the directory, and sweep out what killed runs left half done.

        Raises:
            DataError: another process has it, or it cannot be written.
        """
        if not self._entered:
            make_directory(self.directory)
            self._lock.take()
            self._sweep()
        self._entered += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._entered -= 1
        if not self._entered:
            self._lock.free()

    def check_free(self) -> None:
        """Refuse a directory that another process has.

        Raises:
            DataError: it has; the error names the process.
        """
        if self._lock.path.exists():
            self._lock.take()
            self._lock.free()

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Commit the state after `step` steps.

        Raises:
            DataError: the disk is full or cannot be written; earlier checkpoints are untouched.
        """
        tensors: dict[str, Tensor] = {}
        plain = _flatten(state, "state", tensors)
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        path = self.directory / f"{_name(step)}.safetensors"
        digest = commit(path, lambda at: save_file(tensors, str(at)))
        record = {"sha256": digest, "step": step, "state": plain}
        commit_json(path.with_suffix(".json"), {"record": record, "seal": _seal(record)})
        self._forget_old()

    def latest(self, say: Callable[[str], None] = lambda text: None) -> Checkpoint | None:
        """The newest whole checkpoint, or None where there is none yet.

        Args:
            say: is told which ones are damaged and passed over.

        Raises:
            DataError: there are some, all damaged.
        """
        found = sorted(self.directory.glob("*.json"), reverse=True)
        for path in found:
            try:
                return self._read(path)
            except DataError as error:
                say(f"Passed over a damaged checkpoint. {error}")
        if found:
            raise DataError(
                f"The directory {self.directory} must hold a whole checkpoint. Found {len(found)}, all damaged. "
                "Put the files back, or begin anew without resume."
            )
        return None

    def glance(self) -> dict[str, Any] | None:
        """The newest state that can be read, less its tensors; None where there is none. Nothing need be entered, and
        whoever is at work in the directory is not disturbed.
        """
        for path in sorted(self.directory.glob("*.json"), reverse=True):
            with suppress(DataError):  # damaged, or just removed
                return _less_tensors(_record(path)["state"])
        return None

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints of later steps; all of them after -1."""
        for path in sorted(self.directory.glob("*.json")):
            if path.stem > _name(step):
                self._remove(path)

    def remove(self) -> None:
        """Remove the directory with all that is in it, unless another has taken its place."""
        if self._lock.is_in_place():
            shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self, path: Path) -> Checkpoint:
        record = _record(path)
        weights = path.with_suffix(".safetensors")
        if not weights.exists() or sha256(weights) != record["sha256"]:
            raise DataError(f"The file {weights} must be as {path.name} describes it. Found another content.")
        try:
            tensors = load_file(str(weights))
        except SafetensorError as error:
            raise DataError(f"The file {weights} must be a safetensors file. Found {error}.") from None
        return Checkpoint(record["step"], _unflatten(record["state"], tensors))

    def _sweep(self) -> None:
        for path in self.directory.iterdir():
            alone = path.suffix == ".safetensors" and not path.with_suffix(".json").exists()
            if alone or is_temporary(path):
                path.unlink()

    def _forget_old(self) -> None:
        for path in sorted(self.directory.glob("*.json"))[:-KEPT]:
            self._remove(path)

    def _remove(self, path: Path) -> None:
        path.unlink()
        path.with_suffix(".safetensors").unlink(missing_ok=True)


def _name(step: int) -> str:
    return f"{step:012d}" if step >= 0 else ""


def _record(path: Path) -> dict[str, Any]:
    sealed = read_json(path)
    record = sealed.get("record") if isinstance(sealed, dict) else None
    if not isinstance(record, dict) or sealed.get("seal") != _seal(record):
        raise DataError(f"The file {path} must be as it was written. Found another content.")
    return record


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record).encode()).hexdigest()


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors moved to `tensors` under names that stand in their place."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if _is_plain(value):
        return {"plain": value}
    if isinstance(value, dict):
        return {"items": [[k, _flatten(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    return [_flatten(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflatten(v, tensors) for v in value]
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "plain" in value:
        return value["plain"]
    return {k: _unflatten(v, tensors) for k, v in value["items"]}


def _less_tensors(value: Any) -> Any:
    """What `_unflatten` gives, without the tensors in dictionaries and with None for those in lists."""
    if isinstance(value, list):
        return [_less_tensors(v) for v in value]
    if "items" in value:
        return {k: _less_tensors(v) for k, v in value["items"] if not (isinstance(v, dict) and "tensor" in v)}
    return value.get("plain")


def _is_plain(value: Any) -> bool:
    """Whether JSON gives it back as it is (but for tuples, which come back as lists)."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
