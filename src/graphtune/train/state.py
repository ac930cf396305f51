"""The state of a run: named parts, each of which can say its state and take it back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from graphtune.check import DataError
from graphtune.kernels.parallel import thread_count
from graphtune.models.base import Model
from graphtune.train.checkpoint import Checkpoints
from graphtune.train.distributed import workers
from graphtune.train.failure import TrainingError


class Part(Protocol):
    """Something that a run must find again as it was: tensors and JSON values, nested."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class MismatchError(Exception):
    """A checkpoint is of another run; what it must be, and what was found."""


class Keeper:
    """Saves the parts of a run, now and then, and restores them. Use as a context manager.

    Of several processes the first has the store and writes; all of them read.

    Args:
        store: where, or None to save nothing.
        seconds: save between two steps when this much time has passed since the last time; 0 for never.
        steps: save between two steps after every so many; 0 for never.
    """

    def __init__(self, store: str | Path | Checkpoints | None, seconds: float = 0.0, steps: int = 0):
        self.store = Checkpoints(store) if isinstance(store, str | Path) else store
        self.parts: Mapping[str, Part] = {}
        self.seconds, self.steps = seconds, steps
        self.saved_at, self.saved_step = time.monotonic(), 0
        self.workers = workers()
        self.held = self.store if self.workers.is_first else None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *error: object) -> None:
        if self.held is not None and self.parts:
            self.held.__exit__(*error)

    def begin(self, parts: Mapping[str, Part], resume: bool, say: Callable[[str], None]) -> None:
        """Take the store, and restore the newest whole checkpoint or clear those of earlier runs away.

        Args:
            parts: by the name under which they are saved, in the order in which they are restored.
            resume: which of the two.
            say: is told what is damaged.

        Raises:
            DataError: another process has the store, the checkpoint is of another run, or none is whole.
        """
        if self.store is None:
            return
        if self.held is not None:
            self.held.__enter__()
        self.parts = parts
        self.workers.wait()  # until the first has swept
        if not resume:
            self._forget_after(-1)
            return
        found = self.store.latest(say)
        if found is None:
            return
        self.saved_step = found.step
        try:
            _check_names(found.state, self.parts)
            for name, part in self.parts.items():
                part.load_state_dict(found.state[name])
        except MismatchError as error:
            raise DataError(f"The checkpoint in {self.store.directory} must {error}") from None
        self.workers.wait()  # until all have read
        self._forget_after(found.step)  # the damaged ones that were passed over

    def between_steps(self, step: int) -> None:
        """Save after `step` steps if it is time."""
        if self.held is None or step == self.saved_step:
            return
        by_steps = self.steps and step % self.steps == 0
        if by_steps or (self.seconds and time.monotonic() - self.saved_at >= self.seconds):
            self.save(step)

    def save(self, step: int) -> None:
        """Save after `step` steps."""
        if self.held is not None:
            self.held.save(step, {name: part.state_dict() for name, part in self.parts.items()})
            self.saved_at, self.saved_step = time.monotonic(), step

    def _forget_after(self, step: int) -> None:
        if self.held is not None:
            self.held.forget_after(step)


