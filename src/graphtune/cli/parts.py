"""`--split` and `--by`: the train, validation and test parts of a graph that was read."""

from __future__ import annotations

from graphtune.check import bad, one_of
from graphtune.cli.data import Data
from graphtune.graph import Graph
from graphtune.split import RATIOS, Split, split_cold, split_edges, split_interactions, split_triples

NO_SPLIT = "none"
COLD = {
    "cold-users": ("user", "random"),
    "cold-items": ("item", "random"),
    "new-users": ("user", "time"),
    "new-items": ("item", "time"),
}
BY = ("user", "time", "last", *COLD)


def split_data(data: Data, how: str | None, by: str | None, seed: int) -> Split | None:
    """The published split, or one that is made; None for --split none. It has passed the audit.

    Args:
        data: what to divide.
        how: "none", ratios such as "7:2:1", or None for the published split or else 7:2:1.
        by: for events one of BY.
        seed: of what is random.

    Raises:
        ArgumentError: ratios that are none, --by for a graph that is no log of events, too few edges.
        LeakError: a part leaks into another.
    """
    if by is not None and data.kind != "events":
        raise bad("--by", "embed", "left out for data that are no events", by, "Give --events user,item,time.")
    if how == NO_SPLIT or (how is None and data.graph.on_disk):
        if by is not None:
            fix = "Give ratios, such as --split 7:2:1."
            raise bad("--by", "embed", "left out where every edge is learned", by, fix)
        return None
    if data.graph.on_disk:
        fix = "Parts of a graph would be in memory; to have them, read the file without --on-disk."
        raise bad("--split", "embed", "none for a graph on disk", how, fix)
    ratios = RATIOS if how is None else ratios_of(how)
    if how is None and by is None and data.published is not None:
        split = data.published
    elif data.kind == "events":
        by = one_of("--by", "embed", by or "user", BY)
        if by == "last" and how is not None:
            raise bad("--split", "embed", "left out for --by last, which needs no ratios", how)
        split = _split_events(data.graph, by, ratios, seed)
    elif data.kind == "triples" and data.graph.directed:
        split = split_triples(data.graph, ratios, seed)
    else:
        split = split_edges(data.graph, ratios, seed)
    return split


def _split_events(graph: Graph, by: str, ratios: tuple[float, float, float], seed: int) -> Split:
    if by not in COLD:
        return split_interactions(graph, by, ratios, seed)
    kind, who = COLD[by]
    cold = split_cold(graph, kind, ratios, seed=seed, by=who)
    cold.audit()
    return cold.split


def ratios_of(text: str) -> tuple[float, float, float]:
    """The ratios of train, validation and test that a text such as "7:2:1" spells.

    Raises:
        ArgumentError: it spells none.
    """
    try:
        train, valid, test = map(float, text.split(":"))
    except ValueError:
        train = valid = test = 0.0
    if min(train, valid, test) <= 0:
        fix = "Training watches the validation part, and scores are of the test part."
        raise bad("--split", "embed", "three numbers above 0, such as 7:2:1, or none", text, fix)
    return train, valid, test
