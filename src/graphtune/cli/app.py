"""The commands and their options. What they do stands in the other files of this folder, imported when needed."""

from __future__ import annotations

from typing import Annotated

import typer

from graphtune import __version__
from graphtune.cli import options as o
from graphtune.cli.shell import Shell
from graphtune.cli.talk import Talk
from graphtune.config import SAVE_EVERY

app = typer.Typer(
    cls=Shell,
    name="graphtune",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: graphtune demo. Exit codes: 0 done, 1 failed, 2 bad use.",
)
datasets_app = typer.Typer(no_args_is_help=True, help="Public data sets by name.")
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


@app.command()
def demo(
    out: Annotated[str, typer.Option("--out", help="Where to save what is made.")] = "graphtune-demo",
    quick: Annotated[bool, typer.Option("--quick", help="Shorter training, rougher scores.")] = False,
    json: o.Json = False,
) -> None:
    """Three real graphs the whole way, in a minute or two; nothing is downloaded."""
    from pathlib import Path

    from graphtune.demo import run_demo

    Talk(json).run(lambda: run_demo(Path(out), quick), lambda result: None)


@app.command()
def inspect(
    edges: o.Edges,
    triples: o.Triples = False,
    events: o.Events = None,
    columns: o.Columns = None,
    directed: o.Directed = False,
    weight: o.Weight = None,
    time: o.Time = None,
    delimiter: o.Delimiter = None,
    header: o.Header = None,
    label_attribute: o.LabelAttribute = None,
    labels: o.Labels = None,
    label_type: o.LabelType = "class",
    label_columns: o.LabelColumns = None,
    kind: o.Kind = None,
    features: o.Features = None,
    texts: o.Texts = None,
    strict: o.Strict = False,
    on_disk: o.OnDisk = None,
    implicit: o.Implicit = None,
    keep_weight: o.KeepWeight = False,
    k_core: o.KCore = None,
    duplicates: o.Duplicates = None,
    session_gap: o.SessionGap = None,
    user_features: o.UserFeatures = None,
    item_features: o.ItemFeatures = None,
    categories: o.Categories = None,
    social: o.Social = None,
    item_graph: o.ItemGraph = None,
    model: o.Model = None,
    variant: o.Variant = None,
    dim: o.Dim = None,
    set: o.Set = None,
    split: o.Split = None,
    json: o.Json = False,
) -> None:
    """What is in a file: size, components, degrees, faults, and the memory and time that learning it takes."""
    from graphtune.cli.data import DataOptions, LabelOptions
    from graphtune.cli.extras import ExtraOptions
    from graphtune.cli.inspect import InspectOptions, inspect, show_inspection

    about = LabelOptions(labels, label_type, label_columns, kind)
    read = (triples, events, columns, directed, weight, time, delimiter, header, label_attribute)
    rules = (implicit, keep_weight, k_core, duplicates, session_gap)
    extras = ExtraOptions(*rules, user_features, item_features, categories, social, item_graph)
    data = DataOptions(edges, *read, about, features, strict, on_disk, extras, texts)
    asked = InspectOptions(data, model, variant, dim, tuple(set or ()), split)
    talk = Talk(json)
    talk.run(lambda: inspect(asked, talk), show_inspection)


