"""How this process was launched: alone, or as one of several by torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from graphtune.check import bad


@dataclass(frozen=True)
class Launch:
    """What torchrun says in the environment.

    Attributes:
        rank: number of this process, from 0.
        world: processes in all.
        restarts: how often they have been started again after one of them died.
        store: a file where they can find one another, new for each restart; None where torchrun keeps no directory.
    """

    rank: int = 0
    world: int = 1
    restarts: int = 0
    store: Path | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that validates, writes and reports."""
        return self.rank == 0


def launch() -> Launch:
    """How this process was launched.

    Raises:
        ArgumentError: on more machines than one.
    """
    said = os.environ
    if "TORCHELASTIC_RUN_ID" not in said:
        return Launch()
    rank, world, here, restarts = (
        int(said.get(name, default))
        for name, default in (
            ("RANK", "0"),
            ("WORLD_SIZE", "1"),
            ("LOCAL_WORLD_SIZE", "1"),
            ("TORCHELASTIC_RESTART_COUNT", "0"),
        )
    )
    if world != here:
        raise bad("--nnodes", "torchrun", "1: processes of one machine train together", world // here)
    errors = said.get("TORCHELASTIC_ERROR_FILE", "")  # in a directory of this launch and restart, made empty
    store = Path(errors).parents[1] / f"graphtune-store-{restarts}" if errors else None
    return Launch(rank, world, restarts, store)
