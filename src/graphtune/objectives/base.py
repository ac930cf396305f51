"""What an objective is. B examples."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Losses(NamedTuple):
    """What an objective gives back.

    Attributes:
        values: [B] loss of each example.
        factors: the embedding rows used, each [b, ...]; the engine's l1, l2 and n3 penalties act on them.
        times: [b] how often each row of each factor was used, where one stands for several uses; None for once each.
    """

    values: Tensor
    factors: tuple[Tensor, ...]
    times: tuple[Tensor | None, ...] | None = None


class Objective(Protocol):
    """What `fit` needs of an objective; a plain function will do."""

    def __call__(self, model: Any, batch: Any) -> Losses: ...


class Fused(Protocol):
    """An objective that can also make its own SGD step in place, with the same gradient as `__call__`.

    Options of `TrainConfig` that it names in `obeys`, as "l2", follow the arguments of `update`.
    """

    def can_update(self, model: Any) -> bool:
        """Whether `update` knows the encoder and the scorer."""
        ...

    def update(self, model: Any, batch: Any, lr: float, threads: int | None = None, *options: float) -> float: ...