@app.command()
def embed(
    edges: o.Edges,
    out: o.Out,
    model: o.Model = None,
    variant: o.Variant = None,
    dim: o.Dim = None,
    seed: o.Seed = 0,
    set: o.Set = None,
    split: o.Split = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="user|time|last|cold-users|...",
            help="How events are split: by user (unless given), time, last, cold-users, cold-items, new-users or "
            "new-items.",
            rich_help_panel=o.LEARNING,
            show_default=False,
        ),
    ] = None,
    start: o.Start = None,
    missing: o.Missing = None,
    resize: o.Resize = None,
    scale: o.Scale = None,
    fixed: o.Fixed = None,
    triples: o.Triples = False,
    events: o.Events = None,
    columns: o.Columns = None,
    directed: o.Directed = False,
    weight: o.Weight = None,
    time: o.Time = None,
    delimiter: o.Delimiter = None,
    header: o.Header = None,
    label_attribute: o.LabelAttribute = None,
    labels: o.Labels = None,
    label_type: o.LabelType = "class",
    label_columns: o.LabelColumns = None,
    kind: o.Kind = None,
    features: o.Features = None,
    texts: o.Texts = None,
    strict: o.Strict = False,
    on_disk: o.OnDisk = None,
    implicit: o.Implicit = None,
    keep_weight: o.KeepWeight = False,
    k_core: o.KCore = None,
    duplicates: o.Duplicates = None,
    session_gap: o.SessionGap = None,
    user_features: o.UserFeatures = None,
    item_features: o.ItemFeatures = None,
    categories: o.Categories = None,
    social: o.Social = None,
    item_graph: o.ItemGraph = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    log: o.Log = None,
    tensorboard: o.TensorBoard = False,
    save_every: o.SaveEvery = SAVE_EVERY,
    profile: o.Profile = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Read, clean, split, pretrain, evaluate and save."""
    from graphtune.cli.data import DataOptions, LabelOptions
    from graphtune.cli.embed import EmbedOptions, embed, show_embedding
    from graphtune.cli.extras import ExtraOptions
    from graphtune.cli.output import OutOptions

    about = LabelOptions(labels, label_type, label_columns, kind)
    read = (triples, events, columns, directed, weight, time, delimiter, header, label_attribute)
    rules = (implicit, keep_weight, k_core, duplicates, session_gap)
    extras = ExtraOptions(*rules, user_features, item_features, categories, social, item_graph)
    data = DataOptions(edges, *read, about, features, strict, on_disk, extras, texts)
    place = OutOptions(out, resume, overwrite, log, tensorboard, save_every, profile)
    asked = EmbedOptions(
        data, place, model, variant, dim, seed, split, by, start, missing, resize, scale, tuple(set or ()), fixed
    )
    talk = Talk(json, quiet, together=True)
    talk.run(lambda: embed(asked, talk), show_embedding)


@app.command()
def finetune(
    directory: o.Directory,
    task: Annotated[
        str,
        typer.Option(
            "--task",
            help="link-prediction, recommendation, triple-completion, node-classification or node-regression; several "
            "with commas between.",
        ),
    ],
    out: o.Out,
    labels: o.Labels = None,
    label_type: o.LabelType = "class",
    label_columns: o.LabelColumns = None,
    kind: o.Kind = None,
    seed: o.Seed = 0,
    set: o.Set = None,
    start: o.Start = None,
    missing: o.Missing = None,
    resize: o.Resize = None,
    scale: o.Scale = None,
    fixed: o.Fixed = None,
    model: o.Own = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    log: o.Log = None,
    tensorboard: o.TensorBoard = False,
    save_every: o.SaveEvery = SAVE_EVERY,
    profile: o.Profile = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Train a saved model on for a task, and compare the two."""
    from graphtune.cli.data import LabelOptions
    from graphtune.cli.finetune import FinetuneOptions, finetune, show_finetuning
    from graphtune.cli.output import OutOptions

    about = LabelOptions(labels, label_type, label_columns, kind)
    place = OutOptions(out, resume, overwrite, log, tensorboard, save_every, profile)
    begin = start, missing, resize, scale
    asked = FinetuneOptions(directory, task, place, about, seed, tuple(set or ()), model, *begin, fixed)
    talk = Talk(json, quiet, together=True)
    talk.run(lambda: finetune(asked, talk), show_finetuning)


