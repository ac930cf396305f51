"""A page on a run: what was done, how it went and what came of it."""

from graphtune.reporting.facts import Facts, read_facts
from graphtune.reporting.write import report, write_report

__all__ = ["Facts", "read_facts", "report", "write_report"]
