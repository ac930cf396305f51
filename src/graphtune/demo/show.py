"""Stories as text."""

from __future__ import annotations

import io
from pathlib import Path
from textwrap import fill

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from graphtune.demo.story import Contest, Story
from graphtune.statistics import Estimate, PairedTest

WIDTH = 110

NEXT = """What to type next, for your own data:
  graphtune inspect edges.csv                                   what is in it, and what is odd about it
  graphtune embed edges.csv --model deepwalk --out model        embeddings from the structure alone
  graphtune embed facts.tsv --triples --out model               of a knowledge graph
  graphtune embed log.csv --events user,item,time --out model   of what users did with items
  graphtune finetune model --task node-classification --labels labels.csv --out tuned
  graphtune evaluate tuned --task node-classification
  graphtune neighbors model ID -k 10
  graphtune export model --format parquet"""


def story_text(number: int, story: Story, out: Path) -> str:
    """A story as it stands on the screen; models were saved under `out`."""
    lines = [f"{number}. {story.title}", *(_item(line) for line in story.read)]
    for contest in story.contests:
        lines += ["", contest.title, _table(contest, out)]
        lines += [_gain(contest, model, test) for model, test in contest.gains().items()]
    return "\n".join([*lines, "", *(_item(line) for line in story.notes), f"  Ask it: {story.ask}", ""])


def _table(contest: Contest, out: Path) -> str:
    table = Table(box=MARKDOWN)
    for name in ("", *contest.metrics, f"saved in {out}"):
        table.add_column(name, overflow="fold")
    for score in contest.scores:
        directory = "" if score.directory is None else score.directory.relative_to(out).as_posix()
        table.add_row(score.model, *(_cell(score.metrics[name]) for name in contest.metrics), directory)
    text = io.StringIO()
    Console(file=text, width=WIDTH).print(table)
    return text.getvalue().strip()


def _cell(estimate: Estimate) -> str:
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _gain(contest: Contest, model: str, test: PairedTest) -> str:
    """One line on the fine-tuned model against another one."""
    verdict = "better" if test.low > 0 else "worse" if test.high < 0 else "no clear difference"
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
    interval = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"
    return f"  fine-tuned against {model}: {contest.metrics[0]} {interval}, {p}: {verdict}"


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
