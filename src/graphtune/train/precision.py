"""The precisions that a step can be made in; each is tried on the device before it is used."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphtune.check import bad
from graphtune.config import PRECISIONS
from graphtune.train.failure import TrainingError
from graphtune.train.float8 import Float8
from graphtune.train.schedule import Clock

SMALLEST_SCALE = 1e-4
"""Below this a loss scale means that training has diverged, as in fairseq."""
SLOWER = 1.2
"""The share of float32's time from which on a user is told."""


class Precision(Protocol):
    """How numbers are held while a step is made. A part of a run.

    Attributes:
        computing: surrounds the objective; entered once for each part of a step.
        scales: whether gradients are scaled, so that each step must be admitted.
    """

    computing: AbstractContextManager[Any]
    scales: bool

    def scaled(self, loss: Tensor) -> Tensor:
        """What is differentiated in place of the loss."""
        ...

    def unscale(self, optimizer: Any) -> None:
        """Give gradients, of which there are some, their true size."""
        ...

    def admits(self, norm: float, clock: Clock) -> bool:
        """Whether to step by gradients of this norm.

        Raises:
            TrainingError: gradients are not finite, nor will they be.
        """
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Plain:
    """Losses computed in some context, gradients as they come: fp32, bf16 and fp8.

    Args:
        computing: that context.
    """

    scales = False

    def __init__(self, computing: AbstractContextManager[Any]):
        self.computing = computing

    def scaled(self, loss: Tensor) -> Tensor:
        return loss

    def unscale(self, optimizer: Any) -> None:
        pass

    def admits(self, norm: float, clock: Clock) -> bool:
        if norm - norm != 0:
            raise TrainingError(
                f"The gradient must stay finite. Got a norm of {norm} in epoch {clock.epoch + 1}, step "
                f"{clock.step + 1}; the weights are those before it. Try a smaller `lr`, or set `clip_norm`."
            )
        return True

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Scaled:
    """fp16: the loss is scaled so that small gradients are not lost (Micikevicius et al., 2018). A step whose gradients
    overflow is left out and the scale halved; after 2,000 steps without it is doubled.

    Args:
        computing: fp16 autocast.
        device: the kind of device.
    """

    scales = True

    def __init__(self, computing: AbstractContextManager[Any], device: str):
        self.computing, self.scaler = computing, torch.amp.GradScaler(device)

    def scaled(self, loss: Tensor) -> Tensor:
        return self.scaler.scale(loss)

    def unscale(self, optimizer: Any) -> None:
        self.scaler.unscale_(optimizer)

    def admits(self, norm: float, clock: Clock) -> bool:
        self.scaler.update()
        scale = self.scaler.get_scale()
        if scale < SMALLEST_SCALE:
            raise TrainingError(
                f"The loss scale of fp16 must stay above {SMALLEST_SCALE:g}. Got {scale:.1e} in epoch "
                f"{clock.epoch + 1}, step {clock.step + 1}, as gradients overflow however small it is. "
                'Try precision="bf16" or "fp32", or a smaller `lr`.'
            )
        return norm - norm == 0

    def state_dict(self) -> dict[str, Any]:
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scaler.load_state_dict(state)


def make_precision(name: str, device: torch.device, tell: Callable[[str], None]) -> Precision:
    """The precision of this name; `tell` is given a line where it is slower here than fp32.

    Raises:
        ArgumentError: the device does not have it.
    """
    if name == "fp32":
        return Plain(nullcontext())
    failure = try_out(name, device)
    if failure:
        able = [other for other in PRECISIONS if other != name and not try_out(other, device)]
        what = f"one that this device has ({', '.join(able)})"
        raise bad("precision", "TrainConfig", what, name, f"A product of two small matrices failed: {failure}")
    if device.type == "cpu":
        ratio = _time(name, device) / _time("fp32", device)
        if ratio > SLOWER:
            tell(f"{name}: this processor takes {ratio:.1f} times as long for a product of matrices as in fp32.")
    return Scaled(context(name, device), device.type) if name == "fp16" else Plain(context(name, device))


def context(name: str, device: torch.device) -> AbstractContextManager[Any]:
    """In which losses are computed in this precision."""
    if name == "fp8":
        return Float8()
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, kinds[name]) if name in kinds else nullcontext()


def try_out(name: str, device: torch.device) -> str:
    """Why a small product and its gradient do not come out right in this precision; "" where they do."""
    try:
        off = _error(name, device)
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        return str(error).splitlines()[0]
    return "" if off < 0.2 else f"it was off by {off:.0%}."


def _error(name: str, device: torch.device) -> float:
    """The largest error of x y^T, and of its gradient by x, as a share of their largest number."""
    x = torch.linspace(-1, 1, 3 * 20, device=device).view(3, 20).requires_grad_()
    y = torch.linspace(0, 1, 5 * 20, device=device).view(5, 20)
    with context(name, device):
        product = F.linear(x, y)
    (slope,) = torch.autograd.grad(product.float().sum(), x)
    right = x.detach() @ y.T, y.sum(0).expand(3, 20)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip((product.detach().float(), slope), right))


def _time(name: str, device: torch.device, size: int = 256) -> float:
    """Seconds for a product of two [size, size] matrices, the least of five."""
    x, layer, seconds = torch.ones(size, size, device=device), nn.Linear(size, size, device=device), []
    for _ in range(5):
        begun = time.perf_counter()
        with torch.no_grad(), context(name, device):
            layer(x)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
