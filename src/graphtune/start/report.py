"""What became of a model's rows at its start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StartReport:
    """How a model was started.

    Attributes:
        known: rows taken from what it was started from.
        filled: rows set to the mean of their neighbours.
        new: other rows: as the model was built, or drawn anew.
        ignored: vectors of no node.
        from_dim: of the vectors; None where there were none.
        to_dim: of the rows; None where the model has none.
        skipped: weights that the model had no place for.
    """

    known: int
    filled: int = 0
    new: int = 0
    ignored: int = 0
    from_dim: int | None = None
    to_dim: int | None = None
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.known:,} rows known"]
        if self.filled:
            parts.append(f"{self.filled:,} from their neighbours")
        parts.append(f"{self.new:,} new")
        if self.ignored:
            parts.append(f"{self.ignored:,} vectors unused")
        if None not in (self.from_dim, self.to_dim) and self.from_dim != self.to_dim:
            parts.append(f"dim {self.from_dim} made {self.to_dim}")
        if self.skipped:
            parts.append(f"left out: {', '.join(self.skipped)}")
        return ", ".join(parts)