@app.command()
def extend(
    directory: o.Directory,
    facts: Annotated[str, typer.Argument(metavar="FACTS", help="A file of new edges, of the kind that DIR learned.")],
    out: o.Out,
    events: o.Events = None,
    columns: o.Columns = None,
    weight: o.Weight = None,
    time: o.Time = None,
    delimiter: o.Delimiter = None,
    header: o.Header = None,
    features: o.Features = None,
    strict: o.Strict = False,
    rows: Annotated[
        str,
        typer.Option(
            "--rows",
            metavar="mean|solve",
            help="New rows from the mean of what edges say, or by least squares (bprmf).",
            rich_help_panel=o.LEARNING,
        ),
    ] = "mean",
    seed: o.Seed = 0,
    set: o.Set = None,
    model: o.Own = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Give rows to nodes that came after training, from a few edges each; all other rows stay as they are."""
    from graphtune.cli.data import DataOptions
    from graphtune.cli.extend import ExtendOptions, extend_directory, show_extension

    read = DataOptions(
        facts, events=events, columns=columns, weight=weight, time=time, delimiter=delimiter, header=header,
        features=features, strict=strict,
    )  # fmt: skip
    asked = ExtendOptions(directory, read, out, overwrite, seed, tuple(set or ()), model, rows)
    talk = Talk(json, quiet)
    talk.run(lambda: extend_directory(asked, talk), show_extension)


@app.command()
def fuse(
    directories: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="Saved models that learned the same train part.")
    ],
    out: o.Out,
    by: Annotated[str, typer.Option("--by", help="rrf, or weights learned on the validation part.")] = "rrf",
    k: Annotated[int, typer.Option("-k", help="Places of the list that is judged.")] = 20,
    model: o.Own = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Make one ranking of several saved models, and score it."""
    from graphtune.cli.fuse import FuseOptions, fuse_directories, show_fusion

    asked = FuseOptions(tuple(directories), out, by, k, overwrite, model)
    talk = Talk(json, quiet)
    talk.run(lambda: fuse_directories(asked, talk), show_fusion)


@app.command()
def update(
    directory: o.Directory,
    new: Annotated[str, typer.Argument(metavar="EVENTS", help="A file of new events.")],
    out: o.Out,
    events: o.Events = None,
    weight: o.Weight = None,
    delimiter: o.Delimiter = None,
    header: o.Header = None,
    strict: o.Strict = False,
    seed: o.Seed = 0,
    set: o.Set = None,
    model: o.Own = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    log: o.Log = None,
    tensorboard: o.TensorBoard = False,
    save_every: o.SaveEvery = SAVE_EVERY,
    profile: o.Profile = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Train a saved recommender on from new events, with their new users and items, and measure what it forgets."""
    from graphtune.cli.data import DataOptions
    from graphtune.cli.output import OutOptions
    from graphtune.cli.update import UpdateOptions, show_update, update_directory

    read = DataOptions(new, events=events, weight=weight, delimiter=delimiter, header=header, strict=strict)
    place = OutOptions(out, resume, overwrite, log, tensorboard, save_every, profile)
    asked = UpdateOptions(directory, read, place, seed, tuple(set or ()), model)
    talk = Talk(json, quiet, together=True)
    talk.run(lambda: update_directory(asked, talk), show_update)


@app.command()
def evaluate(
    directory: o.Directory,
    task: Annotated[
        str, typer.Option("--task", help="One of finetune's, triple-classification or community-detection.")
    ],
    labels: o.Labels = None,
    label_type: o.LabelType = "class",
    label_columns: o.LabelColumns = None,
    kind: o.Kind = None,
    part: Annotated[str, typer.Option("--part", help="test or valid.")] = "test",
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="relation,category,side,entities,activity,period",
            help="Show metrics by some of these too; the last two are of recommendation, the others of triples.",
            show_default=False,
        ),
    ] = None,
    side: Annotated[
        str, typer.Option("--side", metavar="head|tail|both", help="Triples: which missing end is asked for.")
    ] = "both",
    ranks: Annotated[
        str | None,
        typer.Option(
            "--ranks",
            metavar="FILE",
            help="Triples: write the rank of each query there (Parquet), for compare.",
            show_default=False,
        ),
    ] = None,
    overwrite: o.Overwrite = False,
    seed: o.Seed = 0,
    set: o.Set = None,
    model: o.Own = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Score a saved model on the parts that it did not learn."""
    from graphtune.cli.data import LabelOptions
    from graphtune.cli.judge import EvaluateOptions, evaluate, show_evaluated

    about = LabelOptions(labels, label_type, label_columns, kind)
    settings = tuple(set or ())
    asked = EvaluateOptions(directory, task, about, part, seed, settings, model, by, side, ranks, overwrite)
    talk = Talk(json, quiet)
    talk.run(lambda: evaluate(asked, talk), show_evaluated)


@app.command()
def compare(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Ranks that `graphtune evaluate --ranks` wrote.")
    ],
    metric: Annotated[str, typer.Option("--metric", help="mrr, mean_rank, or hits_ with a number.")] = "mrr",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Test the others against this; the best unless given.",
            show_default=False,
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Tell whether models differ on the same queries, by the ranks of each."""
    from graphtune.cli.compare import compare, show_comparison

    Talk(json).run(lambda: compare(files, metric, baseline), show_comparison)


@app.command()
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


@app.command()
def recommend(
    directory: o.Directory,
    user: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="A user, or any node of a graph without relations.")
    ] = None,
    k: o.K = 10,
    all: Annotated[bool, typer.Option("--all", help="For all users, into --out.")] = False,
    users: Annotated[
        str | None,
        typer.Option("--users", metavar="FILE", help="For these users, an id a line, into --out.", show_default=False),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", metavar="FILE", help="A .parquet or .csv file: user, item, place, score.", show_default=False
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="FILE", help="Only these items, an id a line.", show_default=False),
    ] = None,
    without: Annotated[
        str | None,
        typer.Option("--without", metavar="FILE", help="Without these items, an id a line.", show_default=False),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="COLUMN=VALUE",
            help="Items with this value in --items, or label=NAME; may be repeated.",
            show_default=False,
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option("--items", metavar="FILE", help="What items are: an id, then columns.", show_default=False),
    ] = None,
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="Also what a user has already.")] = False,
    diversity: Annotated[
        float, typer.Option("--diversity", help="0, the best, to 1, the most unlike each other.")
    ] = 0.0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Which of the user's own items carried each score.")
    ] = False,
    search: Annotated[
        str, typer.Option("--search", metavar="auto|exact|faiss", help="auto takes faiss where there is much to score.")
    ] = "auto",
    overwrite: o.Overwrite = False,
    model: o.Own = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """The best items for a user, or for many, without those they have."""
    from graphtune.cli.recommend import RecommendOptions, recommend, show_recommendations

    filters = items, only, without, tuple(where or ()), keep_seen
    asked = RecommendOptions(
        directory, user, k, all, users, out, overwrite, *filters, diversity, explain, search, model
    )  # fmt: skip
    talk = Talk(json, quiet)
    talk.run(lambda: recommend(asked, talk), show_recommendations)


@app.command()
def predict(
    directory: o.Directory,
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAMES...", help="A B [C D ...], HEAD RELATION TAIL with or without one ?, or IDs."),
    ],
    nodes: Annotated[bool, typer.Option("--nodes", help="NAMES are nodes: give their classes or values.")] = False,
    k: o.K = 10,
    new: Annotated[bool, typer.Option("--new", help="Leave out the answers that are known.")] = False,
    task: Annotated[
        str | None, typer.Option("--task", help="Which head, where there are several.", show_default=False)
    ] = None,
    kind: o.Kind = None,
    model: o.Own = None,
    json: o.Json = False,
) -> None:
    """Scores of pairs or triples, the missing part of a triple, or labels of nodes."""
    from graphtune.cli.ask import PredictOptions, predict, show_predictions

    asked = PredictOptions(directory, names, nodes, k, new, task, kind, model)
    Talk(json).run(lambda: predict(asked), show_predictions)


@app.command()
def communities(
    directory: o.Directory,
    out: o.OutFile,
    method: Annotated[str, typer.Option("--method", help="combined, kmeans or leiden.")] = "combined",
    k: Annotated[int | None, typer.Option("-k", help="How many, for combined and kmeans.", show_default=False)] = None,
    seed: o.Seed = 0,
    overwrite: o.Overwrite = False,
    model: o.Own = None,
    json: o.Json = False,
) -> None:
    """Write the community of every node to a csv file."""
    from graphtune.cli.files import communities, show_communities

    Talk(json).run(lambda: communities(directory, out, method, k, seed, overwrite, model), show_communities)


@app.command()
def export(
    directory: o.Directory,
    format: Annotated[str, typer.Option("--format", help="parquet, word2vec, npz or npy.")],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="DIR.parquet and the like unless given.", show_default=False),
    ] = None,
    side: Annotated[str, typer.Option("--side", help="source or target.")] = "source",
    overwrite: o.Overwrite = False,
    model: o.Own = None,
    json: o.Json = False,
) -> None:
    """Write all embeddings to a file."""
    from graphtune.cli.files import export, show_export

    Talk(json).run(lambda: export(directory, out, format, side, overwrite, model), show_export)


@app.command()
def report(
    directory: o.Run,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="DIR/report/report.html unless given.", show_default=False),
    ] = None,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Write a page on a run, finished or not: its scores, its curves, and how it was made."""
    from graphtune.cli.files import report, show_report

    Talk(json).run(lambda: report(directory, out, overwrite), show_report)


@app.command()
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


@app.command()
def benchmark(
    configs: Annotated[
        list[str], typer.Argument(metavar="CONFIG...", help="Files as run takes them, or results of a benchmark.")
    ],
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", help="How many; 3, or those of the results, unless given.", show_default=False),
    ] = None,
    price: Annotated[float, typer.Option("--price", help="Of an hour of one core, for the cost.")] = 0.05,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The results, as JSON.")] = "benchmark.json",
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Make a table of results: each configuration with several seeds, its test scores and what it takes."""
    from graphtune.cli.benchmark import BenchmarkOptions, benchmark, show_benchmark

    asked = BenchmarkOptions(tuple(configs), out, seeds, price, resume, overwrite)
    talk = Talk(json, quiet)
    talk.run(lambda: benchmark(asked, talk), show_benchmark)


@datasets_app.command("list")
def list_datasets(json: o.Json = False) -> None:
    """Their names."""
    from graphtune.cli.registry import listed, show_list

    Talk(json).run(listed, show_list)


@datasets_app.command("info")
def dataset_info(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    json: o.Json = False,
) -> None:
    """What one holds, its source and its licence."""
    from graphtune.cli.registry import info, show_info

    Talk(json).run(lambda: info(name), show_info)


@datasets_app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    json: o.Json = False,
) -> None:
    """Download one, verified, unless it is here."""
    from graphtune.cli.registry import fetched, show_fetched

    Talk(json).run(lambda: fetched(name), show_fetched)
