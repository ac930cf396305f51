"""The commands, in the order of `graphtune --help`.

What they do stands in the other files of this folder, imported when needed. What can be typed stands in `options`, but
for commands of a few options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from graphtune import __version__
from graphtune.cli.datasets import datasets_app
from graphtune.cli.grouped import grouped
from graphtune.cli.options import shared as o
from graphtune.cli.options.learn import (
    BenchmarkOptions,
    EmbedOptions,
    ExtendOptions,
    FinetuneOptions,
    InspectOptions,
    UpdateOptions,
)
from graphtune.cli.options.saved import (
    CommunityOptions,
    EvaluateOptions,
    ExportOptions,
    FuseOptions,
    PredictOptions,
    RecommendOptions,
)
from graphtune.cli.shell import Shell
from graphtune.cli.talk import Talk

app = typer.Typer(
    cls=Shell,
    name="graphtune",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: graphtune demo. Exit codes: 0 done, 1 failed, 2 bad use.",
)
app.add_typer(datasets_app, name="datasets")


def _version(asked: bool) -> None:
    if asked:
        print(f"graphtune {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    """Learn node embeddings and fine-tune them to a task."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make `graphtune NAME` of a function."""
    return app.command()(grouped(function))


@command
def demo(
    out: Annotated[str, typer.Option("--out", help="Where to save what is made.")] = "graphtune-demo",
    quick: Annotated[bool, typer.Option("--quick", help="Shorter training, rougher scores.")] = False,
    json: o.Json = False,
) -> None:
    """Three real graphs the whole way, in a minute or two; nothing is downloaded."""
    from pathlib import Path

    from graphtune.demo import run_demo

    Talk(json).run(lambda: run_demo(Path(out), quick), lambda result: None)


@command
def inspect(asked: InspectOptions, json: o.Json = False) -> None:
    """What is in a file: size, components, degrees, faults, and the memory and time that learning it takes."""
    from graphtune.cli.inspect import inspect, show_inspection

    Talk(json).run(lambda: inspect(asked), show_inspection)


@command
def embed(asked: EmbedOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Read, clean, split, pretrain, evaluate and save."""
    from graphtune.cli.embed import embed, show_embedding

    talk = Talk(json, quiet, together=True)
    talk.run(lambda: embed(asked, talk), show_embedding)


@command
def finetune(asked: FinetuneOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Train a saved model on for a task, and compare the two."""
    from graphtune.cli.finetune import finetune, show_finetuning

    talk = Talk(json, quiet, together=True)
    talk.run(lambda: finetune(asked, talk), show_finetuning)


@command
def extend(asked: ExtendOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Give rows to nodes that came after training, from a few edges each; all other rows stay as they are."""
    from graphtune.cli.extend import extend_directory, show_extension

    talk = Talk(json, quiet)
    talk.run(lambda: extend_directory(asked, talk), show_extension)


@command
def fuse(asked: FuseOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Make one ranking of several saved models, and score it."""
    from graphtune.cli.fuse import fuse_directories, show_fusion

    talk = Talk(json, quiet)
    talk.run(lambda: fuse_directories(asked, talk), show_fusion)


@command
def update(asked: UpdateOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Train a saved recommender on from new events, with their new users and items, and measure what it forgets."""
    from graphtune.cli.update import show_update, update_directory

    talk = Talk(json, quiet, together=True)
    talk.run(lambda: update_directory(asked, talk), show_update)


@command
def evaluate(asked: EvaluateOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Score a saved model on the parts that it did not learn."""
    from graphtune.cli.evaluate import evaluate, show_evaluated

    talk = Talk(json, quiet)
    talk.run(lambda: evaluate(asked, talk), show_evaluated)


@command
def compare(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="What `graphtune evaluate --ranks` or `--scores` wrote.")
    ],
    metric: Annotated[
        str | None,
        o.option(
            "--metric",
            help="Of ranks mrr (unless given), mean_rank, or hits_ with a number; of users one of the "
            "file's, such as ndcg_20.",
        ),
    ] = None,
    baseline: Annotated[
        str | None, o.option("--baseline", metavar="FILE", help="Test the others against this; the best unless given.")
    ] = None,
    json: o.Json = False,
) -> None:
    """Tell whether models differ on the same queries, by the ranks or the scores of each."""
    from graphtune.cli.compare import compare, show_comparison

    Talk(json).run(lambda: compare(files, metric, baseline), show_comparison)


@command
def neighbors(
    directory: o.Directory,
    id: Annotated[str, typer.Argument(metavar="ID", help="A node.")],
    k: o.K = 10,
    kind: o.Kind = None,
    model: o.Own = None,
    json: o.Json = False,
) -> None:
    """The nodes whose embeddings are most like a node's."""
    from graphtune.cli.ask import neighbors, show_neighbors

    Talk(json).run(lambda: neighbors(directory, id, k, kind, model), show_neighbors)


@command
def recommend(asked: RecommendOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """The best items for a user, or for many, without those they have."""
    from graphtune.cli.recommend import recommend, show_recommendations

    talk = Talk(json, quiet)
    talk.run(lambda: recommend(asked, talk), show_recommendations)


@command
def predict(asked: PredictOptions, json: o.Json = False) -> None:
    """Scores of pairs or triples, the missing part of a triple, or labels of nodes."""
    from graphtune.cli.ask import predict, show_predictions

    Talk(json).run(lambda: predict(asked), show_predictions)


@command
def communities(asked: CommunityOptions, json: o.Json = False) -> None:
    """Write the community of every node to a csv file."""
    from graphtune.cli.files import communities, show_communities

    Talk(json).run(lambda: communities(asked), show_communities)


@command
def export(asked: ExportOptions, json: o.Json = False) -> None:
    """Write all embeddings to a file."""
    from graphtune.cli.files import export, show_export

    Talk(json).run(lambda: export(asked), show_export)


@command
def report(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="A model directory, or that of a run under way or broken off.")
    ],
    out: Annotated[str | None, o.option("--out", metavar="FILE", help="DIR/report/report.html unless given.")] = None,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Write a page on a run, finished or not: its scores, its curves, and how it was made."""
    from graphtune.cli.files import report, show_report

    Talk(json).run(lambda: report(directory, out, overwrite), show_report)


@command
def run(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A TOML file with \\[data], \\[embed], \\[finetune].")
    ],
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Do what a TOML file says.

    \\[data] edges = "friends.csv", \\[embed] out = "friends" and \\[finetune] task = "link-prediction", out = "tuned"
    are enough. Keys are the long options with _ for -; \\[embed.set] and \\[finetune.set] hold settings.
    """
    from graphtune.cli.configfile import run, show_run

    talk = Talk(json, quiet, together=True)
    talk.run(lambda: run(config, resume, overwrite, talk), show_run)


@command
def benchmark(asked: BenchmarkOptions, quiet: o.Quiet = False, json: o.Json = False) -> None:
    """Make a table of results: each configuration with several seeds, its test scores and what it takes."""
    from graphtune.cli.benchmark import benchmark, show_benchmark

    talk = Talk(json, quiet)
    talk.run(lambda: benchmark(asked, talk), show_benchmark)
