"""Recommendations from a saved model: for one user on the screen, for many in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphtune.answers import Explanation, Filter, Recommender
from graphtune.answers.recommendations import check_suffix
from graphtune.answers.search import SEARCHES
from graphtune.check import bad, integer, number, one_of
from graphtune.cli.options.saved import RecommendOptions
from graphtune.cli.output import check_file_target
from graphtune.cli.settings import own_recipes
from graphtune.cli.start import read_ids
from graphtune.cli.talk import Talk, lines, table
from graphtune.cli.tasks import whole_graph
from graphtune.graph import Graph
from graphtune.io import Attributes, read_attributes
from graphtune.models.ranked import kinds_asked, sources_of
from graphtune.store import open_directory

WHO = "recommend"
SHOWN_PARTS = 3


def recommend(options: RecommendOptions, talk: Talk) -> dict[str, Any]:
    """The best targets, without those that a user has in any part of the data."""
    _check(options)
    path = None if options.out is None else check_file_target(options.out, WHO, options.overwrite)
    users = None if options.users is None else read_ids(options.users, "--users", WHO)
    stored = open_directory(options.directory, own_recipes(options.model))
    model = stored.model
    attributes = None if options.items is None else _attributes(options.items, model.graph, talk)
    answers = Recommender(model, whole_graph(stored), attributes, options.search, talk.say)
    chosen = Filter(
        None if options.only is None else _known(options.only, "--only", model.graph, talk),
        () if options.without is None else _known(options.without, "--without", model.graph, talk),
        _conditions(options.where),
        options.keep_seen,
    )
    _tell_of_strangers(model.graph, users if options.user is None else [options.user], talk)
    if path is None:
        return _for_one(answers, chosen, options, talk)
    saved = answers.write(path, users, options.k, chosen, options.diversity)
    asked = len(sources_of(model.graph)) if users is None else len(users)
    told = {"rows": saved.rows, "without": asked - saved.users, "search": saved.search}
    return {"file": str(path), "users": asked, **told}


def show_recommendations(result: dict[str, Any]) -> None:
    if "file" in result:
        lines(f"{result['rows']:,} recommendations for {result['users']:,} users, search: {result['search']}")
        if result["without"]:
            lines(f"{result['without']:,} of the users are given nothing: they have all that may be recommended")
        lines(f"Saved in {result['file']}")
        return
    items = result["items"]
    explained = bool(items) and "because" in items[0]
    rows = [[i["id"], f"{i['score']:.4f}", *([_because(i)] if explained else [])] for i in items]
    table(f"For {result['user']}", ("id", "score", *(["of which"] if explained else [])), rows)
    if explained and any(item["how"] == "fitted" for item in items):
        lines("Parts of a score by ridge regression of the user on its items; the rest is what these do not tell.")


def _for_one(answers: Recommender, chosen: Filter, options: RecommendOptions, talk: Talk) -> dict[str, Any]:
    found = answers.recommend([options.user], options.k, chosen, options.diversity).of(options.user)
    if len(found) > 1 and len({score for _, score in found}) == 1:
        talk.say("All scores are equal: nothing speaks for one item more than for another, so their order says nothing")
    items: list[dict[str, Any]] = [{"id": i, "score": score} for i, score in found]
    if options.explain:
        items = [item | _told(answers.explain(options.user, item["id"])) for item in items]
    return {"user": options.user, "items": items}


def _told(why: Explanation) -> dict[str, Any]:
    parts = [{"id": i, "part": part} for i, part in why.parts]
    return {"because": parts, "rest": why.rest, "how": why.how}


def _because(item: dict[str, Any]) -> str:
    """The largest parts, all others as a sum, and the rest."""
    parts = item["because"]
    texts = [f"{p['id']} {p['part']:+.4f}" for p in parts[:SHOWN_PARTS]]
    if parts[SHOWN_PARTS:]:
        texts.append(f"{len(parts) - SHOWN_PARTS} more {sum(p['part'] for p in parts[SHOWN_PARTS:]):+.4f}")
    return ", ".join([*texts, f"rest {item['rest']:+.4f}"])


def _check(options: RecommendOptions) -> None:
    """Refuse options that do not go together.

    Raises:
        ArgumentError: there are some.
    """
    integer("-k", WHO, options.k, 1)
    number("--diversity", WHO, options.diversity, 0, 1)
    one_of("--search", WHO, options.search, SEARCHES)
    asked = [options.user is not None, options.all, options.users is not None]
    if sum(asked) != 1:
        got = [name for name, given in zip(("USER", "--all", "--users"), asked) if given]
        raise bad("USER", WHO, "given, or --all, or --users FILE, one of the three", got)
    if (options.user is None) != (options.out is not None):
        need = "left out for a single user" if options.user is not None else "given for several users"
        raise bad("--out", WHO, need, options.out, "For example --all --out recs.parquet.")
    if options.explain and options.user is None:
        raise bad("--explain", WHO, "left out for several users", True)
    if options.out is not None:
        check_suffix(options.out, "--out", WHO)
    if options.items is not None and not options.where:
        raise bad("--items", WHO, "given with --where", options.items, "For example --where genre=comedy.")


def _attributes(file: str, graph: Graph, talk: Talk) -> Attributes:
    attributes, report = read_attributes(file, graph)
    talk.say(report)
    return attributes


def _known(file: str, option: str, graph: Graph, talk: Talk) -> list[str]:
    """The ids of a file that the model knows; how many it does not is said.

    Raises:
        ArgumentError: it knows none.
    """
    ids = read_ids(file, option, WHO)
    known = graph.ids.index(ids, kinds_asked(graph)[1], missing="mark") >= 0
    if not known.any():
        raise bad(option, WHO, "a file of ids that the model knows", ids[0], f"It knows none of the {len(ids):,}.")
    if not known.all():
        first = ids[int(np.argmin(known))]
        talk.say(f"{option}: {(~known).sum():,} of {len(ids):,} ids are not in the model (first: {first})")
    return [name for name, there in zip(ids, known) if there]


def _tell_of_strangers(graph: Graph, users: list[str] | None, talk: Talk) -> None:
    """Say how many of the users (all where None) have no edge that the model learned."""
    kind = kinds_asked(graph)[0]
    rows = np.array(sources_of(graph)) if users is None else graph.ids.index(users, kind)
    alone = int((graph.adjacency("out").degree[rows] == 0).sum())
    if alone:
        talk.say(f"{alone:,} of {len(rows):,} users have nothing in what the model learned: no taste is known of them")


def _conditions(where: Sequence[str]) -> dict[str, list[str]]:
    """The values by column; a column that is named several times may have any of its values."""
    values: dict[str, list[str]] = {}
    for text in where:
        column, equals, value = text.partition("=")
        if not equals or not column.strip() or not value.strip():
            raise bad("--where", WHO, "column=value", text, "For example --where genre=comedy.")
        values.setdefault(column.strip(), []).append(value.strip())
    return values
