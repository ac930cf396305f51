"""Communities and roles in a social network: from an edge list to communities, classes and lookalikes.

Run it on your own file with `python examples/social_network.py EDGES [LABELS]`; without arguments it takes Zachary's
karate club, which comes with NetworkX.
"""

import sys
import tempfile
from pathlib import Path

import networkx as nx

import graphtune as gt


def karate(directory: Path) -> tuple[Path, Path]:
    """The karate club as the two files an analyst would have."""
    club = nx.karate_club_graph()
    edges, labels = directory / "friends.csv", directory / "clubs.csv"
    edges.write_text("source,target\n" + "".join(f"member{u},member{v}\n" for u, v in club.edges))
    labels.write_text("id,label\n" + "".join(f"member{v},{d['club']}\n" for v, d in club.nodes(data=True)))
    return edges, labels


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        given = [Path(a) for a in sys.argv[1:]]
        edges, labels = ([*given, None])[:2] if given else karate(Path(directory))
        graph, report = gt.read_edges(edges)
        print(report)
        if labels is not None:
            graph, report = gt.read_labels(labels, graph)
            print(report)

        recipe = gt.DeepWalk(dim=32, walks_per_node=20)
        model = gt.pretrain(recipe, graph).model
        someone = graph.ids.values([0])[0]
        print(f"\nmost like {someone}:", model.most_similar(someone, k=3))

        print("\n", gt.CommunityDetection(graph).evaluate(model), sep="")
        if labels is not None:
            task = gt.NodeClassification(gt.split_nodes(graph))
            print("\n", task.evaluate(model), sep="")


if __name__ == "__main__":
    main()
