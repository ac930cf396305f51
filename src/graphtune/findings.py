"""What reading and cleaning found, counted, with the first offending examples: nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphtune.check import DataError

EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One kind of thing found in the data.

    Attributes:
        what: what was found, a plural noun phrase ("self-loops", "lines with a missing column").
        count: how many.
        action: what was done: "dropped", "merged", "kept", "noted", ...
        examples: the first few, as the user wrote them ("line 7: a,,3").
    """

    what: str
    count: int
    action: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f" (first: {'; '.join(self.examples)})" if self.examples else ""
        return f"{self.count:,} {self.what}: {self.action}{shown}"

    @property
    def changed_data(self) -> bool:
        """Whether the finding altered what the user gave."""
        return self.action not in ("kept", "noted")


@dataclass(frozen=True)
class Report:
    """Every finding on one data set, in the order met.

    Attributes:
        source: the file or object that was read.
        findings: what was found.
        summary: counts of the result: nodes, edges, components, ...
    """

    source: str = ""
    findings: tuple[Finding, ...] = ()
    summary: dict[str, int | float] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding], **summary: int | float) -> Report:
        """This report with more findings and summary entries."""
        return Report(self.source, (*self.findings, *findings), {**self.summary, **summary})

    def refuse(self) -> None:
        """Raise if anything was changed: what `strict` means.

        Raises:
            DataError: naming the first finding that altered the data.
        """
        for finding in self.findings:
            if finding.changed_data:
                raise DataError(
                    f"`strict` reading of {self.source or 'the data'} must find clean data. Got {finding}. "
                    "Mend the data, or read without strict."
                )

    def __str__(self) -> str:
        numbers = ", ".join(f"{value:,} {name}" for name, value in self.summary.items())
        return "\n".join([f"{self.source}: {numbers}".strip(": "), *(f"  {f}" for f in self.findings)])
