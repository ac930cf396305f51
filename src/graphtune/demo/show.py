"""Stories as text."""

from __future__ import annotations

import io
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from graphtune.demo.story import Contest, Score, Story
from graphtune.statistics import PairedTest

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


def story_text(number: int, story: Story) -> str:
    """A story as it stands on the screen."""
    lines = [f"{number}. {story.title}", *(_item(line) for line in story.read)]
    for contest in story.contests:
        lines += ["", _table(contest), *(_gain(contest, model, test) for model, test in contest.gains().items())]
    return "\n".join([*lines, "", *(_item(line) for line in story.notes), ""])


def _table(contest: Contest) -> str:
    table = Table(title=contest.title, title_justify="left", title_style="", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", *contest.metrics, "saved in"):
        table.add_column(name, overflow="fold")
    for score in contest.scores:
        table.add_row(score.model, *(_cell(score, name) for name in contest.metrics), str(score.directory or ""))
    console = Console(file=io.StringIO(), width=WIDTH)
    console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def _cell(score: Score, metric: str) -> str:
    estimate = score.evaluation.metrics[metric]
    return f"{estimate.mean:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _gain(contest: Contest, model: str, test: PairedTest) -> str:
    """One line on the fine-tuned model against another one."""
    verdict = "better" if test.low > 0 else "worse" if test.high < 0 else "no clear difference"
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
    interval = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"
    return f"  fine-tuned against {model}: {contest.metrics[0]} {interval}, {p}: {verdict}"


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)
