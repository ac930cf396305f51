"""A recommender from a log of events: read, split, compare with popularity, recommend under the log's own ids.

Run it on your own file with `python examples/recommender.py EVENTS.csv` (columns user, item); without an argument it
makes a small log in which people keep to a taste.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import graphtune as gt


def small_log(directory: Path) -> Path:
    """200 people with one of four tastes, 80 items; nine in ten events are of the taste."""
    rng = np.random.default_rng(0)
    lines = ["user,item"]
    for user in range(200):
        for _ in range(15):
            taste = user % 4 if rng.random() < 0.9 else rng.integers(4)
            lines.append(f"user{user},item{taste * 20 + int(20 * rng.random() ** 2)}")
    path = directory / "events.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else small_log(Path(directory))
        graph, report = gt.read_events(path)
        print(report)
        split = gt.split_interactions(graph)
        task = gt.Recommendation(split, k=10)

        config = gt.TrainConfig(epochs=40, batch_size=512, lr=0.01, l2=1e-4, eval_every=5, patience=3)
        pretrained = gt.pretrain(gt.BPRMF(dim=32), split, config).model
        tuned = gt.finetune(pretrained, task, task.defaults()).model
        scores = {"pretrained": task.evaluate(pretrained), "fine-tuned": task.evaluate(tuned)}
        print(gt.compare(scores, "ndcg_10", baseline="pretrained"))

        user = graph.ids.values([0])[0]
        print(f"\nfor {user}:", tuned.recommend(user, k=5))


if __name__ == "__main__":
    main()
