"""The first story: images as a similarity graph, and small social networks."""

from __future__ import annotations

import numpy as np

from graphtune.config import TrainConfig
from graphtune.convert import from_networkx
from graphtune.demo.baselines import logistic_regression
from graphtune.demo.story import (
    BASELINE,
    COMMUNITIES,
    FINE_TUNED,
    PRETRAINED,
    REFERENCE,
    Contest,
    Plan,
    Score,
    Story,
    command,
    kept,
    plain,
    shown,
)
from graphtune.evaluate.result import RESAMPLES
from graphtune.graph import Graph
from graphtune.ids import NodeIds
from graphtune.metrics import nmi
from graphtune.models import DeepWalk, GraphSAGE, Model
from graphtune.split import Split, split_nodes
from graphtune.statistics import bootstrap_statistic
from graphtune.tasks import CommunityDetection, NodeClassification, finetune, pretrain

NAME = "digits"
NEIGHBOURS = 5
RATIOS = (12.0, 18.0, 70.0)
WALKS = DeepWalk(dim=64, walks_per_node=10, walk_length=20, window=5)
SMALL_WALKS = DeepWalk(dim=16, walks_per_node=10, walk_length=40, window=3)


def similarity_story(plan: Plan) -> Story:
    """Classes and communities of handwritten digits, and communities of three social networks."""
    graph = digits()
    split = split_nodes(graph, RATIOS)
    labels = np.asarray(graph.labels)
    same = (labels[graph.edges[0]] == labels[graph.edges[1]]).mean()
    read = (
        f"scikit-learn's handwritten digits: {graph.num_nodes:,} images of 8 x 8 pixels, 10 classes; each is joined to "
        f"its {NEIGHBOURS} nearest by pixels: {graph.num_edges:,} edges, {same:.0%} within a class",
        f"{len(split.train_nodes)} labels to learn from, {len(split.valid_nodes)} to choose by, "
        f"{len(split.test_nodes):,} to test on",
    )
    contests = (_classes(plan, split), _communities(plan, split))
    notes = (_karate(plan), _miserables(plan), _florentine(plan))
    ask = command("neighbors", plan.out / NAME / COMMUNITIES, "0", "-k", "5")
    return Story(NAME, "A similarity graph", read, contests, notes, ask)


def digits() -> Graph:
    """scikit-learn's digits, each joined to its nearest neighbours by the Euclidean distance of pixels."""
    from sklearn.datasets import load_digits
    from sklearn.neighbors import kneighbors_graph

    data = load_digits()
    near = kneighbors_graph(data.data, NEIGHBOURS)
    u, v = near.maximum(near.T).nonzero()
    return Graph(
        np.stack([u, v])[:, u < v],
        NodeIds.range(len(data.data)),
        features=data.data,
        labels=data.target,
        label_names=tuple(map(str, data.target_names)),
    )


def _classes(plan: Plan, split: Split) -> Contest:
    task = NodeClassification(split, dropout=0.0)
    learn = TrainConfig(epochs=plan.epochs(60), batch_size=65536, lr=0.01)
    adapt = TrainConfig(epochs=plan.epochs(100), lr=0.01, weight_decay=0.02, patience=30)
    pretrained = pretrain(GraphSAGE(dim=64, dropout=0.3), split, learn)
    tuned = finetune(pretrained.model, task, adapt)
    scores = (
        plain("logistic regression on the pixels", logistic_regression(split)),
        kept(plan, NAME, PRETRAINED, pretrained, task, split),
        kept(plan, NAME, FINE_TUNED, tuned, task, split),
    )
    return Contest("Which digit is it?", ("accuracy",), scores)


def _communities(plan: Plan, split: Split) -> Contest:
    """Nothing is trained for this, so nothing is hidden: the classes only judge what was found."""
    from sklearn.cluster import KMeans

    graph = split.graph
    walked = kept(plan, NAME, COMMUNITIES, pretrain(WALKS, graph), CommunityDetection(graph))
    by_pixels = KMeans(10, n_init=10, random_state=0).fit_predict(np.asarray(graph.features))
    arrays = [np.asarray(graph.labels), by_pixels]
    of_pixels = {"nmi": bootstrap_statistic(nmi, arrays, resamples=RESAMPLES)}
    scores = (
        Score("KMeans on the pixels", BASELINE, of_pixels, {}),
        Score("Leiden on the graph", REFERENCE, {"nmi": walked.metrics["nmi_leiden"]}, {}),
        Score("KMeans on DeepWalk embeddings", PRETRAINED, {"nmi": walked.metrics["nmi_kmeans"]}, {}, walked.directory),
    )
    return Contest("Which images belong together?", ("nmi",), scores)


def _karate(plan: Plan) -> str:
    import networkx

    graph = from_networkx(networkx.karate_club_graph(), label="club")
    metrics = CommunityDetection(graph).evaluate(_walked(plan, graph)).means()
    return (
        f"Karate club ({_size(graph)}): two groups of DeepWalk embeddings against the two clubs it split into: "
        f"NMI {metrics['nmi_kmeans']:.2f}; Leiden on the graph: {metrics['nmi_leiden']:.2f}"
    )


def _miserables(plan: Plan) -> str:
    import networkx

    graph = from_networkx(networkx.les_miserables_graph())
    near = (name for name, _ in _walked(plan, graph).most_similar("Enjolras", 3))
    return f"Les Miserables ({_size(graph)}, weighted by shared scenes): nearest to Enjolras are {shown(near)}"


def _florentine(plan: Plan) -> str:
    import networkx

    graph = from_networkx(networkx.florentine_families_graph())
    near = (name for name, _ in _walked(plan, graph).most_similar("Medici", 3))
    return f"Florentine families ({_size(graph)}): nearest to the Medici by marriages are {shown(near)}"


def _walked(plan: Plan, graph: Graph) -> Model:
    config = TrainConfig(epochs=plan.epochs(15), batch_size=512, lr=0.1, optimizer="sgd", schedule="linear")
    return pretrain(SMALL_WALKS, graph, config).model


def _size(graph: Graph) -> str:
    return f"{graph.num_nodes} nodes, {graph.num_edges} edges"