class Place:
    """Where a run is.

    Attributes:
        epoch: epochs that have ended.
        batch: batches of the next one that are done.
        step: steps made.
        loss: sum over those batches.
        history: a row for each epoch that has ended.
    """

    def __init__(self) -> None:
        self.epoch = self.batch = self.step = 0
        self.loss = 0.0
        self.history: list[dict[str, Any]] = []
        self.begun, self.earlier = time.monotonic(), 0.0

    def begin_epoch(self) -> None:
        """The next epoch begins, or goes on in this process."""
        self.begun, self.earlier = time.monotonic() - self.earlier, 0.0

    def advance(self, loss: float) -> None:
        """One more step, with this loss."""
        self.batch += 1
        self.step += 1
        self.loss += loss

    def end_epoch(self, lr: float) -> dict[str, Any]:
        """The row of the epoch that has ended, now the last of the history."""
        self.epoch += 1
        mean = self.loss / self.batch
        self.history.append({"epoch": self.epoch, "step": self.step, "loss": mean, "lr": lr, "seconds": 0.0})
        self.batch, self.loss = 0, 0.0
        return self.history[-1]

    def seconds(self) -> float:
        """The time that the epoch has taken; one that was broken off counts with both its parts."""
        return time.monotonic() - self.begun

    def state_dict(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in ("epoch", "batch", "step", "loss", "history")}
        return {**state, "seconds": self.seconds() if self.batch else 0.0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.earlier = state["seconds"]
        for name in ("epoch", "batch", "step", "loss", "history"):
            setattr(self, name, state[name])


class Best:
    """The weights of the best validation, and how long ago that was.

    Args:
        monitor: the metric that decides, larger is better; None to keep none.
        patience: validations without gain before stopping; 0 for no end.
    """

    def __init__(self, monitor: str | None, patience: int):
        self.monitor, self.patience = monitor, patience
        self.score, self.epoch, self.waited = float("-inf"), 0, 0
        self.weights: dict[str, Tensor] = {}

    def update(self, row: dict[str, Any], model: Model) -> None:
        """Take in a validation: of equal scores the last one's weights are kept, which learned the longest."""
        if self.monitor is None:
            return
        score = row[self.monitor]
        self.waited = 0 if score > self.score else self.waited + 1
        if score >= self.score:
            self.score, self.epoch = score, row["epoch"]
            self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @property
    def out_of_patience(self) -> bool:
        return 0 < self.patience <= self.waited

    def put_into(self, model: Model) -> None:
        """Give the model the best weights, if any were kept."""
        if self.weights:
            model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "epoch": self.epoch, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.epoch, self.waited = state["score"], state["epoch"], state["waited"]
        self.weights = state["weights"]


class Sound:
    """Weights that are finite: a run with others cannot be saved.

    Args:
        model: whose weights.
        place: where the run is.
        name: of what is trained.
        lr: its learning rate.
    """

    def __init__(self, model: Model, place: Place, name: str, lr: float):
        self.model, self.place, self.name, self.lr = model, place, name, lr

    def check(self) -> None:
        """
        Raises:
            TrainingError: a weight is not finite.
        """
        sums = (p.detach().sum().item() for p in self.model.parameters())  # in which one shows, and no array is made
        if any(total - total != 0 for total in sums):
            raise TrainingError(
                f"The weights of {self.name} must stay finite. Got some that are not after step {self.place.step}. "
                f"Try a smaller `lr` (now {self.lr:g}) or set `clip_norm`."
            )

    def state_dict(self) -> dict[str, Any]:
        self.check()
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Chance:
    """The state of torch's random numbers, the only ones that a run draws outside its sampler."""

    def __init__(self, device: torch.device):
        self.device = device

    def state_dict(self) -> dict[str, Any]:
        if self.device.type == "cuda":
            return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state(self.device)}
        return {"cpu": torch.get_rng_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)


class Plan:
    """What a run is to do; it must be the same when it goes on.

    Args:
        values: what was asked, by name, as JSON can say it.
    """

    def __init__(self, values: dict[str, Any]):
        self.values = json.loads(json.dumps(values))

    def state_dict(self) -> dict[str, Any]:
        return self.values

    def load_state_dict(self, state: dict[str, Any]) -> None:
        names = [name for name in {**state, **self.values} if state.get(name) != self.values.get(name)]
        if names:
            told = "; ".join(f"{n} was {state.get(n)!r}, is {self.values.get(n)!r}" for n in names)
            raise MismatchError(
                f"be of this run. Found another value of {', '.join(names)} ({told}). "
                "Resume with the same data and options, or begin anew without resume."
            )


class Machine:
    """What decides the last bit of a sum: a run that must repeat bit for bit cannot go on with another."""

    def __init__(self, device: torch.device, deterministic: bool):
        self.deterministic = deterministic
        self.values = {"device": device.type, "torch": torch.get_num_threads(), "kernels": thread_count()}
        if workers().count > 1:
            self.values["processes"] = workers().count

    def state_dict(self) -> dict[str, Any]:
        return self.values

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.deterministic and state != self.values:
            raise MismatchError(
                f"be of as many threads and the same device, as the run is deterministic. Found {state}, now "
                f"{self.values}. Set OMP_NUM_THREADS={state['torch']} and go on with as many processes, or begin anew "
                "without resume."
            )


class Start:
    """The weights that a run starts from: their shapes and their fingerprint, the same when it goes on."""

    def __init__(self, model: Model):
        weights = model.state_dict()
        self.shapes = {name: list(tensor.shape) for name, tensor in weights.items()}
        digest = hashlib.sha256()
        for name, tensor in weights.items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        self.sha256 = digest.hexdigest()

    def state_dict(self) -> dict[str, Any]:
        return {"shapes": self.shapes, "sha256": self.sha256}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in {**state["shapes"], **self.shapes}:
            was, now = state["shapes"].get(name), self.shapes.get(name)
            if was != now:
                raise MismatchError(f"fit this model. Found {name} of shape {was}, where the model has {now}.")
        if state["sha256"] != self.sha256:
            raise MismatchError(
                "be of a run that started from the same weights. Found another fingerprint. "
                "Start from the same weights, or begin anew without resume."
            )


def _check_names(state: Mapping[str, Any], parts: Mapping[str, Part]) -> None:
    if state.keys() != parts.keys():
        raise MismatchError(
            f"hold the state of {', '.join(parts)}. Found {', '.join(state)}: another version of graphtune made it. "
            "Go on with that version, or begin anew without resume."
        )
