"""Where the time of a run goes: the parts of `fit` are wrapped from outside, so a run without a profile has no part in
it.

The time between two marks belongs to the stage that the first one began, so stages add up to the whole. Marks stand at
the calls of sampler, batch, objective, optimiser, validation, loggers and checkpoints, and at the begin and the end of
the backward pass. On a GPU each mark waits for the device. The first step, which may compile kernels, is a stage of its
own, and so are five steps that torch's profiler traces for their operators.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.autograd import Variable
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from graphtune.files import commit_json, make_directory
from graphtune.objectives import Several
from graphtune.train.checkpoint import Checkpoints

STAGES = (
    "starting", "first step", "sampling", "moving", "forward", "backward", "clipping", "optimiser", "fused step",
    "validation", "saving", "logging", "tracing", "other",
)  # fmt: skip
"""Starting is what comes before the first batch is asked for, forward loss and penalties, clipping all between backward
and optimiser, other the rest of the loop."""
APART = ("starting", "first step", "tracing", "other")
TRACE_FROM, TRACE_STEPS = 5, 5
KEPT = 10_000  # latest steps that medians are of
OPERATORS = 12


class Watch:
    """A stopwatch that one stage has at a time.

    Attributes:
        step: steps begun.
        totals: seconds by stage.
        calls: how often each stage began.
        steps: of the latest steps, seconds by stage.
        apart: the stage that all time is of now, whatever is done; "" for none.
        wait: called before the clock is read.
    """

    def __init__(self) -> None:
        self.totals: dict[str, float] = defaultdict(float)
        self.steps: deque[dict[str, float]] = deque(maxlen=KEPT)
        self.calls: dict[str, int] = defaultdict(int)
        self.step, self.open, self.apart = 0, False, "starting"
        self.wait: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
        self._stage, self._since = "other", time.perf_counter()
        self._now: dict[str, float] = defaultdict(float)

    def enter(self, stage: str) -> str:
        """The time from now on is this stage's; the one before it."""
        self.wait()
        now, before = time.perf_counter(), self._stage
        took = now - self._since
        self.totals[self.apart or before] += took
        self._now[before] += took
        self._stage, self._since = stage, now
        self.calls[stage] += not self.apart
        return before

    def end_step(self) -> None:
        """The step that is open, if any, ends before the next batch is asked for."""
        self.enter("other")
        if self.open and not self.apart:
            self.steps.append(self._now)
        if not self.step:
            self.apart = "first step"
        elif self.apart == "first step":
            self.apart = ""
        self._now, self.open = defaultdict(float), False

    def begin_step(self) -> None:
        """There is a batch; asking for it was a part of its step."""
        self.step, self.open = self.step + 1, True

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Within, the time is this stage's."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, whose time is this stage's."""

        def run(*args: Any, **named: Any) -> Any:
            with self.stage(name):
                return call(*args, **named)

        return run


class Timed:
    """An object some of whose methods are a stage each; all else is that of the object."""

    def __init__(self, inner: Any, watch: Watch, stages: Mapping[str, str]):
        self._inner, self._watch, self._stages = inner, watch, stages

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._watch.timed(self._stages[name], value) if name in self._stages else value

    def __len__(self) -> int:
        return len(self._inner)


class TimedObjective(Timed):
    """An objective; its loss says when the backward pass begins and ends."""

    def __call__(self, model: Any, batch: Any) -> Any:
        self._watch.enter("forward")
        losses = self._inner(model, batch)
        if losses.values.requires_grad:
            losses.values.register_hook(self._backward)
        return losses

    def _backward(self, gradient: Any) -> None:
        self._watch.enter("backward")
        Variable._execution_engine.queue_callback(self._backward_ended)

    def _backward_ended(self) -> None:
        self._watch.enter("clipping")


class TimedSampler(Timed):
    """A sampler whose every batch begins a step; some steps are traced."""

    def __init__(self, inner: Any, profile: Profile):
        super().__init__(inner, profile.watch, {})
        self._tracer = profile.tracer

    def batches(self, epoch: int, first: int = 0) -> Iterator[Any]:
        watch, batches = self._watch, self._inner.batches(epoch, first)
        with _optimiser_hooks(watch), self._tracer as tracer:
            while True:
                watch.end_step()
                tracer.advance(watch)
                with watch.stage("sampling"):
                    batch = next(batches, None)
                if batch is None:
                    return
                watch.begin_step()
                yield Timed(batch, watch, {"to": "moving"})


class Tracer:
    """Torch's profiler over the first few steps that are warm. Entered for each epoch.

    Attributes:
        steps: how many were traced.
        sums: calls and seconds by the name of an operator, of the time it took by itself, on the GPU where it was used.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.sums: dict[str, tuple[int, float]] = {}
        self._profiler: Any = None
        self._watch: Watch | None = None

    def __enter__(self) -> Tracer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._profiler is not None:
            self._end()

    def advance(self, watch: Watch) -> None:
        """`watch.step` steps are done, and the next one begins."""
        if self._profiler is not None:
            self.steps += 1
            if self.steps == TRACE_STEPS:
                self._end()
        elif self.steps < TRACE_STEPS and watch.step >= TRACE_FROM:
            watch.apart, self._watch = "tracing", watch
            os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it writes lines of its own to stderr
            self._profiler = torch.profiler.profile()
            self._profiler.start()

    def _end(self) -> None:
        self._profiler.stop()
        events = self._profiler.key_averages()
        on_device = any(event.self_device_time_total for event in events)
        for event in events:
            calls, seconds = self.sums.get(event.key, (0, 0.0))
            took = event.self_device_time_total if on_device else event.self_cpu_time_total
            self.sums[event.key] = calls + event.count, seconds + took / 1e6
        assert self._watch is not None
        self._watch.enter("other")
        self._profiler, self._watch.apart = None, ""

    def operators(self) -> list[dict[str, Any]]:
        """Those that took the most time, a row each: name, calls and seconds a step, share of all."""
        whole = sum(seconds for _, seconds in self.sums.values()) or 1.0
        top = sorted(self.sums.items(), key=lambda item: item[1][1], reverse=True)[:OPERATORS]
        return [
            {"operator": name, "calls_step": n / self.steps, "seconds_step": t / self.steps, "share": t / whole}
            for name, (n, t) in top
            if self.steps
        ]


