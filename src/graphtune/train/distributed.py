"""Several processes on one machine that train one model: each computes the gradient of its share of every batch.

All of them make the same batches, as these are functions of (seed, epoch, number), and hold the same weights, as each
takes the step of the summed gradient. The first validates, writes and reports.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from graphtune.check import GraphtuneError, bad
from graphtune.launch import Launch, launch
from graphtune.train.shares import WHOLE, Share, Whole, nothing, shares

PATIENCE = timedelta(days=7)  # for one that validates; one that dies is noticed at once
LARGE = 1 << 16  # numbers from which on a gradient is summed where it lies
NONE, DENSE, SPARSE = range(3)


class LostWorkerError(GraphtuneError, RuntimeError):
    """One of the processes that train together has ended."""


class Workers:
    """The processes that train together: here one, which does all by itself.

    Attributes:
        count: how many.
        is_first: whether this is the one that validates, writes and reports.
    """

    count = 1
    is_first = True

    def wait(self) -> None:
        """Until all are here."""

    def from_first(self, work: Callable[[], Any]) -> Any:
        """What `work` gives in the first process, as JSON can say it; the others do not call it."""
        return work()

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Within, the first process is done before the others begin: for files that whoever comes first makes."""
        yield

    def own(self, run: Any) -> Any:
        """A `Run` as this process has it: but for the first they show and log nothing, and a restart resumes."""
        return replace(run, resume=True) if launch().restarts else run

    def device(self, device: torch.device) -> torch.device:
        """The device of this process, where `device` is asked for."""
        return device

    def same_weights(self, model: nn.Module) -> None:
        """Give all the weights of the first."""

    def part(self, batch: Any, seed: int, step: int) -> tuple[Any, Share | Whole]:
        """What this process takes of a batch, and what it counts."""
        return batch, WHOLE

    def total(self, loss: float) -> float:
        """The sum over the processes, the same in all."""
        return loss

    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give each parameter the sum of the gradients that the processes have for it."""


class Group(Workers):
    """Several processes, joined by torch.distributed.

    Random choices within a step, such as dropout, are functions of (seed, process, step): they differ between the
    processes, and a resumed run makes the same again.
    """

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.is_first = self.rank == 0

    def wait(self) -> None:
        _together(dist.all_reduce, torch.zeros(1))

    def from_first(self, work: Callable[[], Any]) -> Any:
        return json.loads(_sent(json.dumps(work(), default=float).encode() if self.is_first else b""))

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def own(self, run: Any) -> Any:
        run = super().own(run)
        return run if self.is_first else replace(run, loggers=(), quiet=True)

    def device(self, device: torch.device) -> torch.device:
        if device.type != "cuda":
            return device
        if self.count > torch.cuda.device_count():
            fix = "Or train on the CPU: device=cpu."
            raise bad(
                "--nproc-per-node", "torchrun", f"at most {torch.cuda.device_count()}, a GPU each", self.count, fix
            )
        own = torch.device("cuda", self.rank)
        torch.cuda.set_device(own)
        return own

    @torch.no_grad()
    def same_weights(self, model: nn.Module) -> None:
        for tensor in model.state_dict().values():
            _together(dist.broadcast, tensor, 0)

    def part(self, batch: Any, seed: int, step: int) -> tuple[Any, Share | Whole]:
        torch.manual_seed(int(np.random.SeedSequence([seed, self.rank, step]).generate_state(1, np.uint64)[0]))
        parts = batch.split(self.count)
        if self.rank >= len(parts) or not len(parts[self.rank]):
            return batch, nothing(batch)  # nothing is left for it, and all must take part in the sums
        return parts[self.rank], shares(batch, parts)[self.rank]

    def total(self, loss: float) -> float:
        value = torch.tensor(loss, dtype=torch.float64)
        _together(dist.all_reduce, value)
        return value.item()

    @torch.no_grad()
    def add_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        kinds = torch.tensor([_kind(p.grad) for p in parameters], dtype=torch.uint8)
        _together(dist.all_reduce, kinds, dist.ReduceOp.MAX)  # a process may have none where another has one
        small = []
        for parameter, kind in zip(parameters, kinds.tolist()):
            if kind == SPARSE:
                parameter.grad = _sum_of_sparse(parameter, self.count)
            elif kind == DENSE:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                if parameter.numel() < LARGE:
                    small.append(parameter.grad)
                else:
                    _together(dist.all_reduce, parameter.grad)
        _sum_together(small)


ALONE = Workers()


def workers() -> Workers:
    """The processes that this one trains with: those of torchrun, or those that the caller has joined.

    Raises:
        ArgumentError: they are on more machines than one.
    """
    if not dist.is_available():
        return ALONE
    if not dist.is_initialized():
        launched = launch()
        if launched.world == 1:
            return ALONE
        _join(launched)
    return Group() if dist.get_world_size() > 1 else ALONE


def _join(launched: Launch) -> None:
    """Join the others through a file: torchrun's own store hangs about half the time after a process was killed."""
    place = "env://" if launched.store is None else f"file://{launched.store}"
    nccl = torch.cuda.is_available() and dist.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if nccl else "gloo"
    dist.init_process_group(backend, init_method=place, rank=launched.rank, world_size=launched.world, timeout=PATIENCE)
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _together(call: Callable[..., Any], *arguments: Any) -> None:
    """Do what all processes must do."""
    try:
        call(*arguments)
    except RuntimeError as error:
        raise LostWorkerError(
            f"All processes of a run must be at work until it ends. Process {dist.get_rank()} found another one gone; "
            "what ended it may stand above. torchrun --max-restarts 3 starts all again from the last checkpoint."
        ) from error


def _sent(content: bytes) -> bytes:
    """What the first process gives."""
    size = torch.tensor(len(content))
    _together(dist.broadcast, size, 0)
    held = torch.tensor(list(content) or [0] * int(size), dtype=torch.uint8)
    _together(dist.broadcast, held, 0)
    return held.numpy().tobytes()


def _kind(gradient: Tensor | None) -> int:
    return NONE if gradient is None else SPARSE if gradient.is_sparse else DENSE


def _sum_together(gradients: Sequence[Tensor]) -> None:
    """One message for many small ones."""
    if gradients:
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _together(dist.all_reduce, flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))


def _sum_of_sparse(parameter: nn.Parameter, count: int) -> Tensor:
    """The rows that any process touched, [n, D] in a sparse tensor: all are gathered, made alike in number."""
    if parameter.grad is None:
        rows, values = parameter.new_empty(0, dtype=torch.int64), parameter.new_empty(0, *parameter.shape[1:])
    else:
        gradient = parameter.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
    counted = [torch.tensor(0) for _ in range(count)]
    _together(dist.all_gather, counted, torch.tensor(len(rows)))
    sizes = [int(size) for size in counted]
    rows, values = _gather(rows, sizes), _gather(values, sizes)
    return torch.sparse_coo_tensor(rows[None], values, parameter.shape, check_invariants=False).coalesce()


def _gather(own: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows of all processes, of which each has as many as `sizes` says."""
    padded = own.new_zeros(max(sizes), *own.shape[1:])
    padded[: len(own)] = own
    gathered = [torch.empty_like(padded) for _ in sizes]
    _together(dist.all_gather, gathered, padded)
    return torch.cat([part[:size] for part, size in zip(gathered, sizes)])