class Profile:
    """What `Run(profile=...)` takes: measures `fit` while it runs.

    Args:
        path: of profile.json, which `close` writes; None to write none.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = None if path is None else Path(path)
        self.watch, self.tracer = Watch(), Tracer()

    def as_dict(self) -> dict[str, Any]:
        """The profile up to the last mark, as JSON can say it: seconds, steps, and a row a stage.

        A row has the seconds and their share of the whole; how often the stage began; and of the steps but the first
        and the traced ones the share, the median and the 90 % quantile of the seconds a step.
        """
        steps, totals = list(self.watch.steps), self.watch.totals
        whole = sum(totals.values())
        lengths = np.array([sum(step.values()) for step in steps] or [0.0])
        rows = []
        for name in (stage for stage in STAGES if totals.get(stage)):
            each = np.array([step.get(name, 0.0) for step in steps] or [0.0])
            rows.append(
                {
                    "stage": name,
                    "seconds": totals[name],
                    "share": totals[name] / whole,
                    "calls": None if name in APART else self.watch.calls[name],
                    "share_step": float(each.sum() / max(lengths.sum(), 1e-12)),
                    "median_step": float(np.median(each)),
                    "high_step": float(np.quantile(each, 0.9)),
                }
            )
        return {
            "seconds": whole,
            "steps": self.watch.step,
            "median_step": float(np.median(lengths)),
            "stages": rows,
            "operators": self.tracer.operators(),
            "traced_steps": self.tracer.steps,
        }

    def close(self) -> None:
        """Write what has been measured, if anything."""
        if self.path is not None and self.watch.step:
            make_directory(self.path.parent)
            commit_json(self.path, self.as_dict())


def profiled(training: Any, run: Any) -> tuple[Any, Any]:
    """What `fit` trains on and runs with, timed where `run` has a profile; the same, and the same bits, where not."""
    if run.profile is None:
        return training, run
    profile, watch = run.profile, run.profile.watch
    store = Checkpoints(run.checkpoints) if isinstance(run.checkpoints, str | Path) else run.checkpoints
    objective, validate = training.objective, training.validate
    if isinstance(objective, Several):
        objective = replace(objective, objectives=tuple(TimedObjective(own, watch, {}) for own in objective.objectives))
    else:
        objective = TimedObjective(objective, watch, {"update": "fused step"})
    timed = replace(
        training,
        sampler=TimedSampler(training.sampler, profile),
        objective=objective,
        validate=None if validate is None else watch.timed("validation", validate),
    )
    loggers = tuple(Timed(logger, watch, {"log": "logging"}) for logger in run.loggers)
    return timed, replace(run, checkpoints=None if store is None else Timed(store, watch, {"save": "saving"}),
                          loggers=loggers)  # fmt: skip


@contextmanager
def _optimiser_hooks(watch: Watch) -> Iterator[None]:
    """Within, whatever optimiser takes a step says so."""
    before = register_optimizer_step_pre_hook(lambda *step: _mark(watch, "optimiser"))
    after = register_optimizer_step_post_hook(lambda *step: _mark(watch, "other"))
    try:
        yield
    finally:
        before.remove()
        after.remove()


def _mark(watch: Watch, stage: str) -> None:
    watch.enter(stage)
